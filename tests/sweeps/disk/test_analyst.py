"""What an analyst does first with a finished run: mask, group, select, quantile, weigh, resample, table, NetCDF."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import pulsatile as pu
from pulsatile.engine.errors import Status
from pulsatile.sweeps.chunk import run_chunk
from pulsatile.sweeps.chunk.compute import Values
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.run.verify import verify
from pulsatile.sweeps.workers.resources import Resources
from tests.sweeps.run.runs import carried_out

PEOPLE = """patient,sex,age [year],weight [kg],height [cm],prevalence
3,man,40,90,180,2
9,woman,50,70,165,1
4,man,60,110,175,1
11,woman,30,95,160,3
12,woman,45,80,170,1
"""
FAILED = 2  # position of the man of 60 y, who fails under the drug
SEX = np.array([0, 1, 0, 1, 1.0])
WEIGHTS = np.array([2, 1, 1, 3, 1]) / 1.6

Open = Callable[[Path], xr.Dataset]
OPENERS: dict[str, Open] = {
    "plain xarray": lambda folder: xr.open_zarr(folder / "results.zarr", chunks=None),
    "open_dataset": pu.open_dataset,
    "chunked by dask": lambda folder: pu.open_dataset(folder).chunk({}).pipe(_kept_in_memory),
}


def _kept_in_memory(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(status=dataset["status"].compute()).assign_coords(
        {str(name): dataset[name].compute() for name in dataset.coords}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of weighted people, two to a chunk, one of whom fails under the drug."""
    place = tmp_path_factory.mktemp("analyst")
    (place / "people.csv").write_text(PEOPLE)
    real = run_chunk.chunk_values

    def failing(job: Any, resolved: Any) -> Values:
        values = real(job, resolved)
        if job.first <= FAILED < job.stop:
            at = FAILED - job.first
            values.variables["status"][1, at] = Status.STEP_LIMIT
            for name in ("igf1", "vat"):
                values.variables[name][1, at] = np.nan
        return values

    study = {
        "seed": 5, "weeks": 2, "population": {"patients": str(place / "people.csv")},
        "arms": [{"name": "none", "preset": "control"}, {"name": "drug", "preset": "modgrf_100_tid"}],
        "outputs": {"names": ["igf1", "vat"], "every": "1 day"},
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_chunk, "chunk_values", failing)
        outcome = carried_out(study, place / "run", Resources(2, workers=1, threads=1, gate=0.5))
    assert outcome.code is Exit.DONE
    assert verify(place / "run") == []
    return place / "run"


@pytest.fixture(params=OPENERS)
def dataset(request: pytest.FixtureRequest, folder: Path) -> Iterator[xr.Dataset]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield OPENERS[request.param](folder)


@pytest.fixture
def vat(folder: Path) -> Any:
    """Visceral fat (arm, patient, time), as numpy reads it."""
    values = np.asarray(xr.open_zarr(folder / "results.zarr")["vat"].values, float)
    assert np.isnan(values[1, FAILED]).all()
    assert np.isfinite(np.delete(values, FAILED, axis=1)).all()
    return values


def test_mask(dataset: xr.Dataset, vat: Any) -> None:
    ok = dataset.where(dataset.status == 0)
    assert int(ok.vat.notnull().sum()) == vat.size - vat.shape[2]
    np.testing.assert_allclose(ok.vat.mean("patient").values, np.nanmean(vat, axis=1), rtol=1e-6)


def test_group(dataset: xr.Dataset, vat: Any) -> None:
    found = dataset.vat.groupby("sex").mean()
    assert found.sizes["sex"] == 2
    for sex in (0, 1):
        expected = np.nanmean(vat[:, sex == SEX], axis=1)
        np.testing.assert_allclose(found.sel(sex=sex).transpose("arm", "time").values, expected, rtol=1e-6)
    assert dict(dataset.vat.groupby("phenotype").groups)
    binned = dataset.vat.groupby_bins("age", [20, 45, 70]).mean()
    np.testing.assert_allclose(
        binned.isel(age_bins=0).transpose("arm", "time").values, vat[:, [0, 3, 4]].mean(axis=1), rtol=1e-6
    )


def test_where_drop(dataset: xr.Dataset, vat: Any) -> None:
    women = dataset.where(dataset.sex == 1, drop=True)
    assert women.patient.values.tolist() == [9, 11, 12]
    np.testing.assert_allclose(women.vat.values, vat[:, SEX == 1], rtol=1e-7)
    assert set(dataset.where((dataset.status == 0).all("arm"), drop=True).patient.values) == {3, 9, 11, 12}


def test_quantile(dataset: xr.Dataset, vat: Any) -> None:
    found = dataset.chunk({"patient": -1}).vat.quantile([0.1, 0.5], "patient")
    expected = np.nanquantile(vat, [0.1, 0.5], axis=1)
    np.testing.assert_allclose(found.transpose("quantile", "arm", "time").values, expected, rtol=1e-6)


