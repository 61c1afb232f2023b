"""SLURM jobs: what is asked of sbatch, and a run on jobs that a stand-in for SLURM carries out here."""

import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import preflight, workers
from pulsatile.sweeps.workers import slurm as module
from pulsatile.sweeps.workers.resources import Resources
from pulsatile.sweeps.workers.slurm import Slurm, load_slurm
from tests import stub_jobs
from tests.conftest import Write
from tests.stub_jobs import jobs, lines, plan

MINIMAL = {"cores": 1, "memory": "1 GB", "walltime": "1 h"}
ROOT = Path(__file__).resolve().parents[3]


def test_the_job_script_asks_for_what_the_file_says(write: Write) -> None:
    pytest.importorskip("dask_jobqueue")
    from dask_jobqueue.slurm import SLURMJob

    path = write(
        {
            "queue": "short", "account": "endo", "cores": 16, "processes": 2, "memory": "64 GB", "walltime": "2 h",
            "jobs": 4, "interface": "lo", "prologue": ["module load python"], "directives": ["--constraint=avx512"],
            "local_directory": "/scratch", "logs": str(path_of(write)),
        },
        "slurm.yaml",
    )  # fmt: skip
    settings = load_slurm(path).settings()
    settings.pop("scheduler_options")
    script = SLURMJob(scheduler="tcp://10.0.0.1:8786", name="w", **settings).job_script()
    for line in (
        "#SBATCH -J pulsatile", "#SBATCH -p short", "#SBATCH -A endo", "#SBATCH --cpus-per-task=16",
        "#SBATCH --mem=60G", "#SBATCH -t 02:00:00", "#SBATCH --constraint=avx512", "module load python",
        *module.EXPORTS,
    ):  # fmt: skip
        assert line in script.splitlines()
    for words in (
        "--nthreads 8", "--nworkers 2", "--nanny", "--local-directory /scratch", "--interface lo",
        "--lifetime 6336s", "--lifetime-stagger 360s", "--memory-limit 29.80GiB",
    ):  # fmt: skip
        assert words in script
    assert script.index("module load python") < script.index("--nthreads")


def path_of(write: Write) -> Path:
    return write("", "logs").parent


def test_workers_leave_before_the_walltime() -> None:
    for walltime, seconds in (("10 min", 600), ("4 h", 14_400), ("2 days", 172_800)):
        slurm = Slurm(**MINIMAL | {"walltime": walltime})
        life, spread = (int(word[:-1]) for word in slurm.settings()["worker_extra_args"][1::2])
        assert slurm.lifetime == pytest.approx(life - spread, abs=1)
        assert life + spread <= 0.94 * seconds


def test_jobs_decide_processes_threads_and_memory() -> None:
    resources = Resources(slurm=Slurm(cores=16, processes=2, memory="64 GB", walltime="2 h", jobs=4))
    spread = resources.spread()
    assert spread == (8, 8, 32 * 10**9)
    assert spread.slots == 64
    with pytest.raises(InputError, match=r"--slurm and --scheduler exclude each other; the SLURM file sets it"):
        Resources(scheduler="tcp://a:1", slurm=Slurm(**MINIMAL))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cores": 0}, r"cores = 0 is too small: it must be at least 1\."),
        ({"memory": "64"}, r"memory = '64' has no unit: write a number and one of the units MB, GB, .* \"2 GB\"\."),
        ({"memory": "0 GB"}, r"memory = '0 GB' must be above 0, for example \"2 GB\"\."),
        ({"walltime": "02:00:00"}, r"walltime = '02:00:00' has the unknown unit ':00:00'.* \"1 week\"\."),
        ({"walltime": "1 min"}, r"walltime = '1 min' must be at least \"10 min\", for example \"4 h\"\."),
        ({"processes": 3, "cores": 16}, r"cores = 16 cannot be shared by processes = 3; make cores a multiple of it\."),
        ({"partition": "x"}, r"partition = 'x' is an unknown key; allowed are queue, account, cores"),
        ({"jobs": 1.5}, r"jobs = 1.5 is not allowed here: write a whole number such as 100\."),
        ({"prologue": "module load python"}, r"prologue = .* is not allowed here: write a list such as \[a, b\]\."),
    ],
)  # fmt: skip
def test_wrong_files_are_refused_in_a_sentence(write: Write, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=f"slurm.yaml: {sentence}"):
        load_slurm(write(MINIMAL | change, "slurm.yaml"))


