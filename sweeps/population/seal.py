"""Check that `population.json` in the folder of a run is unchanged and made from that run; part of `verify`."""

from pathlib import Path

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.check import Finding
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.study.tables.population_file import read_frozen

FILE = "population.json"
"""As `sweeps.population.build.FILE`, which is slow to import."""


def population_findings(folder: Path) -> list[Finding]:
    """Return the damage of a frozen population in the folder of a run; an empty list where there is no population.

    The other files of `pulsatile population build` (patients.csv, agreement.md, atlas.csv, population.html) follow from
    the run and this file, and may be edited or deleted.
    """
    if not (folder / FILE).exists():
        return []
    try:
        record = read_frozen(folder)
    except InputError:
        return [Finding(FILE, "is not what was written")]
    try:
        digest = RunFolder.open(folder).digest
    except FolderRefuses:
        return []  # reported as damage of the run
    return [] if digest == record["run"] else [Finding(FILE, "was made from another run")]
