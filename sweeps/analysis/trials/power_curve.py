"""Power as a function of the patients per arm: the run's own, under its uncertainty, and by drawn trials."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.analysis.trials.power_values import Compared
from pulsatile.sweeps.summary.paired_statistics import LEVEL
from pulsatile.sweeps.summary.success import Success
from pulsatile.sweeps.summary.trial_power import (
    Means,
    power_of_means,
    power_of_shares,
    simulated_means,
    simulated_shares,
    uncertain_means,
    uncertain_shares,
)

MOST_SOUGHT = 2000
"""Largest number of patients per arm that is looked for."""
ENDS = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)


class Curve(Protocol):
    """Power at any number of patients per arm."""

    def at(self, n: int) -> float:
        """Return the power at the run's own means and SDs, or shares."""

    def uncertain(self, n: int) -> Floats:
        """Return the power (k,) at the values that the run leaves possible."""

    def simulated(self, n: int, trials: int, rng: np.random.Generator) -> float:
        """Return the share of trials that succeed whose patients are drawn from those of the run."""


@dataclass(frozen=True)
class MeansCurve:
    """The t test of means; ``draws`` are the means and SDs that the run leaves possible."""

    data: Compared
    rule: Success
    paired: bool
    point: Means
    draws: Means

    def at(self, n: int) -> float:
        """Return the power at the run's own means and SDs."""
        return float(power_of_means(self.point, n, self.rule, self.paired)[0])

    def uncertain(self, n: int) -> Floats:
        """Return the power (k,) at each of the draws."""
        return power_of_means(self.draws, n, self.rule, self.paired)

    def simulated(self, n: int, trials: int, rng: np.random.Generator) -> float:
        """Return the share of trials that succeed."""
        arm, control, weights = self.data[:3]
        return simulated_means(arm, control, weights, n, self.rule, self.paired, trials, rng)


@dataclass(frozen=True)
class SharesCurve:
    """The chi-square test of shares; ``draws`` are the shares that the run leaves possible."""

    data: Compared
    rule: Success
    point: tuple[Floats, Floats]
    draws: tuple[Floats, Floats]

    def at(self, n: int) -> float:
        """Return the power at the run's own shares."""
        return float(power_of_shares(*self.point, n, self.rule)[0])

    def uncertain(self, n: int) -> Floats:
        """Return the power (k,) at each of the draws."""
        return power_of_shares(*self.draws, n, self.rule)

    def simulated(self, n: int, trials: int, rng: np.random.Generator) -> float:
        """Return the share of trials that succeed."""
        arm, control, weights = self.data[:3]
        return simulated_shares(arm, control, weights, n, self.rule, trials, rng)


def curve_of(data: Compared, rule: Success, paired: bool, draws: int, rng: np.random.Generator) -> Curve:
    """Return the power curve of values, with ``draws`` of what the run leaves possible."""
    arm, control, weights = data[:3]
    if data.of_events:
        point = tuple(np.array([np.average(values, weights=weights)]) for values in (arm, control))
        return SharesCurve(data, rule, (point[0], point[1]), uncertain_shares(arm, control, weights, draws, rng))
    means = uncertain_means(arm, control, weights, draws, rng)
    return MeansCurve(data, rule, paired, Means.of(arm, control, weights), means)


def needed(curve: Curve, power: float) -> tuple[int | None, int | None, int | None]:
    """Return the least n with that power, and the ends of its interval; None where it is above `MOST_SOUGHT`."""

    def low(n: int) -> float:
        return float(np.quantile(curve.uncertain(n), ENDS[0]))

    def high(n: int) -> float:
        return float(np.quantile(curve.uncertain(n), ENDS[1]))

    found: list[int | None] = []
    for function in (curve.at, high, low):
        below, above = 1, MOST_SOUGHT
        if function(above) < power:
            found.append(None)
            continue
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (below, middle) if function(middle) >= power else (middle, above)
        found.append(above)
    return found[0], found[1], found[2]
