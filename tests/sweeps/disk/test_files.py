"""Files that are whole or not there, seals, journal lines, commit records."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsatile.sweeps.disk import commits, files, journal
from pulsatile.sweeps.errors import CannotWrite

ENTRY = {"kind": "chunk", "first": 4, "stop": 8, "status": {"ok": 8}, "title": 'Größe "x" \\ \n', "x": 0.1}


def test_files_are_written_with_their_folders(tmp_path: Path) -> None:
    found = files.write_all(tmp_path / "new", {"a/b/c": b"one", "d": b""})
    assert (tmp_path / "new/a/b/c").read_bytes() == b"one"
    assert found == {"a/b/c": files.sha256(b"one"), "d": files.sha256(b"")}
    assert sorted(p.name for p in (tmp_path / "new").rglob("*") if p.is_file()) == ["c", "d"]
    assert files.sweep(tmp_path / "new") == 0
    assert not (tmp_path / "new" / files.ASIDE).exists()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_all(tmp_path, {"a": b"old", "b": b"old"})
    real = os.fsync

    def full(handle: int) -> None:
        if os.fstat(handle).st_size > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space left on device"), files.writing(tmp_path):
        files.write_all(tmp_path, {"a": b"new", "b": b"newer than new"})
    assert {p.name: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == {"a": b"old", "b": b"old"}


def test_an_append_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.append(tmp_path / "journal", "one\n")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match=r"No space left on device, \d+ bytes free"), files.writing(tmp_path):
        files.append(tmp_path / "journal", "two\n")
    assert (tmp_path / "journal").read_text() == "one\n"


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    files.write_all(tmp_path, {"a/b": b"whole"})
    (tmp_path / files.ASIDE / "0123-1").write_bytes(b"half")
    assert files.sweep(tmp_path) == 1
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["b"]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_seal_shows_every_changed_lost_or_added_byte(indent: int | None) -> None:
    text = journal.seal(ENTRY, indent)
    assert journal.unseal(text) == ENTRY == {k: v for k, v in json.loads(text).items() if k != "seal"}
    data = text.encode()
    for k in range(len(data)):
        for other in (data[:k] + bytes([data[k] ^ 1]) + data[k + 1 :], data[:k], data[:k] + b" " + data[k:]):
            with pytest.raises((journal.Damaged, UnicodeDecodeError)):
                journal.unseal(other.decode())


@given(
    st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
)
def test_any_data_can_be_sealed(data: dict[str, Any]) -> None:
    data = {"kind": "state"} | {k: v for k, v in data.items() if k != "seal"}
    assert journal.unseal(journal.seal(data)) == data


def test_a_journal_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for k in range(3):
        journal.write_entry(path, ENTRY | {"first": k})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"chunk","fi')
    lines = journal.read(path)
    assert [e["first"] for e in lines.entries] == [0, 1, 2]
    assert (lines.torn, lines.damaged, lines.size) == (True, [], len(whole))
    rest = journal.read(path, len(whole))
    assert (rest.entries, rest.torn) == ([], True)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :])
    lines = journal.read(path)
    assert lines.damaged == [2]
    assert [e["first"] for e in lines.entries] == [0, 2]


def test_a_commit_is_there_when_its_record_is(tmp_path: Path) -> None:
    record = {"first": 4, "stop": 8, "identity": "abc", "status": {"ok": 8}, "poison": {}}
    entry = commits.commit(tmp_path, record, {"results.zarr/a/c/0": b"data"})
    assert commits.committed(tmp_path) == [4]
    assert commits.committed_entry(tmp_path, 4, "abc") == entry
    assert commits.committed_entry(tmp_path, 4, "other") is None
    assert commits.committed_entry(tmp_path, 0, "abc") is None
    assert entry["bytes"] == 4
    told = journal.unseal(commits.load(tmp_path, 4))
    assert told["files"] == {"results.zarr/a/c/0": files.sha256(b"data")}
    path = tmp_path / commits.place(4)
    path.write_text(path.read_text().replace("ok", "OK"))
    assert commits.committed_entry(tmp_path, 4, "abc") is None
    commits.drop(tmp_path, [4, 5])
    assert commits.committed(tmp_path) == []
