"""Stored values are read through here: every file is compared with the SHA-256 that was committed.

`open_results` is the way to a run's values; whoever reads a store in another way has not checked it.
"""

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from pulsatile.sweeps.disk import commits, store
from pulsatile.sweeps.disk.files import sha256
from pulsatile.sweeps.disk.folder import JOURNAL, RunFolder
from pulsatile.sweeps.disk.journal import Damaged
from pulsatile.sweeps.disk.places import is_file, is_within, through_link
from pulsatile.sweeps.disk.store import RESULTS, STATES
from pulsatile.sweeps.errors import Damage

if TYPE_CHECKING:
    import xarray as xr

READERS = 8
"""Files read and hashed at once."""
BATCH = 64
"""Files that a reader takes at once."""
MOST_NAMED = 5
VALUES = (f"{RESULTS}/", "resolved.json", f"{commits.FOLDER}/")
"""Beginnings of the names of the files that decide what a reader of the results sees."""


@dataclass(frozen=True)
class Finding:
    """One damaged file: its path in the run's folder, what is wrong, and the chunk (first patient) it belongs to."""

    path: str
    what: str
    chunk: int | None = None

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return f"{self.path} {self.what}"


THROUGH_LINK = "is reached by a link, not in the run's folder"
_FLAGS = sum(getattr(os, flag, 0) for flag in ("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"))
"""Links are not followed, and a pipe is opened without waiting for its writer."""

Check = tuple[str, str, int | None]
"""Name of a file, the SHA-256 that was committed, and its chunk."""


def findings_of(folder: RunFolder, names: tuple[str, ...] = ("",)) -> list[Finding]:
    """Return the files of a run that differ from what was committed, of those whose names begin with ``names``."""
    findings, checks, loaded = list[Finding](), list[Check](), set[int]()
    for first in folder.recorded:
        loaded.add(first)
        try:
            record = commits.opened(commits.load(folder.path, first), first)
        except Damaged as error:
            findings.append(Finding(commits.place(first), str(error), first))
            continue
        entry = folder.chunks.get(first)
        if entry is not None and not entry["poison"] and entry["record"] != commits.contents(record):
            findings.append(Finding(commits.place(first), "is not the record that the journal lists", first))
        checks += [(name, digest, first) for name, digest in record["files"].items()]
    wanted = {first for first, _ in folder.plan} if folder.digest else set(folder.chunks)
    findings += [Finding(commits.place(first), "is missing", first) for first in sorted(wanted - loaded)]
    checks += [(name, digest, None) for name, digest in folder.files.items()]
    return [finding for finding in findings if finding.path.startswith(names)] + list(
        _compared(folder, [check for check in checks if check[0].startswith(names)])
    )


def _compared(folder: RunFolder, checks: list[Check]) -> Iterator[Finding]:
    """Yield the files that differ from what was written."""
    path = folder.path
    gone = not (path / STATES).exists()  # deleted as a whole by its owner: only `expand` needs it
    checks = [check for check in checks if not (gone and check[0].startswith(f"{STATES}/"))]

    known = set[str]()

    def look(check: Check) -> Finding | None:
        name, digest, chunk = check
        try:
            found = sha256(content(path, name, known))
        except Damaged as error:
            return Finding(name, str(error), chunk)
        fits = folder.fits(name, found) if chunk is None else found == digest
        return None if fits else Finding(name, "is not what was written", chunk)

    batches = [checks[at : at + BATCH] for at in range(0, len(checks), BATCH)]
    with ThreadPoolExecutor(READERS) as pool:
        for found in pool.map(lambda batch: [look(check) for check in batch], batches):
            yield from (finding for finding in found if finding is not None)


