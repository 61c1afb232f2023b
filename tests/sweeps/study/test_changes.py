"""Parameters, meals and length in a study: as written, as patients have them, and one sentence for what cannot be."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.changes import Change, knock_outs
from pulsatile.engine.patients.cohort import changed
from pulsatile.engine.patients.meals import THREE_MEALS, MealPlan
from pulsatile.sweeps.population.build import build_population
from pulsatile.sweeps.study.pilot import pilot_of
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study, load_study, study_from
from tests.conftest import SMALL, Write

PARAMETERS = {"v_gh": 4.0, "k_gh": {"factor": 1.2}, "lipolysis_gain": 0}
CHANGES = (Change("k_gh", 1.2, True), Change("lipolysis_gain", 0.0), Change("v_gh", 4.0))


def resolved(**entries: Any) -> ResolvedStudy:
    return resolve(study_from(deepcopy(SMALL) | entries, "study.yaml"))


@pytest.mark.parametrize(
    "population",
    [{"n": 3, "phenotype": "obese"}, {"n": 3, "shares": {"obese": 1, "t2d": 1}, "first": 7}, {"n": 3, "named": "t2d"}],
)
def test_parameters_are_changed_in_the_patients_of_every_source(population: dict[str, Any]) -> None:
    plain, study = resolved(population=population), resolved(population=population, parameters=PARAMETERS)
    wanted = changed(plain.cohort(0, 3), CHANGES)
    assert study.cohort(0, 3).parameters.tobytes() == wanted.parameters.tobytes()
    assert study.cohort(1, 2).parameters.tobytes() == wanted.subset(slice(1, 2)).parameters.tobytes()
    assert ResolvedStudy.from_json(study.model_dump_json()) == study
    assert "with k_gh x 1.2, lipolysis_gain = 0, v_gh = 4 L" in study.population.words
    pilot = pilot_of(study.population, study.seed).cohort
    assert (pilot.parameters["v_gh"] == 4.0).all()


def test_parameters_are_changed_in_own_patients_and_frozen_ones(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text(
        "patient,sex,age [year],weight [kg],height [m]\n1,man,50,95,1.78\n2,woman,40,80,1.64\n", encoding="utf-8"
    )
    build_population("adults", tmp_path / "pop", n=8, how="plausible")
    for population in ({"patients": str(table)}, {"frozen": str(tmp_path / "pop"), "n": 2}):
        cohort = resolved(population=population, parameters=PARAMETERS).cohort(0, 2)
        wanted = changed(resolved(population=population).cohort(0, 2), CHANGES)
        assert cohort.parameters.tobytes() == wanted.parameters.tobytes()


def test_a_design_is_about_the_changed_patient() -> None:
    design = {"kind": "grid", "factors": [{"name": "socs_liver", "distribution": "levels", "levels": [0.0, 1.0]}]}
    study = resolved(population={"phenotype": "obese"}, design=design, parameters=PARAMETERS)
    record = study.cohort(0, study.population.n).parameters
    assert record["socs_liver"].tolist() == [0.0, 1.0]
    assert (record["v_gh"] == 4.0).all()
    assert (record["lipolysis_gain"] == 0.0).all()
    assert "socs_liver" in knock_outs()


def test_changes_decide_the_identity_in_any_order_of_writing() -> None:
    plain, study = resolved(), resolved(parameters=PARAMETERS)
    backwards = dict(reversed(PARAMETERS.items()))
    assert resolved(parameters=backwards).identity == study.identity != plain.identity
    assert resolved(parameters={}).identity == plain.identity
    assert resolved(fasting={"days": ["Mon"]}).identity != plain.identity


def test_an_arm_with_changes_is_another_arm_and_says_so() -> None:
    arms = [*SMALL["arms"], {"name": "fast", "preset": "control", "parameters": {"k_gh": {"factor": 2.0}}}]
    study = resolved(arms=arms)
    assert study.arms[2].changes == (Change("k_gh", 2.0, True),)
    assert study.arms[2].dose_words == "none; with k_gh x 2"
    assert study.arms[0].treatment != study.arms[2].treatment


def test_meals_and_days_without_them() -> None:
    assert resolved().cohort(0, 1).meals == THREE_MEALS
    meals = [{"at": "07:00", "grams": 60}, {"at": "18:30", "grams": 90}]
    study = resolved(meals=meals, fasting={"days": ["Thu", "Mon"], "mornings": ["Tue"]})
    assert study.cohort(0, 1).meals == MealPlan((0, 1), (7.0, 18.5), (60.0, 90.0), (0, 3), (1,))
    assert "none on Mon, Thu; no first meal on Tue" in study.population.words
    usual = [{"at": f"{time:02.0f}:00", "grams": grams} for time, grams in zip((7, 13, 19), (60, 75, 75), strict=True)]
    assert resolved(meals=usual).identity == resolved().identity


def test_a_length_in_hours_days_or_weeks(write: Write) -> None:
    data = {k: v for k, v in SMALL.items() if k not in ("weeks", "tests")}
    assert study_from(data | {"length": "36 h"}, "s").weeks == 36 / 168
    assert resolve(study_from(data | {"length": "2 weeks"}, "s")).identity == resolved(weeks=2, tests=[]).identity
    study = study_from(data | {"length": "3 days"}, "s")
    assert Study.model_validate_json(study.model_dump_json()) == study
    path = write(data | {"length": "3 days"})
    assert load_study(path, ["weeks=2"]).weeks == 2
    assert load_study(write(data | {"weeks": 3}), ["length=1 day"]).weeks == pytest.approx(1 / 7)


# fmt: off
BAD: list[tuple[dict[str, Any], str]] = [
    ({"parameters": {"vgh": 1}}, "parameters.vgh: parameter = 'vgh' cannot be changed: did you mean v_gh?"),
    ({"parameters": {"v_gh": "4 L"}}, "parameters.v_gh = '4 L' is not allowed here: write a number"),
    ({"parameters": {"v_gh": None}}, "parameters.v_gh = nothing is not allowed here"),
    ({"parameters": {"v_gh": True}}, "parameters.v_gh = True is not allowed here"),
    ({"parameters": {"v_gh": -1}}, "v_gh = -1.0 must be a number of at least 0"),
    ({"parameters": {"v_gh": 0}}, "v_gh = 0 leaves the model without a value"),
    ({"parameters": {"v_gh": {"factor": 0}}}, "factor on v_gh = 0 leaves the model without a value"),
    ({"parameters": {"v_gh": 4000}}, "v_gh = 4000 L is outside"),
    ({"parameters": {"f_gh": 1.5}}, "a share and at most 1"),
    ({"parameters": {"v_gh": {"factor": 200}}}, "parameters.v_gh.factor = 200 is too large: it must be at most 100"),
    ({"parameters": {"v_gh": {"factor": -1}}}, "parameters.v_gh.factor = -1 is too small"),
    ({"parameters": {"v_gh": {"facto": 2}}}, "did you mean factor?"),
    ({"parameters": {"v_gh": {}}}, "parameters.v_gh.factor is missing"),
    ({"parameters": [1]}, "parameters = [1] is not allowed here: write a mapping of names to values"),
    ({"arms": [{"name": "a", "preset": "control", "parameters": {"kgh": 1}}]}, "arms[0].parameters.kgh: parameter"),
    ({"population": {"phenotype": "obese"}, "design": {"factors": ["v_gh"]}, "parameters": {"v_gh": 4}},
     "parameters.v_gh is a factor of the design"),
    ({"population": {"phenotype": "obese"},
      "design": {"kind": "grid", "factors": [{"name": "v_gh", "distribution": "levels", "levels": [0.0]}]}},
     "v_gh = 0 must be above 0"),
    ({"length": "36 h"}, "weeks = 1 and length = '36 h' differ"),
    ({"weeks": ..., "length": "36"}, "length = '36' has no unit"),
    ({"weeks": ..., "length": "1 min"}, "length = '1 min' is too short"),
    ({"weeks": ..., "length": "900 weeks"}, "length = '900 weeks' is not a length of time"),
    ({"weeks": ..., "length": 36}, "length = 36 has no unit"),
    ({"weeks": ...}, "weeks is missing; add it"),
    ({"meals": [{"at": "07:00", "grams": 600}]}, "meals[0].grams = 600 is too large: it must be at most 300"),
    ({"meals": [{"at": "00:10", "grams": 60}]}, "must be a clock hour from 0.75 to 23.25"),
    ({"meals": [{"at": "19:00", "grams": 6}, {"at": "07:00", "grams": 6}]}, "must be in ascending order"),
    ({"meals": [{"at": "07:00"}]}, "meals[0].grams is missing"),
    ({"meals": [{"at": "07:00", "grams": 6}] * 7}, "at most 6 are allowed"),
    ({"meals": {"at": "07:00"}}, "write a list"),
    ({"fasting": {"days": ["Mo"]}}, "fasting.days[0] = 'Mo' is not a day"),
    ({"fasting": {"days": ["Mon", "Monday"]}}, "name a day twice"),
    ({"fasting": {"mornings": "Thu"}}, "fasting.mornings = 'Thu' is not allowed here: write a list"),
    ({"fasting": {"day": ["Mon"]}}, "did you mean days?"),
]
# fmt: on


@pytest.mark.parametrize(("change", "words"), BAD)
def test_changes_that_cannot_be_get_one_sentence(change: dict[str, Any], words: str) -> None:
    data = {key: value for key, value in (deepcopy(SMALL) | change).items() if value is not ...}
    with pytest.raises(InputError) as raised:
        resolve(study_from(data, "study.yaml"))
    sentences = str(raised.value).splitlines()
    assert any(words in sentence and sentence.startswith("study.yaml: ") for sentence in sentences), sentences
    assert len(sentences) <= 2


def test_a_knock_out_of_a_study_runs() -> None:
    from pulsatile.engine.simulate import simulate

    study = resolved(parameters={"lipolysis_gain": 0}, weeks=0.5, tests=[])
    dataset = simulate(study.cohort(0, 2), study.arms, study.plan())
    assert (dataset["status"].values == 0).all()
    assert np.isfinite(dataset["igf1"].values).all()
