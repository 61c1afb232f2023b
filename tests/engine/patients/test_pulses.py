"""The block of pulses and meals: rate, size, clock, keys and speed."""

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.drugs.dosing import arm_parameters
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import BLOCK_HOURS, target_of
from pulsatile.engine.patients.cohort import Cohort, virtual_cohort
from pulsatile.engine.patients.meals import MealPlan
from pulsatile.engine.patients.pulses import block_events, meal_train, pulse_train, sleep_factor
from pulsatile.engine.patients.run_in import run_in
from pulsatile.engine.simulate import Plan, simulate


@pytest.fixture(scope="module")
def typical() -> Cohort:
    return virtual_cohort(1000, variability=False)


def test_rate_is_unbiased_from_the_first_hour_to_the_last(typical: Cohort) -> None:
    time, _ = pulse_train(typical)
    inside = time[np.isfinite(time)]
    rate = typical.parameters["pulse_rate"][0]
    expected = rate * 28 * len(typical)
    # counts of a renewal process: variance = CV**2 x mean, CV 0.43
    assert abs(inside.size - expected) < 4 * 0.43 * np.sqrt(expected)
    by_hour = np.histogram(inside, bins=np.arange(0.0, BLOCK_HOURS + 1))[0]
    assert abs(by_hour[:12].sum() - expected * 12 / BLOCK_HOURS) < 4 * np.sqrt(expected * 12 / BLOCK_HOURS)
    assert abs(by_hour[-12:].sum() - expected * 12 / BLOCK_HOURS) < 4 * np.sqrt(expected * 12 / BLOCK_HOURS)


def test_intervals_and_amplitudes(typical: Cohort) -> None:
    time, amount = pulse_train(typical)
    row = np.where(np.isfinite(time), time, np.nan)
    interval = np.diff(row, axis=1)
    interval = interval[np.isfinite(interval)]
    assert np.std(interval) / np.mean(interval) == pytest.approx(0.428, abs=0.005)  # Weibull of shape 2.5
    p = typical.parameters[0]
    size = amount / sleep_factor(np.where(np.isfinite(time), time, 0.0), p["sleep_gain"])
    log = np.log(size[np.isfinite(time)] / (p["pulse_size"] * p["c_amplitude"]))
    assert np.mean(log) == pytest.approx(0.0, abs=0.005)
    assert np.std(log) == pytest.approx(0.593, abs=0.005)  # axis, section 2


def test_sleep_factor() -> None:
    gain = np.array([2.2])
    assert sleep_factor(np.array([24.0]), gain)[0] == pytest.approx(2.2)  # one hour after 23:00
    assert sleep_factor(np.array([23.0, 12.0, 22.9]), gain) == pytest.approx([1.961, 1.0, 1.0], abs=1e-3)


def test_table_is_sorted_and_inside_the_block(typical: Cohort) -> None:
    table = block_events(typical.subset(slice(0, 50)))
    assert len(table.ptr) == 51
    for k in range(50):
        times = table.time[table.ptr[k] : table.ptr[k + 1]]
        assert np.all(np.diff(times) >= 0)
        assert 0 <= times[0] <= times[-1] < BLOCK_HOURS
    assert set(table.target) == {target_of("drive"), target_of("stomach")}


def test_meals(typical: Cohort) -> None:
    time, amount = meal_train(typical)
    assert time.shape == (1000, 84)
    assert np.mean(time % 24, axis=0).reshape(28, 3).mean(axis=0) == pytest.approx([7, 13, 19], abs=0.01)
    assert np.std(time % 24 - np.tile([7, 13, 19], 28)) == pytest.approx(0.25, rel=0.02)
    assert amount.reshape(-1, 3).mean(axis=0) == pytest.approx(np.array([60, 75, 75]) * 5.55, rel=2e-3)
    with_snacks = MealPlan(
        (0, 1, 2, 3, 4, 5), (7.0, 10.0, 13.0, 16.0, 19.0, 22.0), (45.0, 10.0, 70.0, 10.0, 80.0, 10.0)
    )
    snacks, _ = meal_train(replace(typical, meals=with_snacks))
    np.testing.assert_allclose((snacks % 24)[:, ::2] - [7, 13, 19] * 28, time % 24 - [7, 13, 19] * 28, atol=1e-12)


