"""The task every contender solves: virtual patients with their pulses, meals and one arm's doses.

One `Task` holds it twice: as the engine takes it (records, a repeated block, absolute doses) and flat, as the peers
take it (plain arrays, one list of absolute events, only the states that can move).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine import states
from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.dosing import arm_parameters, dose_events, preset, slots_used
from pulsatile.engine.kernel.events import BLOCK_HOURS, EventTable
from pulsatile.engine.kernel.layout import active_states
from pulsatile.engine.parameters import NAMES, TABLE
from pulsatile.engine.patients.cohort import Cohort, virtual_cohort
from pulsatile.engine.patients.run_in import Baseline, run_in

ARMS = {"none": "control", "tesamorelin": "tesamorelin_label", "rhgh": "rhgh_mid"}
"""Arms of the comparisons, by preset: no treatment, tesamorelin 2 mg at 08:00, somatropin 0.7 mg at 21:00."""
MIXED = {"lean": 1.0, "overweight": 1.0, "obese": 1.0, "igt": 1.0, "t2d": 1.0}
DRUG_FIELDS = tuple(row.name for row in TABLE if row.kind == "drug")


class Task(NamedTuple):
    """``record`` (n,), ``y0`` (n, all states), ``block``, ``doses``: the engine's form; the rest: the peers' form."""

    record: npt.NDArray[Any]
    y0: Floats
    block: EventTable
    doses: EventTable
    groups: tuple[str, ...]
    times: Floats
    active: tuple[str, ...]  # states that can move
    parameters: Floats  # (n, all parameters)
    y0_active: Floats  # (n, active)
    events: tuple[
        npt.NDArray[np.int64], Floats, npt.NDArray[np.int64], Floats
    ]  # absolute, targets numbered by `active`

    @property
    def patient_days(self) -> float:
        """Return the amount of work."""
        return float(len(self.record) * self.times[-1] / 24)

    @property
    def scale(self) -> Floats:
        """Return the usual size of each active state, of which the absolute tolerance is a share."""
        return np.asarray(states.SIZES[[states.STATE_INDEX[name] for name in self.active]])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the shape of the outputs of the active states."""
        return len(self.record), len(self.times), len(self.active)

    def moving(self, states: Floats) -> Floats:
        """Return the active states of outputs that may hold all states (n, m, states)."""
        return states if states.shape[2] == len(self.active) else states[:, :, self.indices()]

    def first(self, n: int) -> "Task":
        """Return the first ``n`` patients."""
        index = np.arange(min(n, len(self.record)))
        block, doses = self.block.subset(index), self.doses.subset(index)
        return make(self.record[index], self.y0[index], block, doses, self.groups, self.times)

    def indices(self) -> npt.NDArray[np.int64]:
        """Return the places of the active states in `states.STATES`."""
        return np.array([states.STATE_INDEX[name] for name in self.active])


def grid(days: float, every: float) -> Floats:
    """Return output times every ``every`` h, without the start."""
    return np.asarray(np.arange(1, round(days * 24 / every) + 1) * every, np.float64)


def mixed_cohort(n: int, seed: int = 7) -> Cohort:
    """Return patients of five phenotypes in equal shares."""
    return virtual_cohort(n, MIXED, seed)


def task(arm: str, baseline: Baseline, times: Floats) -> Task:
    """Return the patients of ``baseline`` in an arm of `ARMS` from Monday 00:00 on, with outputs at ``times`` (h)."""
    doses = preset(ARMS[arm])
    record = baseline.parameters.copy()
    drugs = arm_parameters(doses, baseline.cohort)
    for name in DRUG_FIELDS:
        record[name] = drugs[name]
    events = dose_events(doses, baseline.cohort, 0.0, float(times[-1]))
    return make(record, baseline.y0, baseline.block, events, slots_used(doses), times)


def small_task(arm: str = "none", n: int = 64, days: float = 7.0, every: float = 0.25) -> Task:
    """Return ``n`` mixed patients of an arm after their run-in over ``days`` with an output ``every`` hours."""
    return task(arm, run_in(mixed_cohort(n)), grid(days, every))


def make(
    record: npt.NDArray[Any], y0: Floats, block: EventTable, doses: EventTable, groups: tuple[str, ...], times: Floats
) -> Task:
    """Return the task of both forms."""
    active = tuple(states.STATES[i] for i in active_states(groups))
    place = np.full(len(states.STATES), -1000)
    for i, name in enumerate(active):
        place[states.STATE_INDEX[name]] = i
    parameters = np.stack([record[name] for name in NAMES], axis=1)
    y0_active = np.ascontiguousarray(y0[:, [states.STATE_INDEX[name] for name in active]])
    flat = flatten(block, doses, 0.0, float(times[-1]))
    target = np.where(flat.target >= 0, place[np.maximum(flat.target, 0)], flat.target)
    events = (flat.ptr, flat.time, target, flat.amount)
    return Task(record, y0, block, doses, groups, times, active, parameters, y0_active, events)


def flatten(block: EventTable, doses: EventTable, start: float, end: float) -> EventTable:
    """Return one table of absolute events in [start, end]: the block repeated, and the doses; block first at a tie."""
    ptr = [0]
    parts: list[tuple[Floats, npt.NDArray[np.int64], Floats]] = []
    for k in range(len(block.ptr) - 1):
        b, d = slice(block.ptr[k], block.ptr[k + 1]), slice(doses.ptr[k], doses.ptr[k + 1])
        cycles = np.arange(np.floor(start / BLOCK_HOURS), np.floor(end / BLOCK_HOURS) + 1) * BLOCK_HOURS
        time = np.concatenate([*(block.time[b] + c for c in cycles), doses.time[d]])
        target = np.concatenate([*(block.target[b] for _ in cycles), doses.target[d]])
        amount = np.concatenate([*(block.amount[b] for _ in cycles), doses.amount[d]])
        keep = np.flatnonzero((time >= start) & (time <= end))
        order = keep[np.argsort(time[keep], kind="stable")]
        parts.append((time[order], target[order], amount[order]))
        ptr.append(ptr[-1] + len(order))
    time, target, amount = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return EventTable(np.array(ptr, np.int64), time, target.astype(np.int64), amount)


def relative_error(out: Floats, reference: Floats, largest: Floats) -> Floats:
    """Return |out - reference| / (|reference| + 0.001 x the state's largest value), the project's error.

    Arrays (..., states); ``largest`` (states,) is over the whole reference run of all patients, not over the outputs
    alone: a depot sampled at the hour of its dose looks empty.
    """
    return np.asarray(np.abs(out - reference) / (np.abs(reference) + 1e-3 * largest + 1e-300))


def errors(out: Floats, reference: Floats, largest: Floats) -> tuple[float, float]:
    """Return the largest `relative_error` over patients, outputs and states, and its root mean square."""
    e = relative_error(out, reference, largest)
    return float(e.max()), float(np.sqrt(np.mean(e * e)))
