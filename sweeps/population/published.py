"""Published margins of untreated adults without diabetes, with which the model's outputs are compared and weighted.

Every row has its source and mark as in population.md.  Rows with ``used`` determine the prevalence weights; the others
are held out and only compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.parameters import shown_unit
from pulsatile.engine.people.margins import MAN, PRINTED, SHARE_OF_WOMEN, WOMAN, table
from pulsatile.engine.people.shapes import Margin, normal_probability

Columns = Mapping[str, npt.NDArray[np.float64]]

NORMAL, DIABETES = 7.8, 11.1
"""2-h glucose (mmol/L) from which tolerance is impaired, and from which it is diabetic; ADA."""


@dataclass(frozen=True)
class PublishedGroup:
    """The people that a row describes."""

    words: str
    sex: int | None = None
    age: tuple[float, float] = (0.0, 200.0)
    bmi: tuple[float, float] = (0.0, 200.0)

    def mask(self, columns: Columns) -> Flags:
        """Return flags (n,) of the patients in the group."""
        inside = np.ones(len(columns["age"]), bool) if self.sex is None else columns["sex"] == self.sex
        for name, (low, high) in (("age", self.age), ("bmi", self.bmi)):
            inside &= (columns[name] >= low) & (columns[name] < high)
        return np.asarray(inside)


@dataclass(frozen=True)
class Target:
    """One published number.

    ``kind`` is "quantile" at probability ``at``, "mean", or "share" of patients with values from ``at`` to < ``to``.
    """

    output: str
    unit: str
    group: PublishedGroup
    kind: Literal["quantile", "mean", "share"]
    value: float
    at: float
    source: str
    used: bool
    to: float = np.inf

    @property
    def quantity(self) -> str:
        """The output with its unit, for a reader."""
        return ", ".join(filter(None, (self.output, shown_unit(self.unit))))

    @property
    def words(self) -> str:
        """Description of the number, for a reader."""
        if self.kind == "quantile":
            return f"{self.at:.1%} quantile".replace(".0%", "%")
        if self.kind == "mean":
            return "mean"
        return f"share {self.at:g} ... {self.to:g}" if np.isfinite(self.to) else f"share from {self.at:g}"

    def feature(self, columns: Columns) -> Floats:
        """Return (n,) numbers whose weighted mean is 0 when the population has this value."""
        x, inside = columns[self.output], self.group.mask(columns)
        if self.kind == "quantile":
            return inside * ((x <= self.value) - self.at)
        if self.kind == "mean":
            return inside * (x - self.value) / self.value
        return inside * (((x >= self.at) & (x < self.to)) - self.value)

    def got(self, columns: Columns, weights: Floats) -> float:
        """Return the weighted value of the patients; NaN where the group is empty."""
        inside = self.group.mask(columns)
        x, w = columns[self.output][inside], weights[inside]
        if not w.sum() > 0:
            return float("nan")
        if self.kind == "quantile":
            return weighted_quantile(x, w, self.at)
        values = x if self.kind == "mean" else (x >= self.at) & (x < self.to)
        return float(np.sum(w * values) / w.sum())

    def error(self, columns: Columns, weights: Floats) -> float:
        """Return the error of the patients: in probability for a quantile, relative for a mean, else absolute."""
        inside = self.group.mask(columns)
        x, w = columns[self.output][inside], weights[inside]
        if not w.sum() > 0:
            return float("nan")
        if self.kind == "quantile":
            return float(np.sum(w * (x <= self.value)) / w.sum()) - self.at
        got = self.got(columns, weights)
        return got / self.value - 1 if self.kind == "mean" else got - self.value


def weighted_quantile(x: Floats, weights: Floats, at: float) -> float:
    """Return the value below which the share ``at`` of the weight lies, interpolated linearly between patients.

    >>> weighted_quantile(np.array([1.0, 2.0, 3.0]), np.ones(3), 0.5)
    2.0
    """
    order = np.argsort(x, kind="stable")
    below = np.cumsum(weights[order])
    middle = (below - 0.5 * weights[order]) / below[-1]
    return float(np.interp(at, middle, x[order]))


MEN, WOMEN = PublishedGroup("men", MAN), PublishedGroup("women", WOMAN)
EVERYBODY = PublishedGroup("all")
_HOMA = {MAN: (1.25, 2.00, 3.43), WOMAN: (1.21, 1.87, 2.88)}
_QUARTILES = (0.25, 0.5, 0.75)
_WIDE = (0.025, 0.5, 0.975)
_IGF1 = (
    (PublishedGroup("25-39 y", age=(25, 40)), (95.6, 206.0, 366.7)),
    (PublishedGroup("40-59 y", age=(40, 60)), (60.8, 147.0, 297.7)),
    (PublishedGroup("60 y and more", age=(60, 200)), (None, 103.0, None)),
)


@lru_cache(1)
def targets() -> tuple[Target, ...]:
    """Return all published numbers, in the order of the table."""
    nhanes = "population 1.1 COMPUTED: NHANES 1999-2018"
    rows = [Target("sex", "1", EVERYBODY, "share", SHARE_OF_WOMEN, WOMAN, nhanes, True)]
    for group, sex in ((MEN, MAN), (WOMEN, WOMAN)):
        margins = table(sex)
        rows += [
            Target(row.name, row.unit, group, "quantile", q, p, nhanes, True)
            for row in PRINTED
            if row.name in ("age", "bmi", "waist")  # so that weights keep the margins of the people
            for q, p in zip(row.quantiles[sex], _WIDE, strict=True)
        ]
        for name, unit, source in (
            ("fasting_glucose", "mmol/L", "population 1.3: NHANES mean READ, SD COMPUTED, below 7.0 mmol/L"),
            ("fasting_ffa", "mmol/L", "population 1.5 READ, DERIVED for the share of obesity"),
        ):
            margin = margins[name.removeprefix("fasting_")]
            rows += [Target(name, unit, group, "quantile", _quantile(margin, p), p, source, True) for p in _WIDE]
        quartiles = [_quantile(margins["insulin"], p) for p in _QUARTILES]
        source = "population 1.3 READ: NHANES without diabetes, weighted median and IQR"
        rows += [
            Target("fasting_insulin", "pmol/L", group, "quantile", q, p, source, True)
            for q, p in zip(quartiles, _QUARTILES, strict=True)
        ]
        rows += [
            Target("fasting_homa_ir", "1", group, "quantile", q, p, source, False)
            for q, p in zip(_HOMA[sex], _QUARTILES, strict=True)
        ]
    source = "axis C15 READ (one assay, 547 Italians)"
    rows += [
        Target("fasting_igf1", "ug/L", group, "quantile", q, p, source, p == 0.5)
        for group, values in _IGF1
        for q, p in zip(values, _WIDE, strict=True)
        if q is not None
    ]
    mean: Literal["mean"] = "mean"
    rows += [
        Target("gh_mean", "ug/L", PublishedGroup("men 20-35 y, BMI < 27", MAN, (20, 35), (0, 27)), mean, 2.16, 0,
               "axis C2 READ: 3110 +/- 1760 ug/L.min in men of 27 y", False),
        Target("gh_mean", "ug/L", PublishedGroup("women 20-40 y, BMI < 27", WOMAN, (20, 40), (0, 27)), mean, 1.63, 0,
               "axis C2 READ: 2350 +/- 1260 ug/L.min in women of 31 y, early follicular", False),
        Target("gh_mean", "ug/L", PublishedGroup("men 45-55 y", MAN, (45, 55)), mean, 0.861, 0,
               "axis C14 READ, SE 0.098", False),
        Target("gh_mean", "ug/L", PublishedGroup("men 60 y and more", MAN, (60, 200)), mean, 0.77, 0,
               "axis section 3 READ, insensitive assay", False),
    ]  # fmt: skip
    source = "NHANES 2005-2006 without known diabetes, Cowie2009 (RECALLED, to be verified)"
    rows += [
        Target("ogtt_glucose_120", "mmol/L", EVERYBODY, "share", share, low, source, True, high)
        for share, low, high in ((0.83, 0.0, NORMAL), (0.145, NORMAL, DIABETES), (0.025, DIABETES, np.inf))
    ]
    return tuple(rows)


def _quantile(margin: Margin, p: float) -> float:
    return float(margin.value(normal_quantile(p))[0])


def distribution(output: str, sex: int) -> Callable[[Floats], Floats] | None:
    """Return the published distribution function of an output; None where only single numbers are published."""
    name = output.removeprefix("fasting_")
    if output not in ("fasting_glucose", "fasting_insulin", "fasting_ffa"):
        return None
    margin = table(sex)[name]

    def share(x: Floats) -> Floats:
        scores = np.array([margin.score(float(value)) for value in x])
        return normal_probability(np.clip(scores, -40, 40))

    return share


def ks_to(share: Callable[[Floats], Floats], x: Floats, weights: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of weighted values (n,) to a distribution function."""
    order = np.argsort(x, kind="stable")
    upper = np.cumsum(weights[order]) / weights.sum()
    wanted = share(x[order])
    lower = np.concatenate([[0.0], upper[:-1]])
    return float(np.max(np.maximum(np.abs(upper - wanted), np.abs(lower - wanted))))
