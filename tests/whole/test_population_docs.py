"""The tables of docs/population.md are those of the code.

`python -m tests.whole.test_population_docs [DIR]` writes them; DIR is the built population whose comparison is shown.
"""

import re
import sys
from pathlib import Path

import pytest

from pulsatile.engine.people.draw import PeopleSpec
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.sweeps.population.plausible import BOUNDS
from pulsatile.sweeps.population.published import targets
from pulsatile.sweeps.report.population_files import AGREEMENT
from pulsatile.sweeps.study.own_patients import UNITS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "population.md"
BLOCK = r"(<!-- {name}: [^\n]*-->\n)(.*?)(<!-- end -->)"


def named() -> str:
    """Return the table of named populations."""
    rows = ["| name | who | criteria | source |", "|---|---|---|---|"]
    for p in POPULATIONS.values():
        own = [f"{p.people.women:.0%} women"] if p.people.women != PeopleSpec().women else []
        own += [f"{name} {limits(value)}" for name, value in p.people.ranges.items()]
        own += [f"{name} of its own" for name in p.people.margins]
        own += [f"{name} {shift:+g} SD" for name, shift in p.people.shifts.items()]
        own += [f"{p.secretion:g} of normal GH secretion"] if p.secretion != 1 else []
        own += [f"beta-cell deficit {p.beta_deficit:+.2g}"] if p.beta_deficit else []
        rows.append(f"| `{p.name}` | {p.description} | {', '.join(own) or 'the whole table'} | {p.source} |")
    return "\n".join(rows) + "\n"


def limits(value: object) -> str:
    """Return a range, or one per sex."""
    if isinstance(value, dict):
        return ", ".join(f"{sex} {limits(one)}" for sex, one in value.items())
    low, high = value  # type: ignore[misc]
    return f"from {low:g}" if high == float("inf") else f"{low:g}-{high:g}"


def units() -> str:
    """Return the table of headings of own patients."""
    rows = ["| heading | taken as | times |", "|---|---|---|"]
    for name, factors in UNITS.items():
        first = next(iter(factors))
        rows += [f"| `{name} [{unit}]` | {first} | {factor:.6g} |" for unit, factor in factors.items() if unit != "-"]
    return "\n".join(rows) + "\n"


def block(name: str) -> str:
    found = re.search(BLOCK.format(name=name), PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, name
    return found.group(2)


@pytest.mark.parametrize(("name", "table"), [("named", named), ("units", units)])
def test_tables_are_those_of_the_code(name: str, table: object) -> None:
    assert block(name) == table(), "run python -m tests.whole.test_population_docs"  # type: ignore[operator]


def test_every_published_number_is_compared() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block("agreement").splitlines()
            if line.startswith("|")]  # fmt: skip
    shown = {(row[0], row[1], row[3], row[4]) for row in rows if len(row) == 10}
    assert {(t.quantity, t.group.words, t.words, f"{t.value:.3g}") for t in targets()} <= shown


def test_bounds_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for bound in BOUNDS.values():
        assert f"{bound.low:g}-{bound.high:g} {bound.unit}" in text


def main() -> None:
    """Write the tables into the page."""
    tables = {"named": named(), "units": units()}
    if len(sys.argv) > 1:
        text = (Path(sys.argv[1]) / AGREEMENT).read_text(encoding="utf-8")
        tables["agreement"] = text.split("\n\n", 2)[2]  # without heading and id
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        page = re.sub(BLOCK.format(name=name), lambda m, t=table: m[1] + t + m[3], page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
