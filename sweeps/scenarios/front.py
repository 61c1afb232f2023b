"""Runs and sweeps under one name: each function does for a sweep what that of `sweeps.run` does for a run."""

from collections.abc import Iterator
from pathlib import Path

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk import lock
from pulsatile.sweeps.disk.check import Finding
from pulsatile.sweeps.run import expand as expand_run
from pulsatile.sweeps.run import heal as heal_run
from pulsatile.sweeps.run import run as run_study
from pulsatile.sweeps.run import status as run_status
from pulsatile.sweeps.run import verify as verify_run
from pulsatile.sweeps.run.driver import Outcome
from pulsatile.sweeps.run.expand import Growth
from pulsatile.sweeps.run.heal import Healed
from pulsatile.sweeps.run.progress import Progress
from pulsatile.sweeps.run.status import RunStatus
from pulsatile.sweeps.scenarios.carry_out import SweepOutcome, expand_sweep, resume_sweep, run_sweep
from pulsatile.sweeps.scenarios.check import digest_of_sweep, heal_sweep, verify_sweep
from pulsatile.sweeps.scenarios.record import is_sweep
from pulsatile.sweeps.scenarios.status import SweepStatus, cancel_sweep, unlock_sweep, watch_sweep
from pulsatile.sweeps.study.schema import Study
from pulsatile.sweeps.workers.resources import Resources


def run(
    study: Study,
    out: str | Path,
    resources: Resources = Resources(),
    progress: Progress | None = None,
    source: str = "",
    command: str = "",
    settings: tuple[str, ...] = (),
    shorten: bool = False,
) -> Outcome | SweepOutcome:
    """Carry out a study, or all scenarios of one with a sweep, into the folder ``out``.

    Parameters
    ----------
    study : a checked study (`sweeps.study.schema.load_study`)
    out : folder to make; must not exist or be empty
    resources : processes, threads, chunk size, cluster; default all cores of this machine
    progress : receives notes and counts; default silent
    source : text of the study file, kept next to the results
    settings, shorten : how the file was read (`sweeps.study.schema.load_study`)

    Raises
    ------
    InputError, CannotWrite, FolderRefuses, ClusterFailed
        With one plain sentence; an interrupted run does not raise but returns ``Exit.INTERRUPTED``.
    """
    if isinstance(study, Study) and study.sweep is not None:
        return run_sweep(study, Path(out), resources, progress, source)
    return run_study.run(study, out, resources, progress, source, command, settings, shorten)


def resume(
    path: str | Path, resources: Resources = Resources(), progress: Progress | None = None
) -> Outcome | SweepOutcome:
    """Resume an interrupted run or sweep from its folder alone; what is finished stays (`sweeps.run.run.resume`)."""
    if is_sweep(path):
        return resume_sweep(Path(path), resources, progress)
    return run_study.resume(path, resources, progress)


def expand(
    path: str | Path,
    growth: Growth,
    resources: Resources = Resources(),
    progress: Progress | None = None,
    source: str = "",
    settings: tuple[str, ...] = (),
) -> Outcome | SweepOutcome:
    """Make a finished run larger (`sweeps.run.expand.expand`), or add scenarios to a finished sweep.

    Of a sweep, ``growth`` is ``Growth(study=...)`` with more values on its axes: old scenarios stay bit for bit.
    """
    if not is_sweep(path):
        return expand_run.expand(path, growth, resources, progress, source, settings)
    if growth.study is None or growth.study.sweep is None:
        raise InputError(f"{path} is a sweep: give the study with more values on its axes, by --study FILE.")
    return expand_sweep(Path(path), growth.study, resources, progress, source)


def verify(path: str | Path) -> list[Finding]:
    """Compare every file of a run, or of a sweep and its runs, with what was committed; return the damage."""
    return verify_sweep(Path(path)) if is_sweep(path) else verify_run.verify(Path(path))


def heal(path: str | Path, resources: Resources = Resources(), progress: Progress | None = None) -> Healed:
    """Find the damage of a run or a sweep and repair it; the digest must come out the same."""
    return heal_sweep(Path(path), resources, progress) if is_sweep(path) else heal_run.heal(path, resources, progress)


def digest_of(path: str | Path) -> str:
    """Return the digest of a finished run or sweep, computed again from the stored values."""
    return digest_of_sweep(Path(path)) if is_sweep(path) else verify_run.digest_of(Path(path))


def status(folder: str | Path) -> RunStatus | SweepStatus:
    """Return the status of the run or sweep in a folder."""
    return next(watch(folder))


def watch(folder: str | Path) -> Iterator[RunStatus | SweepStatus]:
    """Yield the status of a run or sweep every second until no process holds the folder."""
    return watch_sweep(Path(folder)) if is_sweep(folder) else run_status.watch(Path(folder))


def cancel_run(folder: str | Path) -> str:
    """Ask the driver of a run or sweep, on any host, to stop after the chunks in progress; return a sentence."""
    return cancel_sweep(Path(folder)) if is_sweep(folder) else lock.cancel_run(Path(folder))


def unlock(folder: str | Path) -> str:
    """Remove the lock of a dead process from the folder of a run or sweep; return a sentence."""
    return unlock_sweep(Path(folder)) if is_sweep(folder) else lock.unlock(Path(folder))
