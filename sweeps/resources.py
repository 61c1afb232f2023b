"""Where and how a run is carried out: processes, threads, chunks, a cluster; nothing here changes a number."""

import os
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from engine.errors import InputError

MOST_THREADS = 8
"""Threads per process by default: a chunk is about 2 % Python, the rest runs without its lock."""


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Spread(NamedTuple):
    """Processes, and threads of each."""

    workers: int
    threads: int

    @property
    def slots(self) -> int:
        """Chunks carried out at once on this machine."""
        return self.threads * max(1, self.workers)

    @property
    def planning_threads(self) -> int:
        """Threads that planning may use in this process."""
        return min(cores(), self.slots)


@dataclass(frozen=True)
class Resources:
    """Where and how a run is carried out; None lets the run choose.

    ``workers`` processes of ``threads`` threads each, every thread with a chunk of its own; 0 or 1 worker runs in this
    process, without Dask.  ``scheduler`` is the address of a running Dask scheduler, whose workers are used instead,
    every task with ``threads`` threads.  Chosen are all cores of this machine, in one process for every 8 of them; one
    thread of each process where only ``workers`` is given, and of each task of a scheduler; one in all for a GPU.
    """

    chunk: int | None = None
    workers: int | None = None
    threads: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers without sense."""
        for name, value, low in (("--workers", self.workers, 0), ("--threads", self.threads, 1)):
            if value is not None and value < low:
                raise InputError(f"{name} = {value} is too small: it must be at least {low}.")

    def spread(self, device: str = "cpu") -> Spread:
        """Return the processes and threads for a run on ``device``: as wanted, else all cores in few processes.

        A thread costs a run less than a process (no start, no second copy of the programs), but Python's lock lets only
        so many of them share a process.
        """
        workers = 1 if self.workers is None and self.scheduler is not None else self.workers
        if workers is not None:
            return Spread(workers, self.threads or 1)
        slots = 1 if device == "cuda" else cores()  # processes and threads would only share the one GPU
        workers = ceil(slots / (self.threads or MOST_THREADS))
        return Spread(workers, self.threads or ceil(slots / workers))
