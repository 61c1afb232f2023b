"""A study into a run folder: chunks of patients, each in all arms, on this machine or on a Dask cluster."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sweeps.chunk import warm_up
from sweeps.estimate import chunk_size
from sweeps.folder import RunFolder, check_free, now
from sweeps.interrupt import Interrupt
from sweeps.progress import Progress, SilentProgress
from sweeps.refusals import Exit
from sweeps.resolve import ResolvedStudy, resolve
from sweeps.resources import Resources, Spread
from sweeps.study import Study
from sweeps.workers import Task, connected, records

if TYPE_CHECKING:
    from sweeps.summary import Row

GATE = 0.05
"""Share of failed patient-arms above which a run counts as failed (contracts section 4)."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``digest``, ``names`` of arms and ``rows`` of the summary are empty when it stopped early."""

    code: Exit
    folder: Path
    resolved: ResolvedStudy
    digest: str
    patient_arms: int
    failed: int
    seconds: dict[str, float]
    names: list[str] = field(default_factory=list)
    rows: "list[Row]" = field(default_factory=list)

    @property
    def identity(self) -> str:
        """SHA-256 of what decides the numbers."""
        return self.resolved.identity


def run(
    study: Study,
    out: str | Path,
    resources: Resources = Resources(),
    progress: Progress | None = None,
    source: str = "",
    command: str = "",
) -> Outcome:
    """Carry out a study into the folder ``out``.

    Parameters
    ----------
    study : a checked study (`sweeps.study.load_study`)
    out : folder to make; must not exist or be empty
    resources : processes, threads, chunk size, cluster; default all cores of this machine
    progress : told what goes on; default silent
    source : text of the study file, kept beside the results

    Raises
    ------
    InputError, CannotWrite, FolderRefuses, ClusterFailed
        One plain sentence each; an interrupted run returns with ``Exit.INTERRUPTED``.
    """
    progress = progress or SilentProgress()
    out = Path(out)
    check_free(out)
    begin = time.perf_counter()
    spread = resources.spread(study.solver.device)
    slots = spread.slots
    if resources.scheduler is not None:  # before any work, so that a wrong address leaves nothing behind
        with connected(resources.scheduler) as client:
            slots = sum(client.nthreads().values())
    if any(arm.match is not None for arm in study.arms):
        progress.note("Planning: finding the matched dose on the pilot ...")
    resolved = resolve(study, spread.planning_threads)
    for found in resolved.matched:
        progress.note(found.sentence)
    if resolved.approximation:
        progress.note(resolved.approximation)
    chunk = chunk_size(resolved, resolved.plan(), resources.chunk, slots)
    n, arms = resolved.population.n, resolved.engine_arms()
    tasks = [(first, min(first + chunk, n)) for first in range(0, n, chunk)]
    facts = {"identity": resolved.identity, "seed": resolved.seed, "command": command, "patients": n, "arms": len(arms)}
    facts |= {"chunk": chunk, "chunks": len(tasks), "workers": spread.workers, "threads": spread.threads}
    facts["approximation"] = resolved.approximation or "none: every day is integrated"
    folder = RunFolder.create(out, source or study.model_dump_json(indent=1), resolved, facts)
    planned = time.perf_counter()
    try:
        progress.note("Preparing kernels (compiled once, then kept) ...")
        compile_s = warm_up(resolved)
        _create_store(folder, resolved, chunk)
        folder.update(state="running")
        start = time.perf_counter()
        stopped = _carry_out(folder, resolved, tasks, spread, resources.scheduler, progress)
        seconds = {
            "planning": planned - begin, "compile": compile_s, "integration": time.perf_counter() - start,
            "total": time.perf_counter() - begin,
        }  # fmt: skip
        return _close(folder, resolved, stopped, seconds)
    except BaseException as error:
        folder.update(state="interrupted" if isinstance(error, KeyboardInterrupt) else "broken", finished=now())
        raise


def _carry_out(
    folder: RunFolder, resolved: ResolvedStudy, tasks: list[Task], spread: Spread, scheduler: str | None,
    progress: Progress,
) -> bool:  # fmt: skip
    """Run the tasks and commit their records; return whether a signal ended it early."""
    n = resolved.population.n
    with Interrupt(progress).installed() as interrupt, folder.writing():

        def enough() -> bool:
            return interrupt.asked or folder.failed > GATE * n * len(resolved.arms)

        progress.start(n)
        for record in records(resolved.model_dump_json(), tasks, str(folder.store), spread, scheduler, enough):
            failed = folder.commit(record)
            progress.advance(record["stop"] - record["first"], failed)
        return interrupt.asked and folder.done < n


def _create_store(folder: RunFolder, resolved: ResolvedStudy, chunk: int) -> None:
    from engine.simulate import template
    from sweeps.store import create

    first = resolved.population.first
    whole = template(np.arange(first, first + resolved.population.n), resolved.engine_arms(), resolved.plan())
    attrs = {"identity": resolved.identity, "seed": resolved.seed, "control": resolved.control}
    if resolved.title:
        attrs["title"] = resolved.title
    with folder.writing():
        create(folder.store, whole, chunk, resolved.dtype, attrs)


def _close(folder: RunFolder, resolved: ResolvedStudy, stopped: bool, seconds: dict[str, float]) -> Outcome:
    """Write summary, digest and the last state of the manifest.

    A run that stopped early has neither summary nor digest: which chunks were finished is a matter of chance.
    """
    from sweeps import store
    from sweeps.summary import Row, summarise, write_csv

    total = resolved.population.n * len(resolved.arms)
    code, state = Exit.DONE, "complete"
    if stopped:
        code, state = Exit.INTERRUPTED, "interrupted"
    elif folder.failed > GATE * total:
        code, state = Exit.FAILED_PATIENTS, "failed"
    digest, names = "", list[str]()
    rows: list[Row] = []
    if folder.done == resolved.population.n:
        with folder.writing():
            digest = store.digest(folder.store)
            store.finish(folder.store, {"digest": digest})
            names, rows = summarise(store.open_dataset(folder.store), resolved.control)
            write_csv(folder.path / "summary.csv", names, rows)
    rounded = {name: round(value, 3) for name, value in seconds.items()}
    folder.update(state=state, finished=now(), digest=digest, seconds=rounded)
    return Outcome(code, folder.path, resolved, digest, total, folder.failed, rounded, names, rows)
