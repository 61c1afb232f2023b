"""The virtual tests of a study file: a protocol, its weeks or days, and the settings in which it differs from it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.trial.protocols import PROTOCOLS
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.virtual_test import TestDose, TestSettings
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.drug_entry import DrugEntry, DrugName, check_known
from pulsatile.sweeps.study.fields import (
    Amount,
    Clock,
    Length,
    Model,
    OutputName,
    SignedLength,
    Spacing,
    ascending,
    known,
    once,
)

DAYS_A_WEEK = 7


class GivenEntry(Model):
    """A drug given within a test."""

    drug: DrugName = Field(description="a drug of the table, or one that the study defines under drugs")
    dose: Amount = Field(description='a quantity such as "1 ug/kg"')
    route: Literal["SC", "IV", "infusion", "pump", "oral"] = Field("IV", description="as in the dose of an arm")
    after: SignedLength = Field("0 h", description='time after the test\'s start; negative before it, as in "-60 min"')
    duration: Length = Field("0 h", description="length of an infusion or pump delivery")
    own: DrugEntry | None = Field(None, description="definition of the drug; filled in from the study's drugs")

    @model_validator(mode="after")
    def _drug_known(self) -> Self:
        check_known(self.drug, self.own)
        return self

    def resolved(self) -> TestDose:
        """Return the dose in numbers."""
        number, unit = quantities.amount(self.dose)
        own = None if self.own is None else self.own.resolved(self.drug)
        dose = Dose(self.drug, number, unit, self.route, (0.0,), duration=quantities.hours(self.duration), own=own)
        return TestDose(dose, quantities.signed_hours(self.after))


class TestEntry(Model):
    """A virtual test at weeks or days of treatment; week 0 and day 0 are before all treatment."""

    __test__ = False  # not a pytest class
    test: Annotated[str, known(PROTOCOLS, "test")] = Field(description="name of the protocol")
    weeks: Annotated[tuple[float, ...], Field(min_length=1), ascending] | None = Field(
        None, description="whole weeks of treatment, ascending; 0 is before all treatment"
    )
    days: Annotated[tuple[int, ...], Field(min_length=1)] | None = Field(
        None, description="days of treatment in place of weeks, ascending; day 7 is the first of the second week"
    )
    name: str | None = Field(None, description="beginning of the names of its variables; default the test's name")
    at: Clock | None = Field(None, description="clock time of its start; default 07:00 of fasting tests, else 06:00")
    fast: Length | None = Field(None, description="time without meals and boluses before a fasting test; default 1 h")
    length: Length | None = Field(None, description="length of the test; default the protocol's")
    every: Spacing | None = Field(None, description="spacing of the samples; default the protocol's, mostly 10 min")
    dose: Amount | None = Field(None, description='dose of GHRH or GHRP-6 in a test of these; default "1 ug/kg"')
    grams: float | None = Field(None, ge=0, description="glucose of an OGTT, g; of an IVGTT, g/kg")
    insulin: tuple[float, ...] = Field((), description="rates of a clamp's equal steps, mU/m2/min")
    glucose: float | Literal["own"] | None = Field(
        None, description="glucose that a clamp holds, mmol/L, or own: that of the start; default 5.0"
    )
    outputs: Annotated[tuple[OutputName, ...], once] = Field((), description="outputs that the test sampling keeps")
    give: tuple[GivenEntry, ...] = Field((), description="drugs given within the test")

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        if (self.weeks is None) == (self.days is None):
            raise ValueError("must have either weeks or days: give one of the two")
        self.resolved()
        return self

    def resolved(self) -> TestAt:
        """Return the test in numbers."""
        number, unit = (None, "ug/kg") if self.dose is None else quantities.amount(self.dose)
        settings = TestSettings(
            at=None if self.at is None else quantities.clock(self.at),
            fast=None if self.fast is None else quantities.hours(self.fast),
            hours=None if self.length is None else quantities.hours(self.length),
            every=None if self.every is None else quantities.hours(self.every),
            dose=number,
            dose_unit=unit,
            grams=self.grams,
            insulin=self.insulin,
            glucose=0.0 if self.glucose == "own" else self.glucose,
            outputs=self.outputs,
            give=tuple(entry.resolved() for entry in self.give),
        )
        weeks = tuple(day / DAYS_A_WEEK for day in self.days or ()) if self.weeks is None else self.weeks
        return TestAt(self.test, weeks, self.name or "", settings)
