"""Dask workers as SLURM jobs: a file describes a job, dask-jobqueue writes and submits its script."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.read import as_json, read_mapping, sentences

if TYPE_CHECKING:
    from types import TracebackType

LIFE, STAGGER = 0.88, 0.05
"""Lifetime of a worker and its random spread, as shares of the walltime, so that workers do not all end at once."""
LOST_SECONDS = 60.0
"""A job without workers for this long is submitted again; a worker that only died is back within seconds."""
EXPORTS = (
    "export NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1",
    "export DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False",
    "export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False",
)


def _hours(text: str) -> str:
    if quantities.hours(text) < 1 / 6:
        raise ValueError('must be at least "10 min", for example "4 h"')
    return text


def _size(text: str) -> str:
    quantities.size(text)
    return text


class Slurm(BaseModel):
    """What the file of ``--slurm`` requests from SLURM."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    queue: str = Field("", description="partition (-p); empty for the cluster's default")
    account: str = Field("", description="account (-A)")
    cores: int = Field(ge=1, le=4096, description="cores of a job")
    processes: int = Field(1, ge=1, le=4096, description="worker processes of a job; cores are shared between them")
    memory: Annotated[str, AfterValidator(_size)] = Field(description='memory of a job, for example "64 GB"')
    walltime: Annotated[str, AfterValidator(_hours)] = Field(description='a job ends after it, for example "4 h"')
    jobs: int = Field(1, ge=1, le=10_000, description="jobs to submit")
    interface: str = Field("", description="network interface that nodes and driver share, for example ib0")
    prologue: tuple[str, ...] = Field((), description="lines of the job script before the worker: modules, environment")
    directives: tuple[str, ...] = Field((), description="further options of sbatch, for example --constraint=avx512")
    local_directory: str = Field("", description="fast local disk of a node, for example /tmp")
    logs: str = Field("", description="folder for the output of the jobs")

    @model_validator(mode="after")
    def _whole_threads(self) -> Self:
        if self.cores % self.processes:
            raise InputError(
                f"cores = {self.cores} cannot be shared by processes = {self.processes}; make cores a multiple of it."
            )
        return self

    @property
    def threads(self) -> int:
        """Threads of a worker process."""
        return self.cores // self.processes

    @property
    def workers(self) -> int:
        """Worker processes of all jobs."""
        return self.jobs * self.processes

    @property
    def slots(self) -> int:
        """Chunks carried out at once."""
        return self.workers * self.threads

    @property
    def memory_each(self) -> int:
        """Bytes of a worker process."""
        return quantities.size(self.memory) // self.processes

    @property
    def lifetime(self) -> float:
        """Seconds after which a worker stops by itself, at the earliest."""
        return 3600 * quantities.hours(self.walltime) * (LIFE - STAGGER)

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `dask_jobqueue.SLURMCluster`."""
        seconds = round(3600 * quantities.hours(self.walltime))
        minutes, rest = divmod(seconds, 60)
        life = ["--lifetime", f"{round(seconds * LIFE)}s", "--lifetime-stagger", f"{round(seconds * STAGGER)}s"]
        return {
            "queue": self.queue or None,
            "account": self.account or None,
            "cores": self.cores,
            "processes": self.processes,
            "memory": f"{quantities.size(self.memory)}B",
            "walltime": f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}",
            "interface": self.interface or None,
            "job_name": "pulsatile",
            "job_script_prologue": [*EXPORTS, *self.prologue],
            "job_extra_directives": list(self.directives),
            "local_directory": self.local_directory or None,
            "log_directory": self.logs or None,
            "worker_extra_args": life,
            "scheduler_options": {"dashboard_address": ":0"},
        }


def load_slurm(path: str | Path) -> Slurm:
    """Read a file for ``--slurm``.

    Raises
    ------
    InputError
        With one plain sentence (line) for each problem.
    """
    data = read_mapping(Path(path), "SLURM", "cores, memory and walltime")
    try:
        return Slurm.model_validate_json(as_json(data, str(path)))
    except ValidationError as error:
        raise sentences(error, Slurm, str(path)) from None


def _cluster_class() -> Any:
    """Return dask-jobqueue's class; its import replaces the run's signal handlers, which are restored."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        from dask_jobqueue import SLURMCluster
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    return SLURMCluster


class SlurmJobs:
    """Jobs that stay submitted while the block runs; ``cluster`` is dask-jobqueue's."""

    def __init__(self, slurm: Slurm) -> None:
        self.slurm = slurm
        self.cluster: Any = None
        self._seen: dict[str, float] = {}

    def __enter__(self) -> Self:
        cluster = _cluster_class()
        try:
            self.cluster = cluster(**self.slurm.settings())
        except (ValueError, RuntimeError) as error:  # an interface that is not there
            raise InputError(f"--slurm: {error}; correct the file.") from None
        try:
            self._check_accepted()
            self.cluster.scale(jobs=self.slurm.jobs)
        except BaseException:
            self.cluster.close()
            raise
        return self

    def _check_accepted(self) -> None:
        """Raise `ClusterFailed` where SLURM would refuse the job, which dask-jobqueue only logs."""
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
            script.write(self.cluster.job_script())
            script.flush()
            answer = subprocess.run(["sbatch", "--test-only", script.name], capture_output=True, text=True)
        if answer.returncode:
            reason = " ".join(answer.stderr.split())[:300]
            raise ClusterFailed(f"sbatch refuses the job ({reason}); correct the file given by --slurm.")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.cluster.close()

    def replace_lost(self, workers: Iterable[Mapping[str, Any]]) -> None:
        """Submit jobs again that lost all their workers, at the walltime or with their node.

        dask-jobqueue does not do that (its issue 611).
        """
        now = time.monotonic()
        alive = {self._job_of(str(worker["name"])) for worker in workers}
        self._seen |= dict.fromkeys(alive, now)
        lost = [name for name, last in self._seen.items() if now - last > LOST_SECONDS]
        for name in lost:
            del self._seen[name]
            job = self.cluster.workers.pop(name, None)
            if job is not None:
                self.cluster.sync(job.close)
        if lost:
            self.cluster.scale(jobs=self.slurm.jobs)

    def _job_of(self, worker: str) -> str:
        return worker.rpartition("-")[0] if self.slurm.processes > 1 else worker
