"""Integration of many patients by the compiled kernel: checks of shape, buffers, the thread pool over chunks."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import is_number, is_whole
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel import checkpoint, cuda
from pulsatile.engine.kernel.codegen import kernel
from pulsatile.engine.kernel.events import EventTable, check_order
from pulsatile.engine.kernel.layout import CLOCKS, WATCH, active_states
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.parameters import DTYPE, INPUTS, NAMES
from pulsatile.engine.states import GROUPS, REST, SIZES, STATE_INDEX, STATES

LONGEST = 1e5
"""Longest run, h: more than 520 weeks, a run-in and the days of visits."""
CHUNK = 128  # patients per call: lanes refill well and threads are balanced; results do not depend on it


class Result(NamedTuple):
    """The result of `integrate` for n patients and m times; see there."""

    y: Floats
    mean: Floats
    low: Floats
    high: Floats
    status: npt.NDArray[np.int8]
    steps: npt.NDArray[np.int64]
    mark: Floats


class _Settings(NamedTuple):
    start: float
    end: float
    window: float
    rtol: float
    event_step: float
    steps_per_day: float
    mark: float


class _Buffers(NamedTuple):
    y: Floats
    mean: Floats
    low: Floats
    high: Floats
    status: npt.NDArray[np.int8]
    steps: npt.NDArray[np.int64]
    mark: Floats


def groups_needed(parameters: npt.NDArray[Any], y0: Floats, *tables: EventTable) -> tuple[str, ...]:
    """Return the drug groups that an initial state, an event or an infusion moves, in the order of `states.GROUPS`."""
    moved = set()
    for table in tables:
        moved |= {STATES[i] for i in np.unique(table.target[table.target >= 0])}
        if np.any(table.target < 0):
            moved |= {_driven(INPUTS[-1 - i]) for i in np.unique(table.target[table.target < 0])}
    for name, rest in REST.items():
        if np.any(y0[:, STATE_INDEX[name]] != rest):
            moved.add(name)
    for name in ("rate_ghrh_a", "rate_ghrh_b", "rate_ghs_a", "rate_ghs_b", "gh_pump"):
        if np.any(parameters[name] != 0):
            moved.add(_driven(name))
    if any(np.any(parameters[f"k_tolerance_{slot}"] != 0) for slot in ("ghs_a", "ghs_b")):
        moved.add("ghs_tolerance")
    return tuple(group for group, names in GROUPS.items() if moved & set(names))


def _driven(name: str) -> str:
    if name.startswith("rate_"):
        return "central_" + name.removeprefix("rate_")
    return "gh_depot_1" if name == "gh_pump" else name


def tolerances(active: tuple[int, ...], solver: Solver) -> Floats:
    """Return the absolute tolerance per active state, in the unit of the state: a share of its usual size."""
    return np.asarray(solver.rtol * solver.atol_factor * SIZES[list(active)])


def integrate(
    parameters: npt.NDArray[Any],
    y0: Floats,
    block: EventTable | None,
    doses: EventTable | None,
    *,
    start: float,
    times: Floats,
    window: float = 0.0,
    stop: float | None = None,
    solver: Solver = Solver(),
    threads: int = 1,
    groups: tuple[str, ...] | None = None,
    mark: float | None = None,
    begin: Floats | None = None,
) -> Result:
    """Integrate n patients from ``start`` (h) and return their states at ``times``.

    Parameters
    ----------
    parameters : record array (n,) of `parameters.DTYPE`
    y0 : (n, states) full state at ``start``, before the impulses of that instant
    block : events repeated every `events.BLOCK_HOURS` (pulses, meals), times in [0, BLOCK_HOURS)
    doses : events at absolute times (h); an infusion begun before ``start`` is still running
    times : (m,) ascending, none before ``start``; the value at the instant of an impulse is the one before it
    window : length (h) of the windows over which `layout.WATCH` is reduced, 0 for none; only whole windows are kept
    stop : end of the run (h), default the last of ``times``
    solver : settings of the integrator
    threads : threads over chunks of patients; results do not depend on it
    groups : drug groups to integrate, names of `states.GROUPS`; events of others are ignored.  Default: those that can
        move in any of the patients; name them where a patient's last digits must not depend on the other patients
    mark : one of ``times``, after ``start``: the point from which a longer run can continue
    begin : (n, columns) of `checkpoint.columns`, the ``mark`` of an earlier run of the same patients, ``start``,
        windows and events (up to the mark; later ones may differ): continue from the mark to ``times`` after it.
        ``y0`` remains the state at ``start``; windows closed before are NaN; all else is bit-equal to a single run

    Returns
    -------
    Result
        ``y`` (n, m, states); ``mean``, ``low``, ``high`` (n, windows, len(WATCH)); ``status`` (n,) of `errors.Status`;
        ``steps`` (n,) trial steps from ``start``; ``mark`` (n, columns), without columns unless requested.  A failed
        patient is NaN throughout and does not affect the others.

    Raises
    ------
    InputError
        For arrays or tables of another number of patients, times that do not ascend from ``start`` to ``stop``,
        unsorted events, a run longer than `LONGEST`, and a ``mark`` or ``begin`` that does not fit the run.
    """
    n = len(parameters)
    if not isinstance(solver, Solver) or not is_whole(threads) or threads < 1:
        raise InputError(f"solver = {solver!r} must be a Solver, threads = {threads!r} a whole number of at least 1.")
    # writeable, as numba compiles anew for a read-only array
    times, y0 = np.require(times, float, ["C", "W"]), np.require(y0, float, ["C", "W"])
    end = times[-1] if stop is None and times.size else start if stop is None else stop
    if parameters.dtype != DTYPE or y0.shape != (n, len(STATES)) or times.ndim != 1:
        raise InputError(
            f"{n} parameter records need a start of shape ({n}, {len(STATES)}), got {y0.shape}; times of one "
            f"dimension, got {times.ndim}."
        )
    if not (is_number(start) and is_number(end) and start <= end <= start + LONGEST):
        raise InputError(
            f"start = {start}, stop = {end} h must be numbers, stop not before start, at most {LONGEST:g} h after it."
        )
    if not is_number(window) or not (window == 0 or window >= 1 / 60):
        raise InputError(f"window = {window} h must be 0, for none, or one of the numbers from one minute on.")
    start, end = float(start), float(end)
    if not np.all(np.diff(times) > 0) or not np.all((times >= start) & (times <= end)):
        raise InputError(f"output times must ascend within {start} ... {end} h.")
    block = EventTable.empty(n) if block is None else block
    doses = EventTable.empty(n) if doses is None else doses
    if len(block.ptr) != n + 1 or len(doses.ptr) != n + 1:
        raise InputError(f"event tables of {len(block.ptr) - 1} and {len(doses.ptr) - 1} patients do not fit {n}.")
    check_order(block)
    check_order(doses)
    if unknown := [name for name in groups or () if name not in GROUPS]:
        raise InputError(f"drug group = {unknown[0]!r} is unknown; choose from {', '.join(GROUPS)}.")
    windows = int(np.floor((end - start) / window + 1e-9)) if window > 0 else 0
    if windows:  # the last window closes even if it ends a rounding error late
        end = max(end, float(np.nextafter(start + windows * window, np.inf)))
    if mark is not None and not (mark > start and mark in times):
        raise InputError(f"mark = {mark!r} h must be one of the output times after the start, {start} h.")
    if begin is None:
        begin = checkpoint.at_rest(y0, float(start), solver.first_step, windows > 0)
    else:
        begin = np.require(begin, float, ["C", "W"])
        checkpoint.check(begin, n, windows > 0, block, times)
    if groups is None:
        groups = groups_needed(parameters, y0, block, doses)
    build = solver.build(groups)
    active = active_states(groups)
    run = kernel(build).run
    shape = (n, windows, len(WATCH))
    out = _Buffers(
        np.full((n, len(times), len(STATES)), np.nan),
        np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan),
        np.full(n, int(Status.NEVER_RUN), np.int8), np.zeros(n, np.int64),
        np.full((n, 0 if mark is None else len(checkpoint.columns(windows > 0))), np.nan),
    )  # fmt: skip
    settings = _Settings(
        start, end, float(window), solver.rtol, solver.event_step, float(solver.max_steps_per_day),
        np.nan if mark is None else float(mark),
    )  # fmt: skip
    flat = np.require(parameters, None, ["C", "W"]).view(np.float64).reshape(n, len(NAMES))
    atol = tolerances(active, solver)

    # equal parts of about CHUNK; with few patients, whole vectors for every thread
    size = min(-(-n // max(1, round(n / CHUNK))), -(-n // (build.lanes * threads)) * build.lanes)

    def chunk(first: int) -> None:
        part = slice(first, min(first + size, n))
        index = np.arange(part.start, part.stop)
        run(
            flat[part], begin[part], block.subset(index), doses.subset(index), times, atol, settings,
            _Buffers._make(buffer[part] for buffer in out),
        )  # fmt: skip

    if end > start or len(times):
        starts = range(0, n, max(1, size))
        if solver.device == "cuda":
            cuda.run(build, flat, begin, block, doses, times, atol, settings, out)
        elif len(starts) > 1 and threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(chunk, starts))
        else:
            for first in starts:
                chunk(first)
    for name, rest in REST.items():
        if STATE_INDEX[name] not in active:
            out.y[:, :, STATE_INDEX[name]] = rest
            column = len(CLOCKS) + STATE_INDEX[name]
            out.mark[:, column : column + 1] = rest  # an empty slice unless a mark is requested
    failed = out.status != Status.OK
    for buffer in (out.y, out.mean, out.low, out.high, out.mark):
        buffer[failed] = np.nan
    return Result(*out)
