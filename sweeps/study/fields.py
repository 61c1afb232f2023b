"""Checked types of the entries of a study file: quantities with units, names, lists.

A frozen dataclass of the engine can be the type of a field: pydantic validates it with the strictness of the enclosing
`Model`, with bounds from the metadata of its fields and descriptions from the docstrings below them.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pulsatile.engine.checks import choices
from pulsatile.engine.outputs import KNOWN, is_output
from pulsatile.engine.patients.cohort import PHENOTYPES
from pulsatile.sweeps.study import quantities


class Model(BaseModel):
    """An entry of a study file: no unknown keys, no conversions between types, no NaN."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Resolved(BaseModel):
    """A part of a resolved study, as written to disk and sent to workers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def checked(check: Callable[[str], object]) -> AfterValidator:
    """Return a validator that keeps the text when ``check`` can read it."""

    def look(text: str) -> str:
        check(text)
        return text

    return AfterValidator(look)


def choose(name: str, allowed: Iterable[str], what: str) -> str:
    """Return ``name`` when it is allowed; otherwise raise a `ValueError` with the nearest and all allowed names."""
    names = tuple(allowed)
    if name not in names:
        raise ValueError(f"is not a known {what}: {choices(name, names)}")
    return name


def known(names: Iterable[str], what: str) -> AfterValidator:
    """Return a validator that allows only ``names``."""
    return AfterValidator(lambda name: choose(name, names, what))


def once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list that holds a value twice."""
    twice = [str(v) for i, v in enumerate(values) if v in values[:i]]
    if twice:
        raise ValueError(f"holds {', '.join(dict.fromkeys(twice))} twice: give each once")
    return values


def ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse weeks that are not whole numbers in ascending order."""
    if any(value != int(value) for value in values) or list(values) != sorted(set(values)):
        raise ValueError("must be whole weeks in ascending order, each once, for example [0, 6, 26]")
    return values


def _printable(name: str) -> str:
    if not name or name != name.strip() or not name.isprintable():
        raise ValueError("is not a name: write letters, digits, signs and spaces between them, in one line")
    return name


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of letters, digits, signs and spaces")
    return text


def unit_needed(value: Any) -> Any:
    """Return a bare number as text, so that the refusal names the missing unit, not the type."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _output(name: str) -> str:
    return name if is_output(name) else choose(name, KNOWN, "output")


Length = Annotated[str, BeforeValidator(unit_needed), checked(quantities.hours)]
SignedLength = Annotated[str, BeforeValidator(unit_needed), checked(quantities.signed_hours)]
Spacing = Annotated[str, BeforeValidator(unit_needed), checked(quantities.spacing)]
Clock = Annotated[str, BeforeValidator(unit_needed), checked(quantities.clock)]
Day = Annotated[str, checked(quantities.day)]
Amount = Annotated[str, BeforeValidator(unit_needed), checked(quantities.amount)]
Text = Annotated[str, Field(max_length=200), AfterValidator(_line)]
Name = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_printable)]
Phenotype = Annotated[str, known(PHENOTYPES, "phenotype")]
OutputName = Annotated[str, AfterValidator(_output)]
Share = Annotated[float, Field(ge=0, le=1e9)]

MOST_PATIENTS = 10_000_000
