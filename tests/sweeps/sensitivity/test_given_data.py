"""Indices from given data and Shapley effects against closed forms; weights, ties, missing runs."""

import numpy as np
import pytest

from benchmarks.analytic import g_function, ishigami
from benchmarks.given_data import coverage, known
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.given_data import METHODS, given_data
from pulsatile.sweeps.sensitivity.shapley import shapley

KNOWN = ishigami()
RNG = np.random.default_rng(8)
SAMPLE = RNG.random((4000, 3))


@pytest.mark.parametrize("method", METHODS)
def test_first_order_of_ishigami(method: str) -> None:
    found = given_data(SAMPLE, KNOWN.function(SAMPLE), method, resamples=50)
    np.testing.assert_allclose(found.s1[:, 0], KNOWN.s1, atol=0.05)
    assert np.all(found.low <= found.s1)
    assert np.all(found.s1 <= found.high)
    assert np.all(found.high - found.low < 0.2)
    assert found.n_effective[0] == 4000


@pytest.mark.parametrize("method", METHODS)
def test_first_order_of_the_g_function_without_bias(method: str) -> None:
    known = g_function((0.0, 1.0, 4.5, 9.0, 99.0))
    rng = np.random.default_rng(1)
    found = []
    for _ in range(20):
        x = rng.random((1000, 5))
        found.append(given_data(x, known.function(x), method, resamples=0).s1[:, 0])
    np.testing.assert_allclose(np.mean(found, axis=0), known.s1, atol=0.035)


def test_interval_covers() -> None:
    rng = np.random.default_rng(2)
    truth = np.array([0.8, 0.2])  # y = 2 x1 + x2, equal variances
    inside = []
    for _ in range(60):
        x = rng.standard_normal((400, 3))
        found = given_data(x, 2 * x[:, 0] + x[:, 1], "polynomial", resamples=60)
        inside.append((found.low[:2, 0] <= truth) & (truth <= found.high[:2, 0]))
    assert 0.85 < np.mean(inside) <= 1


@pytest.mark.parametrize("method", ["bins", "polynomial"])
def test_weights_stand_for_patients(method: str) -> None:
    # uniform runs weighted as if x1 were drawn from the upper half only
    x = RNG.random((20_000, 2))
    weights = (x[:, 0] > 0.5) * 1.0 + 0.0
    y = x[:, 0] + 0.5 * x[:, 1]  # variances within the half: 1/48 and 1/48
    found = given_data(x, y, method, weights=weights, resamples=0)
    np.testing.assert_allclose(found.s1[:, 0], [0.5, 0.5], atol=0.03)
    linear = 2 * x[:, 0]  # density 2 x: variance 1/18; x2 uniform: 1/12 / 4
    found = given_data(x, y, method, weights=linear, resamples=0)
    share = (1 / 18) / (1 / 18 + 1 / 48)
    np.testing.assert_allclose(found.s1[:, 0], [share, 1 - share], atol=0.03)
    assert found.n_effective[0] == pytest.approx(20_000 * 3 / 4, rel=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_discrete_factors_and_missing_runs(method: str) -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([rng.integers(0, 3, 3000), rng.random(3000)]).astype(float)
    y = np.stack([(x[:, 0] == 1) + x[:, 1], x[:, 1], np.ones(3000)], axis=1)
    y[:100, 1] = np.nan
    found = given_data(x, y, method, resamples=0)
    share = (2 / 9) / (2 / 9 + 1 / 12)
    np.testing.assert_allclose(found.s1[:, 0], [share, 1 - share], atol=0.05)
    np.testing.assert_allclose(found.s1[:, 1], [0, 1], atol=0.05)
    assert np.isnan(found.s1[:, 2]).all()
    assert list(found.n_effective) == [3000, 2900, 3000]


def test_same_bits_every_time() -> None:
    y = KNOWN.function(SAMPLE)
    for method in METHODS:
        one, two = (given_data(SAMPLE, y, method, resamples=10) for _ in range(2))
        np.testing.assert_array_equal(one.low, two.low)


def test_shapley_of_dependent_gaussians() -> None:
    # Owen and Prieur 2017: y = b1 x1 + b2 x2, correlation r, unit variances
    b1, b2, r = 1.0, 2.0, 0.6
    rng = np.random.default_rng(4)
    x = rng.standard_normal((8000, 2))
    x[:, 1] = r * x[:, 0] + np.sqrt(1 - r * r) * x[:, 1]
    v = b1**2 + b2**2 + 2 * r * b1 * b2
    first = (b1**2 * (1 - r**2 / 2) + r * b1 * b2 + b2**2 * r**2 / 2) / v
    y = b1 * x[:, 0] + b2 * x[:, 1]
    for method in ("linear", "neighbours"):
        found = shapley(x, y, method)
        np.testing.assert_allclose(found, [first, 1 - first], atol=0.02)
        assert found.sum() == pytest.approx(1, abs={"linear": 1e-9, "neighbours": 1e-4}[method])


def test_shapley_effects_know_interactions_and_leave_noise_unexplained() -> None:
    # y = x1 x2 + x3 / 2, correlation r: x1 and x2 are alike, so each has half of V(x1 x2) = 1 + r^2
    r, n = 0.6, 1000
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, 5))
    x[:, 1] = r * x[:, 0] + np.sqrt(1 - r * r) * x[:, 1]
    y = x[:, 0] * x[:, 1] + x[:, 2] / 2
    v = 1 + r * r + 0.25
    truth = np.array([(1 + r * r) / 2, (1 + r * r) / 2, 0.25, 0, 0]) / v
    noisy = y + np.sqrt(v) * rng.standard_normal(n)  # as much noise as signal: no share of it goes to a factor
    found = shapley(x, np.stack([y, noisy, rng.standard_normal(n)], axis=1))
    np.testing.assert_allclose(found[:, 0], truth, atol=0.05)
    np.testing.assert_allclose(found[:, 1], truth / 2, atol=0.08)
    assert abs(found[:, 2].sum()) < 0.1
    np.testing.assert_allclose(shapley(x, noisy), found[:, 1], atol=1e-12)  # one output or many


