"""The preset regimens of therapies section 3, one row each; an incomplete row names the missing numbers."""

# ruff: noqa: E501 - the table: one row per line

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pulsatile.engine.checks import choices
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError


@dataclass(frozen=True)
class Preset:
    """A named regimen: dose rules, usual length (weeks; the first of several) and standing."""

    name: str
    doses: tuple[Dose, ...]
    weeks: float
    standing: str
    description: str = ""
    available: bool = True
    missing: str = ""
    licence: tuple[str, ...] = ()
    """Populations of the model in which the regimen is licensed; in others a licensed regimen counts as a trial."""


MORNING, AFTERNOON, BEDTIME, EVENING = 8.0, 15.0, 22.0, 21.0  # clock hours, therapies section 3
THREE_TIMES = (MORNING, AFTERNOON, BEDTIME)
WORKDAYS = (0, 1, 2, 3, 4)
MONDAY = (0,)


def _sc(drug: str, amount: float, unit: str, *times: float, days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6),
        every_weeks: int = 1, stop_week: float | None = None) -> Dose:  # fmt: skip
    return Dose(drug, amount, unit, "SC", times, days, every_weeks, 0.0, stop_week)


def _modgrf_ipam(*times: float) -> tuple[Dose, ...]:
    return (
        _sc("cjc1295_no_dac", 100, "ug", *times, days=WORKDAYS),
        _sc("ipamorelin", 200, "ug", *times, days=WORKDAYS),
    )


_TO_IGF1_SDS = Titration("igf1_sds", 0.0, 1.0, step=1.0, least=2.0, most=6.0, every=4.0)
"""Range of doses and target: therapies section 3; step and visits are assumed."""
_PUMP = Dose("somatropin", 0.7, "mg", "pump", (0.0,), duration=24.0)


def _unavailable(name: str, weeks: float, standing: str, description: str, missing: str) -> Preset:
    return Preset(name, (), weeks, standing, description, False, missing)


