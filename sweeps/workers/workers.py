"""Execution of the chunks of a run: by threads of this process, processes of this machine, or a Dask cluster.

A pool takes trials and returns how each ended; `records` submits them and lets `sweeps.workers.isolation` judge.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import NamedTuple, Protocol

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.chunk.run_chunk import run_chunk
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.workers.isolation import Isolation, Trial
from pulsatile.sweeps.workers.patience import Patience
from pulsatile.sweeps.workers.process_pool import Processes
from pulsatile.sweeps.workers.resources import Spread
from pulsatile.sweeps.workers.slurm import Slurm
from pulsatile.sweeps.workers.thread_pool import Ended, Threads

PULSE = 2.0
"""s between two checks that the pool still lives."""
QUIET_SECONDS = 600.0
"""The user is warned when no chunk finishes for this long, then after twice as long, and so on."""
SHARE_OF_LIFETIME = 10
"""A chunk should take less than 1 / this of a worker's lifetime: a chunk in progress at its end is lost."""

Note = Callable[[str], None]
"""Takes sentences for the user."""


class Pool(Protocol):
    """Carries out trials, ``window`` of them at once."""

    window: int

    def start(self, trial: Trial) -> None:
        """Take a trial."""

    def wait(self, seconds: float) -> Ended | None:
        """Return a trial that ended; None after ``seconds``."""

    def check(self) -> None:
        """Replace lost workers; raise `ClusterFailed` when no result can come any more."""


class Crew(NamedTuple):
    """A pool, the threads of each of its chunks, and the lifetime of its workers in seconds (0: no limit)."""

    pool: Pool
    threads: int
    lifetime: float = 0.0


def records(
    jobs: Sequence[Job],
    spread: Spread,
    cluster: str | Slurm | None,
    should_stop: Callable[[], bool],
    note: Note = lambda text: None,
    dashboard: Note = lambda address: None,
    patience: Patience = Patience(),
) -> Iterator[Record]:
    """Yield the record of each chunk as it is committed, in any order; chunks in progress are finished before a stop.

    Patients that end their worker, or fail in another way, are left out of their chunk and named in its record under
    ``poison``; the records of other chunks do not depend on them.

    Parameters
    ----------
    jobs : one per chunk; their ``threads`` are set here
    spread : processes, threads and memory
    cluster : address of a Dask scheduler, or SLURM jobs to submit; None for this machine
    should_stop : called before a chunk is submitted
    note : called with sentences on suspects, refused workers, long silence, and the Dask dashboard
    dashboard : called with the address of the dashboard, where there is one
    patience : how long a worker may be silent until that is told, and until it is ended

    Raises
    ------
    Exception
        An error that would hit every chunk (a full disk, a bug), after the records of the chunks in progress.
    """
    if not jobs:
        return
    with _crew(jobs, spread, cluster, should_stop, note, dashboard, patience) as (pool, threads, lifetime):
        fresh = (Trial(replace(job, threads=threads), alone=job.again) for job in jobs)
        isolation, watch = Isolation(note), _Watch(note, lifetime)
        waiting, flying, checked = deque[Trial](), 0, time.monotonic()
        failure: BaseException | None = None
        while True:
            while flying < pool.window and failure is None and not should_stop():
                trial = waiting.popleft() if waiting else next(fresh, None)
                if trial is None:
                    break
                pool.start(trial)
                flying += 1
            if not flying:
                break
            ended = pool.wait(PULSE)
            if time.monotonic() - checked > PULSE:
                pool.check()
                watch.look()
                checked = time.monotonic()
            if ended is None:
                continue
            flying -= 1
            record = None
            try:
                record, following = _judged(isolation, ended)
                waiting.extend(following)
            except BaseException as error:
                failure = failure or error
            if record is not None:
                watch.finished(record)
                yield record
        if failure is not None:
            raise failure


def _judged(isolation: Isolation, ended: Ended) -> tuple[Record | None, list[Trial]]:
    """Return the record of a chunk that is done, and the trials that follow; raise what ends the run."""
    result = ended.result
    if result is None:
        return None, []
    if isinstance(result, Exception):
        return None, isolation.failed(ended.trial, result)
    if isinstance(result, BaseException):
        raise result
    return isolation.passed(ended.trial, result)


class _Watch:
    """Warns when no chunk finishes for long, and when chunks are too long for their workers."""

    def __init__(self, note: Note, lifetime: float) -> None:
        self._note, self._longest = note, lifetime / SHARE_OF_LIFETIME
        self._last, self._patience = time.monotonic(), QUIET_SECONDS

    def finished(self, record: Record) -> None:
        self._last, self._patience = time.monotonic(), QUIET_SECONDS
        if 0 < self._longest < record.get("seconds", 0):
            self._note(
                f"A chunk took {record['seconds']:.0f} s, more than a tenth of a worker's life; make --chunk smaller "
                "or the walltime longer, so that little is lost at its end."
            )
            self._longest = 0

    def look(self) -> None:
        silent = time.monotonic() - self._last
        if silent > self._patience:
            self._note(f"Nothing was finished for {silent / 60:.0f} min; waiting goes on, Ctrl-C stops.")
            self._patience *= 2


@contextmanager
def _crew(
    jobs: Sequence[Job],
    spread: Spread,
    cluster: str | Slurm | None,
    should_stop: Callable[[], bool],
    note: Note,
    dashboard: Note,
    patience: Patience,
) -> Iterator[Crew]:
    """Yield the pool that carries out the jobs."""
    if cluster is None:
        pool: Threads | Processes
        if spread.workers <= 1:
            count = min(spread.threads, len(jobs))
            pool, threads = Threads(count, run_chunk, should_stop, note, patience), spread.threads // count
        else:  # a job that crashes ends only its process
            count, threads = min(spread.workers, ceil(len(jobs) / spread.threads)), 1
            pool = Processes(count, spread.threads, spread.memory, run_chunk, should_stop, note, patience)
        with pool:
            yield Crew(pool, threads)
        return
    from pulsatile.sweeps.workers.cluster import workforce

    with workforce(run_chunk, jobs, spread, cluster, note, dashboard, patience) as futures:
        life = cluster.lifetime if isinstance(cluster, Slurm) else 0.0
        yield Crew(futures, spread.threads if isinstance(cluster, str) else 1, life)


def capacity(address: str, device: str = "cpu", note: Note = lambda text: None) -> tuple[int, int]:
    """Return the chunks that workers at ``address`` carry out at once, and the bytes of each (0: not known).

    Raises
    ------
    ClusterFailed
        When no scheduler answers, or a worker has another engine or platform; the sentence names the difference.
    """
    from pulsatile.sweeps.workers.cluster import connected

    with connected(address, device, note=note) as client:
        workers = client.scheduler_info()["workers"].values()
        spreads = [Spread(1, worker["nthreads"], worker["memory_limit"] or 0) for worker in workers]
    rooms = [spread.room for spread in spreads if spread.memory]
    return sum(spread.threads for spread in spreads), min(rooms, default=0)
