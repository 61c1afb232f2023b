"""Age, sex, height and weight of a patient, and their effects on the parameters (axis, section 2, "Covariates").

All slopes are assumptions of the axis document, based on a few contrasts (its section 5, item 12).
"""

from math import erfc, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.igf1 import igf1_log_sd, igf1_median

People = dict[str, npt.NDArray[Any]]

MAN, WOMAN = 0, 1

# metabolism 7.7, "Within a phenotype"
AGE_MEAN, AGE_SD, AGE_LOW, AGE_HIGH = 45.0, 10.0, 25.0, 65.0  # y
SHARE_OF_WOMEN = 0.5
WOMEN_LEAN = 0.75  # lean mass of women over men [assumed]
# metabolism 7.7, gain on lean mass: "men x1.2, women x0.6"
LEAN_GAIN = (1.2, 0.6)
# population 1.1 (NHANES 1999-2018): height by sex, m
HEIGHT_MEAN = (1.765, 1.627)
HEIGHT_SD = (0.074, 0.068)
HEIGHT_RANGE = 3.0  # SDs kept [assumed]
TYPICAL_HEIGHT = 1.75  # m, metabolism 7.7 clamp recipe

# axis section 2, covariates, with the coupled re-tune of overview (c_a x1.2)
AMPLITUDE_RETUNE = 1.2
AMPLITUDE_BY_AGE = -0.012  # per y from 25 y
SST_BY_AGE = 0.0125  # per y from 25 y
SECRETION_BY_BMI = -0.05  # per kg/m2 from 23
YOUNG, SLIM = 25.0, 23.0  # y, kg/m2
OBESE = 30.0  # kg/m2
OBESE_CLEARANCE, OBESE_SECRETION = 1.4, 1.3
WOMEN_AMPLITUDE, WOMEN_SST, WOMEN_SECRETION = 1.25, 0.8, 1.1  # before the menopause
FADE_FROM, FADE_TO = 40.0, 50.0  # y: "fade to 1 by 50 y"; the start is assumed
# metabolism 7.7, hypopituitary
GHD_SECRETION = 0.08
GHD_SDS = -3.0


def body_surface(weight: Floats, height: Floats) -> Floats:
    """Return body surface (n,), m2, from weight (kg) and height (m), by Mosteller."""
    return np.asarray(np.sqrt(weight * height / 36.0))


def typical_people(weight: Floats) -> People:
    """Return men of 45 y and 1.75 m with the given weights (kg)."""
    n = len(weight)
    height = np.full(n, TYPICAL_HEIGHT)
    return {
        "age": np.full(n, AGE_MEAN),
        "sex": np.full(n, MAN, np.int64),
        "weight": weight,
        "height": height,
        "bmi": weight / height**2,
    }


def draw_people(seed: int, ids: Ids, bmi: Floats) -> People:
    """Draw age (y), sex and height (m) of the patients ``ids``; weight (kg) follows from ``bmi`` (kg/m2)."""
    sex = np.where(draws.uniforms(seed, ids, draws.SEX) < SHARE_OF_WOMEN, WOMAN, MAN).astype(np.int64)
    # inverse of the truncated normal distribution: no draw is rejected
    low, high = (_normal_probability((a - AGE_MEAN) / AGE_SD) for a in (AGE_LOW, AGE_HIGH))
    u = draws.uniforms(seed, ids, draws.AGE)
    age = np.clip(AGE_MEAN + AGE_SD * draws.normal_quantile(low + (high - low) * u), AGE_LOW, AGE_HIGH)
    z = np.clip(draws.normals(seed, ids, draws.HEIGHT), -HEIGHT_RANGE, HEIGHT_RANGE)
    height = np.array(HEIGHT_MEAN)[sex] + np.array(HEIGHT_SD)[sex] * z
    return {"age": age, "sex": sex, "weight": bmi * height**2, "height": height, "bmi": bmi}


def _normal_probability(z: float) -> float:
    return 0.5 * erfc(-z / sqrt(2))


def apply(record: npt.NDArray[Any], people: People) -> None:
    """Set the covariate factors, weight and targets of ``record`` (n,), in place; ``lean0`` must be that of a man."""
    age, bmi, sex = people["age"], people["bmi"], people["sex"]
    woman = sex == WOMAN
    premenopausal = np.where(woman, np.clip((FADE_TO - age) / (FADE_TO - FADE_FROM), 0.0, 1.0), 0.0)
    obese = bmi >= OBESE
    record["c_amplitude"] = (
        AMPLITUDE_RETUNE * np.exp(AMPLITUDE_BY_AGE * (age - YOUNG)) * _faded(WOMEN_AMPLITUDE, premenopausal)
    )
    record["c_sst"] = np.exp(SST_BY_AGE * (age - YOUNG)) * _faded(WOMEN_SST, premenopausal)
    record["c_secretion"] = (
        np.exp(SECRETION_BY_BMI * (bmi - SLIM))
        * np.where(obese, OBESE_SECRETION, 1.0)
        * _faded(WOMEN_SECRETION, premenopausal)
    )
    for name in ("k_gh", "k_gh_saturable"):
        record[name] *= np.where(obese, OBESE_CLEARANCE, 1.0)
    record["weight"] = people["weight"]
    record["igf1_target"] = igf1_median(age)
    record["lean0"] *= np.where(woman, WOMEN_LEAN, 1.0)


def apply_sex_on_lean_gain(record: npt.NDArray[Any], people: People) -> None:
    """Scale the gain on lean mass by sex; typical patients keep the table's value, which was fitted without sex."""
    record["lean_gain"] *= np.array(LEAN_GAIN)[people["sex"]]


def _faded(factor: float, share: Floats) -> Floats:
    """Return ``factor`` at share 1, 1 at share 0."""
    return 1 + (factor - 1) * share


def ghd_igf1(age: Floats) -> Floats:
    """Return the typical untreated IGF-1 (ug/L) of a hypopituitary adult of ``age`` (y)."""
    return igf1_median(age) * np.exp(GHD_SDS * igf1_log_sd(age))
