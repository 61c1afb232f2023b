"""Correlations of the covariates: over all ages (population 1.2-1.5) and within age, from which people are drawn.

Those over all ages of 1.2 are COMPUTED: Pearson's, of logarithms except for age, height and HbA1c.  Those within age of
1.8 are COMPUTED from normal scores.  Insulin, FFA, VAT and the IGF-1 score have correlations over all ages only, from
which those within age follow as partial correlations given age.  Pairs without a source are completed by
`engine.people.copula`.
"""

from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np

from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.people import copula
from pulsatile.engine.people.copula import Correlation, Pairs
from pulsatile.engine.people.margins import MAN, SEXES, table
from pulsatile.engine.people.survey import NAMES as SURVEY_NAMES
from pulsatile.engine.people.survey import WITHIN_AGE

COVARIATES = (
    "age", "height", "bmi", "waist", "glucose", "hba1c", "triglyceride", "hdl", "vat", "insulin", "ffa", "igf1_sds",
)  # fmt: skip
"""The order of the copula; a new covariate is appended and changes no other.

Waist follows height and BMI: its draw is then the residual of its regression on these two.
"""
BEYOND_SURVEY = ("vat", "insulin", "ffa", "igf1_sds")
"""Covariates without quantiles by age: their scores are correlated with that of age."""

NAMES = ("age", "height", "bmi", "waist", "glucose", "triglyceride", "hdl", "hba1c")
# COMPUTED, population 1.2: NAMES across and down, men above the diagonal, women below
NHANES = (
    (+1.000, -0.073, +0.085, +0.268, +0.335, +0.078, +0.104, +0.346),
    (-0.124, +1.000, +0.055, +0.208, -0.018, +0.020, -0.043, -0.102),
    (+0.078, -0.068, +1.000, +0.921, +0.297, +0.278, -0.330, +0.200),
    (+0.184, +0.067, +0.922, +1.000, +0.348, +0.308, -0.315, +0.235),
    (+0.347, -0.070, +0.345, +0.381, +1.000, +0.144, -0.104, +0.352),
    (+0.236, -0.075, +0.256, +0.310, +0.224, +1.000, -0.525, +0.095),
    (+0.166, +0.044, -0.342, -0.336, -0.155, -0.424, +1.000, -0.054),
    (+0.442, -0.116, +0.275, +0.324, +0.469, +0.201, -0.089, +1.000),
)
VAT = {"waist": 0.75, "bmi": 0.65}
"""RECALLED, population 1.4."""
HOMA = {"bmi": 0.482, "waist": 0.466, "vat": 0.570}
"""READ, 40 studies, population 1.3: correlations with HOMA-IR, taken as those of its logarithm [assumed]."""
FFA = {"age": 0.0, "bmi": 0.241, "triglyceride": 0.414}
"""READ, n = 111, population 1.5."""
FFA_HOMA = 0.213
"""READ, n = 111, population 1.5."""
IGF1 = {"age": 0.0}
"""An SD score by age: none by construction; BMI: sources disagree, left open (population 1.5)."""

# Median fasting insulin by age, uU/ml; READ, population 1.3 (men and women of 20-24, 30-34 ... 70-74 y)
_INSULIN_AGE = (22.0, 32.0, 42.0, 52.0, 62.0, 72.0)
_INSULIN_MEDIAN = ((8.54, 9.25, 9.85, 9.61, 9.43, 9.32), (10.15, 9.00, 9.34, 9.24, 9.89, 10.27))
_SETTLED = 12
_GRID = 4000


class LogSpreads(NamedTuple):
    """SD of age (y) and SDs of the logarithms of insulin and glucose, of the table's margins."""

    age: float
    insulin: float
    glucose: float


def pairs(sex: int) -> dict[tuple[str, str], float]:
    """Return the known correlations over all ages of men (0) or women (1)."""
    known = _nhanes(sex)
    known |= {(name, "vat"): r for name, r in VAT.items()}
    by_age, by_waist = vat_weights(sex)
    known["age", "vat"] = by_age + by_waist * known["age", "waist"]
    known |= _insulin(known, sex)
    known |= {(name, "ffa"): r for name, r in FFA.items()}
    known["insulin", "ffa"] = FFA_HOMA  # insulin makes up nine tenths of the variance of HOMA-IR
    known |= {(name, "igf1_sds"): r for name, r in IGF1.items()}
    return known


@lru_cache(maxsize=len(SEXES))
def matrix(sex: int) -> Correlation:
    """Return the correlations over all ages of men (0) or women (1), with the changes of its projection."""
    return copula.assemble(COVARIATES, pairs(sex))


