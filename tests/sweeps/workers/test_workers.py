"""Workers that may die: every chunk is carried out once, patients at fault are left out, nothing hangs."""

import gc
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import psutil
import pytest
from distributed import LocalCluster
from distributed.scheduler import KilledWorker

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.workers import cluster, dask_pool, own_process, patience, workers
from pulsatile.sweeps.workers.isolation import Trial
from pulsatile.sweeps.workers.own_process import ProcessDied, run_alone
from pulsatile.sweeps.workers.patience import Patience
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
        self, given: list[Job], spread: Spread, cluster: str | None = None, enough: Callable[[], bool] = lambda: False,
        patience: Patience = Patience(),
    ) -> None:  # fmt: skip
        self.given, self.found, self.notes = given, list[dict[str, Any]](), list[str]()
        self._records = workers.records(given, spread, cluster, enough, self.notes.append, patience=patience)

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


def worker_processes(kind: str = "spawn_main|own_process") -> list[psutil.Process]:
    """Return the workers that this process started: its own, or those of a Dask cluster (``spawn_main``)."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if re.search(kind, " ".join(process.cmdline())):
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
        own_process.NotBegun, match=r"cannot start a process for patients \(its process ended with code 1\)"
    ):
        run_alone(stub_jobs.work, jobs(tmp_path, small, 4, 4)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_job_alone_is_held_to_its_memory(small: dict[str, Any], tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, small, 4, 4)
    plan(tmp_path, allocate=GB)
    with pytest.raises(MemoryError):
        run_alone(stub_jobs.work, job, GB)
    assert run_alone(stub_jobs.work, job)["stop"] == 4


# --- processes of this machine, and a Dask cluster: the same promises ---


@pytest.fixture(params=["processes", "dask"])
def two(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Two processes of this machine, or the address of a Dask cluster of two."""
    if request.param == "processes":
        yield None
        return
    with (
        dask.config.set(cluster.SETTINGS),
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=GB, dashboard_address="127.0.0.1:0") as local,
    ):
        yield local.scheduler_address


def test_killed_workers_lose_and_double_nothing(small: dict[str, Any], tmp_path: Path, two: str | None) -> None:
    plan(tmp_path, sleep=0.1)
    run, killed, moments = Run(jobs(tmp_path, small, 480, 8), TWO, two), list[int](), random.Random(4)
    kind = "own_process" if two is None else "spawn_main"  # a trial alone that is killed is rightly suspected

    def kill() -> None:
        apart = len(run.found) >= 10 * len(killed)  # so that no chunk is hit each time, which looks like its own fault
        if len(killed) < 4 and apart and moments.random() < 0.25 and (there := worker_processes(kind)):
            killed.append(moments.choice(there).pid)
            os.kill(killed[-1], signal.SIGKILL)

    run.go(kill)
    assert len(killed) == 4
    assert run.whole
    assert run.poison == []
    assert not list(tmp_path.glob("*.aside"))


def test_what_a_worker_cannot_survive_is_left_out_or_cut(
    small: dict[str, Any], tmp_path: Path, two: str | None
) -> None:
    plan(tmp_path, kills=[21], sleep=0.02, dies_above=8)
    given = [*jobs(tmp_path, small, 40, 8), *(replace(job, first=40, stop=52) for job in jobs(tmp_path, small, 8, 8))]
    run = Run(given, TWO, two)
    run.go()
    assert run.whole
    assert run.poison == [{"21": "its process ended by SIGKILL"}]
    assert {record["first"]: record["pieces"] for record in run.found if record["pieces"] > 1} == {40: 2}
    if two is not None:
        assert run.notes[0].startswith("Dask dashboard: http://127.0.0.1:")


def test_a_stopped_worker_is_told_and_its_chunk_given_to_another(
    small: dict[str, Any], tmp_path: Path, two: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "UNHEARD_SECONDS", 2.0)
    plan(tmp_path, busy=0.2)
    run, stopped = Run(jobs(tmp_path, small, 320, 8), TWO, two, patience=Patience(1.5, 4.0)), list[psutil.Process]()

    def stop() -> None:
        if len(run.found) == 4:
            stopped.append(worker_processes()[0])
            stopped[0].suspend()

    begin = time.monotonic()
    try:
        run.go(stop)
    finally:
        for process in stopped:
            with suppress(psutil.Error):
                process.kill()
    assert time.monotonic() - begin < 60
    assert run.whole
    assert run.poison == []
    (told,) = [note for note in run.notes if "to another" in note]
    assert re.search("no processor time for 2 s .it is stopped by a signal.|has not answered its scheduler for", told)


