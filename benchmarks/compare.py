"""Work against precision on one core, in one run: this kernel and every peer that is installed.

    python benchmarks/compare.py [--arm none|tesamorelin|rhgh] [--only NAME,NAME] [--json FILE] [--builds] [--quick]

Every contender integrates the same patients with the same events and an output every 15 minutes.  The error is
max |y - ref| / (|ref| + 0.001 x the state's largest value) against DOP853 in C at rtol 1e-12.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, isnan
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the checkout's packages, not this folder's files
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.contenders import Contender, contenders, reference, usual_name
from benchmarks.installed import missing
from benchmarks.peak import flops, fma_peak
from benchmarks.problem import ARMS, Task, small_task
from benchmarks.work_precision import Point, Timed, bracket, measure, rate_at, sweep
from pulsatile.engine.kernel.tableaus import PAIRS

TARGETS = (1e-4, 1e-6)
RATES = ("patient_days_per_second", "patient_days_per_second_median")
Rows = list[dict[str, Any]]


def cpu() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@contextmanager
def fresh_caches() -> Iterator[None]:
    """Let nothing that was compiled before be found, so that set-up times are those of a first run."""
    with tempfile.TemporaryDirectory() as folder:
        before, os.environ["PULSATILE_CACHE_DIR"] = os.environ.get("PULSATILE_CACHE_DIR"), folder
        tempfile.tempdir = folder  # where the C peers keep their libraries
        try:
            yield
        finally:
            tempfile.tempdir = None
            if before is None:
                del os.environ["PULSATILE_CACHE_DIR"]
            else:
                os.environ["PULSATILE_CACHE_DIR"] = before


def compare(arm: str, patients: int, days: float, who: list[Contender], rounds: int = 15, most: float = inf) -> Rows:
    """Measure everybody; return a row per contender and error target, and one per tolerance (``error_target`` None)."""
    begin = time.perf_counter()
    task = small_task(arm, patients, days)
    middle = time.perf_counter()
    small_task(arm, patients, days)  # its run-in has compiled the default kernel, which the sweep then finds ready
    first_use = 2 * middle - begin - time.perf_counter()
    truth, largest = reference(task)
    swept: list[tuple[Contender, list[Point]]] = []
    runs = []
    for contender in who:
        part = task.first(contender.timed)
        points = sweep(contender, part, truth[: contender.timed], largest, min(TARGETS))
        if contender.name == usual_name():
            contender.setup_seconds = max(contender.setup_seconds, first_use)
        swept.append((contender, points))
        asked = {id(p) for target in TARGETS for p in bracket(points, target) or ()}
        for p in points:
            windows = min(contender.windows, rounds if id(p) in asked else -(-rounds // 5))
            runs.append(Timed(p, contender.ready(part, p.rtol), part.patient_days, windows))
        print(f"  {contender.kind}, {contender.name}: {len(points)} tolerances", file=sys.stderr, flush=True)
    measure(runs, most)
    peak = fma_peak(0.1 if rounds < 5 else 1.0)
    same = {
        "arm": arm, "cpu": cpu(), "python": platform.python_version(), "days": days, "states": len(task.active),
        "fma_peak_gflops": peak,
    }  # fmt: skip
    rows = []
    for contender, points in swept:
        me = {
            "peer": contender.kind, "build": contender.name, "row": contender.row, "method": contender.method,
            "precision": contender.precision, "setup_seconds": contender.setup_seconds,
            "patients": min(patients, contender.timed),
        }  # fmt: skip
        for target in TARGETS:
            found = bracket(points, target)
            rates = rate_at(points, target, "best"), rate_at(points, target, "median")
            rows.append(me | _figures(found and found[1], contender, task, peak) | _rates(*rates, target) | same)
        rows += [me | _figures(p, contender, task, peak) | _rates(p.best, p.median) | same for p in points]
    return rows


def _rates(best: float, middle: float, target: float | None = None) -> dict[str, Any]:
    return {"error_target": target} | dict(zip(RATES, (best, middle), strict=True))


def _figures(p: Point | None, contender: Contender, task: Task, peak: float) -> dict[str, Any]:
    """Return what belongs to one tolerance (for a target: the smaller of the two around it)."""
    steps = contender.steps.get(p.rtol) if p else None
    share = None
    if p and steps and contender.kind == "pulsatile" and contender.precision == "float64":
        cost, outputs = flops(task.active, PAIRS[contender.method]), len(task.times) / (task.times[-1] / 24)
        share = p.best * (steps * cost["step"] + outputs * cost["output"]) / 1e9 / peak
    return {
        "achieved_error": p.largest if p else None, "rms": p.rms if p else None, "rtol": p.rtol if p else None,
        "steps_per_patient_day": steps, "windows": len(p.rates) if p else 0, "share_of_fma_peak": share,
    }  # fmt: skip


def best_builds(rows: Rows, target: float) -> dict[str, dict[str, Any]]:
    """Return the fastest build of each table row at an error target."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["error_target"] == target:
            before = best.setdefault(row["row"], row)
            if isnan(before[RATES[0]]) or row[RATES[0]] > before[RATES[0]]:
                best[row["row"]] = row
    return best


