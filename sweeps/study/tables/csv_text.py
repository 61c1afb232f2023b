"""CSV as every table of a run is written: a name never runs as a formula where a spreadsheet opens the file.

A spreadsheet evaluates a cell that begins with = + - or @ (or with a tab or line break before them).  Such a text is
written with an apostrophe before it, which spreadsheets take as the mark of a text; numbers stay as they are.
"""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_EVALUATED = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Any) -> Any:
    """Return a value as it is written into a cell.

    >>> cell("=1+1"), cell("-5"), cell("-"), cell("no treatment"), cell(-0.5)
    ("'=1+1", '-5', '-', 'no treatment', -0.5)
    """
    if not isinstance(value, str) or len(value) < 2 or not value.startswith(_EVALUATED):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def csv_text(rows: Iterable[Sequence[Any]], end: str = "\n") -> str:
    """Return CSV of rows of cells, the first of them the heading; ``end`` ends each line."""
    file = StringIO()
    csv.writer(file, lineterminator=end).writerows([cell(value) for value in row] for row in rows)
    return file.getvalue()


def csv_of_frame(frame: "pd.DataFrame", digits: str | None = None) -> str:
    """Return CSV of a data frame without its index; ``digits`` is the format of floats, default the shortest exact."""
    texts = frame.select_dtypes(exclude="number").columns
    safe = frame.assign(**{str(name): frame[name].map(cell) for name in texts})
    return str(safe.rename(columns=cell).to_csv(index=False, float_format=digits, lineterminator="\n"))
