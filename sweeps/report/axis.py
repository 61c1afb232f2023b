"""Pictures of the untreated GH axis: mean GH by age, sex and BMI, IGF-1 by age."""

from itertools import pairwise
from typing import Any

import numpy as np

from pulsatile.engine.people.margins import SEXES
from pulsatile.sweeps.population.opened import Built
from pulsatile.sweeps.population.published import Target, targets, weighted_quantile
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.page import Picture

DECADES = (20, 30, 40, 50, 60, 70, 80)
BANDS = ((0, 25, "BMI below 25", "-"), (25, 30, "BMI 25-30", "--"), (30, 200, "BMI from 30", ":"))
LEAST = 5
"""Smallest number of people in a group for which a point is drawn."""
OLDEST = 80.0


def gh_axis(built: Built) -> Picture:
    """Return mean GH by age, BMI and sex, and IGF-1 by age, with the published values."""
    with drawing.style():
        figure, axes = drawing.board(1, 3, 3.6)
        for sex, panel in enumerate(axes[0, :2]):
            _gh(panel, built, sex)
        top = max(panel.get_ylim()[1] for panel in axes[0, :2])
        for panel in axes[0, :2]:
            panel.set_ylim(0, top)
        _igf1(axes[0, 2], built)
        picture = drawing.png(figure)
    alt = "Weighted mean GH of men and of women by decade of age for three bands of BMI, and quantiles of IGF-1 by age"
    caption = (
        "Mean GH of the untreated week: points are means of a decade of age. Black: published means (axis C2, C14; "
        "section 3, an insensitive assay). IGF-1: median and 2.5-97.5 %; black: axis C15, one assay, 547 Italians."
        if built.comparable else
        "Mean GH of the untreated week: points are means of a decade of age. IGF-1: median and 2.5-97.5 %."
    )  # fmt: skip
    return Picture(picture, alt, caption)


def _gh(panel: Any, built: Built, sex: int) -> None:
    columns, weights = built.columns, built.weights[built.plausible]
    for low, high, words, style in BANDS:
        means = []
        for start, stop in pairwise(DECADES):
            inside = (
                (columns["sex"] == sex) & (columns["age"] >= start) & (columns["age"] < stop)
                & (columns["bmi"] >= low) & (columns["bmi"] < high) & (weights > 0)
            )  # fmt: skip
            if inside.sum() >= LEAST:
                means.append(((start + stop) / 2, np.average(columns["gh_mean"][inside], weights=weights[inside])))
        if means:
            panel.plot(*zip(*means, strict=True), style, color=drawing.COLOURS[sex], marker="o", ms=4, label=words)
    for target in targets() if built.comparable else ():
        if target.output == "gh_mean" and target.group.sex == sex:
            _published(panel, target, "mean")
    panel.set(xlabel="age, y", xlim=(18, 82), title=f"GH, {SEXES[sex]}", ylabel="mean GH, ug/L" if not sex else "")
    drawing.legend(panel, "upper right")


def _published(panel: Any, target: Target, label: str) -> None:
    low, high = target.group.age
    high = min(high, OLDEST)
    panel.plot([low, high], [target.value] * 2, color=drawing.PUBLISHED, lw=2.2, solid_capstyle="butt")
    slim = " BMI < 27" if target.group.bmi[1] < 200 else ""
    panel.annotate(f"{target.value:.3g}{slim}", (low, target.value), (0, 4), textcoords="offset points", fontsize=8,
                   bbox={"fc": "white", "ec": "none", "pad": 0.4, "alpha": 0.8})  # fmt: skip


def _igf1(panel: Any, built: Built) -> None:
    columns, weights = built.columns, built.weights[built.plausible]
    for sex, colour in enumerate(drawing.COLOURS):
        centres, bands = [], []
        for start, stop in pairwise(DECADES):
            inside = (columns["sex"] == sex) & (columns["age"] >= start) & (columns["age"] < stop) & (weights > 0)
            if inside.sum() >= LEAST:
                x, w = columns["fasting_igf1"][inside], weights[inside]
                centres.append((start + stop) / 2)
                bands.append([weighted_quantile(x, w, p) for p in (0.025, 0.5, 0.975)])
        if centres:
            low, middle, high = np.array(bands).T
            panel.fill_between(centres, low, high, color=colour, alpha=0.12, lw=0)
            panel.plot(centres, middle, color=colour, marker="o", ms=4, label=SEXES[sex])
    for target in targets() if built.comparable else ():
        if target.output == "fasting_igf1":
            ends = [target.group.age[0], min(target.group.age[1], OLDEST)]
            middle = target.at == 0.5
            panel.plot(ends, [target.value] * 2, color=drawing.PUBLISHED, lw=2.2 if middle else 1.1,
                       ls="-" if middle else "--")  # fmt: skip
    panel.set(xlabel="age, y", xlim=(18, 82), ylabel="IGF-1, ug/L", title="IGF-1, fasting")
    panel.set_ylim(bottom=0)
    drawing.legend(panel, "upper right")
