"""What a virtual test is: administrations, measurements and endpoints, and the settings in which it may differ.

A test is a side branch from a snapshot of a patient and never changes the main run.  Fasting tests withhold meals and
boluses for the hour before their start and continue running infusions; the others take place with meals and doses as
scheduled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import choices, is_number, listed
from pulsatile.engine.drugs.dose_rule import DAY, MASS_UNITS
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.errors import InputError
from pulsatile.engine.outputs import GLUCOSE_MG, KNOWN, Evaluated, is_output
from pulsatile.engine.people.covariates import body_surface

Rows = Sequence[tuple[float, str, npt.ArrayLike]]
"""Administrations: hour after the start, state that jumps or input that is set, amount (scalar or (n,))."""

SNAPSHOT_CLOCK = 6.0  # h, start of the 24-h tests, before the earliest breakfast (pulses.LARGEST_JITTER)
FASTING_CLOCK = 7.0  # h, start of the fasting tests
FASTING_HOURS = 1.0  # without meals and boluses before a fasting test
INSULIN_PER_MU = 6.0  # pmol per mU; metabolism 7.7, clamp recipe
LONGEST_TEST = 168.0  # h
LONGEST_FAST = 72.0  # h
SHORTEST_SAMPLING = 1 / 60  # h between samples


@dataclass(frozen=True)
class Person:
    """The properties of n patients that a test depends on; every field (n,)."""

    weight: Floats
    height: Floats
    parameters: npt.NDArray[Any]

    @property
    def surface(self) -> Floats:
        """Body surface (m2) by Mosteller."""
        return body_surface(self.weight, self.height)


@dataclass(frozen=True)
class TestDose:
    """One dose of a drug within a test.

    ``dose`` gives amount, unit, route and duration; its clock times and days have no meaning here.  ``after`` is the
    hour after the test's start, negative before it.
    """

    __test__ = False  # not a pytest class
    dose: Dose
    after: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.dose, Dose):
            raise InputError(f"dose = {self.dose!r} of a test is not a Dose.")
        if not is_number(self.after) or not -LONGEST_FAST <= self.after <= LONGEST_TEST:
            raise InputError(
                f"after = {self.after!r} of {self.dose.drug} in a test must be a number from {-LONGEST_FAST:g} to "
                f"{LONGEST_TEST:g} h.", ("after",)
            )  # fmt: skip


@dataclass(frozen=True)
class TestSettings:
    """The settings in which a test may differ from its protocol; None (or empty) is the protocol's own.

    at : clock hour of the start
    fast : hours before the start without meals and boluses, of a fasting test
    hours : length, h
    every : spacing of the samples, h
    dose : amount given, of the protocol's drug and in ``dose_unit``: GHRH or GHRP-6 (ug/kg, ug or mg)
    grams : glucose of an oral test, g; of an intravenous one, g/kg
    insulin : infusion rates of a clamp's equal steps, mU/m2/min
    glucose : concentration that a clamp holds, mmol/L; 0 is the patient's own at its start
    outputs : names of `outputs.OUTPUTS` that a sampling keeps
    give : drugs given within the test
    """

    __test__ = False  # not a pytest class
    at: float | None = None
    fast: float | None = None
    hours: float | None = None
    every: float | None = None
    dose: float | None = None
    dose_unit: str = "ug/kg"
    grams: float | None = None
    insulin: tuple[float, ...] = ()
    glucose: float | None = None
    outputs: tuple[str, ...] = ()
    give: tuple[TestDose, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high, unit in (
            ("at", 0.0, DAY - SHORTEST_SAMPLING, "h"), ("fast", 0.0, LONGEST_FAST, "h"),
            ("hours", SHORTEST_SAMPLING, LONGEST_TEST, "h"), ("every", SHORTEST_SAMPLING, LONGEST_TEST, "h"),
            ("dose", 0.0, 100e3, self.dose_unit), ("grams", 0.0, 300.0, "g"), ("glucose", 0.0, 30.0, "mmol/L"),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not (is_number(value) and low <= value <= high):
                raise InputError(
                    f"{name} = {value!r} of a test must be a number from {low:.3g} to {high:g} {unit}.", (name,)
                )
        if self.dose_unit not in STIMULUS_UNITS:
            raise InputError(
                f"dose_unit = {self.dose_unit!r} of a test is unknown; {choices(self.dose_unit, STIMULUS_UNITS)}."
            )
        object.__setattr__(self, "insulin", listed("insulin of a test", self.insulin))
        object.__setattr__(self, "outputs", listed("outputs of a test", self.outputs))
        object.__setattr__(self, "give", listed("give of a test", self.give))
        if not all(isinstance(given, TestDose) for given in self.give):
            raise InputError("give of a test must hold TestDose objects.", ("give",))
        for rate in self.insulin:
            if not is_number(rate) or not 0 <= rate <= 1000:
                raise InputError(f"insulin = {rate!r} of a test must be a rate from 0 to 1000 mU/m2/min.", ("insulin",))
        for name in self.outputs:
            if not is_output(name):
                raise InputError(f"output = {name!r} of a test is unknown; {choices(name, KNOWN)}.", ("outputs",))

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the settings that are not the protocol's own."""
        return tuple(row.name for row in fields(self) if getattr(self, row.name) != row.default)

    def micrograms_per_kg(self, person: Person) -> Floats:
        """Return the dose of every patient (n,), ug/kg; 1 where it is the protocol's own."""
        if self.dose is None:
            return np.ones(len(person.weight))
        amount = self.dose * STIMULUS_UNITS[self.dose_unit]
        return np.full(len(person.weight), amount) if self.dose_unit.endswith("/kg") else amount / person.weight


