"""Canaries: patients with a known solution that run in every arm, to detect a machine that computes wrongly.

A faulty kernel, processor or GPU gives numbers that are finite and look right.  Therefore one canary
(`known_answer.patient`) runs with every 64 real patients, in the same call of `batch.integrate`; the results of real
patients are unchanged, as a patient's arithmetic does not depend on the others.  It comes early in the batch, so that
no run waits for the canary alone, and in another lane of the vector from group to group.

Pulses and meals come from the repeating block; further ones, drugs, an infusion and a factor on the somatostatin target
come from the table of doses, soon after the start and shortly before the last output, where a wrong clock shows.
"""

from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.batch import Result
from pulsatile.engine.kernel.events import BLOCK_HOURS, EventTable, shared_events
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.outputs import evaluate
from pulsatile.engine.parameters import ROW, SLOTS
from pulsatile.engine.states import SIZES, STATE_INDEX
from pulsatile.engine.trial.horizon import SLOW
from pulsatile.engine.trial.known_answer import Event, moved, patient, tone
from pulsatile.engine.trial.projective import Projection

EVERY = 64
"""Real patients per canary."""
BOUND = 10.0
"""Largest error of a canary in tolerances, as in all closed-form tests.

Largest observed over 1, 4, 26 and 104 weeks, outputs every hour and every week, no drug and all, lanes 1, 4 and 8: 0.8
at rtol 1e-3, 0.9 at 1e-6, 1.5 at 1e-9, in mixed precision 2.1 at 5e-6; with the pair bs5 2.8.
"""
FINEST = 1e-9
"""Smallest rtol by which errors are judged: finer steps may still miss the kink (1e-5) of the clock's dip at 15:00."""
SHARE = 0.1
"""Share of a state's usual size that is added to its value as the scale of errors, unless the solver's is larger."""
LANES = 16
"""Number of positions for a canary: the largest number of lanes of a vector."""
LOOKS = 500
"""Largest number of output times compared, the last one included."""

BLOCK: tuple[Event, ...] = (
    *((2.9 * i + 0.37, ("drive", "stomach")[i % 2], (0.5, 150.0)[i % 2] * (1 + 7 * i % 11 / 11)) for i in range(231)),
    (-0.37, "drive", 0.8), (-1.93, "stomach", 250.0),
)  # fmt: skip
"""Events of the block: hours of the block or, where negative, before the last output."""
DOSES: tuple[Event, ...] = (
    (3.17, "stomach", 150.0), (3.17, "drive", 0.5), (7.71, "sst_factor", 0.5), (30.03, "sst_factor", 0.0),
    (-0.83, "stomach", 220.0), (-0.19, "drive", 0.6), (-0.71, "sst_factor", 0.4),
)  # fmt: skip
DRUG: tuple[Event, ...] = (
    (2.23, "depot", 100.0), (4.51, "central", 80.0), (11.3, "rate", 200.0), (15.9, "rate", 0.0),
    (-0.47, "depot", 120.0), (-0.29, "central", 90.0), (-1.7, "rate", 250.0), (-0.11, "rate", 0.0),
)  # fmt: skip
"""Events of the table of doses: hours after the start or, where negative, before the last output."""


class Joined(NamedTuple):
    """Real patients and canaries in ``run``, the first four arguments of `batch.integrate`.

    ``canary`` (n + k,) marks the canaries; ``exact`` (k, looks, states) are their exact states at the output times of
    indices ``looks``; ``watched`` are their constant values of `layout.WATCH`.
    """

    run: tuple[npt.NDArray[Any], Floats, EventTable, EventTable]
    canary: npt.NDArray[np.bool_]
    exact: Floats
    looks: npt.NDArray[np.int64]
    watched: Floats
    solver: Solver

    def part(self, result: Result) -> tuple[Result, float]:
        """Return the rows of ``result`` of real patients, and the largest error of the canaries.

        The error is in units of `BOUND` tolerances; above 1, no row of the call can be trusted.
        """
        canaries = Result._make(rows[self.canary] for rows in result)
        scale = np.abs(self.exact) + max(self.solver.atol_factor, SHARE) * SIZES
        errors = [(canaries.y[:, self.looks] - self.exact) / scale]
        errors += [rows / self.watched - 1 for rows in (canaries.mean, canaries.low, canaries.high)]
        return Result._make(rows[~self.canary] for rows in result), self._worst(errors, canaries.status)

    def part_course(self, course: Projection) -> tuple[Projection, float]:
        """Do the same for a projected run, in which the body composition of a canary must stay constant."""
        body = self.exact[:, :1, [STATE_INDEX[name] for name in SLOW]]
        error = self._worst([course.level[self.canary] / body - 1], course.status[self.canary])
        real = ~self.canary
        snapshots = {hour: rows[real] for hour, rows in course.snapshots.items()}
        return Projection(course.level[real], course.error[real], snapshots, course.status[real]), error

    def _worst(self, errors: list[Floats], status: npt.NDArray[np.int8]) -> float:
        tolerance = BOUND * max(self.solver.rtol, FINEST)
        worst = float(np.max([np.abs(error).max(initial=0.0) for error in errors])) / tolerance  # a NaN stays one
        return worst if np.isfinite(worst) and np.all(status == Status.OK) else np.inf


