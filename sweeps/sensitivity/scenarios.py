"""Scenario discovery: the patients in whom an event happens, as a box of a few limits and one sentence.

The patient rule induction method starts from all runs and repeatedly peels off the small slice (a share of the runs at
one end of one factor) whose removal leaves the largest share of cases, until few runs are left; then it removes limits
without effect.  It is implemented here because the packages that offer it depend on a whole workbench.

    coverage   share of all cases that lie in the box
    density    share of the runs in the box that are cases

Source: Friedman and Fisher 1999 doi:10.1023/A:1008894516817; coverage and density Bryant and Lempert 2010
doi:10.1016/j.techfore.2009.08.002; both RECALLED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

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
    """One limit of a box: ``name`` from ``value`` on ("above") or up to it ("below"), which itself lies in the box.

    ``p_value`` is the probability of a gain as large by chance.
    """

    name: str
    side: str
    value: float
    unit: str
    p_value: float

    def words(self, label: str = "") -> str:
        """Return the limit in words, under the name ``label``: "VAT above 160 cm2", "grade at least 3".

        Four digits are shown; where they are not the whole value, they lie just outside the box.
        """
        low, shown = self.side == "above", float(f"{self.value:.4g}")
        if shown == self.value:
            side = "at least" if low else "at most"
        else:
            side = self.side
            exact = Decimal(self.value)
            step = Decimal(1).scaleb(exact.adjusted() - 3)
            shown = float(exact.quantize(step, ROUND_FLOOR if low else ROUND_CEILING))
        return f"{label or self.name} {side} {shown:.4g} {shown_unit(self.unit)}".rstrip()

    def holds(self, value: float) -> bool:
        """Return whether a value is within the limit."""
        return value >= self.value if self.side == "above" else value <= self.value


@dataclass(frozen=True)
class Box:
    """One step of the peeling: limits, coverage, density and the runs inside."""

    limits: tuple[Limit, ...]
    coverage: float
    density: float
    inside: Flags

    def sentence(
        self,
        cases: str = "cases",
        subjects: str = "patients",
        labels: Mapping[str, str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """Return a sentence on the subjects in the box.

        Parameters
        ----------
        cases, subjects
            What those with the event are called, and all.
        labels
            Words by name of factor; default the names.
        groups
            By name of a factor with the values 0, 1, ...: what the subjects of each value are called.
        """
        if not self.limits:
            return f"No limit sets {cases} apart: {self.density:.0%} of all {subjects} are {cases}."
        who, parts, named = subjects, list[str](), groups or {}
        for limit in self.limits:
            if limit.name not in named:
                parts.append(limit.words((labels or {}).get(limit.name, "")))
        for name in dict.fromkeys(limit.name for limit in self.limits if limit.name in named):
            ours = [limit for limit in self.limits if limit.name == name]
            kept = [word for k, word in enumerate(named[name]) if all(limit.holds(k) for limit in ours)]
            who = " or ".join(kept)
        with_what = f" with {' and '.join(parts)}" if parts else ""
        return (
            f"{who[0].upper()}{who[1:]}{with_what}: {self.density:.0%} of them are {cases}, "
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
    least = max(FEWEST, int(np.ceil(SMALLEST * len(flags))))
    box, sides = _Peeling(factors, flags), [(i, bottom) for i in range(len(names)) for bottom in (True, False)]
    boxes: list[Box] = []
    while True:
        kept = [side for side in sides if np.isfinite(box.edges[side])]
        chances, rows = _pruned(factors, flags, {side: box.edges[side] for side in kept})
        limits = [
            Limit(names[i], "above" if bottom else "below", box.edges[i, bottom], labels[i], p_value)
            for (i, bottom), p_value in chances.items()
        ]
        limits.sort(key=lambda limit: limit.p_value)
        boxes.append(Box(tuple(limits), float((flags & rows).sum() / flags.sum()), float(flags[rows].mean()), rows))
        if not box.peel(least):
            return boxes


class _Peeling:
    """The box of all limits, with its runs in the order of each factor, so that a peel reads only thin slices."""

    def __init__(self, x: Floats, flags: Flags) -> None:
        self.flags = flags
        self.order = np.argsort(x.T, axis=1, kind="stable")
        self.sorted = np.take_along_axis(x.T, self.order, axis=1)
        self.edges = {(i, bottom): -np.inf if bottom else np.inf for i in range(x.shape[1]) for bottom in (True, False)}

    def peel(self, least: int) -> bool:
        """Remove the best slice; return False where the box cannot shrink."""
        k, n = self.order.shape
        cases = int(self.flags[self.order[0]].sum())
        if cases == n:
            return False
        ends = np.quantile(self.sorted, [PEEL, 1 - PEEL], axis=1)
        best: tuple[float, int, bool, slice] | None = None
        for i in range(k):
            row = self.sorted[i]
            if row[0] == row[-1]:
                continue
            for bottom in (True, False):
                # with ties the slice holds at least one value, and so does the rest
                if bottom:
                    end = min(max(ends[0, i], np.nextafter(row[0], np.inf)), row[-1])
                    removed = slice(0, int(np.searchsorted(row, end)))
                else:
                    end = max(min(ends[1, i], np.nextafter(row[-1], -np.inf)), row[0])
                    removed = slice(int(np.searchsorted(row, end, side="right")), n)
                size = removed.stop - removed.start
                if n - size < least:
                    continue
                density = (cases - int(self.flags[self.order[i, removed]].sum())) / (n - size)
                # the gain per removed run: slices of discrete factors are larger (Friedman 1999, section 14.1)
                gain = (density - cases / n) / (size / n)
                if best is None or gain > best[0]:
                    best = gain, i, bottom, removed
        if best is None:
            return False
        _, i, bottom, removed = best
        self.edges[i, bottom] = float(self.sorted[i, removed.stop if bottom else removed.start - 1])
        alive = np.ones(len(self.flags), np.bool_)
        alive[self.order[i, removed]] = False
        kept = alive[self.order]
        left = n - (removed.stop - removed.start)
        self.order, self.sorted = self.order[kept].reshape(k, left), self.sorted[kept].reshape(k, left)
        return True


Sides = dict[tuple[int, bool], float]
"""Values by the factor of a limit, and whether the limit is a lower one."""


def _pruned(x: Floats, flags: Flags, edges: Sides) -> tuple[Sides, Flags]:
    """Remove the limits whose loss lowers the density within chance (5 %), the weakest first.

    Returns
    -------
    The probability of as many cases in the box if a limit were independent of them (binomial), by remaining limit, and
    the runs inside (n,).
    """
    from scipy.stats import binom

    sides = sorted(edges)
    beyond = [x[:, i] < edges[i, bottom] if bottom else x[:, i] > edges[i, bottom] for i, bottom in sides]
    crossed = np.sum(beyond, axis=0, dtype=np.int64) if sides else np.zeros(len(x), np.int64)
    while True:
        rows = crossed == 0
        if not sides:
            return {}, rows
        # a box without one of its limits has, beside its own, the runs that cross this limit only
        alone = np.flatnonzero(crossed == 1)
        masks = np.stack([mask[alone] for mask in beyond])
        more, more_cases = masks.sum(axis=1), masks[:, flags[alone]].sum(axis=1)
        n, cases = int(rows.sum()), int(flags[rows].sum())
        chances = binom.sf(cases - 1, n, (cases + more_cases) / (n + more)).tolist()
        largest, _, worst = max((chance, side, k) for k, (chance, side) in enumerate(zip(chances, sides, strict=True)))
        if largest < 0.05:
            return dict(zip(sides, chances, strict=True)), rows
        crossed = crossed - beyond.pop(worst)
        del sides[worst]
