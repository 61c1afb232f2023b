"""The patients of a resolved study: how each chunk of them is made again, anywhere, from the study alone."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.design import DesignEntry, ResolvedDesign, resolved_design
from pulsatile.sweeps.study.population import Population

if TYPE_CHECKING:
    from pulsatile.engine.patients.cohort import Cohort
    from pulsatile.engine.patients.layers import Layers, Omega
    from pulsatile.engine.people.populations import NamedPopulation

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_IN_TABLE = 200_000
"""Patients of a table of one's own or of a frozen population: it travels with the study."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Table(_Model):
    """Columns of numbers (float64), one row per patient, packed so that a study's text can hold them."""

    names: tuple[str, ...]
    rows: int
    packed: str

    @classmethod
    def of(cls, columns: Mapping[str, npt.ArrayLike]) -> Self:
        """Return the table of equally long ``columns``."""
        block = np.array([np.asarray(column, np.float64) for column in columns.values()]).reshape(len(columns), -1)
        text = base64.b85encode(zlib.compress(np.ascontiguousarray(block.T).astype("<f8").tobytes(), 9)).decode()
        return cls(names=tuple(columns), rows=block.shape[1], packed=text)

    @property
    def content(self) -> str:
        """SHA-256 of names and numbers, whatever their order and whoever packed them: libraries compress unalike."""
        digest = hashlib.sha256()
        for name, column in sorted(self.columns.items()):
            digest.update(name.encode() + b"\0" + column.tobytes())
        return digest.hexdigest()

    @property
    def columns(self) -> dict[str, Floats]:
        """The columns by name, bit-equal to what was packed."""
        return dict(zip(self.names, _unpacked(self.packed, len(self.names)), strict=True))


@lru_cache(4)
def _unpacked(packed: str, width: int) -> tuple[Floats, ...]:
    block = np.frombuffer(zlib.decompress(base64.b85decode(packed)), "<f8").reshape(-1, width)
    columns = tuple(np.ascontiguousarray(block[:, k]) for k in range(width))
    for column in columns:
        column.flags.writeable = False  # they are shared by all who ask
    return columns


class People(_Model):
    """People drawn from a named population, with its ranges, margins and shifts changed, in layers."""

    named: str
    women: float | None
    ranges: dict[str, Any]
    margins: dict[str, Any]
    shifts: dict[str, Any]
    layers: dict[str, Any]
    cv: dict[str, float]
    correlations: tuple[tuple[str, str, float], ...]

    def who(self) -> "NamedPopulation":
        """Return whom to draw, for the engine."""
        from pulsatile.engine.people.populations import population, restricted
        from pulsatile.engine.people.spec import PeopleSpec

        base = population(self.named)
        ranges = {name: _by_sex(value, lambda v, n=name: _range(n, v)) for name, value in self.ranges.items()}
        margins = {name: _by_sex(value, lambda v, n=name: _margin(n, v)) for name, value in self.margins.items()}
        return restricted(base, PeopleSpec(ranges=ranges, margins=margins, shifts=self.shifts), self.women)

    def engine_layers(self) -> "Layers":
        """Return the engine's `Layers`."""
        from pulsatile.engine.patients.layers import Layers

        return Layers(**self.layers)

    def omega(self) -> "Omega":
        """Return the engine's `Omega`."""
        from pulsatile.engine.patients.adults import COVARIATES, OMEGA
        from pulsatile.engine.patients.layers import Omega

        for name in self.cv:
            if name in COVARIATES:
                raise InputError(
                    f"CV of {name}: it is the covariate {COVARIATES[name]}, which varies already; give a margin of it."
                )
        own: dict[tuple[str, str], float] = {}
        for one, other, r in self.correlations:
            if (one, other) in own or (other, one) in own:
                raise InputError(f"correlation of {one} and {other} is given twice; give it once.")
            own[one, other] = r
        defaults = Omega(self.cv, None, OMEGA.held).defaults
        kept = {pair: r for pair, r in defaults.items() if pair not in own and pair[::-1] not in own}
        return Omega(self.cv, kept | own, OMEGA.held)

    def check(self) -> None:
        """Refuse what the engine would refuse, before anything runs."""
        from pulsatile.engine.people.draw import draw_adults

        draw_adults(0, [0, 1], self.who().people)
        self.engine_layers()
        self.omega()


