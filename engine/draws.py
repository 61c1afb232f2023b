"""Keyed random numbers: Philox4x32-10, a pure function of (seed, patient, layer, counter), in any order of calls.

A *layer* names what is drawn (``"pulses"``, ``"parameter v_gh"``); its number is a hash of the name, so a new layer
changes the draws of no other.  Bits: key = seed (64), counter block = counter (32), layer (32), patient (64).

Sources: Salmon2011 (generator), Wichura1988 (normal quantiles, algorithm AS 241, relative error 1e-16).
"""

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats

Words = npt.NDArray[np.uint64]

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_2 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_SLICE = 1 << 14
"""Draws per pass, few enough that the working arrays stay in the cache."""


def layer(name: str) -> int:
    """Return the 32-bit number of the layer called ``name``."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "little")


PULSES = layer("gh pulses")
MEALS = layer("meals")
PHENOTYPE = layer("covariate phenotype")
SEX = layer("covariate sex")
AGE = layer("covariate age")
HEIGHT = layer("covariate height")


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Return the four 32-bit words (as uint64) of each counter block; ten rounds of Salmon2011."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0 = _MULTIPLIER_0 * c0
        p2 = _MULTIPLIER_2 * c2
        c0 = (p2 >> _HALF) ^ c1 ^ np.uint64(k0)
        c1 = p2 & _MASK
        c2 = (p0 >> _HALF) ^ c3 ^ np.uint64(k1)
        c3 = p0 & _MASK
        k0 = (k0 + _WEYL_0) & 0xFFFFFFFF
        k1 = (k1 + _WEYL_1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def _open_unit(high: Words, low: Words) -> Floats:
    """Return 53-bit numbers strictly between 0 and 1: the midpoints of 2**52 cells.

    Cells have one bit less than a double holds, so that the midpoint of the last does not round up to 1.
    """
    bits = (high << np.uint64(20)) | (low >> np.uint64(12))
    # exact: bits < 2**52, and adding one half needs the 53rd bit
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def uniform_pairs(seed: int, patient: npt.ArrayLike, layer: int, counter: npt.ArrayLike = 0) -> tuple[Floats, Floats]:
    """Draw two independent uniforms in the open interval (0, 1) per key.

    Parameters
    ----------
    seed
        0 ... 2**64 - 1.
    patient, counter
        Patient ids (0 ... 2**63 - 1) and event counters (0 ... 2**32 - 1), broadcast against each other.
    layer
        A number of `layer`.

    Returns
    -------
    Two arrays of the broadcast shape (at least one dimension).
    """
    ids, counters = np.broadcast_arrays(
        np.atleast_1d(np.asarray(patient, np.int64)), np.atleast_1d(np.asarray(counter, np.int64))
    )
    first = np.empty(ids.shape)
    second = np.empty(ids.shape)
    flat_first, flat_second = first.reshape(-1), second.reshape(-1)
    flat_ids = ids.reshape(-1).astype(np.uint64)
    flat_counters = counters.reshape(-1).astype(np.uint64)
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    for start in range(0, flat_first.size, _SLICE):
        part = slice(start, start + _SLICE)
        patients = flat_ids[part]
        words = philox((flat_counters[part], np.uint64(layer), patients & _MASK, patients >> _HALF), key)
        flat_first[part] = _open_unit(words[0], words[1])
        flat_second[part] = _open_unit(words[2], words[3])
    return first, second


def uniforms(seed: int, patient: npt.ArrayLike, layer: int, counter: npt.ArrayLike = 0) -> Floats:
    """Draw one uniform in (0, 1) per key; arguments of `uniform_pairs`."""
    return uniform_pairs(seed, patient, layer, counter)[0]


def normals(seed: int, patient: npt.ArrayLike, layer: int, counter: npt.ArrayLike = 0) -> Floats:
    """Draw one standard normal per key; arguments of `uniform_pairs`."""
    return normal_quantile(uniforms(seed, patient, layer, counter))


# Wichura1988, PPND16: coefficients of 1, r, r**2 ... of the numerators and denominators.
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_MIDDLE = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def _ratio(x: Floats, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Floats:
    over, under = (np.full(x.shape, row[-1]) for row in coefficients)
    for a, b in zip(coefficients[0][-2::-1], coefficients[1][-2::-1], strict=True):
        over = over * x + a
        under = under * x + b
    ratio: Floats = over / under
    return ratio


def normal_quantile(probability: npt.ArrayLike) -> Floats:
    """Return the standard normal quantile of probabilities strictly between 0 and 1 (at least one dimension)."""
    p = np.atleast_1d(np.asarray(probability, np.float64))
    q = p - 0.5
    z = q * _ratio(0.180625 - q * q, _CENTRE)
    outer = np.abs(q) > 0.425
    tail_p = np.minimum(p[outer], 1 - p[outer])
    r = np.sqrt(-np.log(tail_p))
    z[outer] = np.copysign(np.where(r <= 5.0, _ratio(r - 1.6, _MIDDLE), _ratio(r - 5.0, _TAIL)), q[outer])
    return np.asarray(z)
