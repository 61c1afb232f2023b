"""Check that a worker is fit for a run: same engine, platform and libraries, and write access to the run's folder."""

import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import uuid4

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.files import ASIDE, writing
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import ResolvedStudy

LIBRARIES = ("numba", "numpy", "zarr")
"""Their versions decide bits of results or of files."""


def library_versions() -> dict[str, str]:
    """Return the versions that decide bits, and that of Python (it decides what can be unpickled)."""
    versions = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@dataclass(frozen=True)
class Fitness:
    """Requirements on every worker of a run.

    job : any job of the run: engine, platform, study
    versions : versions of the driver's libraries
    token : path of a file that the driver wrote into the run's folder
    secret : content of that file
    """

    job: Job
    versions: dict[str, str]
    token: str
    secret: str

    def misfit(self) -> str:
        """Return why this process is not fit, in a sentence that names the host; empty when it is fit."""
        host, installed = socket.gethostname(), library_versions()
        for name, wanted in self.versions.items():
            if installed[name] != wanted:
                return f"the worker on {host} has {name} {installed[name]}, the run {wanted}; install the run's there."
        if engine_hash() != self.job.engine:
            return f"the worker on {host} has another version of the engine than the run; install the run's there."
        if (kind := _platform(self.job.study)) != self.job.platform:
            return (
                f"the worker on {host} would give other bits: it is {kind}, the run is {self.job.platform}; use one "
                "kind of machine."
            )
        return self._unseen(host)

    def _unseen(self, host: str) -> str:
        token = Path(self.token)
        mine = token.with_name(f"{uuid4().hex}{ASIDE}")
        try:
            if token.read_text() != self.secret:
                return f"the worker on {host} sees another folder at {token.parent}; use a file system both share."
            mine.touch()
            mine.unlink()
        except OSError as error:
            return (
                f"the worker on {host} cannot use the run's folder {token.parent} ({error.strerror or error}); choose "
                "a folder with --out that every worker may write to."
            )
        return ""


def _platform(study: str) -> str:
    return ResolvedStudy.from_json(study).platform


@contextmanager
def demanded(job: Job) -> Iterator[Fitness]:
    """Yield the requirements on workers, with a token in the run's folder while the block runs."""
    secret = uuid4().hex
    token = Path(job.folder) / f"worker-check.{secret[:8]}{ASIDE}"
    with writing(token):
        token.write_text(secret)
    try:
        yield Fitness(job, library_versions(), str(token), secret)
    finally:
        token.unlink(missing_ok=True)


def limit_threads() -> None:
    """Limit libraries loaded from now on to one thread each: a chunk has its own threads."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
