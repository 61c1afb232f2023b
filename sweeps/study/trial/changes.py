"""What happens to values and patients of a trial: drift, dropout, and the noise of what is measured."""

from typing import Annotated

from pydantic import Field, model_validator

from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.noise import ASSAY_CV, WITHIN_PERSON, Noise
from pulsatile.engine.trial.designs.drift import DRIFTING, Drift
from pulsatile.engine.trial.designs.dropout import Dropout
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.fields import Model, Name, Percent, Rate, Text, keyed_by


class DriftEntry(Model):
    """Drift of body composition in all arms: a documented factor on what is kept, not a mechanism."""

    vat: Rate | None = Field(None, description='visceral fat, for example "5 % per 26 weeks"')
    sat: Rate | None = Field(None, description="subcutaneous fat")
    lean: Rate | None = Field(None, description="lean mass")
    source: Text = Field(description="trial or document in which the drift was read")

    @model_validator(mode="after")
    def _engine_agrees(self) -> "DriftEntry":
        if not self.resolved():
            raise ValueError(f"names nothing that drifts: give {', '.join(DRIFTING)}, or leave drift out")
        return self

    def resolved(self) -> tuple[Drift, ...]:
        """Return the drifts in numbers."""
        found = []
        for name in DRIFTING:
            if (text := getattr(self, name)) is not None:
                share, weeks = quantities.rate(text)
                if weeks is None:
                    raise InputError(f"drift of {name} = {text!r} is per visit; give a length of time.", (name,))
                found.append(Drift(name, share, weeks, self.source))
        return tuple(found)


class DropoutEntry(Model):
    """Patients who leave, whatever their values are; what would have been measured afterwards is missing."""

    rate: Rate = Field(description='share of those still there who leave: "10 % per year", or "3 % per visit"')
    arms: dict[Name, Rate] = Field({}, description="rates of arms that have another, over the same time")

    @model_validator(mode="after")
    def _engine_agrees(self) -> "DropoutEntry":
        self.resolved()
        return self

    def resolved(self) -> Dropout:
        """Return the dropout in numbers."""
        share, every = quantities.rate(self.rate)
        rates = {arm: quantities.rate(text) for arm, text in self.arms.items()}
        for arm, (_, other) in rates.items():
            if other != every:
                raise InputError(
                    f"dropout of {arm} = {self.arms[arm]!r} is over another time than {self.rate!r}; give both over "
                    "one time.",
                    ("arms", arm),
                )
        return Dropout(share, every, tuple((arm, own) for arm, (own, _) in rates.items()))


class NoiseEntry(Model):
    """Noise of what is measured: that of the assays, and what a person varies from visit to visit."""

    within_person: Annotated[dict[str, Percent], keyed_by(ASSAY_CV)] = Field(
        {name: f"{100 * cv:g} %" for name, cv in WITHIN_PERSON.items()},
        description="CV between visits of one person, assay included; {} for the assays alone",
    )

    @model_validator(mode="after")
    def _engine_agrees(self) -> "NoiseEntry":
        self.resolved()
        return self

    def resolved(self) -> Noise:
        """Return the noise in numbers."""
        return Noise(tuple((name, quantities.percent(text)) for name, text in self.within_person.items()))
