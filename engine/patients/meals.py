"""The meals of a patient's days: clock times and grams of carbohydrate, and the days of the week without them."""

from dataclasses import dataclass

from pulsatile.engine.checks import is_number, is_whole, listed
from pulsatile.engine.errors import InputError

MMOL_PER_GRAM = 5.55  # mmol glucose per g carbohydrate; metabolism 7.3
TIME_JITTER = 0.25  # h, SD; overview, Meals
SIZE_JITTER = 0.15  # SD over mean; overview, Meals
LARGEST_JITTER = 3.0  # SDs; keeps every meal on its day and positive [assumed]
SLOTS_PER_DAY = 6
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EARLIEST, LATEST = LARGEST_JITTER * TIME_JITTER, 24.0 - LARGEST_JITTER * TIME_JITTER
MOST_GRAMS = 300.0
"""Largest meal, g of carbohydrate [assumed: four times a usual one]."""


@dataclass(frozen=True)
class MealPlan:
    """Meals of a day: clock times (h) and carbohydrate (g); ``6 day + slot`` keys a meal's draws, slots 0 ... 5.

    ``fasting_days`` of the week (0 = Monday) have no meal, ``fasting_mornings`` lack the first one.

    Raises
    ------
    InputError
        For times that could leave their day, more than six meals, and amounts that nobody eats.
    """

    slots: tuple[int, ...] = (0, 2, 4)
    times: tuple[float, ...] = (7.0, 13.0, 19.0)
    grams: tuple[float, ...] = (60.0, 75.0, 75.0)
    fasting_days: tuple[int, ...] = ()
    fasting_mornings: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """The meals for a reader, as ``meals of 60 g at 7 h; none on Mon``."""
        meals = ", ".join(f"{grams:g} g at {time:g} h" for time, grams in zip(self.times, self.grams, strict=True))
        words = f"meals of {meals}" if meals else "no meals"
        for days, what in ((self.fasting_days, "none"), (self.fasting_mornings, "no first meal")):
            words += f"; {what} on {', '.join(DAY_NAMES[day] for day in days)}" if days else ""
        return words

    def __post_init__(self) -> None:
        for name in ("slots", "times", "grams", "fasting_days", "fasting_mornings"):
            object.__setattr__(self, name, listed(f"{name} of meals", getattr(self, name)))
        if not len(self.slots) == len(self.times) == len(self.grams) <= SLOTS_PER_DAY:
            raise InputError(
                f"meals have {len(self.times)} times and {len(self.grams)} amounts; give as many of each, at most "
                f"{SLOTS_PER_DAY}."
            )
        for k, (time, grams) in enumerate(zip(self.times, self.grams, strict=True)):
            if not is_number(time) or not EARLIEST <= time <= LATEST:
                raise InputError(f"time of meal {k} = {time!r} must be a clock hour from {EARLIEST} to {LATEST}.")
            if not is_number(grams) or not 0 <= grams <= MOST_GRAMS:
                raise InputError(f"grams of meal {k} = {grams!r} must be a number from 0 to {MOST_GRAMS:g}.")
        if list(self.times) != sorted(set(self.times)):
            raise InputError(f"times of meals = {list(self.times)} must be in ascending order, each once.")
        for day in (*self.fasting_days, *self.fasting_mornings):
            if not is_whole(day) or not 0 <= day < 7:
                raise InputError(f"day without meals = {day!r} must be from 0 (Monday) to 6 (Sunday).")
        for name in ("fasting_days", "fasting_mornings"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise InputError(f"{name} of meals = {list(getattr(self, name))} name a day twice; give each once.")


THREE_MEALS = MealPlan()
