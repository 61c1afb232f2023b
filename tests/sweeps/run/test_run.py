"""A study into a folder: the same numbers however it is cut, and what is refused."""

import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster

from pulsatile.engine.errors import InputError
from pulsatile.engine.simulate import simulate
from pulsatile.sweeps.disk import lock
from pulsatile.sweeps.disk.folder import check_free
from pulsatile.sweeps.errors import CannotWrite, ClusterFailed, Exit, FolderRefuses
from pulsatile.sweeps.run.progress import SilentProgress
from pulsatile.sweeps.run.run import Outcome, run
from pulsatile.sweeps.run.status import status
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import cluster, workers
from pulsatile.sweeps.workers import resources as machine
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import SMALL
from tests.sweeps.run.runs import carried_out, chunk_entries

SEVEN: dict[str, Any] = SMALL | {
    "population": {"n": 7, "phenotype": "obese"}, "outputs": {"names": ["igf1", "vat", "glucose"], "dtype": "float64"},
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The run of seven patients in one chunk."""
    return carried_out(SEVEN, tmp_path_factory.mktemp("seven") / "whole", Resources(chunk=7))


def test_the_folder_holds_all_that_was_promised(tmp_path: Path) -> None:
    out = tmp_path / "a run"
    outcome = carried_out(SEVEN, out, Resources(3, workers=1, threads=1))
    assert outcome.code is Exit.DONE
    assert {p.name for p in out.iterdir()} == {
        "study.yaml", "resolved.json", "manifest.json", "journal.jsonl", "commits", "results.zarr", "patients.zarr",
        "states.zarr", "summary.csv", "README.md",
    }  # fmt: skip
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["digest"] == outcome.digest != ""
    assert manifest["patients_done"] == 7
    assert manifest["certified"] is True
    assert manifest["canaries"]["count"] == 6  # one per chunk and arm
    assert manifest["status"] == {"ok": 14}
    assert manifest["identity"] == outcome.identity
    assert set(manifest["seconds"]) == {"planning", "compile", "integration", "total"}
    assert [(r["first"], r["stop"]) for r in chunk_entries(out)] == [(0, 3), (3, 6), (6, 7)]
    resolved = ResolvedStudy.from_json((out / "resolved.json").read_text())
    assert resolved.identity == outcome.identity
    assert "not for clinical use" in (out / "README.md").read_text()
    assert len({p.stat().st_mode & 0o777 for p in out.iterdir() if p.is_file()}) == 1  # a colleague can read them all


def test_the_store_is_what_simulate_gives(tmp_path: Path) -> None:
    carried_out(SEVEN, tmp_path / "a", Resources(chunk=3))
    found = xr.open_zarr(tmp_path / "a" / "results.zarr").load()
    resolved = resolve(study_from(SEVEN, "study"))
    expected = simulate(resolved.cohort(0, 7), resolved.arms, resolved.plan())
    assert set(found.data_vars) == set(expected.data_vars)
    for name, variable in expected.data_vars.items():
        np.testing.assert_array_equal(found[name].values, variable.values, err_msg=str(name))
    for name in ("age", "sex", "weight", "height", "bmi", "phenotype"):
        np.testing.assert_array_equal(found[name].values, expected[name].values)


@pytest.mark.parametrize(("chunk", "threads"), [(1, 1), (1, 4), (3, 2), (5, 1), (7, 2)])
def test_chunks_and_threads_change_no_bit(whole: Outcome, tmp_path: Path, chunk: int, threads: int) -> None:
    parts = carried_out(SEVEN, tmp_path / "parts", Resources(chunk, workers=1, threads=threads))
    assert parts.digest == whole.digest
    assert parts.identity == whole.identity


def test_dask_workers_change_no_bit(whole: Outcome, tmp_path: Path) -> None:
    """Of two threads each; of one each: test_where_the_dashboard_is_stands_in_the_lock."""
    shared = carried_out(SEVEN, tmp_path / "shared", Resources(1, workers=2, threads=2))
    assert shared.digest == whole.digest
    assert len({r["pid"] for r in chunk_entries(tmp_path / "shared")} - {os.getpid()}) >= 1


def test_more_patients_contain_the_fewer(whole: Outcome, tmp_path: Path) -> None:
    carried_out(SEVEN | {"population": SEVEN["population"] | {"n": 4, "first": 3}}, tmp_path / "b")
    a, b = (xr.open_zarr(folder / "results.zarr").load() for folder in (whole.folder, tmp_path / "b"))
    xr.testing.assert_equal(a.isel(patient=slice(3, 7)), b)


def test_a_folder_in_use_is_refused(small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(FolderRefuses, match="is not empty; choose a new or empty folder"):
        carried_out(small, tmp_path)
    with pytest.raises(FolderRefuses, match="is a file"):
        carried_out(small, tmp_path / "file")
    with pytest.raises(CannotWrite, match="it is a file, not a folder"):
        carried_out(small, tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "kept"
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")
    check_free(tmp_path / "new" / "below")


def test_a_full_disk_is_told_in_a_sentence(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device", "results.zarr/igf1")

    monkeypatch.setattr(workers, "run_chunk", full)
    with pytest.raises(
        CannotWrite, match=r"results.zarr/igf1 cannot be written \(No space left on device, \d+ bytes free\)"
    ):
        carried_out(small, tmp_path / "a")
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["state"] == "broken"


def test_where_the_dashboard_is_stands_in_the_lock(
    whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, seen, out = list[str](), list[str](), tmp_path / "a"
    monkeypatch.setattr(lock, "BEAT", 1)
    monkeypatch.setattr(lock, "TICK", 0.02)

    class Watching(SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

        def advance(self, patients: int, failed: int, written: int) -> None:
            end = time.monotonic() + 20
            while not seen and time.monotonic() < end:
                found = status(out).holder
                seen.extend([found.dashboard] if found is not None and found.dashboard else [])

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as two:
        outcome = run(study_from(SEVEN, "study"), out, Resources(2, scheduler=two.scheduler_address), Watching())
    assert [f"Dask dashboard: {address}" for address in seen] == [text for text in notes if "dashboard" in text]
    assert len(seen) == 1
    assert outcome.digest == whole.digest
    entries = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    assert [entry["text"] for entry in entries if entry["kind"] == "note"] == [f"Dask dashboard: {seen[0]}"]


def test_processes_of_this_machine_give_the_same_digest(whole: Outcome, tmp_path: Path) -> None:
    outcome = run(study_from(SEVEN, "study"), tmp_path / "a", Resources(1, workers=2, threads=2))
    assert outcome.digest == whole.digest
    entries = [json.loads(line) for line in (tmp_path / "a" / "journal.jsonl").read_text().splitlines()]
    assert {entry["pid"] for entry in entries if entry["kind"] == "chunk"}.isdisjoint({os.getpid()})


def test_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, processes, threads in ((1, 1, 1), (2, 1, 2), (8, 1, 8), (10, 2, 5), (64, 8, 8)):
        monkeypatch.setattr(machine, "cores", lambda cores=cores: cores)
        assert Resources().spread()[:2] == (processes, threads)
        assert Resources(workers=3).spread()[:2] == (3, 1)
        assert Resources(threads=1).spread()[:2] == (1, 1)  # one process: what was asked for, and no core more
        assert Resources(threads=12).spread()[:2] == (1, 12)
        assert Resources(workers=0, threads=4).spread()[:2] == (0, 4)
        assert Resources(scheduler="tcp://a:1").spread()[:2] == (1, 1)
        assert Resources().spread("cuda")[:2] == (1, 1)
        assert Resources(workers=2, threads=2).spread("cuda")[:2] == (2, 2)


def test_an_absent_scheduler_is_named(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(ClusterFailed, match=r"no Dask scheduler with workers answers at tcp://127.0.0.1:1 "):
        carried_out(small, tmp_path / "a", Resources(scheduler="tcp://127.0.0.1:1"))
    assert not (tmp_path / "a").exists()


def test_a_worker_that_imports_an_unguarded_script_is_told(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(InputError, match="put the run under `if __name__"):
        run(study_from(small, "study"), tmp_path / "run", Resources(3, workers=1, threads=1))
    assert not (tmp_path / "run").exists()
