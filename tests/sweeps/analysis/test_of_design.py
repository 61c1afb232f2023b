"""From a run of a design to indices: the same bits however the run came about, and the numbers that a hand computes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from pulsatile.cli.main import main
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.analyse import analyse, open_design
from pulsatile.sweeps.analysis.result import FILES
from pulsatile.sweeps.analysis.selection import Selection, at_weeks
from pulsatile.sweeps.chunk.run_chunk import run_chunk
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.run import resume, run
from pulsatile.sweeps.sensitivity.sobol import sobol
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import workers
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import Write

FACTORS = ["vat_sensitivity", "igf1_feedback"]
STUDY: dict[str, Any] = {
    "weeks": 2,
    "population": {"phenotype": "obese", "variability": False},
    "design": {"points": 4, "replicates": 2, "factors": FACTORS},
    "arms": [{"name": "none", "preset": "control"}, {"name": "tesamorelin", "preset": "tesamorelin_label"}],
    "tests": [{"test": "fasting", "weeks": [1, 2]}],
    "outputs": {"names": ["vat", "igf1"], "dtype": "float64"},
    "sensitivity": {"outputs": ["vat", "fasting_glucose"], "weeks": [1, 2], "contrast": "none"},
}
SELECTION = Selection(("vat", "fasting_glucose"), (1.0, 2.0), "none")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("design") / "run"
    run(study_from(STUDY, "study"), folder, Resources(32, workers=1, threads=1), source=yaml.safe_dump(STUDY))
    return folder


def test_indices_are_those_of_the_stored_values(finished: Path) -> None:
    found = analyse(finished, SELECTION)
    dataset = open_design(finished)
    design = study_design()
    for arm in ("none", "tesamorelin"):
        y = dataset["vat"].sel(arm=arm, time=[168.0, 336.0]).values
        by_hand = sobol(design, y)
        assert np.array_equal(found.indices["S1"].sel(output="vat", arm=arm).values, by_hand.s1.value)
        assert np.array_equal(found.indices["ST"].sel(output="vat", arm=arm).values, by_hand.st.value)
    difference = dataset["vat"].sel(arm="tesamorelin") - dataset["vat"].sel(arm="none")
    by_hand = sobol(design, difference.sel(time=[168.0, 336.0]).values)
    contrast = found.indices["S1"].sel(output="vat", arm="tesamorelin minus none").values
    assert np.array_equal(contrast, by_hand.s1.value)
    assert found.indices["unit"].sel(output="vat").item() == "cm^2"
    assert found.indices.attrs["kind"] == "saltelli"
    narrow = analyse(finished, SELECTION, level=0.5, resamples=20)
    np.testing.assert_array_equal(narrow.indices["S1"], found.indices["S1"])
    assert (narrow.indices["ST_high"] < found.indices["ST_high"]).all()
    assert "S1_boot_low" in narrow.indices
    assert found.curves is not None
    assert set(found.curves.dims) == {"output", "factor", "arm"}


def study_design() -> Any:
    from pulsatile.sweeps.study.resolve import resolve

    design = resolve(study_from(STUDY, "study")).population.design
    assert design is not None
    return design.design()


def test_an_interrupted_and_resumed_sweep_has_the_same_indices(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(job: Any) -> Any:
        if job.first == 10:
            raise KeyboardInterrupt
        return run_chunk(job)

    with monkeypatch.context() as patched:
        patched.setattr(workers, "run_chunk", dies)
        with pytest.raises(KeyboardInterrupt):
            run(study_from(STUDY, "study"), tmp_path / "run", Resources(5, workers=1, threads=1))
    resume(tmp_path / "run", Resources(workers=1, threads=2))
    for folder in (finished, tmp_path / "run"):
        analyse(folder, SELECTION).save(folder)
    for name in ("indices.csv", "indices_of_curves.csv", "sensitivity.txt"):
        assert (finished / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_the_command_goes_from_study_to_indices_and_looks_again(finished: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    command = [sys.executable, "-m", "pulsatile", "sensitivity"]
    out = tmp_path / "run"
    done = subprocess.run(
        [*command, study, "--out", out, "--workers", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "vat, week 2: ST" in done.stdout
    assert "not for clinical use" in done.stdout
    analyse(finished, SELECTION).save(finished)
    assert (out / "indices.csv").read_bytes() == (finished / "indices.csv").read_bytes()
    again = subprocess.run([*command, out, "--output", "igf1", "--json"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["contrast"] == "each arm minus none, within the same point of the design"
    verified = subprocess.run(
        [sys.executable, "-m", "pulsatile", "verify", out], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr + verified.stdout
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(STUDY | {"seed": 9}), encoding="utf-8")
    refused = subprocess.run([*command, other, "--out", out], capture_output=True, text=True, check=False)
    assert refused.returncode == 4
    assert "holds another run" in refused.stderr


def test_failed_points_are_left_out_bounded_and_told(tmp_path: Path) -> None:
    design = {"points": 8, "replicates": 2, "factors": [{"name": "sens_muscle0", "low": 0.5, "high": 1.3}, "v_gh"]}
    study = STUDY | {"weeks": 1, "design": design, "tests": [], "sensitivity": {}}
    run(study_from(study, "study"), tmp_path / "run", Resources(64, workers=1, threads=1, gate=1.0))
    found = analyse(tmp_path / "run", Selection(("vat",), (1.0,)))
    failed = open_design(tmp_path / "run")["status"].values[0] != 0
    assert 0 < failed.sum() < len(failed)
    assert found.indices["n_missing"].sel(output="vat", arm="none").item() == failed.sum()
    assert {"S1_least", "S1_most"} <= set(found.indices.data_vars)
    assert found.failed is not None
    assert found.failed["factor"].values[0] == "sens_muscle0"
    assert found.failed["side"].values[0] == "above"
    found.save(tmp_path / "run")
    assert (tmp_path / "run" / "failed_region.csv").exists()


def test_what_cannot_be_looked_at_is_one_sentence(finished: Path, small: dict[str, Any], tmp_path: Path) -> None:
    dataset = open_design(finished)
    for k, name in enumerate(FACTORS):  # the dataset says what the points are
        assert dataset[name].dims == ("design",)
        assert dataset[name].values.tolist() == study_design().values[:, k].tolist()
    with pytest.raises(InputError, match="'clamp_m' is not in the results; choose from"):
        at_weeks(dataset, Selection(("clamp_m",)))
    with pytest.raises(InputError, match=r"was not measured in week 1\.5"):
        at_weeks(dataset, Selection(("vat",), (1.5,)))
    with pytest.raises(InputError, match=r"handful = .'vat',. is for runs of a population"):
        analyse(finished, SELECTION, handful=("vat",))
    with pytest.raises(InputError, match="is not an arm"):
        analyse(finished, Selection(("vat",), (1.0,), "placebo"))
    run(study_from(small, "study"), tmp_path / "people", Resources(4, workers=1, threads=1))
    with pytest.raises(FolderRefuses, match="not a run of a design"):
        open_design(tmp_path / "people")


def test_a_run_of_a_few_patients_is_no_sample(small: dict[str, Any], tmp_path: Path) -> None:
    run(study_from(small, "study"), tmp_path / "people", Resources(4, workers=1, threads=1))
    done = command(tmp_path / "people")
    assert done.exit_code == 2
    assert done.stderr.startswith("pulsatile: error: ")
    assert "50" in done.stderr
    assert isinstance(done.exception, SystemExit)


@pytest.fixture(scope="module")
def fruitless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of which no point has a fasting state."""
    study = tmp_path_factory.mktemp("fruitless") / "study.yaml"
    design = {"points": 2, "replicates": 2, "factors": [{"name": "sens_muscle0", "low": 5, "high": 5.5}, "v_gh"]}
    study.write_text(yaml.safe_dump(STUDY | {"weeks": 1, "design": design, "tests": [], "sensitivity": {}}))
    return study


