"""The people that a study draws from a named population, with its ranges, margins and shifts changed."""

from collections.abc import Iterable
from math import inf
from typing import Any, Self

from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.adults import COVARIATES, OMEGA
from pulsatile.engine.patients.layers import Layers, Omega
from pulsatile.engine.people.draw import draw_adults
from pulsatile.engine.people.margins import BOUNDS
from pulsatile.engine.people.populations import NamedPopulation, population, restricted
from pulsatile.engine.people.shapes import constant, from_mean, log_normal, through
from pulsatile.engine.people.spec import PeopleSpec
from pulsatile.sweeps.study.fields import Resolved


class ResolvedPeople(Resolved):
    """People drawn from a named population, with its ranges, margins and shifts changed, in layers."""

    named: str
    women: float | None
    ranges: dict[str, Any]
    margins: dict[str, Any]
    shifts: dict[str, Any]
    layers: Layers
    cv: dict[str, float]
    correlations: tuple[tuple[str, str, float], ...]

    @classmethod
    def of(
        cls, named: str, women: float | None, ranges: dict[str, Any], margins: dict[str, Any], shifts: dict[str, Any],
        layers: Layers, cv: dict[str, float], correlations: Iterable[tuple[str, str, float]],
    ) -> Self:  # fmt: skip
        """Return the people of a study's entries, in one form for every spelling in the file."""
        bounded = {name: _by_sex(value, lambda v, n=name: _bounded(n, v)) for name, value in ranges.items()}
        return cls(
            named=named, women=women, ranges=_plain(bounded), margins=_plain(margins), shifts=_plain(shifts),
            layers=layers, cv=cv, correlations=tuple(sorted((*sorted((a, b)), r) for a, b, r in correlations)),
        )  # fmt: skip

    def population(self) -> NamedPopulation:
        """Return the population that the people are drawn from."""
        base = population(self.named)
        ranges = {name: _by_sex(value, lambda v, n=name: _range(n, v)) for name, value in self.ranges.items()}
        margins = {name: _by_sex(value, lambda v, n=name: _margin(n, v)) for name, value in self.margins.items()}
        return restricted(base, PeopleSpec(ranges=ranges, margins=margins, shifts=self.shifts), self.women)

    def omega(self) -> Omega:
        """Return the covariance of the patients' own parameters."""
        for name in self.cv:
            if name in COVARIATES:
                raise InputError(
                    f"CV of {name}: it is the covariate {COVARIATES[name]}, which varies already; give a margin of it."
                )
        given: dict[tuple[str, str], float] = {}
        for first, second, r in self.correlations:
            if (first, second) in given or (second, first) in given:
                raise InputError(f"correlation of {first} and {second} is given twice; give it once.")
            given[first, second] = r
        defaults = Omega(self.cv, None, OMEGA.held).defaults
        kept = {pair: r for pair, r in defaults.items() if pair not in given and pair[::-1] not in given}
        return Omega(self.cv, kept | given, OMEGA.held)

    def check(self) -> None:
        """Refuse people that the engine cannot draw, before anything runs."""
        draw_adults(0, [0, 1], self.population().people)
        self.omega()


def _by_sex(value: Any, read: Any) -> Any:
    """Return ``read`` of a value, or of the values of men and women where they are given separately."""
    if isinstance(value, dict) and set(value) <= {"men", "women"}:
        return {sex: read(part) for sex, part in value.items()}
    return read(value)


def _range(name: str, value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _margin(name: str, value: Any) -> Any:
    """Return the margin written in a study as a number, {median, cv}, {mean, sd} or {quantiles: [2.5, 50, 97.5 %]}."""
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


def _bounded(name: str, value: Any) -> Any:
    """Return a range with the general bound in place of an infinite limit, which JSON cannot hold."""
    if name not in BOUNDS or not isinstance(value, list | tuple) or len(value) != 2:
        return value
    low, high, _ = BOUNDS[name]
    return [low if value[0] == -inf else value[0], high if value[1] == inf else value[1]]


def _plain(value: Any) -> Any:
    """Return plain data with all numbers as floats: 30 and 30.0 are the same."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return value
