"""Shapley effects: shares of the output's variance that add up to 1, also for dependent inputs.

A factor's share is the mean, over all orders of adding the factors, of the additional variance that it explains.
The variance that subset u explains, V - E[Var(Y | X_u)], comes from the given data in one of two ways:

    neighbours   variance among the nearest runs in the ranks of X_u (Broto 2020 doi:10.1137/18M1234631, RECALLED):
                 no assumption on the shape; biased upwards for the noise when many factors act and runs are few
    linear       share explained by linear regression on X_u: exact for a linear output of Gaussian inputs (Owen and
                 Prieur 2017 doi:10.1137/16M1097717, RECALLED), where it equals the LMG shares

For a noisy output the neighbours' shares are of all its variance: the noise is spread over the factors.
"""

from math import comb

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import check_count
from pulsatile.sweeps.sensitivity.sobol import ROUNDING

METHODS = ("neighbours", "linear")
MOST_FACTORS = 12
"""2^12 subsets."""
NEAREST = 3
"""Runs in a neighbourhood, including the run itself: the usual inner sample (population.md, RECALLED)."""


def shapley(x: npt.ArrayLike, y: npt.ArrayLike, method: str = "neighbours", nearest: int = NEAREST) -> Floats:
    """Return the Shapley effects (k,) of one output (n,) for factors (n, k); they sum to 1.

    Runs with a missing output (NaN) are left out.

    Raises
    ------
    InputError
        With more than 12 factors, too few runs, a constant output or factor, or shapes that do not fit.
    """
    factors, output = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if factors.ndim != 2 or output.shape != (len(factors),) or not np.isfinite(factors).all():
        raise InputError(
            f"factors of shape {factors.shape} and an output of shape {output.shape} do not fit: "
            "give one row per run, finite factors, and one output."
        )
    k = factors.shape[1]
    if not 1 <= k <= MOST_FACTORS:
        raise InputError(f"{k} factors: 1 ... {MOST_FACTORS} are allowed, as all subsets are evaluated; drop some.")
    if method not in METHODS:
        raise InputError(f"method = {method!r} is not known; take one of {', '.join(METHODS)}.")
    check_count("nearest", nearest, 2)
    finite = np.isfinite(output)
    factors, output = factors[finite], output[finite]
    if len(output) < max(50, 10 * k):
        raise InputError(f"{len(output)} runs are too few for {k} factors; {max(50, 10 * k)} are needed at least.")
    if (np.ptp(factors, axis=0) == 0).any():
        raise InputError(f"factor {int(np.argmin(np.ptp(factors, axis=0)))} is constant; leave it out.")
    if np.ptp(output) <= ROUNDING * abs(output).max():
        raise InputError("the output does not vary: there is no variance to explain; leave it out.")
    explained = _linear(factors, output) if method == "linear" else _neighbours(factors, output, nearest)
    return _shares(explained, k)


def _shares(explained: Floats, k: int) -> Floats:
    """Return the shares from the variance that each subset (a bit mask) explains; that of all factors is set to 1."""
    explained = explained / explained[-1]
    shares = np.zeros(k)
    for i in range(k):
        for subset in range(1 << k):
            if not subset >> i & 1:
                gain = explained[subset | 1 << i] - explained[subset]
                shares[i] += gain / (k * comb(k - 1, subset.bit_count()))
    return shares


def _linear(x: Floats, y: Floats) -> Floats:
    k = x.shape[1]
    a = (x - x.mean(axis=0)) / x.std(axis=0)
    b = (y - y.mean()) / y.std()
    between, with_y = np.einsum("ni,nj->ij", a, a) / len(y), a.T @ b / len(y)
    if np.linalg.cond(between) > 1e10:
        raise InputError("a factor is a linear combination of others; leave one out.")
    explained = np.zeros(1 << k)
    for subset in range(1, 1 << k):
        members = [i for i in range(k) if subset >> i & 1]
        explained[subset] = with_y[members] @ np.linalg.solve(between[np.ix_(members, members)], with_y[members])
    return explained


def _neighbours(x: Floats, y: Floats, nearest: int) -> Floats:
    from scipy.spatial import cKDTree

    n, k = x.shape
    ranks = np.empty_like(x)
    for i in range(k):  # equal values share a rank
        _, inverse, count = np.unique(x[:, i], return_inverse=True, return_counts=True)
        ranks[:, i] = (np.cumsum(count) - (count + 1) / 2)[inverse.reshape(-1)] / n
    variance = float(y.var(ddof=1))
    explained = np.zeros(1 << k)
    for subset in range(1, (1 << k) - 1):
        members = [i for i in range(k) if subset >> i & 1]
        _, neighbours = cKDTree(ranks[:, members]).query(ranks[:, members], k=nearest, workers=1)
        explained[subset] = variance - y[neighbours].var(axis=1, ddof=1).mean()
    explained[-1] = variance  # all factors together determine the output
    return explained
