"""Gaussian copula: a correlation matrix from known pairs, its factor, and correlated normals.

Rows are completed one after the other: where no correlation with an earlier covariate is given, the new covariate is
conditionally independent of it, given those with which its correlations are known (partial correlation zero; the
completion of largest determinant).  A row that no set of variables can have is projected to the nearest possible one,
and every change is reported.  Earlier rows never change: **a covariate added at the end changes no other.**

Singular matrices are allowed: a correlation of 1, or a covariate that others determine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import is_number
from pulsatile.engine.errors import InputError

Pairs = Mapping[tuple[str, str], float]

NOTHING = 1e-12
"""Variance below which a covariate is determined by others: rounding of correlations near 1 [assumed]."""
RESIDUAL_SHARE = 1e-4
"""Residual share of a projected covariate's variance, which keeps the matrix positive definite [assumed]."""
_HALVINGS = 200


@dataclass(frozen=True)
class Change:
    """A correlation that is impossible together with the others: ``given`` was replaced by ``used``."""

    first: str
    second: str
    given: float
    used: float


@dataclass(frozen=True)
class Correlation:
    """A correlation matrix of ``names`` (k,): ``matrix`` (k, k) = ``factor`` @ ``factor``.T, lower triangular.

    ``changes``: the given pairs that the projection changed, empty without a projection.
    """

    names: tuple[str, ...]
    matrix: Floats
    factor: Floats
    changes: tuple[Change, ...]

    @property
    def largest_change(self) -> float:
        """Return the largest change of a given correlation by the projection; 0 without one."""
        return max((abs(c.used - c.given) for c in self.changes), default=0.0)

    def of(self, first: str, second: str) -> float:
        """Return one correlation by the names of its covariates."""
        return float(self.matrix[self.names.index(first), self.names.index(second)])


def assemble(names: Sequence[str], pairs: Pairs) -> Correlation:
    """Complete the correlations ``pairs`` of the covariates ``names`` to a matrix, in the order of ``names``.

    Raises
    ------
    InputError
        For a correlation that is not a number from -1 to 1, is of a covariate with itself or with one that is not in
        ``names``, or is given twice with different values.
    """
    k = len(names)
    given = _checked(tuple(names), pairs)
    matrix, factor = np.eye(k), np.zeros((k, k))
    changes: list[Change] = []
    for new in range(k):
        known = [old for old in range(new) if np.isfinite(given[new, old])]
        block = matrix[np.ix_(known, known)]
        requested = given[new, known]
        used = _possible(block, requested)
        changes += [
            Change(names[old], names[new], float(r), float(u))
            for old, r, u in zip(known, requested, used, strict=True)
            if r != u
        ]
        row = matrix[:new, known] @ _solve(block, used)
        row[known] = used
        matrix[new, :new] = matrix[:new, new] = row
        factor[new, : new + 1] = _factor_row(factor[:new, :new], row)
    return Correlation(tuple(names), matrix, factor, tuple(changes))


def from_covariance(names: Sequence[str], covariance: npt.ArrayLike) -> tuple[Floats, Correlation]:
    """Return the SDs (k,) and the correlation of a covariance matrix (k, k) in any units.

    A covariate of variance 0 is a constant and correlates with nothing.  A matrix that is not positive definite is
    projected as by `assemble`, and the changes are reported.

    Raises
    ------
    InputError
        For a matrix of another shape, not finite, not symmetric, with a negative variance or a correlation beyond 1.
    """
    try:
        omega = np.asarray(covariance, np.float64)
    except (TypeError, ValueError):
        raise InputError("covariance must be a square of numbers.") from None
    k = len(names)
    if omega.shape != (k, k):
        raise InputError(f"covariance has the shape {omega.shape}; {k} covariates need {(k, k)}.")
    if not np.all(np.isfinite(omega)):
        raise InputError("covariance holds a value that is no number; give finite numbers only.")
    variance = np.diag(omega)
    for name, v in zip(names, variance, strict=True):
        if v < 0:
            raise InputError(f"covariance: the variance of {name} = {v:g} must not be negative.")
    sd = np.sqrt(variance)
    pairs: dict[tuple[str, str], float] = {}
    for i in range(k):
        for j in range(i):
            limit = sd[i] * sd[j]
            if abs(omega[i, j] - omega[j, i]) > NOTHING * max(limit, abs(omega[i, j])):
                raise InputError(
                    f"covariance of {names[j]} and {names[i]} is {omega[j, i]:g} above the diagonal and "
                    f"{omega[i, j]:g} below; give the same."
                )
            if abs(omega[i, j]) > limit * (1 + NOTHING):
                raise InputError(
                    f"covariance of {names[j]} and {names[i]} = {omega[i, j]:g} must be within the product of their "
                    f"SDs, {limit:g}."
                )
            # divided in turn: the product of two tiny SDs may be subnormal
            r = omega[i, j] / sd[i] / sd[j] if limit > 0 else 0.0
            pairs[names[j], names[i]] = float(np.clip(r, -1, 1))
    return sd, assemble(names, pairs)


