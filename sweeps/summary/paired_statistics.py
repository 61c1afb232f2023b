"""Statistics of one arm: mean and SD, and the paired difference to control, each mean with its interval.

Statistics sum over patients in their order in the store, so they do not depend on how a run was divided.  If patients
have prevalence weights, means, SDs and intervals are weighted, with linearised standard errors
(`sweeps.summary.weighted`).
"""

from math import nan, sqrt
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.sweeps.summary.shares import difference_of_shares, share_interval
from pulsatile.sweeps.summary.weighted import linearised
from pulsatile.sweeps.summary.weights import effective_number

LEVEL = 0.95
MOST_LOST = 0.01
"""Largest share of the weight without a value at which the balanced means still count as known [assumed]."""


class Statistics(NamedTuple):
    """Mean and SD of ``n`` patients, and the mean paired difference of ``pairs`` of them to control with its interval.

    ``effective_n`` is Kish's effective number of the pairs, NaN where patients have no weights; ``mean_low`` and
    ``mean_high`` are the interval of the mean itself; ``note`` says why an interval is missing.
    """

    n: int
    mean: float
    sd: float
    difference: float
    low: float
    high: float
    pairs: int
    effective_n: float = nan
    mean_low: float = nan
    mean_high: float = nan
    note: str = ""


def statistics(
    values: Floats,
    control: Floats,
    weights: Floats | None = None,
    balanced: Floats | None = None,
    *,
    of_events: bool = False,
) -> Statistics:
    """Compare one arm with control, both (patient,), over the patients without failure in both.

    Parameters
    ----------
    values, control
        Of the patients (n,), NaN where one failed; ``of_events`` says that they are 100 with an event and 0 without.
    weights
        Prevalence weights (n,); patients without one, or with 0, are left out.
    balanced
        Covariates (n, k) whose weighted means the weights were chosen for, so that these are known.
    of_events
        The intervals are those of shares, and of a paired difference of shares (`summary.shares`), else Student's t
        intervals of means, and of the mean of the per-patient differences.
    """
    counts = np.ones(len(values), bool) if weights is None else np.isfinite(weights) & (weights > 0)
    finite, paired = np.isfinite(values) & counts, np.isfinite(values - control) & counts
    own, change = values[finite], (values - control)[paired]
    if weights is None:
        mean, sd, (mean_low, mean_high) = _plain(own)
        difference, _, (low, high) = _plain(change)
        effective = nan
    else:
        mean, sd, _ = moments(own, weights[finite])
        difference, effective = moments(change, weights[paired])[::2]
        known = [_known(balanced, weights, counts, part) for part in (finite, paired)]
        mean_low, mean_high = linearised(own, weights[finite], known[0]).interval(LEVEL)
        low, high = linearised(change, weights[paired], known[1]).interval(LEVEL)
    if of_events:
        of_own, of_pairs = ((None, None), (None, None)) if weights is None else (
            (weights[finite], known[0]), (weights[paired], known[1])
        )  # fmt: skip
        mean_low, mean_high = (100 * end for end in share_interval(own / 100, LEVEL, *of_own))
        low, high = (
            100 * end for end in difference_of_shares(values[paired] / 100, control[paired] / 100, LEVEL, *of_pairs)
        )
    note = _note(low, len(change), None if weights is None else weights[paired])
    return Statistics(
        len(own), mean, sd, difference, low, high, len(change), effective, mean_low, mean_high, note
    )  # fmt: skip


def _plain(x: Floats) -> tuple[float, float, tuple[float, float]]:
    """Return mean, SD and Student's t interval of the mean of ``x`` (n,)."""
    from scipy.special import stdtrit  # Student's t; imported here because scipy loads slowly

    n = len(x)
    mean = float(np.mean(x)) if n else nan
    sd = float(np.std(x, ddof=1)) if n > 1 else nan
    half = float(stdtrit(n - 1, 0.5 + LEVEL / 2) * sd / sqrt(n)) if n > 1 else nan
    return mean, sd, (mean - half, mean + half)


def _known(balanced: Floats | None, weights: Floats, counts: Flags, part: Flags) -> Floats | None:
    """Return the balanced covariates of the patients in ``part``; None where too many others lack a value."""
    if balanced is None or float(np.sum(weights[part])) < (1 - MOST_LOST) * float(np.sum(weights[counts])):
        return None
    return balanced[part]


def _note(low: float, pairs: int, weights: Floats | None) -> str:
    """Return the sentence on a missing interval; empty where there is one."""
    if not np.isnan(low):
        return ""
    if pairs < 2 or weights is None:
        return f"no interval: {pairs} patients have a value in both arms, and at least 2 are needed"
    return (
        f"no interval: one of {pairs} patients has {float(np.max(weights) / np.sum(weights)):.0%} of the weight and "
        "decides the mean"
    )


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
