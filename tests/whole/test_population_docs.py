"""The tables of docs/population.md are those of the code.

`python -m tests.whole.test_population_docs [DIR]` writes them; DIR is the built population whose comparison and 24-h GH
are shown.
"""

import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.joint_facts import Fact, compare, root_mean_square
from pulsatile.engine.people.draw import PeopleSpec, draw_adults
from pulsatile.engine.people.margins import MAN, SEXES, WOMAN
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.sweeps.population.opened import Built, open_population
from pulsatile.sweeps.population.plausible import BOUNDS
from pulsatile.sweeps.population.published import targets
from pulsatile.sweeps.report.population_files import AGREEMENT
from pulsatile.sweeps.study.tables.own_patients import OFFSETS, UNITS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "population.md"
BLOCK = r"(<!-- {name}: [^\n]*-->\n)(.*?)(<!-- end -->)"

DRAWN = 200_000
"""People drawn for the joint facts, seed 1."""
FALL, AXIS = -14.0, "axis, section 1 (Clasey 2001)"


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
    rows = ["| heading | taken as | times | plus |", "|---|---|---|---|"]
    for name, factors in UNITS.items():
        first = next(iter(factors))
        rows += [
            f"| `{name} [{unit}]` | {first} | {factor:.6g} | {OFFSETS.get((name, unit), '')} |"
            for unit, factor in factors.items()
            if unit != "-"
        ]
    return "\n".join(rows) + "\n"


@cache
def facts() -> list[Fact]:
    return compare(draw_adults(1, np.arange(DRAWN)))


def joint() -> str:
    """Return the joint facts of the adults against the survey."""
    found = facts()
    rows = ["| fact | survey | SE | ours | z |", "|---|---|---|---|---|"]
    rows += [f"| {f.name} | {f.survey:.3g} | {f.error:.2g} | {f.got:.3g} | {f.z:+.1f} |" for f in found]
    line = f"{len(found)} facts, {sum(f.met for f in found)} within 10 % or 4 standard errors"
    return f"{line}, root mean square z {root_mean_square(found):.2f}.\n\n" + "\n".join(rows) + "\n"


def gh(built: Built) -> str:
    """Return the 24-h GH of a built population by sex and age, beside what the documents state."""
    c, w = built.columns, built.weights[built.plausible]
    sex, age, mean = c["sex"], c["age"], c["gh_mean"]

    def of(group: np.ndarray) -> float:
        return float(np.average(mean[group], weights=w[group]))

    def line(words: str, group: np.ndarray, stated: float | None, got: float, unit: str, source: str) -> str:
        said, apart = ("-", "-") if stated is None else (f"{stated:g}", f"{100 * (got / stated - 1):+.0f} %")
        return f"| {words} | {int(group.sum())} | {unit} | {said} | {got:.3g} | {apart} | {source} |"

    rows = ["| group | n | unit | stated | ours | ours over stated | source |", "|---|---|---|---|---|---|---|"]
    for t in (t for t in targets() if t.output == "gh_mean"):
        rows.append(line(f"{t.group.words}: mean", t.group.mask(c), t.value, t.got(c, w), t.unit, t.source))
    for k, word in enumerate(SEXES):
        group = sex == k
        slope = np.polyfit(age[group], np.log(mean[group]), 1, w=np.sqrt(w[group]))[0]
        rows.append(line(f"{word}: change per decade of age", group, FALL, 100 * np.expm1(10 * slope), "%", AXIS))
    young = age < 50
    ratio = of(young & (sex == WOMAN)) / of(young & (sex == MAN))
    rows.append(line("below 50 y: women over men", young, None, ratio, "-", f"{AXIS}: women exceed men"))
    for k, word in enumerate(SEXES):
        for low in range(20, 80, 10):
            group = (sex == k) & (np.rint(age) >= low) & (np.rint(age) < low + 10)
            rows.append(line(f"{word} {low}-{low + 9} y: mean", group, None, of(group), "ug/L", "-"))
    return "\n".join(rows) + "\n"


def block(name: str) -> str:
    found = re.search(BLOCK.format(name=name), PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, name
    return found.group(2)


@pytest.mark.parametrize(("name", "table"), [("named", named), ("units", units)])
def test_tables_are_those_of_the_code(name: str, table: object) -> None:
    assert block(name) == table(), "run python -m tests.whole.test_population_docs"  # type: ignore[operator]


def test_joint_facts_are_those_of_the_code() -> None:
    """Every fact stands on the page with the survey's figure and, within rounding, that of the people drawn."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block("joint").splitlines()
            if line.startswith("|")][2:]  # fmt: skip
    assert [row[:3] for row in rows] == [[f.name, f"{f.survey:.3g}", f"{f.error:.2g}"] for f in facts()]
    for row, fact in zip(rows, facts(), strict=True):
        assert float(row[3]) == pytest.approx(fact.got, rel=0.006), fact.name
        assert float(row[4]) == pytest.approx(fact.z, abs=0.06), fact.name
    said = re.search(r"root mean square z ([\d.]+)\.", block("joint"))
    assert said is not None
    assert float(said[1]) == pytest.approx(root_mean_square(facts()), abs=0.006)


def test_gh_stands_by_sex_and_decade_and_beside_what_is_stated() -> None:
    text = block("gh")
    for word in SEXES:
        assert all(f"| {word} {low}-{low + 9} y: mean |" in text for low in range(20, 80, 10))
        assert f"| {word}: change per decade of age |" in text
    for t in targets():
        if t.output == "gh_mean":
            assert re.search(rf"\| {re.escape(t.group.words)}: mean \| \d+ \| ug/L \| {t.value:g} \|", text)


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
    tables = {"named": named(), "units": units(), "joint": joint()}
    if len(sys.argv) > 1:
        tables["gh"] = gh(open_population(Path(sys.argv[1])))
        text = (Path(sys.argv[1]) / AGREEMENT).read_text(encoding="utf-8")
        tables["agreement"] = text.split("\n\n", 2)[2]  # without heading and id
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        page = re.sub(BLOCK.format(name=name), lambda m, t=table: m[1] + t + m[3], page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
