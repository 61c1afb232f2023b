"""Sensitivity indices of a finished run of a design: from its folder to datasets, tables and sentences.

All is computed from the committed values in the order of the points, so indices are the same bits whatever way the run
came about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.errors import InputError, Status
from pulsatile.sweeps.analysis.convergence import convergence
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.disk.folder import RunFolder, unfinished
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.intervals import half_width, stopping
from pulsatile.sweeps.sensitivity.missing import failed_region, leave_out
from pulsatile.sweeps.sensitivity.outputs import flat, prepare
from pulsatile.sweeps.sensitivity.prcc import LEAST_BEYOND
from pulsatile.sweeps.sensitivity.scenarios import LEAST_CASES, scenario
from pulsatile.sweeps.sensitivity.sobol import sobol
from pulsatile.sweeps.sensitivity.trajectories import of_trajectory, time_weights
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import Arm
from pulsatile.sweeps.summary.endpoints import SAME_TIME, WEEK
from pulsatile.sweeps.summary.events import Event, flag_outputs

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pulsatile.sweeps.study.resolve import ResolvedStudy
    from pulsatile.sweeps.study.schema import Study

SINGLE = 2.0**-23
"""Relative precision of outputs that are stored as float32."""
INDICES = "indices"
"""Name of the table of indices in the run's folder."""
_WEEKLY = ("time", "window")


@dataclass(frozen=True)
class Wanted:
    """Outputs and treatment weeks to look at, all where empty; the arm that the others are compared with."""

    outputs: tuple[str, ...] = ()
    weeks: tuple[float, ...] = ()
    contrast: str | None = None


@dataclass(frozen=True)
class Analysis:
    """What was found.

    ``indices`` of every arm, and of "ARM minus CONTRAST" where a contrast is wanted, dims (output, factor, arm, week);
    ``curves`` of whole trajectories over the weeks, dims (output, factor, arm); ``verdicts`` whether the design
    suffices, and ``steps`` how the indices settle with replicates; ``failed`` where runs failed, None if none or all
    did; ``scenarios`` which points gain and which lose.
    """

    indices: "xr.Dataset"
    curves: "xr.Dataset | None"
    verdicts: tuple[str, ...]
    steps: "xr.Dataset | None"
    failed: "xr.Dataset | None"
    scenarios: tuple[str, ...]


def points(folder: str | Path) -> "xr.Dataset":
    """Open the results of a finished run of a design, dims arm, design, time and those of tests.

    The factors' values, and each point's replicate, row and block, are coordinates along ``design``; the covariates are
    those of the patient whom all points are about.

    Raises
    ------
    FolderRefuses
        When the folder is no run of a design, or not finished.
    """
    run = RunFolder.open(Path(folder))
    if run.resolved.population.design is None:
        raise FolderRefuses(f"{folder} is no run of a design; give its study a design, or look at it as it is.")
    if not run.end.get("digest"):
        raise FolderRefuses(f"{folder} is not finished ({run.state}); {unfinished(run)}.")
    dataset = store.open_dataset(run.store).rename(patient="design")
    table = run.resolved.population.design.design().table()
    return dataset.assign_coords(
        {name: table[name].variable for name in (*table.data_vars, "replicate", "row", "block")}
    )


def at_weeks(dataset: "xr.Dataset", wanted: Wanted) -> "xr.Dataset":
    """Return outputs and endpoints of tests at treatment weeks, float64, dims (design, arm, week).

    Raises
    ------
    InputError
        For an output that the run did not keep, or a week at which it was not measured.
    """
    import xarray as xr

    events = flag_outputs()
    there = [str(name) for name, v in dataset.data_vars.items() if v.ndim == 3 and {"arm", "design"} <= set(v.dims)]
    names = wanted.outputs or tuple(name for name in there if _weeks_of(dataset, name))
    read = {name: events[name].source(there) for name in names if name not in there and name in events}
    for name in names:
        if name not in there and name not in events:
            raise InputError(f"output {name!r} is not in the results; choose from {', '.join((*there, *events))}.")
        if name in read and read[name] is None:
            raise InputError(
                f"{name} ({events[name].measure()}) cannot be told: the run kept none of "
                f"{', '.join(events[name].sources)}."
            )
    weeks = wanted.weeks or _common_weeks(dataset, [read.get(name) or name for name in names])
    parts = {}
    for name in names:
        if source := read.get(name):
            parts[name] = _flagged(dataset, events[name], source, weeks)
            continue
        known = _weeks_of(dataset, name)
        lost = [week for week in weeks if week not in known]
        if lost:
            raise InputError(
                f"output {name} was not measured in week {lost[0]:g}; it was in "
                f"{', '.join(f'{week:g}' for week in sorted(known)[:20])}."
            )
        variable = dataset[name].transpose("design", "arm", ...)
        values = variable.values[:, :, [known[week] for week in weeks]].astype(np.float64)
        units = {"units": str(variable.attrs.get("units", "")), "long_name": str(variable.attrs.get("long_name", name))}
        parts[name] = (("design", "arm", "week"), values, units)
    coords: dict[str, Any] = {"arm": [str(arm) for arm in dataset["arm"].values], "week": list(weeks)}
    return xr.Dataset(parts, coords)


