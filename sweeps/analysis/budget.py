"""Where the variance of an output comes from, in one call: a share for each source, numerical error included.

    arm                      which treatment it is (of "all arms": the variance of the arms' true means)
    uncertainty              typical values of the table that are not known exactly, the same for all patients
    patients                 covariates and individual parameters: who differs
    uncertainty x patients   patients whose difference hangs on the typical values
    occasions                other pulses and meals of the same patient, run-in included
    residual                 assay noise (`engine.patients.noise`), where an assay of the output is known
    numerical                mean square difference to a run at a 100 times tighter tolerance, every day integrated

All but the last two are estimated from a crossed layout of draws, patients and occasions (`sweeps.sensitivity.anova`),
without bias; one that comes out below 0 is shown so, with words.  Draws, patients and days are the same in all arms, so
the paired contrast of two arms has a budget of its own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.noise import relative_noise
from pulsatile.sweeps.analysis.budget_estimate import COMPONENTS, BudgetEstimate
from pulsatile.sweeps.analysis.budget_result import BELOW, VarianceBudget
from pulsatile.sweeps.analysis.budget_runs import USUAL, BudgetSize, Simulate, carry_out
from pulsatile.sweeps.contrast import ALL_ARMS, Kind, check_contrast, labels
from pulsatile.sweeps.sensitivity.intervals import LEVEL, check_level
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study

if TYPE_CHECKING:
    import xarray as xr

_NO_ASSAY = "no relative assay noise is stated for this output"
_UNCHECKED = "every patient to be checked had a failed run"
_FEWEST = 2
"""Patients without any failed run."""


def variance_budget(
    study: Study | ResolvedStudy,
    outputs: tuple[str, ...] = (),
    weeks: tuple[float, ...] = (),
    *,
    contrast: str | None = None,
    size: BudgetSize = USUAL,
    resamples: int = 200,
    seed: int = 0,
    level: float = LEVEL,
    threads: int = 1,
    simulate: Simulate | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VarianceBudget:
    """Return the variance of outputs by source, in every arm and week.

    Parameters
    ----------
    study
        Whose first patients are run; of its layers uncertainty and residual are set here.
    outputs, weeks
        Names of outputs and endpoints of tests, and treatment weeks, that the study keeps; default all in common.
    contrast
        Arm that each other is compared with, patient by patient: more rows, of kind contrast.
    size
        Draws, patients, occasions, patients checked; runs per arm: draws x patients x occasions + checked.
    resamples, seed, level
        Of the intervals: each end is the wider of a bootstrap over draws and patients and of the interval for normal
        effects (`sweeps.sensitivity.anova`).
    threads, progress
        As for `engine.simulate.simulate`; progress counts groups of runs.
    simulate
        In place of the engine's, of the same call.

    Raises
    ------
    InputError
        For a study, outputs, weeks or sizes that do not fit, or when fewer than two patients ran without failure.
    """
    check_level(level)
    resolved = study if isinstance(study, ResolvedStudy) else resolve(study)
    arms = [arm.name for arm in resolved.arms]
    if contrast is not None:
        check_contrast(contrast, arms)
    runs = carry_out(resolved, outputs, weeks, size, simulate, threads, progress)
    fine: Flags = np.asarray(np.isfinite(runs.values).all(axis=(0, 2, 3, 4, 5)))
    if fine.sum() < _FEWEST:
        raise InputError(
            f"{int(fine.sum())} of {size.patients} patients ran without failure in every draw, occasion and arm; "
            f"at least {_FEWEST} are needed: take more, or mend what fails."
        )
    checked = np.flatnonzero(fine[: size.checked] & np.isfinite(runs.tight).all(axis=(1, 2, 3)))
    names = [str(name) for name in runs.like.data_vars]
    cv = [relative_noise(name.removeprefix("fasting_")) for name in names]
    # before the failed are left out: the checked are counted among all
    error = runs.values[0, checked, 0] - runs.tight[checked]
    estimate = BudgetEstimate(
        runs.values[:, fine], error, np.array(cv), None if contrast is None else arms.index(contrast)
    )
    found = _dataset(estimate, *labels(arms, contrast), runs.like, resamples, seed, level)
    found["note"].loc[{"component": "residual", "output": [n for n, c in zip(names, cv, strict=True) if not c]}] = (
        _NO_ASSAY
    )
    if not len(checked):
        found["note"].loc[{"component": "numerical"}] = _UNCHECKED
    found.attrs |= {
        "method": "unbiased components of variance (expected mean squares): draws x patients, occasions inside",
        "interval": f"{level:.0%}: the wider of a bootstrap over draws and patients and of one for normal effects",
        "draws": size.draws, "patients": int(fine.sum()), "occasions": size.occasions, "checked": len(checked),
        "left_out": f"{int((~fine).sum())} of {size.patients} patients had a failed run and are left out everywhere",
        "numerical": f"against rtol {runs.rtol:g}, every day integrated",
        "run": resolved.identity,
    }  # fmt: skip
    return VarianceBudget(found)


def _dataset(
    estimate: BudgetEstimate,
    rows: list[str],
    kinds: list[Kind],
    like: "xr.Dataset",
    resamples: int,
    seed: int,
    level: float,
) -> "xr.Dataset":
    import xarray as xr

    variance = estimate.variance()
    low, high = estimate.ends(resamples, seed, level)
    total = np.nansum(variance, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, variance / total, np.nan)
    dims = ("component", "arm", "output", "week")
    squared = {"units": "square of that of the output"}
    found = xr.Dataset(
        {
            "variance": (dims, variance, squared), "low": (dims, low, squared), "high": (dims, high, squared),
            "share": (dims, share, {"units": "1"}),
            "note": (dims, np.where(variance < 0, BELOW, "").astype(object)),
            "total": (dims[1:], total, squared), "mean": (dims[1:], estimate.mean(), {"units": "of the output"}),
        },
        coords={
            "component": list(COMPONENTS), "arm": [*rows, ALL_ARMS], "kind": ("arm", [*kinds, ALL_ARMS]),
            "output": [str(name) for name in like.data_vars], "week": like["week"].values,
            "unit": ("output", [str(v.attrs.get("units", "")) for v in like.data_vars.values()]),
        },
    )  # fmt: skip
    return found.transpose("component", "output", "arm", "week")
