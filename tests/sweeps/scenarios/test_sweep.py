"""A sweep: one folder, one dataset, one digest, whatever the chunks, interruptions and growth; what is refused."""

import csv
import json
import os
import shutil
import signal
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import pulsatile as pu
from pulsatile.cli.main import main
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import Damage, Exit, FolderRefuses
from pulsatile.sweeps.run import driver
from pulsatile.sweeps.scenarios import carry_out
from pulsatile.sweeps.scenarios.carry_out import SweepOutcome
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import Write
from tests.sweeps.scenarios.test_table import BASE, DOSE, study

ALONE = Resources(workers=1, threads=1)
AXES: dict[str, Any] = {DOSE: ["0.1 mg", "0.5 mg"], "population.named": ["adults", "t2d"]}
LARGER: dict[str, Any] = {DOSE: ["0.3 mg", "0.1 mg", "0.5 mg"], "population.named": ["adults", "igt", "t2d"]}


def carried_out(out: Path, axes: dict[str, Any] = AXES, resources: Resources = ALONE) -> SweepOutcome:
    outcome = pu.run(study(axes), out, resources)
    assert isinstance(outcome, SweepOutcome)
    return outcome


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return carried_out(tmp_path_factory.mktemp("sweep") / "sweep").folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "sweep"))


def values_by_scenario(path: Path) -> dict[str, xr.Dataset]:
    """Return the loaded dataset of each scenario by its values."""
    dataset = pu.open_dataset(path).load()
    axes = [name for name in AXES if name in dataset.coords]
    return {
        str([dataset[axis].values[k] for axis in axes]): dataset.isel(scenario=k)
        for k in range(dataset.sizes["scenario"])
    }


def test_a_scenario_has_the_values_and_digest_of_a_run_of_it_alone(finished: Path, tmp_path: Path) -> None:
    rows = pu.scenarios(study(AXES))
    dataset = pu.open_dataset(finished)
    assert dict(dataset.sizes) | {"time": 2} == {"scenario": 4, "arm": 2, "patient": 2, "time": 2, "fasting_week": 2}
    assert list(dataset.data_vars["igf1"].dims) == ["scenario", "arm", "patient", "time"]
    for k in (1, 2):
        alone = pu.run(rows[k].study, tmp_path / str(k), ALONE)
        assert dataset["scenario_digest"].values[k] == alone.digest
        own = pu.open_dataset(tmp_path / str(k)).load()
        part = dataset.isel(scenario=k).load()
        for name, variable in own.data_vars.items():
            np.testing.assert_array_equal(part[name].values, variable.values, err_msg=str(name))
            assert part[name].attrs == variable.attrs
        assert part["age"].values.tolist() == own["age"].values.tolist()
        assert part["dose"].values.tolist() == own["dose"].values.tolist()
        assert {axis: part[axis].item() for axis in AXES} == rows[k].values


def test_scenarios_share_patients_and_arms(finished: Path) -> None:
    runs = [RunFolder.open(path) for path in sorted((finished / "runs").glob("0*"))]
    assert [len(run.resolved.arms) for run in runs] == [3, 3]
    dataset = pu.open_dataset(finished)
    same = dataset["igf1"].sel(arm="no treatment").isel(scenario=[0, 2]).values
    assert np.array_equal(same[0], same[1])


def test_values_are_read_where_they_are_used(finished: Path) -> None:
    dataset = pu.open_dataset(finished)
    whole = dataset["igf1"].values
    assert np.array_equal(dataset["igf1"][3].values, whole[3])
    assert np.array_equal(dataset["igf1"][[3, 0], 1:, :, -1].values, whole[[3, 0], 1:, :, -1])
    assert np.array_equal(dataset["igf1"].sel(scenario=slice(1, 2), arm="rhGH").values, whole[1:3, 1])
    assert dataset["igf1"][[]].shape == (0, 2, 2, 2)
    means = dataset["igf1"].where(dataset["population.named"] == "t2d", drop=True).isel(time=-1).mean("patient")
    assert means.shape == (2, 2)
    assert dataset["igf1"].groupby("population.named").mean(...).shape == (2,)


