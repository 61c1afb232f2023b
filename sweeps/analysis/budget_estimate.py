"""The arithmetic of a variance budget: components of every arm, of paired contrasts, and over all arms.

Over all arms the component *arm* is the variance of the arms' true means: that of the estimated means, less the bias
from chance, mean over arms of Var(mean) minus Var(mean of all).  The other components are means over the arms.

Intervals.  *arm*: its root is a contrast of the arms, for two arms half their difference, which has a t interval over
draws and patients (of more arms the lower end is Scheffe's); its ends are squared, and the lower is 0, or the estimate
where that is below 0, where the t interval contains 0.  *patients*: `jackknifed`, because a variance of skewed or
heavy-tailed patients depends on few of them.  The others: a bootstrap over draws and patients.  Each interval of a
crossed component contains that for normal effects (`sweeps.sensitivity.anova`).
"""

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.contrast import with_differences
from pulsatile.sweeps.sensitivity import anova
from pulsatile.sweeps.sensitivity.anova import Crossed, normal_interval, resampled

COMPONENTS = ("arm", *anova.COMPONENTS, "residual", "numerical")
_CROSSED = slice(1, 5)
_PATIENTS = COMPONENTS.index("patients")
_FEWEST_JACKKNIFED = 4
"""Fewest patients whose component is jackknifed: without one of them two degrees of freedom are left."""


class BudgetEstimate:
    """Components of the rows, which are the arms, the contrasts, and all arms.

    Parameters
    ----------
    values
        Outputs (draws, patients, occasions, arms, outputs, weeks), all finite.
    error
        Numerical error of the checked patients (checked, arms, outputs, weeks).
    cv
        CV of the assay (outputs,), 0 without one.
    contrast
        Position of the arm with which the others are compared; None: no contrasts.
    """

    def __init__(self, values: Floats, error: Floats, cv: Floats, contrast: int | None = None) -> None:
        self.n_arms, self.shape, self.values = values.shape[3], values.shape[4:], values
        everything = with_differences(values, contrast, axis=3)
        self.layout, self.of_mean_arm = Crossed.of(everything), Crossed.of(values.mean(axis=3))
        # noise has mean 1, so E[(measured - true)^2] = true^2 CV^2; arms share it, so the same holds for a difference
        self.residual = ((everything * cv[:, None]) ** 2).mean(axis=(0, 2))
        self.numerical = with_differences(error, contrast, axis=1) ** 2

    def variance(self) -> Floats:
        """Return the components (7, rows, outputs, weeks); the component arm is NaN except for all arms."""
        components = self._blank()
        squares = self.layout.mean_squares()
        components[_CROSSED] = self.layout.components(self._rows(squares))
        if self.n_arms > 1:
            components[0, -1] = self._means()[: self.n_arms].var(axis=0) - self._chance(squares)
        components[5], components[6] = (self._all_arms(_mean(part)) for part in (self.residual, self.numerical))
        return components

    def mean(self) -> Floats:
        """Return the means (rows, outputs, weeks)."""
        return self._all_arms(self._means())

    def ends(self, resamples: int, seed: int, level: float) -> tuple[Floats, Floats]:
        """Return the ends of the intervals, of the shape of `variance`."""
        u, p = self.layout.cells.shape[:2]
        drawn = np.full((resamples, *self._blank().shape), np.nan)
        squares = self.layout.mean_squares()
        correction = self.layout.bootstrap_correction()[:, :, None, None]
        n = max(len(self.numerical), 1)
        # the same resampling for all columns
        checks = resampled(2, n, resamples, seed)[1]
        for b, (draws, patients) in enumerate(zip(*resampled(u, p, resamples, seed), strict=True)):
            again = self._rows(self.layout.mean_squares(draws, patients))
            drawn[b, _CROSSED] = self.layout.components(again) * correction
            drawn[b, 5] = self._all_arms(_mean(self.residual, patients))
            drawn[b, 6] = self._all_arms(_mean(self.numerical, checks[b, : len(self.numerical)]))
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        if self.n_arms > 1:
            low[0, -1], high[0, -1] = self._arm_ends(self.variance()[0, -1], level)
        lower, upper = self._jackknifed(level)
        kept = np.isfinite(lower)
        low[_PATIENTS], high[_PATIENTS] = np.where(kept, lower, low[_PATIENTS]), np.where(kept, upper, high[_PATIENTS])
        rows = self._rows(squares)
        lower, upper = (end.reshape(rows.shape) for end in normal_interval(self.layout, rows.reshape(4, -1), level))
        low[_CROSSED], high[_CROSSED] = np.minimum(low[_CROSSED], lower), np.maximum(high[_CROSSED], upper)
        return low, high

    def _blank(self) -> Floats:
        return np.full((len(COMPONENTS), len(self.residual[0]) + 1, *self.shape), np.nan)

    def _all_arms(self, rows: Floats) -> Floats:
        """Append the mean of the arms (without the contrasts) to (..., rows, outputs, weeks)."""
        mean = rows[..., : self.n_arms, :, :].mean(axis=-3, keepdims=True)
        return np.concatenate([rows, mean], axis=-3)

    def _rows(self, squares: Floats) -> Floats:
        """Return mean squares (4, m) of the layout as (4, rows, outputs, weeks)."""
        return self._all_arms(squares.reshape(4, -1, *self.shape))

    def _means(self) -> Floats:
        return self.layout.mean().reshape(-1, *self.shape)

    def _arm_ends(self, variance: Floats, level: float) -> tuple[Floats, Floats]:
        """Return the ends (outputs, weeks) of the interval of the variance of the arms' means."""
        from scipy.stats import f, t

        centred = self._means()[: self.n_arms]
        centred = centred - centred.mean(axis=0)
        length = np.sqrt((centred**2).sum(axis=0))
        along = centred / np.where(length > 0, length, 1.0) / np.sqrt(self.n_arms)
        contrast = Crossed.of(np.einsum("upoakw,akw->upokw", self.values, along))
        root = (length / np.sqrt(self.n_arms)).ravel()
        error, freedom = contrast.error_of_mean()
        # of more than two arms the direction is that of their estimated means: Scheffe's factor, which allows for it
        below = np.sqrt((self.n_arms - 1) * f.ppf(level, self.n_arms - 1, freedom)) * error
        low = np.minimum(np.maximum(root - below, 0.0) ** 2, variance.ravel())
        high = (root + t.ppf((1 + level) / 2, freedom) * error) ** 2
        return low.reshape(self.shape), high.reshape(self.shape)

    def _jackknifed(self, level: float) -> tuple[Floats, Floats]:
        """Return the ends (rows, outputs, weeks) of the intervals of the component patients."""

        def patients(layout: Crossed) -> Floats:
            return np.asarray(layout.components(self._rows(layout.mean_squares()))[_PATIENTS - 1], np.float64)

        cells, within = self.layout.cells, self.layout.within
        if cells.shape[1] < _FEWEST_JACKKNIFED:
            return (np.full((len(self.residual[0]) + 1, *self.shape), np.nan),) * 2
        without = [
            patients(Crossed(np.delete(cells, i, 1), np.delete(within, i, 1), self.layout.occasions))
            for i in range(cells.shape[1])
        ]
        return jackknifed(patients(self.layout), np.stack(without), level)

    def _chance(self, squares: Floats) -> Floats:
        """Return the bias from chance in the variance of the arms' means (outputs, weeks)."""
        separate = self.layout.variance_of_mean(squares).reshape(-1, *self.shape)[: self.n_arms].mean(axis=0)
        pooled = self.of_mean_arm.variance_of_mean(self.of_mean_arm.mean_squares())
        return np.asarray(separate - pooled.reshape(self.shape), np.float64)


