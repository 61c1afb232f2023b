"""A table of doses as given: hour, amount and duration of each, of all patients or of each by id."""

from dataclasses import dataclass

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import is_number, listed
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import on_clock

MOST_ROWS = 500_000


@dataclass(frozen=True)
class DoseTable:
    """Doses as given, one row each.

    time : hours since Monday 00:00 of treatment day 1
    amount : in the unit of the rule
    patient : ids of the patients; empty where the doses are those of every patient
    duration : hours of an infusion; empty where all are boluses

    A patient that the table does not name receives nothing.

    Raises
    ------
    InputError
        For columns of unequal length, and hours, amounts or durations that are negative or no numbers.
    """

    time: tuple[float, ...]
    amount: tuple[float, ...]
    patient: tuple[int, ...] = ()
    duration: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("time", "amount", "patient", "duration"):
            object.__setattr__(self, name, listed(f"{name} of a table of doses", getattr(self, name)))
        rows = len(self.time)
        if not rows or rows > MOST_ROWS:
            raise InputError(f"a table of doses has {rows} doses; allowed are 1 to {MOST_ROWS}.")
        for name in ("amount", "patient", "duration"):
            if len(getattr(self, name)) not in ((rows,) if name == "amount" else (0, rows)):
                raise InputError(f"{name} of a table of doses has {len(getattr(self, name))} rows for {rows} doses.")
        for name in ("time", "amount", "duration"):
            for k, value in enumerate(getattr(self, name)):
                if not is_number(value) or value < 0:
                    raise InputError(f"{name} = {value!r} in row {k} of a table of doses must be a number from 0 on.")

    @property
    def hours(self) -> Floats:
        """The different hours of the doses, ascending."""
        return np.unique(on_clock(np.array(self.time, float)))
