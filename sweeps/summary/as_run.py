"""The summary of a trial as it would be run: every patient in the arm that it is allocated to, those who left missing.

The ordinary summary (`sweeps.summary.summarise`) compares every patient with itself in another arm, which no trial can.
Here patients of parallel groups are different people, and those of a crossover are compared with themselves in another
period.  Patients count equally; prevalence weights are not used, as in a trial.
"""

from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.parameters import shown_unit
from pulsatile.engine.trial.designs.dropout import DROPPED
from pulsatile.sweeps.contrast import check_arm
from pulsatile.sweeps.errors import SCREEN
from pulsatile.sweeps.study.tables.csv_text import csv_text as csv_of_rows
from pulsatile.sweeps.summary.allocation import ALLOCATED, TREATMENT
from pulsatile.sweeps.summary.endpoints import lines_of_a_trial, measured, visit_weeks
from pulsatile.sweeps.summary.trial_rows import ALL, PAIRED, Row, of_crossover, of_groups, period_weeks

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.table import Table

TRIAL = "trial.csv"
"""The file of a run's folder."""
SHOWN = Row._fields[:-2]


@dataclass(frozen=True, repr=False, eq=False)
class TrialSummary:
    """The summary of a trial as run.

    Attributes
    ----------
    frame
        One row per endpoint, week, design, set of patients, and effect:

        - week: of treatment; of a crossover weeks since the period began
        - design: parallel groups, crossover, or counterfactual pairs (every patient in both arms)
        - patients: all with a value, or completers, who stay to the end
        - effect: treatment; of a crossover also period (against the first), and carry-over: what the treatment of the
          period before still does when a period begins
        - arm, control: what is compared; n, n_control, mean, mean_control: of each
        - difference, low, high, freedom: 95 % interval and its degrees of freedom (Welch, Student; of shares Newcombe,
          and Bonett and Price, without)
        - note: why there is no interval
    """

    frame: "pd.DataFrame"

    def csv_text(self) -> str:
        """Return CSV of all rows: the text of a run's ``trial.csv``."""
        cells = ([_cell(value) for value in row] for row in self.frame[list(SHOWN)].itertuples(index=False))
        return csv_of_rows([list(SHOWN), *cells], "\r\n")

    def table(self) -> "Table":
        """Return the table for a screen: the last week of each endpoint, all patients."""
        return _table(self.frame)

    def __repr__(self) -> str:
        if self.frame.empty:
            return "Trial without endpoints"
        from rich.console import Console

        console = Console(file=StringIO(), width=SCREEN, color_system=None, emoji=False)
        with console.capture() as shown:
            console.print(self.table())
        return "\n".join(line.rstrip() for line in shown.get().splitlines())


def is_a_trial(dataset: "xr.Dataset") -> bool:
    """Return whether patients are allocated or leave, so that the trial as run differs from the ordinary summary."""
    return ALLOCATED in dataset.coords or DROPPED in dataset.coords


def trial_summary(dataset: "xr.Dataset", control: str) -> TrialSummary:
    """Return the contrasts of a trial as it would be run.

    Parameters
    ----------
    dataset
        Of a run with groups, a crossover or dropout, or of `pulsatile.allocate`.
    control
        Arm with which the others are compared; of a crossover the dataset names the treatment.

    Raises
    ------
    InputError
        When ``control`` is not an arm.
    """
    import pandas as pd

    arms = [str(name) for name in dataset["arm"].values]
    check_arm("control", control, arms)
    rows: list[Row] = []
    weeks = visit_weeks(dataset)
    for line in lines_of_a_trial():
        variable = next((name for name in line.variables if name in dataset), None)
        if variable is None:
            continue
        if TREATMENT in dataset.coords:
            at = tuple(sorted({*weeks, *period_weeks(dataset)}))
            rows.extend(of_crossover(dataset, line, variable, measured(dataset, variable, at, line.event)))
        else:
            series = measured(dataset, variable, weeks, line.event)
            rows.extend(of_groups(dataset, line, variable, series, control))
    return TrialSummary(pd.DataFrame(rows, columns=list(Row._fields)))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.8g}"
    return str(value)


def _table(frame: "pd.DataFrame") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    grid = Table(box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False)
    grid.title = "The trial as it would be run: difference \\[95 % interval]"
    for name in ("endpoint, week", "design", "effect", "patients", "difference"):
        grid.add_column(name, justify="right" if name in ("patients", "difference") else "left")
    shown = frame[frame["patients"] == ALL]
    final = shown.groupby("endpoint")["week"].transform("max")
    last = (shown["week"] == final) & (shown["effect"] == "treatment")
    for row in shown[last | (shown["effect"] == "carry-over")].itertuples(index=False):
        ends = "none" if np.isnan(row.low) else f"{row.low:.{row.decimals}f}, {row.high:.{row.decimals}f}"
        known = f"{row.difference:+.{row.decimals}f} {shown_unit(row.unit)}".rstrip()
        number = "-" if np.isnan(row.difference) else f"{known} [{ends}]"
        what = f"{row.arm} - {row.control}" if row.effect == "treatment" else f"{row.effect}: {row.arm} - {row.control}"
        n = f"{row.n}" if row.design == PAIRED else f"{row.n}, {row.n_control}"
        grid.add_row(escape(f"{row.label}, {row.week:g}"), row.design, escape(what), n, escape(number))
    grid.caption = f"Patients with a value; all weeks, effects of periods and completers: {TRIAL}."
    grid.caption_justify = "left"
    return grid
