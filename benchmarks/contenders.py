"""Who is compared: each contender integrates a `Task` at a tolerance and returns the states at the outputs.

Everything that can be done once (compile, buffers) is done in `Contender.ready`, outside the clock.  Contenders with
the same ``row`` are builds of one peer: the table shows the best of them, the JSON file all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import nan
from typing import Any

import numpy as np

from benchmarks.installed import missing, other_modules
from benchmarks.peers.c_integrator import FAST, ORDERED, SCHEDULED, STRICT, CIntegrator
from benchmarks.peers.c_lanes import CLanes
from benchmarks.peers.tableaus import DOPRI5, dop853
from benchmarks.problem import Task
from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel import batch, checkpoint
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.codegen import kernel
from pulsatile.engine.kernel.layout import WATCH, active_states
from pulsatile.engine.kernel.solver import LEAST_MIXED, Solver
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.states import STATES

ATOL_FACTOR = Solver().atol_factor  # absolute tolerance: this share of rtol times the state's usual size, for everybody
C_EVENT_STEP = 0.01  # h; largest step of the C peers after an event: the best of 0.005 to 1 for both at 1e-4
SLOW = {"timed": 8, "windows": 3}  # contenders of less than a few hundred patient-days per second
LOOSE = 1e-3  # a tolerance that every precision takes
Run = Callable[[], Floats]


@dataclass
class Contender:
    """``ready(task, rtol)`` returns a function to be timed; ``kind`` is the peer, ``name`` the build.

    The function returns (n, m, active), or (n, m, all states) as the engine does.
    """

    name: str
    kind: str
    ready: Callable[[Task, float], Run]
    tolerances: tuple[float, ...]
    timed: int = 10_000  # at most so many patients, the first of the task
    windows: int = 10_000  # at most so many timed windows
    method: str = ""
    precision: str = "float64"
    row: str = ""
    setup_seconds: float = nan  # to generate, compile and load; measured by `work_precision.sweep` unless set
    steps: dict[float, float] = field(default_factory=dict)  # trial steps per patient-day at a tolerance, where known

    def __post_init__(self) -> None:
        self.method = self.method or self.name
        self.row = self.row or f"{self.kind}: {self.name}"


def decades(first: float, last: float, per_decade: int = 2) -> tuple[float, ...]:
    """Return tolerances 10**-first ... 10**-last."""
    return tuple(10.0**-e for e in np.linspace(first, last, round((last - first) * per_decade) + 1))


@lru_cache(8)
def _buffer(*shape: int) -> Floats:
    return np.empty(shape)


def buffer(*shape: int) -> Floats:
    """Return the one output buffer that all contenders write into, forgetting what the last one left."""
    out = _buffer(*shape)
    out.fill(nan)
    return out


def possible(**settings: Any) -> bool:
    """Tell whether this machine's engine takes these settings of its solver."""
    try:
        Solver(**({"rtol": LOOSE} | settings))
    except (InputError, TypeError):
        return False
    return True


def kernel_contender(name: str, **settings: Any) -> Contender:
    """Return the engine's compiled loop itself, into a buffer made beforehand, as the C peers get theirs."""
    usual = Solver(**({"rtol": LOOSE} | settings))

    def ready(task: Task, rtol: float) -> Run:
        solver = Solver(rtol=rtol, **settings)
        n = len(task.record)
        run = kernel(solver.build(task.groups)).run
        none = np.empty((n, 0, len(WATCH)))
        out = batch._Buffers(
            buffer(n, len(task.times), len(STATES)), none, none, none, np.zeros(n, np.int8), np.zeros(n, np.int64),
            np.empty((n, 0)),
        )  # fmt: skip
        days = task.times[-1] / 24
        limit = float(solver.max_steps_per_day)
        plan = batch._Settings(0.0, float(task.times[-1]), 0.0, rtol, solver.event_step, limit, np.nan)
        begin = checkpoint.at_rest(task.y0, 0.0, solver.first_step, False)
        flat = np.ascontiguousarray(task.record).view(np.float64).reshape(n, -1)
        atol = batch.tolerances(active_states(task.groups), solver)

        def timed() -> Floats:
            run(flat, begin, task.block, task.doses, task.times, atol, plan, out)
            me.steps[rtol] = float(out.steps.mean() / days)
            return out.y

        return timed

    tolerances = decades(3.5, 9)
    if usual.precision == "mixed":
        tolerances = (*(rtol for rtol in tolerances if rtol > LEAST_MIXED), LEAST_MIXED)
    me = Contender(name, "pulsatile", ready, tolerances, method=usual.method, precision=usual.precision)
    return me


def whole_call(name: str, **settings: Any) -> Contender:
    """Return `engine.kernel.batch.integrate` with everything it does around the compiled loop."""

    def ready(task: Task, rtol: float) -> Run:
        solver = Solver(rtol=rtol, **settings)
        who = task.record, task.y0, task.block, task.doses
        return lambda: integrate(*who, start=0.0, times=task.times, solver=solver, groups=task.groups).y

    usual = Solver(**({"rtol": LOOSE} | settings))
    return Contender(name, "pulsatile", ready, decades(3.5, 9), method=usual.method, precision=usual.precision)


