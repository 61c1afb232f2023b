"""The reference page is what the code says, and leaves out nothing that a study can name."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pulsatile.engine.drugs.presets import PRESETS
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.changes import CHANGEABLE
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.engine.trial.protocols import PROTOCOLS, TESTS
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.study.schema import json_schema

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference.md"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _script()
TEXT = PAGE.read_text(encoding="utf-8")


def part(heading: str) -> str:
    return re.split(r"^## ", TEXT, flags=re.MULTILINE)[[title for title, _, _ in reference.PARTS].index(heading) + 1]


def test_the_page_is_up_to_date() -> None:
    assert reference.page() == TEXT, "run python docs/reference.py"


def test_the_script_tells_so() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "reference.py"), "--check"], cwd=ROOT, env=environment,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_every_key_of_the_schema_has_a_row_with_words() -> None:
    schema = json_schema()
    entries = {name: told for name, told in schema["$defs"].items() if "properties" in told} | {"": schema}
    rows = re.findall(r"^\| `(\w+)` \| .+? \| .*? \| (.*) \|$", part("Study keys"), re.MULTILINE)
    assert len(rows) == sum(len(told["properties"]) for told in entries.values())
    assert sorted(key for key, _ in rows) == sorted(key for told in entries.values() for key in told["properties"])
    assert [key for key, words in rows if len(words.split()) < 2] == []


def test_defaults_are_those_of_the_schema() -> None:
    doses = part("Study keys").partition("Keys of arms[].regimen[]\n")[2].partition("### ")[0]
    for key, told in json_schema()["$defs"]["DoseEntry"]["properties"].items():
        (row,) = re.findall(rf"^\| `{key}` \| .*$", doses, re.MULTILINE)
        value = told.get("default")
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert f"| `{value}` |" in row


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Outputs", OUTPUTS), ("Drugs", DRUGS), ("Presets", PRESETS), ("Populations", POPULATIONS),
        ("Parameters", CHANGEABLE),
    ],
)  # fmt: skip
def test_every_name_has_a_row(heading: str, names: list[str]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", part(heading), re.MULTILINE)
    assert set(names) <= set(rows)
    assert len(rows) == len(set(rows))


def test_every_test_has_its_settings_and_endpoints() -> None:
    text = part("Virtual tests")
    assert re.findall(r"^### (\w+)$", text, re.MULTILINE) == list(PROTOCOLS)
    for name, test in TESTS.items():
        for end, (unit, words) in test.endpoints.items():
            assert f"| `{name}_{end}` | {unit} | {words} |" in text


def test_every_exit_code_has_words() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.+) \|$", part("Exit codes"), re.MULTILINE)
    assert [(int(code), name) for code, name, _ in rows] == [(int(code), code.name) for code in Exit]


def test_links_lead_on() -> None:
    anchors = {reference.anchor(title) for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    titles = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    assert len(anchors) >= len(set(titles))  # a heading twice would need a number
    inside, files = re.findall(r"\]\(#([^)]+)\)", TEXT), re.findall(r"\]\((?!#)([^)#]+)", TEXT)
    assert set(inside) <= anchors
    assert all((ROOT / "docs" / name).is_file() for name in files)
    assert len(inside) > 25


def test_other_pages_lead_to_it() -> None:
    assert "docs/reference.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "reference.md" in (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


def test_a_new_entry_of_the_schema_is_shown() -> None:
    """The walk finds entries wherever they are: in lists, mappings and choices."""
    told = {"anyOf": [{"items": {"$ref": "#/$defs/A"}}, {"additionalProperties": {"$ref": "#/$defs/B"}}]}
    assert list(reference.inner(told, "sweep")) == [("A", "sweep[]"), ("B", "sweep.NAME")]
    assert json.dumps(json_schema()).count('"$ref"') > 10
