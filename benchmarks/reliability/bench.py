"""What every test of the campaign needs: a study, the command line in processes of its own, and the true digest."""

import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from pulsatile.sweeps.workers.resources import cores

ROOT = Path(__file__).resolve().parents[2]
HANG = 60.0
"""Seconds without any progress that count as a hang."""
FAULTY = "benchmarks.reliability.faults"
ARMS = [{"name": "control", "preset": "control"}, {"name": "tesamorelin", "preset": "tesamorelin_label"}]


class Failed(Exception):
    """A test did not reach its figure; the message is what was seen."""


@dataclass(frozen=True)
class Ended:
    """A command that ended: exit code, what it printed, wall and CPU seconds (with all its processes)."""

    code: int
    out: str
    err: str
    seconds: float
    cpu: float = 0.0

    @property
    def json(self) -> dict[str, Any]:
        """What the command printed, as data."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass
class Bench:
    """Where and how large the campaign runs: a scratch folder, small counts with ``quick``, and its random numbers.

    ``minutes`` is what a row of repeated kills may take; one that is cut short tells its count and is not passed.
    """

    scratch: Path
    quick: bool = False
    patients: int = 300
    minutes: float = 600.0
    chance: random.Random = field(default_factory=lambda: random.Random(4))
    truths: dict[str, str] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)
    number: int = 0

    def pick(self, full: Any, quick: Any) -> Any:
        """Return the full form of a figure, or the small one."""
        return quick if self.quick else full

    @property
    def late(self) -> bool:
        """Whether the time of a row of repeated kills is over."""
        return time.monotonic() - self.begin > 60 * self.minutes

    def say(self, text: str) -> None:
        """Print progress."""
        print(f"[{time.monotonic() - self.begin:7.1f} s] {text}", file=sys.stderr, flush=True)

    def folder(self, name: str = "run") -> Path:
        """Return the path of a new folder, not made."""
        self.number += 1
        return self.scratch / f"{name}{self.number:05d}"

    def study(self, n: int | None = None, **changes: Any) -> Path:
        """Write the campaign's study, with changes of its entries, and return its path."""
        data: dict[str, Any] = {
            "seed": 11, "weeks": 2, "population": {"n": n or self.pick(self.patients, 64), "phenotype": "obese"},
            "arms": ARMS, "tests": [{"test": "fasting", "weeks": [0, 2]}],
        }  # fmt: skip
        path = self.folder("study").with_suffix(".yaml")
        path.write_text(yaml.safe_dump(data | changes, sort_keys=False), encoding="utf-8")
        return path

    def start(self, *words: Any, faults: str = "", root: Path = ROOT, **settings: str) -> "Command":
        """Start ``pulsatile WORDS`` as a process group of its own, with faults (see `faults`) and variables."""
        return Command([str(word) for word in words], faults, root, settings)

    def pulsatile(self, *words: Any, limit: float = 600, expect: int | Sequence[int] | None = 0, **more: Any) -> Ended:
        """Run ``pulsatile WORDS`` to its end; `Failed` where its exit code is not as expected, or it hangs."""
        ended = self.start(*words, **more).wait(limit)
        allowed = [expect] if isinstance(expect, int) else expect
        if allowed is not None and ended.code not in allowed:
            told = ended.err.strip()[-600:]
            raise Failed(f"`pulsatile {words[0]}` ended with {ended.code}, expected {allowed}: {told}")
        return ended

    def truth(self, study: Path) -> str:
        """Return the digest of an undisturbed run of a study (kept), in one process on one thread."""
        text = study.read_text()
        if text not in self.truths:
            out = self.folder("truth")
            self.truths[text] = self.pulsatile(
                "run", study, "--out", out, "--workers", 1, "--threads", 1, "--json"
            ).json["digest"]
        return self.truths[text]


class Command:
    """A running ``pulsatile`` command with all its processes."""

    def __init__(self, words: list[str], faults: str, root: Path, settings: dict[str, str]) -> None:
        own = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "100"} | settings
        if faults:
            own |= {"RELIABILITY_FAULTS": faults, "DASK_DISTRIBUTED__WORKER__PRELOAD": FAULTY}
            own["PYTHONPATH"] = f"{root}{os.pathsep}{ROOT}"
        module = FAULTY if faults else "pulsatile"
        self.begin = time.monotonic()
        self._cpu = children_cpu()
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *words], cwd=root, env=own, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def workers(self) -> list[psutil.Process]:
        """Return its worker processes."""
        return worker_processes(self.process.pid)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send a signal to the whole group, as a terminal does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self, tree: bool = True) -> None:
        """SIGKILL it, with or without its workers."""
        if tree:
            self.interrupt(signal.SIGKILL)
        else:
            self.process.kill()

    def orphans(self) -> list[psutil.Process]:
        """Return processes of its group that live although it ended."""
        return [p for p in psutil.process_iter() if _group(p.pid) == self.process.pid and p.pid != self.process.pid]

    def wait(self, limit: float) -> Ended:
        """Wait for its end; kill it and raise `Failed` after ``limit`` seconds."""
        try:
            out, err = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.kill()
            _, err = self.process.communicate()
            raise Failed(f"no end after {limit:.0f} s: {err.strip()[-600:]}") from None
        return Ended(self.process.returncode, out, err, time.monotonic() - self.begin, children_cpu() - self._cpu)


def worker_processes(driver: int) -> list[psutil.Process]:
    """Return the worker processes of a driver."""
    with suppress(psutil.Error):
        children = psutil.Process(driver).children(recursive=True)
        return [child for child in children if "own_process" in " ".join(_command(child))]
    return []


def _command(process: psutil.Process) -> list[str]:
    try:
        found: list[str] = process.cmdline()
        return found
    except psutil.Error:
        return []


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def children_cpu() -> float:
    """Return the seconds of CPU of the processes that ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def until(true: Callable[[], bool], limit: float, pause: float = 0.02) -> bool:
    """Wait until something is true; return whether it is within ``limit`` seconds."""
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def machine() -> str:
    """Return what the figures were taken on, without its name."""
    memory, python = psutil.virtual_memory().total / 1e9, platform.python_version()
    return f"{platform.system()} {platform.machine()}, {cores()} cores, {memory:.0f} GB, Python {python}"
