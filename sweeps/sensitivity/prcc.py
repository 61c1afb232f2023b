"""Partial rank correlation: strength and direction in which an output follows a factor, with the others held fixed.

For outputs that are monotone in each factor.  A dummy factor of random numbers, which has no effect, shows the noise
floor.  p-values by t with N - 2 - p degrees of freedom, p the number of other factors.

Source: Marino 2008 doi:10.1016/j.jtbi.2008.04.011 (figure caption READ, formulas RECALLED).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats, Integers
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design, generator
from pulsatile.sweeps.sensitivity.method import Columns, Settings, with_enough_runs

_DUMMY = 0xD0DD
"""Key that separates the dummy's random draws from those of the design."""

LEAST_BEYOND = 4
"""Runs needed beyond the number of factors: two for the formula, one for the dummy, one spare."""


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
