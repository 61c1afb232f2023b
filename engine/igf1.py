"""Scores computed from outputs: IGF-1 as a standard deviation score (axis, "Definitions for tests")."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

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
