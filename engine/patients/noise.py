"""The noise of measured values: that of the assay, and where a study asks for it what a person varies between visits.

Both are keyed by seed, patient, output and occasion: a sample (its minute), and a visit (its day).

Analytical CVs (between-run imprecision of current methods) [assumed, typical figures of the methods; to be verified
before any published claim].  Noise is log-normal of mean 1, so no measured value is negative, and does not depend on
the arm: arms share it, as they share pulses and meals.  Quantities computed from measured values (HOMA-IR, the SD score
of IGF-1, changes from the true baseline) inherit their noise.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.checks import choices, is_number, paired
from pulsatile.engine.errors import InputError
from pulsatile.engine.igf1 import igf1_log_sd
from pulsatile.engine.outputs import Evaluated

if TYPE_CHECKING:
    from pulsatile.engine.patients.cohort import Cohort


ASSAY_CV: dict[str, float] = {
    "gh": 0.06,  # chemiluminescent immunoassay
    "igf1": 0.06,  # chemiluminescent immunoassay
    "glucose": 0.02,  # hexokinase
    "insulin": 0.06,  # electrochemiluminescence
    "ffa": 0.03,  # enzymatic
    "vat": 0.04,  # one CT slice, repositioned
    "sat": 0.02,  # DXA fat mass
    "lean": 0.01,  # DXA lean mass
}

WITHIN_PERSON: dict[str, float] = {
    "glucose": 0.055,  # fasting, 5-6 %; therapies, "Thresholds an analyst counts" [assumed there]
    "igf1": 0.125,  # 10-15 %; as above
}
"""CV of a value between visits of one person, assay included."""
LARGEST_CV = 1.0


@dataclass(frozen=True)
class Noise:
    """The noise of what is measured: the assay's per sample, and per visit what brings the CV to ``within_person``.

    ``within_person`` : (output, CV) pairs of `ASSAY_CV`; the CV between visits of one person, assay included.  The days
        of the model (pulses and meals) add to it.  Outputs that are not named have the noise of their assay alone.

    Raises
    ------
    InputError
        For an output without an assay, and a CV below the assay's own or above 1.
    """

    within_person: tuple[tuple[str, float], ...] = tuple(WITHIN_PERSON.items())

    def __post_init__(self) -> None:
        pairs = paired("within_person", self.within_person)
        object.__setattr__(self, "within_person", pairs)
        for name, cv in pairs:
            if name not in ASSAY_CV:
                raise InputError(f"noise: {name!r} is not measured; {choices(name, ASSAY_CV)}.", ("within_person",))
            if not is_number(cv) or not ASSAY_CV[name] <= cv <= LARGEST_CV:
                raise InputError(
                    f"noise: the CV of {name} = {cv!r} must be from {ASSAY_CV[name]:g}, that of its assay, to "
                    f"{LARGEST_CV:g}.",
                    ("within_person", name),
                )

    @property
    def visit_cv(self) -> dict[str, float]:
        """CV of the factor that a visit adds to the assay's, by output: (1 + cv^2) = (1 + assay^2) (1 + visit^2)."""
        return {
            name: float(np.sqrt(max(0.0, (1 + cv * cv) / (1 + ASSAY_CV[name] ** 2) - 1)))
            for name, cv in self.within_person
        }

    @property
    def sentence(self) -> str:
        """The noise in words."""
        words = ", ".join(f"{name} {100 * cv:g} %" for name, cv in self.within_person)
        more = f"; CV between visits of one person, assay included: {words}" if words else ""
        return f"measured values have the noise of their assays{more}"


ASSAYS = Noise(())
"""The noise of the assays alone, which is that of the layer "residual"."""


def measured(name: str, values: Floats, seed: int, patient: npt.NDArray[np.int64], occasion: npt.ArrayLike) -> Floats:
    """Return ``values`` (..., n, k) of output ``name`` with assay noise.

    Parameters
    ----------
    name
        Key of `ASSAY_CV`; other outputs are returned unchanged.
    patient, occasion
        Ids (n,) and whole numbers (k,), such as the minute since the start, that distinguish the samples.
    """
    cv = ASSAY_CV.get(name, 0.0)
    if not cv:
        return values
    noisy: Floats = values * _log_normal(cv, seed, patient, draws.layer("assay " + name), occasion)
    return noisy