STIMULUS_UNITS = {"ug/kg": MASS_UNITS["ug"], **MASS_UNITS}
"""ug (or ug/kg) in one unit of `TestSettings.dose`."""


@dataclass(frozen=True)
class VirtualTest:
    """One virtual test.

    ``hours`` length; ``give`` events (h after the start) for a `Person`; ``read`` endpoints (n,) from the sample times
    (h after the start), the evaluated samples (n, m) and the `Person`; ``endpoints`` name -> (unit, meaning);
    ``curves`` outputs kept as curves; ``fasting`` as above; ``start`` states set at the start; ``per_hour`` samples per
    hour; ``spare`` drug slots that the test uses.
    """

    name: str
    meaning: str
    hours: float
    give: Callable[[Person], Rows]
    read: Callable[[Floats, Evaluated, Person], dict[str, Floats]]
    endpoints: Mapping[str, tuple[str, str]]
    curves: tuple[str, ...] = ()
    fasting: bool = True
    start: Mapping[str, float] = field(default_factory=dict)
    per_hour: float = 6
    spare: tuple[str, ...] = ()

    @property
    def times(self) -> Floats:
        """Sample times, h after the start, both ends included."""
        count = int(np.floor(self.hours * self.per_hour + 1e-9)) + 1
        return np.arange(count) / self.per_hour

    @property
    def clock(self) -> float:
        """Usual clock hour of the start."""
        return FASTING_CLOCK if self.fasting else SNAPSHOT_CLOCK


def area(times: Floats, values: Floats) -> Floats:
    """Return the area (n,) under ``values`` (n, m), in their unit times h, by trapezoids."""
    return np.asarray(np.trapezoid(values, times, axis=1))


def between(times: Floats, first: float, last: float) -> slice:
    """Return the samples from ``first`` to ``last`` (h), both included."""
    return slice(*np.searchsorted(times, (first - 1e-9, last + 1e-9)))


def at(times: Floats, *hours: float) -> list[int]:
    """Return the positions of the samples at ``hours``."""
    return [int(i) for i in np.searchsorted(times, np.array(hours) - 1e-9)]


def milligrams(mmol: Floats) -> Floats:
    """Return mg of glucose for mmol."""
    return mmol * GLUCOSE_MG
