"""Indices with missing runs: what is left out, and bounds on the index of the full design.

Runs are filled by `sweeps.sensitivity.surrogate`, or left out in one of two ways:

    pairs   each index uses every row that has all the runs *it* needs (the most data)
    rows    a row of the design with any missing run is left out whole (the same rows for all factors)

The two assume that failure is independent of the value: with 5 % of the runs missing in a corner, a 95 % interval of ST
covers 77 % (Ishigami, 1,024 rows), and less with more rows, as its width falls and the bias stays.

Bounds assume only that a missing value would lie between stated limits: they hold for every such set of values,
wherever in the cube runs fail.  They combine the largest and smallest sum of each term and of the variance over all
fillings (DERIVED below), taken separately, so they are safe and somewhat wide; they bound the estimate from the full
design, not its sampling error.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.sobol import SALTELLI

CHOICES = {
    "surrogate": "a surrogate fills them, and the intervals include its cross-validated error",
    "pairs": "each index leaves out the rows in which a run it needs is missing",
    "rows": "a row with any missing run is left out whole",
}
"""How missing runs are treated: name and description."""

Range = tuple[Floats, Floats]
"""Low and high ends, equal where the run is present."""


def leave_out(design: Design, y: Floats, method: str) -> Floats:
    """Return outputs (n_points, m) with NaN wherever the method does not use a run.

    Raises
    ------
    InputError
        When the method is unknown.
    """
    if method not in CHOICES:
        raise InputError(f"missing = {method!r} is not known; take one of {', '.join(CHOICES)}.")
    if method in ("pairs", "surrogate"):
        return y
    rows = y.reshape(-1, design.n_blocks, y.shape[1])
    hit = np.isnan(rows).any(axis=1, keepdims=True)
    return np.where(hit, np.nan, rows).reshape(y.shape)


@dataclass(frozen=True)
class Bounds:
    """Bounds (groups, m) on the indices of the full design."""

    s1_low: Floats
    s1_high: Floats
    st_low: Floats
    st_high: Floats


def observed_limits(y: Floats) -> Range:
    """Return the smallest and largest value of each output (m,) among the present runs; NaN without any."""
    present = np.isfinite(y)
    any_present = present.any(axis=0)
    low = np.where(present, y, np.inf).min(axis=0)
    high = np.where(present, y, -np.inf).max(axis=0)
    return np.where(any_present, low, np.nan), np.where(any_present, high, np.nan)


def bounds(design: Design, y: Floats, low: npt.ArrayLike, high: npt.ArrayLike) -> Bounds:
    """Bound S1 and ST over all values between ``low`` and ``high`` that the missing runs could have had.

    Parameters
    ----------
    y
        Outputs (n_points, m) of a Saltelli design, NaN where missing.
    low, high
        Limits of the missing values, in the unit of the output, one for all or (m,); may be NaN for an output without
        any run, whose bounds are then NaN.

    Raises
    ------
    InputError
        When a lower limit is above the upper one, or not a finite number for an output with missing runs.
    """
    checked = design.check(y, SALTELLI)
    least = np.broadcast_to(np.asarray(low, np.float64), checked.shape[1:])
    most = np.broadcast_to(np.asarray(high, np.float64), checked.shape[1:])
    absent = np.isnan(checked)
    # the limits of an output without any run may be unknown: it has no bounds then
    hit = absent.any(axis=0) & ~(absent.all(axis=0) & np.isnan(least) & np.isnan(most))
    if not (np.isfinite(least[hit]).all() and np.isfinite(most[hit]).all() and (least[hit] <= most[hit]).all()):
        raise InputError("the limits of missing values must be finite, the lower not above the upper; correct them.")
    # centred: the product of an output far from 0 with a small difference would lose digits
    shift = np.where(absent, 0.0, checked).sum(axis=0) / np.maximum((~absent).sum(axis=0), 1)
    shape = (design.n_replicates * design.n_rows, design.n_blocks, checked.shape[1])
    floor = np.where(absent, least, checked) - shift
    roof = np.where(absent, most, checked) - shift
    down, up = floor.reshape(shape), roof.reshape(shape)
    missing = absent.reshape(shape)[:, [0, -1]].reshape(-1, shape[2])
    both = down[:, [0, -1]].reshape(-1, shape[2]), up[:, [0, -1]].reshape(-1, shape[2])
    small, large = _variance(both, missing, least - shift, most - shift)
    centres = both[0].mean(axis=0), both[1].mean(axis=0)
    a, b = (down[:, 0], up[:, 0]), (down[:, -1], up[:, -1])
    g = len(design.groups)
    result = Bounds(*(np.empty((g, shape[2])) for _ in range(4)))
    for i in range(g):
        ab = down[:, 1 + i], up[:, 1 + i]
        first, total = _product(b, ab, a, centres), _half_square(a, ab)
        if design.setting:  # blocks BA: the estimate is the mean of two
            ba = down[:, 1 + g + i], up[:, 1 + g + i]
            first, total = _midpoint(first, _product(a, ba, b, centres)), _midpoint(total, _half_square(b, ba))
        result.s1_low[i], result.s1_high[i] = _quotient(first, small, large)
        result.st_low[i], result.st_high[i] = _quotient(total, small, large)
    return result


def _variance(values: Range, missing: Flags, low: Floats, high: Floats) -> Range:
    """Return the smallest and largest variance: V is convex in the missing values.

    It is smallest with all of them at the mean of the others, or at the limit next to it, and largest with j of them at
    the upper and the rest at the lower limit, where V is a parabola in j.
    """
    n = len(missing)
    absent = missing.sum(axis=0).astype(np.float64)
    present = n - absent
    known = np.where(missing, 0.0, values[0])
    mean = known.sum(axis=0) / np.maximum(present, 1)
    scatter = np.where(missing, 0.0, (known - mean) ** 2).sum(axis=0)
    low, high = np.where(absent > 0, low, mean), np.where(absent > 0, high, mean)

    def at(total: Floats, square: Floats) -> Floats:  # sums over the missing of (y - mean) and its square
        return np.asarray(np.maximum((scatter + square - total**2 / n) / n, 0.0), np.float64)

    nearest = np.clip(mean, low, high) - mean
    smallest = at(absent * nearest, absent * nearest**2)
    up, down, width = high - mean, low - mean, high - low
    # d/dj of j up^2 + (m - j) down^2 - (j up + (m - j) down)^2 / n = 0
    best = n * (up + down) / (2 * np.where(width > 0, width, 1.0)) - absent * down / np.where(width > 0, width, 1.0)
    candidates = [np.clip(step, 0.0, absent) for step in (np.floor(best), np.ceil(best))]
    largest = np.maximum(*(at(j * up + (absent - j) * down, j * up**2 + (absent - j) * down**2) for j in candidates))
    return smallest, largest


def _product(x: Range, y: Range, z: Range, centres: Range) -> Range:
    """Return the range of mean[(x - c)(y - z)]; linear in the centre c, so its ends are enough."""
    difference = y[0] - z[1], y[1] - z[0]
    lows, highs = [], []
    for c in centres:
        deviation = x[0] - c, x[1] - c
        corners = [p * q for p in deviation for q in difference]
        lows.append(np.minimum.reduce(corners).mean(axis=0))
        highs.append(np.maximum.reduce(corners).mean(axis=0))
    return np.minimum(*lows), np.maximum(*highs)


def _half_square(x: Range, y: Range) -> Range:
    """Return the range of mean[(x - y)^2] / 2."""
    low, high = x[0] - y[1], x[1] - y[0]
    least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(low**2, high**2))
    return least.mean(axis=0) / 2, np.maximum(low**2, high**2).mean(axis=0) / 2


def _midpoint(x: Range, y: Range) -> Range:
    return (x[0] + y[0]) / 2, (x[1] + y[1]) / 2


def _quotient(top: Range, small: Floats, large: Floats) -> Range:
    """Return the range of a quotient whose denominator is positive, between small and large."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(top[0] >= 0, top[0] / large, top[0] / small)
        high = np.where(top[1] >= 0, top[1] / small, top[1] / large)
    return low, high
