"""Checks of values that people wrote: numbers, lists, names, and the fields of a dataclass of settings."""

from collections.abc import Iterable
from dataclasses import field, fields
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal, TypeGuard, TypeVar, get_args, get_origin

import numpy as np

from pulsatile.engine.errors import InputError

T = TypeVar("T")


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether ``value`` is a finite number; true and false are none, nor are whole numbers beyond all doubles."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether ``value`` is a whole number of a whole type; true, false and 8.0 are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def listed(name: str, values: Any) -> tuple[Any, ...]:
    """Return ``values`` as a tuple; `InputError` for a text and for what is no list."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{name} = {values!r} must be a list.")
    return tuple(values)


def choices(name: object, allowed: Iterable[str]) -> str:
    """Return what may stand in place of an unknown ``name``, the nearest first.

    >>> choices("tesamorelim", ["sermorelin", "tesamorelin"])
    'did you mean tesamorelin? Known are sermorelin, tesamorelin'
    """
    names = list(allowed)
    near = get_close_matches(str(name).lower(), names, 1)
    return f"{f'did you mean {near[0]}? Known are' if near else 'choose from'} {', '.join(names)}"


def setting(default: T, ge: float, le: float) -> T:
    """Return the field of a dataclass, a number with a default and inclusive bounds, for `check_fields`."""
    made: T = field(default=default, metadata={"ge": ge, "le": le})
    return made


def check_fields(made: Any, what: str) -> None:
    """Refuse fields of the dataclass ``made`` that are not of their type, or outside the bounds of their `setting`.

    Checks the fields of type bool, int, float and ``Literal``.

    Raises
    ------
    InputError
        ``WHAT NAME = VALUE must be ...``, for the first such field.
    """
    for each in fields(made):
        value, kind, bounds = getattr(made, each.name), each.type, each.metadata
        if get_origin(kind) is Literal:
            *others, last = get_args(kind)
            fits = any(type(value) is type(option) and value == option for option in get_args(kind))
            wanted = f"{', '.join(map(str, others))} or {last}"
        elif kind is bool:
            fits, wanted = isinstance(value, bool), "True or False"
        elif kind in (int, float):
            fits = is_whole(value) if kind is int else is_number(value)
            fits = fits and (not bounds or bounds["ge"] <= value <= bounds["le"])
            wanted = "a whole number" if kind is int else "a number"
            wanted += f" from {bounds['ge']} to {bounds['le']}" if bounds else ""
        else:
            continue
        if not fits:
            raise InputError(f"{what} {each.name} = {value!r} must be {wanted}.", (each.name,))
