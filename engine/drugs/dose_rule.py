"""The settings of a dose rule, its drug, and its amounts in micrograms."""

from dataclasses import dataclass

from pulsatile.engine.drugs.dose_table import DoseTable
from pulsatile.engine.drugs.drug import Drug
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.drugs.titration import Titration

DAY, WEEK = 24.0, 168.0
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
class DoseRule:
    """The settings of a `Dose`, which explains and checks them."""

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
    own: Drug | None = None

    @property
    def substance(self) -> Drug:
        """The drug with its figures: the user's own, or that of the table."""
        return DRUGS[self.drug] if self.own is None else self.own

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
