"""Patients and chunks that fail: what the run makes of them, and how a later try takes them up."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster

from pulsatile.engine.errors import Status
from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.chunk.run_chunk import run_chunk
from pulsatile.sweeps.disk import commits
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import Exit, FolderRefuses
from pulsatile.sweeps.run.heal import heal
from pulsatile.sweeps.run.run import resume
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.workers import thread_pool, workers
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import SMALL
from tests.stub_jobs import all_but_eleven
from tests.sweeps.run.runs import SIX, carried_out, chunk_entries

ALONE = Resources(2, workers=1, threads=1)


@pytest.mark.parametrize("threads", [1, 3])
def test_too_many_failures_stop_the_run_and_lose_nothing(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    real, calls = workers.run_chunk, []

    def failing(job: Job) -> dict[str, Any]:
        calls.append(job.first)
        if job.first:
            time.sleep(0.3)  # in hand when the first has failed
        return real(job) | {"status": {"step_limit": 2 if job.first == 0 else 0, "ok": 0}}

    monkeypatch.setattr(workers, "run_chunk", failing)
    small["population"]["n"] = 19
    out = tmp_path / "a"
    outcome = carried_out(small, out, Resources(1, workers=1, threads=threads))
    assert outcome.code is Exit.FAILED_PATIENTS
    assert (outcome.failed, outcome.patient_arms) == (2, 38)
    assert len(calls) < 10  # more than 5 % of all that was planned have failed: going on is of no use
    assert sorted(record["first"] for record in chunk_entries(out)) == sorted(calls)
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["state"], manifest["patients_done"], manifest["digest"]) == ("failed", len(calls), "")
    status = xr.open_zarr(out / "results.zarr")["status"].values
    assert sorted(calls) == np.flatnonzero(status[0] != Status.NEVER_RUN).tolist()
    assert outcome.summary is None
    assert not (out / "summary.csv").exists()  # it would depend on which chunks were in hand


def test_failures_found_at_the_end_are_summarised(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workers.run_chunk
    monkeypatch.setattr(workers, "run_chunk", lambda *given: real(*given) | {"status": {"step_limit": 6}})
    outcome = carried_out(small, tmp_path / "a")
    assert outcome.code is Exit.FAILED_PATIENTS
    assert outcome.digest != ""
    assert outcome.summary is not None
    assert not outcome.summary.frame.empty


THIRTY_TWO: dict[str, Any] = SMALL | {"population": {"n": 32, "phenotype": "obese"}}


@pytest.fixture(scope="module")
def digest_of_thirty_two(tmp_path_factory: pytest.TempPathFactory) -> str:
    return carried_out(THIRTY_TWO, tmp_path_factory.mktemp("32") / "whole").digest


@pytest.fixture(params=["threads", "processes", "dask"])
def resources(request: pytest.FixtureRequest) -> Iterator[Resources]:
    """Two threads, two processes, or a Dask cluster of two."""
    if request.param != "dask":
        yield Resources(8, 1, threads=2) if request.param == "threads" else Resources(8, workers=2)
        return
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as two:
        yield Resources(8, scheduler=two.scheduler_address)


def test_a_patient_that_fails_its_chunk_is_left_out_until_it_does_not(
    digest_of_thirty_two: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resources: Resources
) -> None:
    monkeypatch.setattr(workers, "run_chunk", all_but_eleven)
    out = tmp_path / "a"
    outcome = carried_out(THIRTY_TWO, out, resources)
    assert (outcome.code, outcome.digest) == (Exit.CLUSTER, "")
    assert outcome.poison == {11: "ZeroDivisionError: a bug"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["state"], manifest["patients_done"]) == ("incomplete", 32)
    status = xr.open_zarr(out / "results.zarr")["status"].values
    assert np.flatnonzero(status[0]).tolist() == [11]
    assert status[0, 11] == Status.NEVER_RUN
    monkeypatch.undo()
    again = resume(out, Resources(workers=1, threads=1))
    assert again.code is Exit.DONE
    assert again.digest == digest_of_thirty_two


def test_a_bug_that_hits_everybody_ends_the_run_soon(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = list[Job]()

    def failing(job: Job) -> dict[str, Any]:
        tries.append(job)
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(workers, "run_chunk", failing)
    small["population"]["n"] = 4000
    with pytest.raises(ZeroDivisionError, match="a bug"):
        carried_out(small, tmp_path / "a", Resources(64, 1, threads=2))
    assert len(tries) < 40
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert (manifest["state"], manifest["patients_done"]) == ("broken", 0)


def test_too_many_failures_can_be_lived_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(workers, "run_chunk", lambda job: run_chunk(job) | {"status": {"step_limit": 4, "ok": 0}})
        path = tmp_path / "a"
        assert carried_out(SIX, path, ALONE).code is Exit.FAILED_PATIENTS
    with pytest.raises(FolderRefuses, match=r"resume .* --gate SHARE` goes on"):
        digest_of(path)
    assert resume(path, ALONE).code is Exit.FAILED_PATIENTS
    outcome = resume(path, Resources(workers=1, threads=1, gate=0.9))
    assert outcome.code is Exit.DONE
    assert digest_of(path) == outcome.digest


@pytest.fixture(scope="module")
def incomplete_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six patients of which one was left out."""
    path = tmp_path_factory.mktemp("incomplete") / "run"

    def fails(job: Job) -> dict[str, Any]:
        if job.first <= 3 < job.stop and 3 not in job.skip:
            raise ZeroDivisionError("a bug")
        return run_chunk(job)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workers, "run_chunk", fails)
        carried_out(SIX, path, ALONE)
    return path


