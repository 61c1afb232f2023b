"""Drugs that a study defines: read, carried by its doses, stored, analysed; and what is refused."""

import json
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.inputs import drugs_of
from pulsatile.sweeps.study.conversions import conversions
from pulsatile.sweeps.study.override import apply_override
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import json_schema, study_from

PEPTIDE = {
    "kind": "ghrh", "molar_mass": "3358 g/mol", "f": 0.06, "ka": "4 /h", "cl": "2600 mL/min", "v": "24.75 L",
    "ec50": "150 pmol/L", "ke": "5 1/h", "cv": {"cl": 0.3}, "largest": "50 mg", "source": "made up for this test",
}  # fmt: skip
STUDY: dict[str, Any] = {
    "weeks": 1, "population": {"n": 6}, "drugs": {"my_peptide": PEPTIDE},
    "arms": [
        {"name": "none", "preset": "control"},
        {"name": "mine", "regimen": [{"drug": "my_peptide", "dose": "1 mg", "at": ["22:00"]}]},
    ],
    "outputs": {"names": ["igf1", "concentration_my_peptide"]},
    "tests": [{"test": "sampling", "weeks": [0], "name": "pk", "outputs": ["concentration_my_peptide"],
               "give": [{"drug": "my_peptide", "dose": "1 mg", "route": "SC"}]}],
}  # fmt: skip


def study(*settings: str, **changes: Any) -> dict[str, Any]:
    data = deepcopy(STUDY) | changes
    for setting in settings:
        apply_override(data, setting)
    return data


def test_doses_carry_the_definition() -> None:
    resolved = resolve(study_from(study(), "study"))
    drug = resolved.arms[1].doses[0].substance
    assert {row.name: (row.value, row.unit, row.cv) for row in drug.rows} == {
        "molar_mass": (3358.0, "g/mol", 0.0), "f": (0.06, "1", 0.0), "ka": (4.0, "1/h", 0.0),
        "cl": (pytest.approx(156.0), "L/h", 0.3), "v": (24.75, "L", 0.0), "ec50": (pytest.approx(0.15), "nmol/L", 0.0),
        "ke": (5.0, "1/h", 0.0), "largest": (50e3, "ug", 0.0)}  # fmt: skip
    assert resolved.tests[0].settings.give[0].dose.own == drug
    again = ResolvedStudy.from_json(resolved.model_dump_json())  # as a worker or a stored study reads it
    assert again == resolved
    assert again.identity == resolved.identity
    assert resolve(study_from(study("drugs.my_peptide.cl=100 L/h"), "study")).identity != resolved.identity


def test_conversions_are_told() -> None:
    told = conversions(study_from(study(), "study"))
    assert told == [
        "drugs.my_peptide.cl = '2600 mL/min' is taken as 156 L/h.",
        "drugs.my_peptide.ec50 = '150 pmol/L' is taken as 0.15 nmol/L.",
    ]


def test_kinetics_are_inputs_of_an_analysis() -> None:
    resolved = resolve(study_from(study(), "study"))
    inputs = drugs_of(resolved.cohort(0, 6), resolved)
    assert inputs["cl of my_peptide"][0] == "L/h"
    assert np.ptp(inputs["cl of my_peptide"][1]) > 0
    lonapeg = resolve(
        study_from(study(arms=[{"name": "l", "preset": "lonapeg_weekly"}], outputs={}, tests=[]), "study")
    )
    assert set(drugs_of(lonapeg.cohort(0, 6), lonapeg)) == {"ka of lonapegsomatropin"}


def test_every_key_has_a_description() -> None:
    schema = json_schema()["$defs"]["DrugEntry"]["properties"]
    assert all(schema[name].get("description") for name in schema), schema
    assert set(schema) >= set(PEPTIDE)


BAD = [
    ("drugs.my_peptide.cl=156", "drugs.my_peptide.cl", "has no unit"),
    ("drugs.my_peptide.cl=156 kg", "drugs.my_peptide.cl", "unknown unit 'kg'"),
    ("drugs.my_peptide.cl=-156 L/h", "drugs.my_peptide.cl", "cl = -156 L/h is outside"),
    ("drugs.my_peptide.v=24.75 L/h", "drugs.my_peptide.v", "unknown unit 'L/h'"),
    ("drugs.my_peptide.v=fast", "drugs.my_peptide.v", "not a number with a unit"),
    ("drugs.my_peptide.ka=4 h", "drugs.my_peptide.ka", "unknown unit 'h'"),
    ("drugs.my_peptide.molar_mass=3358 mol", "drugs.my_peptide.molar_mass", "unknown unit 'mol'"),
    ("drugs.my_peptide.ec50=0.15 ng/mL", "drugs.my_peptide.ec50", "unknown unit 'ng/mL'"),
    ("drugs.my_peptide.ec50=", "drugs.my_peptide.ec50", "EC50 (ec50, nmol/L) is missing"),
    ("drugs.my_peptide.f=6", "drugs.my_peptide.f", "f = 6 is outside"),
    ("drugs.my_peptide.f=6 %", "drugs.my_peptide.f", "write a number"),
    ("drugs.my_peptide.kind=sarm", "drugs.my_peptide.kind", "choose from ghrh, ghs, gh or long_gh"),
    ("drugs.my_peptide.kind=ghs", "drugs.my_peptide.ke", "which a drug of kind ghs does not use"),
    ("drugs.my_peptide.source=", "drugs.my_peptide.source", "write text"),
    ("drugs.my_peptide.largest=50 IU", "drugs.my_peptide.largest", "unknown unit 'IU'"),
    ("drugs.my_peptide.halflife=2 h", "drugs.my_peptide.halflife", "unknown key"),
    ("drugs.my_peptide.cv.f=0.2", "drugs.my_peptide.cv", "choose from cl, v, ka or ec50"),
    ("drugs.my_peptide.cv.cl=30", "drugs.my_peptide.cv", "from 0 to 2"),
    ("drugs.my_peptide=5", "drugs.my_peptide", "a mapping"),
    ("drugs=[1]", "drugs", "a mapping"),
    ("arms.1.regimen.0.drug=my_peptid", "arms[1].regimen[0].drug", "or define it under drugs"),
    ("arms.1.regimen.0.dose=60 mg", "arms[1].regimen[0]", "at most 50 mg a day"),
    ("tests.0.give.0.drug=other", "tests[0].give[0].drug", "not a known drug"),
    ("outputs.names=[concentration_tesamorelin]", "concentration_tesamorelin", "choose from concentration_my_peptide"),
    ("outputs.names=[concentration]", "outputs.names[0]", "not a known output"),
]


@pytest.mark.parametrize(("setting", "where", "words"), BAD, ids=[setting for setting, _, _ in BAD])
def test_one_sentence(setting: str, where: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        study_from(study(setting), "study.yaml")
    sentence = str(caught.value)
    assert where in sentence, sentence
    assert words in sentence, sentence
    assert "\n" not in sentence, sentence
    assert sentence.endswith(".")


def test_a_name_of_the_table_is_refused() -> None:
    with pytest.raises(InputError, match="name of a drug of the table") as caught:
        study_from(study(drugs={"sermorelin": PEPTIDE}, arms=[STUDY["arms"][0]], outputs={}, tests=[]), "study")
    assert "drugs.sermorelin" in str(caught.value)


def test_a_study_without_own_drugs_reads_as_before() -> None:
    data = study(drugs={}, arms=[STUDY["arms"][0]], outputs={}, tests=[])
    assert json.loads(study_from(data, "study").model_dump_json())["drugs"] == {}
