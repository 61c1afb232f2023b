"""Wrong units: each refused in a sentence that names the units allowed, or converted and said aloud."""

from typing import Any

import pytest
from click.testing import CliRunner

from pulsatile.cli.main import main
from pulsatile.engine.drugs import table as drugs
from pulsatile.engine.drugs.dose_rule import DOSE_UNITS, IU_UNITS, SIZES
from pulsatile.engine.drugs.presets import PRESETS
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.conversions import conversions
from pulsatile.sweeps.study.schema import study_from
from tests.conftest import Write
from tests.sweeps.study.test_bad_input import Change, changed, infusion, refused, rule

MASS = "ug, mg, ug/kg, mg/kg, ug/m2, mg/m2, IU, IU/kg, IU/m2"
OF_A_PEPTIDE = "use ug or mg or ug/kg or mg/kg"
TIME = "min, h, day, week"
GH = {"drug": "somatropin"}
# what is changed; what was written; the units allowed, or the most
# fmt: off
REFUSED: list[tuple[Change, str, str]] = [
    # no unit, another dimension, another system
    (rule(dose="2"), "has no unit", MASS),
    (rule(dose=2), "has no unit", MASS),
    (rule(dose="mg"), "is not a number with a unit", MASS),
    (rule(dose="2 IU"), "'IU'", OF_A_PEPTIDE),
    (rule(dose="2 U"), "'U'", MASS),
    (rule(dose="2 mU"), "'mU'", MASS),
    (rule(dose="2 mmol"), "'mmol'", MASS),
    (rule(dose="0.4 umol"), "'umol'", MASS),
    (rule(dose="2 ml"), "'ml'", MASS),
    (rule(dose="2 %"), "'%'", MASS),
    (rule(dose="2 mg/dl"), "'mg/dl'", MASS),
    (rule(dose="94 mg/dL"), "'mg/dL'", MASS),
    (rule(dose="2 mg/ml"), "'mg/ml'", MASS),
    (rule(dose="2 lb"), "'lb'", MASS),
    (rule(dose="2 oz"), "'oz'", MASS),
    (rule(dose="2 h"), "'h'", MASS),
    (rule(dose="2 -"), "'-'", OF_A_PEPTIDE),
    (rule(dose="2 mmol/kg/min"), "'mmol/kg/min'", OF_A_PEPTIDE),
    (rule(dose="2 mg/h"), "'mg/h'", MASS),
    (rule(dose="2 mg/day"), "'mg/day'", MASS),
    (rule(dose="2 mg bid"), "'mg bid'", MASS),
    (rule(dose="2 mg/m3"), "'mg/m3'", MASS),
    (rule(dose="2 mg/lb"), "'mg/lb'", MASS),
    # prefixes and capitals: a thousand times off
    (rule(dose="0.002 g"), "'g'", MASS),
    (rule(dose="2 kg"), "'kg'", MASS),
    (rule(dose="2 Mg"), "'Mg'", MASS),
    (rule(dose="2 MG"), "'MG'", MASS),
    (rule(dose="2000 mcg"), "'mcg'", MASS),
    (rule(dose="2000000 ng"), "'ng'", MASS),
    (rule(dose="2000 mg"), "2000.0 mg", "at most 200 mg a day"),
    (rule(drug="sermorelin", dose="300 mg"), "300.0 mg", "at most 50 mg a day"),
    (rule(drug="ipamorelin", dose="200 mg"), "200.0 mg", "at most 70 mg a day"),
    (rule(drug="cjc1295_dac", dose="30 mg/kg"), "30.0 mg/kg", "at most 100 mg a day"),
    (rule(**GH, dose="300 mg"), "300.0 mg", "at most 100 mg a day"),
    (rule(**GH, dose="2000 IU"), "2000.0 IU", "at most 100 mg a day"),
    (rule(**GH, dose="6 iu"), "'iu'", MASS),
    (rule(**GH, dose="0.1 IU/lb"), "'IU/lb'", MASS),
    # inputs that are held
    (infusion("insulin", "1 mU/kg/min"), "'mU/kg/min'", "pmol/kg/min"),
    (infusion("insulin", "40 mU/m2/min"), "'mU/m2/min'", "pmol/kg/min"),
    (infusion("insulin", "6 IU"), "'IU'", "use pmol/kg/min"),
    (infusion("insulin", "6 mmol/kg/min"), "'mmol/kg/min'", "use pmol/kg/min"),
    (infusion("glucose", "10 mg/kg/min"), "'mg/kg/min'", "mmol/kg/min"),
    (infusion("glucose", "10 mmol/kg/min"), "10.0 mmol/kg/min", "at most 5 mmol/kg/min"),
    (infusion("glucose", "20 %"), "'%'", "mmol/kg/min"),
    (infusion("lipid", "60 ml"), "'ml'", "mmol/L/min"),
    (infusion("acipimox", "250 mg"), "'mg'", "use -"),
    (infusion("acipimox", "80 -"), "80.0 -", "at most 1 -"),
    # times
    (rule(start="2"), "has no unit", TIME),
    (rule(start=2), "has no unit", TIME),
    (rule(start="1 month"), "'month'", TIME),
    (rule(start="1 year"), "'year'", TIME),
    (rule(stop="5 d"), "'d'", TIME),
    (rule(stop="3 mg"), "'mg'", TIME),
    (rule(route="infusion", duration="90 s"), "'s'", TIME),
    (rule(route="infusion", duration="2 H"), "'H'", TIME),
    (rule(route="infusion", duration="24 days"), "576 h", "longer than the 24 h"),  # hours written as days
    (rule(start="24:00"), "':00'", TIME),
    (rule(at=["8 h"]), "'8 h'", "00:00 to 23:59"),
    (rule(at=["8 pm"]), "'8 pm'", "00:00 to 23:59"),
    ({"weeks": "6 months"}, "'6 months'", "a number such as"),
    ({"weeks": 182 * 7}, "1274", "at most 520"),  # days written as weeks
    ({"outputs": {"every": 24}}, "has no unit", TIME),
    ({"outputs": {"every": "1 m"}}, "'m'", TIME),
    ({"reductions": {"names": ["gh_mean"], "every": "5 s"}}, "'s'", TIME),
    ({"tests": [{"test": "clamp", "weeks": ["26 weeks"]}]}, "26 weeks", "a number such as"),
]
# what is changed; how it is said
SAID: list[tuple[Change, str]] = [
    (rule(**GH, dose="6 IU"), "arms[1].regimen[0].dose = '6 IU' is taken as 2 mg."),
    (rule(**GH, dose="2IU"), "arms[1].regimen[0].dose = '2IU' is taken as 0.666667 mg."),
    (rule(**GH, dose="0.06 IU/kg"), "arms[1].regimen[0].dose = '0.06 IU/kg' is taken as 0.02 mg/kg."),
    (rule(dose="30 µg/kg"), "arms[1].regimen[0].dose = '30 µg/kg' is taken as 30 ug/kg."),  # the micro sign
    (rule(dose="300 μg"), "arms[1].regimen[0].dose = '300 μg' is taken as 300 ug."),  # the Greek letter
]
# fmt: on


