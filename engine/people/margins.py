"""THE TABLE of margins: the distribution of each covariate of adults without diabetes, per sex.

Height, BMI, waist, serum glucose, HbA1c, triglyceride and HDL follow age by the table of `engine.people.survey`; their
margins here are those over all ages.

Population, sections 1.1, 1.3-1.5 and 1.8.  Marks as there: COMPUTED from NHANES 1999-2018 microdata (fasting adults of
20-79 y without diabetes); READ in a publication; DERIVED from such numbers; RECALLED, to be verified before any
published claim; assumed.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import exp, inf
from typing import NamedTuple

from pulsatile.engine.people.by_age import MarginByAge, OverAges, margin_by_age, over_ages
from pulsatile.engine.people.shapes import (
    Capped,
    Knots,
    Margin,
    ShiftedLogNormal,
    from_mean,
    log_normal_of,
    normal,
    probability,
    through,
)
from pulsatile.engine.people.survey import BY_AGE

MAN, WOMAN = 0, 1
SEXES = ("men", "women")

NHANES = "population, section 1.1 (NHANES 1999-2018)"
SHARE_OF_WOMEN = 0.517
"""COMPUTED, population 1.8."""


class Printed(NamedTuple):
    """Quantiles of 1 - ``level``, 0.5 and ``level``, mean, and SD, as printed: (men, women) each, in ``unit``."""

    name: str
    unit: str
    level: float
    quantiles: tuple[tuple[float, float, float], tuple[float, float, float]]
    mean: tuple[float, float] | None
    sd: tuple[float, float] | None
    mark: str
    source: str


# heights are printed in cm, insulin in uU/ml of factor 6.0 pmol/L (both DERIVED by the factor)
PRINTED = (
    Printed("age", "year", 0.975, ((21, 42, 74), (21, 44, 75)), (43.1, 44.8), (15.1, 15.4), "COMPUTED", NHANES),
    Printed("height", "m", 0.975, ((1.617, 1.765, 1.911), (1.493, 1.627, 1.761)), (1.765, 1.627), (0.074, 0.068),
            "COMPUTED", NHANES),
    Printed("weight", "kg", 0.975, ((57.4, 85.4, 135.0), (47.6, 71.1, 123.2)), (87.9, 74.9), (19.4, 19.4),
            "COMPUTED", NHANES),
    Printed("bmi", "kg/m2", 0.975, ((19.3, 27.4, 41.7), (18.6, 26.9, 45.5)), (28.1, 28.3), (5.6, 7.0),
            "COMPUTED", NHANES),
    Printed("waist", "cm", 0.975, ((73.9, 98.2, 133.0), (69.8, 92.0, 130.7)), (99.4, 94.0), (15.0, 16.0),
            "COMPUTED", NHANES),
    Printed("serum_glucose", "mmol/L", 0.975, ((4.27, 5.16, 6.38), (4.16, 5.00, 6.27)), (5.22, 5.02), (0.53, 0.53),
            "COMPUTED", NHANES),
    Printed("hba1c", "%", 0.975, ((4.6, 5.3, 6.1), (4.7, 5.3, 6.1)), (5.34, 5.33), (0.36, 0.36), "COMPUTED", NHANES),
    Printed("triglyceride", "mmol/L", 0.975, ((0.44, 1.24, 4.61), (0.41, 1.05, 3.21)), (1.56, 1.26), (1.36, 0.89),
            "COMPUTED", NHANES),
    Printed("hdl", "mmol/L", 0.975, ((0.75, 1.19, 2.04), (0.87, 1.47, 2.51)), (1.26, 1.54), (0.35, 0.43),
            "COMPUTED", NHANES),
    Printed("insulin", "pmol/L", 0.75, ((30.06, 47.16, 82.44), (31.5, 46.56, 72.06)), None, None, "READ",
            "population, section 1.3 (NHANES without diabetes, weighted: median and IQR)"),
)  # fmt: skip
"""Covariates printed as quantiles over all ages; weight follows from BMI and height."""
_ROW = {row.name: row for row in PRINTED}

# Age: a bounded margin, linear between quantiles.  The quartiles are DERIVED: with them, mean and SD are as printed.
AGE_LOW, AGE_HIGH = 20.0, 79.0  # y, the filter of population 1.1
_AGE_PROBABILITY = (0.0, 0.025, 0.25, 0.5, 0.75, 0.975, 1.0)
_AGE_QUARTILES = ((30.355, 51.698), (32.074, 54.504))  # y

# Fasting plasma glucose: mean READ in mg/dl (population 1.3, NHANES without diabetes, weighted), SD of the logarithm
# that of serum glucose (COMPUTED, 1.1), below the limit of diabetes as in the filter of 1.1.
GLUCOSE_FACTOR = 18.016  # mg/dl per mmol/L
GLUCOSE_MEAN = (101.5 / GLUCOSE_FACTOR, 97.3 / GLUCOSE_FACTOR)  # mmol/L
_GLUCOSE_LOG_SD = (0.1015, 0.1044)
DIABETES = {"glucose": 7.0, "hba1c": 6.5}
"""mmol/L and %: the adults of the table are below; population 1.1."""
LIMITS = {"serum_glucose": DIABETES["glucose"], "hba1c": DIABETES["hba1c"]}

# Visceral fat area, mean and SD in cm2: RECALLED, "the weakest number here"; population 1.4, middle-aged adults.
VAT_MEAN, VAT_SD = (150.0, 100.0), (75.0, 60.0)

# Fasting FFA, mean and SD in mmol/L: READ in a cohort of BMI 33 (9.5) whose obese have 26 % more than the others
# (population 1.5).  DERIVED: scaled to the share of obese people of this table, the cohort's BMI taken as normal.
_FFA_MEAN, _FFA_SD = (0.62, 0.68), (0.23, 0.24)
_FFA_OBESE = 1.26
_OBESE = 30.0  # kg/m2
_FFA_COHORT = normal(33.0, 9.5)

BOUNDS: Mapping[str, tuple[float, float, str]] = {
    "age": (AGE_LOW, AGE_HIGH, "year"),
    "height": (1.0, 2.5, "m"),
    "weight": (25.0, 400.0, "kg"),
    "bmi": (10.0, 100.0, "kg/m2"),
    "waist": (40.0, 250.0, "cm"),
    "glucose": (3.5, 15.0, "mmol/L"),
    "serum_glucose": (2.0, 15.0, "mmol/L"),
    "hba1c": (3.0, 15.0, "%"),
    "triglyceride": (0.05, 60.0, "mmol/L"),
    "hdl": (0.1, 6.0, "mmol/L"),
    "insulin": (8.0, 500.0, "pmol/L"),
    "vat": (5.0, 500.0, "cm2"),
    "ffa": (0.1, 1.6, "mmol/L"),
    "igf1_sds": (-10.0, 10.0, "SD"),
}
"""Smallest and largest allowed value, and the unit: glucose, insulin, VAT and FFA from population, recipe item 4; age
from the filter of 1.1; the rest assumed, wide enough not to change the table's distribution."""
WAIST_OF_HEIGHT = (0.35, 1.1)
"""Waist over height lies between these; population 1.7."""


