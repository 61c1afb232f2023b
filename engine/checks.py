"""Checks of user input: numbers, lists, names, and the fields of a dataclass of settings."""

from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal, TypeGuard, TypeVar, get_args, get_origin

import numpy as np

from pulsatile.engine.errors import InputError

T = TypeVar("T")


def is_number(value: object) -> TypeGuard[float]:
    """Return whether ``value`` is a finite number; booleans are not, nor are integers too large for a double."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether ``value`` is a number of an integer type; booleans are not, nor is 8.0."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def listed(name: str, values: Any) -> tuple[Any, ...]:
    """Return ``values`` as a tuple; `InputError` for a string and for anything that is not iterable."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{name} = {values!r} must be a list.")
    return tuple(values)


def paired(name: str, values: Any) -> tuple[tuple[Any, Any], ...]:
    """Return a mapping, or a list of pairs, as a tuple of pairs; `InputError` for anything else."""
    pairs = tuple(values.items()) if isinstance(values, Mapping) else listed(name, values)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise InputError(f"{name} = {values!r} must be a mapping of names to values.")
    return tuple((key, value) for key, value in pairs)


def choices(name: object, allowed: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown ``name``: the closest allowed name, then all of them.

    >>> choices("tesamorelim", ["sermorelin", "tesamorelin"])
    'did you mean tesamorelin? Known are sermorelin, tesamorelin'
    """
    names = list(allowed)
    near = get_close_matches(str(name).lower(), names, 1)
    return f"{f'did you mean {near[0]}? Known are' if near else 'choose from'} {', '.join(names)}"


def setting(default: T, ge: float, le: float) -> T:
    """Return a dataclass field for a number with a default and inclusive bounds, which `check_fields` checks."""
    bounded: T = field(default=default, metadata={"ge": ge, "le": le})
    return bounded


def check_fields(settings: Any, what: str) -> None:
    """Refuse fields of the dataclass ``settings`` that are not of their type or outside the bounds of their `setting`.

    Checks the fields of type bool, int, float and ``Literal``.

    Raises
    ------
    InputError
        ``WHAT NAME = VALUE must be ...``, for the first such field.
    """
    for entry in fields(settings):
        value, kind, bounds = getattr(settings, entry.name), entry.type, entry.metadata
        if get_origin(kind) is Literal:
            *options, last = get_args(kind)
            fits = any(type(value) is type(option) and value == option for option in get_args(kind))
            allowed = f"{', '.join(map(str, options))} or {last}"
        elif kind is bool:
            fits, allowed = isinstance(value, bool), "True or False"
        elif kind in (int, float):
            fits = is_whole(value) if kind is int else is_number(value)
            fits = fits and (not bounds or bounds["ge"] <= value <= bounds["le"])
            allowed = "a whole number" if kind is int else "a number"
            allowed += f" from {bounds['ge']} to {bounds['le']}" if bounds else ""
        else:
            continue
        if not fits:
            raise InputError(f"{what} {entry.name} = {value!r} must be {allowed}.", (entry.name,))
