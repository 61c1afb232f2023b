"""What is given when: a dose rule, an arm, and the hours at which an arm's doses fall."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.drugs import DRUGS, EXTRAPOLATED, INPUTS
from engine.errors import InputError

Floats = npt.NDArray[np.float64]

DAY, WEEK = 24.0, 168.0
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
ROUTES = ("SC", "IV", "infusion", "pump", "oral")
MASS_UNITS = {"ug": 1.0, "mg": 1000.0, "ug/kg": 1.0, "mg/kg": 1000.0}
"""ug (per kg where so named) in one unit of ``Dose.amount``."""
TIME_DECIMALS = 9
"""Times are rounded to this many decimals of an hour, so that back-to-back infusions meet exactly."""
SECOND = 1 / 3600
"""Shortest infusion, h; far above what rounding of times can swallow."""


@dataclass(frozen=True)
class Dose:
    """One rule: an amount of a drug at clock hours of certain days.

    ``amount`` in ``unit`` (ug, mg, ug/kg, mg/kg, or IU for somatropin); an infusion or pump gives it evenly over
    ``duration`` h.  For acipimox, lipid, glucose and insulin, ``amount`` is the level held for ``duration`` h, in the
    unit of the input (`drugs.INPUTS`).  ``times`` are hours of the clock; ``days`` 0 = Monday; with ``every_weeks`` 2
    the first, third ... week from ``start_week``; doses fall in weeks ``start_week`` to before ``stop_week``.
    """

    drug: str
    amount: float
    unit: str
    route: str
    times: tuple[float, ...]
    days: tuple[int, ...] = EVERY_DAY
    every_weeks: int = 1
    start_week: float = 0.0
    stop_week: float | None = None
    duration: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a rule without sense."""
        object.__setattr__(self, "times", tuple(_sequence(self.times, "times", self.drug)))
        object.__setattr__(self, "days", tuple(_sequence(self.days, "days", self.drug)))
        _check_drug(self)
        _check_clock(self)
        object.__setattr__(self, "times", tuple(float(t) for t in self.times))

    @property
    def per_weight(self) -> bool:
        """Whether the amount is per kg of body weight."""
        return self.unit.endswith("/kg")

    @property
    def micrograms(self) -> float:
        """Amount in ug (per kg where so named)."""
        if self.unit == "IU":
            return self.amount * MASS_UNITS["mg"] / DRUGS["somatropin"].value("units_per_mg")
        return self.amount * MASS_UNITS[self.unit]

    def starts(self, start: float, stop: float) -> Floats:
        """Return the hours (m,), ascending, at which the rule gives a dose, from ``start`` to before ``stop``."""
        # rounded like the doses themselves: 9/7 of a week is day 9 at 0:00, not a rounding error later
        first = max(start, round(self.start_week * WEEK, TIME_DECIMALS))
        last = min(stop, inf if self.stop_week is None else round(self.stop_week * WEEK, TIME_DECIMALS))
        if not last > first:
            return np.empty(0)
        weeks = np.arange(int(first // WEEK), int(last // WEEK) + 1)
        weeks = weeks[(weeks - int(self.start_week)) % self.every_weeks == 0]
        clock = np.sort(np.add.outer(DAY * np.array(self.days, float), self.times).ravel())
        hours: Floats = np.round(np.add.outer(WEEK * weeks, clock).ravel(), TIME_DECIMALS)
        return hours[(hours >= first) & (hours < last)]


@dataclass(frozen=True)
class Arm:
    """A treatment: a name and its dose rules; no rules is no treatment."""

    name: str
    doses: tuple[Dose, ...] = ()
    description: str = ""
    standing: str = ""

    def __post_init__(self) -> None:
        """Refuse an arm without a name, and doses that are none."""
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"name of an arm = {self.name!r} is empty: give every arm a name.")
        object.__setattr__(self, "doses", tuple(_sequence(self.doses, "doses", self.name)))
        for dose in self.doses:
            if not isinstance(dose, Dose):
                raise InputError(f"doses of arm {self.name} hold {dose!r}: give engine.dosing.Dose objects.")

    @property
    def extrapolation(self) -> bool:
        """Whether the arm holds a drug without any chronic human trial (therapies section 1)."""
        return any(dose.drug in EXTRAPOLATED for dose in self.doses)


def _sequence(value: object, name: str, of: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise InputError(f"{name} of {of} = {value!r} must be a list.")
    return tuple(value)


def _check_drug(dose: Dose) -> None:
    where = f"dose of {dose.drug}"
    if not isinstance(dose.drug, str) or dose.drug not in DRUGS:
        near = get_close_matches(str(dose.drug).lower(), DRUGS, 1)
        hint = f"did you mean {near[0]}? Known" if near else "choose one of"
        raise InputError(f"drug = {dose.drug!r} is not known: {hint}: {', '.join(DRUGS)}.")
    drug = DRUGS[dose.drug]
    if drug.missing:
        raise InputError(f"drug = {drug.name!r} cannot be dosed: its {' and '.join(drug.missing)} are not known.")
    if dose.route not in drug.routes:
        raise InputError(f"route = {dose.route!r} in the {where} is not allowed: use {' or '.join(drug.routes)}.")
    if not _number(dose.amount) or dose.amount < 0:
        raise InputError(f"amount = {dose.amount!r} in the {where} must be a number of at least 0.")
    units = (INPUTS[drug.name][1],) if drug.kind == "input" else tuple(MASS_UNITS)
    if drug.kind == "gh":
        units += ("IU",)
    if dose.unit not in units:
        raise InputError(f"unit = {dose.unit!r} in the {where} is not allowed: use {' or '.join(units)}.")
    if drug.name == "acipimox" and dose.amount > 1:
        raise InputError(f"amount = {dose.amount} in the {where} is a share of lipolysis blocked: use 0 to 1.")


def _check_clock(dose: Dose) -> None:
    where = f"dose of {dose.drug}"
    if not dose.times or not all(_number(t) and 0 <= t < DAY for t in dose.times):
        raise InputError(f"times = {list(dose.times)} in the {where} must be clock hours from 0 to below 24.")
    if len(set(dose.times)) < len(dose.times):
        raise InputError(f"times = {list(dose.times)} in the {where} hold an hour twice: raise the amount instead.")
    if not dose.days or not all(d in EVERY_DAY for d in dose.days) or len(set(dose.days)) < len(dose.days):
        raise InputError(f"days = {list(dose.days)} in the {where} must be different days, 0 (Monday) to 6 (Sunday).")
    if isinstance(dose.every_weeks, bool) or not isinstance(dose.every_weeks, int) or dose.every_weeks < 1:
        raise InputError(f"every_weeks = {dose.every_weeks!r} in the {where} must be a whole number of at least 1.")
    if not _number(dose.start_week) or dose.start_week < 0:
        raise InputError(f"start_week = {dose.start_week!r} in the {where} must be a number of at least 0.")
    if dose.stop_week is not None and not (_number(dose.stop_week) and dose.stop_week > dose.start_week):
        raise InputError(
            f"stop_week = {dose.stop_week!r} in the {where} must be after its start_week {dose.start_week}."
        )
    given_over_time = dose.route in ("infusion", "pump")
    if not _number(dose.duration) or (dose.duration < SECOND if given_over_time else dose.duration != 0):
        allowed = "at least 1/3600 h for an infusion or pump" if given_over_time else f"0 for the route {dose.route}"
        raise InputError(f"duration = {dose.duration!r} in the {where} must be {allowed}.")


def _number(value: object) -> bool:
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool) and isfinite(value)
