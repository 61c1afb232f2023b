"""Canaries: patients of known answer that ride along in every arm, to tell when the machine computes wrongly.

A wrong kernel, processor or GPU gives numbers that are finite and look right.  So one canary (`exact.patient`) is put
among every 64 real patients, into the same call of `batch.integrate`; the real ones do not notice, as a patient's
arithmetic does not depend on the neighbours.  It comes early, so that nobody waits for it alone, and in another lane
of the vector from group to group.

Pulses and meals come from the repeating block; some more, drugs, an infusion and a factor on the somatostatin target
from the table of doses, soon after the start and shortly before the last output, where a wrong clock shows.
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
"""Tolerances that a canary may be off, as in all closed-form tests.

Worst seen over 1, 4, 26 and 104 weeks, outputs every hour and every week, no drug and all, lanes 1, 4 and 8: 0.8 at
rtol 1e-3, 0.9 at 1e-6, 1.5 at 1e-9, in mixed precision 2.1 at 5e-6; with the pair bs5 2.8.
"""
FINEST = 1e-9
"""Least rtol that counts: finer steps may still step over the kink in the clock's dip, 1e-5 of it, at 15:00."""
SHARE = 0.1
"""Share of a state's usual size that counts beside its value, for what fades; the solver's own where it is larger."""
LANES = 16
"""Places for a canary: the most lanes that a vector has."""
LOOKS = 500
"""Output times looked at, at most; the last always."""

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

    ``canary`` (n + k,) tells them apart; ``exact`` (k, looks, states) is what the canaries' states must be at the
    output times of the indices ``looks``; ``watched`` (`codegen.WATCH`) stands still.
    """

    run: tuple[npt.NDArray[Any], Floats, EventTable, EventTable]
    canary: npt.NDArray[np.bool_]
    exact: Floats
    looks: npt.NDArray[np.int64]
    watched: Floats
    solver: Solver

    def part(self, result: Result) -> tuple[Result, float]:
        """Return the real patients' rows of ``result``, and the canaries' worst error.

        The error counts in units of `BOUND` tolerances; above 1, no row of the call is to be trusted.
        """
        found = Result._make(rows[self.canary] for rows in result)
        allowed = np.abs(self.exact) + max(self.solver.atol_factor, SHARE) * SIZES
        errors = [(found.y[:, self.looks] - self.exact) / allowed]
        errors += [rows / self.watched - 1 for rows in (found.mean, found.low, found.high)]
        return Result._make(rows[~self.canary] for rows in result), self._worst(errors, found.status)

    def part_course(self, course: Projection) -> tuple[Projection, float]:
        """Do the same for a projected run, in which a canary's body composition must not move."""
        body = self.exact[:, :1, [STATE_INDEX[name] for name in SLOW]]
        error = self._worst([course.level[self.canary] / body - 1], course.status[self.canary])
        real = ~self.canary
        snapshots = {week: rows[real] for week, rows in course.snapshots.items()}
        return Projection(course.level[real], course.error[real], snapshots, course.status[real]), error

    def _worst(self, errors: list[Floats], status: npt.NDArray[np.int8]) -> float:
        tolerance = BOUND * max(self.solver.rtol, FINEST)
        worst = float(np.max([np.abs(error).max(initial=0.0) for error in errors])) / tolerance  # a NaN stays one
        return worst if np.isfinite(worst) and np.all(status == Status.OK) else np.inf


def join(
    parameters: npt.NDArray[Any], y0: Floats, block: EventTable, doses: EventTable, groups: tuple[str, ...], *,
    start: float, times: Floats, solver: Solver, every: int = EVERY,
) -> Joined:  # fmt: skip
    """Put a canary among every ``every`` of n patients, at least one.

    Arguments as of `batch.integrate`; there must be output ``times``.
    """
    n = len(parameters)
    k = max(1, n // every)
    looks = np.unique(np.linspace(0, len(times) - 1, LOOKS).astype(np.int64))
    times, last = times[looks], float(times[-1])
    record, rest = patient(groups)
    rest = np.repeat(rest, 1 + len(times), axis=0)
    rest[:, STATE_INDEX["sst"]] = tone(record, np.append(start, times))
    strength = 1 + np.arange(k) / EVERY  # no canary passes for another
    again, once = _events(groups, start, last)
    since = np.mod(times[:, None] - [t for t, *_ in again], BLOCK_HOURS)  # of a block ago nothing is left
    added = moved(record, again, times, np.where(times[:, None] - since >= start, since, 0.0))
    added += moved(record, once, times, times[:, None] - [t for t, *_ in once])
    own = record.repeat(k), rest[:1].repeat(k, axis=0), _table(again, strength), _table(once, strength)
    lane = crc32(parameters[:1].tobytes()) % LANES
    order = np.insert(np.arange(n), np.minimum(every * np.arange(k) + lane, n), n + np.arange(k))
    run = (
        np.concatenate([parameters, own[0]])[order], np.concatenate([y0, own[1]])[order],
        _stacked(block, own[2]).subset(order), _stacked(doses, own[3]).subset(order),
    )  # fmt: skip
    e = evaluate(np.array([start]), rest[:1, None], record, np.zeros(1))
    watched = np.array([e.output(name)[0, 0] for name in WATCH])
    return Joined(run, order >= n, rest[1:] + strength[:, None, None] * added, looks, watched, solver)


def _events(groups: tuple[str, ...], start: float, last: float) -> tuple[list[Event], list[Event]]:
    """Return the events of a canary's block and of its table of doses; the latter in order."""
    drugs = [(t, f"{name}_{slot}", size) for slot in SLOTS if slot in groups for t, name, size in DRUG]
    again = [((last + t) % BLOCK_HOURS if t < 0 else t, name, size) for t, name, size in BLOCK]
    once = sorted((last + t if t < 0 else start + t, name, size) for t, name, size in (*DOSES, *drugs))
    return again, [event for event in once if start <= event[0] <= last]


def _table(events: list[Event], strength: Floats) -> EventTable:
    """Return ``events`` as a table of k canaries of ``strength`` (k,)."""
    usual = {name: ROW[name].value if name in ROW else 0.0 for _, name, _ in events}
    return shared_events(len(strength), [(t, name, usual[name] + size * strength) for t, name, size in events])


def _stacked(first: EventTable, second: EventTable) -> EventTable:
    """Return the patients of ``first`` and, behind them, those of ``second``."""
    columns = (np.concatenate(pair) for pair in zip(first[1:], second[1:], strict=True))
    return EventTable(np.concatenate([first.ptr, first.ptr[-1] + second.ptr[1:]]), *columns)
