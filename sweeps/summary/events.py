"""Events that an analyst counts, as outputs of 0 and 1: thresholds of therapies, "Thresholds an analyst counts" (READ).

A flag is asked for by its name like any output of a sensitivity analysis; it is 1 where the event is, 0 where not, and
NaN where what it is read from is missing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats

RESPONSE = -8.0
"""Change of visceral fat, %, from which a patient responds: pre-specified in the tesamorelin programme."""
HIGH = 2.0
"""SD score of IGF-1 above which it is high."""
DIABETIC = 7.0
"""Fasting glucose, mmol/L, from which it is diabetic (ADA)."""


@dataclass(frozen=True)
class Flag:
    """An event: the outputs it can be read from, the first that is there; whether it looks at the change from week 0.

    ``rule`` tells the event from values, or from changes in %.
    """

    words: str
    sources: tuple[str, ...]
    change: bool
    rule: Callable[[Floats], npt.NDArray[np.bool_]]

    def source(self, there: Collection[str]) -> str | None:
        """Return the output to read it from; None where there is none."""
        return next((name for name in self.sources if name in there), None)

    def values(self, values: Floats, start: Floats | None) -> Floats:
        """Return 0, 1 or NaN of values, and those of week 0 (broadcast) where it looks at changes."""
        read = values if start is None else 100 * (values / start - 1)
        return np.where(np.isfinite(read), self.rule(read), np.nan)


FLAGS: dict[str, Flag] = {
    "vat_responder": Flag(
        f"VAT at least {-RESPONSE:g} % below the own week 0", ("vat",), True, lambda change: change <= RESPONSE
    ),
    "igf1_high": Flag(
        f"IGF-1 SD score above {HIGH:g}", ("fasting_igf1_sds", "igf1_sds"), False, lambda score: score > HIGH
    ),
    "glucose_diabetic": Flag(
        f"fasting glucose of {DIABETIC:g} mmol/L or more",
        ("fasting_glucose",),
        False,
        lambda glucose: glucose >= DIABETIC,
    ),
}
