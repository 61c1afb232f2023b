"""Indices of a Saltelli design whose missing runs are filled by a surrogate, with the surrogate's error.

Runs that fail in a region leave a hole, and indices without it are those of another cube.  A smoothing-spline analysis
of variance (Wahba 1990, RECALLED), a Gaussian process with the kernel prod_i (1 + theta_i k(x_i, z_i)), is fitted to
good runs; theta_i is proportional to the total index from the good runs.  Its smoothness, scale and noise are those
with the smallest cross-validated error, half of it of single runs, half of the good runs next to the hole, all held
out together: extrapolation is judged by extrapolation.  The SD of the process is scaled to that error, `DRAWS` joint
draws fill the hole, and the spread of the index between draws is the error of the fill (multiple imputation, Rubin
1987, RECALLED).
"""

from dataclasses import dataclass, replace
from itertools import product
from math import factorial

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats, Integers
from pulsatile.sweeps.sensitivity.design import Design, generator
from pulsatile.sweeps.sensitivity.sobol import FINE, SALTELLI, Index, Sobol, sobol

NAME = "surrogate"
"""Name among the choices of `sweeps.sensitivity.missing`."""
TRAINING = 500
"""Largest number of runs to which the surrogate is fitted, half of them next to missing runs."""
FEWEST = 50
"""Smallest number of good runs [assumed]; with fewer nothing is filled."""
DRAWS = 20
JOINT = 1000
"""Largest number of missing runs drawn jointly; given these, the others take their expected values."""
HARMONICS = 16
"""Harmonics of the periodic part of the kernel: more than the data of one factor resolve."""
FACTORS_APART = 5
"""Number of factors, those that act most, by which good runs are next to missing ones."""
_KERNELS, _NOISES = tuple(product((1, 2, 4), (3.0, 100.0))), (1e-8, 1e-3)
"""Candidates: orders of smoothness with scales of theta, and noises over the mean variance."""
_BERNOULLI = {1: (1, -1 / 2), 2: (1, -1, 1 / 6), 3: (1, -3 / 2, 1 / 2, 0), 4: (1, -2, 1, 0, -1 / 30)}
"""Bernoulli polynomials, highest power first."""
_FILL = 0xF111
"""Key of the random draws."""


def estimate(design: Design, y: npt.ArrayLike) -> Sobol:
    """Return the indices of outputs (n_points, ...), flattened to m, with missing runs filled; see `sobol.sobol`.

    Outputs without a missing run have the indices of `sobol.sobol`, bit for bit; so have those with fewer than `FEWEST`
    good runs.
    """
    outputs = design.check(y, SALTELLI).reshape(design.n_points, -1)
    plain = sobol(design, outputs)
    missing = np.isnan(outputs)
    hit = np.flatnonzero(missing.any(axis=0) & ((~missing).sum(axis=0) >= FEWEST) & (plain.reason == FINE))
    if not len(hit):
        return plain
    s1, st, s2 = (None if index is None else _empty_fill(index) for index in (plain.s1, plain.st, plain.s2))
    assert s1 is not None
    assert st is not None
    variance, mean, spread = plain.variance.copy(), plain.mean.copy(), plain.variance_influence.copy()
    patterns, pattern_of = np.unique(missing[:, hit], axis=1, return_inverse=True)
    for pattern in range(patterns.shape[1]):
        columns, hole = hit[pattern_of.reshape(-1) == pattern], patterns[:, pattern]
        drawn = draws(design, outputs[:, columns], plain.st.value[:, columns].mean(axis=1))
        for k, column in enumerate(columns):
            y_drawn = np.repeat(outputs[:, column, None], DRAWS, axis=1)
            y_drawn[hole] = drawn[:, k]
            filled = sobol(design, y_drawn)
            variance[column], mean[column] = filled.variance.mean(), filled.mean.mean()
            spread[:, column] = filled.variance_influence.mean(axis=1)
            for target, index in ((s1, filled.s1), (st, filled.st), (s2, filled.s2)):
                if target is not None and index is not None:
                    _put(target, index, int(column))
    return replace(plain, s1=s1, st=st, s2=s2, variance=variance, mean=mean, variance_influence=spread)


def _empty_fill(index: Index) -> Index:
    return Index(index.value.copy(), index.influence.copy(), np.zeros(index.value.shape))


def _put(target: Index, index: Index, column: int) -> None:
    """Put the mean of an index over the draws, and its spread, into one output of ``target``."""
    assert target.fill is not None
    target.value[:, column], target.influence[:, :, column] = index.value.mean(axis=1), index.influence.mean(axis=2)
    target.fill[:, column] = np.sqrt((1 + 1 / DRAWS) * index.value.var(axis=1, ddof=1))


@dataclass(frozen=True)
class _Fit:
    """A kernel and the runs it is fitted to: points x (n, k), weights (n, m), and the scale of the variance (m,)."""

    x: Floats
    theta: Floats
    order: int
    inverse: Floats
    weights: Floats
    ratio: Floats


