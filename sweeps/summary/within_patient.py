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
from pulsatile.sweeps.summary.two_samples import Contrast, student


class Effects(NamedTuple):
    """Effects of treatments against treatment 0, and of periods against the first; one `Contrast` each; ``patients``.

    ``patients`` is the number with a value in at least two periods.
    """

    treatments: list[Contrast]
    periods: list[Contrast]
    patients: int


def crossover_effects(values: Floats, treatment: Codes, treatments: int, level: float) -> Effects:
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
    y = (y - known * (y.sum(axis=1)[:, None] / count)) if n else y
    square = np.einsum("npk,npl->kl", design, design)
    if not n or np.linalg.matrix_rank(square) < len(columns):
        nothing = Contrast(nan, nan, nan)
        return Effects([nothing] * (treatments - 1), [nothing] * (periods - 1), n)
    inverse = np.linalg.inv(square)
    effects = inverse @ np.einsum("npk,np->k", design, y)
    freedom = int(known.sum()) - n - len(columns)
    residual = float(np.sum((y - design @ effects) ** 2))
    variance = residual / freedom if freedom > 0 else nan
    found = [
        student(float(effect), sqrt(variance * own) if freedom > 0 else nan, freedom, level)
        for effect, own in zip(effects, np.diag(inverse), strict=True)
    ]
    return Effects(found[periods - 1 :], found[: periods - 1], n)
