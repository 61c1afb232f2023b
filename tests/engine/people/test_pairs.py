"""Pair copulas with BMI: their formulas, that they keep margins and correlations, and that they can be undone."""

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm

from pulsatile.engine.people import pairs
from pulsatile.engine.people.correlations import within
from pulsatile.engine.people.margins import MAN, SEXES, WOMAN
from pulsatile.engine.people.pairs import BENT, bend, parameter, straighten

NAME = pytest.mark.parametrize("name", BENT)
SEX = pytest.mark.parametrize("sex", [MAN, WOMAN], ids=SEXES)


def clayton(theta: float, u: float, v: float) -> float:
    return float((u**-theta + v**-theta - 1) ** (-1 / theta))


def frank(theta: float, u: float, v: float) -> float:
    return float(-np.log1p(np.expm1(-theta * u) * np.expm1(-theta * v) / np.expm1(-theta)) / theta)


@pytest.mark.parametrize(
    ("copula", "inverse", "given"),
    [(clayton, pairs.clayton, pairs.clayton_given), (frank, pairs.frank, pairs.frank_given)],
)
@pytest.mark.parametrize("theta", [0.1, 0.5, 2.5])
def test_the_conditional_probability_is_the_derivative_of_the_copula(
    copula,
    inverse,
    given,
    theta: float,  # type: ignore[no-untyped-def]
) -> None:
    for u in (0.02, 0.3, 0.97):
        for v in (0.01, 0.5, 0.99):
            h = 1e-6
            derivative = (copula(theta, u + h, v) - copula(theta, u - h, v)) / (2 * h)
            w = given(theta, np.array([u]), np.array([v]))
            assert w[0] == pytest.approx(derivative, rel=1e-6)
            assert inverse(theta, np.array([u]), w)[0] == pytest.approx(v, rel=1e-9)


def gaussian(r: float, n: int = 200_000) -> np.ndarray:
    return np.asarray(multivariate_normal([0, 0], [[1, r], [r, 1]]).rvs(n, random_state=1)).T


@SEX
@NAME
def test_margin_and_correlation_stay(name: str, sex: int) -> None:
    r = within(sex).of("bmi", name)
    root, z = gaussian(r)
    bent = bend(name, r, root, z)
    assert kstest(bent, "norm").pvalue > 0.001
    assert np.corrcoef(root, bent)[0, 1] == pytest.approx(r, abs=0.012)
    np.testing.assert_allclose(straighten(name, r, root, bent), z, atol=1e-5)


@SEX
@NAME
def test_the_tail_of_the_obese_is_thinner_than_in_a_gaussian_copula(name: str, sex: int) -> None:
    r = within(sex).of("bmi", name)
    root, z = gaussian(r)
    high = norm.ppf(0.95)
    sign = np.sign(r)
    before, after = (np.mean(sign * x[root > high] > high) for x in (z, bend(name, r, root, z)))
    assert after < 0.8 * before


def test_the_ends_are_numbers() -> None:
    far = np.array([-8.0, 8.0, -8.0, 8.0])
    for name in BENT:
        for r in (0.3, -0.4):
            if np.sign(r) == BENT[name][2]:
                assert np.all(np.isfinite(bend(name, r, far, far[::-1])))
                assert np.all(np.isfinite(straighten(name, r, far, far[::-1])))


def test_the_parameter_follows_the_correlation() -> None:
    # Kendall's tau of a Gaussian copula of 0.278 is 0.179; Clayton's of that tau has 2 tau / (1 - tau)
    assert parameter("triglyceride", 0.278) == pytest.approx(0.44, rel=0.15)
    assert parameter("hdl", -0.4) > parameter("hdl", -0.3) > 0
