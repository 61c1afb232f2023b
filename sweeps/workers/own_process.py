"""A job in a separate process: a crash of it ends nothing else, and no other job is blamed."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import ClusterFailed

IDLE_SECONDS, IDLE_SHARE = 120.0, 0.01
"""A process that uses less than this share of a core for this long is ended."""
_BEGUN = b"+"


class ProcessDied(Exception):
    """The process that carried out a job ended before it."""


class NotBegun(ClusterFailed):
    """The separate process could not start, which says nothing about the job."""


def run_alone(work: Callable[[Job], Record], job: Job, memory: int = 0) -> Record:
    """Carry out a job in a new process and return its record.

    Parameters
    ----------
    work : a plain function of a module
    memory : bytes the process may take; 0 for no limit

    Raises
    ------
    ProcessDied
        When the process ends by a signal or without an answer.
    NotBegun
        When the process ends before it begins the job.
    Exception
        Whatever ``work`` raises.
    """
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    with subprocess.Popen(
        [sys.executable, "-m", "pulsatile.sweeps.workers.own_process"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths},
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(pickle.dumps((work, job, memory)))
            child.stdin.flush()  # stays open: its end signals the child that this process is gone
            answer = child.stdout.read()
        except BrokenPipeError:
            answer = b""
        finally:
            child.kill()
            with suppress(BrokenPipeError):  # bytes that the child did not read
                child.stdin.close()
    if not answer:
        raise NotBegun(
            f"{socket.gethostname()} cannot start a process to try patients alone (it ended {_how(child.returncode)}); "
            "look into the workers' log, it may be out of memory, then go on with `pulsatile resume`."
        )
    if answer == _BEGUN:
        raise ProcessDied(f"its process ended {_how(child.returncode)}")
    result = pickle.loads(answer[len(_BEGUN) :])
    if isinstance(result, Exception):
        raise result
    record: Record = result
    return record


def _how(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


def _main() -> None:
    """Carry out the job read from stdin and answer on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the driver decides
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of a library must not mix with the answer
    work, job, memory = pickle.load(sys.stdin.buffer)
    Thread(target=_leave_with_parent, daemon=True).start()
    if not job.platform.startswith("cuda"):
        Thread(target=_leave_when_idle, daemon=True).start()
    out.write(_BEGUN)
    out.flush()
    try:
        if memory:
            _limit(memory)
        result = work(job)
    except Exception as error:
        result = error
    try:
        answer = pickle.dumps(result)
    except Exception:
        answer = pickle.dumps(RuntimeError(f"{type(result).__name__}: {result}"))
    out.write(answer)
    out.flush()
    os._exit(0)


def _leave_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def _leave_when_idle() -> None:
    """End a process that hangs: without memory Python can wait forever for a thread that did not start."""
    spent = 0.0
    while (now := time.process_time()) - spent > IDLE_SHARE * IDLE_SECONDS or not spent:
        spent = now
        time.sleep(IDLE_SECONDS)
    os._exit(1)


def _limit(memory: int) -> None:
    """Limit allocations to ``memory`` bytes, so that more raises `MemoryError`."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    except (ImportError, ValueError, OSError):  # a system without this limit
        pass


if __name__ == "__main__":
    _main()
