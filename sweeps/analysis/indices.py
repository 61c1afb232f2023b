"""Indices of given data along outputs, arms and weeks: first-order, partial rank correlation, Shapley effects."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.inputs import PER_FACTOR, Inputs
from pulsatile.sweeps.sensitivity.given_data import given_data
from pulsatile.sweeps.sensitivity.prcc import prcc
from pulsatile.sweeps.sensitivity.shapley import shapley

if TYPE_CHECKING:
    import xarray as xr

HANDFUL = 6
"""Number of default inputs of the Shapley effects: the covariates with the largest S1."""
ADVISED = 500
"""Number of patients from which PRCC is trusted in practice (population, Sensitivity; RECALLED)."""
_FEWEST = 50
"""Smallest number of patients for Shapley effects; see `sweeps.sensitivity.shapley`."""


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


def shapley_of(
    inputs: Inputs, outputs: "xr.Dataset", indices: "xr.Dataset", handful: tuple[str, ...], seed: int,
    notes: list[str],
) -> "xr.Dataset | None":  # fmt: skip
    """Return Shapley effects of ``handful``, linear in ranks, of the last week; None with too few patients."""
    import xarray as xr
    from scipy.stats import rankdata

    unknown = [name for name in handful if name not in inputs.names]
    if unknown:
        raise InputError(f"{unknown[0]!r} is not an input of these patients; choose from {', '.join(inputs.names)}.")
    members = list(handful) or _largest_s1(inputs, indices)
    columns = [inputs.names.index(name) for name in members]
    included, last = inputs.included(seed), outputs.isel(week=-1)
    arms, names = [str(arm) for arm in outputs["arm"].values], [str(name) for name in outputs.data_vars]
    share = np.full((len(names), len(members), len(arms)), np.nan)
    explained = np.full((len(names), len(arms)), np.nan)
    for o, name in enumerate(names):
        for a in range(len(arms)):
            y = last[name].isel(arm=a).values
            rows = np.isfinite(y) & included
            if rows.sum() < max(_FEWEST, 10 * len(members)):
                notes.append(f"no Shapley effects of {name}, {arms[a]}: {int(rows.sum())} patients are too few")
                continue
            x, ranks = rankdata(inputs.values[np.ix_(rows, columns)], axis=0), rankdata(y[rows])
            if np.ptp(ranks) > 0:
                share[o, :, a], explained[o, a] = shapley(x, ranks, method="linear"), _r_squared(x, ranks)
    if not np.isfinite(share).any():
        return None
    return xr.Dataset(
        {
            "shapley": (("output", "member", "arm"), share, {"units": "1"}),
            "explained": (("output", "arm"), explained, {"units": "1"}),
        },
        {"output": names, "member": members, "arm": arms},
        {"method": "Shapley effects, linear in ranks", "week": f"{float(outputs['week'][-1]):g}"},
    )


def _largest_s1(inputs: Inputs, indices: "xr.Dataset") -> list[str]:
    """Return the covariates, or without any the inputs, with the largest S1 in any output, arm and week."""
    candidates = inputs.names[: inputs.covariates] or inputs.names
    largest = indices["S1"].sel(factor=list(candidates)).max(("output", "arm", "week")).values
    return [candidates[i] for i in np.argsort(-largest, kind="stable")[:HANDFUL]]


def _r_squared(x: Floats, y: Floats) -> float:
    """Return the share of the variance of y (n,) that a linear regression on x (n, k) explains."""
    a = np.column_stack([np.ones(len(x)), x])
    rest = y - a @ np.linalg.lstsq(a, y, rcond=None)[0]
    return float(1 - rest.var() / y.var())


def _flat(variable: "xr.DataArray") -> Floats:
    return np.asarray(variable.transpose("design", "arm", "week").values, np.float64).reshape(
        variable.sizes["design"], -1
    )
