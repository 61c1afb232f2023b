"""From a person's covariates to typical parameters of the model.

A parameter that is itself a covariate (fasting glucose, insulin and FFA, visceral fat, body weight) has the person's
value.  The steps between the five phenotypes of metabolism 7.7 (lean, overweight, obese, IGT, T2D) are smooth functions
here: of HOMA-IR for insulin action, of fasting glucose for the beta cell, of BMI and glucose for glucose production.
The coefficients below are least-squares fits to those rows (`tests/engine/people/test_individual.py` holds the distance
to each row).  Age, sex and BMI act on the GH axis as in `engine.people.covariates`.

=====================  ==============================================  ======================================
parameter              from                                            source
=====================  ==============================================  ======================================
glucose_basal, ...     own fasting glucose, insulin, FFA               definition
sens_muscle0           HOMA-IR, power law                              derived: rows of metabolism 7.7
egp_half               HOMA-IR, power law                              derived: rows of metabolism 7.7
lipolysis_half         HOMA-IR, power law                              derived: rows of metabolism 7.7
egp_basal              BMI and glucose, log-linear                     derived: rows of metabolism 7.7
beta_half              glucose up to `BETA_FROM`                       assumed: relative to own fasting glucose
beta_capacity          glucose above `BETA_FROM`                       assumed, through the T2D row
beta_dynamic, ...      beta-cell deficit, exponential                  derived: rows of metabolism 7.7
lean0                  weight and BMI by sex                           Janmahasatian2005
sat0                   weight - lean mass - visceral fat mass          definition
igf1_target            age and SD score                                axis C15
c_amplitude, ...       age, sex, BMI                                   axis, section 2 (`engine.people.covariates`)
=====================  ==============================================  ======================================
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.igf1 import igf1_log_sd, igf1_median
from pulsatile.engine.parameters import typical
from pulsatile.engine.people import covariates
from pulsatile.engine.people.covariates import WOMAN, People

PMOL_PER_UNIT = 6.0  # pmol/L of insulin per uU/ml; metabolism, read-outs
HOMA = 22.5  # metabolism, read-outs

# least squares on logarithms over lean, overweight, obese, IGT and T2D of metabolism 7.7; HOMA-IR is 1.38 in lean
LEAN_HOMA = 1.38
SENSITIVITY, SENSITIVITY_BY_HOMA = 1.297, -0.855
EGP_HALF, EGP_HALF_BY_HOMA = 76.3, 0.459  # pmol/L
LIPOLYSIS_HALF, LIPOLYSIS_HALF_BY_HOMA = 59.8, 0.502  # pmol/L
EGP, EGP_BY_BMI, EGP_BY_GLUCOSE = 11.43e-3, -0.01008, 0.0613  # mmol/kg/min, per kg/m2 from 23, per mmol/L from 4.9
SLIM, LEAN_GLUCOSE = 23.0, 4.9
# beta cell: the set point of secretion follows fasting glucose up to the highest value that is common without diabetes,
# as the table's row follows the lean row; a deficit 1/capacity - 1 begins there and reaches that of the T2D row at 8.5
# mmol/L [assumed; with it the 2-h glucose of adults without diabetes is as published, `docs/population.md`]
STANDARD_GLUCOSE = 5.0  # mmol/L
BETA_FROM, BETA_TO = 5.9, 8.5  # mmol/L
DIABETIC_DEFICIT = 1 / 0.35 - 1  # metabolism 7.7, T2D row
# gain and compensation of the IGT and T2D rows against their deficits 0.82 and 1.86: 12 and 3 of 35, 0.2 and 0.1 of 0.4
DYNAMIC, DYNAMIC_BY_DEFICIT = 35.0, 1.32  # min/(mmol/L)
COMPENSATION, COMPENSATION_BY_DEFICIT = 0.4, 0.763

# Janmahasatian2005: lean body weight (kg) = 9270 W / (a + b BMI) of men, women
LEAN_WEIGHT = 9270.0
LEAN_OFFSET, LEAN_BY_BMI = (6680.0, 8780.0), (216.0, 244.0)
LEAST_SUBCUTANEOUS = 0.02  # of body weight [assumed: essential fat, 2-5 %]


def homa_ir(glucose: npt.ArrayLike, insulin: npt.ArrayLike) -> Floats:
    """Return HOMA-IR from fasting ``glucose`` (mmol/L) and ``insulin`` (pmol/L)."""
    return np.asarray(glucose, np.float64) * np.asarray(insulin, np.float64) / (HOMA * PMOL_PER_UNIT)


def typical_parameters(people: People) -> npt.NDArray[Any]:
    """Return the typical parameters (n,) for persons with these covariates.

    Parameters
    ----------
    people
        Arrays (n,): age (y), sex (0 man, 1 woman), weight (kg), height (m), bmi (kg/m2), glucose (mmol/L, fasting
        plasma), insulin (pmol/L), ffa (mmol/L), vat (cm2), igf1_sds (-); and two properties that covariates do not
        determine: secretion (-), the factor on GH secretion (1 with a healthy pituitary), and beta_deficit (-), added
        to the beta-cell deficit 1/capacity - 1 (0 with normal tolerance).
    """
    record = typical(len(people["age"]))
    covariates.apply(record, people)
    covariates.apply_sex_on_lean_gain(record, people)
    record["c_secretion"] *= people["secretion"]
    age, sex, weight, bmi = (people[name] for name in ("age", "sex", "weight", "bmi"))
    for name in ("glucose", "insulin", "ffa"):
        record[f"{name}_basal"] = people[name]
    resistance = np.log(homa_ir(people["glucose"], people["insulin"]) / LEAN_HOMA)
    record["sens_muscle0"] = SENSITIVITY * np.exp(SENSITIVITY_BY_HOMA * resistance)
    record["egp_half"] = EGP_HALF * np.exp(EGP_HALF_BY_HOMA * resistance)
    record["lipolysis_half"] = LIPOLYSIS_HALF * np.exp(LIPOLYSIS_HALF_BY_HOMA * resistance)
    record["egp_basal"] = EGP * np.exp(EGP_BY_BMI * (bmi - SLIM) + EGP_BY_GLUCOSE * (people["glucose"] - LEAN_GLUCOSE))
    set_point = np.minimum(people["glucose"], BETA_FROM)
    record["beta_half"] *= set_point / STANDARD_GLUCOSE
    deficit = DIABETIC_DEFICIT * (people["glucose"] - set_point) / (BETA_TO - BETA_FROM) + people["beta_deficit"]
    record["beta_capacity"] = 1 / (1 + deficit)
    record["beta_dynamic"] = DYNAMIC * np.exp(-DYNAMIC_BY_DEFICIT * deficit)
    record["beta_compensation"] = COMPENSATION * np.exp(-COMPENSATION_BY_DEFICIT * deficit)
    record["vat0"] = people["vat"]
    record["lean0"] = lean_mass(sex, weight, bmi)
    fat = weight - record["lean0"] - record["vat_mass"] * record["vat0"]
    record["sat0"] = np.maximum(fat, LEAST_SUBCUTANEOUS * weight)
    record["igf1_target"] = igf1_median(age) * np.exp(people["igf1_sds"] * igf1_log_sd(age))
    return record


def lean_mass(sex: npt.NDArray[Any], weight: Floats, bmi: Floats) -> Floats:
    """Return lean body mass (kg) of ``weight`` (kg), ``bmi`` (kg/m2) and ``sex`` (0 man, 1 woman); Janmahasatian2005.

    >>> lean_mass(np.array([0, 1]), np.array([87.9, 74.9]), np.array([28.1, 28.3])).round(1).tolist()
    [63.9, 44.3]
    """
    woman = np.asarray(sex) == WOMAN
    offset, slope = (np.where(woman, pair[1], pair[0]) for pair in (LEAN_OFFSET, LEAN_BY_BMI))
    lean: Floats = LEAN_WEIGHT * weight / (offset + slope * bmi)
    return lean
