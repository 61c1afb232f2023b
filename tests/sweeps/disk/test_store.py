"""The store: what is written is what is read, fill is never data, chunks have one owner."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.dataset import template
from pulsatile.engine.drugs.dosing import Arm, preset
from pulsatile.engine.errors import Status
from pulsatile.engine.patients.cohort import COVARIATES
from pulsatile.engine.simulate import Plan, TestAt
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.disk.one_piece import empty_rows, one_piece, rows_of

ARMS = (Arm("no treatment"), preset("tesamorelin_label"))
PLAN = Plan(1.0, outputs=("igf1", "vat"), reductions=("gh_mean",), tests=(TestAt("profile", (0.0, 1.0)),))
N, CHUNK = 10, 4


def filled(first: int, stop: int) -> xr.Dataset:
    """A dataset as simulate gives, with numbers that tell arm, patient and place."""
    dataset = template(np.arange(first, stop), ARMS, PLAN)
    for name in (*dataset.data_vars, *(c for c in dataset.coords if c not in dataset.dims)):
        v = dataset[name]
        if name == "status":
            dataset[name] = (v.dims, np.full(v.shape, int(Status.OK), np.int8), v.attrs)
        elif "patient" in v.dims:
            axis = v.dims.index("patient")
            at = np.arange(first, stop).reshape([-1 if i == axis else 1 for i in range(v.ndim)])
            rest = np.indices(v.shape).sum(axis=0) - np.indices(v.shape)[axis]
            dataset[name] = (v.dims, at + 0.001 * rest, v.attrs)
    return dataset


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty store."""
    where = tmp_path / "results.zarr"
    create(where, CHUNK)
    return where


def create(path: Path, chunk: int, **attrs: str) -> None:
    whole = template(np.arange(N), ARMS, PLAN)
    write_all(path, store.template_files(whole, chunk, "float32", {"identity": "abc"} | attrs))
    write_all(rows_at(path), empty_rows(N, len(COVARIATES), len(ARMS), chunk, {}))


def rows_at(path: Path) -> Path:
    return path.with_suffix(".rows")


def write_chunk(path: Path, first: int, stop: int, dataset: xr.Dataset | None = None) -> dict[str, str]:
    dataset = filled(first, stop) if dataset is None else dataset
    along = {n: v for n, v in dataset.variables.items() if "patient" in v.dims and n != "patient"}
    values = {str(name): v.values for name, v in along.items()}
    written = write_all(path, store.chunk_files(path, first, stop, values))
    rows = write_all(rows_at(path), store.chunk_files(rows_at(path), first, stop, rows_of(values)))
    write_all(path, one_piece(path, rows_at(path), N))
    return written | rows


def write_chunks(path: Path, chunk: int = CHUNK) -> None:
    for first in range(0, N, chunk):
        write_chunk(path, first, min(first + chunk, N))


