"""Contrasts within patients of a crossover, adjusted for period.

Least squares of  value = patient + period + treatment + error  with a constant of every patient, so that differences
between patients cancel.  With two treatments in two periods it is the closed form of Hills and Armitage (1979,
RECALLED): with d the value of period 2 minus that of period 1,

    treatment = (mean of d in patients who receive the control first - mean of d in the others) / 2
    period    = (mean of d in the first + mean of d in the others) / 2

and the intervals are Student's with the pooled variance of d and n - 2 degrees of freedom.  Errors of one patient count
as independent, with one variance [assumed for more than two periods].
"""

from math import nan, sqrt
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Codes, Floats
from pulsatile.sweeps.summary.shares import combined_changes
from pulsatile.sweeps.summary.two_samples import Contrast, student

NOTHING = Contrast(nan, nan, nan)


class Effects(NamedTuple):
    """Effects of treatments against treatment 0, and of periods against the first; one `Contrast` each; ``patients``.

    ``patients`` is the number with a value in at least two periods.
    """

    treatments: list[Contrast]
    periods: list[Contrast]
    patients: int


def crossover_effects(
    values: Floats, treatment: Codes, treatments: int, level: float, *, shares: bool = False
) -> Effects:
    """Return the effects of treatments and periods.

    Parameters
    ----------
    values
        (n, periods), NaN where missing; a patient with fewer than two values is left out.
    treatment
        (n, periods) codes 0 ... treatments - 1, 0 the control.
    treatments
        Number of treatments.
    level
        Of the intervals.
    shares
        The values are 0 and 1.  Their intervals are those of paired differences of shares (`sweeps.summary.shares`),
        for two treatments in two periods only; for these Student's t does not hold.
    """
    known = np.isfinite(values)
    kept = known.sum(axis=1) >= 2
    known, treatment, y = known[kept], treatment[kept], np.where(known, values, 0.0)[kept]
    n, periods = known.shape
    columns = [np.broadcast_to(np.arange(periods) == p, known.shape) for p in range(1, periods)]
    columns += [treatment == t for t in range(1, treatments)]
    design = np.stack([column * known for column in columns], axis=-1).astype(float)
    count = known.sum(axis=1)[:, None]
    design = (design - known[..., None] * (design.sum(axis=1) / count)[:, None, :]) if n else design
    centred = (y - known * (y.sum(axis=1)[:, None] / count)) if n else y
    square = np.einsum("npk,npl->kl", design, design)
    if not n or np.linalg.matrix_rank(square) < len(columns):
        return Effects([NOTHING] * (treatments - 1), [NOTHING] * (periods - 1), n)
    if shares:
        return _of_shares(y, treatment, treatments, level)
    inverse = np.linalg.inv(square)
    effects = inverse @ np.einsum("npk,np->k", design, centred)
    freedom = int(known.sum()) - n - len(columns)
    residual = float(np.sum((centred - design @ effects) ** 2))
    variance = residual / freedom if freedom > 0 else nan
    found = [
        student(float(effect), sqrt(variance * own) if freedom > 0 else nan, freedom, level)
        for effect, own in zip(effects, np.diag(inverse), strict=True)
    ]
    return Effects(found[periods - 1 :], found[: periods - 1], n)


def _of_shares(y: Floats, treatment: Codes, treatments: int, level: float) -> Effects:
    """Return the effects on shares: combinations of the changes from period 1 to 2 in two groups of patients."""
    if y.shape[1] != 2 or treatments != 2:
        return Effects([NOTHING] * (treatments - 1), [NOTHING] * (y.shape[1] - 1), len(y))
    step = treatment[:, 1].astype(int) - treatment[:, 0]
    groups = [(y[:, 1] - y[:, 0])[step == k] for k in np.unique(step)]
    if len(groups) != 2:
        return Effects([NOTHING], [NOTHING], len(y))
    early, late = np.unique(step)
    # change = period + step x treatment in each group
    span = float(late - early)
    of_treatment = combined_changes(groups, [-1 / span, 1 / span], level)
    of_period = combined_changes(groups, [late / span, -early / span], level)
    return Effects([Contrast(*of_treatment)], [Contrast(*of_period)], len(y))
