"""What the documentation shows is what the code does: doctests, the README's first example, its tree of folders."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import pulsatile

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    module.name
    for module in pkgutil.walk_packages(pulsatile.__path__, "pulsatile.")
    if not module.ispkg and not module.name.endswith("__main__")
]
WITH_EXAMPLES = [
    name
    for name in (*MODULES, "pulsatile")
    if ">>> " in Path(importlib.util.find_spec(name).origin).read_text(encoding="utf-8")  # type: ignore[union-attr, arg-type]
]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_module_is_looked_at() -> None:
    files = [path for room in ("engine", "sweeps", "pulsatile/cli") for path in (ROOT / room).rglob("*.py")]
    assert len(MODULES) == sum(path.name != "__init__.py" for path in files)
    assert len(WITH_EXAMPLES) >= 20


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_doctests(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted
    assert not results.failed


def test_first_example_of_the_readme_prints_what_it_says() -> None:
    blocks = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
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


def folders() -> set[str]:
    """Return the folders of the checkout that hold files of the project, down to the rooms."""
    tops = ("engine", "sweeps", "pulsatile", "benchmarks", "tests", "docs", "examples")
    rooms = [path for top in ("engine", "sweeps", "pulsatile") for path in (ROOT / top).iterdir()]
    return {f"{top}/" for top in tops} | {
        f"{path.relative_to(ROOT).as_posix()}/"
        for path in rooms
        if path.is_dir() and not path.is_symlink() and any(path.glob("*.py"))
    }


def test_the_readme_shows_every_folder_and_no_other() -> None:
    (tree,) = re.findall(r"## Layout\n.*?```\n(.*?)```", README, re.DOTALL)
    shown, top = set(), ""
    for line in tree.splitlines():
        indent, names = re.match(r"( *)((?:\w+/ ?)*)", line).groups()  # type: ignore[union-attr]
        for name in names.split():
            top = name if not indent else top
            shown.add(name if not indent else top + name)
    assert shown == folders()


def test_no_room_holds_more_than_twenty_modules() -> None:
    for folder in folders():
        modules = [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 20 or folder in ("benchmarks/",), folder
