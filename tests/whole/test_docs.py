"""What the documentation shows is what the code does: doctests, and the first example of the README with its output."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import pulsatile
from pulsatile import engine, sweeps

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (engine, sweeps, pulsatile)
    for module in pkgutil.iter_modules(package.__path__)
    if module.name != "__main__"
]


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_doctests() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 3


def test_first_example_of_the_readme_prints_what_it_says() -> None:
    blocks = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (_, code), (_, shown) = blocks[:2]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    number = re.compile(r"-?\d+\.\d+")
    assert number.sub("#", printed.getvalue()).split() == number.sub("#", shown).split()
    # one unit in the last place: another machine may round the other way
    assert [float(x) for x in number.findall(printed.getvalue())] == pytest.approx(
        [float(x) for x in number.findall(shown)], abs=0.11
    )
