"""Compilation and caching of generated kernels: the only module that calls numba's compiler.

numba's file cache does not notice an edit in a function of another file.  Therefore generated kernels are separate
files whose name carries a hash of their text, of the engine sources they import, and of numba's, LLVM's and numpy's
versions.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any
from uuid import uuid4

from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel import seal
from pulsatile.engine.kernel._once import Once, locked

FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
"""FMA fusion only: NaN keeps its meaning, no reassociation, results do not depend on the number of lanes."""

KERNEL = Path(__file__).resolve().parent
AGE = 1_000_000_000
"""Time stamp (s) of every generated module: its name determines its content, so a copy equals the original."""
_IMPORTING = Lock()


@cache
def source_hash() -> str:
    """Return the SHA-256 of the modules that a generated kernel imports and of the compiler's versions.

    A kernel's other dependencies (equations, parameters, tableaus, the lane loop) are part of its text.
    """
    digest = hashlib.sha256()
    for name in ("_jit", "intrinsic", "vec", "vecmath"):
        digest.update((KERNEL / f"{name}.py").read_bytes() + b"\0")
    for package in ("numba", "llvmlite", "numpy"):
        digest.update(f"{package}={version(package)}\0".encode())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Return a writable folder for kernels: ``PULSATILE_CACHE_DIR``, else the user's cache, else a temporary one."""
    spare = _spare()
    for folder in (wanted_folder(), spare):
        try:
            folder.mkdir(mode=0o700 if folder == spare else 0o755, parents=True, exist_ok=True)
            # compiled code runs unchecked: a temporary folder counts only if it belongs to this user
            if folder == spare and folder.stat().st_uid != _user():
                continue
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        _refuse_untrusted(folder)
        return folder
    return _last_resort()


def _refuse_untrusted(folder: Path) -> None:
    """Refuse a folder for compiled kernels that other users can write to: compiled code runs unchecked."""
    for path in (folder, folder / "__pycache__"):
        if path.exists() and not _trusted(path):
            mode = path.stat().st_mode & 0o777
            raise InputError(
                f"{path}, the folder of compiled kernels, is writable for other users (mode {mode:03o}, owner "
                f"{path.stat().st_uid}); make it writable for you only (chmod go-w), or set PULSATILE_CACHE_DIR to "
                "another folder."
            )


def wanted_folder() -> Path:
    """Return the configured folder for compiled kernels, whether or not it is usable."""
    chosen = os.environ.get("PULSATILE_CACHE_DIR")
    if chosen:
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulsatile"
    except RuntimeError:  # a user without a home directory
        return _spare()


def _spare() -> Path:
    return Path(tempfile.gettempdir()) / f"pulsatile-cache-{_user()}"


@cache
def _last_resort() -> Path:
    return Path(tempfile.mkdtemp(prefix="pulsatile-cache-"))


def _user() -> int:
    """Return the number of this process's user (0 where users have none, as `os.stat` does)."""
    return os.getuid() if hasattr(os, "getuid") else 0


def import_generated(text: str, stem: str) -> ModuleType:
    """Write ``text`` as a module named by its content and `source_hash`, and import it.

    A compiled function ``run`` of the module is compiled by one process per node only (`_once`).
    """
    key = hashlib.sha256((source_hash() + text).encode()).hexdigest()[:16]
    name = f"pulsatile_{stem}_{key}"
    with _IMPORTING:  # otherwise a second thread might see the module half initialised
        if name not in sys.modules:
            sys.modules[name] = _import(text, name)
        return sys.modules[name]


def _import(text: str, name: str) -> ModuleType:
    folder = cache_folder()
    path, lock = folder / f"{name}.py", folder / f"{name}.lock"
    if not _holds(path, text):
        with locked(lock):
            _put(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import the generated kernel {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(getattr(module, "run", None), "signatures"):
        vars(module)["run"] = Once(module.run, lock)
    return module


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _put(path: Path, text: str) -> None:
    """Write the module's file; copy its compiled code from a configured folder that is readable but not writable."""
    if _holds(path, text):
        return  # written by another process, while this one waited
    configured = wanted_folder()
    compiled, target = configured / "__pycache__", path.parent / "__pycache__"
    target.mkdir(mode=0o755, exist_ok=True)
    if configured not in (path.parent, _spare()) and _holds(configured / path.name, text):
        # numba's index (.nbi) last: it names the others
        files = sorted(compiled.glob(f"{path.stem}.*"), key=lambda file: (file.suffix == ".nbi", file.suffix))
        with suppress(OSError):  # unreadable files are compiled anew
            if files and seal.holds(compiled, path.stem) and all(map(_trusted, (configured, compiled, *files))):
                for file in files:
                    _write(target / file.name, file.read_bytes())
    _write(path, text.encode())


def _trusted(path: Path) -> bool:
    """Return whether only this user or root can have written ``path``: compiled code runs unchecked."""
    entry = path.stat()
    return os.name != "posix" or (entry.st_uid in (0, _user()) and not entry.st_mode & 0o022)


def _write(path: Path, data: bytes) -> None:
    """Write a file atomically, always with time stamp `AGE`, by which numba judges whether it changed."""
    temporary = path.with_name(f"{path.name}.tmp.{uuid4().hex[:16]}")
    temporary.write_bytes(data)  # readable like the folder: an image may be filled by one user and run by another
    os.utime(temporary, (temporary.stat().st_atime, AGE))  # recent access time, for cleaners of temporary folders
    temporary.replace(path)
