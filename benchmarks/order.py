"""Observed order of a pair on the real model: the compiled kernel itself, forced to fixed steps.

Only events shorten a step, so an event that adds nothing every h hours makes steps of exactly h; a meal and a GH pulse at
the start make the interval a lively one, without a jump inside.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.contenders import reference
from benchmarks.problem import Array, make, mixed_cohort
from engine.basal import fasting_state
from engine.batch import Solver, integrate
from engine.events import EventTable, shared_events
from engine.model import STATE_INDEX
from engine.steppers import PAIRS

HOURS = 0.5


class Orders(NamedTuple):
    """Step (h), largest error at the ends of steps and between them, by step; the first is the coarsest."""

    step: Array
    at_steps: Array
    between: Array

    def slopes(self, errors: Array) -> Array:
        """Return the observed order between neighbouring steps."""
        return np.asarray(np.diff(np.log(errors)) / np.diff(np.log(self.step)))


def observe(method: str, steps_per_hour: tuple[int, ...], n: int = 8) -> Orders:
    """Return the rms error (project definition) of ``n`` patients over `HOURS` h for fixed steps of 1/k h."""
    cohort = mixed_cohort(n)
    record = cohort.parameters
    y0 = fasting_state(record)
    y0[:, STATE_INDEX["drive"]] += 0.5
    y0[:, STATE_INDEX["stomach"]] += 300.0
    y0[:, STATE_INDEX["gut"]] += 100.0
    nodes = np.arange(1, 5) * HOURS / 4
    inner = nodes - HOURS / 12  # never at the end of a step whose number per hour is a power of two
    times = np.sort(np.concatenate([nodes, inner]))
    none = EventTable.empty(n)
    task = make(record, y0, none, none, (), times)
    truth, largest = reference(task, 1e-13)
    at_steps, between = [], []
    for k in steps_per_hour:
        marks = shared_events(n, [(j / k, "drive", 0.0) for j in range(1, round(HOURS * k) + 2)])
        solver = Solver(rtol=1e-2, atol_factor=1.0, method=method, first_step=1 / k, event_step=1 / k)
        result = integrate(record, y0, None, marks, start=0.0, times=times, solver=solver, groups=())
        if np.any(result.steps != round(HOURS * k)):
            raise RuntimeError(f"{method} did not keep the step of 1/{k} h")
        e = np.abs(result.y[:, :, task.indices()] - truth) / largest
        is_node = np.isin(times, nodes)
        at_steps.append(np.sqrt(np.mean(e[:, is_node] ** 2)))
        between.append(np.sqrt(np.mean(e[:, ~is_node] ** 2)))
    return Orders(1 / np.array(steps_per_hour, float), np.array(at_steps), np.array(between))


def report(method: str, steps_per_hour: tuple[int, ...]) -> str:
    """Return the orders as text."""
    found = observe(method, steps_per_hour)
    lines = [f"{method}, order {PAIRS[method].order}: step min, error at steps, order, error between steps, order"]
    nodes, inner = found.slopes(found.at_steps), found.slopes(found.between)
    for j, h in enumerate(found.step):
        slopes = (f"{nodes[j - 1]:6.2f}", f"{inner[j - 1]:6.2f}") if j else ("      ", "      ")
        lines.append(f"  {60 * h:7.3f}  {found.at_steps[j]:.2e} {slopes[0]}   {found.between[j]:.2e} {slopes[1]}")
    return "\n".join(lines)
