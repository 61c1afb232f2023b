"""One index for a whole curve: which factors matter for the trajectory as a whole.

The variance of a vector output is partitioned by the traces of covariance matrices: a time point counts by its variance
and by its weight, and the index is invariant to shifts and rotations of the output:

    S1_i = sum_t w_t V_t S1_i(t) / sum_t w_t V_t, and the same for ST

Source: Gamboa 2014, arXiv 1311.1797 (READ): the generalised Sobol' index.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.intervals import interval
from pulsatile.sweeps.sensitivity.outputs import flat
from pulsatile.sweeps.sensitivity.sobol import FINE, Index, Sobol, sobol
from pulsatile.sweeps.sensitivity.surrogate import estimate

if TYPE_CHECKING:
    import xarray as xr


def time_weights(times: npt.ArrayLike) -> Floats:
    """Return the weights of the trapezoidal rule, which sum to 1, for ascending times in any unit.

    Raises
    ------
    InputError
        When the times are not finite and ascending.
    """
    t = np.asarray(times, np.float64)
    if t.ndim != 1 or not len(t) or not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        raise InputError("the times must be finite and ascend; sort them and leave out repetitions.")
    if len(t) == 1:
        return np.ones(1)
    steps = np.diff(t)
    both = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    return np.asarray(both / (2 * (t[-1] - t[0])), np.float64)


def of_trajectory(found: Sobol, weights: npt.ArrayLike) -> tuple[Index, Index]:
    """Return S1 and ST of trajectories, with the contribution of each replicate.

    Parameters
    ----------
    found
        Indices of m = c * len(weights) outputs, time the fastest; the result has c outputs.
    weights
        Weights of the time points, not negative; points whose output does not vary have variance 0.

    Raises
    ------
    InputError
        When the weights do not fit, or all outputs of a trajectory are constant or missing.
    """
    w = np.asarray(weights, np.float64)
    m = len(found.variance)
    if w.ndim != 1 or not len(w) or m % len(w) or not np.isfinite(w).all() or (w < 0).any() or not w.any():
        raise InputError(f"{w.size} weights do not fit {m} outputs: give one per time point, none negative, not all 0.")
    fine = found.reason == FINE
    if not fine.reshape(-1, len(w)).any(axis=1).all():
        raise InputError("the output does not vary at any time, or all runs are missing; leave the trajectory out.")
    return _pooled(found, found.s1, fine, w), _pooled(found, found.st, fine, w)


def curves(design: Design, outputs: "xr.Dataset", level: float) -> "xr.Dataset":
    """Return S1 and ST of trajectories over the weeks, with intervals: dims (output, factor, arm).

    Parameters
    ----------
    design
        Saltelli blocks.
    outputs
        Dims (design, arm, week), NaN where a run is missing, which a surrogate fills.
    level
        Level of the intervals.
    """
    import xarray as xr

    weights, arms = time_weights(outputs["week"].values), outputs["arm"].values
    shape = (len(design.names), len(arms))
    parts = []
    for variable in outputs.data_vars.values():
        y = flat(variable.transpose("design", "arm", "week"))
        fine = (sobol(design, y).reason == FINE).reshape(len(arms), -1).any(axis=1)
        pooled = of_trajectory(estimate(design, y[:, np.repeat(fine, len(weights))]), weights) if fine.any() else ()
        columns: dict[str, Any] = {}
        for name, index in zip(("S1", "ST"), pooled or (None, None), strict=True):
            value, low, high = (np.full(shape, np.nan) for _ in range(3))
            if index is not None:
                value[:, fine] = index.value
                low[:, fine], high[:, fine] = interval(index, level, ratio=name == "ST")
            for end, values in (("", value), ("_low", low), ("_high", high)):
                columns[name + end] = (("factor", "arm"), values, {"units": "1"})
        parts.append(xr.Dataset(columns, {"factor": design.names, "arm": arms}))
    dataset = xr.concat(parts, dim=xr.Variable("output", [str(name) for name in outputs.data_vars]))
    dataset.attrs["method"] = "generalised Sobol' index of the trajectory over the weeks (arXiv 1311.1797)"
    return dataset


def _pooled(found: Sobol, index: Index, fine: Flags, w: Floats) -> Index:
    """Return the index weighted by the variance at each time; a replicate contributes V e_S + S e_V to n = V S."""
    c = len(fine) // len(w)
    weight = np.where(fine, found.variance, 0.0) * np.tile(w, c)
    total = weight.reshape(c, -1).sum(axis=1)
    local = np.where(fine, index.value, 0.0)
    value = (local * weight).reshape(len(local), c, -1).sum(axis=2) / total
    spread = np.where(fine, found.variance_influence, 0.0) * np.tile(w, c)
    deviation = local - np.repeat(value, len(w), axis=1)
    added = np.where(fine, index.influence, 0.0) * weight + deviation * spread[:, None]
    influence = added.reshape(*added.shape[:2], c, -1).sum(axis=3) / total
    if index.fill is None:
        return Index(value, influence)
    # the weeks' errors of the fill go together: the same runs are missing
    fill = (np.where(fine, index.fill, 0.0) * weight).reshape(len(local), c, -1).sum(axis=2) / total
    return Index(value, influence, np.asarray(fill, np.float64))
