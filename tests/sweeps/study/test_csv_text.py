"""Cells that a spreadsheet would run as formulas are texts; numbers stay numbers."""

import csv
from io import StringIO

import pandas as pd
import pytest

from pulsatile.sweeps.study.tables.csv_text import cell, csv_of_frame, csv_text


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\n=1", "=cmd|x"])
def test_a_formula_becomes_a_text(name: str) -> None:
    assert cell(name) == f"'{name}"
    assert next(csv.reader(StringIO(csv_text([[name, 1]]), newline=""))) == [f"'{name}", "1"]
    frame = pd.DataFrame({"arm": [name], "x": [-1.5]})
    assert pd.read_csv(StringIO(csv_of_frame(frame)))["arm"].tolist() == [f"'{name}"]


@pytest.mark.parametrize("value", ["-5", "+1e-3", "-0.25", "-inf", "-", "a=b", "rhGH - mid", "", -2, 0.5])
def test_numbers_and_other_names_stay(value: object) -> None:
    assert cell(value) == value


def test_digits_of_a_frame() -> None:
    frame = pd.DataFrame({"x": [-0.1, float("nan")], "n": [1, 2]})
    assert csv_of_frame(frame) == "x,n\n-0.1,1\n,2\n"
    assert csv_of_frame(frame, "%.17g") == "x,n\n-0.10000000000000001,1\n,2\n"
