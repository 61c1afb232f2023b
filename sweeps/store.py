"""The store on disk: the only zarr code.

One Zarr (version 3) group with the variables of the engine's dataset.  Whatever runs along ``patient`` is cut there
into chunks; a task owns whole chunks, so that no two writers ever touch one file.  Core codecs only (Blosc: zstd 1,
byte shuffle), every array with a fill value that is never data.
"""

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec

from sweeps.identity import arrays_hash

if TYPE_CHECKING:
    import xarray as xr

FLAG_FILL = -1
"""Fill of integer arrays; no status has this code."""

Arrays = list[tuple[str, npt.NDArray[Any]]]


def create(path: Path, template: "xr.Dataset", chunk: int, dtype: str, attrs: dict[str, Any]) -> None:
    """Create the store of a run, all fill but for the coordinates.

    Parameters
    ----------
    path : folder of the store; must not exist
    template : dataset of the whole run (`engine.simulate.template`); only shapes, attributes and coordinates are read
    chunk : patients per chunk
    dtype : float32 or float64, of what is stored of floating-point variables
    attrs : attributes of the dataset, beside those of the template
    """
    group = zarr.create_group(store=path, zarr_format=3, attributes=_plain({**template.attrs, **attrs}))
    covariates = [str(name) for name in template.coords if name not in template.dims]
    for key in (*template.coords, *template.data_vars):
        name = str(key)
        variable = template[name]
        is_index = name in template.dims
        text = variable.dtype.kind in "OUT"
        kind, fill, flag = _storage(variable.dtype, dtype, keep=name in template.coords)
        attributes = _plain(variable.attrs) | flag
        if name in template.data_vars and covariates and "patient" in variable.dims:
            attributes["coordinates"] = " ".join(covariates)
        along = {"patient": min(chunk, variable.sizes.get("patient", 1)), "arm": 1}
        array = group.create_array(
            name,
            shape=variable.shape,
            chunks=variable.shape if is_index else tuple(along.get(str(d), variable.sizes[d]) for d in variable.dims),
            dtype="str" if text else kind,
            fill_value="" if text else fill,
            compressors=None if text else BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
            dimension_names=[str(d) for d in variable.dims],
            attributes=attributes,
        )
        # integers are written at once: until a task has run, status says "never run", and the fill is no status
        if "patient" not in variable.dims or is_index or variable.dtype.kind == "i":
            array[...] = variable.values
    _consolidate(path)


def _storage(dtype: np.dtype[Any], stored: str, keep: bool) -> tuple[str, Any, dict[str, Any]]:
    """Return dtype on disk, fill value, and the attribute that tells readers of it."""
    if dtype.kind == "f":
        return (dtype.str if keep else stored), float("nan"), {}
    if dtype.kind == "i" and not keep:
        return dtype.str, FLAG_FILL, {}  # without _FillValue, which would make readers see floats
    return dtype.str, 0, {}


def _plain(attrs: dict[Any, Any]) -> dict[str, Any]:
    """Return attributes as JSON can hold them."""
    return {
        str(k): v.tolist() if isinstance(v, np.ndarray | np.generic) else list(v) if isinstance(v, tuple) else v
        for k, v in attrs.items()
    }


def _consolidate(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(str(path))


def write_chunk(path: Path, first: int, stop: int, dataset: "xr.Dataset") -> str:
    """Write the patients at positions ``first`` to before ``stop``, whole chunks; return the SHA-256 of what is stored.

    Raises
    ------
    ValueError
        When the range does not begin and end on the borders of chunks: another task could own the rest of a chunk.
    """
    group = zarr.open_group(store=path, mode="r+")
    written: Arrays = []
    for key in (*dataset.coords, *dataset.data_vars):
        name = str(key)
        dims = dataset[name].dims
        if "patient" not in dims or name in dataset.dims:
            continue
        array = group[name]
        assert isinstance(array, zarr.Array)
        axis = dims.index("patient")
        size, n = array.chunks[axis], array.shape[axis]
        if first % size or not (stop % size == 0 or stop == n) or not 0 <= first < stop <= n:
            raise ValueError(f"patients {first} to {stop} are not whole chunks of {size} in {n} patients")
        values = np.asarray(dataset[name].values, array.dtype)
        array[tuple(slice(first, stop) if i == axis else slice(None) for i in range(len(dims)))] = values
        written.append((name, values))
    return arrays_hash(written)


def finish(path: Path, attrs: dict[str, Any]) -> None:
    """Add attributes (digest, counts) to a finished store."""
    zarr.open_group(store=path, mode="r+").attrs.update(_plain(attrs))
    _consolidate(path)


def blocks(path: Path, names: list[str] | None = None) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Yield the stored values of all patients, patient first, chunk after chunk in patient order."""
    group = zarr.open_group(store=path, mode="r")
    arrays = {str(name): array for name, array in group.arrays() if names is None or name in names}
    axes = {name: dimension_names(array).index("patient") for name, array in arrays.items()
            if "patient" in dimension_names(array)}  # fmt: skip
    size = group["status"].chunks[1]  # type: ignore[union-attr]
    n = group["patient"].shape[0]  # type: ignore[union-attr]
    for first in range(0, n, size):
        yield {
            name: np.moveaxis(_slab(arrays[name], axis, first, min(first + size, n)), axis, 0)
            for name, axis in axes.items()
        }


def _slab(array: Any, axis: int, first: int, stop: int) -> npt.NDArray[Any]:
    return np.asarray(array[tuple(slice(first, stop) if i == axis else slice(None) for i in range(array.ndim))])


def dimension_names(array: Any) -> tuple[str, ...]:
    """Return the names of an array's dimensions."""
    return tuple(str(name) for name in array.metadata.dimension_names or ())


def digest(path: Path) -> str:
    """Return the hash of the stored values, coordinates, units and status; it does not depend on the chunks."""
    group = zarr.open_group(store=path, mode="r")
    whole = hashlib.sha256()
    streams: dict[str, Any] = {}
    for name, array in sorted(group.arrays()):
        head = f"{name} {array.dtype} {array.shape} {dimension_names(array)} {array.attrs.get('units', '')}\0"
        streams[name] = hashlib.sha256(head.encode())
        if "patient" not in dimension_names(array):
            streams[name].update("\0".join(map(repr, np.asarray(array[...]).ravel().tolist())).encode())
    for block in blocks(path):
        for name, values in block.items():
            streams[name].update(np.ascontiguousarray(values).tobytes())
    for name in sorted(streams):
        whole.update(streams[name].digest())
    return whole.hexdigest()


def open_dataset(path: Path) -> "xr.Dataset":
    """Open a store as analysts do: plain `xarray.open_zarr`, nothing loaded."""
    import xarray as xr

    dataset: xr.Dataset = xr.open_zarr(path, chunks=None)
    return dataset
