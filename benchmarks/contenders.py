"""Who is compared: each contender integrates a `Task` at a tolerance and returns the active states at the outputs.

Everything that can be done once (compile, buffers) is done in `Contender.ready`, outside the clock.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np

from benchmarks.peers.c_integrator import FAST, STRICT, CIntegrator
from benchmarks.peers.tableaus import DOPRI5, dop853
from benchmarks.problem import Array, Task
from engine import batch
from engine.batch import Solver, integrate
from engine.codegen import WATCH, Build, active_states, kernel
from engine.model import STATES
from engine.vec import fast_division_available

ATOL_FACTOR = Solver().atol_factor  # absolute tolerance: this share of rtol times the state's usual size, for everybody
Run = Callable[[], Array]


@dataclass
class Contender:
    """``ready(task, rtol)`` returns a function to be timed; ``kind`` groups the rows of the table."""

    name: str
    kind: str
    ready: Callable[[Task, float], Run]
    tolerances: tuple[float, ...]
    timed: int = 10_000  # at most so many patients in a timed window
    steps: dict[float, float] = field(default_factory=dict)  # trial steps per patient-day at a tolerance


def decades(first: float, last: float, per_decade: int = 2) -> tuple[float, ...]:
    """Return tolerances 10**-first ... 10**-last."""
    return tuple(10.0**-e for e in np.linspace(first, last, round((last - first) * per_decade) + 1))


def kernel_contender(name: str, **settings: object) -> Contender:
    """Return the engine's compiled loop itself, into buffers made beforehand, as the C peers get theirs."""

    def ready(task: Task, rtol: float) -> Run:
        solver = Solver(rtol=rtol, **settings)  # type: ignore[arg-type]
        n = len(task.record)
        build = Build(task.groups, solver.method, solver.lanes, solver.division)
        run = kernel(build).run
        none = np.empty((n, 0, len(WATCH)))
        out = batch._Buffers(
            np.zeros((n, len(task.times), len(STATES))), none, none, none, np.zeros(n, np.int8), np.zeros(n, np.int64)
        )
        days = task.times[-1] / 24
        limit = solver.max_steps_per_day * max(1.0, days)
        first, event = solver.first_step, solver.event_step
        plan = batch._Settings(0.0, float(task.times[-1]), 0.0, rtol, first, event, limit)
        flat = np.ascontiguousarray(task.record).view(np.float64).reshape(n, -1)
        atol = batch._tolerances(active_states(task.groups), solver)
        places = task.indices()

        def timed() -> Array:
            run(flat, task.y0, task.block, task.doses, task.times, atol, plan, out)
            me.steps[rtol] = float(out.steps.mean() / days)
            return out.y[:, :, places]

        return timed

    me = Contender(name, "pulsatile", ready, decades(4.5, 9))
    return me


def whole_call() -> Contender:
    """Return `engine.batch.integrate` with everything it does around the compiled loop."""

    def ready(task: Task, rtol: float) -> Run:
        solver, places = Solver(rtol=rtol), task.indices()
        return lambda: integrate(
            task.record, task.y0, task.block, task.doses, start=0.0, times=task.times, solver=solver, groups=task.groups
        ).y[:, :, places]

    return Contender("integrate(), whole call", "pulsatile", ready, decades(4.5, 9))


def c_dopri5(name: str, flags: tuple[str, ...], straight: bool) -> Contender:
    """Return scalar DOPRI5 in C."""
    built: dict[tuple[str, ...], CIntegrator] = {}

    def ready(task: Task, rtol: float) -> Run:
        if task.active not in built:
            built[task.active] = CIntegrator(task.active, DOPRI5, flags, straight)
        out = np.zeros((len(task.record), len(task.times), len(task.active)))
        run, atol = built[task.active].run, rtol * ATOL_FACTOR * task.scale
        return lambda: run(task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, atol, out=out)[0]

    return Contender(name, "C", ready, decades(5, 9))


def numba_peer(name: str, kind: str, method: str, tolerances: tuple[float, ...], timed: int) -> Contender:
    """Return a method of numbalsoda or scipy."""
    from benchmarks.peers import numba_peers

    factory = numba_peers.numbalsoda_run if kind == "numbalsoda" else numba_peers.scipy_run
    made: dict[tuple[str, ...], Callable[..., Array]] = {}

    def ready(task: Task, rtol: float) -> Run:
        if task.active not in made:
            made[task.active] = factory(task.active, task.scale, method)
        run = made[task.active]
        return lambda: run(task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, rtol * ATOL_FACTOR)

    return Contender(name, kind, ready, tolerances, timed)


def contenders(quick: bool = False) -> list[Contender]:
    """Return the contenders that this machine can run; the first is the one others are compared with."""
    rows = [kernel_contender("SIMD, bs5, 8 lanes"), kernel_contender("scalar build, bs5", lanes=1)]
    if not quick:
        rows.append(kernel_contender("SIMD, pr7, 8 lanes", method="pr7"))
        if fast_division_available():
            rows.append(kernel_contender("SIMD, bs5, fast division", division="fast"))
            rows.append(kernel_contender("SIMD, pr7, fast division", method="pr7", division="fast"))
        rows.append(whole_call())
    if shutil.which("gcc"):
        if not quick:
            rows.append(c_dopri5("DOPRI5, gcc -O3", STRICT, False))
        rows.append(c_dopri5("DOPRI5, gcc -O3 -ffast-math", FAST, False))
        if not quick:
            rows.append(c_dopri5("DOPRI5, the same, our rewritten rhs", FAST, True))
    if find_spec("numbalsoda") and not quick:
        rows.append(numba_peer("DOP853", "numbalsoda", "dop853", decades(6, 10), 10_000))
        rows.append(numba_peer("LSODA", "numbalsoda", "lsoda", decades(4, 9), 10_000))
    if find_spec("scipy"):
        last = 6 if quick else 9
        rows.append(numba_peer("solve_ivp DOP853", "scipy", "DOP853", decades(6, last, 1), 8))
        if not quick:
            rows.append(numba_peer("solve_ivp LSODA", "scipy", "LSODA", decades(4, 8, 1), 8))
    return rows


def reference(task: Task, rtol: float = 1e-12) -> tuple[Array, Array]:
    """Return the outputs (n, m, active) of DOP853 in C at a tight tolerance, and each state's largest value."""
    largest = np.zeros(len(task.active))
    integrator = CIntegrator(task.active, dop853())
    atol = rtol * ATOL_FACTOR * task.scale
    out, _ = integrator.run(task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, atol, largest=largest)
    return out, largest