@pytest.fixture
def incomplete(incomplete_once: Path, digest_of_six: str, tmp_path: Path) -> tuple[Path, str]:
    """A copy of it, and the digest it is to reach."""
    return Path(shutil.copytree(incomplete_once, tmp_path / "run")), digest_of_six


def stops(*given: Any, **named: Any) -> Any:
    raise KeyboardInterrupt


def test_what_is_known_of_a_patient_left_out_outlives_a_try_that_ends_too_early(
    incomplete: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digest = incomplete
    record, poison = commits.load(path, 2), {3: "ZeroDivisionError: a bug"}
    with monkeypatch.context() as patched:  # in a process of its own, else nothing would stop it
        patched.setattr(thread_pool, "run_alone", stops)
        with pytest.raises(KeyboardInterrupt):
            resume(path, ALONE)
    assert commits.load(path, 2) == record
    assert RunFolder.open(path).poison == poison
    (path / commits.place(2)).unlink()  # a power cut: the journal tells it still
    with monkeypatch.context() as patched:
        patched.setattr(thread_pool, "run_alone", stops)
        with pytest.raises(KeyboardInterrupt):
            resume(path, ALONE)
    assert RunFolder.open(path).poison == poison
    assert resume(path, ALONE).digest == digest


def test_a_try_that_ended_between_record_and_journal_is_taken_over(
    incomplete: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digest = incomplete
    text, manifest = (path / "journal.jsonl").read_bytes(), (path / "manifest.json").read_bytes()
    real, told = RunFolder.append, list[int]()

    def last(folder: RunFolder, entry: Any) -> None:
        if entry["kind"] == "chunk":
            told.append(entry["first"])
            raise KeyboardInterrupt
        real(folder, entry)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "append", last)
        with pytest.raises(KeyboardInterrupt):
            resume(path, ALONE)
    (path / "journal.jsonl").write_bytes(text)
    (path / "manifest.json").write_bytes(manifest)
    assert told == [2]
    assert verify(path) == []
    monkeypatch.setattr(thread_pool, "run_alone", stops)  # there is nothing left to compute
    assert resume(path, ALONE).digest == digest


def test_heal_tries_a_chunk_with_patients_left_out_in_a_process_of_its_own(
    incomplete: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digest = incomplete
    (path / "results.zarr/vat/c/0/1/0").write_bytes(b"changed")
    record = commits.load(path, 2)
    with monkeypatch.context() as patched:
        patched.setattr(thread_pool, "run_alone", stops)
        with pytest.raises(KeyboardInterrupt):
            heal(path, ALONE)
    assert commits.load(path, 2) == record
    assert heal(path, ALONE).chunks == [2]
    assert resume(path, ALONE).digest == digest
