"""Generated modules: one per text, whole before anybody sees it, from a folder of one's own."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pulsatile.engine.kernel import _jit, codegen, seal


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PULSATILE_CACHE_DIR", str(tmp_path / "chosen"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("pulsatile_"):
            del sys.modules[name]


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


@pytest.mark.parametrize("damage", [b"run = 3\n", b"run = 2\r\n"])
def test_a_damaged_file_is_written_again(damage: bytes) -> None:
    path = generated("run = 2\n", "damaged")
    path.write_bytes(damage)
    del sys.modules[path.stem]
    assert _jit.import_generated("run = 2\n", "damaged").run == 2
    assert path.read_bytes() == b"run = 2\n"


def generated(text: str, stem: str) -> Path:
    """Return the file of a generated module."""
    return Path(str(_jit.import_generated(text, stem).__file__))


def test_kernels_are_generated_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that parse at once fail in CPython 3.11."""
    busy: list[int] = []

    def source(build: codegen.Build) -> str:
        assert not busy
        busy.append(build.lanes)
        time.sleep(0.05)
        return f"run = {busy.pop()}\n"

    monkeypatch.setattr(codegen, "source", source)
    lanes = range(901, 905)  # no kernel's
    with ThreadPoolExecutor(4) as pool:
        assert [m.run for m in pool.map(lambda k: codegen.kernel(codegen.Build(lanes=k)), lanes)] == list(lanes)


def test_files_look_old_to_numba_and_new_to_what_cleans_up(tmp_path: Path) -> None:
    _jit._write(tmp_path / "dated.py", b"run = 7\n")
    found = (tmp_path / "dated.py").stat()
    assert found.st_mtime == _jit.AGE
    assert found.st_atime > time.time() - 3600


posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@posix
def test_nobody_else_may_write_into_the_cache() -> None:
    before = os.umask(0)
    try:
        path = generated("run = 8\n", "private")
    finally:
        os.umask(before)
    for folder in (path.parent, path.parent / "__pycache__"):
        assert folder.stat().st_mode & 0o777 == 0o755


@posix
@pytest.mark.parametrize(
    ("hole", "taken"),
    [("none", True), ("folder", False), ("compiled", False), ("file", False), ("stranger", False), ("spare", False)],
)
def test_compiled_code_is_taken_only_from_whom_one_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hole: str, taken: bool
) -> None:
    given = tmp_path / "chosen"
    source = generated("run = 9\n", "given")
    kept = given / "__pycache__" / f"{source.stem}.run-1.py311.nbi"
    kept.write_bytes(b"compiled")
    seal.make(kept.parent, source.stem)
    for path in (given, kept.parent, kept):
        path.chmod(0o755)
    del sys.modules[source.stem]
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr(_jit, "cache_folder", lambda: own)
    if hole == "stranger":
        if os.getuid() == 0:
            os.chown(kept, 12345, -1)
        monkeypatch.setattr(_jit, "_user", lambda: 54321)
    elif hole == "spare":
        monkeypatch.setattr(_jit, "_spare", lambda: given)
    elif hole != "none":
        {"folder": given, "compiled": kept.parent, "file": kept}[hole].chmod(0o777)
    assert _jit.import_generated("run = 9\n", "given").run == 9
    assert (own / "__pycache__" / kept.name).exists() == taken


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
