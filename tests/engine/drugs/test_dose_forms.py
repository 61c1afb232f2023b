"""Interval and count, per m2, missed, weak and late doses, tables of doses: against closed forms."""

from typing import Any

import numpy as np
import pytest

from pulsatile.engine.drugs.dose_table import DoseTable
from pulsatile.engine.drugs.dosing import Arm, Dose, dose_events
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import EventTable, check_order, target_of
from pulsatile.engine.patients.cohort import Cohort, virtual_cohort
from pulsatile.engine.trial.arms import check_arms, check_doses
from pulsatile.engine.trial.plan import Plan

PEOPLE = virtual_cohort(40, "obese", seed=3)


def dose(**settings: Any) -> Dose:
    return Dose("sermorelin", settings.pop("amount", 1.0), settings.pop("unit", "mg"), "SC",
                settings.pop("times", (8.0,)), **settings)  # fmt: skip


def of(table: EventTable, patient: int) -> list[tuple[float, float]]:
    rows = slice(table.ptr[patient], table.ptr[patient + 1])
    return list(zip(table.time[rows].tolist(), table.amount[rows].tolist(), strict=True))


def test_an_interval_counts_from_the_first_clock_time() -> None:
    rule = dose(interval=36.0, count=5)
    assert rule.starts(0.0, 1000.0).tolist() == [8.0, 44.0, 80.0, 116.0, 152.0]
    assert rule.starts(44.0, 117.0).tolist() == [44.0, 80.0, 116.0]
    late = dose(interval=12.0, start_week=1 / 7, times=(7.0,), stop_week=2 / 7)
    assert late.starts(0.0, 1000.0).tolist() == [31.0, 43.0]
    assert dose(interval=36.0, start_week=(10 / 24) / 7).starts(0.0, 70.0).tolist() == [32.0, 68.0]


def test_once_is_a_count_of_one_and_a_count_ends_weekly_rules() -> None:
    assert dose(count=1, start_week=1.0).starts(0.0, 1e4).tolist() == [176.0]
    twice = dose(times=(8.0, 20.0), days=(0, 3), count=3)
    assert twice.starts(0.0, 1e4).tolist() == [8.0, 20.0, 80.0]
    assert twice.starts(21.0, 1e4).tolist() == [80.0]


def test_per_m2_is_mosteller() -> None:
    table = dose_events(Arm("a", (dose(amount=2.0, unit="mg/m2"),)), PEOPLE, 0.0, 24.0)
    surface = np.sqrt(PEOPLE.covariates["weight"] * 100 * PEOPLE.covariates["height"] / 3600)
    assert table.amount == pytest.approx(0.06 * 2000 * surface)
    units = Dose("somatropin", 1.0, "IU/m2", "SC", (8.0,))
    assert dose_events(Arm("a", (units,)), PEOPLE, 0.0, 24.0).amount == pytest.approx(
        PEOPLE.parameters["f_gh"] * 1000 / 3 * surface
    )


def test_missed_weak_and_late_doses_have_their_shares() -> None:
    weeks = 8.0
    arm = Arm("a", (dose(adherence=0.8, content=(0.85, 1.15), jitter=0.5),))
    table = dose_events(arm, PEOPLE, 0.0, weeks * 168)
    check_order(table)
    scheduled = len(PEOPLE) * 56
    share = len(table.time) / scheduled
    assert abs(share - 0.8) < 4 * np.sqrt(0.8 * 0.2 / scheduled)
    content = table.amount / (0.06 * 1000)
    assert content.min() > 0.85
    assert content.max() < 1.15
    assert abs(content.mean() - 1) < 4 * 0.3 / np.sqrt(12 * len(content))
    late = (table.time - 8.0 + 12) % 24 - 12
    assert np.abs(late).max() <= 0.5
    assert abs(late.mean()) < 4 * 1.0 / np.sqrt(12 * len(late))
    assert abs(np.corrcoef(late, content)[0, 1]) < 4 / np.sqrt(len(late))


def test_draws_depend_on_neither_the_others_nor_the_window() -> None:
    arm = Arm("a", (dose(adherence=0.7, content=(0.9, 1.1), jitter=2.0),))
    whole = dose_events(arm, PEOPLE, 0.0, 500.0)
    alone = dose_events(arm, PEOPLE.subset(np.array([17])), 0.0, 500.0)
    assert of(alone, 0) == of(whole, 17)
    halves = [dose_events(arm, PEOPLE, a, b) for a, b in ((0.0, 177.0), (177.0, 500.0))]
    assert of(halves[0], 5) + of(halves[1], 5) == of(whole, 5)
    other = Arm("b", (dose(times=(8.0, 20.0), adherence=0.7, content=(0.9, 1.1), jitter=2.0),))
    assert set(of(whole, 3)) < set(of(dose_events(other, PEOPLE, 0.0, 500.0), 3))


