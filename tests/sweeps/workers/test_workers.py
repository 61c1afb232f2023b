"""Workers that may die: every chunk is carried out once, patients at fault are left out, nothing hangs."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from distributed.scheduler import KilledWorker

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.workers import cluster, dask_pool, own_process, workers
from pulsatile.sweeps.workers.isolation import Trial
from pulsatile.sweeps.workers.own_process import ProcessDied, run_alone
from pulsatile.sweeps.workers.resources import Spread
from pulsatile.sweeps.workers.worker_check import Fitness, demanded
from tests import stub_jobs
from tests.stub_jobs import jobs, lines, plan

GB = 10**9
TWO = Spread(2, 1, GB)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "run_chunk", stub_jobs.work)
    monkeypatch.setattr(workers, "PULSE", 0.5)


class Run:
    """Jobs that are carried out; what was yielded and told."""

    def __init__(
        self, given: list[Job], spread: Spread, cluster: str | None = None, enough: Callable[[], bool] = lambda: False
    ) -> None:
        self.given, self.found, self.notes = given, list[dict[str, Any]](), list[str]()
        self._records = workers.records(given, spread, cluster, enough, self.notes.append)

    def go(self, each: Callable[[], object] = lambda: None) -> list[dict[str, Any]]:
        """Gather all records; do ``each`` after every one."""
        for record in self._records:
            self.found.append(record)
            each()
        return self.found

    @property
    def whole(self) -> bool:
        """Whether every job was yielded exactly once."""
        return sorted((r["first"], r["stop"]) for r in self.found) == [(j.first, j.stop) for j in self.given]

    @property
    def poison(self) -> list[dict[str, str]]:
        """What was left out."""
        return [record["poison"] for record in self.found if "poison" in record]


def worker_processes() -> list[psutil.Process]:
    """Return the Dask workers that this process started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            pass
    return found


# --- threads of this process ---


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_leave_out_a_patient_that_raises(small: dict[str, Any], tmp_path: Path, threads: int) -> None:
    plan(tmp_path, raises=[11])
    run = Run(jobs(tmp_path, small, 40, 8), Spread(1, threads))
    run.go()
    assert run.whole
    assert run.poison == [{"11": "ZeroDivisionError: a bug"}]
    assert [record["skip"] for record in run.found if record["first"] == 8] == [[11]]
    assert len(lines(tmp_path, "commits")) == 5
    assert any("position 11 is left out" in note for note in run.notes)


def test_threads_try_a_chunk_that_ended_its_process_before_in_processes_of_their_own(
    small: dict[str, Any], tmp_path: Path
) -> None:
    plan(tmp_path, kills=[11], driver=os.getpid())
    given = [replace(job, again=job.first == 8) for job in jobs(tmp_path, small, 24, 8)]
    run = Run(given, Spread(1, 1))
    run.go()
    assert run.whole
    assert run.poison == [{"11": "its process ended by SIGKILL"}]
    assert {record["pid"] == os.getpid() for record in run.found if record["first"] != 8} == {True}


def test_threads_compute_in_pieces_what_does_not_fit(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, memory=3)
    assert [record["pieces"] for record in Run(jobs(tmp_path, small, 16, 8), Spread(1, 2)).go()] == [4, 4]
    assert len(lines(tmp_path, "tries")) == 6


def test_a_full_disk_ends_the_run_after_the_chunks_in_hand(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, final=8, sleep=0.05)
    run = Run(jobs(tmp_path, small, 400, 8), Spread(1, 2))
    with pytest.raises(OSError, match="No space left"):
        run.go()
    assert len(run.found) == len(lines(tmp_path, "commits")) <= 4
    assert not lines(tmp_path, "probes")


def test_what_waits_is_not_begun_when_it_is_enough(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, sleep=0.05)
    stop = threading.Event()
    found = Run(jobs(tmp_path, small, 400, 8), Spread(1, 2), None, stop.is_set).go(stop.set)
    assert len(found) == len(lines(tmp_path, "commits")) <= 3


