"""Pictures of a variance budget: shares of every arm, and components with their intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.parameters import shown_unit
from pulsatile.sweeps.analysis.budget_result import WORDS
from pulsatile.sweeps.analysis.labels import output_label
from pulsatile.sweeps.contrast import CONTRAST, rows
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.page import Picture, Table

if TYPE_CHECKING:
    import xarray as xr


COLOURS = {
    "arm": "#111827", "patients": "#1d4ed8", "uncertainty x patients": "#7dd3fc", "uncertainty": "#b45309",
    "occasions": "#fbbf24", "residual": "#9ca3af", "numerical": "#be123c",
}  # fmt: skip
"""Colours of the components, in the order of the bars: people blue, typical values brown, days yellow."""


def budget_bars(budget: "xr.Dataset", output: str, week: float) -> Picture | None:
    """Return stacked shares of every arm, and components with intervals of the last contrast or, without one, arm.

    None where the output does not vary.
    """
    part = budget.sel(output=output, week=week)
    part = part.isel(arm=np.flatnonzero(part["total"] > 0))
    if not part.sizes["arm"]:
        return None
    contrasts = np.flatnonzero(part["kind"] == CONTRAST)
    names = [arm for arm, _ in rows(part)]
    shown = int(contrasts[-1]) if len(contrasts) else len(names) - 1
    with drawing.style():
        lines = max(drawing.wrapped(name, drawing.NAME).count("\n") + 1 for name in names)
        figure, (panels,) = drawing.board(1, 2, 1.6 + (0.24 + 0.12 * lines) * max(len(names), 6))
        _stack(panels[0], part, names)
        _intervals(panels[1], part.isel(arm=shown))
        drawing.title(panels[1], f"{names[shown]}: share of the variance", 2)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(COLOURS))
        picture = drawing.png(figure)
    caption = (
        f"{output_label(output)} ({output}), week {week:g}: sources of the variance. Left: shares, estimates below 0 "
        "drawn as 0, with the total SD. Right: the estimates with intervals, relative to the estimated total; open: "
        "below 0, too small to distinguish from 0 with these runs."
    )
    return Picture(picture, f"Variance budget of {output} in week {week:g}: {', '.join(names)}", caption)


def _stack(panel: Any, part: "xr.Dataset", names: list[str]) -> None:
    positions = np.arange(len(names))
    left = np.zeros(len(names))
    for component, colour in COLOURS.items():
        width = 100 * np.clip(np.nan_to_num(part["share"].sel(component=component).values), 0, None)
        panel.barh(positions, width, 0.72, left=left, color=colour, label=component)
        left += width
    unit = shown_unit(str(part["unit"].values))
    for y, total in enumerate(part["total"].values):
        text = f"SD {total**0.5:.3g} {unit}".rstrip()
        panel.text(left.max() * 1.01, y, text, va="center", fontsize=8.5)
    panel.set_yticks(positions, [drawing.wrapped(name, drawing.NAME) for name in names])
    panel.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, left.max()), xlabel="share of the variance, %")
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
    lines = []
    for arm, row in rows(budget.sel(output=output, week=week)):
        for component in row["component"].values:
            line = row.sel(component=component)
            if np.isfinite(float(line["variance"])):
                numbers = [f"{float(line[name]):.3g}" for name in ("variance", "low", "high")]
                share = "-" if np.isnan(float(line["share"])) else f"{100 * float(line['share']):.1f} %"
                words = f"{component}: {WORDS[str(component)]}"
                lines.append([arm, words, *numbers, share, str(line["note"].values)])
    head = ["arm", "component", "variance", "low", "high", "share", ""]
    return Table(head, lines, frozenset({2, 3, 4, 5}))