# --- processes of this machine ---


def test_processes_that_all_hang_end_the_run_in_a_sentence(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, sleep=30)
    run = Run(jobs(tmp_path, small, 32, 8), TWO, patience=Patience(0.5, 1.0, rounds=1))
    with pytest.raises(ClusterFailed, match=r"3 processes in a row used no processor time for 1 s: a disk or this m"):
        run.go()
    assert worker_processes() == []
    assert not lines(tmp_path, "commits")


def test_threads_that_hang_are_told_and_end_the_run_in_a_sentence(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, sleep=30)
    run = Run(jobs(tmp_path, small, 32, 8), Spread(1, 2), patience=Patience(1.0, 1.5, rounds=2))
    with pytest.raises(ClusterFailed, match=r"the run has used no processor time for \d s: a disk or this machine"):
        run.go()
    assert run.notes == [
        "This run has used no processor time for 1 s: a disk may hang; after 3 s the run ends, and `pulsatile resume` "
        "goes on."
    ]


def test_a_driver_that_was_stopped_itself_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, used = iter([0.0, 1.0, 1001.0, 1002.0, 1003.0]), iter([0.0, 0.0, 0.0, 5.0, 5.0])
    monkeypatch.setattr(patience.time, "monotonic", lambda: next(clock))
    silence = patience.Silence(lambda: next(used))
    assert [silence.seconds(Patience()) for _ in range(4)] == [1.0, 1.0 + patience.STEP, 0.0, 1.0]


def test_a_process_beyond_its_memory_is_ended_and_its_chunk_cut(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(tmp_path, holds=GB // 2, sleep=2.0)
    run = Run(jobs(tmp_path, small, 8, 8), Spread(2, 1, 4 * 10**8))
    with pytest.raises(ClusterFailed, match=r"need more memory than there is, even computed one by one"):
        run.go()
    assert "was ended, as it took more than 95% of its 400 MB" in run.notes[0]


def test_processes_that_cannot_start_are_told_at_once(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(tmp_path)
    monkeypatch.setattr(own_process, "COMMAND", ["-c", "raise SystemExit(3)"])
    with pytest.raises(ClusterFailed, match=r"cannot start a process for patients \(its process ended with code 3\)"):
        Run(jobs(tmp_path, small, 32, 8), TWO).go()
    assert not lines(tmp_path, "tries")


def test_nothing_is_left_when_a_run_is_broken_off(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, sleep=0.3)
    run = Run(jobs(tmp_path, small, 320, 8), TWO)

    def ctrl_c() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.go(ctrl_c)
    del run
    gc.collect()
    assert worker_processes() == []


def test_workers_end_with_a_driver_that_is_killed(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, sleep=1.0)
    (tmp_path / "given.pickle").write_bytes(pickle.dumps(jobs(tmp_path, small, 320, 8)))
    code = (  # not under `if __name__ == "__main__"`: no worker imports the script
        "import pickle, sys\n"
        "from pulsatile.sweeps.workers import workers\n"
        "from pulsatile.sweeps.workers.resources import Spread\n"
        "from tests import stub_jobs\n"
        "workers.run_chunk = stub_jobs.work\n"
        "given = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for record in workers.records(given, Spread(2, 1), None, lambda: False):\n"
        "    print(record['pid'], flush=True)\n"
    )
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "given.pickle")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd="/", env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as driver:
        assert driver.stdout is not None
        pids = {int(driver.stdout.readline()) for _ in range(4)}
        assert len(pids) == 2
        driver.kill()
    end = time.monotonic() + 20
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, pids))


