"""Who carries the chunks of a run out: threads of this process, local Dask workers, or a Dask cluster."""

import logging
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sweeps.chunk import Record, run_chunk
from sweeps.identity import engine_hash, platform_class
from sweeps.refusals import ClusterFailed
from sweeps.resources import Spread

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


def records(
    resolved: str, tasks: list[Task], store: str, spread: Spread, scheduler: str | None, enough: Callable[[], bool]
) -> Iterator[Record]:
    """Yield the record of each chunk as it is finished; once it is ``enough``, only of those in hand.

    When a chunk raises, the records of the others in hand are yielded before its error is raised: what is in the store
    is always told.
    """
    if scheduler is None and min(spread.workers, len(tasks)) <= 1:
        yield from _here(resolved, tasks, store, spread.threads, enough)
        return
    threads = 1 if scheduler is None else spread.threads
    with _client(spread, scheduler, len(tasks)) as (client, slots):
        yield from _futures(client, resolved, deque(tasks), store, threads, WINDOW * slots, enough)


def _here(resolved: str, tasks: list[Task], store: str, threads: int, enough: Callable[[], bool]) -> Iterator[Record]:
    """Yield the records of chunks that threads of this process carry out, one chunk each at a time.

    One thread too: a kernel in the main thread would keep Ctrl-C waiting.
    """
    waiting, finished = iter(tasks), SimpleQueue[Record | BaseException | None]()
    count = min(threads, len(tasks))

    def work() -> None:
        try:
            while not enough() and (task := next(waiting, None)) is not None:
                finished.put(run_chunk(resolved, *task, threads // count, store))
            finished.put(None)
        except BaseException as error:
            finished.put(error)

    for _ in range(count):
        Thread(target=work, daemon=True).start()  # a daemon, so that a second Ctrl-C does not wait for its chunk
    failure, left = None, count
    try:
        while left:
            found = finished.get()
            if isinstance(found, dict):
                yield found
                continue
            left -= 1
            if found is not None:
                failure = failure or found
                deque(waiting, maxlen=0)  # takes what is left from the other threads
    finally:
        deque(waiting, maxlen=0)
    if failure is not None:
        raise failure


def _futures(
    client: Any, resolved: str, tasks: deque[Task], store: str, threads: int, window: int, enough: Callable[[], bool]
) -> Iterator[Record]:
    """Keep a bounded number of tasks in flight; every future is released as soon as it is done."""
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    def submit(some: Iterable[Task]) -> list[Any]:
        return [
            client.submit(run_chunk, resolved, first, stop, threads, store, key=f"chunk-{first:012d}", pure=False)
            for first, stop in some
        ]

    failure: Exception | None = None
    flying = as_completed(submit([tasks.popleft() for _ in range(min(window, len(tasks)))]))
    for future in flying:
        record = None
        try:
            record = future.result()
        except Exception as error:
            failure = failure or error
        future.release()
        if tasks and failure is None and not enough():
            flying.update(submit([tasks.popleft()]))
        if record is not None:
            yield record
    if isinstance(failure, KilledWorker):
        raise ClusterFailed(
            f"a worker died again and again on {failure.task}: memory or a crash; try --chunk smaller."
        ) from failure
    if failure is not None:
        raise failure


@contextmanager
def _client(spread: Spread, scheduler: str | None, tasks: int) -> Iterator[tuple[Any, int]]:
    """Yield a Dask client and its number of worker slots: a local cluster, or the one at ``scheduler``."""
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    if scheduler is not None:
        with connected(scheduler) as client:
            yield client, sum(client.nthreads().values())
        return
    count = min(spread.workers, ceil(tasks / spread.threads))
    with (
        dask.config.set(WORKER_SETTINGS),
        LocalCluster(
            n_workers=count,
            threads_per_worker=spread.threads,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(ignore_interrupt)
        yield client, count * spread.threads


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Yield a client of the scheduler at ``address``, whose workers are found to be of this engine and platform."""
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
