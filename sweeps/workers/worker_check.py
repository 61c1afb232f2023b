"""Is a worker fit for a run: same engine, platform and libraries, and the run's folder seen and writable from there."""

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
    """Return the versions of what decides bits, Python's among them (it decides what can be unpickled)."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@dataclass(frozen=True)
class Fitness:
    """What every worker of a run must be.

    job : any job of the run: engine, platform, study
    versions : of the driver's libraries
    token : path of a file that the driver wrote into the run's folder
    secret : what is in it
    """

    job: Job
    versions: dict[str, str]
    token: str
    secret: str

    def misfit(self) -> str:
        """Return why this process is not fit, in a sentence that names the host; empty when it is."""
        host, here = socket.gethostname(), library_versions()
        for name, wanted in self.versions.items():
            if here[name] != wanted:
                return f"the worker on {host} has {name} {here[name]}, the run {wanted}; install the run's there."
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
    """Yield what workers must be while the block runs, with its token in the run's folder."""
    secret = uuid4().hex
    token = Path(job.folder) / f"worker-check.{secret[:8]}{ASIDE}"
    with writing(token):
        token.write_text(secret)
    try:
        yield Fitness(job, library_versions(), str(token), secret)
    finally:
        token.unlink(missing_ok=True)


def limit_threads() -> None:
    """Have libraries loaded from here on take one thread each: a chunk's threads are its own."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
