"""A run that stopped goes on from its folder alone, refuses other inputs by name, and ends with the same digest."""

import json
import shutil
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
from pulsatile.sweeps.run import compare
from pulsatile.sweeps.run.heal import heal
from pulsatile.sweeps.run.run import resume, run
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import workers
from pulsatile.sweeps.workers.resources import Resources
from tests.sweeps.run.runs import SIX, carried_out

ALONE = Resources(2, workers=1, threads=1)


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


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", EDITS)
def test_other_inputs_are_refused_by_name(stopped: tuple[Path, str], case: str) -> None:
    """Nothing else is touched, so that the run goes on once the edit is undone."""
    path, _ = stopped
    edit, words = EDITS[case]
    edit(path)
    before = contents(path)
    with pytest.raises(FolderRefuses, match=words):
        resume(path, ALONE)
    assert contents(path) == before


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


def test_a_folder_that_was_never_begun_is_begun(stopped: tuple[Path, str], tmp_path: Path) -> None:
    left = Path(shutil.copytree(stopped[0], tmp_path / "left"))
    for name in ("journal.jsonl", "manifest.json"):
        (left / name).unlink()
    with pytest.raises(FolderRefuses, match="is not empty"):  # a dataset without its journal is nobody's to overwrite
        carried_out(SIX, left, ALONE)
    (left / "beginning").touch()
    with pytest.raises(FolderRefuses, match="never began; start it again"):
        resume(left, ALONE)
    commits.drop(left, commits.committed(left))
    assert carried_out(SIX, left, ALONE).digest == stopped[1]


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
