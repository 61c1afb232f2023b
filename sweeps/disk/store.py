"""The store on disk: the only zarr code.

One Zarr (version 3) group with the variables of the engine's dataset.  Variables along ``patient`` are cut into chunks
along it; a task owns whole chunks, so that no two writers ever touch one file.  Covariates and status are in one chunk
(`sweeps.disk.one_piece`).  Core codecs only (Blosc: zstd 1, byte
shuffle); every array has a fill value that is never data: NaN, and "never run" for the status.

Nothing is written here: zarr encodes into memory, and `sweeps.disk.files` puts whole, synced files on disk.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.buffer import cpu
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from pulsatile.engine.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

Files = dict[str, bytes]
"""Content of files by path relative to the store, with ``/``."""
Arrays = dict[str, npt.NDArray[Any]]
ROOT = "zarr.json"
"""The file with all metadata of a store."""
_Held = dict[str, Any]
_CODEC = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")


def template_files(template: "xr.Dataset", chunk: int, dtype: str, attrs: dict[str, Any]) -> Files:
    """Return the files of a store that holds fill values, except for its coordinates.

    Parameters
    ----------
    template : dataset of the whole run (`engine.simulate.template`); only shapes, attributes and coordinates are read
    chunk : patients per chunk
    dtype : float32 or float64, type of the stored floating-point variables
    attrs : attributes of the dataset, in addition to those of the template
    """
    from xarray.conventions import encode_cf_variable

    held: _Held = {}
    group = zarr.create_group(MemoryStore(held), zarr_format=3, attributes=_plain({**template.attrs, **attrs}))
    others = [str(name) for name in template.coords if name not in template.dims]
    # coordinates that no variable runs along are named by the group, so that readers find them
    loose = [n for n in others if not any(set(template[n].dims) <= set(v.dims) for v in template.data_vars.values())]
    if loose:
        group.attrs["coordinates"] = " ".join(loose)
    for key in (*template.coords, *template.data_vars):
        name, dims = str(key), tuple(map(str, template[key].dims))
        variable = encode_cf_variable(template[key].variable) if template[key].dtype.kind == "m" else template[key]
        text = variable.dtype.kind in "OUT"
        kept = name in template.coords or variable.dtype.kind != "f"
        attributes = _plain(variable.attrs)
        if name in template.data_vars:
            along = [other for other in others if set(template[other].dims) <= set(dims)]
            attributes |= {"coordinates": " ".join(along)} if along else {}
        sizes = {} if is_whole(dims) else {"patient": min(chunk, variable.sizes["patient"]), "arm": 1}
        array = group.create_array(
            name,
            shape=variable.shape,
            chunks=tuple(max(1, sizes.get(d, variable.sizes[d])) for d in dims),
            dtype="str" if text else variable.dtype.str if kept else dtype,
            fill_value="" if text else _fill(template, name),
            compressors=None if text else _CODEC,
            dimension_names=list(dims),
            attributes=attributes,
        )
        if "patient" not in dims or name == "patient":
            array[...] = variable.values
    return _consolidated(held)


def is_whole(dims: tuple[str, ...]) -> bool:
    """Return whether an array is in one chunk: one of patients only if it has no axis but theirs and the arms'."""
    return "patient" not in dims or set(dims) <= {"arm", "patient"}


def _fill(template: "xr.Dataset", name: str) -> Any:
    """Return the fill value; that of an integer variable is the template's constant value, "never run"."""
    variable = template[name]
    if variable.dtype.kind == "f":
        return float("nan")
    return int(variable.values.flat[0]) if name in template.data_vars and variable.size else 0


