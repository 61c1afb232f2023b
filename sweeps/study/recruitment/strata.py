"""Strata of patients with exact numbers: by a covariate's codes or ranges, or by several covariates crossed."""

from fractions import Fraction
from itertools import combinations, product
from math import lcm, prod
from typing import Annotated, Self

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from pulsatile.engine.arrays import Ids
from pulsatile.engine.checks import choices
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import shown_unit
from pulsatile.engine.patients.cohort import FLAGS, Cohort
from pulsatile.sweeps.study.fields import Model, Resolved, keyed_by
from pulsatile.sweeps.study.recruitment.criteria import SCREENED_COVARIATES

MOST_STRATA = 100
NO_STRATUM = -1
MarginShare = Annotated[float, Field(gt=0, le=1e9)]
Range = tuple[float, float]


class RangesEntry(Model):
    """Ranges of a covariate, from the first to below the second number of each, with their shares."""

    ranges: tuple[Range, ...] = Field(min_length=1, description="for example [[20, 40], [40, 65]]")
    shares: tuple[MarginShare, ...] = Field(min_length=1, description="share of patients in each range")

    @model_validator(mode="after")
    def _one_share_each(self) -> Self:
        if len(self.ranges) != len(self.shares):
            raise ValueError(f"has {len(self.ranges)} ranges and {len(self.shares)} shares: give a share to each range")
        return self


def _kind(value: object) -> str:
    if isinstance(value, RangesEntry) or (isinstance(value, dict) and ("ranges" in value or "shares" in value)):
        return "<ranges with shares>"
    return "<shares>" if isinstance(value, dict) else "<ranges>"


StrataOf = Annotated[
    Annotated[dict[str, MarginShare], Tag("<shares>")]
    | Annotated[RangesEntry, Tag("<ranges with shares>")]
    | Annotated[tuple[Range, ...], Tag("<ranges>")],
    Discriminator(_kind),
]
Strata = Annotated[dict[str, StrataOf], keyed_by(list(SCREENED_COVARIATES))]


class Stratum(Resolved):
    """Patients with covariates from ``low`` to below ``high`` in each of ``bounds`` (name, low, high)."""

    name: str
    bounds: tuple[tuple[str, float, float], ...]
    share: float


def strata_of(entry: dict[str, object], covariates: tuple[str, ...]) -> tuple[Stratum, ...]:
    """Return the strata of a study's entry, of several covariates crossed, their shares multiplied.

    Raises
    ------
    InputError
        For covariates that these patients do not have, unknown codes, and ranges that are empty or overlap.
    """
    levels = []
    for name, value in sorted(entry.items()):
        if name not in covariates:
            raise InputError(
                f"{name!r} is not a covariate of these patients: {choices(name, covariates)}.", ("strata", name)
            )
        levels.append(_coded(name, value) if isinstance(value, dict) else _ranged(name, value))
    crossed = [] if not levels else [
        Stratum(
            name=", ".join(level.name for level in cell),
            bounds=tuple(bound for level in cell for bound in level.bounds),
            share=prod(level.share for level in cell),
        )
        for cell in product(*levels)
    ]  # fmt: skip
    if len(crossed) > MOST_STRATA:
        raise InputError(f"{len(crossed)} strata are too many; at most {MOST_STRATA}.", ("strata",))
    return tuple(crossed)


def _coded(name: str, shares: dict[str, float]) -> list[Stratum]:
    if name not in FLAGS:
        raise InputError(
            f"{name} is a number, so its strata are ranges: write for example [[20, 40], [40, 65]].", ("strata", name)
        )
    for label in shares:
        if label not in FLAGS[name]:
            raise InputError(f"{label!r} is not a {name}: {choices(label, FLAGS[name])}.", ("strata", name))
    if not shares:
        raise InputError("no stratum is given: give shares, for example {man: 0.5, woman: 0.5}.", ("strata", name))
    codes = {label: float(FLAGS[name].index(label)) for label in FLAGS[name] if label in shares}
    return [
        Stratum(name=f"{name} {label}", bounds=((name, code, code + 1.0),), share=shares[label])
        for label, code in codes.items()
    ]


def _ranged(name: str, value: object) -> list[Stratum]:
    if name in FLAGS:
        raise InputError(
            f"{name} has names, not ranges: write their shares, for example {{{FLAGS[name][0]}: 0.5, "
            f"{FLAGS[name][1]}: 0.5}}.", ("strata", name),
        )  # fmt: skip
    ranges, shares = (value.ranges, value.shares) if isinstance(value, RangesEntry) else (value, None)
    assert isinstance(ranges, tuple)
    if not ranges:
        raise InputError("no range is given: write for example [[20, 40], [40, 65]].", ("strata", name))
    for low, high in ranges:
        if not low < high:
            raise InputError(
                f"the range {low:g} ... {high:g} is empty: the first number must be below the second.", ("strata", name)
            )
    for (a, b), (c, d) in combinations(ranges, 2):
        if max(a, c) < min(b, d):
            raise InputError(
                f"the ranges {a:g} ... {b:g} and {c:g} ... {d:g} overlap, so a patient could be in both: correct them.",
                ("strata", name),
            )
    unit = shown_unit(SCREENED_COVARIATES[name][0])
    given = shares or (1.0,) * len(ranges)
    return [
        Stratum(name=f"{name} {low:g} to {high:g} {unit}".rstrip(), bounds=((name, low, high),), share=share)
        for (low, high), share in zip(ranges, given, strict=True)
    ]


def stratum_of(cohort: Cohort, strata: tuple[Stratum, ...]) -> Ids:
    """Return the stratum (n,) of each patient, `NO_STRATUM` for those in none; without strata all are in the first."""
    if not strata:
        return np.zeros(len(cohort), np.int64)
    found = np.full(len(cohort), NO_STRATUM, np.int64)
    for k, stratum in enumerate(strata):
        inside = np.ones(len(cohort), bool)
        for name, low, high in stratum.bounds:
            values = np.asarray(cohort.covariates[name], np.float64)
            inside &= (values >= low) & (values < high)
        found[inside] = k
    return found


def order_of(shares: tuple[float, ...], n: int) -> Ids:
    """Return the stratum of each of the ``n`` places of a study, so that every beginning has the shares.

    Among the first k places a stratum of share s has less than one place more or fewer than s k, and exactly s k where
    that is whole: a study of fewer patients is the beginning of a larger one.  Tijdeman 1980, the chairman assignment
    (doi:10.1016/0012-365X(80)90269-1, RECALLED).

    >>> order_of((0.5, 0.5), 6)
    array([0, 1, 0, 1, 0, 1])
    >>> np.bincount(order_of((0.2, 0.3, 0.5), 10))
    array([2, 3, 5])
    """
    m = len(shares)
    if m <= 1:
        return np.zeros(n, np.int64)
    parts = [Fraction(repr(float(share))) for share in shares]
    whole = sum(parts, Fraction(0))
    denominator = lcm(*((part / whole).denominator for part in parts))
    weights = [int(part / whole * denominator) for part in parts]
    total, placed, places = sum(weights), [0] * m, np.empty(n, np.int64)
    for k in range(n):
        lacking = [w * (k + 1) - total * have for w, have in zip(weights, placed, strict=True)]
        due = [i for i in range(m) if lacking[i] * (2 * m - 2) >= total]
        chosen = min(due, key=lambda i: Fraction(total * (2 * m - 3) - (2 * m - 2) * lacking[i], weights[i]))
        places[k] = chosen
        placed[chosen] += 1
    return places
