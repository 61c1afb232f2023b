"""A table of parameters as a population: a row per patient, a column per parameter, values in the units of the table.

``patient, v_gh, k_gh [1/h], sens_muscle0``: a unit in brackets must be that of the parameter.  ``patient`` sets the
ids, numbers or text.  Parameters without a column, and empty cells, are those of the typical patient of the phenotype.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.checks import choices
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import ROW, shown_unit
from pulsatile.engine.patients.changes import CHANGEABLE, Change
from pulsatile.sweeps.study.read import shorten
from pulsatile.sweeps.study.tables.own_patients import ids_of, numbers_of, sheet_of_patients
from pulsatile.sweeps.study.tables.table import PatientTable
from pulsatile.sweeps.study.tables.table_file import Sheet

_HEADING = re.compile(r"\s*(?P<name>\w+)\s*(\[(?P<unit>[^\[\]]*)\]\s*)?")


def own_parameters(path: str | Path) -> PatientTable:
    """Return the parameters of a file; `InputError` with one plain sentence for any other."""
    return PatientTable.of(read_parameters(path)[0])


def read_parameters(path: str | Path) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """Return the columns by name, "patient" first, NaN in empty cells, and sentences on what was completed."""
    sheet, sentences = sheet_of_patients(path)
    n = len(sheet.places)
    columns: dict[str, npt.NDArray[Any]] = {}
    for heading, cells in zip(sheet.headings, sheet.columns, strict=True):
        name = _name(heading, path)
        if name in columns:
            raise InputError(f"{path}: {name} stands in two columns; keep one.")
        if name == "patient":
            columns[name] = ids_of(cells, sheet, path)
            continue
        columns[name] = numbers_of(cells, heading, sheet, path)
        _check_range(name, columns[name], sheet, path)
        if empty := int(np.isnan(columns[name]).sum()):
            sentences.append(f"{path}: {name} is empty in {empty} of {n} rows, which have the typical value.")
    if "patient" not in columns:
        sentences.append(f"{path}: there is no column patient; the rows are numbered from 0.")
    columns = {"patient": columns.pop("patient", np.arange(n, dtype=np.float64)), **columns}
    if len(columns) < 2:
        raise InputError(f"{path}: the table has no parameter; give at least one column, such as v_gh.")
    return columns, sentences


def _name(heading: str, path: str | Path) -> str:
    parts = _HEADING.fullmatch(heading)
    name, unit = (parts["name"], parts["unit"]) if parts else (heading, None)
    if name.lower() == "patient":
        return "patient"
    if name not in CHANGEABLE:
        raise InputError(
            f"{path}: the column {shorten(heading)!r} is no parameter that a patient can have: "
            f"{choices(name, ('patient', *CHANGEABLE))}."
        )
    own = ROW[name].unit
    if unit is not None and unit.strip() not in (own, shown_unit(own), "-" if own == "1" else own):
        raise InputError(
            f"{path}: the column {shorten(heading)!r} has the unit {shorten(unit)!r}; values of {name} are in {own}, "
            f"so convert them and write {name} [{own}]."
        )
    return name


def _check_range(name: str, values: npt.NDArray[Any], sheet: Sheet, path: str | Path) -> None:
    """Refuse a value that a study may not give the parameter; the first row that has one is named."""
    known = np.flatnonzero(np.isfinite(values))
    for k in {int(known[f(values[known])]) for f in (np.argmin, np.argmax)} if len(known) else ():
        try:
            Change(name, float(values[k]))
        except InputError as error:
            raise InputError(f"{path}: {sheet.places[k]}: {error}") from None
