"""The virtual population against what is printed of it: the acceptance test of population 1.7, and how long it takes.

    python -m benchmarks.population [--patients 100000] [--seed 1]

Quantiles must be within max(2 %, 4 SE), correlations within max(0.03, 4 SE), the share of women within 1 %, nobody
outside the bounds.  Per sex, n people of it:

- SE of the quantile of p = sqrt(p (1 - p) / n) / f, with the density f there from the sample itself,
  2 h / (Q(p + h) - Q(p - h)) for h = min(p, 1 - p) / 2.5;
- SE of a correlation r = (1 - r^2) / sqrt(n - 1);
- mean and SD, of age and glucose, are held to max(2 %, 4 SE) too: SD / sqrt(n) and SD sqrt((kurtosis - 1) / n) / 2.

Figures that the table by age (1.8) and that of all ages disagree about have wider limits (`OTHER_ROWS`).

The share of women is binomial: at 10,000 people 1 % is two SE, which one seed in twenty misses.

What is printed below that table is not asked for: figures that took no part in building the table of margins (HOMA-IR,
the stratum of a trial), means and SDs, distances to the margins, and means by age.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.people import margins
from pulsatile.engine.people.correlations import FFA, FFA_HOMA, HOMA, IGF1, NAMES, NHANES, VAT, matrix
from pulsatile.engine.people.draw import KEYS, People, draw_adults
from pulsatile.engine.people.margins import BOUNDS, PRINTED, SEXES, SHARE_OF_WOMEN, VAT_MEAN, VAT_SD, WAIST_OF_HEIGHT
from pulsatile.engine.people.shapes import Margin, through

RELATIVE, CORRELATION, SHARE, ERRORS = 0.02, 0.03, 0.01, 4.0
PLAIN = ("age", "height", "hba1c", "igf1_sds")
"""Correlations are of logarithms but for these; population 1.2."""
INSULIN_FACTOR = 6.0  # pmol/L per uU/ml, population 1.3
HOMA_QUARTILES = ((1.25, 2.00, 3.43), (1.21, 1.87, 2.88))
"""READ, population 1.3, NHANES without diabetes."""

# COMPUTED, population 1.1: mean and SD of BMI, waist and height (cm) by decade of age from 20
BY_AGE = (
    (((26.8, 6.1), (92.7, 15.9), (176.5, 7.3)), ((27.1, 7.2), (89.5, 16.8), (163.0, 6.6))),
    (((28.5, 5.8), (98.9, 14.8), (177.0, 7.7)), ((28.5, 7.5), (93.2, 16.6), (163.6, 7.1))),
    (((28.8, 5.2), (101.7, 13.6), (177.2, 7.2)), ((28.6, 7.2), (94.0, 15.7), (163.2, 6.8))),
    (((28.4, 5.2), (102.3, 13.5), (177.0, 7.2)), ((28.7, 6.8), (95.9, 15.2), (162.5, 6.6))),
    (((28.5, 5.3), (104.1, 13.9), (175.4, 7.2)), ((28.8, 6.3), (97.6, 14.3), (161.6, 6.6))),
    (((27.6, 4.7), (103.3, 13.0), (173.3, 7.1)), ((28.2, 6.3), (97.3, 13.6), (159.5, 6.3))),
)
# COMPUTED, population 1.1: share, mean and SD of BMI and of waist at age 30-64 and BMI 27-39.9
STRATUM_AGE, STRATUM_BMI = (30, 64), (27, 39.9)
STRATUM = ((0.36, 31.0, 3.1, 107.4, 9.2), (0.30, 31.9, 3.5, 102.2, 9.3))

OTHER_ROWS = {
    "men, triglyceride, 2.5 %": 0.02, "men, triglyceride, 97.5 %": 0.2,
    "men, r(age, hdl)": 0.03, "women, r(age, bmi)": 0.03, "women, r(age, waist)": 0.03,
    "women, r(age, triglyceride)": 0.03, "women, r(age, hba1c)": 0.035, "women, r(bmi, triglyceride)": 0.03,
    "women, r(waist, triglyceride)": 0.03, "women, r(glucose, triglyceride)": 0.03,
    "women, r(serum_glucose, triglyceride)": 0.03,
}  # fmt: skip
"""Figures of 1.1 and 1.2 (all rows) that the table by age, from which people are drawn (1.8: a half, of more rows), has
otherwise, and by how much more than their limit they may differ therefore."""


class Figure(NamedTuple):
    """A printed figure, what the people drawn have, and how far apart the two may be."""

    name: str
    target: float
    got: float
    limit: float

    @property
    def met(self) -> bool:
        return abs(self.got - self.target) <= self.limit


def figures(people: People) -> list[Figure]:
    """Return every figure of the acceptance test."""
    found = [Figure("share of women", SHARE_OF_WOMEN, float(np.mean(people["sex"])), SHARE)]
    outside = sum(
        int(np.sum(~((people[name] >= low) & (people[name] <= high)))) for name, (low, high, _) in BOUNDS.items()
    )
    ratio = people["waist"] / (100 * people["height"])
    outside += int(np.sum(~((ratio > WAIST_OF_HEIGHT[0]) & (ratio < WAIST_OF_HEIGHT[1]))))
    outside += sum(int(np.sum(~(people[name] <= limit))) for name, limit in margins.DIABETES.items())
    found.append(Figure("people outside the bounds", 0, outside, 0))
    for sex, word in enumerate(SEXES):
        rows = _of_sex(people, sex)
        of_sex = [f._replace(name=f"{word}, {f.name}") for f in (*_quantiles(rows, sex), *_correlations(rows, sex))]
        found += [f._replace(limit=f.limit + OTHER_ROWS.get(f.name, 0.0)) for f in of_sex]
    return found


def homa(people: People) -> Floats:
    """Return HOMA-IR, glucose in mmol/L times insulin in uU/ml over 22.5."""
    index: Floats = people["glucose"] * people["insulin"] / INSULIN_FACTOR / 22.5
    return index


def _of_sex(people: People, sex: int) -> People:
    rows = {name: values[people["sex"] == sex] for name, values in people.items()}
    return rows | {"homa": homa(rows)}


def _quantiles(rows: People, sex: int) -> Iterator[Figure]:
    for row in PRINTED:
        for p, target in zip((1 - row.level, 0.5, row.level), row.quantiles[sex], strict=True):
            yield _quantile(row.name, rows[row.name], p, target)
        if row.name == "age":
            assert row.mean is not None
            assert row.sd is not None
            yield _mean("age", rows["age"], row.mean[sex])
            yield _sd("age", rows["age"], row.sd[sex])
    yield _mean("glucose", rows["glucose"], margins.GLUCOSE_MEAN[sex])


def _mean(name: str, values: Floats, target: float) -> Figure:
    error = np.std(values) / np.sqrt(len(values))
    return Figure(f"{name}, mean", target, float(np.mean(values)), max(RELATIVE * target, ERRORS * error))


def _sd(name: str, values: Floats, target: float) -> Figure:
    sd = float(np.std(values))
    kurtosis = np.mean((values - np.mean(values)) ** 4) / sd**4
    return Figure(
        f"{name}, SD", target, sd, max(RELATIVE * target, ERRORS * sd * np.sqrt((kurtosis - 1) / len(values)) / 2)
    )


def _quantile(name: str, values: Floats, p: float, target: float) -> Figure:
    h = min(p, 1 - p) / 2.5
    low, got, high = (float(q) for q in np.quantile(values, (p - h, p, p + h)))
    error = np.sqrt(p * (1 - p) / len(values)) * (high - low) / (2 * h)
    return Figure(f"{name}, {100 * p:.4g} %", target, got, max(RELATIVE * abs(target), ERRORS * error))


def _correlations(rows: People, sex: int) -> Iterator[Figure]:
    scale = {name: x if name in PLAIN else np.log(x) for name, x in rows.items() if name in (*KEYS, "homa")}

    def figure(first: str, second: str, target: float) -> Figure:
        r = float(np.corrcoef(scale[first], scale[second])[0, 1])
        error = (1 - target**2) / np.sqrt(len(scale[first]) - 1)
        return Figure(f"r({first}, {second})", target, r, max(CORRELATION, ERRORS * error))

    for i, first in enumerate(NAMES):
        for j in range(i + 1, len(NAMES)):
            target = NHANES[i][j] if sex == margins.MAN else NHANES[j][i]
            yield figure(first, NAMES[j], target)
            if "glucose" in (first, NAMES[j]):  # the printed one is of serum
                one, other = (name.replace("glucose", "serum_glucose") for name in (first, NAMES[j]))
                yield figure(one, other, target)
    for second, known in (("vat", VAT), ("homa", HOMA), ("ffa", FFA | {"homa": FFA_HOMA}), ("igf1_sds", IGF1)):
        for first, target in known.items():
            yield figure(first, second, target)


def distances(people: People) -> list[tuple[str, float, float]]:
    """Return Kolmogorov-Smirnov distances to the margins (name, men, women); weight and waist to one through theirs."""
    p = (np.arange(2000) + 0.5) / 2000
    z = normal_quantile(p)
    found = []
    for name in KEYS:
        both = []
        for sex in range(2):
            margin: Margin = margins.table(sex).get(name) or through(
                next(row.quantiles[sex] for row in PRINTED if row.name == name)
            )
            values = np.sort(people[name][people["sex"] == sex])
            both.append(float(np.max(np.abs(np.searchsorted(values, margin.value(z)) / len(values) - p))))
        found.append((name, *both))
    return found


def beside(people: People) -> list[Figure]:
    """Return figures that no acceptance test asks for; limits are as there, and 0.01 for shares.

    HOMA-IR and the stratum took no part in building the table; means and SDs follow from its quantiles.
    """
    found = []
    for sex, word in enumerate(SEXES):
        rows = _of_sex(people, sex)
        for p, target in zip((0.25, 0.5, 0.75), HOMA_QUARTILES[sex], strict=True):
            found.append(_quantile(f"{word}, HOMA-IR", rows["homa"], p, target))
        age, bmi = rows["age"], rows["bmi"]
        trial = (age >= STRATUM_AGE[0]) & (age <= STRATUM_AGE[1]) & (bmi >= STRATUM_BMI[0]) & (bmi <= STRATUM_BMI[1])
        waist = rows["waist"][trial]
        got = (np.mean(trial), np.mean(bmi[trial]), np.std(bmi[trial]), np.mean(waist), np.std(waist))
        names = ("share in", "BMI in", "SD of BMI in", "waist in", "SD of waist in")
        for name, target, value in zip(names, STRATUM[sex], got, strict=True):
            limit = SHARE if name == "share in" else RELATIVE * target
            found.append(Figure(f"{word}, {name} age 30-64, BMI 27-39.9", target, float(value), limit))
        known = [(row.name, row.mean[sex], row.sd[sex]) for row in PRINTED if row.mean and row.sd]
        for name, mean, sd in (*known, ("vat", VAT_MEAN[sex], VAT_SD[sex])):
            found += [_mean(f"{word}, {name}", rows[name], mean), _sd(f"{word}, {name}", rows[name], sd)]
    return found


def _print_figures(found: list[Figure]) -> None:
    print(f"{'figure':<46} {'target':>9} {'got':>9} {'limit':>8}  verdict")
    for f in found:
        print(f"{f.name:<46} {f.target:>9.4g} {f.got:>9.4g} {f.limit:>8.3g}  {'met' if f.met else 'MISSED'}")


def _print_by_age(people: People) -> None:
    print("\nby age, mean (SD), printed / got: BMI, waist (cm), height (cm)")
    for decade, printed in enumerate(BY_AGE):
        for sex, word in enumerate(SEXES):
            low = 20 + 10 * decade
            rows = (people["sex"] == sex) & (people["age"] >= low) & (people["age"] < low + 10)
            got: tuple[Any, ...] = (people["bmi"][rows], people["waist"][rows], 100 * people["height"][rows])
            cells = (
                f"{mean:.1f} ({sd:.1f}) / {np.mean(x):.1f} ({np.std(x):.1f})"
                for (mean, sd), x in zip(printed[sex], got, strict=True)
            )
            print(f"{low}-{low + 9} {word:<6} " + "   ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ids = np.arange(options.patients)
    draw_adults(options.seed, ids[:1])  # tables are made at the first call
    begin, cpu = time.perf_counter(), time.process_time()
    people = draw_adults(options.seed, ids)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    found = figures(people)
    _print_figures(found)
    print(f"\n{sum(f.met for f in found)} of {len(found)} met")
    for sex, word in enumerate(SEXES):
        print(f"largest change of a correlation by projection, {word}: {matrix(sex).largest_change:g}")
    print(f"{options.patients} people: {seconds:.2f} s, {cpu:.2f} s of CPU")
    print(f"draws per person: {people['attempts'].mean():.4f}")
    print("\nnot asked for\n")
    _print_figures(beside(people))
    print("\nKolmogorov-Smirnov distance to the margin, men and women")
    for name, men, women in distances(people):
        print(f"{name:<14} {men:.4f} {women:.4f}")
    _print_by_age(people)


if __name__ == "__main__":
    main()
