"""The record of a sweep: its axes, its scenarios, the run and the arms of each, sealed, in two copies."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.files import write_aside, writing
from pulsatile.sweeps.disk.journal import SWEEP, Damaged, seal, unseal
from pulsatile.sweeps.disk.places import is_file
from pulsatile.sweeps.errors import Damage, FolderRefuses
from pulsatile.sweeps.scenarios.grouping import SharedRun
from pulsatile.sweeps.scenarios.table import Scenario, words
from pulsatile.sweeps.study.schema import Study, study_from

RUNS = "runs"
"""Folder of the runs, each in one of its own, and of the second copy of the record."""
GROWING = "sweep.expanding.json"
"""The record of the larger sweep while it is carried out."""
FORMAT = 1


@dataclass(frozen=True)
class Row:
    """A scenario in the record: its values, the folder of its run, its arms there, and its digest when it is done."""

    number: int
    values: dict[str, Any]
    run: str
    arms: dict[str, str]
    control: str
    digest: str = ""

    @property
    def words(self) -> str:
        """The scenario for a reader."""
        return words(self.number, self.values)


@dataclass(frozen=True)
class SweepRecord:
    """What `sweep.json` holds: the study with its sweep, the scenarios, and the study of each run by its folder."""

    study: dict[str, Any]
    rows: tuple[Row, ...]
    runs: dict[str, dict[str, Any]]
    digest: str = ""
    files: dict[str, str] | None = None

    @property
    def axes(self) -> list[str]:
        """The keys of the axes."""
        return list(self.rows[0].values)

    def of(self, name: str) -> list[Row]:
        """Return the scenarios in a run."""
        return [row for row in self.rows if row.run == name]

    def shared(self, name: str) -> SharedRun:
        """Return a run of the sweep."""
        return SharedRun(study_from(self.runs[name], f"run {name}"), {row.number: row.arms for row in self.of(name)})

    def text(self) -> str:
        """Return the sealed text of the record."""
        rows = [
            {"values": row.values, "run": row.run, "arms": row.arms, "control": row.control, "digest": row.digest}
            for row in self.rows
        ]
        return seal(
            {"format": FORMAT, "kind": "sweep", "digest": self.digest, "study": self.study, "scenarios": rows,
             "runs": self.runs, "files": self.files or {}},
            indent=1,
        )  # fmt: skip


def recorded(study: Study, rows: Iterable[Scenario], runs: dict[str, SharedRun]) -> SweepRecord:
    """Return the record of scenarios and their runs, by folder."""
    places = {number: (name, arms) for name, run in runs.items() for number, arms in run.arms.items()}
    return SweepRecord(
        study.model_dump(mode="json", exclude_unset=True),
        tuple(Row(row.number, row.values, *places[row.number], row.control) for row in rows),
        {name: run.study.model_dump(mode="json", exclude_unset=True) for name, run in runs.items()},
    )


def write(folder: Path, record: SweepRecord) -> None:
    """Write the record and its second copy."""
    with writing(folder):
        write_aside(folder / RUNS / SWEEP, record.text())
        write_aside(folder / SWEEP, record.text())


def is_sweep(folder: str | Path) -> bool:
    """Return whether a folder is that of a sweep."""
    try:
        return is_file(Path(folder) / SWEEP) or is_file(Path(folder) / RUNS / SWEEP)
    except TypeError:
        return False


def read(folder: Path, name: str = SWEEP) -> SweepRecord:
    """Return the record of the sweep in a folder.

    Raises
    ------
    FolderRefuses
        Where there is none, or one of another layout.
    Damage
        Where it is not what was written.
    """
    path = folder / name
    if not is_file(path):
        if name != SWEEP or not is_file(folder / RUNS / SWEEP):
            raise FolderRefuses(f"{folder} holds no sweep (no {name}); give the folder of a sweep.")
        raise Damage(f"{path} is missing; `pulsatile heal {folder}` makes it anew.")
    try:
        data = unseal(path.read_bytes().decode())
    except (Damaged, UnicodeDecodeError):
        raise Damage(f"{path} is not what was written; `pulsatile heal {folder}` mends it.") from None
    if data.get("format") != FORMAT:
        raise FolderRefuses(f"{path} has layout {data.get('format')}, this version reads layout {FORMAT}.")
    rows = tuple(Row(number, **row) for number, row in enumerate(data["scenarios"]))
    return SweepRecord(data["study"], rows, data["runs"], data["digest"], data["files"])


def finished(folder: Path) -> SweepRecord:
    """Return the record of a finished sweep; refuse any other."""
    record = read(folder)
    if not record.digest:
        raise FolderRefuses(f"{folder} is a sweep that is not finished; `pulsatile resume {folder}` first.")
    return record


def with_digests(record: SweepRecord, digests: list[str], digest: str, files: dict[str, str]) -> SweepRecord:
    """Return the record of a sweep that is done."""
    rows = tuple(replace(row, digest=own) for row, own in zip(record.rows, digests, strict=True))
    return replace(record, rows=rows, digest=digest, files=files)


def study_of(record: SweepRecord, folder: Path) -> Study:
    """Return the study with the sweep; `InputError` where this version cannot read it."""
    try:
        return study_from(record.study, str(folder / SWEEP))
    except InputError as error:
        raise InputError(f"{error} It was written by another version.") from None
