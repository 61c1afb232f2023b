"""The doses that each patient receives, where these differ: missed, weak, late, titrated, or listed in a table.

Draws are keyed by seed, patient, drug and the minute of the scheduled dose, so they depend on no other dose, patient or
arm.
"""

from typing import NamedTuple

import numpy as np

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.drugs.dose_rule import WEEK
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.kernel.events import EventTable, on_clock, target_of
from pulsatile.engine.parameters import INPUTS, ROW
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.people.covariates import body_surface

MINUTES = 60


class Rule(NamedTuple):
    """What a dose acts on: a state that jumps, or an input held for the duration; ``size`` (n,) of jump or level."""

    name: str
    held: bool
    size: Floats


class Levels(NamedTuple):
    """The amounts of a titrated rule: ``amount`` (k + 1, n), of which row j holds from ``hours[j - 1]`` (h) on."""

    hours: Floats
    amount: Floats

    def at(self, hours: Floats) -> Floats:
        """Return the amounts (n, m) at ``hours`` (m,)."""
        return np.asarray(self.amount[np.searchsorted(self.hours, hours, side="right")].T)


class Given(NamedTuple):
    """Events in any order: the patient's position, hour, target and amount of each (m,)."""

    owner: Ids
    hour: Floats
    target: Ids
    amount: Floats

    def events(self, n: int) -> EventTable:
        """Return the events of ``n`` patients as a table, settings of inputs first where they meet."""
        order = np.lexsort((self.target >= 0, self.hour, self.owner))
        counts = np.bincount(self.owner, minlength=n)
        ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return EventTable(ptr, self.hour[order], self.target[order], self.amount[order])


def body_size(dose: Dose, cohort: Cohort) -> Floats:
    """Return what the dose's amount is per, (n,): weight (kg), body surface (m2) by Mosteller, or 1."""
    weight = cohort.parameters["weight"]
    if dose.per == "kg":
        return np.asarray(weight)
    if dose.per == "m2":
        return body_surface(weight, cohort.covariates["height"])
    return np.ones(len(cohort))


def as_given(dose: Dose, cohort: Cohort, rule: Rule, start: float, stop: float, levels: Levels | None = None) -> Given:
    """Return the boluses of a rule as each patient receives them from ``start`` to before ``stop`` (h).

    ``rule.size`` (n,) is the jump of the scheduled amount; ``levels`` are the amounts of a titrated rule.
    """
    due = dose.starts(start - dose.jitter, stop + dose.jitter)
    minute = np.round(due * MINUTES).astype(np.int64)
    keys = cohort.keys[:, None]
    taken, content = draws.uniform_pairs(cohort.seed, keys, draws.layer(f"dose {dose.drug}"), minute[None, :])
    late, _ = draws.uniform_pairs(cohort.seed, keys, draws.layer(f"dose hour {dose.drug}"), minute[None, :])
    low, high = dose.content
    amount = rule.size[:, None] * (low + (high - low) * content)
    if levels is not None:
        amount = amount * (levels.at(due) / dose.amount)
    hour = np.maximum(on_clock(due + dose.jitter * (2 * late - 1)), 0.0)
    kept = (taken < dose.adherence) & (hour >= start) & (hour < stop) & (amount > 0)
    owner, which = np.nonzero(kept)
    target = np.full(len(owner), target_of(rule.name), np.int64)
    return Given(owner, hour[owner, which], target, amount[owner, which])


def from_table(dose: Dose, cohort: Cohort, rule: Rule, start: float, stop: float) -> Given:
    """Return the doses of a rule's table from ``start`` to before ``stop`` (h); ``rule.size`` (n,) is of its amount."""
    table = dose.table
    assert table is not None
    hour, amount = on_clock(np.array(table.time, float)), np.array(table.amount, float)
    length = np.array(table.duration, float) if table.duration else np.zeros(len(hour))
    if table.patient:
        position = {int(patient): k for k, patient in enumerate(cohort.patient)}
        places = np.array([position.get(patient, -1) for patient in table.patient], np.int64)
        rows, owner = np.flatnonzero(places >= 0), places[places >= 0]
    else:
        rows, owner = (part.ravel() for part in np.indices((len(hour), len(cohort))))
    hour, length, size = hour[rows], length[rows], amount[rows] * (rule.size / dose.amount)[owner]
    target = target_of(rule.name)
    begin = max(start, float(on_clock(dose.start_week * WEEK)))
    end = stop if dose.stop_week is None else min(stop, float(on_clock(dose.stop_week * WEEK)))
    if not rule.held:
        kept = (hour >= begin) & (hour < end) & (size > 0)
        return Given(owner[kept], hour[kept], np.full(int(kept.sum()), target, np.int64), size[kept])
    return _infusions(owner, hour, length, size, target, begin, end)


def _infusions(owner: Ids, hour: Floats, length: Floats, size: Floats, target: int, begin: float, end: float) -> Given:
    """Return the settings of an input by which infusions of ``size`` over ``length`` h follow or overlap each other.

    The total rate is summed anew at each change and therefore ends at exactly the input's own value.
    """
    rest = ROW[INPUTS[-1 - target]].value
    kept = np.flatnonzero((length > 0) & (size > 0) & (hour < end) & (hour + length > begin))
    first, last = np.maximum(hour, begin), on_clock(hour + length)
    rows: list[tuple[int, float, float]] = []
    for patient in np.unique(owner[kept]):
        mine = kept[owner[kept] == patient]
        mine = mine[np.argsort(first[mine], kind="stable")]
        rates = size[mine] / length[mine]
        for edge in np.unique([first[mine], last[mine]]):
            running = (first[mine] <= edge) & (last[mine] > edge)
            rows.append((int(patient), float(edge), rest + float(rates[running].sum())))
    who, edges, levels = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 3
    return Given(who.astype(np.int64), edges, np.full(len(edges), target, np.int64), levels)
