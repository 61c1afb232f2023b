"""IGF-1 in ug/L from an SD score, by a named assay: assays differ by a factor of 1.4 and more (population 1.5).

People carry their IGF-1 as an SD score by age; only the reading of an assay has a unit.
"""

from collections.abc import Callable
from math import log1p, sqrt

import numpy as np
import numpy.typing as npt

from pulsatile.engine.errors import InputError
from pulsatile.engine.igf1 import igf1_log_sd, igf1_median

Floats = npt.NDArray[np.float64]
Assay = Callable[[Floats, npt.NDArray[np.int64], Floats], Floats]

# Framingham third generation, mean and SD in ug/L of men and women of 40 y on average; READ, population 1.5
_FRAMINGHAM_MEAN, _FRAMINGHAM_SD = (128.0, 129.0), (39.0, 45.0)
_FRAMINGHAM_AGE = 40.0


def _italian(age: Floats, sex: npt.NDArray[np.int64], sds: Floats) -> Floats:
    """547 healthy Italians (READ, population 1.5), sexes together."""
    return np.asarray(igf1_median(age) * np.exp(igf1_log_sd(age) * sds))


def _framingham(age: Floats, sex: npt.NDArray[np.int64], sds: Floats) -> Floats:
    """Framingham, READ at 40 y; DERIVED for other ages: median and ln SD change with age as in the Italian sample."""
    cv = np.array(_FRAMINGHAM_SD) / np.array(_FRAMINGHAM_MEAN)
    median = np.array(_FRAMINGHAM_MEAN) / np.sqrt(1 + cv**2)
    log_sd = np.array([sqrt(log1p(c * c)) for c in cv])
    by_age = igf1_median(age) / igf1_median(_FRAMINGHAM_AGE)
    spread = igf1_log_sd(age) / igf1_log_sd(_FRAMINGHAM_AGE)
    return np.asarray(median[sex] * by_age * np.exp(log_sd[sex] * spread * sds))


ASSAYS: dict[str, Assay] = {"italian": _italian, "framingham": _framingham}


def igf1(age: npt.ArrayLike, sex: npt.ArrayLike, sds: npt.ArrayLike, assay: str = "italian") -> Floats:
    """Return IGF-1 (ug/L) as ``assay`` reads it.

    Parameters
    ----------
    age, sex, sds
        y; 0 man, 1 woman; SD score; broadcast.
    assay
        One of `ASSAYS`: "italian" (that of `engine.igf1`) or "framingham".

    Raises
    ------
    InputError
        For an assay that is not known.

    >>> float(igf1(50.0, 0, 0.0).round(9))
    147.0
    """
    if assay not in ASSAYS:
        raise InputError(f"assay = {assay!r} is not known: choose one of {', '.join(ASSAYS)}.")
    return ASSAYS[assay](np.asarray(age, np.float64), np.asarray(sex, np.int64), np.asarray(sds, np.float64))