def _flagged(dataset: "xr.Dataset", flag: Event, source: str, weeks: tuple[float, ...]) -> Any:
    """Return a flag at treatment weeks, (dims, values, attributes)."""
    values = at_weeks(dataset, Wanted((source,), weeks))[source].values
    start = at_weeks(dataset, Wanted((source,), (0.0,)))[source].values if flag.change else None
    return ("design", "arm", "week"), flag.values(values, start), {"units": "-", "long_name": flag.measure(source)}


def refuse_unknown(study: "Study", wanted: Wanted) -> None:
    """Refuse, before anything runs, to look at what the results of ``study`` will not have."""
    from pulsatile.engine.dataset import template

    names = [arm.name for arm in study.arms]
    if wanted.contrast is not None and (wanted.contrast not in names or len(names) < 2):
        raise InputError(
            f"contrast = {wanted.contrast!r} must be one of at least two arms; the arms are {', '.join(names)}."
        )
    # no matched dose is looked for
    resolved = resolve(study.model_copy(update={"arms": tuple(Arm(name=name, preset="control") for name in names)}))
    at_weeks(template([0], resolved.engine_arms(), resolved.plan()).rename(patient="design"), wanted)
    if resolved.population.design is not None:
        design = resolved.population.design.design()
        refuse_no_ranks(design)


def refuse_no_ranks(design: Design) -> None:
    """Refuse a sample of too few points, or of a factor with one value, for rank correlations."""
    if design.kind not in ("latin", "grid", "list"):
        return
    least = len(design.factors) + LEAST_BEYOND
    if design.n_points < least:
        raise InputError(
            f"the design has {design.n_points} points; rank correlations of {len(design.factors)} factors need "
            f"{least} at least."
        )
    same = [factor.name for factor, x in zip(design.factors, design.values.T, strict=True) if np.ptp(x) == 0]
    if same:
        raise InputError(f"factor {same[0]} is the same in all points: it has no rank correlation; leave it out.")


def _weeks_of(dataset: "xr.Dataset", name: str) -> dict[float, int]:
    """Return the place of each whole treatment week at which an output was measured."""
    along = next(str(dim) for dim in dataset[name].dims if dim not in ("arm", "design"))
    if along not in dataset.coords:
        return {}
    at = np.asarray(dataset[along].values, np.float64)
    if along.endswith("_week"):
        return {float(week): k for k, week in enumerate(at)}
    if along == "window":  # a window counts at its end
        width = at[1] - at[0] if len(at) > 1 else float(dataset["time"].values[-1])
        at = at + width
    if along in _WEEKLY:
        near = np.round(at / WEEK)
        return {float(w): k for k, (w, t) in enumerate(zip(near, at, strict=True)) if abs(WEEK * w - t) < SAME_TIME}
    return {}


def _common_weeks(dataset: "xr.Dataset", names: Sequence[str]) -> tuple[float, ...]:
    common = set.intersection(*(set(_weeks_of(dataset, name)) for name in names))
    found = tuple(sorted(week for week in common if week > 0))
    if not found:
        raise InputError("the outputs have no treatment week in common; say sensitivity.outputs and weeks.")
    return found


def analyse(folder: str | Path, wanted: Wanted) -> Analysis:
    """Return the indices of a finished run of a design, for all outputs, arms and weeks, and of the paired contrast."""
    import xarray as xr

    dataset = points(folder)
    resolved = _resolved(Path(folder))
    assert resolved.population.design is not None
    design = resolved.population.design.design()
    refuse_no_ranks(design)
    outputs = at_weeks(dataset, wanted).load()
    # runs fail as a whole; a NaN of a good run would be told as missing too
    status = dataset["status"].load().drop_vars([c for c in dataset["status"].coords if c != "arm"])
    status = status.assign_coords(arm=[str(arm) for arm in status["arm"].values])
    stored = [str(name) for name in outputs.data_vars if name in dataset]
    precision = {name: SINGLE for name in stored if dataset[name].dtype == np.float32}
    parts = [indices(design, outputs, status=status, precision=precision)]
    ready = [prepare(design, outputs, status, precision=precision)]
    if wanted.contrast is not None:
        differences = indices(design, outputs, status=status, contrast=wanted.contrast, precision=precision)
        labels = [f"{arm} minus {wanted.contrast}" for arm in differences["arm"].values]
        parts.append(differences.assign_coords(arm=labels))
        ready.append(prepare(design, outputs, status, wanted.contrast, precision).assign_coords(arm=labels))
    found = xr.concat(parts, dim="arm", data_vars="minimal", join="outer", combine_attrs="drop_conflicts")
    found.attrs = parts[0].attrs | {
        "contrast": parts[-1].attrs.get("contrast", "none"),
        "run": str(dataset.attrs["identity"]),
    }
    both = xr.concat(ready, dim="arm")
    bad = (status != int(Status.OK)).any("arm").values
    failed = failed_region(design, bad) if bad.any() and not bad.all() else None
    curves, verdicts = _sobol_more(design, both) if design.kind == "saltelli" else (None, ())
    steps = None
    if design.n_replicates > 1 and design.kind in ("saltelli", "morris", "efast"):
        steps = convergence(design, outputs, status, wanted.contrast, precision=precision)
    scenarios = () if wanted.contrast is None else tuple(_scenarios(design, ready[-1]))
    return Analysis(found, curves, verdicts, steps, failed, scenarios)


