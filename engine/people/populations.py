"""Named populations: the participants of trials and surveys, as specifications of people to draw.

Inclusion criteria and group means that are not in population.md are RECALLED from the trials' reports or assumed, and
marked so: to be verified before any published claim.  Shifts are in SDs of the population's margin.
"""

from dataclasses import dataclass, field, replace
from math import inf

from pulsatile.engine.errors import InputError
from pulsatile.engine.people.covariates import GHD_SDS, GHD_SECRETION
from pulsatile.engine.people.draw import ADULTS
from pulsatile.engine.people.shapes import log_normal
from pulsatile.engine.people.spec import PeopleSpec


@dataclass(frozen=True)
class NamedPopulation:
    """People to draw, with properties that covariates do not determine (`engine.people.individual`).

    ``secretion``: GH secretion as a share of normal; ``beta_deficit``: beta-cell deficit beyond that implied by fasting
    glucose; ``survey``: whether the published margins of adults without diabetes apply, so that weights exist.
    """

    name: str
    description: str
    source: str
    people: PeopleSpec = ADULTS
    secretion: float = 1.0
    beta_deficit: float = 0.0
    survey: bool = field(default=False, kw_only=True)


def _trial(women: float, **ranges: tuple[float, float]) -> PeopleSpec:
    return PeopleSpec(women=women, ranges=ranges)


_ABDOMINAL = {"men": (95.0, inf), "women": (94.0, inf)}  # cm, waist; RECALLED: inclusion of the tesamorelin trials

POPULATIONS: dict[str, NamedPopulation] = {
    p.name: p
    for p in (
        NamedPopulation(
            "adults", "adults of 20-79 y without diabetes, as in NHANES 1999-2018",
            "population, section 1.1-1.5 (COMPUTED)", survey=True,
        ),
        NamedPopulation(
            "trial", "adults of 30-64 y with BMI 27-39.9 kg/m2",
            "population, section 1.1: trial-like stratum (COMPUTED)",
            PeopleSpec(ranges={"age": (30.0, 64.0), "bmi": (27.0, 39.9)}),
        ),
        NamedPopulation(
            "abdominally_obese_men", "abdominally obese men of 48-66 y (Johannsson 1997)",
            "Johannsson1997: men, 48-66 y (READ); waist above 102 cm [assumed: the NCEP limit]",
            _trial(0.0, age=(48.0, 66.0), bmi=(25.0, 40.0), waist=(102.0, inf)),
        ),
        NamedPopulation(
            "hiv_lipodystrophy", "HIV lipodystrophy with excess abdominal fat on ART (tesamorelin trials)",
            "Falutz2010: waist limits, glucose below 8.33 mmol/L, 15 % women (RECALLED); VAT, triglyceride and HDL "
            "shifts [assumed, so that VAT is near 180 cm2 and triglyceride near 2.5 mmol/L]",
            PeopleSpec(
                women=0.15,
                ranges={"age": (28.0, 65.0), "bmi": (20.5, 40.0), "waist": _ABDOMINAL, "glucose": (3.5, 8.33)},
                shifts={"vat": 0.3, "triglyceride": 0.8, "hdl": -0.7},
            ),
        ),
        NamedPopulation(
            "ghd_adults", "adults with severe GH deficiency",
            "metabolism, section 7.7: IGF-1 SDS -3, secretion 0.08 of normal; VAT + 0.8 SD [assumed: central "
            "adiposity]",
            PeopleSpec(ranges={"age": (20.0, 65.0)}, shifts={"igf1_sds": GHD_SDS, "vat": 0.8}),
            GHD_SECRETION,
        ),
        NamedPopulation(
            "healthy_elderly", "healthy adults of 64-79 y with BMI below 32 kg/m2",
            "Chapman1996 and Rahim1998: age (READ); BMI limit [assumed]",
            PeopleSpec(ranges={"age": (64.0, 79.0), "bmi": (19.0, 32.0)}),
        ),
        NamedPopulation(
            "igt", "impaired glucose tolerance, obese or overweight",
            "metabolism, section 7.7: fasting glucose 5.8 mmol/L, insulin 105 pmol/L, VAT 190 cm2; SDs [assumed]",
            PeopleSpec(
                ranges={"age": (30.0, 70.0), "bmi": (27.0, 40.0), "glucose": (5.2, 6.99)},
                margins={"glucose": log_normal(5.8, 0.06)},
                shifts={"insulin": 0.6, "vat": 0.3},
            ),
            beta_deficit=1 / 0.55 - 1,  # metabolism 7.7, IGT row
        ),
        NamedPopulation(
            "t2d", "type 2 diabetes, not treated with insulin, obese or overweight",
            "metabolism, section 7.7: fasting glucose 8.5 mmol/L, insulin 95 pmol/L, VAT 210 cm2; HbA1c and SDs "
            "[assumed]",
            PeopleSpec(
                ranges={"age": (35.0, 70.0), "bmi": (27.0, 40.0), "glucose": (7.0, 13.0), "hba1c": (5.7, 11.0)},
                margins={"glucose": log_normal(8.5, 0.18), "hba1c": log_normal(7.2, 0.12)},
                shifts={"insulin": 0.5, "vat": 0.5},
            ),
        ),
    )
}  # fmt: skip


def population(name: str) -> NamedPopulation:
    """Return the population called ``name``; `InputError` with all names for an unknown one.

    >>> population("trial").people.ranges["bmi"]
    (27.0, 39.9)
    """
    if name not in POPULATIONS:
        raise InputError(f"population = {name!r} is not known: choose one of {', '.join(POPULATIONS)}.")
    return POPULATIONS[name]


def restricted(base: NamedPopulation, people: PeopleSpec, women: float | None = None) -> NamedPopulation:
    """Return ``base`` with its ranges, margins and shifts overridden by those of ``people``, and a share of ``women``.

    The share defaults to that of ``base``; ``people.women`` is ignored, as its default cannot be told from a choice.
    """
    spec = base.people
    merged = PeopleSpec(
        spec.women if women is None else women,
        {**spec.ranges, **people.ranges}, {**spec.margins, **people.margins}, {**spec.shifts, **people.shifts},
    )  # fmt: skip
    return replace(base, people=merged)
