"""What is handed to Dask: trials as futures, and the check that a worker passes before its first task."""

import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from distributed import CancelledError, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from sweeps.alone import ProcessDied, run_alone
from sweeps.chunk import Job
from sweeps.commits import Record
from sweeps.fitness import Fitness, limit_threads
from sweeps.isolation import Trial
from sweeps.refusals import ClusterFailed
from sweeps.threads import Ended

ANSWER_SECONDS = 20
"""A scheduler that does not answer for so long is gone."""
LOST_SECONDS = 120.0
"""Without any worker for so long, the run ends; jobs that wait in a queue are waited for."""
MOST_DEATHS = 3
"""Times that workers may die on a trial in a process of its own before it is given up."""
PLUGIN = "pulsatile"


class Futures:
    """Carries trials out on Dask workers; every future is released as soon as it is done.

    work : a plain function of a module
    window : trials taken at once
    memory : bytes of a worker, for trials in a process of their own; 0 for no limit
    replace_lost : told all workers there are; starts others for those that are missing
    waits : workers may come late, as jobs of a queue do
    refused : why workers were refused; grows
    """

    def __init__(
        self, client: Any, work: Callable[[Job], Record], window: int, memory: int, refused: list[str],
        replace_lost: Callable[[Iterable[Mapping[str, Any]]], None], waits: bool,
    ) -> None:  # fmt: skip
        self.window = window
        self._client, self._work, self._memory, self._refused = client, work, memory, refused
        self._replace_lost, self._waits = replace_lost, waits
        self._flying: dict[str, tuple[Trial, Any]] = {}
        self._done = SimpleQueue[str]()
        self._count, self._seen = 0, time.monotonic()

    def start(self, trial: Trial) -> None:
        """Submit a trial."""
        self._count += 1
        key = f"{PLUGIN}-{trial.job.first:09d}-{self._count}"
        try:
            future = self._client.submit(
                on_worker, self._work, trial.job, trial.alone, self._memory, key=key, pure=False
            )
        except Exception:
            raise self._gone() from None
        self._flying[key] = trial, future
        self._tell(future)

    def _tell(self, future: Any) -> None:
        future.add_done_callback(lambda done: self._done.put(done.key))

    def wait(self, seconds: float) -> Ended | None:
        """Return a trial that ended."""
        try:
            key = self._done.get(timeout=seconds)
        except Empty:
            return None
        trial, future = self._flying[key]
        result: Record | BaseException
        again = False
        try:
            result = future.result(timeout=seconds)
        except KilledWorker:
            result = ProcessDied("its workers died")
            again = trial.alone and trial.deaths < MOST_DEATHS
        except CancelledError:
            raise self._gone() from None
        except Exception as error:
            if future.status != "error":  # its worker left with the record: it is done again, and found committed
                self._tell(future)
                return None
            result = error
        del self._flying[key]
        future.release()
        if again:  # no proof: what it tries is in another process than the worker's, something else ended that
            self.start(replace(trial, deaths=trial.deaths + 1))
            return None
        if isinstance(result, _Misfit):
            self.start(trial)
            return None
        return Ended(trial, result)

    def check(self) -> None:
        """Have lost workers replaced; raise when the scheduler is gone, or all workers for long."""
        if self._client.status != "running":
            raise self._gone()
        try:
            there = self._client.sync(self._client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS)
        except Exception:
            raise self._gone() from None
        workers = there["workers"].values()
        self._replace_lost(workers)
        if workers:
            self._seen = time.monotonic()
        elif self._refused:
            raise ClusterFailed(self._refused[-1])
        elif not self._waits and time.monotonic() - self._seen > LOST_SECONDS:
            raise ClusterFailed(
                f"there has been no Dask worker for {LOST_SECONDS:.0f} s; start workers again and go on with "
                "`pulsatile resume`."
            )

    def _gone(self) -> ClusterFailed:
        return ClusterFailed(
            "the Dask scheduler does not answer any more; what was committed is kept: start it again and go on with "
            "`pulsatile resume`."
        )


# --- on the worker ---


class _Misfit(ClusterFailed):
    """A job came to a worker that is about to leave."""


def on_worker(work: Callable[[Job], Record], job: Job, alone: bool, memory: int) -> Record:
    """Carry out a job on a worker; in a process of its own where it may end the worker's."""
    plugin = get_worker().plugins.get(PLUGIN)
    if plugin is not None and plugin.refused:
        raise _Misfit(plugin.refused)
    return run_alone(work, job, memory) if alone else work(job)


class WorkerCheck(WorkerPlugin):  # type: ignore[misc]
    """Sets a worker up before its first task, one that joins late too; one that is not fit is refused."""

    name = PLUGIN

    def __init__(self, fitness: Fitness, late: bool) -> None:
        self._fitness, self._late, self.refused = fitness, late, ""

    def setup(self, worker: Any) -> None:
        """Refuse a worker that is not fit: at the beginning by an error, later by having it leave."""
        limit_threads()
        ignore_interrupt()
        self.refused = self._fitness.misfit()
        if not self.refused:
            return
        if not self._late:
            raise ClusterFailed(self.refused)
        worker.log_event(PLUGIN, self.refused)
        worker.loop.add_callback(worker.close_gracefully, restart=False, reason=self.refused)


def ignore_interrupt() -> None:
    """Let a worker outlive Ctrl-C, which goes to the whole foreground group; the driver decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