@pytest.mark.parametrize(("change", "got", "allowed"), REFUSED, ids=lambda value: ascii(value)[1:50])
def test_refused(change: Change, got: str, allowed: str, small: dict[str, Any], write: Write) -> None:
    sentence = refused(write(changed(small, change)))
    assert got in sentence
    assert allowed in sentence


@pytest.mark.parametrize(("change", "said"), SAID, ids=lambda value: ascii(value)[1:50])
def test_converted_and_said_aloud(change: Change, said: str, small: dict[str, Any], write: Write) -> None:
    result = CliRunner().invoke(main, ["validate", str(write(changed(small, change)))])
    assert result.exit_code == 0, result.output
    assert said in result.stdout.splitlines()


def test_own_patients_are_converted_aloud(small: dict[str, Any], write: Write) -> None:
    table = "sex,age [y],weight [lb],height [m],glucose [mmol/L]\nman,50,200,1.8,5.1\nwoman,40,150,1.6,\n"
    small["population"] = {"patients": write(table, "own.csv").name}  # beside the study
    path = write(small)
    own = path.with_name("own.csv")
    said = [
        f"{own}: weight [lb] is taken as weight in kg, times 0.453592.",
        f"{own}: glucose is empty in 1 of 2 rows and drawn, as among people like these.",
        f"{own}: there is no column patient; the rows are numbered from 0.",
    ]
    for words in (["validate"], ["run", "--dry-run"]):
        result = CliRunner().invoke(main, [*words, str(path)])
        assert result.exit_code == 0, result.output
        assert [line for line in result.stdout.splitlines() if str(own) + ": " in line] == said
    result = CliRunner().invoke(main, ["run", str(path), "--out", str(path.parent / "run"), "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert [line for line in result.stderr.splitlines() if str(own) + ": " in line] == said
    own.write_text(table.replace("200", "2OO"), encoding="utf-8")
    result = CliRunner().invoke(main, ["validate", str(path)])
    assert result.exit_code == 2
    assert "right" not in result.stdout
    assert result.stderr.count("\n") == 1
    assert "line 2" in result.stderr


def test_what_is_taken_as_written_is_not_said(small: dict[str, Any]) -> None:
    assert conversions(study_from(small, "study")) == []


def test_there_are_enough() -> None:
    assert len(REFUSED) + len(SAID) >= 40


@pytest.mark.parametrize("unit", [*quantities.MASSES, *quantities.RATES])
def test_units_of_studies_are_those_of_the_engine(unit: str) -> None:
    assert unit in {*DOSE_UNITS, *IU_UNITS, *(drugs.INPUTS[name][1] for name in drugs.INPUTS)}


GIVEN = [(preset.name, dose) for preset in PRESETS.values() for dose in preset.doses]


@pytest.mark.parametrize(("preset", "dose"), GIVEN, ids=[f"{name} {dose.drug}" for name, dose in GIVEN])
def test_the_bound_of_a_drug_lies_between_what_is_given_and_a_thousand_times_that(preset: str, dose: Dose) -> None:
    largest = DRUGS[dose.drug].figures["largest"].value
    given = dose.micrograms * SIZES[dose.per]
    assert 10 * given <= largest < 1000 * given, preset


def test_every_drug_that_can_be_dosed_has_a_bound_with_its_reason() -> None:
    for drug in DRUGS.values():
        if not drug.missing:
            row = drug.figures["largest"]
            assert row.value > 0
            assert row.source.startswith(("assumed: ", "definition: "))
