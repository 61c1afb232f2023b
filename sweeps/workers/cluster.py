"""Dask clusters: processes of this machine, SLURM jobs, or workers at an address.

Together with `sweeps.workers.dask_pool` the only code that uses Dask; imported only when a cluster is wanted.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from math import ceil
from typing import Any

import dask
from distributed import Client, LocalCluster, Status, core

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.study.identity import engine_hash, platform_class
from pulsatile.sweeps.workers.dask_pool import PLUGIN, Futures, WorkerCheck
from pulsatile.sweeps.workers.resources import Spread
from pulsatile.sweeps.workers.slurm import Slurm, SlurmJobs
from pulsatile.sweeps.workers.worker_check import Fitness, demanded, library_versions

WINDOW = 2
"""Tasks in flight per worker slot."""
SETTINGS = {
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    ),
    "distributed.worker.profile.enabled": False,  # samples the thread a hundred times a second: 1.5 % of a core
    "distributed.worker.memory.target": False,  # results are in the store: there is nothing to spill,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # and a paused worker would wait forever for memory to become free
    "distributed.scheduler.allowed-failures": 1,  # a chunk whose worker died twice is tried alone
}
CONNECT_SECONDS = 20


Replace = Callable[[Iterable[Mapping[str, Any]]], None]
"""Takes all current workers, and starts others for those that are lost."""


def _replace_none(workers: Iterable[Mapping[str, Any]]) -> None:
    """Replace no worker: workers at an address belong to another owner."""


def _quiet() -> None:
    """Silence Dask's own log: the user gets sentences instead."""
    for name in ("distributed", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def workforce(
    work: Callable[[Job], Record],
    jobs: Sequence[Job],
    spread: Spread,
    cluster: str | Slurm | None,
    note: Callable[[str], None],
    dashboard: Callable[[str], None],
) -> Iterator[Futures]:
    """Yield the pool of the workers at an address, of SLURM jobs, or of processes of this machine."""
    _quiet()
    replace_lost: Replace = _replace_none
    with ExitStack() as stack:
        if isinstance(cluster, Slurm):
            stack.enter_context(dask.config.set(SETTINGS))
            submitted = stack.enter_context(SlurmJobs(cluster))
            note(f"{cluster.jobs} SLURM job(s) are submitted; work begins with the first that starts.")
            client, slots = stack.enter_context(Client(submitted.cluster, set_as_default=False)), cluster.slots
            replace_lost = submitted.replace_lost
        elif cluster is not None:
            client = stack.enter_context(connected(cluster, check=False))
            slots = sum(client.nthreads().values())
        else:
            client, slots, replace_lost = stack.enter_context(_local(spread, len(jobs)))
        if client.dashboard_link:
            note(f"Dask dashboard: {client.dashboard_link}")
            dashboard(client.dashboard_link)
        fitness = stack.enter_context(demanded(jobs[0]))
        refused = stack.enter_context(_checked(client, fitness, note))
        yield Futures(client, work, WINDOW * slots, spread.memory, refused, replace_lost, isinstance(cluster, Slurm))


def _kind(device: str) -> dict[str, str]:
    """Return the properties that must be equal wherever chunks of one run are computed."""
    return library_versions() | {"engine": engine_hash()[:12], "platform": platform_class(device)}


@contextmanager
def _checked(client: Any, fitness: Fitness, note: Callable[[str], None]) -> Iterator[list[str]]:
    """Check every current worker, and every worker that joins while the block runs; yield the reasons of refusals."""
    refused: list[str] = []

    def on_refusal(event: tuple[float, str]) -> None:
        refused.append(event[1])
        note(f"Refused: {event[1]}")

    try:
        client.register_plugin(WorkerCheck(fitness, late=False))
        client.subscribe_topic(PLUGIN, on_refusal)
        client.register_plugin(WorkerCheck(fitness, late=True))
    except ClusterFailed:
        client.unregister_worker_plugin(PLUGIN)
        raise
    except Exception as error:
        raise _not_loadable(error) from error
    try:
        yield refused
    finally:
        if client.status == "running":
            client.unsubscribe_topic(PLUGIN)
            client.unregister_worker_plugin(PLUGIN)


@contextmanager
def _local(spread: Spread, jobs: int) -> Iterator[tuple[Any, int, Replace]]:
    """Yield a client of a local cluster, its number of slots, and the function that replaces lost workers."""
    count = min(spread.workers, ceil(jobs / spread.threads))
    with suppress(AttributeError):  # Dask's cache of handlers would keep every earlier scheduler (0.3 MB each)
        core._expects_comm.cache_clear()
    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=0,  # a worker that dies while it starts would be an error here; one added later is replaced
            threads_per_worker=spread.threads,
            processes=True,
            memory_limit=spread.memory or "auto",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def replace_lost(workers: Iterable[Mapping[str, Any]]) -> None:
            for name, nanny in list(cluster.workers.items()):
                if nanny.status in (Status.closed, Status.failed):
                    del cluster.workers[name]
            cluster.scale(count)

        cluster.scale(count)
        try:
            yield client, count * spread.threads, replace_lost
        except (KeyboardInterrupt, GeneratorExit):  # at once: closing would wait for the chunks in progress
            for nanny in cluster.workers.values():
                nanny.auto_restart = False
                with suppress(OSError, TypeError):
                    os.kill(nanny.pid, signal.SIGTERM)
            raise


@contextmanager
def connected(address: str, device: str = "cpu", check: bool = True) -> Iterator[Any]:
    """Yield a client of the scheduler at ``address``, whose workers are checked for this engine and platform."""
    _quiet()
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterFailed(
            f"no Dask scheduler with workers answers at {address} within {CONNECT_SECONDS} s; "
            "start `dask scheduler` and `dask worker`, or leave --scheduler out."
        ) from error
    with client:
        if check:
            _check_kinds(client, address, device)
        yield client


def _check_kinds(client: Any, address: str, device: str) -> None:
    try:
        client.run_on_scheduler(engine_hash)  # the scheduler too unpickles the tasks that it forwards
        kinds = client.run(_kind, device)
    except Exception as error:  # Dask wraps an ImportError of a remote process in a bare Exception
        raise _not_loadable(error) from error
    for worker, kind in kinds.items():
        for name, value in _kind(device).items():
            if kind[name] != value:
                raise ClusterFailed(
                    f"the worker {worker} of {address} has another {name} ({kind[name]}) than this machine ({value}), "
                    "and would give other bits; use one kind of machine and one installation."
                )


def _not_loadable(error: Exception) -> ClusterFailed:
    text = " ".join(str(error).split())[:200]
    return ClusterFailed(
        f"the scheduler or a worker cannot load the engine ({text}); install this version of pulsatile on all of them."
    )
