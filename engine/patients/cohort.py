"""Virtual patients: the phenotypes of metabolism 7.7 and hypopituitary adults, with keyed between-subject variability.

With ``variability`` on, these vary:

- covariates: sex (half women), age (normal, mean 45, SD 10 y, between 25 and 65), height (normal, by sex); weight
  follows from the phenotype's BMI;
- constant and patient parameters with a CV in `parameters.TABLE`: phenotype value (sensitivity, insulin, EC50s) or
  table value times a log-normal factor of median 1.  ``igf1_emax`` and ``igf1_base`` follow from the run-in and are
  not drawn;
- of the GH axis only pulse amplitude (30 %) and secretion (40 %): these two already give the published CV of 24-h GH
  (0.54-0.57; axis section 3).  All CVs of the axis together would give about 1, so the other release and clearance
  parameters (`AXIS_HELD`) keep their typical values here and their ranges for sensitivity analysis;
- static beta-cell capacity: the deficit 1/capacity - 1 is log-normal with CV 80 % around the phenotype's, so the
  capacity stays in (0, 1].

Each draw is keyed by (seed, patient, name of the parameter, attempt): a new parameter changes no other draw.  A patient
without a fasting state (mass-action uptake not positive) is redrawn under the next attempt, with the same covariates.

`engine.patients.adults` is the other source of a `Cohort`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids, usual_float_errors
from pulsatile.engine.checks import is_number, is_whole
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import DTYPE, typical
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.changes import Change, apply
from pulsatile.engine.patients.layers import ALL, Layers, Omega, vary
from pulsatile.engine.patients.meals import THREE_MEALS, MealPlan
from pulsatile.engine.people import covariates

PHENOTYPES = ("lean", "overweight", "obese", "igt", "t2d", "ghd")

# metabolism, 7.7 "Phenotypes used in tests" and "Within a phenotype"; GHD is the lean row but for BMI, fat and IGF-1.
# columns: PHENOTYPES
_ROWS: dict[str, tuple[float, ...]] = {
    "sens_muscle0": (1.30, 0.85, 0.60, 0.45, 0.38, 1.30),
    "insulin_basal": (38.0, 60.0, 90.0, 105.0, 95.0, 38.0),  # pmol/L
    "glucose_basal": (4.9, 5.1, 5.2, 5.8, 8.5, 4.9),  # mmol/L
    "ffa_basal": (0.45, 0.50, 0.55, 0.60, 0.62, 0.45),  # mmol/L
    "vat0": (70.0, 130.0, 180.0, 190.0, 210.0, 130.0),  # cm2
    "lipolysis_half": (60.0, 75.0, 95.0, 115.0, 120.0, 60.0),  # pmol/L
    "egp_half": (75.0, 95.0, 120.0, 140.0, 140.0, 75.0),  # pmol/L
    "egp_basal": (11.5e-3, 11e-3, 10.5e-3, 11e-3, 13e-3, 11.5e-3),  # mmol/kg/min
    "sat0": (12.0, 22.0, 36.0, 36.0, 34.0, 26.0),  # kg
    "lean0": (55.0, 58.0, 62.0, 62.0, 60.0, 55.0),  # kg
    "beta_capacity": (1.0, 1.0, 1.0, 0.55, 0.35, 1.0),
    "beta_dynamic": (35.0, 35.0, 35.0, 12.0, 3.0, 35.0),  # min/(mmol/L)
    "beta_compensation": (0.4, 0.4, 0.4, 0.2, 0.1, 0.4),
}
_BMI = (23.0, 27.0, 33.0, 33.0, 32.0, 28.0)  # kg/m2
_WEIGHT = (70.0, 82.0, 100.0, 100.0, 95.0, 85.75)  # kg, of the typical patient of 1.75 m
_GHD = PHENOTYPES.index("ghd")

_ATTEMPTS = 100
MOST_AT_ONCE = 1_000_000
"""Most patients drawn at once, about 4 GB; a run draws the patients of each chunk separately."""
LARGEST_SHARE = 1e9
PEOPLE = {
    "age": (10.0, 120.0, "year"), "sex": (0.0, 1.0, "(0 man, 1 woman)"), "weight": (20.0, 500.0, "kg"),
    "height": (0.5, 2.8, "m"), "bmi": (8.0, 150.0, "kg/m2"),
}  # fmt: skip
"""Possible covariates of people [assumed]; values outside are in another unit, such as months or cm."""
BMI_ERROR = 0.3
"""Largest relative difference between bmi and weight over height squared; pounds for kg give 1.2."""
AXIS_HELD = (
    "pulse_rate", "sleep_gain", "k_drive", "ghrh_tone", "sst_basal", "gh_on_sst", "ghs_on_ghrh", "store_max",
    "igf1_feedback", "gh_leak", "v_gh", "k_gh", "k_gh_saturable", "insulin_on_gh_half", "ffa_on_gh_half",
)  # fmt: skip
OMEGA = Omega(correlations={}, held=AXIS_HELD)


@dataclass(frozen=True)
class Cohort:
    """Virtual patients.

    ``patient`` (n,) ids; ``covariates`` each (n,): age (y), sex (0 man, 1 woman), weight (kg), height (m), bmi (kg/m2),
    phenotype (index of `PHENOTYPES`), attempts (draws until a fasting state existed); ``parameters`` (n,) records of
    `parameters.DTYPE` with the closed-form fasting state for constant GH (the run-in refines it); ``layers`` of
    variability: without "between", drugs have typical pharmacokinetics too; without "occasions", all days are alike;
    ``twin_of`` (n,) ids of the patients whose pulses, meals and drug kinetics each has, by default ``patient``;
    ``days_of`` (n,) ids for pulses and meals only: the same patients, with their drug kinetics, on another occasion;
    ``meals`` of all of them; ``names`` (n,) ids as text, where the user's patients have such: ``patient`` are then keys
    made of them.
    """

    seed: int
    patient: Ids
    covariates: dict[str, npt.NDArray[Any]]
    parameters: npt.NDArray[Any]
    layers: Layers = ALL
    twin_of: Ids | None = None
    days_of: Ids | None = None
    meals: MealPlan = THREE_MEALS
    names: npt.NDArray[np.object_] | None = None

    def __len__(self) -> int:
        """Return the number of patients."""
        return len(self.patient)

    @property
    def labels(self) -> npt.NDArray[Any]:
        """Return the ids (n,) that a user knows, numbers or text."""
        return self.patient if self.names is None else self.names

    @property
    def keys(self) -> Ids:
        """Return the ids (n,) that key drug kinetics, and pulses and meals unless `days_of` does."""
        return self.patient if self.twin_of is None else self.twin_of

    @property
    def day_keys(self) -> Ids:
        """Return the ids (n,) that key pulses and meals."""
        return self.keys if self.days_of is None else self.days_of

    def subset(self, index: Any) -> "Cohort":
        """Return the patients of ``index`` (positions, slice or mask), unchanged.

        Raises
        ------
        InputError
            For a position that is not there, a mask of another length, or what is no index.
        """
        try:
            wrong = "" if self.patient[index].ndim == 1 else "one position is no list"
        except (IndexError, TypeError, ValueError) as error:
            wrong = str(error)
        if wrong:
            raise InputError(
                f"subset of {' '.join(repr(index).split())[:60]} chooses no patients ({wrong}); give a list of "
                f"positions from 0 to {len(self) - 1}, a slice, or a mask of {len(self)} values."
            )
        rows = {name: values[index] for name, values in self.covariates.items()}
        twins, days, names = (None if ids is None else ids[index] for ids in (self.twin_of, self.days_of, self.names))
        return Cohort(
            self.seed, self.patient[index], rows, self.parameters[index], self.layers, twins, days, self.meals, names
        )


@usual_float_errors
def virtual_cohort(
    n: int,
    phenotype: str | Mapping[str, float] = "obese",
    seed: int = 1,
    first: int = 0,
    variability: bool = True,
) -> Cohort:
    """Return the virtual patients ``first ... first + n - 1``.

    Parameters
    ----------
    n
        Number of patients, at least 1 and at most `MOST_AT_ONCE`; draw more in parts, by ``first``.
    phenotype
        One of `PHENOTYPES`, or shares of several, as ``{"obese": 0.7, "igt": 0.3}``; the assignment is keyed by id.
    seed, first
        Seed of all draws, and the id of the first patient.  A patient depends on seed, id and phenotype only.
    variability
        False: typical patients of the phenotype (man of 45 y and 1.75 m, table values).

    Raises
    ------
    InputError
        For an unknown phenotype, invalid shares, or numbers out of range.
    """
    check_whole(n, "n", 1, MOST_AT_ONCE + 1)
    check_whole(seed, "seed", 0, 2**64)
    check_whole(first, "first", 0, 2**63 - n)
    if not isinstance(variability, bool):
        raise InputError(f"variability = {variability!r} must be True or False.")
    return cohort_of_ids(np.arange(first, first + n, dtype=np.int64), phenotype, seed, variability)


def cohort_of_ids(ids: Ids, phenotype: str | Mapping[str, float], seed: int, variability: bool = True) -> Cohort:
    """Return the virtual patients ``ids`` (n,), each as in `virtual_cohort`."""
    n = len(ids)
    kinds = _assign(ids, phenotype, seed)
    if not variability:
        people = covariates.typical_people(np.array(_WEIGHT)[kinds])
        record = _phenotype_record(kinds, people)
        attempts = np.ones(n, np.int64)
        set_start_basal(record)
    else:
        people = covariates.draw_people(seed, ids, np.array(_BMI)[kinds])
        centre = _phenotype_record(kinds, people)
        covariates.apply_sex_on_lean_gain(centre, people)
        record, attempts = draw_feasible(seed, ids, centre, OMEGA)
        if not (feasible := basal.feasible(record)).all():
            raise InputError(
                f"patient {ids[np.argmin(feasible)]} has no fasting state after {_ATTEMPTS} draws: glucose uptake "
                "exceeds production; lower insulin_basal or sens_muscle0 of its phenotype."
            )
    return Cohort(seed, ids, {**people, "phenotype": kinds, "attempts": attempts}, record, Layers(between=variability))


def points_of(base: Cohort, ids: Ids, values: Mapping[str, Floats]) -> Cohort:
    """Return the points of a design: the single patient of ``base`` with other values of some parameters.

    Parameters
    ----------
    base
        One patient, whose pulses, meals and drug kinetics all points have.
    ids
        (n,) numbers of the points.
    values
        Arrays (n,) by name of a constant or patient parameter, in the unit of the table.
    """
    n = len(ids)
    record = np.repeat(base.parameters, n)
    for name, column in values.items():
        record[name] = column
    set_start_basal(record)
    rows = {name: np.repeat(column, n) for name, column in base.covariates.items()}
    keys, day_keys = np.repeat(base.keys, n), np.repeat(base.day_keys, n)
    return Cohort(base.seed, ids, rows, record, base.layers, keys, day_keys, base.meals)


def with_parameters(cohort: Cohort, values: Mapping[str, Floats]) -> Cohort:
    """Return the patients of ``cohort`` (n,) with own values of parameters, and the fasting state that follows.

    Parameters
    ----------
    values
        Arrays (n,) by name of a constant or patient parameter, in the unit of the table; NaN leaves the cohort's.  A
        weight (kg) is also the covariate, and sets the BMI.
    """
    record, rows = cohort.parameters.copy(), dict(cohort.covariates)
    for name, column in values.items():
        record[name] = np.where(np.isfinite(column), column, record[name])
    if "weight" in values:
        rows["weight"] = record["weight"].copy()
        rows["bmi"] = rows["weight"] / rows["height"] ** 2
    set_start_basal(record)
    return replace(cohort, parameters=record, covariates=rows)


def changed(cohort: Cohort, changes: Iterable[Change]) -> Cohort:
    """Return ``cohort`` with changed parameters and the fasting state that follows from them."""
    changes = tuple(changes)
    if not changes:
        return cohort
    record = cohort.parameters.copy()
    apply(record, changes)
    set_start_basal(record)
    return replace(cohort, parameters=record)


def check_people(cohort: Cohort) -> None:
    """Refuse a cohort with repeated ids, impossible covariates or arrays of unequal lengths.

    A covariate that is NaN fails that patient only (`engine.patients.run_in`).
    """
    n, parameters = len(cohort), cohort.parameters
    if parameters.dtype != DTYPE or len(parameters) != n:
        raise InputError(f"the cohort has {len(parameters)} parameter records for {n} patients; give one to each.")
    if len(np.unique(cohort.patient)) < n:
        raise InputError("patient ids of the cohort repeat; give every patient an id of its own.")
    for name, (low, high, unit) in PEOPLE.items():
        values = np.asarray(cohort.covariates.get(name, ()), float)
        if values.shape != (n,):
            raise InputError(
                f"covariate {name} of the cohort has {len(values)} values for {n} patients; give it to each."
            )
        wrong = np.flatnonzero(np.isfinite(values) & ((values < low) | (values > high)))
        if len(wrong):
            raise InputError(
                f"{name} = {values[wrong[0]]:g} of patient {cohort.labels[wrong[0]]} is outside {low:g} ... {high:g} "
                f"{unit}; correct the cohort, or its unit."
            )
    weight, height, bmi = (cohort.covariates[name] for name in ("weight", "height", "bmi"))
    wrong = np.flatnonzero(np.abs(bmi * height**2 / weight - 1) > BMI_ERROR)
    if len(wrong):
        k = wrong[0]
        raise InputError(
            f"weight = {weight[k]:g} kg, height = {height[k]:g} m and bmi = {bmi[k]:g} kg/m2 of patient "
            f"{cohort.labels[k]} disagree; correct the cohort; weights are in kg."
        )


def _assign(ids: Ids, phenotype: str | Mapping[str, float], seed: int) -> Ids:
    """Return the phenotype code of each patient."""
    if not isinstance(phenotype, str | Mapping):
        raise InputError(f"phenotype = {phenotype!r} must be a name or shares of names: {', '.join(PHENOTYPES)}.")
    shares = {phenotype: 1.0} if isinstance(phenotype, str) else dict(phenotype)
    for name, share in shares.items():
        if name not in PHENOTYPES:
            raise InputError(f"phenotype = {name!r} is not known: choose one of {', '.join(PHENOTYPES)}.")
        if not is_number(share) or not 0 <= share <= LARGEST_SHARE:
            raise InputError(f"share of phenotype {name} = {share!r} must be a number from 0 to {LARGEST_SHARE:g}.")
    total = float(sum(shares.values()))
    if total <= 0:
        raise InputError("phenotype gives no shares: give at least one phenotype a share above 0.")
    # the assignment follows the order of PHENOTYPES, not that of the caller's mapping
    limits = np.cumsum([shares.get(name, 0.0) / total for name in PHENOTYPES])
    last = max(PHENOTYPES.index(name) for name, share in shares.items() if share > 0)
    drawn = np.searchsorted(limits, draws.uniforms(seed, ids, draws.PHENOTYPE), side="right")
    return np.minimum(drawn, last).astype(np.int64)


def _phenotype_record(kinds: Ids, people: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the typical parameters (n,) for each patient's phenotype and covariates."""
    record = typical(len(kinds))
    for name, row in _ROWS.items():
        record[name] = np.array(row)[kinds]
    ghd = kinds == _GHD
    covariates.apply(record, people)
    record["c_secretion"] = np.where(ghd, covariates.GHD_SECRETION, record["c_secretion"])
    record["igf1_target"] = np.where(ghd, covariates.ghd_igf1(people["age"]), record["igf1_target"])
    return record


