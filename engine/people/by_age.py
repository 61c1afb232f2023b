"""Margins by age: a covariate's quantile function at any age from those of six decades, and its inverse.

In the table's normal score z, the logarithm of the value is linear between the table's probabilities, and beyond them
with the slope between 0.5 and 5 % (95 and 99.5 %), the mean of the decades.  The highest 0.5 % of a covariate with a
limit (diabetes) have evenly distributed logarithms between their lowest and the limit.

In age it is a quadratic B-spline with the decades' edges as knots and the decades' quantiles as coefficients: smooth,
without negative weights, so that values rise with the score at every age.  Beyond the first and last decade the
location (the mean logarithm of the three quartiles) continues in a line, with the shape of that decade.  The scale of
age is that of the survey, whole years: the decade 20 ... 29 y has its middle at 24.5 y.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.people.shapes import TINY, Margin, normal_probability, score_of
from pulsatile.engine.people.survey import DECADES, PROBABILITIES

FARTHEST = 8.5
"""Normal score beyond any draw, up to which quantile functions are kept."""
_Z = np.array([score_of(p) for p in PROBABILITIES])
_KNOTS = np.concatenate([[-FARTHEST], _Z, [FARTHEST]])
_ABOVE = 1 - PROBABILITIES[-1]
_OUTER = PROBABILITIES.index(0.05)  # knots of the chord that gives the tails' slope
_QUARTILES = [PROBABILITIES.index(p) for p in (0.25, 0.5, 0.75)]
_EDGE, _WIDTH = DECADES[0] - 0.5, float(DECADES[1] - DECADES[0])
OLDEST = DECADES[-1] + _WIDTH - 1
"""Youngest and oldest (y) of the survey; others have the quantile function of that age."""
YOUNGEST = float(DECADES[0])
_SCORES = np.arange(-FARTHEST, FARTHEST + 0.025, 0.05)
_AGES = 60


@dataclass(frozen=True)
class MarginByAge:
    """Quantile functions of one covariate and sex: ``logs`` (decades + 2, knots), ``limit`` above all values or inf."""

    logs: Floats
    limit: float = inf

    def value(self, age: Floats, z: Floats) -> Floats:
        """Return the values (n,) of people of ``age`` (n,), y, at the normal scores ``z`` (n,) among their age."""
        decade, weights = _spline(age)
        z = np.clip(z, -FARTHEST, FARTHEST)
        left = np.clip(np.searchsorted(_KNOTS, z, "right") - 1, 0, len(_KNOTS) - 2)
        share = (z - _KNOTS[left]) / (_KNOTS[left + 1] - _KNOTS[left])
        log = np.zeros(len(z))
        for k, weight in enumerate(weights):
            low, high = self.logs[decade + k, left], self.logs[decade + k, left + 1]
            log += weight * (low + share * (high - low))
        if self.limit < inf:
            far = z > _Z[-1]
            log_limit = np.log(self.limit)
            room = log_limit - self._last(decade[far], [weight[far] for weight in weights])
            log[far] = log_limit - room * normal_probability(-z[far]) / _ABOVE
        return np.asarray(np.exp(log))

    def score(self, age: Floats, x: Floats) -> Floats:
        """Return the normal scores (n,) among their age of people of ``age`` (n,) with the values ``x`` (n,)."""
        decade, weights = _spline(age)
        logs = np.zeros((len(age), len(_KNOTS)))
        for k, weight in enumerate(weights):
            logs += weight[:, None] * self.logs[decade + k]
        log = np.log(x)
        left = np.clip(np.sum(logs <= log[:, None], axis=1) - 1, 0, len(_KNOTS) - 2)
        row = np.arange(len(age))
        low, high = logs[row, left], logs[row, left + 1]
        z = _KNOTS[left] + (log - low) / (high - low) * (_KNOTS[left + 1] - _KNOTS[left])
        if self.limit < inf:
            room = np.log(self.limit) - self._last(decade, weights)
            left_over = np.log(self.limit) - log
            far = left_over < room
            z[far] = -normal_quantile(np.maximum(_ABOVE * left_over[far] / room[far], TINY))
        return np.asarray(np.clip(z, -FARTHEST, FARTHEST))

    def _last(self, decade: Ids, weights: list[Floats]) -> Floats:
        """Return the logarithm of the last quantile of the table."""
        return sum((weight * self.logs[decade + k, -2] for k, weight in enumerate(weights)), np.zeros(len(decade)))


@dataclass(frozen=True)
class OverAges:
    """The distribution of a covariate over all ages: ``values`` (k,) at the normal scores ``scores`` (k,)."""

    scores: Floats
    values: Floats

    def value(self, z: Floats) -> Floats:
        """Return the values at the normal scores ``z``."""
        return np.interp(z, self.scores, self.values)

    def score(self, x: float) -> float:
        """Return the normal score of ``x``."""
        if not self.values[0] <= x <= self.values[-1]:
            return -inf if x < self.values[0] else inf
        return float(self.score_each(np.array([x]))[0])

    def score_each(self, x: Floats) -> Floats:
        """Return the normal scores of the values ``x`` (n,), those of the ends for values beyond."""
        return np.interp(x, self.values, self.scores)


def margin_by_age(quantiles: tuple[tuple[float, ...], ...], limit: float = inf) -> MarginByAge:
    """Return the margin through the ``quantiles`` at `PROBABILITIES` of each decade, below ``limit``."""
    logs = np.maximum.accumulate(np.log(np.array(quantiles)), axis=1)
    first, last = (_continued(logs[k], logs[k] - logs[n], limit) for k, n in ((0, 1), (-1, -2)))
    rows = np.vstack([first, logs, last])
    below, above = (_slope(logs, *ends) for ends in ((0, _OUTER), (-1 - _OUTER, -1)))
    low = rows[:, 0] - below * (FARTHEST + _Z[0])
    high = rows[:, -1] + above * (FARTHEST - _Z[-1])
    return MarginByAge(np.column_stack([low, rows, high]), limit)


def over_ages(by_age: MarginByAge, age: Margin) -> OverAges:
    """Return the distribution of a covariate over the ages distributed as ``age``."""
    ages = age.value(normal_quantile((np.arange(_AGES) + 0.5) / _AGES))
    values = by_age.value(np.full(len(_SCORES), np.median(ages)), _SCORES)
    scores = by_age.score(np.repeat(ages, len(values)), np.tile(values, _AGES))
    # the smaller of the two probabilities, for the sake of the tails
    below, above = (
        np.mean(normal_probability(sign * scores).reshape(_AGES, len(values)), axis=0) for sign in (1.0, -1.0)
    )
    tail = np.maximum(np.minimum(below, above), TINY)
    z = np.copysign(normal_quantile(tail), below - above)
    rising = np.concatenate([[True], (np.diff(z) > 0) & (np.diff(values) > 0)])
    return OverAges(z[rising], values[rising])


def _spline(age: Floats) -> tuple[Ids, list[Floats]]:
    """Return the decade (n,) of each age and the weights (n,) of the one before it, itself and the next."""
    place = (np.clip(age, YOUNGEST, OLDEST) - _EDGE) / _WIDTH
    decade = np.minimum(place.astype(np.int64), len(DECADES) - 1)
    f = place - decade
    return decade, [0.5 * (1 - f) ** 2, 0.5 + f * (1 - f), 0.5 * f**2]


def _continued(decade: Floats, step: Floats, limit: float) -> Floats:
    """Return the logs of ``decade`` (k,) moved by ``step`` of its quartiles, at most half-way to the limit."""
    moved = decade + np.mean(step[_QUARTILES])
    return np.minimum(moved, 0.5 * (decade + np.log(limit))) if limit < inf else moved


def _slope(rows: Floats, one: int, other: int) -> float:
    """Return the mean slope of the ``rows`` between two knots."""
    return float(np.mean(rows[:, other] - rows[:, one]) / (_Z[other] - _Z[one]))
