"""A job that does what a file in its folder says, in place of a chunk of patients; carried out by real workers."""

import json
import os
import signal
import time
from math import ceil
from pathlib import Path
from typing import Any

from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.chunk.run_chunk import run_chunk
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import study_from


def plan(folder: Path, **what: Any) -> None:
    """Say what jobs of a folder do: ``kills``, ``raises`` (patients), ``memory``, ``dies_above`` (sizes), ``sleep``,
    ``busy`` (s of computing), ``holds`` (bytes).

    ``driver`` is a process in which nothing may be killed.
    """
    (folder / "plan.json").write_text(json.dumps(what))


def work(job: Job) -> dict[str, Any]:
    """Carry out a job; every time it is committed a line says by whom, every probe leaves one elsewhere."""
    folder = Path(job.folder)
    what = json.loads((folder / "plan.json").read_text())
    held = bytes(range(256)) * (what.get("holds", 0) // 256)
    time.sleep(what.get("sleep", 0.0))
    end = time.monotonic() + what.get("busy", 0.0)
    while time.monotonic() < end:
        pass
    del held
    patients = set(range(job.first, job.stop)) - set(job.skip)
    size = ceil(len(patients) / job.pieces)
    with (folder / ("probes" if job.dry else "tries")).open("a") as file:
        file.write(f"{job.first} {job.stop}\n")
    if patients & set(what.get("kills", [])) or size > what.get("dies_above", size):
        assert os.getpid() != what.get("driver"), "the driver itself would have died"
        os.kill(os.getpid(), signal.SIGKILL)
    if patients & set(what.get("raises", [])):
        raise ZeroDivisionError("a bug")
    if size > what.get("memory", size):
        raise MemoryError("unable to allocate 3 GiB")
    if "allocate" in what:
        bytearray(what["allocate"])
    if what.get("final") == job.first:
        raise OSError(28, "No space left on device", str(folder))
    if job.dry:
        return {}
    with (folder / "commits").open("a") as file:
        file.write(f"{job.first} {job.stop}\n")
    return {
        "first": job.first, "stop": job.stop, "pid": os.getpid(), "seconds": what.get("sleep", 0.0),
        "skip": list(job.skip), "pieces": job.pieces, "threads": job.threads,
    }  # fmt: skip


def all_but_eleven(job: Job) -> dict[str, Any]:
    """Carry out a real job; the patient at position 11 raises."""
    if job.first <= 11 < job.stop and 11 not in job.skip:
        raise ZeroDivisionError("a bug")
    return run_chunk(job)


def lines(folder: Path, name: str) -> list[str]:
    """Return what jobs left in one of the files."""
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def jobs(folder: Path, small: dict[str, Any], n: int, size: int) -> list[Job]:
    """Return the jobs of a study of ``n`` patients in chunks of ``size``."""
    resolved = resolve(study_from(small, "study"))
    study, platform = resolved.model_dump_json(), resolved.platform
    return [
        Job(study, str(folder), first, min(first + size, n), 1, engine_hash(), platform) for first in range(0, n, size)
    ]
