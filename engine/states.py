"""THE STATES: every state of the model with unit, usual size, value at rest and meaning.

A state is one row here and one line in `engine.model.balances`; where it moves without drug, also one in
`engine.patients.basal.fasting_state`.  All else follows from the row: units, outputs and their words, the absolute
tolerance (a share of the usual size), the layout of the compiled kernel.

``rest`` is the constant value of a state without drug; a kernel omits a resting state unless a drug of its ``group`` is
given.  It is NaN for the states that always move.  "1" is dimensionless; the units of the pituitary
drive, of the somatostatin tone and of receptor availability are arbitrary by construction of the source model.
``symbol`` is that of the model documents.
"""

from math import isnan, nan
from typing import NamedTuple

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.parameters import GHRH_SLOTS, SLOTS, record_type


class StateVariable(NamedTuple):
    """One row of the table."""

    name: str
    unit: str
    size: float
    rest: float
    meaning: str
    symbol: str = ""
    group: str = ""


# fmt: off
_PHYSIOLOGY = (
    #             name               unit          size     rest  meaning, symbol
    StateVariable("drive",           "1",             1.0,  nan,  "hypothalamic pulse drive; a pulse is a jump", "D"),
    StateVariable("sst",             "1",            50.0,  nan,  "somatostatin tone", "S"),
    StateVariable("gh_store",        "ug",         1500.0,  nan,  "releasable pituitary GH", "R"),
    StateVariable("ghrh_receptor",   "1",             1.0,  nan,  "GHRH receptor availability", "rH"),
    StateVariable("ghs_receptor",    "1",             1.0,  nan,  "ghrelin receptor availability, acute", "rS"),
    StateVariable("gh",              "ug/L",         10.0,  nan,  "plasma growth hormone", "G of the axis"),
    StateVariable("gh_signal",       "1",             1.0,  nan,  "hepatic GH signal", "M of the axis"),
    StateVariable("igf1",            "ug/L",        200.0,  nan,  "total IGF-1", "I of the axis, W of metabolism"),
    StateVariable("stomach",         "mmol",        300.0,  nan,  "meal glucose in the stomach", "q1"),
    StateVariable("gut",             "mmol",        100.0,  nan,  "meal glucose in the gut", "q2"),
    StateVariable("glucose",         "mmol/L",        5.0,  nan,  "plasma glucose", "G"),
    StateVariable("insulin_action",  "pmol/L",      100.0,  nan,  "remote insulin", "X"),
    StateVariable("insulin",         "pmol/L",      100.0,  nan,  "plasma insulin", "I"),
    StateVariable("secretion",       "pmol/kg/min",   5.0,  nan,  "delayed insulin secretion", "Y"),
    StateVariable("ffa",             "mmol/L",        0.5,  nan,  "plasma free fatty acids", "F"),
    StateVariable("antagonist",      "mmol/L",        0.5,  nan,  "insulin antagonist: FFA and delayed direct GH, FFA-equivalents", "Z"),
    StateVariable("lipolysis_delay", "1",             0.2,  nan,  "first stage of the lipolytic drive", "K"),
    StateVariable("lipolysis_drive", "1",             0.1,  nan,  "lipolytic drive", "L"),
    StateVariable("socs",            "1",             0.3,  nan,  "SOCS-like signal", "S of metabolism"),
    StateVariable("p85",             "1",             0.5,  nan,  "p85alpha-like signal, 0 to 1, phenomenological", "P"),
    StateVariable("vat",             "cm^2",        100.0,  nan,  "visceral fat area", "V"),
    StateVariable("sat",             "kg",           20.0,  nan,  "subcutaneous fat mass", "A"),
    StateVariable("lean",            "kg",           50.0,  nan,  "lean mass", "M of metabolism"),
    StateVariable("ghs_tolerance",   "1",             1.0,  1.0,  "chronic ghrelin tolerance, 1 = none", "R_S", "ghs_tolerance"),
    StateVariable("gh_depot_1",      "ug",          500.0,  0.0,  "subcutaneous somatropin, first depot", "A1", "gh_depot"),
    StateVariable("gh_depot_2",      "ug",          500.0,  0.0,  "subcutaneous somatropin, second depot", "A2", "gh_depot"),
)


def _slot(slot: str) -> tuple[StateVariable, ...]:
    rows = (
    StateVariable(f"depot_{slot}",   "ug",          100.0,  0.0, f"drug under the skin, slot {slot}", "", slot),
    StateVariable(f"central_{slot}", "ug",          100.0,  0.0, f"drug in plasma, slot {slot}", "", slot),
    )
    if slot not in GHRH_SLOTS:
        return rows
    return rows + (
    StateVariable(f"effect_{slot}",  "1",             1.0,  0.0, f"pituitary effect site, slot {slot}, in units of its EC50", "u", slot),
    )
# fmt: on


TABLE: tuple[StateVariable, ...] = _PHYSIOLOGY + sum((_slot(slot) for slot in SLOTS), ())
STATES: tuple[str, ...] = tuple(row.name for row in TABLE)
STATE_INDEX: dict[str, int] = {name: i for i, name in enumerate(STATES)}
STATE_UNITS: dict[str, str] = {row.name: row.unit for row in TABLE}
SIZES: Floats = np.array([row.size for row in TABLE])
REST: dict[str, float] = {row.name: row.rest for row in TABLE if not isnan(row.rest)}
ALWAYS: tuple[str, ...] = tuple(name for name in STATES if name not in REST)
"""States that every kernel integrates."""
GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(row.name for row in TABLE if row.group == group)
    for group in dict.fromkeys(row.group for row in TABLE if row.group)
}
"""States that move together, by group; a kernel integrates the groups that it is built for."""

State = record_type("State", STATES)
