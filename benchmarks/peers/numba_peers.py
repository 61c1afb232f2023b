"""numbalsoda and scipy on the same equations, events and outputs; each is restarted at each event.

Both get the right-hand side as numba machine code and scaled states, so that their absolute tolerance is one per
state.  numbalsoda is driven from compiled code (no Python between events); scipy cannot be.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp, floor, sqrt
from typing import Any

import numba as nb
import numpy as np

from benchmarks.peers.c_integrator import FIRST_INPUT
from benchmarks.peers.c_source import numba_source
from pulsatile.engine.arrays import Floats


@lru_cache
def _rhs(active: tuple[str, ...], scale: tuple[float, ...]) -> Any:
    names: dict[str, Any] = {"exp": exp, "floor": floor, "sqrt": sqrt}
    exec(numba_source(active, scale), names)
    return nb.njit(names["rhs"], error_model="numpy", fastmath={"contract"})


def numbalsoda_run(active: Sequence[str], scale: Floats, method: str) -> Callable[..., Floats]:
    """Return ``run(parameters, y0, events, start, times, rtol, atol)`` of numbalsoda; method "lsoda" or "dop853"."""
    import numbalsoda as peer

    rhs = _rhs(tuple(active), tuple(map(float, scale)))
    n_states = len(active)
    solver = getattr(peer, method)

    @nb.cfunc(peer.lsoda_sig)  # type: ignore[untyped-decorator]
    def function(t: Any, u: Any, du: Any, p: Any) -> None:
        rhs(t, u, du, p)

    address = function.address

    @nb.njit
    def batch(funcptr, parameters, y0, ptr, time, target, amount, start, times, rtol, atol, scale, out):  # type: ignore[no-untyped-def]
        eval_at = np.empty(times.size + 2)
        bad = 0
        for k in range(y0.shape[0]):
            p = parameters[k].copy()
            u = y0[k] / scale
            t = start
            i_event = ptr[k]
            i_out = 0
            while i_out < times.size and times[i_out] <= t:
                out[k, i_out] = u
                i_out += 1
            while i_out < times.size:
                while i_event < ptr[k + 1] and time[i_event] <= t:
                    if target[i_event] >= 0:
                        u[target[i_event]] += amount[i_event] / scale[target[i_event]]
                    else:
                        p[FIRST_INPUT - 1 - target[i_event]] = amount[i_event]
                    i_event += 1
                stop = times[-1]
                if i_event < ptr[k + 1] and time[i_event] < stop:
                    stop = time[i_event]
                n = 1
                eval_at[0] = t
                first = i_out
                while i_out < times.size and times[i_out] <= stop:
                    eval_at[n] = times[i_out]
                    n += 1
                    i_out += 1
                if eval_at[n - 1] < stop:
                    eval_at[n] = stop
                    n += 1
                y, success = solver(funcptr, u, eval_at[:n], p, rtol, atol, 100000)
                if not success:
                    bad += 1
                    break
                for j in range(first, i_out):
                    out[k, j] = y[1 + j - first]
                u = y[n - 1].copy()
                t = stop
            for j in range(times.size):
                out[k, j] *= scale
        return bad

    def run(
        parameters: Floats, y0: Floats, events: Any, start: float, times: Floats, rtol: float, atol: float
    ) -> Floats:
        out = np.empty((len(y0), len(times), n_states))
        if batch(address, parameters, y0, *events, start, times, rtol, atol, scale, out):
            raise RuntimeError(f"numbalsoda {method} gave up at rtol {rtol:g}")
        return out

    return run


def scipy_run(active: Sequence[str], scale: Floats, method: str) -> Callable[..., Floats]:
    """Return ``run(...)`` as `numbalsoda_run`, by scipy's ``solve_ivp`` with the compiled right-hand side."""
    from scipy.integrate import solve_ivp

    compiled = _rhs(tuple(active), tuple(map(float, scale)))

    @nb.njit(fastmath={"contract"}, error_model="numpy")
    def rhs(t, u, p):  # type: ignore[no-untyped-def]
        du = np.empty(u.size)
        compiled(t, u, du, p)
        return du

    def run(
        parameters: Floats, y0: Floats, events: Any, start: float, times: Floats, rtol: float, atol: float
    ) -> Floats:
        ptr, time, target, amount = events
        out = np.empty((len(y0), len(times), len(active)))
        for k in range(len(y0)):
            p, u, t = parameters[k].copy(), y0[k] / scale, start
            i_event = int(ptr[k])
            i_out = int(np.searchsorted(times, t, "right"))
            out[k, :i_out] = u
            while i_out < len(times):
                while i_event < ptr[k + 1] and time[i_event] <= t:
                    if target[i_event] >= 0:
                        u[target[i_event]] += amount[i_event] / scale[target[i_event]]
                    else:
                        p[FIRST_INPUT - 1 - target[i_event]] = amount[i_event]
                    i_event += 1
                stop = min(time[i_event], times[-1]) if i_event < ptr[k + 1] else times[-1]
                last = int(np.searchsorted(times, stop, "right"))
                at = np.append(times[i_out:last], stop)
                s = solve_ivp(rhs, (t, stop), u, method, t_eval=np.unique(at), args=(p,), rtol=rtol, atol=atol)
                if not s.success:
                    raise RuntimeError(f"scipy {method} gave up at rtol {rtol:g}: {s.message}")
                out[k, i_out:last] = s.y.T[: last - i_out]
                u, t, i_out = s.y[:, -1].copy(), stop, last
            out[k] *= scale
        return out

    return run
