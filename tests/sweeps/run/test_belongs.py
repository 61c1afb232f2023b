"""What belongs to a run lies in its folder: links are not followed, an owner's folders stay, readers change nothing."""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pulsatile as pu
from pulsatile.sweeps.disk import commits, files, journal, places, side
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import Damage, FolderRefuses, Refusal
from pulsatile.sweeps.run import expand as expansion
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.heal import heal
from pulsatile.sweeps.run.run import resume
from pulsatile.sweeps.run.status import status
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.workers.resources import Resources
from tests.sweeps.run.runs import SIX, carried_out

ALONE = Resources(4, workers=1, threads=1)
READING: dict[str, Callable[[Path], object]] = {
    "verify": verify, "digest": digest_of, "status": status, "dataset": pu.open_dataset,
}  # fmt: skip
WRITING: dict[str, Callable[[Path], object]] = {
    "resume": lambda path: resume(path, ALONE),
    "heal": lambda path: heal(path, ALONE),
    "expand": lambda path: expand(path, Growth(patients=7), ALONE),
}
ALL = READING | WRITING


def listing(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return kind, time of the last change and content of everything below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(folder).as_posix()] = (stat.st_mode, stat.st_mtime_ns, text)
    return found


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder of somebody else, with names as ours have."""
    folder = tmp_path / "other"
    for name in ("0123-1", "notes.txt", "commits/000000000.json", "journal.jsonl", side.SEAL):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")
    return folder


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize("name", [".aside", "expanded", "expanding", "replaced", "lock", "error.log", "commits",
                                  "results.zarr", "states.zarr", "results.zarr/igf1", "journal.jsonl"])  # fmt: skip
def test_nothing_behind_a_link_changes(six: Path, other: Path, name: str, command: str) -> None:
    """Each command works or refuses by a sentence."""
    if (six / name).exists():
        shutil.rmtree(other)
        shutil.move(six / name, other)
    (six / name).symlink_to(other)
    before = listing(other) if other.is_dir() else other.read_bytes()
    with suppress(Refusal):
        ALL[command](six)
    assert before == (listing(other) if other.is_dir() else other.read_bytes())
    assert (six / name).is_symlink() or command == "heal"


@pytest.mark.parametrize("name", ["expanding", "expanded", "replaced"])
def test_a_folder_of_the_owner_is_neither_taken_nor_removed(six: Path, name: str, digest_of_six: str) -> None:
    shutil.copytree(six, six.parent / "copy")
    shutil.move(six.parent / "copy", six / name)
    before = listing(six / name)
    assert resume(six, ALONE).digest == heal(six, ALONE).digest == digest_of(six) == digest_of_six
    assert status(six).expansion is None
    with pytest.raises(FolderRefuses, match=rf"{name} was not made by an expansion of this run, which needs the name"):
        WRITING["expand"](six)
    assert listing(six / name) == before
    assert RunFolder.open(six / name).digest == digest_of_six  # the copy is a run of its own


def test_files_of_the_owner_among_unfinished_ones_stay(six: Path) -> None:
    (six / ".aside").mkdir()
    for name in ("notes.txt", "0123-1"):
        (six / ".aside" / name).write_text("x")
    heal(six, ALONE)
    assert os.listdir(six / ".aside") == ["notes.txt"]


@pytest.mark.parametrize("command", READING)
def test_reading_changes_nothing(six: Path, command: str) -> None:
    before, parent = listing(six), sorted(os.listdir(six.parent))
    READING[command](six)
    assert listing(six) == before
    assert sorted(os.listdir(six.parent)) == parent


@pytest.mark.parametrize("command", READING)
def test_nor_where_an_expansion_is_about_to_take_its_place(
    six: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halfway the folder holds files of both, so it is not read until `resume` has completed that."""
    with monkeypatch.context() as patched:
        patched.setattr(expansion, "settle", lambda path, outcome=None: outcome)
        digest: Any = expand(six, Growth(patients=7), ALONE)
    (six / "expanding").rename(six / "expanded")
    before = listing(six)
    if command == "status":
        assert status(six).go_on == f"pulsatile resume {six}"
    else:
        with pytest.raises(FolderRefuses, match=r"has yet to take its place; `pulsatile resume .*` completes that"):
            READING[command](six)
    assert listing(six) == before
    assert resume(six, ALONE).digest == digest.digest
    assert verify(six) == []


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "results.zarr/../../outside", "a//b"])
def test_a_record_that_names_a_file_elsewhere_is_damage(six: Path, name: str) -> None:
    path = six / commits.place(4)
    record = journal.unseal(path.read_text())
    record["files"][name] = "0" * 64
    path.write_text(journal.seal(record))
    assert {finding.path for finding in verify(six)} == {name, commits.place(4)}
    assert heal(six, ALONE).chunks == [4]
    with pytest.raises(FolderRefuses, match="is not the name of a file in"):
        files.write_all(six, {name: b""})


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "notes").touch()


