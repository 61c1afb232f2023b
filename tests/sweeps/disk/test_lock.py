"""One driver per folder: living and dead holders, here and elsewhere, races, losing the lock, cancelling."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from pulsatile.sweeps.disk import lock, lock_file
from pulsatile.sweeps.disk.lock import cancel_run, held, look, refuse_held, unlock
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.interrupt import Interrupt
from pulsatile.sweeps.run.progress import SilentProgress

ROOT = Path(__file__).parents[3]
HOLD = """
import os, signal, socket, sys, time
from pathlib import Path
from pulsatile.sweeps.disk import lock, lock_file
%s
with lock.held(Path(sys.argv[1]), {"command": "pulsatile run a.yaml"}):
    print(flush=True)
    signal.pause()
"""
NO_FLOCK = "lock_file.flock = lock.flock = lambda *_, **__: None"
ELSEWHERE = f"{NO_FLOCK}\nsocket.gethostname = lambda: 'elsewhere'\nlock.TICK = 0.02"
DAY_OFF = "time.time = lambda now=time.time: now() - 86400\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, as far as a lock sees it."""
    (tmp_path / "journal.jsonl").touch()
    return tmp_path


@pytest.fixture
def start(run: Path) -> Iterator[Start]:
    """Start processes that hold the folder."""
    begun: list[subprocess.Popen[str]] = []

    def start_holder(setting: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD % setting, str(run)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        return process

    yield start_holder
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat every tenth of a second."""
    monkeypatch.setattr(lock, "TICK", 0.02)
    monkeypatch.setattr(lock, "WATCHED", 8)


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose files cannot be locked."""
    monkeypatch.setattr(lock_file, "flock", lambda *_, **__: None)
    monkeypatch.setattr(lock, "flock", lambda *_, **__: None)


def refusal(folder: Path) -> str:
    with pytest.raises(FolderRefuses) as told, held(folder, {}):
        pass
    return str(told.value)


def wait_for(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def left_lock(run: Path, **changes: object) -> Path:
    """Write a lock that nobody keeps."""
    data = {"host": "elsewhere", "pid": 1, "start": "1", "command": "c", "began": "then", "token": "t", "locks": True}
    path = run / "lock"
    path.write_text(json.dumps(data | changes))
    return path


def test_a_second_driver_is_told_who_holds_the_folder(run: Path, start: Start) -> None:
    process = start()
    begin = time.monotonic()
    told = refusal(run)
    assert time.monotonic() - begin < 2
    assert f"is in use by process {process.pid} on {lock_file.socket.gethostname()} since 20" in told
    assert "(pulsatile run a.yaml); wait for it, or stop it by `pulsatile cancel" in told
    with pytest.raises(FolderRefuses, match="is in use"):
        refuse_held(run)
    with pytest.raises(FolderRefuses, match="is in use"):
        unlock(run)
    assert json.loads((run / "lock").read_text())["pid"] == process.pid


def test_the_same_process_is_a_second_driver_too(run: Path) -> None:
    with held(run, {}):
        assert f"process {os.getpid()} " in refusal(run)
    with held(run, {}):
        pass


def test_nothing_is_left_after_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with held(folder, {}):
        assert (folder / "lock").exists()
    assert not folder.exists()
    with held(folder, {}):
        (folder / "journal.jsonl").touch()
    assert [item.name for item in folder.iterdir()] == ["journal.jsonl"]
    refuse_held(folder)
    assert unlock(folder) == f"{folder} is not locked."


@pytest.mark.parametrize("setting", ["", NO_FLOCK])
def test_the_lock_of_a_dead_process_is_taken_over(run: Path, start: Start, setting: str) -> None:
    process = start(setting)
    assert "is in use" in refusal(run)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, though its entry is not collected yet
    told: list[str] = []
    with held(run, {}, told.append):
        assert len(told) == 1
        assert "was left by a process that is dead; it is taken over" in told[0]
        assert "is in use" in refusal(run)
    assert not (run / "lock").exists()


@pytest.mark.parametrize("setting", ["", NO_FLOCK])
def test_unlock_removes_the_lock_of_a_dead_process(run: Path, start: Start, setting: str) -> None:
    process = start(setting)
    process.kill()
    process.wait()
    assert unlock(run) == f"The lock of {run} is removed; `pulsatile resume {run}` goes on."
    assert [item.name for item in run.iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize("locks", [True, False])
def test_another_process_of_the_same_id_is_not_the_holder(run: Path, locks: bool) -> None:
    left_lock(run, host=lock_file.socket.gethostname(), pid=os.getpid(), start="1", locks=locks)
    with held(run, {}):
        pass


def test_a_living_process_is_known_where_files_cannot_be_locked(run: Path, no_flock: None) -> None:
    here = lock_file.socket.gethostname()
    left_lock(run, host=here, pid=os.getpid(), start=lock_file.started(os.getpid()), locks=False)
    assert "is in use" in refusal(run)
    assert lock_file.started(2**22 + 1) == ""


@pytest.mark.parametrize("setting", [DAY_OFF, f"{NO_FLOCK}\n{DAY_OFF}"])
def test_clocks_do_not_matter(run: Path, start: Start, setting: str) -> None:
    process = start(setting)
    for moment in (0, 2**31):
        os.utime(run / "lock", (moment, moment))
        assert "is in use" in refusal(run)
    process.kill()
    process.wait()
    with held(run, {}):
        pass


RACE = """
import sys, time
from pathlib import Path
from pulsatile.sweeps.disk import lock, lock_file
from pulsatile.sweeps.errors import FolderRefuses
%s
run, place, count, name = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for turn in range(int(sys.argv[5])):
    (place / f"ready{turn}.{name}").touch()
    while not (place / f"go{turn}").exists():
        time.sleep(0.0005)
    told = "refused"
    try:
        with lock.held(run, {}) as mine:
            (place / f"told{turn}.{name}").touch()
            while len(list(place.glob(f"told{turn}.*"))) < count:
                time.sleep(0.005)
            told = "held" if mine._ours() else "lost"
    except FolderRefuses:
        (place / f"told{turn}.{name}").touch()
    print(told, flush=True)
"""


@pytest.mark.parametrize("setting", ["", NO_FLOCK])
def test_of_many_takers_one_gets_it(run: Path, tmp_path_factory: pytest.TempPathFactory, setting: str) -> None:
    place, count, turns = tmp_path_factory.mktemp("race"), 6, 20
    command = [sys.executable, "-c", RACE % setting, str(run), str(place), str(count)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    takers = [
        subprocess.Popen([*command, str(name), str(turns)], stdout=subprocess.PIPE, text=True, env=environment)
        for name in range(count)
    ]
    try:
        for turn in range(turns):
            wait_for(lambda: len(list(place.glob(f"ready{turn}.*"))) == count)  # noqa: B023
            assert [item.name for item in run.iterdir()] == ["journal.jsonl"]
            if turn % 4:  # else there is no lock
                left_lock(run, host=lock_file.socket.gethostname(), pid=2**22 + 1, locks=not setting)
            (place / f"go{turn}").touch()
        told = [process.communicate(timeout=60)[0].split() for process in takers]
    finally:
        for process in takers:
            process.kill()
            process.wait()
    for turn in zip(*told, strict=True):
        assert sorted(turn) == ["held"] + ["refused"] * (count - 1)


def test_a_process_of_another_host_is_not_taken_over(run: Path, quick: None) -> None:
    path = left_lock(run)
    told = refusal(run)
    assert "is in use by process 1 on elsewhere since then (c); if that process is dead, `pulsatile unlock " in told
    assert path.exists()
    assert look(run) == (lock_file.read(path), None)
    assert "is removed" in unlock(run)
    assert not path.exists()


def test_the_beat_of_another_host_is_heeded(
    run: Path, start: Start, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(ELSEWHERE)
    monkeypatch.setattr(lock, "WATCHED", 200)
    seen = look(run)
    assert seen is not None
    assert seen.holder is not None
    assert seen.holder.host == "elsewhere"
    with pytest.raises(FolderRefuses, match=r"on elsewhere since .*; wait for it, or stop it by `pulsatile cancel"):
        unlock(run)
    assert "on elsewhere is asked to stop" in cancel_run(run)
    monkeypatch.setattr(lock, "WATCHED", 8)
    process.send_signal(signal.SIGSTOP)  # a machine that hangs looks the same as one that is gone
    assert "is removed" in unlock(run)


def test_a_lock_that_says_nothing_is_for_a_person_to_remove(run: Path, quick: None) -> None:
    for text in ("", "{", "[1]", "1", '{"host": 1}', "\x00"):
        (run / "lock").write_text(text)
        assert look(run) == (None, None)
    assert "has a lock that cannot be read; `pulsatile unlock" in refusal(run)
    assert "nothing to cancel" in cancel_run(run)
    assert "is removed" in unlock(run)


def test_a_claim_that_was_left_is_for_a_person_to_remove(run: Path, no_flock: None) -> None:
    left_lock(run, host=lock_file.socket.gethostname(), pid=2**22 + 1, locks=False)
    (run / "lock.t.claim.aside").touch()
    assert "if that process is dead, `pulsatile unlock" in refusal(run)
    assert "is removed" in unlock(run)
    assert [item.name for item in run.iterdir()] == ["journal.jsonl"]


def test_without_hard_links(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr(os, "link", no_link)
    with held(run, {}):
        assert f"process {os.getpid()} " in refusal(run)
    assert [item.name for item in run.iterdir()] == ["journal.jsonl"]


def test_the_loss_of_the_lock_is_noticed(run: Path, quick: None) -> None:
    with held(run, {}) as mine:
        mine.check()
        (run / "lock").unlink()
        wait_for(lambda: mine.lost)
        assert Interrupt(SilentProgress(), mine).asked
        with pytest.raises(FolderRefuses, match=r"was removed or replaced while this run went on, so it stopped"):
            mine.check()
    with held(run, {}) as mine:
        other = left_lock(run)
        wait_for(lambda: mine.lost)
    assert other.exists()  # somebody else's


def test_the_beat_goes_on_and_tells_the_dashboard(run: Path, quick: None) -> None:
    with held(run, {"command": "a" * 300}) as mine:
        mine.show_dashboard("http://127.0.0.1:8787")
        wait_for(lambda: json.loads((run / "lock").read_text() or "{}").get("beat", 0) >= 2)
        seen = look(run)
        assert seen is not None
        assert seen.lives
        assert seen.holder is not None
        assert seen.holder.dashboard == "http://127.0.0.1:8787"
        assert not mine.lost


def test_a_disk_that_is_away_for_a_moment_loses_nothing(
    run: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []

    def away(path: Path) -> lock_file.Holder | None:
        looks.append(True)
        raise OSError(5, "away")

    with held(run, {}) as mine:
        with monkeypatch.context() as patch:
            patch.setattr(lock, "read", away)
            wait_for(lambda: len(looks) >= 3)
        cancel_run(run)
        wait_for(lambda: mine.cancelled)
        assert not mine.lost


def test_cancel(run: Path, quick: None) -> None:
    told: list[str] = []
    (run / "cancel").write_text("an earlier request")
    with held(run, {}, told.append) as mine:
        assert not (run / "cancel").exists()
        interrupt = Interrupt(SilentProgress(), mine)
        assert not interrupt.asked
        sentence = cancel_run(run)
        assert f"Process {os.getpid()} on " in sentence
        assert sentence.endswith(
            f"is asked to stop after the chunks in progress; `pulsatile resume {run}` goes on later."
        )
        wait_for(lambda: interrupt.asked)
        assert told == ["Asked by `pulsatile cancel` to stop; stopping after the chunks in progress."]
    assert not (run / "cancel").exists()
    assert cancel_run(run) == f"{run} is not running; there is nothing to cancel."
    with held(run, {}) as mine:
        time.sleep(0.2)
        assert not mine.cancelled


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refuse_held(tmp_path / "file")  # is another's to refuse
    for command in (unlock, cancel_run):
        with pytest.raises(FolderRefuses, match="holds no run"):
            command(tmp_path)
        with pytest.raises(FolderRefuses, match="is a file"):
            command(tmp_path / "file")
        with pytest.raises(FolderRefuses, match="does not exist"):
            command(tmp_path / "absent")


def test_a_lock_read_while_it_is_written_is_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "TICK", 0.0)
    with held(run, {"command": "a" * 3000}) as mine:
        reader = Thread(target=lambda: [refusal(run) for _ in range(3)])
        reader.start()
        for _ in range(300):
            assert look(run) is not None
            assert lock_file.read(run / "lock") is not None
        reader.join()
        assert not mine.lost
