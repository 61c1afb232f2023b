"""How far a run is, told from its folder alone: states, counts, rates, damage, expansions, following, size."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulsatile.sweeps.disk import journal, side
from pulsatile.sweeps.disk.lock import held
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run import follow, status
from pulsatile.sweeps.run.status import RunStatus, watch

ROOT = Path(__file__).parents[3]
BEGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)
FACTS = {"format": 1, "identity": "1d", "patients": 100, "arms": 2, "chunk": 10, "chunks": 10}


def begin(**facts: Any) -> journal.Entry:
    return {"kind": "begin", "facts": FACTS | facts, "files": {}, "sources": {}, "study": "weeks: 1"}


def state(name: str) -> journal.Entry:
    return {"kind": "state", "state": name, "at": BEGIN.isoformat()}


def chunk(first: int, at: float = 0, **changes: Any) -> journal.Entry:
    """Return the entry of a chunk of 10 patients, finished ``at`` s after the beginning in 2 s."""
    entry = {
        "kind": "chunk", "first": first, "stop": first + 10, "status": {"ok": 20}, "bytes": 1000, "seconds": 2.0,
        "host": "a", "pid": 1, "poison": {}, "canaries": {"count": 1, "worst": 0.1}, "record": "r",
        "at": (BEGIN + timedelta(seconds=at)).isoformat(timespec="milliseconds"),
    }  # fmt: skip
    return entry | changes


def write(folder: Path, *entries: journal.Entry) -> None:
    """Write a journal anew."""
    folder.mkdir(exist_ok=True)
    aside = folder / "journal.aside"
    aside.write_text(journal.text_of(entries))
    aside.replace(folder / "journal.jsonl")


def tell(folder: Path, *entries: journal.Entry) -> None:
    """Append to a journal."""
    with (folder / "journal.jsonl").open("a") as file:
        file.write(journal.text_of(entries))


def told(folder: Path, working: bool = False) -> RunStatus:
    """Return the status, with or without somebody at work."""
    if not working:
        return status.status(folder)
    with held(folder, {"command": "pulsatile run"}):
        return status.status(folder)


@pytest.mark.parametrize(
    ("last", "idle", "working"),
    [
        (None, "interrupted", "planned"),
        (state("running"), "interrupted", "running"),
        (state("interrupted"), "interrupted", "running"),
        (state("broken"), "broken", "running"),
        ({"kind": "end", "state": "incomplete"}, "incomplete", "running"),
        ({"kind": "end", "state": "failed"}, "failed", "failed"),
        ({"kind": "end", "state": "complete", "digest": "d1"}, "complete", "complete"),
    ],
)
def test_state(tmp_path: Path, last: journal.Entry | None, idle: str, working: str) -> None:
    write(tmp_path, begin(), *([last] if last else []))
    found = told(tmp_path)
    assert (found.state, found.holder) == (idle, None)
    resumable = idle in ("interrupted", "broken", "incomplete")
    assert found.go_on == (f"pulsatile resume {tmp_path}" if resumable else "")
    assert (f"go on with: {found.go_on}" == found.lines()[-1]) is resumable
    found = told(tmp_path, working=True)
    assert (found.state, found.go_on) == (working, "")
    assert found.holder is not None
    assert any(line.startswith(f"in use by process {os.getpid()} on ") for line in found.lines())


def test_counts(tmp_path: Path) -> None:
    bad = {"ok": 17, "step_limit": 2, "not_finite": 1}
    write(
        tmp_path,
        begin(),
        state("running"),
        chunk(0),
        chunk(10, status=bad),
        chunk(50, poison={"53": "ends its worker"}),
    )
    found = told(tmp_path)
    assert (found.done, found.patients, found.chunks_done, found.chunks, found.bytes) == (30, 100, 3, 10, 3000)
    assert (found.failed, found.failures, found.poison) == (
        3,
        {"step_limit": 2, "not_finite": 1},
        {53: "ends its worker"},
    )
    lines = found.lines()
    assert lines[1] == "30 of 100 patients (30 %) in 3 of 10 chunks, 3.0 kB written"
    assert "failed patient-arms: 3 (2 step limit, 1 not finite)" in lines
    assert "patients left out, by position: 53 (ends its worker)" in lines
    assert "identity: 1d" in lines
    tell(tmp_path, chunk(50), chunk(10))  # done again, whole and well
    found = told(tmp_path)
    assert (found.done, found.chunks_done, found.bytes) == (30, 3, 3000)
    assert (found.failed, found.failures, found.poison) == (0, {}, {})
    assert json.loads(json.dumps(found.to_json()))["done"] == 30


def test_the_rate_is_of_this_session_and_compares_no_clocks(tmp_path: Path) -> None:
    write(tmp_path, begin(), state("running"), chunk(0, 2), state("interrupted"))
    tell(tmp_path, state("running"))
    assert told(tmp_path, working=True).rate is None
    day = 86400
    tell(tmp_path, chunk(10, 1002), chunk(20, 1004))  # 20 patients in 4 s
    tell(tmp_path, chunk(30, 1002 - day, host="b"), chunk(40, 1010 - day, host="b"))  # 20 patients in 10 s
    found = told(tmp_path, working=True)
    assert found.rate == pytest.approx(20 / 4 + 20 / 10)
    assert found.seconds_left == pytest.approx(50 / 7)
    assert "7 patients/s, about 7 s left" in found.lines()
    tell(tmp_path, chunk(50, 0, host="c"), chunk(60, -5 * day, host="c", seconds=0.0))  # its clock was moved
    assert told(tmp_path, working=True).rate is not None
    assert told(tmp_path).rate is None


def test_a_damaged_line_is_counted_and_named(tmp_path: Path) -> None:
    write(tmp_path, begin(), state("running"), *[chunk(first) for first in range(0, 100, 10)])
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b"1000", b"1001")
    lines[6] = b"\xff\xfe" + lines[6]
    path.write_bytes(b"".join(lines)[:-5])
    found = told(tmp_path)
    assert (found.done, found.damaged) == (70, [5, 7])  # and the last is just being written
    assert f"journal.jsonl is damaged in line 5, 7; `pulsatile heal {tmp_path}` mends it" in found.lines()
    lines = [b"x" + line for line in lines]
    path.write_bytes(b"".join(lines))
    found = told(tmp_path)
    assert (found.state, found.go_on) == ("broken", f"pulsatile heal {tmp_path}")
    assert any(line.startswith("journal.jsonl is damaged in line 1, 2, 3, 4, 5 and 7 more") for line in found.lines())


def test_a_journal_that_is_gone_leaves_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(journal.seal({"state": "complete", **FACTS}, indent=1))
    found = told(tmp_path)
    assert (found.state, found.patients, found.identity) == ("broken", 100, "1d")
    (tmp_path / "manifest.json").write_text("{")
    assert told(tmp_path).state == "broken"


def test_a_run_that_is_being_planned(tmp_path: Path) -> None:
    with held(tmp_path, {}):
        found = status.status(tmp_path)
    assert (found.state, found.patients) == ("planned", 0)
    assert "0 of 0 patients in 0 of 0 chunks, 0 B written" in found.lines()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderRefuses, match="holds no run"):
        status.status(tmp_path)


def test_a_holder_on_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, begin(), state("running"))
    other = {"host": "elsewhere", "pid": 1, "start": "1", "command": "c", "began": "then", "token": "t"}
    (tmp_path / "lock").write_text(json.dumps(other | {"dashboard": "http://x:8787"}))
    found = told(tmp_path)
    assert (found.state, found.seen) == ("running", False)
    assert "in use by process 1 on elsewhere since then (c) on another machine; `--watch` tells" in "\n".join(
        found.lines()
    )
    assert "dashboard: http://x:8787" in found.lines()
    monkeypatch.setattr(status, "EVERY", 0.02)
    monkeypatch.setattr(status, "TICK", 0.01)
    states = [found.state for found in watch(tmp_path)]  # its beat stands still
    assert states[0] == "running"
    assert states[-1] == "interrupted"


def test_an_expansion(tmp_path: Path) -> None:
    write(tmp_path, begin(), {"kind": "end", "state": "complete", "digest": "d1"})
    side.make(tmp_path, "expanding", "1d", "d1")
    write(tmp_path / "expanding", begin(patients=200, chunks=20), state("running"), chunk(0))
    found = told(tmp_path, working=True)
    assert found.expansion is not None
    assert (found.state, found.expansion.state, found.expansion.patients) == ("complete", "running", 200)
    assert "expansion: 10 of 200 patients (5 %) in 1 of 20 chunks, 1.0 kB written" in found.lines()
    found = told(tmp_path)
    assert found.expansion is not None
    assert (found.state, found.expansion.state) == ("complete", "interrupted")
    assert found.lines()[-1] == f"go on with: pulsatile resume {tmp_path}"
    assert "\n".join(found.lines()).count("resume") == 1


def test_watching_reads_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []

    def read(path: Path, start: int = 0, most: int = -1, kept: Callable[..., Any] = journal.read) -> journal.Lines:
        starts.append(start)
        return kept(path, start, most)

    monkeypatch.setattr(journal, "read", read)
    monkeypatch.setattr(status, "EVERY", 0.01)
    write(tmp_path, begin(), state("running"), chunk(0))
    with held(tmp_path, {}):
        follower = watch(tmp_path)
        assert next(follower).done == 10
        starts.clear()
        size = (tmp_path / "journal.jsonl").stat().st_size
        tell(tmp_path, chunk(10))
        assert next(follower).done == 20
        assert min(starts) == size
        write(tmp_path, begin(patients=10), state("running"), chunk(0))  # an expansion took its place, or it was healed
        assert (next(follower).done, next(follower).patients) == (10, 10)
        (tmp_path / "journal.jsonl").unlink()
        assert (next(follower).done, next(follower).state) == (0, "planned")
        write(tmp_path, begin(), {"kind": "end", "state": "complete", "digest": "d1"})
    assert [found.state for found in follower] == ["complete"]


def test_a_line_longer_than_a_piece(tmp_path: Path) -> None:
    write(tmp_path, begin(title="x" * 2 * follow.PIECE), state("running"), chunk(0))
    assert told(tmp_path).done == 10


def test_a_long_journal_is_told_without_heavy_modules(tmp_path: Path) -> None:
    """R34; its seconds are measured by the campaign, not asserted here."""
    count = 100_000
    entries = (chunk(10 * k, k, status={"ok": 19, "step_limit": 1}) for k in range(count))
    write(tmp_path, begin(patients=10 * count, chunks=count), state("running"), *entries)
    code = (
        "import json, sys, time\nfrom pathlib import Path\nfrom pulsatile.sweeps.run.status import status\n"
        "found = status(Path(sys.argv[1]))\nheavy = {'numpy', 'zarr', 'xarray', 'dask', 'distributed', 'pydantic'}\n"
        "print(json.dumps([found.done, found.failed, sorted(heavy & set(sys.modules)), time.process_time()]))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    begin_s = time.monotonic()
    command = [sys.executable, "-c", code, str(tmp_path)]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout
    done, failed, heavy, seconds = json.loads(output)
    print(f"{seconds:.2f} s of CPU, {time.monotonic() - begin_s:.2f} s of wall")
    assert (done, failed, heavy) == (10 * count, count, [])