# fmt: off
_ROWS = (
    Preset("control", (), 26, "placebo", "no treatment"),
    Preset("tesamorelin_label", (_sc("tesamorelin", 2, "mg", MORNING),), 26, "licensed",
           "tesamorelin 2 mg-equivalent (1.4 mg SV, 1.28 mg WR) every morning, 26 or 52 weeks; licensed in HIV, else trial"),
    Preset("tesamorelin_1mg_hs", (_sc("tesamorelin", 1, "mg", BEDTIME),), 20, "trial", "tesamorelin 1 mg at bedtime"),
    Preset("sermorelin_low", (_sc("sermorelin", 300, "ug", BEDTIME),), 26, "practice", "sermorelin 300 ug at bedtime"),
    Preset("sermorelin_2mg_hs", (_sc("sermorelin", 2, "mg", BEDTIME),), 6, "trial", "sermorelin 2 mg at bedtime"),
    Preset("sermorelin_1mg_bid", (_sc("sermorelin", 1, "mg", MORNING, BEDTIME),), 12, "trial", "sermorelin 1 mg twice a day"),
    Preset("ghrh_10ugkg_hs", (_sc("sermorelin", 10, "ug/kg", BEDTIME),), 16, "trial", "GHRH (as sermorelin) 10 ug/kg at bedtime"),
    Preset("modgrf_100_tid", (_sc("cjc1295_no_dac", 100, "ug", *THREE_TIMES),), 12, "extrapolation",
           "CJC-1295 without DAC 100 ug three times a day"),
    Preset("ipamorelin_200_hs", (_sc("ipamorelin", 200, "ug", BEDTIME, days=WORKDAYS),), 12, "extrapolation",
           "ipamorelin 200 ug at bedtime, 5 days a week"),
    Preset("ipamorelin_300_tid", (_sc("ipamorelin", 300, "ug", *THREE_TIMES),), 12, "extrapolation",
           "ipamorelin 300 ug three times a day"),
    Preset("modgrf_ipam_hs", _modgrf_ipam(BEDTIME), 12, "extrapolation",
           "CJC-1295 without DAC 100 ug + ipamorelin 200 ug at bedtime, 5 days a week"),
    Preset("modgrf_ipam_bid", _modgrf_ipam(MORNING, BEDTIME), 12, "extrapolation",
           "CJC-1295 without DAC 100 ug + ipamorelin 200 ug twice a day, 5 days a week"),
    Preset("cjcdac_30_weekly", (_sc("cjc1295_dac", 30, "ug/kg", MORNING, days=MONDAY),), 12, "phase 1",
           "CJC-1295 DAC 30 ug/kg every Monday"),
    Preset("cjcdac_60_biweekly", (_sc("cjc1295_dac", 60, "ug/kg", MORNING, days=MONDAY, every_weeks=2),), 12, "phase 1",
           "CJC-1295 DAC 60 ug/kg every second Monday"),
    Preset("cjcdac_60_single", (_sc("cjc1295_dac", 60, "ug/kg", MORNING, days=MONDAY, stop_week=1),), 4, "phase 1",
           "CJC-1295 DAC 60 ug/kg once"),
    Preset("cjcdac_ipam", (_sc("cjc1295_dac", 30, "ug/kg", MORNING, days=MONDAY), _sc("ipamorelin", 200, "ug", BEDTIME)),
           12, "extrapolation", "CJC-1295 DAC 30 ug/kg every Monday + ipamorelin 200 ug at bedtime"),
    Preset("sermorelin_ghrp_tid", (_sc("sermorelin", 100, "ug", *THREE_TIMES), _sc("ghrp6", 100, "ug", *THREE_TIMES)),
           19, "practice", "sermorelin 100 ug + GHRP-6 100 ug (for the GHRP class; without the third peptide) three times a day"),
    Preset("mk677_25", (Dose("mk677", 25, "mg", "oral", (BEDTIME,)),), 52, "trial", "MK-677 25 mg by mouth at bedtime"),
    Preset("macimorelin_test", (Dose("macimorelin", 0.5, "mg/kg", "oral", (MORNING,), count=1),), 1, "diagnostic",
           "macimorelin 0.5 mg/kg by mouth once, 08:00 of the first day"),
    Preset("rhgh_low", (_sc("somatropin", 0.3, "mg", EVENING),), 26, "licensed",
           "somatropin 0.3 mg in the evening, 26 or 78 weeks; the start in adult GH deficiency",
           licence=("ghd", "ghd_adults")),
    Preset("rhgh_mid", (_sc("somatropin", 0.7, "mg", EVENING),), 40, "trial", "somatropin 0.7 mg in the evening"),
    Preset("rhgh_10ugkg", (_sc("somatropin", 9.5, "ug/kg", EVENING),), 39, "trial", "somatropin 9.5 ug/kg in the evening"),
    Preset("rhgh_elderly", (_sc("somatropin", 14, "ug/kg", EVENING),), 27, "trial", "somatropin 14 ug/kg in the evening"),
    Preset("rhgh_2iu", (_sc("somatropin", 0.67, "mg", EVENING),), 26, "practice", "somatropin 0.67 mg (2 IU) in the evening"),
    Preset("rhgh_4mg", (_sc("somatropin", 4, "mg", EVENING),), 12, "trial", "somatropin 4 mg in the evening: the toxic end"),
    Preset("rhgh_titrated", (Dose("somatropin", 2, "ug/kg", "SC", (EVENING,), titration=_TO_IGF1_SDS),), 78, "trial",
           "somatropin 2-6 ug/kg in the evening, titrated to IGF-1 SDS 0 to +1; steps of 1 ug/kg every 4 weeks are assumed"),
    Preset("rhgh_pump", (_PUMP,), 26, "contrast", "somatropin 0.7 mg a day (the dose of rhgh_mid) as a constant pump"),
    Preset("lonapeg_weekly", (_sc("lonapegsomatropin", 4.9, "mg", MORNING, days=MONDAY),), 38, "comparator",
           "lonapegsomatropin 4.9 mg GH every Monday; assumed: a week's amount of rhgh_mid, for the label dose is not known"),
    _unavailable("somapacitan_weekly", 38, "comparator", "somapacitan every Monday, as label",
                 "label dose, clearance and potency of somapacitan"),
)
# fmt: on

