"""Dose rules, and the hours of their doses."""

from dataclasses import dataclass
from math import inf

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import listed
from pulsatile.engine.drugs.dose_checks import check_dose
from pulsatile.engine.drugs.dose_rule import DAY, WEEK, DoseRule
from pulsatile.engine.drugs.dose_words import dose_words
from pulsatile.engine.kernel.events import on_clock


@dataclass(frozen=True)
class Dose(DoseRule):
    """A dose rule: an amount of a drug at clock hours of certain days.

    ``amount`` is in ``unit`` (ug, mg, or IU for somatropin; also per kg of body weight or m2 of body surface); an
    infusion or pump delivers it evenly over ``duration`` h.  For acipimox and the other drugs of kind input, ``amount``
    is the level held for ``duration`` h, in the unit of the input (`engine.drugs.table.INPUTS`).  ``times`` are clock
    hours; ``days`` count from 0 = Monday; with ``every_weeks`` 2, doses fall in the first, third ... week from
    ``start_week``; the last ones fall before ``stop_week``.

    In place of days, ``interval`` (h) counts from the first of ``times`` after ``start_week``; ``count`` ends the rule
    after that many doses.  What a patient really receives may differ, each dose by keyed draws: the share
    ``adherence`` of the doses is taken, with the share of the amount uniform within ``content`` and the hour uniform
    within ``jitter`` h around its own.  A ``table`` of doses (amount 1) replaces the clock, a ``titration`` changes the
    amount at visits.

    ``own`` is the definition of a drug of the user's own (`drugs.own.own_drug`), of the same name; without it the drug
    is one of the table.

    Doses at one instant add up, and so do infusions of several rules; those of one rule may meet but not overlap.  The
    largest allowed dose is the drug's ``largest`` in `engine.drugs.table.FIGURES`.

    Raises
    ------
    InputError
        For an unknown drug, a route or unit that the drug does not have, an amount out of bounds, and times, days or
        durations that contradict each other.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", listed(f"times of {self.drug}", self.times))
        object.__setattr__(self, "days", listed(f"days of {self.drug}", self.days))
        check_dose(self)
        object.__setattr__(self, "times", tuple(map(float, self.times)))
        for name in ("amount", "start_week", "stop_week", "duration", "interval", "adherence", "jitter"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def words(self) -> str:
        """The rule for a reader, as ``tesamorelin 2 mg SC at 08:00 daily``."""
        return dose_words(self)

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
