"""The front: a design and its outputs in, a dataset of indices with intervals out.

    found = indices(design, outputs, status=status, contrast="rhGH")
    found.S1.sel(output="hba1c", factor="k_out", arm="peptide")     along time

What is computed follows from the design: Saltelli blocks give Sobol' indices, Morris trajectories mu* and sigma, eFAST
curves S1 and ST, and any other sample partial rank correlations.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity import sobol as blocks
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.efast import efast
from pulsatile.sweeps.sensitivity.intervals import LEVEL, bootstrap, check_level, half_width
from pulsatile.sweeps.sensitivity.missing import bounds, leave_out, observed_limits
from pulsatile.sweeps.sensitivity.morris import morris
from pulsatile.sweeps.sensitivity.outputs import flat, prepare
from pulsatile.sweeps.sensitivity.prcc import LEAST_BEYOND, prcc

if TYPE_CHECKING:
    import xarray as xr

Columns = dict[str, tuple[str, Floats]]
"""Name -> (first dimension: ``"factor"``, ``"pair"`` or none, values)."""


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
    - attrs: method, interval, contrast, and what was done about missing runs.

    Raises
    ------
    InputError
        When outputs, status, arm or limits do not fit the design.
    """
    import xarray as xr

    check_level(level)
    ready = prepare(design, outputs, status, contrast, precision)
    unknown = set(limits or {}) - set(map(str, ready.data_vars))
    if unknown:
        raise InputError(f"limits are given for {', '.join(sorted(unknown))}, which is no output; correct the name.")
    gone = {str(name): np.isnan(flat(variable)) for name, variable in ready.data_vars.items()}
    any_gone = any(flags.any() for flags in gone.values())
    parts = []
    for name, variable in ready.data_vars.items():
        y = flat(variable)
        if design.kind == "saltelli":
            ends = (limits or {}).get(str(name))
            columns = _sobol(design, y, missing, ends, any_gone, level, resamples)
        elif design.kind == "morris":
            columns = _morris(design, y, level)
        elif design.kind == "efast":
            columns = _where_enough(design, y, lambda some: _efast(design, some, level))
        else:
            columns = _where_enough(design, y, lambda some: _prcc(design, some))
        columns["n_missing"] = "", gone[str(name)].sum(axis=0)
        parts.append(_labelled(design, variable, columns))
    found = xr.concat(parts, dim=xr.Variable("output", [str(name) for name in ready.data_vars]))
    units = [str(variable.attrs.get("units", "")) for variable in ready.data_vars.values()]
    found = found.assign_coords(unit=("output", units))
    for name in found.data_vars:
        found[name].attrs["units"] = _UNITS.get(str(name).split("_low")[0].split("_high")[0], "1")
    if "reason" in found:
        found["reason"] = found["reason"].astype(np.int8)
        found["reason"].attrs.update(
            flag_values=list(range(len(blocks.REASONS))), flag_meanings="; ".join(blocks.REASONS)
        )
    found.attrs = _told(design, contrast, missing, limits, level, gone)
    return found


_UNITS = {
    "mean": "of the output", "variance": "square of that of the output",
    "mu": "of the output", "mu_star": "of the output", "sigma": "of the output",
}  # fmt: skip


def _sobol(
    design: Design, y: Floats, method: str, ends: tuple[float, float] | None, gone: bool, level: float, resamples: int
) -> Columns:
    used = leave_out(design, y, method)
    found = blocks.sobol(design, used)
    names: Iterable[str] = ("S1", "ST") if found.s2 is None else ("S1", "ST", "S2")
    columns: Columns = {}
    for name in names:
        index = found.index(name)
        sure = half_width(index, level)
        dim = "pair" if name == "S2" else "factor"
        for end, values in (("", index.value), ("_low", index.value - sure), ("_high", index.value + sure)):
            columns[name + end] = dim, values
    if resamples:
        for name, (low, high) in bootstrap(design, used, resamples, design.seed, level).items():
            dim = "pair" if name == "S2" else "factor"
            columns[f"{name}_boot_low"], columns[f"{name}_boot_high"] = (dim, low), (dim, high)
    if gone:
        range_of = bounds(design, y, *(observed_limits(y) if ends is None else ends))
        for name, low, high in (("S1", range_of.s1_low, range_of.s1_high), ("ST", range_of.st_low, range_of.st_high)):
            # leaving out is no filling: the printed index itself may lie a little outside
            value = found.index(name).value
            columns[f"{name}_least"] = "factor", np.where(np.isfinite(value), np.minimum(low, value), np.nan)
            columns[f"{name}_most"] = "factor", np.where(np.isfinite(value), np.maximum(high, value), np.nan)
    columns["mean"], columns["variance"] = ("", found.mean), ("", found.variance)
    columns["reason"] = "", found.reason.astype(np.float64)
    return columns


