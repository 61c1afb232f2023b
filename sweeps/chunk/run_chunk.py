"""The unit of work: one chunk of patients in all arms, written to the store and committed whole or not at all."""

import os
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from pulsatile.engine.errors import Status
from pulsatile.engine.simulate import simulate
from pulsatile.engine.trial.plan import WEEK
from pulsatile.sweeps.chunk.compute import chunk_values
from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk import commits, store
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.disk.one_piece import PATIENTS, rows_of
from pulsatile.sweeps.disk.store import RESULTS, STATES
from pulsatile.sweeps.errors import CanaryFailed, ClusterFailed, Damage
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import ResolvedStudy


def run_chunk(job: Job) -> Record:
    """Simulate the job's patients in all arms, commit them, and return the entry for the journal.

    A plain function of plain arguments, so that it runs alike in this process, in a local worker and on another
    machine.  A committed chunk is not computed again, unless patients of it were left out.
    """
    resolved = _resolved(job.study)
    _check_kind(job, resolved)
    folder, identity = Path(job.folder), resolved.identity
    fresh = job.dry or job.again
    if not fresh and (entry := commits.committed_entry(folder, job.first, identity)) is not None:
        return entry
    begin = time.perf_counter()
    values = chunk_values(job, resolved)
    if values.worst_canary > 1:
        raise CanaryFailed(
            f"a canary patient missed its exact answer {values.worst_canary:.3g} times over on {socket.gethostname()}: "
            "this machine or build computes wrong numbers; nothing of the chunk was kept, do not use that machine."
        )
    if job.dry:
        return {}
    codes, counts = np.unique(values.variables["status"], return_counts=True)
    simulated = time.perf_counter()
    for place in (RESULTS, PATIENTS):
        if not (folder / place / store.ROOT).is_file():
            raise Damage(f"{folder / place} is gone; move it back, or `pulsatile heal {folder}` makes it anew.")
    with_states = (folder / STATES / store.ROOT).is_file()  # its owner may have deleted it; the record tells it
    stores = {RESULTS: values.variables, PATIENTS: rows_of(values.variables)}
    stores |= {STATES: values.states} if with_states else {}
    files = {
        f"{place}/{name}": data
        for place, arrays in stores.items()
        for name, data in store.chunk_files(folder / place, job.first, job.stop, arrays).items()
    }
    record = {
        "first": job.first,
        "stop": job.stop,
        "identity": identity,
        "engine": job.engine,
        "platform": job.platform,
        "status": {Status(int(c)).name.lower(): int(k) for c, k in zip(codes, counts, strict=True)},
        "poison": {str(position): why for position, why in zip(job.skip, job.reasons, strict=True)},
        "canaries": {"count": values.canaries, "worst": float(f"{values.worst_canary:.3g}")},
        "kept": values.kept,
        "seconds": round(simulated - begin, 3),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return commits.commit(folder, record, files)


@lru_cache(2)
def _resolved(text: str) -> ResolvedStudy:
    return ResolvedStudy.from_json(text)


def _check_kind(job: Job, resolved: ResolvedStudy) -> None:
    """Refuse to compute where the bits would differ from those of the run."""
    if engine_hash() != job.engine:
        raise ClusterFailed(
            f"{socket.gethostname()} has another version of the engine than the run; install the run's version there."
        )
    here = resolved.platform
    if here != job.platform:
        raise ClusterFailed(
            f"{socket.gethostname()} would give other bits: it is {here}, the run is {job.platform}; use one kind of "
            "machine and one version of numba."
        )


def warm_up(resolved: ResolvedStudy) -> float:
    """Compile every kernel the run needs, in this process alone; return the seconds it took.

    One patient goes through the first week of every arm, with every drug begun at once and every test at week 0.
    """
    begin = time.perf_counter()
    plan = resolved.plan()
    arms = [
        replace(arm, doses=tuple(replace(dose, start_week=0.0, stop_week=None, titration=None) for dose in arm.doses))
        for arm in resolved.arms
    ]
    tests = tuple(replace(test, weeks=(0.0,)) for test in plan.tests)
    weeks = min(1.0, plan.weeks)
    window = min(plan.reduce_every, WEEK * weeks)  # a longer one would not close in the first week
    short = replace(plan, weeks=weeks, reduce_every=window, tests=tests, long_horizon=None, dropout=None)
    simulate(resolved.cohort(0, 1), arms, short)
    return time.perf_counter() - begin
