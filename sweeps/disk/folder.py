"""The folder of a run: its files, how it begins, and how it is opened again."""

import errno
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pulsatile.sweeps.disk import commits, journal, side
from pulsatile.sweeps.disk.files import ASIDE, make_folder, sha256, write_all, write_aside, writing
from pulsatile.sweeps.disk.journal import JOURNAL as JOURNAL
from pulsatile.sweeps.disk.journal import MANIFEST as MANIFEST
from pulsatile.sweeps.disk.journal import SWEEP, Entry, JournalState
from pulsatile.sweeps.disk.lock_file import LOCK
from pulsatile.sweeps.disk.places import is_file, linked, refuse_links, refuse_sweep
from pulsatile.sweeps.disk.readme import readme
from pulsatile.sweeps.disk.store import RESULTS, STATES
from pulsatile.sweeps.errors import Damage, FolderRefuses
from pulsatile.sweeps.study.identity import engine_files, engine_hash
from pulsatile.sweeps.study.resolve import ResolvedStudy

PACKAGES = ("pulsatile", "numpy", "numba", "llvmlite", "xarray", "zarr", "dask", "distributed", "pydantic")
BEGINNING = "beginning"
"""A file that exists while the first files of a run are written: the files next to it may be overwritten."""
FORMAT = 1
"""Version of the folder's layout."""


def check_free(path: Path) -> None:
    """Refuse a folder that is not empty, a file in its place, and a location that is not writable."""
    with writing(path):
        if path.is_symlink() and not path.exists():
            raise FolderRefuses(f"{path} is a link to nothing; choose another folder with --out.")
        if path.exists() and not path.is_dir():
            raise FolderRefuses(f"{path} is a file; choose a new folder with --out.")
        for parent in path.absolute().parents:
            if parent.exists() and not parent.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "it is a file, not a folder", str(parent))
        if path.is_dir() and not _never_begun(path):
            if (path / JOURNAL).exists() or (path / MANIFEST).exists():
                raise FolderRefuses(
                    f"{path} holds a run already; go on with it by `pulsatile resume {path}`, or choose a new folder "
                    "with --out."
                )
            raise FolderRefuses(f"{path} is not empty; choose a new or empty folder with --out.")
        parent = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission", str(parent))


def _never_begun(path: Path) -> bool:
    """Return whether a folder is empty, apart from files of a run that was killed before it began."""
    refuse_links(path, [f"{ASIDE}/x"])
    names = {item.name for item in path.iterdir() if item.name.partition(".")[0] != LOCK} - {ASIDE, side.SEAL}
    return not names or (BEGINNING in names and JOURNAL not in names)


