"""The residual layer: the assay error of a measured value, keyed by seed, patient, output and occasion.

Analytical CVs (between-run imprecision of current methods) [assumed, typical figures of the methods; to be verified
before any published claim].  Noise is log-normal of mean 1, so no measured value is negative, and does not depend on
the arm: arms share it, as they share pulses and meals.  Quantities computed from measured values (HOMA-IR, the SD score
of IGF-1, changes from the true baseline) inherit their noise.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats
from pulsatile.engine.igf1 import igf1_log_sd

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
    sigma = np.sqrt(np.log1p(cv * cv))
    z = draws.normals(seed, np.asarray(patient)[:, None], draws.layer("assay " + name), np.asarray(occasion)[None, :])
    noisy: Floats = values * np.exp(sigma * z - sigma * sigma / 2)
    return noisy


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


def assayed(name: str, values: Floats, cohort: "Cohort", hours: Floats) -> Floats:
    """Return ``values`` (arm, n, k) of output ``name``, sampled at ``hours`` (k,), with assay noise.

    The noise is keyed by the ids that key pulses and meals, so that the points of a design share all of them.
    """

    def factor(output: str) -> Floats:
        minutes = np.round(60 * hours).astype(np.int64)
        return measured(output, np.ones((len(cohort), len(hours))), cohort.seed, cohort.day_keys, minutes)

    noise = np.ones((len(cohort), len(hours)))
    for output in COMPUTED.get(name, (name,)):
        noise = noise * factor(output)
    match name:
        case "igf1_sds":
            noisy = values + np.log(noise) / igf1_log_sd(cohort.covariates["age"])[:, None]
        case "vat_change" | "sat_change" | "igf1_change" | "fat_change":
            noisy = (100 + values) * noise - 100
        case "fat_share":
            ratio = values / (100 - values) * factor("sat") / factor("lean")  # of fat to lean mass
            noisy = 100 * ratio / (1 + ratio)
        case "lean_change":
            baseline = cohort.parameters["lean0"][:, None]
            noisy = (baseline + values) * noise - baseline
        case _:
            noisy = values * noise
    return np.asarray(noisy)
