"""The 28-day block of a patient: GH pulses and meals, keyed by patient and counter; the block repeats indefinitely.

Pulses are a Weibull renewal process (axis, section 2).  The process starts `LEAD_IN` before the block, of which only
the pulses are kept: at t = 0 it is stationary, so the expected number of pulses is exactly rate x 28 days.  When the
block repeats, the one interval across the boundary joins two independent ends; nothing is stretched or dropped.
"""

from math import gamma

import numpy as np

from pulsatile.engine import draws as random
from pulsatile.engine.arrays import Floats
from pulsatile.engine.kernel.events import BLOCK_HOURS, EventTable, target_of
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.meals import LARGEST_JITTER, MMOL_PER_GRAM, SIZE_JITTER, SLOTS_PER_DAY, TIME_JITTER

DAY = 24.0
BLOCK_DAYS = int(BLOCK_HOURS / DAY)
LEAD_IN = 48.0
"""Start of the renewal process before the block, h: about 26 intervals."""

# Sleep: axis, section 2 [assumed].
SLEEP_ONSET = 23.0  # h of the clock
SLEEP_PEAK = 1.0  # h after onset, the largest amplitude
SLEEP_WIDTH = 1.5  # h, SD


def block_events(cohort: Cohort, *, pulses: bool = True, meals: bool = True) -> EventTable:
    """Return the 28-day block of every patient: jumps of ``drive`` (-) and ``stomach`` (mmol), times in [0, 672) h."""
    parts = []
    if pulses:
        parts.append((*pulse_train(cohort), target_of("drive")))
    if meals:
        parts.append((*meal_train(cohort), target_of("stomach")))
    if not parts:
        return EventTable.empty(len(cohort))
    time = np.concatenate([part[0] for part in parts], axis=1)
    amount = np.concatenate([part[1] for part in parts], axis=1)
    target = np.concatenate([np.full(part[0].shape[1], part[2], np.int64) for part in parts])
    order = np.argsort(time, axis=1, kind="stable")
    time = np.take_along_axis(time, order, axis=1)
    inside = np.isfinite(time)
    counts = np.count_nonzero(inside, axis=1)
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return EventTable(ptr, time[inside], target[order][inside], np.take_along_axis(amount, order, axis=1)[inside])


def pulse_train(cohort: Cohort) -> tuple[Floats, Floats]:
    """Return pulse times (h, infinite where outside the block) and jumps of ``drive``, each (n, draws)."""
    p = {name: cohort.parameters[name][:, None] for name in
         ("pulse_rate", "pulse_shape", "pulse_size", "pulse_size_cv", "sleep_gain", "c_amplitude")}  # fmt: skip
    mean = DAY / p["pulse_rate"]
    scale = mean / np.array([gamma(1 + 1 / k) for k in p["pulse_shape"][:, 0]])[:, None]
    # enough for nearly all patients; drawing more changes no earlier draw, because each has its own counter
    draws = int(1.1 * (LEAD_IN + BLOCK_HOURS) / mean.min(initial=DAY)) + 20
    while True:
        first, second = random.uniform_pairs(cohort.seed, cohort.day_keys[:, None], random.PULSES, np.arange(draws))
        if cohort.layers.occasions:
            # x**(1/k) by logarithms: numpy's power may round differently for other shapes of its arguments
            interval = scale * np.exp(np.log(-np.log(first)) / p["pulse_shape"])
        else:  # regular, with a random phase per patient
            interval = np.where(np.arange(draws) == 0, first[:, :1], 1.0) * mean
        time = np.cumsum(interval, axis=1) - LEAD_IN
        if draws == 0 or np.all(time[:, -1] >= BLOCK_HOURS):
            break
        draws *= 2
    size = p["pulse_size"] * p["c_amplitude"]
    spread = np.sqrt(np.log1p(p["pulse_size_cv"] ** 2))
    if cohort.layers.occasions:
        factor = np.exp(spread * random.normal_quantile(second))
    else:
        factor = np.exp(spread * spread / 2)  # the mean: the layer does not change the mean amplitude
    amount = size * sleep_factor(time, p["sleep_gain"]) * factor
    outside = (time < 0) | (time >= BLOCK_HOURS)
    return np.where(outside, np.inf, time), amount


def sleep_factor(time: Floats, gain: Floats) -> Floats:
    """Return the factor m of axis section 2 on pulse amplitude at ``time`` (h): up to ``gain``, one hour into sleep."""
    asleep = (time - SLEEP_ONSET) % DAY
    return 1 + (gain - 1) * np.exp(-0.5 * ((asleep - SLEEP_PEAK) / SLEEP_WIDTH) ** 2)


def meal_train(cohort: Cohort) -> tuple[Floats, Floats]:
    """Return meal times (h) and jumps of ``stomach`` (mmol glucose), each (n, meals of 28 days)."""
    plan = cohort.meals
    day = np.repeat(np.arange(BLOCK_DAYS), len(plan.slots))
    slot, clock, grams = (np.tile(values, BLOCK_DAYS) for values in (plan.slots, plan.times, plan.grams))
    first_meal = np.tile(np.arange(len(plan.slots)) == 0, BLOCK_DAYS)
    eaten = ~np.isin(day % 7, plan.fasting_days) & ~(first_meal & np.isin(day % 7, plan.fasting_mornings))
    day, slot, clock, grams = day[eaten], slot[eaten], clock[eaten], grams[eaten]
    first, second = random.uniform_pairs(
        cohort.seed, cohort.day_keys[:, None], random.MEALS, (SLOTS_PER_DAY * day + slot)[None, :]
    )
    delay, excess = (
        np.clip(random.normal_quantile(u), -LARGEST_JITTER, LARGEST_JITTER) * cohort.layers.occasions
        for u in (first, second)
    )
    time = DAY * day + clock + TIME_JITTER * delay
    return time, MMOL_PER_GRAM * grams * (1 + SIZE_JITTER * excess)
