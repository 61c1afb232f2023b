"""Titration by rule: at each visit a patient's dose goes up a step, down a step, or stays."""

from dataclasses import dataclass

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import is_number
from pulsatile.engine.errors import InputError


@dataclass(frozen=True)
class Titration:
    """The rule by which a dose is changed.

    on : output, read at the end of the visit's week, or endpoint of a virtual test that is made at every visit
    low, high : target; below ``low`` the dose rises by ``step``, above ``high`` it falls by ``step``
    step, least, most : in the unit of the dose; ``least`` to ``most`` bound it
    every : weeks between visits, whole; the first visit is after ``every`` weeks
    until : last visit, week; None for the end of the study

    A patient whose value is missing keeps the dose.

    Raises
    ------
    InputError
        For bounds, steps or weeks that contradict each other.
    """

    on: str
    low: float
    high: float
    step: float
    least: float
    most: float
    every: float = 4.0
    until: float | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step", "least", "most", "every"):
            if not is_number(getattr(self, name)):
                raise InputError(f"titration: {name} = {getattr(self, name)!r} must be a number.", (name,))
        if not isinstance(self.on, str) or not self.on:
            raise InputError(f"titration: on = {self.on!r} must be the name of an output or endpoint.", ("on",))
        if not self.low <= self.high:
            raise InputError(f"titration: target = [{self.low:g}, {self.high:g}] must ascend.", ("target",))
        if not self.step > 0:
            raise InputError(f"titration: step = {self.step:g} must be above 0.", ("step",))
        if not 0 <= self.least <= self.most:
            raise InputError(f"titration: min = {self.least:g} and max = {self.most:g} must ascend from 0.", ("min",))
        if self.every != int(self.every) or self.every < 1:
            raise InputError(f"titration: every = {self.every:g} weeks must be whole and at least 1.", ("every",))
        if self.until is not None and not (is_number(self.until) and self.until >= self.every):
            raise InputError(f"titration: until = {self.until!r} must not be before the first visit.", ("until",))

    def visits(self, weeks: float) -> tuple[float, ...]:
        """Return the weeks of the visits before the end of a study of ``weeks``."""
        last = weeks if self.until is None else min(weeks, self.until + 1e-9)
        return tuple(self.every * k for k in range(1, int(last / self.every) + 1) if self.every * k < weeks)

    def next_amount(self, amount: Floats, value: Floats) -> Floats:
        """Return the amounts (n,) after a visit with the values (n,), NaN where nothing was measured.

        >>> rule = Titration("igf1_sds", 0, 1, step=0.1, least=0.1, most=0.5)
        >>> rule.next_amount(np.array([0.3, 0.3, 0.3, 0.5, 0.1]), np.array([-1, 0.5, 2, -1, 3])).round(9).tolist()
        [0.4, 0.3, 0.2, 0.5, 0.1]
        """
        with np.errstate(invalid="ignore"):
            change = self.step * ((value < self.low).astype(float) - (value > self.high))
        moved = np.where(change == 0, amount, np.clip(amount + change, self.least, self.most))
        return np.asarray(moved, np.float64)
