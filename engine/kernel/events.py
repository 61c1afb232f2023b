"""Event tables: jumps of states and settings of inputs, by time and patient."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import INPUTS
from pulsatile.engine.states import STATE_INDEX

BLOCK_HOURS = 672.0
"""Length of the block of pulses and meals that repeats (28 days); axis section 2."""


TICKS = 3_600_000
"""Clock ticks per hour: doses, infusions, outputs and samples share one clock of milliseconds."""
TICK = 1 / TICKS
"""Clock tick, h."""


def on_clock(hours: npt.ArrayLike) -> Floats:
    """Return ``hours`` rounded to whole ticks, so that an instant is one number however it was computed.

    An output at the instant of a dose therefore holds the value before it, at any minute of the hour.

    >>> bool(on_clock(8 + 20 / 60) == on_clock(50 * (10 / 60)))
    True
    """
    return np.asarray(np.round(np.asarray(hours, np.float64) * TICKS) / TICKS, np.float64)


class EventTable(NamedTuple):
    """Events of ``n`` patients, sorted by time within a patient.

    ``ptr`` (n + 1,) rows of patient k are ``ptr[k]:ptr[k + 1]``; ``time`` (m,) h; ``target`` (m,): a state index
    (``amount`` is added) or ``-1 - j`` for input j of `parameters.INPUTS` (the input is set to ``amount``).
    """

    ptr: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64]
    target: npt.NDArray[np.int64]
    amount: npt.NDArray[np.float64]

    @classmethod
    def empty(cls, n: int) -> "EventTable":
        """Return a table without events for ``n`` patients."""
        return cls(np.zeros(n + 1, np.int64), np.empty(0), np.empty(0, np.int64), np.empty(0))

    @property
    def owner(self) -> npt.NDArray[np.int64]:
        """The patient (position) of every row, (m,)."""
        return np.repeat(np.arange(len(self.ptr) - 1), np.diff(self.ptr))

    def subset(self, index: npt.NDArray[np.int64]) -> "EventTable":
        """Return the rows of the patients ``index``, in that order."""
        counts = (self.ptr[1:] - self.ptr[:-1])[index]
        ptr = _pointer(counts)
        rows = np.repeat(self.ptr[:-1][index] - ptr[:-1], counts) + np.arange(ptr[-1])
        return EventTable(ptr, self.time[rows], self.target[rows], self.amount[rows])

    def spread(self, index: npt.NDArray[np.int64], n: int) -> "EventTable":
        """Return a table of ``n`` patients in which those at ``index`` (ascending) have these rows, the rest none."""
        counts = np.zeros(n, np.int64)
        counts[index] = np.diff(self.ptr)
        return self._replace(ptr=_pointer(counts))


def _pointer(counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def check_order(table: EventTable) -> None:
    """Refuse a table whose times do not ascend within a patient; the kernel would skip events."""
    first = np.zeros(len(table.time) + 1, bool)
    first[table.ptr] = True
    if not np.all((np.diff(table.time) >= 0) | first[1:-1]) or not np.all(np.isfinite(table.time)):
        raise InputError("events of a patient are not sorted by time, or a time is not finite; use event_table.")


def target_of(name: str) -> int:
    """Return the event code of a state (jump) or an input (set)."""
    if name not in STATE_INDEX and name not in INPUTS:
        raise InputError(
            f"event on {name!r}: neither a state nor an input has this name; choose a state, or one of the inputs "
            f"{', '.join(INPUTS)}."
        )
    return STATE_INDEX[name] if name in STATE_INDEX else -1 - INPUTS.index(name)


def event_table(rows: Sequence[Iterable[tuple[float, str, float]]]) -> EventTable:
    """Build a table from one list of ``(time in h, state or input, amount)`` per patient, in any order of time.

    Rows at the same instant keep their order.
    """
    ptr = np.zeros(len(rows) + 1, np.int64)
    time: list[float] = []
    target: list[int] = []
    amount: list[float] = []
    for k, events in enumerate(rows):
        for when, name, size in sorted(events, key=lambda row: row[0]):
            time.append(when)
            target.append(target_of(name))
            amount.append(size)
        ptr[k + 1] = len(time)
    return EventTable(ptr, np.array(time, float), np.array(target, np.int64), np.array(amount, float))


def shared_events(n: int, rows: Sequence[tuple[float, str, npt.ArrayLike]]) -> EventTable:
    """Build a table whose events fall at the same times for all ``n`` patients; amounts are scalars or (n,)."""
    rows = sorted(rows, key=lambda row: row[0])
    m = len(rows)
    amount = np.empty((n, m))
    for j, (_, _, size) in enumerate(rows):
        amount[:, j] = size
    time = np.tile(np.array([row[0] for row in rows], float), n)
    target = np.tile(np.array([target_of(row[1]) for row in rows], np.int64), n)
    return EventTable(np.arange(n + 1, dtype=np.int64) * m, time, target, amount.ravel())


def merge(first: EventTable, second: EventTable) -> EventTable:
    """Join two tables of the same patients; at the same instant the rows of ``first`` come first."""
    n = len(first.ptr) - 1
    tables = (first, second)
    owner = np.concatenate([table.owner for table in tables])
    time = np.concatenate([table.time for table in tables])
    order = np.lexsort((time, owner))  # stable
    ptr = _pointer(np.bincount(owner, minlength=n))
    target = np.concatenate([table.target for table in tables])
    amount = np.concatenate([table.amount for table in tables])
    return EventTable(ptr, time[order], target[order], amount[order])


def select(table: EventTable, keep: npt.NDArray[np.bool_]) -> EventTable:
    """Return the rows where ``keep`` (m,) is true."""
    n = len(table.ptr) - 1
    ptr = _pointer(np.bincount(table.owner[keep], minlength=n))
    return EventTable(ptr, table.time[keep], table.target[keep], table.amount[keep])
