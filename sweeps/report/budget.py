"""Pictures of a variance budget: shares of every arm, and components with their intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.sweeps.analysis.budget import WORDS
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.page import Picture, Table

if TYPE_CHECKING:
    import xarray as xr


COLOURS = {
    "arm": "#111827", "patients": "#1d4ed8", "uncertainty x patients": "#7dd3fc", "uncertainty": "#b45309",
    "occasions": "#fbbf24", "residual": "#9ca3af", "numerical": "#be123c",
}  # fmt: skip
"""Of the components, in the order of the bars: people blue, typical values brown, days yellow."""


def budget_bars(budget: "xr.Dataset", output: str, week: float) -> Picture | None:
    """Return stacked shares of every arm, and the components of the last contrast, or arm, with intervals.

    None where the output does not vary.
    """
    part = budget.sel(output=output, week=week)
    rows = [str(arm) for arm in part["arm"].values if float(part["total"].sel(arm=arm)) > 0]
    if not rows:
        return None
    contrasts = [arm for arm in rows if " minus " in arm]
    shown = (contrasts or rows)[-1]
    unit = str(part["unit"].values)
    with drawing.style():
        figure, (panels,) = drawing.board(1, 2, 1.6 + 0.36 * max(len(rows), 6))
        _stack(panels[0], part, rows, unit)
        _intervals(panels[1], part.sel(arm=shown))
        panels[1].set_title(f"{shown}: share of the variance")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(COLOURS))
        picture = drawing.png(figure)
    caption = (
        f"{output}, week {week:g}: whose variance it is. Left: shares, estimates below 0 drawn as 0; SD of everything "
        "in words. Right: the estimates, with intervals over the estimated total; open: below 0, not to be told from "
        "0 with these runs."
    )
    return Picture(picture, f"Variance budget of {output} in week {week:g}: {', '.join(rows)}", caption)


def _stack(panel: Any, part: "xr.Dataset", rows: list[str], unit: str) -> None:
    at = np.arange(len(rows))
    left = np.zeros(len(rows))
    for component, colour in COLOURS.items():
        share = np.array([float(part["share"].sel(arm=arm, component=component)) for arm in rows])
        width = 100 * np.clip(np.nan_to_num(share), 0, None)
        panel.barh(at, width, 0.72, left=left, color=colour, label=component)
        left += width
    for y, arm in enumerate(rows):
        sd = float(part["total"].sel(arm=arm)) ** 0.5
        text = f"SD {sd:.3g} {unit.replace('**', '')}".rstrip(" -")
        panel.text(left.max() * 1.01, y, text, va="center", fontsize=8.5)
    panel.set_yticks(at, rows)
    panel.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, left.max()), xlabel="share of the variance, %")
    panel.tick_params(axis="y", length=0)


def _intervals(panel: Any, row: "xr.Dataset") -> None:
    names = [name for name in COLOURS if np.isfinite(float(row["variance"].sel(component=name)))]
    total = float(row["total"])
    for y, name in enumerate(names):
        value, low, high = (100 * float(row[k].sel(component=name)) / total for k in ("variance", "low", "high"))
        panel.plot([low, high], [y, y], color=COLOURS[name], lw=2)
        panel.plot(value, y, "o", ms=6, color=COLOURS[name], mfc="white" if value < 0 else COLOURS[name])
    panel.set_yticks(range(len(names)), names)
    panel.axvline(0, color="#111827", lw=0.8)
    panel.set(ylim=(len(names) - 0.5, -0.5), xlabel="% of the total")
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)


def budget_table(budget: "xr.Dataset", output: str, week: float) -> Table:
    """Return variances with intervals and shares, a row for each arm and component."""
    rows = []
    for arm in budget["arm"].values:
        for component in budget["component"].values:
            line = budget.sel(output=output, week=week, arm=arm, component=component)
            if np.isfinite(float(line["variance"])):
                numbers = [f"{float(line[name]):.3g}" for name in ("variance", "low", "high")]
                share = "-" if np.isnan(float(line["share"])) else f"{100 * float(line['share']):.1f} %"
                words = f"{component}: {WORDS[str(component)]}"
                rows.append([str(arm), words, *numbers, share, str(line["note"].values)])
    head = ["arm", "component", "variance", "low", "high", "share", ""]
    return Table(head, rows, frozenset({2, 3, 4, 5}))
