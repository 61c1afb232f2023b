"""The user's own patients, from a CSV or Parquet table: a row per patient, a column per covariate, headings with units.

``patient, sex, age [y], weight [lb], height [cm], glucose [mg/dL], insulin [uU/mL]``: the unit stands in brackets; each
conversion is reported.  ``patient`` is a unique whole number, or text such as the USUBJID 01-701-1015, kept as it is
written; ``sex`` one of man, woman, male, female, M, F, or a code that the heading defines, as in
``sex [1 man; 2 woman]``; ``prevalence`` is an optional weight.  An empty cell (or NA, NaN) is drawn conditionally on
the patient's other values.

A table with other headings has them named by its study: columns by covariate, codes of sex, units (`Headings`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import choices, is_number
from pulsatile.engine.errors import InputError
from pulsatile.engine.igf1 import igf1_sds
from pulsatile.engine.people.completion import check_known
from pulsatile.sweeps.study.read import shorten
from pulsatile.sweeps.study.tables.table import MOST_IN_TABLE, PatientTable, keys
from pulsatile.sweeps.study.tables.table_file import Sheet, read_sheet

UNITS: dict[str, dict[str, float]] = {
    # factor to the unit of the model, which comes first; molar masses, factors: population.md and reliability.md
    "age": {"year": 1.0, "y": 1.0, "months": 1 / 12},
    "weight": {"kg": 1.0, "lb": 0.45359237, "g": 1e-3},
    "height": {"m": 1.0, "cm": 0.01, "dm": 0.1, "in": 0.0254},
    "waist": {"cm": 1.0, "m": 100.0, "in": 2.54},
    "glucose": {"mmol/L": 1.0, "mg/dL": 1 / 18.016},
    "hba1c": {"%": 1.0, "mmol/mol": 0.09148},
    "insulin": {
        "pmol/L": 1.0, "uU/mL": 6.0, "mU/L": 6.0, "uIU/mL": 6.0, "mIU/L": 6.0, "ng/mL": 1000 / 5.808,
        "ug/L": 1000 / 5.808,
    },  # human insulin, 5808 g/mol
    "triglyceride": {"mmol/L": 1.0, "mg/dL": 1 / 88.57},
    "hdl": {"mmol/L": 1.0, "mg/dL": 1 / 38.67},
    "vat": {"cm2": 1.0},
    "ffa": {"mmol/L": 1.0, "umol/L": 1e-3, "mEq/L": 1.0},
    "igf1_sds": {"-": 1.0, "SD": 1.0},
    "igf1": {"ug/L": 1.0, "ng/mL": 1.0, "nmol/L": 7.649},  # 7649 g/mol
    "prevalence": {"-": 1.0},
}  # fmt: skip
OFFSETS = {("hba1c", "mmol/mol"): 2.152}
"""What is added after the factor: NGSP % = 0.09148 IFCC mmol/mol + 2.152 (Hoelzel2004, RECALLED;
doi:10.1373/clinchem.2003.024802)."""
SAME = {"cm**2": "cm2", "cm^2": "cm2", "year": "y", "years": "y", "month": "months", "1": "-", "year(s)": "y",
        "yr": "y", "yrs": "y", "month(s)": "months", "lbs": "lb", "inch": "in"}  # fmt: skip
"""Other signs of a unit, as in the datasets of this package and in those of others."""
SEXES = {"man": 0.0, "male": 0.0, "m": 0.0, "woman": 1.0, "female": 1.0, "f": 1.0, "w": 1.0}
"""Words for a sex.  Numbers are codes, which surveys assign differently: the heading must define them."""
_CODE = re.compile(r"(\d+)\s*[:=]?\s*(man|woman|male|female)", re.IGNORECASE)
MOST_WEIGHT = 1e6
LONGEST_ID = 64
_TEXT_ID = re.compile(rf"[^\W_].{{0,{LONGEST_ID - 1}}}")
"""A text id begins with a letter or digit: what begins with = or @ would run in a spreadsheet."""
NOTHING = ("", "na", "nan", "none", "<na>")
_UNIT = re.compile(r"\[(?P<unit>[^\[\]]*)\]\s*$")
_HEADING = re.compile(r"\s*(?P<name>\w+)\s*(\[(?P<unit>[^\[\]]*)\]\s*)?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


class Headings(NamedTuple):
    """What a study says of a table: ``columns`` by covariate, then only these are read; ``codes`` of sex; ``units``."""

    columns: Mapping[str, str] = {}
    codes: Mapping[str, str] = {}
    units: Mapping[str, str] = {}

    def check(self) -> None:
        """Refuse names, codes and units that no table can have."""
        known = ("patient", "sex", *UNITS)
        for name in (*self.columns, *self.units):
            if name not in (known if name in self.columns else UNITS):
                where = "columns" if name in self.columns else "units"
                raise InputError(f"{name!r} is no covariate: {choices(name, known)}.", (where, name))
        for name, unit in self.units.items():
            _unit_of(name, unit, f"units of {name}: {unit!r}", ("units", name))
        taken = list(self.columns.values())
        if twice := next((heading for heading in taken if taken.count(heading) > 1), None):
            raise InputError(f"the column {shorten(twice)!r} is named twice; name it once.", ("columns",))
        for code, word in self.codes.items():
            if word.lower() not in SEXES:
                raise InputError(f"{word!r} of the code {code} is not a sex; write man or woman.", ("codes", "sex"))


AS_WRITTEN = Headings()
"""The headings name covariates and units themselves."""


def own_patients(path: str | Path, given: Headings = AS_WRITTEN) -> PatientTable:
    """Return the patients of a file, in the model's units; ``given`` names columns, codes and units.

    Raises
    ------
    InputError
        With one plain sentence: what, where, got, allowed, what to do.
    """
    columns, _ = read_patients(path, given)
    return PatientTable.of(columns)


def sheet_of_patients(path: str | Path) -> tuple[Sheet, list[str]]:
    """Return the cells of a table with a row per patient, and a sentence where its decimals have a comma.

    Raises
    ------
    InputError
        Where the file cannot be read as a table, or has no patients or too many.
    """
    sheet = read_sheet(Path(path))
    n = len(sheet.places)
    if not n:
        raise InputError(f"{path}: the table has no patients; give at least one row.")
    if n > MOST_IN_TABLE:
        raise InputError(f"{path}: {n} patients are too many; at most {MOST_IN_TABLE}, split the table.")
    comma = sheet.decimal_comma
    return sheet, [f"{path}: decimals are written with a comma, as in {comma}."] if comma else []


def read_patients(path: str | Path, given: Headings = AS_WRITTEN) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """Return the columns by name, "patient" first, and a sentence for each column that is converted or completed.

    The ids of "patient" are whole numbers (float64) where all are written as such, else text (object).
    """
    sheet, sentences = sheet_of_patients(path)
    n = len(sheet.places)
    columns: dict[str, npt.NDArray[Any]] = {}
    named, left_out = _named(sheet, given, path)
    sentences += [f"{path}: columns names other columns, so {', '.join(left_out)} not read."] if left_out else []
    for heading, cells, name, unit in named:
        if name in columns:
            raise InputError(f"{path}: {name} stands in two columns; keep one.")
        if name == "patient":
            columns[name] = ids_of(cells, sheet, path)
        elif name == "sex":
            columns[name], sentence = _sexes(cells, heading, sheet, path, given.codes)
            sentences += [sentence] if sentence else []
        else:
            factor, offset, (first, *_) = UNITS[name][unit], OFFSETS.get((name, unit), 0.0), UNITS[name]
            columns[name] = numbers_of(cells, heading, sheet, path) * factor + offset
            if factor != 1 or offset:
                plus = f" plus {offset:.6g}" if offset else ""
                of = f" [{unit}]" if name in given.units or name in given.columns else ""
                sentences.append(
                    f"{path}: {heading.strip()}{of} is taken as {name} in {first}, times {factor:.6g}{plus}."
                )
            if empty := int(np.isnan(columns[name]).sum()):
                sentences.append(
                    f"{path}: {name} is empty in {empty} of {n} rows and drawn, as among people like these."
                )
    if "igf1" in columns:
        columns = _scored(columns, sentences, path)
    if "prevalence" in columns:
        _check_weights(columns["prevalence"], sheet, path)
    if "patient" not in columns:
        sentences.append(f"{path}: there is no column patient; the rows are numbered from 0.")
    columns = {"patient": columns.pop("patient", np.arange(n, dtype=np.float64)), **columns}
    _check_people(columns, path)
    return columns, sentences


def _named(
    sheet: Sheet, given: Headings, path: str | Path
) -> tuple[list[tuple[str, tuple[object, ...], str, str]], list[str]]:
    """Return heading, cells, name and unit of the columns that are read, and the headings of the others."""
    own = {heading.strip(): name for name, heading in given.columns.items()}
    stripped = [heading.strip() for heading in sheet.headings]
    for heading, name in own.items():
        if stripped.count(heading) != 1:
            what = "is not in the file" if heading not in stripped else "stands in two columns"
            raise InputError(
                f"{path}: the column {shorten(heading)!r}, which columns names for {name}, {what}; its headings are "
                f"{shorten(', '.join(stripped), 300)}."
            )
    named, left_out = [], []
    for heading, cells in zip(sheet.headings, sheet.columns, strict=True):
        if own and heading.strip() not in own:
            left_out.append(shorten(heading))
            continue
        name, unit = _mapped(heading, own[heading.strip()], path, given) if own else _heading(heading, path, given)
        named.append((heading, cells, name, unit))
    words = f"{', '.join(left_out[:5])}{f' and {len(left_out) - 5} more' if len(left_out) > 5 else ''}"
    return named, [words + (" is" if len(left_out) == 1 else " are")] if left_out else []


def _mapped(heading: str, name: str, path: str | Path, given: Headings) -> tuple[str, str]:
    """Return the name and unit of a column that the study names."""
    bracket = _UNIT.search(heading)
    written = bracket["unit"].strip() if bracket else ""
    if name in ("patient", "sex"):
        return name, written
    of_heading = _known_unit(name, written)
    if name in given.units:
        unit = _known_unit(name, given.units[name]) or ""
        if of_heading is not None and UNITS[name][of_heading] != UNITS[name][unit]:
            raise InputError(
                f"{path}: the column {shorten(heading)!r} says {of_heading}, and units says {unit} for {name}; correct "
                "one of the two."
            )
        return name, unit
    if of_heading is not None:
        return name, of_heading
    if "-" in UNITS[name] and not written:
        return name, "-"
    raise InputError(
        f"{path}: the unit of {shorten(heading)!r} is not known; give units, for example units: "
        f"{{{name}: {next(iter(UNITS[name]))}}}, one of {', '.join(UNITS[name])}."
    )


def _known_unit(name: str, written: str) -> str | None:
    """Return a unit of a covariate as the table of units has it; None for another."""
    unit = written.strip().replace("µ", "u").replace("μ", "u")
    return {u.lower(): u for u in UNITS[name]}.get(SAME.get(unit.lower(), unit).lower())


def _unit_of(name: str, written: str, what: str, at: tuple[str, ...] = ()) -> str:
    unit = _known_unit(name, written)
    if unit is None:
        raise InputError(f"{what} is not a unit of {name}; write {' or '.join(UNITS[name])}.", at)
    return unit


def _heading(heading: str, path: str | Path, given: Headings) -> tuple[str, str]:
    """Return the name and unit of a column whose heading has both."""
    parts = _HEADING.fullmatch(heading)
    name = parts["name"].lower() if parts else ""
    unit = ((parts["unit"] if parts else "") or "").strip()
    if name not in ("patient", "sex", *UNITS):
        raise InputError(
            f"{path}: the column {shorten(heading)!r} is no covariate; known are patient, sex, {', '.join(UNITS)}, "
            "with the unit in brackets, as in age [y]; correct it, leave it out, or name the columns in the study, by "
            "columns."
        )
    if name == "sex" and _CODE.search(unit):
        return name, unit
    if name in given.units:
        return _mapped(heading, name, path, given)
    if name in ("patient", "sex"):
        if unit:
            raise InputError(f"{path}: the column {shorten(heading)!r} has the unit {shorten(unit)!r}; write {name}.")
        return name, ""
    if not unit and "-" in UNITS[name]:
        return name, "-"
    found = _known_unit(name, unit) if unit else None
    if found is None:
        got = f"the unit {shorten(unit)!r}" if unit else "no unit"
        right = [f"{name} [{u}]" for u in UNITS[name]]
        raise InputError(f"{path}: the column {shorten(heading)!r} has {got}; write {' or '.join(right)}.")
    return name, found


def _scored(
    columns: dict[str, npt.NDArray[Any]], sentences: list[str], path: str | Path
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns with the SD score of age in place of IGF-1 in ug/L."""
    if "igf1_sds" in columns:
        raise InputError(f"{path}: igf1 and igf1_sds stand in two columns; keep one of them.")
    if "age" not in columns:
        raise InputError(f"{path}: igf1 is taken as an SD score of age, and there is no column age; give it.")
    values = columns.pop("igf1")
    if (values <= 0).any():
        raise InputError(f"{path}: igf1 = {values[values <= 0][0]:g} is not above 0; correct it, or leave it empty.")
    columns["igf1_sds"] = igf1_sds(values, columns["age"])
    sentences.append(
        f"{path}: igf1 is taken as an SD score of age by the reference of 547 Italians; assays differ by a factor of "
        "1.4 or more, so give igf1_sds where your laboratory reports it."
    )
    return columns


