"""Plausibility of untreated patients: the reasons of rejection, and where the rejected patients lie (the atlas)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import Status

Reasons = npt.NDArray[np.object_]

KEPT = ""
"""In place of a reason: the patient is kept."""


@dataclass(frozen=True)
class Bound:
    """Bounds on one untreated output."""

    low: float
    high: float
    unit: str
    meaning: str


BOUNDS: dict[str, Bound] = {
    # population, recipe item 4 [assumed there]
    "fasting_glucose": Bound(3.5, 15.0, "mmol/L", "fasting glucose"),
    "fasting_insulin": Bound(8.0, 500.0, "pmol/L", "fasting insulin"),
    "fasting_ffa": Bound(0.1, 1.6, "mmol/L", "fasting FFA"),
    "fasting_igf1": Bound(20.0, 600.0, "ug/L", "IGF-1"),
    "vat": Bound(5.0, 500.0, "cm2", "visceral fat"),
    "gh_mean": Bound(0.01, 8.0, "ug/L", "24-h mean GH"),
}


def reasons(status: npt.ArrayLike, outputs: Mapping[str, npt.ArrayLike]) -> Reasons:
    """Return the reason (n,) why each patient is rejected; `KEPT` for plausible patients.

    Parameters
    ----------
    status
        (n,) of `engine.errors.Status`, of the untreated run.
    outputs
        (n,) values of the outputs of `BOUNDS`; a missing output is not checked.
    """
    codes = np.asarray(status)
    why = np.full(len(codes), KEPT, object)
    for name, bound in BOUNDS.items():
        if name in outputs:
            values = np.asarray(outputs[name], np.float64)
            why[~np.isfinite(values) & (why == KEPT)] = f"{bound.meaning} is no number"
            for side, wrong in (("below", values < bound.low), ("above", values > bound.high)):
                limit = bound.low if side == "below" else bound.high
                why[wrong & (why == KEPT)] = f"{bound.meaning} {side} {limit:g} {bound.unit}"
    for code in np.unique(codes[codes != Status.OK]):
        why[codes == code] = f"run: {Status(int(code)).name.lower().replace('_', ' ')}"
    return why


@dataclass(frozen=True)
class Place:
    """One covariate or parameter, and the distribution of the rejected patients along it.

    ``distance`` Kolmogorov-Smirnov distance between kept and rejected patients; ``edges`` (k + 1,) quantiles of all
    patients; ``share`` (k,) of patients rejected between adjacent edges.
    """

    name: str
    distance: float
    edges: Floats
    share: Floats

    @property
    def sentence(self) -> str:
        """The interval in which rejection is most frequent, in words."""
        k = int(np.nanargmax(self.share))
        return (
            f"{self.name} {self.edges[k]:.3g} ... {self.edges[k + 1]:.3g}: {self.share[k]:.0%} rejected "
            f"(KS distance of kept and rejected {self.distance:.2f})"
        )


PARTS = 10


def atlas(rejected: npt.NDArray[np.bool_], axes: Mapping[str, npt.ArrayLike], most: int | None = None) -> list[Place]:
    """Return where patients are rejected; the axis that best separates kept from rejected patients comes first.

    Parameters
    ----------
    rejected
        (n,) flags.
    axes
        (n,) values of covariates and parameters; an axis that does not vary is left out.
    most
        Places returned; default all.
    """
    places = []
    for name, values in axes.items():
        x = np.asarray(values, np.float64)
        fine = np.isfinite(x)
        x, bad = x[fine], rejected[fine]
        if not bad.any() or bad.all() or x.min() == x.max():
            continue
        edges = np.unique(np.quantile(x, np.linspace(0, 1, PARTS + 1)))
        part = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        count = np.bincount(part, minlength=len(edges) - 1)
        share = np.bincount(part, weights=bad, minlength=len(edges) - 1) / np.maximum(count, 1)
        places.append(Place(name, ks_distance(x[~bad], x[bad]), edges, share))
    places.sort(key=lambda place: (-place.distance, place.name))
    return places[:most]


def ks_distance(
    first: npt.ArrayLike, second: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:  # fmt: skip
    """Return the Kolmogorov-Smirnov distance of two samples; ``weights`` belong to the first.

    >>> ks_distance([1.0, 2.0], [3.0, 4.0])
    1.0
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(a, kind="stable")
    a, below = a[order], np.concatenate([[0.0], np.cumsum(w[order])])
    at = np.union1d(a, b)
    first_share = below[np.searchsorted(a, at, side="right")] / below[-1]
    second_share = np.searchsorted(np.sort(b), at, side="right") / len(b)
    return float(np.max(np.abs(first_share - second_share)))


def counts(why: Sequence[str] | Reasons) -> dict[str, int]:
    """Return the number of patients rejected for each reason, the most frequent reason first."""
    texts, numbers = np.unique(np.asarray([w for w in why if w != KEPT], str), return_counts=True)
    order = np.lexsort((texts, -numbers))
    return {str(texts[k]): int(numbers[k]) for k in order}