def draw_feasible(
    seed: int, ids: Ids, centre: npt.NDArray[Any], omega: Omega, most: int = _ATTEMPTS
) -> tuple[npt.NDArray[Any], Ids]:
    """Draw the parameters of all patients around ``centre`` (n,), again for those without a fasting state.

    Returns the records (n,) and the number of draws of each; without a fasting state after ``most``, the last is kept.
    """
    record = centre.copy()
    attempts = np.zeros(len(ids), np.int64)
    pending = np.arange(len(ids))
    for attempt in range(most):
        drawn = centre[pending].copy()
        vary(drawn, omega, seed, ids[pending], attempt)
        set_start_basal(drawn)
        record[pending] = drawn
        attempts[pending] = attempt + 1
        pending = pending[~basal.feasible(drawn)]
        if not len(pending):
            break
    return record, attempts


def set_start_basal(record: npt.NDArray[Any]) -> None:
    """Set the fasting state of ``record`` (n,), in place, for constant GH at a trough; the run-in refines it."""
    basal.constant_gh_means(record, basal.START_GH)
    basal.set_basal(record)


def check_whole(value: int, name: str, low: int, stop: int) -> None:
    """Refuse a ``value`` that is not a whole number from ``low`` to before ``stop``."""
    if not is_whole(value) or not low <= value < stop:
        raise InputError(f"{name} = {value!r} must be a whole number from {low} to {stop - 1}.")


