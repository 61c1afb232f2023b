"""A finished expansion takes the place of the run that it grew from."""

import shutil
from dataclasses import replace
from pathlib import Path

from pulsatile.sweeps.analysis.result import FILES
from pulsatile.sweeps.disk.files import sync_folder, writing
from pulsatile.sweeps.disk.folder import GROWING, JOURNAL, RunFolder
from pulsatile.sweeps.disk.lock import held
from pulsatile.sweeps.errors import Damage
from pulsatile.sweeps.run.driver import Outcome
from pulsatile.sweeps.run.verify import verify

GROWN, REPLACED = "expanded", "replaced"


def refuse_damaged(path: Path) -> None:
    """Refuse to go on from a run that differs from what was committed."""
    findings = verify(path)
    if findings:
        raise Damage(
            f"{path}: {findings[0].sentence} ({len(findings)} file(s) in all); `pulsatile heal {path}` mends it."
        )


def settled(path: Path) -> None:
    """Complete the interrupted renames of an expansion, before a command reads the folder."""
    if (path / GROWN).is_dir():
        with writing(path), held(path, {"command": f"settle {path}"}):
            settle(path)


def settle(path: Path, outcome: Outcome | None = None) -> Outcome:
    """Put a finished expansion in the place of the run it grew from, also where that was interrupted before."""
    growing, grown, replaced = path / GROWING, path / GROWN, path / REPLACED
    if growing.is_dir() and not (growing / JOURNAL).exists() and not grown.exists():  # killed before it began
        shutil.rmtree(growing)
    if growing.is_dir() and not grown.exists() and RunFolder.open(growing).digest:
        growing.rename(grown)
        sync_folder(path)
    if grown.is_dir():
        replaced.mkdir(exist_ok=True)
        for name in FILES:  # of the smaller run; they would pass for those of the larger one, and are made again
            (path / name).unlink(missing_ok=True)
        for item in sorted(grown.iterdir()):
            old = path / item.name
            if old.is_dir():
                old.rename(replaced / item.name)
            item.replace(old)  # atomic for a file: there is a journal at every moment
        sync_folder(path)
        grown.rmdir()
    shutil.rmtree(replaced, ignore_errors=True)
    return outcome if outcome is None else replace(outcome, folder=path.absolute())  # type: ignore[return-value]
