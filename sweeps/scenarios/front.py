"""Runs and sweeps by one name each: what takes a study or a folder does so for both."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.check import Finding
from pulsatile.sweeps.disk.files import sha256, writing
from pulsatile.sweeps.disk.journal import JOURNAL, SWEEP
from pulsatile.sweeps.disk.lock import cancel_run, held, refuse_held
from pulsatile.sweeps.disk.lock_file import look
from pulsatile.sweeps.errors import Damage
from pulsatile.sweeps.run import status as run_status
from pulsatile.sweeps.run.driver import Outcome
from pulsatile.sweeps.run.estimate import RunEstimate, estimate, prepare
from pulsatile.sweeps.run.expand import Growth
from pulsatile.sweeps.run.expand import expand as expand_run
from pulsatile.sweeps.run.heal import Healed
from pulsatile.sweeps.run.heal import heal as heal_run
from pulsatile.sweeps.run.progress import Progress, SilentProgress
from pulsatile.sweeps.run.run import resume as resume_run
from pulsatile.sweeps.run.run import run as run_study
from pulsatile.sweeps.run.status import RunStatus
from pulsatile.sweeps.run.verify import digest_of as digest_of_run
from pulsatile.sweeps.run.verify import verify as verify_run
from pulsatile.sweeps.scenarios.carry_out import SweepOutcome, close, expand_sweep, resume_sweep, run_sweep
from pulsatile.sweeps.scenarios.grouping import grouped
from pulsatile.sweeps.scenarios.record import RUNS, SweepRecord, finished, is_sweep, read, write
from pulsatile.sweeps.scenarios.results import scenario_digests, sweep_digest
from pulsatile.sweeps.scenarios.table import scenarios
from pulsatile.sweeps.study.resolve import ResolvedStudy
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

    Parameters and errors are those of `sweeps.run.run.run`.
    """
    if isinstance(study, Study) and study.sweep is not None:
        return run_sweep(study, Path(out), resources, progress, source)
    return run_study(study, out, resources, progress, source, command, settings, shorten)


def resume(
    path: str | Path, resources: Resources = Resources(), progress: Progress | None = None
) -> Outcome | SweepOutcome:
    """Resume an interrupted run or sweep from its folder alone; what is finished stays as it is."""
    if is_sweep(path):
        return resume_sweep(Path(path), resources, progress)
    return resume_run(path, resources, progress)


def expand(
    path: str | Path,
    growth: Growth,
    resources: Resources = Resources(),
    progress: Progress | None = None,
    source: str = "",
    settings: tuple[str, ...] = (),
) -> Outcome | SweepOutcome:
    """Make a finished run larger, or add scenarios to a finished sweep by ``Growth(study=...)`` with longer axes."""
    if not is_sweep(path):
        return expand_run(path, growth, resources, progress, source, settings)
    if growth.study is None or growth.study.sweep is None:
        raise InputError(f"{path} is a sweep: give the study with more values on its axes, by --study FILE.")
    return expand_sweep(Path(path), growth.study, resources, progress, source)


def verify(path: str | Path) -> list[Finding]:
    """Compare every file of a run, or of a sweep and its runs, with what was committed; return the damage."""
    folder = Path(path)
    if not is_sweep(folder):
        return verify_run(folder)
    findings, record = _records(folder)
    for name, digest in (record.files or {}).items():
        data = (folder / name).read_bytes() if (folder / name).is_file() else None
        if data is None or sha256(data) != digest:
            findings.append(Finding(name, "is missing" if data is None else "is not what was written"))
    for name in record.runs:
        if record.digest or (folder / RUNS / name / JOURNAL).exists():
            of_run = verify_run(folder / RUNS / name)
            findings += [replace(finding, path=f"{RUNS}/{name}/{finding.path}") for finding in of_run]
    return findings


def _records(folder: Path) -> tuple[list[Finding], SweepRecord]:
    """Return the damage of the two copies of a sweep's record, and the sound one."""
    findings, sound = list[Finding](), list[SweepRecord]()
    for place in ("", f"{RUNS}/"):
        try:
            sound.append(read(folder, f"{place}{SWEEP}"))
        except Damage as error:
            findings.append(Finding(f"{place}{SWEEP}", "is missing" if "missing" in str(error) else "is damaged"))
        except Exception:
            if not (folder / place / SWEEP).exists():
                findings.append(Finding(f"{place}{SWEEP}", "is missing"))
            else:
                raise
    if not sound:
        raise Damage(f"{folder}: both copies of {SWEEP} are damaged; take one from a copy of the sweep.")
    if len(sound) == 2 and sound[0] != sound[1]:  # killed between the two
        sound.sort(key=lambda record: len(record.rows) + bool(record.digest), reverse=True)
        findings.append(Finding(f"{RUNS}/{SWEEP}", f"differs from {SWEEP}"))
    return findings, sound[0]


