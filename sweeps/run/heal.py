"""Repair of a damaged run: only damaged chunks are computed again, and the digest proves that they are the same."""

import time
from dataclasses import dataclass
from pathlib import Path

from pulsatile.engine.arrays import usual_float_errors
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk import commits, journal, store
from pulsatile.sweeps.disk.check import Finding, open_results
from pulsatile.sweeps.disk.files import sha256, sweep, write_all, write_aside, writing
from pulsatile.sweeps.disk.folder import JOURNAL, RunFolder
from pulsatile.sweeps.disk.lock import Held, check_run, held, refuse_held
from pulsatile.sweeps.disk.places import is_within, make_way
from pulsatile.sweeps.disk.readme import readme
from pulsatile.sweeps.disk.store import RESULTS
from pulsatile.sweeps.errors import Damage, FolderRefuses
from pulsatile.sweeps.run.begin import empty_stores
from pulsatile.sweeps.run.compare import refuse_other_engine
from pulsatile.sweeps.run.driver import jobs, pieces_of
from pulsatile.sweeps.run.inputs import study_of
from pulsatile.sweeps.run.interrupt import Interrupt
from pulsatile.sweeps.run.progress import Progress, SilentProgress
from pulsatile.sweeps.run.settle import settle
from pulsatile.sweeps.run.summaries import summary_of, trial_of
from pulsatile.sweeps.run.verify import opened, verify
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.summary.as_run import TRIAL
from pulsatile.sweeps.workers.preflight import refuse_unusable
from pulsatile.sweeps.workers.resources import Resources
from pulsatile.sweeps.workers.workers import records


@dataclass(frozen=True)
class Healed:
    """What was repaired: findings, chunks (first patients) computed again, and the digest, equal to the run's."""

    findings: list[Finding]
    chunks: list[int]
    digest: str
    seconds: float


@usual_float_errors
def heal(path: str | Path, resources: Resources = Resources(), progress: Progress | None = None) -> Healed:
    """Find the damage of a run and repair it.

    Journal, manifest and the small files are rebuilt from each other; only chunks with a damaged file or record are
    computed again.  At the end everything is verified, and the digest of a finished run is compared.

    Raises
    ------
    FolderRefuses
        Where the bits of this engine or platform would differ from those of the run.
    Damage
        Where the run cannot be repaired.
    """
    refuse_unusable(resources)
    progress, path, begin = progress or SilentProgress(), Path(path), time.perf_counter()
    check_run(path)
    refuse_held(path)
    with writing(path), held(path, {"command": f"heal {path}"}, progress.note) as lock:
        settle(path)
        sweep(path)
        findings = verify(path)
        for aside in make_way(path, [finding.path for finding in findings if is_within(finding.path)]):
            progress.note(f"What stood in place of a file of the run is now {aside}.")
        folder, index_findings = opened(path)
        if any(finding.path == JOURNAL for finding in index_findings):
            folder = RunFolder(path, entries(folder))
            write_aside(path / JOURNAL, journal.text_of(entries(folder)))
        folder.mend_journal()
        if index_findings:
            folder.write_manifest()
        chunks = sorted({finding.chunk for finding in findings if finding.chunk is not None})
        files = {finding.path for finding in findings if finding.chunk is None}
        resolved = _small_files(folder, files)
        if chunks:
            refuse_other_engine(folder)
            if resolved.platform != folder.facts["platform"]:
                raise FolderRefuses(
                    f"{path} was computed on {folder.facts['platform']}, this machine is {resolved.platform}: the bits "
                    "would differ; heal it where it was computed."
                )
            _compute(folder, resolved, chunks, resources, progress, lock)
        if folder.digest:
            pieces = pieces_of(folder)
            for name in sorted(files & pieces.keys()):
                _write(folder, name, pieces[name])
        if "summary.csv" in files:
            _write(folder, "summary.csv", summary_of(folder, resolved, open_results(folder)).csv_text().encode())
        if TRIAL in files and (trial := trial_of(folder, resolved, open_results(folder))) is not None:
            _write(folder, TRIAL, trial.csv_text().encode())
        _prove(folder)
        sweep(path)
    return Healed(findings, chunks, folder.digest, round(time.perf_counter() - begin, 3))


