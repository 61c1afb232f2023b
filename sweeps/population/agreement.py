"""Agreement of an untreated population with the published margins: target, value, error, before and after weighting."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.people.margins import SEXES
from pulsatile.sweeps.population.published import Target, distribution, ks_to, targets
from pulsatile.sweeps.sensitivity.factors import with_unit
from pulsatile.sweeps.summary.weights import effective_number


@dataclass(frozen=True)
class Line:
    """One published number: the value and its error in the population, under equal and under prevalence weights.

    Errors are in probability (quantiles), relative (means) or absolute (shares), as in `Target.error`.
    """

    target: Target
    before: float
    after: float
    error_before: float
    error_after: float
    patients: int


@dataclass(frozen=True)
class Distance:
    """Kolmogorov-Smirnov distance of an output to its whole published margin."""

    output: str
    sex: str
    before: float
    after: float


def agreement(columns: dict[str, Floats], weights: Floats) -> list[Line]:
    """Compare plausible patients, ``columns`` (n,) by name and ``weights`` (n,), with every published number."""
    equal = np.ones(len(weights))
    return [
        Line(
            target, target.got(columns, equal), target.got(columns, weights), target.error(columns, equal),
            target.error(columns, weights), int(target.group.mask(columns).sum()),
        )
        for target in targets()
        if target.output in columns
    ]  # fmt: skip


def distances(columns: dict[str, Floats], weights: Floats) -> list[Distance]:
    """Return the distances of the outputs with a published distribution function."""
    rows = []
    for output in ("fasting_glucose", "fasting_insulin", "fasting_ffa"):
        for sex, words in enumerate(SEXES):
            share, of_sex = distribution(output, sex), columns["sex"] == sex
            if share is not None and output in columns and of_sex.any():
                x, w = columns[output][of_sex], weights[of_sex]
                rows.append(Distance(output, words, ks_to(share, x, np.ones(len(x))), ks_to(share, x, w)))
    return rows


def markdown(lines: Sequence[Line], far: Sequence[Distance], weights: Floats) -> str:
    """Return the comparison as a table, with the effective number of patients."""
    n, effective = len(weights), effective_number(weights)
    rows = [
        f"{n} plausible patients, effective number {effective:.0f} ({effective / n:.2f} n).",
        "",
        "| output | group | n | what | published | equal weights | prevalence weights | error before | after | role |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        t = line.target
        rows.append(
            f"| {with_unit(t.output, t.unit)} | {t.group.words} | {line.patients} | {t.words} | {t.value:.3g} | "
            f"{_number(line.before)} | {_number(line.after)} | {_share(line.error_before)} | "
            f"{_share(line.error_after)} | {'weighted to' if t.used else 'held out'} |"
        )
    rows += ["", "| output | sex | KS before | KS after |", "|---|---|---|---|"]
    rows += [f"| {d.output} | {d.sex} | {d.before:.3f} | {d.after:.3f} |" for d in far]
    return "\n".join(rows) + "\n"


def _number(x: float) -> str:
    return "-" if isnan(x) else f"{x:.3g}"


def _share(x: float) -> str:
    return "-" if isnan(x) else f"{100 * x:+.1f} %"


NOT_COMPARED = (
    "The published margins are of adults of 20-79 y without diabetes, all of them; these are other people, so there is "
    "nothing to compare with, and nobody is weighted.\n"
)
