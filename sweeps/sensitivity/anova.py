"""Variance components of a crossed layout: draws of typical values x patients, with occasions inside each cell.

    y[u, p, o] = mean + draw[u] + patient[p] + (draw x patient)[u, p] + occasion[u, p, o]

Expected mean squares, with U draws, P patients and O occasions (Searle 1992, Variance Components, RECALLED; checked on
known components in the tests):

    E[MS of draws]       = V_occasion + O V_both + P O V_draw
    E[MS of patients]    = V_occasion + O V_both + U O V_patient
    E[MS of both]        = V_occasion + O V_both
    E[MS inside cells]   = V_occasion

The components solved from these are unbiased, and may be negative where a component is small; such estimates are kept.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import check_count, generator
from pulsatile.sweeps.sensitivity.intervals import LEVEL, check_level

COMPONENTS = ("uncertainty", "patients", "uncertainty x patients", "occasions")
_RESAMPLES = 0xA0A
"""Key of the bootstrap's random draws."""


@dataclass(frozen=True)
class Crossed:
    """Outputs of the layout: means ``cells`` (U, P, m) and variances ``within`` (U, P, m) over ``occasions`` O."""

    cells: Floats
    within: Floats
    occasions: int

    @classmethod
    def of(cls, y: npt.ArrayLike) -> "Crossed":
        """Return the layout of outputs (U, P, O, ...), flattened to m.

        Raises
        ------
        InputError
            With fewer than two draws, patients or occasions, or values that are not finite.
        """
        values = np.asarray(y, np.float64)
        if values.ndim < 3 or min(values.shape[:3]) < 2:
            raise InputError(
                f"the layout has the shape {values.shape}; it needs at least 2 draws, 2 patients and 2 occasions."
            )
        if not np.isfinite(values).all():
            raise InputError("the layout has values that are not finite; leave those patients out.")
        values = values.reshape(*values.shape[:3], -1)
        return cls(values.mean(axis=2), values.var(axis=2, ddof=1), values.shape[2])

    @property
    def freedom(self) -> Floats:
        """Degrees of freedom of the four mean squares, in the order of `COMPONENTS`."""
        u, p, o = *self.cells.shape[:2], self.occasions
        return np.array([u - 1, p - 1, (u - 1) * (p - 1), u * p * (o - 1)], np.float64)

    def mean_squares(self, draws: Floats | None = None, patients: Floats | None = None) -> Floats:
        """Return the mean squares (4, m); ``draws`` (U,) and ``patients`` (P,) are multiplicities, None for 1."""
        u, p = self.cells.shape[:2]
        a, b = self._counts(draws, patients)
        grand = self.mean(a, b)
        centred = self.cells - grand  # before squaring: an output far from 0 would lose digits
        of_draws = np.einsum("p,upm->um", b, centred) / p
        of_patients = np.einsum("u,upm->pm", a, centred) / u
        rest = centred - of_draws[:, None] - of_patients[None]
        squares = np.stack(
            [
                p * np.einsum("u,um->m", a, of_draws**2),
                u * np.einsum("p,pm->m", b, of_patients**2),
                _sum(a, b, rest**2),
            ]
        )
        inside = _sum(a, b, self.within) / (u * p)
        return np.asarray(np.concatenate([self.occasions * squares / self.freedom[:3, None], inside[None]]), np.float64)

    def mean(self, draws: Floats | None = None, patients: Floats | None = None) -> Floats:
        """Return the mean (m,); arguments as for `mean_squares`."""
        u, p = self.cells.shape[:2]
        a, b = self._counts(draws, patients)
        return np.asarray(_sum(a, b, self.cells) / (u * p), np.float64)

    def _counts(self, draws: Floats | None, patients: Floats | None) -> tuple[Floats, Floats]:
        u, p = self.cells.shape[:2]
        return np.ones(u) if draws is None else draws, np.ones(p) if patients is None else patients

    def components(self, squares: Floats) -> Floats:
        """Return the components (4, m) from mean squares, in the order of `COMPONENTS`."""
        u, p = self.cells.shape[:2]
        o = self.occasions
        draws, patients, both, inside = squares
        return np.stack([(draws - both) / (p * o), (patients - both) / (u * o), (both - inside) / o, inside])

    def variance_of_mean(self, squares: Floats) -> Floats:
        """Return the estimated variance (m,) of the mean over all runs."""
        u, p = self.cells.shape[:2]
        return np.asarray((squares[0] + squares[1] - squares[2]) / (u * p * self.occasions), np.float64)

    def error_of_mean(self) -> tuple[Floats, Floats]:
        """Return the standard error (m,) of the mean over all runs, and Satterthwaite's degrees of freedom.

        The variance is not taken below that from draws or from patients alone, so it is never negative.
        """
        u, p = self.cells.shape[:2]
        squares, freedom = self.mean_squares()[:3], self.freedom[:3, None]
        variance = np.maximum(squares[0] + squares[1] - squares[2], np.maximum(squares[0], squares[1]))
        spread = (squares**2 / freedom).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            known = np.where(spread > 0, np.clip(variance**2 / spread, 1.0, None), 1.0)
        return np.sqrt(variance / (u * p * self.occasions)), np.asarray(known, np.float64)

    def bootstrap_correction(self) -> Floats:
        """Return the factors (4, 1) that correct components of a bootstrap, which repeats draws, for their low bias."""
        u, p = self.cells.shape[:2]
        draws, patients = u / (u - 1), p / (p - 1)
        return np.array([[draws], [patients], [draws * patients], [1.0]])


