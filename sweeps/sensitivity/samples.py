"""Samples: grid, list and Latin hypercube; their indices are rank correlations (`sweeps.sensitivity.prcc`)."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design, build, check_count, check_size, generator
from pulsatile.sweeps.sensitivity.factors import Factor, partition

GRID, LIST, LATIN = "grid", "list", "latin"


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
