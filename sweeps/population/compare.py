"""Comparison of two built populations: weighted medians, distances and correlations."""

from dataclasses import dataclass

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.parameters import DIMENSIONLESS
from pulsatile.engine.people.margins import SEXES
from pulsatile.sweeps.population.opened import NO_AXIS, Built
from pulsatile.sweeps.population.published import weighted_quantile

PLAIN = ("age", "height", "hba1c", "own_igf1_sds", "fasting_igf1_sds")
"""Variables correlated as they are; of all others the logarithms are correlated; population 1.2."""
LEAST_PATIENTS = 8
"""Patients of a sex below which no correlations are reported [assumed: their standard error is above 0.4]."""


@dataclass(frozen=True)
class Difference:
    """One covariate or output in two populations: weighted medians, and the distance of the distributions."""

    name: str
    unit: str
    first: float
    second: float
    distance: float


@dataclass(frozen=True)
class CorrelationPair:
    """The correlation of two covariates or outputs, of one sex, in two populations."""

    one: str
    other: str
    sex: str
    first: float
    second: float

    @property
    def change(self) -> float:
        """Difference of the two correlations."""
        return self.second - self.first


def ks_between(first: Floats, second: Floats, first_weights: Floats, second_weights: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of two weighted samples.

    >>> ks_between(np.array([1.0, 2.0]), np.array([2.0]), np.array([1.0, 3.0]), np.ones(1))
    0.25
    """
    at = np.union1d(first, second)
    return float(np.max(np.abs(_below(first, first_weights, at) - _below(second, second_weights, at))))


def _below(x: Floats, weights: Floats, at: Floats) -> Floats:
    order = np.argsort(x, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    return np.asarray(below[np.searchsorted(x[order], at, side="right")] / below[-1])


def differences(first: Built, second: Built) -> list[Difference]:
    """Return every covariate and output of both populations, the most distant first."""
    rows = []
    for name, values in first.untreated.columns.items():
        if name in NO_AXIS or name not in second.untreated.columns:
            continue
        x, w = _finite(values, first.weights)
        y, v = _finite(second.untreated.columns[name], second.weights)
        if len(x) and len(y):
            medians = weighted_quantile(x, w, 0.5), weighted_quantile(y, v, 0.5)
            rows.append(Difference(name, first.units.get(name, DIMENSIONLESS), *medians, ks_between(x, y, w, v)))
    return sorted(rows, key=lambda d: (-d.distance, d.name))


def _finite(x: Floats, weights: Floats) -> tuple[Floats, Floats]:
    fine = np.isfinite(x) & (weights > 0)
    return x[fine], weights[fine]


def pairs(first: Built, second: Built, most: int) -> list[CorrelationPair]:
    """Return the correlations that differ most between two populations, separately for men and women."""
    names = [n for n in first.untreated.columns if n in second.untreated.columns and n not in (*NO_AXIS, "sex")]
    rows = []
    for sex, words in enumerate(SEXES):
        a, b = (correlations(built, names, sex) for built in (first, second))
        rows += [
            CorrelationPair(names[i], names[j], words, float(a[i, j]), float(b[i, j]))
            for i in range(len(names)) for j in range(i) if np.isfinite(a[i, j] - b[i, j])
        ]  # fmt: skip
    return sorted(rows, key=lambda pair: (-abs(pair.change), pair.sex, pair.one, pair.other))[:most]


def correlations(built: Built, names: list[str], sex: int) -> Floats:
    """Return weighted Pearson correlations (k, k) of ``names`` in the kept patients of one sex; NaN without variation.

    Logarithms are correlated, except for `PLAIN` and for variables that are not positive in every patient.
    """
    columns = built.untreated.columns
    block = np.array([columns[name] for name in names]).reshape(len(names), -1)
    of_sex = (columns["sex"] == sex) & (built.weights > 0) & np.isfinite(block).all(axis=0)
    if of_sex.sum() < LEAST_PATIENTS:
        return np.full((len(names), len(names)), np.nan)
    x, w = block[:, of_sex], built.weights[of_sex]
    for k, name in enumerate(names):
        if name not in PLAIN and (x[k] > 0).all():
            x[k] = np.log(x[k])
    x = x - (x @ w)[:, None] / w.sum()
    covariance = (x * w) @ x.T / w.sum()
    sd = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.outer(sd, sd) > 0, covariance / np.outer(sd, sd), np.nan)
