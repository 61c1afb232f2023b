"""diffrax: its solvers, step control and dense output, all patients in one array, in one compiled loop around events.

diffrax steps by hand here, as its documentation shows: the state is (states, patients) and time is scaled by each
patient's own step, so that ``solver.step`` needs no ``vmap``; it takes as long as the same stages written out in jax.
That is 6 times as fast as its ``diffeqsolve`` under ``vmap`` (`diffrax_solve`; in a ``lax.scan`` from event to event it
made 290 patient-days per second at rtol 1e-6).  Nothing was gained by the engine's rewritten right-hand side, PI
control, wider vectors or XLA's fast mathematics; Dopri5 is slower than Tsit5.

On one thread, which is not the caller's: the clock must be the process's.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import Contender, decades
from benchmarks.peers.c_source import statements
from benchmarks.peers.prepared import prepared
from benchmarks.peers.segments import Events
from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError

SIDE_BY_SIDE = 128  # patients
BLOCK = 96  # outputs gathered at a time
EVENT_STEP = 0.02  # h; first step after an event: the best of 0.005, 0.02, 0.05 and 0.2
MOST_STEPS = 100_000  # in a block


class _Walk(NamedTuple):
    """Where every patient is (each field ends with the axis of patients), and the outputs of this block so far."""

    t: Any
    y: Any  # (states, n)
    event: Any  # the next one
    h: Any
    control: Any  # the step control's memory
    shown: Any  # outputs made
    slot: Any  # places used in the next two; common to all patients
    count: Any  # (slots, n) `shown` after this place was filled
    value: Any  # (slots, states, n)
    trial: Any


def start_jax() -> Any:
    """Return diffrax with jax in double precision on one thread (when jax has not begun to compute before)."""
    os.environ.setdefault("NPROC", "1")
    if "eigen" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    import diffrax

    return diffrax


def rhs_of(active: Sequence[str]) -> Any:
    """Return ``rhs(t, y, p)`` on arrays whose last axis is the patients'."""
    import jax.numpy as jnp

    lines, derivatives = statements(active)
    body = [f"    {name} = {value}" for name, value in lines]
    text = "\n".join([*body, f"    return stack([{', '.join(derivatives[name] for name in active)}])"])
    names: dict[str, Any] = {"exp": jnp.exp, "sqrt": jnp.sqrt, "floor": jnp.floor, "stack": jnp.stack}
    exec(f"def rhs(t, y, p):\n{text}\n", names)
    return names["rhs"]


def padded(events: Events) -> tuple[Floats, Floats, Floats]:
    """Return time, target and amount (events + 1, n); a patient's list ends with events at infinity."""
    ptr, *columns = events
    counts = np.diff(ptr)
    shape = (counts.max(initial=0) + 1, len(counts))
    there = np.arange(shape[0])[:, None] < counts
    filled = []
    for column, empty in zip(columns, (np.inf, 0, 0.0), strict=True):
        table = np.full(shape[::-1], empty, column.dtype)
        table[there.T] = column
        filled.append(np.ascontiguousarray(table.T))
    return tuple(filled)  # type: ignore[return-value]


