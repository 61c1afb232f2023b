"""The slow twin of the kernel: the plain Python text, scipy's DOP853, a restart at every event."""

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from pulsatile.engine import model
from pulsatile.engine.arrays import Floats
from pulsatile.engine.kernel.events import BLOCK_HOURS, EventTable
from pulsatile.engine.parameters import INPUTS, Parameters
from pulsatile.engine.states import SIZES, State


def events_of(block: EventTable, doses: EventTable, patient: int, end: float) -> list[tuple[float, int, float]]:
    """Return one patient's events (h, target, amount) from 0 to ``end``, the block's first at a tie."""
    b, d = (slice(table.ptr[patient], table.ptr[patient + 1]) for table in (block, doses))
    cycles = range(int(end // BLOCK_HOURS) + 1)
    rows = [
        (k * BLOCK_HOURS + t, 0, i) for k in cycles for t, i in zip(block.time[b], range(b.start, b.stop), strict=True)
    ]
    rows += [(t, 1, i) for t, i in zip(doses.time[d], range(d.start, d.stop), strict=True)]
    tables = (block, doses)
    return [
        (t, int(tables[which].target[i]), float(tables[which].amount[i])) for t, which, i in sorted(rows) if t <= end
    ]


def twin(record: Any, y0: Floats, events: list[tuple[float, int, float]], times: Floats, rtol: float = 1e-10) -> Floats:
    """Return one patient's states (m, states) at ``times`` (h), the value before an event of that instant."""
    p = dict(zip(Parameters._fields, record.tolist(), strict=True))
    y, t, out = y0.copy(), 0.0, []
    stops = sorted({*times.tolist(), *(when for when, _, _ in events)})
    atol = rtol * 1e-2 * SIZES
    todo = list(events)

    def rhs(t: float, y: Floats) -> Any:
        return model.rhs(t, State(*y.tolist()), parameters)

    for stop in stops:
        parameters = Parameters(**p)
        if stop > t:
            y = solve_ivp(rhs, (t, stop), y, "DOP853", rtol=rtol, atol=atol).y[:, -1]
        t = stop
        if t in times:
            out.append(y.copy())
        while todo and todo[0][0] <= t:
            _, target, amount = todo.pop(0)
            if target >= 0:
                y[target] += amount
            else:
                p[INPUTS[-1 - target]] = amount
    return np.array(out)
