"""From `pulsatile run` to the finished store: wall time, and the share of it that is not integration.

    python -m benchmarks.run_share [--patients 1000] [--weeks 26] [--cold] [--workers N] [--threads N] [--json FILE]

Runs a study, by default examples/peptides_vs_rhgh.yaml (5 arms, matched dose, tests, reductions), as a whole process
and says what every second of every core went into.  Integration is the CPU time inside the compiled kernels, pilots of
the matched dose included; everything else is not: imports, idle cores, kernels loaded or compiled, storage, reductions,
summary, end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.clock import KERNEL, LOAD
from benchmarks.reliability.bench import children_cpu
from pulsatile.sweeps.run.estimate import cores

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "examples" / "peptides_vs_rhgh.yaml"


def measure(study: Path, options: list[str], cache: Path | None, use: int) -> dict[str, Any]:
    """Carry out one run in a process of its own; ``use`` cores count as available, ``cache`` is the kernel cache."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "clock.jsonl"
        own = os.environ | {
            "PULSATILE_CLOCK": str(log), "PYTHONPATH": str(ROOT),
        } | ({"PULSATILE_CACHE_DIR": str(cache)} if cache else {})  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.clock", str(study), "--out", str(Path(folder) / "run"), *options]
        before, begin = children_cpu(), time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
        end, cpu = time.monotonic(), children_cpu() - before
        if done.returncode:
            raise RuntimeError(f"pulsatile run ended with {done.returncode}: {done.stderr}")
        spans = [json.loads(line) for line in log.read_text().splitlines()]
        stored = sum(f.stat().st_size for f in (Path(folder) / "run" / "results.zarr").rglob("*") if f.is_file())
    return accounts(spans, begin, end, cpu, use) | {"stored_bytes": stored, "options": options}


def accounts(spans: list[dict[str, Any]], begin: float, end: float, cpu: float, use: int) -> dict[str, Any]:
    """Return where the seconds between ``begin`` and ``end`` went; ``cpu`` seconds were used by all processes."""
    kernels = [s for s in spans if s["name"] == KERNEL]
    phases, last = [], begin
    for span in sorted((s for s in spans if s["name"] not in (KERNEL, LOAD)), key=lambda s: float(s["begin"])):
        phases.append(_phase("between", last, span["begin"], kernels))
        phases.append(_phase(span["name"], span["begin"], span["end"], kernels))
        last = span["end"]
    phases.append(_phase("end of the process", last, end, kernels))
    merged: dict[str, dict[str, Any]] = {}
    for phase in phases:
        known = merged.setdefault(phase["name"], {"name": phase["name"], "wall": 0.0, "kernel": 0.0})
        known["wall"] += phase["wall"]
        known["kernel"] += phase["kernel"]
    inside = sum(s["cpu"] for s in kernels)
    wall = end - begin
    return {
        "phases": list(merged.values()), "wall": wall, "cores": use, "cpu": cpu, "kernel_cpu": inside,
        "load_cpu": sum(s["cpu"] for s in spans if s["name"] == LOAD), "idle": use * wall - cpu,
        "share_of_cores": 1 - inside / (use * wall), "share_of_cpu": 1 - inside / cpu,
    }  # fmt: skip


def _phase(name: str, begin: float, end: float, kernels: list[dict[str, Any]]) -> dict[str, Any]:
    inside = sum(s["cpu"] for s in kernels if begin <= s["begin"] < end)
    return {"name": name, "wall": end - begin, "kernel": inside}


def table(row: dict[str, Any], title: str) -> str:
    """Return one run's accounts as a Markdown table."""
    use, wall = row["cores"], row["wall"]
    lines = [
        f"{title}: {wall:.1f} s wall on {use} cores, {row['stored_bytes'] / 1e6:.1f} MB stored; not integration: "
        f"{row['share_of_cores']:.1%} of the cores' time, {row['share_of_cpu']:.1%} of the CPU time used",
        "",
        "| phase | wall s | CPU s in kernels | not integration, core-s | share |",
        "|---|--:|--:|--:|--:|",
    ]
    for p in row["phases"]:
        rest = use * p["wall"] - p["kernel"]
        lines.append(f"| {p['name']} | {p['wall']:.2f} | {p['kernel']:.2f} | {rest:.2f} | {rest / (use * wall):.1%} |")
    other = row["cpu"] - row["kernel_cpu"] - row["load_cpu"]
    lines.append(
        f"\nOf {use * wall:.1f} core-seconds: {row['kernel_cpu']:.1f} in kernels, {row['load_cpu']:.1f} loading or "
        f"compiling them, {other:.1f} all other code, {row['idle']:.1f} idle or taken by other programs."
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--weeks", type=float, default=26)
    parser.add_argument("--workers", type=int, help="as of pulsatile run")
    parser.add_argument("--threads", type=int, help="as of pulsatile run")
    parser.add_argument("--cold", action="store_true", help="also with an empty kernel cache")
    parser.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args(arguments)
    options = ["--patients", str(given.patients), "--weeks", f"{given.weeks:g}"]
    for name in ("workers", "threads"):
        if getattr(given, name) is not None:
            options += [f"--{name}", str(getattr(given, name))]
    use = cores()
    rows = []
    with tempfile.TemporaryDirectory() as cold:
        if given.cold:
            rows.append(measure(given.study, options, Path(cold), use) | {"cache": "cold"})
        else:
            measure(given.study, [*options[2:], "--patients", "8"], None, use)  # fills the cache
        rows.append(measure(given.study, options, Path(cold) if given.cold else None, use) | {"cache": "warm"})
    what = f"{given.study.name}, {given.patients} patients x {given.weeks:g} weeks"
    print("\n\n".join(table(row, f"{what}, {row['cache']} cache") for row in rows))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    return rows


if __name__ == "__main__":
    main()