COVARIATES = {
    "age": ("year", "age"), "sex": ("1", "sex"), "weight": ("kg", "body weight"),
    "height": ("m", "height"), "bmi": ("kg/m^2", "body mass index"),
    "phenotype": ("1", "phenotype"),
}  # fmt: skip
"""Unit and long name of the covariates that all patients have."""

FLAGS = {"sex": ("man", "woman"), "phenotype": PHENOTYPES}
"""Meanings of the values 0, 1, ... of the covariates that are codes."""

MORE_COVARIATES = {
    "parameter_draws": ("1", "draws of the parameters until a fasting state existed"),
    "waist": ("cm", "waist"), "own_glucose": ("mmol/L", "own fasting plasma glucose"),
    "own_insulin": ("pmol/L", "own fasting insulin"), "own_ffa": ("mmol/L", "own fasting FFA"),
    "own_vat": ("cm^2", "own visceral fat area"), "own_igf1_sds": ("1", "own IGF-1 SD score"),
    "hba1c": ("%", "HbA1c"), "triglyceride": ("mmol/L", "triglyceride"), "hdl": ("mmol/L", "HDL cholesterol"),
    "prevalence": ("1", "prevalence weight: how much the patient counts, mean 1"),
}  # fmt: skip
"""Unit and long name of the further covariates of patients that are built from people."""