def join(
    parameters: npt.NDArray[Any], y0: Floats, block: EventTable, doses: EventTable, groups: tuple[str, ...], *,
    start: float, times: Floats, solver: Solver, every: int = EVERY,
) -> Joined:  # fmt: skip
    """Add a canary per ``every`` of n patients, at least one.

    The other arguments are those of `batch.integrate`; ``times`` must not be empty.
    """
    n = len(parameters)
    k = max(1, n // every)
    looks = np.unique(np.linspace(0, len(times) - 1, LOOKS).astype(np.int64))
    times, last = times[looks], float(times[-1])
    record, rest = patient(groups)
    rest = np.repeat(rest, 1 + len(times), axis=0)
    rest[:, STATE_INDEX["sst"]] = tone(record, np.append(start, times))
    strength = 1 + np.arange(k) / EVERY  # the solutions of canaries differ
    again, once = _events(groups, start, last)
    since = np.mod(times[:, None] - [t for t, *_ in again], BLOCK_HOURS)  # events of the block before have decayed
    added = moved(record, again, times, np.where(times[:, None] - since >= start, since, 0.0))
    added += moved(record, once, times, times[:, None] - [t for t, *_ in once])
    added_runs = record.repeat(k), rest[:1].repeat(k, axis=0), _table(again, strength), _table(once, strength)
    lane = crc32(parameters[:1].tobytes()) % LANES
    order = np.insert(np.arange(n), np.minimum(every * np.arange(k) + lane, n), n + np.arange(k))
    run = (
        np.concatenate([parameters, added_runs[0]])[order], np.concatenate([y0, added_runs[1]])[order],
        _stacked(block, added_runs[2]).subset(order), _stacked(doses, added_runs[3]).subset(order),
    )  # fmt: skip
    e = evaluate(np.array([start]), rest[:1, None], record, np.zeros(1))
    watched = np.array([e.output(name)[0, 0] for name in WATCH])
    return Joined(run, order >= n, rest[1:] + strength[:, None, None] * added, looks, watched, solver)


def _events(groups: tuple[str, ...], start: float, last: float) -> tuple[list[Event], list[Event]]:
    """Return the events of a canary's block, and those of its table of doses in order of time."""
    drugs = [(t, f"{name}_{slot}", size) for slot in SLOTS if slot in groups for t, name, size in DRUG]
    again = [((last + t) % BLOCK_HOURS if t < 0 else t, name, size) for t, name, size in BLOCK]
    once = sorted((last + t if t < 0 else start + t, name, size) for t, name, size in (*DOSES, *drugs))
    return again, [event for event in once if start <= event[0] <= last]


def _table(events: list[Event], strength: Floats) -> EventTable:
    """Return ``events`` as a table for k canaries with factors ``strength`` (k,)."""
    usual = {name: ROW[name].value if name in ROW else 0.0 for _, name, _ in events}
    return shared_events(len(strength), [(t, name, usual[name] + size * strength) for t, name, size in events])


def _stacked(first: EventTable, second: EventTable) -> EventTable:
    """Return the patients of ``first`` followed by those of ``second``."""
    columns = (np.concatenate(pair) for pair in zip(first[1:], second[1:], strict=True))
    return EventTable(np.concatenate([first.ptr, first.ptr[-1] + second.ptr[1:]]), *columns)
