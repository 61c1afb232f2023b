"""Dose rules, arms, and the hours of their doses."""

from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import choices, is_number, is_whole, listed
from pulsatile.engine.drugs.table import DRUGS, EXTRAPOLATED, INPUTS, REFERENCE_WEIGHT
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import TICK, on_clock
from pulsatile.engine.parameters import shown_unit

DAY, WEEK = 24.0, 168.0
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHOWN_TIMES = 6
"""Clock times of a rule that its words name; there may be one a minute."""
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
ROUTES = ("SC", "IV", "infusion", "pump", "oral")
MASS_UNITS = {"ug": 1.0, "mg": 1000.0, "ug/kg": 1.0, "mg/kg": 1000.0}
"""ug (or ug/kg) in one unit of ``Dose.amount``."""
SECOND = 1 / 3600
"""Shortest infusion, h; far longer than the rounding of times."""
MOST_TIMES = 1440
"""Largest number of doses of one rule in a day: one per minute."""
LEAST_WEEKS, MOST_WEEKS = 0.01, 520
"""Shortest study (about two hours), and the longest, which is also the latest start and the longest interval."""


@dataclass(frozen=True)
class Dose:
    """A dose rule: an amount of a drug at clock hours of certain days.

    ``amount`` is in ``unit`` (ug, mg, ug/kg, mg/kg, or IU for somatropin); an infusion or pump delivers it evenly over
    ``duration`` h.  For acipimox, lipid, glucose and insulin, ``amount`` is the level held for ``duration`` h, in the
    unit of the input (`engine.drugs.table.INPUTS`).  ``times`` are clock hours; ``days`` count from 0 = Monday; with
    ``every_weeks`` 2, doses fall in the first, third ... week from ``start_week``; the last ones fall before
    ``stop_week``.

    Doses at one instant add up, and so do infusions of several rules; those of one rule may meet but not overlap.  The
    largest allowed dose is the drug's ``largest`` in `engine.drugs.table.FIGURES`.

    Raises
    ------
    InputError
        For an unknown drug, a route or unit that the drug does not have, an amount out of bounds, and times, days or
        durations that contradict each other.
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
        object.__setattr__(self, "times", listed(f"times of {self.drug}", self.times))
        object.__setattr__(self, "days", listed(f"days of {self.drug}", self.days))
        _check_drug(self)
        _check_clock(self)
        _check_amount(self)
        object.__setattr__(self, "times", tuple(map(float, self.times)))
        for name in ("amount", "start_week", "stop_week", "duration"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def per_weight(self) -> bool:
        """Whether the amount is per kg of body weight."""
        return self.unit.endswith("/kg")

    @property
    def micrograms(self) -> float:
        """Amount in ug (ug/kg where it is per kg)."""
        if self.unit == "IU":
            return self.amount * MASS_UNITS["mg"] / DRUGS["somatropin"].value("units_per_mg")
        return self.amount * MASS_UNITS[self.unit]

    @property
    def words(self) -> str:
        """The rule for a reader, as ``tesamorelin 2 mg SC at 08:00 daily``."""
        over = f" over {self.duration:g} h" if self.duration else ""
        days = "daily" if len(self.days) == len(EVERY_DAY) else "on " + ", ".join(DAY_NAMES[int(d)] for d in self.days)
        days += "" if self.every_weeks == 1 else f", every {self.every_weeks} weeks"
        days += f", from week {self.start_week:g}" if self.start_week else ""
        days += "" if self.stop_week is None else f", until week {self.stop_week:g}"
        clock = ", ".join(map(clock_words, self.times[:SHOWN_TIMES]))
        clock += f" and {len(self.times) - SHOWN_TIMES} more times" if len(self.times) > SHOWN_TIMES else ""
        return (
            f"{self.drug} {self.amount:g} {shown_unit(self.unit)}".rstrip() + f" {self.route} at {clock}{over} {days}"
        )

    def starts(self, start: float, stop: float) -> Floats:
        """Return the hours (m,) of the rule's doses, ascending, from ``start`` to before ``stop`` (h)."""
        # rounded as dose times are: 9/7 of a week is day 9 at 0:00, not a rounding error later
        first = max(start, float(on_clock(self.start_week * WEEK)))
        last = min(stop, inf if self.stop_week is None else float(on_clock(self.stop_week * WEEK)))
        if not last > first:
            return np.empty(0)
        weeks = np.arange(int(first // WEEK), int(last // WEEK) + 1)
        weeks = weeks[(weeks - int(self.start_week)) % self.every_weeks == 0]
        clock = np.sort(np.add.outer(DAY * np.array(self.days, float), self.times).ravel())
        hours: Floats = on_clock(np.add.outer(WEEK * weeks, clock).ravel())
        return hours[(hours >= first) & (hours < last)]


@dataclass(frozen=True)
class Arm:
    """A treatment: a name and its dose rules; without rules the arm is untreated, and rules of dose 0 are dropped."""

    name: str
    doses: tuple[Dose, ...] = ()
    description: str = ""
    standing: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InputError(f"name of an arm = {self.name!r} is not a name: give every arm a name in one line.")
        object.__setattr__(self, "doses", listed(f"doses of arm {self.name}", self.doses))
        for dose in self.doses:
            if not isinstance(dose, Dose):
                raise InputError(f"doses of arm {self.name} hold {dose!r}: give Dose objects.")
        # events of a dose of 0 would shorten steps, and the arm would differ from no treatment in the last digits
        object.__setattr__(self, "doses", tuple(dose for dose in self.doses if dose.amount > 0))

    @property
    def dose_words(self) -> str:
        """The dose rules for a reader; "none" for an untreated arm."""
        return "; ".join(dose.words for dose in self.doses) or "none"

    @property
    def route_words(self) -> str:
        """The routes of administration for a reader, each once; "none" for an untreated arm."""
        return ", ".join(dict.fromkeys(dose.route for dose in self.doses)) or "none"

    @property
    def extrapolation(self) -> bool:
        """Whether the arm holds a drug without any chronic human trial (therapies section 1)."""
        return any(dose.drug in EXTRAPOLATED for dose in self.doses)


def clock_words(hour: float) -> str:
    """Return a clock hour as text.

    >>> clock_words(22.5)
    '22:30'
    """
    minutes = round(60 * hour)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _check_drug(dose: Dose) -> None:
    where = f"dose of {dose.drug}"
    if not isinstance(dose.drug, str) or dose.drug not in DRUGS:
        raise InputError(f"drug = {dose.drug!r} is not known: {choices(dose.drug, DRUGS)}.")
    drug = DRUGS[dose.drug]
    if drug.missing:
        raise InputError(f"drug = {drug.name!r} cannot be dosed: its {' and '.join(drug.missing)} are not known.")
    if dose.route not in drug.routes:
        raise InputError(f"route = {dose.route!r} in the {where} is not allowed: use {' or '.join(drug.routes)}.")
    units = (INPUTS[drug.name][1],) if drug.kind == "input" else tuple(MASS_UNITS)
    if drug.kind == "gh":
        units += ("IU",)
    if dose.unit not in units:
        raise InputError(f"unit = {dose.unit!r} in the {where} is not allowed: use {' or '.join(units)}.")


def _check_amount(dose: Dose) -> None:
    """Refuse an amount above the drug's largest, as mg written for ug is for every drug."""
    where = f"amount = {dose.amount!r} {dose.unit} in the dose of {dose.drug}"
    if not is_number(dose.amount) or dose.amount < 0:
        raise InputError(f"{where} must be a number of at least 0.")
    largest = DRUGS[dose.drug].figures["largest"]
    if DRUGS[dose.drug].kind == "input":
        if dose.amount > largest.value:
            raise InputError(f"{where} is too large: at most {largest.value:g} {dose.unit} is allowed; check the unit.")
        return
    in_a_day = dose.micrograms * len(dose.times) / max(1.0, dose.duration / DAY)
    if in_a_day * (REFERENCE_WEIGHT if dose.per_weight else 1.0) > largest.value:
        raise InputError(
            f"{where} is too large: at most {largest.value / MASS_UNITS['mg']:g} mg a day are allowed, in a person of "
            f"{REFERENCE_WEIGHT:g} kg ({largest.source}); check the unit."
        )


def _check_clock(dose: Dose) -> None:
    where = f"dose of {dose.drug}"
    if len(dose.times) > MOST_TIMES:
        raise InputError(f"times in the {where} are {len(dose.times)}, at most {MOST_TIMES}: one a minute; use a pump.")
    if not dose.times or not all(is_number(t) and 0 <= t < DAY for t in dose.times):
        raise InputError(f"times = {list(dose.times)} in the {where} must be clock hours from 0 to below 24.")
    valid = dose.days and all(is_whole(d) and d in EVERY_DAY for d in dose.days)
    if not valid or len(set(dose.days)) < len(dose.days):
        raise InputError(f"days = {list(dose.days)} in the {where} must be different days, 0 (Monday) to 6 (Sunday).")
    if not is_whole(dose.every_weeks) or not 1 <= dose.every_weeks <= MOST_WEEKS:
        raise InputError(
            f"every_weeks = {dose.every_weeks!r} in the {where} must be a whole number from 1 to {MOST_WEEKS}."
        )
    if not is_number(dose.start_week) or not 0 <= dose.start_week <= MOST_WEEKS:
        raise InputError(f"start_week = {dose.start_week!r} in the {where} must be a number from 0 to {MOST_WEEKS}.")
    if dose.stop_week is not None and not (is_number(dose.stop_week) and dose.stop_week > dose.start_week):
        raise InputError(
            f"stop_week = {dose.stop_week!r} in the {where} must be after its start_week {dose.start_week}."
        )
    over_time = dose.route in ("infusion", "pump")
    if not is_number(dose.duration) or (dose.duration < SECOND if over_time else dose.duration != 0):
        allowed = "at least 1/3600 h for an infusion or pump" if over_time else f"0 for the route {dose.route}"
        raise InputError(f"duration = {dose.duration!r} in the {where} must be {allowed}.")
    clock = sorted(DAY * day + float(t) for day in dose.days for t in dose.times)
    gap = min(b - a for a, b in pairwise([*clock, clock[0] + WEEK * dose.every_weeks]))
    if gap < 2 * TICK:
        raise InputError(f"times = {list(dose.times)} in the {where} hold an hour twice: raise the amount instead.")
    if dose.duration > gap + TICK:
        raise InputError(
            f"duration = {dose.duration:g} h in the {where} is longer than the {gap:g} h to the rule's next dose; "
            "shorten it, name fewer days, or write overlapping infusions as separate rules."
        )
