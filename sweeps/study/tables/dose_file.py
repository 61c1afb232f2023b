"""A file of doses as given, in the columns of NONMEM: ID, TIME, AMT, II, ADDL, RATE; a point is an empty cell.

TIME is in hours since Monday 00:00 of treatment day 1, AMT in the unit of the rule; a row with ADDL = k and II = h is
followed by k doses every h hours; RATE, in that unit per hour, makes an infusion.  Without ID, every patient receives
every dose.  Rows without AMT (observations) are skipped, other columns ignored.
"""

from pathlib import Path

import numpy as np

from pulsatile.engine.checks import is_number
from pulsatile.engine.drugs.dose_table import MOST_ROWS, DoseTable
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.read import shorten
from pulsatile.sweeps.study.tables.table_file import Sheet, read_sheet

COLUMNS = ("ID", "TIME", "AMT", "II", "ADDL", "RATE", "EVID")
NOTHING = (".", "", "na", "nan")


def read_doses(path: str | Path) -> DoseTable:
    """Return the doses of a file, each repeated dose a row of its own.

    Raises
    ------
    InputError
        With one plain sentence: what, where, got, allowed, what to do.
    """
    sheet = read_sheet(Path(path), "doses")
    headings = [heading.strip().upper().lstrip("#") for heading in sheet.headings]
    columns = {name: sheet.columns[headings.index(name)] for name in COLUMNS if name in headings}
    for name in ("TIME", "AMT"):
        if name not in columns:
            raise InputError(f"{path}: the column {name} is missing; a table of doses needs TIME and AMT.")
    if twice := [name for name in COLUMNS if headings.count(name) > 1]:
        raise InputError(f"{path}: {twice[0]} stands in two columns; keep one.")
    rows: list[tuple[int, float, float, float]] = []
    for k in range(len(sheet.places)):
        cells = {name: _number(column[k], name, k, sheet, path) for name, column in columns.items()}
        rows += _doses(cells, f"{path}: {sheet.places[k]}", len(rows))
    if not rows:
        raise InputError(f"{path}: the table has no dose; give at least one row with TIME and AMT.")
    patient, time, amount, duration = (np.array(column) for column in zip(*rows, strict=True))
    return DoseTable(
        time=tuple(time.tolist()),
        amount=tuple(amount.tolist()),
        patient=tuple(patient.tolist()) if "ID" in columns else (),
        duration=tuple(duration.tolist()) if duration.any() else (),
    )


def _number(cell: object, name: str, row: int, sheet: Sheet, path: str | Path) -> float | None:
    text = sheet.text(cell)
    if text.lower() in NOTHING:
        return None
    try:
        value = float(cell) if is_number(cell) else float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"{path}: {sheet.places[row]}, {name}: {shorten(text)!r} is no number; write it with a point.")
    return value


def _doses(cells: dict[str, float | None], where: str, before: int) -> list[tuple[int, float, float, float]]:
    """Return patient, time, amount and duration of the doses of one row."""
    given = {name: value for name, value in cells.items() if value is not None}
    event = given.get("EVID", 1.0)
    if event not in (0.0, 1.0):
        raise InputError(f"{where}: EVID = {event:g} is not known here; give 1 for a dose, 0 for no dose.")
    amount = given.get("AMT", 0.0)
    if event == 0.0 or amount == 0.0:
        return []
    if "TIME" not in given:
        raise InputError(f"{where}: TIME is missing; give the hours since Monday 00:00 of treatment day 1.")
    if "ID" in cells and ("ID" not in given or given["ID"] != int(given["ID"]) or given["ID"] < 0):
        raise InputError(f"{where}: ID is not a whole number from 0 on; number the patients as the study does.")
    for name in ("TIME", "AMT", "II", "ADDL", "RATE"):
        if given.get(name, 0.0) < 0:
            raise InputError(f"{where}: {name} = {given[name]:g} is negative; allowed is from 0 on.")
    more = given.get("ADDL", 0.0)
    if more != int(more) or (more > 0 and not given.get("II", 0.0) > 0):
        raise InputError(
            f"{where}: ADDL = {more:g} needs to be whole and to have an II above 0, the hours between doses."
        )
    if before + more + 1 > MOST_ROWS:
        raise InputError(f"{where}: the table has more than {MOST_ROWS} doses up to here; give fewer.")
    duration = amount / given["RATE"] if given.get("RATE") else 0.0
    return [
        (int(given.get("ID", 0)), given["TIME"] + k * given.get("II", 0.0), amount, duration)
        for k in range(int(more) + 1)
    ]
