"""A finished expansion takes the place of the run that it grew from."""

from dataclasses import replace
from pathlib import Path

from pulsatile.sweeps.analysis.result import FILES
from pulsatile.sweeps.disk import journal, side
from pulsatile.sweeps.disk.files import ASIDE, discard, sync_folder
from pulsatile.sweeps.disk.folder import JOURNAL, RunFolder
from pulsatile.sweeps.disk.journal import JournalState
from pulsatile.sweeps.disk.places import is_file, is_folder
from pulsatile.sweeps.disk.side import GROWING, GROWN, REPLACED
from pulsatile.sweeps.errors import Damage
from pulsatile.sweeps.run.driver import Outcome
from pulsatile.sweeps.run.verify import verify


def refuse_damaged(path: Path) -> None:
    """Refuse to go on from a run that differs from what was committed."""
    findings = verify(path)
    if findings:
        raise Damage(
            f"{path}: {findings[0].sentence} ({len(findings)} file(s) in all); `pulsatile heal {path}` mends it."
        )


def growing(path: Path) -> bool:
    """Return whether a run has an expansion under way."""
    return is_file(path / JOURNAL) and side.ours(path, JournalState(journal.read(path / JOURNAL).entries), GROWING)


def settle(path: Path, outcome: Outcome | None = None) -> Outcome:
    """Put a finished expansion in the place of the run it grew from, also where that was interrupted before."""
    if is_file(path / JOURNAL):
        run = JournalState(journal.read(path / JOURNAL).entries)
        if growing(path) and not side.ours(path, run, GROWN):
            _finish(path, run)
        if side.ours(path, run, GROWN):
            _replace(path, run)
    return outcome if outcome is None else replace(outcome, folder=path.absolute())  # type: ignore[return-value]


def _finish(path: Path, run: JournalState) -> None:
    """Give a finished expansion its last name; remove one that was killed before it began."""
    if not (path / GROWING / JOURNAL).exists():
        discard(path, GROWING)
    elif RunFolder.open(path / GROWING).digest:
        side.refuse_taken(path, run)
        (path / GROWING).rename(path / GROWN)
        sync_folder(path)


def _replace(path: Path, run: JournalState) -> None:
    """Move the files of a finished expansion into the run, and remove those that they replace."""
    side.refuse_taken(path, run)
    grown, replaced = path / GROWN, path / REPLACED
    if not side.ours(path, run, REPLACED):
        side.make(path, REPLACED, *side.pair(grown))
    for name in FILES:  # of the smaller run; they would pass for those of the larger one, and are made again
        if is_file(path / name):
            (path / name).unlink()
    for item in sorted(grown.iterdir()):
        if item.name in (side.SEAL, ASIDE):
            continue
        old = path / item.name
        if is_folder(old):
            old.rename(replaced / item.name)
        item.replace(old)  # atomic for a file: there is a journal at every moment
    sync_folder(path)
    discard(path, REPLACED)
    discard(path, GROWN)  # last, because it shows that all this is not complete
