"""Virtual patients built from people: covariates, the typical parameters for them, then individual deviations.

The phenotypes of `engine.patients.cohort` are typical patients with variability around them; here a person's age, size,
waist, fasting glucose, insulin, FFA, visceral fat and IGF-1 come first, correlated as in the population, and the
parameters follow (`engine.people.individual`).  Parameters that are themselves covariates have no further variability.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Ids, usual_float_errors
from pulsatile.engine.patients.cohort import (
    AXIS_HELD,
    MOST_AT_ONCE,
    PHENOTYPES,
    Cohort,
    check_whole,
    draw_feasible,
    set_start_basal,
)
from pulsatile.engine.patients.layers import ALL, Layers, Omega, uncertain
from pulsatile.engine.people.covariates import OBESE, People
from pulsatile.engine.people.draw import draw_adults
from pulsatile.engine.people.individual import typical_parameters
from pulsatile.engine.people.populations import POPULATIONS, NamedPopulation

SET_BY_COVARIATES = ("insulin_basal", "igf1_target")
"""Parameters with a CV in the table that are covariates here."""
COVARIATES = {
    "weight": "bmi", "glucose_basal": "glucose", "insulin_basal": "insulin", "ffa_basal": "ffa", "vat0": "vat",
    "igf1_target": "igf1_sds", "sat0": "bmi", "lean0": "bmi",
}  # fmt: skip
"""Parameters that follow from a covariate without a deviation of their own, and the covariate to vary instead."""
OMEGA = Omega(held=AXIS_HELD + SET_BY_COVARIATES)
MOST_DRAWS = 20
"""Most draws of a person's deviations until a fasting state exists; without one the run rejects the person."""
OVERWEIGHT, DIABETIC = 25.0, 7.0  # kg/m2 (WHO), mmol/L fasting (ADA)


@usual_float_errors
def adult_cohort(
    n: int,
    population: NamedPopulation = POPULATIONS["adults"],
    seed: int = 1,
    first: int = 0,
    layers: Layers = ALL,
    omega: Omega = OMEGA,
) -> Cohort:
    """Return the virtual adults ``first ... first + n - 1``.

    Parameters
    ----------
    n, seed, first
        As for `engine.patients.cohort.virtual_cohort`: a patient depends on seed, id, ``population``, ``layers`` and
        ``omega`` only.
    population
        The population to draw from (`engine.people.populations`).
    layers
        Layers of variability that are on.
    omega
        Between-subject variability around the typical parameters for the covariates.

    Raises
    ------
    InputError
        For numbers out of range, or ranges of ``population`` that too few people meet.
    """
    check_whole(n, "n", 1, MOST_AT_ONCE + 1)
    check_whole(seed, "seed", 0, 2**64)
    check_whole(first, "first", 0, 2**63 - n)
    ids = np.arange(first, first + n, dtype=np.int64)
    return people_cohort(seed, ids, draw_adults(seed, ids, population.people), population, layers, omega)


def people_cohort(
    seed: int, ids: Ids, people: People, population: NamedPopulation, layers: Layers = ALL, omega: Omega = OMEGA
) -> Cohort:
    """Return the virtual patients ``ids`` (n,) with the covariates ``people``, each (n,), of `draw_adults`.

    Only ``secretion`` and ``beta_deficit`` of ``population``, which covariates do not determine, are used.
    """
    hidden = {name: np.full(len(ids), getattr(population, name)) for name in ("secretion", "beta_deficit")}
    centre = typical_parameters(people | hidden)
    uncertain(centre, seed, layers.uncertainty)
    if layers.between:
        record, attempts = draw_feasible(seed, ids, centre, omega, MOST_DRAWS)
    else:
        record, attempts = centre, np.ones(len(ids), np.int64)
        set_start_basal(record)
    covariates: dict[str, npt.NDArray[Any]] = {
        name: people[name] for name in ("age", "sex", "weight", "height", "bmi", "waist")
    }
    covariates |= {f"own_{name}": people[name] for name in ("glucose", "insulin", "ffa", "vat", "igf1_sds")}
    covariates |= {name: people[name] for name in ("hba1c", "triglyceride", "hdl")}
    covariates |= {"phenotype": _nearest(people | hidden), "parameter_draws": attempts}
    return Cohort(seed, ids, covariates, record, layers)


def _nearest(people: People) -> npt.NDArray[np.int64]:
    """Return the phenotype (index of `PHENOTYPES`) by pituitary, fasting glucose and BMI; IGT needs an OGTT."""
    lean, overweight, obese, diabetic, deficient = (
        PHENOTYPES.index(name) for name in ("lean", "overweight", "obese", "t2d", "ghd")
    )
    kind = np.where(people["bmi"] < OVERWEIGHT, lean, np.where(people["bmi"] < OBESE, overweight, obese))
    kind = np.where(people["glucose"] >= DIABETIC, diabetic, kind)
    return np.where(people["secretion"] < 1, deficient, kind).astype(np.int64)