def correlate(factor: Floats, independent: Sequence[Floats]) -> list[Floats]:
    """Return correlated standard normals (n,) from independent ones.

    Sums have a fixed order and do not depend on the number of patients, as those of a matrix product may.
    """
    scores = []
    for row, residual in zip(factor, independent, strict=True):
        z = np.zeros(residual.shape)
        for weight, draw in zip(row, independent, strict=True):
            if weight != 0:
                z += weight * draw
        scores.append(z)
    return scores


def _checked(names: tuple[str, ...], pairs: Pairs) -> Floats:
    """Return the given correlations (k, k), NaN for open pairs."""
    if len(set(names)) < len(names):
        raise InputError(f"covariates {', '.join(names)}: a name repeats; give each once.")
    given = np.full((len(names), len(names)), np.nan)
    for (first, second), r in pairs.items():
        for name in (first, second):
            if name not in names:
                raise InputError(
                    f"correlation of {first} and {second}: {name!r} is not a covariate; choose from {', '.join(names)}."
                )
        if first == second:
            raise InputError(f"correlation of {first} with itself is 1 and not given; leave it out.")
        if not is_number(r) or not -1 <= r <= 1:
            raise InputError(f"correlation of {first} and {second} = {r!r} must be a number from -1 to 1.")
        i, j = names.index(first), names.index(second)
        if np.isfinite(given[i, j]) and given[i, j] != r:
            raise InputError(f"correlation of {first} and {second} is given as {given[i, j]:g} and as {r:g}; give one.")
        given[i, j] = given[j, i] = r
    return given


def _possible(block: Floats, requested: Floats) -> Floats:
    """Return the correlations nearest to ``requested`` that a covariate can have with those of matrix ``block``.

    Correlations r are possible where the residual variance is not negative, r' block^-1 r <= 1: an ellipsoid, whose
    nearest point is (I + m block^-1)^-1 r, with the multiplier m by bisection.
    """
    if not len(requested):
        return requested
    size, axes = np.linalg.eigh(block)
    size = np.where(size < NOTHING, 0.0, size)
    along = axes.T @ requested
    flat = size == 0
    inside = np.all(np.abs(along[flat]) < np.sqrt(NOTHING)) and _explained(size, along) <= 1 + NOTHING
    if inside:
        return requested
    low, high = 0.0, 1.0
    while _explained(size, _pulled(size, along, high)) > 1 - RESIDUAL_SHARE:
        high *= 2
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if _explained(size, _pulled(size, along, middle)) > 1 - RESIDUAL_SHARE:
            low = middle
        else:
            high = middle
    return np.asarray(axes @ _pulled(size, along, high))


def _explained(size: Floats, along: Floats) -> float:
    """Return r' block^-1 r from the eigenvalues and the coordinates of r along their axes."""
    positive = size > 0
    return float(np.sum(along[positive] ** 2 / size[positive]))


def _pulled(size: Floats, along: Floats, multiplier: float) -> Floats:
    return np.asarray(along * size / (size + multiplier))


def _solve(block: Floats, right: Floats) -> Floats:
    """Return the regression weights block^-1 right, the shortest where the block is singular."""
    if not len(right):
        return right
    size, axes = np.linalg.eigh(block)
    inverse = np.where(size < NOTHING, 0.0, 1 / np.where(size < NOTHING, 1.0, size))
    return np.asarray(axes @ (inverse * (axes.T @ right)))


def _factor_row(factor: Floats, row: Floats) -> Floats:
    """Return the next row of the Cholesky factor for the correlations ``row`` with the earlier covariates."""
    out = np.zeros(len(row) + 1)
    for j, r in enumerate(row):
        pivot = factor[j, j]
        # a determined covariate has no draw of its own; its correlation follows from the others'
        out[j] = (r - factor[j, :j] @ out[:j]) / pivot if pivot > 0 else 0.0
    rest = 1 - out[:-1] @ out[:-1]
    if rest > NOTHING:
        out[-1] = np.sqrt(rest)
    else:
        out[:-1] /= np.sqrt(out[:-1] @ out[:-1])
    return out
