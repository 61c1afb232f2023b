"""Dask clusters: SLURM jobs, or workers at an address.

Together with `sweeps.workers.dask_pool` the only code that uses Dask; imported only when a cluster is wanted.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from threading import Timer
from typing import Any

import dask
from distributed import Client

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.study.identity import engine_hash, platform_class
from pulsatile.sweeps.workers.dask_pool import PLUGIN, Futures, WorkerCheck
from pulsatile.sweeps.workers.patience import Patience
from pulsatile.sweeps.workers.resources import Spread
from pulsatile.sweeps.workers.slurm import Slurm, SlurmJobs
from pulsatile.sweeps.workers.worker_check import Fitness, demanded, library_versions

WINDOW = 2
"""Tasks in flight per worker slot."""
SETTINGS = {
    "distributed.worker.profile.enabled": False,  # samples the thread a hundred times a second: 1.5 % of a core
    "distributed.worker.memory.target": False,  # results are in the store: there is nothing to spill,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # and a paused worker would wait forever for memory to become free
    "distributed.scheduler.allowed-failures": 1,  # a chunk whose worker died twice is tried alone
}
CONNECT_SECONDS = 20
"""A scheduler with workers must answer within this time."""
UNSAID_SECONDS = 2.0
"""A connection that takes longer is told."""
LOGS = ("distributed", "tornado", "asyncio")

Replace = Callable[[Iterable[Mapping[str, Any]]], None]
"""Takes all current workers, and starts others for those that are lost."""


def _replace_none(workers: Iterable[Mapping[str, Any]]) -> None:
    """Replace no worker: workers at an address belong to another owner."""


def _quiet() -> None:
    """Silence the logs of Dask and what it uses: the user gets sentences instead.

    Each module's logger may have a level of its own, which that of its parent does not change.
    """
    for name in [*LOGS, *logging.root.manager.loggerDict]:
        if name.startswith(LOGS):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextmanager
def workforce(
    work: Callable[[Job], Record],
    jobs: Sequence[Job],
    spread: Spread,
    cluster: str | Slurm,
    note: Callable[[str], None],
    dashboard: Callable[[str], None],
    patience: Patience,
) -> Iterator[Futures]:
    """Yield the pool of the workers at an address, or of SLURM jobs."""
    _quiet()
    replace_lost: Replace = _replace_none
    with ExitStack() as stack:
        if isinstance(cluster, Slurm):
            stack.enter_context(dask.config.set(SETTINGS))
            submitted = stack.enter_context(SlurmJobs(cluster))
            note(f"{cluster.jobs} SLURM job(s) are submitted; work begins with the first that starts.")
            client, slots = stack.enter_context(Client(submitted.cluster, set_as_default=False)), cluster.slots
            replace_lost = submitted.replace_lost
        else:
            client = stack.enter_context(connected(cluster, check=False, note=note))
            slots = sum(client.nthreads().values())
        if client.dashboard_link:
            note(f"Dask dashboard: {client.dashboard_link}")
            dashboard(client.dashboard_link)
        fitness = stack.enter_context(demanded(jobs[0]))
        refused = stack.enter_context(_checked(client, fitness, note))
        waits = isinstance(cluster, Slurm)
        yield Futures(client, work, WINDOW * slots, spread.memory, refused, replace_lost, waits, note, patience)


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
def connected(
    address: str, device: str = "cpu", check: bool = True, note: Callable[[str], None] = lambda text: None
) -> Iterator[Any]:
    """Yield a client of the scheduler at ``address``, whose workers are checked for this engine and platform."""
    _quiet()
    end = time.monotonic() + CONNECT_SECONDS
    slow = Timer(UNSAID_SECONDS, note, [f"Waiting for {address}, for at most {CONNECT_SECONDS} s ..."])
    slow.start()
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=max(1.0, end - time.monotonic()))
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterFailed(
            f"no Dask scheduler with workers answers at {address} within {CONNECT_SECONDS} s; "
            "start `dask scheduler` and `dask worker`, or leave --scheduler out."
        ) from error
    finally:
        slow.cancel()
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
