"""The summary of a dataset: a line per endpoint, week and arm."""

from dataclasses import dataclass
from io import StringIO
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.sweeps.contrast import ARM, check_arm
from pulsatile.sweeps.summary.endpoints import WEEK, lines, measured, prevalence
from pulsatile.sweeps.summary.statistics import Statistics, statistics
from pulsatile.sweeps.summary.table import SCREEN, csv_text, table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.table import Table

HEAD = ("endpoint", "label", "unit", "week", "arm", "kind")
COLUMNS = (*HEAD, *Statistics._fields, "variable", "integration", "projection_error")


@dataclass(frozen=True, repr=False, eq=False)
class Summary:
    """What a study comes to; printed, it is the table of the command line.

    Attributes
    ----------
    frame
        One row per endpoint, week and arm, the control arm first:

        - endpoint, label, unit: what it is; variable: of the dataset, from which it was read
        - week, arm, kind: the kind is that of a row, always an arm
        - n, mean, sd: of the patients without failure, in the unit
        - difference, low, high: mean paired difference to control, and the ends of its 95 % interval; pairs: patients
        - effective_n: Kish's effective number of the pairs, NaN where patients have no prevalence weights
        - integration: what was approximated, empty where every day was integrated
        - projection_error: largest estimate of any patient and arm, in the unit, NaN where nothing was projected
    """

    frame: "pd.DataFrame"

    def table(self, marks: dict[str, str] | None = None) -> "Table":
        """Return the table for a screen, with words under the names of arms."""
        return table(self.frame, marks or {})

    def csv_text(self) -> str:
        """Return CSV of all rows: the text of a run's ``summary.csv``."""
        return csv_text(self.frame)

    def __repr__(self) -> str:
        if self.frame.empty:
            return "Summary without endpoints"
        from rich.console import Console

        console = Console(file=StringIO(), width=SCREEN, color_system=None)
        with console.capture() as shown:
            console.print(self.table())
        return "\n".join(line.rstrip() for line in shown.get().splitlines())


def summarise(dataset: "xr.Dataset", control: str) -> Summary:
    """Return means of every arm and paired differences to control, for each endpoint and week.

    Rows of a dataset that skips days say so.  Where the patients have prevalence weights (coordinate ``prevalence``),
    all statistics are weighted.

    Parameters
    ----------
    dataset
        As `engine.simulate.simulate` returns it and `open_dataset` opens it, dims (arm, patient, time and others).
    control
        Name of the arm that the others are compared with, patient by patient.

    Raises
    ------
    InputError
        When ``control`` is not an arm of the dataset.
    """
    import pandas as pd

    weights = prevalence(dataset)
    stored = [str(name) for name in dataset["arm"].values]
    check_arm("control", control, stored)
    at = stored.index(control)
    order = [at, *(k for k in range(len(stored)) if k != at)]
    end = float(dataset["time"].values[-1]) / WEEK
    visits = {float(w) for name in dataset.coords if str(name).endswith("_week") for w in dataset[name].values}
    weeks = tuple(sorted(visits | {0.0, end}))
    rows: list[tuple[Any, ...]] = []
    for line in lines():
        variable = next((name for name in line.variables if name in dataset), None)
        if variable is None:
            continue
        found = measured(dataset, variable, weeks, line.event)
        marks = (attrs.get("integration") for attrs in (dataset[variable].attrs, dataset.attrs))
        mark = next(filter(None, marks), "")
        errors = [nan] * len(found)
        if (estimate := f"{variable}_projection_error") in dataset:
            mark = mark or "projective integration: days were skipped"  # where its words were dropped on the way
            if line.event is None:  # the error of a share is not known
                errors = [float(np.fmax.reduce(e, axis=None)) for _, e in measured(dataset, estimate, weeks)]
        for (week, values), error in zip(found, errors, strict=True):
            for a in order:
                head = (line.name, line.variables[variable], line.unit, week, stored[a], ARM)
                rows.append((*head, *statistics(values[a], values[at], weights), variable, mark, error))
    return Summary(pd.DataFrame(rows, columns=list(COLUMNS)))
