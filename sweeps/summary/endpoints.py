"""Endpoints per patient from a stored dataset, and paired contrasts between arms.

Statistics run over patients in their order in the store, so they do not depend on how a run was cut.  Where patients
carry prevalence weights, means, SDs and intervals are weighted, and an interval hangs on Kish's effective number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import Status
from pulsatile.sweeps.summary.weights import effective_number

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.95
HIGH_SDS = 2.0
"""IGF-1 SD score above which a patient counts as high (therapies section 1)."""
WEEK = 168.0  # h
SAME_TIME = 1e-6  # h; weeks to hours and back may differ in the last bit


@dataclass(frozen=True)
class Endpoint:
    """One line of the summary.

    ``variables`` are looked for in this order, each with the label that says what it is; ``share_above`` turns values
    into the percentage of patients above it; ``every_week`` shows all weeks on screen, else only the last one.
    """

    name: str
    unit: str
    variables: Mapping[str, str]
    decimals: int
    share_above: float | None = None
    every_week: bool = False


ENDPOINTS = (
    Endpoint("gh_mean", "ug/L", {"profile_gh_mean": "GH, 24-h mean", "gh_mean": "GH, window mean"}, 2),
    Endpoint("gh_pulses", "per day", {"profile_gh_peaks": "GH pulses"}, 1),
    Endpoint(
        "igf1",
        "ug/L",
        {"profile_igf1": "IGF-1, 24-h mean", "fasting_igf1": "IGF-1, 07:00", "igf1": "IGF-1"},
        0,
    ),
    Endpoint("igf1_high", "%", dict.fromkeys(("fasting_igf1_sds", "igf1_sds"), "IGF-1 SDS > 2"), 1, HIGH_SDS),
    Endpoint("glucose", "mmol/L", {"fasting_glucose": "Fasting glucose"}, 2),
    Endpoint("insulin", "pmol/L", {"fasting_insulin": "Fasting insulin"}, 1),
    Endpoint("homa_ir", "-", {"fasting_homa_ir": "HOMA-IR"}, 2),
    Endpoint("clamp_m", "mg/kg/min", {"clamp_m": "Clamp M"}, 2, every_week=True),
    Endpoint("vat", "cm2", {"vat": "Visceral fat"}, 1),
    Endpoint("sat", "kg", {"sat": "Subcut. fat"}, 2),
    Endpoint("lean", "kg", {"lean": "Lean mass"}, 2),
)


@dataclass(frozen=True)
class Contrast:
    """One arm at one week: mean and SD of ``n`` patients, and the paired difference to control with its interval.

    ``effective`` is Kish's effective number of the pairs, NaN where patients have no weights.
    """

    n: int
    mean: float
    sd: float
    pairs: int
    difference: float
    low: float
    high: float
    effective: float = nan


def prevalence(dataset: "xr.Dataset") -> Floats | None:
    """Return the prevalence weights (patient,) of a dataset, None where its patients count alike."""
    return np.asarray(dataset["prevalence"].values, float) if "prevalence" in dataset.coords else None


def measured(
    dataset: "xr.Dataset", endpoint: Endpoint, name: str, weeks: tuple[float, ...]
) -> Iterator[tuple[float, Floats]]:
    """Yield (week, values (arm, patient)) of an endpoint from the variable ``name``; NaN where a patient was not ok.

    ``weeks`` are those wanted of variables on a time grid; tests bring their own.  A window counts at its end, a lone
    one at the study's.
    """
    variable = dataset[name]
    along = str(variable.dims[2])
    ok = dataset["status"].values == int(Status.OK)
    at = np.asarray(dataset[along].values, float)
    if along == "time":
        found = [(w, i) for w in weeks for i in range(len(at)) if abs(at[i] - WEEK * w) < SAME_TIME]
    elif along == "window":
        width = at[1] - at[0] if len(at) > 1 else float(dataset["time"].values[-1])
        found = [(float(at[i] + width) / WEEK, i) for i in sorted({0, len(at) - 1})]
    else:
        found = list(zip(at.tolist(), range(len(at)), strict=True))
    for week, index in found:
        values = np.asarray(variable[:, :, index].values, float)
        values = np.where(ok, values, np.nan)
        if endpoint.share_above is not None:
            values = np.where(np.isnan(values), np.nan, 100.0 * (values > endpoint.share_above))
        yield week, values


def contrast(values: Floats, control: Floats, weights: Floats | None = None) -> Contrast:
    """Compare one arm with control, both (patient,), over the patients that are ok in both.

    The interval is Student's t interval of the mean of the per-patient differences; with prevalence ``weights``
    (patient,) that of the weighted mean, with Kish's effective number in place of the number of pairs.
    """
    if weights is not None:
        return _weighted_contrast(values, control, weights)
    own = values[np.isfinite(values)]
    pairs = values - control
    from scipy.special import stdtrit  # Student's t; here, for its import takes a while

    pairs = pairs[np.isfinite(pairs)]
    n = len(pairs)
    difference = float(np.mean(pairs)) if n else np.nan
    half = float(stdtrit(n - 1, 0.5 + LEVEL / 2) * np.std(pairs, ddof=1) / sqrt(n)) if n > 1 else np.nan
    return Contrast(
        n=len(own),
        mean=float(np.mean(own)) if len(own) else np.nan,
        sd=float(np.std(own, ddof=1)) if len(own) > 1 else np.nan,
        pairs=n,
        difference=difference,
        low=difference - half,
        high=difference + half,
    )


def _weighted_contrast(values: Floats, control: Floats, weights: Floats) -> Contrast:
    from scipy.special import stdtrit

    counts = np.isfinite(weights) & (weights > 0)
    own = np.isfinite(values) & counts
    pairs = np.isfinite(values - control) & counts
    mean, sd, _ = moments(values[own], weights[own])
    difference, spread, effective = moments((values - control)[pairs], weights[pairs])
    half = float(stdtrit(effective - 1, 0.5 + LEVEL / 2)) * spread / sqrt(effective) if effective > 1 else nan
    return Contrast(
        int(own.sum()), mean, sd, int(pairs.sum()), difference, difference - half, difference + half, effective
    )


def moments(x: Floats, weights: Floats) -> tuple[float, float, float]:
    """Return weighted mean, SD and effective number of ``x`` (n,).

    The SD is that of weights which say how much each counts: sum w (x - m)^2 / (sum w - sum w^2 / sum w).  With equal
    weights it is the usual one with n - 1.

    >>> moments(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]))
    (2.0, 1.0, 3.0)
    """
    effective = effective_number(weights)
    if not effective > 0:
        return nan, nan, 0.0
    mean = float(np.sum(weights * x) / np.sum(weights))
    variance = float(np.sum(weights * (x - mean) ** 2) / np.sum(weights))
    alone = effective <= 1 + 1e-9
    return mean, nan if alone else sqrt(variance * effective / (effective - 1)), effective
