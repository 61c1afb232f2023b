"""Patients of one's own, from a CSV or Parquet table: a row per patient, a column per covariate, units in the heading.

``patient, sex, age [y], weight [lb], height [cm], glucose [mg/dL], insulin [uU/mL]``: the unit stands in brackets and
is converted aloud.  ``patient`` is a whole number of its own, ``sex`` one of man, woman, male, female, M, F;
``prevalence`` is an optional weight.  An empty cell is drawn, as among people like that patient.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.checks import is_number
from engine.errors import InputError
from sweeps.patients import MOST_IN_TABLE, Table

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

UNITS: dict[str, dict[str, float]] = {
    # factor to the unit of the model, which comes first; masses and factors of population.md and reliability.md
    "age": {"y": 1.0, "months": 1 / 12},
    "weight": {"kg": 1.0, "lb": 0.45359237, "g": 1e-3},
    "height": {"m": 1.0, "cm": 0.01, "in": 0.0254},
    "waist": {"cm": 1.0, "m": 100.0, "in": 2.54},
    "glucose": {"mmol/L": 1.0, "mg/dL": 1 / 18.016},
    "hba1c": {"%": 1.0},
    "insulin": {"pmol/L": 1.0, "uU/mL": 6.0, "mU/L": 6.0},
    "triglyceride": {"mmol/L": 1.0, "mg/dL": 1 / 88.57},
    "hdl": {"mmol/L": 1.0, "mg/dL": 1 / 38.67},
    "vat": {"cm2": 1.0},
    "ffa": {"mmol/L": 1.0, "umol/L": 1e-3, "mEq/L": 1.0},
    "igf1_sds": {"-": 1.0, "SD": 1.0},
    "prevalence": {"-": 1.0},
}
SEXES = {"man": 0.0, "male": 0.0, "m": 0.0, "0": 0.0, "woman": 1.0, "female": 1.0, "f": 1.0, "w": 1.0, "1": 1.0}
MOST_WEIGHT = 1e6
LARGEST_FILE = 500_000_000  # bytes


def own_patients(path: str | Path) -> Table:
    """Return the patients of a file, in the model's units.

    Raises
    ------
    InputError
        One plain sentence: what, where, got, allowed, what to do.
    """
    columns, _ = read_patients(path)
    return Table.of(columns)


def read_patients(path: str | Path) -> tuple[dict[str, Floats], list[str]]:
    """Return the columns by name, "patient" first, and a sentence for each that was converted."""
    frame = _frame(Path(path))
    if not len(frame):
        raise InputError(f"{path}: the table has no patients; give at least one row.")
    if len(frame) > MOST_IN_TABLE:
        raise InputError(f"{path}: {len(frame)} patients are too many; at most {MOST_IN_TABLE}, split the table.")
    columns: dict[str, Floats] = {"patient": np.arange(len(frame), dtype=np.float64)}
    told = []
    for heading in frame.columns:
        name, unit = _heading(str(heading), path)
        if name in columns and name != "patient":
            raise InputError(f"{path}: {name} stands in two columns; keep one.")
        if name == "patient":
            columns[name] = _ids(frame[heading], path)
        elif name == "sex":
            columns[name] = _sexes(frame[heading], path)
        else:
            columns[name] = _numbers(frame[heading], str(heading), path) * UNITS[name][unit]
            first = next(iter(UNITS[name]))
            if UNITS[name][unit] != 1:
                told.append(f"{path}: {heading} is taken as {name} in {first}, times {UNITS[name][unit]:.6g}.")
    if "prevalence" in columns:
        _check_weights(columns["prevalence"], path)
    _check_people(columns, path)
    return columns, told


def _frame(path: Path) -> "pd.DataFrame":
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give a CSV or Parquet file of patients.")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path}: {path.stat().st_size} bytes are too many; at most {LARGEST_FILE}, split the table.")
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        if path.suffix.lower() == ".csv":
            # text first, so that nothing is guessed: "1,5" and "12 kg" are told, not dropped
            return pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8")
    except ImportError:
        raise InputError(f"{path}: Parquet needs pyarrow; install it by `pip install pyarrow`, or give CSV.") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: the table cannot be read ({reason}); save it as CSV in UTF-8.") from None
    raise InputError(f"{path}: the kind {path.suffix or 'without ending'} is not known; give a .csv or .parquet file.")


def _heading(heading: str, path: str | Path) -> tuple[str, str]:
    """Return name and unit of a column."""
    name, _, unit = heading.partition("[")
    name, unit = name.strip().lower(), unit.strip().rstrip("]").strip().replace("µ", "u").replace("μ", "u")
    if name in ("patient", "sex"):
        return name, ""
    if name not in UNITS:
        raise InputError(
            f"{path}: the column {heading!r} is no covariate; known are patient, sex, {', '.join(UNITS)}; leave it out."
        )
    allowed = {u.lower(): u for u in UNITS[name]}
    if not unit and "-" in allowed:
        return name, "-"
    if unit.lower() not in allowed:
        got = f"the unit {unit!r}" if unit else "no unit"
        raise InputError(
            f"{path}: the column {heading!r} has {got}; write one of "
            f"{', '.join(f'{name} [{u}]' for u in allowed.values())}."
        )
    return name, allowed[unit.lower()]


def _numbers(cells: "pd.Series[str]", heading: str, path: str | Path) -> Floats:
    """Return the numbers of a column, NaN where a cell is empty."""
    values = np.full(len(cells), np.nan)
    for k, cell in enumerate(cells):
        text = str(cell).strip()
        if is_number(cell):
            values[k] = float(cell)
        elif text and text.lower() not in ("na", "nan", "none"):
            try:
                values[k] = float(text)
            except ValueError:
                raise InputError(
                    f"{path}: row {k + 2}, {heading}: {text!r} is no number; write it with a point and without a unit."
                ) from None
            if not np.isfinite(values[k]):
                raise InputError(f"{path}: row {k + 2}, {heading}: {text!r} is not finite; correct it or leave it out.")
    return values


def _ids(cells: "pd.Series[str]", path: str | Path) -> Floats:
    ids = _numbers(cells, "patient", path)
    wrong = np.flatnonzero(~((ids >= 0) & (ids <= 2**53) & (ids == np.round(ids))))
    if len(wrong):
        raise InputError(
            f"{path}: row {wrong[0] + 2}: patient {str(cells.iloc[wrong[0]])!r} is no whole number from 0 to 2**53; "
            "number the patients."
        )
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"{path}: patient {values[counts > 1][0]:.0f} stands in two rows; give each an id of its own.")
    return ids


def _sexes(cells: "pd.Series[str]", path: str | Path) -> Floats:
    found = np.empty(len(cells))
    for k, cell in enumerate(cells):
        word = str(cell).strip().lower().removesuffix(".0")
        if word not in SEXES:
            raise InputError(f"{path}: row {k + 2}: sex {str(cell)!r} is not known; write man or woman.")
        found[k] = SEXES[word]
    return found


def _check_weights(weights: Floats, path: str | Path) -> None:
    wrong = np.flatnonzero(~((weights >= 0) & (weights <= MOST_WEIGHT)))
    if len(wrong):
        raise InputError(
            f"{path}: row {wrong[0] + 2}: prevalence {weights[wrong[0]]:g} must be a number from 0 to {MOST_WEIGHT:g}."
        )
    if not weights.sum() > 0:
        raise InputError(f"{path}: all prevalence weights are 0; give at least one patient a weight above 0.")
    weights *= len(weights) / weights.sum()


def _check_people(columns: dict[str, Floats], path: str | Path) -> None:
    """Let the engine look at every row, so that a wrong one is told now and not by a worker."""
    from engine.completion import complete

    known = {name: values for name, values in columns.items() if name not in ("patient", "prevalence")}
    try:
        complete(0, columns["patient"].astype(np.int64), known)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
