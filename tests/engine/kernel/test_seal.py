"""Compiled kernels are what was compiled: a flipped bit, half a file, a folder open to others."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel import _jit, seal

ROOT = Path(__file__).resolve().parents[3]
KERNEL = """
from numba import njit


@njit(cache=True)
def run(x):
    return 3.0 * x + 1.0
"""
ASK = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pulsatile.engine.kernel import _jit
module = _jit.import_generated({KERNEL!r}, "sealed")
print(module.run(2.0), sum(module.run.stats.cache_hits.values()))
"""


def ask(cache: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Call the kernel in a process of its own; it prints the answer and whether it came from the cache."""
    own = os.environ | {"PULSATILE_CACHE_DIR": str(cache), **env}
    return subprocess.run([sys.executable, "-c", ASK], env=own, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the compiled kernel, sealed."""
    cache = tmp_path_factory.mktemp("cache")
    assert ask(cache).stdout.split() == ["7.0", "0"]
    return cache


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "cache"
    subprocess.run(["cp", "-rp", str(filled), str(copy)], check=True)
    return copy


def compiled(cache: Path) -> list[Path]:
    """Return the compiled files and the seal."""
    return sorted(path for path in (cache / "__pycache__").iterdir() if path.suffix in (".nbi", ".nbc", ".seal"))


def test_what_is_whole_is_loaded_without_a_word(cache: Path) -> None:
    result = ask(cache)
    assert (result.returncode, result.stdout.split(), result.stderr) == (0, ["7.0", "1"], "")


def test_any_flipped_bit_is_noticed(cache: Path) -> None:
    chance, folder = random.Random(7), cache / "__pycache__"
    stem = next(cache.glob("*.py")).stem
    assert seal.holds(folder, stem)
    files = [path for path in compiled(cache) if path.suffix != ".seal"]
    for _ in range(300):
        path = chance.choice(files)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        assert not seal.holds(folder, stem)
        path.write_bytes(whole)
    assert seal.holds(folder, stem)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc", ".seal"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "rubbish", "gone"])
def test_what_is_damaged_is_reported_and_compiled_again(cache: Path, suffix: str, damage: str) -> None:
    (path,) = (path for path in compiled(cache) if path.suffix == suffix)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = bytes([*whole[:middle], whole[middle] ^ 1, *whole[middle + 1 :]])
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"flip": flipped, "cut": whole[:middle], "empty": b"", "rubbish": b"\x80rubbish"}[damage])
    result = ask(cache)
    assert (result.returncode, result.stdout.split()) == (0, ["7.0", "0"]), result.stderr
    assert "is compiled again" in result.stderr
    again = ask(cache)
    assert (again.returncode, again.stdout.split(), again.stderr) == (0, ["7.0", "1"], "")


def test_a_cache_of_numba_elsewhere_is_sealed_too(cache: Path, tmp_path: Path) -> None:
    place = tmp_path / "numba"
    assert ask(cache, NUMBA_CACHE_DIR=str(place)).stdout.split() == ["7.0", "0"]
    (path,) = place.rglob("*.nbc")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    result = ask(cache, NUMBA_CACHE_DIR=str(place))
    assert result.stdout.split() == ["7.0", "0"]
    assert "is compiled again" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_that_others_may_write_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch, inside: bool) -> None:
    (cache / "__pycache__" if inside else cache).chmod(0o777)
    monkeypatch.setenv("PULSATILE_CACHE_DIR", str(cache))
    with pytest.raises(InputError, match=r"is writable for other users \(mode 777, owner \d+\); make it writable"):
        _jit.cache_folder()


def test_compiled_files_are_written_by_nobody_else(filled: Path) -> None:
    assert not [path for path in compiled(filled) if path.stat().st_mode & 0o022]
