"""scikit-SUNDAE: SUNDIALS' CVODE on the same equations, restarted from Python at each event.

The right-hand side and a Jacobian by differences are numba machine code; CVODE's own differences, which call back for
each column, cost a quarter more (BDF), the Krylov solvers without Jacobian half as much again (Adams).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp, floor, sqrt
from typing import Any

import numba as nb
import numpy as np

from benchmarks.contenders import SLOW, Contender, decades
from benchmarks.peers.c_integrator import FIRST_INPUT
from benchmarks.peers.c_source import numba_source
from benchmarks.peers.prepared import prepared
from benchmarks.peers.segments import Events, segments
from pulsatile.engine.arrays import Floats


@lru_cache
def _functions(active: tuple[str, ...]) -> tuple[Any, Any]:
    """Return the right-hand side and its Jacobian by differences, each one call from CVODE into machine code."""
    names: dict[str, Any] = {"exp": exp, "floor": floor, "sqrt": sqrt}
    exec(numba_source(active, [1.0] * len(active)), names)
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
    text = nb.njit(**options)(names["rhs"])

    @nb.njit(**options)
    def rhs(t, y, dy, box):  # type: ignore[no-untyped-def]
        text(t, y, dy, box[0])

    @nb.njit(**options)
    def jacobian(t, y, dy, out, box):  # type: ignore[no-untyped-def]
        shifted, new = y.copy(), np.empty(y.size)
        for j in range(y.size):
            h = 1.5e-8 * max(abs(y[j]), 1e-3)
            shifted[j] += h
            text(t, shifted, new, box[0])
            shifted[j] = y[j]
            for i in range(y.size):
                out[i, j] = (new[i] - dy[i]) / h

    return rhs, jacobian


def sundae_run(active: Sequence[str], method: str) -> Callable[..., Floats]:
    """Return ``run(parameters, y0, events, start, times, rtol, atol)`` of CVODE; ``method`` "Adams" or "BDF"."""
    from sksundae.cvode import CVODE

    rhs, jacobian = _functions(tuple(active))

    def run(
        parameters: Floats, y0: Floats, events: Events, start: float, times: Floats, rtol: float, atol: Floats
    ) -> Floats:
        p = parameters[0].copy()
        solver = CVODE(
            rhs, method=method, rtol=rtol, atol=atol, userdata=(p,), jacfn=jacobian, max_num_steps=100_000
        )  # fmt: skip
        out = np.empty((len(y0), len(times), len(active)))
        for k in range(len(y0)):
            p[:] = parameters[k]
            y = y0[k].copy()
            out[k, : np.searchsorted(times, start, "right")] = y
            for s in segments(events, k, start, times):
                states = s.targets >= 0
                np.add.at(y, s.targets[states], s.amounts[states])
                p[FIRST_INPUT - 1 - s.targets[~states]] = s.amounts[~states]
                inside = times[s.first : s.last]
                last = () if len(inside) and inside[-1] == s.end else (s.end,)
                found = solver.solve(np.array([s.begin, *inside, *last]), y)
                if not found.success:
                    raise RuntimeError(f"CVODE {method} gave up at rtol {rtol:g}: {found.message}")
                n = len(found.y) - len(last)
                out[k, s.first : s.last] = found.y[n - len(inside) : n]
                y = found.y[-1].copy()
        return out

    return run


def contenders() -> list[Contender]:
    """Return the Adams and BDF methods."""
    return [
        prepared(
            f"CVODE {method}", "scikit-SUNDAE", lambda task, method=method: sundae_run(task.active, method),  # type: ignore[misc]
            decades(5.5, 9.5), method=method, **SLOW,
        )
        for method in ("Adams", "BDF")
    ]  # fmt: skip
