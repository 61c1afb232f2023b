"""The model documents: what the code cites of them is there, their tables are the code's, their links lead on."""

import importlib.util
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import pulsatile
from pulsatile import engine, sweeps
from pulsatile.engine import parameters
from pulsatile.engine.drugs import table as drugs
from pulsatile.engine.model import FLUX_UNITS
from pulsatile.engine.people import margins, populations, survey
from pulsatile.engine.states import STATES
from tests.engine import test_model

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "docs" / "model"


def _sources() -> ModuleType:
    spec = importlib.util.spec_from_file_location("model_sources", MODEL / "sources.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sources = _sources()
NAMES = "|".join(sources.DOCUMENTS)
DOCUMENTS = tuple(MODEL / f"{name}.md" for name in ("README", *sources.DOCUMENTS))
NUMBERED = re.compile(r'^<a id="section-([\d.]+)"></a>\n#+ ([\d.]*\d)\.? ', re.MULTILINE)
HEADING = re.compile(r"^#+ (.+?) *$", re.MULTILINE)
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
LINK = re.compile(r"\]\(([^()\s]+)\)")

ROWS = {f"parameter {row.name}": row.source for row in parameters.TABLE}
ROWS |= {f"figure {row.drug} {row.name}": row.source for row in drugs.FIGURES}
ROWS |= {f"margin {row.name}": row.source for row in margins.PRINTED}
ROWS |= {f"margin by age {row.name}": row.source for row in survey.BY_AGE}
ROWS |= {f"population {row.name}": row.source for row in populations.POPULATIONS.values()}
NOTES = {f"entry {entry.key}": entry.note for entry in sources.entries()}

# what comments, docstrings and captions may write: "axis section 2", "metabolism 7.3", "axis C15", "population 1.1-1.5"
LOOSE = re.compile(
    rf"\b({NAMES})(?:\.md)?,? "
    r"(?:sections? (\d+(?:\.\d+)?)(?:-(\d+\.\d+))?|(\d+\.\d+)(?:-(\d+\.\d+))?|(?:constraint )?(C\d+))(?![\w%])"
)
TITLES = {  # of parts that comments name by heading: as written there
    "overview": ("Coupling", "Meals", "Re-tune", "Run-in"),
    "axis": ("Covariates", "Definitions for tests", "Drug interface"),
    "metabolism": ("Clamp recipe", "Phenotypes", "Read-outs"),
    "population": ("Recipe",),
}


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return what a link into a page can lead to: its headings, and anchors of its own."""
    page = re.sub(r"```.*?```", "", text(path), flags=re.DOTALL)
    return frozenset(sources.slug(heading) for heading in HEADING.findall(page)) | frozenset(ANCHOR.findall(page))


@cache
def sections(document: str) -> frozenset[str]:
    """Return the numbers of the sections of a document."""
    return frozenset(number for _, number in NUMBERED.findall(text(MODEL / f"{document}.md")))


def missing(match: re.Match[str]) -> list[str]:
    """Return what of a reference in the one form of the source columns is not in the documents."""
    document = match["document"]
    found = [f"{document}, section {n}" for n in (match["section"], match["last"]) if n and n not in sections(document)]
    anchor = match["constraint"].lower() if match["constraint"] else sources.slug(match["heading"] or "")
    return found + [f"{document}, {anchor}" for _ in (1,) if anchor and anchor not in anchors(MODEL / f"{document}.md")]


def unresolved(source: str) -> list[str]:
    """Return the references of ``source`` that lead nowhere, and the documents it names in another form."""
    found = [part for match in sources.REFERENCE.finditer(source) for part in missing(match)]
    rest = sources.REFERENCE.sub("", source)
    return found + re.findall(rf"\b(?:{NAMES})\b(?! PK)", rest)


@pytest.mark.parametrize(("name", "source"), [*ROWS.items(), *NOTES.items()], ids=[*ROWS, *NOTES])
def test_source_leads_to_a_place_in_the_documents(name: str, source: str) -> None:
    assert unresolved(source) == []


@pytest.mark.parametrize(
    "planted",
    [
        "fitted: clamp M, metabolism, section 7.9",
        "Hartman1992, axis, constraint C16",
        "assumed: axis, Covariables",
        "computed: axis section 2",
        "population, section 1.1-1.6 (COMPUTED)",
        "assumed: therapies 2",
    ],
)
def test_a_reference_that_leads_nowhere_is_found(planted: str) -> None:
    assert unresolved(planted)


def test_references_are_many() -> None:
    # a pattern that matches nothing would let all of the above pass
    assert sum(bool(sources.REFERENCE.search(source)) for source in ROWS.values()) > 200
    for document in ("axis", "metabolism", "therapies", "population"):
        assert any(f"{document}, section" in source for source in ROWS.values())


def test_numbers_of_sections_are_their_anchors() -> None:
    for path in DOCUMENTS:
        for anchor, number in NUMBERED.findall(text(path)):
            assert anchor == number, path.name
        ids = ANCHOR.findall(text(path))
        assert len(set(ids)) == len(ids), path.name


def _files() -> list[Path]:
    packages = {Path(package.__file__ or "").resolve().parent for package in (engine, sweeps, pulsatile)}
    folders = sorted({*packages, ROOT / "tests", ROOT / "benchmarks", ROOT / "docs", ROOT / "examples"})
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".md", ".csv")]


def test_comments_and_pages_name_sections_that_are_there() -> None:
    wrong, seen = [], 0
    for path in _files():
        if path == Path(__file__).resolve():
            continue
        for document, *numbers, constraint in LOOSE.findall(text(path)):
            seen += 1
            there = sections(document)
            wrong += [f"{path.name}: {document} {number}" for number in numbers if number and number not in there]
            if constraint and constraint.lower() not in anchors(MODEL / f"{document}.md"):
                wrong.append(f"{path.name}: {document} {constraint}")
    assert wrong == []
    assert seen > 80


@pytest.mark.parametrize(("document", "title"), [(d, title) for d, titles in TITLES.items() for title in titles])
def test_parts_named_by_their_heading_are_there(document: str, title: str) -> None:
    assert title in HEADING.findall(text(MODEL / f"{document}.md"))


def test_every_key_is_in_the_references() -> None:
    known = {entry.key for entry in sources.entries()}
    named = {key: name for name, source in ROWS.items() for key in sources.KEY.findall(source)}
    named |= {key: path.name for path in (*DOCUMENTS, *_files()) for key in sources.KEY.findall(text(path))
              if path != Path(__file__).resolve()}  # fmt: skip
    assert {key: where for key, where in named.items() if key not in known} == {}


def test_every_entry_is_used_and_has_what_a_citation_needs() -> None:
    used = " ".join(text(path) for path in _files() if path != MODEL / "README.md")
    for entry in sources.entries():
        assert entry.key in used, entry.key
        assert entry.author, entry.key
        assert entry.title, entry.key
        assert entry.key.endswith(entry.year), entry.key


def test_what_is_to_be_verified_is_shown() -> None:
    readme = text(MODEL / "README.md")
    marked = [entry for entry in sources.entries() if sources.UNVERIFIED in entry.note]
    assert text(sources.BIB).count(sources.UNVERIFIED) == len(marked) + 1  # and the head of the file
    for entry in marked:
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{entry.key}` |")]
        assert sources.UNVERIFIED in row


@pytest.mark.parametrize("document", ["README", *sources.DOCUMENTS])
def test_tables_are_those_of_the_code(document: str) -> None:
    assert text(MODEL / f"{document}.md") == sources.rewritten(document), "run python docs/model/sources.py"


def test_the_script_tells_what_is_out_of_date() -> None:
    done = subprocess.run([sys.executable, str(MODEL / "sources.py"), "--check"], cwd=ROOT, env=_environment(),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def test_every_parameter_of_the_equations_is_in_a_table() -> None:
    shown = [*sources.AXIS, *sources.METABOLISM]
    assert len(set(shown)) == len(shown)
    left = {row.name for row in parameters.TABLE if row.kind not in ("drug", "input")} - set(shown)
    assert left == {"minutes_per_hour", "day", "body_changes"}


@pytest.mark.parametrize("document", ["AXIS", "METABOLISM"])
def test_symbols_are_those_that_the_equations_are_tested_with(document: str) -> None:
    shown = {name: symbol for name, symbol in getattr(sources, document).items() if symbol != "-"}
    for symbol, name in getattr(test_model, document).items():
        if parameters.ROW[name].kind != "input":
            assert shown[name] == symbol


def _equations(written: str) -> set[str]:
    """Return the equations of a text, without blanks: ``x^2`` and ``dx/dt`` or ``x'`` written ``x**2`` and ``dx``."""
    found = set()
    for line in written.splitlines():
        for part in re.split(r";|   +(?=\w+'? *= )", line.partition("#")[0]):
            one = re.sub(r"^d(\w+)/dt=|^(\w+)'=", lambda m: f"d{m[1] or m[2]}=", re.sub(r"\s", "", part))
            found.add(one.replace("^", "**"))
    return found


# tests that set inputs show them in the document; the transcription has none
TEST_INPUTS = {
    "(S + sst_added)": "S", "igf1_factor*": "", "sst_factor*": "", " + gh_infusion": "", "gh_pump - ": "-",
    "body_changes*( kin0 + Emax*c_E*M - kout*I )": "kin0 + Emax*c_E*M - kout*I",
}  # fmt: skip


@pytest.mark.parametrize("document", ["axis", "metabolism"])
def test_equations_are_those_that_the_right_hand_side_is_tested_with(document: str) -> None:
    code = "\n".join(re.findall(r"```\n(.*?)```", text(MODEL / f"{document}.md"), re.DOTALL))
    for shown, plain in TEST_INPUTS.items():
        assert document != "axis" or shown in code, shown
        code = code.replace(shown, plain)
    tested = _equations(getattr(test_model, f"{document.upper()}_TEXT"))
    assert len(tested) > 15
    assert tested - _equations(code) <= {""}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_a_file_and_a_place_in_it(path: Path) -> None:
    for link in LINK.findall(re.sub(r"```.*?```", "", text(path), flags=re.DOTALL)):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_states_and_parameters_that_exist(path: Path) -> None:
    known = {*STATES, *FLUX_UNITS, *parameters.NAMES, *drugs.KINDS, *populations.POPULATIONS}
    written = re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`", text(path))
    figures = {row.name for row in drugs.FIGURES} | {f"{slot}" for slot in parameters.SLOTS}
    figures |= set(sources.PRESETS) | {row.name for row in margins.PRINTED}
    assert {name for name in written if name not in known | figures | {"k_rec", "k_des"}} == set()
