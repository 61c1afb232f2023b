"""Intervals of shares of patients, and of paired differences of shares; for these Student's t does not hold.

Student's t of values 0 and 1 gives an interval of width 0 where nobody, or everybody, has the event, reaches beyond 0
and 1, and covers far less than it says where few patients change sides.
"""

from math import nan, sqrt
from statistics import NormalDist

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.summary.weights import effective_number


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


def difference_of_shares(
    first: Floats, second: Floats, level: float, weights: Floats | None = None
) -> tuple[float, float]:
    """Return the interval of the difference of two shares in the same patients, by Bonett and Price 2012.

    Adjusted Wald: one half patient more in each direction of change, and two patients more in all.

    Parameters
    ----------
    first, second
        Values 0 and 1 (n,), NaN where a patient failed.
    level
        Of the interval.
    weights
        Prevalence weights (n,); then shares are weighted, and Kish's effective number stands for n.

    >>> ones, none = np.ones(20), np.zeros(20)
    >>> [round(end, 3) for end in difference_of_shares(ones, ones, 0.95)]
    [-0.126, 0.126]
    """
    counted = np.isfinite(first - second)
    counted &= True if weights is None else np.isfinite(weights) & (weights > 0)
    w = np.ones(int(counted.sum())) if weights is None else weights[counted]
    n = effective_number(w) if len(w) else 0.0
    if not n > 0:
        return nan, nan
    change = first[counted] - second[counted]
    gained, lost = (n * float(np.sum(w * part) / np.sum(w)) for part in (change > 0, change < 0))
    more, less = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = _normal(level) * sqrt((more + less - (more - less) ** 2) / (n + 2))
    return max(-1.0, more - less - half), min(1.0, more - less + half)


def _normal(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)
