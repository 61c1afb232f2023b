"""Shared parts of all pictures: the figure, its style, the colours."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEN, WOMEN = "#1d4ed8", "#c2410c"
COLOURS = (MEN, WOMEN)
"""Colours of men and women, distinct also with red-green colour blindness."""
PUBLISHED, BEFORE, FAINT = "#111827", "#9ca3af", "#d1d5db"
REJECTED = "#b91c1c"
DOTS = 100  # per inch
WIDTH = 11.6  # inches: 1160 px
TITLE = 72
"""Characters of a title across the whole width, less the room of the names beside an axis."""
NAME = 34
"""Characters of a line of a name beside an axis."""
# texts have no mathematics, so that two dollar signs in a name stay; a log axis then needs plain numbers
_STYLE: dict[Any, Any] = {
    "font.size": 9.5, "axes.titlesize": 10, "axes.labelsize": 9.5, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "legend.fontsize": 9, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlelocation": "left", "lines.linewidth": 1.6, "text.parse_math": False,
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of all pictures; `InputError` where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise InputError(
            "the page of pictures needs matplotlib, which is not installed; install it by "
            '`pip install "pulsatile[report]"`; the tables do not need it.'
        ) from None
    with mpl.rc_context(_STYLE):
        yield


def board(rows: int, columns: int, height: float, width: float = WIDTH) -> tuple["Figure", Any]:
    """Return a figure of ``rows`` x ``columns`` panels, ``height`` inches each row, and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, rows * height), dpi=DOTS, layout="constrained")
    return figure, np.atleast_2d(figure.subplots(rows, columns, squeeze=False))


def wrapped(text: str, width: int) -> str:
    r"""Return a name in lines of at most ``width`` characters: nothing is cut, so names that begin alike differ.

    >>> wrapped("rhGH with the IGF-1 gain of tesamorelin", 20)
    'rhGH with the IGF-1\ngain of tesamorelin'
    """
    return "\n".join(wrap(text, width)) or text


def title(panel: Any, text: str, columns: int = 1) -> None:
    """Set the whole text as the title of one of ``columns`` panels side by side."""
    panel.set_title(wrapped(text, TITLE // columns))


def legend(panel: Any, where: str) -> None:
    """Add a legend at ``where`` if the panel has labelled lines."""
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc=where)


def png(figure: "Figure") -> bytes:
    """Return the figure as PNG; the same data give the same bytes."""
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
