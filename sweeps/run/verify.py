"""Check that every byte of a run is what was committed, and that the digest is that of the stored values."""

import json
from pathlib import Path

from pulsatile.sweeps.disk import commits, journal, side, store
from pulsatile.sweeps.disk.check import Finding, findings_of, without_states
from pulsatile.sweeps.disk.folder import JOURNAL, MANIFEST, RunFolder, refuse_foreign, unfinished
from pulsatile.sweeps.disk.journal import Damaged, Entry
from pulsatile.sweeps.disk.places import is_file
from pulsatile.sweeps.errors import Damage, FolderRefuses


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
    return findings + findings_of(folder)


def stateless(path: Path) -> list[int]:
    """Return the chunks (first patients) of a sound run that lie in a store of states without having any."""
    folder = RunFolder.open(path)
    return [first for first, _ in without_states(folder)] if folder.states.exists() else []


def opened(path: Path) -> tuple[RunFolder, list[Finding]]:
    """Return a run from its journal and manifest, each the substitute of the other, and the damage of both."""
    if not path.is_dir():
        RunFolder.open(path)  # refuses
    refuse_foreign(path)
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
    side.refuse_unsettled(path, folder)
    return folder, findings


def _journal(path: Path, findings: list[Finding]) -> tuple[list[Entry], bool]:
    """Return the sound entries of the journal, and whether they are complete."""
    place = path / JOURNAL
    if not path.is_dir() or not (place.exists() or (path / MANIFEST).exists() or (path / commits.FOLDER).exists()):
        RunFolder.open(path)  # refuses
    if not place.exists():
        findings.append(Finding(JOURNAL, "is missing"))
        return [], False
    if not is_file(place):
        findings.append(Finding(JOURNAL, "is not a file"))
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
        if (path / MANIFEST).exists() and not is_file(path / MANIFEST):
            raise Damaged("is not a file")
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
    for first in RunFolder(path, [begin]).recorded:
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