def _mean(squares: Floats, times: Floats | None = None) -> Floats:
    """Return the mean over patients (n, ...) with multiplicities ``times`` (n,); NaN without patients."""
    if not len(squares):
        return np.full(squares.shape[1:], np.nan)
    return np.asarray(np.average(squares, axis=0, weights=times), np.float64)


def jackknifed(variance: Floats, without: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the ends of intervals of a variance by the jackknife of its logarithm (Miller 1968, RECALLED).

    Parameters
    ----------
    variance
        Estimates (...).
    without
        The same without each patient in turn (n, ...).
    level
        Of the intervals.

    Returns
    -------
    tuple of arrays
        Ends (...), NaN where an estimate is not positive.  They are Student's, with the degrees of freedom of
        Satterthwaite for the kurtosis of the pseudo-values: few patients in a tail tell little of their spread.
    """
    from scipy.stats import t

    n = len(without)
    sound = (variance > 0) & (without > 0).all(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pseudo = n * np.log(variance) - (n - 1) * np.log(without)
        centre = pseudo.mean(axis=0)
        squares = (pseudo - centre) ** 2
        excess = (squares**2).mean(axis=0) / squares.mean(axis=0) ** 2 - 1
        freedom = np.clip(2 * n / excess, 1, n - 1)
        half = t.ppf((1 + level) / 2, freedom) * np.sqrt(squares.sum(axis=0) / (n * (n - 1)))
        ends = np.exp(centre - half), np.exp(centre + half)
    return np.where(sound, ends[0], np.nan), np.where(sound, ends[1], np.nan)