def a_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


IN_PLACE = ("commits/000000004.json", "results.zarr/vat/c/0/1/0", "journal.jsonl", "manifest.json", "resolved.json",
            "study.yaml", "summary.csv")  # fmt: skip


@pytest.mark.parametrize("what", [a_folder, a_link, a_pipe])
@pytest.mark.parametrize("name", IN_PLACE)
def test_what_stands_in_place_of_a_file_is_said_and_mended(
    six: Path, digest_of_six: str, name: str, what: Callable[[Path], None]
) -> None:
    what(six / name)
    if (name, what) == ("journal.jsonl", a_link):
        with pytest.raises(FolderRefuses, match="is a link"):
            heal(six, ALONE)
        return
    assert name in [finding.path for finding in verify(six)]
    if name.startswith(("commits", "results", "journal", "resolved")):
        with pytest.raises((Damage, FolderRefuses), match="heal"):
            resume(six, ALONE)
    status(six)
    assert heal(six, ALONE).digest == digest_of_six
    assert verify(six) == []
    if what is a_folder:
        assert [path.name for path in six.rglob("*.set-aside-*/notes")] == ["notes"]


@pytest.mark.parametrize("name", ["commits", "results.zarr/vat", "results.zarr/vat/c/0"])
def test_a_file_in_place_of_a_folder_is_mended(six: Path, digest_of_six: str, name: str) -> None:
    shutil.rmtree(six / name)
    (six / name).write_text("x")
    assert verify(six) != []
    assert heal(six, ALONE).digest == digest_of_six


@pytest.mark.parametrize("name", ["٣.json", "3.json", "000000003.json", "000000004.jsonx", "00000000²4.json"])
def test_other_names_among_records_are_no_records(six: Path, digest_of_six: str, name: str) -> None:
    (six / "commits" / name).write_text("x")
    assert verify(six) == []
    assert resume(six, ALONE).digest == heal(six, ALONE).digest == digest_of_six
    assert expand(six, Growth(patients=7), ALONE).failed == 0


@pytest.mark.parametrize("name", ["lock", "cancel", ".aside"])
def test_another_kind_in_place_of_the_lock_is_said(six: Path, name: str) -> None:
    (six / name).mkdir() if name != ".aside" else (six / name).touch()
    for command in WRITING.values():
        with pytest.raises(FolderRefuses, match="as that name in a run must be; move it elsewhere"):
            command(six)


def test_a_run_may_be_called_as_its_parts_are(tmp_path: Path) -> None:
    out = tmp_path / "expanding"
    digest = carried_out(SIX, out, ALONE).digest
    assert RunFolder.open(out).facts["name"] == "expanding"
    assert resume(out, ALONE).digest == digest
    assert RunFolder.open(expand(out, Growth(patients=7), ALONE).folder).base == ""


def test_nothing_is_written_through_a_link(tmp_path: Path, other: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a").symlink_to(other)
    with pytest.raises(FolderRefuses, match="a is a link"):
        files.write_all(tmp_path / "run", {"a/b": b"x"})
    assert not (other / "b").exists()
    files.write_all(tmp_path / "run", {"a": b"x"})  # takes the place of the link
    assert places.is_file(tmp_path / "run" / "a")
