"""Whether `population.json` beside a run is what was written there, and of that run: the part of `verify` it takes."""

from pathlib import Path

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.verify import Finding
from pulsatile.sweeps.study.population_file import read_frozen

FILE = "population.json"
"""As `sweeps.population.build.FILE`, which is slow to import."""


def population_findings(folder: Path) -> list[Finding]:
    """Return what is damaged of a frozen population in the folder of a run; nothing where there is none.

    What else `pulsatile population build` writes there (patients.csv, agreement.md, atlas.csv, population.html) is made
    from the run and this file, and may be edited or deleted.
    """
    if not (folder / FILE).exists():
        return []

    try:
        told = read_frozen(folder)
    except InputError:
        return [Finding(FILE, "is not what was written")]
    try:
        digest = RunFolder.open(folder).digest
    except FolderRefuses:
        return []  # told of the run
    return [] if digest == told["run"] else [Finding(FILE, "was made from another run")]
