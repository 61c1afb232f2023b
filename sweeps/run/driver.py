"""Carry out the pending chunks of a run folder, commit by commit, and close it: shared by run, resume and expand."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.chunk.run_chunk import warm_up
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.files import sha256, sweep, write_all, writing
from pulsatile.sweeps.disk.folder import RunFolder, now
from pulsatile.sweeps.disk.journal import Entry
from pulsatile.sweeps.disk.lock import Held
from pulsatile.sweeps.disk.one_piece import PATIENTS, one_piece
from pulsatile.sweeps.disk.store import RESULTS, Arrays
from pulsatile.sweeps.errors import Damage, Exit
from pulsatile.sweeps.run.interrupt import Interrupt
from pulsatile.sweeps.run.progress import Progress
from pulsatile.sweeps.run.summaries import summary_of, trial_of
from pulsatile.sweeps.run.verify import verify
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.summary.allocation import ALLOCATED
from pulsatile.sweeps.summary.as_run import TRIAL, TrialSummary
from pulsatile.sweeps.summary.summarise import Summary
from pulsatile.sweeps.workers.resources import Resources
from pulsatile.sweeps.workers.workers import records


@dataclass(frozen=True, repr=False)
class Outcome:
    """How a run ended; ``digest`` is empty and ``summary`` None when it is not finished.

    ``trial`` is the summary of the trial as run; None without groups, crossover or dropout.

    ``poison`` maps the positions of patients that ended every worker to the reason.
    """

    code: Exit
    folder: Path
    resolved: ResolvedStudy
    digest: str
    patient_arms: int
    failed: int
    seconds: dict[str, float]
    summary: Summary | None = None
    poison: dict[int, str] = field(default_factory=dict)
    trial: TrialSummary | None = None

    def __repr__(self) -> str:
        state = f"digest {self.digest[:16]}" if self.digest else f"not finished ({self.code.name.lower()})"
        return f"<Run {self.folder}: {self.patient_arms} patient-arms, {self.failed} failed, {state}>"

    @property
    def identity(self) -> str:
        """SHA-256 of everything that decides the numbers."""
        return self.resolved.identity


def jobs(folder: RunFolder, resolved: ResolvedStudy, chunks: list[tuple[int, int]], threads: int) -> list[Job]:
    """Return the jobs of ``chunks``; one that had patients left out may end its process, so it gets a separate one."""
    study, base, suspects = resolved.model_dump_json(), folder.base, folder.suspects
    engine, platform = folder.facts["engine"], folder.facts["platform"]
    return [
        Job(study, str(folder.path), first, stop, threads, engine, platform, base=base, again=first in suspects)
        for first, stop in chunks
    ]


def drive(
    folder: RunFolder, resolved: ResolvedStudy, resources: Resources, progress: Progress, begin: float, lock: Held
) -> Outcome:
    """Carry out every pending chunk and close the run.

    Parameters
    ----------
    begin : `time.perf_counter` when the command began; the time until now is reported as planning
    lock : lock of the folder, held by this process
    """
    spread = resources.spread(resolved.solver.device)
    planned = time.perf_counter()
    with Interrupt(progress, lock).installed() as interrupt, _state_kept(folder, lock):
        chunks = folder.pending
        compile_s = 0.0
        if chunks:
            progress.note("Preparing kernels (compiled once, then kept) ...")
            compile_s = interrupt.during(lambda: warm_up(resolved)) or 0.0
        folder.enter("running")
        start = time.perf_counter()
        most = folder.gate * folder.facts["patients"] * folder.facts["arms"]

        def should_stop() -> bool:
            return interrupt.asked or folder.failed > most

        todo = sum(stop - first for first, stop in chunks)
        progress.start(folder.facts["patients"], folder.facts["patients"] - todo)
        if not interrupt.asked:  # else workers would be started for nothing
            _carry_out(folder, jobs(folder, resolved, chunks, spread.threads), resources, should_stop, progress, lock)
        lock.check()
        if len(folder.poison) == folder.facts["patients"] and not interrupt.asked:
            first = next(iter(folder.poison.values()))
            raise RuntimeError(f"every patient fails its chunk, the first by {first}")
        end = time.perf_counter()
        seconds = {"planning": planned - begin, "compile": compile_s, "integration": end - start, "total": end - begin}
        return _close(folder, resolved, interrupt.asked, seconds)


def _carry_out(
    folder: RunFolder, work: list[Job], resources: Resources, should_stop: Callable[[], bool], progress: Progress,
    lock: Held,
) -> None:  # fmt: skip
    """Carry out the jobs, and enter each chunk into the journal."""
    spread = resources.spread(folder.resolved.solver.device)

    def note(text: str) -> None:
        """Tell the user, here and wherever `pulsatile status` is asked."""
        progress.note(text)
        folder.append({"kind": "note", "at": now(), "text": text})

    with writing(folder.path):
        for entry in records(work, spread, resources.cluster, should_stop, note, lock.show_dashboard):
            lock.check()
            before = folder.failed
            folder.append(entry)
            progress.advance(entry["stop"] - entry["first"], folder.failed - before, entry["bytes"])


def finished(folder: RunFolder, resolved: ResolvedStudy) -> Outcome:
    """Return how a finished run ended, of which every file was checked."""
    results = store.open_dataset(folder.store)
    summary, trial = summary_of(folder, resolved, results), trial_of(folder, resolved, results)
    code = Exit.DONE if folder.end["state"] == "complete" else Exit.FAILED_PATIENTS
    total = folder.facts["patients"] * folder.facts["arms"]
    end = folder.end
    return Outcome(
        code, folder.path, resolved, end["digest"], total, folder.failed, end["seconds"], summary, trial=trial
    )


def _certified(entry: Entry, folder: RunFolder) -> bool:
    """Return whether canaries ran with a chunk, or with the earlier chunk whose values it keeps."""
    kept = entry["kept"] > 0 and folder.facts["expanded"][-1]["certified"]
    return entry["canaries"]["count"] > 0 or kept or "ok" not in entry["status"]


def pieces_of(folder: RunFolder) -> dict[str, bytes]:
    """Return the files of covariates, status and allocation, in one piece, by path relative to the run's folder."""
    n, study = folder.facts["patients"], folder.resolved
    whole = folder.done == n and not folder.poison

    def allocated(values: Arrays) -> Arrays:
        """Return the arm of every patient; of nobody while covariates of some are not there."""
        if study.groups is None:
            return {}
        nobody = np.full(n, "", object)
        return {ALLOCATED: study.groups.allocated(study.seed, n, values).astype(object) if whole else nobody}

    files = one_piece(folder.store, folder.path / PATIENTS, n, allocated)
    return {f"{RESULTS}/{name}": data for name, data in files.items()}


