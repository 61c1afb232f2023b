"""Rate at an achieved error: sweep tolerances, time each, interpolate between the two on either side of the error."""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, inf, isnan, log, nan
from statistics import median
from typing import NamedTuple

from benchmarks.contenders import Contender, Run
from benchmarks.problem import Task, errors
from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError

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


class Timed(NamedTuple):
    """A function to time, the patient-days it does, where the rates go, and how many windows it gets."""

    point: Point
    run: Run
    work: float
    windows: int


def sweep(contender: Contender, task: Task, reference: Floats, largest: Floats, least: float) -> list[Point]:
    """Return a point per tolerance, loosest first, until the error is below ``least``; not yet timed.

    Also sets the contender's ``setup_seconds``: wall time of its first run and all before it, less a second run.
    """
    points: list[Point] = []
    for rtol in contender.tolerances:
        begin = time.perf_counter()
        try:
            run = contender.ready(task, rtol)
        except InputError:
            break  # it refuses smaller tolerances, and says so
        worst, rms = errors(task.moving(run()), reference, largest)
        if not points and isnan(contender.setup_seconds):
            middle = time.perf_counter()
            run()
            contender.setup_seconds = max(0.0, middle - begin - (time.perf_counter() - middle))
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


def measure(runs: list[Timed], most_seconds: float = inf) -> None:
    """Time all ``runs`` in turn, again and again, so that all see the same machine.

    The clock is CPU time of the whole process: other processes do not count, a peer's own threads do.  A short run goes
    once before it is timed, so that it does not pay for the caches that the one before it emptied.
    """
    end = time.perf_counter() + most_seconds
    long = []
    for one in runs:
        start = time.process_time()
        one.run()
        long.append(time.process_time() - start > SHORT)
    for i in range(max((one.windows for one in runs), default=0)):
        for one, is_long in zip(runs, long, strict=True):
            if i >= one.windows:
                continue
            if not is_long:
                one.run()
            start = time.process_time()
            one.run()
            one.point.rates.append(one.work / (time.process_time() - start))
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
