"""The beginning of a patient's run as a row of numbers: at rest, or at a mark within an earlier run.

A mark holds all that the kernel needs to repeat one step of an earlier run, the step that covered the time of the mark:
the clocks before that step, all states, and, where windows are kept, the integrals and extremes of the open window.
Everything else (parameters, events, first stages) is the same in every run or follows from the mark.
"""

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.codegen import NEVER
from pulsatile.engine.kernel.events import EventTable
from pulsatile.engine.kernel.layout import CLOCKS, WATCH
from pulsatile.engine.states import STATES

_OPEN: dict[str, float] = {"integral": 0.0, "least": float(NEVER), "greatest": -float(NEVER)}
"""The quantities kept for each watched value in an open window, with their values when the window opens."""


def columns(windows: bool) -> tuple[str, ...]:
    """Return the names of a mark's columns; ``windows``: whether the run reduces over windows.

    ``t`` (h) start of the step; ``h`` (h) its length before an event cut it; ``steps`` trial steps before it; ``due``
    (h) time before which events are past; ``window`` number of the open window; then the states in their order, and the
    integral since the window opened (unit x h), least and greatest value of each of `layout.WATCH`.
    """
    return (*CLOCKS, *STATES, *(f"{part}_{name}" for part in _OPEN for name in WATCH if windows))


def at_rest(y0: Floats, start: float, first_step: float, windows: bool) -> Floats:
    """Return the rows (n, columns) of runs that begin with the states ``y0`` (n, states) at ``start`` (h)."""
    clocks = np.tile([start, first_step, 0.0, start, 0.0], (len(y0), 1))
    window = np.tile(np.repeat(list(_OPEN.values()), len(WATCH)), (len(y0), 1))
    return np.concatenate([clocks, y0, window] if windows else [clocks, y0], axis=1)


def check(begin: Floats, n: int, windows: bool, block: EventTable, times: Floats) -> None:
    """Refuse marks from which ``n`` patients cannot continue to ``times`` (h) bit for bit."""
    shape = (n, len(columns(windows)))
    if begin.shape != shape:
        raise InputError(f"begin has the shape {begin.shape}; marks of this run have {shape}, as in Result.mark.")
    if np.isnan(begin).any():
        raise InputError("begin holds a patient that failed, whose mark is NaN; leave the patient out.")
    if len(times) and not np.all(times[0] > begin[:, 0]):
        raise InputError(f"output times begin at {times[0]} h, before a mark of begin; ask only for later ones.")
    if np.any(block.target < 0):
        raise InputError("the block sets an input, which no mark holds; set inputs by doses, or run from the start.")
