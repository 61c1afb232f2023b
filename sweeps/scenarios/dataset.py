"""The dataset of a sweep: the runs side by side along ``scenario``, read from disk where values are used."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.errors import Status
from pulsatile.sweeps.disk.check import open_dataset as open_run
from pulsatile.sweeps.errors import Damage
from pulsatile.sweeps.scenarios.record import SweepRecord, finished, is_sweep
from pulsatile.sweeps.scenarios.results import opened, scenario_dataset

if TYPE_CHECKING:
    import xarray as xr

SCENARIO = "scenario"
OWN_ATTRS = ("identity", "digest", "seed", "control", "resolved_study")
"""Attributes of a run that are not those of the sweep."""


def open_dataset(path: str | Path) -> "xr.Dataset":
    """Open the results of a run or a sweep lazily, once every file is what was committed.

    Parameters
    ----------
    path : folder of a run or of a finished sweep, or a store, for example runs/a or runs/a/results.zarr

    Returns
    -------
    xarray.Dataset
        Dims arm, patient, time and those of the tests, with ``status``.  Of a sweep, variables of patients also have
        the dim ``scenario``, with a coordinate for each axis and the ``digest`` of each scenario; covariates that some
        scenarios lack are NaN there; where scenarios have other ids, ``patient`` is the position and ``patient_id`` is
        a coordinate.

    Raises
    ------
    InputError, FolderRefuses
        Where there is no store, or a sweep is not finished.
    Damage
        Where values were changed since they were committed; the sentence names the chunks.
    """
    if not isinstance(path, str | Path) or not is_sweep(path):
        return open_run(path)
    folder = Path(path)
    record = finished(folder)
    runs = opened(folder, record)
    return _side_by_side([scenario_dataset(runs[row.run], row) for row in record.rows], record, folder)


def _side_by_side(parts: "list[xr.Dataset]", record: SweepRecord, folder: Path) -> "xr.Dataset":
    import xarray as xr

    first = parts[0]
    same_ids = all(np.array_equal(part["patient"].values, first["patient"].values) for part in parts)
    coords: dict[str, Any] = {SCENARIO: (SCENARIO, np.arange(len(parts)), {"long_name": "scenario of the sweep"})}
    for axis in record.axes:
        column = [row.values[axis] for row in record.rows]
        coords[axis] = (SCENARIO, _column(column), {"long_name": f"axis {axis} of the sweep"})
    coords["scenario_digest"] = (SCENARIO, np.array([row.digest for row in record.rows], object))
    data: dict[str, Any] = {}
    for name in dict.fromkeys(str(name) for part in parts for name in part.variables):
        have = [part[name].variable for part in parts if name in part.variables]
        if name == "patient" and not same_ids:
            coords["patient"] = ("patient", np.arange(first.sizes["patient"]), {"long_name": "position of the patient"})
            ids = np.stack([part["patient"].values for part in parts])
            coords["patient_id"] = ((SCENARIO, "patient"), ids, {"long_name": "virtual patient"})
        elif name in first.dims or not {"arm", "patient"} & set(have[0].dims):
            if any(not np.array_equal(variable.values, have[0].values) for variable in have):
                raise Damage(f"{folder}: its runs have other labels of {name}; they are not of one sweep.")
            coords[name] = have[0]
        elif name in first.data_vars and name != "status":
            data[name] = _lazy([part[name].variable for part in parts])
        else:
            place = data if name == "status" else coords
            place[name] = _stacked([part.variables.get(name) for part in parts], have[0])
    attrs = {key: value for key, value in first.attrs.items() if key not in OWN_ATTRS}
    controls = {row.control for row in record.rows}
    attrs |= {"digest": record.digest} | ({"control": controls.pop()} if len(controls) == 1 else {})
    return xr.Dataset(data, coords, attrs)


def _column(values: list[Any]) -> npt.NDArray[Any]:
    """Return the values of an axis: numbers where all are, else text."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    return np.array([value if isinstance(value, str) else json.dumps(value) for value in values], object)


def _stacked(parts: list[Any], like: Any) -> Any:
    """Return small variables along ``scenario``; one that a scenario lacks is NaN, or empty text, there."""
    import xarray as xr

    missing: Any = Status.NEVER_RUN if like.dtype.kind == "i" else np.nan if like.dtype.kind == "f" else ""
    values = [np.full(like.shape, missing, like.dtype) if part is None else part.values for part in parts]
    return xr.Variable((SCENARIO, *like.dims), np.stack(values), like.attrs)


def _lazy(parts: list[Any]) -> Any:
    """Return variables along ``scenario``, read when values are used."""
    import xarray as xr
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class SideBySide(BackendArray):
        """Several arrays of one shape along a new first axis."""

        shape = (len(parts), *parts[0].shape)
        dtype = parts[0].dtype

        def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._values)

        def _values(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
            chosen, rest = np.arange(len(parts))[key[0]], dict(zip(parts[0].dims, key[1:], strict=True))
            if np.ndim(chosen) == 0:
                return np.asarray(parts[int(chosen)].isel(rest).values)
            blocks = [np.asarray(parts[k].isel(rest).values) for k in chosen.tolist()]
            return np.stack(blocks) if blocks else np.empty((0, *parts[0].isel(rest).shape), self.dtype)

    return xr.Variable((SCENARIO, *parts[0].dims), indexing.LazilyIndexedArray(SideBySide()), parts[0].attrs)
