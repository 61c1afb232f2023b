"""Where the time of a step goes, and how near it is to what the core's arithmetic and its instruction ports allow.

    python -m benchmarks.limits [--arm none] [--rtol 5e-6] [--json FILE]

Two limits of a vector step (one trial step of 8 patients in float64).  Arithmetic: its operations at the measured rate
of independent fused multiply-adds, two operations each.  Ports: the time of a stream of the same vector instructions
without any dependence between them (as many products, sums, quotients, roots, loads and stores, evenly mixed), which
asks nothing of a table of the processor.  The right-hand side is counted in its assembly, the loops over
states from the pair's coefficients.  Lane bookkeeping (events, copying outputs) is measured but allowed nothing.
"""

import argparse
import ctypes
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numba.core import types

from benchmarks.compare import cpu
from benchmarks.contenders import kernel_contender
from benchmarks.peak import flops, fma_peak
from benchmarks.peers.c_integrator import compile_c
from benchmarks.problem import ARMS, Task, small_task
from pulsatile.engine.kernel import vec
from pulsatile.engine.kernel._jit import FLAGS
from pulsatile.engine.kernel.batch import _Settings
from pulsatile.engine.kernel.codegen import kernel
from pulsatile.engine.kernel.intrinsic import straight
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.kernel.tableaus import PAIRS, EmbeddedPair

LANES = 8
KINDS = {
    "mul": "vmulpd",
    "add": "vaddpd",
    "fma": "vfmadd213pd",
    "div": "vdivpd",
    "sqrt": "vsqrtpd",
    "other": "vblendmpd",
}


def rhs_instructions(module: Any) -> Counter[str]:
    """Count the vector instructions of one right-hand side, without watched values, in its assembly."""
    lines = re.search(r'evaluate_lines = straight\(.*?"""\n(.*?)if watching:', Path(module.__file__).read_text(), re.S)
    assert lines is not None
    alone = straight(LANES, "s, t, y_row, k_row, watch_row, watching", lines[1])
    compiled = njit(**FLAGS)(lambda s, t, y, k, x, seen: alone(s, t, y, k, x, seen))
    kind, integer, array = vec.VecType(LANES), types.int64, types.Array(types.float64, 1, "C")
    compiled.compile((array, kind, integer, integer, integer, types.boolean))
    return count(max(compiled.inspect_asm().values(), key=len))


def count(text: str) -> Counter[str]:
    """Count kinds of packed instructions in assembly."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        words = line.split()
        if not words or "mm" not in line or not words[0].startswith("v"):
            continue
        name, memory = words[0], "(" in line
        stored = memory and line.rstrip().endswith(")")
        if re.match(r"v(movu|mova)p[sd]$", name):
            found["store" if stored else "load" if memory else "move"] += 1
            continue
        patterns = {"mul": "vmulpd", "add": "v(add|sub)pd", "fma": "vfn?m(add|sub)", "div": "vdivpd", "sqrt": "vsqrtpd"}
        found[next((kind for kind, p in patterns.items() if re.match(p, name)), "other")] += 1
        found["load"] += memory
    return found


def loop_instructions(pair: EmbeddedPair, states: int) -> dict[str, Counter[str]]:
    """Count the instructions of a step's loops over states, and of one dense output."""
    sums: Counter[str] = Counter()
    for row in pair.a:
        n = sum(a != 0 for a in row)
        sums += Counter(mul=1, fma=n, load=n + 1, store=1)
    n = sum(e != 0 for e in pair.e)
    # the estimate; |y|, |yn|, their larger one, the scale, its inverse (an integer difference and two), product, square
    error = Counter(mul=4, fma=n + 2, load=n + 3, other=4)
    commit = Counter(load=4, other=2, store=2)
    used = [row for row in pair.dense if any(row)]
    dense = Counter(mul=1, fma=len(used) - 1, add=1, load=len(used) + 1, store=1)
    polynomials = Counter(mul=2 * len(used), fma=(len(used[0]) - 1) * len(used))
    extra = Counter()
    if len(pair.dense) > len(pair.c):
        n = sum(a != 0 for a in pair.extra_a)
        extra = Counter(mul=1, fma=n, load=n + 1, store=1)
    times = {"stage sums": sums, "error estimate": error, "taking over": commit}
    found = {name: Counter({k: v * states for k, v in c.items()}) for name, c in times.items()}
    found["dense output"] = Counter({k: v * states for k, v in (dense + extra).items()}) + polynomials
    # log, exp2, clipping of the next step
    found["step control"] = Counter(mul=8, fma=12, add=8, other=20, load=10, store=6)
    return found