PRESETS: Mapping[str, Preset] = MappingProxyType({row.name: row for row in _ROWS})


NO_DRUG, LICENSED, TRIAL, EXTRAPOLATION, OWN = "no drug", "licensed", "trial", "extrapolation", "own drug"
STANDINGS = (NO_DRUG, LICENSED, TRIAL, EXTRAPOLATION, OWN)
"""What is known of an arm in people; `standing` returns one of them."""
EXTRAPOLATION_WORDS = "no trial gave people this drug, route, combination of drugs or daily amount for long"
OWN_DRUG_WORDS = "a drug of the study's own; its figures are those of the study file"
ONCE = "diagnostic"
"""Standing of presets that people received once, in a test: other doses of the drug remain extrapolations."""
_TESTED = ("licensed", "trial", "phase 1", "comparator", ONCE)
"""Standings of presets that people received in a trial."""


def standing(arm: Arm, populations: Iterable[str] = ()) -> str:
    """Return the standing of an arm in people of ``populations`` (phenotypes or named populations): one of `STANDINGS`.

    - "own drug": a drug of the user's own;
    - "extrapolation": a drug without any chronic human trial (`engine.drugs.table.EXTRAPOLATED`), or a drug, route,
      combination of drugs or daily amount beyond every preset that people received in a trial;
    - "licensed": the doses of a licensed preset, where every one of ``populations`` is in its licence.  Tesamorelin is
      licensed in HIV only, which no population of the model has;
    - "trial": all other arms with a drug; "no drug": an arm without one.

    Held inputs (acipimox, lipid, glucose, insulin, octreotide, rhIGF-1) are tools of experiments and do not count.  Amounts per kg are those
    of a person of 70 kg.
    """
    doses = [dose for dose in arm.doses if dose.substance.kind != "input"]
    if not doses:
        return NO_DRUG
    if any(dose.own is not None for dose in doses):
        return OWN
    if arm.extrapolation:
        return EXTRAPOLATION
    tested = [row for row in _ROWS if row.standing in _TESTED and row.doses]
    given = set(populations)
    if any(
        row.doses == arm.doses and row.standing == LICENSED and given and given <= set(row.licence) for row in tested
    ):
        return LICENSED
    if any(row.doses == arm.doses for row in tested):
        return TRIAL
    largest = _daily(doses)
    for row in tested:
        if row.standing == ONCE:
            continue
        known = _daily(row.doses)
        if largest.keys() <= known.keys() and all(amount <= known[key] for key, amount in largest.items()):
            return TRIAL
    return EXTRAPOLATION


def _daily(doses: Iterable[Dose]) -> dict[tuple[str, str], float]:
    """Return the amount (ug in the reference person) on a day with doses, by drug and route."""
    amounts: dict[tuple[str, str], float] = {}
    for dose in doses:
        amounts[dose.drug, dose.route] = amounts.get((dose.drug, dose.route), 0.0) + dose.most_a_day
    return amounts


def preset(name: str) -> Arm:
    """Return the preset ``name`` as an arm; `InputError` when it is unknown or a number it needs is missing."""
    row = PRESETS.get(name) if isinstance(name, str) else None
    if row is None:
        raise InputError(f"preset = {name!r} is not known: {choices(name, PRESETS)}.")
    if not row.available:
        raise InputError(f"preset = {name!r} is not available: missing is the {row.missing}.")
    return Arm(row.name, row.doses, row.description, row.standing)
