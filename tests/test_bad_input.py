"""Wrong study files: one plain sentence each, naming file, field, value and what is allowed; exit code 2."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pulsatile.cli import main
from tests.conftest import Write

Change = dict[str, Any]


def changed(data: dict[str, Any], change: Change) -> dict[str, Any]:
    """Set dotted keys; a value of ``...`` removes the key."""
    data = deepcopy(data)
    for key, value in change.items():
        place: Any = data
        *parents, last = [int(part) if part.isdecimal() else part for part in key.split(".")]
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return data


REGIMEN = "arms.1.regimen.0"
UNFOLDING = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
# what is changed; the field as the sentence names it; the value got; a word of what is allowed
WRONG: list[tuple[Change, str, str, str]] = [
    ({f"{REGIMEN}.drug": "tesamorelim"}, "arms[1].regimen[0].drug", "tesamorelim", "did you mean tesamorelin?"),
    ({f"{REGIMEN}.drug": "aspirin"}, "arms[1].regimen[0].drug", "aspirin", "somatropin"),
    ({f"{REGIMEN}.drug": "mk677"}, "arms[1].regimen[0]", "mk677", "not known"),
    ({f"{REGIMEN}.dose": "-2 mg"}, "arms[1].regimen[0]", "-2", "at least 0"),
    ({f"{REGIMEN}.dose": "2"}, "arms[1].regimen[0].dose", "2", "ug, mg, ug/kg, mg/kg, IU"),
    ({f"{REGIMEN}.dose": 2}, "arms[1].regimen[0].dose", "2", "ug, mg, ug/kg, mg/kg, IU"),
    ({f"{REGIMEN}.dose": "2 mmol"}, "arms[1].regimen[0].dose", "2 mmol", "ug, mg, ug/kg, mg/kg, IU"),
    ({f"{REGIMEN}.dose": "2 IU"}, "arms[1].regimen[0]", "IU", "ug or mg"),
    ({f"{REGIMEN}.dose": "much"}, "arms[1].regimen[0].dose", "much", "write a number"),
    ({f"{REGIMEN}.dose": "1e999 mg"}, "arms[1].regimen[0].dose", "1e999 mg", "too large"),
    ({f"{REGIMEN}.dose": {"match": "gh", "to": "tesamorelin"}}, "arms[1].regimen[0].dose.match", "gh", "igf1"),
    (
        {f"{REGIMEN}.dose": {"match": "igf1", "to": "no treatment"}},
        "arms[1].regimen[0]",
        "tesamorelin",
        "only somatropin",
    ),
    (
        {f"{REGIMEN}.drug": "somatropin", f"{REGIMEN}.dose": {"match": "igf1", "to": "x"}},
        "dose.to",
        "'x'",
        "no treatment",
    ),
    ({f"{REGIMEN}.route": "nasal"}, "arms[1].regimen[0].route", "nasal", "SC"),
    ({f"{REGIMEN}.route": "oral"}, "arms[1].regimen[0]", "oral", "use SC or IV"),
    ({f"{REGIMEN}.at": ["25:00"]}, "arms[1].regimen[0].at[0]", "25:00", "00:00 to 23:59"),
    ({f"{REGIMEN}.at": [8]}, "arms[1].regimen[0].at[0]", "8", "00:00 to 23:59"),
    ({f"{REGIMEN}.at": []}, "arms[1].regimen[0].at", "[]", "at least 1"),
    ({f"{REGIMEN}.at": ["08:00", "8:00"]}, "arms[1].regimen[0]", "8.0, 8.0", "raise the amount"),
    ({f"{REGIMEN}.days": ["Mon", "Noday"]}, "arms[1].regimen[0].days[1]", "Noday", "Mon, Tue"),
    ({f"{REGIMEN}.days": ["Mon", "Mon"]}, "arms[1].regimen[0].days", "Mon", "each once"),
    ({f"{REGIMEN}.every_weeks": 0}, "arms[1].regimen[0].every_weeks", "0", "at least 1"),
    (
        {f"{REGIMEN}.start": "3 weeks", f"{REGIMEN}.stop": "2 weeks"},
        "arms[1].regimen[0]",
        "2.0",
        "after its start_week",
    ),
    ({f"{REGIMEN}.start": "30 weeks"}, "arms[1].regimen[0].start", "30 weeks", "below 1 weeks"),
    ({f"{REGIMEN}.start": 3}, "arms[1].regimen[0].start", "3", "min, h, day, week"),
    ({f"{REGIMEN}.duration": "2 h"}, "arms[1].regimen[0]", "2.0", "0 for the route SC"),
    ({f"{REGIMEN}.amount": "2 mg"}, "arms[1].regimen[0].amount", "2 mg", "allowed are drug, dose"),
    ({f"{REGIMEN}.dose": ...}, "arms[1].regimen[0].dose", "missing", "the keys here are drug, dose"),
    ({"arms.1.preset": "control"}, "arms[1]", "tesamorelin", "either a preset or a regimen"),
    ({"arms.0.preset": "tesamorelin"}, "arms[0]", "tesamorelin", "tesamorelin_label"),
    ({"arms.0.preset": "mk677_25"}, "arms[0]", "mk677_25", "EC50 of MK-677"),
    ({"arms.1.name": "no treatment"}, "arms", "no treatment", "its own name"),
    ({"arms.1.name": ""}, "arms[1].name", "''", "write a name"),
    ({"arms.1.name": " "}, "arms[1].name", "' '", "letters, digits"),
    ({"arms.1.name": "two\nlines"}, "arms[1].name", "two", "in one line"),
    (
        {
            "arms.1.regimen": [
                {"drug": d, "dose": "1 mg", "at": ["08:00"]} for d in ("tesamorelin", "sermorelin", "cjc1295_dac")
            ]
        },
        "tesamorelin",
        "3 GHRH analogues",
        "at most 2",
    ),
    ({"reductions": {"names": ["gh_mean"], "every": "2 weeks"}}, "reductions.every", "2 weeks", "up to 1 weeks"),
    ({"outputs": {"every": "1 min"}, "reductions": {"every": "0.5 min"}}, "reductions.every", "0.5 min", "1 min"),
    ({"arms": []}, "arms", "[]", "at least 1"),
    ({"arms": "control"}, "arms", "control", "a list"),
    ({"arms": ...}, "arms", "missing", "add it"),
    ({"population.n": 0}, "population.n", "0", "at least 1"),
    ({"population.n": -5}, "population.n", "-5", "at least 1"),
    ({"population.n": 2.5}, "population.n", "2.5", "whole number"),
    ({"population.n": "many"}, "population.n", "many", "whole number"),
    ({"population.n": 10**9}, "population.n", "1000000000", "at most 10000000"),
    ({"population.phenotype": "fat"}, "population.phenotype", "fat", "lean, overweight, obese"),
    ({"population.shares": {"lean": 1.0}}, "population", "shares", "one of the two"),
    ({"population.phenotype": ..., "population.shares": {"lean": -1.0}}, "population.shares.lean", "-1", "at least 0"),
    ({"population.phenotype": ..., "population.shares": {"lean": 0.0}}, "population", "lean", "above 0"),
    ({"population": 5}, "population", "5", "the keys n, phenotype"),
    ({"weeks": 0}, "weeks", "0", "above 0"),
    ({"weeks": -26}, "weeks", "-26", "above 0"),
    ({"weeks": float("nan")}, "weeks", "nan", "finite number"),
    ({"weeks": "26 weeks"}, "weeks", "26 weeks", "a number such as"),
    ({"weeks": 1000}, "weeks", "1000", "at most 520"),
    ({"seed": -1}, "seed", "-1", "at least 0"),
    ({"sead": 3}, "sead", "3", "did you mean seed?"),
    ({"control": "placebo"}, "control", "placebo", "no treatment, tesamorelin"),
    ({"outputs": {"names": ["igf2"]}}, "outputs.names[0]", "igf2", "did you mean igf1?"),
    ({"outputs": {"names": ["igf1", "igf1"]}}, "outputs.names", "igf1", "each once"),
    ({"outputs": {"every": "0 h"}}, "outputs.every", "0 h", 'at least "1 min"'),
    ({"outputs": {"every": 24}}, "outputs.every", "24", "min, h, day, week"),
    ({"outputs": {"dtype": "float16"}}, "outputs.dtype", "float16", "float32"),
    ({"reductions": {"names": ["gh_median"]}}, "reductions.names[0]", "gh_median", "gh_mean"),
    ({"tests": [{"test": "scan", "weeks": [0]}]}, "tests[0].test", "scan", "clamp"),
    ({"tests": [{"test": "clamp", "weeks": [0, 26]}]}, "tests[0].weeks", "[0, 26]", "up to week 1"),
    ({"tests": [{"test": "clamp", "weeks": [1, 0]}]}, "tests[0].weeks", "[1, 0]", "ascending"),
    ({"tests": [{"test": "clamp", "weeks": [0.5]}]}, "tests[0].weeks", "[0.5]", "whole weeks"),
    ({"solver": {"rtol": 0}}, "solver.rtol", "0", "at least 1e-12"),
    ({"solver": {"rtol": 1}}, "solver.rtol", "1", "at most 0.01"),
    ({"solver": {"method": "rk4"}}, "solver", "rk4", "bs5"),
    ({"solver": {"lanes": 5}}, "solver.lanes", "5", "8"),
    ({"solver": {"precision": "half"}}, "solver.precision", "half", "mixed"),
    ({"solver": {"precision": "mixed"}}, "solver", "1e-06", "5e-06"),
    ({"solver": {"precision": "mixed", "rtol": 1e-5, "division": "fast"}}, "solver", "fast", "exact"),
]


def refused(path: Path, *more: str) -> str:
    """Run ``pulsatile run`` on a wrong study and return its one sentence."""
    out = path.parent / "run"
    result = CliRunner().invoke(main, ["run", str(path), "--out", str(out), *more])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("pulsatile: error: ")
    assert lines[0].endswith(".")
    assert "Traceback" not in result.stderr
    assert not out.exists()
    return lines[0]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: " ".join(map(str, case[0])))
def test_a_wrong_study_gets_one_sentence(
    case: tuple[Change, str, str, str], small: dict[str, Any], write: Write
) -> None:
    change, field, got, allowed = case
    path = write(changed(small, change))
    sentence = refused(path)
    for part in (str(path), field, got, allowed):
        assert part in sentence, f"{part!r} is not in: {sentence}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file holds nothing where keys"),
        ("- a\n- b\n", "the file holds a list where keys"),
        ("weeks: [1, 2\n", "line 2, column 1 cannot be read as YAML"),
        ("weeks: 1\n\tarms: 2\n", "line 2, column 1 cannot be read as YAML"),
        ("weeks: 1\nweeks: 2\n", "the key 'weeks' is given twice"),
        ("a: &x [1]\nb: *y\n", "undefined alias"),
        ("weeks: !!python/object:os.system {}\n", "cannot be read as YAML"),
        ("[" * 5000, "cannot be read as YAML"),
        ("title: &x [*x]\n", "an alias (*) stands inside what it names"),
        ("!!map [a, b]\n", "expected a mapping node"),
        (UNFOLDING, "aliases unfold to more than"),
    ],
    ids=["empty", "list", "open bracket", "tab", "twice", "alias", "python tag", "deep", "circle", "map tag", "laughs"],
)
def test_text_that_is_no_study(text: str, words: str, write: Write) -> None:
    path = write(text)
    sentence = refused(path)
    assert str(path) in sentence
    assert words in sentence


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"weeks: \xff\xfe\n")
    assert f"{path}: byte 7 is not UTF-8 text" in refused(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "nothing.yaml")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "this is a folder" in refused(tmp_path / "folder")


def test_a_file_too_large(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("#" * 1_000_001)
    assert "too many for a study file" in refused(path)


def test_several_problems_get_a_sentence_each(small: dict[str, Any], write: Write) -> None:
    path = write(changed(small, {"population.n": 0, "weeks": -1, "arms.1.regimen.0.dose": "2"}))
    result = CliRunner().invoke(main, ["validate", str(path)])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--patients", "0"), "population.n = 0 is too small: it must be at least 1"),
        (("--weeks", "-4"), "weeks = -4"),
        (("--seed", "-1"), "seed = -1"),
        (("--chunk", "0"), "--chunk = 0 is too small: it must be at least 1"),
        (("--workers", "-1"), "--workers = -1 is too small: it must be at least 0"),
        (("--threads", "0"), "--threads = 0 is too small: it must be at least 1"),
        (("--set", "population"), "this is not KEY=VALUE"),
        (("--set", "=5"), "this is not KEY=VALUE"),
        (("--set", "arms.7.name=x"), "'7' is not one of them"),
        (("--set", "weeks.days=1"), "weeks = 1 has no parts to set"),
        (("--set", "population.size=5"), "population.size = 5 is an unknown key"),
        (("--set", "seed=[1"), "cannot be read as YAML"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_get_one_sentence(
    options: tuple[str, ...], words: str, small: dict[str, Any], write: Write
) -> None:
    assert words in refused(write(small), *options)


@pytest.mark.parametrize("change", [{"population.n": 0}, {"arms.1.regimen.0.dose": "2"}], ids=["n", "dose"])
def test_the_same_from_a_shell(change: Change, small: dict[str, Any], write: Write) -> None:
    path = write(changed(small, change))
    command = [sys.executable, "-m", "pulsatile", "run", str(path), "--out", str(path.parent / "run")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"pulsatile: error: {path}: ")
