"""Observed order of a pair on the real model: the compiled kernel itself, forced to fixed steps.

Only events shorten a step, so an event that adds nothing every h hours makes steps of exactly h.  The interval is an
hour of the declining limb of a GH pulse.  In the first minutes after a pulse the release term's complex poles are near:
there no practical step is asymptotic, which is why the adaptive kernel starts with a small one.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.contenders import reference
from benchmarks.problem import make, mixed_cohort, relative_error
from pulsatile.engine.arrays import Floats
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable, shared_events
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.states import STATE_INDEX

HOURS = 1.0
SETTLE = 2.0  # h from the pulse to the start
PULSE = 0.5  # of the drive, about a usual daytime pulse
STEPS_PER_HOUR = {"bs5": (32, 48, 64, 96, 128), "cfmr7": (16, 20, 24, 28, 32, 36, 40)}
"""Shorter steps meet rounding (an error of 1e-14); longer ones show a higher order, as error terms beyond the first
count there: the more of them the smaller the first one is, so the order is read off at the limit of short steps."""


class Orders(NamedTuple):
    """Step (h), and rms error over patients and states at the ends of steps and between them, coarsest first."""

    step: Floats
    at_steps: Floats
    between: Floats

    def slopes(self, errors: Floats) -> Floats:
        """Return the observed order between neighbouring steps."""
        return np.asarray(np.diff(np.log(errors)) / np.diff(np.log(self.step)))

    def order(self, errors: Floats) -> float:
        """Return the order in the limit of short steps: the observed slopes as a line in the step, at zero."""
        middle = np.sqrt(self.step[1:] * self.step[:-1])
        return float(np.polyfit(middle, self.slopes(errors), 1)[1])


def observe(method: str, steps_per_hour: tuple[int, ...] = (), n: int = 8, hours: float = HOURS) -> Orders:
    """Return the errors of ``n`` patients for fixed steps of 1/k h, k in ``steps_per_hour``."""
    counts = steps_per_hour or STEPS_PER_HOUR[method]
    record = mixed_cohort(n).parameters
    y0 = fasting_state(record)
    y0[:, STATE_INDEX["drive"]] += PULSE
    tight = Solver(rtol=1e-10)
    y0 = integrate(record, y0, None, None, start=0.0, times=np.array([SETTLE]), solver=tight, groups=()).y[:, 0]
    nodes = np.arange(1, 5) * hours / 4
    inner = nodes - 0.37 * hours / np.array(counts, float)[:, None]  # within the last step before a node
    none = EventTable.empty(n)
    at_steps, between = [], []
    for k, extra in zip(counts, inner, strict=True):
        times = np.sort(np.concatenate([nodes, extra]))
        task = make(record, y0, none, none, (), times)
        truth, largest = reference(task, 1e-13)
        marks = shared_events(n, [(j / k, "drive", 0.0) for j in range(1, round(hours * k) + 2)])
        solver = Solver(rtol=1e-2, atol_factor=1.0, method=method, first_step=1 / k, event_step=1 / k)
        result = integrate(record, y0, None, marks, start=0.0, times=times, solver=solver, groups=())
        if np.any(result.steps != round(hours * k)):
            raise RuntimeError(f"{method} did not keep the step of 1/{k} h")
        e = relative_error(result.y[:, :, task.indices()], truth, largest)
        is_node = np.isin(times, nodes)
        at_steps.append(np.sqrt(np.mean(e[:, is_node] ** 2)))
        between.append(np.sqrt(np.mean(e[:, ~is_node] ** 2)))
    return Orders(1 / np.array(counts, float), np.array(at_steps), np.array(between))


def report(method: str) -> str:
    """Return the orders as text."""
    found = observe(method)
    lines = [
        f"{method} (order {PAIRS[method].order}): observed order {found.order(found.at_steps):.2f} at steps, "
        f"{found.order(found.between):.2f} between them",
        "  step min   rms at steps  order   rms between  order",
    ]
    nodes, inner = found.slopes(found.at_steps), found.slopes(found.between)
    for j, h in enumerate(found.step):
        slopes = (f"{nodes[j - 1]:6.2f}", f"{inner[j - 1]:6.2f}") if j else ("      ", "      ")
        lines.append(f"  {60 * h:8.3f}   {found.at_steps[j]:.2e}  {slopes[0]}    {found.between[j]:.2e}  {slopes[1]}")
    return "\n".join(lines)
