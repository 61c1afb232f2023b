"""Samples: grid, list and Latin hypercube, and the indices of any sample: partial rank correlations (PRCC).

PRCC: strength and direction in which an output follows a factor, with the others held fixed.  For outputs that are
monotone in each factor.  A dummy factor of random numbers, which has no effect, shows the noise floor.  p-values by t
with N - 2 - p degrees of freedom, p the number of other factors.

Source: Marino 2008 doi:10.1016/j.jtbi.2008.04.011 (figure caption READ, formulas RECALLED).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats, Integers
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design, build, check_count, check_size, generator
from pulsatile.sweeps.sensitivity.factors import Factor, partition
from pulsatile.sweeps.sensitivity.method import Columns, Settings, with_enough_runs

GRID, LIST, LATIN = "grid", "list", "latin"
_DUMMY = 0xD0DD
"""Key that separates the dummy's random draws from those of the design."""

LEAST_BEYOND = 4
"""Runs needed beyond the number of factors: two for the formula, one for the dummy, one spare."""


def grid(factors: Sequence[Factor], points: int | Sequence[int]) -> Design:
    """Return every combination of evenly spaced points, ends included; a discrete factor takes all its levels.

    Parameters
    ----------
    points
        Number of points per factor, or one number for all; 1 takes the middle.  Ignored for discrete factors.
    """
    kept = tuple(factors)
    groups = partition(kept)
    wanted = [points] * len(kept) if isinstance(points, (int, np.integer)) else list(points)
    if len(wanted) != len(kept):
        raise InputError(f"points = {wanted} has {len(wanted)} numbers for {len(kept)} factors; give one for each.")
    axes: list[Floats] = []
    for factor, number in zip(kept, wanted, strict=True):
        check_count(f"points of factor {factor.name}", number, 1)
        levels = len(factor.levels)
        if levels:
            axes.append((np.arange(levels) + 0.5) / levels)
        else:
            axes.append(np.linspace(0, 1, number) if number > 1 else np.array([0.5]))
    total = 1
    for axis in axes:
        total *= len(axis)  # Python integers do not overflow
    check_size(total, len(kept), 0)
    return build(GRID, kept, groups, np.array(list(product(*axes)))[None, :, None, :])


def listed(factors: Sequence[Factor], values: npt.ArrayLike) -> Design:
    """Return the given points (n_points, k), in the units of the factors; the unit cube holds their ranks.

    Raises
    ------
    InputError
        When a value is not finite or outside the limits of its factor.
    """
    kept = tuple(factors)
    groups = partition(kept)
    table = np.array(values, np.float64)
    if table.ndim != 2 or table.shape[1] != len(kept) or not len(table):
        raise InputError(
            f"the list of points has the shape {table.shape}; it needs one row per point and {len(kept)} columns."
        )
    unit = np.empty_like(table)
    for i, factor in enumerate(kept):
        column = table[:, i]
        allowed = np.isin(column, factor.levels) if factor.levels else (column >= factor.low) & (column <= factor.high)
        if not allowed.all():
            at = int(np.argmin(allowed))
            limits = f"one of {factor.levels}" if factor.levels else f"between {factor.low:g} and {factor.high:g}"
            raise InputError(f"point {at}: {factor.name} = {column[at]:g} must be {limits}; correct the list.")
        unit[:, i] = (np.argsort(np.argsort(column, kind="stable"), kind="stable") + 0.5) / len(column)
    return build(LIST, kept, groups, unit[None, :, None, :], values=table)


def latin(factors: Sequence[Factor], points: int, seed: int = 0, replicates: int = 1) -> Design:
    """Return Latin hypercubes: in each replicate every factor has one point in each of ``points`` equal strata."""
    kept = tuple(factors)
    groups = partition(kept)
    check_count("points", points, 1)
    check_count("replicates", replicates, 1)
    check_size(points * replicates, len(kept), seed)
    cube = np.empty((replicates, points, 1, len(kept)))
    for r in range(replicates):
        rng = generator(seed, r)
        for i in range(len(kept)):
            cube[r, :, 0, i] = (rng.permutation(points) + rng.random(points)) / points
    return build(LATIN, kept, groups, cube, seed)


@dataclass(frozen=True)
class Prcc:
    """Partial rank correlations.

    Attributes
    ----------
    value, p_value : (factors, m); NaN for an output that does not vary
    dummy : correlation of the dummy factor (m,)
    threshold : size beyond which a correlation differs from 0 at 5 % (m,)
    count : number of runs used (m,)
    """

    value: Floats
    p_value: Floats
    dummy: Floats
    threshold: Floats
    count: Integers


