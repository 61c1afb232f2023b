"""Patients of one's own: units are converted aloud, empty cells are drawn, and no bad table passes or is repaired."""

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.conversions import conversions
from pulsatile.sweeps.study.patients import resolved_population
from pulsatile.sweeps.study.population import PopulationEntry
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.study.tables import own_patients as own
from pulsatile.sweeps.study.tables import table_file
from pulsatile.sweeps.study.tables.own_patients import UNITS, read_patients
from pulsatile.sweeps.study.tables.table import PatientTable, keys

HEAD = "patient,sex,age [y],weight [kg],height [m]"
ROWS = ("1,man,50,90,1.8", "2,woman,40,70,1.6", "3,F,61.5,66.25,1.655")
GOOD = "\n".join((HEAD, *ROWS)) + "\n"


def write(folder: Path, content: str | bytes, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def with_column(heading: str, *cells: object) -> str:
    cells = cells * 3 if len(cells) == 1 else cells
    return "\n".join([f"{HEAD},{heading}", *(f"{row},{cell}" for row, cell in zip(ROWS, cells, strict=True))]) + "\n"


def with_cell(row: str) -> str:
    return "\n".join((HEAD, ROWS[0], row, ROWS[2])) + "\n"


@pytest.mark.parametrize("codes", ["1 man; 2 woman", "1=man 2=woman", "2 female / 1 male"])
def test_codes_of_sex_are_those_of_the_heading(tmp_path: Path, codes: str) -> None:
    """Surveys code 1 man, 2 woman; others 0 man, 1 woman: without the heading's word a code is refused."""
    rows = [row.replace("man", "1").replace("wo1", "2").replace("F", "2") for row in ROWS]
    columns, notes = read_patients(write(tmp_path, "\n".join((HEAD.replace("sex", f"sex [{codes}]"), *rows)) + "\n"))
    np.testing.assert_array_equal(columns["sex"], [0, 1, 1])
    (note,) = notes
    assert "as the heading defines" in note


def test_large_ids_stay_what_they_are(tmp_path: Path) -> None:
    columns, _ = read_patients(write(tmp_path, GOOD.replace("1,man", f"{2**53},man").replace("2,woman", "4.0,woman")))
    assert [int(number) for number in columns["patient"]] == [2**53, 4, 3]


def test_a_unit_may_have_another_sign(tmp_path: Path) -> None:
    text = with_column("vat [cm**2],igf1_sds [1]", "150,-1").replace("age [y]", "age [years]")
    columns, told = read_patients(write(tmp_path, text))
    assert columns["vat"].tolist() == [150, 150, 150]
    assert columns["age"].tolist() == [50, 40, 61.5]
    assert told == []


def test_ids_may_be_text(tmp_path: Path) -> None:
    """A column with one id that is no plain whole number is text throughout, as written."""
    for written, ids in (
        (("01-701-1015", "01-701-1023", "x"), ["01-701-1015", "01-701-1023", "x"]),
        (("007", "7", "8"), ["007", "7", "8"]), (("1", "2.0", " B "), ["1", "2.0", "B"]),
    ):  # fmt: skip
        rows = [f"{name},{row.partition(',')[2]}" for name, row in zip(written, ROWS, strict=True)]
        columns, told = read_patients(write(tmp_path, "\n".join((HEAD, *rows)) + "\n"))
        assert columns["patient"].tolist() == ids
        assert told == []
        table = PatientTable.of(columns)
        assert table.ids.tolist() == ids
        assert table.columns["patient"].tolist() == keys(ids).tolist()
        assert table.content != PatientTable.of(columns | {"patient": np.arange(3.0)}).content


def test_text_ids_key_the_draws(tmp_path: Path) -> None:
    """A patient does not depend on the others of a table, nor on its place in it."""
    names = ["01-701-1015", "01-701-1023", "01-701-1033"]
    rows = [f"{name},{row.partition(',')[2]}" for name, row in zip(names, ROWS, strict=True)]
    whole, turned = (
        resolved_population(PopulationEntry(patients=str(write(tmp_path, "\n".join((HEAD, *part)) + "\n"))))
        for part in (rows, rows[::-1][:2])
    )
    cohort, other = whole.cohort(1, 0, 3), turned.cohort(1, 0, 2)
    assert cohort.labels.tolist() == names
    assert other.labels.tolist() == names[:0:-1]
    assert cohort.parameters[1:].tobytes() == other.parameters[::-1].tobytes()
    assert len({row.tobytes() for row in cohort.parameters}) == 3


def test_a_table_is_read_as_it_stands(tmp_path: Path) -> None:
    columns, told = read_patients(write(tmp_path, GOOD))
    assert told == []
    assert list(columns) == ["patient", "sex", "age", "weight", "height"]
    np.testing.assert_array_equal(columns["patient"], [1, 2, 3])
    np.testing.assert_array_equal(columns["sex"], [0, 1, 1])
    np.testing.assert_array_equal(columns["weight"], [90.0, 70.0, 66.25])


@pytest.mark.parametrize(
    ("heading", "cell", "value"),
    # what is written, and the same in the model's unit, by hand
    [("waist [in]", "40", 101.6), ("waist [m]", "1.02", 102.0), ("glucose [mg/dL]", "90.08", 5.0),
     ("insulin [uU/mL]", "10", 60.0), ("insulin [mU/L]", "10", 60.0), ("insulin [µU/mL]", "10", 60.0),
     ("triglyceride [mg/dL]", "88.57", 1.0), ("hdl [mg/dL]", "38.67", 1.0), ("ffa [umol/L]", "600", 0.6),
     ("ffa [μmol/L]", "600", 0.6)],
)  # fmt: skip
def test_units_are_converted_aloud(tmp_path: Path, heading: str, cell: str, value: float) -> None:
    path = write(tmp_path, with_column(heading, cell))
    columns, told = read_patients(path)
    name, unit = heading.split(" ")
    np.testing.assert_allclose(columns[name], value, rtol=1e-12)
    factor = UNITS[name][unit.strip("[]").replace("µ", "u").replace("μ", "u")]
    assert told == [f"{path}: {heading} is taken as {name} in {next(iter(UNITS[name]))}, times {factor:.6g}."]


@pytest.mark.parametrize(
    ("head", "row", "expected"),
    [
        ("patient,sex,age [months],weight [kg],height [m]", "1,man,600,90,1.8", (50.0, 90.0, 1.8)),
        ("patient,sex,age [y],weight [lb],height [in]", "1,man,50,200,70", (50.0, 90.718474, 1.778)),
        ("patient,sex,age [y],weight [g],height [cm]", "1,man,50,90000,180", (50.0, 90.0, 1.8)),
    ],
)
def test_age_and_size_are_converted_aloud(
    tmp_path: Path, head: str, row: str, expected: tuple[float, float, float]
) -> None:
    columns, told = read_patients(write(tmp_path, f"{head}\n{row}\n"))
    np.testing.assert_allclose([columns[n][0] for n in ("age", "weight", "height")], expected, rtol=1e-12)
    assert len(told) == sum(unit in head for unit in ("months", "lb", "in]", "[g]", "cm"))


def test_units_of_the_model_and_mixed_case_need_no_word(tmp_path: Path) -> None:
    head = "PATIENT, Sex ,Age [Y],Weight [KG],height[m],Glucose [ mmol/l ],igf1_sds,IGF1_SDS"
    with pytest.raises(InputError, match="igf1_sds stands in two columns"):
        read_patients(write(tmp_path, head + "\n1,MAN,50,90,1.8,5.1,0,0\n"))
    columns, told = read_patients(write(tmp_path, head.rpartition(",")[0] + '\n"1", Man ,50,90,1.8,5.1,-1.5\n'))
    assert told == []
    assert (columns["glucose"][0], columns["igf1_sds"][0]) == (5.1, -1.5)


def test_empty_cells_are_told_and_left_to_be_drawn(tmp_path: Path) -> None:
    path = write(tmp_path, with_column("glucose [mmol/L]", "5.1", "", "NA"))
    columns, told = read_patients(path)
    np.testing.assert_array_equal(columns["glucose"], [5.1, np.nan, np.nan])
    assert told == [f"{path}: glucose is empty in 2 of 3 rows and drawn, as among people like these."]


def test_rows_without_ids_are_numbered_aloud(tmp_path: Path) -> None:
    path = write(tmp_path, "\n".join(line.partition(",")[2] for line in GOOD.splitlines()))
    columns, told = read_patients(path)
    np.testing.assert_array_equal(columns["patient"], [0, 1, 2])
    assert told == [f"{path}: there is no column patient; the rows are numbered from 0."]


def test_weights_are_of_mean_1(tmp_path: Path) -> None:
    columns, _ = read_patients(write(tmp_path, with_column("prevalence", "0", "1", "5")))
    np.testing.assert_allclose(columns["prevalence"], [0, 0.5, 2.5])


@pytest.mark.parametrize(
    "text",
    [GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD.replace("\n", "\n\n"), GOOD.strip()],
    ids=["windows", "mark", "empty lines", "no last line"],
)
def test_what_spreadsheets_save_is_read_alike(tmp_path: Path, text: str) -> None:
    columns, told = read_patients(write(tmp_path, text))
    plain, _ = read_patients(write(tmp_path, GOOD, "plain.csv"))
    assert told == []
    for name, values in plain.items():
        np.testing.assert_array_equal(columns[name], values)


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "only empty lines": ("\n\n\n", "is empty"),
    "no rows": (HEAD + "\n", "no patients"),
    "twice the same id": (with_cell("1,woman,40,70,1.6"), "two rows"),
    "id not whole": (with_cell("1.5,woman,40,70,1.6"), "whole number"),
    "id negative": (with_cell("-1,woman,40,70,1.6"), "whole number"),
    "id huge": (with_cell("1e30,woman,40,70,1.6"), "whole number"),
    "id empty": (with_cell(",woman,40,70,1.6"), "whole number"),
    "id in other digits": (with_cell("١٢,woman,40,70,1.6"), "is not a whole number"),
    "unknown column": (with_column("ethnicity", "1"), "ethnicity"),
    "column without heading": (with_column("", "1"), "no covariate"),
    "serum glucose": (with_column("serum_glucose [mmol/L]", "5"), "no covariate"),
    "bmi": (with_column("bmi [kg/m2]", "27"), "no covariate"),
    "round brackets": (with_column("glucose (mmol/L)", "5"), "in brackets"),
    "open bracket": (with_column("glucose [mmol/L", "5"), "in brackets"),
    "the same column twice": (with_column("age [y]", "50"), "two columns"),
    "the same column in two units": (with_column("weight [lb]", "150"), "two columns"),
    "sex twice": (with_column("sex", "man"), "two columns"),
    "text ids twice": (GOOD.replace("1,man", "A-1,man").replace("3,F", "A-1,F"), "patient A-1 stands in two rows"),
    "id missing among text": (GOOD.replace("1,man", "A-1,man").replace("3,F", "NA,F"), "patient 'NA' is not a whole"),
    "id that is a formula": (GOOD.replace("1,man", "=1+1,man"), "from a letter or digit on"),
    "id too long": (GOOD.replace("1,man", "A" * 65 + ",man"), "nor text of up to 64 characters"),
    "sentence names a text id": (GOOD.replace("1,man,50", "A-1,man,500"), "age of own patient A-1 is 500"),
    "ids twice": (with_column("patient", "1", "2", "3"), "two columns"),
    "no unit": (with_column("glucose", "5.1"), "no unit"),
    "wrong unit": (with_column("glucose [g/L]", "0.9"), "the unit 'g/L'"),
    "unit of what has none": (GOOD.replace("sex", "sex [m/f]", 1), "the unit 'm/f'"),
    "text in a cell": (with_column("glucose [mmol/L]", "low"), "line 2"),
    "unit in a cell": (with_column("glucose [mmol/L]", "5.1 mmol/L"), "no number"),
    "below the limit": (with_column("insulin [pmol/L]", "<12"), "no number"),
    "decimal comma": (with_cell("2,woman,40,70,1,6"), "decimals with a point"),
    "decimal comma in quotes": (with_column("glucose [mmol/L]", '"5,1"'), "no number"),
    "thousands with underscore": (with_column("ffa [umol/L]", "5_00"), "no number"),
    "hexadecimal": (with_column("insulin [pmol/L]", "0x40"), "no number"),
    "infinite": (with_column("glucose [mmol/L]", "inf"), "no number"),
    "too large for a number": (with_column("glucose [mmol/L]", "1e999"), "not finite"),
    "true": (with_column("glucose [mmol/L]", "True"), "no number"),
    "age 500": (with_cell("2,woman,500,70,1.6"), "age of own patient 2 is 500"),
    "age in months without saying so": (with_cell("2,woman,480,70,1.6"), "or its unit"),
    "a child": (with_cell("2,woman,12,50,1.5"), "18 ... 100"),
    "weight negative": (with_cell("2,woman,40,-70,1.6"), "weight of own patient 2"),
    "weight in pounds of a short person": (with_cell("2,woman,40,390,1.5"), "BMI"),
    "weight in g": (with_cell("2,woman,40,70000,1.6"), "or its unit"),
    "height in cm": (with_cell("2,woman,40,70,160"), "or its unit"),
    "height and weight exchanged": (with_cell("2,woman,40,1.6,70"), "or its unit"),
    "glucose in mg/dL": (with_column("glucose [mmol/L]", "5", "92", "5"), "or its unit"),
    "insulin in uU/mL": (with_column("insulin [pmol/L]", "6"), "or its unit"),
    "waist in m": (with_column("waist [cm]", "0.95"), "or its unit"),
    "IGF-1 in ug/L": (with_column("igf1_sds", "150"), "or its unit"),
    "all weights 0": (with_column("prevalence", "0"), "all prevalence weights are 0"),
    "prevalence negative": (with_column("prevalence", "1", "-1", "1"), "line 3"),
    "prevalence empty": (with_column("prevalence", "1", "", "1"), "is empty"),
    "prevalence huge": (with_column("prevalence", "1", "1e7", "1"), "0 to 1e+06"),
    "sex x": (with_cell("2,x,40,70,1.6"), "write man or woman"),
    "sex empty": (with_cell("2,,40,70,1.6"), "write man or woman"),
    "sex 2": (with_cell("2,2,40,70,1.6"), "sex '2' is a code that the heading does not define"),
    "sex 1": (with_cell("2,1,40,70,1.6"), "sex '1' is a code that the heading does not define"),
    "sex 0": (with_cell("2,0,40,70,1.6"), "or define codes in the heading, for example sex [1 man; 2 woman]"),
    "sex 3 of two codes": (GOOD.replace("sex", "sex [1 man; 2 woman]", 1).replace("1,man", "1,3"), "sex '3' is a code"),
    "patient 2**53 + 1": (GOOD.replace("1,man", f"{2**53 + 1},man"), "is not a whole number from 0 to 2**53"),
    "patient 1.5": (GOOD.replace("1,man", "1.5,man"), "is not a whole number from 0 to 2**53"),
    "sex missing": (GOOD.replace("patient,sex", "patient,hdl [mmol/L]").replace("man", "1").replace("wo1", "1")
                    .replace("F", "1"), "no sex"),
    "age missing": (GOOD.replace("age [y]", "waist [cm]").replace("61.5", "90"), "no age"),
    "weight cell empty": (with_cell("2,woman,40,,1.6"), "weight of own patient 2 is missing"),
    "height cell NaN": (with_cell("2,woman,40,70,NaN"), "height of own patient 2 is missing"),
    "row too short": (with_cell("2,woman,40,70"), "4 cells"),
    "row too long": (with_cell("2,woman,40,70,1.6,7"), "6 cells"),
    "rows longer than the heading": ("\n".join((HEAD, *(f"0,{row}" for row in ROWS))), "6 cells"),
    "semicolons in the heading only": (GOOD.replace(HEAD, HEAD.replace(",", ";")), "has 1 cells and the heading 5"),
    "tabs in the heading only": (GOOD.replace(HEAD, HEAD.replace(",", "\t")), "separated by a tab, as the heading is"),
    "no heading": ("\n".join(ROWS), "no covariate"),
    "open quote": (GOOD.replace("man", '"man', 1), "no CSV"),
    "not UTF-8": (GOOD.encode().replace(b"woman", b"fr\xe4u"), "UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "UTF-8"),
    "binary": (bytes(range(256)) * 20, "UTF-8"),
    "NUL": (GOOD.encode().replace(b"50", b"5\0"), "no number"),
    "a page": ("<html>\n<body>no table</body></html>\n", "no covariate"),
    "a huge heading": ("a" * 200_000 + "\n1\n", "no CSV"),
    "a long heading": ("a" * 100_000 + "\n1\n", "no covariate"),
    "a long cell": (with_column("glucose [mmol/L]", "5" * 5000 + "x"), "no number"),
    "a line break in a cell": (with_column("glucose [mmol/L]", '"5\n1"'), "no number"),
}  # fmt: skip


def sentence(path: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        read_patients(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: "), told
    assert told.endswith("."), told
    assert "\n" not in told
    assert "Error" not in told
    assert "Traceback" not in told
    assert len(told) < len(str(path)) + 450
    return told


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_told_in_one_sentence(tmp_path: Path, case: str) -> None:
    content, words = BAD[case]
    told = sentence(write(tmp_path, content))
    assert words in told, told


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 40


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing.csv", "no such file"), ("folder.csv", "is a folder"), ("own.xlsx", ".xlsx is not known"),
     ("own", "without ending"), ("own.txt", ".txt is not known"), ("nothing/own.csv", "no such file")],
)  # fmt: skip
def test_what_is_no_table_is_told_in_one_sentence(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    for other in ("own.xlsx", "own", "own.txt"):
        write(tmp_path, b"PK\x03\x04" + GOOD.encode(), other)
    assert words in sentence(tmp_path / name)


def test_sizes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    monkeypatch.setattr(own, "MOST_IN_TABLE", 2)
    assert "3 patients are too many" in sentence(path)
    monkeypatch.setattr(table_file, "LARGEST_FILE", 20)
    assert "bytes are too many" in sentence(path)


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *others: Any, **more: Any) -> Any:
        if name.partition(".")[0] in ("pyarrow", "fastparquet"):
            raise ImportError(name)
        return real(name, *others, **more)

    for name in [name for name in sys.modules if name.partition(".")[0] in ("pyarrow", "fastparquet")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert "pip install pyarrow" in sentence(write(tmp_path, b"PAR1", "own.parquet"))


def test_parquet_cells_are_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reader of Parquet gives: numbers, missing values, columns of the same name."""
    import pandas as pd

    path = write(tmp_path, b"PAR1", "own.parquet")
    frame = pd.DataFrame(
        {"patient": [7, 9], "sex": ["man", "woman"], "age [y]": [50, 40], "weight [lb]": np.float32([200, 150]),
         "height [m]": [1.8, 1.6], "glucose [mmol/L]": [5.1, None], "hdl [mmol/L]": pd.array([1, None], "Int64")}
    )  # fmt: skip
    monkeypatch.setattr(pd, "read_parquet", lambda path: frame)
    columns, told = read_patients(path)
    np.testing.assert_array_equal(columns["patient"], [7, 9])
    np.testing.assert_array_equal(columns["glucose"], [5.1, np.nan])
    np.testing.assert_array_equal(columns["hdl"], [1.0, np.nan])
    np.testing.assert_allclose(columns["weight"], [90.718474, 68.0388555])
    assert len(told) == 3
    for change, words in (({"age [y]": [np.inf, 40]}, "row 1"), ({"patient": [7, 7]}, "two rows"),
                          ({"sex": [True, None]}, "man or woman"), ({"height [m]": [1.8, True]}, "row 2")):  # fmt: skip
        monkeypatch.setattr(pd, "read_parquet", lambda path, change=change: frame.assign(**change))
        assert words in sentence(path)

    def broken(path: Path) -> None:
        raise ValueError("Parquet magic bytes\nnot found")

    monkeypatch.setattr(pd, "read_parquet", broken)
    assert "cannot be read" in sentence(path)


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=150)
def test_garbage_is_told(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    sentence(write(tmp_path_factory.getbasetemp(), content, "garbage.csv"))


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(list("\0\n\r,;\"'[]x-9 ")))
@settings(deadline=None, max_examples=200)
def test_one_wrong_letter_is_told_or_is_another_table(
    tmp_path_factory: pytest.TempPathFactory, place: int, letter: str
) -> None:
    """No slip of a key ends in a traceback."""
    path = write(tmp_path_factory.getbasetemp(), GOOD[:place] + letter + GOOD[place + 1 :], "slip.csv")
    try:
        columns, _ = read_patients(path)
    except InputError:
        sentence(path)
    else:
        assert len(columns["patient"]) in (2, 3)


def test_a_study_says_what_it_converts(tmp_path: Path) -> None:
    path = write(tmp_path, with_column("glucose [mg/dL]", "92", "", "92").replace("weight [kg]", "weight [lb]"))
    data = {"weeks": 1, "population": {"patients": str(path)}, "arms": [{"name": "none", "preset": "control"}]}
    told = conversions(study_from(data, "study"))
    assert told == read_patients(path)[1]
    assert len(told) == 3