def test_plain_xarray_opens_it_without_a_warning(path: Path) -> None:
    write_chunks(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xr.open_zarr(path).load()
    expected = filled(0, N)
    assert set(found.data_vars) == set(expected.data_vars)
    assert set(found.coords) == set(expected.coords)
    for name, variable in expected.variables.items():
        assert found[name].dims == variable.dims
        if variable.dims == ("arm",):
            assert [str(text) for text in found[name].values] == [str(text) for text in variable.values]
        elif name == "elapsed":
            np.testing.assert_array_equal(found[name].values, variable.values)
        else:
            np.testing.assert_allclose(found[name].values, variable.values, rtol=1e-7)
        assert found[name].attrs.get("units") == variable.attrs.get("units")
        assert found[name].attrs["long_name"] == variable.attrs["long_name"]
    assert found["igf1"].dtype == np.float32
    assert found.attrs["identity"] == "abc"
    assert found.attrs["title"] == expected.attrs["title"]
    assert float(found["igf1"].sel(arm="tesamorelin_label", patient=7)[0]) == pytest.approx(7.001)


def test_what_was_never_run_says_so(path: Path) -> None:
    write_chunk(path, 4, 8)
    found = xr.open_zarr(path).load()
    assert np.all(found["status"].values[:, 4:8] == Status.OK)
    assert np.all(found["status"].values[:, :4] == Status.NEVER_RUN)
    assert np.all(np.isnan(found["igf1"].values[:, 8:]))
    assert not np.any(np.isnan(found["igf1"].values[:, 4:8]))


def test_what_has_no_file_was_never_run(path: Path) -> None:
    import zarr

    array = zarr.open_group(path, mode="r")["status"]
    assert isinstance(array, zarr.Array)
    assert array.dtype == np.int8
    assert array.fill_value == Status.NEVER_RUN
    assert not list((path / "status").rglob("c/*"))
    assert array.attrs["flag_meanings"].split() == [s.name.lower() for s in Status]  # type: ignore[union-attr]


@pytest.mark.parametrize(("first", "stop"), [(1, 4), (0, 3), (2, 6), (8, 9), (4, 4), (0, 12)])
def test_a_task_owns_whole_chunks(path: Path, first: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not whole chunks of 4"):
        write_chunk(path, first, stop)


def test_digest_sees_values_and_units_but_not_chunks(path: Path, tmp_path: Path) -> None:
    write_chunks(path)
    digest = store.digest(path)
    other = tmp_path / "other.zarr"
    create(other, 5, identity="something else")
    write_chunks(other, 5)
    assert store.digest(other) == digest
    write_all(other, store.with_attrs((other / store.ROOT).read_bytes(), {"digest": digest}))
    assert xr.open_zarr(other).attrs["digest"] == digest
    changed = filled(0, 5)
    changed["vat"][1, 3, 0] += 0.5
    write_chunk(other, 0, 5, changed)
    assert store.digest(other) != digest


def test_a_chunk_gives_the_same_files_each_time(path: Path) -> None:
    once = write_chunk(path, 0, 4)
    assert once == write_chunk(path, 0, 4)
    assert not once.keys() & write_chunk(path, 4, 8).keys()


def test_a_chunk_of_fill_is_written(path: Path) -> None:
    nothing = template(np.arange(4), ARMS, PLAN)
    assert {name.split("/")[0] for name in write_chunk(path, 0, 4, nothing)} >= {"igf1", "rows"}


def test_blocks_put_patients_first(path: Path) -> None:
    write_chunks(path)
    whole = np.concatenate([block["igf1"] for block in store.blocks(path, ["igf1"])])
    assert whole.shape == (N, len(ARMS), len(PLAN.times))
    np.testing.assert_allclose(whole[:, 0, 0], np.arange(N), rtol=1e-6)


def test_covariates_and_status_are_in_one_chunk_and_nothing_else_of_patients_is(path: Path) -> None:
    write_chunks(path)
    found = xr.open_zarr(path)
    for name in (*COVARIATES, "status"):
        assert found[name].encoding["chunks"] == found[name].shape
        assert len([file for file in (path / name / "c").rglob("*") if file.is_file()]) == 1
    assert found["vat"].encoding["chunks"][:2] == (1, CHUNK)


def test_the_digest_sees_the_covariates_and_the_unit_but_no_description(path: Path) -> None:
    write_chunks(path)
    digest = store.digest(path)
    root = (path / store.ROOT).read_text(encoding="utf-8")
    (path / store.ROOT).write_text(root.replace('"visceral fat area"', '"fat"'), encoding="utf-8")
    assert store.digest(path) == digest
    changed = filled(0, 4)
    changed["age"][2] += 1
    write_chunk(path, 0, 4, changed)
    assert store.digest(path) != digest
    write_chunk(path, 0, 4)
    assert store.digest(path) == digest
    for file in (path / "vat" / "zarr.json", path / store.ROOT):
        file.write_text(file.read_text(encoding="utf-8").replace('"cm^2"', '"kg"'), encoding="utf-8")
    assert store.digest(path) != digest