@contextmanager
def _state_kept(folder: RunFolder, lock: Held) -> Iterator[None]:
    """Enter the state of a run that does not reach its end into the folder."""
    try:
        yield
    except BaseException as error:
        with suppress(Exception):  # a full disk: the state stays "running", and no process holds the lock
            if not lock.lost and not folder.digest:  # lost: another process has the folder; digest: it is finished
                folder.enter("interrupted" if isinstance(error, KeyboardInterrupt) else "broken")
        raise


def _close(folder: RunFolder, resolved: ResolvedStudy, interrupted: bool, seconds: dict[str, float]) -> Outcome:
    """Write summary, digest and the last state.

    A run that stopped early has neither summary nor digest: which chunks were finished is a matter of chance.
    """
    total = folder.facts["patients"] * folder.facts["arms"]
    whole, poison = folder.done == folder.facts["patients"], folder.poison
    if folder.failed > folder.gate * total:
        code, state = Exit.FAILED_PATIENTS, "failed"
    elif whole and not poison:
        code, state = Exit.DONE, "complete"
    elif interrupted:
        code, state = Exit.INTERRUPTED, "interrupted"
    else:
        code, state = Exit.CLUSTER, "incomplete"
    end: Entry = {
        "kind": "end",
        "state": state,
        "finished": now(),
        "seconds": {k: round(s, 3) for k, s in seconds.items()},
    }
    summary, trial = None, None
    if whole and not poison:
        summary, trial, closing = _finish(folder, resolved, state == "complete")
        end |= closing
    else:  # for those who look at the part that is done; not listed, as the run goes on
        with writing(folder.path):
            write_all(folder.path, pieces_of(folder))
    folder.append(end)
    folder.write_manifest()
    sweep(folder.path)
    digest = end.get("digest", "")
    return Outcome(code, folder.path, resolved, digest, total, folder.failed, end["seconds"], summary, poison, trial)


def _finish(
    folder: RunFolder, resolved: ResolvedStudy, well: bool
) -> tuple[Summary, TrialSummary | None, dict[str, object]]:
    """Write the summaries and the digest of a run whose chunks are all committed; return its part of the end entry."""
    texts = ("study.yaml", "README.md", "summary.csv", TRIAL)  # an edit of these does not damage the results
    if damaged := [finding for finding in verify(folder.path) if finding.path not in texts]:
        raise Damage(
            f"{folder.path / damaged[0].path} {damaged[0].what} ({len(damaged)} file(s) in all); "
            f"`pulsatile heal {folder.path}` mends it."
        )
    pieces = pieces_of(folder)
    canaries = [entry["canaries"] for entry in folder.chunks.values()]
    with writing(folder.path):
        write_all(folder.path, pieces)
        digest = store.digest(folder.store)
        results = store.open_dataset(folder.store)  # checked above
        summary, trial = summary_of(folder, resolved, results), trial_of(folder, resolved, results)
        root = store.with_attrs((folder.store / store.ROOT).read_bytes(), {"digest": digest})
        files = {f"{RESULTS}/{name}": data for name, data in root.items()}
        files |= pieces
        files["summary.csv"] = summary.csv_text().encode()
        if trial is not None:
            files[TRIAL] = trial.csv_text().encode()
        folder.append({"kind": "closing", "files": {name: sha256(data) for name, data in files.items()}})
        written = write_all(folder.path, files)
    closing = {
        "digest": digest,
        "certified": well and all(_certified(entry, folder) for entry in folder.chunks.values()),
        "canaries": {"count": sum(c["count"] for c in canaries), "worst": max(c["worst"] for c in canaries)},
        "files": written,
    }
    return summary, trial, closing