def test_dask_is_not_loaded_on_one_machine(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path)
    code = (
        "import pickle, sys\n"
        "from pulsatile.sweeps.workers import workers\n"
        "from pulsatile.sweeps.workers.resources import Spread\n"
        "from tests import stub_jobs\n"
        "workers.run_chunk = stub_jobs.work\n"
        "given = pickle.load(sys.stdin.buffer)\n"
        "assert len(list(workers.records(given, Spread(2, 1), None, lambda: False))) == len(given)\n"
        "print({'dask', 'distributed', 'tornado'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(jobs(tmp_path, small, 32, 8)), capture_output=True, cwd=ROOT
    )
    assert done.stdout.decode().strip() == "set()", done.stderr


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

    told, notes = list[object](), list[str]()
    monkeypatch.setattr(dask_pool, "LOST_SECONDS", 0.1)
    pool = dask_pool.Futures(Client(), stub_jobs.work, 1, 0, [], told.append, False, notes.append)
    pool.check()
    pool.check()
    assert notes == ["No Dask worker is left; the run ends unless one joins within 0 s."]  # at once, and once
    time.sleep(0.2)
    with pytest.raises(ClusterFailed, match="no Dask worker for 0 s; start workers again"):
        pool.check()
    with pytest.raises(ClusterFailed, match="too old"):
        dask_pool.Futures(Client(), stub_jobs.work, 1, 0, ["too old"], told.append, False).check()
    dask_pool.Futures(Client(), stub_jobs.work, 1, 0, [], told.append, True).check()  # a queue is waited for
    assert len(told) == 5  # asked every time to replace them


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
            "compiles": task("processing", worker(silent=10, executing=1, ready=0)),
            "unheard": task("processing", worker(silent=60, executing=0, ready=0)),
            "no worker yet": task("no-worker"),
            "lost": task("processing", worker(executing=0, ready=0)),
            "untold": task("erred"),
        }
    )
    assert dask_pool._stuck([*scheduler.tasks, "unknown"], scheduler) == {
        "hangs": ("w", dask_pool.IDLE),
        "unheard": ("w", dask_pool.UNHEARD),
        "lost": ("w", dask_pool.LOST),
        "untold": ("", dask_pool.LOST),
        "unknown": ("", dask_pool.LOST),
    }


def test_a_trial_that_nobody_works_on_is_given_up_and_its_worker_started_again(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "STUCK_SECONDS", 0.1)
    restarted = list[Any]()

    class Client:
        status = "running"
        scheduler = SimpleNamespace(identity=None)

        def submit(self, *given: Any, key: str, pure: bool) -> Any:
            return SimpleNamespace(add_done_callback=lambda call: None, release=lambda: None)

        def sync(self, *given: Any, **named: Any) -> dict[str, Any]:
            return {"workers": {"w": {}}}

        def run_on_scheduler(self, function: Any, keys: list[str]) -> dict[str, tuple[str, str]]:
            return dict.fromkeys(keys, ("w", dask_pool.LOST))

        def restart_workers(self, given: list[str], **named: Any) -> None:
            restarted.extend(given)

    pool = dask_pool.Futures(Client(), stub_jobs.work, 1, 0, [], lambda workers: None, False)
    trial = Trial(jobs(tmp_path, small, 4, 4)[0])
    pool.start(trial)
    for restarts in (["w"], ["w", "w"]):  # it is tried once more elsewhere before it is suspected
        assert pool.wait(0.01) is None
        pool.check()
        time.sleep(0.2)
        pool.check()
        assert restarted[: len(restarts)] == restarts
        ended = pool.wait(0.01)
        assert (ended is None) == (restarts == ["w"])
    assert ended is not None
    assert ended.trial == replace(trial, deaths=1)
    assert str(ended.result) == "its worker fell silent"
    assert restarted == ["w", "w"]


def test_a_process_of_its_own_that_hangs_is_ended(small: dict[str, Any], tmp_path: Path) -> None:
    plan(tmp_path, sleep=60)
    (job,) = jobs(tmp_path, small, 4, 4)
    stopped = threading.Timer(2.0, lambda: [process.suspend() for process in worker_processes()])
    stopped.start()
    with pytest.raises(ProcessDied, match="its process was silent for 3 s"):
        run_alone(stub_jobs.work, job, patience=Patience(1.0, 3.0))
    assert worker_processes() == []
