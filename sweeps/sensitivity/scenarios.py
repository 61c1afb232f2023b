"""Scenario discovery: the patients in whom an event happens, as a box of a few limits and one sentence.

The patient rule induction method starts from all runs and repeatedly peels off the small slice (a share of the runs at
one end of one factor) whose removal leaves the largest share of cases, until few runs are left; then it removes limits
without effect.  It is implemented here because the packages that offer it depend on a whole workbench.

    coverage   share of all cases that lie in the box
    density    share of the runs in the box that are cases

Source: Friedman and Fisher 1999 doi:10.1023/A:1008894516817; coverage and density Bryant and Lempert 2010
doi:10.1016/j.techfore.2009.08.002; both RECALLED.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import shown_unit

PEEL = 0.05
"""Share of the runs in the box that one step removes (Friedman 1999: 0.05 to 0.1, RECALLED)."""
SMALLEST = 0.05
"""Smallest share of all runs in a box."""
FEWEST = 20
"""Smallest number of runs in a box [assumed]."""
LEAST_CASES = 20
"""Smallest number of cases, and of other runs, for which scenario discovery is worthwhile [assumed]."""


@dataclass(frozen=True)
class Limit:
    """One limit of a box: ``name`` above or below ``value``; ``p_value`` of a gain as large by chance."""

    name: str
    side: str
    value: float
    unit: str
    p_value: float

    @property
    def sentence(self) -> str:
        """The limit in words, as ``VAT above 160 cm2``."""
        return f"{self.name} {self.side} {self.value:.4g} {shown_unit(self.unit)}".rstrip()


@dataclass(frozen=True)
class Box:
    """One step of the peeling: limits, coverage, density and the runs inside."""

    limits: tuple[Limit, ...]
    coverage: float
    density: float
    inside: Flags

    def sentence(self, cases: str = "cases", subjects: str = "patients") -> str:
        """Return a sentence on the subjects in the box."""
        if not self.limits:
            return f"No limit sets {cases} apart: {self.density:.0%} of all {subjects} are {cases}."
        with_what = " and ".join(limit.sentence for limit in self.limits)
        return (
            f"{subjects[0].upper()}{subjects[1:]} with {with_what}: {self.density:.0%} of them are {cases}, "
            f"and they are {self.coverage:.0%} of all {cases}."
        )


def scenario(
    x: npt.ArrayLike,
    cases: npt.ArrayLike,
    names: Sequence[str],
    units: Sequence[str] | None = None,
    threshold: float = 0.8,
) -> Box:
    """Return the box with the largest coverage whose density reaches ``threshold``, or the densest if no box does.

    Parameters
    ----------
    x, cases, names, units
        As for `peeling`.
    """
    boxes = peeling(x, cases, names, units)
    dense = [box for box in boxes if box.density >= threshold]
    if dense:
        return max(dense, key=lambda box: (box.coverage, -len(box.limits)))
    return max(boxes, key=lambda box: (box.density, box.coverage, -len(box.limits)))


def peeling(
    x: npt.ArrayLike, cases: npt.ArrayLike, names: Sequence[str], units: Sequence[str] | None = None
) -> list[Box]:
    """Return the boxes of all steps, from all runs to the smallest box.

    Parameters
    ----------
    x
        Factors (n, k).
    cases
        True where the event happened (n,).
    names, units
        Names and units of the factors (k).

    Raises
    ------
    InputError
        When shapes differ, there are fewer than 20 runs, or all or none are cases.
    """
    factors, flags = np.asarray(x, np.float64), np.asarray(cases, np.bool_)
    labels = list(units) if units is not None else [""] * len(names)
    if factors.ndim != 2 or flags.shape != (len(factors),) or {factors.shape[1], len(labels)} != {len(names)}:
        raise InputError(
            f"factors of shape {factors.shape}, cases of shape {flags.shape}, {len(names)} names and {len(labels)} "
            "units do not fit: give one row per run, and one name and unit per factor."
        )
    if not np.isfinite(factors).all():
        raise InputError("a factor is not a finite number; leave such runs out.")
    if len(factors) < FEWEST or flags.all() or not flags.any():
        raise InputError(
            f"{int(flags.sum())} cases among {len(flags)} runs: at least {FEWEST} runs, some of them cases, are needed."
        )
    k = len(names)
    low, high = np.full(k, -np.inf), np.full(k, np.inf)
    boxes = [_box(factors, flags, low, high, names, labels)]
    least = max(FEWEST, int(np.ceil(SMALLEST * len(flags))))
    while True:
        step = _peel(factors, flags, low, high, least)
        if step is None:
            return boxes
        low, high = step
        boxes.append(_box(factors, flags, *_pruned(factors, flags, low, high), names, labels))


def _inside(x: Floats, low: Floats, high: Floats) -> Flags:
    return np.asarray(((x >= low) & (x <= high)).all(axis=1), np.bool_)


def _peel(x: Floats, flags: Flags, low: Floats, high: Floats, least: int) -> tuple[Floats, Floats] | None:
    """Return the limits after removal of the best slice; None when the box cannot shrink."""
    rows = _inside(x, low, high)
    inside, is_case = x[rows], flags[rows]
    if is_case.all():
        return None
    best: tuple[float, float, Floats, Floats] | None = None
    for i in range(x.shape[1]):
        values = np.unique(inside[:, i])
        if len(values) < 2:
            continue
        for bottom in (True, False):
            at = np.quantile(inside[:, i], PEEL if bottom else 1 - PEEL)
            # with ties the slice holds at least one value
            if bottom:
                edge = values[min(max(int(np.searchsorted(values, at)), 1), len(values) - 1)]
                kept = inside[:, i] >= edge
            else:
                edge = values[max(min(int(np.searchsorted(values, at, side="right")) - 1, len(values) - 2), 0)]
                kept = inside[:, i] <= edge
            if kept.sum() < least:
                continue
            density = float(is_case[kept].mean())
            # the gain per removed run: slices of discrete factors are larger (Friedman 1999, section 14.1)
            gain = (density - float(is_case.mean())) / float((~kept).mean())
            if best is None or gain > best[0]:
                lower, upper = low.copy(), high.copy()
                if bottom:
                    lower[i] = edge
                else:
                    upper[i] = edge
                best = gain, density, lower, upper
    return None if best is None else best[2:]


def _pruned(x: Floats, flags: Flags, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the limits without those whose loss lowers the density within chance (5 %), the weakest removed first."""
    low, high = low.copy(), high.copy()
    while True:
        chances = [
            (_p_value(x, flags, low, high, i, bottom), i, bottom)
            for i in range(x.shape[1])
            for bottom in (True, False)
            if np.isfinite((low if bottom else high)[i])
        ]
        worst = max(chances, default=(0.0, 0, True))
        if worst[0] < 0.05:
            return low, high
        (low if worst[2] else high)[worst[1]] = -np.inf if worst[2] else np.inf


def _p_value(x: Floats, flags: Flags, low: Floats, high: Floats, i: int, bottom: bool) -> float:
    """Return the probability of as many cases in the box if this limit were independent of them (binomial)."""
    from scipy.stats import binom

    lower, upper = low.copy(), high.copy()
    (lower if bottom else upper)[i] = -np.inf if bottom else np.inf
    within, without = _inside(x, low, high), _inside(x, lower, upper)
    return float(binom.sf(int(flags[within].sum()) - 1, int(within.sum()), float(flags[without].mean())))


def _box(x: Floats, flags: Flags, low: Floats, high: Floats, names: Sequence[str], units: Sequence[str]) -> Box:
    rows = _inside(x, low, high)
    limits = [
        Limit(names[i], side, float(edge[i]), units[i], _p_value(x, flags, low, high, i, side == "above"))
        for i in range(len(names))
        for side, edge in (("above", low), ("below", high))
        if np.isfinite(edge[i])
    ]
    limits.sort(key=lambda limit: limit.p_value)
    return Box(tuple(limits), float((flags & rows).sum() / flags.sum()), float(flags[rows].mean()), rows)
