"""Contrast of two groups of different patients, as in a trial of parallel groups."""

from math import nan, sqrt
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.summary.shares import wilson


class Contrast(NamedTuple):
    """A difference with its interval and degrees of freedom; NaN where there are too few patients."""

    difference: float
    low: float
    high: float
    freedom: float = nan

    def scaled(self, factor: float) -> "Contrast":
        """Return the contrast in a unit ``factor`` times smaller."""
        return Contrast(factor * self.difference, factor * self.low, factor * self.high, self.freedom)


def student(difference: float, error: float, freedom: float, level: float) -> Contrast:
    """Return a difference with Student's t interval; NaN without degrees of freedom."""
    from scipy.special import stdtrit  # imported here because scipy loads slowly

    if not freedom > 0:
        return Contrast(difference, nan, nan)
    half = float(stdtrit(freedom, 0.5 + level / 2)) * error
    return Contrast(difference, difference - half, difference + half, float(freedom))


def welch(first: Floats, second: Floats, level: float) -> Contrast:
    """Return the difference of two means with Welch's interval (Welch 1947, RECALLED).

    Parameters
    ----------
    first, second
        Values of different patients, (n,) and (m,), all finite.
    level
        Of the interval.

    >>> [round(x, 4) for x in welch(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 3.0, 2.0]), 0.95)]
    [2.0, 0.0077, 3.9923, 3.8571]
    """
    if not (len(first) and len(second)):
        return Contrast(nan, nan, nan)
    difference = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2:
        return Contrast(difference, nan, nan)
    a, b = (float(np.var(x, ddof=1)) / len(x) for x in (first, second))
    if not a + b > 0:  # nobody differs within either group
        return student(difference, 0.0, len(first) + len(second) - 2, level)
    freedom = (a + b) ** 2 / (a * a / (len(first) - 1) + b * b / (len(second) - 1))
    return student(difference, sqrt(a + b), freedom, level)


def independent_shares(first: Floats, second: Floats, level: float) -> Contrast:
    """Return the difference of two shares with Newcombe's hybrid score interval (Newcombe 1998, method 10, RECALLED).

    Parameters
    ----------
    first, second
        Values 0 and 1 of different patients, (n,) and (m,), all finite.
    level
        Of the interval.

    >>> first, second = np.repeat([1.0, 0.0], [56, 14]), np.repeat([1.0, 0.0], [48, 32])
    >>> [round(x, 4) for x in independent_shares(first, second, 0.95)]
    [0.2, 0.0524, 0.3339, nan]
    """
    if not (len(first) and len(second)):
        return Contrast(nan, nan, nan)
    p, q = float(np.mean(first)), float(np.mean(second))
    (p_low, p_high), (q_low, q_high) = wilson(p, len(first), level), wilson(q, len(second), level)
    below, above = sqrt((p - p_low) ** 2 + (q_high - q) ** 2), sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return Contrast(p - q, p - q - below, p - q + above)
