"""Where and how a run is carried out: processes, threads, memory, chunks, a cluster; no number depends on it."""

import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from pulsatile.engine.checks import is_number, is_whole
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.quantities import size
from pulsatile.sweeps.workers.slurm import Slurm, load_slurm

MOST_THREADS = 8
"""Threads per process by default: about 2 % of a chunk is Python, the rest runs without the interpreter lock."""
PROGRAMS = 300 * 10**6
"""Bytes of a process in addition to its chunks: Python, numba, the kernels."""
LEAST_MEMORY = 400 * 10**6
_CGROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_memory() -> int:
    """Return the bytes of memory this process may use: the machine's, or its container's or job's; 0 when unknown."""
    try:
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):
        return 0
    for path in _limit_files():
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():  # else "max"
            limits.append(int(text))
    return min(limits)


def _limit_files() -> list[Path]:
    """Return the files that may hold a memory limit of this process's control groups and their parents."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return []
    files: list[Path] = []
    for line in lines:
        _, kinds, group = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        root, name = (_CGROUPS, "memory.max") if not kinds else (_CGROUPS / "memory", "memory.limit_in_bytes")
        inner = Path(group.lstrip("/"))
        files += [root / part / name for part in (inner, *inner.parents)]
    return files


def memory_bytes(text: str) -> int:
    """Return ``--memory`` in bytes; `InputError` when the text is not an amount of memory."""
    try:
        return size(text)
    except ValueError as error:
        raise InputError(f"--memory = {text!r} {error}.") from None


class Spread(NamedTuple):
    """Processes, threads of each, and bytes of memory of each (0 when not known)."""

    workers: int
    threads: int
    memory: int = 0

    @property
    def slots(self) -> int:
        """Chunks carried out at once."""
        return self.threads * max(1, self.workers)

    @property
    def planning_threads(self) -> int:
        """Threads that planning may use in this process."""
        return min(cores(), self.slots)

    @property
    def room(self) -> int:
        """Bytes that one chunk may take; 0 when not known."""
        return max(1, self.memory - PROGRAMS) // self.threads if self.memory else 0


@dataclass(frozen=True)
class Resources:
    """Where and how a run is carried out; None lets the run choose.

    ``workers`` processes of ``threads`` threads each, one chunk per thread; 0 or 1 worker runs in this process.
    ``scheduler`` is the address of a running Dask scheduler, whose workers are used instead, with ``threads``
    threads per task; ``slurm`` describes the SLURM jobs to submit for workers.  ``memory`` is the limit of each process
    in bytes.  ``gate`` is the share of failed patient-arms above which a run counts as failed, 0.05 for a new run.

    Defaults: all cores of this machine, in one process per 8 cores; one process where only ``threads`` is given; one
    thread per process where only ``workers`` is given, and per task of a scheduler; one thread in all for a GPU; equal
    parts of the machine's memory.
    """

    chunk: int | None = None
    workers: int | None = None
    threads: int | None = None
    scheduler: str | None = None
    memory: int | None = None
    slurm: Slurm | None = None
    gate: float | None = None

    def __post_init__(self) -> None:
        """Refuse values outside their range, and options that exclude each other."""
        wholes = {"chunk": (self.chunk, 1), "workers": (self.workers, 0), "threads": (self.threads, 1)}
        for name, (value, low) in wholes.items():
            if value is not None and not is_whole(value):
                raise InputError(f"--{name} = {value!r} is not allowed here: write a whole number such as 4.")
            if value is not None and value < low:
                raise InputError(f"--{name} = {value} is too small: it must be at least {low}.")
        if self.memory is not None and not is_whole(self.memory):
            raise InputError(f"--memory = {self.memory!r} is not allowed here: write a whole number of bytes.")
        if self.memory is not None and self.memory < LEAST_MEMORY:
            raise InputError(
                f"--memory = {self.memory / 1e6:.0f} MB is too small: a process needs {PROGRAMS / 1e6:.0f} MB for its "
                f"programs; give at least {LEAST_MEMORY / 1e6:.0f} MB."
            )
        if self.gate is not None and (not is_number(self.gate) or not 0 <= self.gate <= 1):
            raise InputError(f"--gate = {self.gate!r} is outside 0 ... 1; 0.05 allows 5 % of patient-arms to fail.")
        if self.slurm is not None:
            excluded = {"--scheduler": self.scheduler, "--workers": self.workers, "--threads": self.threads,
                        "--memory": self.memory}  # fmt: skip
            given = [name for name, value in excluded.items() if value is not None]
            if given:
                raise InputError(f"--slurm and {given[0]} exclude each other; the SLURM file sets it.")

    @classmethod
    def from_options(cls, **options: Any) -> "Resources":
        """Return the resources of a command line: ``memory`` as text, ``slurm`` as a file, None for the default."""
        given = {name: value for name, value in options.items() if value is not None}
        if "memory" in given:
            given["memory"] = memory_bytes(given["memory"])
        if "slurm" in given:
            given["slurm"] = load_slurm(given["slurm"])
        return cls(**given)

    @property
    def cluster(self) -> "str | Slurm | None":
        """The workers to use instead of this machine."""
        return self.scheduler if self.slurm is None else self.slurm

    def spread(self, device: str = "cpu") -> Spread:
        """Return the processes and threads for a run on ``device``: as wanted, else all cores in few processes.

        A thread costs less than a process (no start, no second copy of the programs), but the interpreter lock limits
        how many threads can share a process.
        """
        if self.slurm is not None:
            return Spread(self.slurm.workers, self.slurm.threads, self.slurm.memory_each)
        if self.scheduler is not None:
            return Spread(1 if self.workers is None else self.workers, self.threads or 1, self.memory or 0)
        if self.workers is not None or self.threads is not None:
            workers, threads = 1 if self.workers is None else self.workers, self.threads or 1
        else:
            slots = 1 if device == "cuda" else cores()  # processes and threads would only share the one GPU
            workers = ceil(slots / MOST_THREADS)
            threads = ceil(slots / workers)
        return Spread(workers, threads, self.memory or machine_memory() // max(1, workers))
