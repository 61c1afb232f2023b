"""diffrax as its documentation has it: one ``diffeqsolve`` under ``vmap``, ``jump_ts`` at the events, ``SaveAt(ts)``.

diffrax has no jumps of states.  Here they move into the equations: ``y = z + jumps so far``, of which z is smooth, and
the step control sees y.  `jax_diffrax` is faster, and takes its solvers only.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.peers.jax_diffrax import EVENT_STEP, padded, rhs_of, start_jax
from benchmarks.peers.segments import Events
from pulsatile.engine.arrays import Floats


def diffeqsolve_run(active: Sequence[str], solver_name: str) -> Callable[..., Floats]:
    """Return ``run(parameters, y0, events, start, times, rtol, atol)`` of an explicit solver of diffrax."""
    dfx = start_jax()
    import jax
    import jax.numpy as jnp

    rhs, solver = rhs_of(active), getattr(dfx, solver_name)()

    def one(p: Any, y0: Any, stops: Any, jumps: Any, start: float, times: Any, rtol: float, atol: Any) -> Any:
        def jumped(t: Any, side: str = "right") -> Any:
            return jumps[jnp.searchsorted(stops, t, side=side)]

        class Control(dfx.PIDController):  # type: ignore[misc, name-defined]
            def adapt_step_size(self, t0: Any, t1: Any, y0: Any, y1: Any, *others: Any) -> Any:
                return super().adapt_step_size(t0, t1, y0 + jumped(t0), y1 + jumped(t0), *others)

        solution = dfx.diffeqsolve(
            dfx.ODETerm(lambda t, z, _: rhs(t, z + jumped(t), p)), solver, start, times[-1], EVENT_STEP, y0,
            saveat=dfx.SaveAt(ts=times), adjoint=dfx.ForwardMode(), max_steps=None,
            stepsize_controller=dfx.ClipStepSizeController(Control(rtol=rtol, atol=atol), jump_ts=stops),
        )  # fmt: skip
        return solution.ys + jumped(times, "left")

    program = jax.jit(jax.vmap(one, (0, 0, 0, 0, None, None, None, None)))

    def run(
        parameters: Floats, y0: Floats, events: Events, start: float, times: Floats, rtol: float, atol: Floats
    ) -> Floats:
        time, target, amount = (column.T for column in padded(events))
        never = times[-1] + 1 + np.arange(time.shape[1])
        stops = np.where(np.isfinite(time), time, never)
        each = np.where(np.arange(len(active)) == target[:, :, None], amount[:, :, None], 0.0)
        jumps = np.concatenate([np.zeros_like(each[:, :1]), np.cumsum(each, axis=1)], axis=1)
        return np.asarray(program(parameters, y0, stops, jumps, start, times, rtol, atol))

    return run
