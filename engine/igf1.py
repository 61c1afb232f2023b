"""IGF-1 by age: as an SD score (axis, "Definitions for tests"), and in ug/L as measured by a named assay.

The IGF-1 of a person is an SD score by age; only an assay's reading has a unit, and assays differ by a factor of 1.4 or
more (population 1.5).
"""

from collections.abc import Callable
from math import log1p, sqrt

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats, Integers
from pulsatile.engine.errors import InputError

# Median IGF-1 by age, from an Italian sample of 547 (axis C15): ug/L at y; linear between and beyond.
_AGE = (32.0, 50.0, 67.0)
_MEDIAN = (206.0, 147.0, 103.0)
_FLOOR = 80.0
_LOG_SD_YOUNG, _LOG_SD_OLD = 0.34, 0.41  # of ln IGF-1, to 50 y and above; population 1.5


def igf1_median(age: npt.ArrayLike) -> Floats:
    """Return the median IGF-1 (ug/L) at ``age`` (y)."""
    years = np.asarray(age, np.float64)
    young, old = ((m1 - m0) / (a1 - a0) for a0, a1, m0, m1 in
                  zip(_AGE[:-1], _AGE[1:], _MEDIAN[:-1], _MEDIAN[1:], strict=True))  # fmt: skip
    middle, at_middle = _AGE[1], _MEDIAN[1]
    slope = np.where(years <= middle, young, old)
    return np.asarray(np.maximum(_FLOOR, at_middle + slope * (years - middle)))


def igf1_log_sd(age: npt.ArrayLike) -> Floats:
    """Return the SD of ln IGF-1 at ``age`` (y)."""
    return np.where(np.asarray(age) <= _AGE[1], _LOG_SD_YOUNG, _LOG_SD_OLD)


def igf1_sds(igf1: npt.ArrayLike, age: npt.ArrayLike) -> Floats:
    """Return the IGF-1 SD score: ``igf1`` in ug/L, ``age`` in y, broadcast.

    >>> round(float(igf1_sds(147.0, 50.0)), 12)
    0.0
    """
    return np.asarray(np.log(np.asarray(igf1) / igf1_median(age)) / igf1_log_sd(age))


Assay = Callable[[Floats, Integers, Floats], Floats]

# Framingham third generation, mean and SD in ug/L of men and women of 40 y on average; READ, population 1.5
_FRAMINGHAM_MEAN, _FRAMINGHAM_SD = (128.0, 129.0), (39.0, 45.0)
_FRAMINGHAM_AGE = 40.0


def _italian(age: Floats, sex: Integers, sds: Floats) -> Floats:
    """547 healthy Italians, both sexes (READ, population 1.5)."""
    return np.asarray(igf1_median(age) * np.exp(igf1_log_sd(age) * sds))


def _framingham(age: Floats, sex: Integers, sds: Floats) -> Floats:
    """Framingham: READ at 40 y; DERIVED at other ages, median and ln SD following age as in the Italian sample."""
    cv = np.array(_FRAMINGHAM_SD) / np.array(_FRAMINGHAM_MEAN)
    median = np.array(_FRAMINGHAM_MEAN) / np.sqrt(1 + cv**2)
    log_sd = np.array([sqrt(log1p(c * c)) for c in cv])
    by_age = igf1_median(age) / igf1_median(_FRAMINGHAM_AGE)
    spread = igf1_log_sd(age) / igf1_log_sd(_FRAMINGHAM_AGE)
    return np.asarray(median[sex] * by_age * np.exp(log_sd[sex] * spread * sds))


ASSAYS: dict[str, Assay] = {"italian": _italian, "framingham": _framingham}


def igf1(age: npt.ArrayLike, sex: npt.ArrayLike, sds: npt.ArrayLike, assay: str = "italian") -> Floats:
    """Return IGF-1 (ug/L) as ``assay`` measures it.

    Parameters
    ----------
    age, sex, sds
        Age (y), sex (0 man, 1 woman) and SD score, broadcast against each other.
    assay
        One of `ASSAYS`: "italian" (that of `igf1_sds`) or "framingham".

    Raises
    ------
    InputError
        For an unknown assay.

    >>> float(igf1(50.0, 0, 0.0).round(9))
    147.0
    """
    if assay not in ASSAYS:
        raise InputError(f"assay = {assay!r} is not known: choose one of {', '.join(ASSAYS)}.")
    return ASSAYS[assay](np.asarray(age, np.float64), np.asarray(sex, np.int64), np.asarray(sds, np.float64))
