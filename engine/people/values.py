"""From normal scores within age to the values of covariates, and back.

- Height, BMI, waist, serum glucose, HbA1c, triglyceride and HDL are the quantiles of the own sex and age.
- Fasting plasma glucose has the rank of serum glucose among all people of the sex (population 1.1, 1.3).
- VAT, insulin, FFA and the IGF-1 score have a margin over all ages; their score is that of age and that within age.
- A margin of the user's replaces values by rank among all people of the sex.  Waist follows the person's actual height
  and BMI, VAT the actual waist.
- Weight is BMI x height^2.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.people.correlations import BEYOND_SURVEY, by_age, within
from pulsatile.engine.people.margins import by_age as margins_by_age
from pulsatile.engine.people.margins import over_all_ages, table
from pulsatile.engine.people.pairs import BENT, ROOT, bend, straighten
from pulsatile.engine.people.spec import DrawPlan

People = dict[str, npt.NDArray[Any]]
Scores = dict[str, Floats]

LARGEST_AGE_SCORE = 2.338
"""Normal score of the oldest and youngest: the mean beyond the last printed quantile of age (97.5 %), past which the
distribution of age is unknown; nobody has the score of the very end of the table [DERIVED]."""
_IN_SURVEY = {"glucose": "serum_glucose"}
"""Covariate of the copula: its name in the survey, where another."""
_SIZE = ("height", "bmi")
"""What waist follows."""


def values_of(plan: DrawPlan, age: Floats, age_score: Floats, gaussian: Mapping[str, Floats]) -> People:
    """Return the covariates of people of one sex.

    Parameters
    ----------
    plan
        Margins and shifts.
    age, age_score
        Age (n,), y, and its normal score among all ages.
    gaussian
        Scores (n,) within age of all other covariates of the copula, correlated as by `within`.
    """
    survey, correlation = margins_by_age(plan.sex), within(plan.sex)
    score = dict(gaussian)
    for name in BENT:
        score[name] = bend(name, correlation.of(ROOT, name), gaussian[ROOT], gaussian[name])
    people: People = {"age": age}

    def ranked(name: str, table: Floats) -> Floats:
        """Return the values of the covariate's margin over all ages for the rank of the ``table``'s values."""
        among_all = over_all_ages(plan.sex, _IN_SURVEY.get(name, name)).score_each(table)
        return np.asarray(plan.margins[name].value(among_all + plan.shifts.get(name, 0.0)))

    def of_survey(name: str, shift: float) -> Floats:
        return survey[_IN_SURVEY.get(name, name)].value(age, score[name] + shift)

    for name in ("height", "bmi", "waist", "hba1c", "triglyceride", "hdl"):
        if name == "waist":
            moved = _moved_waist(plan, people, score)
            score[name] = score[name] + moved
        if name in plan.own:
            people[name] = ranked(name, of_survey(name, 0.0))
        else:
            people[name] = of_survey(name, plan.shifts.get(name, 0.0))
    serum = of_survey("glucose", 0.0)
    people["glucose"] = ranked("glucose", serum)
    people["serum_glucose"] = ranked("serum_glucose", serum) if "serum_glucose" in plan.own else serum
    waist = people["waist"]
    if "waist" in plan.own or "waist" in plan.shifts:
        with np.errstate(invalid="ignore", divide="ignore"):  # a user's margin may reach below 0, outside the limits
            moved = moved + survey["waist"].score(age, waist) - score["waist"]
    for name in BEYOND_SURVEY:
        z = score[name] + correlation.of("waist", "vat") * moved if name == "vat" else score[name]
        r = by_age(name, plan.sex)
        people[name] = plan.margins[name].value(r * age_score + sqrt(1 - r * r) * z + plan.shifts.get(name, 0.0))
    people["weight"] = people["bmi"] * people["height"] ** 2
    return people


def gaussian_of(plan: DrawPlan, age: Floats, age_score: Floats, known: Mapping[str, Floats], largest: float) -> Scores:
    """Return the scores (n,) within age of the ``known`` covariates (n,), BMI among them, as `values_of` takes them.

    Scores beyond plus or minus ``largest`` are cut.  Height and BMI have the score of the survey whatever their margin.
    """
    survey, correlation = margins_by_age(plan.sex), within(plan.sex)
    found: Scores = {}
    for name, x in known.items():
        if name in BEYOND_SURVEY:
            r = by_age(name, plan.sex)
            among_all = np.clip(np.array([plan.margins[name].score(float(value)) for value in x]), -largest, largest)
            found[name] = (among_all - r * age_score) / sqrt(1 - r * r)
            continue
        column, in_survey = x, _IN_SURVEY.get(name, name)
        if name == "glucose" or (name in plan.own and name not in _SIZE):
            among_all = np.clip(np.array([plan.margins[name].score(float(value)) for value in x]), -largest, largest)
            column = over_all_ages(plan.sex, in_survey).value(among_all)
        found[name] = np.clip(survey[in_survey].score(age, column), -largest, largest)
    for name in BENT:
        if name in found:
            found[name] = straighten(name, correlation.of(ROOT, name), found[ROOT], found[name])
    return found


def score_of_age(sex: int, age: Floats) -> Floats:
    """Return the normal scores (n,) of ``age`` (n,), y, among all people of the table, of 18 to 100 y."""
    margin = table(sex)["age"]
    return np.asarray(
        np.clip([margin.score(float(x)) for x in age], -LARGEST_AGE_SCORE, LARGEST_AGE_SCORE), dtype=np.float64
    )


def _moved_waist(plan: DrawPlan, people: People, score: Scores) -> Floats:
    """Return by how much the score of waist follows a height and BMI that are not of their rank in the table."""
    moved = np.zeros(len(people["age"]))
    changed = [name for name in _SIZE if name in plan.own or name in plan.shifts]
    if not changed:
        return moved
    correlation = within(plan.sex)
    between = np.array([[1.0, correlation.of(*_SIZE)], [correlation.of(*_SIZE), 1.0]])
    weights = np.linalg.solve(between, [correlation.of(name, "waist") for name in _SIZE])
    survey = margins_by_age(plan.sex)
    with np.errstate(invalid="ignore", divide="ignore"):  # a user's margin may reach below 0, outside the limits
        for name, weight in zip(_SIZE, weights, strict=True):
            if name in changed:
                moved = moved + weight * (survey[name].score(people["age"], people[name]) - score[name])
    return moved
