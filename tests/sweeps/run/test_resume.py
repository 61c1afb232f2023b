"""A run that stopped goes on from its folder alone, refuses other inputs by name, and ends with the same digest."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import yaml

from pulsatile.sweeps.chunk.run_chunk import run_chunk
from pulsatile.sweeps.disk import commits, journal
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import CannotWrite, Damage, Exit, FolderRefuses
from pulsatile.sweeps.run import compare, driver
from pulsatile.sweeps.run.heal import heal
from pulsatile.sweeps.run.run import resume, run
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import thread_pool, workers
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import Write

ALONE = Resources(2, workers=1, threads=1)


@pytest.fixture
def stopped(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A run of six patients that a Ctrl-C ended after two of three chunks, and the digest it is to reach."""
    small["population"]["n"] = 6
    digest = run(study_from(small, "study"), tmp_path / "whole", Resources(4, workers=1, threads=1)).digest

    def dies(job: Any) -> Any:
        if job.first == 4:
            raise KeyboardInterrupt
        return run_chunk(job)

    with monkeypatch.context() as patched:
        patched.setattr(workers, "run_chunk", dies)
        with pytest.raises(KeyboardInterrupt):
            run(study_from(small, "study"), tmp_path / "run", ALONE, source=yaml.safe_dump(small))
    return tmp_path / "run", digest


def test_it_goes_on_where_it_stopped(stopped: tuple[Path, str]) -> None:
    path, digest = stopped
    assert RunFolder.open(path).state == "interrupted"
    before = {first: commits.load(path, first) for first in commits.committed(path)}
    assert sorted(before) == [0, 2]
    outcome = resume(path, ALONE)
    assert (outcome.code, outcome.digest) == (Exit.DONE, digest)
    assert {first: commits.load(path, first) for first in before} == before
    assert verify(path) == []
    text = (path / "journal.jsonl").read_text()
    assert resume(path, ALONE).digest == digest  # a finished run stays as it is
    assert (path / "journal.jsonl").read_text() == text


