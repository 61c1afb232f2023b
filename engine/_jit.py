"""Where compiled code comes from and where it is kept: the only door to numba's compiler.

numba's file cache does not notice an edit in a function of another file, so generated kernels are files of their own
whose name carries a hash of their text, of the engine sources they import, and of numba's, LLVM's and numpy's versions.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
"""FMA fusion only: NaN keeps its meaning, nothing is reassociated, results do not depend on the number of lanes."""

ENGINE = Path(__file__).resolve().parent
_IMPORTING = Lock()


@cache
def source_hash() -> str:
    """Return the SHA-256 of the modules that a generated kernel imports and of the compiler's versions.

    All else that a kernel depends on (equations, parameters, tableaus, the lane loop) is in its text.
    """
    digest = hashlib.sha256()
    for name in ("_jit", "straight", "vec"):
        digest.update((ENGINE / f"{name}.py").read_bytes() + b"\0")
    for package in ("numba", "llvmlite", "numpy"):
        digest.update(f"{package}={version(package)}\0".encode())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Return a writable folder for compiled kernels (``PULSATILE_CACHE_DIR`` or the user's cache)."""
    chosen = os.environ.get("PULSATILE_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    spare = Path(tempfile.gettempdir()) / f"pulsatile-cache-{_user()}"
    for folder in (Path(chosen) if chosen else user / "pulsatile", spare):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # compiled code is run as it is found: in a folder open to all, only one's own counts
            if folder == spare and folder.stat().st_uid != _user():
                continue
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="pulsatile-cache-"))


def _user() -> int:
    """Return the number of this process's user (0 where users have none, as `os.stat` does)."""
    return os.getuid() if hasattr(os, "getuid") else 0


def import_generated(text: str, stem: str) -> ModuleType:
    """Write ``text`` as a module named by its content and `source_hash`, and import it."""
    key = hashlib.sha256((source_hash() + text).encode()).hexdigest()[:16]
    name = f"pulsatile_{stem}_{key}"
    with _IMPORTING:  # else a second thread might see the module half made
        if name not in sys.modules:
            sys.modules[name] = _import(text, name)
        return sys.modules[name]


def _import(text: str, name: str) -> ModuleType:
    path = cache_folder() / f"{name}.py"
    if not path.exists() or path.read_text() != text:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as aside:
            aside.write(text)
        os.replace(aside.name, path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import the generated kernel {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
