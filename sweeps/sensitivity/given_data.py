"""First-order indices from any finished run: from drawn inputs and outputs, without a design.

    rank         Chatterjee's idea: neighbours in the ranks of a factor share its value; has no tuning parameter
    bins         variance of the means of sqrt(n) equal-count bins, corrected for the bias from chance (epsilon squared)
    polynomial   share explained by a polynomial in the factor's rank, of the degree (up to 8) with the least
                 leave-one-out error; best for smooth outputs and few runs

Measured, 400 runs of 2 x1 + x2 + noise with normal factors, mean error of the index of x1 (0.76) and coverage of its
95 % interval over 100 repeats: rank -0.038, 89 %; bins -0.015, 96 %; polynomial -0.003, 96 %.

With dependent inputs an index includes what a factor shares with others: read it together with `shapley`.  Only bins
and polynomial take weighted patients.  Intervals come from resampling patients, who are independent, unlike rows of a
Sobol' sequence.

Sources: Gamboa 2022 doi:10.3150/21-BEJ1421 (rank), Kelley 1935 (epsilon squared), both RECALLED, checked against closed
forms in the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import check_count, generator
from pulsatile.sweeps.sensitivity.intervals import LEVEL, check_level
from pulsatile.sweeps.sensitivity.sobol import ROUNDING

METHODS = ("rank", "bins", "polynomial")
FEWEST = 50
"""Smallest number of runs [assumed: below it every index is noise]."""
HALVES = 12
"""Default number of half samples: with Student's t, 12 cover as 100 do (`benchmarks/given_data.py`)."""
HIGHEST_DEGREE = 8
SINGULAR = 1e8
"""Condition number of the polynomials' products above which rounding decides."""
_TIES, _HALVES = 0x71E5, 0x5A17


@dataclass(frozen=True)
class GivenData:
    """First-order indices (factors, m) with interval ends; NaN for outputs that do not vary.

    ``n_effective`` is Kish's (sum w)^2 / sum w^2 of the runs used (m,).
    """

    s1: Floats
    low: Floats
    high: Floats
    n_effective: Floats


def given_data(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    method: str = "polynomial",
    weights: npt.ArrayLike | None = None,
    resamples: int = HALVES,
    seed: int = 0,
    level: float = LEVEL,
) -> GivenData:
    """Return first-order indices of outputs (n, ...), flattened to m, for factors (n, k).

    Parameters
    ----------
    x, y
        One row per run; NaN in y marks a missing run, which is left out for that output.
    method
        One of `METHODS`.
    weights
        Weights of the runs (n,), not negative; None for equal weights.
    resamples
        Number of half samples for the interval, at least 2; 0 for none.

    Raises
    ------
    InputError
        When shapes, weights or the method do not fit, or an output has fewer than 50 runs.
    """
    factors, outputs, weight = _checked(x, y, weights)
    if method not in METHODS:
        raise InputError(f"method = {method!r} is not known; take one of {', '.join(METHODS)}.")
    if method == "rank" and weights is not None:
        raise InputError("method rank takes no weights; take bins or polynomial for weighted patients.")
    check_level(level)
    check_count("resamples", resamples, 2 if resamples else 0)
    same = np.flatnonzero(np.ptp(factors, axis=0) == 0)
    if len(same):
        raise InputError(f"factor {same[0]} is constant; leave it out.")
    estimate = {"rank": _rank, "bins": _bins, "polynomial": _polynomial}[method]
    k, m = factors.shape[1], outputs.shape[1]
    value, low, high = (np.full((k, m), np.nan) for _ in range(3))
    effective = np.zeros(m)
    used = np.isfinite(outputs) & (weight > 0)[:, None]
    patterns, pattern_of = np.unique(used, axis=1, return_inverse=True)
    for pattern in range(patterns.shape[1]):
        rows = np.flatnonzero(patterns[:, pattern])
        chosen = np.flatnonzero(pattern_of.reshape(-1) == pattern)
        if len(rows) < FEWEST:
            raise InputError(f"{len(rows)} runs are too few for indices from given data; {FEWEST} are needed at least.")
        a, b, w = factors[rows], outputs[np.ix_(rows, chosen)], weight[rows]
        effective[chosen] = w.sum() ** 2 / (w**2).sum()
        value[:, chosen] = _of_factors(estimate, a, b, w, seed)
        if resamples:
            low[:, chosen], high[:, chosen] = _interval(estimate, a, b, w, value[:, chosen], resamples, seed, level)
    return GivenData(value, low, high, effective)


