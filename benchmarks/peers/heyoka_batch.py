"""heyoka: Taylor series of adaptive order, batches of patients in SIMD lanes, each lane with its own step.

The equations are `engine.model`'s own functions called with heyoka's expressions, or the engine's rewritten lines.
heyoka has no ``floor``: the number of the night that the circadian clock looks at is a run-time parameter, raised at
the clock's wrap, where the step ends; so nothing is smoothed or left out.  heyoka steps; what happens between two steps
(events, outputs from the Taylor coefficients, the next patient into a lane) is compiled by numba.
"""

import re
from collections.abc import Callable, Sequence
from math import exp, floor, sqrt
from types import FunctionType
from typing import Any

import numba as nb
import numpy as np
from numba.experimental import jitclass

from benchmarks.peers.c_integrator import FIRST_INPUT
from benchmarks.peers.c_source import rewritten
from pulsatile.engine import model, states
from pulsatile.engine.arrays import Floats
from pulsatile.engine.parameters import NAMES, Parameters

NIGHT, DAY = NAMES.index("sst_night_time"), NAMES.index("day")


def _system(active: Sequence[str], straight: bool) -> tuple[list[Any], int, str]:
    """Return expressions of dy/dt, the number of parameters, and numba text that computes these from a record.

    The two last parameters are the clock's offset to heyoka's time and the number of the night.
    """
    import heyoka as hy

    y = dict(zip(active, hy.make_vars(*active), strict=True))
    new = rewritten(active)
    n = (len(new.constants) if straight else len(NAMES)) + 2
    names: dict[str, Any] = {"exp": hy.exp, "sqrt": hy.sqrt, "floor": lambda _: hy.par[n - 1]}
    t = hy.time + hy.par[n - 2]
    if not straight:
        state = states.State(**(states.REST | y))
        p = Parameters(*[hy.par[i] for i in range(len(NAMES))])
        fluxes = FunctionType(model.fluxes.__code__, vars(model) | names)
        derivatives = model.balances(state, p, fluxes(t, state, p))._asdict()
        return [derivatives[name] for name in active], n, "q[:len(p)] = p"
    names |= {"t": t} | {f"y_{name}": y[name] for name in active}
    names |= {f"q{i}": hy.par[i] for i in range(n - 2)}
    exec("\n".join(new.always), names)

    def places(text: str) -> str:
        return re.sub(r"\bq(\d+)\b", r"q[\1]", re.sub(r"\bp\.(\w+)", lambda m: f"p[{NAMES.index(m[1])}]", text))

    text = "\n    ".join(f"q[{i}] = {places(value)}" for i, value in enumerate(new.constants))
    return [names[new.derivatives[name]] for name in active], n, text


_FIELDS = (
    "u", "pars", "tc", "last_h", "heyoka_time", "lanes", "queue", "cursor", "t", "stop", "limit", "p", "q",
    "parameters", "u0", "ptr", "time", "target", "amount", "scale", "start", "times", "out",
)  # fmt: skip
"""What the work between two steps reads and writes: heyoka's arrays; per lane its patient (or -1), next event and
output, time, stop, longest step, parameters and constants; the task."""


def _state_type(values: Sequence[Any]) -> Any:
    """Return a compiled class of `_FIELDS`: one object crosses from Python in a third of the time of 23 arrays."""
    names: dict[str, Any] = {}
    exec(
        f"class State:\n    def __init__(self, all):\n        {', '.join('self.' + f for f in _FIELDS)} = all\n", names
    )
    return jitclass([(name, nb.typeof(value)) for name, value in zip(_FIELDS, values, strict=True)])(names["State"])


