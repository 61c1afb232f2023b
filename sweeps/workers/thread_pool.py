"""The pool of this process: threads, each with one chunk at a time."""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import NamedTuple, Self

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.workers.isolation import Trial
from pulsatile.sweeps.workers.own_process import run_alone
from pulsatile.sweeps.workers.patience import Patience, Silence

AHEAD = 1
"""Trials queued in the pool, so that no thread is idle while a record is written."""


class Ended(NamedTuple):
    """A trial that ended, with its record or error; None where it was not started."""

    trial: Trial
    result: Record | BaseException | None


class Threads:
    """Carries out trials in ``count`` threads, also in one, as a kernel in the main thread would delay Ctrl-C.

    A trial still queued when ``should_stop`` turns true is returned without being started.  A crash of the kernel ends
    the whole process; several workers protect against that.  Threads that all use no processor time are told, and end
    the run after ``patience.rounds`` times the time after which a process would be given up.
    """

    def __init__(
        self, count: int, work: Callable[[Job], Record], should_stop: Callable[[], bool],
        note: Callable[[str], None] = lambda text: None, patience: Patience = Patience(),
    ) -> None:  # fmt: skip
        self.window = count + AHEAD
        self._count, self._work, self._should_stop = count, work, should_stop
        self._note, self._patience = note, patience
        self._silence, self._told = Silence(time.process_time), False
        self._elsewhere, self._watched = 0, True
        self._todo = SimpleQueue[Trial | None]()
        self._ended = SimpleQueue[Ended]()

    def __enter__(self) -> Self:
        for _ in range(self._count):
            Thread(target=self._carry_out, daemon=True).start()  # a second Ctrl-C does not wait for its chunk
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in range(self._count):
            self._todo.put(None)

    def start(self, trial: Trial) -> None:
        """Take a trial."""
        self._watched = not trial.job.on_gpu  # else a GPU works
        self._todo.put(trial)

    def wait(self, seconds: float) -> Ended | None:
        """Return a trial that ended."""
        try:
            return self._ended.get(timeout=seconds)
        except Empty:
            return None

    def check(self) -> None:
        """Tell that the threads are silent; raise `ClusterFailed` when they stay so, as with a disk that hangs."""
        if self._elsewhere or not self._watched:  # another process works, and is watched
            self._silence.restart()
            return
        silent, patience = self._silence.seconds(self._patience), self._patience
        if silent <= patience.told:
            self._told = False
        elif not self._told:
            self._told = True
            self._note(
                f"This run has used no processor time for {patience.told:.0f} s: a disk may hang; after "
                f"{patience.rounds * patience.given_up:.0f} s the run ends, and `pulsatile resume` goes on."
            )
        if silent > patience.rounds * patience.given_up:
            raise ClusterFailed(
                f"the run has used no processor time for {silent:.0f} s: a disk or this machine hangs; what was "
                "committed is kept: go on with `pulsatile resume`."
            )

    def _carry_out(self) -> None:
        while (trial := self._todo.get()) is not None:
            result: Record | BaseException | None = None
            try:
                if not self._should_stop():
                    result = self._alone(trial.job) if trial.alone else self._work(trial.job)
            except BaseException as error:
                result = error
            self._ended.put(Ended(trial, result))

    def _alone(self, job: Job) -> Record:
        self._elsewhere += 1
        try:
            return run_alone(self._work, job, patience=self._patience)
        finally:
            self._elsewhere -= 1