def stream(mix: Counter[str]) -> float:
    """Return the seconds that independent instructions of this mix take, in the widest registers.

    A load is an operand of the next product or sum where there is one, as compilers have it; 12 KiB of memory.
    """
    register = "zmm" if get_host_cpu_features().get("avx512f") else "ymm"
    repeat = 1 if register == "zmm" else 2
    order = sorted((j / n, kind) for kind, n in mix.items() if n for j in range(n * repeat))
    lines, pending = [], 0
    a, b = f"%%{register}0", f"%%{register}1"
    for place, (_, kind) in enumerate(order):
        to, memory = f"%%{register}{4 + place % 12}", f"{64 * (place % 128)}(%0)"
        if kind == "load":
            pending += 1
        elif kind == "store":
            lines.append(f"vmovupd {a}, {8192 + 64 * (place % 64)}(%0)")
        elif kind in ("move", "sqrt"):
            lines.append(f"{'vsqrtpd' if kind == 'sqrt' else 'vmovapd'} {a}, {to}")
        else:
            name = "vmaxpd" if kind == "other" else KINDS[kind]
            if pending:
                pending -= 1
                lines.append(f"{name} {memory}, {b}, {to}")
            else:
                lines.append(f"{name} {a}, {b}, {to}")
    lines += [f"vmovupd {64 * (k % 128)}(%0), %%{register}4" for k in range(pending)]
    body = "\n".join(f'    "{line}\\n\\t"' for line in lines)
    clobbers = ", ".join(f'"{register}{i}"' for i in range(16))
    text = f"""
void stream(long n, double* memory)
{{
  double one = 1.0;
  asm volatile("vbroadcastsd %0, %%{register}0\\n\\tvbroadcastsd %0, %%{register}1" :: "x"(one));
  for (long k = 0; k < n; k++)
    asm volatile(
{body}
    :: "r"(memory) : {clobbers}, "memory");
}}
"""
    run = compile_c(text, ("-O1", "-march=native")).stream
    memory = np.ones(8192)
    memory = memory[(-(memory.ctypes.data >> 3)) & 511 :]
    best, calls = np.inf, 2000
    for _ in range(15):
        start = time.thread_time()
        run(ctypes.c_long(calls), memory.ctypes.data_as(ctypes.c_void_p))
        best = min(best, (time.thread_time() - start) / calls)
    return float(best)


def parts(module: Any, task: Task, solver: Solver) -> dict[str, float]:
    """Return the nanoseconds of one call of each part of the loop, by itself, on 8 patients in the afternoon."""
    rows = module.ROWS
    w = np.ones(rows["SIZE"] * LANES + 512)
    w = w[(-(w.ctypes.data >> 3)) & 511 :][: rows["SIZE"] * LANES]
    at = w.reshape(-1, LANES)
    at[rows["P"] : rows["P"] + task.parameters.shape[1]] = task.parameters[:LANES].T
    at[rows["Y"] : rows["Y"] + len(task.active)] = task.y0_active[:LANES].T
    for name, value in {"T": 14.0, "H": 0.05, "HS": 0.05, "STOP": 1e300, "TOUT": 14.03, "TWIN": 1e300}.items():
        at[rows[name]] = value
    atol = solver.rtol * solver.atol_factor * task.scale
    settings = _Settings(0.0, 1e300, 0.0, solver.rtol, solver.event_step, 1e300, np.nan)
    y, k, seen = rows["Y"], rows["KX"], rows["WX"]
    settle, refresh, evaluate, load = module.settle, module.refresh, module.evaluate, module.load
    advance, commit, prepare, interpolate = module.advance, module.commit, module.prepare_output, module.interpolate
    t = rows["T"]
    bodies = {
        "right-hand side": lambda w, i: evaluate(w, load(w, t), y, k, seen, False),
        "trial step": lambda w, i: advance(w, w, atol, settings, False),
        "taking over": lambda w, i: commit(w, w, i & 255, 0, False),
        "dense output": lambda w, i: (prepare(w, w), interpolate(w, w)),
    }
    found = {}
    for name, body in bodies.items():
        once = njit(**FLAGS)(body)

        @njit(**FLAGS)
        def repeat(w: Any, n: int, once: Any = once) -> None:
            settle(w, w)
            refresh(w, w, 255, False)
            for i in range(n):
                once(w, i)

        before, best = w.copy(), np.inf
        repeat(w, 2)
        for _ in range(9):
            w[:] = before
            start = time.thread_time()
            repeat(w, 5000)
            best = min(best, (time.thread_time() - start) / 5000)
        w[:] = before
        found[name] = best * 1e9
    return found