def numbers_of(cells: tuple[object, ...], heading: str, sheet: Sheet, path: str | Path) -> Floats:
    """Return the numbers of a column, NaN where a cell is empty."""
    values = np.full(len(cells), np.nan)
    for k, cell in enumerate(cells):
        text = sheet.text(cell)
        if is_number(cell):
            values[k] = float(cell)
        elif text.lower() not in NOTHING:
            if not _NUMBER.fullmatch(text):
                raise InputError(
                    f"{path}: {sheet.places[k]}, {heading.strip()}: {shorten(text)!r} is no number; write it with a "
                    "point and without a unit."
                )
            values[k] = float(text)
            if not np.isfinite(values[k]):
                raise InputError(
                    f"{path}: {sheet.places[k]}, {heading.strip()}: {shorten(text)!r} is not finite; correct it, or "
                    "leave it out."
                )
    return values


def ids_of(cells: tuple[object, ...], sheet: Sheet, path: str | Path) -> npt.NDArray[Any]:
    """Return whole numbers (float64) where all ids are such, else the ids as text (object), as they are written."""
    numbers = [_whole(cell) for cell in cells]
    texts = [str(cell).strip() for cell in cells]
    for k, text in enumerate(texts):
        other = text.isdigit() and not text.isascii()  # digits of another script
        number = numbers[k] is None and (_NUMBER.fullmatch(text) or is_number(cells[k]) or other)
        if number or text.lower() in NOTHING or not _TEXT_ID.fullmatch(text) or not text.isprintable():
            raise InputError(
                f"{path}: {sheet.places[k]}: patient {shorten(text)!r} is not a whole number from 0 to 2**53, nor text "
                f"of up to {LONGEST_ID} characters from a letter or digit on, such as 01-701-1015; correct it."
            )
    as_text = None in numbers or any(text.isdigit() and str(int(text)) != text for text in texts)
    ids: list[Any] = texts if as_text else numbers
    seen: set[Any] = set()
    for k, name in enumerate(ids):
        if name in seen:
            raise InputError(
                f"{path}: {sheet.places[k]}: patient {name} stands in two rows; give each an id of its own."
            )
        seen.add(name)
    if not as_text:
        return np.array(ids, np.float64)
    if len(np.unique(keys(ids))) < len(ids):  # 2 in a million at 200,000 patients
        raise InputError(f"{path}: two text ids have the same key of 53 bits; change any of the ids, or number them.")
    return np.array(ids, object)


