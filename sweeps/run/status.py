"""Progress of a run, as seen from another process by its journal and its lock."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pulsatile.sweeps.disk import side
from pulsatile.sweeps.disk.journal import JOURNAL
from pulsatile.sweeps.disk.lock import BEAT, TICK, WATCHED, check_run
from pulsatile.sweeps.disk.lock_file import Holder, Seen, look
from pulsatile.sweeps.disk.side import GROWING, GROWN
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.follow import Follower
from pulsatile.sweeps.run.progress import pace, size, span

EVERY = 1.0  # s between two statuses of `watch`
RECORDED = "as the run ended with; not checked now, `pulsatile digest {folder}` computes it from the stored values"
SHOWN = 5
"""Patients and lines that are named; further ones are only counted."""


@dataclass(frozen=True)
class RunStatus:
    """Progress of a run.

    state : planned, running, interrupted, complete, failed, incomplete (patients left out) or broken
    go_on : the command that goes on with it; empty where nothing remains to do
    patients, done : planned patients, and those in committed chunks
    failed, failures : failed patient-arms, in all and by type
    poison : reasons of patients left out because they end their worker, by position
    bytes : bytes written by the committed chunks
    digest : as the run ended with; no file is compared with it here
    rate : patients per second since the run was started or resumed, while it runs
    seconds_left : remaining time at that rate
    holder : the process that holds the folder
    seen : whether it is known if the holder lives; for one on another machine only `watch` can tell
    damaged : numbers of the damaged lines of the journal
    note : last sentence on workers while it runs, with its time
    expansion : status of the expansion of the run that is under way
    """

    folder: str
    state: str
    go_on: str
    identity: str
    digest: str
    patients: int
    done: int
    chunks: int
    chunks_done: int
    failed: int
    failures: dict[str, int]
    poison: dict[int, str]
    bytes: int
    rate: float | None
    seconds_left: float | None
    holder: Holder | None
    seen: bool
    damaged: list[int]
    note: str = ""
    expansion: "RunStatus | None" = None

    def lines(self) -> list[str]:
        """Return the status in words."""
        share = f" ({100 * self.done // self.patients} %)" if self.patients else ""
        lines = [
            f"{self.folder}: {self.state}",
            f"{self.done} of {self.patients} patients{share} in {self.chunks_done} of {self.chunks} chunks, "
            f"{size(self.bytes)} written",
        ]
        if self.rate is not None and self.seconds_left is not None:
            lines.append(f"{pace(self.rate)}, about {span(self.seconds_left)} left")
        if self.failed:
            kinds = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.failures.items())
            lines.append(f"failed patient-arms: {self.failed} ({kinds})")
        if self.poison:
            lines.append(
                f"patients left out, by position: {_abridged([f'{k} ({why})' for k, why in self.poison.items()])}"
            )
        if self.damaged:
            lines.append(
                f"{JOURNAL} is damaged in line {_abridged(self.damaged)}; `pulsatile heal {self.folder}` mends it"
            )
        lines += [f"last message: {self.note}"] if self.note else []
        if self.holder is not None:
            unseen = "" if self.seen else " on another machine; `--watch` tells whether it lives"
            lines.append(f"in use by {self.holder.words}{unseen}")
            lines += [f"dashboard: {self.holder.dashboard}"] if self.holder.dashboard else []
        lines += [f"digest: {self.digest} ({RECORDED.format(folder=self.folder)})"] if self.digest else []
        lines += [f"identity: {self.identity}"] if self.identity else []
        lines += [f"expansion: {line}" for line in self.expansion.lines()] if self.expansion else []
        return lines + ([f"go on with: {self.go_on}"] if self.go_on else [])

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain data, for programs."""
        return asdict(self)


def status(folder: Path) -> RunStatus:
    """Return the status of the run in a folder.

    Raises
    ------
    FolderRefuses
        When the folder holds no run, or cannot be read.
    """
    return next(watch(folder))


def watch(folder: Path) -> Iterator[RunStatus]:
    """Yield the status every second until no process holds the folder; only new lines of the journal are read.

    A holder on another machine counts as dead when its beat stands still for as long as `unlock` would wait.
    """
    check_run(folder)
    run, growing = Follower(folder), Follower(folder / GROWING)
    holder, since = None, time.monotonic()
    try:
        while True:
            seen = look(folder) or Seen(None, False)
            if seen.holder != holder:
                holder, since = seen.holder, time.monotonic()
            if seen.lives is None and time.monotonic() - since > (WATCHED * BEAT + 1) * TICK:
                seen = Seen(seen.holder, False)
            run.read()
            growing.read()
            yield _status(folder, run, growing, seen)
            if seen.lives is False:
                return
            time.sleep(EVERY)
    except PermissionError as error:
        raise FolderRefuses(f"{error.filename} cannot be read ({error.strerror}); ask its owner.") from error


def _status(folder: Path, run: Follower, growing: Follower, seen: Seen) -> RunStatus:
    """Return the status of a run and of the expansion inside it."""
    held = seen.lives is not False
    state, resume = _state(run, held), f"pulsatile resume {folder}"
    go_on = {"interrupted": resume, "incomplete": resume, "broken": resume if run.state else f"pulsatile heal {folder}"}
    whole = _part(folder, run, state)
    if side.ours(folder, run, GROWN):  # cut short while it took the place of the run
        go_on[state] = "" if held else resume
    elif growing.facts and side.ours(folder, run, GROWING):
        expansion = _part(folder / GROWING, growing, _state(growing, held))
        whole = replace(whole, expansion=expansion)
        go_on[state] = "" if held else resume
    holder = seen.holder if held else None
    return replace(whole, go_on=go_on.get(state, ""), holder=holder, seen=seen.lives is not None)


def _state(run: Follower, held: bool) -> str:
    """Return the state of a run, given whether a process holds its folder."""
    if not run.state:
        return "planned" if held else "broken"
    if held:
        return "running" if run.state in ("interrupted", "incomplete", "broken") else run.state
    return "interrupted" if run.state in ("planned", "running") else run.state


def _part(folder: Path, run: Follower, state: str) -> RunStatus:
    """Return the status of a run, without its holder."""
    patients, rate = run.facts.get("patients", 0), run.rate if state == "running" else None
    return RunStatus(
        folder=str(folder), state=state, go_on="", identity=run.facts.get("identity", ""), digest=run.digest,
        patients=patients, done=run.done, chunks=run.facts.get("chunks", 0), chunks_done=run.chunks_done,
        failed=run.failed, failures=run.failures, poison=dict(run.poison), bytes=run.bytes, rate=rate,
        seconds_left=(patients - run.done) / rate if rate else None, holder=None, seen=True, damaged=run.damaged,
        note=run.note if state == "running" else "",
    )  # fmt: skip


def _abridged(items: Sequence[object]) -> str:
    """Return the first items in words, and the number of the others."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(map(str, items[:SHOWN])) + more
