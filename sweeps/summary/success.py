"""When a trial succeeds: the rule in words, such as "difference < 0 at p < 0.05"."""

import re
from dataclasses import dataclass
from typing import Literal

from pulsatile.engine.errors import InputError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RULE = re.compile(
    rf"\s*difference\s*(?P<side><|>)\s*(?P<margin>{_NUMBER})\s*(?:at\s+p\s*<\s*(?P<alpha>{_NUMBER}))?\s*", re.ASCII
)
_EVENT = re.compile(rf"\s*(?P<side><=|>=|<|>)\s*(?P<limit>{_NUMBER})\s*%?\s*", re.ASCII)
ALPHA = 0.05
EXAMPLE = '"difference < 0 at p < 0.05"'
Side = Literal["<", ">"]


@dataclass(frozen=True)
class Success:
    """The difference of arm minus control is on one ``side`` of the ``margin``, at a two-sided p below ``alpha``."""

    side: Side
    margin: float = 0.0
    alpha: float = ALPHA

    @property
    def words(self) -> str:
        """The rule, as `success_of` reads it."""
        return f"difference {self.side} {self.margin:g} at p < {self.alpha:g}"

    @property
    def sign(self) -> float:
        """1 where a larger difference is wanted, -1 where a smaller one is."""
        return 1.0 if self.side == ">" else -1.0


def success_of(text: str) -> Success:
    """Return the rule of a text.

    >>> success_of("difference < -5")
    Success(side='<', margin=-5.0, alpha=0.05)
    """
    parts = _RULE.fullmatch(text) if isinstance(text, str) else None
    if parts is None:
        raise InputError(
            f"success = {text!r} is not understood; write difference, < or >, a number, and at p < a level, for "
            f"example {EXAMPLE}."
        )
    alpha = float(parts["alpha"] or ALPHA)
    if not 1e-6 <= alpha <= 0.5:
        raise InputError(
            f"success = {text!r}: p < {alpha:g} is not a level; give one from 0.000001 to 0.5, such as 0.05."
        )
    side: Side = "<" if parts["side"] == "<" else ">"
    return Success(side, float(parts["margin"]), alpha)


def responder_of(text: str) -> tuple[str, float]:
    """Return the side and the limit of a responder's rule, such as "<= -8".

    >>> responder_of("<= -8")
    ('<=', -8.0)
    """
    parts = _EVENT.fullmatch(text) if isinstance(text, str) else None
    if parts is None:
        raise InputError(
            f'responder = {text!r} is not understood; write <=, >=, < or > and a number, for example "<= -8".'
        )
    return parts["side"], float(parts["limit"])
