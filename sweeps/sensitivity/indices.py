"""Entry point: takes a design and its outputs, returns a dataset of indices with intervals.

    dataset = indices(design, outputs, status=status, contrast="rhGH")
    dataset.S1.sel(output="hba1c", factor="k_out", arm="peptide")     along time

The kind of the design selects the method, a row of `sweeps.sensitivity.methods`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags, usual_float_errors
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.intervals import LEVEL, check_level
from pulsatile.sweeps.sensitivity.method import Columns, Method, Settings
from pulsatile.sweeps.sensitivity.methods import method_of
from pulsatile.sweeps.sensitivity.outputs import flat, prepare
from pulsatile.sweeps.sensitivity.sobol import REASONS, pairs_of

if TYPE_CHECKING:
    import xarray as xr


@usual_float_errors
def indices(
    design: Design,
    outputs: "xr.Dataset",
    *,
    status: "xr.DataArray | None" = None,
    contrast: str | None = None,
    missing: str = "surrogate",
    limits: Mapping[str, tuple[float, float]] | None = None,
    level: float = LEVEL,
    resamples: int = 0,
    precision: Mapping[str, float] | None = None,
) -> "xr.Dataset":
    """Return the indices of every output, over all arms, times and other dimensions.

    Parameters
    ----------
    design
        Design of the points that were run.
    outputs
        Variables of the same dimensions, ``design`` one of them; units in attrs; NaN for a missing run.
    status
        0 for a good run; dimensions as for `sweeps.sensitivity.outputs.prepare`.
    contrast
        An arm; the indices are then of the difference of each other arm to it, within the same point.
    missing
        For Saltelli blocks, how missing runs are treated: filled by a ``"surrogate"``, or left out by ``"pairs"`` or
        ``"rows"`` (`sweeps.sensitivity.missing`).
    limits
        Per output, the range in which a missing run (with ``contrast``: the difference) would lie, for the bounds;
        default the range of the good runs.
    level
        Level of the intervals.
    resamples
        Resamples of the bootstrap of rows, reported next to the interval across replicates; 0 for none.
    precision
        Relative precision of outputs that were rounded when stored (`sweeps.sensitivity.outputs.prepare`).

    Returns
    -------
    Dataset with dims (output, factor, ...), ``factor`` being the groups of the design:

    - of Saltelli blocks: ``S1``, ``ST``, ``S2`` (along ``pair``), each with ``_low`` and ``_high``; with ``resamples``
      also ``_boot_low`` and ``_boot_high``; with missing runs S1 and ST also have ``_least`` and ``_most``, which
      enclose this index and that of the full design, for all values of the missing runs within their limits;
    - of Morris trajectories: ``mu``, ``mu_star`` and ``sigma`` (unit of the output); of eFAST curves ``S1`` and
      ``ST``; of other samples ``prcc`` with ``p_value``, ``dummy`` and ``threshold``;
    - ``mean``, ``variance`` (of Saltelli blocks), ``n_missing``, ``reason``: a code where the index is NaN;
    - attrs: kind (the row of `sweeps.sensitivity.methods`), method, interval, contrast, and the handling of missing
      runs.

    Raises
    ------
    InputError
        When outputs, status, arm or limits do not fit the design.
    """
    import xarray as xr

    check_level(level)
    method = method_of(design)
    ready = prepare(design, outputs, status, contrast, precision)
    names = [str(name) for name in ready.data_vars]
    unknown = set(limits or {}) - set(names)
    if unknown:
        raise InputError(f"limits: {min(unknown)} is not an output; choose from {', '.join(names)}.")
    absent = {str(name): np.isnan(flat(variable)) for name, variable in ready.data_vars.items()}
    incomplete = any(flags.any() for flags in absent.values())
    parts = []
    for name, variable in ready.data_vars.items():
        settings = Settings(level, missing, resamples, (limits or {}).get(str(name)), incomplete)
        columns = method.columns(design, flat(variable), settings)
        columns["n_missing"] = "", absent[str(name)].sum(axis=0)
        parts.append(_labelled(design, variable, columns))
    dataset = xr.concat(parts, dim=xr.Variable("output", names))
    units = [str(variable.attrs.get("units", "")) for variable in ready.data_vars.values()]
    dataset = dataset.assign_coords(unit=("output", units))
    units_of = {"mean": "of the output", "variance": "square of that of the output"}
    units_of |= {measure.name: measure.unit for measure in method.measures}
    for name in dataset.data_vars:
        dataset[name].attrs["units"] = units_of.get(str(name).split("_low")[0].split("_high")[0], "1")
    if "reason" in dataset:
        dataset["reason"] = dataset["reason"].astype(np.int8)
        dataset["reason"].attrs.update(flag_values=list(range(len(REASONS))), flag_meanings="; ".join(REASONS))
    dataset.attrs = _attributes(design, method, contrast, missing, limits, level, absent)
    return dataset


def _labelled(design: Design, variable: "xr.DataArray", columns: Columns) -> "xr.Dataset":
    """Return the columns (..., m) as a dataset with the dimensions of the output."""
    import xarray as xr

    dims, shape = variable.dims[1:], variable.shape[1:]
    names = design.names
    coords: dict[str, object] = {str(dim): variable[dim] for dim in dims if dim in variable.coords}
    coords["factor"] = names
    if any(first == "pair" for first, _ in columns.values()):
        pairs = pairs_of(len(names))
        coords["pair"] = [f"{names[i]} x {names[j]}" for i, j in pairs]
    return xr.Dataset(
        {
            name: ((first, *dims), values.reshape(-1, *shape)) if first else (dims, values.reshape(shape))
            for name, (first, values) in columns.items()
        },
        coords=coords,
    )


def _attributes(
    design: Design,
    method: Method,
    contrast: str | None,
    missing: str,
    limits: Mapping[str, tuple[float, float]] | None,
    level: float,
    absent: Mapping[str, Flags],
) -> dict[str, str]:
    """Return attributes that describe how the indices were computed."""
    replicates = design.n_replicates
    attrs = {"kind": method.kind, "method": method.words, "n_points": str(design.n_points)}
    if method.has_convergence:
        attrs["interval"] = (
            f"t, {level:.0%}, across {replicates} replicates"
            if replicates > 1
            else "none: one replicate has no scatter"
        )
    elif method.no_interval:
        attrs["interval"] = f"none: {method.no_interval}"
    if contrast is not None:
        attrs["contrast"] = f"each arm minus {contrast}, within the same point of the design"
    most = max(absent, key=lambda name: int(absent[name].sum(axis=0).max()))
    count = int(absent[most].sum(axis=0).max())
    if not count:
        return attrs | {"missing": "no run is missing"}
    handling = method.missing_words(missing)
    attrs["missing"] = f"at most {count} of {design.n_points} runs are missing ({most}); {handling}"
    if method.bounds:
        limits_of = {name: (limits or {}).get(name) for name in absent}
        ranges = [
            f"{name}: {'range of the good runs' if ends is None else f'{ends[0]:g} ... {ends[1]:g}'}"
            for name, ends in limits_of.items()
        ]
        attrs["bounds"] = "least and most hold if a missing value lies within " + "; ".join(ranges)
    return attrs