def test_threads_share_what_few_chunks_leave_free(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path)
    assert [record["threads"] for record in Run(jobs(tmp_path, small, 16, 8), Spread(1, 4)).go()] == [2, 2]


def test_long_silence_and_long_chunks_are_told(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[str]()
    monkeypatch.setattr(workers, "QUIET_SECONDS", 0.0)
    watch = workers._Watch(told.append, lifetime=600.0)
    watch.look()
    for seconds in (59, 61, 62):
        watch.finished({"seconds": seconds})
    assert told == [
        "Nothing was finished for 0 min; waiting goes on, Ctrl-C stops.",
        "A chunk took 61 s, more than a tenth of a worker's life; make --chunk smaller or the walltime longer, so that "
        "little is lost at its end.",
    ]


# --- a process of its own ---


def test_a_job_alone_gives_its_record_its_error_and_its_death(small: dict[str, Any], tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, small, 4, 4)
    plan(tmp_path)
    record = run_alone(stub_jobs.work, job)
    assert record["pid"] != os.getpid()
    plan(tmp_path, raises=[2])
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_alone(stub_jobs.work, job)
    plan(tmp_path, kills=[2])
    with pytest.raises(ProcessDied, match="its process ended by SIGKILL"):
        run_alone(stub_jobs.work, job)


def test_a_process_that_cannot_begin_blames_nobody(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(
        own_process.NotBegun, match=r"cannot start a process to try patients alone \(it ended with code 1\)"
    ):
        run_alone(stub_jobs.work, jobs(tmp_path, small, 4, 4)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_job_alone_is_held_to_its_memory(small: dict[str, Any], tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, small, 4, 4)
    plan(tmp_path, allocate=GB)
    with pytest.raises(MemoryError):
        run_alone(stub_jobs.work, job, GB)
    assert run_alone(stub_jobs.work, job)["stop"] == 4


# --- local processes ---


def test_killed_workers_lose_and_double_nothing(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, sleep=0.1)
    run, killed, moments = Run(jobs(tmp_path, small, 480, 8), TWO), list[int](), random.Random(4)

    def kill() -> None:
        if len(killed) < 4 and moments.random() < 0.25 and (there := worker_processes()):
            killed.append(moments.choice(there).pid)
            os.kill(killed[-1], signal.SIGKILL)

    run.go(kill)
    assert len(killed) == 4
    assert run.whole
    assert run.poison == []
    assert not list(tmp_path.glob("*.aside"))


def test_what_a_worker_cannot_survive_is_left_out_or_cut(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, kills=[21], sleep=0.02, dies_above=8)
    given = [*jobs(tmp_path, small, 40, 8), *(replace(job, first=40, stop=52) for job in jobs(tmp_path, small, 8, 8))]
    run = Run(given, TWO)
    run.go()
    assert run.whole
    assert run.poison == [{"21": "its process ended by SIGKILL"}]
    assert {record["first"]: record["pieces"] for record in run.found if record["pieces"] > 1} == {40: 2}
    assert run.notes[0].startswith("Dask dashboard: http://127.0.0.1:")


# --- workers at an address ---


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and a worker: address, and the scheduler's process."""
    place = tmp_path_factory.mktemp("dask") / "scheduler.json"
    scheduler = _dask("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(place))
    while not place.exists() or not place.read_text():
        assert scheduler.poll() is None
        time.sleep(0.05)
    address = json.loads(place.read_text())["address"]
    worker = _worker(address)
    yield address, scheduler
    _end(worker)
    _end(scheduler)


def _dask(*words: str, path: Path = ROOT) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", env=os.environ | {"PYTHONPATH": str(path)})


def _worker(address: str, path: Path = ROOT) -> subprocess.Popen[bytes]:
    return _dask("worker", address, "--nthreads", "1", "--no-dashboard", path=path)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def test_half_of_the_workers_may_go_and_a_foreign_one_is_refused(
    small: dict[str, Any], tmp_path: Path, here: tuple[str, Any]
) -> None:
    plan(tmp_path, sleep=0.1)
    run = Run(jobs(tmp_path, small, 800, 8), Spread(1, 1), here[0])
    others = [_worker(here[0])]

    def change() -> None:
        if len(run.found) == 5:
            others[0].kill()
            others.append(_worker(here[0], _another_engine(tmp_path)))

    try:
        run.go(change)
        assert others[1].wait(30) is not None
    finally:
        for process in others:
            _end(process)
    assert run.whole
    (refused,) = [note for note in run.notes if "Refused" in note]
    assert "another version of the engine" in refused


def _another_engine(tmp_path: Path) -> Path:
    place = tmp_path / "another"
    for package in ("pulsatile", "tests"):  # the links of the checkout are followed
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (place / "pulsatile" / "engine" / "errors.py").open("a") as file:
        file.write("# another\n")
    return place


def test_workers_that_do_not_see_the_folder_are_refused(
    small: dict[str, Any], tmp_path: Path, here: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(tmp_path)

    @contextmanager
    def elsewhere(job: Job) -> Iterator[Fitness]:
        with demanded(job) as fitness:
            yield replace(fitness, token=str(tmp_path / "elsewhere" / "token"))

    monkeypatch.setattr(cluster, "demanded", elsewhere)
    with pytest.raises(ClusterFailed, match=r"the worker on .* cannot use the run's folder .*/elsewhere \(No such"):
        Run(jobs(tmp_path, small, 16, 8), Spread(1, 1), here[0]).go()
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.aside"))


def test_what_is_not_fit_is_named(small: dict[str, Any], tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, small, 4, 4)
    with demanded(job) as fit:
        assert fit.misfit() == ""
        for other, sentence in (
            (replace(fit, versions=fit.versions | {"numba": "0.1"}), r"has numba 0\.\d.*, the run 0\.1; install"),
            (replace(fit, job=replace(job, engine="x")), r"has another version of the engine than the run"),
            (replace(fit, job=replace(job, platform="toaster")), r"it is .*, the run is toaster; use one kind"),
            (replace(fit, secret="x"), r"sees another folder at .*; use a file system both share"),
        ):
            assert re.search(f"the worker on .* {sentence}", other.misfit()), other.misfit()


def test_a_dying_scheduler_ends_the_run_in_a_sentence(
    small: dict[str, Any], tmp_path: Path, here: tuple[str, subprocess.Popen[bytes]]
) -> None:
    plan(tmp_path, sleep=0.1)
    run = Run(jobs(tmp_path, small, 400, 8), Spread(1, 1), here[0])
    begin = time.monotonic()
    with pytest.raises(ClusterFailed, match="scheduler does not answer any more; what was committed is kept"):
        run.go(lambda: here[1].kill() if len(run.found) == 3 else None)
    assert time.monotonic() - begin < 60
    assert 3 <= len(run.found) < 50


def test_workers_that_are_all_gone_end_the_run_in_a_sentence(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client:
        status = "running"
        scheduler = SimpleNamespace(identity=None)

        def sync(self, *given: Any, **named: Any) -> dict[str, Any]:
            return {"workers": {}}

    told = list[object]()
    monkeypatch.setattr(dask_pool, "LOST_SECONDS", 0.1)
    pool = dask_pool.Futures(Client(), stub_jobs.work, 1, 0, [], told.append, False)
    pool.check()
    time.sleep(0.2)
    with pytest.raises(ClusterFailed, match="no Dask worker for 0 s; start workers again"):
        pool.check()
    with pytest.raises(ClusterFailed, match="too old"):
        dask_pool.Futures(Client(), stub_jobs.work, 1, 0, ["too old"], told.append, False).check()
    dask_pool.Futures(Client(), stub_jobs.work, 1, 0, [], told.append, True).check()  # a queue is waited for
    assert len(told) == 4  # asked every time to replace them


def test_a_worker_that_dies_beside_a_process_of_its_own_proves_nothing(small: dict[str, Any], tmp_path: Path) -> None:
    class Future:
        status, key = "error", ""

        def add_done_callback(self, call: Callable[[Any], None]) -> None:
            call(self)

        def result(self, timeout: float) -> Any:
            raise KilledWorker.__new__(KilledWorker)

        def release(self) -> None:
            pass

    class Client:
        def submit(self, *given: Any, key: str, pure: bool) -> Future:
            future = Future()
            future.key = key
            return future

    (job,) = jobs(tmp_path, small, 4, 4)
    for apart, tries in ((False, 1), (True, 1 + dask_pool.MOST_DEATHS)):
        pool = dask_pool.Futures(Client(), stub_jobs.work, 1, 0, [], lambda workers: None, False)
        pool.start(Trial(job, None, apart))
        ended = [pool.wait(0.1) for _ in range(tries)]
        assert ended[:-1] == [None] * (tries - 1)
        assert ended[-1] is not None
        assert isinstance(ended[-1].result, ClusterFailed if apart else ProcessDied)  # no patient is blamed for it


def test_a_trial_that_nobody_works_on_is_seen() -> None:
    def worker(silent: float = 0.0, **metrics: int) -> SimpleNamespace:
        return SimpleNamespace(last_seen=time.time() - silent, metrics=metrics, address="w")

    def task(state: str, on: SimpleNamespace | None = None) -> SimpleNamespace:
        return SimpleNamespace(state=state, processing_on=on)

    scheduler = SimpleNamespace(
        tasks={
            "computed": task("processing", worker(executing=1, ready=0, cpu=99)),
            "hangs": task("processing", worker(executing=1, ready=0, cpu=0)),
            "waits its turn": task("processing", worker(executing=0, ready=1, cpu=99)),
            "compiles": task("processing", worker(silent=60, executing=0, ready=0)),
            "no worker yet": task("no-worker"),
            "lost": task("processing", worker(executing=0, ready=0)),
            "untold": task("erred"),
        }
    )
    assert dask_pool._stuck([*scheduler.tasks, "unknown"], scheduler) == {
        "hangs": ("w", dask_pool.IDLE_SECONDS),
        "lost": ("w", dask_pool.STUCK_SECONDS),
        "untold": ("", dask_pool.STUCK_SECONDS),
        "unknown": ("", dask_pool.STUCK_SECONDS),
    }


def test_a_trial_that_nobody_works_on_is_given_up_and_its_worker_started_again(
    small: dict[str, Any], tmp_path: Path
) -> None:
    restarted = list[Any]()

    class Client:
        status = "running"
        scheduler = SimpleNamespace(identity=None)

        def submit(self, *given: Any, key: str, pure: bool) -> Any:
            return SimpleNamespace(add_done_callback=lambda call: None, release=lambda: None)

        def sync(self, *given: Any, **named: Any) -> dict[str, Any]:
            return {"workers": {"w": {}}}

        def run_on_scheduler(self, function: Any, keys: list[str]) -> dict[str, tuple[str, float]]:
            return dict.fromkeys(keys, ("w", 0.1))

        def restart_workers(self, given: list[str], **named: Any) -> None:
            restarted.extend(given)

    pool = dask_pool.Futures(Client(), stub_jobs.work, 1, 0, [], lambda workers: None, False)
    trial = Trial(jobs(tmp_path, small, 4, 4)[0])
    pool.start(trial)
    pool.check()
    assert pool.wait(0.01) is None
    time.sleep(0.2)
    pool.check()
    ended = pool.wait(0.01)
    assert ended is not None
    assert ended.trial is trial
    assert str(ended.result) == "its worker fell silent"
    assert restarted == ["w"]


def test_a_process_that_hangs_ends_itself(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_process, "IDLE_SECONDS", 0.1)
    ends, spent = list[int](), iter([0.5, 0.6, 0.7, 0.7])
    monkeypatch.setattr(own_process.time, "process_time", lambda: next(spent))
    monkeypatch.setattr(own_process.os, "_exit", ends.append)
    own_process._leave_when_idle()
    assert ends == [1]
    assert next(spent, None) is None
