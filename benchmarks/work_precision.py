"""Rate at an achieved error: sweep tolerances, time the two on either side of the error asked for, interpolate."""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, inf, log, nan
from statistics import median

from benchmarks.contenders import Contender, Run
from benchmarks.problem import Array, Task, errors

SHORT = 0.1  # s


@dataclass
class Point:
    """One tolerance of one contender: errors achieved, and patient-days per second in each timed window."""

    rtol: float
    largest: float
    rms: float
    rates: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return max(self.rates, default=nan)

    @property
    def median(self) -> float:
        return median(self.rates) if self.rates else nan


def sweep(contender: Contender, task: Task, reference: Array, largest: Array, least: float) -> list[Point]:
    """Return a point per tolerance, loosest first, until the error is below ``least``; not yet timed."""
    points = []
    for rtol in contender.tolerances:
        worst, rms = errors(contender.ready(task, rtol)(), reference, largest)
        points.append(Point(rtol, worst, rms))
        if worst < least / 2:
            break
    return points


def bracket(points: list[Point], target: float) -> tuple[Point, Point] | None:
    """Return the neighbours in tolerance between which the error crosses ``target`` for the last time."""
    for above, below in reversed(list(pairwise(points))):
        if below.largest <= target < above.largest:
            return above, below
    if points and points[0].largest <= target:
        return points[0], points[0]
    return None


def measure(runs: list[tuple[Point, Run, float]], rounds: int, most_seconds: float = inf) -> None:
    """Time all ``runs`` (point, function, patient-days) in turn, ``rounds`` times, so that all see the same machine.

    The clock is the thread's CPU time: what other processes take does not count.  A short run goes once before it is
    timed, so that it does not pay for the caches that the one before it emptied.
    """
    end = time.perf_counter() + most_seconds
    long = []
    for _, run, _ in runs:
        start = time.thread_time()
        run()
        long.append(time.thread_time() - start > SHORT)
    for _ in range(rounds):
        for (point, run, work), is_long in zip(runs, long, strict=True):
            if not is_long:
                run()
            start = time.thread_time()
            run()
            point.rates.append(work / (time.thread_time() - start))
        if time.perf_counter() > end:
            break


def rate_at(points: list[Point], target: float, which: str) -> float:
    """Return patient-days per second (``which`` "best" or "median") at the achieved error ``target``."""
    found = bracket(points, target)
    if found is None:
        return nan
    (x0, y0), (x1, y1) = ((log(p.largest), log(getattr(p, which))) for p in found)
    if x0 == x1:
        return exp(y0)
    return exp(y0 + (log(target) - x0) / (x1 - x0) * (y1 - y0))