def test_weighted(dataset: xr.Dataset, vat: Any) -> None:
    np.testing.assert_allclose(dataset.prevalence.values, WEIGHTS)
    found = dataset.vat.weighted(dataset.prevalence).mean("patient")
    weights = np.where(np.isnan(vat[..., 0]), 0, WEIGHTS)
    expected = np.nansum(vat * weights[..., None], axis=1) / weights.sum(axis=1)[:, None]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


def test_resample(dataset: xr.Dataset, vat: Any) -> None:
    assert dataset.elapsed.dtype == "timedelta64[ns]"
    np.testing.assert_array_equal(dataset.elapsed.values, (dataset.time.values * 3600).astype("timedelta64[s]"))
    found = dataset.vat.resample(elapsed="7D").mean()
    assert found.elapsed.values.tolist() == [int(k * 7 * 86400e9) for k in range(3)]
    first = found.isel(elapsed=0).transpose("arm", "patient").values
    np.testing.assert_allclose(first, vat[:, :, :7].mean(axis=2), rtol=1e-6)


def test_to_dataframe(dataset: xr.Dataset, vat: Any) -> None:
    frame = dataset[["vat", "status"]].to_dataframe().reset_index()
    assert len(frame) == vat.size
    assert {"sex", "age", "standing", "dose", "elapsed", "prevalence"} <= set(frame)
    row = frame[(frame.arm == "none") & (frame.patient == 11) & (frame.time == 24.0)].iloc[0]
    assert (row.vat, row.sex, row.age) == (pytest.approx(vat[0, 3, 1]), 1, 30)
    assert (frame[frame.vat.isna()].status == Status.STEP_LIMIT).all()


def test_netcdf(dataset: xr.Dataset, vat: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # scipy's own, on closing a memory map
        dataset.to_netcdf(tmp_path / "run.nc", engine="scipy")
        found = xr.open_dataset(tmp_path / "run.nc", engine="scipy").load()
    np.testing.assert_array_equal(found.vat.values, vat.astype(found.vat.dtype))
    assert found.vat.attrs["units"] == "cm^2"
    assert [str(arm) for arm in found.arm.values] == ["none", "drug"]
    assert found.elapsed.dtype.kind == "m"


def test_plain_xarray_with_dask_reads_covariates_in_one_task(folder: Path) -> None:
    """Dask arrays cannot be grouped by; so `chunks=None` is what the documents say."""
    found = xr.open_zarr(folder / "results.zarr")
    assert found.sex.chunks == ((5,),)
    assert found.status.chunks == ((2,), (5,))
    assert found.vat.chunks[1] == (2, 2, 1)
    np.testing.assert_allclose(found.vat.groupby(found.sex.compute()).mean().sel(sex=1).isnull().sum(), 0)


def test_the_arms_say_what_they_are(folder: Path) -> None:
    found = pu.open_dataset(folder)
    assert found.standing.values.tolist() == ["no drug", "extrapolation"]
    assert found.dose.values.tolist() == ["none", "cjc1295_no_dac 100 ug SC at 08:00, 15:00, 22:00 daily"]
    assert found.route.values.tolist() == ["none", "SC"]
    assert found.arm_description.values.tolist() == ["no treatment", "CJC-1295 without DAC 100 ug three times a day"]
    assert ",extrapolation" in (folder / "summary.csv").read_text()
    readme = (folder / "README.md").read_text()
    assert "| drug | cjc1295_no_dac 100 ug SC at 08:00, 15:00, 22:00 daily | extrapolation |" in readme
    assert "*extrapolation*: no trial gave people" in readme


@pytest.mark.parametrize("name", ["folder", "store", "text"])
def test_a_run_is_opened_by_its_folder_or_its_store_without_reading_it(folder: Path, name: str) -> None:
    found = pu.open_dataset({"folder": folder, "store": folder / "results.zarr", "text": str(folder)}[name])
    assert not found["vat"].variable._in_memory
    assert found["sex"].variable._in_memory
    assert found.sizes == {"arm": 2, "patient": 5, "time": 15}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nothing", "nothing is not there; give the folder of a run, for example runs/a, or its results.zarr."),
        (".", r"holds no results.zarr; give the folder"), ("file", "is a file; give the folder"),
        ("states.zarr", "is a Zarr store, but not the results of a run"), ("broken", "cannot be read"),
        (3, "path = 3 is not a path; give the folder of a run"), (None, "path = None is not a path"),
    ],
)  # fmt: skip
def test_another_path_gets_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "zarr.json").write_text("{")
    given = folder / path if path == "states.zarr" else path
    with pytest.raises(pu.InputError, match=sentence) as caught:
        pu.open_dataset(given)
    assert "\n" not in str(caught.value)
