"""All available outputs: states, fluxes and derived values, with unit and meaning.

Outputs are computed after the integration, from the stored states, by the source of the right-hand side (with numpy's
functions in place of ``math``'s), so that a further output changes no step.  The computation is elementwise, so that a
patient's values do not depend on the rest of the batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine import model, states
from pulsatile.engine.arrays import Floats
from pulsatile.engine.igf1 import igf1_sds
from pulsatile.engine.kernel.events import EventTable
from pulsatile.engine.parameters import INPUTS, NAMES, Parameters

_ARRAY_FLUXES: Callable[[Any, Any, Any], Any] = FunctionType(
    model.fluxes.__code__, {**vars(model), "exp": np.exp, "sqrt": np.sqrt, "floor": np.floor}, "fluxes"
)

HOMA_GLUCOSE, HOMA_INSULIN = 22.5, 6.0
"""HOMA-IR = glucose (mmol/L) x insulin (uU/mL) / 22.5, with 6.0 pmol per mU; metabolism 7.5."""
GLUCOSE_MG = 180.16  # mg per mmol


class Output(NamedTuple):
    """One output: name, unit, and the attributes of its variable in the dataset."""

    name: str
    unit: str
    long_name: str
    description: str


_FLUX_WORDS = {
    "ghrh_analogue": "GHRH-analogue drive, sum of effect sites over EC50",
    "ghs_analogue": "ghrelin-agonist drive, concentration over EC50",
    "gh_secretion": "pituitary GH secretion",
    "sens_muscle": "insulin sensitivity of muscle, 1 = own reference",
    "sens_liver": "insulin sensitivity of liver, 1 = own reference",
    "sens_adipose": "insulin sensitivity of adipose tissue, 1 = own reference",
    "meal_appearance": "appearance of meal glucose",
    "egp": "endogenous glucose production",
    "uptake_muscle": "glucose uptake of muscle",
    "uptake_adipose": "glucose uptake of adipose tissue",
    "uptake_independent": "insulin-independent glucose uptake",
    "glucose_requirement": "glucose infusion that would hold glucose",
    "isr": "insulin secretion rate",
    "extraction": "hepatic insulin extraction",
    "lipolysis": "FFA appearance from lipolysis",
    "ghrh_occupancy": "GHRH receptor occupancy",
    "ghs_occupancy": "ghrelin receptor occupancy",
    "ghs_loss": "rate of chronic ghrelin tolerance",
    "gh_clearance": "GH clearance rate",
    "gh_saturation_signal": "hepatic GH signal before its delay",
    "sst_target": "somatostatin tone before its delay",
    "glucose_rate": "rate of change of plasma glucose",
    "secretion_target": "insulin secretion before its delay",
    "lipolysis_signal": "lipolytic drive before its delays",
    "p85_target": "p85alpha-like signal before its delay",
}
_DERIVED_WORDS = {
    "uptake": ("mmol/kg/min", "total glucose uptake", "muscle, adipose and insulin-independent uptake"),
    "homa_ir": ("1", "HOMA-IR", "glucose x insulin / (22.5 x 6.0); meaningful at fasting times only"),
    "adipo_ir": ("mmol/L*pmol/L", "adipose insulin resistance", "FFA x insulin; meaningful at fasting times only"),
    "igf1_sds": ("1", "IGF-1 SD score", "by age, axis 'Definitions for tests'"),
    "vat_change": ("%", "visceral fat, change from baseline", "100 (vat / vat0 - 1)"),
    "sat_change": ("%", "subcutaneous fat, change from baseline", "100 (sat / sat0 - 1)"),
    "lean_change": ("kg", "lean mass, change from baseline", "lean - lean0"),
}


def _state_words(row: states.StateVariable) -> str:
    return "state of engine/model.py" + (f", symbol {row.symbol} in the model documents" if row.symbol else "")


def _catalogue() -> dict[str, Output]:
    rows = [Output(row.name, row.unit, row.meaning, _state_words(row)) for row in states.TABLE]
    rows += [Output(n, model.FLUX_UNITS[n], w, "flux of engine/model.py") for n, w in _FLUX_WORDS.items()]
    rows += [Output(n, u, w, d) for n, (u, w, d) in _DERIVED_WORDS.items()]
    return {row.name: row for row in rows}


OUTPUTS: Mapping[str, Output] = _catalogue()
CONCENTRATION = "concentration_"
"""How the output begins that is a drug's concentration in plasma; the drug's name follows."""
KNOWN = (*OUTPUTS, f"{CONCENTRATION}<drug>")
"""Names of all outputs, for messages."""


def is_output(name: object) -> bool:
    """Return whether ``name`` is an output; whether a study gives the drug of a concentration is for its arms."""
    return isinstance(name, str) and (name in OUTPUTS or bool(drug_of(name)))


def drug_of(name: str) -> str:
    """Return the drug of a concentration; "" for another output.

    >>> drug_of("concentration_tesamorelin"), drug_of("gh")
    ('tesamorelin', '')
    """
    return name.removeprefix(CONCENTRATION) if name.startswith(CONCENTRATION) else ""


def output_of(name: str) -> Output:
    """Return the output of this name."""
    drug = drug_of(name)
    if not drug:
        return OUTPUTS[name]
    words = "amount in plasma over the patient's volume; 0 where the drug is not given; 1 ug/L is 1 ng/mL"
    return Output(name, "ug/L", f"{drug} in plasma", words)


Plasma = Mapping[str, Sequence[tuple[str, Floats]]]
"""Drug: the states that hold its amounts in plasma (ug), each with the volume (n,) of its patients (L)."""


@dataclass(frozen=True)
class Evaluated:
    """States and parameters of n patients at m times; every field of ``y`` and ``p`` has shape (n, m) or (n, 1)."""

    times: Floats
    y: Any
    p: Any
    age: Floats
    plasma: Plasma = field(default_factory=dict)

    @cached_property
    def fluxes(self) -> Any:
        """All fluxes, each (n, m), computed on first access."""
        with np.errstate(invalid="ignore"):  # a failed patient is NaN throughout
            return _ARRAY_FLUXES(self.times[None, :], self.y, self.p)

    def output(self, name: str) -> Floats:
        """Return a copy of one output (n, m), C-contiguous: numpy's order of summation depends on the memory layout."""
        if drug := drug_of(name):
            amounts = [getattr(self.y, state) / volume[:, None] for state, volume in self.plasma.get(drug, ())]
            value = sum(amounts, 0.0 * self.y.gh)  # NaN where the patient failed
        elif name in states.STATE_INDEX:
            value = getattr(self.y, name)
        elif name in model.FLUX_UNITS:
            value = getattr(self.fluxes, name)
        else:
            value = _derived(self, name)
        return np.array(np.broadcast_to(value, self.y.gh.shape), float, order="C")


