"""Who gets what: parallel groups, and crossover sequences."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.designs.allocation import CUT, STRATA, Groups
from pulsatile.engine.trial.designs.crossover import Crossover
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.fields import Length, Model, Name, keyed_by, known, once

Strata = Annotated[tuple[Annotated[str, known(STRATA, "covariate with codes")], ...], once]
Cuts = Annotated[dict[str, tuple[float, ...]], keyed_by(CUT)]
_STRATA_WORDS = "covariates with codes within which the allocation is balanced, for example [sex]"
_CUTS_WORDS = "limits of covariates that strata are cut at, for example {age: [50]}"


class GroupsEntry(Model):
    """Parallel groups: the arm that each patient would be given, besides what it does in every arm."""

    allocation: dict[Name, Annotated[int, Field(ge=1)]] = Field(
        description="whole numbers by arm, the ratio of the groups, for example {placebo: 1, drug: 2}"
    )
    strata: Strata = Field((), description=_STRATA_WORDS)
    cuts: Cuts = Field({}, description=_CUTS_WORDS)

    @model_validator(mode="after")
    def _engine_agrees(self) -> "GroupsEntry":
        self.resolved()
        return self

    def resolved(self) -> Groups:
        """Return the groups in numbers."""
        return Groups(tuple(self.allocation.items()), self.strata, tuple(self.cuts.items()))


class CrossoverEntry(Model):
    """Crossover: every patient receives the treatments of a sequence one after the other."""

    sequences: tuple[tuple[Name, ...], ...] = Field(
        description="sequences of arms, for example [[placebo, drug], [drug, placebo]]"
    )
    period: Length = Field(description="treatment up to the visit that ends a period, whole days")
    washout: Length = Field(description="time from that visit to the next period; whole weeks with the period")
    strata: Strata = Field((), description=_STRATA_WORDS)
    cuts: Cuts = Field({}, description=_CUTS_WORDS)

    @model_validator(mode="after")
    def _engine_agrees(self) -> "CrossoverEntry":
        self.groups()
        return self

    def resolved(self, control: str = "") -> Crossover:
        """Return the crossover in numbers; ``control`` is the treatment with which the others are compared."""
        return Crossover(self.sequences, quantities.weeks(self.period), quantities.weeks(self.washout), control)

    def groups(self) -> Groups:
        """Return the allocation of patients to the sequences, in equal parts."""
        names = self.resolved().names
        return Groups(tuple((name, 1) for name in names), self.strata, tuple(self.cuts.items()))


def check_designs(
    arms: Sequence[str], weeks: float, groups: GroupsEntry | None, crossover: CrossoverEntry | None
) -> None:
    """Refuse a design that does not fit the study's ``arms`` and its ``weeks``."""
    if groups is not None:
        if crossover is not None:
            raise InputError("groups and crossover are two designs; give one of the two.")
        for name in groups.allocation:
            if name not in arms:
                raise InputError(f"groups.allocation names {name!r}, which is no arm; choose from {', '.join(arms)}.")
    if crossover is None:
        return
    found = crossover.resolved()
    for name in found.treatments:
        if name not in arms:
            raise InputError(f"crossover.sequences names {name!r}, which is no arm; choose from {', '.join(arms)}.")
    for name in arms:
        if name not in found.treatments:
            raise InputError(f"arm {name} is in no sequence of the crossover; add it to one, or leave it out.")
    if weeks < found.weeks - 1e-9:
        raise InputError(
            f"weeks = {weeks:g} is shorter than the crossover, which lasts {found.weeks:g} weeks ({found.periods} "
            "periods and their wash-outs); give at least that."
        )
