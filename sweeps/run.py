"""A study into a run folder: chunks of patients, each in all arms, on this machine or on a Dask cluster."""

import logging
import signal
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InputError
from sweeps.chunk import Record, run_chunk, warm_up
from sweeps.estimate import chunk_size, cores
from sweeps.folder import RunFolder, check_free, now
from sweeps.identity import engine_hash, platform_class
from sweeps.interrupt import Interrupt
from sweeps.progress import Progress, SilentProgress
from sweeps.refusals import ClusterFailed, Exit
from sweeps.resolve import ResolvedStudy, resolve
from sweeps.study import Study

if TYPE_CHECKING:
    from sweeps.summary import Row

GATE = 0.05
"""Share of failed patient-arms above which a run counts as failed (contracts section 4)."""
WINDOW = 2
"""Tasks in flight per worker slot."""
WORKER_SETTINGS = {
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    ),
    "distributed.worker.profile.enabled": False,  # looks at the thread a hundred times a second: 1.5 % of a core
}
CONNECT_SECONDS = 20

Task = tuple[int, int]


@dataclass(frozen=True)
class Resources:
    """Where and how a run is carried out; nothing here changes a number.

    ``workers`` processes of ``threads`` threads each, every thread with a chunk of its own; 0 or 1 worker runs in this
    process, without Dask.  ``scheduler`` is the address of a running Dask scheduler, whose workers are used instead,
    every task with ``threads`` threads.  `sweeps.estimate.spread` chooses for the cores at hand.
    """

    chunk: int | None = None
    workers: int = 1
    threads: int = 1
    scheduler: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers without sense."""
        for name, value, low in (("--workers", self.workers, 0), ("--threads", self.threads, 1)):
            if value < low:
                raise InputError(f"{name} = {value} is too small: it must be at least {low}.")

    @property
    def slots(self) -> int:
        """Chunks carried out at once on this machine."""
        return self.threads * max(1, self.workers)

    @property
    def planning_threads(self) -> int:
        """Threads that planning may use in this process."""
        return min(cores(), self.slots)


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``names`` of arms and ``rows`` of the summary are empty when it was interrupted."""

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
    resources : processes, threads, chunk size, cluster
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
    slots = resources.slots
    if resources.scheduler is not None:  # before any work, so that a wrong address leaves nothing behind
        with _connected(resources.scheduler) as client:
            slots = sum(client.nthreads().values())
    if any(arm.match is not None for arm in study.arms):
        progress.note("Planning: finding the matched dose on the pilot ...")
    resolved = resolve(study, resources.planning_threads)
    for found in resolved.matched:
        progress.note(found.sentence)
    if resolved.approximation:
        progress.note(resolved.approximation)
    chunk = chunk_size(resolved, resolved.plan(), resources.chunk, slots)
    n, arms = resolved.population.n, resolved.engine_arms()
    tasks = [(first, min(first + chunk, n)) for first in range(0, n, chunk)]
    facts = {"identity": resolved.identity, "seed": resolved.seed, "command": command, "patients": n, "arms": len(arms)}
    facts |= {"chunk": chunk, "chunks": len(tasks), "workers": resources.workers, "threads": resources.threads}
    facts["approximation"] = resolved.approximation or "none: every day is integrated"
    folder = RunFolder.create(
        out, source or study.model_dump_json(indent=1), resolved.model_dump_json(indent=1), resolved.title, facts
    )
    planned = time.perf_counter()
    try:
        progress.note("Preparing kernels (compiled once, then kept) ...")
        compile_s = warm_up(resolved)
        _create_store(folder, resolved, chunk)
        folder.update(state="running")
        start = time.perf_counter()
        failed, done, stopped = _carry_out(folder, resolved, tasks, resources, progress)
        seconds = {
            "planning": planned - begin, "compile": compile_s, "integration": time.perf_counter() - start,
            "total": time.perf_counter() - begin,
        }  # fmt: skip
        return _close(folder, resolved, failed, done, stopped, seconds)
    except BaseException as error:
        folder.update(state="interrupted" if isinstance(error, KeyboardInterrupt) else "broken", finished=now())
        raise


def _carry_out(
    folder: RunFolder, resolved: ResolvedStudy, tasks: list[Task], resources: Resources, progress: Progress
) -> tuple[int, int, bool]:
    """Run the tasks and commit their records; return failed patient-arms, patients done, and whether asked to stop."""
    n, failed, done = resolved.population.n, 0, 0
    with Interrupt(progress).installed() as interrupt:
        progress.start(n)
        records = _records(resolved.model_dump_json(), tasks, str(folder.store), resources, interrupt)
        with folder.writing():
            for record in records:
                folder.commit(record)
                bad = sum(k for name, k in record["status"].items() if name != "ok")
                failed += bad
                done += record["stop"] - record["first"]
                progress.advance(record["stop"] - record["first"], bad)
                if failed > GATE * n * len(resolved.arms):
                    records.close()
                    break
        return failed, done, interrupt.asked and done < n


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


