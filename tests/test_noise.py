"""The residual layer: noise of mean 1 and the assay's CV, keyed so that nothing else moves it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.noise import ASSAY_CV, measured
from engine.outputs import OUTPUTS

PATIENTS, OCCASIONS = np.arange(2000), np.arange(25) * 15
N = len(PATIENTS) * len(OCCASIONS)
ONES = np.ones((len(PATIENTS), len(OCCASIONS)))


@pytest.mark.parametrize("name", ASSAY_CV)
def test_mean_and_cv(name: str) -> None:
    found, cv = measured(name, 5.0 * ONES, 1, PATIENTS, OCCASIONS) / 5.0, ASSAY_CV[name]
    assert abs(found.mean() - 1) < 4 * cv / np.sqrt(N)
    assert abs(found.std() / cv - 1) < 4 * np.sqrt(0.5 + cv**2) / np.sqrt(N)
    assert found.min() > 0
    # samples of one patient, and patients, are independent
    for a, b in ((found[:, :-1], found[:, 1:]), (found[:-1], found[1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


def test_assays_are_of_outputs() -> None:
    assert set(ASSAY_CV) <= set(OUTPUTS)
    assert all(0 < cv < 0.2 for cv in ASSAY_CV.values())


def test_outputs_of_two_assays_have_noise_of_their_own() -> None:
    gh, igf1 = (np.log(measured(name, ONES, 1, PATIENTS, OCCASIONS)).ravel() for name in ("gh", "igf1"))
    assert abs(np.corrcoef(gh, igf1)[0, 1]) < 4 / np.sqrt(N)
    assert not np.array_equal(
        measured("gh", ONES, 1, PATIENTS, OCCASIONS), measured("gh", ONES, 2, PATIENTS, OCCASIONS)
    )


@given(st.permutations(range(6)), st.permutations(range(4)))
@settings(deadline=None, max_examples=30)
def test_a_sample_does_not_depend_on_the_others(people: list[int], times: list[int]) -> None:
    true = np.exp(np.arange(24.0).reshape(6, 4) / 10)
    whole = measured("glucose", true, 9, np.arange(6) + 40, np.arange(4) * 1440)
    part = measured("glucose", true[np.ix_(people, times)], 9, np.array(people) + 40, np.array(times) * 1440)
    np.testing.assert_array_equal(part, whole[np.ix_(people, times)])
    one = measured("glucose", true[people[0] :][:1, times[0] :][:, :1], 9, np.array(people[:1]) + 40, [times[0] * 1440])
    assert one[0, 0] == whole[people[0], times[0]]


def test_arms_share_it() -> None:
    """The noise is a factor: the paired ratio of two arms is what it was, and identical arms stay identical."""
    true = np.stack([2.0 * ONES, 3.0 * ONES, 3.0 * ONES])
    found = measured("ffa", true, 1, PATIENTS, OCCASIONS)
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_allclose(found[1] / found[0], 1.5, rtol=1e-14)


def test_what_no_assay_measures_stays_as_it_is() -> None:
    true = np.random.default_rng(1).normal(size=(3, 2))
    for name in ("igf1_sds", "nothing"):
        np.testing.assert_array_equal(measured(name, true, 1, PATIENTS[:3], OCCASIONS[:2]), true)


def test_missing_stays_missing_and_zero_stays_zero() -> None:
    true = np.array([[np.nan, 0.0, 4.0]])
    found = measured("gh", true, 1, PATIENTS[:1], OCCASIONS[:3])
    assert np.isnan(found[0, 0])
    assert found[0, 1] == 0
    assert found[0, 2] not in (0, 4)
    np.testing.assert_array_equal(true, [[np.nan, 0.0, 4.0]])  # the caller's values are his
