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

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.noise import relative_noise
from pulsatile.sweeps.analysis.budget_estimate import ALL_ARMS, COMPONENTS, Estimate
from pulsatile.sweeps.analysis.budget_runs import USUAL, Simulate, Size, carry_out
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.sensitivity.intervals import LEVEL, check_level
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study

if TYPE_CHECKING:
    import xarray as xr

WORDS = {
    "arm": "which treatment it is", "uncertainty": "typical values that are not known exactly",
    "patients": "who the patient is", "uncertainty x patients": "patients under other typical values",
    "occasions": "other days of the same patient", "residual": "noise of the assay",
    "numerical": "error of integration",
}  # fmt: skip
"""What each component is, for a reader."""
NOT_CLINICAL = "Research model, not for clinical use."
_BELOW = "estimated below 0: too small to be told from 0 with these runs"
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
    size: Size = USUAL,
    resamples: int = 200,
    seed: int = 0,
    level: float = LEVEL,
    threads: int = 1,
    simulate: Simulate | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "xr.Dataset":
    """Return the variance of outputs by source, in every arm and week.

    Parameters
    ----------
    study
        Whose first patients are run; of its layers uncertainty and residual are set here.
    outputs, weeks
        Names of outputs and endpoints of tests, and treatment weeks, that the study keeps; default all in common.
    contrast
        Arm that each other is compared with, patient by patient: rows "ARM minus CONTRAST".
    size
        Draws, patients, occasions, patients checked; runs per arm: draws x patients x occasions + checked.
    resamples, seed, level
        Of the intervals: each end is the wider of a bootstrap over draws and patients and of the interval for normal
        effects (`sweeps.sensitivity.anova`).
    threads, progress
        As for `engine.simulate.simulate`; progress counts groups of runs.
    simulate
        In place of the engine's, of the same call.

    Returns
    -------
    Dataset, dims (component, output, arm, week): ``variance`` with ``low`` and ``high`` (unit of the output squared),
    ``share`` of ``total``, ``note``; (output, arm, week): ``total`` and ``mean``.  Arms are the study's, the contrasts,
    and "all arms", whose components are the means over the arms and which alone has the component arm.

    Raises
    ------
    InputError
        For a study, outputs, weeks or sizes that do not fit, or when fewer than two patients ran without failure.
    """
    check_level(level)
    resolved = study if isinstance(study, ResolvedStudy) else resolve(study)
    arms = [arm.name for arm in resolved.arms]
    if contrast is not None and (contrast not in arms or len(arms) < 2):
        raise InputError(f"contrast = {contrast!r} is none of two or more arms; the arms are {', '.join(arms)}.")
    runs = carry_out(resolved, outputs, weeks, size, simulate, threads, progress)
    fine: Flags = np.asarray(np.isfinite(runs.values).all(axis=(0, 2, 3, 4, 5)))
    if fine.sum() < _FEWEST:
        raise InputError(
            f"{int(fine.sum())} of {size.patients} patients ran without failure in every draw, occasion and arm; "
            f"at least {_FEWEST} are needed: take more, or mend what fails."
        )
    place = {name: k for k, name in enumerate(arms)}
    pairs = [] if contrast is None else [(place[arm], place[contrast]) for arm in arms if arm != contrast]
    checked = np.flatnonzero(fine[: size.checked] & np.isfinite(runs.tight).all(axis=(1, 2, 3)))
    names = [str(name) for name in runs.like.data_vars]
    cv = [relative_noise(name.removeprefix("fasting_")) for name in names]
    # before the failed are left out: the checked are counted among all
    error = runs.values[0, checked, 0] - runs.tight[checked]
    estimate = Estimate(runs.values[:, fine], error, np.array(cv), pairs)
    rows = [*arms, *(f"{arms[a]} minus {arms[b]}" for a, b in pairs), ALL_ARMS]
    found = _dataset(estimate, rows, runs.like, resamples, seed, level)
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
    return found


def _dataset(
    estimate: Estimate, rows: list[str], like: "xr.Dataset", resamples: int, seed: int, level: float
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
            "note": (dims, np.where(variance < 0, _BELOW, "").astype(object)),
            "total": (dims[1:], total, squared), "mean": (dims[1:], estimate.mean(), {"units": "of the output"}),
        },
        coords={
            "component": list(COMPONENTS), "arm": rows, "output": [str(name) for name in like.data_vars],
            "week": like["week"].values,
            "unit": ("output", [str(v.attrs.get("units", "")) for v in like.data_vars.values()]),
        },
    )  # fmt: skip
    return found.transpose("component", "output", "arm", "week")


def sentences(budget: "xr.Dataset") -> list[str]:
    """Return one sentence for each output, arm and week, the largest source first."""
    told = []
    for output in budget["output"].values:
        for arm in budget["arm"].values:
            for week in budget["week"].values:
                part = budget.sel(output=output, arm=arm, week=week)
                head, unit = f"{output}, {arm}, week {float(week):g}", str(part["unit"].values)
                total = float(part["total"])
                if not total > 0:
                    told.append(f"{head}: does not vary.")
                    continue
                order = [k for k in np.argsort(-part["variance"].values) if np.isfinite(part["variance"].values[k])]
                words = [f"{COMPONENTS[k]} {_percent(float(part['share'][k]))}" for k in order]
                sd = f"{total**0.5:.3g} {unit}".strip(" -")
                below = [COMPONENTS[k] for k in order if part["variance"].values[k] < 0]
                more = f"; {', '.join(below)}: {_BELOW}" if below else ""
                told.append(f"{head}: SD {sd} in all; variance from {', '.join(words)}{more}.")
    return told


def _percent(share: float) -> str:
    """Return a share in words: one too small to be seen is not 0, and one below 0 keeps its sign.

    >>> _percent(0.1234), _percent(1e-9), _percent(0.0), _percent(-1e-9)
    ('12.3 %', 'below 0.1 %', '0 %', 'just below 0 %')
    """
    if share == 0:
        return "0 %"
    if abs(share) < 5e-4:
        return "below 0.1 %" if share > 0 else "just below 0 %"
    return f"{100 * share:.1f} %"


def csv_text(budget: "xr.Dataset") -> str:
    """Return CSV of a line per output, arm, week and component."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["output", "unit", "arm", "week", "component", "variance", "low", "high", "share", "total", "note"])
    for output in budget["output"].values:
        for arm in budget["arm"].values:
            for week in budget["week"].values:
                part = budget.sel(output=output, arm=arm, week=week)
                for component in COMPONENTS:
                    line = part.sel(component=component)
                    numbers = [float(line[name]) for name in ("variance", "low", "high", "share", "total")]
                    cells = ["" if np.isnan(x) else f"{x:.8g}" for x in numbers]
                    head = [output, str(part["unit"].values), arm, f"{float(week):g}", component]
                    writer.writerow([*head, *cells, str(line["note"].values)])
    return file.getvalue()


def write(folder: str | Path, budget: "xr.Dataset") -> list[Path]:
    """Write ``variance_budget.csv`` and ``variance_budget.txt`` into a folder; return their paths."""
    told = [*sentences(budget), *(f"{name}: {value}" for name, value in budget.attrs.items()), NOT_CLINICAL]
    files = {"variance_budget.csv": csv_text(budget), "variance_budget.txt": "\n".join(told) + "\n"}
    write_all(Path(folder), {name: text.encode() for name, text in files.items()})
    return [Path(folder) / name for name in files]