def _log_normal(cv: float, seed: int, patient: Ids, layer: int, occasion: npt.ArrayLike) -> Floats:
    """Return log-normal factors (n, k) of mean 1."""
    sigma = np.sqrt(np.log1p(cv * cv))
    z = draws.normals(seed, np.asarray(patient)[:, None], layer, np.asarray(occasion)[None, :])
    return np.asarray(np.exp(sigma * z - sigma * sigma / 2), np.float64)


COMPUTED: dict[str, tuple[str, ...]] = {
    "homa_ir": ("glucose", "insulin"), "adipo_ir": ("ffa", "insulin"), "igf1_sds": ("igf1",),
    "vat_change": ("vat",), "sat_change": ("sat",), "lean_change": ("lean",),
    "glucose_mass": ("glucose",), "insulin_units": ("insulin",), "igf1_molar": ("igf1",), "igf1_ratio": ("igf1",),
    "igf1_change": ("igf1",), "fat": ("sat",), "fat_change": ("sat",), "fat_share": ("sat", "lean"),
}  # fmt: skip
"""Outputs that are computed from measured outputs; DXA measures total fat as it does subcutaneous fat."""


PRODUCTS = ("homa_ir", "adipo_ir", "glucose_mass", "insulin_units", "igf1_molar", "igf1_ratio", "fat")
"""Those of `COMPUTED` that are products: their noise is relative, as that of an assay."""


def relative_noise(name: str) -> float:
    """Return the CV of an output's assay noise; 0 where none is known, or where the noise is not relative.

    >>> round(relative_noise("homa_ir"), 4)
    0.0633
    """
    measured_outputs = COMPUTED[name] if name in PRODUCTS else (name,)
    return float(np.sqrt(np.prod([1 + ASSAY_CV.get(output, 0.0) ** 2 for output in measured_outputs]) - 1))


def assayed(name: str, values: Floats, cohort: "Cohort", hours: Floats, noise: Noise = ASSAYS) -> Floats:
    """Return ``values`` (..., n, k) of output ``name``, sampled at ``hours`` (k,), with noise.

    The noise is keyed by the ids that key pulses and meals, so that the points of a design share all of them.
    """
    minutes = np.round(60 * hours).astype(np.int64)
    visit_cv = noise.visit_cv
    factor = np.ones((len(cohort), len(hours)))
    for output in COMPUTED.get(name, (name,)):
        one = measured(output, np.ones(factor.shape), cohort.seed, cohort.day_keys, minutes)
        factor = factor / one if (name, output) == ("fat_share", "lean") else factor * one  # of fat to lean mass
        if cv := visit_cv.get(output, 0.0):
            days = minutes // MINUTES_A_DAY
            factor = factor * _log_normal(cv, cohort.seed, cohort.day_keys, draws.layer("visit " + output), days)
    return scaled(name, values, factor, cohort)


MINUTES_A_DAY = 1440


def scaled(name: str, values: Floats, factor: Floats, cohort: "Cohort") -> Floats:
    """Return ``values`` (..., n, k) of output ``name`` where what is measured for it is ``factor`` (n, k) times larger.

    A change from baseline is that from the true baseline.
    """
    match name:
        case "igf1_sds":
            changed = values + np.log(factor) / igf1_log_sd(cohort.covariates["age"])[:, None]
        case "vat_change" | "sat_change" | "igf1_change" | "fat_change":
            changed = (100 + values) * factor - 100
        case "fat_share":
            ratio = values / (100 - values) * factor  # of fat to lean mass
            changed = 100 * ratio / (1 + ratio)
        case "lean_change":
            baseline = cohort.parameters["lean0"][:, None]
            changed = (baseline + values) * factor - baseline
        case _:
            changed = values * factor
    return np.asarray(changed)


@dataclass(frozen=True)
class Measured(Evaluated):
    """Samples of ``cohort`` as the laboratory reports them: every output has its noise."""

    cohort: "Cohort" = field(kw_only=True)
    noise: Noise = field(kw_only=True)

    def output(self, name: str) -> Floats:
        """Return a copy of one output (n, m) with noise; of what no assay measures the true value."""
        return assayed(name, super().output(name), self.cohort, self.times, self.noise)


def as_measured(e: Evaluated, cohort: "Cohort", noise: Noise | None) -> Evaluated:
    """Return the evaluation with ``noise``; unchanged without."""
    return e if noise is None else Measured(e.times, e.y, e.p, e.age, e.plasma, cohort=cohort, noise=noise)
