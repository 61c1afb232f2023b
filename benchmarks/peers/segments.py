"""The walk of one patient from event to event, for peers that are restarted from Python at each of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats

Events = tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int64], Floats]


class Segment(NamedTuple):
    """Events to apply at ``begin`` (h), then integration to ``end`` (h) through the outputs ``first:last``."""

    targets: npt.NDArray[np.int64]  # a state's place (amount is added), or -1 - j: input j is set to amount
    amounts: Floats
    begin: float
    end: float
    first: int
    last: int


def segments(events: Events, k: int, start: float, times: Floats) -> Iterator[Segment]:
    """Yield the segments of patient ``k``; an output at the instant of an event belongs to the segment before it."""
    ptr, time, target, amount = events
    mine = slice(ptr[k], ptr[k + 1])
    time, target, amount = time[mine], target[mine], amount[mine]
    stops = np.unique(time[(time > start) & (time < times[-1])])
    edges = np.concatenate([[start], stops, times[-1:]])
    done = np.searchsorted(time, edges, "right")  # events up to and at each edge
    shown = np.searchsorted(times, edges, "right")  # outputs likewise
    for i in range(len(edges) - 1):
        now = slice(done[i - 1] if i else 0, done[i])
        yield Segment(target[now], amount[now], float(edges[i]), float(edges[i + 1]), int(shown[i]), int(shown[i + 1]))
