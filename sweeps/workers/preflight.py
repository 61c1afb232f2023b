"""Refusal, before anything is made or compiled, of workers that could not start."""

import re
import shutil
from contextlib import suppress
from importlib.util import find_spec

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.workers.resources import Resources

FILES_OF_A_RUN, FILES_OF_A_WORKER, FILES_OF_A_CLUSTER = 24, 4, 64
"""Open files that a run, each of its processes, and the connections to a cluster need at most.

[measured: a run with 2 processes passes with 20 and fails with 12; pipes of a process: 2]
"""
_ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx|ucxx)://)?(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):[0-9]{1,5}(/\S*)?")


def refuse_unusable(resources: Resources, device: str = "cpu") -> None:
    """Refuse workers that cannot start from here.

    Raises
    ------
    InputError
        Where a package is not installed.
    ClusterFailed
        For an address that is none, a machine without SLURM, or a limit of open files that is too small.
    """
    if resources.slurm is not None:
        _refuse_without_slurm()
    if resources.scheduler is not None and not _ADDRESS.fullmatch(resources.scheduler):
        raise ClusterFailed(
            f"no Dask scheduler with workers answers at {resources.scheduler}: this is no address; give one such as "
            "tcp://127.0.0.1:8786, or leave --scheduler out."
        )
    _refuse_few_files(resources, device)


def _refuse_without_slurm() -> None:
    if find_spec("dask_jobqueue") is None:
        raise InputError("--slurm needs the package dask-jobqueue, which is not installed; install pulsatile[slurm].")
    if shutil.which("sbatch") is None:
        raise ClusterFailed("--slurm finds no sbatch on this machine; start the run where jobs can be submitted.")


def _refuse_few_files(resources: Resources, device: str) -> None:
    """Raise the limit of open files to what the run needs, as far as the system allows; else refuse."""
    try:
        import resource
    except ImportError:  # Windows: no such limit
        return
    needed = FILES_OF_A_RUN + FILES_OF_A_WORKER * resources.spread(device).workers
    needed += FILES_OF_A_CLUSTER if resources.cluster is not None else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard == resource.RLIM_INFINITY or hard >= needed:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
            return
    raise ClusterFailed(
        f"a process may open {soft} files here (`ulimit -n`), and this run needs {needed}; raise the limit, or use "
        "fewer --workers."
    )