def measure(arm: str, rtol: float, patients: int = 64, days: float = 7.0) -> dict[str, Any]:
    """Return what a vector step takes, what its parts take alone, and both limits."""
    task, solver = small_task(arm, patients, days), Solver(rtol=rtol)
    pair, module, states = PAIRS[solver.method], kernel(solver.build(task.groups)), len(task.active)
    contender = kernel_contender("", method=solver.method)
    run = contender.ready(task, rtol)
    run()
    best = np.inf
    for _ in range(15):
        start = time.thread_time()
        run()
        best = min(best, time.thread_time() - start)
    days_run, per_day = task.patient_days, contender.steps[rtol]
    step = best / (days_run * per_day) * LANES * 1e9
    outputs_per_step = len(task.times) / (task.times[-1] / 24) / per_day * LANES
    events_per_step = len(task.events[1]) / days_run / per_day * LANES
    refreshed = 1 - np.exp(-events_per_step)  # vector steps after which some lane had an event
    written = 1 - np.exp(-outputs_per_step)
    rhs, loops = rhs_instructions(module), loop_instructions(pair, states)
    alone = parts(module, task, solver)
    evaluations = len(pair.c) - 1 + refreshed + (written if len(pair.dense) > len(pair.c) else 0)
    calls = {"right-hand side": evaluations} | dict.fromkeys(loops, 1.0) | {"dense output": written}
    ports = {name: stream(rhs if name == "right-hand side" else loops[name]) * 1e9 for name in calls}
    cost = flops(task.active, pair)
    arithmetic = (cost["step"] + refreshed * cost["rhs"] + written * cost["output"]) * LANES / fma_peak()
    rows = {
        "right-hand side": alone["right-hand side"], "dense output": alone["dense output"],
        "taking over": alone["taking over"],
        "stage sums, error estimate, step control": alone["trial step"]
        - (len(pair.c) - 1) * alone["right-hand side"],
    }  # fmt: skip
    limit = {name: sum(ports[part.strip()] for part in name.split(",")) for name in rows}
    table = [
        {"part": name, "calls": calls.get(name, 1.0), "ns": ns, "ports_ns": limit[name]} for name, ns in rows.items()
    ]
    known = sum(row["calls"] * row["ns"] for row in table)
    table.append({"part": "events, copying outputs, filling lanes", "calls": 1.0, "ns": step - known, "ports_ns": 0.0})
    # all together, as one part's loads go beside another's products; an eighth of it, to fit the instruction cache
    mix = Counter({kind: round(evaluations * n) for kind, n in rhs.items()})
    for name, found in loops.items():
        mix += Counter({kind: round(calls[name] * n) for kind, n in found.items()})
    total = 8 * stream(Counter({kind: round(n / 8) for kind, n in mix.items()})) * 1e9
    return {
        "cpu": cpu(), "arm": arm, "method": solver.method, "rtol": rtol, "states": states,
        "patient_days_per_second": days_run / best, "step_ns": step, "parts": table,
        "arithmetic_ns": arithmetic, "ports_ns": total, "rhs_instructions": dict(rhs), "step_instructions": dict(mix),
    }  # fmt: skip


def text(result: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    step = result["step_ns"]
    lines = [
        f"{result['cpu']}, one core; arm {result['arm']}, {result['states']} states, {result['method']} at rtol "
        f"{result['rtol']:g}, output every 15 min: {result['patient_days_per_second']:,.0f} patient-days/s, "
        f"{step:,.0f} ns for a trial step of {LANES} patients",
        "",
        "| part of a step | calls | ns each | share of the step | ns each that the ports allow it alone |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in result["parts"]:
        lines.append(
            f"| {row['part']} | {row['calls']:.2f} | {row['ns']:.0f} | {row['calls'] * row['ns'] / step:.0%} | "
            f"{row['ports_ns']:.0f} |"
        )
    lines += [
        "",
        f"Arithmetic limit {result['arithmetic_ns']:,.0f} ns a step: {result['arithmetic_ns'] / step:.0%} of the time. "
        f"Port limit {result['ports_ns']:,.0f} ns: {result['ports_ns'] / step:.0%}.",
        f"Instructions of one right-hand side: {result['rhs_instructions']}; of the step: "
        f"{result['step_instructions']}.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=list(ARMS), default="none")
    parser.add_argument("--rtol", type=float, default=5e-6, help="default: about what the error 1e-4 needs")
    parser.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args(arguments)
    result = measure(given.arm, given.rtol)
    print(text(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
