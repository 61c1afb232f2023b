"""Extended FAST: each factor in turn has a high frequency, the others low ones, and the spectrum is partitioned.

Sources: Saltelli 1999 doi:10.1080/00401706.1999.10485594 (RECALLED), frequencies as in SALib (READ).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design, build, check_count, check_size, generator
from pulsatile.sweeps.sensitivity.factors import Factor, partition
from pulsatile.sweeps.sensitivity.method import Columns, Settings, with_enough_runs
from pulsatile.sweeps.sensitivity.sobol import ROUNDING, Mean

EFAST = "efast"
HARMONICS = 4
"""Harmonics of the high frequency that count as the factor's own (interference factor M)."""


def frequencies(points: int, k: int, harmonics: int = HARMONICS) -> tuple[int, npt.NDArray[np.int64]]:
    """Return the high frequency and those of the other ``k - 1`` factors."""
    fast = (points - 1) // (2 * harmonics)
    most = fast // (2 * harmonics)
    if most >= k - 1:
        return fast, np.floor(np.linspace(1, most, k - 1)).astype(np.int64)
    return fast, np.arange(k - 1) % most + 1


def efast_design(
    factors: Sequence[Factor], points: int = 129, curves: int = 4, seed: int = 0, harmonics: int = HARMONICS
) -> Design:
    """Return ``curves * points * k`` points: ``curves`` curves per factor, each with its own random phases.

    Parameters
    ----------
    points
        Points of each curve; at least 4 M^2 + 1 (65 for M = 4 harmonics).
    curves
        Curves per factor; 3 to 5 are usual (RECALLED).

    Raises
    ------
    InputError
        When the curve has too few points for its frequencies.
    """
    kept = tuple(factors)
    groups = partition(kept)
    check_count("harmonics", harmonics, 1)
    check_count("points", points, 4 * harmonics**2 + 1)
    check_count("curves", curves, 1)
    k = len(kept)
    check_size(points * curves * k, k, seed)
    fast, slow = frequencies(points, k, harmonics)
    s = 2 * np.pi * np.arange(points) / points
    cube = np.empty((curves, points, k, k))
    for r in range(curves):
        phases = generator(seed, r).random((k, k)) * 2 * np.pi
        for i in range(k):
            angle = np.outer(s, np.insert(slow, i, fast)) + phases[i]
            cube[r, :, i] = 0.5 + np.arcsin(np.sin(angle)) / np.pi
    return build(EFAST, kept, groups, np.clip(cube, 0, 1), seed, harmonics)


@dataclass(frozen=True)
class Efast:
    """S1 and ST (factors, m), and the number of curves used."""

    s1: Floats
    st: Floats
    curves: Floats


def efast(design: Design, y: npt.ArrayLike) -> Efast:
    """Return the indices of outputs (n_points, ...), flattened to m; a curve with a missing run is left out.

    S1 of a factor without an effect of its own is a few hundredths, not 0, because frequencies interfere (Ishigami, x3,
    1,025 points: S1 = 0.027): compare it with that of a dummy factor.  There is no interval: all curves share this
    bias, so that an interval from their scatter covers 55-94 % instead of 95 %.

    Raises
    ------
    InputError
        When the outputs do not belong to the design, or a factor has no whole curve.
    """
    checked = design.check(y, EFAST)
    n, k, harmonics = design.n_rows, len(design.factors), design.setting
    outputs = checked.reshape(design.n_replicates, n, k, -1)
    if np.isnan(outputs).any(axis=1).all(axis=0).any():
        raise InputError("no whole curve is left for a factor: eFAST needs every run of a curve; take Saltelli blocks.")
    fast, _ = frequencies(n, k, harmonics)
    spectrum = abs(np.fft.rfft(outputs, axis=1)[:, 1 : (n + 1) // 2] / n) ** 2
    total = spectrum.sum(axis=1)
    size = abs(outputs).max(axis=1)
    total = np.where(total > (ROUNDING * size) ** 2, total, np.nan)  # a constant curve has no spectrum
    first_order = spectrum[:, np.arange(1, harmonics + 1) * fast - 1].sum(axis=1) / total
    all_orders = 1 - spectrum[:, : fast // 2].sum(axis=1) / total
    return Efast(_mean(first_order), _mean(all_orders), np.isfinite(first_order).sum(axis=0).astype(np.float64))


def _mean(values: Floats) -> Floats:
    """Return the mean (factors, m) over the whole curves."""
    whole = np.isfinite(values)
    flat = values.reshape(len(values), -1)
    mean = Mean(np.where(np.isfinite(flat), flat, 0.0), np.isfinite(flat).astype(np.float64))
    return mean.value.reshape(whole.shape[1:])


def columns(design: Design, y: Floats, settings: Settings) -> Columns:
    """Return S1 and ST of outputs (n_points, m); NaN for outputs that lack a whole curve of a factor."""
    whole = np.isfinite(y).reshape(design.n_replicates, design.n_rows, design.n_blocks, -1).all(axis=1)

    def columns_of(outputs: Floats) -> Columns:
        estimate = efast(design, outputs)
        return {"S1": ("factor", estimate.s1), "ST": ("factor", estimate.st)}

    return with_enough_runs(np.asarray(whole.any(axis=0).all(axis=0)), y, columns_of)
