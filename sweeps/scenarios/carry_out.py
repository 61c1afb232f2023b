"""Run, resume and expand a sweep: its runs one after another, each an ordinary run in a folder of its own."""

import time
from dataclasses import dataclass
from pathlib import Path

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.files import make_folder, write_all, write_aside, writing
from pulsatile.sweeps.disk.folder import check_free
from pulsatile.sweeps.disk.journal import JOURNAL, SWEEP
from pulsatile.sweeps.disk.lock import Held, held, refuse_held
from pulsatile.sweeps.errors import Exit, FolderRefuses
from pulsatile.sweeps.run.driver import Outcome
from pulsatile.sweeps.run.expand import Growth
from pulsatile.sweeps.run.expand import expand as expand_run
from pulsatile.sweeps.run.interrupt import Interrupt
from pulsatile.sweeps.run.progress import Progress, SilentProgress
from pulsatile.sweeps.run.run import resume as resume_run
from pulsatile.sweeps.run.run import run as run_study
from pulsatile.sweeps.scenarios.grouping import grouped
from pulsatile.sweeps.scenarios.record import (
    GROWING,
    RUNS,
    SweepRecord,
    finished,
    is_sweep,
    read,
    recorded,
    study_of,
    with_digests,
    write,
)  # fmt: skip
from pulsatile.sweeps.scenarios.results import files_of, scenario_digests, sweep_digest
from pulsatile.sweeps.scenarios.table import Scenario, scenarios
from pulsatile.sweeps.study.identity import canonical
from pulsatile.sweeps.study.schema import Study
from pulsatile.sweeps.workers.resources import Resources

STUDY = "study.yaml"


@dataclass(frozen=True, repr=False)
class SweepOutcome:
    """How a sweep ended; ``digest`` is empty when it is not finished."""

    code: Exit
    folder: Path
    record: SweepRecord
    patient_arms: int
    failed: int
    seconds: float

    @property
    def digest(self) -> str:
        """Digest of the sweep."""
        return self.record.digest

    def __repr__(self) -> str:
        state = f"digest {self.digest[:16]}" if self.digest else f"not finished ({self.code.name.lower()})"
        return f"<Sweep {self.folder}: {len(self.record.rows)} scenarios in {len(self.record.runs)} runs, {state}>"


def run_sweep(
    study: Study, out: Path, resources: Resources = Resources(), progress: Progress | None = None, source: str = ""
) -> SweepOutcome:
    """Carry out all scenarios of a study with a sweep into the folder ``out``; errors as of `sweeps.run.run.run`."""
    progress, begin = progress or SilentProgress(), time.perf_counter()
    if out.is_dir():
        refuse_held(out)
    if is_sweep(out):
        raise FolderRefuses(
            f"{out} holds a sweep already; go on with it by `pulsatile resume {out}`, or choose a new folder."
        )
    check_free(out)
    rows = scenarios(study)
    runs = {f"{k:03d}": run for k, run in enumerate(grouped(rows))}
    record = recorded(study, rows, runs)
    with writing(out), held(out, {"command": f"run {out}"}, progress.note) as lock:
        make_folder(out / RUNS)
        write_aside(out / STUDY, source or study.model_dump_json(indent=1, exclude_unset=True) + "\n")
        write(out, record)
        return _carry_out(out, record, resources, progress, begin, lock)


def resume_sweep(folder: Path, resources: Resources = Resources(), progress: Progress | None = None) -> SweepOutcome:
    """Go on with a sweep, or with its expansion; what is finished stays."""
    progress, begin = progress or SilentProgress(), time.perf_counter()
    refuse_held(folder)
    with writing(folder), held(folder, {"command": f"resume {folder}"}, progress.note) as lock:
        growing = (folder / GROWING).exists()
        record = read(folder, GROWING if growing else SWEEP)
        if record.digest:
            progress.note(f"{folder} is finished already.")
        return _carry_out(folder, record, resources, progress, begin, lock)


