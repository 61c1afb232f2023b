"""Dosing that is odd but defined: ten thousand doses, two at one instant, one at an output time, none at all."""

from dataclasses import replace

import numpy as np
import pytest

from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.dosing import Arm, Dose, arm_parameters, dose_events, preset, slots_used
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.simulate import simulate
from pulsatile.engine.states import STATE_INDEX
from pulsatile.engine.trial.arms import MOST_DOSES, check_arms
from pulsatile.engine.trial.plan import Plan

PEOPLE = virtual_cohort(2, variability=False)
EVERY_TEN_MINUTES = tuple(np.arange(144) / 6)


def amounts(arm: Arm, times: Floats) -> tuple[Floats, Floats]:
    """Return depot and plasma (ug) of the first patient at ``times`` (h), as the kernel has them."""
    record = arm_parameters(arm, PEOPLE)
    doses = dose_events(arm, PEOPLE, 0.0, float(times[-1]) + 1)
    groups, tight = slots_used(arm), Solver(rtol=1e-8)
    found = integrate(record, fasting_state(record), None, doses, start=0.0, times=times, solver=tight, groups=groups)
    assert not found.status.any()
    return found.y[0, :, STATE_INDEX["depot_ghrh_a"]], found.y[0, :, STATE_INDEX["central_ghrh_a"]]


def exact(arm: Arm, given: Floats, size: float, times: Floats) -> tuple[Floats, Floats]:
    """Return the same as sums over the doses: at the instant of a dose, the value before it."""
    record = arm_parameters(arm, PEOPLE)[0]
    ka, k = float(record["ka_ghrh_a"]), float(record["k_el_ghrh_a"])
    since = times[:, None] - given
    past = np.where(since > 0, since, np.inf)
    depot, plasma = np.exp(-ka * past), ka / (ka - k) * (np.exp(-k * past) - np.exp(-ka * past))
    return size * depot.sum(axis=1), size * plasma.sum(axis=1)


@pytest.mark.parametrize("drug", ["sermorelin", "tesamorelin"])
def test_ten_thousand_doses(drug: str) -> None:
    """Every ten minutes for ten weeks; the output times are instants of doses, and moments between."""
    arm = Arm("a", (Dose(drug, 0.1, "mg", "SC", EVERY_TEN_MINUTES),))
    given = arm.doses[0].starts(0.0, 1680.0)
    assert len(given) == 10_080
    times = np.array([1 / 6, 0.25, 12.0, 100.05, 1000.0, 1679.75, 1679.9, 1680.0])
    size = 100.0 * DRUGS[drug].value("f")
    for found, truth in zip(amounts(arm, times), exact(arm, given, size, times), strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-6)


def test_two_rules_at_one_instant_add_up() -> None:
    once = Dose("tesamorelin", 1, "mg", "SC", (8.0,))
    twice = Dose("tesamorelin", 2, "mg", "SC", (8.0,))
    times = np.array([8.0, 8.5, 9.0, 24.0, 32.0, 32.5])
    np.testing.assert_allclose(amounts(Arm("a", (once, once)), times), amounts(Arm("b", (twice,)), times), rtol=1e-12)


def test_a_missed_dose_is_a_day_left_out() -> None:
    arm = Arm("a", (Dose("tesamorelin", 2, "mg", "SC", (8.0,), days=(0, 2)),))
    times = np.array([30.0, 33.0, 57.0])
    _, plasma = exact(arm, np.array([8.0, 56.0]), 2000.0, times)
    np.testing.assert_allclose(amounts(arm, times)[1], plasma, rtol=1e-6, atol=1e-9)


def test_infusions_of_several_rules_overlap_and_of_one_meet() -> None:
    pump = Dose("somatropin", 0.7, "mg", "pump", (0.0,), duration=24.0)
    assert dose_events(Arm("a", (pump,)), PEOPLE, 0.0, 168.0).time.tolist() == [0.0, 0.0]  # one each, never refilled
    both = dose_events(Arm("b", (pump, replace(pump, times=(12.0,)))), PEOPLE, 0.0, 24.0)
    assert both.amount[1] == 2 * both.amount[0]


def test_a_dose_of_nothing_is_no_treatment() -> None:
    """Bit for bit: an event of size 0 would shorten steps."""
    placebo = Arm("placebo", (Dose("tesamorelin", 0, "mg", "SC", (8.0,)), Dose("somatropin", 0.0, "IU", "IV", (9.0,))))
    assert placebo.doses == ()
    people = virtual_cohort(3, "igt", seed=4)
    result = simulate(people, [preset("control"), placebo], Plan(weeks=1, outputs=("gh", "glucose", "igf1")))
    for name in ("gh", "glucose", "igf1"):
        np.testing.assert_array_equal(result[name].values[0], result[name].values[1])


def test_doses_have_a_number_beyond_which_they_are_an_infusion() -> None:
    every_hour = Dose("tesamorelin", 0.1, "mg", "SC", tuple(range(24)))
    check_arms([Arm("a", (every_hour,))], Plan(weeks=MOST_DOSES // 168))
    with pytest.raises(InputError, match=f"at most {MOST_DOSES} are allowed"):
        check_arms([Arm("a", (every_hour,))], Plan(weeks=MOST_DOSES // 168 + 1))