def test_tables_have_the_axes_in_front(finished: Path) -> None:
    with (finished / "scenarios.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["run"] for row in table[:3]] == ["runs/000", "runs/001", "runs/000"]
    with (finished / "summary.csv").open() as file:
        head, *rows = csv.reader(file)
    assert head[:4] == ["scenario", DOSE, "population.named", "endpoint"]
    assert sorted({row[1] for row in rows}) == AXES[DOSE]
    kept = [dict(zip(head, row, strict=True)) for row in rows]
    igf1 = {row["scenario"]: float(row["mean"]) for row in kept
            if (row["variable"], row["arm"], row["week"]) == ("fasting_igf1", "rhGH", "1")}  # fmt: skip
    stored = pu.open_dataset(finished)["fasting_igf1"].sel(arm="rhGH", fasting_week=1).mean("patient").values
    assert [igf1[str(k)] for k in range(4)] == pytest.approx(stored.tolist(), rel=1e-5)


def test_the_digest_depends_on_no_chunk_and_no_order_of_axes(finished: Path, tmp_path: Path) -> None:
    digest = pu.digest_of(finished)
    assert carried_out(tmp_path / "chunks", resources=Resources(1, workers=1, threads=1)).digest == digest
    turned = {axis: list(reversed(AXES[axis])) for axis in reversed(AXES)}
    assert carried_out(tmp_path / "turned", turned).digest == digest


def test_an_interrupted_sweep_goes_on(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C between two runs, or just as one ends, stops the sweep: the next run does not begin."""
    real = carry_out.run_study

    def interrupted(*given: Any) -> Any:
        outcome = real(*given)
        os.kill(os.getpid(), signal.SIGINT)
        return outcome

    monkeypatch.setattr(carry_out, "run_study", interrupted)
    outcome = carried_out(tmp_path / "a")
    assert (outcome.code, outcome.digest) == (Exit.INTERRUPTED, "")
    with pytest.raises(FolderRefuses, match="is a sweep that is not finished; `pulsatile resume"):
        pu.open_dataset(tmp_path / "a")
    status = pu.status(tmp_path / "a")
    assert "1 of 2 runs finished" in status.lines()[1]
    assert status.lines()[-1].startswith("go on with: pulsatile resume")
    monkeypatch.setattr(carry_out, "run_study", real)
    assert pu.resume(tmp_path / "a", ALONE).digest == pu.digest_of(finished)
    assert pu.status(tmp_path / "a").state == "complete"


def test_a_signal_while_a_run_closes_stops_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = driver.summary_of

    def signalled(*given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return real(*given)

    monkeypatch.setattr(driver, "summary_of", signalled)
    outcome = carried_out(tmp_path / "a")
    assert outcome.code is Exit.INTERRUPTED
    assert not (tmp_path / "a" / "runs" / "001").exists()


def test_a_larger_sweep_keeps_the_old_scenarios_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    before = values_by_scenario(folder)
    outcome = pu.expand(folder, pu.Growth(study=study(LARGER)), ALONE)
    assert isinstance(outcome, SweepOutcome)
    assert (len(outcome.record.rows), len(outcome.record.runs)) == (9, 3)
    after = values_by_scenario(folder)
    for key, part in before.items():
        for name, variable in part.variables.items():
            if name not in ("scenario",):
                np.testing.assert_array_equal(after[key][name].values, variable.values, err_msg=f"{key} {name}")
    assert pu.verify(folder) == []
    assert outcome.digest == pu.digest_of(folder) == carried_out(tmp_path / "fresh", LARGER).digest


def test_an_interrupted_expansion_leaves_the_sweep_and_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, real = pu.digest_of(folder), carry_out.expand_run

    def interrupted(*given: Any) -> Any:
        outcome = real(*given)
        os.kill(os.getpid(), signal.SIGINT)
        return outcome

    monkeypatch.setattr(carry_out, "expand_run", interrupted)
    growth = pu.Growth(study=study(AXES | {DOSE: ["0.1 mg", "0.3 mg", "0.5 mg"]}))
    assert pu.expand(folder, growth, ALONE).code is Exit.INTERRUPTED
    assert pu.digest_of(folder) == digest
    assert pu.open_dataset(folder).sizes["scenario"] == 4
    monkeypatch.setattr(carry_out, "expand_run", real)
    with pytest.raises(FolderRefuses, match="has an expansion that is not finished"):
        pu.expand(folder, growth, ALONE)
    assert len(pu.resume(folder, ALONE).record.rows) == 6  # type: ignore[union-attr]
    assert pu.verify(folder) == []


@pytest.mark.parametrize(
    ("axes", "base", "words"),
    [
        (AXES | {"population.named": ["t2d"]}, {}, "named = adults) of the sweep is not in the larger study"),
        (LARGER, {"parameters": {"k_gh": 0.1}}, "is another study in the larger file"),
        (AXES, {}, "has all those scenarios already"),
    ],
)
def test_what_an_expansion_may_not_change(folder: Path, axes: dict[str, Any], base: Any, words: str) -> None:
    with pytest.raises(InputError, match=words.replace(")", r"\)")):
        pu.expand(folder, pu.Growth(study=study(axes, deepcopy(BASE) | base)), ALONE)
    assert pu.verify(folder) == []


@pytest.mark.parametrize(
    "name", ["sweep.json", "runs/sweep.json", "scenarios.csv", "summary.csv", "runs/001/results.zarr"]
)
def test_a_changed_byte_is_found_and_mended(folder: Path, name: str) -> None:
    digest, path = pu.digest_of(folder), folder / name
    path = next(p for p in sorted(path.glob("igf1/c/**/*")) if p.is_file()) if path.is_dir() else path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert [finding.path for finding in pu.verify(folder)] == [path.relative_to(folder).as_posix()]
    if name == "runs/001/results.zarr":
        with pytest.raises(Damage):
            pu.open_dataset(folder)
    assert pu.heal(folder, ALONE).digest == digest
    assert pu.verify(folder) == []
    assert pu.digest_of(folder) == digest


def test_a_missing_file_of_the_sweep_is_made_again(folder: Path) -> None:
    (folder / "sweep.json").unlink()
    (folder / "summary.csv").unlink()
    assert {finding.what for finding in pu.verify(folder)} == {"is missing"}
    pu.heal(folder, ALONE)
    assert pu.verify(folder) == []


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_the_commands(folder: Path, write: Write) -> None:
    path = write(BASE | {"sweep": {"axes": AXES}})
    code, text = said("validate", str(path))
    assert code == 0
    assert "4 scenarios in 2 runs with 6 arms in all, of 2 patients" in text
    assert f"scenario 3 ({DOSE} = 0.5 mg, population.named = t2d)" in text
    code, text = said("run", str(path), "--dry-run", "--threads", "1")
    assert (code, text.splitlines()[0]) == (0, "4 scenarios in 2 runs, 12 patient-weeks in all arms")
    assert said("verify", str(folder)) == (0, f"{folder}: sound; every file is what was committed.\n")
    assert said("digest", str(folder))[1].strip() == pu.digest_of(folder)
    code, text = said("status", str(folder), "--json")
    assert (code, json.loads(text)["scenarios"]) == (0, 4)
    code, text = said("run", str(path), "--out", str(folder))
    assert code == 4
    assert "holds a sweep already; go on with it by `pulsatile resume" in text
    assert "is not running; there is nothing to cancel" in said("cancel", str(folder))[1]
    assert "is not locked" in said("unlock", str(folder))[1]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("sensitivity", "DIR"), "runs/000"),
        (("expand", "DIR", "--patients", "9"), "give the study with more values on its axes"),
        (("expand", "DIR", "--arm", "x=rhgh_low"), "give the study with more values on its axes"),
        (("population", "show", "DIR"), "population"),
    ],
)
def test_other_commands_name_what_to_take(folder: Path, command: tuple[str, ...], words: str) -> None:
    code, text = said(*(str(folder) if part == "DIR" else part for part in command))
    assert code in (2, 4)
    assert len(text.splitlines()) == 1
    assert words in text


def test_scenarios_of_other_people_side_by_side(tmp_path: Path) -> None:
    """Phenotypes lack the covariates of people, and other first patients have other ids."""
    axes = {"population": [{"n": 2, "phenotype": "obese"}, {"n": 2, "named": "adults", "first": 5}]}
    outcome = pu.run(study(axes), tmp_path / "a", ALONE)
    assert outcome.code is Exit.DONE
    dataset = pu.open_dataset(tmp_path / "a")
    assert np.isnan(dataset["waist"].values).tolist() == [[True, True], [False, False]]
    assert dataset["patient_id"].values.tolist() == [[0, 1], [5, 6]]
    assert dataset["patient"].values.tolist() == [0, 1]
    assert np.isfinite(dataset["igf1"].values).all()
    dataset.to_netcdf(tmp_path / "a.nc")
