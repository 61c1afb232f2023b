"""Quantities as people write them: ``2 mg``, ``1 week``, ``08:00``, ``Mon``."""

import re
from math import isfinite

HOURS = {"min": 1 / 60, "h": 1.0, "day": 24.0, "week": 168.0}
"""Hours in one unit of a length of time."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MASSES = ("ug", "mg", "ug/kg", "mg/kg", "IU")
RATES = ("-", "mmol/L/min", "mmol/kg/min", "pmol/kg/min")
"""Units of the infusions that hold a level: acipimox (share blocked), lipid, glucose, insulin."""

_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})$")
_PLURALS = {"mins": "min", "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "days": "day", "weeks": "week"}


def _split(text: str, units: tuple[str, ...], example: str) -> tuple[float, str]:
    """Return number and unit of ``text``; a `ValueError` says what is wrong, in words that follow the value."""
    allowed = f"write a number and one of the units {', '.join(units)}, for example {example}"
    found = _NUMBER.match(text)
    if found is None:
        raise ValueError(f"is not a number with a unit: {allowed}")
    number, unit = float(found[1]), found[2].replace("µ", "u").replace("μ", "u")
    unit = _PLURALS.get(unit, unit)
    if not isfinite(number):
        raise ValueError(f"is too large: {allowed}")
    if not unit:
        raise ValueError(f"has no unit: {allowed}")
    if unit not in units:
        raise ValueError(f"has the unknown unit {unit!r}: {allowed}")
    return number, unit


def amount(text: str) -> tuple[float, str]:
    """Return the number and the unit of a dose.

    >>> amount("2 mg")
    (2.0, 'mg')
    """
    return _split(text, MASSES + RATES, '"2 mg"')


def hours(text: str) -> float:
    """Return a length of time in hours.

    >>> hours("15 min"), hours("2 weeks")
    (0.25, 336.0)
    """
    number, unit = _split(text, tuple(HOURS), '"1 week"')
    return number / 60 if unit == "min" else number * HOURS[unit]


def spacing(text: str) -> float:
    """Return a length of time of at least one minute in hours."""
    found = hours(text)
    if found < HOURS["min"]:
        raise ValueError('must be at least "1 min", for example "1 week"')
    return found


def clock(text: str) -> float:
    """Return a time of day in hours.

    >>> clock("22:30")
    22.5
    """
    found = _CLOCK.match(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError('is not a time of day: write hours and minutes from 00:00 to 23:59, for example "08:00"')
    return int(found[1]) + int(found[2]) / 60


def day(text: str) -> int:
    """Return the number of a day of the week, 0 for Monday.

    >>> day("Fri")
    4
    """
    short = text.strip()[:3].capitalize()
    if short not in DAYS or not text.strip().isalpha():
        raise ValueError(f"is not a day: choose from {', '.join(DAYS)}")
    return DAYS.index(short)
