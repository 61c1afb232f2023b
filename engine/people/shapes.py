"""Shapes of margins: a covariate's value as an increasing function of its normal score, and the inverse.

The shifted log-normal x = median + scale (exp(shape z) - 1) / shape passes through three quantiles exactly, skewed to
either side; shape 0 is the normal, scale = median x shape the log-normal, scale 0 a constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, expm1, inf, isfinite, log, log1p, sqrt
from typing import Protocol

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import is_number, listed
from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.errors import InputError

TINY = 2.0**-54
"""Least distance of probabilities from 0 and 1: half that of any draw of `engine.draws`."""
CLEAR = 1e-9
"""Quantiles whose upper and lower distances agree to this are normal: the shape would be lost in rounding."""

LARGEST_SPREAD = 100.0
"""Largest allowed SD of a log-normal, in means [assumed: no covariate is above 3]."""


class Margin(Protocol):
    """The distribution of one covariate, in its unit."""

    def value(self, z: Floats) -> Floats:
        """Return the values (n,), increasing with the normal scores ``z`` (n,)."""

    def score(self, x: float) -> float:
        """Return the normal score of the value ``x``; minus or plus infinity beyond all values."""


@dataclass(frozen=True)
class ShiftedLogNormal:
    """median + scale (exp(shape z) - 1) / shape; median and scale >= 0 in the covariate's unit, shape dimensionless."""

    median: float
    scale: float
    shape: float = 0.0

    def value(self, z: Floats) -> Floats:
        """Return the values at the normal scores ``z``."""
        bent = np.expm1(self.shape * z) / self.shape if self.shape else z
        return np.asarray(self.median + self.scale * bent)

    def score(self, x: float) -> float:
        """Return the normal score of ``x``."""
        if self.scale == 0 or not isfinite(x):
            return 0.0 if x == self.median else inf if x > self.median else -inf
        step = (x - self.median) / self.scale
        if not self.shape:
            return step
        if self.shape * step <= -1:  # beyond the end of the bounded tail
            return -inf if self.shape > 0 else inf
        return log1p(self.shape * step) / self.shape


@dataclass(frozen=True)
class Capped:
    """The part of ``whole`` below ``cap``, as a distribution of its own."""

    whole: Margin
    cap: float

    def value(self, z: Floats) -> Floats:
        """Return the values at the normal scores ``z``."""
        share = probability(self.whole.score(self.cap))
        p = np.maximum(normal_probability(z) * share, TINY)
        # rounding may exceed the cap
        return np.minimum(self.whole.value(normal_quantile(p)), self.cap)

    def score(self, x: float) -> float:
        """Return the normal score of ``x``."""
        return score_of(probability(self.whole.score(x)) / probability(self.whole.score(self.cap)))


@dataclass(frozen=True)
class Knots:
    """A piecewise linear quantile function: ``values`` at ``probabilities``, which rise from 0 to 1."""

    probabilities: tuple[float, ...]
    values: tuple[float, ...]

    def value(self, z: Floats) -> Floats:
        """Return the values at the normal scores ``z``."""
        return np.interp(normal_probability(z), self.probabilities, self.values)

    def score(self, x: float) -> float:
        """Return the normal score of ``x``."""
        return score_of(float(np.interp(x, self.values, self.probabilities)))


def through(quantiles: Sequence[float], level: float = 0.975) -> ShiftedLogNormal:
    """Return the shifted log-normal through three quantiles.

    Parameters
    ----------
    quantiles
        The quantiles of 1 - ``level``, 0.5 and ``level``, rising.
    level
        Between 0.5 and 1: 0.975 for 2.5 / 50 / 97.5 %, 0.75 for a median and quartiles.

    Raises
    ------
    InputError
        For anything but three rising numbers.
    """
    values = listed("quantiles", quantiles)
    if len(values) != 3 or not all(is_number(q) for q in values):
        raise InputError(f"quantiles = {quantiles!r} must be three numbers: low, median and high.")
    if not is_number(level) or not 0.5 < level < 1:
        raise InputError(f"level = {level!r} of quantiles must be between 0.5 and 1, as 0.975 for 97.5 %.")
    low, median, high = map(float, values)
    down, up = median - low, high - median
    if not (down > 0 and up > 0 and isfinite(up / down) and isfinite(down / up)):
        raise InputError(f"quantiles = {low:g}, {median:g}, {high:g} must rise; for one value give a constant.")
    z = score_of(level)
    if abs(log(up / down)) < CLEAR:
        return ShiftedLogNormal(median, up / z)
    shape = log(up / down) / z
    return ShiftedLogNormal(median, up * shape / expm1(shape * z), shape)


def normal(median: float, sd: float) -> ShiftedLogNormal:
    """Return the normal of ``median`` and ``sd``, both in the covariate's unit; SD 0 is a constant."""
    _check_number("median", median)
    _check_spread("SD", sd)
    return ShiftedLogNormal(float(median), float(sd))


def log_normal(median: float, cv: float) -> ShiftedLogNormal:
    """Return the log-normal of ``median`` > 0 and coefficient of variation ``cv``; CV 0 is a constant."""
    _check_number("median", median)
    _check_spread("CV", cv)
    if cv > LARGEST_SPREAD:
        raise InputError(f"CV = {cv!r} of a log-normal must be at most {LARGEST_SPREAD:g}; 0.3 is 30 %.")
    if median <= 0:
        raise InputError(f"median = {median!r} of a log-normal must be above 0.")
    return log_normal_of(float(median), sqrt(log1p(float(cv) ** 2)))


def log_normal_of(median: float, log_sd: float) -> ShiftedLogNormal:
    """Return the log-normal of ``median`` and SD ``log_sd`` of the natural logarithm."""
    return ShiftedLogNormal(median, median * log_sd, log_sd)


def from_mean(mean: float, sd: float) -> ShiftedLogNormal:
    """Return the log-normal of a given mean > 0 and SD, both in the covariate's unit; SD 0 is a constant."""
    _check_number("mean", mean)
    _check_spread("SD", sd)
    if mean <= 0:
        raise InputError(f"mean = {mean!r} of a log-normal must be above 0.")
    if sd > LARGEST_SPREAD * mean:
        raise InputError(f"SD = {sd!r} of a log-normal must be at most {LARGEST_SPREAD:g} times its mean {mean:g}.")
    log_variance = log1p((sd / mean) ** 2)
    return log_normal_of(mean / sqrt(1 + (sd / mean) ** 2), sqrt(log_variance))


def constant(value: float) -> ShiftedLogNormal:
    """Return the margin of a covariate with the same value in all people."""
    _check_number("constant", value)
    return ShiftedLogNormal(float(value), 0.0)


def probability(z: float) -> float:
    """Return the standard normal probability below ``z``, for one number."""
    return 0.5 * erfc(-z / sqrt(2))


def normal_probability(z: Floats) -> Floats:
    """Return the standard normal probabilities below ``z`` (n,), elementwise by the C library's erfc for equal bits."""
    return np.fromiter(map(erfc, (z * -sqrt(0.5)).tolist()), np.float64, len(z)) * 0.5


def score_of(p: float) -> float:
    """Return the standard normal quantile of ``p`` in [0, 1], for one number."""
    if p <= 0 or p >= 1:
        return -inf if p <= 0 else inf
    return float(normal_quantile(p)[0])


def _check_number(name: str, value: float) -> None:
    if not is_number(value):
        raise InputError(f"{name} = {value!r} of a margin must be a finite number.")


def _check_spread(name: str, value: float) -> None:
    if not is_number(value) or value < 0:
        raise InputError(f"{name} = {value!r} of a margin must be a number from 0.")
