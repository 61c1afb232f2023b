"""The model meets the prototype's figures; data and reasons lie beside the scripts of ``tests/whole/published``.

A row outside its tolerance needs an explanation in its table; even then uncoupled rows may be off by no more than
`EXPLAINED` times the tolerance.
"""

from collections.abc import Callable

import pytest

from tests.whole.published import axis, coupled, gh_on_metabolism, metabolism
from tests.whole.published.rows import Row, load

EXPLAINED = 1.5
TABLES: dict[str, Callable[[], dict[str, float]]] = {
    "axis": axis.values,
    "metabolism": metabolism.values,
    "gh_on_metabolism": gh_on_metabolism.values,
}
ROWS = [pytest.param(name, row, id=f"{name}-{row.key}") for name in TABLES for row in load(name)]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return {name: values() for name, values in TABLES.items()}


def check(row: Row, value: float) -> None:
    verdict = row.verdict(value)
    assert verdict != "missed", f"{row.observable}: {value:.4g} {row.unit}, prototype {row.prototype:.4g}"


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_row(table: str, row: Row, found: dict[str, dict[str, float]]) -> None:
    value = found[table][row.key]
    check(row, value)
    assert abs(row.difference(value)) <= EXPLAINED * row.allowed


@pytest.mark.parametrize("table", [*TABLES, "coupled"])
def test_rows_are_named_once(table: str) -> None:
    rows = load(table)
    assert len({row.key for row in rows}) == len(rows)


@pytest.mark.slow
def test_coupled_system() -> None:
    values = coupled.values()
    for row in load("coupled"):
        check(row, values[row.key])
    assert sum(row.verdict(values[row.key]) == "met" for row in load("coupled")) >= 38
    assert abs(values["year_vat_mean"]) < 0.5
    assert values["year_vat_max"] < 2.0
    assert abs(values["year_igf1"]) < 0.5
    assert abs(values["year_fasting_glucose"]) < 0.2
