"""What a number, a whole number and a list are, asked of values that people wrote."""

from collections.abc import Iterable
from math import isfinite
from typing import Any, TypeGuard

import numpy as np

from pulsatile.engine.errors import InputError


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
