"""Standard streams that are full, closed or ASCII: no traceback, a sentence, a documented exit code."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pulsatile.cli import streams
from pulsatile.sweeps.errors import Exit
from tests.conftest import SMALL

ARMS = [{"name": "µ", "preset": "control"}, {"name": "=β", "preset": "rhgh_low"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study whose arms have names beyond ASCII, and its finished run."""
    place = tmp_path_factory.mktemp("streams")
    study: dict[str, Any] = SMALL | {"arms": ARMS}
    (place / "s.yaml").write_text(yaml.safe_dump(study, allow_unicode=True), encoding="utf-8")
    done = shell(place, "run s.yaml --out r --workers 0 --threads 1")
    assert done.returncode == 0, done.stderr
    return place


def shell(place: Path, words: str, streams: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    command = f"{shlex.quote(sys.executable)} -m pulsatile {words} {streams}"
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, cwd=place, timeout=120,
        check=False, env=os.environ | {"PYTHONPATH": str(root)} | settings,
    )  # fmt: skip


COMMANDS = ["--help", "--version", "presets", "schema", "validate s.yaml", "status r", "digest r", "resume r"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_output_is_told(words: str, folder: Path) -> None:
    ended = shell(folder, words, "> /dev/full")
    sentence = ended.stderr.splitlines()[-1]
    assert sentence == "pulsatile: error: standard output cannot be written (No space left on device)."
    assert ended.returncode == Exit.CANNOT_WRITE == streams.CANNOT_WRITE
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("words", ["--help", "presets", "run s.yaml --out closed --workers 2"])
def test_a_closed_output_is_told_and_the_run_is_kept(words: str, folder: Path) -> None:
    ended = shell(folder, words, ">&-")
    assert ended.stderr.splitlines()[-1] == "pulsatile: error: standard output cannot be written (Bad file descriptor)."
    assert ended.returncode == Exit.CANNOT_WRITE
    if "closed" in words:
        assert shell(folder, "verify closed").returncode == 0


@pytest.mark.parametrize("stream", ["2>&-", "2> /dev/full", "<&- 2>&-"])
def test_messages_that_nobody_takes_end_nothing(stream: str, folder: Path) -> None:
    name = "m" + str(abs(hash(stream)))
    ended = shell(folder, f"run s.yaml --out {name} --workers 2", stream)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert shell(folder, f"verify {name}").returncode == 0
    assert shell(folder, "validate nothing.yaml", stream).returncode == Exit.BAD_INPUT


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    ended = shell(folder, "schema", "| true")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", Exit.CANNOT_WRITE)


@pytest.mark.parametrize(
    "settings",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
@pytest.mark.parametrize("words", ["presets", "validate s.yaml", "resume r", "status r", "validate µ.yaml"])
def test_an_ascii_output_takes_any_name(words: str, settings: dict[str, str], folder: Path) -> None:
    ended = shell(folder, words, **settings)
    assert ended.returncode == (Exit.BAD_INPUT if "µ" in words else Exit.DONE)
    assert "Traceback" not in ended.stderr
    assert "internal error" not in ended.stderr
