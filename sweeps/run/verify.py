"""Check that every byte of a run is what was committed, and that the digest is that of the stored values."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pulsatile.sweeps.disk import commits, journal, store
from pulsatile.sweeps.disk.files import sha256
from pulsatile.sweeps.disk.folder import JOURNAL, MANIFEST, RunFolder, unfinished
from pulsatile.sweeps.disk.journal import Damaged, Entry
from pulsatile.sweeps.disk.store import STATES
from pulsatile.sweeps.errors import Damage, FolderRefuses
from pulsatile.sweeps.workers.resources import cores


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


def verify(path: Path) -> list[Finding]:
    """Compare every file of a run with what was committed; return the damage, an empty list for a sound run.

    Every file is read in full.  A file that was being written when the run was killed is not damage, because it was
    never committed.

    Raises
    ------
    FolderRefuses
        When the folder holds no run.
    Damage
        When journal and manifest are too damaged to compare with.
    """
    folder, findings = opened(path)
    checks: list[tuple[str, str, int | None]] = [(name, digest, None) for name, digest in folder.files.items()]
    texts: dict[int, str] = {}
    for first in commits.committed(path):
        try:
            texts[first] = commits.load(path, first)
            record = journal.unseal(texts[first])
        except (Damaged, UnicodeDecodeError):
            findings.append(Finding(commits.place(first), "is damaged", first))
            continue
        entry = folder.chunks.get(first)
        if entry is not None and not entry["poison"] and entry["record"] != commits.contents(record):
            findings.append(Finding(commits.place(first), "is not the record that the journal lists", first))
        checks += [(name, digest, first) for name, digest in record["files"].items()]
    named = {finding.chunk for finding in findings}
    wanted = {first for first, _ in folder.plan} if folder.digest else set(folder.chunks)
    findings += [Finding(commits.place(k), "is missing", k) for k in sorted(wanted - texts.keys() - named)]
    return findings + list(_compared(folder, checks))


def opened(path: Path) -> tuple[RunFolder, list[Finding]]:
    """Return a run from its journal and manifest, each the substitute of the other, and the damage of both."""
    if not path.is_dir():
        RunFolder.open(path)  # refuses
    findings = list[Finding]()
    manifest = _manifest(path, findings)  # before the journal, which grows while a driver writes
    entries, whole = _journal(path, findings)
    if whole:
        folder = RunFolder(path, entries)
        if manifest is not None and folder.lines < manifest["journal_lines"]:
            findings.append(Finding(JOURNAL, "has lost lines that the manifest counts"))
            whole = False
        elif manifest is not None and manifest["state"] == "complete" and not folder.digest:
            findings.append(Finding(JOURNAL, "has lost its end"))
            whole = False
        elif manifest is not None and folder.digest and folder.manifest() != journal.seal(manifest, indent=1):
            findings.append(Finding(MANIFEST, "does not agree with the journal"))
    if not whole:
        folder = RunFolder(path, rebuilt(path, entries, manifest))
    return folder, findings


def _journal(path: Path, findings: list[Finding]) -> tuple[list[Entry], bool]:
    """Return the sound entries of the journal, and whether they are complete."""
    place = path / JOURNAL
    if not path.is_dir() or not (place.exists() or (path / MANIFEST).exists() or (path / commits.FOLDER).exists()):
        RunFolder.open(path)  # refuses
    if not place.exists():
        findings.append(Finding(JOURNAL, "is missing"))
        return [], False
    lines = journal.read(place)
    findings += [Finding(JOURNAL, f"is damaged in line {number}") for number in lines.damaged]
    begun = bool(lines.entries) and lines.entries[0]["kind"] == "begin"
    if not begun and not lines.damaged:
        findings.append(Finding(JOURNAL, "has lost its beginning"))
    elif lines.torn and begun and RunFolder(path, lines.entries).digest:
        findings.append(Finding(JOURNAL, "goes on after its end"))
    return lines.entries, begun and not lines.damaged


def _manifest(path: Path, findings: list[Finding]) -> Entry | None:
    try:
        return journal.unseal((path / MANIFEST).read_bytes().decode())
    except FileNotFoundError:
        findings.append(Finding(MANIFEST, "is missing"))
    except (Damaged, UnicodeDecodeError):
        findings.append(Finding(MANIFEST, "is damaged"))
    return None


BEGINNING = (
    "state",
    "journal_lines",
    "chunks_done",
    "patients_done",
    "failed_patient_arms",
    "status",
    "files",
    "sources",
    "study",
    "digest",
)
ENDING = ("finished", "seconds", "digest", "certified", "canaries")


def rebuilt(path: Path, entries: list[Entry], manifest: Entry | None) -> list[Entry]:
    """Return the entries of a journal rebuilt from its remains, the manifest and the commit records."""
    begin = next((entry for entry in entries if entry["kind"] == "begin"), None)
    if begin is None:
        if manifest is None:
            raise Damage(
                f"{path}: both {JOURNAL} and {MANIFEST} are damaged at the run's beginning, so the run is unknown; "
                "take them from a copy, or start the run again."
            )
        facts = {key: value for key, value in manifest.items() if key not in (*BEGINNING, *ENDING)}
        begin = {"kind": "begin", "facts": facts, "files": manifest["files"], "sources": manifest["sources"]}
        begin["study"] = manifest["study"]
    chunks = {entry["first"]: entry for entry in entries if entry["kind"] == "chunk"}
    for first in commits.committed(path):
        entry = commits.committed_entry(path, first, begin["facts"]["identity"])
        if entry is not None:
            chunks.setdefault(first, entry)
    end = next((entry for entry in reversed(entries) if entry["kind"] == "end"), None)
    if manifest is not None and manifest["state"] in ("complete", "failed") and (end is None or not end.get("digest")):
        end = {
            "kind": "end",
            "state": manifest["state"],
            **{k: manifest[k] for k in ENDING if k in manifest},
            "files": manifest["files"],
        }
    return [begin, *(chunks[first] for first in sorted(chunks)), *([end] if end else [])]


def _compared(folder: RunFolder, checks: list[tuple[str, str, int | None]]) -> Iterator[Finding]:
    """Yield the files that differ from what was written."""
    path = folder.path
    gone = not (path / STATES).exists()  # deleted as a whole by its owner: only `expand` needs it
    checks = [check for check in checks if not (gone and check[0].startswith(f"{STATES}/"))]

    def look(check: tuple[str, str, int | None]) -> Finding | None:
        name, digest, chunk = check
        try:
            data = (path / name).read_bytes()
        except FileNotFoundError:
            return Finding(name, "is missing", chunk)
        except OSError as error:
            return Finding(name, f"cannot be read ({error.strerror})", chunk)
        actual = sha256(data)
        fits = folder.fits(name, actual) if chunk is None else actual == digest
        return None if fits else Finding(name, "is not what was written", chunk)

    with ThreadPoolExecutor(min(8, 2 * cores())) as pool:
        yield from (finding for finding in pool.map(look, checks, chunksize=64) if finding is not None)


def digest_of(path: Path) -> str:
    """Return the digest of a finished run, computed again from the stored values.

    Raises
    ------
    FolderRefuses
        When the run is not finished.
    Damage
        When it differs from the digest that the run ended with.
    """
    folder = RunFolder.open(path)
    recorded = folder.digest
    if not recorded:
        raise FolderRefuses(f"{path} is not finished ({folder.state}) and has no digest; {unfinished(folder)}.")
    try:
        digest = store.digest(folder.store)
    except (OSError, ValueError, RuntimeError, KeyError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise Damage(f"{path}: the results cannot be read ({reason}); `pulsatile verify {path}` tells where.") from None
    if digest != recorded:
        raise Damage(
            f"{path}: the stored values have the digest {digest}, the run ended with {recorded}; "
            f"`pulsatile heal {path}` mends it."
        )
    return digest