def draws(design: Design, y: Floats, total: Floats) -> Floats:
    """Return joint draws (missing runs, m, DRAWS) of outputs y (n_points, m), NaN in the same points for all of them.

    Parameters
    ----------
    total
        Total indices (groups,) that say how strongly each factor acts.
    """
    rng = generator(design.seed, _FILL)
    hole = np.isnan(y[:, 0])
    bad, good = np.flatnonzero(hole), np.flatnonzero(~hole)
    strength = np.clip(total, 0.01, 1.0) @ design.members
    strongest = np.argsort(-strength, kind="stable")[:FACTORS_APART]
    near, far = _training(design.unit[:, strongest] * np.sqrt(strength[strongest]), good, bad, rng)
    training = np.concatenate([near, far])
    centre, size = y[training].mean(axis=0), y[training].std(axis=0)
    size = np.where(size > 0, size, 1.0)
    v = (y[training] - centre) / size
    fits, best = _fits(design.unit[training], v, strength, len(near))
    lots = rng.permutation(len(bad))
    first, others = lots[:JOINT], lots[JOINT:]
    noise = rng.standard_normal((len(first), DRAWS))
    result = np.empty((len(bad), y.shape[1], DRAWS))
    for choice in np.unique(best):
        columns, fit = np.flatnonzero(best == choice), fits[choice]
        points = design.unit[bad[first]]
        across, own = (_kernel(points, x, fit.theta, fit.order) for x in (fit.x, points))
        rest = own - across @ fit.inverse @ across.T
        value, vector = np.linalg.eigh((rest + rest.T) / 2)
        error = (vector * np.sqrt(np.maximum(value, 0.0))) @ noise
        drawn = (across @ fit.weights[:, columns])[:, :, None] + np.sqrt(fit.ratio[columns])[:, None] * error[:, None]
        result[np.ix_(first, columns)] = drawn
        if len(others):
            known = np.concatenate([fit.x, points])
            matrix = _kernel(known, known, fit.theta, fit.order)
            matrix += 1e-8 * np.diag(matrix).mean() * np.eye(len(known))
            values = np.concatenate([np.repeat(v[:, columns, None], DRAWS, axis=2), drawn]).reshape(len(known), -1)
            expected = _kernel(design.unit[bad[others]], known, fit.theta, fit.order) @ np.linalg.solve(matrix, values)
            result[np.ix_(others, columns)] = expected.reshape(len(others), len(columns), DRAWS)
    return np.asarray(centre[:, None] + size[:, None] * result, np.float64)


def _fits(x: Floats, v: Floats, strength: Floats, near: int) -> tuple[list[_Fit], Integers]:
    """Return the candidates, fitted to values v (n, m) whose first ``near`` are next to the hole; the best of each."""
    fits, squares = list[_Fit](), list[Floats]()
    for order, scale in _KERNELS:
        plain = _kernel(x, x, scale * strength, order)
        for noise in _NOISES:
            inverse = np.linalg.inv(plain + noise * np.diag(plain).mean() * np.eye(len(x)))
            weights = inverse @ v
            # errors of runs left out one by one, and of those next to the hole left out together, in closed form
            single, together = 1 / np.diag(inverse), np.linalg.inv(inverse[:near, :near])
            alone = ((weights * single[:, None]) ** 2).mean(axis=0)
            block = ((together @ weights[:near]) ** 2).mean(axis=0)
            ratio = np.maximum(alone / single.mean(), block / np.diag(together).mean())
            fits.append(_Fit(x, scale * strength, order, inverse, weights, ratio))
            squares.append(alone + block)
    return fits, np.argmin(np.array(squares), axis=0)


def _training(
    places: Floats, good: Integers, bad: Integers, rng: np.random.Generator
) -> tuple[Integers, Integers]:  # fmt: skip
    """Return good points next to missing ones, twice as many as these, and others, at most `TRAINING` in all."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(places[bad]).query(places[good], workers=1)
    order = good[np.argsort(distance, kind="stable")]
    half = min(2 * len(bad), len(good) // 2)
    near, far = rng.permutation(order[:half]), rng.permutation(order[half:])
    return near[: TRAINING // 2], far[: TRAINING // 2]


def _kernel(x: Floats, z: Floats, theta: Floats, order: int) -> Floats:
    """Return prod_i (1 + theta_i k(x_i, z_i)) (n, q) of the Sobolev space of an order, for points (n, k) and (q, k)."""
    kernel = np.ones((len(x), len(z)))
    for a, b, strength in zip(x.T, z.T, theta, strict=True):
        kernel *= 1 + strength * (_features(a, order) @ _features(b, order).T)
    return kernel


def _features(x: Floats, order: int) -> Floats:
    """Return features (n, order + 2 HARMONICS) whose products are the kernel of one factor.

    k(x, z) = sum_j B_j(x) B_j(z) / j!^2 + 2 sum_h cos(2 pi h (x - z)) / (2 pi h)^(2 order), j = 1 ... order, which is
    that of the Sobolev space where h goes to infinity.
    """
    smooth = [np.polyval(_BERNOULLI[j], x) / factorial(j) for j in range(1, order + 1)]
    turn = 2 * np.pi * np.arange(1, HARMONICS + 1)
    angle = np.outer(x, turn)
    waves = np.sqrt(2.0) * np.concatenate([np.cos(angle), np.sin(angle)], axis=1) / np.tile(turn, 2) ** order
    return np.concatenate([np.stack(smooth, axis=1), waves], axis=1)
