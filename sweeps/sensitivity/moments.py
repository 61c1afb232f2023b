"""Measures of the whole distribution from any sample: delta (Borgonovo) and PAWN.

    delta   half the mean area between the output's density and its density within a class of the factor; 0 ... 1
    PAWN    Kolmogorov-Smirnov distance between the output within a slice of the factor and over all runs

PAWN depends strongly on the number of runs and slices and on the statistic, and can mislead a screening
(arXiv 1904.04488, READ): it is included for comparison with published work, not as a first choice.

Both are as SALib 1.6 computes them (Plischke 2013 doi:10.1016/j.ejor.2012.11.047, eq. 26 and 30; Pianosi 2018; formulas
READ in SALib) and are tested against it.  SALib itself is not called: its delta seeds numpy's global generator, changes
the warning filters, and reports an exception as text.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import check_count, generator

FEWEST = 100
"""Smallest number of runs; with fewer, densities are meaningless [assumed]."""
GRID = 100
"""Number of points at which densities are compared."""
MOST_CLASSES = 48
_DELTA = 0xDE17A
"""Key of the bootstrap's random draws."""


def _prepared(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
    factors, output = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if factors.ndim != 2 or output.shape != (len(factors),) or not np.isfinite(factors).all():
        raise InputError(
            f"factors of shape {factors.shape} and an output of shape {output.shape} do not fit: "
            "give one row per run, finite factors, and one output."
        )
    finite = np.isfinite(output)
    if finite.sum() < FEWEST:
        raise InputError(f"{int(finite.sum())} runs are too few for a density; {FEWEST} are needed at least.")
    if np.ptp(output[finite]) == 0:
        raise InputError("the output does not vary: no measure is defined; leave it out.")
    return factors[finite], output[finite]


def _classes(n: int) -> int:
    """Return the number of classes for n runs: about 2 n^(1/3.5), as in Plischke 2013."""
    return round(min(int(np.ceil(n ** (2 / (7 + np.tanh((1500 - n) / 500))))), MOST_CLASSES))


def _density(y: Floats, at: Floats) -> Floats:
    """Return the Gaussian kernel density with Silverman's width."""
    width = float(np.std(y, ddof=1)) * (len(y) * 3 / 4) ** -0.2
    z = (at[:, None] - y) / width
    return np.asarray(np.exp(-z * z / 2).sum(axis=1) / (len(y) * width * np.sqrt(2 * np.pi)), np.float64)


def _delta(x: Floats, y: Floats, at: Floats, overall: Floats) -> float:
    """Return delta of one factor without bias correction (eq. 26)."""
    n = len(y)
    edges = np.linspace(0, n, _classes(n) + 1)
    ranks = np.empty(n)
    ranks[np.argsort(x, kind="stable")] = np.arange(1, n + 1)
    total = 0.0
    for low, high in pairwise(edges):
        in_class = y[(ranks > low) & (ranks <= high)]
        if len(in_class) and np.ptp(in_class) > 0:
            total += len(in_class) / (2 * n) * float(np.trapezoid(abs(overall - _density(in_class, at)), at))
    return total


def delta(x: npt.ArrayLike, y: npt.ArrayLike, resamples: int = 50, seed: int = 0) -> Floats:
    """Return delta, corrected for bias by bootstrap (eq. 30), of each factor (k,).

    The estimate for a factor without effect may lie a few hundredths below or above 0: compare it with that of a dummy
    factor.  There is no interval: the correction leaves a bias, and a bootstrap interval covers 3-50 % instead of 95 %.

    Parameters
    ----------
    x, y : factors (n, k) and one output (n,); missing runs (NaN) are left out

    Raises
    ------
    InputError
        When shapes differ, the output is constant or runs are too few.
    """
    factors, output = _prepared(x, y)
    check_count("resamples", resamples, 2)
    n, k = factors.shape
    at = np.linspace(output.min(), output.max(), GRID)
    overall = _density(output, at)
    plain = np.array([_delta(factors[:, i], output, at, overall) for i in range(k)])
    rng = generator(seed, _DELTA)
    drawn = np.empty((resamples, k))
    for b in range(resamples):
        rows = rng.integers(0, n, n)
        density = _density(output[rows], at)
        drawn[b] = [_delta(factors[rows, i], output[rows], at, density) for i in range(k)]
    return np.asarray(2 * plain - drawn.mean(axis=0), np.float64)


def pawn(x: npt.ArrayLike, y: npt.ArrayLike, slices: int = 10) -> tuple[Floats, Floats, str]:
    """Return the median and the largest PAWN index over the slices (k,), and a warning to show with them.

    Arguments and errors as for `delta`.
    """
    factors, output = _prepared(x, y)
    check_count("slices", slices, 2)
    everything = np.sort(output)
    distances = np.empty((slices, factors.shape[1]))
    for i in range(factors.shape[1]):
        edges = np.quantile(factors[:, i], np.linspace(0, 1, slices + 1))
        for s in range(slices):
            last = s == slices - 1
            inside = (factors[:, i] >= edges[s]) & ((factors[:, i] <= edges[s + 1]) if last else
                                                    (factors[:, i] < edges[s + 1]))  # fmt: skip
            distances[s, i] = _ks_distance(np.sort(output[inside]), everything)
    warning = (
        f"PAWN with {len(output)} runs and {slices} slices: the ranking can change with either "
        "(arXiv 1904.04488); confirm it by total indices."
    )
    return np.nanmedian(distances, axis=0), np.nanmax(distances, axis=0), warning


def _ks_distance(sample: Floats, reference: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of two sorted samples; NaN for an empty one."""
    if not len(sample):
        return float("nan")
    steps = np.concatenate([sample, reference])
    first = np.searchsorted(sample, steps, side="right") / len(sample)
    second = np.searchsorted(reference, steps, side="right") / len(reference)
    return float(abs(first - second).max())