def _whole(cell: object) -> int | None:
    """Return a cell as the whole number from 0 to 2**53 that it is, exactly; None for anything else."""
    text = str(cell).strip()
    if is_number(cell) and not isinstance(cell, int | np.integer):
        number = int(float(cell)) if float(cell).is_integer() else -1
    elif re.fullmatch(r"\+?\d+(\.0*)?", text, re.ASCII):
        number = int(text.partition(".")[0])
    elif _NUMBER.fullmatch(text) and float(text).is_integer() and abs(float(text)) <= 2**53:
        number = int(float(text))
    else:
        return None
    return number if 0 <= number <= 2**53 else None


def _sexes(
    cells: tuple[object, ...], heading: str, sheet: Sheet, path: str | Path, given: Mapping[str, str] = {}
) -> tuple[Floats, str]:
    """Return 0 for men and 1 for women, and a sentence on the codes ``given`` or of the heading, "" without any."""
    own = {code: word.lower() for code, word in _CODE.findall(heading)}
    codes = {str(code).strip().lower(): word.lower() for code, word in given.items()} or own
    if own and own != codes:
        raise InputError(
            f"{path}: the heading {shorten(heading)!r} has other codes than the study; correct one of them."
        )
    words = ({} if given else SEXES) | {code: SEXES[word] for code, word in codes.items()}
    sexes = np.empty(len(cells))
    for k, cell in enumerate(cells):
        word = str(cell).strip().lower().removesuffix(".0")
        if word not in words:
            got = shorten(str(cell))
            what = "is a code that the heading does not define" if word.isdigit() else "is not known"
            if given:
                raise InputError(
                    f"{path}: {sheet.places[k]}: sex {got!r} is not one of the codes {', '.join(given)} of the study; "
                    "add it to codes, or correct the cell."
                )
            raise InputError(
                f"{path}: {sheet.places[k]}: sex {got!r} {what}; write man or woman, or define codes in the "
                "heading, for example sex [1 man; 2 woman]."
            )
        sexes[k] = words[word]
    meanings = " and ".join(f"{code} as {word}" for code, word in codes.items())
    who = "study" if given else "heading"
    return sexes, f"{path}: sex {meanings}, as the {who} defines." if meanings else ""


def _check_weights(weights: Floats, sheet: Sheet, path: str | Path) -> None:
    """Refuse weights outside their range; scale them, in place, to a mean of 1."""
    wrong = np.flatnonzero(~((weights >= 0) & (weights <= MOST_WEIGHT)))
    if len(wrong):
        k = wrong[0]
        got = "is empty; it" if np.isnan(weights[k]) else f"{weights[k]:g}"
        raise InputError(f"{path}: {sheet.places[k]}: prevalence {got} must be a number from 0 to {MOST_WEIGHT:g}.")
    if not weights.sum() > 0:
        raise InputError(f"{path}: all prevalence weights are 0; give at least one patient a weight above 0.")
    weights *= len(weights) / weights.sum()


def _check_people(columns: dict[str, npt.NDArray[Any]], path: str | Path) -> None:
    """Let the engine check every row, so that a wrong row is refused now and not by a worker."""
    known = {name: values for name, values in columns.items() if name not in ("patient", "prevalence")}
    try:
        ids = columns["patient"]
        check_known(ids if ids.dtype == object else ids.astype(np.int64), known)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
