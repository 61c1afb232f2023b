"""Prevalence weights: the weight of each plausible patient with which the population has the published margins.

Bounded calibration (Deville1992, RECALLED; doi:10.1080/01621459.1992.10475217): of all weights between 0 and the gate
`MOST_WEIGHT` that give the wanted means exactly it takes those nearest to equal weights, in relative entropy
(Hainmueller2012; the continuous form of the mechanistic axes population ensemble linkage of Schmidt2013, MAPEL).  Where
the effective number of patients is below its gate, the mean square of the weights enters the distance, as little of it
as keeps the gate.  Means that no weights within the gates give are approached as far as the gates allow, and told.

With s the share of the mean square, and multipliers c and l of the mean weight and of the wanted means, the weights are

    w = min(MOST_WEIGHT, v),   log v + s v = c + z l

and c and l minimise a convex function of k + 1 variables, the dual.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError

LEAST_EFFECTIVE = 0.2
"""Smallest ratio of Kish's effective number of patients to their number; population, recipe item 5."""
MOST_WEIGHT = 10.0
"""Largest weight, relative to a mean weight of 1; population, recipe item 5."""
RIDGES = (0.0, 1e-4)
"""Ridges in the order of trial, in squared units of a feature's standard deviation; above 0 means may be missed."""
SQUARES = tuple(10.0**k for k in range(-2, 9))
"""Shares of the mean square in the distance, in the order of trial, where the effective number is too small without."""
HALVINGS = 6
"""Steps of the search between two of them for the smallest that keeps the gate: to 4 %."""
REACHED = 1e-4
"""Largest miss of a mean that counts as reached, in units of the feature's standard deviation."""
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

    ``within`` : whether the effective number and the largest weight are within their gates.  ``ridge`` is 0 where every
    mean is reached.  ``sentence`` tells the means that are not reached; empty where all are.
    """

    weights: Floats
    asked: Floats
    before: Floats
    reached: Floats
    ridge: float
    effective: float
    within: bool
    sentence: str


def balance(
    features: npt.ArrayLike, wanted: npt.ArrayLike, names: Sequence[str] | npt.NDArray[np.str_] = ()
) -> Balance:
    """Return weights under which the means of ``features`` (n, k) are ``wanted`` (k,), as far as the gates allow.

    Parameters
    ----------
    features, wanted
        Numbers of the patients, and their wanted means, any units.
    names
        Of the features, for the sentence; default their positions.

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
        weights, fine = _nearest_within_gates(z, ridge)
        if fine:
            break
    effective = effective_number(weights)
    within = bool(effective >= LEAST_EFFECTIVE * len(x) and weights.max() <= MOST_WEIGHT)
    reached = (weights @ x) / weights.sum()
    sentence = _missed(target, reached, spread, effective / len(x), names)
    return Balance(weights, target, x.mean(axis=0), reached, ridge, effective, within, sentence)


def _missed(
    target: Floats, reached: Floats, spread: Floats, share: float, names: Sequence[str] | npt.NDArray[np.str_]
) -> str:
    """Return the sentence on the means that are not reached; empty where all are."""
    missed = np.flatnonzero(np.abs(reached - target) > REACHED * np.where(spread > 0, spread, np.inf))
    if not len(missed):
        return ""
    worst = missed[np.argmax(np.abs(reached - target)[missed] / spread[missed])]
    name = names[worst] if len(names) else f"feature {worst}"
    return (
        f"{len(missed)} of {len(target)} wanted means are not reached, worst {name}: asked "
        f"{target[worst]:.4g}, reached {reached[worst]:.4g}; no weights up to {MOST_WEIGHT:g} with an effective number "
        f"of {LEAST_EFFECTIVE:g} of the patients ({share:.2f} here) give them all."
    )


def _nearest_within_gates(z: Floats, ridge: float) -> tuple[Floats, bool]:
    """Return the weights nearest to equal ones that keep the gates, and whether they do and are calibrated."""

    def tried(square: float) -> tuple[Floats, bool]:
        weights = _calibrated(z, ridge, square)
        enough = effective_number(weights) >= LEAST_EFFECTIVE * len(z)
        return weights, bool(enough and (ridge > 0 or _reached(weights, z)))

    weights, fine = tried(0.0)
    if fine or (ridge == 0 and not _reached(weights, z)):  # what no weights in (0, MOST_WEIGHT) give
        return weights, fine
    for high in SQUARES:
        weights, fine = tried(high)
        if fine:
            break
    low = high / 10
    for _ in range(HALVINGS if fine else 0):
        middle = float(np.sqrt(low * high))
        nearer, enough = tried(middle)
        low, high, weights = (low, middle, nearer) if enough else (middle, high, weights)
    return weights, fine


def _reached(weights: Floats, z: Floats) -> bool:
    return bool(np.all(np.abs(weights @ z) <= REACHED * len(z)))


def _calibrated(z: Floats, ridge: float, square: float) -> Floats:
    """Return the weights (n,) of mean 1 that minimise the dual; ``z`` (n, k) has the wanted means 0."""
    from scipy.optimize import minimize

    if not z.shape[1]:
        return np.ones(len(z))
    rows = np.column_stack([np.ones(len(z)), z])
    penalty = np.full(rows.shape[1], ridge)
    penalty[0] = 0.0
    first = np.zeros(rows.shape[1])
    first[0] = square  # equal weights

    def value(tilt: Floats) -> tuple[float, Floats]:
        slope = rows @ tilt
        w = _weight(slope, square)
        area = w + square * w * w / 2 + MOST_WEIGHT * np.maximum(slope - _slope(MOST_WEIGHT, square), 0.0)
        gradient = (w @ rows) / len(rows) + penalty * tilt
        gradient[0] -= 1.0
        return float(area.mean() - tilt[0] + (penalty * tilt) @ tilt / 2), gradient

    def curvature(tilt: Floats) -> Floats:
        slope = rows @ tilt
        w = _weight(slope, square)
        rate = np.where(slope < _slope(MOST_WEIGHT, square), w / (1 + square * w), 0.0)
        return np.asarray((rows * rate[:, None]).T @ rows / len(rows) + np.diag(penalty), np.float64)

    options = {"gtol": 1e-9, "maxiter": 300}
    optimum = minimize(value, first, jac=True, hess=curvature, method="trust-exact", options=options)
    w = _weight(rows @ optimum.x, square)
    # no weight is rounded to 0
    return np.asarray(np.clip(np.round(w / w.mean(), DECIMALS), 10.0**-DECIMALS, None), np.float64)


def _slope(weight: float, square: float) -> float:
    return float(np.log(weight) + square * weight)


def _weight(slope: Floats, square: float) -> Floats:
    """Return min(MOST_WEIGHT, w) where log w + square w = slope."""
    from scipy.special import wrightomega

    below = np.minimum(slope, _slope(MOST_WEIGHT, square))
    w = np.exp(below) if square == 0 else wrightomega(below + np.log(square)) / square
    return np.asarray(np.minimum(w, MOST_WEIGHT), np.float64)
