"""The design of a study: the varied parameters, their limits, and the plan of points.

Every point of the design is one individual parameter set: the base patient of ``population``, with the factors' values
in place of the patient's and with the same pulses, meals and drug kinetics.  Points differ in the factors only.
"""

from functools import lru_cache
from math import exp, isnan, log1p, nan, sqrt
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.changes import knock_outs
from pulsatile.engine.patients.layers import DEFICIT, FRACTIONS, LARGEST_ETA
from pulsatile.sweeps.sensitivity.factors import Factor, Group
from pulsatile.sweeps.sensitivity.method import DesignSpec
from pulsatile.sweeps.sensitivity.methods import DEFAULT_KIND, METHODS, kinds
from pulsatile.sweeps.study.fields import MOST_PATIENTS, Model, Name, choose, known, one_of

if TYPE_CHECKING:
    from pulsatile.engine.parameters import Parameter
    from pulsatile.sweeps.sensitivity.design import Design

Kind = Annotated[str, known(METHODS, "kind of design")]
VARIED = [name for name, row in ROW.items() if row.kind in ("constant", "patient")]
"""Parameters that a design may vary."""
VariedName = Annotated[str, one_of(VARIED)]
MOST_FACTORS = 200
MOST_LEVELS = 10_000

_UNUSED = {
    "uniform": ("centre", "spread", "levels"), "log-uniform": ("centre", "spread", "levels"),
    "normal": ("levels",), "log-normal": ("levels",), "levels": ("low", "high", "centre", "spread"),
}  # fmt: skip


class FactorEntry(Model):
    """A varied parameter; limits and distribution default to those of the parameter table."""

    name: Annotated[Name, one_of(VARIED)] = Field(description="name of a parameter")
    distribution: Literal["range", "between", "uniform", "log-uniform", "normal", "log-normal", "levels"] = Field(
        "range",
        description="range: over the table's range (logarithmic where it is above 0); between: as between patients, "
        "log-normal with the table's CV; or a distribution of one's own",
    )
    low: float | None = Field(None, description="least value; default that of the parameter table")
    high: float | None = Field(None, description="greatest value; default that of the parameter table")
    centre: float | None = Field(None, description="mean of a normal, median of a log-normal")
    spread: float | None = Field(None, gt=0, description="SD of a normal; of the logarithm of a log-normal")
    levels: Annotated[tuple[float, ...], Field(max_length=MOST_LEVELS)] = Field(
        (), description="the values, for the distribution levels"
    )

    def factor(self) -> "Factor":
        """Return the factor with its numbers; `InputError` where the table has no such parameter or no CV."""
        try:
            choose(self.name, VARIED, "parameter")
        except ValueError as error:
            raise InputError(f"design.factors: {self.name!r} {error}.") from None
        row = ROW[self.name]
        given = (self.centre, self.spread)
        kind, centre, spread = self.distribution, self.centre, self.spread
        if kind in ("range", "between") and (any(x is not None for x in given) or self.levels):
            raise InputError(
                f"design.factors: {self.name} has centre, spread or levels; name its distribution: normal, log-normal "
                "or levels."
            )
        unused = [name for name in _UNUSED.get(kind, ()) if getattr(self, name) not in (None, ())]
        if unused:
            raise InputError(f"design.factors: {self.name} has {unused[0]}, which {kind} does not use; leave it out.")
        self._check_values(row)
        low = row.low if self.low is None else self.low
        high = row.high if self.high is None else self.high
        if kind == "range":
            kind = "log-uniform" if low > 0 else "uniform"
        elif kind == "between":
            if not row.cv:
                raise InputError(f"design.factors: {self.name} has no CV in the table; give it a distribution.")
            kind, centre, spread = "log-normal", row.value, sqrt(log1p(row.cv**2))
            low, high = max(low, centre * exp(-LARGEST_ETA * spread)), min(high, centre * exp(LARGEST_ETA * spread))
        if kind == "levels":
            return Factor(self.name, kind, levels=self.levels, unit=row.unit)
        shape = [nan if value is None else value for value in (centre, spread)]
        return Factor(self.name, kind, low, high, shape[0], shape[1], unit=row.unit)

    def _check_values(self, row: "Parameter") -> None:
        """Refuse values that the parameter cannot have; values beyond the table's range are allowed."""
        for value in (*(x for x in (self.low, self.high, self.centre) if x is not None), *self.levels):
            off = value == 0 and self.name in knock_outs()
            if value < 0 <= row.low or (value == 0 and row.low > 0 and not off):
                raise InputError(f"design.factors: {self.name} = {value:g} must be above 0; correct it, or its unit.")
            if value > 1 and self.name in (DEFICIT, *FRACTIONS):
                raise InputError(f"design.factors: {self.name} = {value:g} is a share and at most 1; correct it.")