@lru_cache
def by_age(sex: int) -> dict[str, MarginByAge]:
    """Return the margins by age of men (0) or women (1), by covariate."""
    return {row.name: margin_by_age((row.men, row.women)[sex], LIMITS.get(row.name, inf)) for row in BY_AGE}


@lru_cache
def over_all_ages(sex: int, name: str) -> OverAges:
    """Return the distribution over all ages of a covariate of `by_age`."""
    return over_ages(by_age(sex)[name], _age(sex))


def table(sex: int) -> dict[str, Margin]:
    """Return the margins over all ages of men (0) or women (1), by covariate; weight follows from BMI and height."""
    glucose_median = GLUCOSE_MEAN[sex] * exp(-(_GLUCOSE_LOG_SD[sex] ** 2) / 2)
    found: dict[str, Margin] = {"age": _age(sex)}
    found |= {name: over_all_ages(sex, name) for name in by_age(sex)}
    return found | {
        "glucose": Capped(log_normal_of(glucose_median, _GLUCOSE_LOG_SD[sex]), DIABETES["glucose"]),
        "vat": _below_bound("vat", from_mean(VAT_MEAN[sex], VAT_SD[sex])),
        "insulin": _below_bound("insulin", _printed("insulin", sex)),
        "ffa": _below_bound("ffa", _ffa(sex)),
        "igf1_sds": normal(0.0, 1.0),
    }


def _age(sex: int) -> Knots:
    low, median, high = _ROW["age"].quantiles[sex]
    lower, upper = _AGE_QUARTILES[sex]
    return Knots(_AGE_PROBABILITY, (AGE_LOW, low, lower, median, upper, high, AGE_HIGH))


def _printed(name: str, sex: int) -> ShiftedLogNormal:
    row = _ROW[name]
    return through(row.quantiles[sex], row.level)


def _below_bound(name: str, margin: ShiftedLogNormal) -> Capped:
    """Return the part of ``margin`` within the upper bound.

    Drawing the people above it again (0.6 % of men, by insulin) would remove many of the heaviest.
    """
    return Capped(margin, BOUNDS[name][1])


def _ffa(sex: int) -> ShiftedLogNormal:
    """Return the margin of FFA, scaled from the share of obese people in the source to that in the table."""
    table_obese, cohort_obese = (1 - probability(m.score(_OBESE)) for m in (over_all_ages(sex, "bmi"), _FFA_COHORT))
    scale = (1 + (_FFA_OBESE - 1) * table_obese) / (1 + (_FFA_OBESE - 1) * cohort_obese)
    return from_mean(scale * _FFA_MEAN[sex], scale * _FFA_SD[sex])
