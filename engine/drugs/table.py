"""THE DRUG TABLE: every pharmacokinetic number of therapies section 2, with unit, variability and source.

A drug that lacks a number is listed but cannot be dosed; `Drug.missing` names what is missing.

``largest`` is the largest daily dose for a person of 70 kg (of an input, the highest level): 10 to 100 times the largest
dose of presets and trials, and below a thousand times the smallest, so that mg written for ug is refused.

The effect-site factor g makes peak u equal to peak C/EC50 in plasma for a subcutaneous dose (the system is linear, so
one g serves every dose).  Where axis section 2, "Drug interface", gives the u that a dose reaches, that target sets g
instead: tesamorelin (the table's own PK would give 5.8, not 4.6) and CJC-1295 DAC (0.9 on day 7, not 0.10-0.15).
After an intravenous dose u follows plasma with g = 1.
"""

# ruff: noqa: E501 - the table: one row per line

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats

NANOMOLAR = 1000.0
"""nmol/L in a umol/L, for C_nM = 1000 C / MW with C in ug/L and MW in g/mol."""
REFERENCE_WEIGHT = 70.0  # kg; therapies section 2
KE_INTRAVENOUS = 50.0
"""Effect-site rate after an intravenous dose, 1/h; it follows plasma within 3 min [assumed: numerical]."""


class Figure(NamedTuple):
    """One pharmacokinetic number of one drug."""

    drug: str
    name: str
    value: float
    unit: str
    cv: float
    source: str


KINDS = {
    "sermorelin": "ghrh",
    "cjc1295_no_dac": "ghrh",
    "tesamorelin": "ghrh",
    "cjc1295_dac": "ghrh",
    "ipamorelin": "ghs",
    "hexarelin": "ghs",
    "ghrp6": "ghs",
    "mk677": "ghs",
    "macimorelin": "ghs",
    "capromorelin": "ghs",
    "somatropin": "gh",
    "lonapegsomatropin": "long_gh",
    "somapacitan": "long_gh",
    "somatrogon": "long_gh",
    "acipimox": "input",
    "lipid": "input",
    "glucose": "input",
    "insulin": "input",
}
"""GHRH analogue, ghrelin agonist, rhGH (disposition of the axis), long-acting GH (not modelled), or a held input."""

ROUTES = {
    "ghrh": ("SC", "IV", "infusion"),
    "ghs": ("SC", "IV", "infusion"),
    "gh": ("SC", "IV", "infusion", "pump"),
    "long_gh": ("SC",),
    "input": ("infusion",),
}
ORAL = ("mk677", "macimorelin", "capromorelin")

INPUTS = {  # drug: (input of the model, unit of Dose.amount, which is held for Dose.duration)
    "acipimox": ("acipimox", "-"),
    "lipid": ("lipid_infusion", "mmol/L/min"),
    "glucose": ("glucose_infusion", "mmol/kg/min"),
    "insulin": ("insulin_infusion", "pmol/kg/min"),
}

EXTRAPOLATED = ("cjc1295_no_dac", "ipamorelin")
"""Drugs without any chronic human trial, whose outputs are labelled as extrapolations (therapies section 1)."""

