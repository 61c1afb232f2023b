"""Pair copulas of BMI with triglyceride and HDL, whose extremes go together less than in a Gaussian copula.

Triglyceride does not rise further in the very obese: of the heaviest 5 % of men and women 5-7 % have the highest 5 % of
triglyceride, where a Gaussian copula gives 13 % and Clayton's, with dependence among the lean, 7 %; of the heaviest
8-11 % have the lowest HDL, Gaussian 19 %, Frank's, without dependence of extremes at either end, 14 % (population 1.8).
The parameter of each copula follows from the correlation of normal scores in the table: no tail took part.

The copula of all covariates stays Gaussian in the scores *given BMI* (a vine with BMI as its root, Aas2009): the score
of a bent covariate is replaced by the one of the same conditional probability given BMI.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import sqrt

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.people.shapes import normal_probability

ROOT = "bmi"
_GRID, _HALVINGS = 64, 40
_END = 2.0**-53  # the least distance from 1 of a number below it
_LEAST, _GREATEST = 1e-3, 20.0

Conditional = Callable[[float, Floats, Floats], Floats]


def clayton(theta: float, u: Floats, w: Floats) -> Floats:
    """Return v whose probability given ``u`` is ``w`` in Clayton's copula of parameter ``theta`` > 0."""
    return np.asarray((1 + u**-theta * np.expm1(-theta / (1 + theta) * np.log(w))) ** (-1 / theta))


def clayton_given(theta: float, u: Floats, v: Floats) -> Floats:
    """Return the probability of ``v`` given ``u`` in Clayton's copula."""
    return np.asarray((1 + u**theta * np.expm1(-theta * np.log(v))) ** (-1 - 1 / theta))


def frank(theta: float, u: Floats, w: Floats) -> Floats:
    """Return v whose probability given ``u`` is ``w`` in Frank's copula of parameter ``theta`` > 0."""
    return np.asarray(-np.log1p(w * np.expm1(-theta) / (w + (1 - w) * np.exp(-theta * u))) / theta)


def frank_given(theta: float, u: Floats, v: Floats) -> Floats:
    """Return the probability of ``v`` given ``u`` in Frank's copula."""
    a, b = np.exp(-theta * u), np.expm1(-theta * v)
    return np.asarray(a * b / (np.expm1(-theta) + (a - 1) * b))


BENT: Mapping[str, tuple[Conditional, Conditional, float]] = {
    "triglyceride": (clayton, clayton_given, 1.0),
    "hdl": (frank, frank_given, -1.0),
}
"""Covariate: its copula with BMI, that of low values where the sign is negative."""


def bend(name: str, correlation: float, root: Floats, gaussian: Floats) -> Floats:
    """Return the scores (n,) of ``name`` for its ``gaussian`` ones and those of BMI, ``root``, correlated so."""
    forward, _, sign = BENT[name]
    r = sign * correlation
    given = (sign * gaussian - r * root) / sqrt(1 - r * r)
    v = forward(parameter(name, correlation), _probability(root), _probability(given))
    return sign * _score(v)


def straighten(name: str, correlation: float, root: Floats, score: Floats) -> Floats:
    """Return the Gaussian scores (n,) that `bend` turns into ``score``."""
    _, backward, sign = BENT[name]
    r = sign * correlation
    w = backward(parameter(name, correlation), _probability(root), _probability(sign * score))
    return np.asarray(sign * (r * root + sqrt(1 - r * r) * _score(w)))


@lru_cache
def parameter(name: str, correlation: float) -> float:
    """Return the parameter at which the normal scores of BMI and ``name`` are correlated so, by bisection."""
    forward, _, sign = BENT[name]
    even = (np.arange(_GRID) + 0.5) / _GRID
    u, w = np.repeat(even, _GRID), np.tile(even, _GRID)
    z = normal_quantile(u)
    low, high = _LEAST, _GREATEST
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        # the slope of the regression, exact on this grid for a Gaussian copula
        slope = np.sum(z * _score(forward(middle, u, w))) / np.sum(z * z)
        low, high = (middle, high) if slope < sign * correlation else (low, middle)
    return 0.5 * (low + high)


def _probability(z: Floats) -> Floats:
    return np.clip(normal_probability(z), _END, 1 - _END)


def _score(p: Floats) -> Floats:
    return normal_quantile(np.clip(p, _END, 1 - _END))
