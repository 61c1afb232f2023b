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
    names, shape = [str(name) for name in outputs.data_vars], (len(arms), len(weeks))
    included, k = inputs.included(seed), len(inputs.names)
    ranked = int(included.sum()) >= max(PER_FACTOR * k, k + 4)
    if not ranked:
        notes.append(f"no PRCC: {int(included.sum())} patients are too few for {k} inputs")
    elif included.sum() < ADVISED:
        notes.append(f"PRCC from {int(included.sum())} patients and {k} inputs: {ADVISED} patients are advised")
    parts = []
    for name in names:
        y = _flat(outputs[name])
        estimate = given_data(inputs.values, y, weights=inputs.weights, resamples=resamples, seed=seed, level=level)
        columns: dict[str, Any] = {
            "S1": (("factor", "arm", "week"), estimate.s1.reshape(k, *shape)),
            "S1_low": (("factor", "arm", "week"), estimate.low.reshape(k, *shape)),
            "S1_high": (("factor", "arm", "week"), estimate.high.reshape(k, *shape)),
            "n_effective": (("arm", "week"), estimate.n_effective.reshape(shape)),
        }
        if ranked:
            rank = prcc(inputs.values[included], y[included], seed)
            columns |= {
                "prcc": (("factor", "arm", "week"), rank.value.reshape(k, *shape)),
                "p_value": (("factor", "arm", "week"), rank.p_value.reshape(k, *shape)),
                "dummy": (("arm", "week"), rank.dummy.reshape(shape)),
                "threshold": (("arm", "week"), rank.threshold.reshape(shape)),
            }
        parts.append(xr.Dataset(columns, {"factor": list(inputs.names), "arm": arms, "week": weeks}))
    dataset = xr.concat(parts, dim=xr.Variable("output", names))
    units = [str(outputs[name].attrs.get("units", "")) for name in names]
    for variable in dataset.data_vars.values():
        variable.attrs["units"] = "1"
    return dataset.assign_coords(unit=("output", units), factor_unit=("factor", list(inputs.units)))


def _flat(variable: "xr.DataArray") -> Floats:
    return np.asarray(variable.transpose("design", "arm", "week").values, np.float64).reshape(
        variable.sizes["design"], -1
    )
