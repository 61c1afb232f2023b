"""Compiled kernels across processes: one compilation per node, folders that cannot be written."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulsatile.engine.kernel import _jit, _once

ROOT = Path(__file__).resolve().parents[3]
NODE = 4

_PROCESS = """
import sys, time
from pathlib import Path
from pulsatile.engine.kernel import _jit
text = '''
import numpy as np
from numba import njit

@njit(cache=True)
def run(x):
    total = 0.0
    for i in range(len(x)):
        total += np.sqrt(x[i]) + np.exp(-x[i]) + np.sort(x)[i]
    return total
'''
import numpy as np, numba
place = Path(sys.argv[1])
(place / f"ready-{sys.argv[2]}").touch()
while not (place / "go").exists():
    time.sleep(0.005)
module = _jit.import_generated(text, "fleet")
found = module.run(np.ones(3))
print(sum(module.run.stats.cache_misses.values()), sum(module.run.stats.cache_hits.values()), found, module.__file__)
"""


def started(place: Path, number: int, cache: Path, prefix: tuple[str, ...] = (), **more: str) -> subprocess.Popen[str]:
    own = os.environ | {"PULSATILE_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), **more}
    command = [*prefix, sys.executable, "-c", _PROCESS, str(place), str(number)]
    return subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process: subprocess.Popen[str]) -> tuple[int, int, float, Path]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    misses, hits, value, path = out.split()
    return int(misses), int(hits), float(value), Path(path)


def test_a_node_compiles_once(tmp_path: Path) -> None:
    fleet = [started(tmp_path, k, tmp_path / "cache") for k in range(NODE)]
    while sum(p.name.startswith("ready") for p in tmp_path.iterdir()) < NODE:
        assert all(process.poll() is None for process in fleet)
        time.sleep(0.01)
    (tmp_path / "go").touch()  # all at once
    found = [outcome(process) for process in fleet]
    assert sum(misses for misses, *_ in found) == 1
    assert sum(hits for _, hits, *_ in found) == NODE - 1
    assert len({value for *_, value, _ in found}) == 1
    assert not list((tmp_path / "cache").rglob("*.tmp*"))


def test_a_lock_is_freed_by_death_and_given_up_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl")
    path = tmp_path / "x.lock"
    code = "import fcntl, sys, time\nfile = open(sys.argv[1], 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
    command = [sys.executable, "-c", code + "print(flush=True)\ntime.sleep(60)", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr(_once, "LONGEST_WAIT", 0.2)
        begin = time.monotonic()
        with _once.locked(path):
            assert time.monotonic() - begin >= 0.2
        holder.kill()
    monkeypatch.setattr(_once, "LONGEST_WAIT", 30.0)
    with _once.locked(path):
        assert time.monotonic() - begin < 15


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    code = (
        "import fcntl, os, signal, sys\nfrom pathlib import Path\nfrom pulsatile.engine.kernel._once import locked\n"
        "with locked(Path(sys.argv[1])):\n    child = os.fork()\n    if not child:\n        signal.pause()\n"
        "try:\n    with open(sys.argv[1]) as file:\n        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "finally:\n    os.kill(child, signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.lock")], env=environment, check=True, timeout=60)


def test_without_a_place_for_a_lock_work_goes_on(tmp_path: Path) -> None:
    with _once.locked(tmp_path / "absent" / "x.lock"):
        pass


@pytest.fixture
def unprivileged() -> tuple[str, ...]:
    """Return what starts a program for which permissions count: root may write everywhere."""
    if not hasattr(os, "geteuid"):
        pytest.skip("folders are made read-only by POSIX permissions")
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to be refused by permissions")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with the compiled module, then made read-only, as in a container image."""
    cache = tmp_path / "image"
    (tmp_path / "go").touch()
    misses, _, _, path = outcome(started(tmp_path, 0, cache))
    assert misses == 1
    assert path.parent == cache
    folders = [cache, cache / "__pycache__"]
    for folder in folders:
        folder.chmod(0o555)
    yield cache
    for folder in folders:
        folder.chmod(0o755)


def test_a_filled_folder_that_cannot_be_written_is_used(
    tmp_path: Path, filled: Path, unprivileged: tuple[str, ...]
) -> None:
    (tmp_path / "temporary").mkdir()
    before = sorted(filled.rglob("*"))
    for _ in range(2):
        misses, hits, _, path = outcome(started(tmp_path, 1, filled, unprivileged, TMPDIR=str(tmp_path / "temporary")))
        assert (misses, hits) == (0, 1)
        assert path.is_relative_to(tmp_path / "temporary")
    assert sorted(filled.rglob("*")) == before


def test_nothing_to_write_but_the_temporary_folder(tmp_path: Path, unprivileged: tuple[str, ...]) -> None:
    """A read-only home without a cache: compiled once, kept in the temporary folder."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o555)
    (tmp_path / "temporary").mkdir()
    (tmp_path / "go").touch()
    more = {"HOME": str(home), "XDG_CACHE_HOME": "", "TMPDIR": str(tmp_path / "temporary")}
    found = [outcome(started(tmp_path, k, Path(), unprivileged, PULSATILE_CACHE_DIR="", **more)) for k in range(2)]
    assert [misses for misses, *_ in found] == [1, 0]
    assert found[0][3].is_relative_to(tmp_path / "temporary")
    assert not list(home.iterdir())


def test_temporary_folders_are_not_multiplied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _jit._last_resort.cache_clear()
    assert _jit._last_resort() == _jit._last_resort()
    _jit._last_resort.cache_clear()
    assert len(list(tmp_path.iterdir())) == 1