def c_dopri5(name: str, flags: tuple[str, ...], straight: bool, width: int = 1) -> Contender:
    """Return DOPRI5 in C: one patient at a time, or ``width`` lanes that share a step."""
    built: dict[tuple[str, ...], CIntegrator | CLanes] = {}

    def ready(task: Task, rtol: float) -> Run:
        if task.active not in built:
            scalar = width == 1
            built[task.active] = (
                CIntegrator(task.active, DOPRI5, flags, straight) if scalar
                else CLanes(task.active, width, flags, straight)
            )  # fmt: skip
        peer, atol, out = built[task.active], rtol * ATOL_FACTOR * task.scale, buffer(*task.shape)

        def timed() -> Floats:
            y, stats = peer.run(
                task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, atol, C_EVENT_STEP, out=out
            )
            me.steps[rtol] = float(stats.reshape(-1, 2).sum(axis=0)[0] / task.patient_days)
            return y

        return timed

    row = "C: DOPRI5, scalar" if width == 1 else "C: DOPRI5, SIMD lanes sharing a step"
    me = Contender(name, "C scalar" if width == 1 else "C lanes", ready, decades(5, 9), method="dopri5", row=row)
    return me


def heyoka(width: int, straight: bool) -> Contender:
    """Return Taylor series by heyoka with ``width`` lanes."""
    from benchmarks.peers.heyoka_batch import HeyokaBatch

    built: dict[tuple[str, ...], HeyokaBatch] = {}

    def ready(task: Task, rtol: float) -> Run:
        if task.active not in built:
            built[task.active] = HeyokaBatch(task.active, task.scale, width, straight)
        peer, out = built[task.active], buffer(*task.shape)
        peer.integrator(rtol)

        def timed() -> Floats:
            peer.run(task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, out)
            me.steps[rtol] = peer.trial_steps / task.patient_days
            return out

        return timed

    name = f"{width} wide, {'our rewritten rhs' if straight else 'as written'}"
    me = Contender(name, "heyoka", ready, decades(3, 8.5), method="Taylor", row="heyoka: Taylor series")
    return me


def numba_peer(name: str, kind: str, method: str, tolerances: tuple[float, ...], **limits: int) -> Contender:
    """Return a method of numbalsoda or scipy."""
    from benchmarks.peers import numba_peers

    factory = numba_peers.numbalsoda_run if kind == "numbalsoda" else numba_peers.scipy_run
    made: dict[tuple[str, ...], Callable[..., Floats]] = {}

    def ready(task: Task, rtol: float) -> Run:
        if task.active not in made:
            made[task.active] = factory(task.active, task.scale, method)
        run = made[task.active]
        return lambda: run(task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, rtol * ATOL_FACTOR)

    return Contender(name, kind, ready, tolerances, method=method, **limits)


def usual_name() -> str:
    """Return the name of the engine's default build."""
    return f"{Solver().method}, float64"


def own(quick: bool) -> list[Contender]:
    """Return the engine's builds; the first, the default, is the one that others are compared with."""
    usual = Solver()
    others = [] if quick else [method for method in PAIRS if method != usual.method]
    rows = [kernel_contender(f"{method}, float64", method=method) for method in (usual.method, *others)]
    if possible(precision="mixed"):
        rows += [
            kernel_contender(f"{method}, mixed", method=method, precision="mixed") for method in (usual.method, *others)
        ]
    rows.append(kernel_contender(f"{usual.method}, scalar build", lanes=1))
    if not quick:
        rows.append(whole_call("integrate(), whole call"))
    return rows


def in_c(quick: bool) -> list[Contender]:
    """Return the builds of both C peers."""
    if quick:
        return [c_dopri5(f"{width} wide", FAST, False, width) for width in (1, 8)]
    texts = {"as written": False, "our rewritten rhs": True}
    flags = {"-ffast-math": FAST, "sums in order": ORDERED, "scheduled": SCHEDULED}
    builds = [(1, "-ffast-math", text) for text in texts] + list(product((4, 8), flags, texts))
    return [c_dopri5("1 wide, -O3, as written", STRICT, False)] + [
        c_dopri5(f"{width} wide, {option}, {text}", flags[option], texts[text], width) for width, option, text in builds
    ]


def by_numba(quick: bool) -> list[Contender]:
    """Return the methods of numbalsoda and scipy."""
    rows, absent = [], missing()
    if "numbalsoda" not in absent and not quick:
        rows.append(numba_peer("DOP853", "numbalsoda", "dop853", decades(6, 10)))
        rows.append(numba_peer("LSODA", "numbalsoda", "lsoda", decades(4, 9)))
    if "scipy" not in absent:
        rows.append(numba_peer("solve_ivp DOP853", "scipy", "DOP853", decades(6, 6 if quick else 9, 1), **SLOW))
        if not quick:
            rows.append(numba_peer("solve_ivp LSODA", "scipy", "LSODA", decades(4, 8, 1), **SLOW))
    return rows


def contenders(quick: bool = False) -> list[Contender]:
    """Return the contenders that this machine can run, the engine's own first."""
    rows = own(quick)
    absent = missing()
    if "gcc" not in absent:
        rows += in_c(quick)
    if "heyoka" not in absent and not quick:
        rows += [heyoka(width, straight) for width, straight in ((1, False), (8, False), (8, True), (16, False))]
    rows += by_numba(quick)
    if not quick:
        for module in other_modules():
            rows += module.contenders()
    return rows


def reference(task: Task, rtol: float = 1e-12) -> tuple[Floats, Floats]:
    """Return the outputs (n, m, active) of DOP853 in C at a tight tolerance, and each state's largest value."""
    largest = np.zeros(len(task.active))
    integrator = CIntegrator(task.active, dop853())
    atol = rtol * ATOL_FACTOR * task.scale
    out, _ = integrator.run(task.parameters, task.y0_active, task.events, 0.0, task.times, rtol, atol, largest=largest)
    return out, largest
