"""Arms of a study against its plan: a rule that never gives a dose is no treatment in disguise."""

from typing import Any

import pytest

import pulsatile as pu
from pulsatile.engine.trial.arms import check_doses

NEVER = {
    "the only Monday is before the start": {"days": (0,), "every_weeks": 4, "start_week": 1 / 7},
    "stopped before the first day": {"days": (6,), "stop_week": 0.5},
    "after the end": {"start_week": 4.0},
}


@pytest.mark.parametrize("when", NEVER.values(), ids=NEVER)
def test_a_rule_without_a_dose_is_refused(when: dict[str, Any]) -> None:
    rule = pu.Dose("tesamorelin", 2, "mg", "SC", (8.0,), **when)
    with pytest.raises(pu.InputError, match="arm a: its rule for tesamorelin gives no dose in 4 weeks"):
        check_doses([pu.Arm("a", (rule,))], 4.0)


def test_a_rule_with_one_dose_is_not() -> None:
    rule = pu.Dose("tesamorelin", 2, "mg", "SC", times=(8.0,), days=(6,), stop_week=1.0)
    check_doses([pu.Arm("a", (rule,))], 4.0)


@pytest.mark.parametrize("when", NEVER.values(), ids=NEVER)
def test_an_arm_without_doses_is_no_treatment_bit_for_bit(when: dict[str, Any]) -> None:
    """Neither its drug's place in the kernel nor a dose on the day of the last visit may show."""
    rules = [pu.Dose(drug, 2, "mg", "SC", (8.0,), **when) for drug in ("tesamorelin", "somatropin")]
    arms = [pu.Arm("none"), pu.Arm("never", tuple(rules))]
    tests = (pu.TestAt("profile", (0, 4)), pu.TestAt("fasting", (4,)))
    plan = pu.Plan(weeks=4, outputs=("igf1", "vat"), reductions=("gh_mean",), tests=tests)
    dataset = pu.simulate(pu.virtual_cohort(3), arms, plan)
    for name, values in dataset.data_vars.items():
        assert values.values[0].tobytes() == values.values[1].tobytes(), name


def test_a_rule_that_stops_at_the_end_is_not_given_at_the_last_visit() -> None:
    """The day of the last visit sees the doses of a rule that would go on, not of one that has stopped."""
    arms = [
        pu.Arm(name, (pu.Dose("somatropin", 1, "mg", "SC", (8.0,), stop_week=stop),))
        for name, stop in (("on", None), ("later", 2.0), ("stopped", 1.0))
    ]
    plan = pu.Plan(weeks=1, outputs=("igf1",), tests=(pu.TestAt("profile", (1,)),))
    on, later, stopped = pu.simulate(pu.virtual_cohort(2), arms, plan)["profile_gh_mean"].values[..., 0]
    assert (on == later).all()
    assert (stopped < 0.8 * on).all()
