"""Run a study into a folder, and resume a run that was interrupted."""

import multiprocessing
import time
from pathlib import Path

from pulsatile.engine.arrays import usual_float_errors
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk import commits
from pulsatile.sweeps.disk.check import refuse_changed
from pulsatile.sweeps.disk.files import sweep, writing
from pulsatile.sweeps.disk.folder import RunFolder, check_free
from pulsatile.sweeps.disk.journal import JOURNAL
from pulsatile.sweeps.disk.lock import check_run, drop_claims, held, refuse_held
from pulsatile.sweeps.disk.side import GROWING
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.begin import begin_run
from pulsatile.sweeps.run.compare import refuse_other_inputs
from pulsatile.sweeps.run.driver import Outcome, drive, finished
from pulsatile.sweeps.run.estimate import prepare
from pulsatile.sweeps.run.inputs import named_files
from pulsatile.sweeps.run.progress import Progress, SilentProgress
from pulsatile.sweeps.run.settle import growing, refuse_damaged, settle
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import Study
from pulsatile.sweeps.workers.preflight import refuse_unusable
from pulsatile.sweeps.workers.resources import Resources


@usual_float_errors
def run(
    study: Study,
    out: str | Path,
    resources: Resources = Resources(),
    progress: Progress | None = None,
    source: str = "",
    command: str = "",
    settings: tuple[str, ...] = (),
    shorten: bool = False,
) -> Outcome:
    """Carry out a study into the folder ``out``.

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
    if not isinstance(study, Study) or not isinstance(resources, Resources):
        raise InputError(
            "run takes a study, a folder and Resources; give for example load_study('study.yaml'), 'runs/a'."
        )
    _refuse_import()
    refuse_unusable(resources, study.solver.device)
    progress, out, begin = progress or SilentProgress(), Path(out), time.perf_counter()
    if out.is_dir():
        refuse_held(out)
    check_free(out)
    ready = prepare(study, resources, progress.note)
    for sentence in ready.sentences:
        progress.note(sentence)
    with writing(out), held(out, {"command": command}, progress.note) as lock:
        source = source or study.model_dump_json(indent=1)
        facts = {"command": command, "settings": list(settings), "shorten": shorten, "reads": named_files(study)}
        folder = begin_run(out, ready.resolved, resources, ready.chunk, source, facts)
        return drive(folder, ready.resolved, resources, progress, begin, lock)


@usual_float_errors
def resume(path: str | Path, resources: Resources = Resources(), progress: Progress | None = None) -> Outcome:
    """Resume an interrupted run from its folder alone; a finished run stays as it is.

    Chunks whose records lie in the folder are kept.  The others are carried out, and so are chunks with patients that
    ended their worker before.

    Raises
    ------
    FolderRefuses
        Where code, platform or study differ from those of the run (the sentence names the difference), or where another
        driver holds the folder.
    Damage
        Where the results of a finished run were changed since they were committed; the sentence names the chunks.
    """
    _refuse_import()
    refuse_unusable(resources)
    progress, path, begin = progress or SilentProgress(), Path(path), time.perf_counter()
    check_run(path)
    refuse_held(path)
    with writing(path), held(path, {"command": f"resume {path}"}, progress.note) as lock:
        settle(path)
        larger = growing(path)
        folder = RunFolder.open(path / GROWING if larger else path)
        if larger:
            refuse_damaged(path)
        resolved = refuse_other_inputs(folder)
        if folder.digest:  # else its end checks all that was committed
            refuse_changed(folder)
        adopt(folder)
        if not folder.pending and folder.digest:
            progress.note(f"{path} is finished already.")
            folder.write_manifest()
            return finished(folder, resolved)
        if resources.gate is not None and resources.gate != folder.gate:
            folder.enter("planned", gate=resources.gate)
        outcome = drive(folder, resolved, resources, progress, begin, lock)
        return settle(path, outcome) if larger else outcome


def _refuse_import() -> None:
    """Refuse to begin a run in a worker process that imports the script which began it."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InputError("a worker imported this script: put the run under `if __name__ == '__main__':`.")


def run_or_resume(
    study: Study,
    out: str | Path,
    resources: Resources = Resources(),
    progress: Progress | None = None,
    source: str = "",
    command: str = "",
    settings: tuple[str, ...] = (),
) -> Outcome:
    """Run a study, or resume where ``out`` holds this very run; arguments as of `run`.

    Raises
    ------
    FolderRefuses
        Where ``out`` holds another run, or the run of another version.
    """
    folder = Path(out)
    if not (folder / JOURNAL).is_file():
        return run(study, folder, resources, progress, source, command, settings)
    wanted = resolve(study, resources.spread(study.solver.device).planning_threads).identity
    existing = RunFolder.open(folder).facts["identity"]
    if existing != wanted:
        raise FolderRefuses(
            f"{out} holds another run, or that of another version (identity {existing[:12]}, wanted {wanted[:12]}); "
            "give another folder."
        )
    return resume(folder, resources, progress)


def adopt(folder: RunFolder) -> None:
    """Take over the folder of a killed driver: remove unfinished files, journal the records that it did not.

    The entry of a chunk with patients left out stays, because the warning that it may end its process must outlive the
    next try.
    """
    sweep(folder.path)
    drop_claims(folder.path)
    folder.mend_journal()
    committed = folder.recorded
    folder.drop(sorted(folder.chunks.keys() - set(committed) - folder.suspects))
    for first in committed:
        journaled = folder.chunks.get(first)
        if journaled is not None and not journaled["poison"]:
            continue
        entry = commits.committed_entry(folder.path, first, folder.facts["identity"])
        if entry is None:
            commits.drop(folder.path, [first])
        elif journaled is None or entry["record"] != journaled["record"]:
            folder.append(entry)
