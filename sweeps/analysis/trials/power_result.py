"""The table of a power analysis, and its words."""

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from pulsatile.sweeps.analysis.trials.power_curve import MOST_SOUGHT, Curve, needed
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.errors import NOT_CLINICAL
from pulsatile.sweeps.study.tables.csv_text import csv_of_frame
from pulsatile.sweeps.summary.paired_statistics import Statistics

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

COLUMNS = ("n", "power", "low", "high", "assurance", "simulated", "simulated_low", "simulated_high")
ENOUGH = (0.8, 0.9)
"""Powers for which the number of patients is told."""
FILE = "power.csv"


@dataclass(frozen=True, repr=False, eq=False)
class Power:
    """The power of trials of n patients per arm; its repr is the table of the command line.

    Attributes
    ----------
    frame
        A row per n (patients per arm, or pairs):

        - power: at the run's own means and SDs (or shares); low, high: its 95 % interval, from the uncertainty of the
          run, which has so many patients and no more
        - assurance: mean power over that uncertainty, the probability that the trial succeeds
        - simulated: share of trials that succeed whose patients are drawn from those of the run; simulated_low,
          simulated_high: its 95 % interval for the number of trials drawn
    label
        What is compared.
    success
        When a trial succeeds.
    sentences
        Difference and spread in the run, the n for a power of 80 and 90 %, NNT of responders, limits.
    """

    frame: "pd.DataFrame"
    label: str
    success: str
    sentences: tuple[str, ...]

    def csv_text(self) -> str:
        """Return the table as CSV; its numbers have 6 digits."""
        return csv_of_frame(self.frame, "%.6g")

    def save(self, folder: str | Path) -> Path:
        """Write ``power.csv`` into a folder, made where it is missing, and return its path."""
        write_all(Path(folder), {FILE: self.csv_text().encode()})
        return Path(folder) / FILE

    def table(self) -> "Table":
        """Return the table for a screen."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        grid = Table(box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
        grid.title = escape(f"{self.label}: success is {self.success}")
        for head in ("n per arm", "power", "95 % interval", "assurance", "trials that succeed", "95 % interval"):
            grid.add_column(head, justify="right")
        for row in self.frame.itertuples(index=False):
            grid.add_row(
                str(row.n), _percent(row.power), f"{_percent(row.low)} to {_percent(row.high)}",
                _percent(row.assurance), _percent(row.simulated),
                f"{_percent(row.simulated_low)} to {_percent(row.simulated_high)}",
            )  # fmt: skip
        return grid

    def __repr__(self) -> str:
        from io import StringIO

        from rich.console import Console

        console = Console(file=StringIO(), width=120, color_system=None)
        with console.capture() as shown:
            console.print(self.table())
        lines = [line.rstrip() for line in shown.get().splitlines()]
        return "\n".join([*lines, *self.sentences, NOT_CLINICAL])


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def needed_sentences(curve: Curve, paired: bool) -> list[str]:
    """Return a sentence on the patients needed for each power of `ENOUGH`."""
    who = "pairs" if paired else "patients per arm"
    sentences = []
    for power in ENOUGH:
        n, least, most = needed(curve, power)
        if n is None:
            sentences.append(f"A power of {power:.0%} is not reached with {MOST_SOUGHT} {who}.")
            continue
        upper = f"to {most}" if most is not None else f"to more than {MOST_SOUGHT}"
        sentences.append(f"A power of {power:.0%} needs n = {n} {who} (95 % interval {least} {upper}).")
    return sentences


def nnt_sentence(point: Statistics, desired: bool) -> str:
    """Return the number needed to treat of a paired difference of shares in %, with its interval (Altman 1998).

    >>> nnt_sentence(Statistics(90, 50.0, 50.0, 25.0, 15.0, 35.0, 90), True)
    'Responders: 50.0 % against 25.0 %; number needed to treat 4 (95 % interval 2.9 to 6.7).'
    """
    shares = f"{point.mean:.1f} % against {point.mean - point.difference:.1f} %"
    good, bad = ("treat", "harm") if desired else ("harm", "treat")

    def one(difference: float) -> str:
        return f"{100 / abs(difference):.3g}" if difference else "infinity"

    if point.difference == 0:
        return f"Responders: {shares}; the shares are equal, so there is no number needed to treat."
    side = good if point.difference > 0 else bad
    other = bad if point.difference > 0 else good
    ends = sorted((point.low, point.high), key=lambda end: -end if point.difference > 0 else end)
    best, worst = ends
    if best * worst > 0:
        interval = f"{_two(100 / abs(best))} to {_two(100 / abs(worst))}"
    else:
        beyond = "" if worst == 0 else f", and beyond it to {other} from {_two(100 / abs(worst))}"
        interval = f"{_two(100 / abs(best) if best else inf)} to infinity{beyond}"
    return f"Responders: {shares}; number needed to {side} {one(point.difference)} (95 % interval {interval})."


def _two(value: float) -> str:
    return f"{value:.2g}" if value < 1000 else f"{value:.0f}"
