"""The specification of people to draw (share of women, ranges, margins, shifts), its checks, and its plan per sex."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.checks import is_number
from pulsatile.engine.errors import InputError
from pulsatile.engine.people.correlations import COVARIATES, within
from pulsatile.engine.people.margins import BOUNDS, SEXES, SHARE_OF_WOMEN, table
from pulsatile.engine.people.shapes import Capped, Knots, Margin, ShiftedLogNormal, probability

WITH_MARGIN = (*COVARIATES, "serum_glucose")
"""Covariates whose margin can be set; weight follows from BMI and height."""
SHIFTED = tuple(name for name in WITH_MARGIN if name != "age")
LARGEST_SHIFT = 6.0  # SDs [assumed]
RAREST = 1e-4
"""Ranges that fewer than this share of people meet are refused."""
_KINDS = (ShiftedLogNormal, Knots, Capped)


@dataclass(frozen=True)
class PeopleSpec:
    """People to draw; by default adults of 20-79 y without diabetes (population 1.1, NHANES 1999-2018).

    The entry of any covariate may be given per sex, as ``{"men": ..., "women": ...}``.

    Parameters
    ----------
    women
        Share of women among those drawn, 0 to 1; ranges do not change it.
    ranges
        Smallest and largest value by covariate, in its unit, `inf` for none: ``{"age": (30, 64), "bmi": (27, 40)}``.
        People outside are drawn again, so that the accepted are distributed as the population within the ranges.
    margins
        Distributions by covariate, made by `engine.people.shapes.through`, `normal`, `log_normal` or `constant`.
        They are the distributions over all ages and change values; ranks and correlations, also with age, stay.  Waist
        follows BMI, and VAT waist.  The table's people are without diabetes (glucose < 7.0 mmol/L, HbA1c < 6.5 %): for
        others give margins of both.
    shifts
        Increase of the normal score in SDs, by covariate: ``{"igf1_sds": -3, "vat": 1}``.  The SD is that of people of
        the same sex, and of the same age where the table has the covariate by age.
    """

    women: float = SHARE_OF_WOMEN
    ranges: Mapping[str, Any] = field(default_factory=dict)
    margins: Mapping[str, Any] = field(default_factory=dict)
    shifts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DrawPlan:
    """The resolved specification of one sex.

    ``margins`` over all ages and ``shifts`` by covariate; ``own`` covariates whose margin is not the table's;
    ``limits`` smallest and largest value by covariate; ``age_window`` probabilities between which age is drawn;
    ``factor`` (k, k) of the copula within age.
    """

    sex: int
    margins: dict[str, Margin]
    own: frozenset[str]
    shifts: dict[str, float]
    limits: dict[str, tuple[float, float]]
    age_window: tuple[float, float]
    factor: npt.NDArray[np.float64]


def check(spec: PeopleSpec) -> None:
    """Refuse a malformed specification, with `InputError`."""
    if not isinstance(spec, PeopleSpec):
        raise InputError(f"spec = {spec!r} must be a PeopleSpec.")
    if not is_number(spec.women) or not 0 <= spec.women <= 1:
        raise InputError(f"women = {spec.women!r} must be a share from 0 to 1.")
    for name, values, allowed in (
        ("ranges", spec.ranges, tuple(BOUNDS)), ("margins", spec.margins, WITH_MARGIN), ("shifts", spec.shifts, SHIFTED)
    ):  # fmt: skip
        if not isinstance(values, Mapping):
            raise InputError(f"{name} = {values!r} must name covariates and their values.")
        for covariate, value in values.items():
            if covariate not in allowed:
                raise InputError(f"{name}: {covariate!r} is not allowed; choose from {', '.join(allowed)}.")
            if isinstance(value, Mapping) and set(value) != set(SEXES):
                raise InputError(
                    f"{name} of {covariate} has {', '.join(map(str, value)) or 'nothing'}; give men and women."
                )


def plan(spec: PeopleSpec, sex: int) -> DrawPlan:
    """Return the plan of men (0) or women (1) of a specification that has passed `check`."""
    margins = table(sex)
    for name in spec.margins:
        margins[name] = _margin(name, _of(spec.margins[name], sex))
    shifts = {name: _shift(name, _of(value, sex)) for name, value in spec.shifts.items()}
    limits = {name: (low, high) for name, (low, high, _) in BOUNDS.items()}
    for name, value in spec.ranges.items():
        low, high = _range(name, _of(value, sex))
        limits[name] = (max(low, limits[name][0]), min(high, limits[name][1]))
    return DrawPlan(
        sex, margins, frozenset(spec.margins), shifts, limits, _window(margins["age"], limits["age"], sex),
        within(sex).factor,
    )  # fmt: skip


def _of(value: Any, sex: int) -> Any:
    return value[SEXES[sex]] if isinstance(value, Mapping) else value


def _margin(name: str, margin: Any) -> Margin:
    low, high, unit = BOUNDS[name]
    if not isinstance(margin, _KINDS):
        raise InputError(
            f"margin of {name} = {margin!r} is not a margin; make it by through, normal, log_normal or constant of "
            "pulsatile.engine.people.shapes."
        )
    median = float(margin.value(np.zeros(1))[0])
    if not low <= median <= high:
        raise InputError(
            f"margin of {name}: its median {median:g} is outside {low:g} ... {high:g} {unit}; correct it, or its unit."
        )
    return margin


def _shift(name: str, shift: Any) -> float:
    if not is_number(shift) or abs(shift) > LARGEST_SHIFT:
        raise InputError(
            f"shift of {name} = {shift!r} must be a number of SDs from {-LARGEST_SHIFT:g} to {LARGEST_SHIFT:g}."
        )
    return float(shift)


def _range(name: str, limits: Any) -> tuple[float, float]:
    least, greatest, unit = BOUNDS[name]
    if isinstance(limits, str) or not hasattr(limits, "__len__") or len(limits) != 2:
        raise InputError(f"range of {name} = {limits!r} must be two numbers, as (low, high).")
    for limit in limits:
        if not (is_number(limit) or limit in (-inf, inf)):
            raise InputError(f"range of {name} = {tuple(limits)!r} must be two numbers, or inf for no limit.")
    low, high = map(float, limits)
    if low > high:
        raise InputError(f"range of {name} = {low:g} ... {high:g} {unit} is reversed; give the lower one first.")
    if high < least or low > greatest:
        raise InputError(
            f"range of {name} = {low:g} ... {high:g} is outside {least:g} ... {greatest:g} {unit}; correct it, "
            "or its unit."
        )
    return low, high


def _window(margin: Margin, limits: tuple[float, float], sex: int) -> tuple[float, float]:
    """Return the probabilities of age between which all ages are within ``limits`` (y)."""
    low, high = (probability(margin.score(age)) for age in limits)
    if limits[0] == limits[1] and 0 < low < 1:  # everybody of one age
        return low, low
    if isnan(high - low) or high - low < RAREST:
        raise InputError(
            f"range of age = {limits[0]:g} ... {limits[1]:g} y holds {high - low:.2g} of all {SEXES[sex]}, under "
            f"{RAREST:g}; widen it."
        )
    return low, high
