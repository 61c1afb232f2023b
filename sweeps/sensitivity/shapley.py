"""Shapley effects: shares of the output's variance, also for dependent inputs; what no factor explains is left over.

A factor's share is the mean, over all orders of adding the factors, of the additional variance that it explains.  The
shares add up to the share that all factors explain together, 1 for a deterministic output of these factors alone.
The variance that subset u explains, V - E[Var(Y | X_u)], comes from the given data in one of two ways:

    neighbours   variance among the nearest runs in the ranks of X_u (Broto 2020 doi:10.1137/18M1234631, RECALLED),
                 after a polynomial in the ranks or normal scores of X_u is subtracted: a function of X_u does not
                 change Var(Y | X_u), but neighbours are at a distance, and the polynomial removes most of what
                 differs between them (DERIVED); no assumption on the shape
    linear       share explained by linear regression on X_u: exact for a linear output of Gaussian inputs (Owen and
                 Prieur 2017 doi:10.1137/16M1097717, RECALLED), where it equals the LMG shares; blind to interactions

Measured, 400 runs of x1 x2 + x3 / 2 (correlation 0.6 of x1 and x2) with three more factors without effect, true shares
0.42, 0.42, 0.16: neighbours 0.43, 0.49, 0.12; without the polynomial 0.33, 0.36, 0.09; linear 0.00, 0.00, 0.16.
"""

from itertools import combinations_with_replacement
from math import comb

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import check_count, generator
from pulsatile.sweeps.sensitivity.sobol import ROUNDING

METHODS = ("neighbours", "linear")
MOST_FACTORS = 12
"""2^12 subsets."""
NEAREST = 3
"""Runs in a neighbourhood, including the run itself: the usual inner sample (population.md, RECALLED)."""
FEWEST, PER_FACTOR = 50, 10
"""Smallest number of runs, and of runs per factor [assumed: below them a share is noise]."""
_HIGHEST_DEGREE, _PER_TERM, _MOST_TERMS = 8, 10, 60
"""Of the surface: degree, runs needed per term [assumed], and terms, which bound its time."""
_TIES = 0x71E5
"""Key of the random order of equal values."""


def fewest(k: int) -> int:
    """Return the smallest number of runs for ``k`` factors."""
    return max(FEWEST, PER_FACTOR * k)


def shapley(x: npt.ArrayLike, y: npt.ArrayLike, method: str = "neighbours", nearest: int = NEAREST) -> Floats:
    """Return the Shapley effects of outputs (n, ...) for factors (n, k), as (k, ...): shares of the whole variance.

    Their sum over the factors is the share that all of them explain together; a small share may be negative by chance.
    Runs with a missing output (NaN) are left out for all outputs.

    Raises
    ------
    InputError
        With more than 12 factors, too few runs, a constant output or factor, or shapes that do not fit.
    """
    factors, outputs = np.asarray(x, np.float64), np.asarray(y, np.float64)
    fits = factors.ndim == 2 and outputs.ndim > 0 and len(outputs) == len(factors)
    if not fits or not np.isfinite(factors).all():
        raise InputError(
            f"factors of shape {factors.shape} and outputs of shape {outputs.shape} do not fit: "
            "give one row per run in both, and finite factors."
        )
    k = factors.shape[1]
    if not 1 <= k <= MOST_FACTORS:
        raise InputError(f"{k} factors: 1 ... {MOST_FACTORS} are allowed, as all subsets are evaluated; drop some.")
    if method not in METHODS:
        raise InputError(f"method = {method!r} is not known; take one of {', '.join(METHODS)}.")
    check_count("nearest", nearest, 2)
    flat = outputs.reshape(len(outputs), -1)
    finite = np.isfinite(flat).all(axis=1)
    factors, flat = factors[finite], flat[finite]
    if len(flat) < fewest(k):
        raise InputError(f"{len(flat)} runs are too few for {k} factors; {fewest(k)} are needed at least.")
    if (np.ptp(factors, axis=0) == 0).any():
        raise InputError(f"factor {int(np.argmin(np.ptp(factors, axis=0)))} is constant; leave it out.")
    if (np.ptp(flat, axis=0) <= ROUNDING * abs(flat).max(axis=0)).any():
        raise InputError("the output does not vary: there is no variance to explain; leave it out.")
    centred = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    explained = _linear(factors, centred) if method == "linear" else _neighbours(factors, centred, nearest)
    return _shares(explained, k).reshape(k, *outputs.shape[1:])


