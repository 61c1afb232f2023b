"""The accuracy campaign: order of the pairs, error against another integrator, and the ladder of tolerances.

    python -m benchmarks.accuracy [--patients 500] [--days 14] [--quick]

The other integrator is DOP853 in C, generated from the text of the equations, at rtol 1e-12.  The error is
|y - ref| / (|ref| + 0.001 x the state's largest value in the run), at the end of the run.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import reference
from benchmarks.order import report
from benchmarks.problem import ARMS, Task, errors, grid, mixed_cohort, relative_error, task
from pulsatile.engine.arrays import Floats
from pulsatile.engine.kernel import solver as settings
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.run_in import Baseline, run_in


def run(work: Task, solver: Solver = Solver()) -> tuple[Floats, float]:
    """Return the kernel's outputs (n, m, active) and trial steps per patient-day."""
    result = integrate(
        work.record, work.y0, work.block, work.doses, start=0.0, times=work.times, solver=solver, groups=work.groups
    )
    if np.any(result.status):
        raise RuntimeError(f"{np.count_nonzero(result.status)} patients failed")
    return np.asarray(result.y[:, :, work.indices()]), float(result.steps.sum() / work.patient_days)


def endpoints(arm: str, baseline: Baseline, days: float) -> dict[str, Any]:
    """Return the error of every state of every patient at the end of ``days``, and the state with the largest."""
    work = task(arm, baseline, np.array([24.0 * days]))
    truth, largest = reference(work)
    e = relative_error(run(work)[0], truth, largest)[:, 0]
    worst = np.unravel_index(np.argmax(e), e.shape)
    return {
        "arm": arm, "patients": len(e), "largest": float(e.max()), "median": float(np.median(e)),
        "median of largest": float(np.median(e.max(axis=1))), "rms": float(np.sqrt(np.mean(e * e))),
        "worst state": work.active[int(worst[1])],
    }  # fmt: skip


def ladder(baseline: Baseline, days: float, method: str = "bs5") -> list[tuple[float, float, float]]:
    """Return (rtol, largest error, rms) over all outputs, every 15 minutes, of the arm with tesamorelin."""
    work = task("tesamorelin", baseline, grid(days, 0.25))
    truth, largest = reference(work)
    rungs = [10.0**-e for e in range(3, 11)]
    return [(rtol, *errors(run(work, Solver(rtol=rtol, method=method))[0], truth, largest)) for rtol in rungs]


def floor(baseline: Baseline, days: float) -> list[dict[str, float]]:
    """Return errors and steps per day of both precisions, also where the solver refuses mixed."""
    work = task("none", baseline, grid(days, 0.25))
    truth, largest = reference(work)
    rows = []
    least, settings.LEAST_MIXED = settings.LEAST_MIXED, 0.0
    try:
        for e in np.arange(4.0, 8.1, 0.5):
            row = {"rtol": float(10.0**-e)}
            for precision in ("float64", "mixed"):
                found, steps = run(work, Solver(rtol=row["rtol"], precision=precision))
                worst, rms = errors(found, truth, largest)
                row |= {f"{precision} largest": worst, f"{precision} rms": rms, f"{precision} steps": steps}
            rows.append(row)
    finally:
        settings.LEAST_MIXED = least
    return rows


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--days", type=float, default=14.0)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--quick", action="store_true", help="six patients, two days: only to see that it works")
    given = parser.parse_args(arguments)
    if given.quick:
        given.patients, given.days = 6, 2.0
    found: dict[str, Any] = {"arms": [], "ladder": {}}
    for method in ("bs5",) if given.quick else ("bs5", "cfmr7"):
        print(report(method) + "\n", flush=True)
    baseline = run_in(mixed_cohort(given.patients, seed=11))
    print(f"Endpoint after {given.days:g} days, {given.patients} mixed patients, rtol {Solver().rtol:g}:")
    for arm in ARMS:
        row = endpoints(arm, baseline, given.days)
        found["arms"].append(row)
        print(
            f"  {arm:12s} largest {row['largest']:.1e} ({row['worst state']}), median {row['median']:.1e}, "
            f"median of the patients' largest {row['median of largest']:.1e}, rms {row['rms']:.1e}",
            flush=True,
        )
    few = run_in(mixed_cohort(min(given.patients, 32), seed=11))
    for method in ("bs5",) if given.quick else ("bs5", "cfmr7"):
        found["ladder"][method] = ladder(few, 1.0 if given.quick else 7.0, method)
        print(f"\nTolerance ladder, {method}, tesamorelin, outputs every 15 min: rtol, largest error, rms")
        print("\n".join(f"  {rtol:.0e}  {worst:.1e}  {rms:.1e}" for rtol, worst, rms in found["ladder"][method]))
    found["floor"] = floor(few, 1.0 if given.quick else 7.0)
    print("\nMixed precision, cfmr7, arm none, every 15 min: rtol; largest error, rms, steps a day, float64 | mixed")
    for row in found["floor"]:
        sides = [
            f"{row[f'{p} largest']:.1e}  {row[f'{p} rms']:.1e}  {row[f'{p} steps']:.0f}" for p in ("float64", "mixed")
        ]
        print(f"  {row['rtol']:.1e}  {' | '.join(sides)}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    main()
