"""Dose rules, arms, and the hours of their doses."""

from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import choices, is_number, is_whole, listed
from pulsatile.engine.drugs.dose_table import DoseTable
from pulsatile.engine.drugs.table import DRUGS, EXTRAPOLATED, INPUTS, REFERENCE_WEIGHT
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import TICK, on_clock
from pulsatile.engine.parameters import shown_unit
from pulsatile.engine.patients.changes import Change
from pulsatile.engine.patients.meals import DAY_NAMES

DAY, WEEK = 24.0, 168.0
SHOWN_TIMES = 6
"""Clock times of a rule that its words name; there may be one a minute."""
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
ROUTES = ("SC", "IV", "infusion", "pump", "oral")
MASS_UNITS = {"ug": 1.0, "mg": 1000.0}
"""ug in one unit of mass."""
SIZES = {"": 1.0, "kg": 70.0, "m2": 1.85}
"""What an amount may be per, with the reference person's own: body weight (kg), body surface (m2, at 1.75 m)."""
PERS = tuple(SIZES)
DOSE_UNITS = tuple(f"{mass}/{per}" if per else mass for per in SIZES for mass in MASS_UNITS)
IU_UNITS = tuple(f"IU/{per}" if per else "IU" for per in SIZES)
LONGEST_JITTER = 12.0
"""Largest shift of a dose, h: half a day, so that doses of different days keep their order."""
SHORTEST_INTERVAL = 1 / 60
SECOND = 1 / 3600
"""Shortest infusion, h; far longer than the rounding of times."""
MOST_TIMES = 1440
"""Largest number of doses of one rule in a day: one per minute."""
LEAST_WEEKS, MOST_WEEKS = 0.01, 520
"""Shortest study (about two hours), and the longest, which is also the latest start and the longest interval."""


