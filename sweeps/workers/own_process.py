"""A process that carries out jobs for this one: a crash of it ends nothing else, and no other process is blamed.

It reads jobs from its stdin and answers on its stdout; the end of stdin tells it that its parent is gone.  It does not
import the user's script.  The parent watches its processor time and its memory.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.workers.patience import Patience, Silence

COMMAND = ["-P", "-c", "from pulsatile.sweeps.workers.own_process import main; main()"]
"""Arguments of Python that start such a process; no file of the working folder is imported in place of a library."""
ONE_THREAD = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment that limits libraries to one thread: a chunk has its own threads."""
END_SECONDS = 5.0
"""A killed process is waited for this long; one that hangs on a disk ends later."""
LOOK = 0.5
"""s between two looks at a process."""


class ProcessDied(Exception):
    """The process that carried out a job ended before it."""


class NotBegun(ClusterFailed):
    """The separate process could not start, which says nothing about the job."""


class Answer(NamedTuple):
    """What a process said about job ``number``: that it begins (None), or its record or error.

    ``number`` is `READY` when the process is ready, and `ENDED`, with the reason, when the process ended.
    """

    process: "OwnProcess"
    number: int
    result: Record | Exception | None


READY, ENDED = -1, -2


class OwnProcess:
    """A process with ``threads`` that each carry out one job at a time.

    hear : called, from another thread, with every `Answer`
    memory : bytes that its allocations may take, beyond which they raise `MemoryError`; 0 for no limit
    """

    def __init__(self, hear: Callable[[Answer], None], threads: int = 1, memory: int = 0) -> None:
        import psutil

        self._hear, self._todo = hear, SimpleQueue[bytes]()
        self._why = ""
        self.ready = False
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        try:
            self._child = subprocess.Popen(
                [sys.executable, *COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=ONE_THREAD | os.environ | {"PYTHONPATH": paths},
            )  # fmt: skip
        except OSError as error:
            raise NotBegun(_cannot_start(error.strerror or str(error))) from None
        with suppress(psutil.Error):
            self._seen = psutil.Process(self._child.pid)
        self.silence = Silence(self._spent)
        self._todo.put(pickle.dumps((threads, memory)))
        for work in (self._write, self._listen):
            Thread(target=work, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._child.pid

    def start(self, number: int, work: Callable[[Job], Record], job: Job) -> None:
        """Give it a job; never waits, as the process may be stopped."""
        self._todo.put(pickle.dumps((number, work, job)))

    def resident(self) -> int:
        """Return the bytes of memory that it takes; 0 where that is not known."""
        import psutil

        try:
            return int(self._seen.memory_info().rss)
        except (psutil.Error, AttributeError):
            return 0

    def state(self) -> str:
        """Return in words why it may be silent."""
        import psutil

        with suppress(psutil.Error, AttributeError):
            return {
                psutil.STATUS_STOPPED: "it is stopped by a signal",
                psutil.STATUS_DISK_SLEEP: "it waits for a disk",
            }.get(self._seen.status(), "it waits")
        return "it waits"

    def kill(self, why: str = "") -> None:
        """End it at once; what it was about to commit is not committed."""
        self._why = self._why or why
        self._child.kill()

    def close(self) -> None:
        """End it and release its pipes."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(END_SECONDS)
        self._todo.put(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spent(self) -> float:
        import psutil

        try:
            used = self._seen.cpu_times()
        except (psutil.Error, AttributeError):  # where it cannot be seen it does not count as silent
            return time.monotonic()
        return float(used.user + used.system)

    def _write(self) -> None:
        pipe = self._child.stdin
        assert pipe is not None
        with suppress(OSError), pipe:
            while text := self._todo.get():
                pipe.write(text)
                pipe.flush()

    def _listen(self) -> None:
        pipe = self._child.stdout
        assert pipe is not None
        with suppress(Exception), pipe:  # its end, or an answer cut short
            while True:
                number, result = pickle.load(pipe)
                self.ready = True
                self._hear(Answer(self, number, pickle.loads(result)))
        self._child.kill()
        how = _how(self._child.wait())
        self._todo.put(b"")
        self._hear(Answer(self, ENDED, ProcessDied(f"its process {self._why or f'ended {how}'}")))

    def not_begun(self, how: Exception) -> NotBegun:
        """Return the error where it ended before it was ready."""
        return NotBegun(_cannot_start(str(how)))


def _cannot_start(how: str) -> str:
    return (
        f"{socket.gethostname()} cannot start a process for patients ({how}); it may lack memory, or open files or "
        "processes may be limited (`ulimit -a`); then go on with `pulsatile resume`."
    )


def run_alone(work: Callable[[Job], Record], job: Job, memory: int = 0, patience: Patience = Patience()) -> Record:
    """Carry out a job in a new process and return its record.

    Parameters
    ----------
    work : a plain function of a module
    memory : bytes the process may take; 0 for no limit
    patience : how long it may be silent

    Raises
    ------
    ProcessDied
        When the process ends by a signal, without an answer, or is ended because it is silent.
    NotBegun
        When the process ends before it begins the job.
    Exception
        Whatever ``work`` raises.
    """
    said = SimpleQueue[Answer]()
    with OwnProcess(said.put, memory=memory) as process:
        process.start(0, work, job)
        while True:
            try:
                answer = said.get(timeout=LOOK)
            except Empty:
                if not job.on_gpu and process.silence.seconds(patience) > patience.given_up:
                    raise ProcessDied(f"its process was silent for {patience.given_up:.0f} s") from None
                continue
            result = answer.result
            if answer.number == ENDED and not process.ready:
                assert isinstance(result, Exception)
                raise process.not_begun(result)
            if isinstance(result, Exception):
                raise result
            if answer.number == 0 and result is not None:
                return result


def _how(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


# --- in the process ---


def main() -> None:
    """Carry out the jobs read from stdin and answer on stdout, until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the driver decides
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of a library must not mix with the answers
    todo, lock = SimpleQueue[Any](), Lock()

    def answer(number: int, result: Any) -> None:
        text = pickle.dumps((number, _sendable(result)))
        with lock:
            out.write(text)
            out.flush()

    def carry_out() -> None:
        while True:
            number, work, job = todo.get()
            answer(number, None)
            try:
                result = work(job)
            except BaseException as error:
                result = error
            answer(number, result)

    source = sys.stdin.buffer
    try:
        threads, memory = pickle.load(source)
        for _ in range(threads):  # all now: without memory none could be started
            Thread(target=carry_out, daemon=True).start()
        answer(READY, None)
        while True:
            task = pickle.load(source)  # imports what the work needs
            if memory:
                _limit(memory)
            todo.put(task)
    except (EOFError, OSError):
        os._exit(1)


def _sendable(result: Any) -> bytes:
    """Return an answer that the parent can read, whatever the error is."""
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        result = RuntimeError(f"{type(result).__name__}: {result}")
    try:
        text = pickle.dumps(result)
        pickle.loads(text)
    except Exception:
        text = pickle.dumps(RuntimeError(f"{type(result).__name__}: {result}"))
    return text


def _limit(memory: int) -> None:
    """Limit allocations to ``memory`` bytes, so that more raises `MemoryError`."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    except (ImportError, ValueError, OSError):  # a system without this limit
        pass
