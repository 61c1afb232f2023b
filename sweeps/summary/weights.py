"""Prevalence weights: the weight of each plausible patient with which the population has the published margins.

Entropy balancing (Hainmueller2012), the continuous form of the mechanistic axes population ensemble linkage of
Schmidt2013 (MAPEL): of all weights that give the wanted shares and means it takes those nearest to equal weights, in
relative entropy.  Where the wanted margins require large weights of a few patients, a ridge relaxes them: the smallest
that keeps the effective number of patients and the largest weight within their gates.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError

LEAST_EFFECTIVE = 0.2
"""Smallest ratio of Kish's effective number of patients to their number; population, recipe item 5."""
MOST_WEIGHT = 10.0
"""Largest weight, relative to a mean weight of 1; population, recipe item 5."""
RIDGES = (0.0, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 10.0, 100.0, 1000.0)
"""Ridges in the order of trial; in squared units of a feature's standard deviation."""
DECIMALS = 6


def effective_number(weights: npt.ArrayLike) -> float:
    """Return Kish's effective number of patients, (sum w)**2 / sum w**2.

    >>> effective_number([1.0, 1.0, 2.0, 0.0])
    2.6666666666666665
    """
    w = np.asarray(weights, np.float64)
    squares = float(np.sum(w * w))
    return float(np.sum(w)) ** 2 / squares if squares > 0 else 0.0


@dataclass(frozen=True)
class Balance:
    """Weights (n,) of mean 1; the wanted, initial and reached mean of each feature (k,); ridge and effective number.

    ``within`` : whether the effective number and the largest weight are within their gates.
    """

    weights: Floats
    asked: Floats
    before: Floats
    reached: Floats
    ridge: float
    effective: float
    within: bool


def balance(features: npt.ArrayLike, wanted: npt.ArrayLike) -> Balance:
    """Return weights under which the means of ``features`` (n, k) are ``wanted`` (k,), as far as the gates allow.

    Raises
    ------
    InputError
        When shapes do not fit, values are not finite, or a wanted mean is outside the range of the patients.
    """
    x, target = np.asarray(features, np.float64), np.asarray(wanted, np.float64)
    if x.ndim != 2 or target.shape != (x.shape[1],) or not len(x):
        raise InputError(f"features {x.shape} and wanted {target.shape} do not fit; give (n, k) and (k,).")
    if not (np.isfinite(x).all() and np.isfinite(target).all()):
        raise InputError("features or wanted means hold values that are not finite; leave those patients out.")
    for k in range(len(target)):
        if not x[:, k].min() <= target[k] <= x[:, k].max():
            raise InputError(
                f"wanted mean {target[k]:g} of feature {k} is outside {x[:, k].min():g} ... {x[:, k].max():g} of the "
                "patients; no weights give it."
            )
    spread = x.std(axis=0)
    varied = spread > 0
    z = (x[:, varied] - target[varied]) / spread[varied]
    for ridge in RIDGES:
        weights = _tilted(z, ridge)
        effective, within = effective_number(weights), False
        if effective >= LEAST_EFFECTIVE * len(x) and weights.max() <= MOST_WEIGHT:
            within = True
            break
    return Balance(weights, target, x.mean(axis=0), (weights @ x) / weights.sum(), ridge, effective, within)


def _tilted(z: Floats, ridge: float) -> Floats:
    """Return weights proportional to exp(z l), of mean 1, where l minimises log sum exp(z l) + ridge l**2 / 2."""
    from scipy.optimize import minimize

    if not z.shape[1]:
        return np.ones(len(z))

    def dual(tilt: Floats) -> tuple[float, Floats]:
        exponent = z @ tilt
        top = exponent.max()
        w = np.exp(exponent - top)
        total = w.sum()
        value = top + np.log(total / len(z)) + ridge * float(tilt @ tilt) / 2
        return float(value), (w @ z) / total + ridge * tilt

    optimum = minimize(dual, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    exponent = z @ optimum.x
    w = np.exp(exponent - exponent.max())
    # no weight is rounded to 0
    rounded: Floats = np.maximum(np.round(w / w.mean(), DECIMALS), 10.0**-DECIMALS)
    return rounded
