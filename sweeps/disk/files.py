"""Atomic files: written aside, synced, renamed; and the sentence for a disk that refuses them."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pulsatile.sweeps.disk.places import is_folder, refuse_links
from pulsatile.sweeps.errors import CannotWrite

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENOENT,
               errno.ENOTDIR, errno.ENAMETOOLONG}  # fmt: skip
ASIDE = ".aside"
"""Folder, inside that of a run, of files being written; resume removes what a killed process left there."""
_UNFINISHED = re.compile(r"[0-9a-f]+-[0-9]+", re.ASCII)
"""Names in it that are ours; anything else there stays."""
SYNCERS = 8
"""Files synced at once: a disk carries out many syncs in the time of one."""
FEW = 2
"""Up to this many files are synced one after another, without threads."""

_T = TypeVar("_T")


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def write_all(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files below ``root`` atomically, each old or new, and sync them; return their SHA-256.

    Parameters
    ----------
    root : folder, made when missing
    files : content by path relative to ``root``, with ``/``

    Returns
    -------
    dict
        SHA-256 by the same paths.

    Raises
    ------
    OSError
        From the file system; files already renamed stay (they are whole), the others leave nothing behind.
    FolderRefuses
        Where a name or a link leads out of ``root``.
    """
    refuse_links(root, [*files, f"{ASIDE}/x"])
    folders = {(root / name).parent for name in files}
    fresh = [new for folder in {*folders, root / ASIDE} for new in _made(folder)]
    # every folder up to the root: another writer may have made it without syncing it yet
    folders |= {parent for folder in folders for parent in folder.parents if parent.is_relative_to(root)}
    mark = _mark()  # of this call alone: a lost worker may still be writing the same files
    pairs = [
        (root / ASIDE / f"{mark}-{number}", root / name, data) for number, (name, data) in enumerate(files.items())
    ]
    try:
        _each(lambda pair: _write(pair[0], pair[2]), pairs)
        for aside, path, _ in pairs:
            aside.replace(path)
    except BaseException:
        for aside, _, _ in pairs:
            aside.unlink(missing_ok=True)
        raise
    _each(sync_folder, sorted({*folders, *fresh}))
    return {name: sha256(data) for name, data in files.items()}


def _mark() -> str:
    return uuid4().hex[:12]


def write_aside(path: Path, text: str) -> str:
    """Write one text file atomically and sync it; return its SHA-256."""
    return write_all(path.parent, {path.name: text.encode()})[path.name]


def append(path: Path, text: str) -> None:
    """Append to a file and sync it, or leave it as it was."""
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            data = text.encode()
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except BaseException:
            os.truncate(path, size)
            raise


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, and sync their names."""
    for parent in _made(folder):
        sync_folder(parent)


def _made(folder: Path) -> list[Path]:
    """Make a folder; return the parents whose new entries must be synced."""
    missing = [folder, *folder.parents]
    missing = missing[: next(i for i, parent in enumerate(missing) if parent.exists())]
    folder.mkdir(parents=True, exist_ok=True)
    return [path.parent for path in missing]


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder, where the system supports that for folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _each(work: Callable[[_T], None], items: Sequence[_T]) -> None:
    if len(items) <= FEW:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(SYNCERS) as pool:
        list(pool.map(work, items))


def make_sealed(root: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Make a folder below ``root`` with its first files, all at once or not at all; the name must be free."""
    refuse_links(root, [f"{ASIDE}/x"])
    aside = root / ASIDE / f"{_mark()}-0"
    make_folder(aside)
    for file, data in files.items():
        _write(aside / file, data)
    sync_folder(aside)
    aside.rename(root / name)
    sync_folder(root)


def discard(root: Path, name: str) -> None:
    """Remove a folder below ``root``: its name is free at once, and `sweep` completes what is cut short."""
    refuse_links(root, [f"{name}/x", f"{ASIDE}/x"])
    make_folder(root / ASIDE)
    aside = root / ASIDE / f"{_mark()}-0"
    (root / name).rename(aside)
    sync_folder(root)
    shutil.rmtree(aside)
    with suppress(OSError):
        (root / ASIDE).rmdir()


def sweep(root: Path) -> int:
    """Remove unfinished files that killed processes left; return their number."""
    if not is_folder(root / ASIDE):  # a link leads to files that are not ours
        return 0
    unfinished = [path for path in (root / ASIDE).iterdir() if _UNFINISHED.fullmatch(path.name)]
    for path in unfinished:
        if is_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        (root / ASIDE).rmdir()
    return len(unfinished)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise CannotWrite(
            f"{error.filename or path} cannot be written ({error.strerror or error}"
            f"{_free(Path(error.filename or path))}); free space or make the folder writable, then go on; what is "
            "committed is kept."
        ) from error


def _free(path: Path) -> str:
    with suppress(OSError, StopIteration):
        existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
        return f", {shutil.disk_usage(existing).free} bytes free"
    return ""
