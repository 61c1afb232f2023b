"""A contender from a peer that is compiled or loaded once for a set of active states."""

from collections.abc import Callable
from typing import Any

from benchmarks.contenders import ATOL_FACTOR, Contender, Run
from benchmarks.problem import Task
from pulsatile.engine.arrays import Floats


def prepared(
    name: str, kind: str, make: Callable[[Task], Callable[..., Floats]], tolerances: tuple[float, ...], **others: Any
) -> Contender:
    """Return the contender of ``make(task)``, which returns ``run(parameters, y0, events, start, times, rtol, atol)``.

    ``atol`` (active,), ``events`` as in `problem.Task`; a run returns (n, m, active); ``others`` are fields of the
    `Contender`.
    """
    made: dict[tuple[str, ...], Callable[..., Floats]] = {}

    def ready(task: Task, rtol: float) -> Run:
        if task.active not in made:
            made[task.active] = make(task)
        run, atol = made[task.active], rtol * ATOL_FACTOR * task.scale
        return lambda: run(task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, atol)

    return Contender(name, kind, ready, tolerances, **others)
