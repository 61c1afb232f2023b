"""Statistics of one arm: mean and SD, and the paired difference to control with its interval.

Statistics sum over patients in their order in the store, so they do not depend on how a run was divided.  If patients
have prevalence weights, means, SDs and intervals are weighted, and an interval depends on Kish's effective number.
"""

from math import nan, sqrt
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.summary.shares import difference_of_shares
from pulsatile.sweeps.summary.weights import effective_number

LEVEL = 0.95


class Statistics(NamedTuple):
    """Mean and SD of ``n`` patients, and the mean paired difference of ``pairs`` of them to control with its interval.

    ``effective_n`` is Kish's effective number of the pairs, NaN where patients have no weights.
    """

    n: int
    mean: float
    sd: float
    difference: float
    low: float
    high: float
    pairs: int
    effective_n: float = nan


def statistics(
    values: Floats, control: Floats, weights: Floats | None = None, *, of_events: bool = False
) -> Statistics:
    """Compare one arm with control, both (patient,), over the patients without failure in both.

    The interval is Student's t interval of the mean of the per-patient differences; with prevalence ``weights``
    (patient,) that of the weighted mean, with Kish's effective number in place of the number of pairs.  For values
    ``of_events``, 100 with the event and 0 without, it is that of a paired difference of shares (`summary.shares`).
    """
    if of_events:
        means = statistics(values, control, weights)
        low, high = difference_of_shares(values / 100, control / 100, LEVEL, weights)
        return means._replace(low=100 * low, high=100 * high)
    if weights is not None:
        return _weighted(values, control, weights)
    from scipy.special import stdtrit  # Student's t; imported here because scipy loads slowly

    finite = values[np.isfinite(values)]
    pairs = values - control
    pairs = pairs[np.isfinite(pairs)]
    n = len(pairs)
    difference = float(np.mean(pairs)) if n else nan
    half = float(stdtrit(n - 1, 0.5 + LEVEL / 2) * np.std(pairs, ddof=1) / sqrt(n)) if n > 1 else nan
    return Statistics(
        n=len(finite),
        mean=float(np.mean(finite)) if len(finite) else nan,
        sd=float(np.std(finite, ddof=1)) if len(finite) > 1 else nan,
        difference=difference,
        low=difference - half,
        high=difference + half,
        pairs=n,
    )


def _weighted(values: Floats, control: Floats, weights: Floats) -> Statistics:
    from scipy.special import stdtrit

    counts = np.isfinite(weights) & (weights > 0)
    finite = np.isfinite(values) & counts
    pairs = np.isfinite(values - control) & counts
    mean, sd, _ = moments(values[finite], weights[finite])
    difference, spread, effective = moments((values - control)[pairs], weights[pairs])
    half = float(stdtrit(effective - 1, 0.5 + LEVEL / 2)) * spread / sqrt(effective) if effective > 1 else nan
    ends = difference - half, difference + half
    return Statistics(int(finite.sum()), mean, sd, difference, *ends, int(pairs.sum()), effective)


def moments(x: Floats, weights: Floats) -> tuple[float, float, float]:
    """Return weighted mean, SD and effective number of ``x`` (n,).

    The SD is that of reliability weights: sum w (x - m)^2 / (sum w - sum w^2 / sum w).  With equal
    weights it is the usual SD with n - 1.

    >>> moments(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]))
    (2.0, 1.0, 3.0)
    """
    effective = effective_number(weights)
    if not effective > 0:
        return nan, nan, 0.0
    mean = float(np.sum(weights * x) / np.sum(weights))
    variance = float(np.sum(weights * (x - mean) ** 2) / np.sum(weights))
    alone = effective <= 1 + 1e-9
    return mean, nan if alone else sqrt(variance * effective / (effective - 1)), effective