class RunFolder(JournalState):
    """The files of one run, and its state according to its journal."""

    def __init__(self, path: Path, entries: list[Entry]) -> None:
        self.path = path.absolute()
        super().__init__(entries)

    @classmethod
    def create(
        cls, path: Path, study: str, resolved: ResolvedStudy, facts: Entry, stores: dict[str, bytes]
    ) -> "RunFolder":
        """Make the folder with its first files, the journal last; refuse one that is in use.

        Parameters
        ----------
        study : text of the study as the user wrote it
        facts : identity, counts and settings of the run; versions and the engine's hash are added
        stores : the empty stores' files, by path relative to the folder
        """
        check_free(path)
        name = path.absolute().parent.name if side.is_sealed(path) else path.absolute().name
        facts = {"format": FORMAT, "name": name, "identity": resolved.identity, "started": now()} | facts
        facts |= {"engine": engine_hash(), "platform": resolved.platform, **environment()}
        files = {"study.yaml": study.encode(), "resolved.json": (resolved.model_dump_json(indent=1) + "\n").encode()}
        files |= {"README.md": readme(resolved, facts).encode()} | stores
        listed = {name: sha256(data) for name, data in files.items()}
        begin = {"kind": "begin", "facts": facts, "files": listed, "sources": engine_files(), "study": study}
        folder = cls(path, [begin])
        with writing(path):
            make_folder(path)
            write_aside(path / BEGINNING, "A run begins here. If nothing else happens, this folder may be deleted.\n")
            make_folder(path / commits.FOLDER)
            write_all(path, files)
            write_aside(path / JOURNAL, journal.seal(begin))  # from here on it is a run
            folder.write_manifest()
            (path / BEGINNING).unlink()
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of a run.

        Raises
        ------
        FolderRefuses
            When it holds no run.
            When a link stands in place of something of it, or an expansion is about to take its place.
        Damage
            When the journal is damaged beyond a line that was being written.
        """
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise FolderRefuses(f"{path} {what}; give the folder of a run, for example runs/quick.")
        refuse_foreign(path)
        refuse_sweep(path, SWEEP)
        if not is_file(path / JOURNAL):
            if (path / BEGINNING).exists():
                raise FolderRefuses(f"{path} holds a run that never began; start it again by `pulsatile run`.")
            if (path / MANIFEST).exists() or (path / commits.FOLDER).exists():
                raise Damage(f"{path / JOURNAL} is missing; `pulsatile heal {path}` makes it anew.")
            raise FolderRefuses(
                f"{path} holds no run (no {JOURNAL}); give the folder of a run, for example runs/quick."
            )
        lines = journal.read(path / JOURNAL)
        if lines.damaged or not lines.entries or lines.entries[0]["kind"] != "begin":
            place = f"line {lines.damaged[0]}" if lines.damaged else "its beginning"
            raise Damage(f"{path / JOURNAL} is damaged ({place}); `pulsatile heal {path}` mends it.")
        folder = cls(path, lines.entries)
        if folder.facts["format"] != FORMAT:
            raise FolderRefuses(
                f"{path} has layout {folder.facts['format']}, this version reads layout {FORMAT}; use pulsatile "
                f"{folder.facts['versions']['pulsatile']}, which wrote it."
            )
        side.refuse_unsettled(path, folder)
        return folder

    # --- reading ---

    @property
    def resolved(self) -> ResolvedStudy:
        """The resolved study; `Damage` where it is not what was written."""
        path = self.path / "resolved.json"
        data = path.read_bytes() if is_file(path) else b""
        if sha256(data) != self.begin["files"]["resolved.json"]:
            raise Damage(f"{path} is not what was written; `pulsatile heal {self.path}` mends it.")
        return ResolvedStudy.from_json(data.decode())

    @property
    def store(self) -> Path:
        """Path of the results."""
        return self.path / RESULTS

    @property
    def states(self) -> Path:
        """Path of the run-in and end states, from which an expansion goes on."""
        return self.path / STATES

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file that belongs to no chunk, as last written."""
        return {**self.begin["files"], **self.end.get("files", {})}

    def fits(self, name: str, digest: str) -> bool:
        """Return whether a file that belongs to no chunk is as written; while a run closes, in its old or new form."""
        return digest in [self.files.get(name)] + ([] if self.digest else [self.closing.get(name)])

    @property
    def plan(self) -> list[tuple[int, int]]:
        """All chunks (first, stop)."""
        n, size = self.facts["patients"], self.facts["chunk"]
        return [(first, min(first + size, n)) for first in range(0, n, size)]

    @property
    def recorded(self) -> list[int]:
        """First patients of the chunks with a record on disk, whether or not it is sound."""
        planned = {first for first, _ in self.plan}
        return [first for first in commits.committed(self.path) if first in planned]

    @property
    def pending(self) -> list[tuple[int, int]]:
        """Chunks (first, stop) that are not committed, or whose record leaves patients out."""
        return [chunk for chunk in self.plan if chunk[0] not in self.chunks or chunk[0] in self.suspects]

    # --- writing ---

    def drop(self, firsts: list[int]) -> None:
        """Withdraw committed chunks, so that they are computed again."""
        if firsts:
            self.append({"kind": "dropped", "firsts": firsts})
            commits.drop(self.path, firsts)

    def append(self, entry: Entry) -> None:
        """Append an entry to the journal on disk, and update the state."""
        with writing(self.path):
            journal.write_entry(self.path / JOURNAL, entry)
        self.fold(entry)

    @property
    def base(self) -> str:
        """Folder of the run that an expansion under way goes on from; empty for any other run."""
        return str(self.path.parent.resolve()) if side.is_sealed(self.path) else ""

    def mend_journal(self) -> None:
        """Cut off a last line that a killed process left incomplete."""
        place = self.path / JOURNAL
        lines = journal.read(place)
        if lines.torn:
            with writing(self.path):
                os.truncate(place, lines.size)

    def enter(self, state: str, **more: Any) -> None:
        """Enter a new state into the journal and the manifest."""
        self.append({"kind": "state", "state": state, "at": now(), **more})
        self.write_manifest()

    def write_manifest(self) -> None:
        """Write the manifest anew."""
        with writing(self.path):
            write_aside(self.path / MANIFEST, self.manifest())

    def manifest(self) -> str:
        """Return the text of the manifest: the journal as one sealed object, for readers and as a second copy."""
        end = {key: value for key, value in self.end.items() if key not in ("kind", "state", "files")}
        facts = {
            "state": self.state,
            **self.facts,
            "journal_lines": self.lines,
            "chunks_done": self.chunks_done,
            "patients_done": self.done,
        }
        status = {name: count for name, count in sorted(self.statuses.items()) if count}
        facts |= {"failed_patient_arms": self.failed, "status": status, "digest": "", **end}
        facts |= {"files": self.files, "sources": self.begin["sources"], "study": self.begin["study"]}
        return journal.seal(facts, indent=1)


def refuse_foreign(path: Path) -> None:
    """Refuse a run in whose folder a link stands in place of a store, the records or the journal."""
    for name in (RESULTS, STATES, commits.FOLDER, JOURNAL):
        if (path / name).is_symlink():
            raise linked(path / name)


def unfinished(folder: RunFolder) -> str:
    """Return the advice for a run that has no digest."""
    if folder.state == "failed":
        return f"too many patients failed; `pulsatile resume {folder.path} --gate SHARE` goes on with a larger gate"
    return f"`pulsatile resume {folder.path}` first"


def now() -> str:
    """Return the time as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> dict[str, Any]:
    """Return the versions of Python and the packages, and the kind of machine."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "versions": versions,
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
    }
