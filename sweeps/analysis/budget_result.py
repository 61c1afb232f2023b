"""The result of a variance budget: its dataset, sentences, tables and files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.parameters import shown_unit
from pulsatile.sweeps.analysis.budget_estimate import COMPONENTS
from pulsatile.sweeps.contrast import rows
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.errors import NOT_CLINICAL
from pulsatile.sweeps.study.tables.csv_text import csv_text

if TYPE_CHECKING:
    import xarray as xr

WORDS = {
    "arm": "which treatment it is", "uncertainty": "typical values that are not known exactly",
    "patients": "who the patient is", "uncertainty x patients": "patients under other typical values",
    "occasions": "other days of the same patient", "residual": "noise of the assay",
    "numerical": "error of integration",
}  # fmt: skip
"""Description of each component."""
PAGE = "variance_budget.html"
"""File of the page of pictures, in the folder of the tables."""
BELOW = "estimated below 0: too small to distinguish from 0 with these runs"
_NUMBERS = ("variance", "low", "high", "share", "total")


@dataclass(frozen=True, repr=False, eq=False)
class VarianceBudget:
    """The variance of outputs by source, of every arm and contrast, and over all arms.

    Attributes
    ----------
    dataset
        Dims (component, output, arm, week): ``variance`` with ``low`` and ``high`` (unit of the output squared),
        ``share`` of ``total``, ``note``; (output, arm, week): ``total`` and ``mean``.  Rows along ``arm`` are of three
        kinds, coordinate ``kind``: arms, contrasts, and one row of all arms, whose components are the means over the
        arms and which alone has the component arm.  Coordinate ``unit`` (output); the attributes describe the method.
    """

    dataset: "xr.Dataset"

    @property
    def sentences(self) -> list[str]:
        """One sentence for each output, row and week, the largest source first."""
        return [_sentence(output, arm, part) for output, arm, part in self._parts()]

    def csv_text(self) -> str:
        """Return CSV with one line per output, row, week and component."""
        lines = [["output", "unit", "arm", "kind", "week", "component", *_NUMBERS, "note"]]
        for output, arm, part in self._parts():
            head = [output, str(part["unit"].values), arm, str(part["kind"].values), f"{float(part['week']):g}"]
            for component in COMPONENTS:
                line = part.sel(component=component)
                cells = ["" if np.isnan(x) else f"{x:.8g}" for x in (float(line[name]) for name in _NUMBERS)]
                lines.append([*head, component, *cells, str(line["note"].values)])
        return csv_text(lines)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``variance_budget.csv`` and ``variance_budget.txt`` into a folder; return their paths."""
        lines = [*self.sentences, *(f"{name}: {value}" for name, value in self.dataset.attrs.items()), NOT_CLINICAL]
        files = {"variance_budget.csv": self.csv_text(), "variance_budget.txt": "\n".join(lines) + "\n"}
        write_all(Path(folder), {name: text.encode() for name, text in files.items()})
        return [Path(folder) / name for name in files]

    def __repr__(self) -> str:
        facts, weeks = self.dataset.attrs, ", ".join(f"{float(week):g}" for week in self.dataset["week"].values)
        return (
            f"VarianceBudget of {', '.join(map(str, self.dataset['output'].values))}, week {weeks}: "
            f"{', '.join(map(str, self.dataset['arm'].values))}\n"
            f"{facts['draws']} draws x {facts['patients']} patients x {facts['occasions']} occasions; "
            "sentences, dataset, save(folder)"
        )

    def _parts(self) -> Iterator[tuple[str, str, Any]]:
        """Yield output, name of the row, and the dataset (component,) of each output, row and week."""
        for output in self.dataset["output"].values:
            for arm, row in rows(self.dataset.sel(output=output)):
                for week in row["week"].values:
                    yield str(output), arm, row.sel(week=week)


def _sentence(output: str, arm: str, part: "xr.Dataset") -> str:
    head, unit = f"{output}, {arm}, week {float(part['week']):g}", shown_unit(str(part["unit"].values))
    total = float(part["total"])
    if not total > 0:
        return f"{head}: does not vary."
    variance = part["variance"].values
    order = [k for k in np.argsort(-variance) if np.isfinite(variance[k])]
    words = [f"{COMPONENTS[k]} {_percent(float(part['share'][k]))}" for k in order]
    sd = f"{total**0.5:.3g} {unit}".rstrip()
    below = [COMPONENTS[k] for k in order if variance[k] < 0]
    more = f"; {', '.join(below)}: {BELOW}" if below else ""
    return f"{head}: SD {sd} in all; variance from {', '.join(words)}{more}."


def _percent(share: float) -> str:
    """Return a share in words: a tiny share is not shown as 0, and a negative one keeps its sign.

    >>> _percent(0.1234), _percent(1e-9), _percent(0.0), _percent(-1e-9)
    ('12.3 %', 'below 0.1 %', '0 %', 'just below 0 %')
    """
    if share == 0:
        return "0 %"
    if abs(share) < 5e-4:
        return "below 0.1 %" if share > 0 else "just below 0 %"
    return f"{100 * share:.1f} %"
