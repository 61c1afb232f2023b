"""The residual layer: what an assay makes of a true value, keyed by seed, patient, output and occasion.

Analytical CVs (between-run imprecision of current methods) [assumed, typical figures of the methods; to be verified
before any published claim].  Noise is log-normal of mean 1, so no measured value is negative, and does not depend on
the arm: arms share it, as they share pulses and meals.
"""

import numpy as np
import numpy.typing as npt

from engine import random

Floats = npt.NDArray[np.float64]

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
    z = random.normals(seed, np.asarray(patient)[:, None], random.layer("assay " + name), np.asarray(occasion)[None, :])
    noisy: Floats = values * np.exp(sigma * z - sigma * sigma / 2)
    return noisy
