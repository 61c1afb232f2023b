"""The residual layer: what an assay makes of a true value, keyed by seed, patient, output and occasion.

Analytical CVs (between-run imprecision of current methods) [assumed, typical figures of the methods; to be verified
before any published claim].  Noise is log-normal of mean 1, so no measured value is negative, and does not depend on
the arm: arms share it, as they share pulses and meals.  What is computed from measured values (HOMA-IR, the SD score
of IGF-1, changes from the true baseline) has their noise.
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
    """Return ``values`` (..., n, k) of output ``name`` as an assay gives them.

    Parameters
    ----------
    name
        Key of `ASSAY_CV`; other outputs are returned as they are.
    patient, occasion
        Ids (n,) and whole numbers (k,), such as the minute since the start, that tell the samples apart.
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
}  # fmt: skip
"""Outputs that are computed from measured ones."""


RATIOS = ("homa_ir", "adipo_ir")
"""Of these those that are products: their noise is relative, as that of an assay."""


def relative_noise(name: str) -> float:
    """Return the CV that assays give an output; 0 where none is known, or where the noise is not relative.

    >>> round(relative_noise("homa_ir"), 4)
    0.0633
    """
    of = COMPUTED[name] if name in RATIOS else (name,)
    return float(np.sqrt(np.prod([1 + ASSAY_CV.get(part, 0.0) ** 2 for part in of]) - 1))


def assayed(name: str, values: Floats, cohort: "Cohort", hours: Floats) -> Floats:
    """Return ``values`` (arm, n, k) of output ``name``, sampled at ``hours`` (k,), as assays give them.

    Keyed by the ids that key pulses and meals, so that the points of a design share it as they share those.
    """

    def factor(of: str) -> Floats:
        minutes = np.round(60 * hours).astype(np.int64)
        return measured(of, np.ones((len(cohort), len(hours))), cohort.seed, cohort.day_keys, minutes)

    noise = np.ones((len(cohort), len(hours)))
    for of in COMPUTED.get(name, (name,)):
        noise = noise * factor(of)
    match name:
        case "igf1_sds":
            found = values + np.log(noise) / igf1_log_sd(cohort.covariates["age"])[:, None]
        case "vat_change" | "sat_change":
            found = (100 + values) * noise - 100
        case "lean_change":
            baseline = cohort.parameters["lean0"][:, None]
            found = (baseline + values) * noise - baseline
        case _:
            found = values * noise
    return np.asarray(found)