def test_what_a_killed_driver_left_is_taken_over(stopped: tuple[Path, str]) -> None:
    path, digest = stopped
    text = (path / "journal.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in text if '"first":2' not in line and "interrupted" not in line]
    (path / "journal.jsonl").write_text("".join(kept) + kept[1][:30])  # killed between commit and journal, in a line
    (path / ".aside").mkdir(exist_ok=True)
    (path / ".aside" / "0123-1").write_text("half")
    (path / "results.zarr" / "igf1" / "c" / "0" / "2" / "0").parent.mkdir(parents=True, exist_ok=True)
    (path / "results.zarr" / "igf1" / "c" / "0" / "2" / "0").write_text("a chunk without a record")
    before = commits.load(path, 2)
    assert resume(path, ALONE).digest == digest
    assert commits.load(path, 2) == before
    assert not (path / ".aside").exists()
    assert verify(path) == []


def test_a_driver_killed_for_real_is_resumed_from_the_command_line(small: dict[str, Any], write: Write) -> None:
    small["population"]["n"] = 60
    path = write(small)
    out, whole = path.parent / "run", path.parent / "whole"
    command = [sys.executable, "-m", "pulsatile"]
    with subprocess.Popen(
        [*command, "run", str(path), "--out", str(out), "--chunk", "2"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + 200
        while len(commits.committed(out)) < 3 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = commits.committed(out)
    assert 3 <= len(done) < 30
    times = {first: os.stat(out / commits.place(first)).st_mtime_ns for first in done}
    told = subprocess.run([*command, "resume", str(out), "--json"], capture_output=True, text=True, check=True)
    assert {first: os.stat(out / commits.place(first)).st_mtime_ns for first in done} == times
    assert run(study_from(small, "study"), whole).digest == json.loads(told.stdout)["digest"]
    shown = subprocess.run([*command, "digest", str(out)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == json.loads(told.stdout)["digest"]


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        data = json.loads((path / "resolved.json").read_text())
        change(data)
        text = ResolvedStudy.model_validate(data).model_dump_json(indent=1) + "\n"
        (path / "resolved.json").write_text(text)

    return edit


def restudied(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        data = yaml.safe_load((path / "study.yaml").read_text())
        change(data)
        (path / "study.yaml").write_text(yaml.safe_dump(data))

    return edit


EDITS = {
    "seed": (edited(lambda s: s.update(seed=6)), r"resolved.json was edited .*seed is 5 in the run, 6 now"),
    "patients": (edited(lambda s: s["population"].update(n=8)), r"population.n is 6 in the run, 8 now"),
    "shares": (edited(lambda s: s["population"].update(shares={"lean": 1.0})), r"population.shares.obese is 1.0"),
    "dose": (edited(lambda s: s["arms"][1]["doses"][0].update(amount=3)), r"doses\[0\].amount is 2.0 .* 3.0 now"),
    "solver": (edited(lambda s: s["solver"].update(rtol=1e-5)), r"solver.rtol is 1e-06 in the run, 1e-05 now"),
    "dtype": (edited(lambda s: s.update(dtype="float64")), r"dtype is float32 in the run, float64 now"),
    "tests": (edited(lambda s: s.update(tests=[])), r"tests\[0\] is .* in the run, nothing now"),
    "study seed": (restudied(lambda s: s.update(seed=6)), r"study.yaml was edited .*seed is 5 in the run, 6 now"),
    "study weeks": (restudied(lambda s: s.update(weeks=2)), r"study.yaml was .*weeks is 1.0 in the run, 2.0 now"),
    "study arm": (
        restudied(lambda s: s["arms"].append({"name": "a", "preset": "rhgh_low"})), r"study.yaml was .*arms\[2\]",
    ),
    "no study": (restudied(lambda s: s.update(weeks=-1)), r"study.yaml was edited .*is not a study now"),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
def test_other_inputs_are_refused_by_name(stopped: tuple[Path, str], case: str) -> None:
    path, digest = stopped
    kept = {name: (path / name).read_bytes() for name in ("resolved.json", "study.yaml")}
    edit, words = EDITS[case]
    edit(path)
    with pytest.raises(FolderRefuses, match=words):
        resume(path, ALONE)
    for name, data in kept.items():
        (path / name).write_bytes(data)
    assert resume(path, ALONE).digest == digest


def test_an_edited_title_is_no_other_input(stopped: tuple[Path, str]) -> None:
    path, digest = stopped
    restudied(lambda s: s.update(title="another"))(path)
    assert resume(path, ALONE).digest == digest


def test_another_engine_and_another_machine_are_refused_by_name(
    stopped: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digest = stopped
    real = compare.engine_files()
    changed = {k: v for k, v in real.items() if k != "engine/patients/pulses.py"} | {
        "engine/model.py": "0" * 64,
        "engine/x.py": "",
    }
    with monkeypatch.context() as patched:
        patched.setattr(compare, "engine_files", lambda: changed)
        with pytest.raises(
            FolderRefuses, match=r"model.py was changed; engine/patients/pulses.py is gone; engine/x.py is new"
        ):
            resume(path, ALONE)
    with monkeypatch.context() as patched:
        patched.setattr(ResolvedStudy, "platform", "abacus")
        with pytest.raises(FolderRefuses, match=r"was computed on .*, this machine is abacus"):
            resume(path, ALONE)
    assert resume(path, ALONE).digest == digest


def test_damage_is_not_built_upon(stopped: tuple[Path, str]) -> None:
    path, _ = stopped
    text = (path / "journal.jsonl").read_text()
    (path / "journal.jsonl").write_text(text.replace('"ok":4', '"ok":5', 1))
    with pytest.raises(Damage, match=r"journal.jsonl is damaged \(line 3\); `pulsatile heal"):
        resume(path, ALONE)
    (path / "journal.jsonl").write_text(text)
    (path / "results.zarr" / "zarr.json").write_text("{}")
    with pytest.raises(Damage, match=r"zarr.json is not what was written; `pulsatile heal"):
        resume(path, ALONE)


def test_a_chunk_that_was_lost_is_computed_again_and_one_that_changed_is_told(stopped: tuple[Path, str]) -> None:
    path, digest = stopped
    (path / commits.place(0)).unlink()
    (path / "results.zarr/vat/c/0/1/0").write_bytes(b"changed")
    with pytest.raises(Damage, match=r"vat/c/0/1/0 is not what was written \(1 file\(s\) in all\); `pulsatile heal"):
        resume(path, ALONE)
    assert heal(path, ALONE).chunks == [2]
    assert resume(path, ALONE).digest == digest


def test_too_many_failures_can_be_lived_with(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(workers, "run_chunk", lambda job: run_chunk(job) | {"status": {"step_limit": 4, "ok": 0}})
        small["population"]["n"] = 6
        path = tmp_path / "a"
        assert run(study_from(small, "study"), path, ALONE).code is Exit.FAILED_PATIENTS
    with pytest.raises(FolderRefuses, match=r"resume .* --gate SHARE` goes on"):
        digest_of(path)
    assert resume(path, ALONE).code is Exit.FAILED_PATIENTS
    outcome = resume(path, Resources(workers=1, threads=1, gate=0.9))
    assert outcome.code is Exit.DONE
    assert digest_of(path) == outcome.digest


def test_a_manifest_that_cannot_be_written_at_the_end_breaks_no_finished_run(
    stopped: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digest = stopped
    real = RunFolder.write_manifest

    def full(folder: RunFolder) -> None:
        if folder.end.get("digest"):
            raise OSError(28, "No space left on device")
        real(folder)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write_manifest", full)
        with pytest.raises(CannotWrite):
            resume(path, ALONE)
    assert RunFolder.open(path).state == "complete"
    outcome = resume(path, ALONE)
    assert (outcome.code, outcome.digest) == (Exit.DONE, digest)
    assert verify(path) == []


@pytest.fixture
def incomplete(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A run of six patients of which one was left out, and the digest it is to reach."""

    def fails(job: Any) -> Any:
        if job.first <= 3 < job.stop and 3 not in job.skip:
            raise ZeroDivisionError("a bug")
        return run_chunk(job)

    small["population"]["n"] = 6
    digest = run(study_from(small, "study"), tmp_path / "whole", ALONE).digest
    with monkeypatch.context() as patched:
        patched.setattr(workers, "run_chunk", fails)
        run(study_from(small, "study"), tmp_path / "run", ALONE)
    return tmp_path / "run", digest


def stops(*given: Any) -> Any:
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
    real, told = RunFolder.tell, list[int]()

    def last(folder: RunFolder, entry: Any) -> None:
        if entry["kind"] == "chunk":
            told.append(entry["first"])
            raise KeyboardInterrupt
        real(folder, entry)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "tell", last)
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


def test_ctrl_c_is_heard_while_kernels_compile(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, compiled = threading.Event(), list[float]()

    def compiles(resolved: ResolvedStudy) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        heard.wait(20)
        compiled.append(20.0)
        return 20.0

    with monkeypatch.context() as patched:
        patched.setattr(driver, "warm_up", compiles)
        outcome = run(study_from(small, "study"), tmp_path / "run", ALONE)
    assert (outcome.code, compiled) == (Exit.INTERRUPTED, [])
    heard.set()
    assert RunFolder.open(tmp_path / "run").state == "interrupted"
    assert resume(tmp_path / "run", ALONE).code is Exit.DONE


def test_what_fails_while_kernels_compile_is_told(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(resolved: ResolvedStudy) -> float:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(driver, "warm_up", fails)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(study_from(small, "study"), tmp_path / "run", ALONE)


STUCK = """
import os, signal, time
from pulsatile.cli.guard import guarded
@guarded
def command():
    # no print: the signal may come while "ready" is being flushed, and a buffer cannot be entered twice
    signal.signal(signal.SIGINT, lambda *given: os.write(1, b"heard\\n"))
    print("ready", flush=True)
    while True:
        time.sleep(60)
command()
"""


def test_the_second_ctrl_c_ends_a_command_that_hears_none() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "heard\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == Exit.INTERRUPTED
        finally:
            process.kill()


def test_another_layout_is_refused(stopped: tuple[Path, str]) -> None:
    path, _ = stopped
    first, *rest = (path / "journal.jsonl").read_text().splitlines(keepends=True)
    begin = journal.unseal(first)
    begin["facts"]["format"] = 99
    (path / "journal.jsonl").write_text(journal.seal(begin) + "".join(rest))
    with pytest.raises(FolderRefuses, match="has layout 99, this version reads layout 1"):
        resume(path, ALONE)


def test_no_run_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for name, words in (("nothing", "does not exist"), ("file", "is a file"), ("empty", "holds no run")):
        with pytest.raises(FolderRefuses, match=words):
            resume(tmp_path / name)


def test_the_digest_of_an_unfinished_run_is_refused(stopped: tuple[Path, str]) -> None:
    with pytest.raises(FolderRefuses, match=r"is not finished \(interrupted\) and has no digest"):
        digest_of(stopped[0])


def test_a_folder_that_was_never_begun_is_begun(
    small: dict[str, Any], stopped: tuple[Path, str], tmp_path: Path
) -> None:
    left = Path(shutil.copytree(stopped[0], tmp_path / "left"))
    for name in ("journal.jsonl", "manifest.json"):
        (left / name).unlink()
    with pytest.raises(FolderRefuses, match="is not empty"):  # a dataset without its journal is nobody's to overwrite
        run(study_from(small, "study"), left, ALONE)
    (left / "beginning").touch()
    with pytest.raises(FolderRefuses, match="never began; start it again"):
        resume(left, ALONE)
    commits.drop(left, commits.committed(left))
    assert run(study_from(small, "study"), left, ALONE).digest == stopped[1]


def test_own_patients_are_in_the_folder(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once begun, a run needs the table no more: neither to go on nor to be mended."""
    table = tmp_path / "own.csv"
    rows = [
        f"{9 * k},{'man' if k % 2 else 'woman'},{40 + k},{160 + 4 * k},1.7,{'' if k == 3 else 90 + k}" for k in range(6)
    ]
    table.write_text("patient,sex,age [y],weight [lb],height [m],glucose [mg/dL]\n" + "\n".join(rows), encoding="utf-8")
    small["population"] = {"patients": str(table)}
    digest = run(study_from(small, "study"), tmp_path / "whole", Resources(4, workers=1, threads=1)).digest

    def dies(job: Any) -> Any:
        if job.first == 4:
            raise KeyboardInterrupt
        return run_chunk(job)

    with monkeypatch.context() as patched:
        patched.setattr(workers, "run_chunk", dies)
        with pytest.raises(KeyboardInterrupt):
            run(study_from(small, "study"), tmp_path / "run", ALONE, source=yaml.safe_dump(small))
    table.unlink()
    path = tmp_path / "run"
    assert resume(path, ALONE).digest == digest
    (path / commits.place(2)).unlink()
    (path / "study.yaml").write_text("lost", encoding="utf-8")
    assert heal(path, ALONE).chunks == [2]
    assert verify(path) == []
    assert digest_of(path) == digest
    found = xr.open_zarr(path / "results.zarr", chunks=None)
    assert found.patient.values.tolist() == [0, 9, 18, 27, 36, 45]
    assert found.weight.values[1] == pytest.approx(164 * 0.45359237)
