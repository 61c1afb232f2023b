"""Checked types of the entries of a study file: quantities with units, names, lists.

A frozen dataclass of the engine can be the type of a field: pydantic validates it with the strictness of the enclosing
`Model`, with bounds from the metadata of its fields and descriptions from the docstrings below them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from pulsatile.engine.checks import choices
from pulsatile.engine.outputs import CONCENTRATION, KNOWN, OUTPUTS, is_output
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


@dataclass(frozen=True, eq=False)
class Checked:
    """A check of a field's value, and what the JSON schema says of it (``keywords``; names may be added later)."""

    check: Callable[[Any], Any]
    keywords: Callable[[], dict[str, Any]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let the check follow the field's own validation."""
        return no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the keywords to the field's own."""
        return handler(schema) | self.keywords()


def checked(check: Callable[[str], object], pattern: str) -> Checked:
    """Return a check that keeps the text when ``check`` can read it; such texts have the ``pattern``."""

    def look(text: str) -> str:
        check(text)
        return text

    return Checked(look, lambda: {"pattern": pattern})


def choose(name: str, allowed: Iterable[str], what: str) -> str:
    """Return ``name`` when it is allowed; otherwise raise a `ValueError` with the nearest and all allowed names."""
    names = tuple(allowed)
    if name not in names:
        raise ValueError(f"is not a known {what}: {choices(name, names)}")
    return name


def known(names: Collection[str], what: str) -> Checked:
    """Return a check that allows only ``names``."""
    return Checked(lambda name: choose(name, names, what), lambda: {"enum": list(names)})


def one_of(names: Collection[str]) -> Checked:
    """Return the keywords of a field whose names another check compares with ``names``."""
    return Checked(lambda name: name, lambda: {"enum": list(names)})


def keyed_by(names: Collection[str]) -> Checked:
    """Return the keywords of a mapping whose keys another check compares with ``names``."""
    return Checked(lambda mapping: mapping, lambda: {"propertyNames": {"enum": list(names)}})


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list that holds a value twice."""
    twice = [str(value) for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"holds {', '.join(twice)} twice: give each once")
    return values


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse weeks that are not whole numbers in ascending order."""
    if any(value != int(value) for value in values) or list(values) != sorted(set(values)):
        raise ValueError("must be whole weeks in ascending order, each once, for example [0, 6, 26]")
    return values


once = Checked(_once, lambda: {"uniqueItems": True})
ascending = Checked(
    _ascending, lambda: {"uniqueItems": True, "items": {"type": "number", "minimum": 0, "multipleOf": 1}}
)


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


Length = Annotated[str, BeforeValidator(unit_needed), checked(quantities.hours, quantities.LENGTH)]
SignedLength = Annotated[str, BeforeValidator(unit_needed), checked(quantities.signed_hours, quantities.SIGNED)]
Spacing = Annotated[str, BeforeValidator(unit_needed), checked(quantities.spacing, quantities.LENGTH)]
Clock = Annotated[str, BeforeValidator(unit_needed), checked(quantities.clock, quantities.CLOCK)]
Percent = Annotated[str, BeforeValidator(unit_needed), checked(quantities.percent, quantities.PERCENT)]
Rate = Annotated[str, BeforeValidator(unit_needed), checked(quantities.rate, quantities.RATE)]
Day = Annotated[str, checked(quantities.day, quantities.DAY)]
Amount = Annotated[str, BeforeValidator(unit_needed), checked(quantities.amount, quantities.AMOUNT)]
Text = Annotated[str, Field(max_length=200), checked(_line, r"^[^\n\r\t]*$")]
Name = Annotated[str, Field(min_length=1, max_length=60), checked(_printable, r"^\S([^\n\r\t]*\S)?$")]
Phenotype = Annotated[str, known(PHENOTYPES, "phenotype")]
OutputName = Annotated[
    str, Checked(_output, lambda: {"anyOf": [{"enum": list(OUTPUTS)}, {"pattern": f"^{CONCENTRATION}"}]})
]
Share = Annotated[float, Field(ge=0, le=1e9)]

MOST_PATIENTS = 10_000_000
