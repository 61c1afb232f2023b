"""Intervals of shares of patients, and of paired differences of shares; for these Student's t does not hold.

Student's t of values 0 and 1 gives an interval of width 0 where nobody, or everybody, has the event, reaches beyond 0
and 1, and covers far less than it says where few patients change sides.
"""

from collections.abc import Sequence
from math import nan, sqrt
from statistics import NormalDist

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.summary.weighted import effective_of


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share (0 to 1) of ``n`` patients, or of an effective number of them.

    Wilson 1927.  It is never empty, and stays between 0 and 1.

    >>> [round(end, 4) for end in wilson(0.0, 20, 0.95)]
    [0.0, 0.1611]
    """
    if not n > 0:
        return nan, nan
    z = _normal(level)
    centre, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return max(0.0, low) if share > 0 else 0.0, min(1.0, high) if share < 1 else 1.0


def share_interval(
    events: Floats, level: float, weights: Floats | None = None, balanced: Floats | None = None
) -> tuple[float, float]:
    """Return the interval of the share of patients with an event, by Wilson 1927.

    Parameters
    ----------
    events
        Values 0 and 1 (n,), all finite.
    level
        Of the interval.
    weights, balanced
        Weights above 0 (n,) and the covariates they were chosen for; then the design-based effective number stands for
        n (`sweeps.summary.weighted`).  NaN where one patient decides the share.
    """
    if not len(events):
        return nan, nan
    if weights is None:
        return wilson(float(np.mean(events)), len(events), level)
    share = float(np.sum(weights * events) / np.sum(weights))
    return wilson(share, effective_of(share * (1 - share), events, weights, balanced), level)


def difference_of_shares(
    first: Floats, second: Floats, level: float, weights: Floats | None = None, balanced: Floats | None = None
) -> tuple[float, float]:
    """Return the interval of the difference of two shares in the same patients, by Bonett and Price 2012.

    Adjusted Wald: one half patient more in each direction of change, and two patients more in all.

    Parameters
    ----------
    first, second
        Values 0 and 1 (n,), NaN where a patient failed.
    level
        Of the interval.
    weights, balanced
        Prevalence weights (n,), and the covariates (n, k) they were chosen for; then shares are weighted, and the
        design-based effective number stands for n (`sweeps.summary.weighted`).

    >>> ones, none = np.ones(20), np.zeros(20)
    >>> [round(end, 3) for end in difference_of_shares(ones, ones, 0.95)]
    [-0.126, 0.126]
    """
    counted = np.isfinite(first - second)
    counted &= True if weights is None else np.isfinite(weights) & (weights > 0)
    change = first[counted] - second[counted]
    if not len(change):
        return nan, nan
    w = np.ones(len(change)) if weights is None else weights[counted]
    more, less = (float(np.sum(w * part) / np.sum(w)) for part in (change > 0, change < 0))
    n = float(len(change))
    if weights is not None:
        n = effective_of(more + less - (more - less) ** 2, change, w, None if balanced is None else balanced[counted])
    if not n > 0:
        return nan, nan
    centre, variance = _adjusted(more, less, n)
    half = _normal(level) * sqrt(variance)
    return max(-1.0, centre - half), min(1.0, centre + half)


def _adjusted(more: float, less: float, n: float) -> tuple[float, float]:
    """Return Bonett and Price's adjusted mean change of ``n`` patients, and its variance."""
    more, less = (n * more + 1) / (n + 2), (n * less + 1) / (n + 2)
    return more - less, (more + less - (more - less) ** 2) / (n + 2)


def combined_changes(changes: Sequence[Floats], factors: Sequence[float], level: float) -> tuple[float, float, float]:
    """Return the sum over groups of patients of factor x mean change of an event, with its interval.

    Parameters
    ----------
    changes
        Of each group (n,): 1 where a patient gains the event, -1 where it loses it, else 0; all finite.
    factors
        One for each group.
    level
        Of the interval, adjusted Wald as in `difference_of_shares`; NaN where a group is empty.
    """
    if not all(len(change) for change in changes):
        return nan, nan, nan
    found = [_adjusted(float(np.mean(x > 0)), float(np.mean(x < 0)), len(x)) for x in changes]
    centre = sum(f * mean for f, (mean, _) in zip(factors, found, strict=True))
    half = _normal(level) * sqrt(sum(f * f * variance for f, (_, variance) in zip(factors, found, strict=True)))
    return sum(f * float(np.mean(x)) for f, x in zip(factors, changes, strict=True)), centre - half, centre + half


def _normal(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)