def test_full_adherence_with_shares_of_one_is_the_plain_rule() -> None:
    plain, full = Arm("a", (dose(),)), Arm("b", (dose(adherence=1.0, content=(1.0, 1.0)),))
    assert full.doses[0].alike
    for x, y in zip(dose_events(plain, PEOPLE, 0.0, 400.0), dose_events(full, PEOPLE, 0.0, 400.0), strict=True):
        assert np.array_equal(x, y)
    assert len(dose_events(Arm("c", (dose(adherence=0.0),)), PEOPLE, 0.0, 400.0).time) == 0


def test_a_table_gives_its_doses_to_its_patients() -> None:
    ids = PEOPLE.patient
    table = DoseTable(
        time=(30.0, 6.0, 30.0, 6.0), amount=(2.0, 1.0, 3.0, 0.0),
        patient=(int(ids[1]), int(ids[1]), int(ids[2]), int(ids[2])),
    )  # fmt: skip
    events = dose_events(Arm("a", (dose(table=table),)), PEOPLE, 0.0, 100.0)
    assert of(events, 0) == []
    assert of(events, 1) == [(6.0, pytest.approx(60.0)), (30.0, pytest.approx(120.0))]
    assert of(events, 2) == [(30.0, pytest.approx(180.0))]
    everyone = dose_events(Arm("a", (dose(table=DoseTable((6.0,), (1.0,))),)), PEOPLE, 0.0, 100.0)
    assert np.diff(everyone.ptr).tolist() == [1] * len(PEOPLE)


def test_infusions_of_a_table_overlap_and_end_at_zero() -> None:
    table = DoseTable(time=(1.0, 2.0, 2.5), amount=(3.0, 1.0, 4.0), duration=(3.0, 1.0, 4.0))
    rule = Dose("sermorelin", 1.0, "ug", "infusion", (0.0,), table=table)
    events = dose_events(Arm("a", (rule,)), PEOPLE, 0.0, 24.0)
    assert set(events.target.tolist()) == {target_of("rate_ghrh_a")}
    assert of(events, 4) == [(1.0, 1.0), (2.0, 2.0), (2.5, 3.0), (3.0, 2.0), (4.0, 1.0), (6.5, 0.0)]
    middle = dose_events(Arm("a", (rule,)), PEOPLE, 2.2, 24.0)
    assert of(middle, 4)[0] == (2.2, 2.0)


def typical() -> Cohort:
    return virtual_cohort(1, "obese", variability=False)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"interval": 0.0}, "from one minute to 520 weeks"),
        ({"interval": 36.0, "times": (8.0, 20.0)}, "also several times"),
        ({"interval": 36.0, "days": (0,)}, "also several times, days or every_weeks"),
        ({"count": 0}, "whole number of at least 1"),
        ({"count": 1.5}, "whole number of at least 1"),
        ({"adherence": 90}, "a share from 0 to 1; 0.9 is 90 %"),
        ({"content": (1.15, 0.85)}, "two shares"),
        ({"content": (0.9,)}, "two shares"),
        ({"jitter": 13.0}, "from 0 to 12 h"),
        ({"unit": "mg/m3"}, "unit = 'mg/m3'"),
        ({"amount": 60.0, "unit": "mg/m2"}, "is too large"),
        ({"table": DoseTable((1.0,), (1.0,)), "amount": 2.0}, "with a table must be 1"),
        ({"table": DoseTable((1.0,), (1.0,)), "count": 2}, "also an interval, count or titration"),
        ({"table": DoseTable((1.0,), (5000.0,))}, "is too large"),
    ],
)
def test_what_no_schedule_has_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", "\\(")):
        dose(**settings)


def test_tables_that_hold_no_doses_are_refused() -> None:
    for columns, words in (
        (((), ()), "has 0 doses"), (((1.0,), ()), "has 0 rows for 1"), (((-1.0,), (1.0,)), "time = -1.0 in row 0"),
        (((1.0,), (float("nan"),)), "amount = nan in row 0"), (((1.0, 2.0), (1.0, 1.0), (1,)), "patient of a table"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            DoseTable(*columns)


def test_the_rows_of_a_table_fit_its_route() -> None:
    with pytest.raises(InputError, match="has a length"):
        dose(table=DoseTable((1.0,), (1.0,), duration=(2.0,)))
    for table in (DoseTable((1.0,), (1.0,)), DoseTable((1.0, 9.0), (1.0, 1.0), duration=(2.0, 0.0))):
        with pytest.raises(InputError, match="has no length"):
            Dose("sermorelin", 1.0, "ug", "infusion", (0.0,), table=table)


def test_infusions_are_given_as_scheduled() -> None:
    with pytest.raises(InputError, match="adherence, content, jitter and titration do not apply"):
        Dose("somatropin", 0.7, "mg", "pump", (0.0,), duration=24.0, adherence=0.9)


def test_a_rule_without_a_dose_in_the_study_is_refused() -> None:
    with pytest.raises(InputError, match="gives no dose"):
        check_doses([Arm("a", (dose(table=DoseTable((400.0,), (1.0,))),))], 1.0)
    with pytest.raises(InputError, match="at most 50000"):
        check_arms([Arm("a", (dose(amount=0.1, unit="ug", interval=1 / 60),))], Plan(26))
