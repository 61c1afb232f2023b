"""The front: a design and its outputs in, a dataset of indices with intervals out.

    found = indices(design, outputs, status=status, contrast="rhGH")
    found.S1.sel(output="hba1c", factor="k_out", arm="peptide")     along time

What is computed follows from the design: its kind names a row of `sweeps.sensitivity.methods`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.intervals import LEVEL, check_level
from pulsatile.sweeps.sensitivity.method import Columns, Method, Settings
from pulsatile.sweeps.sensitivity.methods import method_of
from pulsatile.sweeps.sensitivity.outputs import flat, prepare
from pulsatile.sweeps.sensitivity.sobol import REASONS, pairs_of

if TYPE_CHECKING:
    import xarray as xr


def indices(
    design: Design,
    outputs: "xr.Dataset",
    *,
    status: "xr.DataArray | None" = None,
    contrast: str | None = None,
    missing: str = "pairs",
    limits: Mapping[str, tuple[float, float]] | None = None,
    level: float = LEVEL,
    resamples: int = 0,
    precision: Mapping[str, float] | None = None,
) -> "xr.Dataset":
    """Return the indices of every output, for every arm, time and other dimension at once.

    Parameters
    ----------
    design
        The points that were run.
    outputs
        Variables of the same dimensions, ``design`` one of them; units in attrs; NaN for a missing run.
    status
        0 for a good run; dimensions of `sweeps.sensitivity.outputs.prepare`.
    contrast
        An arm: indices of the difference of each other arm to it, within the same point.
    missing
        Of Saltelli blocks: ``"pairs"`` or ``"rows"`` (`sweeps.sensitivity.missing`).
    limits
        Per output, between which values a missing run (with ``contrast``: the difference) would have lain, for the
        bounds; the range of the good runs where not given.
    level
        Of the intervals.
    resamples
        Of the bootstrap of rows, printed beside the interval across replicates; 0 for none.
    precision
        Of outputs that were rounded when they were stored (`sweeps.sensitivity.outputs.prepare`).

    Returns
    -------
    Dataset with dims (output, factor, ...), ``factor`` being the groups of the design:

    - of Saltelli blocks: ``S1``, ``ST``, ``S2`` (along ``pair``), each with ``_low`` and ``_high``; with ``_boot_low``
      and ``_boot_high`` when asked for; and, when runs are missing, S1 and ST with ``_least`` and ``_most``, which
      hold this index and that of the full design, for all values of the missing runs within their limits;
    - of Morris trajectories: ``mu``, ``mu_star`` and ``sigma`` (unit of the output); of eFAST curves ``S1`` and
      ``ST``; of other samples ``prcc`` with ``p_value``, ``dummy`` and ``threshold``;
    - ``mean``, ``variance`` (of Saltelli blocks), ``n_missing``, ``reason``: a code where the index is NaN;
    - attrs: kind (the row of `sweeps.sensitivity.methods`), method, interval, contrast, and what was done about
      missing runs.

    Raises
    ------
    InputError
        When outputs, status, arm or limits do not fit the design.
    """
    import xarray as xr

    check_level(level)
    method = method_of(design)
    ready = prepare(design, outputs, status, contrast, precision)
    unknown = set(limits or {}) - set(map(str, ready.data_vars))
    if unknown:
        raise InputError(f"limits are given for {', '.join(sorted(unknown))}, which is no output; correct the name.")
    gone = {str(name): np.isnan(flat(variable)) for name, variable in ready.data_vars.items()}
    incomplete = any(flags.any() for flags in gone.values())
    parts = []
    for name, variable in ready.data_vars.items():
        settings = Settings(level, missing, resamples, (limits or {}).get(str(name)), incomplete)
        columns = method.columns(design, flat(variable), settings)
        columns["n_missing"] = "", gone[str(name)].sum(axis=0)
        parts.append(_labelled(design, variable, columns))
    found = xr.concat(parts, dim=xr.Variable("output", [str(name) for name in ready.data_vars]))
    units = [str(variable.attrs.get("units", "")) for variable in ready.data_vars.values()]
    found = found.assign_coords(unit=("output", units))
    units_of = {"mean": "of the output", "variance": "square of that of the output"}
    units_of |= {measure.name: measure.unit for measure in method.measures}
    for name in found.data_vars:
        found[name].attrs["units"] = units_of.get(str(name).split("_low")[0].split("_high")[0], "1")
    if "reason" in found:
        found["reason"] = found["reason"].astype(np.int8)
        found["reason"].attrs.update(flag_values=list(range(len(REASONS))), flag_meanings="; ".join(REASONS))
    found.attrs = _words(design, method, contrast, missing, limits, level, gone)
    return found


def _labelled(design: Design, variable: "xr.DataArray", columns: Columns) -> "xr.Dataset":
    """Give the columns (..., m) the dimensions of the output again."""
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


def _words(
    design: Design,
    method: Method,
    contrast: str | None,
    missing: str,
    limits: Mapping[str, tuple[float, float]] | None,
    level: float,
    gone: Mapping[str, Flags],
) -> dict[str, str]:
    """Say in words how the numbers came about."""
    replicates = design.n_replicates
    attrs = {"kind": method.kind, "method": method.words, "n_points": str(design.n_points)}
    if method.settles:
        attrs["interval"] = (
            f"t, {level:.0%}, across {replicates} replicates"
            if replicates > 1
            else "none: one replicate has no scatter"
        )
    if contrast is not None:
        attrs["contrast"] = f"each arm minus {contrast}, within the same point of the design"
    most = max(gone, key=lambda name: int(gone[name].sum(axis=0).max()))
    count = int(gone[most].sum(axis=0).max())
    if not count:
        return attrs | {"missing": "no run is missing"}
    how = method.missing_words(missing)
    attrs["missing"] = f"at most {count} of {design.n_points} runs are missing ({most}); {how}"
    if method.bounds:
        given = {name: (limits or {}).get(name) for name in gone}
        ranges = [
            f"{name}: {'range of the good runs' if at is None else f'{at[0]:g} ... {at[1]:g}'}"
            for name, at in given.items()
        ]
        attrs["bounds"] = "least and most hold if a missing value lies within " + "; ".join(ranges)
    return attrs
