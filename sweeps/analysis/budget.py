"""Variance budget of an output: a share for each source, numerical error included.

    arm                      treatment (of "all arms": the variance of the arms' true means)
    uncertainty              uncertain typical values of the parameter table, the same for all patients
    patients                 covariates and individual parameters: between-subject variability
    uncertainty x patients   differences between patients that depend on the typical values
    occasions                other pulses and meals of the same patient, run-in included
    residual                 assay noise (`engine.patients.noise`), where an assay of the output is known
    numerical                mean square difference from a run at a 100 times tighter tolerance, every day integrated

All but the last two are estimated from a crossed layout of draws, patients and occasions (`sweeps.sensitivity.anova`),
without bias; a negative estimate is reported as such, with a note.  Draws, patients and days are the same in all arms,
so the paired contrast of two arms has its own budget.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags, usual_float_errors
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.noise import relative_noise
from pulsatile.sweeps.analysis.budget_estimate import COMPONENTS, BudgetEstimate
from pulsatile.sweeps.analysis.budget_result import BELOW, VarianceBudget
from pulsatile.sweeps.analysis.budget_runs import USUAL, BudgetSize, Simulate, run_layout
from pulsatile.sweeps.analysis.provenance import of_study
from pulsatile.sweeps.contrast import ALL_ARMS, Kind, check_contrast, labels
from pulsatile.sweeps.sensitivity.intervals import LEVEL, check_level
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study

if TYPE_CHECKING:
    import xarray as xr

_NO_ASSAY = "no relative assay noise is stated for this output"
_UNCHECKED = "every patient to be checked had a failed run"
_FEWEST = 2
"""Smallest number of patients without any failed run."""


@usual_float_errors
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
        Study whose first patients are run; its layers uncertainty and residual are set here.
    outputs, weeks
        Outputs, endpoints of tests and treatment weeks that the study stores; default all in common.
    contrast
        Arm with which each other arm is compared, patient by patient; adds rows of the kind contrast.
    size
        Draws, patients, occasions and checked patients; runs per arm: draws x patients x occasions + checked.
    resamples, seed, level
        Of the intervals: squared t intervals for arms, the jackknife of the logarithm for patients, a bootstrap over
        draws and patients for the others; each of a crossed component also contains the interval for normal effects
        (`sweeps.analysis.budget_estimate`).
    threads, progress
        As for `engine.simulate.simulate`; progress counts groups of runs.
    simulate
        Function with the signature of the engine's, to use in its place.

    Raises
    ------
    InputError
        When study, outputs, weeks or sizes do not fit, or fewer than two patients have no failed run.
    """
    check_level(level)
    resolved = study if isinstance(study, ResolvedStudy) else resolve(study)
    arms = [arm.name for arm in resolved.arms]
    if contrast is not None:
        check_contrast(contrast, arms)
    runs = run_layout(resolved, outputs, weeks, size, simulate, threads, progress)
    whole: Flags = np.asarray(np.isfinite(runs.values).all(axis=(0, 2, 3, 4, 5)))
    if whole.sum() < _FEWEST:
        raise InputError(
            f"{int(whole.sum())} of {size.patients} patients ran without failure in every draw, occasion and arm; "
            f"at least {_FEWEST} are needed: take more patients, or fix what fails."
        )
    checked = np.flatnonzero(whole[: size.checked] & np.isfinite(runs.tight).all(axis=(1, 2, 3)))
    names = [str(name) for name in runs.like.data_vars]
    cv = [relative_noise(name.removeprefix("fasting_")) for name in names]
    # before failed patients are left out: positions of checked ones are among all
    error = runs.values[0, checked, 0] - runs.tight[checked]
    estimate = BudgetEstimate(
        runs.values[:, whole], error, np.array(cv), None if contrast is None else arms.index(contrast)
    )
    dataset = _dataset(estimate, *labels(arms, contrast), runs.like, resamples, seed, level)
    dataset["note"].loc[{"component": "residual", "output": [n for n, c in zip(names, cv, strict=True) if not c]}] = (
        _NO_ASSAY
    )
    if not len(checked):
        dataset["note"].loc[{"component": "numerical"}] = _UNCHECKED
    dataset.attrs |= {
        "method": "unbiased components of variance (expected mean squares): draws x patients, occasions inside",
        "interval": f"{level:.0%}: squared t (arm), jackknife of the logarithm (patients), bootstrap (others); of "
        "crossed components the wider of it and of one for normal effects",
        "draws": size.draws, "patients": int(whole.sum()), "occasions": size.occasions, "checked": len(checked),
        "left_out": f"{int((~whole).sum())} of {size.patients} patients had a failed run and are left out everywhere",
        "numerical": f"against rtol {runs.rtol:g}, every day integrated",
    } | of_study(resolved)  # fmt: skip
    return VarianceBudget(dataset)


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
    dataset = xr.Dataset(
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
    return dataset.transpose("component", "output", "arm", "week")
