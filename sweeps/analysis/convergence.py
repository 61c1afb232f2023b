"""Convergence of indices and their intervals as replicates are added: the design cut after 2, 4, 8 ... replicates.

Replicates are independent and come one after another, so the first r of them form a complete design.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.intervals import LEVEL
from pulsatile.sweeps.sensitivity.methods import kinds, method_of
from pulsatile.sweeps.sensitivity.outputs import POINT

if TYPE_CHECKING:
    import xarray as xr


def first_replicates(design: Design, replicates: int) -> Design:
    """Return the design of the first ``replicates`` replicates."""
    kept = design.replicate < replicates
    return replace(
        design, unit=design.unit[kept], values=design.values[kept], replicate=design.replicate[kept],
        row=design.row[kept], block=design.block[kept],
    )  # fmt: skip


def has_convergence(design: Design) -> bool:
    """Return whether the design has intervals across replicates whose convergence can be shown."""
    return design.n_replicates > 1 and method_of(design).has_convergence


def convergence(
    design: Design, outputs: "xr.Dataset", status: "xr.DataArray | None" = None, contrast: str | None = None,
    level: float = LEVEL, precision: Mapping[str, float] | None = None,
) -> "xr.Dataset":  # fmt: skip
    """Return the indices from the first 2, 4, 8 ... and from all replicates, along ``points`` (runs of each arm).

    Parameters
    ----------
    design, outputs, status, contrast, level, precision
        As for `sweeps.sensitivity.indices.indices`; the method of the design gives intervals across replicates.

    Returns
    -------
    Dataset of `indices`, with the dimension ``points`` and its coordinate ``replicates``.

    Raises
    ------
    InputError
        When the design has fewer than two replicates, or its indices have no interval.
    """
    import xarray as xr

    n = design.n_replicates
    if not has_convergence(design):
        raise InputError(
            f"a design of kind {design.kind} with {n} replicate{'s' * (n != 1)} has no interval that could converge; "
            f"take {kinds(lambda method: method.has_convergence)} with at least two replicates."
        )
    steps = [2**k for k in range(1, n.bit_length()) if 2**k < n] + [n]
    parts = []
    for replicates in steps:
        part = first_replicates(design, replicates)
        rows = {POINT: slice(0, part.n_points)}
        kept = None if status is None else status.isel(rows)
        dataset = indices(part, outputs.isel(rows), status=kept, contrast=contrast, level=level, precision=precision)
        # there are bounds only from the first failed run on
        parts.append(dataset.drop_vars([name for name in dataset.data_vars if str(name).endswith(("_least", "_most"))]))
    points = xr.Variable("points", [first_replicates(design, r).n_points for r in steps])
    dataset = xr.concat(parts, dim=points, combine_attrs="override")
    return dataset.assign_coords(replicates=("points", np.array(steps)))
