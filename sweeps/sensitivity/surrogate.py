"""Indices of a Saltelli design whose missing runs are filled by a surrogate, with the surrogate's error.

Runs that fail in a region leave a hole, and indices without it are those of another cube.  A smoothing-spline analysis
of variance (Wahba 1990, RECALLED), a Gaussian process with the kernel prod_i (1 + theta_i k(x_i, z_i)), is fitted to
good runs; theta_i is proportional to the total index from the good runs.  Its smoothness, scale and noise are those
with the smallest cross-validated error, half of it of single runs, half of the good runs next to the hole, all held
out together: extrapolation is judged by extrapolation.  The SD of the process is scaled to that error, `DRAWS` joint
draws fill the hole, and the spread of the index between draws is the error of the fill (multiple imputation, Rubin
1987, RECALLED).
"""

from dataclasses import replace
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
_ORDERS, _SCALES, _NOISES = (1, 2, 4), (3.0, 100.0), (1e-8, 1e-3)
_BERNOULLI = {
    1: (1, -1 / 2), 2: (1, -1, 1 / 6), 3: (1, -3 / 2, 1 / 2, 0), 4: (1, -2, 1, 0, -1 / 30),
    8: (1, -4, 14 / 3, 0, -7 / 3, 0, 2 / 3, 0, -1 / 30),
}  # fmt: skip
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
    for column in hit:
        filled = sobol(design, draws(design, outputs[:, column], plain.st.value[:, column]))
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


def draws(design: Design, y: Floats, total: Floats) -> Floats:
    """Return outputs (n_points, DRAWS): those of y (n_points,), and joint draws where y is NaN.

    Parameters
    ----------
    total
        Total indices (groups,) that say how strongly each factor acts.
    """
    rng = generator(design.seed, _FILL)
    bad, good = np.flatnonzero(np.isnan(y)), np.flatnonzero(~np.isnan(y))
    strength = np.clip(total, 0.01, 1.0) @ design.members
    near, far = _training(design.unit * np.sqrt(strength), good, bad, rng)
    training = np.concatenate([near, far])
    x, centre, size = design.unit[training], y[training].mean(), y[training].std() or 1.0
    v = (y[training] - centre) / size
    best = None
    for order in _ORDERS:
        for scale in _SCALES:
            plain = _kernel(x, x, scale * strength, order)
            for noise in _NOISES:
                matrix = plain + noise * np.diag(plain).mean() * np.eye(len(x))
                inverse = np.linalg.inv(matrix)
                weights = np.einsum("ij,j->i", inverse, v)
                # errors of runs left out one by one, and of those next to the hole left out together, in closed form
                single = 1 / np.diag(inverse)
                together = np.linalg.inv(inverse[: len(near), : len(near)])
                errors = weights * single, np.einsum("ij,j->i", together, weights[: len(near)])
                squares = [float((error**2).mean()) for error in errors]
                ratio = max(squares[0] / single.mean(), squares[1] / np.diag(together).mean())
                if best is None or sum(squares) < best[0]:
                    best = sum(squares), order, scale, inverse, weights, ratio
    assert best is not None
    _, order, scale, inverse, weights, ratio = best
    first = rng.permutation(len(bad))[:JOINT]
    hole = design.unit[bad[first]]
    across, own = (_kernel(hole, points, scale * strength, order) for points in (x, hole))
    rest = own - across @ inverse @ across.T
    value, vector = np.linalg.eigh((rest + rest.T) / 2)
    root = vector * np.sqrt(np.maximum(value, 0.0) * ratio)
    drawn = (across @ weights)[:, None] + root @ rng.standard_normal((len(first), DRAWS))
    filled = np.repeat(y[:, None], DRAWS, axis=1)
    filled[bad[first]] = centre + size * drawn
    if len(first) < len(bad):
        others = np.delete(np.arange(len(bad)), first)
        points, known = design.unit[bad[others]], np.concatenate([x, hole])
        matrix = _kernel(known, known, scale * strength, order)
        matrix += 1e-8 * np.diag(matrix).mean() * np.eye(len(known))
        weights = np.linalg.solve(matrix, np.concatenate([np.repeat(v[:, None], DRAWS, axis=1), drawn]))
        filled[bad[others]] = centre + size * _kernel(points, known, scale * strength, order) @ weights
    return filled


def _training(
    places: Floats, good: Integers, bad: Integers, rng: np.random.Generator
) -> tuple[Integers, Integers]:  # fmt: skip
    """Return good points next to missing ones, as many as those fill twice, and others, at most `TRAINING` in all."""
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
        distance = abs(a[:, None] - b[None])
        single = (-1.0) ** (order + 1) * np.polyval(_BERNOULLI[2 * order], distance) / factorial(2 * order)
        for j in range(1, order + 1):
            single += np.outer(np.polyval(_BERNOULLI[j], a), np.polyval(_BERNOULLI[j], b)) / factorial(j) ** 2
        kernel *= 1 + strength * single
    return kernel