_T = "therapies, section 2"
# fmt: off
FIGURES: tuple[Figure, ...] = (
#           drug              name           value    unit     cv     source
    Figure("sermorelin",     "molar_mass",  3358.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("sermorelin",     "f",              0.06, "1",      0.0,   f"published: label, {_T}"),
    Figure("sermorelin",     "ka",             4.0,  "1/h",    0.50,  f"fitted: to the label, {_T}; CV assumed"),
    Figure("sermorelin",     "cl",           156.0,  "L/h",    0.30,  f"published: label, {_T}; CV assumed"),
    Figure("sermorelin",     "v",             24.75, "L",      0.30,  f"fitted: to the label, {_T}; CV assumed"),
    Figure("sermorelin",     "ec50",           0.15, "nmol/L", 0.60,  f"computed: from the iv ED50 of 28 ug in men, {_T}"),
    Figure("sermorelin",     "women",          0.5,  "1",      0.0,   f"published: ED50 of women over men, {_T}"),
    Figure("sermorelin",     "ke",             5.0,  "1/h",    0.0,   f"assumed: u after GHRH 1 ug/kg iv decays with 5 1/h, {_T}"),
    Figure("sermorelin",     "largest",      50e3,   "ug",     0.0,   "assumed: 25 x the largest of trials, 2 mg"),

    Figure("cjc1295_no_dac", "molar_mass",  3368.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("cjc1295_no_dac", "f",              0.06, "1",      0.0,   f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "ka",             4.0,  "1/h",    0.50,  f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "cl",            34.0,  "L/h",    0.50,  f"assumed: half-life 30 min, a claim of secondary pages, {_T}"),
    Figure("cjc1295_no_dac", "v",             24.75, "L",      0.30,  f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "ec50",           0.15, "nmol/L", 0.60,  f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "women",          0.5,  "1",      0.0,   "assumed: as sermorelin"),
    Figure("cjc1295_no_dac", "ke",             1.2,  "1/h",    0.0,   f"assumed: {_T}"),
    Figure("cjc1295_no_dac", "largest",      30e3,   "ug",     0.0,   "assumed: 100 x the largest of practice, 0.3 mg"),

    Figure("tesamorelin",    "molar_mass",  5136.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("tesamorelin",    "f",              1.0,  "1",      0.0,   f"definition: CL and V are apparent, {_T}"),
    Figure("tesamorelin",    "ka",             8.0,  "1/h",    0.50,  f"fitted: Tmax 0.15 h, {_T}; CV assumed"),
    Figure("tesamorelin",    "cl",          1060.0,  "L/h",    0.336, f"published: population PK, {_T}"),
    Figure("tesamorelin",    "v",            200.0,  "L",      0.177, f"published: population PK, {_T}"),
    Figure("tesamorelin",    "weight_on_cl",   0.0,  "1",      0.0,   f"published: no size effect found, {_T}"),
    Figure("tesamorelin",    "weight_on_v",    0.0,  "1",      0.0,   f"published: no size effect found, {_T}"),
    Figure("tesamorelin",    "ec50",           0.15, "nmol/L", 0.60,  f"computed: as sermorelin; absorbs the scale of its exposure, {_T}"),
    Figure("tesamorelin",    "women",          0.5,  "1",      0.0,   f"published: ED50 of women over men, {_T}"),
    Figure("tesamorelin",    "ke",             0.45, "1/h",    0.0,   "fitted: IGF-1, for which the plasma half-life is too short, axis, Drug interface"),
    Figure("tesamorelin",    "target_dose", 2000.0,  "ug",     0.0,   "definition: dose of the target, axis, Drug interface"),
    Figure("tesamorelin",    "target_u",       4.6,  "1",      0.0,   "fitted: peak u, axis, Drug interface"),
    Figure("tesamorelin",    "largest",     200e3,   "ug",     0.0,   "assumed: 100 x the largest of trials, 2 mg"),

    Figure("cjc1295_dac",    "molar_mass",  3647.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("cjc1295_dac",    "f",              0.5,  "1",      0.0,   f"assumed: {_T}"),
    Figure("cjc1295_dac",    "ka",             0.04, "1/h",    0.50,  f"assumed: {_T}"),
    Figure("cjc1295_dac",    "cl",             0.0145, "L/h",  0.30,  f"published: half-life 7.0 d with V assumed, {_T}"),
    Figure("cjc1295_dac",    "v",              3.5,  "L",      0.30,  f"assumed: {_T}"),
    Figure("cjc1295_dac",    "ec50",         100.0,  "nmol/L", 1.00,  f"computed: apparent only, {_T}"),
    Figure("cjc1295_dac",    "ke",             5.0,  "1/h",    0.0,   f"assumed: irrelevant beside its half-life, {_T}"),
    Figure("cjc1295_dac",    "target_dose", 5250.0,  "ug",     0.0,   "definition: dose of the target, 60-90 ug/kg at 70 kg, axis, Drug interface"),
    Figure("cjc1295_dac",    "target_time",  168.0,  "h",      0.0,   "definition: time of the target, day 7, axis, Drug interface"),
    Figure("cjc1295_dac",    "target_u",       0.125, "1",     0.0,   "fitted: u 0.10-0.15 on day 7 (Ionescu2006), axis, Drug interface"),
    Figure("cjc1295_dac",    "largest",     100e3,   "ug",     0.0,   "assumed: 11 x the largest of trials, 0.125 mg/kg"),

    Figure("ipamorelin",     "molar_mass",   711.9,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("ipamorelin",     "f",              0.8,  "1",      0.0,   f"assumed: {_T}"),
    Figure("ipamorelin",     "ka",             3.0,  "1/h",    0.50,  f"assumed: {_T}"),
    Figure("ipamorelin",     "cl",             5.46, "L/h",    0.25,  "Gobburu1999 (0.078 L/h/kg), therapies, section 1"),
    Figure("ipamorelin",     "v",             15.4,  "L",      0.25,  "Gobburu1999 (0.22 L/kg), therapies, section 1"),
    Figure("ipamorelin",     "ec50",         214.0,  "nmol/L", 0.60,  "Gobburu1999, therapies, section 1; CV assumed"),
    Figure("ipamorelin",     "largest",      70e3,   "ug",     0.0,   "assumed: 10 x the largest of trials, 0.1 mg/kg into a vein"),

    Figure("hexarelin",      "molar_mass",   887.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("hexarelin",      "f",              0.7,  "1",      0.0,   f"assumed: {_T}"),
    Figure("hexarelin",      "ka",             3.0,  "1/h",    0.40,  f"assumed: {_T}"),
    Figure("hexarelin",      "cl",            20.0,  "L/h",    0.40,  f"assumed: {_T}"),
    Figure("hexarelin",      "v",             20.0,  "L",      0.40,  f"assumed: {_T}"),
    Figure("hexarelin",      "ec50",           3.946, "nmol/L", 0.60, "computed: s +1.0 at 1 ug/kg iv, axis, Drug interface; CV assumed"),
    Figure("hexarelin",      "k_tolerance",    0.083, "1/h" ,  0.0,   f"computed: Rahim1998, 0.59 per week at 1.5 ug/kg bid, {_T}"),
    Figure("hexarelin",      "largest",      14e3,   "ug",     0.0,   "assumed: 100 x the largest of trials, 0.002 mg/kg"),

    Figure("ghrp6",          "molar_mass",   873.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("ghrp6",          "f",              0.7,  "1",      0.0,   f"assumed: {_T}"),
    Figure("ghrp6",          "ka",             3.0,  "1/h",    0.40,  f"assumed: {_T}"),
    Figure("ghrp6",          "cl",            40.0,  "L/h",    0.40,  "computed: s decays with 2 1/h, axis, Drug interface (therapies, section 2 has 20)"),
    Figure("ghrp6",          "v",             20.0,  "L",      0.40,  f"assumed: {_T}"),
    Figure("ghrp6",          "ec50",           5.568, "nmol/L", 0.60, "computed: s +0.72 at 1 ug/kg iv, axis, Drug interface; CV assumed"),
    Figure("ghrp6",          "largest",      14e3,   "ug",     0.0,   "assumed: 100 x the largest of trials, 0.002 mg/kg"),

    Figure("mk677",          "molar_mass",   528.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("mk677",          "f",              0.6,  "1",      0.0,   f"assumed: {_T}"),
    Figure("mk677",          "ka",             1.0,  "1/h",    0.40,  f"assumed: {_T}"),
    Figure("mk677",          "cl",            35.0,  "L/h",    0.40,  f"assumed: {_T}"),
    Figure("mk677",          "v",            300.0,  "L",      0.40,  f"assumed: {_T}"),
    Figure("macimorelin",    "molar_mass",   475.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("macimorelin",    "f",              1.0,  "1",      0.0,   f"definition: CL and V are apparent, {_T}"),
    Figure("macimorelin",    "ka",             4.0,  "1/h",    0.40,  f"published: {_T}; CV assumed"),
    Figure("capromorelin",   "molar_mass",   505.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("capromorelin",   "f",              1.0,  "1",      0.0,   f"definition: CL and V are apparent, {_T}"),
    Figure("capromorelin",   "ka",             2.0,  "1/h",    0.40,  f"assumed: {_T}"),

    Figure("somatropin",     "units_per_mg",   3.0,  "IU/mg",  0.0,   f"definition: GH 1 mg = 3 IU, {_T}"),
    Figure("somatropin",     "largest",     100e3,   "ug",     0.0,   "assumed: 25 x the toxic end of trials, 4 mg"),

    Figure("acipimox",       "largest",        1.0,  "1",      0.0,   "definition: share of lipolysis blocked"),
    Figure("lipid",          "largest",        3.0,  "mmol/L/min", 0.0, "assumed: 10 x what holds FFA at 1.5 mmol/L with k_ffa"),
    Figure("glucose",        "largest",        5.0,  "mmol/kg/min", 0.0, "assumed: 3 x a test bolus of 0.3 g/kg in one minute"),
    Figure("insulin",        "largest",     6000.0,  "pmol/kg/min", 0.0, "assumed: 10 x a tolerance test of 0.1 U/kg in one minute"),
)
# fmt: on

WORDS = {
    "molar_mass": "molar mass",
    "f": "bioavailability",
    "ka": "absorption rate",
    "cl": "clearance",
    "v": "volume",
    "ec50": "EC50",
    "ke": "effect-site rate",
}
_NEEDED = {
    "ghrh": ("molar_mass", "f", "ka", "cl", "v", "ec50", "ke"),
    "ghs": ("molar_mass", "f", "ka", "cl", "v", "ec50"),
}
_DEFAULTS = {"weight_on_cl": 0.75, "weight_on_v": 1.0, "women": 1.0, "k_tolerance": 0.0}  # therapies section 2


@dataclass(frozen=True)
class Drug:
    """A drug and its figures by name."""

    name: str
    kind: str
    figures: dict[str, Figure]

    @property
    def routes(self) -> tuple[str, ...]:
        """Return the routes of administration."""
        return ("oral",) if self.name in ORAL else ROUTES[self.kind]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the numbers that dosing needs and the drug lacks, in words; empty when none is missing."""
        if self.kind == "long_gh":
            return ("potency relative to GH", "own disposition")
        return tuple(WORDS[name] for name in _NEEDED.get(self.kind, ()) if name not in self.figures)

    def value(self, name: str) -> float:
        """Return a figure's value, or the default of therapies section 2 where the drug has none."""
        return self.figures[name].value if name in self.figures else _DEFAULTS[name]

    def cv(self, name: str) -> float:
        """Return a figure's between-subject CV."""
        return self.figures[name].cv

    @property
    def k_el(self) -> float:
        """Elimination rate of the typical patient, 1/h."""
        return self.value("cl") / self.value("v")

    @cached_property
    def effect_factor(self) -> float:
        """Effect-site factor g (-) of a subcutaneous dose of a GHRH analogue; see the module docstring."""
        rates = (self.value("ka"), self.k_el)
        ke = self.value("ke")
        # the effect site sees ke times the amount in plasma, a chain's next stage k_el times it
        share = ke / self.k_el
        if "target_u" not in self.figures:
            return peak(rates) / (share * peak((*rates, ke)))
        if "target_time" in self.figures:
            amount = float(last_stage((*rates, ke), np.array([self.value("target_time")]))[0])
        else:
            amount = peak((*rates, ke))
        plasma = NANOMOLAR / (self.value("v") * self.value("molar_mass") * self.value("ec50"))
        return self.value("target_u") / (share * amount * plasma * self.value("f") * self.value("target_dose"))


def last_stage(rates: tuple[float, ...], time: Floats) -> Floats:
    """Return the amount in the last stage of a first-order chain, ``time`` (h) after 1 unit enters the first.

    ``rates`` (1/h) are the loss rates of the stages; equal rates are separated by a millionth.
    """
    k = np.array(rates) * (1 + 1e-6 * np.arange(len(rates)))
    terms = [np.exp(-k[i] * time) / np.prod(np.delete(k, i) - k[i]) for i in range(len(k))]
    return np.asarray(np.prod(k[:-1]) * sum(terms))


def peak(rates: tuple[float, ...]) -> float:
    """Return the peak amount in the last stage of a chain per unit that enters the first."""
    time = np.geomspace(1e-3 / max(rates), 30 / min(rates), 20_000)
    return float(last_stage(rates, time).max())


DRUGS: dict[str, Drug] = {
    name: Drug(name, kind, {row.name: row for row in FIGURES if row.drug == name}) for name, kind in KINDS.items()
}