def command(*words: object) -> Result:
    """Call it in this process; from a shell: the test that goes from study to indices."""
    return CliRunner().invoke(main, ["sensitivity", *map(str, words)])


def test_a_sweep_whose_runs_all_failed_says_so_and_ends_with_its_code(fruitless: Path, tmp_path: Path) -> None:
    done = command(fruitless, "--out", tmp_path / "run", "--workers", "1", "--output", "vat")
    assert done.exit_code == 1, done.stderr
    assert "at most 16 of 16 runs are missing" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("pulsatile: error: more runs failed than the gate allows")
    frame = (tmp_path / "run" / "indices.csv").read_text().splitlines()
    assert frame[0].endswith("mean,variance,n_missing,reason")
    assert all(line.endswith(",,16,2") for line in frame[1:])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--output", "clamp_m"], "'clamp_m' is not in the results"),
        (["--week", "5"], "was not measured in week 5"),
        (["--contrast", "placebo"], "is not an arm; choose from"),
        (["--set", "arms=[{name: none, preset: control}]"], "is the only arm"),
        (["--set", "design={kind: latin, points: 5, factors: [v_gh, k_gh]}"], "need 6 at least"),
        (["--set", "design={kind: grid, points: 1, factors: [v_gh, {name: k_gh, distribution: levels, "
          "levels: [2, 3, 4, 5, 6, 7]}]}"], "factor v_gh is the same in all points"),
    ],
)  # fmt: skip
def test_what_the_results_will_not_have_is_told_before_anything_runs(
    words: list[str], told: str, tmp_path: Path
) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    done = command(study, "--out", tmp_path / "run", *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not (tmp_path / "run").exists()


def test_tables_hold_pairs_units_and_why_an_index_is_missing(tmp_path: Path) -> None:
    design = {"points": 2, "replicates": 2, "factors": FACTORS, "second_order": True}
    run(study_from(STUDY | {"weeks": 1, "design": design, "tests": [], "sensitivity": {}}, "study"), tmp_path / "run",
        Resources(64, workers=1, threads=1))  # fmt: skip
    found = analyse(tmp_path / "run", Selection(("vat",), (1.0,)))
    names = [path.name for path in found.save(tmp_path / "run")]
    assert names == ["indices.csv", "indices_of_pairs.csv", "indices_of_curves.csv", "sensitivity.txt"]
    assert set(names) < set(FILES)  # those that an expansion removes
    assert repr(found).startswith("<Analysis of a saltelli design: Sobol' indices")
    assert "ST, S1, S2 of 1 output, 2 factors, 2 arms, 1 week\n  also: curves, steps" in repr(found)
    pairs = pd.read_csv(tmp_path / "run" / "indices_of_pairs.csv")
    assert pairs["pair"].tolist() == [" x ".join(FACTORS)] * 2
    assert pairs["S2"].to_numpy() == pytest.approx(found.indices["S2"].values.ravel(), rel=1e-15)
    single = pd.read_csv(tmp_path / "run" / "indices.csv")
    assert set(single["unit"]) == {"cm^2"}
    assert set(single["reason"]) == {0}
    assert single["variance"].notna().all()


def test_the_budget_command_tells_and_writes(small: dict[str, Any], write: Write, tmp_path: Path) -> None:
    study = write(small | {"outputs": {"names": ["igf1"]}})
    command = [sys.executable, "-m", "pulsatile", "budget", study, "--out", tmp_path / "budget", "--draws", "2"]
    command += ["--patients", "3", "--week", "1", "--output", "igf1", "--contrast", "no treatment"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "igf1, tesamorelin minus no treatment, week 1: SD" in done.stdout
    assert (tmp_path / "budget" / "variance_budget.csv").read_text().startswith("output,unit,arm")
    refused = subprocess.run([*command, "--patients", "1"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "patients = 1 must be a whole number, at least 2" in refused.stderr


def test_validate_looks_at_what_the_analysis_would(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    for wished, code in ((STUDY["sensitivity"], 0), ({"outputs": ["clamp_m"]}, 2), ({"weeks": [5]}, 2)):
        study.write_text(yaml.safe_dump(STUDY | {"sensitivity": wished}), encoding="utf-8")
        assert CliRunner().invoke(main, ["validate", str(study)]).exit_code == code


def test_flags_are_outputs_of_0_and_1(finished: Path) -> None:
    dataset = open_design(finished)
    found = at_weeks(dataset, Selection(("vat_responder", "igf1_high", "glucose_diabetic"), (1.0, 2.0)))
    vat = dataset["vat"].sel(time=[0.0, 168.0, 336.0]).transpose("design", "arm", "time").values
    assert np.array_equal(found["vat_responder"].values, (vat[:, :, 1:] <= 0.92 * vat[:, :, :1]).astype(float))
    score = dataset["fasting_igf1_sds"].transpose("design", "arm", "fasting_week").values
    assert np.array_equal(found["igf1_high"].values, (score > 2).astype(float))
    assert set(np.unique(found["glucose_diabetic"].values)) <= {0.0, 1.0}
    assert np.isnan(at_weeks(dataset * np.nan, Selection(("igf1_high",), (1.0,)))["igf1_high"].values).all()
    with pytest.raises(InputError, match=r"cannot be determined: the run stored none of vat"):
        at_weeks(dataset.drop_vars("vat"), Selection(("vat_responder",), (1.0,)))