def heal(path: str | Path, resources: Resources = Resources(), progress: Progress | None = None) -> Healed:
    """Find the damage of a run or a sweep and repair it; the digest must come out the same."""
    folder, begin = Path(path), time.perf_counter()
    if not is_sweep(folder):
        return heal_run(path, resources, progress)
    refuse_held(folder)
    note = (progress or SilentProgress()).note
    with writing(folder), held(folder, {"command": f"heal {folder}"}, note):
        findings = verify(folder)
        _, record = _records(folder)
        chunks = list[int]()
        for name in record.runs:
            if any(finding.path.startswith(f"{RUNS}/{name}/") for finding in findings):
                chunks += heal_run(folder / RUNS / name, resources, progress).chunks
        write(folder, record)
        if record.digest and findings:
            again = close(folder, replace(record, digest=""))
            if again.digest != record.digest:
                raise Damage(
                    f"{folder}: the values have the digest {again.digest}, the sweep ended with {record.digest}; do "
                    "not use them, and tell the authors."
                )
        if remaining := verify(folder):
            raise Damage(f"{folder}: {remaining[0].sentence} still; take it from a copy of the sweep.")
    return Healed(findings, chunks, record.digest, round(time.perf_counter() - begin, 3))


def digest_of(path: str | Path) -> str:
    """Return the digest of a finished run or sweep, computed again from the stored values."""
    folder = Path(path)
    if not is_sweep(folder):
        return digest_of_run(folder)
    record = finished(folder)
    for name in record.runs:
        digest_of_run(folder / RUNS / name)
    digest = sweep_digest(record, scenario_digests(folder, record))
    if digest != record.digest:
        raise Damage(
            f"{folder}: the stored values have the digest {digest}, the sweep ended with {record.digest}; "
            f"`pulsatile heal {folder}` mends it."
        )
    return digest


@dataclass(frozen=True)
class SweepStatus:
    """Progress of a sweep: its state, its scenarios, and the status of each run that has begun."""

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
                f"{RUNS}/{name}: {words}" + ("" if run is None or not run.failed else f", {run.failed} failed")
            )
        lines += [f"digest: {self.digest}"] if self.digest else []
        return lines + (
            [] if self.state in ("complete", "running") else [f"go on with: pulsatile resume {self.folder}"]
        )

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain data, for programs."""
        return asdict(self)


def status(folder: str | Path) -> RunStatus | SweepStatus:
    """Return the status of the run or sweep in a folder."""
    return next(watch(folder))


def watch(folder: str | Path) -> "Iterator[RunStatus | SweepStatus]":
    """Yield the status every second until no process holds the folder."""
    folder = Path(folder)
    if not is_sweep(folder):
        yield from run_status.watch(folder)
        return
    while True:
        seen = look(folder)
        holds = seen is not None and seen.lives is not False
        _, record = _records(folder)
        runs = {name: folder / RUNS / name for name in record.runs}
        known = {name: run_status.status(path) if (path / JOURNAL).exists() else None for name, path in runs.items()}
        state = "running" if holds else "complete" if record.digest else "interrupted"
        yield SweepStatus(str(folder), state, len(record.rows), record.digest, known)
        if not holds:
            return
        time.sleep(run_status.EVERY)


def cancel(folder: Path) -> str:
    """Ask the driver of a run, or of the run of a sweep that is under way, to stop; return a sentence."""
    if is_sweep(folder):
        _, record = _records(folder)
        for name in record.runs:
            seen = look(folder / RUNS / name)
            if seen is not None and seen.lives is not False:
                return cancel_run(folder / RUNS / name).replace(f"{folder}/{RUNS}/{name}", str(folder))
        return f"{folder} has no run under way; there is nothing to cancel."
    return cancel_run(folder)


@dataclass(frozen=True, repr=False)
class SweepEstimate:
    """What a sweep will need."""

    scenarios: int
    runs: int
    patient_weeks: float
    minutes: float
    bytes_on_disk: int
    largest: RunEstimate

    def lines(self) -> list[str]:
        """Return the estimate in words."""
        return [
            f"{self.scenarios} scenarios in {self.runs} run{'s' * (self.runs != 1)}, "
            f"{self.patient_weeks:,.0f} patient-weeks",
            f"about {self.minutes:.1f} min of integration, at most {self.bytes_on_disk / 1e6:.1f} MB on disk",
            f"the largest run: {self.largest.lines()[0]}; {self.largest.lines()[1]}",
        ]


def dry_run(
    study: Study, resources: Resources = Resources()
) -> tuple[ResolvedStudy, RunEstimate] | tuple[None, SweepEstimate]:
    """Return the resolved study and what a run of it would need; of a sweep (None and) what its runs would."""
    if study.sweep is None:
        ready = prepare(study, resources)
        return ready.resolved, estimate(ready.resolved, ready.chunk, ready.spread)
    rows = scenarios(study)
    prepared = [prepare(run.study, resources) for run in grouped(rows)]
    weeks = [ready.resolved.population.n * len(ready.resolved.arms) * ready.resolved.weeks for ready in prepared]
    largest = prepared[weeks.index(max(weeks))]
    of = estimate(largest.resolved, largest.chunk, largest.spread)  # the others by their patient-weeks
    share = sum(weeks) / max(weeks)
    total = SweepEstimate(len(rows), len(prepared), sum(weeks), of.minutes * share, int(of.bytes_on_disk * share), of)
    return None, total