def _derived(e: Evaluated, name: str) -> Floats:
    y, p = e.y, e.p
    match name:
        case "uptake":
            value = e.fluxes.uptake_muscle + e.fluxes.uptake_adipose + e.fluxes.uptake_independent
        case "homa_ir":
            value = y.glucose * y.insulin / (HOMA_GLUCOSE * HOMA_INSULIN)
        case "adipo_ir":
            value = y.ffa * y.insulin
        case "igf1_sds":
            with np.errstate(invalid="ignore", divide="ignore"):
                value = igf1_sds(y.igf1, e.age[:, None])
        case "vat_change":
            value = 100 * (y.vat / p.vat0 - 1)
        case "sat_change":
            value = 100 * (y.sat / p.sat0 - 1)
        case "lean_change":
            value = y.lean - p.lean0
        case _:
            raise KeyError(name)
    return np.asarray(value)


def evaluate(
    times: Floats, y: Floats, parameters: npt.NDArray[Any], age: Floats, inputs: Mapping[str, Floats] | None = None,
    plasma: Plasma | None = None,
) -> Evaluated:  # fmt: skip
    """Return the evaluation at ``times`` (m,) h of states ``y`` (n, m, states); ``inputs`` (n, m) override parameters.

    ``parameters`` (n,) are records of `engine.parameters.DTYPE`, ``age`` (n,) is in years;
    ``plasma`` is for the concentrations of drugs.
    """
    columns = {name: parameters[name][:, None] for name in NAMES} | dict(inputs or {})
    return Evaluated(times, states.State(*np.moveaxis(y, -1, 0)), Parameters(**columns), age, plasma or {})


def inputs_at(times: Floats, table: EventTable, parameters: npt.NDArray[Any]) -> dict[str, Floats]:
    """Return the inputs (n, m) that ``table`` sets, at ascending ``times`` (m,) h: at an event, the value before it.

    Before a patient's first event the input has its value in ``parameters`` (n,).
    """
    inputs: dict[str, Floats] = {}
    owner = table.owner
    for code in np.unique(table.target[table.target < 0]):
        name = INPUTS[-1 - code]
        rows = np.flatnonzero(table.target == code)
        # the row in force at each time: mark each row where it takes effect, then carry it forward
        latest = np.full((len(parameters), len(times) + 1), -1)
        np.maximum.at(latest, (owner[rows], np.searchsorted(times, table.time[rows], side="right")), rows)
        latest = np.maximum.accumulate(latest, axis=1)[:, :-1]
        inputs[name] = np.where(latest >= 0, table.amount[latest], parameters[name][:, None])
    return inputs