class DesignEntry(Model):
    """Points of a plan over parameters; see docs/sensitivity.md."""

    kind: Kind = Field(DEFAULT_KIND, description="plan of the points, which decides the indices; docs/sensitivity.md")
    factors: Annotated[tuple[VariedName | FactorEntry, ...], Field(min_length=1, max_length=MOST_FACTORS)] = Field(
        description="names of parameters, or entries with limits and a distribution"
    )
    points: int | None = Field(
        None,
        ge=1,
        description="; ".join(f"{m.kind}: {m.point_is}, default {m.points}" for m in METHODS.values() if m.point_is),
    )
    replicates: int | None = Field(
        None,
        ge=1,
        description="independent replicates; "
        + "; ".join(f"{m.kind}: {m.replicate_is}, default {m.replicates}" for m in METHODS.values() if m.replicate_is),
    )
    seed: int = Field(1, ge=0, lt=2**64, description="seed of the plan")
    groups: dict[Name, tuple[str, ...]] = Field({}, description="factors swapped together, with one index")
    second_order: bool = Field(
        False, description=f"pairs too ({kinds(lambda m: m.second_order)}): nearly twice the runs"
    )
    values: tuple[tuple[float, ...], ...] = Field((), description="points of a list, one row each, factors in order")

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        resolved_design(self)
        return self


class ResolvedDesign(BaseModel):
    """A design in numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    factors: tuple[dict[str, Any], ...]
    groups: dict[str, tuple[str, ...]]
    points: int
    replicates: int
    seed: int
    second_order: bool
    values: tuple[tuple[float, ...], ...]

    @property
    def n_points(self) -> int:
        """Number of points, from the numbers alone."""
        return METHODS[self.kind].count(self.spec)

    @property
    def spec(self) -> DesignSpec:
        """The specification from which the points are made."""
        return DesignSpec(
            factors=tuple(Factor(**f | {"levels": tuple(f.get("levels", ()))}) for f in self.factors),
            groups=tuple(Group(name, members) for name, members in self.groups.items()),
            points=self.points, replicates=self.replicates, seed=self.seed, second_order=self.second_order,
            values=self.values,
        )  # fmt: skip

    def design(self) -> "Design":
        """Return the points; `InputError` where there are more than a run allows patients."""
        if self.n_points > MOST_PATIENTS:
            raise InputError(f"design has {self.n_points} points, at most {MOST_PATIENTS} are allowed; take fewer.")
        return _design(self.model_dump_json())

    def grown(self, replicates: int | None) -> "ResolvedDesign":
        """Return the design with more replicates; its first points are those of this design, bit for bit."""
        if replicates is None:
            return self
        if not METHODS[self.kind].replicate_is:
            raise InputError(f"a design of kind {self.kind} has no replicates; start a new run.")
        return self.model_copy(update={"replicates": replicates})


def resolved_design(entry: DesignEntry) -> ResolvedDesign:
    """Return the design in numbers; `InputError` where its parts do not fit."""
    from dataclasses import asdict

    factors = [(FactorEntry(name=f) if isinstance(f, str) else f).factor() for f in entry.factors]
    numbers = tuple(
        {k: v for k, v in asdict(f).items() if not (isinstance(v, float) and isnan(v)) and v != ()} for f in factors
    )
    _check_allowed(entry)
    for k, row in enumerate(entry.values):
        if len(row) != len(factors):
            raise InputError(
                f"design.values[{k}] has {len(row)} numbers for {len(factors)} factors; give one for each."
            )
    design = ResolvedDesign(
        kind=entry.kind, factors=numbers, groups=dict(entry.groups),
        points=METHODS[entry.kind].points if entry.points is None else entry.points,
        replicates=METHODS[entry.kind].replicates if entry.replicates is None else entry.replicates, seed=entry.seed,
        second_order=entry.second_order, values=entry.values,
    )  # fmt: skip
    design.design()
    return design


def _check_allowed(entry: DesignEntry) -> None:
    """Refuse entries that the method of the design does not use."""
    method = METHODS[entry.kind]
    if entry.second_order and not method.second_order:
        of = kinds(lambda m: m.second_order)
        raise InputError(f"design.second_order is for {of} designs, not for {entry.kind}; leave it out.")
    if entry.groups and not method.groups:
        others = kinds(lambda m: m.groups)
        raise InputError(f"design.groups cannot be had by {entry.kind}; take {others}, or leave the groups out.")
    if method.values != bool(entry.values):
        of = kinds(lambda m: m.values)
        raise InputError(f"design.values are the points of kind: {of}, and of no other; give both or neither.")
    if entry.replicates is not None and not method.replicate_is:
        raise InputError(
            f"design.replicates: a design of kind {entry.kind} has none, as it is not drawn; leave it out."
        )
    if entry.points is not None and not method.point_is:
        raise InputError(f"design.points: a {entry.kind} has as many points as values; leave it out.")


@lru_cache(4)
def _design(text: str) -> "Design":
    resolved = ResolvedDesign.model_validate_json(text)
    return METHODS[resolved.kind].make(resolved.spec)
