"""Picture of a scenario: the patients with an event, as a map of the two most informative inputs."""

from typing import Any

import numpy as np

from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.analysis.labels import GROUPS
from pulsatile.sweeps.analysis.stories import Story
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.page import Picture
from pulsatile.sweeps.sensitivity.factors import with_unit

CASE, BOX = "#b45309", "#1d4ed8"
MOST_POINTS = 3000
"""Largest number of other patients drawn behind the cases."""


def scatter(inputs: Inputs, story: Story) -> Picture | None:
    """Return the patients in the plane of the first two limits of the story's box; None without a limit."""
    if story.box is None or not story.box.limits:
        return None
    names = list(dict.fromkeys(limit.name for limit in story.box.limits))
    pair = (names + [name for name in inputs.names if name not in names])[:2]
    columns = [inputs.names.index(name) for name in pair]
    x, y = inputs.values[:, columns].T
    others = np.flatnonzero(story.counted & ~story.cases)
    others = others[:: max(1, len(others) // MOST_POINTS)]
    cases = story.cases & story.counted
    with drawing.style():
        figure, ((panel, bars),) = drawing.board(1, 2, 4.0)
        panel.plot(x[others], y[others], "o", ms=3, mfc=drawing.FAINT, mec="none", label="others")
        panel.plot(x[cases], y[cases], "^", ms=4, mfc=CASE, mec="white", mew=0.3, label="cases")
        _box(panel, story, pair)
        panel.set(xlabel=_label(inputs, pair[0]), ylabel=_label(inputs, pair[1]))
        for name, axis in zip(pair, (panel.xaxis, panel.yaxis), strict=True):
            _groups(axis, name)
        panel.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)
        _limits(bars, inputs, story, cases)
        picture = drawing.png(figure)
    alt = f"Map of {story.arm}: patients who {story.event}, by {' and '.join(inputs.label(name) for name in pair)}"
    return Picture(picture, alt, story.sentence)


def _label(inputs: Inputs, name: str) -> str:
    return drawing.wrapped(with_unit(inputs.label(name), inputs.units[inputs.names.index(name)]), 60)


def _groups(axis: Any, name: str) -> None:
    """Write the people of each value in words, where an input has such."""
    if name in GROUPS:
        axis.set_ticks(range(len(GROUPS[name])), GROUPS[name])


def _box(panel: Any, story: Story, pair: list[str]) -> None:
    """Draw the limits of the box that are in this plane."""
    from matplotlib.patches import Rectangle

    assert story.box is not None
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    low, high = {pair[0]: left, pair[1]: bottom}, {pair[0]: right, pair[1]: top}
    for limit in story.box.limits:
        if limit.name in pair:
            (low if limit.side == "above" else high)[limit.name] = limit.value
    corner, size = [low[name] for name in pair], [high[name] - low[name] for name in pair]
    panel.add_patch(Rectangle((corner[0], corner[1]), size[0], size[1], fill=False, ec=BOX, lw=1.6, label="box"))
    panel.set(xlim=(left, right), ylim=(bottom, top))


def _limits(panel: Any, inputs: Inputs, story: Story, cases: "np.ndarray[Any, np.dtype[np.bool_]]") -> None:
    """Draw the share of cases in tenths of the first limit's input."""
    assert story.box is not None
    first = story.box.limits[0]
    x = inputs.values[:, inputs.names.index(first.name)][story.counted]
    is_case = cases[story.counted]
    edges = np.unique(np.quantile(x, np.linspace(0, 1, 11)))
    if len(edges) < 4:  # few distinct values: one bar each
        edges = np.append(np.unique(x) - 0.5, np.unique(x)[-1] + 0.5)
    part = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    share = [100 * is_case[part == k].mean() if (part == k).any() else 0.0 for k in range(len(edges) - 1)]
    panel.bar(edges[:-1], share, np.diff(edges), align="edge", color=CASE, ec="white")
    panel.axhline(100 * is_case.mean(), color="#111827", lw=1)
    panel.axvline(first.value, color=BOX, lw=1.6)
    _groups(panel.xaxis, first.name)
    panel.set(xlabel=_label(inputs, first.name), ylabel="% cases", ylim=(0, 100))
    panel.set_title("cases in tenths of the patients; line: of all")
