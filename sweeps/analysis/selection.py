"""The selected part of a finished run: outputs, treatment weeks and a contrast, and the values at those weeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import DIMENSIONLESS
from pulsatile.sweeps.contrast import check_contrast
from pulsatile.sweeps.sensitivity.methods import method_of
from pulsatile.sweeps.study.arms import ArmEntry
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.summary.endpoints import SAME_TIME, WEEK
from pulsatile.sweeps.summary.events import Event, flag_outputs

if TYPE_CHECKING:
    import xarray as xr

    from pulsatile.sweeps.study.schema import Study

_WEEKLY = ("time", "window")


@dataclass(frozen=True)
class Selection:
    """Outputs and treatment weeks to analyse, all where empty; the arm with which the others are compared."""

    outputs: tuple[str, ...] = ()
    weeks: tuple[float, ...] = ()
    contrast: str | None = None

    def check_contrast(self, arms: Sequence[str]) -> None:
        """Raise `InputError` where the contrast is not an arm, or is the only one."""
        if self.contrast is not None:
            check_contrast(self.contrast, arms)


EVERYTHING = Selection()


def at_weeks(dataset: "xr.Dataset", selection: Selection) -> "xr.Dataset":
    """Return outputs and endpoints of tests at treatment weeks, float64, dims (design, arm, week).

    Raises
    ------
    InputError
        When the run did not store an output, or did not measure it in a week.
    """
    import xarray as xr

    events = flag_outputs()
    available = [str(name) for name, v in dataset.data_vars.items() if v.ndim == 3 and {"arm", "design"} <= set(v.dims)]
    names = selection.outputs or tuple(name for name in available if _weeks_of(dataset, name))
    read = {name: events[name].source(available) for name in names if name not in available and name in events}
    for name in names:
        if name not in available and name not in events:
            raise InputError(f"output {name!r} is not in the results; choose from {', '.join((*available, *events))}.")
        if name in read and read[name] is None:
            raise InputError(
                f"{name} ({events[name].measure()}) cannot be determined: the run stored none of "
                f"{', '.join(events[name].sources)}."
            )
    weeks = selection.weeks or _common_weeks(dataset, [read.get(name) or name for name in names])
    parts = {}
    for name in names:
        if source := read.get(name):
            parts[name] = _flagged(dataset, events[name], source, weeks)
            continue
        known = _weeks_of(dataset, name)
        missing = [week for week in weeks if week not in known]
        if missing:
            raise InputError(
                f"output {name} was not measured in week {missing[0]:g}; it was in "
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
    values = at_weeks(dataset, Selection((source,), weeks))[source].values
    start = at_weeks(dataset, Selection((source,), (0.0,)))[source].values if flag.change else None
    return (
        ("design", "arm", "week"),
        flag.values(values, start),
        {"units": DIMENSIONLESS, "long_name": flag.measure(source)},
    )


def _weeks_of(dataset: "xr.Dataset", name: str) -> dict[float, int]:
    """Return the position of each whole treatment week in which an output was measured."""
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
    weeks = tuple(sorted(week for week in common if week > 0))
    if not weeks:
        raise InputError("the outputs have no treatment week in common; set sensitivity.outputs and sensitivity.weeks.")
    return weeks


def refuse_unknown(study: "Study", selection: Selection) -> None:
    """Raise `InputError`, before anything runs, where the results of ``study`` will not have the selection."""
    from pulsatile.engine.dataset import template

    names = [arm.name for arm in study.arms]
    selection.check_contrast(list(study.arm_names))
    # presets of control avoid the search for matched doses
    resolved = resolve(
        study.model_copy(update={"arms": tuple(ArmEntry(name=name, preset="control") for name in names)})
    )
    at_weeks(template([0], resolved.arms, resolved.plan()).rename(patient="design"), selection)
    if resolved.population.design is not None:
        design = resolved.population.design.design()
        method_of(design).check(design)
