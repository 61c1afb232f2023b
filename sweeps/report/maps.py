"""Pictures of target and realised correlations, and of where rejected people lie."""

from math import log, sqrt
from typing import Any

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.patients.cohort import COVARIATES as OF_COHORT
from pulsatile.engine.patients.cohort import MORE_COVARIATES
from pulsatile.engine.people.correlations import COVARIATES, matrix
from pulsatile.engine.people.margins import SEXES
from pulsatile.sweeps.analysis.labels import factor_label
from pulsatile.sweeps.population.compare import correlations
from pulsatile.sweeps.population.opened import Built
from pulsatile.sweeps.population.plausible import Place
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.page import Picture
from pulsatile.sweeps.sensitivity.factors import with_unit

_NAMES = {
    name: name if name in ("age", "height", "bmi", "waist", "hba1c", "triglyceride", "hdl") else f"own_{name}"
    for name in COVARIATES
}
LARGEST = 0.2
"""Difference of correlations at which the colour saturates."""
BEST = 6
"""Number of axes of the atlas that are drawn."""
LEAST_PARTS = 3
"""Smallest number of parts of a drawn axis: an axis of two values has no shape, and follows from another axis."""
CHANCE = 0.05
"""Probability that by chance alone the largest KS distance of all axes reaches the limit of `chance`."""
FEW = 200
"""Largest number of points that are drawn large."""
MOST_POINTS = 4000
"""Largest number of kept people drawn behind the rejected."""


def correlation_maps(built: Built) -> Picture | None:
    """Return heat maps per sex: target correlations over all ages, those of the kept, and the difference.

    None with too few people of either sex.
    """
    sexes = [sex for sex in range(len(SEXES)) if not np.isnan(_realised(built, sex)).all()]
    if not sexes:
        return None
    with drawing.style():
        figure, axes = drawing.board(len(sexes), 3, 4.1)
        worst = []
        for row, sex in zip(axes, sexes, strict=True):
            target, actual = matrix(sex).matrix, _realised(built, sex)
            for k, (panel, values, words) in enumerate(
                zip(row, (target, actual, actual - target), ("target", "realised", "difference"), strict=True)
            ):
                _map(panel, values, 1.0 if k < 2 else LARGEST, k == 0)
                panel.set_title(f"{SEXES[sex]}, {words}")
            off = np.abs(actual - target)
            i, j = np.unravel_index(int(np.nanargmax(off)), off.shape)
            worst.append(f"{SEXES[sex]} {COVARIATES[i]} and {COVARIATES[j]}, {actual[i, j] - target[i, j]:+.2f}")
        picture = drawing.png(figure)
    words = " and ".join(SEXES[sex] for sex in sexes)
    caption = (
        "Pearson correlations of the kept, weighted, of logarithms but for age, height, HbA1c and the IGF-1 SD score, "
        f"against those over all ages (population 1.2-1.5, completed). Largest difference: {'; '.join(worst)}. "
        "The colour of a difference saturates at 0.2. BMI and waist are skewed, and ranges and rejection change the "
        "realised correlations; in a population within ranges the two need not agree."
    )
    return Picture(picture, f"Correlation heat maps, target, realised and difference, of {words}", caption)


def _realised(built: Built, sex: int) -> Floats:
    return correlations(built, list(_NAMES.values()), sex)


def _map(panel: Any, values: Floats, largest: float, named: bool) -> None:
    k = len(COVARIATES)
    panel.imshow(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-largest, vmax=largest)
    for i in range(k):
        for j in range(k):
            if i != j and np.isfinite(values[i, j]):
                text = f"{values[i, j]:.2f}".replace("0.", ".").replace("-.00", ".00")
                dark = abs(values[i, j]) > 0.6 * largest
                panel.text(j, i, text, ha="center", va="center", fontsize=6.2, color="white" if dark else "#374151")
    panel.set_xticks(range(k), COVARIATES, rotation=90)
    panel.set_yticks(range(k), COVARIATES if named else [""] * k)
    panel.tick_params(length=0, labelsize=8)
    panel.spines[:].set_visible(False)


def chance(of: Flags, axes: int) -> float:
    """Return the largest KS distance of ``axes`` that chance reaches with a probability of at most `CHANCE`.

    The two-sample Kolmogorov-Smirnov limit with Bonferroni correction; for correlated axes it is too high.
    """
    members = int(of.sum())
    return sqrt(-0.5 * log(CHANCE / axes / 2)) * sqrt(1 / members + 1 / (len(of) - members))


