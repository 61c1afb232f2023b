"""Quantities as people write them: ``2 mg``, ``1 week``, ``08:00``, ``Mon``."""

import re
from math import isfinite

from pulsatile.engine.drugs.dose_rule import DOSE_UNITS, IU_UNITS, MOST_WEEKS

HOURS = {"min": 1 / 60, "h": 1.0, "day": 24.0, "week": 168.0}
"""Hours in one unit of a length of time."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MASSES = (*DOSE_UNITS, *IU_UNITS)
RATES = ("-", "mmol/L/min", "mmol/kg/min", "pmol/kg/min")
"""Units of the infusions that hold a level: acipimox (share blocked), lipid, glucose, insulin."""
_PER_TIME = {"1/h": 1.0, "1/min": 60.0, "1/day": 1 / 24, "/h": 1.0, "/min": 60.0, "/day": 1 / 24}
FIGURES = {
    "molar_mass": {"g/mol": 1.0, "kg/mol": 1000.0},
    "ka": _PER_TIME, "ke": _PER_TIME, "k_tolerance": _PER_TIME,
    "cl": {"L/h": 1.0, "L/min": 60.0, "mL/min": 0.06},
    "v": {"L": 1.0, "mL": 1e-3},
    "ec50": {"nmol/L": 1.0, "pmol/L": 1e-3, "umol/L": 1000.0},
    "potency": {"1/ug": 1.0, "/ug": 1.0},
    "largest": {"ug": 1.0, "mg": 1000.0, "g": 1e6},
}  # fmt: skip
"""Units of the figures of a drug; each with the number of the first unit in one of it."""
BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
"""Bytes in one unit of memory."""
MOST_BYTES = 1e15

# not \d, which matches the digits of every script
_NUMBER = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(.*?)\s*$")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})$")
_PERCENT = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*%\s*$")
_RATE = re.compile(r"(.*%)\s*per\s+(.*?)\s*$")
WEEKS_A_YEAR = 365.25 / 7
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PLURALS = {"mins": "min", "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "days": "day", "weeks": "week"}


def _any_case(word: str, least: int) -> str:
    """Return a pattern of the first ``least`` letters of a word or more, in any case."""
    letters = [f"[{letter.upper()}{letter}]" for letter in word]
    return "".join(letters[:least]) + "(?:".join(["", *letters[least:]]) + ")?" * (len(word) - least)


# what the JSON schema says of the texts that the functions below read
_SIZE = r"^\s*\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*"
LENGTH = rf"{_SIZE}(?:{'|'.join([*HOURS, *_PLURALS])})\s*$"
AMOUNT = rf"{_SIZE}(?:{'|'.join([*MASSES, *RATES, 'µg', 'μg', 'µg/kg', 'μg/kg', 'µg/m2', 'μg/m2'])})\s*$"
SIGNED = LENGTH.replace("^", r"^\s*-?", 1)
CLOCK = r"^\s*(?:[01]?[0-9]|2[0-3]):[0-5][0-9]\s*$"
PERCENT = r"^\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)\s*%\s*$"
_UNITS = "|".join([*HOURS, *_PLURALS])
RATE = rf"{PERCENT[:-1]}per\s+(?:(?:[0-9]+\.?[0-9]*\s*)?(?:{_UNITS}|years?)|visit)\s*$"
DAY = rf"^\s*(?:{'|'.join(_any_case(name, 3) for name in _WEEK)})\s*$"


def _split(text: str, units: tuple[str, ...], example: str) -> tuple[float, str]:
    """Return the number and unit of ``text``; the words of a `ValueError` follow the value in a sentence."""
    allowed = f"write a number and one of the units {', '.join(units)}, for example {example}"
    parts = _NUMBER.match(text)
    if parts is None:
        raise ValueError(f"is not a number with a unit: {allowed}")
    number, unit = float(parts[1]), parts[2].replace("µ", "u").replace("μ", "u")
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


def figure(name: str, text: str) -> tuple[float, str]:
    """Return a figure of a drug in its own unit, and that unit.

    >>> figure("cl", "2600 mL/min"), figure("ka", "4 /h")
    ((156.0, 'L/h'), (4.0, '1/h'))
    """
    units = FIGURES[name]
    number, unit = _split(text, tuple(units), f'"1 {next(iter(units))}"')
    return number * units[unit], next(iter(units))


def percent(text: str) -> float:
    """Return a percentage as a share.

    >>> percent("12.5 %")
    0.125
    """
    parts = _PERCENT.match(text)
    if parts is None:
        raise ValueError('is not a percentage: write a number and %, for example "5 %"')
    return float(parts[1]) / 100


def rate(text: str) -> tuple[float, float | None]:
    """Return the share of a rate, and the weeks over which it holds; None from one visit to the next.

    >>> rate("5 % per 26 weeks"), rate("3 % per visit"), rate("10 % per week")
    ((0.05, 26.0), (0.03, None), (0.1, 1.0))
    """
    parts = _RATE.match(text.strip())
    if parts is None:
        raise ValueError('is not a rate: write for example "5 % per 26 weeks", "10 % per year" or "3 % per visit"')
    share, every = percent(parts[1]), parts[2]
    if every == "visit":
        return share, None
    number = _NUMBER.match(every)
    count, unit = (float(number[1]), number[2]) if number else (1.0, every)
    length = count * WEEKS_A_YEAR if unit in ("year", "years") else weeks(f"{count:g} {unit}")
    if not 0 < length <= MOST_WEEKS:
        raise ValueError(f'holds over no time, or over more than {MOST_WEEKS} weeks: write for example "5 % per year"')
    return share, length


def size(text: str) -> int:
    """Return an amount of memory in bytes.

    >>> size("2 GB"), size("1.5 GiB")
    (2000000000, 1610612736)
    """
    number, unit = _split(text, tuple(BYTES), '"2 GB"')
    if number <= 0:
        raise ValueError('must be above 0, for example "2 GB"')
    if number * BYTES[unit] > MOST_BYTES:
        raise ValueError('is more than any machine has: at most "1000 TB" is allowed, for example "2 GB"')
    return int(number * BYTES[unit])


def hours(text: str) -> float:
    """Return a length of time, of at most the longest study, in hours.

    >>> hours("15 min"), hours("2 weeks")
    (0.25, 336.0)
    """
    number, unit = _split(text, tuple(HOURS), '"1 week"')
    length = number / 60 if unit == "min" else number * HOURS[unit]
    if not 0 <= length <= MOST_WEEKS * HOURS["week"]:
        raise ValueError(f'is not a length of time from 0 to {MOST_WEEKS} weeks: write for example "1 week"')
    return length


def signed_hours(text: str) -> float:
    """Return a length of time in hours, negative where it begins with a minus sign.

    >>> signed_hours("-30 min")
    -0.5
    """
    text = text.strip()
    return -hours(text[1:]) if text.startswith("-") else hours(text)


def weeks(text: str) -> float:
    """Return a length of time in weeks.

    >>> weeks("84 h")
    0.5
    """
    return hours(text) / HOURS["week"]


def spacing(text: str) -> float:
    """Return a length of time of at least one minute in hours."""
    length = hours(text)
    if length < HOURS["min"]:
        raise ValueError('must be at least "1 min", for example "1 week"')
    return length


def clock(text: str) -> float:
    """Return a time of day in hours.

    >>> clock("22:30")
    22.5
    """
    parts = _CLOCK.match(text.strip())
    if parts is None or int(parts[1]) > 23 or int(parts[2]) > 59:
        raise ValueError('is not a time of day: write hours and minutes from 00:00 to 23:59, for example "08:00"')
    return int(parts[1]) + int(parts[2]) / 60


def day(text: str) -> int:
    """Return the number of a day of the week, 0 for Monday.

    >>> day("Fri")
    4
    """
    numbers = [k for k, name in enumerate(_WEEK) if name.startswith(text.strip().lower())]
    if len(text.strip()) < 3 or not numbers:
        raise ValueError(f"is not a day: choose from {', '.join(DAYS)}")
    return numbers[0]
