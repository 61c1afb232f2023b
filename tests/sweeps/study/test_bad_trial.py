"""Designs of trials in a study file: what they resolve to, and one sentence for each that cannot be."""

from typing import Any

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.noise import WITHIN_PERSON
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import json_schema, study_from
from tests.sweeps.run.runs import carried_out
from tests.sweeps.study.json_schema import errors

A, B = "no treatment", "tesamorelin"
CROSS = {"sequences": [[A, B], [B, A]], "period": "2 weeks", "washout": "1 week"}
GROUPS = {"allocation": {A: 1, B: 2}}
DRIFT = {"vat": "5 % per 26 weeks", "source": "a trial"}
LONG: dict[str, Any] = {"weeks": 5}


def cross(**changes: Any) -> dict[str, Any]:
    return LONG | {"crossover": CROSS | changes}


def groups(**changes: Any) -> dict[str, Any]:
    return {"groups": GROUPS | changes}


def arms(**rule: Any) -> list[dict[str, Any]]:
    usual = {"drug": "somatropin", "dose": "0.2 mg", "at": ["21:00"]}
    return [{"name": A, "preset": "control"}, {"name": B, "regimen": [usual | rule]}]


TITRATE = {"on": "igf1_sds", "target": [0, 1], "step": "0.1 mg", "min": "0.1 mg", "max": "1 mg", "every": "1 week"}
DESIGN = {
    "design": {"kind": "latin", "points": 20, "factors": [{"name": "k_gh"}, {"name": "v_gh"}]},
    "population": {"phenotype": "obese"},
}
BAD: list[tuple[dict[str, Any], str, str]] = [
    (cross(sequences=[[A, B]]), "crossover", "at least two sequences"),
    (cross(sequences=[]), "crossover", "at least two sequences"),
    (cross(sequences=[[A, B], [B]]), "crossover", "all the same number"),
    (cross(sequences=[[A, B], [A, B]]), "crossover", "given twice"),
    (cross(sequences=[[A], [B]]), "crossover", "1 periods"),
    (cross(sequences=[[A, A], [A, B], [B, "x"]]), "crossover.sequences", "'x', which is no arm"),
    (cross(sequences=[[A, 5], [B, A]]), "crossover.sequences[0][1]", "text"),
    (cross(period="0 weeks"), "crossover", "from one day"),
    (cross(period="36 h"), "crossover", "whole days"),
    (cross(period=2), "crossover.period", "has no unit"),
    (cross(washout="0 weeks"), "crossover", "from one day"),
    (cross(washout="3 days"), "crossover", "whole weeks together"),
    (cross(washout="4 months"), "crossover.washout", "unknown unit"),
    (cross(strata=["age"]), "crossover.strata[0]", "not a known covariate with codes"),
    (cross(pause="1 week"), "crossover.pause", "unknown key"),
    (cross() | {"weeks": 4}, "weeks = 4", "lasts 5 weeks"),
    (cross() | groups(), "groups and crossover", "one of the two"),
    (cross() | {"sensitivity": {"contrast": B}}, "sensitivity.contrast", "no treatment then tesamorelin"),
    (cross() | {"arms": arms(titrate=TITRATE)}, "titration", "parallel groups"),
    (cross() | {"arms": arms(start="2 weeks")}, "arms[1].regimen[0].start", "the end of its period"),
    (cross() | {"arms": [*arms(), {"name": "x", "preset": "control"}]}, "arm x", "in no sequence"),
    ({"crossover": {"sequences": [[A, B], [B, A]], "washout": "1 week"}}, "crossover.period", "missing"),
    (groups(allocation={A: 1}), "groups", "at least two arms"),
    (groups(allocation={A: 1, "x": 1}), "groups.allocation", "'x', which is no arm"),
    (groups(allocation={A: 1, B: 0}), "groups.allocation", "at least 1"),
    (groups(allocation={A: 1, B: 0.5}), "groups.allocation", "whole number"),
    (groups(allocation={A: 99, B: 2}), "groups", "adds up to 101"),
    (groups(allocation=[A, B]), "groups.allocation", "a mapping"),
    (groups(strata=["height"]), "groups.strata[0]", "sex, phenotype"),
    (groups(cuts={"sex": [0.5]}), "groups", "not possible"),
    (groups(cuts={"age": [50, 40]}), "groups", "ascending"),
    (groups(cuts={"waist": [100]}), "groups", "have no waist"),
    (groups() | DESIGN, "groups", "points of a design"),
    ({"drift": {"vat": "5 % per 26 weeks"}}, "drift.source", "missing"),
    ({"drift": {"source": "a trial"}}, "drift", "nothing that drifts"),
    ({"drift": DRIFT | {"vat": "5 %"}}, "drift.vat", "5 % per 26 weeks"),
    ({"drift": DRIFT | {"vat": "5 per 26 weeks"}}, "drift.vat", "is not a rate"),
    ({"drift": DRIFT | {"vat": 0.05}}, "drift.vat", "is not a rate"),
    ({"drift": DRIFT | {"vat": "5 % per visit"}}, "drift", "is per visit"),
    ({"drift": DRIFT | {"vat": "500 % per year"}}, "drift", "0.05 is 5 %"),
    ({"drift": DRIFT | {"vat": "5 % per 0 weeks"}}, "drift.vat", "over no time"),
    ({"drift": DRIFT | {"igf1": "5 % per year"}}, "drift.igf1", "unknown key"),
    ({"drift": DRIFT | {"source": " "}}, "drift", "no source"),
    ({"drift": {"sat": "-90 % per 26 weeks", "source": "x"}, "weeks": 30}, "drift of sat", "leaves nothing"),
    ({"dropout": {"rate": "100 % per year"}}, "dropout", "below 1"),
    ({"dropout": {"rate": "-1 % per year"}}, "dropout", "from 0"),
    ({"dropout": {"rate": "10 % a year"}}, "dropout.rate", "is not a rate"),
    ({"dropout": {"rate": "10 % per fortnight"}}, "dropout.rate", "unknown unit"),
    ({"dropout": {}}, "dropout.rate", "missing"),
    ({"dropout": {"rate": "3 % per visit"}, "tests": []}, "dropout", "no visit"),
    ({"dropout": {"rate": "3 % per visit", "arms": {B: "5 % per year"}}}, "dropout", "over another time"),
    ({"dropout": {"rate": "3 % per year", "arms": {"x": "5 % per year"}}}, "dropout", "'x' is not an arm"),
    ({"dropout": {"rate": "3 % per year"}} | DESIGN, "dropout", "points of a design"),
    ({"noise": {"within_person": {"glucose": "1 %"}}}, "noise", "0.02, that of its assay"),
    ({"noise": {"within_person": {"glucose": "5.5"}}}, "noise.within_person.glucose", "is not a percentage"),
    ({"noise": {"within_person": {"egp": "5 %"}}}, "noise", "is not measured"),
    ({"noise": {"cv": {}}}, "noise.cv", "unknown key"),
    ({"noise": True}, "noise", "a mapping"),
    (
        {"drift": DRIFT, "tests": [{"test": "sampling", "weeks": [1], "outputs": ["vat"]}]},
        "samples vat", "leave the drift out",
    ),
    ({"drift": DRIFT, "arms": arms(titrate=TITRATE | {"on": "vat"}), "weeks": 3}, "titrated on vat", "one of the two"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field", "words"), BAD, ids=lambda part: ascii(part)[:50])
def test_a_design_that_cannot_be_is_one_sentence(small: dict[str, Any], change: Any, field: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(study_from(small | change, "s.yaml"))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert field in sentence
    assert words in sentence


GOOD = [
    cross(strata=["sex"], cuts={"age": [45]}),
    groups(strata=["sex"], cuts={"bmi": [30, 35]}),
    {"drift": DRIFT | {"lean": "-1 % per year"}},
    {"dropout": {"rate": "10 % per year", "arms": {B: "20 % per year"}}},
    {"dropout": {"rate": "3 % per visit"}},
    {"noise": {}},
    {"noise": {"within_person": {}}},
]


@pytest.mark.parametrize("change", GOOD, ids=lambda part: ascii(part)[:50])
def test_a_design_survives_json_and_changes_the_identity(small: dict[str, Any], change: dict[str, Any]) -> None:
    data = small | change
    assert list(errors(data, json_schema(), json_schema())) == []
    found = resolve(study_from(data, "s"))
    again = ResolvedStudy.from_json(found.model_dump_json())
    assert again == found
    assert again.plan() == found.plan()
    plain = small | ({"weeks": data["weeks"]})
    assert found.identity != resolve(study_from(plain, "s")).identity
    assert len(found.of_the_trial) == 1 + ("lean" in data.get("drift", ()))


def test_a_crossover_runs_its_sequences(small: dict[str, Any]) -> None:
    found = resolve(study_from(small | cross() | {"control": B}, "s"))
    assert [arm.name for arm in found.arms] == [f"{A} then {B}", f"{B} then {A}"]
    assert found.control == found.arms[0].name
    assert found.crossover is not None
    assert found.crossover.control == B
    assert found.groups is not None
    assert found.groups.allocation == ((f"{A} then {B}", 1), (f"{B} then {A}", 1))
    assert found.identity == resolve(study_from(small | cross(), "s")).identity  # control decides words alone


def test_the_usual_noise_is_that_of_the_table(small: dict[str, Any]) -> None:
    noise = resolve(study_from(small | {"noise": {}}, "s")).noise
    assert noise is not None
    assert dict(noise.within_person) == pytest.approx(WITHIN_PERSON)


def test_an_expansion_keeps_the_design(small: dict[str, Any], tmp_path: Any) -> None:
    small |= groups()
    folder = carried_out(small, tmp_path / "run").folder
    with pytest.raises(InputError, match="groups"):
        expand(folder, Growth(study=study_from(small | groups(allocation={A: 1, B: 1}), "s")))