def _between(settle_text: str) -> Callable[[Any], int]:
    """Return the compiled work between two steps; it returns how many lanes still run."""
    names: dict[str, Any] = {"exp": exp, "sqrt": sqrt}
    exec(f"def settle(p, q):\n    {settle_text}\n", names)
    settle = nb.njit(error_model="numpy")(names["settle"])

    @nb.njit(error_model="numpy")
    def between(s):  # type: ignore[no-untyped-def]
        u, pars, tc, last_h, lanes, queue, cursor = s.u, s.pars, s.tc, s.last_h, s.lanes, s.queue, s.cursor
        t, stop, limit, p, q, ptr, time, scale = s.t, s.stop, s.limit, s.p, s.q, s.ptr, s.time, s.scale
        times, out = s.times, s.out
        last = q.shape[1] - 1
        running = 0
        for lane in range(len(lanes)):
            if lanes[lane] < 0:
                continue
            fresh = cursor[lane, 0] < 0
            if not fresh:
                k = lanes[lane]
                here = t[lane] + last_h[lane]
                cut = last_h[lane] == limit[lane]
                if cut:
                    here = stop[lane]
                while cursor[lane, 1] < len(times) and times[cursor[lane, 1]] <= here:
                    x = times[cursor[lane, 1]] - t[lane]
                    for i in range(len(scale)):
                        value = tc[i, -1, lane]
                        for j in range(tc.shape[1] - 2, -1, -1):
                            value = value * x + tc[i, j, lane]
                        out[k, cursor[lane, 1], i] = value * scale[i]
                    cursor[lane, 1] += 1
                t[lane] = here
                if cursor[lane, 1] == len(times):
                    lanes[lane] = queue[0]
                    queue[0] += 1
                    fresh = True
                elif not cut:
                    limit[lane] = stop[lane] - here
                    running += 1
                    continue
            k = lanes[lane]
            changed = fresh
            if k >= len(s.u0):
                lanes[lane] = -1
                limit[lane] = 0.0
                continue
            if fresh:
                t[lane] = s.start
                cursor[lane, 0] = ptr[k]
                cursor[lane, 1] = 0
                p[lane] = s.parameters[k]
                settle(p[lane], q[lane])
                q[lane, last - 1] = s.start - s.heyoka_time[lane]
                q[lane, last] = floor((s.start - p[lane, NIGHT]) / p[lane, DAY] + 0.5)
                for i in range(len(scale)):
                    u[i, lane] = s.u0[k, i]
                while cursor[lane, 1] < len(times) and times[cursor[lane, 1]] <= s.start:
                    for i in range(len(scale)):
                        out[k, cursor[lane, 1], i] = u[i, lane] * scale[i]
                    cursor[lane, 1] += 1
            elif t[lane] >= p[lane, NIGHT] + p[lane, DAY] * (q[lane, last] + 0.5):
                q[lane, last] += 1.0
            while cursor[lane, 0] < ptr[k + 1] and time[cursor[lane, 0]] <= t[lane]:
                to = s.target[cursor[lane, 0]]
                if to >= 0:
                    u[to, lane] += s.amount[cursor[lane, 0]] / scale[to]
                else:
                    p[lane, FIRST_INPUT - 1 - to] = s.amount[cursor[lane, 0]]
                    settle(p[lane], q[lane])
                    changed = True
                cursor[lane, 0] += 1
            if changed:
                pars[:, lane] = q[lane]
            pars[last, lane] = q[lane, last]
            stop[lane] = p[lane, NIGHT] + p[lane, DAY] * (q[lane, last] + 0.5)
            if cursor[lane, 0] < ptr[k + 1]:
                stop[lane] = min(stop[lane], time[cursor[lane, 0]])
            limit[lane] = stop[lane] - t[lane]
            running += 1
        return running

    return between  # type: ignore[no-any-return]


class HeyokaBatch:
    """heyoka for one set of active states, with ``width`` lanes; an integrator is made for each tolerance."""

    def __init__(
        self, active: Sequence[str], scale: Floats, width: int = 0, straight: bool = False, compact: bool = False
    ) -> None:
        import heyoka as hy

        self.scale, self.width = scale, width or hy.recommended_simd_size()
        self.compact = compact
        derivatives, self.n_pars, settle = _system(active, straight)
        y = hy.make_vars(*active)
        scaled = {name: s * v for name, s, v in zip(active, map(float, scale), y, strict=True)}
        right = hy.subs(derivatives, scaled)
        self.system = [(v, f / s) for v, f, s in zip(y, right, map(float, scale), strict=True)]
        self.between = _between(settle)
        self.made: dict[float, Any] = {}
        self.state_type: Any = None
        self.trial_steps = 0

    def integrator(self, tolerance: float) -> Any:
        """Return heyoka's integrator for one tolerance (which sets the order; compiled when first asked for)."""
        import heyoka as hy

        if tolerance not in self.made:
            zeros = np.zeros((len(self.scale), self.width)), np.zeros((self.n_pars, self.width))
            self.made[tolerance] = hy.taylor_adaptive_batch(
                self.system, zeros[0], pars=zeros[1], tol=tolerance, compact_mode=self.compact
            )
        return self.made[tolerance]

    def run(
        self, parameters: Floats, y0: Floats, events: Any, start: float, times: Floats, rtol: float, out: Floats
    ) -> None:
        """Integrate; as `c_integrator.CIntegrator.run`, but ``rtol`` is heyoka's tolerance, on scaled states."""
        ta, w = self.integrator(rtol), self.width
        lanes = np.arange(w)
        cursor = np.full((w, 2), -1)
        t, stop, limit = np.zeros(w), np.zeros(w), np.zeros(w)
        p, q = np.zeros((w, len(NAMES))), np.zeros((w, self.n_pars))
        values = (
            ta.state, ta.pars, ta.tc, ta.last_h, ta.time, lanes, np.array([w]), cursor, t, stop, limit, p, q,
            parameters, y0 / self.scale, *events, self.scale, float(start), times, out,
        )  # fmt: skip
        if self.state_type is None:
            self.state_type = _state_type(values)
        state, between, step = self.state_type(values), self.between, ta.step
        self.trial_steps = 0
        while between(state):
            step(limit, True)
            self.trial_steps += w
        if not np.isfinite(out).all():
            raise RuntimeError(f"heyoka gave up at tolerance {rtol:g}")
