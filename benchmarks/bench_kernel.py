"""pytest-benchmark suite of the kernel, for watching it over time.

    python -m pytest benchmarks/bench_kernel.py --benchmark-enable --benchmark-only

`test_kernel_rate` times builds in seconds; ``extra_info`` holds patient-days per second and the achieved error.
`test_ratio_to_c` times the default kernel in units of what scalar C took for the same patients just before each round,
so that saved runs of different days compare: read its "s" as C's time, its "ms" as thousandths of it.  Compilation and
buffers are outside the clock; saved files hold no name of a machine.
"""

import shutil
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from benchmarks.contenders import c_dopri5, kernel_contender, possible, reference
from benchmarks.peers.c_integrator import FAST
from benchmarks.problem import Task, errors, small_task
from pulsatile.engine.kernel.solver import LEAST_MIXED, Solver
from pulsatile.engine.kernel.tableaus import PAIRS

ROWS: dict[str, dict[str, Any]] = {
    "default": {},
    "scalar build": {"lanes": 1},
    "mixed": {"precision": "mixed"},
    **{method: {"method": method} for method in PAIRS if method != Solver().method},
}
ARMS = ["none", "tesamorelin", "rhgh"]
RTOL = Solver().rtol


@cache
def problem(arm: str) -> Task:
    return small_task(arm, 64, 2.0)


def run_of(row: str, arm: str) -> Callable[[], Any]:
    rtol = max(RTOL, LEAST_MIXED) if "precision" in ROWS[row] else RTOL
    run = kernel_contender(row, **ROWS[row]).ready(problem(arm), rtol)
    run()  # compiles
    return run


_C = {"seconds": 1.0}


def in_units_of_c() -> float:
    """Return CPU time in units of what scalar C took last."""
    return time.process_time() / _C["seconds"]


@pytest.mark.benchmark(disable_gc=True, min_rounds=10, timer=time.process_time)  # other processes do not count
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("row", list(ROWS))
def test_kernel_rate(benchmark: Any, row: str, arm: str) -> None:
    if not possible(**ROWS[row]):
        pytest.skip("not possible on this machine")
    if arm != "none" and row != "default":
        pytest.skip("the drug arms are timed for the default build only")
    work = problem(arm)
    out = benchmark(run_of(row, arm))
    if shutil.which("gcc"):
        worst, rms = errors(work.moving(out), *reference(work))
        benchmark.extra_info |= {"largest_error": worst, "rms_error": rms}
        assert worst < 1e-3
    if benchmark.stats:  # none with --benchmark-disable
        benchmark.extra_info["patient_days_per_second"] = work.patient_days / benchmark.stats["min"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the yardstick is compiled by gcc")
@pytest.mark.benchmark(disable_gc=True, timer=in_units_of_c)
@pytest.mark.parametrize("arm", ARMS)
def test_ratio_to_c(benchmark: Any, arm: str) -> None:
    run, in_c = run_of("default", arm), c_dopri5("C", FAST, False).ready(problem(arm), RTOL)

    def time_c() -> None:
        start = time.process_time()
        in_c()
        _C["seconds"] = time.process_time() - start
        run()  # back into the caches

    benchmark.pedantic(run, setup=time_c, rounds=25)
    if benchmark.stats:
        benchmark.extra_info |= {"unit": "scalar C's time", "times_scalar_c": 1 / benchmark.stats["median"]}
        assert benchmark.stats["median"] < 1.0
