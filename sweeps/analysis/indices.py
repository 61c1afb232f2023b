"""Indices of given data along outputs, arms and weeks: first-order and partial rank correlation."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.analysis.inputs import PER_FACTOR, Inputs
from pulsatile.sweeps.sensitivity.given_data import given_data
from pulsatile.sweeps.sensitivity.samples import prcc

if TYPE_CHECKING:
    import xarray as xr

ADVISED = 500
"""Number of patients from which PRCC is trusted in practice (population, Sensitivity; RECALLED)."""


def indices_of(
    inputs: Inputs, outputs: "xr.Dataset", resamples: int, seed: int, level: float, notes: list[str]
) -> "xr.Dataset":
    """Return S1 with its interval, weighted, and PRCC where patients suffice; see `analysis.of_population`.

    Parameters
    ----------
    inputs
        Inputs of n patients.
    outputs
        Dims (design, arm, week), the n patients along design, NaN where a run failed.
    resamples, seed, level
        Half samples, seed and level of the intervals.
    notes
        Sentences on results that are left out are appended.
    """
    import xarray as xr

    arms, weeks = outputs["arm"].values, outputs["week"].values
    names = [str(name) for name in outputs.data_vars]
    included, k = inputs.included(seed), len(inputs.names)
    ranked = int(included.sum()) >= max(PER_FACTOR * k, k + 4)
    if not ranked:
        notes.append(f"no PRCC: {int(included.sum())} patients are too few for {k} inputs")
    elif included.sum() < ADVISED:
        notes.append(f"PRCC from {int(included.sum())} patients and {k} inputs: {ADVISED} patients are advised")
    # all columns in one call: the ranks of an input serve all of them
    y = np.concatenate([_flat(outputs[name]) for name in names], axis=1)
    estimate = given_data(inputs.values, y, weights=inputs.weights, resamples=resamples, seed=seed, level=level)
    one, of_factor = ("output", "arm", "week"), ("factor", "output", "arm", "week")
    shape = (len(names), len(arms), len(weeks))
    columns: dict[str, Any] = {
        "S1": (of_factor, estimate.s1.reshape(k, *shape)), "S1_low": (of_factor, estimate.low.reshape(k, *shape)),
        "S1_high": (of_factor, estimate.high.reshape(k, *shape)),
        "n_effective": (one, estimate.n_effective.reshape(shape)),
    }  # fmt: skip
    if ranked:
        rank = prcc(inputs.values[included], y[included], seed)
        columns |= {
            "prcc": (of_factor, rank.value.reshape(k, *shape)), "p_value": (of_factor, rank.p_value.reshape(k, *shape)),
            "dummy": (one, rank.dummy.reshape(shape)), "threshold": (one, rank.threshold.reshape(shape)),
        }  # fmt: skip
    dataset = xr.Dataset(columns, {"output": names, "factor": list(inputs.names), "arm": arms, "week": weeks})
    dataset = dataset.transpose("output", "factor", "arm", "week")
    units = [str(outputs[name].attrs.get("units", "")) for name in names]
    for variable in dataset.data_vars.values():
        variable.attrs["units"] = "1"
    return dataset.assign_coords(unit=("output", units), factor_unit=("factor", list(inputs.units)))


def _flat(variable: "xr.DataArray") -> Floats:
    return np.asarray(variable.transpose("design", "arm", "week").values, np.float64).reshape(
        variable.sizes["design"], -1
    )
