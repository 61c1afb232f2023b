"""pytest-benchmark suite of the kernel: patient-days per second, and the ratio to scalar C in the same run.

    python -m pytest benchmarks/bench_kernel.py --benchmark-enable --benchmark-only

Compilation and buffers are outside the clock.  ``extra_info`` of each row holds patient-days per second, the achieved
error and ``ratio_to_scalar_c``; saved files hold no name of a machine.
"""

import shutil
import time
from functools import cache
from typing import Any

import pytest

from benchmarks.contenders import c_dopri5, kernel_contender, reference
from benchmarks.peers.c_integrator import FAST
from benchmarks.problem import Task, errors, small_task
from benchmarks.work_precision import Point, measure
from engine.batch import Solver
from engine.vec import fast_division_available

ROWS: dict[str, dict[str, Any]] = {
    "bs5, 8 lanes": {},
    "bs5, scalar build": {"lanes": 1},
    "pr7, 8 lanes": {"method": "pr7"},
    "bs5, 8 lanes, fast division": {"division": "fast"},
}
RTOL = Solver().rtol


@cache
def problem(arm: str) -> Task:
    return small_task(arm, 64, 2.0)


@cache
def scalar_c(arm: str) -> float:
    """Return the best rate (patient-days per second) of DOPRI5 in C at the same tolerance."""
    point = Point(RTOL, 0.0, 0.0)
    measure([(point, c_dopri5("C", FAST, False).ready(problem(arm), RTOL), problem(arm).patient_days)], 5)
    return point.best


@pytest.mark.benchmark(disable_gc=True, min_rounds=10, timer=time.thread_time)  # other processes do not count
@pytest.mark.parametrize("arm", ["none", "tesamorelin", "rhgh"])
@pytest.mark.parametrize("row", list(ROWS))
def test_kernel_rate(benchmark: Any, row: str, arm: str) -> None:
    if ROWS[row].get("division") == "fast" and not fast_division_available():
        pytest.skip("needs AVX-512")
    if arm != "none" and row != "bs5, 8 lanes":
        pytest.skip("the drug arms are timed for the shipped build only")
    work = problem(arm)
    run = kernel_contender(row, **ROWS[row]).ready(work, RTOL)
    run()  # compiles
    out = benchmark(run)
    if shutil.which("gcc"):
        worst, rms = errors(out, *reference(work))
        benchmark.extra_info |= {"largest_error": worst, "rms_error": rms}
        assert worst < 1e-3
    if benchmark.stats:  # none with --benchmark-disable
        rate = work.patient_days / benchmark.stats["min"]
        benchmark.extra_info["patient_days_per_second"] = rate
        if shutil.which("gcc"):
            benchmark.extra_info["ratio_to_scalar_c"] = rate / scalar_c(arm)
