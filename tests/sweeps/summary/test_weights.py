"""Prevalence weights: closed forms, the least information, the gates, and what cannot be had."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.summary.weights import DECIMALS, LEAST_EFFECTIVE, MOST_WEIGHT, RIDGES, balance, effective_number


@given(st.integers(2, 200), st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=60)
def test_two_groups(n: int, share: float) -> None:
    """Of two groups the weights are wanted over found share, within each all alike."""
    inside = np.arange(n) < max(1, n // 2)
    found = inside.mean()
    first, second = share / found, (1 - share) / (1 - found)
    result = balance(inside[:, None].astype(float), [share])
    assert result.within
    assert result.ridge == 0
    np.testing.assert_allclose(result.weights, np.where(inside, first, second), rtol=2e-4)
    assert result.reached[0] == pytest.approx(share, abs=1e-5)
    assert result.effective == pytest.approx(n / (found * first**2 + (1 - found) * second**2), rel=1e-3)


def test_a_gaussian_shifted_is_tilted_by_its_exponential() -> None:
    x = np.random.default_rng(1).normal(size=20_000)
    result = balance(x[:, None], [0.5])
    slope = np.polyfit(x, np.log(result.weights), 1)[0]
    assert slope == pytest.approx(0.5, abs=0.02)  # exp(l x) shifts a standard normal by l
    assert np.corrcoef(x, np.log(result.weights))[0, 1] == pytest.approx(1, abs=1e-4)
    assert result.effective / len(x) == pytest.approx(np.exp(-0.25), rel=0.05)  # of exp(l x): exp(-l**2)


def test_nothing_wanted_that_is_not_there_gives_equal_weights() -> None:
    x = np.random.default_rng(2).normal(size=(100, 3))
    np.testing.assert_allclose(balance(x, x.mean(axis=0)).weights, 1.0, atol=1e-4)
    np.testing.assert_array_equal(balance(np.ones((5, 2)), [1, 1]).weights, 1.0)  # constants say nothing


def test_no_other_weights_are_nearer_to_equal_ones() -> None:
    """Relative entropy against a constrained optimum that knows nothing of exponential tilts."""
    x = np.random.default_rng(3).normal(size=(12, 2))
    wanted = np.array([0.25, -0.3]) + x.mean(axis=0)
    result = balance(x, wanted)
    assert result.ridge == 0

    def information(w: np.ndarray) -> float:
        p = np.maximum(w, 1e-12) / len(w)
        return float(np.sum(p * np.log(p * len(w))))

    best = minimize(
        information, np.ones(12), method="SLSQP", bounds=[(1e-9, None)] * 12, options={"maxiter": 500, "ftol": 1e-12},
        constraints=[{"type": "eq", "fun": lambda w: w @ x / 12 - wanted},
                     {"type": "eq", "fun": lambda w: w.sum() - 12}],
    )  # fmt: skip
    assert best.success
    np.testing.assert_allclose(result.weights, best.x, atol=3e-3)
    assert information(result.weights) <= information(best.x) + 1e-4
    np.testing.assert_allclose(result.reached, wanted, atol=1e-4)


@given(st.integers(5, 60), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_weights_of_anything(n: int, k: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, k))
    low, high = x.min(axis=0), x.max(axis=0)
    wanted = low + (high - low) * generator.uniform(0.2, 0.8, k)
    result = balance(x, wanted)
    w = result.weights
    assert np.all(w >= 0)
    assert w.mean() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(w, np.round(w, DECIMALS))
    np.testing.assert_allclose(result.reached, w @ x / w.sum())
    np.testing.assert_array_equal(result.before, x.mean(axis=0))
    np.testing.assert_array_equal(result.asked, wanted)
    assert result.effective == pytest.approx(effective_number(w))
    assert result.within == (result.effective >= LEAST_EFFECTIVE * n and w.max() <= MOST_WEIGHT)
    assert result.ridge in RIDGES


def test_patients_in_another_order_have_the_same_weights() -> None:
    generator = np.random.default_rng(4)
    x, order = generator.normal(size=(50, 2)), generator.permutation(50)
    np.testing.assert_allclose(balance(x[order], [0.2, 0.1]).weights, balance(x, [0.2, 0.1]).weights[order], atol=1e-4)


def test_units_do_not_matter() -> None:
    x = np.random.default_rng(5).normal(size=(50, 2))
    scale = np.array([1000.0, 0.001])
    np.testing.assert_allclose(
        balance(x * scale, np.array([0.2, 0.1]) * scale).weights, balance(x, [0.2, 0.1]).weights, atol=1e-4
    )


def test_a_ridge_gives_way_to_the_gates() -> None:
    """One patient of a hundred cannot stand for half of them: the target is missed, and that is told."""
    x = (np.arange(100) == 0).astype(float)
    result = balance(x[:, None], [0.5])
    assert result.within
    assert result.ridge > 0
    assert result.weights[0] == result.weights.max() <= MOST_WEIGHT
    assert 0.01 < result.reached[0] <= MOST_WEIGHT / 100 + 1e-9
    assert effective_number(result.weights) >= LEAST_EFFECTIVE * 100
    # two features whose means each are there, but no weights give both
    corner = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]] * 20)
    together = balance(corner, [0.9, 0.9])
    assert together.within == (together.effective >= LEAST_EFFECTIVE * 60 and together.weights.max() <= MOST_WEIGHT)
    assert together.reached.sum() <= 1 + 1e-9


@pytest.mark.parametrize("asked", [0.7, 1.0, 1.2, 1.5])
@pytest.mark.parametrize("n", [1000, 5000])
def test_a_large_shift_is_reached_within_the_gates(asked: float, n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    x = (x - x.mean()) / x.std()
    result = balance(x[:, None], [asked])
    assert result.reached[0] == pytest.approx(asked, abs=1e-3)
    assert result.within
    assert (result.ridge, result.sentence) == (0, "")
    assert 0 < result.weights.min() <= result.weights.max() <= MOST_WEIGHT


def test_more_is_reached_where_more_is_asked_and_what_is_missed_is_told() -> None:
    x = np.random.default_rng(7).normal(size=2000)
    results = [balance(x[:, None], [x.mean() + asked * x.std()], ["age"]) for asked in (0.5, 1.0, 1.5, 2.0, 2.5)]
    reached = [float(result.reached[0]) for result in results]
    assert all(later >= earlier - 0.03 for earlier, later in pairwise(reached)), reached
    assert all(result.within for result in results)
    assert [bool(result.sentence) for result in results] == [False, False, False, True, True]
    assert re.search(r"^1 of 1 wanted means .* worst age: asked 1\.929, reached 1\.\d+; .*\.$", results[3].sentence)


def test_many_margins_at_once_with_one_that_says_the_same_again() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(3000, 12))
    features = np.column_stack([x < cut for cut in (-1.0, 0.0, 1.2)] + [x[:, :1]]).astype(float)
    wanted = features.mean(axis=0) * rng.uniform(0.9, 1.1, features.shape[1])
    wanted[-1] = wanted[0]
    features[:, -1] = features[:, 0]
    result = balance(features, wanted)
    assert result.ridge == 0
    np.testing.assert_allclose(result.reached, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("features", "wanted", "words"),
    [
        ([[1.0], [2.0]], [3.0], "no weights give it"), ([[1.0], [2.0]], [0.5], "no weights give it"),
        ([[1.0], [1.0]], [1.5], "no weights give it"), ([[1.0], [np.nan]], [1.0], "not finite"),
        ([[1.0], [2.0]], [np.inf], "not finite"), ([1.0, 2.0], [1.0], "do not fit"),
        ([[1.0], [2.0]], [1.0, 2.0], "do not fit"), (np.empty((0, 1)), [1.0], "do not fit"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_told(features: object, wanted: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        balance(features, wanted)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_effective_number(weights: list[float]) -> None:
    found, positive = effective_number(weights), sum(w > 1e-150 for w in weights)
    assert found <= len(weights) * (1 + 1e-9)
    assert (found >= 1 - 1e-9) == (positive > 0) or found == 0
    assert effective_number([2.0] * len(weights)) == pytest.approx(len(weights))
