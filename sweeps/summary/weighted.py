"""The weighted mean of patients, and its standard error by linearisation (the sandwich).

The error of a weighted mean depends on how far *the patients with large weights* are from it, which Kish's effective
number leaves out: it holds only where neither values nor their spread have to do with the weights.  The linearised
variance (Binder1983, RECALLED; doi:10.2307/1402588) sums over patients what each contributes,

    variance = sum (w e)^2 / (sum w)^2,   e = y - mean

Where the weights were chosen so that covariates have wanted means, as by `sweeps.summary.weights.balance`, these means
are known and not estimated: e is the residual of the weighted regression of y on these covariates, the variance that of
the calibrated estimate (Deville1992, RECALLED).  Each square is divided by its expectation for residuals of one
variance, and the degrees of freedom are those of Satterthwaite for the sum (Bell and McCaffrey 2002, RECALLED); with
equal weights the interval is Student's, to rounding.
"""

from math import nan, sqrt
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.summary.weights import effective_number

FEWEST = 2.0
"""Least effective number of patients (Kish) with an interval [assumed: below it one patient decides the mean]."""

PER_COVARIATE = 5.0
"""Least effective number of patients for each balanced covariate; with fewer these count as unknown [assumed]."""


class Linearised(NamedTuple):
    """Weighted mean, its standard error and its degrees of freedom; both NaN where one patient decides the mean."""

    mean: float
    error: float
    freedom: float

    def interval(self, level: float) -> tuple[float, float]:
        """Return Student's t interval of the mean; NaN without a standard error."""
        from scipy.special import stdtrit  # imported here because scipy loads slowly

        half = float(stdtrit(self.freedom, 0.5 + level / 2)) * self.error if self.freedom > 0 else nan
        return self.mean - half, self.mean + half


def linearised(y: Floats, weights: Floats, balanced: Floats | None = None) -> Linearised:
    """Return the weighted mean of ``y`` (n,) with its linearised standard error.

    Parameters
    ----------
    y, weights
        Finite values, and weights above 0, (n,).
    balanced
        Covariates (n, k) whose weighted means the weights were chosen for; None for weights given from outside.
    """
    share = weights / np.sum(weights) if len(weights) else weights
    mean = float(np.sum(share * y)) if len(y) else nan
    if not effective_number(weights) >= FEWEST:
        return Linearised(mean, nan, nan)
    basis = _orthonormal(share, balanced)
    if effective_number(weights) < PER_COVARIATE * (basis.shape[1] - 1):
        basis = basis[:, :1]
    residual = y - basis @ ((basis * share[:, None]).T @ y)
    # residuals are (1 - H) y with H = basis (share basis)'; their covariance for one variance is (1 - H)(1 - H)'
    scaled = basis * share[:, None]
    cross = scaled.T @ scaled
    left, right = np.hstack([-basis, -scaled + basis @ cross]), np.hstack([scaled, basis])
    expected = 1 + np.einsum("nk,nk->n", left, right)
    if not expected.min() > 1e-6:  # a patient whom the regression follows exactly
        return Linearised(mean, nan, nan)
    factor = share**2 / expected
    error = sqrt(float(np.sum(factor * residual**2)))
    squares = ((part * factor[:, None]).T @ part for part in (left, right))
    square = float(np.sum(factor**2 * (2 * expected - 1)) + np.sum(np.multiply(*squares)))
    return Linearised(mean, error, float(np.sum(share**2)) ** 2 / square)


def effective_of(spread: float, y: Floats, weights: Floats, balanced: Floats | None = None) -> float:
    """Return the number of patients with equal weights whose mean would be as certain as this weighted mean.

    Design-based effective number (Korn and Graubard 1998, RECALLED): ``spread``, the variance of one patient's value,
    over the linearised variance of the mean; Kish's number where no value differs, and at most the number of patients.
    """
    error = linearised(y, weights, balanced).error
    if not error > 0 or not spread > 0:
        return effective_number(weights) if effective_number(weights) >= FEWEST else nan
    return min(float(len(y)), spread / error**2 + 1)  # the variance of a share from n patients has n - 1


def _orthonormal(share: Floats, balanced: Floats | None) -> Floats:
    """Return the constant and the span of ``balanced`` (n, k), orthonormal under the weights ``share`` (n,)."""
    columns = np.ones((len(share), 1))
    if balanced is None or not balanced.shape[1]:
        return columns
    centred = balanced - share @ balanced
    spread = np.sqrt(share @ centred**2)
    varied = spread > 1e-12 * np.abs(balanced).max(axis=0)
    centred = centred[:, varied] / spread[varied]
    root = np.sqrt(share)[:, None]
    left, size, _ = np.linalg.svd(centred * root, full_matrices=False)
    return np.hstack([columns, left[:, size > 1e-8 * max(size.max(initial=0.0), 1.0)] / root])
