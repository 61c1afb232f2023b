"""Check and repair a sweep: its record in two copies, its small files, its runs, its digest."""

import time
from dataclasses import replace
from pathlib import Path

from pulsatile.sweeps.disk.check import Finding
from pulsatile.sweeps.disk.files import sha256, writing
from pulsatile.sweeps.disk.journal import JOURNAL, SWEEP
from pulsatile.sweeps.disk.lock import held, refuse_held
from pulsatile.sweeps.disk.places import is_file
from pulsatile.sweeps.errors import Damage
from pulsatile.sweeps.run.heal import Healed
from pulsatile.sweeps.run.heal import heal as heal_run
from pulsatile.sweeps.run.progress import Progress, SilentProgress
from pulsatile.sweeps.run.verify import digest_of as digest_of_run
from pulsatile.sweeps.run.verify import verify as verify_run
from pulsatile.sweeps.scenarios.carry_out import close
from pulsatile.sweeps.scenarios.record import RUNS, SweepRecord, finished, read, write
from pulsatile.sweeps.scenarios.results import scenario_digests, sweep_digest
from pulsatile.sweeps.workers.resources import Resources


def copies(folder: Path) -> tuple[SweepRecord, list[Finding]]:
    """Return the record of a sweep from one of its two copies, and the damage of both.

    Raises
    ------
    Damage
        Where both are damaged.
    """
    findings, sound = list[Finding](), list[SweepRecord]()
    for name in (SWEEP, f"{RUNS}/{SWEEP}"):
        if not is_file(folder / name):
            findings.append(Finding(name, "is missing"))
            continue
        try:
            sound.append(read(folder, name))
        except Damage:
            findings.append(Finding(name, "is not what was written"))
    if not sound:
        raise Damage(f"{folder}: both copies of {SWEEP} are damaged; take one from a copy of the sweep.")
    if len(sound) == 2 and sound[0] != sound[1]:  # killed between the two: the later one is in runs/
        sound.reverse()
        findings.append(Finding(SWEEP, f"is older than its copy in {RUNS}"))
    return sound[0], findings


def verify_sweep(folder: Path) -> list[Finding]:
    """Compare every file of a sweep and its runs with what was committed; return the damage."""
    record, findings = copies(folder)
    for name, digest in (record.files or {}).items():
        if not is_file(folder / name):
            findings.append(Finding(name, "is missing"))
        elif sha256((folder / name).read_bytes()) != digest:
            findings.append(Finding(name, "is not what was written"))
    for name in record.runs:
        path = folder / RUNS / name
        if record.digest or (path / JOURNAL).exists():
            of_run = verify_run(path)
            findings += [replace(finding, path=f"{RUNS}/{name}/{finding.path}") for finding in of_run]
    return findings


def heal_sweep(folder: Path, resources: Resources = Resources(), progress: Progress | None = None) -> Healed:
    """Find the damage of a sweep and repair it; the digest must come out the same.

    Raises
    ------
    FolderRefuses, Damage
        Where a run of it cannot be repaired, or another digest comes out.
    """
    progress, begin = progress or SilentProgress(), time.perf_counter()
    refuse_held(folder)
    with writing(folder), held(folder, {"command": f"heal {folder}"}, progress.note):
        findings, chunks = verify_sweep(folder), list[int]()
        record, _ = copies(folder)
        for name in record.runs:
            if any(finding.path.startswith(f"{RUNS}/{name}/") for finding in findings):
                chunks += heal_run(folder / RUNS / name, resources, progress).chunks
        if findings:
            write(folder, record)
        if record.digest and findings:
            again = close(folder, record)
            if again.digest != record.digest:
                raise Damage(
                    f"{folder}: the values have the digest {again.digest}, the sweep ended with {record.digest}; do "
                    "not use them, and tell the authors."
                )
        if remaining := verify_sweep(folder):
            raise Damage(f"{folder}: {remaining[0].sentence} still; take it from a copy of the sweep.")
    return Healed(findings, chunks, record.digest, round(time.perf_counter() - begin, 3))


def digest_of_sweep(folder: Path) -> str:
    """Return the digest of a finished sweep, computed again from the stored values; `Damage` where it differs."""
    record = finished(folder)
    for name in record.runs:
        digest_of_run(folder / RUNS / name)
    digest = sweep_digest(record, scenario_digests(folder, record))
    if digest != record.digest:
        raise Damage(
            f"{folder}: the stored values have the digest {digest}, the sweep ended with {record.digest}; "
            f"`pulsatile heal {folder}` mends it."
        )
    return digest