def test_the_example_of_the_documentation_is_right(write: Write) -> None:
    pages = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", pages, re.DOTALL)
    slurm = load_slurm(write(example, "slurm.yaml"))
    assert (slurm.workers, slurm.threads, slurm.memory_each) == (40, 8, 16 * 10**9)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such file; give the path of a SLURM file, for example slurm"):
        load_slurm(tmp_path / "nothing.yaml")


def test_without_dask_jobqueue_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs the package dask-jobqueue.*; install pulsatile\[slurm\]"):
        preflight.refuse_unusable(Resources(slurm=Slurm(**MINIMAL)))


def test_without_sbatch_it_says_where_to_start_and_leaves_nothing(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClusterFailed, match="no sbatch on this machine"):
        run(study_from(small, "study"), tmp_path / "run", Resources(slurm=Slurm(**MINIMAL)))
    assert not (tmp_path / "run").exists()


# --- with a stand-in for SLURM ---

SBATCH = """#!/bin/sh
test "$1" = --test-only && exit 0
number=$(($(cat {here}/number) + 1)); echo $number > {here}/number
cp "$1" {here}/script.$number
setsid sh {here}/script.$number > {here}/out.$number 2>&1 < /dev/null &
echo $! > {here}/group.$number
echo "Submitted batch job $number"
"""
SCANCEL = """#!/bin/sh
kill -TERM -$(cat {here}/group.$1) 2> /dev/null; true
"""
REFUSES = """#!/bin/sh
echo "sbatch: error: invalid account" >&2; exit 1
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of commands that look like SLURM's and run jobs on this machine."""
    pytest.importorskip("dask_jobqueue")
    here = tmp_path / "slurm"
    here.mkdir()
    (here / "number").write_text("0")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        command(here / name, text.format(here=here))
    monkeypatch.setenv("PATH", f"{here}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(workers, "run_chunk", stub_jobs.work)
    monkeypatch.setattr(workers, "PULSE", 0.5)
    yield here
    for path in here.glob("group.*"):
        end(path, signal.SIGKILL)


def command(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def end(group: Path, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(int(group.read_text()), number)


def running(queue: Path) -> list[int]:
    """Return the processes of all jobs; what was killed and waits for its parent is none."""
    groups = {int(path.read_text()) for path in queue.glob("group.*")}
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) in groups and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except ProcessLookupError:
            pass
    return found


def test_a_run_on_jobs_of_which_one_is_lost(
    small: dict[str, Any], tmp_path: Path, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOST_SECONDS", 1.0)
    plan(tmp_path, sleep=0.1)
    slurm = Slurm(cores=2, processes=2, memory="2 GB", walltime="1 h", interface="lo")
    given, found, notes = jobs(tmp_path, small, 640, 8), [], list[str]()
    for record in workers.records(given, Resources(slurm=slurm).spread(), slurm, lambda: False, notes.append):
        found.append(record)
        if len(found) == 5:
            end(queue / "group.1", signal.SIGKILL)  # the node is lost with all that ran there
    assert sorted(record["first"] for record in found) == [job.first for job in given]
    assert not [record for record in found if "poison" in record]
    assert (queue / "number").read_text().strip() == "2"
    assert notes[0] == "1 SLURM job(s) are submitted; work begins with the first that starts."
    assert len(lines(tmp_path, "commits")) <= len(given) + 2
    stop = time.monotonic() + 20
    while (left := running(queue)) and time.monotonic() < stop:
        time.sleep(0.1)
    assert left == []  # nothing goes on when the run is over


def test_what_sbatch_says_is_told(small: dict[str, Any], tmp_path: Path, queue: Path) -> None:
    command(queue / "sbatch", REFUSES)
    plan(tmp_path)
    slurm = Slurm(**MINIMAL | {"interface": "lo"})
    with pytest.raises(ClusterFailed, match=r"sbatch refuses the job \(sbatch: error: invalid account\); correct"):
        list(workers.records(jobs(tmp_path, small, 8, 4), Resources(slurm=slurm).spread(), slurm, lambda: False))


def test_an_interface_that_is_not_there_is_named(small: dict[str, Any], tmp_path: Path, queue: Path) -> None:
    slurm = Slurm(**MINIMAL | {"interface": "ib99"})
    with pytest.raises(InputError, match=r"--slurm: .*ib99"):
        list(workers.records(jobs(tmp_path, small, 8, 4), Resources(slurm=slurm).spread(), slurm, lambda: False))
