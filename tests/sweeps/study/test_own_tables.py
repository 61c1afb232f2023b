"""Tables as others write them: mapped columns, codes and units, separators, decimal commas; tables of parameters."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.igf1 import igf1
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.sweeps.disk.store import open_dataset
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.progress import SilentProgress
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.conversions import conversions
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import Study, study_from
from pulsatile.sweeps.study.tables.dose_file import read_doses
from pulsatile.sweeps.study.tables.own_patients import Headings, read_patients
from pulsatile.sweeps.study.tables.parameter_file import read_parameters
from pulsatile.sweeps.workers.resources import Resources

SURVEY = (
    "SEQN,Organism|Age [year(s)],RIAGENDR,Organism|Weight [kg],Organism|Height [dm],FPG,A1C,INS,comment\n"
    "9,50,1,90,18,90.08,40,10,x\n4,40.5,2,70,16,,48,2.5,y\n"
)
COLUMNS = {
    "patient": "SEQN", "age": "Organism|Age [year(s)]", "sex": "RIAGENDR", "weight": "Organism|Weight [kg]",
    "height": "Organism|Height [dm]", "glucose": "FPG", "hba1c": "A1C", "insulin": "INS",
}  # fmt: skip
UNITS = {"glucose": "mg/dL", "hba1c": "mmol/mol", "insulin": "mIU/L"}
MAPPED = Headings(COLUMNS, {"1": "man", "2": "woman"}, UNITS)
PLAIN = "patient,sex,age [y],weight [kg],height [m]\n1,man,50,90.5,1.8\n2,woman,40,70,1.65\n"

CODED = PLAIN.replace("sex", "sex [1 man; 2 woman]").replace(",man", ",1").replace(",woman", ",2")


def write(folder: Path, text: str, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def study(population: dict[str, Any], weeks: float = 1) -> Study:
    arms = [{"name": "none", "preset": "control"}]
    return study_from({"weeks": weeks, "population": population, "arms": arms, "outputs": {"names": ["igf1"]}}, "study")


def test_columns_codes_and_units_are_those_of_the_study(tmp_path: Path) -> None:
    path = write(tmp_path, SURVEY)
    columns, told = read_patients(path, MAPPED)
    expected = {
        "patient": [9, 4], "age": [50, 40.5], "sex": [0, 1], "weight": [90, 70], "height": [1.8, 1.6],
        "glucose": [90.08 / 18.016, np.nan], "hba1c": [0.09148 * 40 + 2.152, 0.09148 * 48 + 2.152],
        "insulin": [60, 15],
    }  # fmt: skip
    assert list(columns) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(columns[name], values, rtol=1e-12)
    assert f"{path}: A1C [mmol/mol] is taken as hba1c in %, times 0.09148 plus 2.152." in told
    assert f"{path}: columns names other columns, so comment is not read." in told
    assert f"{path}: sex 1 as man and 2 as woman, as the study defines." in told
    in_study = study(
        {"patients": str(path), "columns": COLUMNS, "codes": {"sex": {1: "man", 2: "woman"}}, "units": UNITS}
    )
    assert set(told) <= set(conversions(in_study))
    np.testing.assert_array_equal(resolve(in_study).population.ids(0, 2), [9, 4])


@pytest.mark.parametrize(
    ("heading", "cell", "name", "value"),
    [("insulin [ng/mL]", 1, "insulin", 1000 / 5.808), ("insulin [µIU/mL]", 10, "insulin", 60.0),
     ("insulin [mIU/L]", 10, "insulin", 60.0), ("hba1c [mmol/mol]", 42, "hba1c", 5.99416),
     ("igf1 [ng/mL]", 147, "igf1_sds", 0.0), ("igf1 [nmol/L]", 147 / 7.649, "igf1_sds", 0.0)],
)  # fmt: skip
def test_laboratory_units(tmp_path: Path, heading: str, cell: float, name: str, value: float) -> None:
    text = PLAIN.replace("[m]\n", f"[m],{heading}\n").replace("1.8\n", f"1.8,{cell!r}\n").replace("1.65\n", "1.65,\n")
    columns, _ = read_patients(write(tmp_path, text))
    np.testing.assert_allclose(columns[name], [value, np.nan], rtol=1e-9, atol=1e-12)


def test_igf1_is_scored_by_age(tmp_path: Path) -> None:
    text = PLAIN.replace("[m]\n", "[m],igf1 [ug/L]\n").replace("1.8\n", "1.8,300\n").replace("1.65\n", "1.65,90\n")
    columns, told = read_patients(write(tmp_path, text))
    np.testing.assert_allclose(igf1(columns["age"], 0, columns["igf1_sds"]), [300, 90])
    assert any("assays differ" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("text", "name"),
    [(PLAIN.replace(",", "\t"), "own.tsv"), (PLAIN.replace(",", "\t"), "own.csv"), (PLAIN.replace(",", ";"), "own.csv"),
     (PLAIN.replace(",", ";").replace(".", ","), "own.csv"), (PLAIN.replace(",", "\t").replace(".", ","), "own.tsv"),
     (CODED, "own.csv"),
     (CODED.replace(",", ";").replace("sex [1 man; 2 woman]", '"sex [1 man; 2 woman]"'), "own.csv")],
)  # fmt: skip
def test_separators_and_decimal_commas(tmp_path: Path, text: str, name: str) -> None:
    plain, _ = read_patients(write(tmp_path, PLAIN, "plain.csv"))
    columns, told = read_patients(write(tmp_path, text, name))
    for key, values in plain.items():
        np.testing.assert_array_equal(columns[key], values)
    assert any("decimals are written with a comma" in sentence for sentence in told) == ("90,5" in text)


def test_doses_may_have_semicolons_and_commas(tmp_path: Path) -> None:
    doses = read_doses(write(tmp_path, "TIME;AMT\n8,5;2\n32;1,5\n"))
    assert (doses.time, doses.amount) == ((8.5, 32.0), (2.0, 1.5))


IGF1 = PLAIN.replace("[m]\n", "[m],igf1 [ug/L]\n")
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a column that is not there": ({"columns": COLUMNS | {"hdl": "HDL"}}, SURVEY, "'HDL', which columns names"),
    "no unit": ({"columns": COLUMNS}, SURVEY, "the unit of 'FPG' is not known; give units"),
    "another unit in the heading": ({"columns": COLUMNS, "units": UNITS | {"weight": "lb"}}, SURVEY, "says kg, and"),
    "an unknown covariate": ({"columns": {"bmi": "BMI"}}, SURVEY, "'bmi' is no covariate"),
    "an unknown unit": ({"units": {"glucose": "mg/L"}}, SURVEY, "is not a unit of glucose; write mmol/L or mg/dL"),
    "a unit of nothing": ({"units": {"sugar": "mg/dL"}}, SURVEY, "'sugar' is no covariate"),
    "a unit of sex": ({"units": {"sex": "mg/dL"}}, SURVEY, "'sex' is no covariate"),
    "a column for two": ({"columns": {"age": "A", "weight": "A"}}, SURVEY, "'A' is named twice"),
    "codes of age": ({"codes": {"age": {"1": "man"}}}, SURVEY, "codes.age"),
    "a sex that is none": ({"codes": {"sex": {1: "boy"}}}, SURVEY, "'boy' of the code 1 is not a sex"),
    "codes that the study lacks": (
        {"columns": COLUMNS, "units": UNITS, "codes": {"sex": {1: "man"}}}, SURVEY, "sex '2' is not one of the codes 1",
    ),
    "codes that differ": (
        {"codes": {"sex": {2: "man", 1: "woman"}}}, PLAIN.replace("sex", "sex [1 man; 2 woman]"), "has other codes",
    ),
    "both decimals": ({}, PLAIN.replace(",", ";").replace("90.5", "90,5"), "with a comma .90,5 of line 2. and"),
    "a long row": ({}, PLAIN.replace(",", "\t").replace("40\t", "40\t1\t"), "has 6 cells and the heading 5"),
    "igf1 twice": (
        {}, IGF1.replace("L]\n", "L],igf1_sds\n").replace("1.8\n", "1.8,1,1\n").replace("1.65\n", "1.65,1,1\n"),
        "igf1 and igf1_sds stand in two columns",
    ),
    "igf1 of 0": (
        {}, IGF1.replace("1.8\n", "1.8,0\n").replace("1.65\n", "1.65,1\n"),
        "igf1 = 0 is not above 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_mappings_are_one_sentence(tmp_path: Path, case: str) -> None:
    entry, text, words = REFUSED[case]
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as error:
        resolve(study({"patients": str(path), **entry}))
    assert "\n" not in str(error.value)


def test_a_table_of_parameters_is_a_population(tmp_path: Path) -> None:
    path = write(
        tmp_path, "patient,v_gh,weight [kg],vat0 [cm2]\nA-1,4.5,80,\nA-2,,100,200\nA-3,6,90,150\n", "params.csv"
    )
    asked = study({"parameters": str(path), "phenotype": "igt"})
    assert conversions(asked) == [
        f"{path}: v_gh is empty in 1 of 3 rows, which have the typical value.",
        f"{path}: vat0 is empty in 1 of 3 rows, which have the typical value.",
    ]
    resolved = resolve(asked)
    cohort, typical = resolved.cohort(0, 3), virtual_cohort(1, "igt", variability=False)
    np.testing.assert_array_equal(cohort.parameters["v_gh"], [4.5, typical.parameters["v_gh"][0], 6])
    np.testing.assert_array_equal(cohort.parameters["vat0"], [typical.parameters["vat0"][0], 200, 150])
    np.testing.assert_array_equal(cohort.covariates["weight"], [80, 100, 90])
    np.testing.assert_allclose(cohort.covariates["bmi"], np.array([80, 100, 90]) / 1.75**2)
    np.testing.assert_array_equal(cohort.parameters["k_gh"], typical.parameters["k_gh"][0])
    outcome = run(asked, tmp_path / "run", Resources(2, workers=1, threads=1))
    assert open_dataset(outcome.folder)["patient"].values.tolist() == ["A-1", "A-2", "A-3"]
    assert outcome.failed == 0


def test_a_table_of_parameters_grows_and_tells_of_changes(tmp_path: Path) -> None:
    path = write(tmp_path, "patient,v_gh\n5,4.5\n9,5\n7,6\n", "params.csv")
    alone = Resources(2, workers=1, threads=1)
    out = run(study({"parameters": str(path), "n": 2}), tmp_path / "run", alone).folder
    fresh = run(study({"parameters": str(path), "n": 3}), tmp_path / "fresh", alone)
    write(tmp_path, "patient,v_gh\n5,4.5\n9,5\n7,6.5\n", "params.csv")
    notes: list[str] = []

    class Noted(SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    assert expand(out, Growth(patients=3), alone, Noted()).digest == fresh.digest
    assert any("has changed since the run began (other values of v_gh)" in note for note in notes)


WRONG_PARAMETERS = {
    "patient,vgh\n1,4\n": "did you mean v_gh",
    "patient,v_gh [mL]\n1,4\n": "values of v_gh are in L",
    "patient,v_gh\n1,400\n": "line 2: parameter v_gh = 400",
    "patient,v_gh\n1,0\n": "line 2: parameter v_gh = 0",
    "patient,v_gh\n1,-4\n": "line 2: parameter v_gh = -4",
    "patient,v_gh\n1,four\n": "'four' is no number",
    "patient,v_gh,v_gh\n1,4,4\n": "v_gh stands in two columns",
    "patient\n1\n": "no parameter",
    "patient,v_gh\n": "no patients",
    "patient,v_gh\n1,4\n1,5\n": "stands in two rows",
}


@pytest.mark.parametrize("text", WRONG_PARAMETERS)
def test_wrong_parameters_are_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=WRONG_PARAMETERS[text]) as error:
        read_parameters(write(tmp_path, text))
    assert "\n" not in str(error.value)
