"""Does a patient-day cost the same among 10^5 patients as among 10^3?  Interleaved pairs in one process, one thread."""

import time
from typing import Any

import numpy as np

from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.pulses import block_events

SOLVER = Solver()
DAY = np.array([24.0])


def piece(first: int, stop: int) -> tuple[float, float, np.ndarray[Any, Any]]:
    """Return CPU seconds of the whole and of the integration, and trial steps (n,), of some patients' first day."""
    begin = time.thread_time()
    cohort = virtual_cohort(stop - first, "obese", 3, first)
    record, block = cohort.parameters, block_events(cohort)
    y0 = fasting_state(record)
    drawn = time.thread_time()
    result = integrate(record, y0, block, None, start=0.0, times=DAY, solver=SOLVER, groups=())
    end = time.thread_time()
    return end - begin, end - drawn, result.steps


def several(n: int, chunk: int, repeats: int) -> tuple[float, float, np.ndarray[Any, Any]]:
    """Return the same per patient-day for patients 0 ... n - 1, chunk after chunk."""
    parts = [piece(k, min(k + chunk, n)) for _ in range(repeats) for k in range(0, n, chunk)]
    days = n * repeats
    steps = np.concatenate([p[2] for p in parts])
    return sum(p[0] for p in parts) / days, sum(p[1] for p in parts) / days, steps


def flat(few: int, many: int, chunk: int, pairs: int) -> tuple[str, dict[str, Any]]:
    """Compare ``few`` with ``many`` patients of one generator; return the figures in words and as they are."""
    piece(0, min(few, chunk))  # compiles
    repeats = max(1, many // few // 10)
    found = [(several(few, chunk, repeats), several(many, chunk, 1)) for _ in range(pairs)]
    whole, alone = ([b[i] / a[i] for a, b in found] for i in (0, 1))
    small, large = (found[0][i][2] for i in (0, 1))
    stages = len(PAIRS[SOLVER.method].c) - 1
    calls = [float(steps.mean()) * stages for steps in (small, large)]
    one = small[:few]
    error = float(one.std(ddof=1) / one.mean() / np.sqrt(few))
    row = {
        "few": few, "many": many, "calls": calls, "sampling": error, "whole": whole, "integration": alone,
        "seconds": [[a[0], b[0]] for a, b in found],
    }  # fmt: skip
    ratio = calls[1] / calls[0] - 1
    text = (
        f"{few:,} against {many:,} patients, one day at rest, chunks of {chunk}, {pairs} interleaved pairs\n"
        f"right-hand-side calls per patient-day: {calls[0]:.0f} and {calls[1]:.0f}, {ratio:+.2%} "
        f"(the first {few:,} are a sample of the others: their mean is uncertain by {error:.2%})\n"
        f"CPU time per patient-day, median of the pairs: {np.median(whole) - 1:+.1%} with cohort and events "
        f"({min(whole) - 1:+.1%} to {max(whole) - 1:+.1%}), {np.median(alone) - 1:+.1%} the integration alone"
    )
    return text, row
