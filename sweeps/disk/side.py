"""Folders inside a run that an expansion makes: each with a seal, without which a folder of that name is its owner's.

``expanding`` holds the larger run while it grows, ``expanded`` when it is finished and takes the place of the smaller
one, ``replaced`` what it has replaced so far.
"""

import os
from pathlib import Path

from pulsatile.sweeps.disk.files import make_sealed
from pulsatile.sweeps.disk.journal import Damaged, Entry, JournalState, seal, unseal
from pulsatile.sweeps.disk.places import is_file, is_folder
from pulsatile.sweeps.errors import FolderRefuses

GROWING, GROWN, REPLACED = "expanding", "expanded", "replaced"
SEAL = "of-the-run.json"
"""File in each of these folders that names the run it belongs to; it is not moved into the run."""


def make(path: Path, name: str, identity: str, digest: str) -> None:
    """Make a folder of the finished run in ``path`` with its seal, at once."""
    text = seal({"kind": "part of a run", "identity": identity, "digest": digest})
    make_sealed(path, name, {SEAL: text.encode()})


def is_sealed(path: Path) -> bool:
    """Return whether a folder is one that an expansion made, of whatever run."""
    return is_folder(path) and is_file(path / SEAL)


def ours(path: Path, run: JournalState, name: str) -> bool:
    """Return whether a folder inside ``path`` was made by an expansion of the run there.

    While a larger run takes its place, ``run`` may be it already: it names the smaller one.
    """
    if not is_sealed(path / name):
        return False
    steps: list[Entry] = [*run.facts.get("expanded", []), {"identity": run.facts.get("identity"), "digest": run.digest}]
    try:
        return pair(path / name) in [(step["identity"], step["digest"]) for step in steps]
    except (Damaged, OSError, UnicodeDecodeError, KeyError):
        return False


def pair(folder: Path) -> tuple[str, str]:
    """Return identity and digest of the run that a sealed folder belongs to."""
    of = unseal((folder / SEAL).read_bytes().decode())
    return of["identity"], of["digest"]


def refuse_taken(path: Path, run: JournalState) -> None:
    """Refuse a run in whose folder something of its owner has a name that an expansion needs."""
    for name in (GROWING, GROWN, REPLACED):
        if os.path.lexists(path / name) and not ours(path, run, name):
            raise FolderRefuses(
                f"{path / name} was not made by an expansion of this run, which needs the name; move or rename it."
            )


def refuse_unsettled(path: Path, run: JournalState) -> None:
    """Refuse to read a run whose place a finished expansion has begun to take: its files are of both."""
    if ours(path, run, GROWN):
        raise FolderRefuses(
            f"{path} has a finished expansion that has yet to take its place; `pulsatile resume {path}` completes that."
        )
