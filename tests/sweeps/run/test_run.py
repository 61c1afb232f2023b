"""A study into a folder: same numbers however it is cut, refusals, failures, interruption."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.simulate import memory_held, simulate
from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk import commits, lock
from pulsatile.sweeps.disk.folder import check_free
from pulsatile.sweeps.errors import CannotWrite, ClusterFailed, Exit, FolderRefuses
from pulsatile.sweeps.run.estimate import chunk_size, estimate
from pulsatile.sweeps.run.progress import SilentProgress
from pulsatile.sweeps.run.run import Outcome, resume, run
from pulsatile.sweeps.run.status import status
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import cluster, workers
from pulsatile.sweeps.workers import resources as machine
from pulsatile.sweeps.workers.resources import Resources, Spread
from tests.conftest import Write


def carried_out(data: dict[str, Any], out: Path, resources: Resources = Resources(workers=1, threads=1)) -> Outcome:
    return run(study_from(data, "study"), out, resources)


def journal(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "chunk"]


@pytest.fixture
def seven(small: dict[str, Any]) -> dict[str, Any]:
    small["population"]["n"] = 7
    small["outputs"] = {"names": ["igf1", "vat", "glucose"], "dtype": "float64"}
    return small


def test_the_folder_holds_all_that_was_promised(seven: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "a run"
    outcome = carried_out(seven, out, Resources(3, workers=1, threads=1))
    assert outcome.code is Exit.DONE
    assert {p.name for p in out.iterdir()} == {
        "study.yaml", "resolved.json", "manifest.json", "journal.jsonl", "commits", "results.zarr", "states.zarr",
        "summary.csv", "README.md",
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
    assert [(r["first"], r["stop"]) for r in journal(out)] == [(0, 3), (3, 6), (6, 7)]
    resolved = ResolvedStudy.from_json((out / "resolved.json").read_text())
    assert resolved.identity == outcome.identity
    assert "not for clinical use" in (out / "README.md").read_text()
    assert len({p.stat().st_mode & 0o777 for p in out.iterdir() if p.is_file()}) == 1  # a colleague can read them all


def test_the_store_is_what_simulate_gives(seven: dict[str, Any], tmp_path: Path) -> None:
    carried_out(seven, tmp_path / "a", Resources(chunk=3))
    found = xr.open_zarr(tmp_path / "a" / "results.zarr").load()
    resolved = resolve(study_from(seven, "study"))
    expected = simulate(resolved.cohort(0, 7), resolved.arms, resolved.plan())
    assert set(found.data_vars) == set(expected.data_vars)
    for name, variable in expected.data_vars.items():
        np.testing.assert_array_equal(found[name].values, variable.values, err_msg=str(name))
    for name in ("age", "sex", "weight", "height", "bmi", "phenotype"):
        np.testing.assert_array_equal(found[name].values, expected[name].values)


@pytest.mark.parametrize(("chunk", "threads"), [(1, 1), (1, 4), (3, 2), (5, 1), (7, 2)])
def test_chunks_and_threads_change_no_bit(seven: dict[str, Any], tmp_path: Path, chunk: int, threads: int) -> None:
    whole = carried_out(seven, tmp_path / "whole", Resources(chunk=7))
    parts = carried_out(seven, tmp_path / "parts", Resources(chunk, workers=1, threads=threads))
    assert parts.digest == whole.digest
    assert parts.identity == whole.identity


@pytest.mark.parametrize(("chunk", "threads"), [(2, 1), (1, 2)])
def test_dask_workers_change_no_bit(seven: dict[str, Any], tmp_path: Path, chunk: int, threads: int) -> None:
    alone = carried_out(seven, tmp_path / "alone", Resources(chunk=7))
    shared = carried_out(seven, tmp_path / "shared", Resources(chunk, workers=2, threads=threads))
    assert shared.digest == alone.digest
    assert len({r["pid"] for r in journal(tmp_path / "shared")} - {os.getpid()}) >= 1


def test_more_patients_contain_the_fewer(seven: dict[str, Any], tmp_path: Path) -> None:
    carried_out(seven, tmp_path / "a")
    seven["population"] |= {"n": 4, "first": 3}
    carried_out(seven, tmp_path / "b")
    a, b = (xr.open_zarr(tmp_path / name / "results.zarr").load() for name in "ab")
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
    assert sorted(record["first"] for record in journal(out)) == sorted(calls)
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


def test_where_the_dashboard_is_stands_in_the_lock(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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

    run(study_from(small, "study"), out, Resources(workers=2, threads=1), Watching())
    assert [f"Dask dashboard: {address}" for address in seen] == [text for text in notes if "dashboard" in text]
    assert len(seen) == 1


@pytest.mark.parametrize("resources", [Resources(8, 1, threads=2), Resources(8, workers=2)], ids=["threads", "dask"])
def test_a_patient_that_fails_its_chunk_is_left_out_until_it_does_not(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resources: Resources
) -> None:
    real = workers.run_chunk

    def failing(job: Job) -> dict[str, Any]:
        if job.first <= 11 < job.stop and 11 not in job.skip:
            raise ZeroDivisionError("a bug")
        return real(job)

    monkeypatch.setattr(workers, "run_chunk", failing)
    small["population"]["n"] = 32
    out = tmp_path / "a"
    outcome = carried_out(small, out, resources)
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
    assert again.digest == carried_out(small, tmp_path / "b").digest


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


def test_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, processes, threads in ((1, 1, 1), (2, 1, 2), (8, 1, 8), (10, 2, 5), (64, 8, 8)):
        monkeypatch.setattr(machine, "cores", lambda cores=cores: cores)
        assert Resources().spread()[:2] == (processes, threads)
        assert Resources(workers=3).spread()[:2] == (3, 1)
        assert Resources(threads=1).spread()[:2] == (cores, 1)
        assert Resources(workers=0, threads=4).spread()[:2] == (0, 4)
        assert Resources(scheduler="tcp://a:1").spread()[:2] == (1, 1)
        assert Resources().spread("cuda")[:2] == (1, 1)
        assert Resources(workers=2, threads=2).spread("cuda")[:2] == (2, 2)


def test_an_absent_scheduler_is_named(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(ClusterFailed, match=r"no Dask scheduler with workers answers at tcp://127.0.0.1:1 "):
        carried_out(small, tmp_path / "a", Resources(scheduler="tcp://127.0.0.1:1"))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_interrupt_finishes_the_chunk_in_hand(small: dict[str, Any], write: Write, threads: int) -> None:
    small["population"]["n"] = 4000
    small["weeks"] = 26
    path = write(small)
    out = path.parent / "run"
    command = [sys.executable, "-m", "pulsatile", "run", str(path), "--out", str(out), "--chunk", "4"]
    command += ["--workers", "1", "--threads", str(threads)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 200
        while not commits.committed(out) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, told
    assert "Stopping after the chunks in progress" in told
    assert "Traceback" not in told
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["state"] == "interrupted"
    assert 0 < manifest["patients_done"] < 4000
    assert manifest["patients_done"] == max(record["stop"] for record in journal(out))
    status = xr.open_zarr(out / "results.zarr")["status"].values
    assert np.all(status[:, : manifest["patients_done"]] == 0)
    assert np.all(status[:, manifest["patients_done"] :] == 5)


def test_a_second_interrupt_does_not_wait_for_the_kernel(small: dict[str, Any], write: Write) -> None:
    small["population"]["n"] = 128
    small["weeks"] = 520  # one call of the kernel, about half a minute long
    path = write(small)
    out = path.parent / "run"
    command = [sys.executable, "-m", "pulsatile", "run", str(path), "--out", str(out), "--chunk", "128"]
    with subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 200
            while '"running"' not in _text(out / "manifest.json") and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(4)  # beyond the run-in
            process.send_signal(signal.SIGINT)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == Exit.INTERRUPTED
        finally:
            process.kill()
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["state"], manifest["patients_done"]) == ("interrupted", 0)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_chunk_sizes(small: dict[str, Any]) -> None:
    def size(n: int, wanted: int | None, workers: int, **change: Any) -> int:
        resolved = resolve(study_from(small | {"population": {"n": n, "phenotype": "obese"}} | change, "study"))
        return chunk_size(resolved, resolved.plan(), wanted, workers)

    assert size(3, None, 2) == 3
    assert size(1000, None, 2) == 125
    assert size(100_000, None, 2) == 1000
    assert size(100, 7, 2) == 7
    assert size(100, 1000, 2) == 100
    with pytest.raises(InputError, match="at least 1 patient"):
        size(100, 0, 2)
    with pytest.raises(InputError, match=r"make --chunk smaller or outputs.every longer"):
        size(10_000_000, 1_000_000, 2, outputs={"every": "1 min"})


def test_estimate_counts_the_work(small: dict[str, Any]) -> None:
    found = estimate(resolve(study_from(small, "study")), 2, Spread(2, 1))
    assert (found.patients, found.arms, found.tasks) == (3, 2, 2)
    assert found.minutes > 0
    assert "42 patient-days" in found.lines()[0]


def test_estimate_counts_the_states_held_at_once(small: dict[str, Any]) -> None:
    small |= {"weeks": 26, "outputs": {"names": ["vat"], "every": "1 day"}, "tests": []}
    resolved = resolve(study_from(small, "study"))
    one, two = (estimate(resolved, 3, Spread(1, threads)).memory for threads in (1, 2))
    each = memory_held(resolved.plan(), 1)
    assert each > 8 * 50 * 182  # all states on each day, of which the results keep one
    assert two == 2 * one > 2 * 3 * each
    assert memory_held(resolved.plan(), 1_000_000) <= 200e6


def test_a_worker_that_imports_an_unguarded_script_is_told(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(InputError, match="put the run under `if __name__"):
        run(study_from(small, "study"), tmp_path / "run", Resources(3, workers=1, threads=1))
    assert not (tmp_path / "run").exists()