def atlas(built: Built, of: Flags, what: str) -> Picture:
    """Return bars of the share ``what`` (n,) along the clearest axes, and a map of two covariates."""
    places = [place for place in built.atlas(of) if len(place.share) >= LEAST_PARTS]
    limit = chance(of, max(len(places), 1))
    with drawing.style():
        figure, axes = drawing.board(2, 4, 2.75)
        for panel, place in zip(axes[:, :3].flat, places[:BEST], strict=False):
            _bars(panel, built, place, of)
        for panel in list(axes[:, :3].flat)[len(places[:BEST]) :]:
            panel.set_axis_off()
        axes[0, 0].set_ylabel(f"% {what}")
        axes[1, 0].set_ylabel(f"% {what}")
        grid = axes[0, 3].get_gridspec()
        for panel in axes[:, 3]:
            panel.remove()
        pair = _pair(places)
        _scatter(figure.add_subplot(grid[:, 3]), built, of, pair, what)
        picture = drawing.png(figure)
    clear = sum(place.distance > limit for place in places)
    certain = (
        f"{clear} of them have a KS distance above {limit:.2f}, which chance alone reaches with a probability of at "
        "most 5 %." if limit < 1 else "They are too few to distinguish any axis from chance."
    )  # fmt: skip
    caption = (
        f"{int(of.sum())} of {len(of)} people {what}. Bars: the {min(BEST, len(places))} of {len(places)} covariates "
        "and parameters that separate them best from the others, in ten parts of equally many people; the line is the "
        f"share of all. {certain}"
    )
    alt = f"Share {what} along {', '.join(p.name for p in places[:BEST])}, and a map by {' and '.join(pair)}"
    return Picture(picture, alt, caption)


def _bars(panel: Any, built: Built, place: Place, of: Flags) -> None:
    positions = np.arange(len(place.share))
    panel.bar(positions + 0.5, 100 * place.share, 0.9, color=drawing.REJECTED)
    panel.axhline(100 * of.mean(), color=drawing.PUBLISHED, lw=1)
    ticks = np.linspace(0, len(place.share), min(6, len(place.edges)), dtype=int)
    panel.set_xticks(ticks, [f"{place.edges[k]:.3g}" for k in ticks])
    panel.set(xlabel=_label(built, place.name), title=f"KS {place.distance:.2f}")
    panel.margins(x=0.02)


def _label(built: Built, name: str) -> str:
    """Return the name of an axis with its unit."""
    plain = name.removeprefix("parameter ")
    words = factor_label(plain) if plain != name else (OF_COHORT | MORE_COVARIATES)[name][1].split(",")[0]
    return drawing.wrapped(with_unit(words, built.axes[name][0]), drawing.NAME)


def _pair(places: list[Place]) -> tuple[str, str]:
    """Return the two clearest covariates; age and BMI in place of missing ones."""
    candidates = [p.name for p in places if not p.name.startswith("parameter ") and p.name != "sex"]
    first = candidates[0] if candidates else "age"
    # the second must not measure the same as the first
    alike = {"weight", "bmi", "waist", "own_vat"}
    second = next((n for n in candidates[1:] if not {n, first} <= alike), "bmi" if first != "bmi" else "age")
    return first, second


def _scatter(panel: Any, built: Built, of: Flags, pair: tuple[str, str], what: str) -> None:
    x, y = (built.axes[name][1] for name in pair)
    others = np.flatnonzero(~of)[:: max(1, int((~of).sum()) // MOST_POINTS)]
    panel.plot(x[others], y[others], ".", ms=2.5, color=drawing.FAINT, label="others", rasterized=True)
    few = of.sum() <= FEW
    panel.plot(x[of], y[of], "o", ms=4.5 if few else 2.2, mfc=drawing.REJECTED, mec="white", mew=0.4 if few else 0.0,
               label=what)  # fmt: skip
    panel.set(xlabel=_label(built, pair[0]), ylabel=_label(built, pair[1]))
    panel.legend(loc="upper left", bbox_to_anchor=(0, 1.1), ncols=2, handletextpad=0.2, columnspacing=0.8)