def expand_sweep(
    folder: Path, study: Study, resources: Resources = Resources(), progress: Progress | None = None, source: str = ""
) -> SweepOutcome:
    """Add scenarios to a finished sweep: old ones stay bit for bit, runs that have their patients gain arms.

    Raises
    ------
    InputError
        Where a scenario of the sweep is not in ``study``, or is another study there.
    """
    progress, begin = progress or SilentProgress(), time.perf_counter()
    refuse_held(folder)
    with writing(folder), held(folder, {"command": f"expand {folder}"}, progress.note) as lock:
        if (folder / GROWING).exists():
            raise FolderRefuses(f"{folder} has an expansion that is not finished; `pulsatile resume {folder}` first.")
        old = finished(folder)
        rows = scenarios(study)
        _refuse_lost(old, scenarios(study_of(old, folder)), rows)
        names = list(old.runs)
        grown = grouped(rows, [old.shared(name) for name in names])
        names += [f"{k:03d}" for k in range(len(names), len(grown))]
        record = recorded(study, rows, dict(zip(names, grown, strict=True)))
        if len(record.rows) == len(old.rows):
            raise InputError("the sweep has all those scenarios already; add values to an axis.")
        write_aside(folder / GROWING, record.text())
        if source:
            write_aside(folder / STUDY, source)
        return _carry_out(folder, record, resources, progress, begin, lock)


def _refuse_lost(old: SweepRecord, was: list[Scenario], rows: list[Scenario]) -> None:
    """Refuse a study that lacks a scenario of the sweep, or in which it would be another."""
    now = {canonical(row.values): row.study for row in rows}
    for row in was:
        study = now.get(canonical(row.values))
        if study is None:
            raise InputError(f"{row.words} of the sweep is not in the larger study; an expansion keeps every scenario.")
        if study != row.study:
            raise InputError(
                f"{row.words} is another study in the larger file; an expansion adds values to axes and changes "
                "nothing else: start a new sweep."
            )


def _carry_out(
    folder: Path, record: SweepRecord, resources: Resources, progress: Progress, begin: float, lock: Held
) -> SweepOutcome:
    """Carry out what remains of every run, and close the sweep."""
    outcomes, code = list[Outcome](), Exit.DONE
    with Interrupt(progress, lock).installed() as interrupt:  # also of a signal between two runs, or at the end of one
        for k, name in enumerate(record.runs):
            if interrupt.asked:
                break
            progress.note(f"Run {k + 1} of {len(record.runs)}: {_words(record, name)}.")
            outcomes.append(_one(folder / RUNS / name, record, name, resources, progress))
            lock.check()
            code = max(code, outcomes[-1].code)
            if code in (Exit.INTERRUPTED, Exit.CLUSTER):
                break
        whole = len(outcomes) == len(record.runs) and all(outcome.digest for outcome in outcomes)
        if whole:
            record = close(folder, record)
    if not whole and interrupt.asked:
        code = Exit.INTERRUPTED
    arms, failed = (sum(getattr(outcome, what) for outcome in outcomes) for what in ("patient_arms", "failed"))
    return SweepOutcome(code, folder.absolute(), record, arms, failed, time.perf_counter() - begin)


def _words(record: SweepRecord, name: str) -> str:
    """Return a run for a reader: its scenarios, and the values that they share."""
    rows = record.of(name)
    shared = {axis: value for axis, value in rows[0].values.items() if all(row.values[axis] == value for row in rows)}
    words = ", ".join(f"{axis} = {value}" for axis, value in shared.items())
    return f"{len(rows)} scenario{'s' * (len(rows) != 1)}" + (f" with {words}" if words else "")


def _one(path: Path, record: SweepRecord, name: str, resources: Resources, progress: Progress) -> Outcome:
    """Carry out what remains of one run, and of the arms that an expansion of the sweep adds to it."""
    study = record.shared(name).study
    if not (path / JOURNAL).is_file():
        return run_study(study, path, resources, progress)
    outcome = resume_run(path, resources, progress)
    if not outcome.digest:
        return outcome
    if {arm.name for arm in study.arms} <= {arm.name for arm in outcome.resolved.arms}:
        return outcome
    return expand_run(path, Growth(study=study), resources, progress, study.model_dump_json(indent=1))


def close(folder: Path, record: SweepRecord) -> SweepRecord:
    """Write tables, summary and digest of a sweep whose runs are all finished."""
    digests = scenario_digests(folder, record)
    with writing(folder):
        written = write_all(folder, dict(files_of(folder, record, digests)))
        done = with_digests(record, digests, sweep_digest(record, digests), written)
        write(folder, done)
        (folder / GROWING).unlink(missing_ok=True)
    return done