def prcc(x: npt.ArrayLike, y: npt.ArrayLike, seed: int = 0) -> Prcc:
    """Return the partial rank correlations of outputs (n, ...), flattened to m, with factors (n, k).

    A run that is missing for an output is left out for that output.

    Raises
    ------
    InputError
        When a factor is constant, two factors have the same ranks, or too few runs are left.
    """
    from scipy.stats import rankdata, t

    factors = np.asarray(x, np.float64)
    outputs = np.asarray(y, np.float64)
    if factors.ndim != 2 or outputs.ndim == 0 or len(outputs) != len(factors) or not np.isfinite(factors).all():
        raise InputError(
            f"factors of shape {factors.shape} and outputs of shape {outputs.shape} do not fit: "
            "give one row per run in both, and finite factors."
        )
    outputs = outputs.reshape(len(factors), -1)
    n, k = factors.shape
    columns = np.column_stack([factors, generator(seed, _DUMMY).random(n)])
    finite = np.isfinite(outputs)
    patterns, pattern_of = np.unique(finite, axis=1, return_inverse=True)
    m = outputs.shape[1]
    value, count = np.full((k + 1, m), np.nan), np.zeros(m, np.int64)
    for pattern in range(patterns.shape[1]):
        rows = patterns[:, pattern]
        selected = np.flatnonzero(pattern_of.reshape(-1) == pattern)
        count[selected] = rows.sum()
        if rows.sum() < k + LEAST_BEYOND:
            raise InputError(
                f"{int(rows.sum())} runs are too few for {k} factors; {k + LEAST_BEYOND} are needed at least."
            )
        value[:, selected] = _partial(rankdata(columns[rows], axis=0), rankdata(outputs[rows][:, selected], axis=0))
    freedom = count - 2 - k  # the dummy is one of the other factors
    statistic = value * np.sqrt(freedom / np.maximum(1 - value**2, 1e-300))
    p_value = 2 * t.sf(abs(statistic), freedom)
    edge = t.ppf(0.975, freedom)
    return Prcc(value[:k], p_value[:k], value[k], edge / np.sqrt(freedom + edge**2), count)


def _partial(x: Floats, y: Floats) -> Floats:
    """Return partial correlations (columns of x, columns of y), each given the other columns of x."""
    a = x - x.mean(axis=0)
    b = y - y.mean(axis=0)
    spread = np.sqrt((a * a).sum(axis=0))
    if (spread == 0).any():
        raise InputError(f"factor {int(np.argmin(spread))} is constant; leave it out.")
    a = a / spread
    size = np.sqrt((b * b).sum(axis=0))
    b = b / np.where(size > 0, size, np.nan)
    between = np.einsum("ni,nj->ij", a, a)
    if np.linalg.cond(between) > 1e10:
        raise InputError("two factors, or a factor and a combination of others, have the same ranks; leave one out.")
    inverse = np.linalg.inv(between)
    slope = inverse @ np.einsum("ni,nm->im", a, b)
    # of the joint matrix: P_yy = 1 / residual, P_iy = -slope_i / residual, P_ii = inverse_ii + slope_i^2 / residual
    residual = np.maximum(1 - np.einsum("im,im->m", slope, np.einsum("ij,jm->im", between, slope)), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(slope / np.sqrt(np.diag(inverse)[:, None] * residual + slope**2), np.float64)


def columns(design: Design, y: Floats, settings: Settings) -> Columns:
    """Return PRCC with p-values, dummy and threshold of outputs (n_points, m); NaN for outputs with too few runs."""

    def columns_of(outputs: Floats) -> Columns:
        estimate = prcc(design.values, outputs, design.seed)
        return {
            "prcc": ("factor", estimate.value), "p_value": ("factor", estimate.p_value),
            "dummy": ("", estimate.dummy), "threshold": ("", estimate.threshold),
        }  # fmt: skip

    return with_enough_runs(np.isfinite(y).sum(axis=0) >= len(design.factors) + LEAST_BEYOND, y, columns_of)


def check(design: Design) -> None:
    """Raise `InputError` where rank correlations need more points, or a factor has the same value in all points."""
    least = len(design.factors) + LEAST_BEYOND
    if design.n_points < least:
        raise InputError(
            f"the design has {design.n_points} points; rank correlations of {len(design.factors)} factors need "
            f"{least} at least."
        )
    same = [factor.name for factor, x in zip(design.factors, design.values.T, strict=True) if np.ptp(x) == 0]
    if same:
        raise InputError(f"factor {same[0]} is the same in all points: it has no rank correlation; leave it out.")