def plain_files(
    shapes: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]], chunk: int, attrs: dict[str, Any]
) -> Files:
    """Return the files of a store of float64 arrays, given by name as (dimensions, shape), full of fill values."""
    held: _Held = {}
    group = zarr.create_group(MemoryStore(held), zarr_format=3, attributes=_plain(attrs))
    for name, (dims, shape) in shapes.items():
        along = {"patient": chunk, "arm": 1}
        group.create_array(
            name, shape=shape, chunks=tuple(max(1, min(along.get(d, n), n)) for d, n in zip(dims, shape, strict=True)),
            dtype="float64", fill_value=float("nan"), compressors=_CODEC, dimension_names=list(dims),
        )  # fmt: skip
    return _consolidated(held)


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes in types that JSON can hold."""
    return {
        str(k): v.tolist() if isinstance(v, np.ndarray | np.generic) else list(v) if isinstance(v, tuple) else v
        for k, v in attrs.items()
    }


def _consolidated(held: _Held) -> Files:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(MemoryStore(held))
    return {name: buffer.to_bytes() for name, buffer in held.items()}


def with_attrs(root: bytes, attrs: dict[str, Any]) -> Files:
    """Return a store's metadata, given as the content of its file, with further attributes of the dataset."""
    metadata = json.loads(root)
    metadata["attributes"] |= _plain(attrs)
    return {ROOT: json.dumps(metadata, indent=2).encode()}


def chunk_files(
    path: Path, first: int, stop: int, values: Mapping[str, npt.NDArray[Any]], whole: bool = False
) -> Files:
    """Return the files of the patients at positions ``first`` to before ``stop``, which are whole chunks.

    Parameters
    ----------
    path : the store, of which only the metadata are read
    values : of every variable along ``patient``, these patients only
    whole : write the arrays that are in one chunk, and no others; else the others

    Raises
    ------
    ValueError
        When the range does not begin and end at chunk boundaries: another task could own the rest of a chunk.
    """
    held: _Held = {ROOT: cpu.Buffer.from_bytes((path / ROOT).read_bytes())}
    with zarr.config.set({"array.write_empty_chunks": True}):  # a missing file is always damage
        group = zarr.open_group(MemoryStore(held), mode="r+", use_consolidated=True)
        for name, array in group.arrays():
            if name not in values or is_whole(dimension_names(array)) != whole:
                continue
            axis = dimension_names(array).index("patient")
            size, n = array.chunks[axis], array.shape[axis]
            if first % size or not (stop % size == 0 or stop == n) or not 0 <= first < stop <= n:
                raise ValueError(f"patients {first} to {stop} are not whole chunks of {size} in {n} patients")
            array[_along(array, axis, first, stop)] = np.asarray(values[name], array.dtype)
    del held[ROOT]
    return {name: buffer.to_bytes() for name, buffer in held.items()}


def patients_stored(path: Path, first: int, stop: int, names: list[str] | None = None) -> Arrays:
    """Return the stored values of patients at positions ``first`` to before ``stop``, by variable, axes as stored."""
    group = zarr.open_group(store=path, mode="r")
    return {
        str(name): np.asarray(array[_along(array, dimension_names(array).index("patient"), first, stop)])
        for name, array in group.arrays()
        if (names is None or name in names) and "patient" in dimension_names(array)
    }


def coordinates(path: Path) -> Arrays:
    """Return the stored arrays that do not run along ``patient``."""
    group = zarr.open_group(store=path, mode="r")
    return {
        str(name): np.asarray(array[...]) for name, array in group.arrays() if "patient" not in dimension_names(array)
    }


