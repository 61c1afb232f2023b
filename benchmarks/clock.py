"""``pulsatile run`` with stamps of what it spends its time on, set from outside: the programs stay as they are.

``python -m benchmarks.clock STUDY ...`` appends one JSON line per span to the file that ``PULSATILE_CLOCK`` names:
every call of a compiled kernel, every load of one (or its compilation), and the phases of a run.  The processes of
the run join in.  Read by `benchmarks.run_share`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any

KERNEL, LOAD = "kernel", "kernel load"
PHASES = {
    "pulsatile.cli.runs": {"report": "table printed"},
    "pulsatile.sweeps.study.schema": {"load_study": "study read"},
    "pulsatile.sweeps.run.run": {
        "prepare": "planning", "begin_run": "store made",
    },
    "pulsatile.sweeps.run.driver": {
        "warm_up": "kernels made ready", "_carry_out": "chunks", "_close": "digest and summary",
    },
}  # fmt: skip
"""Functions of the driver, by module, whose calls are its phases, one after the other."""


def timed(function: Callable[..., Any], name: str, clock: Callable[[], float]) -> Callable[..., Any]:
    """Return ``function`` with a stamp of every call: wall time, and CPU time by ``clock``."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begin, cpu = time.monotonic(), clock()
        try:
            return function(*args, **kwargs)
        finally:
            line = {"name": name, "pid": os.getpid(), "begin": begin, "end": time.monotonic(), "cpu": clock() - cpu}
            with open(os.environ["PULSATILE_CLOCK"], "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    return wrapper


class Timed:
    """A kernel module whose ``run`` is stamped; what the first call needs besides is a span of its own."""

    def __init__(self, module: ModuleType) -> None:
        self._run = module.run

    def run(self, *arguments: Any) -> None:
        if not self._run.signatures:
            timed(self._run.prepare, LOAD, time.thread_time)(*arguments)
        timed(self._run, KERNEL, time.thread_time)(*arguments)


def stamp_kernels() -> None:
    batch: Any = import_module("pulsatile.engine.kernel.batch")
    kernel = batch.kernel
    batch.kernel = lambda build: Timed(kernel(build))


def stamp_phases() -> None:
    for home, names in PHASES.items():
        module = import_module(home)
        for name, words in names.items():
            setattr(module, name, timed(getattr(module, name), words, time.process_time))


def main() -> None:
    timed(stamp_phases, "imports", time.process_time)()
    timed(stamp_kernels, "imports", time.process_time)()
    own_process = import_module("pulsatile.sweeps.workers.own_process")
    own_process.COMMAND[-1] = f"from benchmarks import clock; clock.stamp_kernels(); {own_process.COMMAND[-1]}"
    sys.argv = ["pulsatile", "run", *sys.argv[1:]]
    import_module("pulsatile.cli.main").main()


if __name__ == "__main__":
    main()
