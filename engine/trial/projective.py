"""Long horizons, the run: some days integrated by the kernel, body composition projected over the days between.

Each slow state y is written as y' = k y0 - c(t) y, with turnover k and untreated value y0: c is the loss rate, the
turnover of `model.balances` with all its drivers.  A day's mean loss follows from two midnights by the implicit
midpoint rule, and the same rule returns from the loss to the next midnight: integrated days are reproduced exactly.

The losses of the reference block (28 days) hold the daily pattern that pulses, meals and doses repeat.  A window's
measured days give the deviation of the loss from the same days of that block; the deviation changes slowly and is taken
as linear between windows.  Slope (the pattern) and trend (the deviation) are those of projective integration; its plain
form, with one day's slope for all skipped days, is wrong by some 10 % here, as pulses differ from day to day
(``benchmarks/projective.py``).  All other states begin a window with their values of that day of the block.

Error: successive deviations differ by trend and by scatter.  Both count as error over the days of each gap, and gaps
are independent: twice the root of the sum of (days x difference)^2 / 2, times the state.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Codes, Floats
from pulsatile.engine.drugs.dose_rule import DAY
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable
from pulsatile.engine.states import STATE_INDEX
from pulsatile.engine.trial.horizon import BLOCK_DAYS, SLOW, Span
from pulsatile.engine.trial.plan import Plan

_SLOW = [STATE_INDEX[name] for name in SLOW]
_DAYS = [STATE_INDEX[name] for name in ("igf1", "p85", "ghs_tolerance")]
"""States with a memory of days: they keep their departure from the reference block from one window to the next."""
STANDARD_ERRORS = 2.0


class Projection(NamedTuple):
    """Body composition of n patients at the midnights 0 ... end, and the snapshots for tests.

    ``level`` and ``error`` (n, days + 1, 3) of `horizon.SLOW`; ``snapshots`` hour -> (n, states); ``status``
    (n,).
    """

    level: Floats
    error: Floats
    snapshots: dict[float, Floats]
    status: Codes


class _Window(NamedTuple):
    """An integrated span of d days: ``midnights`` (n, d + 1, states), ``losses`` (n, d, 3) per day."""

    midnights: Floats
    losses: Floats
    snapshots: dict[float, Floats]
    status: Codes


class _Reference(NamedTuple):
    """The reference block by day: ``losses`` (n, 28, 3) per day, and states at ``midnights`` (n, 28, states)."""

    losses: Floats
    midnights: Floats


class _Patients(NamedTuple):
    """n patients in one arm, the arguments of `batch.integrate`; ``supply`` (n, 3) is k y0 per day."""

    parameters: npt.NDArray[Any]
    block: EventTable
    doses: EventTable
    groups: tuple[str, ...]
    supply: Floats


def project(
    parameters: npt.NDArray[Any], y0: Floats, block: EventTable, doses: EventTable, spans: list[Span], plan: Plan,
    groups: tuple[str, ...], threads: int,
) -> Projection:  # fmt: skip
    """Run n patients through ``spans`` (`horizon.calendar`) and project over the days between.

    The other arguments are those of `batch.integrate`; every integrated day runs at its calendar time, with that day's
    pulses, meals and doses.
    """
    patients = _Patients(parameters, block, doses, groups, _supply(parameters))
    n, end = len(parameters), spans[-1].stop
    level = np.full((n, end + 1, len(SLOW)), np.nan)
    level[:, 0] = y0[:, _SLOW]
    variance = np.zeros_like(level)
    reference = _Reference(np.empty((n, 0, len(SLOW))), np.empty((n, 0, len(STATE_INDEX))))
    deviation, centre = np.zeros((n, len(SLOW))), 0.0
    snapshots: dict[float, Floats] = {}
    status = np.zeros(n, np.int8)
    y, done = y0, 0
    for span in spans:
        gap = np.arange(done, span.start)
        if len(gap):  # the deviation is constant until the window has measured the next
            losses = reference.losses[:, gap % BLOCK_DAYS] + deviation[:, None]
            y = _resumed(reference, y, span, done, _march(level[:, done], patients.supply, losses)[:, -1])
        window = _integrated(patients, y, span, plan, threads)
        status = np.where(status == Status.OK, window.status, status)
        if span.measured == span.stop:  # integrated in full
            level[:, span.start : span.stop + 1] = window.midnights[:, :, _SLOW]
            if span.reference:
                reference = _referenced(window, span)
            deviation, centre = np.zeros_like(deviation), span.stop - 0.5
        else:
            measured, midpoint = _measured(window, span, reference)
            share = (gap - centre)[:, None] / (midpoint - centre)
            between = reference.losses[:, gap % BLOCK_DAYS] + deviation[:, None]
            between += share * (measured - deviation)[:, None]
            losses = np.concatenate([between, window.losses], axis=1)
            level[:, done + 1 : span.stop + 1] = _march(level[:, done], patients.supply, losses)
            variance[:, done + 1 :] += ((len(gap) * (measured - deviation)) ** 2 / 2)[:, None]
            deviation, centre = measured, midpoint
        for hour, state in window.snapshots.items():
            day = int(hour // DAY)
            snapshots[hour] = _corrected(state, level[:, day] / window.midnights[:, day - span.start, _SLOW])
        y = _corrected(window.midnights[:, -1], level[:, span.stop] / window.midnights[:, -1, _SLOW])
        done = span.stop
    return Projection(level, STANDARD_ERRORS * np.sqrt(variance) * level, snapshots, status)


def _supply(parameters: npt.NDArray[Any]) -> Floats:
    """Return k y0 (n, 3) per day: the supply of the untreated turnover."""
    per_day = DAY * parameters["minutes_per_hour"]
    return np.stack([per_day * parameters[f"k_{name}"] * parameters[f"{name}0"] for name in SLOW], axis=1)


def _integrated(patients: _Patients, y: Floats, span: Span, plan: Plan, threads: int) -> _Window:
    clock = DAY * np.arange(span.start, span.stop + 1)
    branches = [float(t) for t in plan.snapshots() if span.start <= t // DAY <= span.stop]
    times = np.union1d(clock, branches)
    result = integrate(
        patients.parameters, y, patients.block, patients.doses, start=float(clock[0]), times=times,
        solver=plan.solver, threads=threads, groups=patients.groups,
    )  # fmt: skip
    midnights = result.y[:, np.searchsorted(times, clock)]
    slow = midnights[:, :, _SLOW]
    losses = (patients.supply[:, None] - np.diff(slow, axis=1)) / ((slow[:, 1:] + slow[:, :-1]) / 2)
    snapshots = {t: result.y[:, np.searchsorted(times, t)] for t in branches}
    return _Window(midnights, losses, snapshots, result.status)


def _referenced(window: _Window, span: Span) -> _Reference:
    """Return the last block of ``span`` in order of the day of the block."""
    order = np.argsort(np.arange(span.stop - BLOCK_DAYS, span.stop) % BLOCK_DAYS)
    return _Reference(window.losses[:, -BLOCK_DAYS:][:, order], window.midnights[:, -BLOCK_DAYS - 1 : -1][:, order])


def _measured(window: _Window, span: Span, reference: _Reference) -> tuple[Floats, float]:
    """Return the mean deviation (n, 3) of the measured days' losses from those of the block, and their mean day."""
    days = np.arange(span.measured, span.stop)
    deviation = window.losses[:, days - span.start] - reference.losses[:, days % BLOCK_DAYS]
    return deviation.mean(axis=1), float(days.mean())


def _resumed(reference: _Reference, y: Floats, span: Span, done: int, slow: Floats) -> Floats:
    """Return the states (n, states) at the start of ``span`` from ``y``, those at midnight ``done``."""
    departure = y[:, _DAYS] / reference.midnights[:, done % BLOCK_DAYS, _DAYS]
    resumed = reference.midnights[:, span.start % BLOCK_DAYS].copy()
    resumed[:, _DAYS] *= departure
    resumed[:, _SLOW] = slow
    return resumed


def _march(start: Floats, supply: Floats, losses: Floats) -> Floats:
    """Return the midnights (n, d, 3) after each day of ``losses`` (n, d, 3), from ``start`` (n, 3)."""
    level = np.empty_like(losses)
    for day in range(losses.shape[1]):
        start = (start * (1 - losses[:, day] / 2) + supply) / (1 + losses[:, day] / 2)
        level[:, day] = start
    return level


def _corrected(y: Floats, factor: Floats) -> Floats:
    """Return a copy of ``y`` (n, states) with the slow states times ``factor`` (n, 3)."""
    y = y.copy()
    y[:, _SLOW] *= factor
    return y
