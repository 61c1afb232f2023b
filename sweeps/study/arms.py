"""The arms of a study file: doses written as quantities, and doses matched to another arm."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from pulsatile.engine.drugs.presets import PRESETS, preset
from pulsatile.engine.drugs.regimens import MOST_TIMES, MOST_WEEKS, Arm, Dose
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.fields import Amount, Clock, Day, Length, Model, Name, Text, known, once, one_of

MOST_RULES = 100  # of an arm
AVAILABLE = [name for name, row in PRESETS.items() if row.available]


class MatchEntry(Model):
    """A dose matched on a pilot: the mean gain of the quantity ``match`` equals that of the arm ``to``."""

    match: Literal["igf1"] = Field(description="quantity whose mean gain over 8 weeks is matched")
    to: Name = Field(description="name of the arm to match")


class DoseEntry(Model):
    """One drug of an arm: amount, route and dosing times; a `Dose` written with quantities."""

    drug: Annotated[str, known(DRUGS, "drug")] = Field(description="name of the drug or infused substance")
    dose: Annotated[
        Annotated[Amount, Tag("<text>")] | Annotated[MatchEntry, Tag("<match>")],
        Discriminator(lambda value: "<match>" if isinstance(value, dict | MatchEntry) else "<text>"),
    ] = Field(description='a quantity such as "2 mg" or "10 ug/kg", or {match: igf1, to: ARM}')
    route: Literal["SC", "IV", "infusion", "pump", "oral"] = Field(
        "SC", description="SC: bolus under the skin, IV: bolus into a vein, infusion: into a vein, pump: under the skin"
    )
    at: tuple[Clock, ...] = Field(
        min_length=1, max_length=MOST_TIMES, description='clock times, for example ["08:00", "22:00"]'
    )
    days: Annotated[tuple[Day, ...], Field(min_length=1), once] = Field(
        quantities.DAYS, description="days of the week, for example [Mon, Thu]; default every day"
    )
    every_weeks: int = Field(1, ge=1, le=MOST_WEEKS, description="1: every week, 2: every second week, ...")
    start: Length = Field("0 weeks", description="first dose not before this time of treatment")
    stop: Length | None = Field(None, description="no dose from this time on; default the end of the study")
    duration: Length = Field("0 h", description="length of an infusion or pump delivery")

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        self.resolved()
        if isinstance(self.dose, MatchEntry) and self.drug != "somatropin":
            raise ValueError(f"asks for a matched dose of {self.drug}: only somatropin can be matched")
        return self

    def resolved(self, matched: float = 1.0) -> Dose:
        """Return the dose in numbers; ``matched`` is the amount in mg where it is to be matched."""
        number, unit = (matched, "mg") if isinstance(self.dose, MatchEntry) else quantities.amount(self.dose)
        return Dose(
            drug=self.drug,
            amount=number,
            unit=unit,
            route=self.route,
            times=tuple(map(quantities.clock, self.at)),
            days=tuple(sorted(map(quantities.day, self.days))),
            every_weeks=self.every_weeks,
            start_week=quantities.weeks(self.start),
            stop_week=None if self.stop is None else quantities.weeks(self.stop),
            duration=quantities.hours(self.duration),
        )


class ArmEntry(Model):
    """A treatment arm: a preset, or a regimen written out (an empty regimen is no treatment)."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["preset"], "properties": {"preset": {"type": "string"}}},
                {"required": ["regimen"], "properties": {"regimen": {"type": "array"}}},
            ]
        }
    )

    name: Name = Field(description="name of the arm in tables, pictures and datasets")
    preset: Annotated[str, one_of(AVAILABLE)] | None = Field(None, description="a name of `pulsatile presets`")
    regimen: Annotated[tuple[DoseEntry, ...], Field(max_length=MOST_RULES)] | None = Field(
        None, description="dose rules, in place of a preset; an empty list is no treatment"
    )
    description: Text = Field("", description="a line about the arm; default the preset's")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.preset is None) == (self.regimen is None):
            raise ValueError("must have either a preset or a regimen: give one of the two")
        self.resolved()
        return self

    @model_validator(mode="after")
    def _one_match(self) -> Self:
        targets = {r.dose.to for r in self.regimen or () if isinstance(r.dose, MatchEntry)}
        if len(targets) > 1:
            raise ValueError(
                f"matches doses to {' and '.join(sorted(targets))}: an arm can be matched to one other arm"
            )
        return self

    @property
    def match(self) -> MatchEntry | None:
        """The dose to be matched, if the arm has one; where several rules are matched, all have that dose."""
        return next((r.dose for r in self.regimen or () if isinstance(r.dose, MatchEntry)), None)

    def resolved(self, matched: float = 1.0) -> Arm:
        """Return the arm in numbers; ``matched`` is the amount in mg where a dose is to be matched."""
        if self.preset is not None:
            usual = preset(self.preset)
            return Arm(self.name, usual.doses, self.description or usual.description, usual.standing)
        return Arm(self.name, tuple(rule.resolved(matched) for rule in self.regimen or ()), self.description)
