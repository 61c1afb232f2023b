"""The unit of work: some patients through all arms into the store; and what is compiled before."""

import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import Status
from sweeps.identity import platform_class
from sweeps.resolve import ResolvedStudy

Record = dict[str, Any]
"""Commit record of a chunk: what was done, by whom, and the SHA-256 of what is stored."""


def run_chunk(resolved_json: str, first: int, stop: int, threads: int, store_path: str) -> Record:
    """Simulate the patients at positions ``first`` to before ``stop`` in all arms, write them, and return the record.

    A plain function of plain arguments: it runs in this process, in a local worker or on another machine alike.
    """
    from engine.simulate import simulate
    from sweeps.store import write_chunk

    begin = time.perf_counter()
    resolved = ResolvedStudy.from_json(resolved_json)
    dataset = simulate(resolved.cohort(first, stop), resolved.engine_arms(), resolved.plan(), threads=threads)
    simulated = time.perf_counter()
    checksum = write_chunk(Path(store_path), first, stop, dataset)
    codes, counts = np.unique(dataset["status"].values, return_counts=True)
    return {
        "first": first,
        "stop": stop,
        "sha256": checksum,
        "platform": platform_class(resolved.solver["division"], resolved.solver.get("device", "cpu")),
        "status": {Status(int(c)).name.lower(): int(k) for c, k in zip(codes, counts, strict=True)},
        "simulate_s": round(simulated - begin, 3),
        "write_s": round(time.perf_counter() - simulated, 3),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def warm_up(resolved: ResolvedStudy) -> float:
    """Compile every kernel the run needs, in this process alone; return the seconds it took.

    One patient goes through the first week of every arm, with every drug begun at once and every test at week 0.
    """
    from engine.simulate import TestAt, simulate

    begin = time.perf_counter()
    plan = resolved.plan()
    arms = [
        replace(arm, doses=tuple(replace(dose, start_week=0.0, stop_week=None) for dose in arm.doses))
        for arm in resolved.engine_arms()
    ]
    tests = tuple(TestAt(t.test, (0.0,)) for t in plan.tests)
    short = replace(plan, weeks=min(1.0, plan.weeks), tests=tests, long_horizon=None)
    simulate(resolved.cohort(0, 1), arms, short)
    return time.perf_counter() - begin
