"""Changes of parameters: a value for everybody, or a factor on each patient's own; 0 is a knock-out."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pulsatile.engine.arrays import Record
from pulsatile.engine.checks import choices, is_number
from pulsatile.engine.errors import InputError
from pulsatile.engine.model import rhs
from pulsatile.engine.parameters import NAMES, ROW, WIDE, Parameters, shown_unit, typical
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.layers import DEFICIT, FRACTIONS
from pulsatile.engine.states import State

CHANGEABLE = tuple(row.name for row in ROW.values() if row.kind in ("constant", "patient") and row.low < row.high)
"""Parameters that a study may change; the others are definitions, or are computed."""
LARGEST_FACTOR = 100.0


@dataclass(frozen=True)
class Change:
    """One parameter set to ``value`` in the unit of the table or, with ``factor``, multiplied by it.

    Raises
    ------
    InputError
        For a name that is not in `CHANGEABLE`, a value far beyond the table's range, and a 0 for which the model has
        no value (see `knock_outs`).
    """

    name: str
    value: float
    factor: bool = False

    @property
    def words(self) -> str:
        """The change for a reader, as ``v_gh = 4 L`` or ``k_gh x 1.2``."""
        if self.factor:
            return f"{self.name} x {self.value:g}"
        return f"{self.name} = {self.value:g} {shown_unit(ROW[self.name].unit)}".rstrip()

    def __post_init__(self) -> None:
        if self.name not in CHANGEABLE:
            raise InputError(f"parameter = {self.name!r} cannot be changed: {choices(self.name, CHANGEABLE)}.")
        row, what = ROW[self.name], "factor on" if self.factor else "parameter"
        if not is_number(self.value) or self.value < 0 <= row.low:
            raise InputError(f"{what} {self.name} = {self.value!r} must be a number of at least 0.")
        if self.value == 0 and row.low > 0:
            if self.name not in knock_outs():
                raise InputError(f"{what} {self.name} = 0 leaves the model without a value; give a number above 0.")
            return
        if self.factor and self.value > LARGEST_FACTOR:
            raise InputError(f"factor on {self.name} = {self.value:g} is too large; at most {LARGEST_FACTOR:g}.")
        if not self.factor and not row.low / WIDE <= self.value <= row.high * WIDE:
            raise InputError(
                f"parameter {self.name} = {self.value:g} {row.unit} is outside {row.low / WIDE:g} ... "
                f"{row.high * WIDE:g}; check the unit."
            )
        if not self.factor and self.value > 1 and self.name in (DEFICIT, *FRACTIONS):
            raise InputError(f"parameter {self.name} = {self.value:g} is a share and at most 1; correct it.")


def apply(record: Record, changes: Iterable[Change]) -> None:
    """Change the parameters of ``record`` (n,), in place; shares stay at most 1."""
    for change in changes:
        record[change.name] = record[change.name] * change.value if change.factor else change.value
        if change.name in (DEFICIT, *FRACTIONS):
            record[change.name] = np.minimum(record[change.name], 1.0)


@cache
def knock_outs() -> frozenset[str]:
    """Return the parameters whose range is above 0 and for which 0 has a meaning: the equations stay finite.

    A mechanism may be switched off (a gain, rate or amplitude of 0); a volume, a half-saturation or a patient's own
    basal state may not be 0.
    """
    rows = [
        ROW[name] for name in CHANGEABLE if name not in ("pulse_rate", "pulse_shape") and not name.endswith("_half")
    ]
    return frozenset(r.name for r in rows if r.kind == "constant" and r.low > 0 and _finite_at_zero(r.name))


def _finite_at_zero(name: str) -> bool:
    record = typical(1)
    record["sens_muscle0"] = 0.6
    record[name] = 0.0
    with np.errstate(all="ignore"):
        basal.constant_gh_means(record, basal.START_GH)
        basal.set_basal(record)
        if not basal.feasible(record).all():
            return False
        state: Any = State(*basal.fasting_state(record)[0].tolist())
    parameters = Parameters(*(float(record[field][0]) for field in NAMES))
    try:
        slopes = [rhs(t, state, parameters) for t in (3.0, 15.0)]
    except (ZeroDivisionError, OverflowError):
        return False
    return bool(np.isfinite(np.array(slopes)).all()) and bool(np.isfinite(np.array(state)).all())
