"""The command line with faults: ``RELIABILITY_FAULTS="clock=86400" python -m benchmarks.reliability.faults run ...``.

The processes of the run take the same faults, and so do Dask workers (this module is their preload).  Faults change
what surrounds the code under test: the clock, a version, the drawn patients, memory; ``count`` and ``errors`` only
write down what happens.
"""

import datetime
import os
import resource
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from pulsatile import sweeps

BEGUN = 2
"""Column of `engine.kernel.checkpoint.columns` with the trial steps before a mark."""


def clock(seconds: str) -> None:
    """Move the clock of Python's time, and of every module of `sweeps` (the C type itself cannot be replaced)."""
    shift, was, was_ns = float(seconds), time.time, time.time_ns

    class Moved(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + datetime.timedelta(seconds=shift)

    time.time = lambda: was() + shift
    time.time_ns = lambda: was_ns() + int(shift * 1e9)
    for found in iter_modules(sweeps.__path__):
        module = import_module(f"sweeps.{found.name}")
        if getattr(module, "datetime", None) is datetime.datetime:
            module.datetime = Moved


def numba_version(version: str) -> None:
    """Tell another version of numba."""
    import numba

    numba.__version__ = version  # type: ignore[attr-defined]


def count(path: str) -> None:
    """Write a line when a chunk is begun (first patient, process, time) and computed (CPU s, address space, steps)."""
    from pulsatile.sweeps.chunk import compute

    inner: Any = compute.chunk_values
    steps = _steps_counted()

    def write(*words: object) -> None:
        with Path(path).open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    @wraps(inner)
    def counted(job: Any, *rest: Any) -> Any:
        write("begun", job.first, os.getpid(), time.time())
        before, held, taken = time.process_time(), _address_space("VmSize"), steps[0]
        values = inner(job, *rest)
        cpu = time.process_time() - before
        write("computed", job.first, cpu, _address_space("VmPeak") - held, steps[0] - taken)
        return values

    compute.chunk_values = counted  # type: ignore[assignment]


def _steps_counted() -> list[int]:
    """Return where the trial steps of all kernel calls of this process are added up, right for one thread."""
    from pulsatile.engine.patients import run_in
    from pulsatile.engine.trial import treatment, visits

    steps = [0]
    for module in (run_in, treatment, visits):
        inner: Any = module.integrate

        def adding(*args: Any, inner: Any = inner, **rest: Any) -> Any:
            result, begin = inner(*args, **rest), rest.get("begin")
            earlier = 0 if begin is None else begin[:, BEGUN].sum()  # a run that goes on counts on
            steps[0] += int(result.steps.sum() - earlier)
            return result

        module.integrate = adding  # type: ignore[attr-defined]
    return steps


def errors(path: str) -> None:
    """Write down when the disk first refused."""
    from pulsatile.sweeps.disk import files

    inner = files._write

    def watched(aside: Path, data: bytes) -> None:
        try:
            inner(aside, data)
        except OSError:
            Path(path).write_text(str(time.time())) if not Path(path).exists() else None
            raise

    files._write = watched


def memory(spare: str) -> None:
    """Let the process have ``spare`` bytes of address space beyond what it has when its first chunk begins."""
    from pulsatile.sweeps.chunk import compute

    inner: Any = compute.chunk_values
    limited: list[int] = []

    @wraps(inner)
    def tight(*rest: Any) -> Any:
        if not limited:
            limit = _address_space("VmSize") + int(spare)
            limited.append(limit)
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return inner(*rest)

    compute.chunk_values = tight  # type: ignore[assignment]


def _address_space(what: str) -> int:
    """Return VmSize or VmPeak of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])


def kernel(how: str) -> None:
    """Make what the kernel returns wrong but finite: values scaled by 1.001, doses 0.01 h late, or doses dropped."""
    from pulsatile.engine.kernel.events import EventTable
    from pulsatile.engine.trial import treatment

    inner: Any = treatment.integrate

    def wrong(parameters: Any, y0: Any, block: Any, doses: Any, **rest: Any) -> Any:
        if how == "late" and doses is not None:
            doses = doses._replace(time=doses.time + 0.01)
        if how == "dropped":
            doses = EventTable.empty(len(parameters))
        result = inner(parameters, y0, block, doses, **rest)
        if how == "scaled":
            result.y[...] *= 1.001
        return result

    treatment.integrate = wrong


BAD = {
    "not_finite": {"k_gh": float("nan")},
    "step_limit": {"k_insulin": 2.25},  # 1/min: stiff, at least 1057 trial steps a day
    "implausible": {"glucose_basal": 0.5},  # mmol/L fasting: the mean of a day is below the least plausible one
}
"""Parameters that make any patient blow up, by the status that it must get.

All numbers are allowed (`engine.parameters.beyond`), so that it is the run that finds out.  [assumed: chosen for that,
400 of 400 obese patients got the status; steps of 16 of them measured over 28 days]
"""


def patients(which: str) -> None:
    """Give patients ``FIRST-LAST-STEP-KIND`` parameters that make them blow up; several with ``+``."""
    from pulsatile.engine.patients import cohort

    inner = cohort.virtual_cohort
    chosen = [(int(a), int(b), int(c), BAD[kind]) for a, b, c, kind in (part.split("-") for part in which.split("+"))]

    @wraps(inner)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        found = inner(*args, **kwargs)
        for first, last, step, bad in chosen:
            hit = (found.patient >= first) & (found.patient <= last) & ((found.patient - first) % step == 0)
            for name, value in bad.items():
                found.parameters[name][hit] = value
        return found

    cohort.virtual_cohort = drawn


FAULTS: dict[str, Callable[[str], None]] = {
    "clock": clock, "numba": numba_version, "count": count, "errors": errors, "memory": memory, "patients": patients,
    "kernel": kernel,
}  # fmt: skip


def install() -> None:
    """Bring the faults of the environment about."""
    for fault in filter(None, os.environ.get("RELIABILITY_FAULTS", "").split(",")):
        name, _, value = fault.partition("=")
        FAULTS[name](value)


if __name__ != "__mp_main__":  # a spawned process imports this once more
    install()

if __name__ == "__main__":
    from pulsatile.cli.main import main
    from pulsatile.sweeps.workers import own_process

    own_process.COMMAND[-1] = f"import benchmarks.reliability.faults; {own_process.COMMAND[-1]}"
    main(prog_name="pulsatile")
