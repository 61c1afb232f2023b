"""The pool of this process: threads, each with one chunk at a time."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import NamedTuple, Self

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.workers.isolation import Trial
from pulsatile.sweeps.workers.own_process import run_alone

AHEAD = 1
"""Trials queued in the pool, so that no thread is idle while a record is written."""


class Ended(NamedTuple):
    """A trial that ended, with its record or error; None where it was not started."""

    trial: Trial
    result: Record | BaseException | None


class Threads:
    """Carries out trials in ``count`` threads, also in one, as a kernel in the main thread would delay Ctrl-C.

    A trial still queued when ``should_stop`` turns true is returned without being started.  A crash of the kernel ends
    the whole process; several workers protect against that.
    """

    def __init__(self, count: int, work: Callable[[Job], Record], should_stop: Callable[[], bool]) -> None:
        self.window = count + AHEAD
        self._count, self._work, self._should_stop = count, work, should_stop
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
        self._todo.put(trial)

    def wait(self, seconds: float) -> Ended | None:
        """Return a trial that ended."""
        try:
            return self._ended.get(timeout=seconds)
        except Empty:
            return None

    def check(self) -> None:
        """Do nothing: threads of this process do not get lost."""

    def _carry_out(self) -> None:
        while (trial := self._todo.get()) is not None:
            result: Record | BaseException | None = None
            try:
                if not self._should_stop():
                    result = run_alone(self._work, trial.job) if trial.alone else self._work(trial.job)
            except BaseException as error:
                result = error
            self._ended.put(Ended(trial, result))
