"""The sweep of a study file: axes over its entries, and the rows of values that they make."""

from collections import Counter
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.fields import Model
from pulsatile.sweeps.study.identity import canonical
from pulsatile.sweeps.study.read import shorten

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_SCENARIOS = 10_000
DIGITS = 6
"""Significant digits of a value drawn from a range: the value in the table of scenarios is the value that runs."""


class RangeEntry(Model):
    """The limits of an axis from which values are drawn."""

    low: float | str = Field(description='a number, or a quantity such as "0.1 mg"')
    high: float | str = Field(description="in the unit of low")

    def at(self, shares: "npt.NDArray[np.float64]") -> list[Any]:
        """Return the values at ``shares`` (n,) of the way from low to high, each rounded to `DIGITS`."""
        low, high, unit = self._numbers()
        values = [float(f"{low + share * (high - low):.{DIGITS}g}") for share in shares.tolist()]
        return [f"{value:.{DIGITS}g} {unit}" for value in values] if unit else values

    def _numbers(self) -> tuple[float, float, str]:
        parts = [self._read(value) for value in (self.low, self.high)]
        (low, unit), (high, other) = parts
        if unit != other:
            raise ValueError("has limits in two units: give both in one")
        if not low < high:
            raise ValueError("has no range: low must be below high")
        return low, high, unit

    @staticmethod
    def _read(value: float | str) -> tuple[float, str]:
        if not isinstance(value, str):
            return float(value), ""
        try:
            return quantities.amount(value)
        except ValueError:
            return quantities.hours(value), "h"

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        self._numbers()
        return self


Axis = Annotated[
    Annotated[tuple[Any, ...], Field(min_length=1), Tag("<list>")] | Annotated[RangeEntry, Tag("<range>")],
    Discriminator(lambda value: "<range>" if isinstance(value, dict | RangeEntry) else "<list>"),
]


class SweepEntry(Model):
    """Scenarios: the study with each row of values of the axes; see docs/scenarios.md."""

    kind: Literal["grid", "list", "lhs"] = Field(
        "grid",
        description="grid: every combination; list: axes of equal length, row by row; lhs: Latin hypercube over ranges",
    )
    axes: dict[str, Axis] = Field(
        min_length=1, description="values by key of the study, for example {arms.rhGH.dose: [0.1 mg, 0.3 mg]}"
    )
    points: int | None = Field(None, ge=1, le=MOST_SCENARIOS, description="lhs: number of scenarios")
    seed: int | None = Field(None, ge=0, lt=2**64, description="lhs: seed of the hypercube; default 1")

    @model_validator(mode="after")
    def _rows_exist(self) -> Self:
        self.rows()
        return self

    def rows(self) -> list[dict[str, Any]]:
        """Return the values of every scenario, by axis; the last axis of a grid changes fastest."""
        for name, axis in self.axes.items():
            if isinstance(axis, RangeEntry) != (self.kind == "lhs"):
                wanted = "a range, {low, high}" if self.kind == "lhs" else "a list of values"
                raise InputError(f"axes: {name} of kind {self.kind} must be {wanted}.", ("axes", name))
        if self.kind == "lhs":
            return self._hypercube()
        for option in ("points", "seed"):
            if getattr(self, option) is not None:
                raise InputError(f"{option} is for kind: lhs, not for a {self.kind}; leave it out.", (option,))
        lists = {name: list(axis) for name, axis in self.axes.items() if isinstance(axis, tuple)}
        if self.kind == "list":
            if len({len(values) for values in lists.values()}) > 1:
                lengths = ", ".join(f"{name} has {len(values)}" for name, values in lists.items())
                raise InputError(f"axes of a list have one length: {lengths}.", ("axes",))
            rows = list(zip(*lists.values(), strict=True))
        else:
            if (count := prod(map(len, lists.values()))) > MOST_SCENARIOS:
                raise InputError(f"the grid has {count} scenarios; at most {MOST_SCENARIOS} are allowed.", ("axes",))
            rows = list(product(*lists.values()))
        twice = [text for text, count in Counter(canonical(row) for row in rows).items() if count > 1]
        if twice:
            raise InputError(f"the scenario {shorten(twice[0])} is given twice; give each once.", ("axes",))
        return [dict(zip(lists, row, strict=True)) for row in rows]

    def _hypercube(self) -> list[dict[str, Any]]:
        from pulsatile.sweeps.sensitivity.factors import Factor
        from pulsatile.sweeps.sensitivity.samples import latin

        if self.points is None:
            raise InputError("points is missing; add it, the number of scenarios, for example 20.", ("points",))
        factors = [Factor(f"axis {k}", low=0.0, high=1.0) for k in range(len(self.axes))]
        shares = latin(factors, self.points, 1 if self.seed is None else self.seed).values
        columns = {
            name: axis.at(shares[:, k])
            for k, (name, axis) in enumerate(self.axes.items())
            if isinstance(axis, RangeEntry)
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
