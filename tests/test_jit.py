"""Generated modules: one per text, whole before anybody sees it, from a folder of one's own."""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine import _jit


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSATILE_CACHE_DIR", str(tmp_path / "chosen"))


def test_threads_never_see_a_module_half_made() -> None:
    text = "import time\ntime.sleep(0.2)\nrun = 1\n"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _jit.import_generated(text, "slow").run, range(4)))
    assert found == [1] * 4


def test_a_module_that_fails_is_not_kept() -> None:
    before = set(sys.modules)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _jit.import_generated("1 / 0\n", "broken")
    assert not {name for name in set(sys.modules) - before if "broken" in name}


def test_a_damaged_file_is_written_again() -> None:
    _jit.import_generated("run = 2\n", "damaged")
    path = next(_jit.cache_folder().glob("pulsatile_damaged_*.py"))
    path.write_text("run = 3\n")
    del sys.modules[path.stem]
    assert _jit.import_generated("run = 2\n", "damaged").run == 2


def test_the_key_covers_the_text_and_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    one: Any = _jit.import_generated("run = 4\n", "keyed")
    monkeypatch.setattr(_jit, "source_hash", lambda: "another compiler")
    names = {one.__name__, *(_jit.import_generated(text, "keyed").__name__ for text in ("run = 4\n", "run = 5\n"))}
    assert len(names) == 3


def test_the_spare_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "file"
    closed.write_text("no folder")
    monkeypatch.setenv("PULSATILE_CACHE_DIR", str(closed))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = _jit.cache_folder()
    assert own.parent == tmp_path
    assert own == _jit.cache_folder()
    monkeypatch.setattr(_jit, "_user", lambda: 12345)
    theirs = tmp_path / "pulsatile-cache-12345"
    theirs.mkdir()
    assert _jit.cache_folder() != theirs
