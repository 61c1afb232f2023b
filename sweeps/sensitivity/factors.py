"""Factors: the varied inputs, their limits, and the map from the unit interval to their values.

    uniform       low + u (high - low)
    log-uniform   low (high / low)^u
    normal        centre + spread Phi^-1(v)          centre is the mean, spread the SD
    log-normal    centre exp(spread Phi^-1(v))       centre is the median, spread the SD of the logarithm
    levels        one value of a list, all equally likely

with v = Phi(a) + u (Phi(b) - Phi(a)): the normals are truncated at low and high (a, b in SD).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import shown_unit

DISTRIBUTIONS = ("uniform", "log-uniform", "normal", "log-normal", "levels")
RESERVED = ("time", "arm", "design", "patient", "factor", "output", "replicate", "row", "block", "pair", "other")
"""Dimensions and columns of tables of runs and of indices."""


def with_unit(name: str, unit: str) -> str:
    """Return a name with its unit, as on an axis.

    >>> with_unit("VAT", "cm^2"), with_unit("HOMA-IR", "1")
    ('VAT, cm2', 'HOMA-IR')
    """
    return f"{name}, {words}" if (words := shown_unit(unit)) else name


@dataclass(frozen=True)
class Factor:
    """One varied input.

    Parameters
    ----------
    name
        Name in the table of runs; not that of a dimension (`RESERVED`).
    distribution
        One of `DISTRIBUTIONS`.
    low, high
        Limits, in ``unit``; truncation points of the normals.  Not given for levels.
    centre, spread
        Of the normals: mean and SD (in ``unit``), or median (in ``unit``) and SD of the logarithm (no unit).
    levels
        The values of a discrete factor, in ``unit``.
    unit
        Unit, for display and tables.

    Raises
    ------
    InputError
        When the name is reserved or the numbers do not define a distribution.
    """

    name: str
    distribution: str = "uniform"
    low: float = float("nan")
    high: float = float("nan")
    centre: float = float("nan")
    spread: float = float("nan")
    levels: tuple[float, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.name in RESERVED:
            raise InputError(f"a factor cannot be named {self.name!r}: {', '.join(RESERVED)} are taken; rename it.")
        if self.distribution not in DISTRIBUTIONS:
            raise InputError(
                f"factor {self.name}: the distribution {self.distribution!r} is not known; "
                f"take one of {', '.join(DISTRIBUTIONS)}."
            )
        if self.distribution == "levels":
            if not self.levels or not all(isfinite(level) for level in self.levels):
                raise InputError(f"factor {self.name}: levels = {self.levels} must be one or more finite numbers.")
            return
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            raise InputError(
                f"factor {self.name}: low = {self.low:g} and high = {self.high:g} must be finite numbers, "
                "low below high; correct the limits."
            )
        if self.distribution.startswith("log-") and self.low <= 0:
            raise InputError(f"factor {self.name}: low = {self.low:g} must be above 0 when {self.distribution}.")
        if self.distribution.endswith("normal"):
            self._check_normal()

    def _check_normal(self) -> None:
        if not (isfinite(self.centre) and isfinite(self.spread) and self.spread > 0):
            raise InputError(
                f"factor {self.name}: centre = {self.centre:g} and spread = {self.spread:g} must be finite, "
                "the spread above 0."
            )
        if self.distribution == "log-normal" and self.centre <= 0:
            raise InputError(f"factor {self.name}: the median, centre = {self.centre:g}, must be above 0.")
        a, b = self._cuts()
        if max(a, -b) > 8:  # beyond 8 SD the distribution function is 0 or 1 to the last bits
            raise InputError(
                f"factor {self.name}: the limits {self.low:g} ... {self.high:g} lie more than 8 SD from the "
                f"centre {self.centre:g}; move the limits or the centre."
            )

    def _cuts(self) -> tuple[float, float]:
        """Return the limits in SD from the centre."""
        if self.distribution == "log-normal":
            ratio = np.log(np.array([self.low, self.high]) / self.centre) / self.spread
        else:
            ratio = (np.array([self.low, self.high]) - self.centre) / self.spread
        return float(ratio[0]), float(ratio[1])

    def values(self, unit: npt.ArrayLike) -> Floats:
        """Return the values, in ``unit``, at numbers between 0 and 1 (any shape)."""
        u = np.asarray(unit, np.float64)
        if self.distribution == "levels":
            last = len(self.levels) - 1
            return np.asarray(self.levels, np.float64)[np.minimum((u * (last + 1)).astype(np.int64), last)]
        if self.distribution == "uniform":
            values = self.low + u * (self.high - self.low)
        elif self.distribution == "log-uniform":
            values = self.low * np.exp(u * np.log(self.high / self.low))
        else:
            values = self._normal(u)
        return np.asarray(np.clip(values, self.low, self.high), np.float64)  # rounding must not exceed the limits

    def _normal(self, u: Floats) -> Floats:
        from scipy.special import ndtr, ndtri

        a, b = self._cuts()
        # the upper tail has more bits near 0 than near 1: mirror what lies above the centre
        mirrored = a > 0
        if mirrored:
            a, b, u = -b, -a, 1 - u
        z = ndtri(ndtr(a) + u * (ndtr(b) - ndtr(a)))
        z = -z if mirrored else z
        if self.distribution == "normal":
            return np.asarray(self.centre + self.spread * z, np.float64)
        return np.asarray(self.centre * np.exp(self.spread * z), np.float64)


@dataclass(frozen=True)
class Group:
    """Factors that are swapped together and share one index."""

    name: str
    factors: tuple[str, ...]


def partition(factors: Sequence[Factor], groups: Sequence[Group] = ()) -> tuple[Group, ...]:
    """Return groups that hold every factor once, in the order of the factors; a factor in no group forms its own.

    Raises
    ------
    InputError
        When there are no factors, a name is given twice, or a group has unknown or already grouped factors.
    """
    names = [factor.name for factor in factors]
    if not names:
        raise InputError("the design has no factors; give at least one.")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"factor {name} is given {names.count(name)} times; give each factor once.")
    group_of: dict[str, Group] = {}
    for group in groups:
        if not group.name or group.name in RESERVED or group.name in names:
            raise InputError(f"a group cannot be named {group.name!r}: the name is taken; rename it.")
        if not group.factors:
            raise InputError(f"group {group.name} has no factors; name at least one of {', '.join(names)}.")
        for name in group.factors:
            if name not in names:
                raise InputError(f"group {group.name}: {name} is not a factor; choose from {', '.join(names)}.")
            if name in group_of:
                raise InputError(f"factor {name} is in the groups {group_of[name].name} and {group.name}; keep one.")
            group_of[name] = group
    if len({group.name for group in groups}) < len(groups):
        raise InputError("two groups have the same name; rename one.")
    assigned = [group_of.get(name, Group(name, (name,))) for name in names]
    return tuple(dict.fromkeys(assigned))


def membership(factors: Sequence[Factor], groups: Sequence[Group]) -> Flags:
    """Return which factor (columns) belongs to which group (rows)."""
    return np.array([[factor.name in group.factors for factor in factors] for group in groups])


def scale(factors: Sequence[Factor], unit: Floats) -> Floats:
    """Return the values (n, k) at points (n, k) of the unit cube."""
    return np.stack([factor.values(unit[:, i]) for i, factor in enumerate(factors)], axis=1)