def _sum(draws: Floats, patients: Floats, cells: Floats) -> Floats:
    """Return the sum (m,) over cells (U, P, m) with the multiplicities of draws (U,) and patients (P,)."""
    return np.asarray(np.einsum("u,um->m", draws, np.einsum("p,upm->um", patients, cells)), np.float64)


def resampled(draws: int, patients: int, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Return the multiplicities of draws (resamples, U) and patients (resamples, P) in one keyed bootstrap."""
    check_count("resamples", resamples, 2)
    rng = generator(seed, _RESAMPLES)
    return (
        rng.multinomial(draws, np.full(draws, 1 / draws), resamples).astype(np.float64),
        rng.multinomial(patients, np.full(patients, 1 / patients), resamples).astype(np.float64),
    )


def normal_interval(layout: Crossed, squares: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the ends (4, m) of intervals of the components for normal effects.

    A component is the difference of two mean squares divided by a constant and has the modified large-sample interval
    of Ting 1990 (doi:10.1080/00949659008811240, RECALLED); the last is one mean square, with its chi-squared interval.
    They hold for few draws, where a bootstrap of draws is too narrow, but not for skewed effects.
    """
    from scipy.stats import chi2, f

    check_level(level)
    a = (1 - level) / 2
    u, p = layout.cells.shape[:2]
    o = layout.occasions
    low, high = np.empty_like(squares), np.empty_like(squares)
    n = layout.freedom
    for k, (effect, error, divisor) in enumerate(((0, 2, p * o), (1, 2, u * o), (2, 3, o))):
        first, second = squares[effect], squares[error]
        upper, lower = float(f.ppf(1 - a, n[effect], n[error])), float(f.ppf(a, n[effect], n[error]))
        g1, h1 = 1 - n[effect] / chi2.ppf(1 - a, n[effect]), n[effect] / chi2.ppf(a, n[effect]) - 1
        g2, h2 = 1 - n[error] / chi2.ppf(1 - a, n[error]), n[error] / chi2.ppf(a, n[error]) - 1
        g12 = ((upper - 1) ** 2 - g1**2 * upper**2 - h2**2) / upper
        h12 = ((1 - lower) ** 2 - h1**2 * lower**2 - g2**2) / lower
        down = (g1 * first) ** 2 + (h2 * second) ** 2 + g12 * first * second
        up = (h1 * first) ** 2 + (g2 * second) ** 2 + h12 * first * second
        low[k] = (first - second - np.sqrt(np.maximum(down, 0))) / divisor
        high[k] = (first - second + np.sqrt(np.maximum(up, 0))) / divisor
    low[3], high[3] = (n[3] * squares[3] / chi2.ppf(q, n[3]) for q in (1 - a, a))
    return low, high
