"""Power in closed form against published values, enumeration and simulation; draws against their intervals."""

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, ttest_ind

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.summary.paired_statistics import statistics
from pulsatile.sweeps.summary.success import Success, responder_of, success_of
from pulsatile.sweeps.summary.trial_power import (
    Means,
    power_of_means,
    power_of_shares,
    simulated_means,
    simulated_shares,
    uncertain_means,
    uncertain_shares,
)

MORE, LESS = Success(">"), Success("<")


def means(difference: float, sd: float, control_sd: float, paired_sd: float = 1.0) -> Means:
    return Means(*(np.array([value]) for value in (difference, sd, control_sd, paired_sd)))


@pytest.mark.parametrize(
    ("d", "n", "paired", "expected"),
    # Cohen 1988, table 2.3: two groups, two-sided 0.05; and G*Power 3.1 manual: d = 0.5, n = 34 pairs
    [(0.5, 64, False, 0.80), (0.2, 394, False, 0.80), (0.8, 26, False, 0.81), (0.5, 34, True, 0.8078)],
)
def test_the_t_tests_have_their_published_power(d: float, n: int, paired: bool, expected: float) -> None:
    found = power_of_means(means(d, 1, 1), n, MORE, paired)
    assert found[0] == pytest.approx(expected, abs=0.006 if not paired else 1e-4)
    assert power_of_means(means(-d, 1, 1), n, LESS, paired) == pytest.approx(found)
    assert power_of_means(means(-d, 1, 1), n, MORE, paired)[0] < 1e-3


def test_at_no_difference_the_power_is_half_of_alpha_and_a_margin_shifts_it() -> None:
    assert power_of_means(means(0, 1, 1), 40, MORE, False)[0] == pytest.approx(0.025)
    shifted = power_of_means(means(1.5, 1, 2), 40, Success(">", 1.0, 0.01), False)
    assert shifted == pytest.approx(power_of_means(means(0.5, 1, 2), 40, Success(">", 0.0, 0.01), False))


def test_welch_against_simulated_trials_of_unequal_spread() -> None:
    rng = np.random.default_rng(2)
    n, trials = 25, 4000
    x, y = rng.normal(0.8, 2.0, (trials, n)), rng.normal(0.0, 0.7, (trials, n))
    found = ttest_ind(x, y, axis=1, equal_var=False)
    share = np.mean((found.pvalue < 0.05) & (found.statistic > 0))
    assert power_of_means(means(0.8, 2.0, 0.7), n, MORE, False)[0] == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("arm", "control"), [(0.6, 0.3), (0.3, 0.6), (0.95, 0.9), (0.0, 0.0), (1.0, 0.0)])
def test_the_power_of_shares_is_a_sum_over_all_outcomes(arm: float, control: float) -> None:
    n = 11
    for success in (MORE, LESS):
        exact = 0.0
        for i in range(n + 1):
            for j in range(n + 1):
                if i == j or (i > j) != (success is MORE):
                    continue
                p = chi2_contingency([[i, n - i], [j, n - j]], correction=False).pvalue
                exact += (p < 0.05) * binom.pmf(i, n, arm) * binom.pmf(j, n, control)
        assert power_of_shares(np.array([arm]), np.array([control]), n, success)[0] == pytest.approx(exact, abs=1e-12)


def test_draws_of_the_difference_are_those_of_its_t_interval() -> None:
    rng = np.random.default_rng(3)
    own = rng.normal(size=60)
    arm, control = own + rng.normal(0.3, 0.5, 60), own
    found = uncertain_means(arm, control, np.ones(60), 10_000, np.random.default_rng(0))
    point = statistics(arm, control)
    low, high = np.quantile(found.difference, (0.025, 0.975))
    assert (low, high) == pytest.approx((point.low, point.high), abs=0.01)
    assert np.exp(np.log(found.sd).mean()) == pytest.approx(arm.std(ddof=1), rel=1e-6)


def test_weights_count_as_copies_of_patients() -> None:
    rng = np.random.default_rng(4)
    arm, control = rng.normal(0.4, 1, 50), rng.normal(0, 1, 50)
    weights = np.repeat([1.0, 3.0], 25)
    copies = [np.repeat(values, weights.astype(int)) for values in (arm, control)]
    weighted, copied = Means.of(arm, control, weights), Means.of(*copies, np.ones(100))
    assert weighted.difference == pytest.approx(copied.difference)
    assert weighted.sd == pytest.approx(copied.sd, rel=0.01)
    one, other = (
        simulated_means(*values, w, 40, MORE, False, 4000, np.random.default_rng(5))
        for values, w in (((arm, control), weights), (copies, np.ones(100)))
    )
    assert one == pytest.approx(other, abs=0.04)


def test_simulated_trials_agree_with_the_closed_forms() -> None:
    rng = np.random.default_rng(6)
    arm, control = rng.normal(0.5, 1, 400), rng.normal(0, 1, 400)
    ones = np.ones(400)
    for paired, n in ((False, 50), (True, 40)):
        closed = power_of_means(Means.of(arm, control, ones), n, MORE, paired)[0]
        assert simulated_means(arm, control, ones, n, MORE, paired, 4000, rng) == pytest.approx(closed, abs=0.03)
    first, second = (arm > 0.3).astype(float), (control > 0.3).astype(float)
    closed = power_of_shares(np.array([first.mean()]), np.array([second.mean()]), 60, MORE)[0]
    assert simulated_shares(first, second, ones, 60, MORE, 4000, rng) == pytest.approx(closed, abs=0.03)


def test_shares_that_nobody_has_shown_are_possible() -> None:
    shares = uncertain_shares(np.zeros(50), np.zeros(50), np.ones(50), 4000, np.random.default_rng(1))
    assert (shares[0] > 0).all()
    assert np.quantile(shares[0], 0.975) == pytest.approx(0.07, abs=0.03)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("difference < 0 at p < 0.05", Success("<")), ("difference > 1.5", Success(">", 1.5)),
     (" difference<-2e-1 at p<0.01 ", Success("<", -0.2, 0.01))],
)  # fmt: skip
def test_rules_are_read(text: str, rule: Success) -> None:
    assert success_of(text) == rule
    assert success_of(rule.words) == rule


@pytest.mark.parametrize(
    "text", ["", "p < 0.05", "difference <= 0", "difference < zero", "difference < 0 at p < 5",
             "difference > 0 at p < 0", "difference != 0", "difference < 0 p < 0.05", "0 > difference", 5]
)  # fmt: skip
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="success = "):
        success_of(text)


@pytest.mark.parametrize("text", ["", "8", "= 8", "<= eight", "< 1 < 2", "=< 3"])
def test_responders_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="responder = "):
        responder_of(text)
