"""Endpoints per patient from a stored dataset, and paired contrasts between arms.

Statistics run over patients in their order in the store, so they do not depend on how a run was cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.errors import Status

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]
LEVEL = 0.95
HIGH_SDS = 2.0
"""IGF-1 SD score above which a patient counts as high (therapies section 1)."""
WEEK = 168.0


@dataclass(frozen=True)
class Endpoint:
    """One line of the summary.

    ``variables`` are looked for in this order; ``share_above`` turns values into the percentage of patients above it;
    ``every_week`` shows all weeks on screen, else only the last one.
    """

    name: str
    label: str
    unit: str
    variables: tuple[str, ...]
    decimals: int
    share_above: float | None = None
    every_week: bool = False


ENDPOINTS = (
    Endpoint("gh_mean", "GH, 24-h mean", "ug/L", ("profile_gh_mean", "gh_mean"), 2),
    Endpoint("gh_pulses", "GH pulses", "per day", ("profile_gh_peaks",), 1),
    Endpoint("igf1", "IGF-1, 24-h mean", "ug/L", ("profile_igf1", "fasting_igf1", "igf1"), 0),
    Endpoint("igf1_high", "IGF-1 SDS > 2", "%", ("fasting_igf1_sds", "igf1_sds"), 1, share_above=HIGH_SDS),
    Endpoint("glucose", "Fasting glucose", "mmol/L", ("fasting_glucose",), 2),
    Endpoint("insulin", "Fasting insulin", "pmol/L", ("fasting_insulin",), 1),
    Endpoint("homa_ir", "HOMA-IR", "-", ("fasting_homa_ir",), 2),
    Endpoint("clamp_m", "Clamp M", "mg/kg/min", ("clamp_m",), 2, every_week=True),
    Endpoint("vat", "Visceral fat", "cm2", ("vat",), 1),
    Endpoint("sat", "Subcut. fat", "kg", ("sat",), 2),
    Endpoint("lean", "Lean mass", "kg", ("lean",), 2),
)


@dataclass(frozen=True)
class Contrast:
    """One arm at one week: mean and SD of ``n`` patients, and the paired difference to control with its interval."""

    n: int
    mean: float
    sd: float
    pairs: int
    difference: float
    low: float
    high: float


def measured(dataset: "xr.Dataset", endpoint: Endpoint, weeks: tuple[float, ...]) -> Iterator[tuple[float, Floats]]:
    """Yield (week, values (arm, patient)) of an endpoint; NaN where a patient was not ok.

    ``weeks`` are those wanted of variables on a time grid; tests bring their own.
    """
    name = next((v for v in endpoint.variables if v in dataset), None)
    if name is None:
        return
    variable = dataset[name]
    along = str(variable.dims[2])
    ok = dataset["status"].values == int(Status.OK)
    at = np.asarray(dataset[along].values, float)
    if along == "time":
        found = [(w, i) for w in weeks for i in range(len(at)) if at[i] == WEEK * w]
    elif along == "window":
        width = at[1] - at[0] if len(at) > 1 else np.nan
        found = [(float(at[i] + width) / WEEK, i) for i in sorted({0, len(at) - 1})]
    else:
        found = list(zip(at.tolist(), range(len(at)), strict=True))
    for week, index in found:
        values = np.asarray(variable[:, :, index].values, float)
        values = np.where(ok, values, np.nan)
        if endpoint.share_above is not None:
            values = np.where(np.isnan(values), np.nan, 100.0 * (values > endpoint.share_above))
        yield week, values


def contrast(values: Floats, control: Floats) -> Contrast:
    """Compare one arm with control, both (patient,), over the patients that are ok in both.

    The interval is Student's t interval of the mean of the per-patient differences.
    """
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