def content(root: Path, name: str, known: set[str] | None = None) -> bytes:
    """Return the content of a file of a run; `Damaged` says what is wrong where it cannot be read as such a file.

    ``known`` are folders that are reached without a link; more are added.
    """
    if not is_within(name):
        raise Damaged("is not the name of a file of the run")
    folder = name.rpartition("/")[0]
    if folder and folder not in (known or ()):
        if through_link(root, folder):
            raise Damaged(THROUGH_LINK)
        if known is not None:
            known.add(folder)
    try:
        handle = os.open(root / name, _FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Damaged(THROUGH_LINK) from None
        gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
        raise Damaged("is missing" if gone else f"cannot be read ({error.strerror})") from None
    try:
        if not S_ISREG(os.fstat(handle).st_mode):
            raise Damaged("is not a file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise Damaged(f"cannot be read ({error.strerror})") from None
    finally:
        os.close(handle)


def refuse_changed(folder: RunFolder, names: tuple[str, ...] = VALUES) -> None:
    """Raise `Damage` where files of a run differ from what was committed; the sentence names the changed chunks."""
    findings = findings_of(folder, names)
    if not findings:
        return
    stops = dict(folder.plan)
    chunks = sorted({finding.chunk for finding in findings if finding.chunk is not None})
    named = [f"{first} to {stops.get(first, first + 1) - 1}" for first in chunks[:MOST_NAMED]]
    more = f" and {len(chunks) - MOST_NAMED} more chunks" if len(chunks) > MOST_NAMED else ""
    which = f"of the patients at positions {', '.join(named)}{more}" if chunks else "of no chunk"
    raise Damage(
        f"{folder.path}: {len(findings)} file(s) {which} changed since they were committed ({findings[0].sentence}); "
        f"`pulsatile verify {folder.path}` names them all, `pulsatile heal {folder.path}` mends them."
    )


def open_results(folder: RunFolder) -> "xr.Dataset":
    """Open the results of a run lazily, once every file of them is what was committed.

    Raises
    ------
    Damage
        Where values, coordinates or the resolved study were changed; the sentence names the chunks.
    """
    refuse_changed(folder)
    return store.open_dataset(folder.store)


def open_dataset(path: str | Path) -> "xr.Dataset":
    """Open the results of a run, given as its folder or its store; a store without its run cannot be checked.

    Parameters
    ----------
    path : for example runs/a or runs/a/results.zarr

    Raises
    ------
    InputError
        Where there is no store.
    Damage
        Where the run's values were changed since they were committed; the sentence names the chunks.
    """
    if isinstance(path, str | Path):
        place = Path(path)
        for run in (place, place.absolute().parent):
            if (run / JOURNAL).is_file() and (run is place or place.name == RESULTS):
                return open_results(RunFolder.open(run))
    return store.open_dataset(path)


def with_states(folder: RunFolder, first: int, stop: int) -> list[tuple[int, int]]:
    """Return the chunks (first, stop) of a finished run that have run-in and end states, among those in a range.

    Their files, and those of the results in the range, are compared with what was committed.

    Raises
    ------
    Damage
        Where one of them differs.
    """
    chunks = []
    for begin, end in folder.plan:
        if begin >= stop or end <= first:
            continue
        record = commits.record_of(folder.path, begin)
        states = has_states(record) and is_file(folder.states / store.ROOT)
        for name, digest in record["files"].items():
            if states or not name.startswith(f"{STATES}/"):
                _refuse_other(folder.path, name, digest)
        chunks += [(begin, end)] if states else []
    return chunks


def _refuse_other(run: Path, name: str, digest: str) -> None:
    try:
        what = "" if sha256(content(run, name)) == digest else "is not what was written"
    except Damaged as error:
        what = str(error)
    if what:
        raise Damage(f"{run / name} {what}; `pulsatile heal {run}` mends it.")


def has_states(record: commits.Record) -> bool:
    """Return whether the run-in and end states of a chunk were stored with it."""
    return any(name.startswith(f"{STATES}/") for name in record["files"])


def without_states(folder: RunFolder) -> list[tuple[int, int]]:
    """Return the committed chunks (first, stop) without states: `expand` computes their patients anew."""
    records = [commits.record_of(folder.path, first) for first in folder.recorded]
    return [(record["first"], record["stop"]) for record in records if not has_states(record)]
