"""The pool of Dask workers: trials as futures, and the check that a worker passes before its first task."""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from distributed import CancelledError, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.workers.isolation import Trial
from pulsatile.sweeps.workers.own_process import NotBegun, ProcessDied, run_alone
from pulsatile.sweeps.workers.thread_pool import Ended
from pulsatile.sweeps.workers.worker_check import Fitness, limit_threads

ANSWER_SECONDS = 20
"""A scheduler counts as lost when it does not answer for this long."""
LOST_SECONDS = 120.0
"""A run without any worker ends after this long, unless its jobs wait in a queue."""
MOST_DEATHS = 3
"""Workers that may die on a trial in a separate process before the trial is given up."""
STUCK_SECONDS = 30.0
"""A trial that no worker carries out for this long is given up."""
IDLE_SECONDS, IDLE_PERCENT = 120.0, 2.0
"""A trial whose worker uses less of a core for this long is given up: Python can hang without memory."""
PLUGIN = "pulsatile"


class Futures:
    """Carries out trials on Dask workers; every future is released as soon as it is done.

    work : a plain function of a module
    window : trials taken at once
    memory : bytes of a worker, for trials in a separate process; 0 for no limit
    replace_lost : takes all current workers, and starts others for those that are missing
    waits : whether workers may come late, as jobs of a queue do
    refused : reasons why workers were refused; grows
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
        self._stuck: dict[str, float] = {}
        self._lost = deque[str]()
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
        self._watch(future)

    def _watch(self, future: Any) -> None:
        future.add_done_callback(lambda done: self._done.put(done.key))

    def wait(self, seconds: float) -> Ended | None:
        """Return a trial that ended."""
        while self._lost:
            if (key := self._lost.popleft()) in self._flying:
                return self._died(key, "its worker fell silent")
        try:
            key = self._done.get(timeout=seconds)
        except Empty:
            return None
        if key not in self._flying:  # given up by `check`
            return None
        trial, future = self._flying[key]
        result: Record | BaseException
        try:
            result = future.result(timeout=seconds)
        except KilledWorker:
            return self._died(key, "its workers died")
        except CancelledError:
            raise self._gone() from None
        except Exception as error:
            if (
                future.status != "error"
            ):  # its worker left with the record: the repeated trial finds the chunk committed
                self._watch(future)
                return None
            result = error
        if isinstance(result, NotBegun) and trial.deaths < MOST_DEATHS:
            return self._died(key, str(result))
        self._forget(key)
        if isinstance(result, _Misfit):
            self.start(trial)
            return None
        return Ended(trial, result)

    def _forget(self, key: str) -> None:
        self._stuck.pop(key, None)
        self._flying.pop(key)[1].release()

    def _died(self, key: str, how: str) -> Ended | None:
        """Return the end of a trial whose worker ended; None where that proves nothing and the trial is repeated.

        A trial in a separate process cannot have ended the worker: something else did.
        """
        trial = self._flying[key][0]
        self._forget(key)
        if not trial.alone:
            return Ended(trial, ProcessDied(how))
        if trial.deaths == MOST_DEATHS:
            return Ended(trial, ClusterFailed(
                f"workers end although the trial runs in a separate process ({how}): they lack memory or time; look "
                "into their log, then go on with `pulsatile resume`."
            ))  # fmt: skip
        self.start(replace(trial, deaths=trial.deaths + 1))
        return None

    def check(self) -> None:
        """Replace lost workers; raise `ClusterFailed` when the scheduler is lost, or all workers for long."""
        if self._client.status != "running":
            raise self._gone()
        try:
            identity = self._client.sync(self._client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS)
        except Exception:
            raise self._gone() from None
        workers = identity["workers"].values()
        self._replace_lost(workers)
        self._free_stuck()
        if workers:
            self._seen = time.monotonic()
        elif self._refused:
            raise ClusterFailed(self._refused[-1])
        elif not self._waits and time.monotonic() - self._seen > LOST_SECONDS:
            raise ClusterFailed(
                f"there has been no Dask worker for {LOST_SECONDS:.0f} s; start workers again and go on with "
                "`pulsatile resume`. In a script, the call must stand under `if __name__ == '__main__':`."
            )

    def _free_stuck(self) -> None:
        """Give up trials that no worker carries out: a worker short of memory loses its answer, and lives on."""
        if not self._flying:
            return
        try:
            stuck = self._client.run_on_scheduler(_stuck, list(self._flying))
        except Exception:
            raise self._gone() from None
        now = time.monotonic()
        self._stuck = {key: self._stuck.get(key, now) for key in stuck}
        for key, since in list(self._stuck.items()):
            worker, patience = stuck[key]
            trial = self._flying[key][0]
            if patience == IDLE_SECONDS and (trial.alone or trial.job.platform.startswith("cuda")):
                continue  # the work is in another process, or on a GPU
            if now - since > patience:
                with suppress(Exception):  # without a nanny a worker cannot be started again
                    self._client.restart_workers([worker], timeout=ANSWER_SECONDS, raise_for_error=False)
                self._lost.append(key)

    def _gone(self) -> ClusterFailed:
        return ClusterFailed(
            "the Dask scheduler does not answer any more; what was committed is kept: start it again and go on with "
            "`pulsatile resume`."
        )


def _stuck(keys: list[str], dask_scheduler: Any) -> dict[str, tuple[str, float]]:
    """Return, on the scheduler, the stuck trials: the worker of each, and the seconds after which it is given up.

    A stuck trial has an error that did not reach the driver, or its worker lives but does not know it or is idle.
    """
    stuck = {}
    for key in keys:
        task = dask_scheduler.tasks.get(key)
        if task is None or task.state == "erred":
            stuck[key] = "", STUCK_SECONDS
        elif (worker := task.processing_on) is not None:
            if time.time() - worker.last_seen > STUCK_SECONDS / 3:  # one that compiles says nothing for long
                continue
            if not any(worker.metrics.get(name, 1) for name in ("executing", "ready")):
                stuck[key] = worker.address, STUCK_SECONDS
            elif worker.metrics.get("cpu", 100) < IDLE_PERCENT:
                stuck[key] = worker.address, IDLE_SECONDS
    return stuck


# --- on the worker ---


class _Misfit(ClusterFailed):
    """A job reached a worker that is about to leave."""


def on_worker(work: Callable[[Job], Record], job: Job, alone: bool, memory: int) -> Record:
    """Carry out a job on a worker, in a separate process where it may end its process."""
    plugin = get_worker().plugins.get(PLUGIN)
    if plugin is not None and plugin.refused:
        raise _Misfit(plugin.refused)
    return run_alone(work, job, memory) if alone else work(job)


class WorkerCheck(WorkerPlugin):  # type: ignore[misc]
    """Sets up a worker before its first task, also one that joins late, and refuses a worker that is not fit."""

    name = PLUGIN

    def __init__(self, fitness: Fitness, late: bool) -> None:
        self._fitness, self._late, self.refused = fitness, late, ""

    def setup(self, worker: Any) -> None:
        """Refuse a worker that is not fit: at the beginning by an error, later by closing it."""
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
