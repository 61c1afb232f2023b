"""Quantiles of Student's t distribution (without scipy, whose import costs more than a summary)."""

from math import atan, cos, isinf, pi, sqrt
from statistics import NormalDist

EXACT_BELOW = 60
"""Degrees of freedom from which the expansion in 1/df is closer than 1e-9 to the truth."""


def t_cdf(t: float, df: int) -> float:
    """Return P(T <= t) for whole degrees of freedom (finite series; Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    theta = atan(t / sqrt(df))
    c2 = cos(theta) ** 2
    term, total = 1.0, 1.0
    if df % 2:
        for k in range(3, df - 1, 2):
            term *= c2 * (k - 1) / k
            total += term
        area = 2 / pi * (theta + (t / sqrt(df)) * c2 * total if df > 1 else theta)
    else:
        for k in range(2, df - 1, 2):
            term *= c2 * (k - 1) / k
            total += term
        area = t / sqrt(df + t * t) * total
    return 0.5 * (1 + area)


def t_quantile(p: float, df: int) -> float:
    """Return the t with P(T <= t) = p, for 0.5 <= p < 1.

    >>> round(t_quantile(0.975, 2), 4), round(t_quantile(0.975, 1000), 4)
    (4.3027, 1.9623)
    """
    z = NormalDist().inv_cdf(p)
    if df >= EXACT_BELOW:  # Abramowitz and Stegun 26.7.5
        return (
            z
            + (z**3 + z) / (4 * df)
            + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3)
            + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * df**4)
        )
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p and not isinf(high):
        high *= 2
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if t_cdf(middle, df) < p:
            low = middle
        else:
            high = middle
    return high