def _close(
    folder: RunFolder, resolved: ResolvedStudy, failed: int, done: int, stopped: bool, seconds: dict[str, float]
) -> Outcome:
    """Write summary, digest and the last state of the manifest."""
    from sweeps import store
    from sweeps.summary import Row, summarise, write_csv

    total = resolved.population.n * len(resolved.arms)
    code, state = Exit.DONE, "complete"
    if stopped:
        code, state = Exit.INTERRUPTED, "interrupted"
    elif failed > GATE * total:
        code, state = Exit.FAILED_PATIENTS, "failed"
    digest, names = "", list[str]()
    rows: list[Row] = []
    if not stopped:
        with folder.writing():
            digest = store.digest(folder.store)
            store.finish(folder.store, {"digest": digest})
            names, rows = summarise(store.open_dataset(folder.store), resolved.control)
            write_csv(folder.path / "summary.csv", names, rows, resolved.approximation)
    rounded = {name: round(value, 3) for name, value in seconds.items()}
    folder.update(
        state=state, finished=now(), patients_done=done, failed_patient_arms=failed, digest=digest, seconds=rounded
    )
    return Outcome(code, folder.path, resolved, digest, total, failed, rounded, names, rows)


# --- carrying out the tasks ---


def _records(
    resolved: str, tasks: list[Task], store: str, resources: Resources, interrupt: Interrupt
) -> Generator[Record]:
    """Yield the record of each chunk as it is finished; stop handing out chunks when asked."""
    if resources.scheduler is None and min(resources.workers, len(tasks)) <= 1:
        if min(resources.threads, len(tasks)) > 1:
            yield from _here(resolved, tasks, store, resources.threads, interrupt)
            return
        for first, stop in tasks:
            if interrupt.asked:
                return
            yield run_chunk(resolved, first, stop, resources.threads, store)
        return
    threads = 1 if resources.scheduler is None else resources.threads
    with _client(resources, len(tasks)) as (client, slots):
        yield from _futures(client, resolved, deque(tasks), store, threads, WINDOW * slots, interrupt)


def _here(resolved: str, tasks: list[Task], store: str, threads: int, interrupt: Interrupt) -> Generator[Record]:
    """Yield the records of chunks that threads of this process carry out, one chunk each at a time."""
    waiting, finished = iter(tasks), SimpleQueue[Record | BaseException | None]()
    count = min(threads, len(tasks))

    def work() -> None:
        try:
            while not interrupt.asked and (task := next(waiting, None)) is not None:
                finished.put(run_chunk(resolved, *task, threads // count, store))
            finished.put(None)
        except BaseException as error:
            finished.put(error)

    # daemons, so that a second Ctrl-C does not wait for the chunks in hand
    pool = [Thread(target=work, daemon=True) for _ in range(count)]
    for thread in pool:
        thread.start()
    try:
        left = count
        while left:
            record = finished.get()
            if isinstance(record, BaseException):
                raise record
            if record is None:
                left -= 1
            else:
                yield record
    except (Exception, GeneratorExit):
        deque(waiting, maxlen=0)  # takes what is left from the threads
        for thread in pool:
            thread.join()
        raise


def _futures(
    client: Any, resolved: str, tasks: deque[Task], store: str, threads: int, window: int, interrupt: Interrupt
) -> Generator[Record]:
    """Keep a bounded number of tasks in flight; every future is released as soon as it is done."""
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    def submit(some: Iterable[Task]) -> list[Any]:
        return [
            client.submit(run_chunk, resolved, first, stop, threads, store, key=f"chunk-{first:012d}", pure=False)
            for first, stop in some
        ]

    flying = as_completed(submit([tasks.popleft() for _ in range(min(window, len(tasks)))]))
    for future in flying:
        try:
            record = future.result()
        except KilledWorker as error:
            raise ClusterFailed(
                f"a worker died again and again on {error.task}: memory or a crash; try --chunk smaller."
            ) from error
        future.release()
        if tasks and not interrupt.asked:
            flying.update(submit([tasks.popleft()]))
        yield record


@contextmanager
def _client(resources: Resources, tasks: int) -> Iterator[tuple[Any, int]]:
    """Yield a Dask client and its number of worker slots: a local cluster, or the one at ``scheduler``."""
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    if resources.scheduler is not None:
        with _connected(resources.scheduler) as client:
            yield client, sum(client.nthreads().values())
        return
    count = min(resources.workers, ceil(tasks / resources.threads))
    with (
        dask.config.set(WORKER_SETTINGS),
        LocalCluster(
            n_workers=count,
            threads_per_worker=resources.threads,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(ignore_interrupt)
        yield client, count * resources.threads


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterFailed(
            f"no Dask scheduler with workers answers at {address} within {CONNECT_SECONDS} s; "
            "start `dask scheduler` and `dask worker`, or leave --scheduler out."
        ) from error
    with client:
        try:
            client.run_on_scheduler(engine_hash)  # it too unpickles what it hands on
            kinds = set(client.run(_kind).values())
        except Exception as error:  # Dask wraps an ImportError of the other side in a bare Exception
            raise ClusterFailed(
                f"the scheduler or a worker at {address} cannot load the engine ({error}); "
                "install this version of pulsatile on all of them."
            ) from error
        engine, machine = _kind()
        if any(other != engine for other, _ in kinds):
            raise ClusterFailed(f"workers at {address} have another version of the engine; install this one there.")
        others = sorted({other for _, other in kinds if other != machine})
        if others:
            raise ClusterFailed(
                f"workers at {address} would give other bits: they are {' and '.join(others)}, this machine is "
                f"{machine}; use one kind of machine and one version of numba."
            )
        yield client


def _kind() -> tuple[str, str]:
    """Return what must be the same wherever chunks of one run are computed: the engine and the platform class."""
    return engine_hash(), platform_class("exact")


def ignore_interrupt() -> None:
    """Let a worker outlive Ctrl-C, which goes to the whole foreground group; the driver decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
