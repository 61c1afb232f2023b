"""Read a CSV or Parquet file as headings and cells.

Cells are separated by the sign of comma, semicolon and tab that stands most often in the heading; every row must have
as many cells as the heading.  Where it is not the comma, decimals may be written with one.
"""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from pulsatile.engine.errors import InputError

LARGEST_FILE = 100_000_000  # bytes; 200,000 rows of 15 numbers with 17 digits each are 60 million
COMMA = "an unquoted comma begins a new cell, so write decimals with a point"
TEXT_FILES = (".csv", ".tsv")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_WITH_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WITH_POINT = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_HELD = re.compile(r'"[^"]*"|\[[^\]]*\]')
"""Quoted text and units in brackets, whose commas and semicolons separate nothing."""


@dataclass(frozen=True)
class Sheet:
    """Unconverted cells by column under their ``headings``; ``places`` name the position of each row in the file.

    With a ``decimal_comma`` (its place and cell) 7,2 is a number.
    """

    headings: tuple[str, ...]
    columns: tuple[tuple[object, ...], ...]
    places: tuple[str, ...]
    decimal_comma: str = ""

    def text(self, cell: object) -> str:
        """Return the text of a cell of numbers, with a decimal point."""
        text = str(cell).strip()
        return text.replace(",", ".") if self.decimal_comma and _WITH_COMMA.fullmatch(text) else text


def read_sheet(path: Path, rows: str = "patients") -> Sheet:
    """Read a file of ``rows``.

    Raises
    ------
    InputError
        With one plain sentence where the file is missing, too large, not a table, or has rows of another length than
        its heading.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{path}: the file cannot be opened ({error.strerror}); give another path.") from None
    if is_folder:
        raise InputError(f"{path}: this is a folder; give a CSV or Parquet file of {rows}.")
    if not is_file:
        raise InputError(f"{path}: there is no such file; give a CSV or Parquet file of {rows}.")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise InputError(f"{path}: {size} bytes are too many; at most {LARGEST_FILE}, split the table.")
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return _csv(path)
        case ".parquet":
            return _parquet(path)
    raise InputError(
        f"{path}: the kind {path.suffix or 'without ending'} is not known; give a .csv, .tsv or .parquet file, "
        "for example saved from a spreadsheet as CSV in UTF-8."
    )


def _csv(path: Path) -> Sheet:
    rows, lines = [], []
    try:
        text = path.read_bytes().decode("utf-8-sig")
        separator = _separator(text)
        lines_of = io.StringIO(text, newline="")
        reader = csv.reader(lines_of, delimiter=separator, strict=True, skipinitialspace=separator != "\t")
        for row in reader:
            if row:  # not an empty line
                rows.append(row)
                lines.append(reader.line_num)
    except OSError as error:
        raise InputError(
            f"{path}: the file cannot be read ({error.strerror}); make it readable, or give another."
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is no UTF-8 text; save the table as CSV in UTF-8.") from None
    except csv.Error as error:
        raise InputError(
            f"{path}: the text is no CSV ({' '.join(str(error).split())} near line {len(lines) + 1}); save it as CSV."
        ) from None
    if not rows:
        raise InputError(f"{path}: the file is empty; give a heading and at least one row.")
    heading, cells = rows[0], rows[1:]
    other = f"separated by a {SEPARATORS[separator]}, as the heading is; quote a text that holds one"
    for row, line in zip(cells, lines[1:], strict=True):
        if len(row) != len(heading):
            raise InputError(
                f"{path}: line {line} has {len(row)} cells and the heading {len(heading)}; give a cell per column "
                f"({COMMA if separator == ',' else other})."
            )
    columns = tuple(tuple(column) for column in zip(*cells, strict=True)) or ((),) * len(heading)
    places = tuple(f"line {line}" for line in lines[1:])
    return Sheet(tuple(heading), columns, places, "" if separator == "," else _decimal_comma(path, columns, places))


def _separator(text: str) -> str:
    """Return the sign that separates cells: the one that stands most often in the heading, first the comma."""
    heading = _HELD.sub("", next((line for line in text.splitlines() if line.strip()), ""))
    return max(SEPARATORS, key=heading.count)


def _decimal_comma(path: Path, columns: tuple[tuple[str, ...], ...], places: tuple[str, ...]) -> str:
    """Return a cell with a decimal comma and its place, "" where there is none; refuse points next to commas."""
    found = {}
    for kind, pattern in (("comma", _WITH_COMMA), ("point", _WITH_POINT)):
        cells = (f"{cell.strip()} of {place}" for column in columns for cell, place in zip(column, places, strict=True)
                 if pattern.fullmatch(cell.strip()))  # fmt: skip
        found[kind] = next(cells, "")
    if found["comma"] and found["point"]:
        raise InputError(
            f"{path}: decimals are written with a comma ({found['comma']}) and with a point ({found['point']}); write "
            "one of them."
        )
    return found["comma"]


def _parquet(path: Path) -> Sheet:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise InputError(f"{path}: Parquet needs pyarrow; install it by `pip install pyarrow`, or give CSV.") from None
    except Exception as error:  # the library raises many kinds for a file that is not Parquet
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: the table cannot be read ({reason}); save it again, or as CSV.") from None
    columns = tuple(tuple(frame.iloc[:, k]) for k in range(frame.shape[1]))
    return Sheet(tuple(map(str, frame.columns)), columns, tuple(f"row {k + 1}" for k in range(len(frame))))
