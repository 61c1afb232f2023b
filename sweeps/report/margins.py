"""Pictures of margins: distributions of covariates and untreated outputs, with published values."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.people.margins import MAN, PRINTED, SEXES, WOMAN, table
from pulsatile.sweeps.population.opened import Built
from pulsatile.sweeps.population.published import DIABETES, NORMAL, targets
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.page import Picture
from pulsatile.sweeps.sensitivity.factors import with_unit

Marks = dict[str, list[tuple[int, float, float]]]
"""Published (sex, value, probability) by name."""

COVARIATES = (
    ("age", "age"), ("height", "height"), ("weight", "weight"), ("bmi", "BMI"), ("waist", "waist"),
    ("own_vat", "visceral fat"), ("own_glucose", "fasting glucose"), ("own_insulin", "fasting insulin"),
    ("own_ffa", "fasting FFA"), ("hba1c", "HbA1c"), ("triglyceride", "triglyceride"), ("hdl", "HDL"),
)  # fmt: skip
OUTPUTS = (
    ("fasting_glucose", "fasting glucose"), ("fasting_insulin", "fasting insulin"), ("fasting_homa_ir", "HOMA-IR"),
    ("fasting_ffa", "fasting FFA"), ("fasting_igf1", "IGF-1"), ("gh_mean", "GH, mean of a week"),
    ("ogtt_glucose_120", "OGTT, 2-h glucose"), ("ogtt_matsuda", "Matsuda index"),
)  # fmt: skip
WIDE = (0.025, 0.5, 0.975)
SHOWN = (0.001, 0.99)
"""Quantiles between which a distribution is drawn: a few extreme values would squeeze the others."""
KINDS = ((0.0, NORMAL, "normal"), (NORMAL, DIABETES, "impaired"), (DIABETES, np.inf, "diabetic"))


def covariates(built: Built) -> Picture:
    """Return the distribution of every covariate by sex, with the published quantiles."""
    marks = {name: list(_published_covariate(name)) for name, _ in COVARIATES} if built.comparable else {}
    return _panels(built, COVARIATES, marks, 3, "covariates")


def outputs(built: Built) -> Picture:
    """Return the distribution of every untreated output by sex, with the published quantiles."""
    marks: Marks = {}
    for target in targets() if built.comparable else ():
        if target.kind == "quantile" and target.group.words in SEXES:
            marks.setdefault(target.output, []).append((SEXES.index(target.group.words), target.value, target.at))
    return _panels(built, OUTPUTS, marks, 2, "untreated outputs")


def _published_covariate(name: str) -> Iterator[tuple[int, float, float]]:
    """Yield (sex, value, probability) of the published quantiles of a covariate."""
    short = name.removeprefix("own_")
    printed = next((row for row in PRINTED if row.name == short), None)
    for sex in (MAN, WOMAN):
        if printed is not None:
            for p, value in zip((1 - printed.level, 0.5, printed.level), printed.quantiles[sex], strict=True):
                yield sex, value, p
        else:
            for p in WIDE:
                yield sex, float(table(sex)[short].value(normal_quantile(p))[0]), p


def _panels(built: Built, names: Sequence[tuple[str, str]], marks: Marks, rows: int, what: str) -> Picture:
    shown = [(name, words) for name, words in names if name in built.columns]
    columns = -(-len(shown) // rows)
    with drawing.style():
        figure, axes = drawing.board(rows, columns, 2.65)
        for k, panel in enumerate(axes.flat):
            if k >= len(shown):
                panel.set_axis_off()
                continue
            name, words = shown[k]
            _distribution(panel, built, name, marks.get(name, []))
            panel.set_xlabel(with_unit(words, built.units.get(name, "1")))
            panel.set_ylabel("share below" if k % columns == 0 else "")
        handles = _legend(bool(marks), built)
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
        picture = drawing.png(figure)
    marked = "; circles are the published quantiles" if marks else ""
    alt = f"Share of men and women below each value of {len(shown)} {what}{marked}"
    return Picture(picture, alt, f"Of the kept, by sex: {', '.join(words for _, words in shown)}{marked}.")


def _distribution(panel: Any, built: Built, name: str, marks: list[tuple[int, float, float]]) -> None:
    """Draw the share below each value, with weights and without, and the published quantiles."""
    x, weights, sex = built.columns[name], built.weights[built.plausible], built.columns["sex"]
    for which, colour in enumerate(drawing.COLOURS):
        of_sex = (sex == which) & np.isfinite(x)
        if of_sex.any():
            if not np.allclose(weights[of_sex], weights[of_sex][0]):
                panel.plot(*_steps(x[of_sex], np.ones(of_sex.sum())), color=colour, lw=0.9, ls=":")
            panel.plot(*_steps(x[of_sex], weights[of_sex]), color=colour)
    for which, value, p in marks:
        panel.plot(value, p, "o", ms=6, mfc="white", mec=drawing.COLOURS[which], mew=1.5, zorder=5)
    low, high = np.nanquantile(x, SHOWN)
    ends = [value for _, value, _ in marks]
    low, high = min([low, *ends]), max([high, *ends])
    margin = 0.03 * (high - low) or 1.0
    panel.set(xlim=(low - margin, high + margin), ylim=(-0.02, 1.02), yticks=(0, 0.25, 0.5, 0.75, 1))
    panel.grid(color="#f3f4f6", lw=0.8)


def _steps(x: Floats, weights: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(x, kind="stable")
    below = np.cumsum(weights[order])
    return x[order], below / below[-1]


def _legend(marked: bool, built: Built) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=c, label=words) for c, words in zip(drawing.COLOURS, SEXES, strict=True)]
    weights = built.weights[built.kept]
    if not np.allclose(weights, weights[0]) or built.record["selection"] == "inclusion":
        words = "before weighting" if built.record["selection"] == "weights" else "all plausible"
        handles.append(Line2D([], [], color=drawing.BEFORE, ls=":", lw=1.2, label=words))
    if marked:
        handles.append(
            Line2D([], [], ls="", marker="o", ms=6, mfc="white", mec=drawing.PUBLISHED, mew=1.5, label="published")
        )
    return handles


def tolerance(built: Built) -> Picture:
    """Return the shares of normal, impaired and diabetic 2-h glucose, published and simulated."""
    glucose, weights = built.columns["ogtt_glucose_120"], built.weights[built.plausible]
    published = {t.at: t.value for t in targets() if t.output == "ogtt_glucose_120" and t.kind == "share"}
    bars = [("simulated, equal weights", drawing.BEFORE, np.ones(len(weights)))]
    bars += [("simulated, weighted", drawing.MEN, weights)] if not np.allclose(weights, weights[0]) else []
    with drawing.style():
        figure, axes = drawing.board(1, 1, 2.6, drawing.WIDTH / 2)
        panel, words = axes[0, 0], []
        groups: list[tuple[str, str, list[float]]] = [
            (label, colour, [float(w[(glucose >= low) & (glucose < high)].sum() / w.sum()) for low, high, _ in KINDS])
            for label, colour, w in bars
        ]
        if built.comparable:
            groups.insert(0, ("published", drawing.PUBLISHED, [published[low] for low, _, _ in KINDS]))
        height = 0.8 / len(groups)
        for k, (label, colour, shares) in enumerate(groups):
            at = np.arange(len(KINDS)) + (k - (len(groups) - 1) / 2) * height
            drawn = panel.barh(at, np.multiply(100, shares), height * 0.9, color=colour, label=label)
            panel.bar_label(drawn, fmt="%.1f %%", padding=3, fontsize=8.5)
            words.append(f"{label} {', '.join(f'{share:.1%}' for share in shares)}")
        panel.set(xlim=(0, 100), xlabel="% of people", yticks=range(len(KINDS)))
        panel.set_yticklabels([f"{name}\n{_range(low, high)}" for low, high, name in KINDS])
        panel.invert_yaxis()
        panel.legend(loc="lower right")
        picture = drawing.png(figure)
    caption = "2-h glucose of the OGTT, mmol/L (ADA). Published shares: Cowie2009, RECALLED, to be verified."
    return Picture(picture, f"Bars of normal, impaired and diabetic tolerance: {'; '.join(words)}", caption)


def _range(low: float, high: float) -> str:
    return f"from {low:g}" if np.isinf(high) else f"{low:g}-{high:g}" if low else f"below {high:g}"
