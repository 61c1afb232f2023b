"""The summary of a dataset: one row per endpoint, week and arm."""

from dataclasses import dataclass
from io import StringIO
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.arrays import usual_float_errors
from pulsatile.sweeps.contrast import ARM, check_arm
from pulsatile.sweeps.errors import SCREEN
from pulsatile.sweeps.summary.endpoints import balanced, lines, measured, prevalence, visit_weeks
from pulsatile.sweeps.summary.paired_statistics import Statistics, statistics
from pulsatile.sweeps.summary.table import csv_text, standing_marks, table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.table import Table

HEAD = ("endpoint", "label", "unit", "week", "arm", "kind")
COLUMNS = (*HEAD, *Statistics._fields, "variable", "integration", "projection_error", "standing")


@dataclass(frozen=True, repr=False, eq=False)
class Summary:
    """The summary of a study; its repr is the table of the command line.

    Attributes
    ----------
    frame
        One row per endpoint, week and arm, the control arm first:

        - endpoint, label, unit: what it is; variable: the variable of the dataset from which it is read
        - week, arm, kind: the kind of a row is always an arm
        - n, mean, sd: of the patients without failure, in the unit
        - difference, low, high: mean paired difference to control with its 95 % interval; pairs: number of patients
        - effective_n: Kish's effective number of the pairs, NaN where patients have no prevalence weights
        - mean_low, mean_high: 95 % interval of the mean; of a share Wilson's, within 0 and 100 %
        - note: why an interval is missing, empty where none is
        - integration: what was approximated, empty where every day was integrated
        - standing: of the arm, as in the dataset; empty where the dataset does not tell
        - projection_error: largest estimate of any patient and arm, in the unit, NaN where nothing was projected
    """

    frame: "pd.DataFrame"

    def table(self, marks: dict[str, str] | None = None) -> "Table":
        """Return the table for a screen; ``marks`` are words under the names of arms, by default their standing."""
        return table(self.frame, standing_marks(self.frame) if marks is None else marks)

    def csv_text(self) -> str:
        """Return CSV of all rows: the text of a run's ``summary.csv``."""
        return csv_text(self.frame)

    def __repr__(self) -> str:
        if self.frame.empty:
            return "Summary without endpoints"
        from rich.console import Console

        console = Console(file=StringIO(), width=SCREEN, color_system=None, emoji=False)
        with console.capture() as shown:
            console.print(self.table())
        return "\n".join(line.rstrip() for line in shown.get().splitlines())


@usual_float_errors
def summarise(dataset: "xr.Dataset", control: str) -> Summary:
    """Return means of every arm and paired differences to control, for each endpoint and week.

    Rows of a dataset with skipped days are marked.  If patients have prevalence weights (coordinate ``prevalence``),
    all statistics are weighted, with linearised intervals (`sweeps.summary.weighted`).

    Parameters
    ----------
    dataset
        Dataset of `engine.simulate.simulate` or `open_dataset`, dims (arm, patient, time and others).
    control
        Name of the arm with which the others are compared, patient by patient.

    Raises
    ------
    InputError
        When ``control`` is not an arm of the dataset.
    """
    import pandas as pd

    weights, known = prevalence(dataset), balanced(dataset)
    stored = [str(name) for name in dataset["arm"].values]
    check_arm("control", control, stored)
    standings = dict.fromkeys(stored, "")
    if "standing" in dataset.coords:
        standings |= dict(zip(stored, map(str, dataset["standing"].values), strict=True))
    reference = stored.index(control)
    order = [reference, *(k for k in range(len(stored)) if k != reference)]
    weeks = visit_weeks(dataset)
    rows: list[tuple[Any, ...]] = []
    for line in lines():
        variable = next((name for name in line.variables if name in dataset), None)
        if variable is None:
            continue
        series = measured(dataset, variable, weeks, line.event)
        marks = (attrs.get("integration") for attrs in (dataset[variable].attrs, dataset.attrs))
        mark = next(filter(None, marks), "")
        errors = [nan] * len(series)
        if (estimate := f"{variable}_projection_error") in dataset:
            mark = mark or "projective integration: days were skipped"  # where the attribute was dropped
            if line.event is None:  # the error of a percentage is unknown
                errors = [float(np.fmax.reduce(e, axis=None)) for _, e in measured(dataset, estimate, weeks)]
        for (week, values), error in zip(series, errors, strict=True):
            for a in order:
                head = (line.name, line.variables[variable], line.unit, week, stored[a], ARM)
                of_events = line.event is not None
                found = statistics(values[a], values[reference], weights, known, of_events=of_events)
                if a == reference and found.pairs:  # control differs from itself by exactly 0
                    found = found._replace(low=0.0, high=0.0, note="")
                rows.append((*head, *found, variable, mark, error, standings[stored[a]]))
    return Summary(pd.DataFrame(rows, columns=list(COLUMNS)))
