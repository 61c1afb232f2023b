"""The arms of a study file: doses written as quantities, and doses matched to another arm."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import MOST_TIMES, MOST_WEEKS
from pulsatile.engine.drugs.presets import PRESETS, preset
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.changes import Parameters, changes_of
from pulsatile.sweeps.study.drug_entry import DrugEntry, DrugName, check_known
from pulsatile.sweeps.study.fields import Amount, Clock, Day, Length, Model, Name, Text, once, one_of
from pulsatile.sweeps.study.tables.dose_file import read_doses

MOST_RULES = 100  # of an arm
AVAILABLE = [name for name, row in PRESETS.items() if row.available]


class MatchEntry(Model):
    """A dose matched on a pilot: the mean gain of the quantity ``match`` equals that of the arm ``to``."""

    match: Literal["igf1"] = Field(description="quantity whose mean gain over 8 weeks is matched")
    to: Name = Field(description="name of the arm to match")


class TitrationEntry(Model):
    """A dose that is changed at visits: up a step below the target, down a step above it."""

    on: str = Field(description="output, such as igf1_sds, or endpoint of a test made at every visit: fasting_glucose")
    target: tuple[float, float] = Field(description="range in which the dose stays, for example [0, 1]")
    step: Amount = Field(description='change at a visit, in the unit of the dose, for example "0.1 mg"')
    min: Amount = Field(description="least dose")
    max: Amount = Field(description="greatest dose")
    every: Length = Field("4 weeks", description="time between visits, whole weeks")
    until: Length | None = Field(None, description="time of the last visit; default the end of the study")

    def resolved(self, unit: str) -> Titration:
        """Return the rule in numbers; `InputError` where an amount has another unit than the dose."""
        amounts = {name: quantities.amount(getattr(self, name)) for name in ("step", "min", "max")}
        for name, (_, other) in amounts.items():
            if other != unit:
                raise InputError(f"titrate: {name} is in {other} and the dose in {unit}; give one unit.", ("titrate",))
        (step, _), (least, _), (most, _) = amounts.values()
        until = None if self.until is None else quantities.weeks(self.until)
        return Titration(self.on, *self.target, step, least, most, quantities.weeks(self.every), until)


class DoseEntry(Model):
    """One drug of an arm: amount, route and dosing times; a `Dose` written with quantities."""

    drug: DrugName = Field(description="a drug of the table, or one that the study defines under drugs")
    dose: (
        Annotated[
            Annotated[Amount, Tag("<text>")] | Annotated[MatchEntry, Tag("<match>")],
            Discriminator(lambda value: "<match>" if isinstance(value, dict | MatchEntry) else "<text>"),
        ]
        | None
    ) = Field(None, description='a quantity such as "2 mg" or "10 ug/kg", or {match: igf1, to: ARM}')
    route: Literal["SC", "IV", "infusion", "pump", "oral"] = Field(
        "SC", description="SC: bolus under the skin, IV: bolus into a vein, infusion: into a vein, pump: under the skin"
    )
    at: tuple[Clock, ...] = Field(
        (),
        max_length=MOST_TIMES,
        description='clock times, for example ["08:00", "22:00"]; with every, the first',
    )
    days: Annotated[tuple[Day, ...], Field(min_length=1), once] = Field(
        quantities.DAYS, description="days of the week, for example [Mon, Thu]; default every day"
    )
    every_weeks: int = Field(1, ge=1, le=MOST_WEEKS, description="1: every week, 2: every second week, ...")
    every: Length | None = Field(None, description='interval in place of days, for example "36 h"')
    count: int | None = Field(None, ge=1, description="number of doses; 1 is once; default until the rule stops")
    start: Length = Field("0 weeks", description="first dose not before this time of treatment")
    stop: Length | None = Field(None, description="no dose from this time on; default the end of the study")
    duration: Length = Field("0 h", description="length of an infusion or pump delivery")
    adherence: float = Field(1.0, ge=0, le=1, description="share of the doses that are taken")
    content: tuple[float, float] = Field(
        (1.0, 1.0), description="range of the share of the dose that is given, for example [0.85, 1.15]"
    )
    jitter: Length = Field("0 h", description='largest shift of a dose from its clock time, for example "30 min"')
    table: str | None = Field(None, description="file of doses as given (ID, TIME, AMT, II, ADDL, RATE)")
    unit: str | None = Field(None, description="unit of AMT in the table, for example mg")
    titrate: TitrationEntry | None = Field(None, description="rule by which the dose changes at visits")
    own: DrugEntry | None = Field(None, description="definition of the drug; filled in from the study's drugs")

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        check_known(self.drug, self.own)
        if (self.dose is None) == (self.table is None):
            what = "is missing" if self.dose is None else "and a table are both given"
            raise InputError(f'dose {what}; give either a dose, for example "2 mg", or a table of doses.', ("dose",))
        if (self.table is None) != (self.unit is None):
            raise ValueError("has a unit, or a table without a unit: a table needs one, a dose has its own")
        if self.table is None and not self.at:
            raise InputError('at is empty; give at least one clock time, for example ["08:00"].', ("at",))
        self.resolved()
        if isinstance(self.dose, MatchEntry) and self.drug != "somatropin":
            raise ValueError(f"asks for a matched dose of {self.drug}: only somatropin can be matched")
        return self

    def resolved(self, matched: float = 1.0) -> Dose:
        """Return the dose in numbers; ``matched`` is the amount in mg where it is to be matched."""
        if self.dose is None:
            number, unit = 1.0, self.unit or ""
        elif isinstance(self.dose, MatchEntry):
            number, unit = matched, "mg"
        else:
            number, unit = quantities.amount(self.dose)
        return Dose(
            drug=self.drug,
            amount=number,
            unit=unit,
            route=self.route,
            times=tuple(map(quantities.clock, self.at)) or (0.0,),
            days=tuple(sorted(map(quantities.day, self.days))),
            every_weeks=self.every_weeks,
            start_week=quantities.weeks(self.start),
            stop_week=None if self.stop is None else quantities.weeks(self.stop),
            duration=quantities.hours(self.duration),
            interval=None if self.every is None else quantities.hours(self.every),
            count=self.count,
            adherence=self.adherence,
            content=self.content,
            jitter=quantities.hours(self.jitter),
            table=None if self.table is None else read_doses(self.table),
            titration=None if self.titrate is None else self.titrate.resolved(unit),
            own=None if self.own is None else self.own.resolved(self.drug),
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
    parameters: Parameters = Field(
        {}, description="parameters changed from the start of treatment on, for example {k_gh: {factor: 1.2}}"
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
        changes = changes_of(self.parameters)
        if self.preset is not None:
            usual = preset(self.preset)
            return Arm(self.name, usual.doses, self.description or usual.description, usual.standing, changes)
        doses = tuple(rule.resolved(matched) for rule in self.regimen or ())
        return Arm(self.name, doses, self.description, changes=changes)