def _by_sex(value: Any, read: Any) -> Any:
    """Return what ``read`` makes of a value, of men's and women's apart where both are given."""
    if isinstance(value, dict) and set(value) <= {"men", "women"}:
        return {sex: read(one) for sex, one in value.items()}
    return read(value)


def _range(name: str, value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _margin(name: str, value: Any) -> Any:
    """Return the margin that a study writes as a number, {median, cv}, {mean, sd} or {quantiles: [2.5, 50, 97.5 %]}."""
    from pulsatile.engine.people.shapes import constant, from_mean, log_normal, through

    if isinstance(value, int | float) and not isinstance(value, bool):
        return constant(value)
    keys = set(value) if isinstance(value, dict) else set()
    numbers = [v for v in (value.values() if keys else ()) if isinstance(v, int | float)]
    if keys == {"median", "cv"} and len(numbers) == 2:
        return log_normal(value["median"], value["cv"])
    if keys == {"mean", "sd"} and len(numbers) == 2:
        return from_mean(value["mean"], value["sd"])
    if keys == {"quantiles"} and isinstance(value["quantiles"], list | tuple) and len(value["quantiles"]) == 3:
        return through(tuple(value["quantiles"]))
    raise InputError(
        f"margin of {name} = {value!r} is not understood; write a number, {{median: M, cv: C}}, {{mean: M, sd: S}} or "
        "{quantiles: [2.5 %, 50 %, 97.5 %]}."
    )


def people_of(population: Population) -> People:
    """Return the people that a study asks for; what is the same people however it is written is written the same."""
    ranges = {name: _by_sex(value, lambda v, n=name: _bounded(n, v)) for name, value in population.ranges.items()}
    return People(
        named=population.named or "adults", women=population.women, ranges=_plain(ranges),
        margins=_plain(population.margins), shifts=_plain(population.shifts), layers=population.layers.model_dump(),
        cv=population.cv, correlations=tuple(sorted((*sorted((a, b)), r) for a, b, r in population.correlations)),
    )  # fmt: skip


def _bounded(name: str, value: Any) -> Any:
    """Return a range with the bound of anyone in place of "no limit": JSON has no word for infinity."""
    from pulsatile.engine.people.margins import BOUNDS

    if name not in BOUNDS or not isinstance(value, list | tuple) or len(value) != 2:
        return value
    low, high, _ = BOUNDS[name]
    return [low if value[0] == -inf else value[0], high if value[1] == inf else value[1]]


def _plain(value: Any) -> Any:
    """Return plain data with all numbers as floats: 30 and 30.0 are the same."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return value


class ResolvedPopulation(_Model):
    """All that the patients at positions 0 ... n - 1 follow from.

    Either ``shares`` of phenotypes, or ``people``; of these a ``table`` tells ids ("patient"), prevalence weights
    ("prevalence") and covariates that are given rather than drawn.  ``seed`` where the patients have one of their own,
    other than the study's; ``id`` of a frozen population.  With a ``design`` the patients are its points: the first
    of these patients with the factors' values.
    """

    n: int
    first: int
    shares: dict[str, float] = {}
    variability: bool = True
    people: People | None = None
    table: Table | None = None
    seed: int | None = None
    id: str = ""
    design: ResolvedDesign | None = None

    @property
    def words(self) -> str:
        """Who they are, for a reader."""
        if self.design is not None:
            base = self.model_copy(update={"design": None}).words
            return f"{self.design.kind} design of {len(self.design.factors)} factors about one of {base}"
        if self.people is None:
            return ", ".join(self.shares)
        frozen = f"frozen population {self.id[:12]}" if self.id else ""
        own = "own patients" if self.table is not None and not self.id else self.people.named
        return f"{own}, {frozen}" if frozen else own

    @property
    def weighted(self) -> bool:
        """Whether patients carry prevalence weights."""
        return self.table is not None and "prevalence" in self.table.names and self.design is None

    def ids(self, start: int, stop: int) -> Ids:
        """Return the ids of the patients at positions ``start`` to before ``stop``."""
        if self.design is not None:
            return np.arange(start, stop, dtype=np.int64)
        if self.table is None:
            return np.arange(self.first + start, self.first + stop, dtype=np.int64)
        return self.table.columns["patient"][self.first + start : self.first + stop].astype(np.int64)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates of a dataset of these patients, in their order there."""
        from pulsatile.engine.simulate import COVARIATES, MORE_COVARIATES

        more = () if self.people is None else tuple(n for n in MORE_COVARIATES if n != "prevalence" or self.weighted)
        return (*COVARIATES, *more)

    def cohort(self, seed: int, start: int, stop: int) -> "Cohort":
        """Return the virtual patients at positions ``start`` to before ``stop``."""
        if self.design is not None:
            from pulsatile.engine.patients.cohort import points_of

            base = self.model_copy(update={"design": None}).cohort(seed, 0, 1)
            base.covariates.pop("prevalence", None)  # points count alike, whoever they are about
            design = self.design.design()
            columns = {f.name: design.values[start:stop, k] for k, f in enumerate(design.factors)}
            return points_of(base, self.ids(start, stop), columns)
        if self.people is None:
            from pulsatile.engine.patients.cohort import virtual_cohort

            kind: str | dict[str, float] = next(iter(self.shares)) if len(self.shares) == 1 else self.shares
            return virtual_cohort(stop - start, kind, seed, self.first + start, self.variability)
        from pulsatile.engine.patients.adults import people_cohort
        from pulsatile.engine.people.completion import complete
        from pulsatile.engine.people.draw import draw_adults

        own = seed if self.seed is None else self.seed
        ids, who = self.ids(start, stop), self.people.who()
        columns = {} if self.table is None else self.table.columns
        rows = slice(self.first + start, self.first + stop)
        known = {name: column[rows] for name, column in columns.items() if name not in ("patient", "prevalence")}
        people = complete(own, ids, known, who.people) if known else draw_adults(own, ids, who.people)
        cohort = people_cohort(own, ids, people, who, self.people.engine_layers(), self.people.omega())
        if self.weighted:
            cohort.covariates["prevalence"] = columns["prevalence"][rows]
        return cohort


def resolved_population(study: Population, entry: DesignEntry | None = None) -> ResolvedPopulation:
    """Return the patients that a study asks for, or the points of its design about the first of them."""
    base = _resolved(study)
    if entry is None:
        return base
    return with_design(base, resolved_design(entry))


def with_design(base: ResolvedPopulation, design: ResolvedDesign) -> ResolvedPopulation:
    """Return the points of ``design`` about the first patient of ``base``."""
    return base.model_copy(update={"design": design, "n": design.design().n_points})


def _resolved(study: Population) -> ResolvedPopulation:
    """Return the patients of a study's population; tables and frozen populations are read."""
    if study.frozen is not None:
        from pulsatile.sweeps.population.build import frozen_population

        return frozen_population(study.frozen, study.n, study.first)
    if study.patients is not None:
        from pulsatile.sweeps.study.own_patients import own_patients

        table = own_patients(study.patients)
        n = some(study.n, study.first, table.rows, study.patients)
        return ResolvedPopulation(n=n, first=study.first, people=people_of(study), table=table)
    if study.named is not None:
        return ResolvedPopulation(n=study.n or 1, first=study.first, people=people_of(study))
    shares = {name: share for name, share in study.mix.items() if share > 0}
    return ResolvedPopulation(n=study.n or 1, first=study.first, shares=shares, variability=study.variability)


def some(n: int | None, first: int, rows: int, where: str) -> int:
    """Return how many patients of a table of ``rows`` are wanted; `InputError` for more than there are."""
    there = rows - first
    if there < 1 or (n is not None and n > there):
        raise InputError(
            f"{where} has {rows} patients; n = {'all' if n is None else n} from place {first} on is more than that."
        )
    return there if n is None else n