def dims(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of the dimensions of every array."""
    return {str(name): dimension_names(array) for name, array in zarr.open_group(store=path, mode="r").arrays()}


def sizes(path: Path) -> dict[str, int]:
    """Return the lengths of the dimensions."""
    arrays = zarr.open_group(store=path, mode="r").arrays()
    return {dim: n for _, array in arrays for dim, n in zip(dimension_names(array), array.shape, strict=True)}


def texts(path: Path) -> set[str]:
    """Return the names of the arrays of text along patients, without their ids; no committed row holds them."""
    arrays = zarr.open_group(store=path, mode="r").arrays()
    names = {str(name) for name, array in arrays if "patient" in dimension_names(array) and array.dtype.kind in "OUT"}
    return names - {"patient"}


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of the dataset."""
    return dict(zarr.open_group(store=path, mode="r").attrs)


def _along(array: Any, axis: int, first: int, stop: int) -> tuple[slice, ...]:
    return tuple(slice(first, stop) if i == axis else slice(None) for i in range(array.ndim))


def blocks(path: Path, names: list[str] | None = None) -> Iterator[Arrays]:
    """Yield the stored values of all patients, patient first, chunk after chunk in patient order."""
    group = zarr.open_group(store=path, mode="r")
    arrays: dict[str, Any] = {str(k): array for k, array in group.arrays() if "patient" in dimension_names(array)}
    n = arrays["patient"].shape[0]
    axes = {name: dimension_names(array).index("patient") for name, array in arrays.items()}
    size = min((array.chunks[axes[name]] for name, array in arrays.items()), default=n)
    wanted = {name: array for name, array in arrays.items() if names is None or name in names}
    # once, not once for each block
    whole: Arrays = {name: np.asarray(array[...]) for name, array in wanted.items() if is_whole(dimension_names(array))}
    for first in range(0, n, size):
        stop = min(first + size, n)
        yield {
            name: np.moveaxis(np.asarray(whole.get(name, array)[_along(array, axes[name], first, stop)]), axes[name], 0)
            for name, array in wanted.items()
        }


def dimension_names(array: Any) -> tuple[str, ...]:
    """Return the names of an array's dimensions."""
    return tuple(str(name) for name in array.metadata.dimension_names or ())


def digest(path: Path, arms: Mapping[str, str] | None = None) -> str:
    """Return the hash of the stored values, units, status and labels of the axes; no chunk size changes it.

    Descriptions are left out: coordinates that are neither of patients nor labels, such as the words of an arm.  With
    ``arms``, it is the digest of a run of these alone: new name and name in the store, in order.
    """
    group = zarr.open_group(store=path, mode="r")
    whole = hashlib.sha256()
    streams: dict[str, Any] = {}
    named = {} if arms is None else {"arm": list(arms)}
    stored = [] if arms is None else coordinates(path)["arm"].tolist()
    rows = [stored.index(name) for name in (arms or {}).values()]
    across = {str(name) for name, array in group.arrays() if arms is not None and "arm" in dimension_names(array)}
    for name, array in sorted(group.arrays()):
        dims = dimension_names(array)
        if "patient" not in dims and dims != (name,):
            continue
        shape = tuple(len(rows) if name in across and d == "arm" else n for d, n in zip(dims, array.shape, strict=True))
        head = f"{name} {array.dtype} {shape} {dims} {array.attrs.get('units', '')}\0"
        streams[name] = hashlib.sha256(head.encode())
        if "patient" not in dims:
            labels = named.get(name) or np.asarray(array[...]).ravel().tolist()
            streams[name].update("\0".join(map(repr, labels)).encode())
    for block in blocks(path):
        for name, values in block.items():
            values = values[:, rows] if name in across else values
            text = values.dtype.kind in "OUT"  # ids of the user's patients; their bytes are addresses
            streams[name].update("\0".join((*values, "")).encode() if text else np.ascontiguousarray(values).tobytes())
    for name in sorted(streams):
        whole.update(streams[name].digest())
    return whole.hexdigest()


def open_dataset(path: str | Path) -> "xr.Dataset":
    """Open the results of a run, given by the run's folder or by its ``results.zarr``, lazily.

    Variables are read from disk where their values are used; coordinates and status are in memory, so that patients
    can be masked, selected and grouped by them.  It is `xarray.open_zarr` with ``chunks=None``, without Dask.

    Returns
    -------
    xarray.Dataset
        Dims arm, patient, time and those of the tests; ``status`` tells why a value is missing,
        and ``dropped_week`` where patients leave.

    Raises
    ------
    InputError
        Where the path is neither, or the results cannot be read.
    """
    import xarray as xr

    if not isinstance(path, str | Path):
        raise InputError(f"path = {path!r} is not a path; give the folder of a run, for example 'runs/a'.")
    place = Path(path)
    store = place if (place / ROOT).is_file() else place / RESULTS
    if not (store / ROOT).is_file():
        what = "is not there" if not place.exists() else "is a file" if place.is_file() else f"holds no {RESULTS}"
        raise InputError(f"{path} {what}; give the folder of a run, for example runs/a, or its {RESULTS}.")
    try:
        dataset: xr.Dataset = xr.open_zarr(store, chunks=None)
        if not {"arm", "patient"} <= set(dataset.dims) or "status" not in dataset:
            raise InputError(f"{path} is a Zarr store, but not the results of a run; give the folder of a run.")
        return dataset.assign_coords({str(name): dataset[name].load() for name in dataset.coords}).assign(
            status=dataset["status"].load()
        )
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(
            f"{path} cannot be read ({reason}); `pulsatile verify` on the run's folder tells why."
        ) from error


RESULTS, STATES = "results.zarr", "states.zarr"