def _morris(design: Design, y: Floats, level: float) -> Columns:
    found = morris(design, y, level)
    columns: Columns = {name: ("factor", getattr(found, name)) for name in ("mu", "mu_star", "sigma")}
    columns["mu_star_low"] = "factor", found.mu_star - found.half_width
    columns["mu_star_high"] = "factor", found.mu_star + found.half_width
    return columns


def _efast(design: Design, y: Floats, level: float) -> Columns:
    found = efast(design, y, level)
    columns: Columns = {}
    for name, value, sure in (("S1", found.s1, found.s1_half_width), ("ST", found.st, found.st_half_width)):
        columns[name], columns[f"{name}_low"], columns[f"{name}_high"] = (
            ("factor", value), ("factor", value - sure), ("factor", value + sure),
        )  # fmt: skip
    return columns


def _prcc(design: Design, y: Floats) -> Columns:
    found = prcc(design.values, y, design.seed)
    return {
        "prcc": ("factor", found.value), "p_value": ("factor", found.p_value),
        "dummy": ("", found.dummy), "threshold": ("", found.threshold),
    }  # fmt: skip


def _enough(design: Design, y: Floats) -> Flags:
    """Tell of which outputs (m,) of a sample or of curves enough runs are there for an index."""
    there = np.isfinite(y)
    if design.kind == "efast":
        whole = there.reshape(design.n_replicates, design.n_rows, design.n_blocks, -1).all(axis=1)
        return np.asarray(whole.any(axis=0).all(axis=0))
    return np.asarray(there.sum(axis=0) >= len(design.factors) + LEAST_BEYOND)


def _where_enough(design: Design, y: Floats, columns_of: Callable[[Floats], Columns]) -> Columns:
    """Return the columns, NaN for outputs of which too few runs are there, unless that is so of all."""
    enough = _enough(design, y)
    if enough.all() or not enough.any():
        return columns_of(y)
    found: Columns = {}
    for name, (first, part) in columns_of(y[:, enough]).items():
        whole = np.full((*part.shape[:-1], y.shape[1]), np.nan)
        whole[..., enough] = part
        found[name] = first, whole
    return found


def _labelled(design: Design, variable: "xr.DataArray", columns: Columns) -> "xr.Dataset":
    """Give the columns (..., m) the dimensions of the output again."""
    import xarray as xr

    dims, shape = variable.dims[1:], variable.shape[1:]
    names = design.names
    coords: dict[str, object] = {str(dim): variable[dim] for dim in dims if dim in variable.coords}
    coords["factor"] = names
    if any(first == "pair" for first, _ in columns.values()):
        pairs = blocks.pairs_of(len(names))
        coords["pair"] = [f"{names[i]} x {names[j]}" for i, j in pairs]
    return xr.Dataset(
        {
            name: ((first, *dims), values.reshape(-1, *shape)) if first else (dims, values.reshape(shape))
            for name, (first, values) in columns.items()
        },
        coords=coords,
    )


_METHODS = {
    "saltelli": "Sobol' indices: S1 by Saltelli 2010, ST by Jansen 1999, pooled over replicates",
    "morris": "elementary effects (Morris 1991), per full range of the factor",
    "efast": "extended FAST (Saltelli 1999)",
}


_MISSING = {
    "pairs": "each index leaves out the rows in which a run it needs is missing",
    "rows": "a row with any missing run is left out whole",
    "morris": "a step with a missing run is left out",
    "efast": "a curve with a missing run is left out",
    "prcc": "a missing run is left out",
}


def _told(
    design: Design,
    contrast: str | None,
    missing: str,
    limits: Mapping[str, tuple[float, float]] | None,
    level: float,
    gone: Mapping[str, Flags],
) -> dict[str, str]:
    """Say in words how the numbers came about."""
    replicates = design.n_replicates
    attrs = {
        "method": _METHODS.get(design.kind, "partial rank correlation (Marino 2008)"),
        "n_points": str(design.n_points),
    }
    if design.kind in _METHODS:
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
    how = _MISSING[missing if design.kind == "saltelli" else design.kind if design.kind in _METHODS else "prcc"]
    attrs["missing"] = f"at most {count} of {design.n_points} runs are missing ({most}); {how}"
    if design.kind == "saltelli":
        given = {name: (limits or {}).get(name) for name in gone}
        ranges = [
            f"{name}: {'range of the good runs' if at is None else f'{at[0]:g} ... {at[1]:g}'}"
            for name, at in given.items()
        ]
        attrs["bounds"] = "least and most hold if a missing value lies within " + "; ".join(ranges)
    return attrs
