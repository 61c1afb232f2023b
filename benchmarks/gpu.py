"""The GPU kernel: speed against the number of patients where a GPU is, else what the compiler says of it.

    python -m benchmarks.gpu [--json FILE] [--method cfmr7] [--compile-only] [--quick]

Without a GPU nothing is run: PTX is compiled for the architecture of an H100 (sm_90), and ``ptxas``, which comes with
the ``gpu`` extra, reports registers and spills.
"""

import argparse
import json
import re
import shutil
import site
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.problem import Task, errors, small_task
from pulsatile.engine.kernel import cuda
from pulsatile.engine.kernel.batch import _Buffers, _Settings, integrate
from pulsatile.engine.kernel.events import EventTable
from pulsatile.engine.kernel.layout import Build
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.kernel.tableaus import PAIRS

ARCHITECTURE = (9, 0)
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
REPEATS = 5
DIFFERENT = 1024  # patients after a run-in; larger numbers repeat them
CPU_PATIENTS = 256


def compile_ptx(build: Build) -> str:
    """Return the kernel's PTX for `ARCHITECTURE`; needs numba-cuda and its compiler, no GPU."""
    import numba.cuda
    from numba import types
    from numba.cuda import dispatcher

    # numba asks the GPU at hand for what a device function is compiled for
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=ARCHITECTURE)
    floats = [types.Array(types.float64, ndim, "C") for ndim in range(4)]
    integers, codes = types.Array(types.int64, 1, "C"), types.Array(types.int8, 1, "C")
    table = types.NamedTuple((integers, floats[1], integers, floats[1]), EventTable)
    settings = types.NamedUniTuple(types.float64, len(_Settings._fields), _Settings)
    out = types.NamedTuple((*[floats[3]] * 4, codes, integers, floats[2]), _Buffers)
    arguments = (floats[2], floats[2], table, table, floats[1], floats[1], settings, out)
    text, _ = numba.cuda.compile_ptx(cuda.kernel(build).py_func, arguments, cc=ARCHITECTURE, device=False)
    return str(text)


def find_ptxas() -> str | None:
    """Return the path of the assembler: the machine's, or the one installed with the ``gpu`` extra."""
    packaged = (path for folder in site.getsitepackages() for path in Path(folder).glob("nvidia/*/bin/ptxas"))
    return shutil.which("ptxas") or next(map(str, packaged), None)


def assemble(ptx: str) -> dict[str, int]:
    """Return what ``ptxas`` reports (nothing without it), summed over the kernel and the functions it calls."""
    ptxas = find_ptxas()
    if ptxas is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx)
        architecture = "-arch=sm_{}{}".format(*ARCHITECTURE)
        command = [ptxas, architecture, "-v", str(source), "-o", str(binary)]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        size = binary.stat().st_size
    patterns = {
        "registers": r"Used (\d+) registers", "stack": r"(\d+) bytes stack frame",
        "spill_stores": r"(\d+) bytes spill stores", "spill_loads": r"(\d+) bytes spill loads",
    }  # fmt: skip
    return {name: sum(map(int, re.findall(p, report))) for name, p in patterns.items()} | {"binary": size}


def compiler_rows(methods: Sequence[str], drugs: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    """Compile every pair with the states of these drug groups, and print what it came to, in bytes."""
    print("Compiled for sm_{}{}; one thread per patient, {} threads per block".format(*ARCHITECTURE, cuda.THREADS))
    print("| pair | drug states | PTX bytes | registers | stack | spill stores | spill loads | code file | compile s |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    rows = []
    for method in methods:
        for groups in drugs:
            begin = time.perf_counter()
            ptx = compile_ptx(Build(groups, method, 1))
            seconds = time.perf_counter() - begin
            row = {"method": method, "groups": groups, "ptx": len(ptx), "seconds": seconds} | assemble(ptx)
            keys = ("registers", "stack", "spill_stores", "spill_loads", "binary")
            counts = " | ".join(str(row.get(key, "no ptxas")) for key in keys)
            print(f"| {method} | {', '.join(groups) or 'none'} | {len(ptx)} | {counts} | {seconds:.1f} |", flush=True)
            rows.append(row)
    return rows


def solve(work: Task, index: Any, solver: Solver) -> tuple[float, Any]:
    """Return the seconds of a whole `integrate` of the patients ``index``, and its result."""
    arrays = work.record[index], work.y0[index], work.block.subset(index), work.doses.subset(index)
    begin = time.perf_counter()
    result = integrate(*arrays, start=0.0, times=work.times, solver=solver, groups=work.groups)
    return time.perf_counter() - begin, result


def speed_rows(methods: Sequence[str]) -> list[dict[str, Any]]:
    """Time both devices on the same patients for a week with hourly outputs, and print the table."""
    work = small_task("tesamorelin", DIFFERENT, 7.0, 1.0)
    days = work.times[-1] / 24
    few = np.arange(CPU_PATIENTS)
    print(f"{cuda.describe()}; tesamorelin, a week, outputs every hour, rtol 1e-6; median of {REPEATS} whole calls")
    print("| pair | patients | patient-days per second | against one CPU core | largest difference, rms |")
    print("|---|--:|--:|--:|--:|")
    rows = []
    for method in methods:
        cpu, gpu = Solver(method=method), Solver(method=method, device="cuda")
        solve(work, few[:8], cpu), solve(work, few[:8], gpu)  # compile
        seconds, expected = zip(*(solve(work, few, cpu) for _ in range(3)), strict=True)
        one_core = CPU_PATIENTS * days / statistics.median(seconds)
        for n in SIZES:
            timed = [solve(work, np.arange(n) % DIFFERENT, gpu) for _ in range(REPEATS)]
            rate = n * days / statistics.median(t for t, _ in timed)
            y, reference = timed[0][1].y[:CPU_PATIENTS], expected[0].y
            largest, rms = errors(y, reference, np.abs(reference).max(axis=(0, 1)))
            print(f"| {method} | {n:,} | {rate:,.0f} | {rate / one_core:.1f} | {largest:.0e}, {rms:.0e} |", flush=True)
            rows.append({"method": method, "patients": n, "rate": rate, "one_core": one_core, "largest": largest})
    return rows


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run what this machine can."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--method", choices=list(PAIRS), action="append", help="pair; default all")
    parser.add_argument("--compile-only", action="store_true", help="the compiler's report alone")
    parser.add_argument("--quick", action="store_true", help="compile one kernel: only to see that it works")
    options = parser.parse_args(arguments)
    methods = [Solver().method] if options.quick else options.method or list(PAIRS)
    drugs: list[tuple[str, ...]] = [()] if options.quick else [(), ("ghrh_a",)]
    lacking = cuda.missing()
    result: dict[str, Any] = {}
    if lacking is None and not (options.compile_only or options.quick):
        result["speed"] = speed_rows(methods)
    elif lacking is None or "GPU" in lacking:
        result["compiled"] = compiler_rows(methods, drugs)
    if lacking is not None:
        print(f"Nothing was run: that needs {lacking}.")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