def entries(folder: RunFolder) -> list[journal.Entry]:
    """Return the entries that the journal of a run must have."""
    chunks = [folder.chunks[first] for first in sorted(folder.chunks)]
    state = [] if folder.end or folder.state == "planned" else [{"kind": "state", "state": folder.state}]
    return [folder.begin, *chunks, *([folder.end] if folder.end else state)]


def _small_files(folder: RunFolder, damaged: set[str]) -> ResolvedStudy:
    """Write damaged files that belong to no chunk again, each from its second copy; return the study."""
    if "study.yaml" in damaged:
        _write(folder, "study.yaml", folder.begin["study"].encode())
    if "resolved.json" in damaged:
        if f"{RESULTS}/{store.ROOT}" in damaged:
            resolved = _resolved_again(folder)
        else:
            resolved = ResolvedStudy.from_json(store.attributes(folder.store)["resolved_study"])
        _write(folder, "resolved.json", (resolved.model_dump_json(indent=1) + "\n").encode())
    resolved = folder.resolved
    if not damaged:
        return resolved
    stores = empty_stores(resolved, folder.facts["chunk"])
    for name in sorted(damaged & stores.keys()):
        data = stores[name]
        if name == f"{RESULTS}/{store.ROOT}" and folder.digest:
            data = store.with_attrs(data, {"digest": folder.digest})[store.ROOT]
        _write(folder, name, data)
    if "README.md" in damaged:
        _write(folder, "README.md", readme(resolved, folder.facts).encode())
    return resolved


def _resolved_again(folder: RunFolder) -> ResolvedStudy:
    """Return the study of a run whose two copies of it are damaged, resolved again from study.yaml."""
    refuse_other_engine(folder)
    facts, reason = folder.facts, "study.yaml makes another run"
    try:
        resolved = resolve(study_of(folder))
        if resolved.identity == facts["identity"]:
            return resolved
    except InputError as error:
        reason = f"study.yaml is not a study now ({str(error).rstrip('.')})"
    if facts.get("expanded"):
        reason = "study.yaml is not the expanded study"
    raise Damage(
        f"{folder.path}: both resolved.json and {RESULTS}/{store.ROOT} are damaged and {reason}; take one of them from "
        "a copy."
    )


def _write(folder: RunFolder, name: str, data: bytes) -> None:
    if sha256(data) != folder.files[name]:
        raise Damage(
            f"{folder.path / name} is damaged and cannot be made again as it was; take it from a copy of the run."
        )
    write_all(folder.path, {name: data})


def _compute(
    folder: RunFolder, resolved: ResolvedStudy, firsts: list[int], resources: Resources, progress: Progress, lock: Held
) -> None:
    """Compute damaged chunks, given by their first patients, again."""
    size, n = folder.facts["chunk"], folder.facts["patients"]
    chunks = [(first, min(first + size, n)) for first in firsts]
    dropped = set(firsts) - folder.suspects  # the records of suspects are replaced, not removed
    folder.drop([first for first in firsts if first in folder.chunks and first in dropped])
    commits.drop(folder.path, dropped)
    spread = resources.spread(resolved.solver.device)
    progress.start(sum(stop - first for first, stop in chunks))
    with Interrupt(progress, lock).installed() as interrupt:
        todo = jobs(folder, resolved, chunks, spread.threads)
        outcomes = records(todo, spread, resources.cluster, lambda: interrupt.asked, progress.note, lock.show_dashboard)
        for entry in outcomes:
            lock.check()
            folder.append(entry)
            progress.advance(entry["stop"] - entry["first"], 0, entry["bytes"])
    folder.write_manifest()
    if interrupt.asked:
        raise KeyboardInterrupt


def _prove(folder: RunFolder) -> None:
    """Raise `Damage` where a repaired run is still damaged."""
    remaining = verify(folder.path)
    if remaining:
        raise Damage(f"{folder.path}: {remaining[0].sentence} still; take it from a copy of the run.")
    if folder.digest:
        digest = store.digest(folder.store)
        if digest != folder.digest:
            raise Damage(
                f"{folder.path}: the values computed again have the digest {digest}, the run ended with "
                f"{folder.end['digest']}; do not use them, and tell the authors."
            )
