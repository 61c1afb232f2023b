"""The pool of processes of this machine: each with threads, each thread with one chunk at a time; without Dask.

A process that dies, exceeds its memory or falls silent is replaced.  Trials that it had begun are tried once more
elsewhere before any of them is suspected.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.workers.isolation import Trial
from pulsatile.sweeps.workers.own_process import ENDED, LOOK, READY, Answer, OwnProcess, ProcessDied
from pulsatile.sweeps.workers.patience import Patience
from pulsatile.sweeps.workers.thread_pool import AHEAD, Ended

MOST_DEATHS = 3
"""Processes in a row that may end before they are ready, or on a trial alone before it begins."""
AGAIN = 1
"""Times that a trial is tried once more whose process ended; then it is tried alone."""
MEMORY_SHARE = 0.95
"""A process that takes more than this share of its memory is ended, before the system chooses one to end."""


class _Worker:
    """A process, and its trials by number; ``begun`` are the numbers of those that it works on."""

    def __init__(self, process: OwnProcess, room: int, alone: bool) -> None:
        self.process, self.room, self.alone = process, room, alone
        self.trials, self.begun, self.told = dict[int, Trial](), set[int](), False


class Processes:
    """Carries out trials in at most ``count`` processes of ``threads`` threads, and as many for trials alone.

    count, threads : processes, and threads of each
    memory : bytes that each process may take; 0 for no limit
    work : a plain function of a module
    should_stop : whether trials that are not begun are returned without being started
    note : called with sentences for the user
    patience : how long a process may be silent
    """

    def __init__(
        self, count: int, threads: int, memory: int, work: Callable[[Job], Record], should_stop: Callable[[], bool],
        note: Callable[[str], None], patience: Patience = Patience(),
    ) -> None:  # fmt: skip
        self.window = count * (threads + AHEAD)
        self._count, self._threads, self._memory, self._work = count, threads, memory, work
        self._should_stop, self._note, self._patience = should_stop, note, patience
        self._todo, self._todo_alone = deque[Trial](), deque[Trial]()
        self._workers = dict[OwnProcess, _Worker]()
        self._said, self._ended = SimpleQueue[Answer](), deque[Ended]()
        self._number = self._stillborn = self._silent = 0
        self._looked = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._workers:
            process.kill()
        for process in self._workers:
            process.close()

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes."""
        return [process.pid for process in self._workers]

    def start(self, trial: Trial) -> None:
        """Take a trial."""
        (self._todo_alone if trial.alone else self._todo).append(trial)
        self._hand_out()

    def wait(self, seconds: float) -> Ended | None:
        """Return a trial that ended."""
        end = time.monotonic() + seconds
        while not self._ended:
            if time.monotonic() - self._looked > LOOK:
                self._look()
                self._looked = time.monotonic()
            try:
                answer = self._said.get(timeout=max(0.0, min(LOOK, end - time.monotonic())))
            except Empty:
                if time.monotonic() >= end:
                    break
                continue
            if (worker := self._workers.get(answer.process)) is not None:  # else it was given up
                self._take(worker, answer)
            self._hand_out()
        return self._ended.popleft() if self._ended else None

    def check(self) -> None:
        """Do nothing: `wait` looks at the processes, and replaces those that are lost."""

    # --- handing out ---

    def _hand_out(self) -> None:
        """Give trials to processes that have room; start processes while there are fewer than allowed."""
        if self._should_stop():
            for queue in (self._todo, self._todo_alone):
                self._ended.extend(Ended(trial, None) for trial in queue)
                queue.clear()
        pool = [worker for worker in self._workers.values() if not worker.alone]
        while self._todo:
            worker = min(pool, key=lambda each: len(each.trials), default=None)
            if (worker is None or len(worker.trials) >= self._threads) and len(pool) < self._count:
                worker = self._begun(self._threads, self._threads + AHEAD, 0)
                pool.append(worker)
            elif worker is None or len(worker.trials) >= worker.room:
                break
            self._give(worker, self._todo.popleft())
        alone = sum(worker.alone for worker in self._workers.values())
        while self._todo_alone and alone < self._count:
            self._give(self._begun(1, 1, self._memory, alone=True), self._todo_alone.popleft())
            alone += 1

    def _begun(self, threads: int, room: int, memory: int, alone: bool = False) -> _Worker:
        process = OwnProcess(self._said.put, threads, memory)
        self._workers[process] = worker = _Worker(process, room, alone)
        return worker

    def _give(self, worker: _Worker, trial: Trial) -> None:
        if not worker.trials:
            worker.process.silence.restart()
        self._number += 1
        worker.trials[self._number] = trial
        worker.process.start(self._number, self._work, trial.job)

    # --- what they say ---

    def _take(self, worker: _Worker, answer: Answer) -> None:
        result = answer.result
        if answer.number == ENDED:
            assert isinstance(result, ProcessDied)
            if not worker.process.ready:
                self._not_ready(worker, result)
            self._lost(worker, result)
            return
        self._stillborn = 0
        if answer.number == READY:
            return
        if result is None:
            worker.begun.add(answer.number)
            return
        self._silent = 0
        trial = worker.trials.pop(answer.number)
        worker.begun.discard(answer.number)
        self._ended.append(Ended(trial, result))
        if worker.alone:
            self._drop(worker)

    def _not_ready(self, worker: _Worker, how: ProcessDied) -> None:
        """End the run where processes end one after another before they can do anything."""
        self._stillborn += 1
        if self._stillborn >= MOST_DEATHS:
            raise worker.process.not_begun(how)

    def _lost(self, worker: _Worker, how: ProcessDied) -> None:
        """Put the trials of a process that ended back, or report those that ended processes before."""
        self._drop(worker)
        for number, trial in reversed(worker.trials.items()):
            begun = number in worker.begun
            if begun and (trial.alone or trial.deaths >= AGAIN):
                self._ended.append(Ended(trial, how))
                continue
            queue = self._todo_alone if trial.alone else self._todo
            queue.appendleft(replace(trial, deaths=trial.deaths + begun))

    def _drop(self, worker: _Worker) -> None:
        del self._workers[worker.process]
        worker.process.close()

    # --- looking after them ---

    def _look(self) -> None:
        """End processes that exceed their memory or are silent."""
        for worker in list(self._workers.values()):
            process = worker.process
            if self._memory and process.resident() > MEMORY_SHARE * self._memory:
                process.kill(f"was ended, as it took more than {MEMORY_SHARE:.0%} of its {self._memory / 1e6:.0f} MB")
            if not worker.trials or any(trial.job.on_gpu for trial in worker.trials.values()):
                continue  # it has nothing to do, or a GPU does it
            silent, told, given_up = (
                process.silence.seconds(self._patience),
                self._patience.told,
                self._patience.given_up,
            )
            if silent <= told:
                worker.told = False
            elif not worker.told:
                worker.told = True
                self._note(
                    f"Process {process.pid} has used no processor time for {told:.0f} s ({process.state()}); after "
                    f"{given_up:.0f} s it is ended and its chunks are given to another."
                )
            if silent > given_up:
                self._give_up(worker)

    def _give_up(self, worker: _Worker) -> None:
        """End a silent process without waiting for its end, which a disk that hangs delays; replace it."""
        self._silent += 1
        self._note(f"Process {worker.process.pid} is ended, as it was silent; its chunks are computed again.")
        worker.process.kill()
        if self._silent > self._patience.rounds * self._count:
            raise ClusterFailed(
                f"{self._silent} processes in a row used no processor time for {self._patience.given_up:.0f} s: a disk "
                "or this machine hangs; what was committed is kept: go on with `pulsatile resume`."
            )
        self._lost(worker, ProcessDied(f"its process was silent for {self._patience.given_up:.0f} s"))
        self._hand_out()