def _shares(explained: Floats, k: int) -> Floats:
    """Return the shares (k, m) from the share of the variance that each subset, a bit mask, explains (2^k, m)."""
    shares = np.zeros((k, explained.shape[1]))
    for i in range(k):
        for subset in range(1 << k):
            if not subset >> i & 1:
                gain = explained[subset | 1 << i] - explained[subset]
                shares[i] += gain / (k * comb(k - 1, subset.bit_count()))
    return shares


def _members(subset: int, k: int) -> list[int]:
    return [i for i in range(k) if subset >> i & 1]


def _linear(x: Floats, y: Floats) -> Floats:
    """Return the share of the variance of y (n, m), of mean 0 and SD 1, that each subset explains (2^k, m)."""
    k = x.shape[1]
    a = (x - x.mean(axis=0)) / x.std(axis=0)
    between, with_y = np.einsum("ni,nj->ij", a, a) / len(y), np.einsum("ni,nm->im", a, y) / len(y)
    if np.linalg.cond(between) > 1e10:
        raise InputError("a factor is a linear combination of others; leave one out.")
    explained = np.zeros((1 << k, y.shape[1]))
    for subset in range(1, 1 << k):
        members = _members(subset, k)
        slope = np.linalg.solve(between[np.ix_(members, members)], with_y[members])
        explained[subset] = np.einsum("im,im->m", with_y[members], slope)
    return explained


def _neighbours(x: Floats, y: Floats, nearest: int) -> Floats:
    """Return the share of the variance of y (n, m), of mean 0 and SD 1, that each subset explains (2^k, m)."""
    from scipy.spatial import cKDTree
    from scipy.special import ndtri
    from scipy.stats import rankdata

    n, k = x.shape
    ranks = (rankdata(x, axis=0) - 0.5) / n  # equal values share a rank
    powers = (
        np.polynomial.legendre.legvander(2 * ranks - 1, _HIGHEST_DEGREE),
        np.polynomial.hermite_e.hermevander(ndtri(ranks), _HIGHEST_DEGREE),
    )
    # runs of equal ranks would all have the same neighbours: a shift far below the distance of ranks makes them differ
    places = ranks + generator(0, _TIES).random(ranks.shape) / (1000 * n)
    explained = np.zeros((1 << k, y.shape[1]))
    for subset in range(1, 1 << k):
        members = _members(subset, k)
        rest = _beyond_surface([power[:, members] for power in powers], y)
        _, near = cKDTree(places[:, members]).query(places[:, members], k=nearest, workers=1)
        explained[subset] = 1 - rest[near].var(axis=1, ddof=1).mean(axis=0) * (n - 1) / n
    return explained


def _beyond_surface(powers: list[Floats], y: Floats) -> Floats:
    """Return what the better of two polynomial surfaces leaves of y (n, m), scaled for the terms that were fitted.

    ``powers`` (n, p, degree + 1) hold the polynomials of one factor each; a surface has the products of all degrees
    that the number of runs allows; both have the same number of terms, and the better one leaves less.
    """
    n, p, _ = powers[0].shape
    degree = 1
    while degree < _HIGHEST_DEGREE and comb(p + degree + 1, p) <= min(n // _PER_TERM, _MOST_TERMS):
        degree += 1
    terms = [term for d in range(degree + 1) for term in combinations_with_replacement(range(p), d)]
    best, chosen = np.full(y.shape[1], np.inf), y
    for power in powers:
        a = np.empty((n, len(terms)))
        for t, term in enumerate(terms):
            a[:, t] = np.prod([power[:, i, term.count(i)] for i in set(term)], axis=0) if term else 1.0
        a /= np.sqrt((a * a).mean(axis=0))
        # einsum, not a matrix product: its sums have one order, whatever the threads
        inverse = np.linalg.pinv(np.einsum("ni,nj->ij", a, a), rcond=1e-12, hermitian=True)
        rest = y - np.einsum("ni,im->nm", a, np.einsum("ij,jm->im", inverse, np.einsum("ni,nm->im", a, y)))
        error = (rest**2).mean(axis=0)
        scaled = rest * np.sqrt(n / (n - len(terms)))
        chosen, best = np.where(error < best, scaled, chosen), np.minimum(error, best)
    return chosen
