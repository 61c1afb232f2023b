"""Joint facts of the virtual adults against the survey: shares by sex and decade, metabolic syndrome, joint tails.

    python -m benchmarks.joint_facts [--patients 200000] [--seed 1]

The survey's 126 figures with standard errors are in ``adults_joint_facts.csv`` (population 1.8, COMPUTED).  People are
rounded as the survey reports them: age to whole years, HbA1c to 0.1 %, HDL to 1 mg/dL.  Glucose is serum glucose.

- metabolic syndrome without blood pressure: waist above 102 / 88 cm (men, women), triglyceride from 1.7 mmol/L, HDL
  below 40 / 50 mg/dL, glucose from 5.6 mmol/L;
- joint 5 % tail of two: of the people from the 95 % quantile of the first on, the share who are from the 95 % quantile
  of the second on; of low HDL, from its 5 % quantile down.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.people.draw import People, draw_adults
from pulsatile.engine.people.margins import SEXES

FILE = Path(__file__).with_name("adults_joint_facts.csv")
RELATIVE, ERRORS, ROOT_MEAN_SQUARE = 0.10, 4.0, 1.35
"""No fact is off by more than both; the root mean square z of all is below the last."""
HDL_FACTOR = 38.67  # mg/dL per mmol/L
WAIST, HDL = (102.0, 88.0), (40.0, 50.0)  # cm, mg/dL: men, women; NCEP ATP III
TRIGLYCERIDE, GLUCOSE, HBA1C = 1.7, 5.6, 5.7  # mmol/L, mmol/L, %
TAIL = 0.95
TAILS = (
    ("bmi", "glucose"), ("bmi", "tg"), ("tg", "low hdl"), ("waist", "glucose"), ("glucose", "hba1c"),
    ("age", "glucose"), ("age", "hba1c"), ("bmi", "low hdl"),
)  # fmt: skip


class Fact(NamedTuple):
    """A figure of the survey with its standard error, and that of the people drawn."""

    name: str
    survey: float
    error: float
    got: float

    @property
    def z(self) -> float:
        """The difference in standard errors of the survey."""
        return (self.got - self.survey) / self.error

    @property
    def met(self) -> bool:
        return abs(self.got - self.survey) <= RELATIVE * abs(self.survey) or abs(self.z) <= ERRORS


def compare(people: People) -> list[Fact]:
    """Return every fact; KeyError for one of the file that is not computed here."""
    got = dict(pair for sex in range(len(SEXES)) for pair in _facts(people, sex))
    with FILE.open(encoding="utf-8", newline="") as file:
        return [
            Fact(row["fact"], float(row["value"]), float(row["standard_error"]), got[row["fact"]])
            for row in csv.DictReader(file)
        ]


def root_mean_square(facts: list[Fact]) -> float:
    """Return the root mean square of z."""
    return float(np.sqrt(np.mean([fact.z**2 for fact in facts])))


def _facts(people: People, sex: int) -> Iterator[tuple[str, float]]:
    word, of_sex = SEXES[sex], people["sex"] == sex
    x: dict[str, Floats] = {name: values[of_sex] for name, values in people.items()}
    age, bmi, waist, tg, glucose = np.rint(x["age"]), x["bmi"], x["waist"], x["triglyceride"], x["serum_glucose"]
    hba1c, hdl = np.rint(10 * x["hba1c"]) / 10, np.rint(HDL_FACTOR * x["hdl"])
    components = (waist > WAIST[sex], tg >= TRIGLYCERIDE, hdl < HDL[sex], glucose >= GLUCOSE)
    number = np.sum(components, axis=0)

    def share(flags: np.ndarray, of: np.ndarray | slice = slice(None)) -> float:
        return float(np.mean(flags[of]))

    for limit in (30, 35, 40):
        yield f"{word}: BMI >= {limit}", share(bmi >= limit)
    yield f"{word}: BMI < 18.5", share(bmi < 18.5)
    for low in range(20, 80, 10):
        decade, group = (age >= low) & (age < low + 10), f"{word} {low}-{low + 9}"
        yield f"{group}: BMI >= 30", share(bmi >= 30, decade)
        yield f"{group}: SD of BMI", float(np.std(bmi[decade]))
        yield f"{group}: serum glucose >= 5.6", share(glucose >= GLUCOSE, decade)
        yield f"{group}: HbA1c >= 5.7", share(hba1c >= HBA1C, decade)
        yield f"{group}: TG >= 1.7", share(tg >= TRIGLYCERIDE, decade)
    for name, flags in zip(("waist", "TG", "HDL", "glucose"), components, strict=True):
        yield f"{word}: {name} component of metabolic syndrome", share(flags)
    yield f"{word}: 3 or 4 of the 4 (no blood pressure)", share(number >= 3)
    yield f"{word}: all 4", share(number == 4)
    yield f"{word}: none of the 4", share(number == 0)
    by_name = {"bmi": bmi, "glucose": glucose, "tg": tg, "waist": waist, "hba1c": hba1c, "age": age, "low hdl": -hdl}
    high = {name: values >= np.quantile(values, TAIL) for name, values in by_name.items()}
    for first, second in TAILS:
        yield f"{word}: joint 5 % tail of {first} and {second}, given one", share(high[second], high[first])
    stratum = (age >= 30) & (age <= 64) & (bmi >= 27) & (bmi <= 39.9)
    yield f"{word}: 30-64 y and BMI 27-39.9", share(stratum)
    yield (
        f"{word}: waist >= 95/94 in 45-65 y (HIV trial limit)",
        share(waist >= (95, 94)[sex], (age >= 45) & (age <= 65)),
    )
    for low in (20, 40, 60):
        some, group = (age >= low) & (age < low + 20), f"{word} {low}-{low + 19}"
        yield f"{group}: 3 or 4 of the 4", share(number >= 3, some)
        for a, b, one, other in (
            ("bmi", "tg", bmi, tg), ("bmi", "glucose", bmi, glucose), ("tg", "hdl", tg, x["hdl"])
        ):  # fmt: skip
            r = np.corrcoef(np.log(one[some]), np.log(other[some]))[0, 1]
            yield f"{group}: r(ln {a}, ln {b})", float(r)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    facts = compare(draw_adults(options.seed, np.arange(options.patients)))
    print(f"{'fact':<58} {'survey':>9} {'SE':>8} {'got':>9} {'z':>6}")
    for f in facts:
        print(f"{f.name:<58} {f.survey:>9.4g} {f.error:>8.2g} {f.got:>9.4g} {f.z:>+6.2f}{'' if f.met else '  MISSED'}")
    print(f"\n{sum(f.met for f in facts)} of {len(facts)} met, root mean square z {root_mean_square(facts):.2f}")


if __name__ == "__main__":
    main()