def _checked(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    factors, outputs = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if factors.ndim != 2 or outputs.ndim == 0 or len(outputs) != len(factors) or not np.isfinite(factors).all():
        raise InputError(
            f"factors of shape {factors.shape} and outputs of shape {outputs.shape} do not fit: "
            "give one row per run in both, and finite factors."
        )
    weight = np.ones(len(factors)) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != (len(factors),) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise InputError("weights must be one finite number per run, none negative and not all 0.")
    return factors, outputs.reshape(len(factors), -1), weight


Estimate = Callable[[Floats, Floats, Floats, np.random.Generator], Floats]


def _of_factors(estimate: Estimate, x: Floats, y: Floats, w: Floats, seed: int) -> Floats:
    """Return the indices (k, m); NaN for an output that does not vary, 0 for a factor that does not."""
    varies = np.ptp(y, axis=0) > ROUNDING * abs(y).max(axis=0)
    centred = (y - np.average(y, axis=0, weights=w))[:, varies]
    indices = np.full((x.shape[1], y.shape[1]), np.nan)
    for i in range(x.shape[1]):
        if np.ptp(x[:, i]) == 0:
            indices[i, varies] = 0.0
        else:
            indices[i, varies] = estimate(x[:, i], centred, w, generator(seed, _TIES, i))
    return indices


def _interval(
    estimate: Estimate, x: Floats, y: Floats, w: Floats, value: Floats, resamples: int, seed: int, level: float
) -> tuple[Floats, Floats]:
    """Return the ends of the t interval with the SD over half samples drawn without repetition.

    The usual bootstrap does not apply: a row drawn twice is its own neighbour in rank and raises every index.  The
    variance of an estimate over halves of the rows is that of all rows: S^2 / (n / 2) (1 - 1 / 2) = S^2 / n.  An index
    lies between 0 and 1, so the interval ends there, or at the estimate where that lies beyond.
    """
    from scipy.special import stdtrit

    rng = generator(seed, _HALVES)
    n = len(y)
    drawn = np.empty((resamples, *value.shape))
    for b in range(resamples):
        rows = np.sort(rng.permutation(n)[: n // 2])
        drawn[b] = _of_factors(estimate, x[rows], y[rows], w[rows], seed)
    half = float(stdtrit(resamples - 1, (1 + level) / 2)) * drawn.std(axis=0, ddof=1)
    return np.maximum(value - half, np.minimum(value, 0)), np.minimum(value + half, np.maximum(value, 1))


def _order(x: Floats, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the order of the values, ties in random order."""
    return np.lexsort((rng.random(len(x)), x))


def _rank(x: Floats, y: Floats, w: Floats, rng: np.random.Generator) -> Floats:
    ordered = y[_order(x, rng)]
    following = np.roll(ordered, -1, axis=0)
    return np.asarray((ordered * following).mean(axis=0) / (ordered * ordered).mean(axis=0), np.float64)


def _bins(x: Floats, y: Floats, w: Floats, rng: np.random.Generator) -> Floats:
    n = len(x)
    values, inverse = np.unique(x, return_inverse=True)
    wanted = max(4, round(n**0.5))
    if len(values) <= wanted:
        home, count = inverse.reshape(-1), len(values)
    else:
        ordered = np.argsort(x, kind="stable")
        share = np.cumsum(w[ordered]) / w.sum()
        home, count = np.empty(n, np.int64), wanted
        home[ordered] = np.minimum((share * wanted).astype(np.int64), wanted - 1)
        # equal values share the bin of the first of them
        first = np.full(len(values), wanted)
        np.minimum.at(first, inverse.reshape(-1), home)
        home = first[inverse.reshape(-1)]
    inside = np.zeros((count, y.shape[1]))
    np.add.at(inside, home, w[:, None] * y)
    weight = np.bincount(home, w, count)
    means = inside / np.where(weight > 0, weight, 1)[:, None]
    whole = (w[:, None] * y * y).sum(axis=0)
    within = whole - (weight[:, None] * means**2).sum(axis=0)
    effective = w.sum() ** 2 / (w**2).sum()
    used = int((weight > 0).sum())
    return np.asarray(1 - within / whole * (effective - 1) / max(effective - used, 1), np.float64)


def _polynomial(x: Floats, y: Floats, w: Floats, rng: np.random.Generator) -> Floats:
    from scipy.stats import rankdata

    n = len(x)
    score = (2 * rankdata(x) - 1) / n - 1  # equal values get equal scores
    degree = min(HIGHEST_DEGREE, len(np.unique(score)) - 1, n // 10)
    root = np.sqrt(w)
    columns = root * np.polynomial.legendre.legvander(score, degree).T
    # Legendre polynomials of ranks are nearly orthogonal: Cholesky makes them exactly so, in a fixed order of sums
    between = np.einsum("in,jn->ij", columns, columns)
    while degree and np.linalg.cond(between[: degree + 1, : degree + 1]) > SINGULAR:
        degree -= 1  # nearly all runs share a few values: these do not tell higher degrees apart
    corner = np.linalg.cholesky(between[: degree + 1, : degree + 1])
    basis = np.einsum("jn,ij->in", columns[: degree + 1], np.linalg.inv(corner))
    residual = np.ascontiguousarray((root[:, None] * y).T)
    parts = np.einsum("in,mn->im", basis, residual)
    whole = np.einsum("mn,mn->m", residual, residual)
    best, chosen = np.full(y.shape[1], np.inf), np.zeros(y.shape[1])
    effective = w.sum() ** 2 / (w**2).sum()
    lever, scratch = np.zeros(n), np.empty_like(residual)
    for p in range(degree + 1):
        residual -= np.multiply(basis[p], parts[p][:, None], out=scratch)
        lever += basis[p] ** 2
        np.divide(residual, np.maximum(1 - lever, 1e-6), out=scratch)
        error = np.einsum("mn,mn->m", scratch, scratch)
        within = np.einsum("mn,mn->m", residual, residual)
        explained = 1 - within / whole * (effective - 1) / max(effective - 1 - p, 1)
        better = error < best
        chosen, best = np.where(better, explained, chosen), np.minimum(error, best)
    return chosen
