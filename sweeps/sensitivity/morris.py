"""Morris screening: trajectories of single steps, mean and scatter of the elementary effects.

A trajectory starts at a random point of a grid of p levels and moves each group of factors once, by p / (2 (p - 1)) of
the unit interval, up or down.  mu* = mean |effect| says whether a factor matters, sigma whether it acts non-linearly or
with others.  Effects are in the unit of the output per full range of the factor (in quantiles of its distribution).

Sources: Morris 1991 doi:10.1080/00401706.1991.10484804; Campolongo 2007 doi:10.1016/j.envsoft.2006.10.004 (mu*,
groups); both RECALLED; checked against SALib and the published values for its test function.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design, build, check_count, check_size, generator
from pulsatile.sweeps.sensitivity.factors import Factor, Group, membership, partition
from pulsatile.sweeps.sensitivity.intervals import LEVEL, half_width
from pulsatile.sweeps.sensitivity.method import Columns, Settings
from pulsatile.sweeps.sensitivity.sobol import Index, Mean

MORRIS = "morris"


def morris_design(
    factors: Sequence[Factor], trajectories: int = 20, levels: int = 4, seed: int = 0, groups: Sequence[Group] = ()
) -> Design:
    """Return ``trajectories * (g + 1)`` points; trajectory r depends on (seed, r) only.

    Parameters
    ----------
    trajectories
        Number of trajectories; 10 to 50 are usual (RECALLED).
    levels
        Number of levels; even, so that every level is reached equally often.

    Raises
    ------
    InputError
        When the levels are odd or the counts too small.
    """
    kept = tuple(factors)
    grouped = partition(kept, groups)
    check_count("trajectories", trajectories, 2)
    check_count("levels", levels, 2)
    if levels % 2:
        raise InputError(f"levels = {levels} must be even; take {levels + 1}.")
    k, g = len(kept), len(grouped)
    check_size(trajectories * (g + 1), k, seed)
    members = membership(kept, grouped)
    step = levels / (2 * (levels - 1))
    cube = np.empty((trajectories, 1, g + 1, k))
    for r in range(trajectories):
        rng = generator(seed, r)
        low = rng.integers(0, levels // 2, k) / (levels - 1)
        up = rng.random(k) < 0.5
        start, end = np.where(up, low, low + step), np.where(up, low + step, low)
        moved = np.zeros(k, np.bool_)
        cube[r, 0, 0] = start
        for position, group in enumerate(rng.permutation(g), 1):
            moved |= members[group]
            cube[r, 0, position] = np.where(moved, end, start)
    return build(MORRIS, kept, grouped, np.clip(cube, 0, 1), seed, levels)


@dataclass(frozen=True)
class Morris:
    """Screening measures (groups, m); mu is NaN for groups of several factors, whose steps have no single sign.

    Attributes
    ----------
    mu, mu_star, sigma : mean, mean size and SD of the effects
    half_width : half-width of the interval of mu* across trajectories
    count : number of effects used
    """

    mu: Floats
    mu_star: Floats
    sigma: Floats
    half_width: Floats
    count: Floats


def morris(design: Design, y: npt.ArrayLike, level: float = LEVEL) -> Morris:
    """Return the measures of outputs (n_points, ...), flattened to m; a step with a missing run is left out.

    Raises
    ------
    InputError
        When the outputs do not belong to the design.
    """
    checked = design.check(y, MORRIS)
    g = len(design.groups)
    members = design.members
    points = design.unit.reshape(-1, g + 1, len(design.factors))
    outputs = checked.reshape(len(points), g + 1, -1)
    change = np.diff(points, axis=1)
    moved = np.argmax(abs(change) @ members.T, axis=2)  # the group that moved (trajectories, steps)
    order = np.argsort(moved, axis=1)
    step = np.take_along_axis(np.diff(outputs, axis=1), order[:, :, None], axis=1)  # now by group
    sizes = np.take_along_axis(change, order[:, :, None], axis=1)
    alone = members.sum(axis=1) == 1
    size = design.setting / (2 * (design.setting - 1))
    sign = np.where(alone, np.sign((sizes * members).sum(axis=2)), 1.0)
    effect = step * sign[:, :, None] / size
    shaped = effect[:, None]  # one row per trajectory
    finite = np.isfinite(shaped)

    def mean(values: Floats) -> Mean:
        total = np.where(finite, values, 0.0).sum(axis=1).reshape(len(points), -1)
        return Mean(total, finite.sum(axis=1).reshape(len(points), -1).astype(np.float64))

    raw, large = mean(shaped), mean(abs(shaped))
    shape = effect.shape[1:]
    count = large.count.sum(axis=0)
    # for groups sigma is the scatter of the sizes: their effects have no sign
    centre = np.where(np.repeat(alone, shape[1]), raw.value, large.value)
    values = np.where(np.repeat(alone, shape[1]), effect.reshape(len(points), -1), abs(effect).reshape(len(points), -1))
    square = np.where(np.isfinite(values), (values - centre) ** 2, 0.0).sum(axis=0)
    sigma = np.where(count > 1, np.sqrt(square / np.maximum(count - 1, 1)), np.nan)
    return Morris(
        mu=np.where(alone[:, None], raw.value.reshape(shape), np.nan),
        mu_star=large.value.reshape(shape),
        sigma=sigma.reshape(shape),
        half_width=half_width(Index(large.value, large.influence), level).reshape(shape),
        count=count.reshape(shape),
    )


def columns(design: Design, y: Floats, settings: Settings) -> Columns:
    """Return mu, mu* with its interval, and sigma of outputs (n_points, m)."""
    estimate = morris(design, y, settings.level)
    columns: Columns = {name: ("factor", getattr(estimate, name)) for name in ("mu", "mu_star", "sigma")}
    columns["mu_star_low"] = "factor", estimate.mu_star - estimate.half_width
    columns["mu_star_high"] = "factor", estimate.mu_star + estimate.half_width
    return columns
