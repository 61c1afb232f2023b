"""The tables: every number has a unit, a range that holds it, and a source that can be found."""

import re
from pathlib import Path

import numpy as np
import pytest

from pulsatile.engine import parameters
from pulsatile.engine.drugs import table as drugs
from pulsatile.engine.parameters import TABLE, Parameter

BIB = (Path(parameters.__file__).parent / "references.bib").read_text()
KEYS = set(re.findall(r"@\w+\{(\w+),", BIB))
KEY = r"[A-Z][A-Za-z]+(?:19|20)\d\d"
FORMS = re.compile(r"(published|fitted|assumed|computed|definition): \S")
ROWS = [(row.name, row) for row in TABLE]
FIGURES = [(f"{row.drug}.{row.name}", row) for row in drugs.FIGURES]


def check_source(source: str) -> None:
    for key in re.findall(rf"\b{KEY}\b", source):
        assert key in KEYS, f"{key} is not in references.bib"
    assert re.match(KEY, source) or FORMS.match(source), source


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[name for name, _ in ROWS])
def test_row(name: str, row: Parameter) -> None:
    assert row.unit
    assert row.meaning
    assert row.low <= row.value <= row.high
    assert 0 <= row.cv <= 1
    assert row.kind in ("constant", "patient", "derived", "drug", "input")
    check_source(row.source)


@pytest.mark.parametrize(("name", "row"), FIGURES, ids=[name for name, _ in FIGURES])
def test_drug_figure(name: str, row: drugs.Figure) -> None:
    assert row.unit
    assert row.value >= 0
    assert row.cv >= 0
    assert row.drug in drugs.KINDS
    check_source(row.source)


def test_names_are_unique() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert len({name for name, _ in FIGURES}) == len(FIGURES)


def test_every_reference_is_used() -> None:
    root = Path(__file__).resolve().parents[2]
    pages = [path for path in (root / "docs" / "model").glob("*.md") if path.name != "README.md"]
    files = [*(root / "engine").rglob("*.py"), *(root / "sweeps").rglob("*.py"), root / "docs" / "trials.csv", *pages]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [key for key in KEYS if key not in text] == []


def test_record_of_typical_values() -> None:
    record = parameters.typical(2)
    assert record.dtype == parameters.DTYPE
    assert all(np.all(record[row.name] == row.value) for row in TABLE)
