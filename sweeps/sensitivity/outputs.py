"""Outputs as read from a store, prepared for indices: one row per point, missing runs as NaN, paired contrasts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.contrast import paired_difference
from pulsatile.sweeps.sensitivity.design import Design

if TYPE_CHECKING:
    import xarray as xr

POINT = "design"
"""Dimension of the points of the design."""
ARM = "arm"
STEPS = 8
"""Precision steps by which an output must vary; with fewer an index measures rounding [assumed]."""


def prepare(
    design: Design,
    outputs: "xr.Dataset",
    status: "xr.DataArray | None" = None,
    contrast: str | None = None,
    precision: Mapping[str, float] | None = None,
) -> "xr.Dataset":
    """Return the outputs as float64, ``design`` first; NaN where a run is missing.

    Parameters
    ----------
    outputs
        Variables along ``design``, all with the same dimensions; flags (responder or not) count as 0 and 1.
    status
        Status along ``design``, and other dimensions of the outputs; a run is missing where it is not 0.
    contrast
        An arm; the result is the others minus this one, within each point, NaN where either run is missing.
    precision
        Relative precision of outputs that were rounded when stored, 2**-23 in float32: an output, or a difference of
        arms, that varies by at most `STEPS` times this counts as constant.

    Raises
    ------
    InputError
        When outputs, status or the arm do not fit the design.
    """
    if not outputs.data_vars:
        raise InputError("there are no outputs; give a dataset with at least one variable along design.")
    dims = {name: set(variable.dims) for name, variable in outputs.data_vars.items()}
    first = next(iter(dims))
    for name, own in dims.items():
        if POINT not in own:
            raise InputError(f"output {name} has no dimension design; it has {_listed(own)}.")
        if own != dims[first]:
            raise InputError(
                f"outputs {first} and {name} have different dimensions, {_listed(dims[first])} and {_listed(own)}; "
                "ask for curves and single numbers in two calls."
            )
        kind = outputs[name].dtype.kind
        if kind not in "fiub":
            raise InputError(f"output {name} is not numeric, its dtype is {outputs[name].dtype}; leave it out.")
    _check_points(design, outputs)
    ready = outputs.transpose(POINT, ...).astype(np.float64)
    if status is not None:
        ready = _masked(ready, status)
    for name, variable in ready.data_vars.items():
        if np.isinf(variable.values).any():
            raise InputError(f"output {name} is infinite in some runs; give NaN there, or a status other than 0.")
    result = ready if contrast is None else _contrasted(ready, contrast)
    scale_dims = [POINT] if contrast is None else [POINT, ARM]  # a difference is as coarse as the coarser arm
    for name, share in (precision or {}).items():
        y = result[name]
        rounded = y.max(POINT) - y.min(POINT) <= STEPS * share * abs(ready[name]).max(scale_dims)
        result[name] = y.where(~rounded | y.isnull(), y.mean(POINT)).transpose(POINT, ...).assign_attrs(y.attrs)
    return result


def _listed(dims: "set[str] | set[object]") -> str:
    return ", ".join(sorted(str(dim) for dim in dims)) or "none"


def _check_points(design: Design, data: "xr.Dataset | xr.DataArray") -> None:
    if data.sizes[POINT] != design.n_points:
        raise InputError(
            f"the outputs have {data.sizes[POINT]} points along design, but the design has {design.n_points}; "
            "give all points, a failed one as NaN."
        )
    if POINT in data.coords and not np.array_equal(data[POINT].values, np.arange(design.n_points)):
        raise InputError("the points of the outputs are not numbered 0, 1, 2 ...; sort them as the design has them.")


def _masked(ready: "xr.Dataset", status: "xr.DataArray") -> "xr.Dataset":
    import xarray as xr

    first = next(iter(ready.data_vars.values()))
    unknown = set(status.dims) - set(first.dims)
    if POINT not in status.dims or unknown:
        raise InputError(
            f"status has the dimensions {_listed(set(status.dims))}; design, and those of outputs, are allowed."
        )
    good = status == 0
    if POINT not in ready.coords:
        good = good.drop_vars(POINT, errors="ignore")
    try:
        xr.align(ready, good, join="exact")
    except ValueError:
        raise InputError("status and outputs differ in size or labels; give both for the same runs.") from None
    return ready.where(good).transpose(POINT, ...)


def _contrasted(ready: "xr.Dataset", contrast: str) -> "xr.Dataset":
    """Return the paired differences to an arm, each under the name of the other arm."""
    difference = paired_difference(ready, contrast)
    others = [arm for arm in ready[ARM].values if str(arm) != contrast]
    return difference.assign_coords({ARM: others}).drop_vars("kind").transpose(POINT, ...)


def flat(variable: "xr.DataArray") -> Floats:
    """Return the values (n_points, m)."""
    return cast(Floats, np.ascontiguousarray(variable.values).reshape(len(variable), -1))
