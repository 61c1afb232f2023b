from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.kernel.events import EventTable, event_table, merge, on_clock, select, shared_events, target_of
from pulsatile.engine.parameters import INPUTS
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.simulate import simulate
from pulsatile.engine.states import STATE_INDEX
from pulsatile.engine.trial.plan import Plan

NAMES = ("drive", "stomach", "gh", "insulin_infusion", "sst_factor")
# few different times, so that many rows fall at the same instant
ROW = st.tuples(st.integers(0, 6).map(float), st.sampled_from(NAMES), st.floats(-5, 5))
LISTS = st.lists(st.lists(ROW, max_size=6), min_size=1, max_size=5)
PAIR = st.integers(1, 5).flatmap(
    lambda n: st.tuples(*[st.lists(st.lists(ROW, max_size=6), min_size=n, max_size=n)] * 2)
)


def rows(table: EventTable) -> list[list[tuple[float, int, float]]]:
    """The table as one list per patient."""
    return [
        [(float(table.time[j]), int(table.target[j]), float(table.amount[j])) for j in range(first, last)]
        for first, last in zip(table.ptr[:-1], table.ptr[1:], strict=True)
    ]


def coded(lists: Any) -> list[list[tuple[float, int, float]]]:
    """What a table of ``lists`` must hold: sorted by time, the given order within an instant."""
    return [sorted(((t, target_of(n), a) for t, n, a in one), key=lambda row: row[0]) for one in lists]


def test_target_of_tells_states_from_inputs() -> None:
    assert target_of("gh") == STATE_INDEX["gh"]
    assert INPUTS[-1 - target_of("gh_pump")] == "gh_pump"


@given(LISTS)
def test_event_table_sorts_by_time_and_keeps_order_within_an_instant(lists: Any) -> None:
    assert rows(event_table(lists)) == coded(lists)


@given(PAIR)
def test_merge_holds_the_rows_of_both_the_first_first(pair: Any) -> None:
    first, second = pair
    joined = rows(merge(event_table(first), event_table(second)))
    assert joined == coded([a + b for a, b in zip(coded_names(first), coded_names(second), strict=True)])


def coded_names(lists: Any) -> Any:
    return [sorted(one, key=lambda row: row[0]) for one in lists]


@given(LISTS, st.data())
def test_select_keeps_exactly_the_chosen_rows(lists: Any, data: Any) -> None:
    table = event_table(lists)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(table.time), max_size=len(table.time))), bool)
    at = iter(keep)
    assert rows(select(table, keep)) == [[row for row in one if next(at)] for one in rows(table)]


@given(LISTS, st.data())
def test_subset_takes_patients_in_any_order_and_spread_puts_them_back(lists: Any, data: Any) -> None:
    table = event_table(lists)
    index = np.array(data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=7)), np.int64)
    assert rows(table.subset(index)) == [rows(table)[k] for k in index]
    some = np.unique(index)
    back = rows(table.subset(some).spread(some, len(lists)))
    assert back == [one if k in some else [] for k, one in enumerate(rows(table))]


@given(st.integers(0, 4), st.lists(ROW, max_size=6))
def test_shared_events_give_everybody_the_same_times(n: int, events: Any) -> None:
    table = shared_events(n, events)
    assert rows(table) == coded([events] * n)
    assert table.target.dtype == np.int64


def test_shared_events_take_an_amount_for_each() -> None:
    table = shared_events(2, [(3.0, "gh", np.array([1.0, 2.0])), (1.0, "drive", 0.5)])
    assert rows(table) == [
        [(1.0, target_of("drive"), 0.5), (3.0, target_of("gh"), 1.0)],
        [(1.0, target_of("drive"), 0.5), (3.0, target_of("gh"), 2.0)],
    ]


@settings(max_examples=20)
@given(LISTS)
def test_owner_names_the_patient_of_every_row(lists: Any) -> None:
    table = event_table(lists)
    assert table.owner.tolist() == [k for k, one in enumerate(lists) for _ in one]


@pytest.mark.parametrize("n", [0, 3])
def test_an_empty_table_stays_empty(n: int) -> None:
    empty = EventTable.empty(n)
    assert rows(merge(empty, empty)) == rows(select(empty, np.empty(0, bool))) == [[]] * n


@pytest.mark.parametrize("grid", [1, 5, 7, 10, 20])
def test_every_minute_is_the_same_instant_for_doses_and_outputs(grid: int) -> None:
    """At the instant of a dose an output holds the value before it: both must be the same number."""
    for day, week in ((0, 0), (3, 25), (6, 51)):
        outputs = set(Plan(weeks=week + 1, every=grid / 60).times.tolist())
        since = 168.0 * week + 24.0 * day
        for minute in range(1440):
            if (since * 60 + minute) % grid:
                continue
            rule = Dose("somatropin", 0.5, "mg", "infusion", (minute // 60 + minute % 60 / 60,), (day,), duration=1 / 3)
            (begins,) = rule.starts(since, since + 24)
            assert begins in outputs
            if 20 % grid == 0 and since + 24 + 1 / 3 < 168 * (week + 1):
                assert float(on_clock(begins + rule.duration)) in outputs


def test_outputs_at_the_instant_of_a_bolus_hold_the_value_before_it() -> None:
    """Minutes of an hour, each the dose of one arm: 0.5 mg into a vein raises GH fifty-fold within the grid's step."""
    cohort = virtual_cohort(1, "obese", seed=2)
    for minute in range(0, 60, 5):
        clock = 8 + minute / 60
        arm = Arm("bolus", (Dose("somatropin", 0.5, "mg", "IV", (clock,), (0,)),))
        gh = simulate(cohort, [arm], Plan(weeks=1 / 14, every=5 / 60, outputs=("gh",)))["gh"].values[0, 0]
        at = round(clock * 12)
        assert gh[at] < 20 < 50 < gh[at + 1]
