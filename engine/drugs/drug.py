"""What a drug is: its kind, routes of administration and pharmacokinetic figures.

The effect-site factor g makes peak u equal to peak C/EC50 in plasma for a subcutaneous dose (the system is linear, so
one g serves every dose).  Where axis section 2, "Drug interface", gives the u that a dose reaches, that target sets g
instead: tesamorelin (the table's own PK would give 5.8, not 4.6) and CJC-1295 DAC (0.9 on day 7, not 0.10-0.15).
After an intravenous dose u follows plasma with g = 1.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats

NANOMOLAR = 1000.0
"""nmol/L in a umol/L, for C_nM = 1000 C / MW with C in ug/L and MW in g/mol."""
REFERENCE_WEIGHT = 70.0  # kg; therapies section 2
KE_INTRAVENOUS = 50.0
"""Effect-site rate after an intravenous dose, 1/h; it follows plasma within 3 min [assumed: numerical]."""
SECRETAGOGUES = ("ghrh", "ghs")
"""Kinds with a plasma concentration and an effect of their own: GHRH analogues and ghrelin agonists."""
GROWTH_HORMONES = ("gh", "long_gh")
"""Kinds that feed plasma GH: rhGH, and GH that a carrier under the skin releases slowly."""
DRAWN = ("cl", "v", "ka", "ec50")
"""Figures that differ between patients; the position is the random counter: append only."""
UNDER_THE_SKIN = ("SC", "pump")
INTRAVENOUS = ("IV", "infusion")
ROUTES = {
    "ghrh": ("SC", "IV", "infusion"),
    "ghs": ("SC", "IV", "infusion"),
    "gh": ("SC", "IV", "infusion", "pump"),
    "long_gh": ("SC",),
    "gh_analogue": ("SC",),
    "input": ("infusion",),
}
"""Usual routes of each kind: GHRH analogue, ghrelin agonist, rhGH (disposition of the axis), GH released slowly under
the skin, GH analogue with a disposition of its own (not modelled), input held for a time."""


class Figure(NamedTuple):
    """One pharmacokinetic number of one drug."""

    drug: str
    name: str
    value: float
    unit: str
    cv: float
    source: str


WORDS = {
    "molar_mass": "molar mass",
    "f": "bioavailability",
    "ka": "absorption rate",
    "cl": "clearance",
    "v": "volume",
    "ec50": "EC50",
    "ke": "effect-site rate",
    "largest": "largest dose",
}
_IN_PLASMA = ("molar_mass", "cl", "v", "ec50")
_ABSORBED = ("f", "ka")
_DEFAULTS = {"weight_on_cl": 0.75, "weight_on_v": 1.0, "women": 1.0, "k_tolerance": 0.0}  # therapies section 2


def needed(kind: str, routes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the figures without which a drug of ``kind`` cannot be given by ``routes``."""
    absorbed = _ABSORBED if set(routes) - set(INTRAVENOUS) else ()
    if kind == "long_gh":
        return absorbed
    if kind not in SECRETAGOGUES:
        return ()
    return (*_IN_PLASMA, *absorbed, *(("ke",) if kind == "ghrh" and absorbed else ()))


@dataclass(frozen=True)
class Drug:
    """A drug and its figures: one of the table, or the user's ``own``."""

    name: str
    kind: str
    rows: tuple[Figure, ...]
    routes: tuple[str, ...]
    own: bool = False

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures by name."""
        return {row.name: row for row in self.rows}

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the numbers that dosing needs and the drug lacks, in words; empty when none is missing."""
        if self.kind == "gh_analogue":
            return ("clearance", "potency relative to GH")
        return tuple(WORDS[name] for name in needed(self.kind, self.routes) if name not in self.figures)

    @property
    def in_plasma(self) -> bool:
        """Whether the drug has a concentration of its own (that of GH is `gh`)."""
        return self.kind in SECRETAGOGUES

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


CLOSE = 1e-3
"""Relative difference of two rates below which the sum of exponentials loses digits."""


def last_stage(rates: tuple[float, ...], time: Floats) -> Floats:
    """Return the amount in the last stage of a first-order chain, ``time`` (h) after 1 unit enters the first.

    ``rates`` (1/h) are the loss rates of the stages; where two are equal or close, by a matrix exponential.
    """
    k = np.array(rates)
    if any(abs(a - b) < CLOSE * max(a, b) for a, b in combinations(rates, 2)):
        from scipy.linalg import expm

        chain = np.diag(-k) + np.diag(k[:-1], -1)
        return np.asarray(expm(chain * time[:, None, None])[:, -1, 0])
    k = k * (1 + 1e-6 * np.arange(len(rates)))
    terms = [np.exp(-k[i] * time) / np.prod(np.delete(k, i) - k[i]) for i in range(len(k))]
    return np.asarray(np.prod(k[:-1]) * sum(terms))


def peak(rates: tuple[float, ...]) -> float:
    """Return the peak amount in the last stage of a chain per unit that enters the first."""
    time = np.geomspace(1e-3 / max(rates), 30 / min(rates), 20_000)
    return float(last_stage(rates, time).max())
