"""Intervals of shares: published examples, coverage for few and many, and for few that change sides."""

from math import isnan

import numpy as np
import pytest

from pulsatile.sweeps.summary.shares import difference_of_shares, wilson

LEVEL = 0.95


def test_wilson_is_that_of_the_tables() -> None:
    """Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for k, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(k / n, n, LEVEL) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [4, 20, 100, 1000])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_wilson_covers(n: int, share: float) -> None:
    """On average over shares near the one asked for: single shares wave up and down with n."""
    shares = np.linspace(0.8 * share, 1.2 * share, 21)
    counts = np.random.default_rng(3).binomial(n, np.repeat(shares, 400))
    ends = np.array([wilson(k / n, n, LEVEL) for k in range(n + 1)])[counts]
    covered = (ends[:, 0] <= np.repeat(shares, 400)) & (np.repeat(shares, 400) <= ends[:, 1])
    assert covered.mean() >= 0.93


@pytest.mark.parametrize("n", [20, 50, 200, 1000])
@pytest.mark.parametrize(("gain", "loss"), [(0.0, 0.0), (0.02, 0.0), (0.05, 0.05), (0.3, 0.01), (0.4, 0.3)])
def test_difference_of_sharess_cover(n: int, gain: float, loss: float) -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(500):
        change = rng.choice([1.0, -1.0, 0.0], n, p=[gain, loss, 1 - gain - loss])
        first = np.where(change > 0, 1.0, 0.0)
        second = np.where(change < 0, 1.0, 0.0)
        low, high = difference_of_shares(first, second, LEVEL)
        assert -1 <= low < high <= 1
        covered += low <= gain - loss <= high
    assert covered >= 0.935 * 500


def test_equal_weights_are_none() -> None:
    rng = np.random.default_rng(1)
    first, second = (rng.integers(0, 2, 60).astype(float) for _ in range(2))
    weighted = difference_of_shares(first, second, LEVEL, np.full(60, 2.5))
    assert weighted == pytest.approx(difference_of_shares(first, second, LEVEL))


def test_failed_patients_are_left_out_and_nobody_has_no_interval() -> None:
    first, second = np.array([1.0, np.nan, 0.0]), np.array([0.0, 1.0, 0.0])
    assert difference_of_shares(first, second, LEVEL) == difference_of_shares(first[[0, 2]], second[[0, 2]], LEVEL)
    nobody = np.full(3, np.nan)
    assert all(isnan(end) for end in (*difference_of_shares(nobody, nobody, LEVEL), *wilson(0.5, 0, LEVEL)))
