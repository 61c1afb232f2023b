"""A larger run is one fresh run of the full size, with the old part as it was and only the new work done."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.chunk import compute
from pulsatile.sweeps.disk import commits, journal, side
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import ClusterFailed, Damage, Exit, FolderRefuses
from pulsatile.sweeps.run import driver, expand, settle
from pulsatile.sweeps.run.driver import Outcome
from pulsatile.sweeps.run.expand import Growth
from pulsatile.sweeps.run.progress import SilentProgress
from pulsatile.sweeps.run.run import resume, run
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import cluster
from pulsatile.sweeps.workers.resources import Resources

ALONE = Resources(3, workers=1, threads=1)
CONTROL = {"name": "no treatment", "preset": "control"}
TESAMORELIN = {"name": "tesamorelin", "preset": "tesamorelin_label"}
RHGH = {"name": "rhgh", "preset": "rhgh_low"}
FAST = TESAMORELIN | {"name": "fast", "parameters": {"k_igf1": {"factor": 2.0}}}
STUDY: dict[str, Any] = {
    "weeks": 2, "population": {"n": 7, "phenotype": "obese"}, "arms": [CONTROL, TESAMORELIN],
    "tests": [{"test": "fasting", "weeks": [0, 2]}],
    "reductions": {"names": ["gh_mean", "glucose_max"], "every": "3 day"}, "outputs": {"names": ["igf1", "vat"]},
}  # fmt: skip


def fresh(path: Path, resources: Resources = ALONE, **change: Any) -> Outcome:
    return run(study_from(STUDY | change, "study"), path, resources, source=json.dumps(STUDY | change))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh(tmp_path_factory.mktemp("expand") / "run").folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


FASTING = "fasting"
CASES = {
    "patients": (Growth(patients=11), {"population": {"n": 11, "phenotype": "obese"}}),
    "arms": (Growth(arms=(("rhgh", "rhgh_low"),)), {"arms": [CONTROL, TESAMORELIN, RHGH]}),
    "weeks": (Growth(weeks=5), {"weeks": 5, "tests": [{"test": FASTING, "weeks": [0, 2, 5]}]}),
    "all": (
        Growth(patients=8, weeks=3, arms=(("rhgh", "rhgh_low"),)),
        {
            "population": {"n": 8, "phenotype": "obese"}, "weeks": 3, "arms": [CONTROL, TESAMORELIN, RHGH],
            "tests": [{"test": FASTING, "weeks": [0, 2, 3]}],
        },
    ),
}  # fmt: skip


def old_part_is_kept(before: xr.Dataset, after: xr.Dataset) -> None:
    """Every value of the smaller run stands in the larger one, at the same labels, bit for bit."""
    for name, variable in before.variables.items():
        if name in before.dims:
            continue
        labels = {str(d): before[d].values for d in variable.dims if d in before.coords}
        np.testing.assert_array_equal(after[name].sel(labels).values, variable.values, err_msg=str(name))


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_fresh_run_of_the_full_size(folder: Path, tmp_path: Path, case: str) -> None:
    growth, change = CASES[case]
    before = xr.open_zarr(folder / "results.zarr", chunks=None).load()
    outcome = expand.expand(folder, growth, ALONE)
    whole = fresh(tmp_path / "whole", Resources(5, workers=1, threads=1), **change)
    assert (outcome.code, outcome.folder) == (Exit.DONE, folder)
    assert outcome.identity == whole.identity
    assert outcome.digest == whole.digest == digest_of(folder)
    assert verify(folder) == []
    assert {p.name for p in folder.iterdir()} == {p.name for p in whole.folder.iterdir()}
    old_part_is_kept(before, xr.open_zarr(folder / "results.zarr", chunks=None).load())
    run_folder = RunFolder.open(folder)
    assert run_folder.facts["expanded"][0]["digest"] != outcome.digest
    assert run_folder.end["certified"] is True
    assert run_folder.facts["expanded"][0]["by"] in (folder / "README.md").read_text()


def test_an_arm_of_the_same_doses_with_other_parameters_is_a_new_arm(folder: Path, tmp_path: Path) -> None:
    arms = [CONTROL, TESAMORELIN, FAST]
    growth = Growth(study=study_from(STUDY | {"arms": arms}, "study"))
    assert expand.expand(folder, growth, ALONE).digest == fresh(tmp_path / "whole", arms=arms).digest


def test_it_can_be_done_again(folder: Path, tmp_path: Path) -> None:
    for growth in (Growth(patients=8), Growth(weeks=3), Growth(arms=(("rhgh", "rhgh_low"),)), Growth(weeks=5)):
        outcome = expand.expand(folder, growth, ALONE)
    tests = [{"test": FASTING, "weeks": [0, 2, 3, 5]}]
    change = {"population": {"n": 8, "phenotype": "obese"}, "arms": [CONTROL, TESAMORELIN, RHGH]}
    assert outcome.digest == fresh(tmp_path / "whole", weeks=5, tests=tests, **change).digest


def test_kept_patients_are_not_simulated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, done = compute.carry_out, list[tuple[int, int]]()
    monkeypatch.setattr(driver, "warm_up", lambda resolved: 0.0)

    def counted(cohort: Any, arms: Any, *others: Any, **more: Any) -> Any:
        done.append((len(cohort), len(arms)))
        return real(cohort, arms, *others, **more)

    monkeypatch.setattr(compute, "carry_out", counted)
    expand.expand(folder, Growth(patients=9), ALONE)
    assert sum(n * arms for n, arms in done) == 2 * 2
    done.clear()
    expand.expand(folder, Growth(arms=(("rhgh", "rhgh_low"),)), ALONE)
    assert sum(n * arms for n, arms in done) == 9


def test_other_outputs_are_computed_anew(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []

    class Told(SilentProgress):
        def note(self, text: str) -> None:
            said.append(text)

    outputs = {"names": ["igf1", "glucose"], "every": "1 day"}
    change = STUDY | {"outputs": outputs}
    outcome = expand.expand(folder, Growth(study=study_from(change, "study")), ALONE, Told(), json.dumps(change))
    assert outcome.digest == fresh(tmp_path / "whole", outputs=outputs).digest
    assert any("computed anew" in text for text in said)


def test_an_arm_may_come_first_and_get_another_name(folder: Path, tmp_path: Path) -> None:
    change = {"arms": [RHGH, TESAMORELIN | {"name": "other"}, CONTROL]}
    outcome = expand.expand(
        folder, Growth(study=study_from(STUDY | change, "study")), ALONE, None, json.dumps(STUDY | change)
    )
    assert outcome.digest == fresh(tmp_path / "whole", **change).digest


@pytest.mark.parametrize(
    ("growth", "words"),
    [
        (Growth(), "has all that already"),
        (Growth(patients=7), "has all that already"),
        (Growth(patients=6), "patients = 6 is fewer than the 7"),
        (Growth(weeks=1), "weeks = 1 is fewer than the 2 weeks"),
        (Growth(weeks=1e9), "too large"),
        (Growth(weeks=float("nan")), "too large"),
        (Growth(patients=10**9), "too large"),
        (Growth(arms=(("rhgh", "nothing"),)), "nothing"),
        (Growth(arms=(("tesamorelin", "rhgh_low"),)), "name tesamorelin twice"),
        (Growth(study=study_from(STUDY | {"seed": 2}, "s")), "seed is 1 in the run, 2 now"),
        (Growth(study=study_from(STUDY | {"arms": [CONTROL, RHGH]}, "s")), "arm tesamorelin of the run is not in"),
        (Growth(study=study_from(STUDY | {"solver": {"rtol": 1e-5}}, "s")), "solver.rtol"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_expansion_is_refused(folder: Path, growth: Growth, words: str) -> None:
    with pytest.raises(InputError, match=words):
        expand.expand(folder, growth, ALONE)
    assert verify(folder) == []
    assert not (folder / "expanding").exists()


def test_a_damaged_run_is_not_expanded(folder: Path) -> None:
    (folder / "results.zarr/igf1/c/0/0/0").unlink()
    with pytest.raises(Damage, match=r"igf1/c/0/0/0 is missing .*heal"):
        expand.expand(folder, Growth(patients=8), ALONE)


def test_an_interrupted_expansion_is_resumed_and_the_old_run_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, real = digest_of(folder), commits.commit

    def dies(where: Path, record: dict[str, Any], files: Any) -> Any:
        if record["first"] >= 6:
            raise KeyboardInterrupt
        return real(where, record, files)

    with monkeypatch.context() as patched:
        patched.setattr(commits, "commit", dies)
        with pytest.raises(KeyboardInterrupt):
            expand.expand(folder, Growth(patients=11), ALONE)
    assert digest_of(folder) == digest
    assert verify(folder) == []
    with pytest.raises(FolderRefuses, match="expansion that is not finished"):
        expand.expand(folder, Growth(patients=12), ALONE)
    outcome = resume(folder, ALONE)
    assert outcome.digest == fresh(tmp_path / "whole", population={"n": 11, "phenotype": "obese"}).digest
    assert not (folder / "expanding").exists()


def test_an_expansion_does_not_build_on_damage_that_came_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(commits, "commit", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            expand.expand(folder, Growth(weeks=3), ALONE)
    place = folder / "results.zarr/vat/c/1/0/0"
    kept = place.read_bytes()
    place.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(Damage, match=r"vat/c/1/0/0 is not what was written"):
        resume(folder, ALONE)
    place.write_bytes(kept)
    assert resume(folder, ALONE).code is Exit.DONE


def test_an_expansion_that_never_began_is_forgotten(folder: Path) -> None:
    run_folder = RunFolder.open(folder)
    side.make(folder, "expanding", run_folder.facts["identity"], run_folder.digest)
    (folder / "expanding" / "commits").mkdir()
    (folder / "expanding" / "beginning").touch()
    assert resume(folder, ALONE).code is Exit.DONE
    assert not (folder / "expanding").exists()


def test_a_wrong_address_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(ClusterFailed):
        expand.expand(folder, Growth(patients=8), Resources(scheduler="tcp://127.0.0.1:1"))
    assert not (folder / "expanding").exists()


def test_an_expansion_under_way_is_no_run_of_its_own(folder: Path) -> None:
    shutil.copytree(folder, folder / "expanding")
    (folder / "expanding" / side.SEAL).write_text(journal.seal({"identity": "", "digest": ""}))
    with pytest.raises(FolderRefuses, match="is an expansion under way; give the folder of its run"):
        resume(folder / "expanding", ALONE)


def test_a_grid_that_meets_the_end_but_for_rounding(tmp_path: Path) -> None:
    change = {"weeks": 3, "outputs": {"every": "1.4 h"}, "population": {"n": 2, "phenotype": "obese"}, "tests": []}
    grown = expand.expand(fresh(tmp_path / "a", **change).folder, Growth(weeks=4), ALONE)
    assert grown.digest == fresh(tmp_path / "b", **change | {"weeks": 4}).digest


def test_a_change_of_place_that_is_cut_short_is_completed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(expand, "settle", lambda path, outcome=None: outcome)
        digest = expand.expand(folder, Growth(patients=8), ALONE).digest
    calls = 0
    for stop in range(40):
        copy = Path(shutil.copytree(folder, tmp_path / f"copy{stop}"))
        calls = 0

        def cut(real: Any, *paths: Any, stop: int = stop) -> Any:
            nonlocal calls
            calls += 1
            if calls > stop:
                raise KeyboardInterrupt
            return real(*paths)

        with monkeypatch.context() as patched:
            rename, replace = Path.rename, Path.replace
            patched.setattr(Path, "rename", lambda *paths, real=rename: cut(real, *paths))
            patched.setattr(Path, "replace", lambda *paths, real=replace: cut(real, *paths))
            try:
                settle.settle(copy)
            except KeyboardInterrupt:
                pass
            else:
                break
        settle.settle(copy)
        if (copy / "expanding").exists():  # cut before the first rename: the old run is the run
            resume(copy, ALONE)
        assert digest_of(copy) == digest
        assert verify(copy) == []
        assert {"expanding", "expanded", "replaced"}.isdisjoint(os.listdir(copy))
    assert stop > 8


def test_the_work_of_an_expansion_is_in_its_records(folder: Path) -> None:
    expand.expand(folder, Growth(patients=8), ALONE)
    kept = [journal.unseal(commits.load(folder, first))["kept"] for first in commits.committed(folder)]
    assert kept == [6, 6, 2]


def test_people_of_a_named_population(tmp_path: Path) -> None:
    """Whole, in chunks, or expanded from half: one digest."""
    population: dict[str, Any] = {"n": 24, "named": "trial", "layers": {"residual": True}}
    study = {"weeks": 1, "tests": [{"test": FASTING, "weeks": [0, 1]}], "reductions": {"names": ["gh_mean"]}}
    whole = fresh(tmp_path / "whole", Resources(24, workers=1, threads=1), **study, population=population)
    parts = fresh(tmp_path / "parts", Resources(7, workers=1, threads=1), **study, population=population)
    half = fresh(tmp_path / "half", Resources(5, workers=1, threads=1), **study, population=population | {"n": 12})
    before = xr.open_zarr(half.folder / "results.zarr", chunks=None).load()
    grown = expand.expand(half.folder, Growth(patients=24), ALONE)
    assert parts.digest == whole.digest == grown.digest == digest_of(half.folder)
    assert grown.identity == whole.identity
    old_part_is_kept(before, xr.open_zarr(half.folder / "results.zarr", chunks=None).load())


def test_a_dose_matched_on_own_patients_is_not_kept_for_more_of_them(tmp_path: Path) -> None:
    """The dose is that of the patients of the run; a fresh run of more of them would have another."""
    table = tmp_path / "own.csv"
    rows = (f"{k},woman,{66 + k},100,1.6" for k in range(6))
    table.write_text("\n".join(["patient,sex,age [y],weight [kg],height [m]", *rows]) + "\n", encoding="utf-8")
    rule = {"drug": "somatropin", "dose": {"match": "igf1", "to": "tesamorelin"}, "at": ["21:00"]}
    matched = {"name": "rhGH", "regimen": [rule]}
    own = {"population": {"patients": str(table), "n": 3}, "arms": [CONTROL, TESAMORELIN, matched]}
    folder = fresh(tmp_path / "run", Resources(3, workers=1, threads=2), **own).folder
    with pytest.raises(InputError, match=r"arm rhGH is matched on the 3 patients of the run.*or write the dose \("):
        expand.expand(folder, Growth(patients=6), ALONE)
    expand.expand(folder, Growth(arms=(("rhgh", "rhgh_low"),)), ALONE)
