"""The arithmetic of a variance budget: components of every arm, of paired contrasts, and over all arms.

Over all arms the component *arm* is the variance of the arms' true means: that of the estimated means, less the bias
from chance, mean over arms of Var(mean) minus Var(mean of all).  The other components are means over the arms.
"""

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.contrast import with_differences
from pulsatile.sweeps.sensitivity import anova
from pulsatile.sweeps.sensitivity.anova import Crossed, normal_interval, resampled

COMPONENTS = ("arm", *anova.COMPONENTS, "residual", "numerical")
_CROSSED = slice(1, 5)


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
        self.n_arms, self.shape = values.shape[3], values.shape[4:]
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
            components[0, -1] = self._between(None, None) - self._chance(squares)
        components[5], components[6] = (self._all_arms(_mean(part)) for part in (self.residual, self.numerical))
        return components

    def mean(self) -> Floats:
        """Return the means (rows, outputs, weeks)."""
        return self._all_arms(self._means())

    def ends(self, resamples: int, seed: int, level: float) -> tuple[Floats, Floats]:
        """Return the ends of the intervals, each the wider of the bootstrap and the normal interval."""
        u, p = self.layout.cells.shape[:2]
        drawn = np.full((resamples, *self._blank().shape), np.nan)
        squares = self.layout.mean_squares()
        chance = self._chance(squares)
        correction = self.layout.bootstrap_correction()[:, :, None, None]
        n = max(len(self.numerical), 1)
        # the same resampling for all columns
        checks = resampled(2, n, resamples, seed)[1]
        for b, (draws, patients) in enumerate(zip(*resampled(u, p, resamples, seed), strict=True)):
            if self.n_arms > 1:  # chance enters by the runs and again by the resampling
                drawn[b, 0, -1] = self._between(draws, patients) - 2 * chance
            again = self._rows(self.layout.mean_squares(draws, patients))
            drawn[b, _CROSSED] = self.layout.components(again) * correction
            drawn[b, 5] = self._all_arms(_mean(self.residual, patients))
            drawn[b, 6] = self._all_arms(_mean(self.numerical, checks[b, : len(self.numerical)]))
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
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

    def _means(self, draws: Floats | None = None, patients: Floats | None = None) -> Floats:
        return self.layout.mean(draws, patients).reshape(-1, *self.shape)

    def _between(self, draws: Floats | None, patients: Floats | None) -> Floats:
        """Return the variance of the arms' estimated means (outputs, weeks)."""
        return np.asarray(self._means(draws, patients)[: self.n_arms].var(axis=0), np.float64)

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