def table(rows: Rows, builds: bool = False) -> str:
    """Return the figures as a Markdown table; with ``builds`` a row for each, else for the best of each peer."""
    one = rows[0]
    if builds:
        rows = [row | {"row": f"{row['peer']}: {row['build']}"} for row in rows]
    lines = [
        f"{one['cpu']}, one core; arm {one['arm']}, {one['patients']} patients x {one['days']:g} d, "
        f"{one['states']} states that move, output every 15 min;",
        f"patient-days per second of CPU time at the achieved error, best (median) of {one['windows']} windows; "
        f"FMA peak {one['fma_peak_gflops']:.1f} GFLOP/s",
        "",
        "| contender | at 1e-4 | steps/day | first / this | at 1e-6 | steps/day | first / this | set-up s | of FMA |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    at = {target: best_builds(rows, target) for target in TARGETS}
    ours = {target: next(iter(at[target].values())) for target in TARGETS}
    for name in at[TARGETS[0]]:
        same = {row["build"] for row in rows if row["row"] == name}
        cells = [name if len(same) == 1 else f"{name} (best of {len(same)} builds)"]
        for target in TARGETS:
            row = at[target][name]
            rate, middle = (row[key] for key in RATES)
            if isnan(rate):
                cells += ["not reached", "", ""]
                continue
            first, first_middle = (ours[target][key] for key in RATES)
            steps = row["steps_per_patient_day"]
            cells += [f"{rate:,.0f} ({middle:,.0f})", f"{steps:,.0f}" if steps else ""]
            cells.append(f"{_ratio(first / rate)} ({_ratio(first_middle / middle)})")
        row = at[TARGETS[0]][name]
        share = row["share_of_fma_peak"]
        cells += [f"{row['setup_seconds']:.1f}", f"{share:.0%}" if share else ""]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"| {name} | not installed: `{how}` ||||||||" for name, how in missing().items()]
    return "\n".join(lines)


def _ratio(x: float) -> str:
    return f"{x:.2f}" if x < 3 else f"{x:.1f}" if x < 30 else f"{x:.0f}"


def plain(rows: Rows) -> Rows:
    """Return the rows for a JSON file, which knows no NaN."""
    return [{k: None if isinstance(v, float) and isnan(v) else v for k, v in row.items()} for row in rows]


def main(arguments: list[str] | None = None) -> Rows:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=list(ARMS), default="none")
    parser.add_argument("--patients", type=int, default=64)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--rounds", type=int, default=15, help="timed windows of the tolerances around 1e-4 and 1e-6")
    parser.add_argument("--only", default="", help="contenders whose name contains one of these words, by commas")
    parser.add_argument("--builds", action="store_true", help="a line for every build, not the best of each peer")
    parser.add_argument("--json", type=Path, help="write all rows there")
    parser.add_argument("--quick", action="store_true", help="a few contenders on a tiny task: to see that it works")
    given = parser.parse_args(arguments)
    if given.quick:
        given.patients, given.days, given.rounds = min(given.patients, 8), min(given.days, 0.5), 2
        rows = _run(given, 5.0)
    else:
        with fresh_caches():
            rows = _run(given, 480.0)
    print(table(rows, given.builds))
    if given.json:
        given.json.write_text(json.dumps(plain(rows), indent=1))
    return rows


def _run(given: argparse.Namespace, most: float) -> Rows:
    words = [word.lower() for word in given.only.split(",") if word]
    everybody = contenders(given.quick)
    who = [c for c in everybody if not words or any(word in f"{c.kind}: {c.name}".lower() for word in words)]
    if not who:
        raise SystemExit("no contender is called so; there are " + ", ".join(f"{c.kind}: {c.name}" for c in everybody))
    return compare(given.arm, given.patients, given.days, who, given.rounds, most)


if __name__ == "__main__":
    main()