def _resolved(folder: Path) -> "ResolvedStudy":

    return RunFolder.open(folder).resolved


def _sobol_more(design: Design, outputs: "xr.Dataset") -> "tuple[xr.Dataset, tuple[str, ...]]":
    """Return indices of whole trajectories, and whether the replicates suffice, told per output."""
    import xarray as xr

    weights = time_weights(outputs["week"].values)
    parts, verdicts = [], []
    arms = outputs["arm"].values
    for name, variable in outputs.data_vars.items():
        y = leave_out(design, flat(variable.transpose("design", "arm", "week")), "pairs")
        found = sobol(design, y)
        fine = (found.reason == 0).reshape(len(arms), -1).any(axis=1)
        kept = np.repeat(fine, len(weights))
        columns: dict[str, Any] = {}
        shape = (len(design.names), len(arms))
        if fine.any():
            pooled = of_trajectory(sobol(design, y[:, kept]), weights)
        for k, label in enumerate(("S1", "ST")):
            value, sure = np.full(shape, np.nan), np.full(shape, np.nan)
            if fine.any():
                value[:, fine], sure[:, fine] = pooled[k].value, half_width(pooled[k])
            for end, values in (("", value), ("_low", value - sure), ("_high", value + sure)):
                columns[label + end] = (("factor", "arm"), values, {"units": "1"})
        parts.append(xr.Dataset(columns, {"factor": design.names, "arm": arms}))
        if design.n_replicates > 1 and (found.reason == 0).any():
            verdicts += [f"{name}: {verdict.sentence}" for verdict in stopping(found)]
    curves = xr.concat(parts, dim=xr.Variable("output", [str(name) for name in outputs.data_vars]))
    curves.attrs["method"] = "generalised Sobol' index of the trajectory over the weeks (arXiv 1311.1797)"
    return curves, tuple(verdicts)


def _scenarios(design: Design, differences: "xr.Dataset") -> list[str]:
    """Say where, among independent points, the first output of an arm is above or below the contrast's at the end."""
    name = next(iter(differences.data_vars))
    told = []
    for arm in differences["arm"].values:
        end = differences[name].sel(arm=arm).isel(week=-1).values
        fine = np.isfinite(end) & design.independent
        for words, flags in (("higher", end > 0), ("lower", end < 0)):
            count = int(flags[fine].sum())
            if min(count, int(fine.sum()) - count) < LEAST_CASES:
                told.append(f"{arm}, {name}: {count} of {int(fine.sum())} points are {words} in the last week.")
                continue
            box = scenario(design.values[fine], flags[fine], [f.name for f in design.factors],
                           [f.unit for f in design.factors])  # fmt: skip
            told.append(f"{arm}, {name}, last week: {count / fine.sum():.0%} of the points are {words}. "
                        f"{box.sentence(f'{words} ones', 'points')}")  # fmt: skip
    return told


_TOLD = ("mean", "variance", "n_missing", "reason")


def table(found: "xr.Dataset", along: str = "factor") -> "pd.DataFrame":
    """Return one row per output, arm, week and factor (or pair): the columns that have these dims.

    With them stand the unit of the output, its mean and variance, and why an index is not there.
    """
    dims = ("output", "arm", "week", along)
    kept = [name for name in found.data_vars if along in found[name].dims]
    kept += [name for name in _TOLD if name in found]
    frame = found[kept].to_dataframe(dim_order=[d for d in dims if d in found[kept].dims])
    return frame[[*(c for c in ("unit",) if c in frame), *kept]].reset_index()


def save(folder: str | Path, analysis: Analysis) -> list[Path]:
    """Write the tables and the dataset of indices into the run's folder; return the paths."""
    root = Path(folder)
    tables = {INDICES: table(analysis.indices)}
    if "pair" in analysis.indices.dims:
        tables["indices_of_pairs"] = table(analysis.indices, "pair")
    if analysis.curves is not None:
        tables["indices_of_curves"] = table(analysis.curves)
    files = {
        f"{name}.csv": frame.to_csv(index=False, float_format="%.17g", lineterminator="\n")
        for name, frame in tables.items()
    }
    if analysis.failed is not None:
        files["failed_region.csv"] = analysis.failed.to_dataframe().to_csv(lineterminator="\n")
    said = [*analysis.verdicts, *analysis.scenarios, *(f"{k}: {v}" for k, v in analysis.indices.attrs.items())]
    files["sensitivity.txt"] = "\n".join([*said, "Research model, not for clinical use."]) + "\n"
    write_all(root, {name: text.encode() for name, text in files.items()})
    return [root / name for name in files]
