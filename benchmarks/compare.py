"""Work against precision on one core, in one run: this kernel, its scalar build, numbalsoda, scipy and C.

    python -m benchmarks.compare [--arm none|tesamorelin|rhgh] [--patients 64] [--days 7] [--json FILE] [--quick]

Every contender integrates the same patients with the same events and an output every 15 minutes.  The error is
max |y - ref| / (|ref| + 0.001 x the state's largest value) against DOP853 in C at rtol 1e-12.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from math import isnan
from pathlib import Path
from typing import Any

from benchmarks.contenders import contenders, reference
from benchmarks.peak import flops, fma_peak
from benchmarks.problem import ARMS, Task, small_task
from benchmarks.work_precision import Point, bracket, measure, rate_at, sweep
from engine.steppers import PAIRS

TARGETS = (1e-4, 1e-6)
ROOT = Path(__file__).resolve().parents[1]


def cpu() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def compare(arm: str, patients: int, days: float, *, quick: bool = False, rounds: int = 15) -> dict[str, Any]:
    """Measure everybody and return all figures."""
    task = small_task(arm, patients, days)
    truth, largest = reference(task)
    swept = []
    for contender in contenders(quick):
        points = sweep(contender, task, truth, largest, min(TARGETS))
        swept.append((contender, points))
        print(f"  {contender.kind}, {contender.name}: {len(points)} tolerances", file=sys.stderr, flush=True)
    runs = []
    for contender, points in swept:
        part = task.first(contender.timed)
        needed = {id(p): p for target in TARGETS for p in (bracket(points, target) or ())}
        runs += [(p, contender.ready(part, p.rtol), part.patient_days) for p in needed.values()]
    measure(runs, rounds, most_seconds=5 if quick else 240)
    peak = fma_peak(0.1 if quick else 1.0)
    rows = []
    for contender, points in swept:
        row: dict[str, Any] = {"kind": contender.kind, "name": contender.name}
        row["points"] = [
            {"rtol": p.rtol, "error": p.largest, "rms": p.rms, "best": p.best, "median": p.median} for p in points
        ]
        for target in TARGETS:
            row[f"{target:g}"] = {which: rate_at(points, target, which) for which in ("best", "median")}
            row[f"{target:g}"]["rms"] = _rms(points, target)
        if contender.steps:
            row["share_of_peak"] = _share(task, contender.name, contender.steps, points, peak)
        rows.append(row)
    return {
        "cpu": cpu(), "python": platform.python_version(), "arm": arm, "patients": patients, "days": days,
        "states": len(task.active), "windows": max((len(p.rates) for _, ps in swept for p in ps), default=0),
        "fma_peak_gflops": peak, "rows": rows,
    }  # fmt: skip


def _rms(points: list[Point], target: float) -> float:
    found = bracket(points, target)
    return found[1].rms if found else float("nan")


def _share(task: Task, name: str, steps: dict[float, float], points: list[Point], peak: float) -> float:
    """Return the share of the FMA peak at the error 1e-4: flops of steps and outputs, against the best window."""
    found = bracket(points, TARGETS[0])
    if found is None:
        return float("nan")
    point = found[1]
    cost = flops(task.active, PAIRS["pr7" if "pr7" in name else "bs5"])
    outputs = len(task.times) / (task.times[-1] / 24)
    used = point.best * (steps[point.rtol] * cost["step"] + outputs * cost["output"])
    return float(used / 1e9 / peak)


def table(result: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    ours = result["rows"][0]
    lines = [
        f"{result['cpu']}, one core; arm {result['arm']}, {result['patients']} patients x {result['days']:g} d, "
        f"{result['states']} states that move, output every 15 min;",
        f"patient-days per second of CPU time at the achieved error, best (median) of {result['windows']} windows; "
        f"FMA peak {result['fma_peak_gflops']:.1f} GFLOP/s",
        "",
        "| contender | at 1e-4 | rms | first row / this | at 1e-6 | rms | first row / this | share of FMA peak |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in result["rows"]:
        cells = [f"{row['kind']}: {row['name']}"]
        for target in ("0.0001", "1e-06"):
            at, mine = row[target], ours[target]
            if isnan(at["best"]):
                cells += ["not reached", "", ""]
                continue
            ratio = f"{mine['best'] / at['best']:.1f} ({mine['median'] / at['median']:.1f})"
            cells += [f"{at['best']:,.0f} ({at['median']:,.0f})", f"{at['rms']:.0e}", ratio]
        share = row.get("share_of_peak")
        cells.append(f"{share:.0%}" if share is not None and not isnan(share) else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


_ONE = """
import time; begin = time.perf_counter()
import numpy as np
from engine.batch import integrate
from engine.basal import fasting_state
from engine.cohort import virtual_cohort
c = virtual_cohort(8)
integrate(c.parameters, fasting_state(c.parameters), None, None, start=0.0, times=np.array([1.0]))
print(time.perf_counter() - begin)
"""


def start_times() -> dict[str, float]:
    """Return seconds of a first run that must compile a kernel, of a second one, and of `pulsatile simulate`, warm."""
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"PULSATILE_CACHE_DIR": folder, "PYTHONPATH": str(ROOT)}
        runs = [
            subprocess.run([sys.executable, "-c", _ONE], env=own, capture_output=True, text=True, check=True)
            for _ in range(3)
        ]
    cold, *warm = (float(run.stdout) for run in runs)
    found = {"first run, with the compilation of one kernel": cold, "the same, warm": min(warm)}
    command = [sys.executable, "-m", "pulsatile", "simulate"]
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        seconds.append(time.perf_counter() - begin)
        if done.returncode:
            return found
    return found | {"pulsatile simulate, whole process, warm": min(seconds[1:])}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=list(ARMS), default="none")
    parser.add_argument("--patients", type=int, default=64)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--rounds", type=int, default=15, help="timed windows per tolerance")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--starts", action="store_true", help="also time compilation and warm start")
    parser.add_argument(
        "--quick", action="store_true", help="a few contenders on a tiny task: only to see that it works"
    )
    given = parser.parse_args(arguments)
    if given.quick:
        given.patients, given.days, given.rounds = min(given.patients, 8), min(given.days, 0.5), 2
    result = compare(given.arm, given.patients, given.days, quick=given.quick, rounds=given.rounds)
    print(table(result))
    if given.starts:
        result["starts"] = start_times()
        print("\n" + "\n".join(f"{name}: {seconds:.1f} s" for name, seconds in result["starts"].items()))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
