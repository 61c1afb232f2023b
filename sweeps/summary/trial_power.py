"""The power of a trial of n patients per arm, in closed form, and by trials drawn from the patients of a run.

- Means of parallel groups: Welch's t test; its statistic is noncentral t with Satterthwaite's degrees of freedom.
- Means in pairs (each patient on both treatments): the t test of the differences, noncentral t with n - 1.
- Shares of parallel groups: Pearson's chi-square test (the pooled z test); its power is the sum of the probabilities of
  all numbers of responders that it rejects (exact).

What is known of the patients has the uncertainty of the run: the Bayesian bootstrap (Rubin 1981, RECALLED;
doi:10.1214/aos/1176345338) of means and SDs, widened to Student's t for few patients, and for shares the Dirichlet
distribution of the four outcomes of a pair under Jeffreys' prior.  The mean power over it is the assurance
(O'Hagan 2005, RECALLED; doi:10.1002/pst.175).
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats, Integers
from pulsatile.sweeps.summary.paired_statistics import moments
from pulsatile.sweeps.summary.success import Success

_SLICE = 4_000_000
"""Numbers held at once."""


class Means(NamedTuple):
    """Difference of the means of arm and control, their SDs, and the SD of the differences in pairs, each (k,)."""

    difference: Floats
    sd: Floats
    control_sd: Floats
    paired_sd: Floats

    @classmethod
    def of(cls, arm: Floats, control: Floats, weights: Floats) -> Self:
        """Return those of patients (n,) with ``weights`` above 0."""
        difference, paired, _ = moments(arm - control, weights)
        sds = (moments(values, weights)[1] for values in (arm, control))
        return cls(*(np.array([value]) for value in (difference, *sds, paired)))


def uncertain_means(arm: Floats, control: Floats, weights: Floats, draws: int, rng: np.random.Generator) -> Means:
    """Return ``draws`` of the means and SDs that the patients (n,) leave possible."""
    from scipy.special import stdtrit

    n = len(arm)
    centres = [np.average(x, weights=weights) for x in (arm, control, arm - control)]
    x, y, d = (values - centre for values, centre in zip((arm, control, arm - control), centres, strict=True))
    columns = np.column_stack([np.ones(n), x, x * x, y, y * y, d, d * d])
    sums = np.empty((draws, columns.shape[1]))
    step = max(1, _SLICE // n)
    for start in range(0, draws, step):
        lots = rng.standard_exponential((min(step, draws - start), n)) * weights
        sums[start : start + step] = lots @ columns
    parts = sums[:, 1:] / sums[:, :1]
    effective = float(np.sum(weights) ** 2 / np.sum(weights**2))
    point = Means.of(arm, control, weights)
    # the bootstrap's variance is that of n + 1 patients around the SD with n, and its quantiles are normal
    wide = np.sqrt((effective + 1) / (effective - 1)) * float(stdtrit(effective - 1, 0.975)) / 1.959963984540054
    spread = [np.sqrt(np.maximum(parts[:, k + 1] - parts[:, k] ** 2, 0.0)) for k in (0, 2, 4)]
    sds = [
        sd[0] * np.exp(wide * (log := np.log(np.maximum(s, 1e-300))) - wide * np.mean(log))
        for sd, s in zip((point.sd, point.control_sd, point.paired_sd), spread, strict=True)
    ]
    return Means(centres[2] + wide * parts[:, 4], *sds)


def power_of_means(means: Means, n: int, success: Success, paired: bool) -> Floats:
    """Return the power (k,) of trials of ``n`` patients per arm, or of ``n`` pairs."""
    from scipy.stats import nct, t

    if paired:
        error, freedom = means.paired_sd / np.sqrt(n), np.full(len(means.difference), n - 1.0)
    else:
        a, b = means.sd**2 / n, means.control_sd**2 / n
        error, freedom = np.sqrt(a + b), (n - 1) * (a + b) ** 2 / (a**2 + b**2)
    shift = success.sign * (means.difference - success.margin) / error
    return np.clip(np.asarray(nct.sf(t.isf(success.alpha / 2, freedom), freedom, shift), np.float64), 0.0, 1.0)


def simulated_means(
    arm: Floats, control: Floats, weights: Floats, n: int, success: Success, paired: bool, trials: int,
    rng: np.random.Generator,
) -> float:  # fmt: skip
    """Return the share of ``trials`` that succeed whose patients are drawn from those of a run (with replacement)."""
    from scipy.special import stdtr

    succeed = 0
    for first, second in _drawn(weights, n, paired, trials, rng):
        x, y = arm[first], control[second]
        if paired:
            difference, freedom = (x - y).mean(axis=1), np.full(len(x), n - 1.0)
            error = (x - y).std(axis=1, ddof=1) / np.sqrt(n)
        else:
            a, b = x.var(axis=1, ddof=1) / n, y.var(axis=1, ddof=1) / n
            difference, error = x.mean(axis=1) - y.mean(axis=1), np.sqrt(a + b)
            freedom = (n - 1) * (a + b) ** 2 / np.maximum(a**2 + b**2, 1e-300)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = success.sign * (difference - success.margin) / error
        succeed += int(np.sum(2 * stdtr(freedom, -t) < success.alpha))
    return succeed / trials


def _drawn(
    weights: Floats, n: int, paired: bool, trials: int, rng: np.random.Generator
) -> Iterator[tuple[Integers, Integers]]:
    """Yield the patients (some trials, n) of the arm and those of the control, the same in pairs."""
    ends = np.cumsum(weights) / np.sum(weights)
    step = max(1, _SLICE // n)
    for start in range(0, trials, step):
        shape = min(step, trials - start), n
        first, second = (
            np.minimum(np.searchsorted(ends, rng.random(shape), side="right"), len(weights) - 1) for _ in range(2)
        )
        yield (first, first) if paired else (first, second)


def uncertain_shares(
    arm: Floats, control: Floats, weights: Floats, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return ``draws`` of the shares of responders in arm and control, from patients (n,) with 0 and 1 in each."""
    effective = float(np.sum(weights) ** 2 / np.sum(weights**2))
    cells = [np.sum(weights[(arm == i) & (control == j)]) / np.sum(weights) for i in (0, 1) for j in (0, 1)]
    drawn = rng.dirichlet(effective * np.array(cells) + 0.5, draws)
    return drawn[:, 2] + drawn[:, 3], drawn[:, 1] + drawn[:, 3]


