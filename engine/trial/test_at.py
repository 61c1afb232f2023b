"""A virtual test of a study: which, at which weeks, under which name and with which settings."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from pulsatile.engine.checks import choices, is_number, listed
from pulsatile.engine.drugs.dose_rule import DAY, WEEK
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import on_clock
from pulsatile.engine.trial.protocols import PROTOCOLS, virtual_test
from pulsatile.engine.trial.virtual_test import FASTING_HOURS, TestSettings, VirtualTest

USUAL = TestSettings()
"""The settings of the protocols."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class TestAt:
    """A virtual test (a name of `protocols.PROTOCOLS`) and its treatment weeks."""

    __test__ = False  # not a pytest class
    test: str
    """name of a virtual test"""
    weeks: tuple[float, ...] = field(metadata={"min_length": 1})
    """weeks of treatment, ascending, whole or whole days as in 4 / 7; 0 is before all treatment"""
    name: str = ""
    """beginning of the names of its variables; the test's own by default"""
    settings: TestSettings = USUAL
    """settings in which it differs from the protocol"""

    def __post_init__(self) -> None:
        if not isinstance(self.test, str) or self.test not in PROTOCOLS:
            raise InputError(f"test = {self.test!r} is unknown; {choices(self.test, PROTOCOLS)}.", ("test",))
        object.__setattr__(self, "name", self.name or self.test)
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InputError(
                f"name = {self.name!r} of test {self.test} must be small letters, digits and _, for example ghrh_low.",
                ("name",),
            )
        weeks = listed(f"weeks of test {self.name}", self.weeks)
        for k, week in enumerate(weeks):
            if not is_number(week) or week < 0:
                raise InputError(f"week of test {self.name} = {week!r} must be a number of at least 0.", ("weeks", k))
        object.__setattr__(self, "weeks", tuple(map(float, weeks)))
        days = [round(7 * week) for week in weeks]
        if not weeks or any(abs(7 * w - d) > 1e-9 * d for w, d in zip(weeks, days, strict=True)):
            raise InputError(f"{self.words} must be whole weeks or whole days, for example [0, 6, 26].", ("weeks",))
        if days != sorted(set(days)):
            raise InputError(f"{self.words} must be in ascending order, each once, for example [0, 6, 26].", ("weeks",))
        if self.virtual_test.fasting and self.settings.fast is not None and self.lead > self.settings.fast:
            raise InputError(f"test {self.name} gives a drug before its fast of {self.settings.fast:g} h; lengthen it.")

    @property
    def words(self) -> str:
        """The weeks in words, for messages."""
        return f"weeks of test {self.name} = [{', '.join(f'{week:.4g}' for week in self.weeks)}]"

    @cached_property
    def virtual_test(self) -> VirtualTest:
        """The test with its settings."""
        return virtual_test(self.test, self.name, self.settings)

    @property
    def lead(self) -> float:
        """Hours from the snapshot to the start of the test."""
        fast = FASTING_HOURS if self.settings.fast is None else self.settings.fast
        before = max((-given.after for given in self.settings.give), default=0.0)
        return max(fast if self.virtual_test.fasting else 0.0, before)

    @property
    def longest(self) -> float:
        """Hours from midnight of the test's day to its end, at most."""
        return DAY + self.virtual_test.hours

    def start(self, week: float) -> float:
        """Return the start of the test of ``week``, h.

        Of week 0, which is before all treatment, it falls on the next day where its lead would begin before 0.
        """
        clock = self.virtual_test.clock if self.settings.at is None else self.settings.at
        start = float(on_clock(WEEK * week + clock))
        while start < self.lead:
            start += DAY
        return start

    def snapshot(self, week: float) -> float:
        """Return the instant at which the test of ``week`` branches off the main run, h."""
        return float(on_clock(self.start(week) - self.lead))
