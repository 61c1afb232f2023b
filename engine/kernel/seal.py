"""Seals of compiled kernels: a file is loaded only if it is unchanged since its compilation.

numba loads the files of its cache unchecked: a flipped bit in machine code changes results or ends the process, and a
truncated file ends every later start.  So the SHA-256 of each file is written next to it after compilation and checked
before loading; files that differ are reported, removed and compiled again.
"""

import hashlib
import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

LOG = logging.getLogger("pulsatile")


def compiled_files(folder: Path, stem: str) -> list[Path]:
    """Return numba's files of the generated module ``stem`` in its cache ``folder``, in order of their names."""
    return sorted(path for path in folder.glob(f"{stem}.*") if path.suffix in (".nbi", ".nbc"))


def _seal_file(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.seal"


def _hashes(files: list[Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def holds(folder: Path, stem: str) -> bool:
    """Return whether the compiled files are those that were sealed; also True without compiled files."""
    files = compiled_files(folder, stem)
    if not files:
        return True
    try:
        sealed = json.loads(_seal_file(folder, stem).read_text(encoding="utf-8"))
        return bool(sealed == _hashes(files))
    except (OSError, ValueError):
        return False


def discard(folder: Path, stem: str) -> None:
    """Remove compiled files that differ from the sealed ones, with a warning; `OSError` if one cannot be removed."""
    LOG.warning("compiled kernel in %s is not what was compiled there; it is compiled again.", folder)
    for path in (*compiled_files(folder, stem), _seal_file(folder, stem)):
        path.unlink(missing_ok=True)


def make(folder: Path, stem: str) -> None:
    """Seal the compiled files and withdraw write access of others; without effect in a read-only folder."""
    files = compiled_files(folder, stem)
    if not files:
        return
    with suppress(OSError):
        for path in files:
            path.chmod(path.stat().st_mode & ~0o022)
        temporary = folder / f"{stem}.seal.{uuid4().hex[:8]}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(_hashes(files), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(_seal_file(folder, stem))
