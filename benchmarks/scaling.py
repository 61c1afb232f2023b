"""How time and memory grow with patients, weeks, threads and workers.

    python -m benchmarks.scaling patients [--million]     seconds and bytes from 10^2 to 10^5 (10^6) patients
    python -m benchmarks.scaling weeks                    ... from 1 to 52 weeks
    python -m benchmarks.scaling threads | workers        speed-up, start of workers
    python -m benchmarks.scaling overhead                 what a task costs beside its patients
    python -m benchmarks.scaling memory                   largest memory against the number of patients
    python -m benchmarks.scaling flat                     10^3 against 10^5 patients, in interleaved pairs

Every run is a process of its own that carries a sweep out into a store (`benchmarks.one_run`).  Where it says "at rest"
patients begin in their closed-form fasting state: a run-in of 28-day blocks would take most of the time.
``--quick`` makes tiny runs that only show that it works; ``--json FILE`` keeps all figures.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.flat import flat
from pulsatile.sweeps.run.estimate import cores

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]
CHUNK = 1000


def one(**given: Any) -> Row:
    """Carry out one run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.one_run", json.dumps(given)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{given} failed: {done.stderr}")
    print(".", end="", file=sys.stderr, flush=True)
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def table(title: str, columns: list[Column], rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = [title, "", "| " + " | ".join(name for name, _ in columns) + " |", "|" + "--:|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(cell(row) for _, cell in columns) + " |" for row in rows])


def linear(x: list[float], y: list[float]) -> tuple[float, float, float]:
    """Return intercept and slope of the line with the least squared relative errors, and its largest relative error."""
    slope, intercept = np.polyfit(x, y, 1, w=1 / np.asarray(y))
    worst = float(np.max(np.abs((intercept + slope * np.asarray(x)) / np.asarray(y) - 1)))
    return float(intercept), float(slope), worst


def _fit(rows: list[Row], x: str, y: str) -> str:
    intercept, slope, worst = linear([row[x] for row in rows], [row[y] for row in rows])
    unit = {"cpu": "us of CPU", "bytes": "bytes"}[y]
    size = slope * (1e6 if y == "cpu" else 1)
    constant = f"{intercept:.2f} s" if y == "cpu" else f"{intercept / 1e3:.0f} kB"
    return f"{constant} + {size:.4g} {unit} per {x.replace('_', '-').rstrip('s')}; off by at most {worst:.0%}"


PATIENTS: Column = ("patients", lambda r: f"{r['patients']:,}")
SECONDS: list[Column] = [
    ("wall s", lambda r: f"{r['wall']:.1f}"),
    ("CPU s", lambda r: f"{r['cpu']:.1f}"),
    ("patient-days per CPU s", lambda r: f"{r['patient_days'] / r['cpu']:,.0f}"),
]
MEMORY: Column = ("largest memory MB", lambda r: f"{r['memory_mb']:.0f}")


def patients(quick: bool, million: bool) -> tuple[str, list[Row]]:
    counts = [10, 80] if quick else [100, 1000, 10_000, 100_000, *[1_000_000] * million]
    common = {"run_in": False, "threads": cores(), "chunk": 20 if quick else CHUNK}
    rows = [one(patients=n, weeks=1 / 7 if quick else 1, **common) for n in counts]
    columns = [PATIENTS, *SECONDS, ("bytes per patient", lambda r: f"{r['bytes'] / r['patients']:.0f}"), MEMORY]
    text = table(f"1 arm x 1 week at rest, chunks of {CHUNK}, {cores()} threads", columns, rows)
    fits = [_fit(rows, "patient_days", "cpu"), _fit(rows, "patients", "bytes")]
    return text + "\n\n" + "\n".join(fits), rows


def weeks(quick: bool) -> tuple[str, list[Row]]:
    rows = [
        one(patients=8 if quick else 256, weeks=w, threads=cores(), run_in=not quick)
        for w in ([1, 2] if quick else [1, 4, 13, 26, 52])
    ]
    columns: list[Column] = [("weeks", lambda r: f"{r['weeks']:g}"), *SECONDS, MEMORY]
    columns.insert(4, ("bytes per patient", lambda r: f"{r['bytes'] / r['patients']:.0f}"))
    text = table(f"{rows[0]['patients']} patients with their run-in, 1 arm, {cores()} threads", columns, rows)
    return f"{text}\n\n{_fit(rows, 'patient_days', 'cpu')}", rows


def _speed_up(title: str, name: str, rows: list[Row]) -> str:
    first = rows[0]["chunks_wall"]
    columns: list[Column] = [
        (name, lambda r: f"{r[name]}"),
        ("chunks, wall s", lambda r: f"{r['chunks_wall']:.1f}"),
        ("speed-up", lambda r: f"{first / r['chunks_wall']:.2f}"),
        ("CPU s", lambda r: f"{r['cpu']:.1f}"),
        MEMORY,
    ]
    if name == "cluster":
        columns.insert(1, ("start s", lambda r: f"{r['start']:.1f}"))
        columns.append(("largest worker MB", lambda r: f"{r['worker_mb']:.0f}"))
    return table(f"{title} ({cores()} cores)", columns, rows)


def threads(quick: bool) -> tuple[str, list[Row]]:
    n = 16 if quick else 8000
    rows = [
        one(patients=n, weeks=1 / 7 if quick else 2, threads=k, chunk=n // 16, run_in=False)
        for k in ((1, 2) if quick else (1, 2, 4))
    ]
    return _speed_up(f"{n} patients at rest in 16 chunks, threads of one process", "threads", rows), rows


def workers(quick: bool) -> tuple[str, list[Row]]:
    n = 16 if quick else 8000
    rows = [
        one(patients=n, weeks=1 / 7 if quick else 2, cluster=k, chunk=n // 16, run_in=False)
        for k in ((1,) if quick else (1, 2, 4))
    ]
    return _speed_up(f"{n} patients at rest in 16 chunks, Dask workers of one thread", "cluster", rows), rows


def overhead(quick: bool) -> tuple[str, list[Row]]:
    n = 8 if quick else 300
    rows = [one(patients=n, weeks=1 / 7, chunk=1, run_in=False, cluster=k) for k in (0, 1)]
    here, away = (row["chunks_wall"] / n * 1e3 for row in rows)
    write = rows[0]["write"] / n * 1e3
    return (
        f"A task of one patient for one day: {here:.1f} ms in this process ({write:.1f} ms of it writing to the "
        f"store), {away:.1f} ms with one Dask worker; a Dask task that does nothing: {rows[1]['nothing'] * 1e3:.2f} ms"
    ), rows


def memory(quick: bool) -> tuple[str, list[Row]]:
    chunk = 20 if quick else CHUNK
    common = {"weeks": 1 / 7, "chunk": chunk}
    rows = [
        one(patients=n, run_in=False, threads=cores(), **common)
        for n in ([20, 80] if quick else [1000, 2000, 10_000, 100_000])
    ]
    if not quick:
        rows += [one(patients=n, threads=cores(), **common) for n in (2000, 6000)]
        rows += [one(patients=n, run_in=False, cluster=2, **common) for n in (2000, 20_000)]
    columns: list[Column] = [
        PATIENTS,
        ("start", lambda r: "run-in" if r["run_in"] else "at rest"),
        ("where", lambda r: f"{r['cluster']} Dask workers" if r["cluster"] else f"{r['threads']} threads"),
        MEMORY,
        ("largest worker MB", lambda r: f"{r['worker_mb']:.0f}" if r["cluster"] else ""),
    ]
    return table(f"1 arm x 1 day, chunks of {chunk}", columns, rows), rows


def flatness(quick: bool) -> tuple[str, list[Row]]:
    few, many = (8, 32) if quick else (1000, 100_000)
    text, row = flat(few, many, chunk=8 if quick else CHUNK, pairs=2 if quick else 7)
    # as many chunks at once in both, so that only the number of patients differs
    common = {"weeks": 1 / 7, "run_in": False, "threads": 1, "chunk": few}
    least, most = (one(patients=n, **common) for n in (few, many))
    growth = most["memory_mb"] / least["memory_mb"] - 1
    text += f"\npeak memory of a sweep: {least['memory_mb']:.0f} and {most['memory_mb']:.0f} MB, {growth:+.1%}"
    return text, [row, least, most]


COMMANDS: dict[str, Callable[[bool], tuple[str, list[Row]]]] = {
    "weeks": weeks, "threads": threads, "workers": workers, "overhead": overhead, "memory": memory, "flat": flatness,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> list[Row]:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["patients", *COMMANDS])
    parser.add_argument("--million", action="store_true", help="patients: also 10^6, about 10 minutes on 2 cores")
    parser.add_argument("--quick", action="store_true", help="tiny runs: only to see that it works")
    parser.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args(arguments)
    if not given.quick and given.command != "flat":
        one(patients=8, weeks=1, run_in=given.command in ("weeks", "memory"))  # compiles
    if given.command == "patients":
        text, rows = patients(given.quick, given.million)
    else:
        text, rows = COMMANDS[given.command](given.quick)
    print(file=sys.stderr)
    print(text)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    return rows


if __name__ == "__main__":
    main()
