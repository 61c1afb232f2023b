"""Run patients through the compiled kernel with scripted events: one kernel for every row."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable, shared_events
from pulsatile.engine.outputs import Evaluated, evaluate, inputs_at
from pulsatile.engine.states import GROUPS as ALL
from pulsatile.engine.states import STATE_INDEX

Rows = list[tuple[float, str, Any]]
GROUPS = tuple(ALL)  # as in other tests: compiled once
MINUTE = 1 / 60


class Course:
    """States (n, m, states) of ``parameters`` (n,) at ``times`` (m,) h, and whatever follows from them."""

    def __init__(
        self,
        parameters: npt.NDArray[Any],
        start_state: Floats,
        times: Floats,
        rows: Rows | None = None,
        block: EventTable | None = None,
        start: float | None = None,
    ) -> None:
        n = len(parameters)
        given = shared_events(n, rows) if rows else EventTable.empty(n)
        first = float(times[0]) if start is None else start
        result = integrate(
            parameters, start_state, block, given, start=first, times=times, groups=GROUPS, threads=2,
        )  # fmt: skip
        assert result.status.max() == 0
        self.times, self.y = times, result.y
        inputs = inputs_at(times, given, parameters)
        self.evaluated: Evaluated = evaluate(times, result.y, parameters, np.full(n, 45.0), inputs)

    def __getitem__(self, name: str) -> Floats:
        """Return a state or an output (n, m)."""
        if name in STATE_INDEX:
            return np.asarray(self.y[:, :, STATE_INDEX[name]])
        return self.evaluated.output(name)