def pairs_within(sex: int) -> dict[tuple[str, str], float]:
    """Return the known correlations of normal scores within age of men (0) or women (1); age correlates with none.

    Source: population 1.8 for the covariates of the survey; for `BEYOND_SURVEY` partial correlations given age.
    """
    overall = pairs(sex)
    known = {("age", name): 0.0 for name in COVARIATES[1:]} | _within_survey(sex)
    known["waist", "vat"] = _given_age(overall, "waist", "vat")  # "VAT from age, waist and residual"
    return known | {
        (first, second): _given_age(overall, first, second)
        for first, second in overall
        if second in ("insulin", "ffa") and first != "age"
    }


@lru_cache(maxsize=len(SEXES))
def within(sex: int) -> Correlation:
    """Return the correlations of normal scores within age, with the changes of their projection."""
    return copula.assemble(COVARIATES, pairs_within(sex))


@lru_cache
def by_age(name: str, sex: int) -> float:
    """Return the correlation of age with a covariate of `BEYOND_SURVEY`."""
    return pairs(sex)["age", name]


def spread(sex: int) -> LogSpreads:
    """Return the SDs of the margins of men (0) or women (1), over an even grid of probabilities."""
    margins = table(sex)
    z = normal_quantile((np.arange(_GRID) + 0.5) / _GRID)
    age, insulin, glucose = (margins[name].value(z) for name in ("age", "insulin", "glucose"))
    return LogSpreads(float(np.std(age)), float(np.std(np.log(insulin))), float(np.std(np.log(glucose))))


def vat_weights(sex: int) -> tuple[float, float]:
    """Return the weights of the scores of age and waist in that of VAT; DERIVED.

    "VAT from age, waist and residual" (population 1.7): of two weights a and w, r(waist) = w + a r(age, waist) and
    r(bmi) = w r(bmi, waist) + a r(age, bmi) leave one pair.
    """
    known = _nhanes(sex)
    age_waist, bmi_waist, age_bmi = known["age", "waist"], known["bmi", "waist"], known["age", "bmi"]
    by_age = (VAT["waist"] * bmi_waist - VAT["bmi"]) / (age_waist * bmi_waist - age_bmi)
    return by_age, VAT["waist"] - by_age * age_waist


def _within_survey(sex: int) -> dict[tuple[str, str], float]:
    """Return the correlations of population 1.8."""
    names = ["glucose" if name == "serum_glucose" else name for name in SURVEY_NAMES]
    return {
        (first, names[j]): WITHIN_AGE[i][j] if sex == MAN else WITHIN_AGE[j][i]
        for i, first in enumerate(names)
        for j in range(i + 1, len(names))
    }


def _given_age(known: Pairs, first: str, second: str) -> float:
    """Return the partial correlation of two covariates given age."""
    a, b = known["age", first], known["age", second]
    return (known[first, second] - a * b) / sqrt((1 - a * a) * (1 - b * b))


def _nhanes(sex: int) -> dict[tuple[str, str], float]:
    """Return the correlations of population 1.2."""
    known: dict[tuple[str, str], float] = {}
    for i, first in enumerate(NAMES):
        for j in range(i + 1, len(NAMES)):
            known[first, NAMES[j]] = NHANES[i][j] if sex == MAN else NHANES[j][i]
    return known


def _insulin(known: Pairs, sex: int) -> dict[tuple[str, str], float]:
    """Return the correlations of insulin; DERIVED from those of HOMA-IR = glucose x insulin / 22.5 and from medians.

    ln HOMA = ln insulin + ln glucose + constant, so that with a covariate r(HOMA) SD(HOMA) = r(insulin) SD(insulin) +
    r(glucose) SD(glucose).  SD(HOMA) contains the correlation of insulin and glucose, which is completed from the
    unknown correlations: the solution is by fixed-point iteration.
    """
    sds = spread(sex)
    slope = np.polyfit(_INSULIN_AGE, np.log(_INSULIN_MEDIAN[sex]), 1)[0]  # of ln insulin, per y
    order = (*NAMES, "vat", "insulin")
    vat_glucose = copula.assemble(order[:-1], known).of("glucose", "vat")
    with_glucose = {"bmi": known["bmi", "glucose"], "waist": known["waist", "glucose"], "vat": vat_glucose}
    row = {("age", "insulin"): float(slope) * sds.age / sds.insulin}
    together = 0.0
    for _ in range(_SETTLED):
        homa = sqrt(sds.insulin**2 + sds.glucose**2 + 2 * together * sds.insulin * sds.glucose)
        for name, r in HOMA.items():
            row[name, "insulin"] = (r * homa - with_glucose[name] * sds.glucose) / sds.insulin
        together = copula.assemble(order, {**known, **row}).of("glucose", "insulin")
    return row
