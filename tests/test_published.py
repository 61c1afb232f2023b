"""The uncoupled axis and metabolism meet the prototype's figures; data and reasons lie beside the scripts.

A row outside its tolerance needs an explanation in its table and may be off by no more than `EXPLAINED` times that.
"""

from collections.abc import Callable

import pytest

from tests.published import axis, metabolism
from tests.published.rows import Row, load

EXPLAINED = 1.5
TABLES: dict[str, Callable[[], dict[str, float]]] = {"axis": axis.values, "metabolism": metabolism.values}
ROWS = [pytest.param(name, row, id=f"{name}-{row.key}") for name in TABLES for row in load(name)]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return {name: values() for name, values in TABLES.items()}


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_row(table: str, row: Row, found: dict[str, dict[str, float]]) -> None:
    value = found[table][row.key]
    verdict = row.verdict(value)
    assert verdict != "missed", f"{row.observable}: {value:.4g} {row.unit}, prototype {row.prototype:.4g}"
    assert abs(row.difference(value)) <= EXPLAINED * row.allowed


@pytest.mark.parametrize("table", list(TABLES))
def test_rows_and_values_belong_together(table: str) -> None:
    rows = load(table)
    assert len({row.key for row in rows}) == len(rows)
    assert sum(row.note != "" and row.allowed == 10 for row in rows) < len(rows) / 3
