"""The values of two arms of a run that a trial would compare: of a variable, its change, or responders."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.checks import choices
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import shown_unit
from pulsatile.sweeps.summary.endpoints import WEEK, measured, prevalence
from pulsatile.sweeps.summary.events import RULES, Event, flag_outputs
from pulsatile.sweeps.summary.success import responder_of

if TYPE_CHECKING:
    import xarray as xr

MEASURES = ("change", "percent", "value")
FEWEST = 50
"""Least number of patients of a run from whom SDs are taken [assumed]."""


class Compared(NamedTuple):
    """Values of arm and control (n,), 0 and 1 of responders, of patients with both; their weights, all above 0.

    ``desired`` says whether a response is wanted; ``weighted`` whether the weights differ.
    """

    arm: Floats
    control: Floats
    weights: Floats
    weighted: bool
    of_events: bool
    what: str
    unit: str
    desired: bool
    week: float


def compared(
    dataset: "xr.Dataset", endpoint: str, rows: tuple[int, int], week: float | None, measure: str, responder: str | None
) -> Compared:
    """Return the values of the arms at ``rows``; arguments of `analysis.power.power`."""
    at, values, event = _values(dataset, endpoint, week, measure, responder)
    weights = prevalence(dataset)
    w = np.ones(values.shape[1]) if weights is None else weights
    good: Flags = np.isfinite(values[rows[0]] - values[rows[1]]) & np.isfinite(w) & (w > 0)
    first, second = values[rows[0]][good], values[rows[1]][good]
    if len(first) < FEWEST:
        raise InputError(
            f"{len(first)} patients of the run have a value of {endpoint} in both arms, too few to know how patients "
            f"differ; at least {FEWEST} are needed, `pulsatile expand` adds more."
        )
    of_events = event is not None or responder is not None
    if not of_events and not min(first.std(), second.std()) > 0:
        raise InputError(
            f"{endpoint} is the same in all patients of an arm, so a trial has no spread; run patients that vary."
        )
    what = endpoint
    if event is None:
        what += {"change": ", change from week 0", "percent": ", change from week 0 in %", "value": ""}[measure]
        what += f" {responder.strip()}" if responder is not None else ""
    unit = "%" if of_events or measure == "percent" else shown_unit(str(dataset[endpoint].attrs.get("units", "")))
    desired = event is None or event.role == "responder"
    return Compared(first, second, w[good], weights is not None, of_events, what, unit, desired, at)


def _values(
    dataset: "xr.Dataset", endpoint: str, week: float | None, measure: str, responder: str | None
) -> tuple[float, Floats, Event | None]:
    """Return the week, the values (arm, patient) of the measure or the event in it, and the event."""
    events = flag_outputs()
    numbers = [str(k) for k, v in dataset.data_vars.items() if v.dims[:2] == ("arm", "patient") and len(v.dims) == 3]
    event = events.get(endpoint)
    source = None if event is None else event.source(numbers)
    if event is not None and source is None:
        raise InputError(f"endpoint = {endpoint!r} is read from {' or '.join(event.sources)}, and the run has neither.")
    if event is not None and responder is not None:
        raise InputError(f"endpoint = {endpoint!r} has a rule already, so responder = {responder!r} is too much.")
    name = source or endpoint
    if name not in numbers:
        known = [*numbers, *(key for key, row in events.items() if row.source(numbers))]
        raise InputError(f"endpoint = {endpoint!r} is not a variable of the run: {choices(endpoint, known)}.")
    along = str(dataset[name].dims[2])
    weeks = dataset[along].values / WEEK if along == "time" else ()
    series = dict(measured(dataset, name, tuple(float(w) for w in weeks)))
    change = event.change if event is not None else measure != "value"
    start = series.get(0.0)
    if change and (start is None or along == "window"):
        raise InputError(f"{name} has no value of week 0 in the run, so no change is known; give measure value.")
    later = [w for w in series if w > 0 or not change]
    at = later[-1] if week is None and later else week
    if at is None or at not in later:
        raise InputError(
            f"week = {'none' if at is None else f'{at:g}'} has no value of {name}; choose from "
            f"{', '.join(f'{w:g}' for w in later) or 'none: the run holds week 0 only'}."
        )
    values = series[at]
    if event is not None:
        return at, event.values(values, start if event.change else None, name), event
    if change:
        assert start is not None
        with np.errstate(divide="ignore", invalid="ignore"):
            values = values - start if measure == "change" else 100 * (values / start - 1)
    if responder is not None:
        side, limit = responder_of(responder)
        values = np.where(np.isfinite(values), RULES[side](values, limit).astype(np.float64), np.nan)
    return at, values, None
