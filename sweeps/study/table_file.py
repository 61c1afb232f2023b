"""Read a CSV or Parquet file as headings and cells, without guessing."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from pulsatile.engine.errors import InputError

LARGEST_FILE = 100_000_000  # bytes; 200,000 rows of 15 numbers with 17 digits each are 60 million
COMMA = "an unquoted comma begins a new cell, so write decimals with a point"


@dataclass(frozen=True)
class Sheet:
    """Unconverted cells by column under their ``headings``; ``places`` name the position of each row in the file."""

    headings: tuple[str, ...]
    columns: tuple[tuple[object, ...], ...]
    places: tuple[str, ...]


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
        case ".csv":
            return _csv(path)
        case ".parquet":
            return _parquet(path)
    raise InputError(
        f"{path}: the kind {path.suffix or 'without ending'} is not known; give a .csv or .parquet file, for example "
        "saved from a spreadsheet as CSV in UTF-8."
    )


def _csv(path: Path) -> Sheet:
    rows, lines = [], []
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
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
    if len(heading) == 1 and any(sign in heading[0] for sign in ";\t"):
        raise InputError(f"{path}: the columns are not separated by commas; save it as CSV with commas and points.")
    for row, line in zip(cells, lines[1:], strict=True):
        if len(row) != len(heading):
            raise InputError(
                f"{path}: line {line} has {len(row)} cells and the heading {len(heading)}; give a cell per column "
                f"({COMMA})."
            )
    columns = tuple(tuple(column) for column in zip(*cells, strict=True)) or ((),) * len(heading)
    return Sheet(tuple(heading), columns, tuple(f"line {line}" for line in lines[1:]))


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
