"""Wrong files, options and commands: one plain sentence each; exit code 2, and nothing is written."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pulsatile.cli.main import main
from tests.conftest import Write
from tests.sweeps.study.test_bad_input import Change, changed, refused, rule

UNFOLDING = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))


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
    assert f"{tmp_path / 'folder'}: this is a folder; give the path" in refused(tmp_path / "folder")


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
        (("--patients", "10000001"), "population.n = 10000001 is too large: it must be at most 10000000"),
        (("--weeks", "-4"), "weeks = -4"),
        (("--weeks", "nan"), "weeks = 'nan' is not allowed here: write a number"),
        (("--weeks", "1e-9"), "weeks = 1e-09 is too small"),
        (("--seed", "-1"), "seed = -1"),
        (("--chunk", "0"), "--chunk = 0 is too small: it must be at least 1"),
        (("--chunk", "-1"), "--chunk = -1 is too small: it must be at least 1"),
        (("--workers", "-1"), "--workers = -1 is too small: it must be at least 0"),
        (("--threads", "0"), "--threads = 0 is too small: it must be at least 1"),
        (("--gate", "2"), "--gate = 2.0 is outside 0 ... 1"),
        (("--gate", "nan"), "--gate = nan is outside 0 ... 1"),
        (("--memory", "lots"), "MB, GB, TB, MiB, GiB, TiB"),
        (("--memory", "2"), "'2' has no unit"),
        (("--memory", "2 mg"), "unknown unit 'mg'"),
        (("--memory", "-2 GB"), "must be above 0"),
        (("--memory", "1e308 TB"), 'at most "1000 TB"'),
        (("--memory", "1 MB"), "is too small"),
        (("--slurm", "nothing.yaml"), "there is no such file; give the path of a SLURM file"),
        (("--set", "population"), "this is not KEY=VALUE"),
        (("--set", "=5"), "this is not KEY=VALUE"),
        (("--set", "population..n=5"), "this is not KEY=VALUE"),
        (("--set", "arms.7.name=x"), "'7' is not one of them"),
        (("--set", "arms.-1.name=x"), "'-1' is not one of them"),
        (("--set", f"arms.{'9' * 5000}.name=x"), "9 ... is not one of them"),
        (("--set", "weeks.days=1"), "weeks = 1 has no parts to set"),
        (("--set", "population.size=5"), "population.size = 5 is an unknown key"),
        (("--set", "population.n="), "population.n is missing or nothing"),
        (("--set", f"population.n={'9' * 5000}"), "cannot be read as YAML"),
        (("--set", "weeks=!!python/object:os.system {}"), "cannot be read as YAML"),
        (("--set", "title=\ud800"), "cannot be read as YAML"),
        (("--set", "seed=[1"), "cannot be read as YAML"),
        (("--set", "seed=1\nweeks: 2"), "cannot be read as YAML"),
        (("--set", "seed=&a [*a]"), "an alias (*) stands inside what it names"),
        (("--set", f"{'a' * 100_000}=1"), " ... = 1 is an unknown key"),
    ],
    ids=lambda value: ascii(value[1])[1:30] if isinstance(value, tuple) else "",
)
def test_wrong_options_get_one_sentence(
    options: tuple[str, ...], words: str, small: dict[str, Any], write: Write
) -> None:
    sentence = refused(write(small), *options)
    assert words in sentence
    assert len(sentence) < 1000


def test_what_no_memory_holds_is_refused(small: dict[str, Any], write: Write) -> None:
    path = write(small | {"weeks": 520, "outputs": {"every": "1 min"}, "population": {"n": 1000}})
    sentence = refused(path, "--chunk", "100")
    assert "GB" in sentence
    assert "make --chunk smaller or outputs.every longer" in sentence


@pytest.mark.parametrize("change", [{"population.n": 0}, rule(dose="2"), rule(dose="2000 mg")], ids=["n", "unit", "mg"])
def test_the_same_from_a_shell(change: Change, small: dict[str, Any], write: Write) -> None:
    path = write(changed(small, change))
    result = in_a_shell("run", str(path), "--out", str(path.parent / "run"))
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"pulsatile: error: {path}: ")


@pytest.mark.parametrize(
    "words",
    [("run",), ("run", "a", "b"), ("run", "a", "--speed", "3"), ("run", "a", "--patients", "3.5"), ("fly",)],
    ids=" ".join,
)
def test_a_command_that_is_none(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 2
    assert "Error: " in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("address", ["nonsense", "foo://host:1", "tcp://127.0.0.1:port"])
def test_a_scheduler_that_is_none(address: str, small: dict[str, Any], write: Write) -> None:
    path = write(small)
    result = CliRunner().invoke(main, ["run", str(path), "--out", str(path.parent / "run"), "--scheduler", address])
    assert result.exit_code == 5
    (sentence,) = result.stderr.splitlines()
    assert f"no Dask scheduler with workers answers at {address}" in sentence
    assert not (path.parent / "run").exists()


NO_RUN = {
    "missing": "does not exist", "file": "is a file", "empty": "holds no run", "foreign": "holds no run",
    "emptied": "damaged", "binary": "damaged", "of lists": "damaged",
}  # fmt: skip
DAMAGED = {"emptied": b"", "binary": b"\xff\xfe\0\n", "of lists": b"[]\n3\nnull\n"}


def no_run(kind: str, path: Path) -> Path:
    """Make what a command on a run's folder may be given in its place."""
    if kind == "file":
        path.write_text("x")
    elif kind != "missing":
        path.mkdir()
    if kind == "foreign":
        (path / "thesis.tex").write_text("x")
    if kind in DAMAGED:
        for name in ("journal.jsonl", "manifest.json", "resolved.json"):
            (path / name).write_bytes(DAMAGED[kind])
    return path


@pytest.mark.parametrize("kind", NO_RUN)
@pytest.mark.parametrize("command", ["resume", "expand", "verify", "heal", "digest", "status", "cancel", "unlock"])
def test_a_folder_that_is_no_run(command: str, kind: str, tmp_path: Path) -> None:
    path = no_run(kind, tmp_path / "with space")
    before = sorted(path.iterdir()) if path.is_dir() else []
    result = CliRunner().invoke(main, [command, str(path), *(["--patients", "9"] if command == "expand" else [])])
    assert "Traceback" not in result.output
    assert (sorted(path.iterdir()) if path.is_dir() else []) == before
    if kind in DAMAGED and command in ("status", "cancel", "unlock"):  # they tell what can be told
        assert result.exit_code == 0
        return
    assert result.exit_code == (6 if kind in DAMAGED else 4)
    (sentence,) = result.stderr.splitlines()
    assert NO_RUN[kind] in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--arm", "rhgh"), "--arm 'rhgh' is not NAME=PRESET"),
        (("--arm", "=rhgh_low"), "--arm '=rhgh_low' is not NAME=PRESET"),
        (("--study", "larger.yaml", "--weeks", "4"), "leave the other options out"),
        (("--study", "nothing.yaml"), "there is no such file"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_growth_that_is_none(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["expand", str(tmp_path), *options])
    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert words in sentence


def test_a_pipe_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = in_a_shell("validate", str(tmp_path / "pipe"))
    assert result.returncode == 2
    assert "this is no plain file" in result.stderr


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "study\udcff.yaml")
    assert "cannot be read" in refused(tmp_path / ("x" * 300))


def in_a_shell(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pulsatile", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
