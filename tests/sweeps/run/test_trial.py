"""Runs of trials: one digest over chunks and expansion, every patient allocated, every missing value explained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.trial.designs.allocation import Groups
from pulsatile.sweeps.disk.store import open_dataset
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.heal import heal
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import SMALL
from tests.sweeps.run.runs import carried_out

A, B = "no treatment", "tesamorelin"
TRIAL: dict[str, Any] = SMALL | {
    "population": {"n": 7, "phenotype": "obese"},
    "groups": {"allocation": {A: 1, B: 2}, "strata": ["sex"]},
    "dropout": {"rate": "40 % per week", "arms": {B: "60 % per week"}},
    "drift": {"vat": "5 % per 26 weeks", "source": "a trial"},
    "noise": {},
    "outputs": {"names": ["vat", "igf1"], "every": "1 day"},
}


def chunks(size: int) -> Resources:
    return Resources(size, workers=1, threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return carried_out(TRIAL, tmp_path_factory.mktemp("trial") / "run", chunks(3)).folder


def test_chunks_do_not_change_a_trial(folder: Path, tmp_path: Path) -> None:
    outcome = carried_out(TRIAL, tmp_path / "one", chunks(7))
    assert outcome.digest == digest_of(folder)
    for name in ("trial.csv", "summary.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert outcome.trial is not None


def test_an_expanded_trial_is_a_fresh_one(folder: Path, tmp_path: Path) -> None:
    """Patients keep their arms and the week in which they leave; of the longer run more leave."""
    grown = carried_out(TRIAL, tmp_path / "run", chunks(3)).folder
    before = open_dataset(grown)
    outcome = expand(grown, Growth(patients=10, weeks=2), chunks(3))
    larger = TRIAL | {
        "population": {"n": 10, "phenotype": "obese"}, "weeks": 2, "tests": [{"test": "fasting", "weeks": [0, 1, 2]}],
    }  # fmt: skip
    assert outcome.digest == carried_out(larger, tmp_path / "fresh", chunks(10)).digest
    after = open_dataset(grown)
    assert after["allocated"].values[:7].tolist() == before["allocated"].values.tolist()
    left = before["dropped_week"].values
    np.testing.assert_array_equal(after["dropped_week"].values[:, :7][np.isfinite(left)], left[np.isfinite(left)])
    assert np.isfinite(after["dropped_week"].values[:, :7]).sum() > np.isfinite(left).sum()


def test_the_allocation_is_that_of_the_groups(folder: Path) -> None:
    found = open_dataset(folder)
    groups = Groups(((A, 1), (B, 2)), ("sex",))
    given = groups.allocated(TRIAL["seed"], 7, {"sex": found["sex"].values})
    assert found["allocated"].values.tolist() == given.tolist()
    assert "1 : 2" in found["allocated"].attrs["comment"]
    own = found["vat"].sel(arm=found["allocated"])  # the trial as it would be run
    assert own.dims == ("patient", "time")


def test_every_missing_value_is_explained(folder: Path) -> None:
    found = open_dataset(folder)
    left = found["dropped_week"]
    assert np.isfinite(left.values).any()
    gone = (found["time"] / 168 > left).transpose("arm", "patient", "time").values
    assert (np.isnan(found["vat"]).values == gone).all()


def test_a_damaged_table_or_allocation_is_mended(folder: Path, tmp_path: Path) -> None:
    copy = carried_out(TRIAL, tmp_path / "run", chunks(3)).folder
    digest = digest_of(copy)
    piece = next(path for path in (copy / "results.zarr" / "allocated" / "c").rglob("*") if path.is_file())
    for path in (copy / "trial.csv", piece):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert {finding.path for finding in verify(copy)} == {"trial.csv", piece.relative_to(copy).as_posix()}
    heal(copy, chunks(3))
    assert verify(copy) == []
    assert digest_of(copy) == digest
    assert (copy / "trial.csv").read_bytes() == (folder / "trial.csv").read_bytes()


def test_a_crossover_has_its_periods(tmp_path: Path) -> None:
    data = SMALL | {
        "weeks": 3, "population": {"n": 4, "phenotype": "obese"},
        "crossover": {"sequences": [[A, B], [B, A]], "period": "1 week", "washout": "1 week"},
        "tests": [{"test": "fasting", "weeks": [0, 1, 2, 3]}],
    }  # fmt: skip
    outcome = carried_out(data, tmp_path / "run")
    found = open_dataset(outcome.folder)
    assert found.sizes["period"] == 2
    assert {"period", "period_start", "period_end", "treatment", "allocated"} <= set(found.coords)
    assert found["period_start"].values.tolist() == [0, 2]
    assert found["period_end"].values.tolist() == [1, 3]
    assert found["treatment"].values.tolist() == [[A, B], [B, A]]
    assert sorted(found["allocated"].values.tolist()) == [f"{A} then {B}"] * 2 + [f"{B} then {A}"] * 2
    assert outcome.trial is not None
    effects = outcome.trial.frame.query("endpoint == 'igf1'").set_index("effect")
    assert effects.loc["treatment", "arm"] == B
    assert effects.loc["treatment", "difference"] > 0
    assert "carry-over" in effects.index
    assert "sequence" in (outcome.folder / "README.md").read_text()


def test_a_study_without_a_design_has_no_trial(tmp_path: Path) -> None:
    outcome = carried_out(SMALL, tmp_path / "run")
    assert outcome.trial is None
    assert not (tmp_path / "run" / "trial.csv").exists()