def power_of_shares(arm: Floats, control: Floats, n: int, success: Success) -> Floats:
    """Return the power (k,) of trials of ``n`` patients per arm whose responders have these shares, each (k,)."""
    from scipy.special import bdtr
    from scipy.stats import binom

    better, worse = (arm, control) if success.side == ">" else (control, arm)
    counts = np.arange(n + 1)
    low, high = np.full(n + 1, -1), counts.copy()  # rejected up to low responders of the other group, not from high on
    while (high - low > 1).any():
        middle = (low + high) // 2
        rejected = (middle >= 0) & _chi_square(counts, middle, n, Success(">", alpha=success.alpha))
        low, high = np.where(rejected, middle, low), np.where(rejected | (high - low <= 1), high, middle)
    none = bdtr(np.maximum(low, 0)[None, :], n, np.asarray(worse)[:, None])
    return np.asarray(
        np.sum(binom.pmf(counts[None, :], n, np.asarray(better)[:, None]) * np.where(low >= 0, none, 0), 1)
    )


def simulated_shares(
    arm: Floats, control: Floats, weights: Floats, n: int, success: Success, trials: int, rng: np.random.Generator
) -> float:
    """Return the share of ``trials`` that succeed whose patients are drawn from those of a run (with replacement)."""
    succeed = 0
    for first, second in _drawn(weights, n, False, trials, rng):
        succeed += int(_chi_square(arm[first].sum(axis=1), control[second].sum(axis=1), n, success).sum())
    return succeed / trials


def _chi_square(arm: npt.ArrayLike, control: npt.ArrayLike, n: int, success: Success) -> Flags:
    """Return where the pooled z test of two numbers of responders of ``n`` each rejects on the side of success."""
    from statistics import NormalDist

    first, second = np.asarray(arm, np.float64), np.asarray(control, np.float64)
    pooled = (first + second) / (2 * n)
    error = np.sqrt(2 * np.maximum(pooled * (1 - pooled), 0.0) / n)
    limit = NormalDist().inv_cdf(1 - success.alpha / 2)
    return np.asarray((success.sign * (first - second) / n > limit * error) & (error > 0))
