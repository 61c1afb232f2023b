"""Commit records: one sealed file per chunk, written last, with the SHA-256 of every file that the chunk wrote.

A chunk is committed when its record lies in ``commits/`` and fits the run; anything else does not count.
"""

import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pulsatile.sweeps.disk.files import sha256, write_all
from pulsatile.sweeps.disk.journal import Damaged, seal, unseal
from pulsatile.sweeps.disk.places import is_file, is_folder, make_way
from pulsatile.sweeps.errors import Damage
from pulsatile.sweeps.study.identity import canonical

FOLDER = "commits"
_NAME = re.compile(r"[0-9]{9,}\.json", re.ASCII)
LISTED = (
    "first", "stop", "status", "bytes", "seconds", "write_seconds", "host", "pid", "poison", "canaries", "kept", "at",
)  # fmt: skip
"""Keys of a record that the journal repeats; the others are in the record only."""

Record = dict[str, Any]
"""What a chunk did: its patients, arms, statuses, files, and who did it."""


def place(first: int) -> str:
    """Return the path of a record relative to the run's folder.

    >>> place(128)
    'commits/000000128.json'
    """
    return f"{FOLDER}/{first:09d}.json"


def commit(folder: Path, record: Record, files: Mapping[str, bytes]) -> Record:
    """Write a chunk's files, then its record; return its entry for the journal."""
    begin = time.perf_counter()
    written = write_all(folder, files)
    cost = {"write_seconds": round(time.perf_counter() - begin, 3), "bytes": sum(map(len, files.values()))}
    text = seal(record | cost | {"files": written})
    write_all(folder, {place(record["first"]): text.encode()})
    return entry(text)


def load(folder: Path, first: int) -> str:
    """Return the text of a record; `FileNotFoundError` when there is none, `Damaged` where something else stands."""
    path = folder / place(first)
    if os.path.lexists(path) and not is_file(path):
        raise Damaged("is not a file of its own")
    try:
        return path.read_bytes().decode()  # not read_text, which translates line ends
    except UnicodeDecodeError:
        raise Damaged("is damaged") from None
    except PermissionError as error:
        raise Damaged(f"cannot be read ({error.strerror})") from None


def opened(text: str, first: int) -> Record:
    """Return the record of a chunk from its text; `Damaged` where it is not what was written for this chunk."""
    record = unseal(text)
    if record.get("first") != first:
        raise Damaged("is the record of another chunk")
    return record


def record_of(folder: Path, first: int) -> Record:
    """Return a record; `Damage` where it is missing or is not what was written."""
    try:
        return opened(load(folder, first), first)
    except (FileNotFoundError, Damaged):
        raise Damage(f"{folder / place(first)} is damaged; `pulsatile heal {folder}` mends it.") from None


def entry(text: str) -> Record:
    """Return a record's entry for the journal; `Damaged` when the text is not what was written."""
    record = unseal(text)
    listed = {name: record[name] for name in LISTED if name in record}
    return {"kind": "chunk", **listed, "record": contents(record)}


def contents(record: Record) -> str:
    """Return the hash of what a chunk wrote; it does not depend on the worker, the time or the machine.

    A worker that was believed lost may still write the same chunk.
    """
    return sha256(canonical([record["first"], record["stop"], record["files"]]).encode())


def committed(folder: Path) -> list[int]:
    """Return the first patients of all chunks with a record, ascending; files with other names are no records."""
    if not is_folder(folder / FOLDER):
        return []
    names = [item.name for item in os.scandir(folder / FOLDER) if _NAME.fullmatch(item.name)]
    return sorted(int(name[:-5]) for name in names if f"{FOLDER}/{name}" == place(int(name[:-5])))


def committed_entry(folder: Path, first: int, identity: str) -> Record | None:
    """Return the journal entry of a committed chunk of this run; None when no record fits the run."""
    try:
        text = load(folder, first)
        return entry(text) if opened(text, first)["identity"] == identity else None
    except (FileNotFoundError, Damaged, KeyError):
        return None


def drop(folder: Path, firsts: Iterable[int]) -> None:
    """Remove records, so that their chunks are computed again; what is no record is renamed."""
    for first in firsts:
        make_way(folder, [place(first)])
        (folder / place(first)).unlink(missing_ok=True)
