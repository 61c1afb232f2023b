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
from pulsatile.sweeps.workers.patience import Patience
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
IDLE_PERCENT = 2.0
"""A worker that uses less of a core is silent: Python can hang without memory."""
UNHEARD_SECONDS = 15.0
"""A worker that its scheduler has not heard for this long is silent: it is stopped, or it compiles."""
PLUGIN = "pulsatile"
SILENT = "its worker fell silent"
LOST, IDLE, UNHEARD = "not worked on its chunk", "used no processor time", "not answered its scheduler"
"""What is wrong with a silent worker, in the words for the user."""


class Futures:
    """Carries out trials on Dask workers; every future is released as soon as it is done.

    work : a plain function of a module
    window : trials taken at once
    memory : bytes of a worker, for trials in a separate process; 0 for no limit
    replace_lost : takes all current workers, and starts others for those that are missing
    waits : whether workers may come late, as jobs of a queue do
    refused : reasons why workers were refused; grows
    note : called with sentences for the user
    patience : how long a worker may be silent; one that may compile is given up half as late again
    """

    def __init__(
        self, client: Any, work: Callable[[Job], Record], window: int, memory: int, refused: list[str],
        replace_lost: Callable[[Iterable[Mapping[str, Any]]], None], waits: bool,
        note: Callable[[str], None] = lambda text: None, patience: Patience = Patience(),
    ) -> None:  # fmt: skip
        self.window = window
        self._client, self._work, self._memory, self._refused = client, work, memory, refused
        self._replace_lost, self._waits, self._note, self._patience = replace_lost, waits, note, patience
        self._flying: dict[str, tuple[Trial, Any]] = {}
        self._done = SimpleQueue[str]()
        self._stuck: dict[str, float] = {}
        self._lost = deque[str]()
        self._told = set[str]()
        self._count, self._seen, self._alone = 0, time.monotonic(), waits

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
                return self._died(key, SILENT)
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
        if not trial.alone and (how != SILENT or trial.deaths):
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
            self._seen, self._alone = time.monotonic(), False
        elif self._refused:
            raise ClusterFailed(self._refused[-1])
        elif not self._alone:
            self._alone = True
            self._note("No Dask worker is left; " + (
                "work goes on with the next job that starts." if self._waits
                else f"the run ends unless one joins within {LOST_SECONDS:.0f} s."
            ))  # fmt: skip
        elif not self._waits and time.monotonic() - self._seen > LOST_SECONDS:
            raise ClusterFailed(
                f"there has been no Dask worker for {LOST_SECONDS:.0f} s; start workers again and go on with "
                "`pulsatile resume`."
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
        self._stuck = {
            key: self._stuck.get(key, now - UNHEARD_SECONDS * (why == UNHEARD)) for key, (_, why) in stuck.items()
        }
        self._told &= {worker for worker, _ in stuck.values()}
        given_up = set[str]()
        for key, since in list(self._stuck.items()):
            worker, why = stuck[key]
            trial, silent = self._flying[key][0], now - since
            if why == IDLE and (trial.alone or trial.job.on_gpu):
                continue  # the work is in another process, or on a GPU
            patience = {LOST: STUCK_SECONDS, IDLE: self._patience.given_up, UNHEARD: 1.5 * self._patience.given_up}[why]
            if silent > self._patience.told and worker not in self._told and worker:
                self._told.add(worker)
                self._note(
                    f"The worker {worker} has {why} for {silent:.0f} s; after {patience:.0f} s its chunks are given to "
                    "another."
                )
            if silent > patience:
                if worker not in given_up:
                    given_up.add(worker)
                    self._end(worker, why)
                self._lost.append(key)

    def _end(self, worker: str, why: str) -> None:
        """Start a worker again, where it has a nanny; else let its scheduler forget one that does not answer."""
        with suppress(Exception):
            self._client.restart_workers([worker], timeout=ANSWER_SECONDS, raise_for_error=False)
        if why == UNHEARD:
            with suppress(Exception):  # else it would get the chunk again
                self._client.run_on_scheduler(_remove, worker)

    def _gone(self) -> ClusterFailed:
        return ClusterFailed(
            "the Dask scheduler does not answer any more; what was committed is kept: start it again and go on with "
            "`pulsatile resume`."
        )


def _stuck(keys: list[str], dask_scheduler: Any) -> dict[str, tuple[str, str]]:
    """Return, on the scheduler, the stuck trials: the worker of each, and what is wrong.

    A stuck trial has an error that did not reach the driver, or its worker says nothing, does not know it, or is idle.
    """
    stuck = {}
    for key in keys:
        task = dask_scheduler.tasks.get(key)
        if task is None or task.state == "erred":
            stuck[key] = "", LOST
        elif (worker := task.processing_on) is not None:
            if time.time() - worker.last_seen > UNHEARD_SECONDS:
                stuck[key] = worker.address, UNHEARD
            elif not any(worker.metrics.get(name, 1) for name in ("executing", "ready")):
                stuck[key] = worker.address, LOST
            elif worker.metrics.get("cpu", 100) < IDLE_PERCENT:
                stuck[key] = worker.address, IDLE
    return stuck


async def _remove(address: str, dask_scheduler: Any) -> None:
    """Remove, on the scheduler, a worker that does not answer."""
    if address in dask_scheduler.workers:
        await dask_scheduler.remove_worker(address, stimulus_id=PLUGIN, close=False)


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
