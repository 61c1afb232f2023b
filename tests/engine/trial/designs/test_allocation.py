"""Allocation: the ratio in every block of every stratum, and nobody's arm changed by more patients."""

from collections import Counter

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.designs.allocation import Groups

RNG = np.random.default_rng(1)
AGE, SEX = RNG.uniform(20, 70, 600), RNG.integers(0, 2, 600).astype(float)


def test_the_ratio_holds_in_every_block() -> None:
    given = Groups({"placebo": 1, "drug": 2}).allocated(7, 300, {})  # type: ignore[arg-type]
    for block in given.reshape(100, 3):
        assert Counter(block.tolist()) == {"placebo": 1, "drug": 2}
    first = Counter(given.reshape(100, 3)[:, 0].tolist())
    assert 18 < first["placebo"] < 50  # 33 expected, SD 4.7: the order within blocks is drawn


def test_the_ratio_holds_within_strata() -> None:
    """To the last block, which may be incomplete."""
    groups = Groups((("a", 1), ("b", 1)), strata=("sex",), cuts=(("age", (35.0, 50.0)),))
    given = groups.allocated(7, 600, {"sex": SEX, "age": AGE})
    for sex in (0, 1):
        for low, high in ((0, 35), (35, 50), (50, 99)):
            part = given[(sex == SEX) & (low <= AGE) & (high > AGE)]
            assert len(part) > 50
            assert abs(int((part == "a").sum()) - int((part == "b").sum())) <= 1


def test_more_patients_change_nobody() -> None:
    groups = Groups((("a", 1), ("b", 3)), strata=("sex",))
    few, many = (groups.allocated(7, n, {"sex": SEX[:n]}) for n in (101, 600))
    np.testing.assert_array_equal(few, many[:101])


def test_the_seed_decides() -> None:
    groups = Groups((("a", 1), ("b", 1)))
    same = groups.allocated(1, 400, {}) == groups.allocated(2, 400, {})
    assert 140 < same.sum() < 260


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"allocation": {"a": 1}}, "at least two arms"),
        ({"allocation": {"a": 1, "b": 0}}, "whole number from 1"),
        ({"allocation": {"a": 1, "b": 1.5}}, "whole number from 1"),
        ({"allocation": {"a": 60, "b": 60}}, "adds up to 120"),
        ({"allocation": [("a", 1), ("a", 1)]}, "an arm twice"),
        ({"allocation": ["a", "b"]}, "a mapping of names"),
        ({"strata": ("age",)}, "not a covariate with codes"),
        ({"strata": ("sex", "sex")}, "a covariate twice"),
        ({"cuts": {"sex": (0.5,)}}, "not possible"),
        ({"cuts": {"age": (50, 40)}}, "ascending numbers"),
        ({"cuts": {"age": ()}}, "ascending numbers"),
    ],
)
def test_groups_that_are_none(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"allocation": {"a": 1, "b": 2}}
    with pytest.raises(InputError, match=words):
        Groups(**(good | change))  # type: ignore[arg-type]