@dataclass(frozen=True)
class Dose:
    """A dose rule: an amount of a drug at clock hours of certain days.

    ``amount`` is in ``unit`` (ug, mg, or IU for somatropin; also per kg of body weight or m2 of body surface); an
    infusion or pump delivers it evenly over ``duration`` h.  For acipimox, lipid, glucose and insulin, ``amount`` is
    the level held for ``duration`` h, in the unit of the input (`engine.drugs.table.INPUTS`).  ``times`` are clock
    hours; ``days`` count from 0 = Monday; with ``every_weeks`` 2, doses fall in the first, third ... week from
    ``start_week``; the last ones fall before ``stop_week``.

    In place of days, ``interval`` (h) counts from the first of ``times`` after ``start_week``; ``count`` ends the rule
    after that many doses.  What a patient really receives may differ, each dose by keyed draws: the share
    ``adherence`` of the doses is taken, with the share of the amount uniform within ``content`` and the hour uniform
    within ``jitter`` h around its own.  A ``table`` of doses (amount 1) replaces the clock, a ``titration`` changes the
    amount at visits.

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
    interval: float | None = None
    count: int | None = None
    adherence: float = 1.0
    content: tuple[float, float] = (1.0, 1.0)
    jitter: float = 0.0
    table: DoseTable | None = None
    titration: Titration | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", listed(f"times of {self.drug}", self.times))
        object.__setattr__(self, "days", listed(f"days of {self.drug}", self.days))
        _check_drug(self)
        _check_given(self)
        _check_clock(self)
        _check_amount(self)
        object.__setattr__(self, "times", tuple(map(float, self.times)))
        for name in ("amount", "start_week", "stop_week", "duration", "interval", "adherence", "jitter"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def per(self) -> str:
        """What the amount is per: kg of body weight, m2 of body surface, or "" for a person."""
        return self.unit.partition("/")[2] if self.unit in (*DOSE_UNITS, *IU_UNITS) else ""

    @property
    def micrograms_per_unit(self) -> float:
        """Micrograms (per kg or m2 where the amount is) in one unit of the amount."""
        mass = self.unit.partition("/")[0]
        return MASS_UNITS["mg"] / DRUGS["somatropin"].value("units_per_mg") if mass == "IU" else MASS_UNITS[mass]

    @property
    def micrograms(self) -> float:
        """Amount in ug (per kg or m2 where it is)."""
        if self.unit.startswith("IU"):
            return self.amount * MASS_UNITS["mg"] / DRUGS["somatropin"].value("units_per_mg")
        return self.amount * self.micrograms_per_unit

    @property
    def most(self) -> float:
        """Largest amount that the rule can give, in its unit: of its table and titration too."""
        amounts = [self.amount, *([] if self.table is None else self.table.amount)]
        return max([*amounts, *([] if self.titration is None else [self.titration.most])])

    @property
    def most_a_day(self) -> float:
        """Largest amount on a day with doses, ug, in the reference person of `SIZES`."""
        doses = len(self.times) if self.interval is None else max(1.0, DAY / self.interval)
        amount = max(self.micrograms, self.micrograms_per_unit * self.most)
        return amount * doses / max(1.0, self.duration / DAY) * SIZES[self.per]

    @property
    def alike(self) -> bool:
        """Whether all patients receive the same doses at the same hours."""
        return self.adherence == 1 and self.content == (1.0, 1.0) and self.jitter == 0 and self.table is None

    @property
    def words(self) -> str:
        """The rule for a reader, as ``tesamorelin 2 mg SC at 08:00 daily``."""
        if self.table is not None:
            return f"{self.drug} {self.route}, {len(self.table.time)} doses of a table, in {shown_unit(self.unit)}"
        over = f" over {self.duration:g} h" if self.duration else ""
        clock = ", ".join(map(clock_words, self.times[:SHOWN_TIMES]))
        clock += f" and {len(self.times) - SHOWN_TIMES} more times" if len(self.times) > SHOWN_TIMES else ""
        amount = f"{self.drug} {self.amount:g} {shown_unit(self.unit)}".rstrip()
        return f"{amount} {self.route} at {clock}{over} {', '.join(self._days_in_words())}"

    def _days_in_words(self) -> list[str]:
        if self.interval is not None:
            words = [f"then every {self.interval:g} h"]
        elif len(self.days) == len(EVERY_DAY):
            words = ["daily"]
        else:
            words = ["on " + ", ".join(DAY_NAMES[int(d)] for d in self.days)]
        words += [] if self.every_weeks == 1 else [f"every {self.every_weeks} weeks"]
        if self.count is not None:
            words = ["once"] if self.count == 1 else [*words, f"{self.count} doses"]
        words += [f"from week {self.start_week:g}"] if self.start_week else []
        words += [] if self.stop_week is None else [f"until week {self.stop_week:g}"]
        words += [f"{100 * self.adherence:g} % taken"] if self.adherence < 1 else []
        low, high = self.content
        words += [f"content {100 * low:g} to {100 * high:g} %"] if self.content != (1.0, 1.0) else []
        words += [f"within {self.jitter:g} h"] if self.jitter else []
        if self.titration is not None:
            t = self.titration
            words.append(f"titrated to {t.on} {t.low:g} to {t.high:g} by {t.step:g} every {t.every:g} weeks")
        return words

    def starts(self, start: float, stop: float) -> Floats:
        """Return the scheduled hours (m,) of the rule's doses, ascending, from ``start`` to before ``stop`` (h)."""
        # rounded as dose times are: 9/7 of a week is day 9 at 0:00, not a rounding error later
        begin = float(on_clock(self.start_week * WEEK))
        last = min(stop, inf if self.stop_week is None else float(on_clock(self.stop_week * WEEK)))
        first = begin if self.count is not None or self.interval is not None else max(start, begin)
        if not last > first:
            return np.empty(0)
        if self.table is not None:
            hours = self.table.hours
        elif self.interval is not None:
            opening = begin + (self.times[0] - begin) % DAY
            hours = on_clock(opening + self.interval * np.arange(max(0, int((last - opening) / self.interval) + 2)))
        else:
            weeks = np.arange(int(first // WEEK), int(last // WEEK) + 1)
            weeks = weeks[(weeks - int(self.start_week)) % self.every_weeks == 0]
            clock = np.sort(np.add.outer(DAY * np.array(self.days, float), self.times).ravel())
            hours = on_clock(np.add.outer(WEEK * weeks, clock).ravel())
        hours = hours[hours >= first][: self.count]
        return np.asarray(hours[(hours >= start) & (hours < last)])


@dataclass(frozen=True)
class Arm:
    """A treatment: a name and its dose rules; without rules the arm is untreated, and rules of dose 0 are dropped.

    ``changes`` of parameters hold from the start of treatment on: the patient has been at rest without them.
    """

    name: str
    doses: tuple[Dose, ...] = ()
    description: str = ""
    standing: str = ""
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InputError(f"name of an arm = {self.name!r} is not a name: give every arm a name in one line.")
        object.__setattr__(self, "doses", listed(f"doses of arm {self.name}", self.doses))
        object.__setattr__(self, "changes", listed(f"changes of arm {self.name}", self.changes))
        if not all(isinstance(change, Change) for change in self.changes):
            raise InputError(f"changes of arm {self.name} hold something else; give Change objects.")
        for dose in self.doses:
            if not isinstance(dose, Dose):
                raise InputError(f"doses of arm {self.name} hold {dose!r}: give Dose objects.")
        # events of a dose of 0 would shorten steps, and the arm would differ from no treatment in the last digits
        object.__setattr__(self, "doses", tuple(dose for dose in self.doses if dose.most > 0))
        if sum(dose.titration is not None for dose in self.doses) > 1:
            raise InputError(f"arm {self.name} titrates two doses; one rule of an arm can be titrated.")

    @property
    def treatment(self) -> tuple[tuple[Dose, ...], tuple[Change, ...]]:
        """What decides the numbers of the arm: its doses and changes, not its name or words."""
        return self.doses, self.changes

    @property
    def dose_words(self) -> str:
        """The dose rules and changed parameters for a reader; "none" for an untreated arm."""
        doses = "; ".join(dose.words for dose in self.doses) or "none"
        return f"{doses}; with {', '.join(change.words for change in self.changes)}" if self.changes else doses

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
    units = (INPUTS[drug.name][1],) if drug.kind == "input" else DOSE_UNITS
    if drug.kind == "gh":
        units += IU_UNITS
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
    if dose.most_a_day > largest.value:
        raise InputError(
            f"{where} is too large: at most {largest.value / MASS_UNITS['mg']:g} mg a day are allowed, in a person of "
            f"{REFERENCE_WEIGHT:g} kg ({largest.source}); check the unit."
        )


def _check_interval(dose: "Dose") -> None:
    """Refuse an interval or count that no schedule has, or that the days contradict."""
    where = f"dose of {dose.drug}"
    if dose.count is not None and not (is_whole(dose.count) and dose.count >= 1):
        raise InputError(f"count = {dose.count!r} in the {where} must be a whole number of at least 1.")
    if dose.interval is None:
        return
    if not is_number(dose.interval) or not SHORTEST_INTERVAL <= dose.interval <= MOST_WEEKS * WEEK:
        raise InputError(
            f"interval = {dose.interval!r} h in the {where} must be from one minute to {MOST_WEEKS} weeks."
        )
    if len(dose.times) > 1 or dose.days != EVERY_DAY or dose.every_weeks != 1:
        raise InputError(
            f"the {where} has an interval of {dose.interval:g} h and also several times, days or every_weeks; give the "
            "one clock time of its first dose, or leave the interval out."
        )


def _check_given(dose: "Dose") -> None:
    """Refuse shares, shifts, tables and titrations that a dose cannot have."""
    where = f"dose of {dose.drug}"
    object.__setattr__(dose, "content", listed(f"content of the {where}", dose.content))
    if not is_number(dose.adherence) or not 0 <= dose.adherence <= 1:
        raise InputError(f"adherence = {dose.adherence!r} in the {where} must be a share from 0 to 1; 0.9 is 90 %.")
    content = dose.content
    if len(content) != 2 or not all(is_number(x) for x in content) or not 0 < content[0] <= content[1] <= 2:
        raise InputError(f"content = {list(content)} in the {where} must be two shares, for example [0.85, 1.15].")
    if not is_number(dose.jitter) or not 0 <= dose.jitter <= LONGEST_JITTER:
        raise InputError(f"jitter = {dose.jitter!r} in the {where} must be a number from 0 to {LONGEST_JITTER:g} h.")
    for value, kind in ((dose.table, DoseTable), (dose.titration, Titration)):  # type: tuple[object, type]
        if value is not None and not isinstance(value, kind):
            raise InputError(f"{value!r} in the {where} is not a {kind.__name__}.")
    held = dose.route in ("infusion", "pump")
    if held and (dose.adherence < 1 or content != (1.0, 1.0) or dose.jitter or dose.titration is not None):
        raise InputError(
            f"the {where} is given by {dose.route}, to which adherence, content, jitter and titration do not apply; "
            "leave them out."
        )
    if dose.table is not None and dose.amount != 1:
        raise InputError(
            f"amount = {dose.amount!r} in the {where} with a table must be 1: the table holds the amounts."
        )
    if dose.table is not None and (dose.interval is not None or dose.count is not None or dose.titration is not None):
        raise InputError(f"the {where} has a table and also an interval, count or titration; leave these out.")


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
    over_time = dose.route in ("infusion", "pump") and dose.table is None
    if not is_number(dose.duration) or (dose.duration < SECOND if over_time else dose.duration != 0):
        allowed = "at least 1/3600 h for an infusion or pump" if over_time else f"0 for the route {dose.route}"
        raise InputError(f"duration = {dose.duration!r} in the {where} must be {allowed}.")
    _check_interval(dose)
    clock = sorted(DAY * day + float(t) for day in dose.days for t in dose.times)
    gap = min(b - a for a, b in pairwise([*clock, clock[0] + WEEK * dose.every_weeks]))
    if gap < 2 * TICK:
        raise InputError(f"times = {list(dose.times)} in the {where} hold an hour twice: raise the amount instead.")
    gap = gap if dose.interval is None else dose.interval
    if dose.duration > gap + TICK and dose.count != 1:
        raise InputError(
            f"duration = {dose.duration:g} h in the {where} is longer than the {gap:g} h to the rule's next dose; "
            "shorten it, name fewer days, or write overlapping infusions as separate rules."
        )
