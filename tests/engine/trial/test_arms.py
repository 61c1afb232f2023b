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
