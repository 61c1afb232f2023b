"""Progress of a sweep, as seen from another process; and the request to stop it."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pulsatile.sweeps.disk.journal import JOURNAL
from pulsatile.sweeps.disk.lock import ask_to_stop, remove_lock
from pulsatile.sweeps.disk.lock_file import look
from pulsatile.sweeps.run.status import EVERY, RunStatus
from pulsatile.sweeps.run.status import status as status_of_run
from pulsatile.sweeps.scenarios.check import copies
from pulsatile.sweeps.scenarios.record import RUNS


@dataclass(frozen=True)
class SweepStatus:
    """Progress of a sweep.

    state : running, interrupted or complete
    scenarios : their number
    digest : of the sweep, when it is complete
    runs : the status of each run by its folder; None for one that has not begun
    """

    folder: str
    state: str
    scenarios: int
    digest: str
    runs: dict[str, RunStatus | None]

    def lines(self) -> list[str]:
        """Return the status in words."""
        done = sum(run is not None and bool(run.digest) for run in self.runs.values())
        lines = [
            f"{self.folder}: {self.state}",
            f"{self.scenarios} scenarios, {done} of {len(self.runs)} runs finished",
        ]
        for name, run in self.runs.items():
            words = "not begun" if run is None else f"{run.state}, {run.done} of {run.patients} patients"
            lines.append(
                f"{RUNS}/{name}: {words}" + (f", {run.failed} failed" if run is not None and run.failed else "")
            )
        lines += [f"digest: {self.digest}"] if self.digest else []
        return lines + ([f"go on with: pulsatile resume {self.folder}"] if self.state == "interrupted" else [])

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain data, for programs."""
        return asdict(self)


def watch_sweep(folder: Path) -> Iterator[SweepStatus]:
    """Yield the status every second until no process holds the folder."""
    while True:
        seen = look(folder)
        holds = seen is not None and seen.lives is not False
        record, _ = copies(folder)
        runs = {name: folder / RUNS / name for name in record.runs}
        known = {name: status_of_run(path) if (path / JOURNAL).exists() else None for name, path in runs.items()}
        state = "running" if holds else "complete" if record.digest else "interrupted"
        yield SweepStatus(str(folder), state, len(record.rows), record.digest, known)
        if not holds:
            return
        time.sleep(EVERY)


def unlock_sweep(folder: Path) -> str:
    """Remove the locks of a dead process from a sweep and its runs; return a sentence."""
    record, _ = copies(folder)
    for name in record.runs:
        if (folder / RUNS / name).is_dir():
            remove_lock(folder / RUNS / name)
    return remove_lock(folder)


def cancel_sweep(folder: Path) -> str:
    """Ask the driver of a sweep to stop after the chunks in progress; return a sentence."""
    return ask_to_stop(folder)