def test_days_without_meals(typical: Cohort) -> None:
    """Fasting days and mornings leave out their meals; all others keep their draws."""
    every = meal_train(typical)
    plan = MealPlan(fasting_days=(2,), fasting_mornings=(0, 4))
    time, amount = meal_train(replace(typical, meals=plan))
    assert time.shape == (1000, 84 - 4 * 3 - 4 * 2)
    weekday, morning = (time // 24).astype(int) % 7, time % 24 < 9
    assert not (weekday == 2).any()
    assert not (np.isin(weekday, (0, 4)) & morning).any()
    kept = np.isin(every[0], time)
    assert np.array_equal(every[0][kept].reshape(1000, -1), time)
    assert np.array_equal(every[1][kept].reshape(1000, -1), amount)
    nothing = block_events(replace(typical, meals=MealPlan((), (), ())).subset(slice(0, 3)))
    assert set(nothing.target) == {target_of("drive")}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"times": (7.0,)}, "give as many of each"),
        ({"times": (0.2, 13.0, 19.0)}, "from 0.75 to 23.25"),
        ({"times": (13.0, 7.0, 19.0)}, "ascending"),
        ({"grams": (60.0, -1.0, 75.0)}, "from 0 to 300"),
        ({"grams": (60.0, 500.0, 75.0)}, "from 0 to 300"),
        ({"fasting_days": (7,)}, "0 (Monday) to 6 (Sunday)"),
        ({"fasting_mornings": (1.5,)}, "0 (Monday) to 6 (Sunday)"),
        ({"slots": tuple(range(7)), "times": (7.0,) * 7, "grams": (1.0,) * 7}, "at most 6"),
    ],
)
def test_meals_that_no_day_has_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        MealPlan(**change)
    assert words in str(raised.value)


def test_options(typical: Cohort) -> None:
    few = typical.subset(slice(0, 3))
    assert set(block_events(few, pulses=False).target) == {target_of("stomach")}
    assert set(block_events(few, meals=False).target) == {target_of("drive")}
    assert block_events(few, meals=False, pulses=False).time.size == 0


def test_a_patient_alone_has_the_same_block() -> None:
    cohort = virtual_cohort(40, seed=9)
    table = block_events(cohort)
    for k in (0, 7, 39):
        alone = block_events(virtual_cohort(1, seed=9, first=k))
        rows = slice(table.ptr[k], table.ptr[k + 1])
        np.testing.assert_array_equal(alone.time, table.time[rows])
        np.testing.assert_array_equal(alone.amount, table.amount[rows])
        np.testing.assert_array_equal(alone.target, table.target[rows])


def test_speed(typical: Cohort) -> None:
    block_events(typical)
    start = perf_counter()
    block_events(typical)
    assert perf_counter() - start < 2.0  # aim 0.5 s; a shared machine may be busy


def test_another_occasion_moves_pulses_and_meals_but_no_drug() -> None:
    own = virtual_cohort(4, seed=2)
    other = replace(own, days_of=own.patient + 1000)
    elsewhere = virtual_cohort(4, seed=2, first=1000)
    for train in (pulse_train, meal_train):
        assert not np.array_equal(train(other)[1], train(own)[1])
    np.testing.assert_array_equal(meal_train(other)[0], meal_train(elsewhere)[0])  # the days of those ids
    doses = preset("tesamorelin_label")
    assert arm_parameters(doses, other).tobytes() == arm_parameters(doses, own).tobytes()
    np.testing.assert_array_equal(other.subset([2, 0]).day_keys, [1002, 1000])
    with pytest.raises(InputError, match="other patients"):  # the run-in was of other days
        simulate(other, [doses], Plan(1, outputs=("igf1",)), baseline=run_in(own))
