"""Strata have exact numbers in every beginning of a study, and each patient is in one of them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import COVARIATES, virtual_cohort
from pulsatile.sweeps.study.recruitment.strata import NO_STRATUM, RangesEntry, order_of, strata_of, stratum_of


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 120))
@settings(max_examples=80, deadline=None)
def test_every_beginning_has_the_shares(parts: list[int], n: int) -> None:
    shares = tuple(part / sum(parts) for part in parts)
    order = order_of(shares, n)
    counts = np.cumsum(order[:, None] == np.arange(len(parts)), axis=0)
    for k in (*range(1, n + 1),):
        for part, count in zip(parts, counts[k - 1], strict=True):
            exact = Fraction(part * k, sum(parts))
            assert abs(int(count) - exact) < 1
    assert np.array_equal(order, order_of(shares, n + 7)[:n])


@pytest.mark.parametrize(
    ("shares", "n", "numbers"),
    [((0.5, 0.5), 40, [20, 20]), ((1.0, 2.0), 30, [10, 20]), ((0.1, 0.2, 0.7), 50, [5, 10, 35]),
     ((0.5, 0.5), 41, [21, 20]), ((3.0,), 4, [4])],
)  # fmt: skip
def test_numbers_are_exact(shares: tuple[float, ...], n: int, numbers: list[int]) -> None:
    assert np.bincount(order_of(shares, n)).tolist() == numbers


def test_crossed_strata_multiply_shares_and_hold_each_patient_once() -> None:
    names = tuple(COVARIATES)
    ages = RangesEntry(ranges=((25.0, 45.0), (45.0, 60.0)), shares=(1.0, 3.0))
    strata = strata_of({"sex": {"man": 0.4, "woman": 0.6}, "age": ages}, names)
    assert [(s.name, round(s.share, 12)) for s in strata] == [
        ("age 25 to 45 year, sex man", 0.4), ("age 25 to 45 year, sex woman", 0.6),
        ("age 45 to 60 year, sex man", 1.2), ("age 45 to 60 year, sex woman", 1.8),
    ]  # fmt: skip
    cohort = virtual_cohort(200, seed=3)
    found = stratum_of(cohort, strata)
    age, sex = cohort.covariates["age"], cohort.covariates["sex"]
    expected = np.where(age < 45, 0, 2) + sex
    np.testing.assert_array_equal(found, np.where((age >= 60) | (age < 25), NO_STRATUM, expected))
    assert (found == NO_STRATUM).any()


@pytest.mark.parametrize(
    ("entry", "words"),
    [({"age": {"young": 1.0}}, "strata are ranges"), ({"sex": {"men": 1.0}}, "did you mean man"),
     ({"sex": ((0.0, 1.0),)}, "has names, not ranges"), ({"age": ()}, "no range is given"),
     ({"age": ((40.0, 40.0),)}, "is empty"), ({"age": ((20.0, 41.0), (40.0, 65.0))}, "overlap"),
     ({"waist": ((80.0, 90.0),)}, "not a covariate of these patients"), ({"sex": {}}, "no stratum is given"),
     ({"age": tuple((20.0 + k / 9, 20.0 + (k + 1) / 9) for k in range(101))}, "at most 100")],
)  # fmt: skip
def test_what_strata_cannot_be(entry: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        strata_of(entry, tuple(COVARIATES))