def test_shapley_effects_of_equal_values() -> None:
    # sex and a covariate, equal shares: neighbours of equal sex must not be the same three runs for everybody
    rng = np.random.default_rng(6)
    sex, bmi = (rng.random(2000) < 0.5) * 1.0, rng.random(2000)
    y = sex + np.sqrt(3) * bmi + rng.standard_normal(2000) / 2  # variances 1/4 each
    np.testing.assert_allclose(shapley(np.stack([sex, bmi], axis=1), y), [1 / 3, 1 / 3], atol=0.05)


def test_shapley_lies_between_first_and_total_order() -> None:
    y = KNOWN.function(SAMPLE)
    found = shapley(SAMPLE, y)
    expected = KNOWN.s1 + np.array([0.5, 0, 0.5]) * KNOWN.s2[1]
    np.testing.assert_allclose(found, expected, atol=0.03)
    y[::9] = np.nan
    np.testing.assert_allclose(shapley(SAMPLE, y), expected, atol=0.03)


def test_bad_input_gets_one_sentence() -> None:
    y = KNOWN.function(SAMPLE)
    short, flat = SAMPLE[:20], np.column_stack([SAMPLE[:, :2], np.ones(4000)])
    for call, words in (
        (lambda: given_data(SAMPLE, y, "forest"), "not known"),
        (lambda: given_data(SAMPLE, y, "rank", weights=y * 0 + 1), "no weights"),
        (lambda: given_data(SAMPLE, y, weights=-abs(y)), "negative"),
        (lambda: given_data(SAMPLE, y[:5]), "do not fit"),
        (lambda: given_data(short, y[:20]), "too few"),
        (lambda: given_data(SAMPLE, y, resamples=1), "at least 2"),
        (lambda: given_data(flat, y), "factor 2 is constant"),
        (lambda: shapley(flat, y), "factor 2 is constant"),
        (lambda: shapley(SAMPLE, y, "forest"), "not known"),
        (lambda: shapley(SAMPLE, np.ones(4000)), "vary"),
        (lambda: shapley(np.tile(SAMPLE, 5), y), "15 factors"),
        (lambda: shapley(SAMPLE[:, [0, 0]], y, "linear"), "combination"),
        (lambda: shapley(short, y[:20]), "too few"),
    ):
        with pytest.raises(InputError, match=words) as told:
            call()
        assert "\n" not in str(told.value)


def test_an_interval_stays_within_what_an_index_can_be() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((60, 4))
    found = given_data(x, x[:, 0] + 0.1 * rng.standard_normal(60))
    assert np.all((found.low >= np.minimum(found.s1, 0)) & (found.high <= 1))
    assert np.all(found.low < found.s1 + 1e-12)


def test_a_rare_value_that_a_half_sample_lacks_is_no_error() -> None:
    x = RNG.random((200, 2))
    x[:, 1] = np.arange(200) < 1  # one of two halves does not have it
    found = given_data(x, x[:, 0], resamples=12)
    assert np.isfinite(found.low).all()
    assert found.s1[1, 0] == pytest.approx(0, abs=0.05)


def test_the_default_interval_covers() -> None:
    """Few half samples with Student's t; the campaign is `benchmarks/given_data.py`."""
    for case in known()[:2]:
        inside, width = coverage(case, 300, 100)
        assert np.all(inside > 0.88)  # 95 % less three standard errors
        assert np.all(width < 0.3)


def test_a_factor_that_nearly_all_runs_share() -> None:
    """A few distinct values beside one of nearly all runs do not determine a polynomial of a high degree."""
    rng = np.random.default_rng(6)
    x = np.column_stack([rng.random(5000), np.ones(5000)])
    x[:12, 1] = rng.random(12)
    x[:6, 1] += 1.0
    y = x[:, 0] + 0.1 * rng.standard_normal(5000)
    found = given_data(x, y)
    assert found.s1[1, 0] == pytest.approx(0, abs=0.02)
    assert np.isfinite(found.low).all()
    assert np.isfinite(found.high).all()