def _program(active: Sequence[str], solver_name: str) -> Callable[..., Any]:
    """Return the compiled loop; arrays have the patients last."""
    dfx = start_jax()
    import jax
    import jax.numpy as jnp

    rhs = rhs_of(active)
    solver = getattr(dfx, solver_name)()
    term = dfx.ODETerm(lambda share, y, own: own[1] * rhs(own[0] + share * own[1], y, own[2]))  # own: t, h, p
    order = solver.error_order(term)

    def solve(
        p: Any,
        y0: Any,
        time: Any,
        target: Any,
        amount: Any,
        start: float,
        blocks: Any,
        rtol: float,
        atol: Any,
        slots: int,
    ) -> Any:
        (n_states, n), per_block = y0.shape, blocks.shape[1]
        patient, row = jnp.arange(n), jnp.arange(n_states)[:, None]
        controller = dfx.PIDController(rtol=rtol, atol=atol)

        def adapt(h: Any, y: Any, new: Any, error: Any, memory: Any) -> Any:
            kept, begin, end, _, state, _ = controller.adapt_step_size(
                0.0, h, y, new, None, error, order, (memory, 1.0, False)
            )
            return kept, end - begin, state[0]

        def between(info: Any, share: Any) -> Any:
            return solver.interpolation_cls(t0=0.0, t1=1.0, **info).evaluate(share)

        def block(begin: _Walk, times: Any) -> Any:
            until = jnp.append(times, jnp.inf)

            def unfinished(w: _Walk) -> Any:
                return (w.shown.min() < per_block) & (w.slot < slots) & (w.trial < MOST_STEPS)

            def step(w: _Walk) -> _Walk:
                stop = jnp.minimum(time[w.event, patient], times[-1])
                h = jnp.minimum(w.h, stop - w.t)
                own = (w.t, h, p)
                state = solver.init(term, 0.0, 1.0, w.y, own)
                new, error, info, _, _ = solver.step(term, 0.0, 1.0, w.y, own, state, True)
                error = jnp.where(jnp.isnan(error), jnp.inf, error)
                kept, h_next, control = jax.vmap(adapt, (0, -1, -1, -1, 0))(h, w.y, new, error, w.control)
                cut = h >= stop - w.t
                end = jnp.where(cut, stop, w.t + h)

                def due(o: Any) -> Any:
                    shown, slot, _, _ = o
                    return (kept & (until[shown] <= end)).any() & (slot < slots)

                def show(o: Any) -> Any:
                    shown, slot, count, value = o
                    at = until[shown]
                    now = kept & (at <= end)
                    share = jnp.where(now & (h > 0), (at - w.t) / h, 0.0)
                    value = value.at[slot].set(jax.vmap(between, (-1, 0), -1)(info, share))
                    shown = shown + now
                    return shown, slot + 1, count.at[slot].set(shown), value

                shown, slot, count, value = jax.lax.while_loop(due, show, (w.shown, w.slot, w.count, w.value))
                hit = kept & (end >= time[w.event, patient])
                jump = jnp.where(hit & (row == target[w.event, patient]), amount[w.event, patient], 0.0)
                h_next = jnp.where(kept & cut, jnp.maximum(h_next, w.h), h_next)
                return _Walk(
                    jnp.where(kept, end, w.t), jnp.where(kept, new, w.y) + jump, w.event + hit,
                    jnp.where(hit, EVENT_STEP, h_next), jnp.where(hit, 1.0, control),
                    shown, slot, count, value, w.trial + 1,
                )  # fmt: skip

            nothing = jnp.zeros_like(begin.shown)
            w = begin._replace(shown=nothing, slot=0, count=jnp.full_like(begin.count, per_block), trial=0)
            w = jax.lax.while_loop(unfinished, step, w)
            first = jax.vmap(lambda c: jnp.searchsorted(c, jnp.arange(1, per_block + 1)), 1, 1)(w.count)
            return w, (w.value[first[:, None, :], row, patient], w.shown.min() == per_block, w.trial)

        one, none = jnp.ones(n), jnp.zeros(n, int)
        w = _Walk(
            start * one, y0, none, EVENT_STEP * one, one, none, 0,
            jnp.zeros((slots, n), int), jnp.zeros((slots, n_states, n)), 0,
        )  # fmt: skip
        _, (values, done, trials) = jax.lax.scan(block, w, blocks)
        return values.reshape(-1, n_states, n).transpose(2, 0, 1), done.all(), trials.max()

    return jax.jit(solve, static_argnames="slots")


def diffrax_run(active: Sequence[str], solver: str) -> Callable[..., Floats]:
    """Return ``run(parameters, y0, events, start, times, rtol, atol)`` of an explicit solver of diffrax.

    Raises
    ------
    InputError
        When an event sets an input: the loop knows jumps of states only.
    """
    program = _program(active, solver)
    room = {"slots": 512}

    def part(inputs: tuple[Floats, ...], start: float, blocks: Floats, rtol: float, atol: Floats) -> Floats:
        while True:
            out, done, trials = program(*inputs, start, blocks, rtol, atol, slots=room["slots"])
            if done:
                return np.asarray(out)
            if trials >= MOST_STEPS:
                raise RuntimeError(f"diffrax {solver} gave up at rtol {rtol:g}")
            room["slots"] *= 2

    def run(
        parameters: Floats, y0: Floats, events: Events, start: float, times: Floats, rtol: float, atol: Floats
    ) -> Floats:
        if (events[2] < 0).any():
            raise InputError("the diffrax peer knows jumps of states only: take a task without events that set inputs.")
        number = -(-len(times) // BLOCK)
        blocks = np.append(times, np.full(-len(times) % number, times[-1])).reshape(number, -1)
        table, out = padded(events), []
        for i in range(0, len(y0), SIDE_BY_SIDE):
            some = slice(i, i + SIDE_BY_SIDE)
            inputs = parameters[some].T, y0[some].T, *(column[:, some] for column in table)
            out.append(part(inputs, start, blocks, rtol, atol)[:, : len(times)])
        return np.concatenate(out)

    return run


def contenders() -> list[Contender]:
    """Return Tsit5, best at large errors, Dopri8, best at small ones, and Tsit5 by ``diffeqsolve``."""
    from benchmarks.peers.diffrax_solve import diffeqsolve_run

    def by_hand(solver: str, first: float) -> Contender:
        return prepared(solver, "diffrax", lambda task: diffrax_run(task.active, solver), decades(first, 9))

    plain = prepared(
        "Tsit5 by diffeqsolve", "diffrax", lambda task: diffeqsolve_run(task.active, "Tsit5"), decades(5, 9),
        method="Tsit5", windows=3,
    )  # fmt: skip
    return [by_hand("Tsit5", 5), by_hand("Dopri8", 4), plain]
