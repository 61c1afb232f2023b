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
INSULIN_PER_UNIT = 6.0  # pmol per mU; metabolism 7.5
IGF1_MOLAR_MASS = 7.649  # ug per nmol; definition: 70 amino acids, mecasermin label
DECILITRES = 10.0  # per L
MINUTES = 60.0  # per h
ADAG_SLOPE, ADAG_OFFSET = 28.7, 46.7  # mg/dL per % HbA1c, and mg/dL; Nathan2008


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


class Derived(NamedTuple):
    """One row of the derived outputs; ``value`` takes an `Evaluated`."""

    unit: str
    long_name: str
    description: str
    value: Callable[[Any], Any]


def _change(value: Any, baseline: Any) -> Any:
    return 100 * (value / baseline - 1)


def _fat(y: Any, p: Any) -> Any:
    return y.sat + p.vat_mass * y.vat


def _fat0(p: Any) -> Any:
    return p.sat0 + p.vat_mass * p.vat0


def _igf1_sds(e: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return igf1_sds(e.y.igf1, e.age[:, None])


def hba1c(glucose: npt.ArrayLike) -> Floats:
    """Return the HbA1c (%) that corresponds to a mean glucose (mmol/L) of the preceding two to three months.

    Regression of the ADAG study, mean glucose (mg/dL) = 28.7 HbA1c - 46.7, turned round: 507 people from 10 centres
    (268 with type 1 and 159 with type 2 diabetes, 80 without diabetes), R2 0.84 (Nathan2008).  Not valid where red
    cells live shorter or longer than usual (anaemia, transfusion, pregnancy).

    >>> hba1c([5.4, 8.6]).round(1).tolist()
    [5.0, 7.0]
    """
    return np.asarray((np.asarray(glucose) * GLUCOSE_MG / DECILITRES + ADAG_OFFSET) / ADAG_SLOPE)


# fmt: off
DERIVED: dict[str, Derived] = {
    "uptake": Derived("mmol/kg/min", "total glucose uptake", "muscle, adipose and insulin-independent uptake",
        lambda e: e.fluxes.uptake_muscle + e.fluxes.uptake_adipose + e.fluxes.uptake_independent),
    "homa_ir": Derived("1", "HOMA-IR", "glucose x insulin / (22.5 x 6.0); meaningful at fasting times only",
        lambda e: e.y.glucose * e.y.insulin / (HOMA_GLUCOSE * HOMA_INSULIN)),
    "adipo_ir": Derived("mmol/L*pmol/L", "adipose insulin resistance",
        "FFA x insulin; meaningful at fasting times only",
        lambda e: e.y.ffa * e.y.insulin),
    "glucose_mass": Derived("mg/dL", "plasma glucose in mg/dL", "18.016 mg/dL per mmol/L",
        lambda e: e.y.glucose * GLUCOSE_MG / DECILITRES),
    "insulin_units": Derived("uU/mL", "plasma insulin in uU/mL", "6.0 pmol per mU, metabolism 7.5; uU/mL is mU/L",
        lambda e: e.y.insulin / INSULIN_PER_UNIT),
    "igf1_sds": Derived("1", "IGF-1 SD score", "by age, axis 'Definitions for tests'", _igf1_sds),
    "igf1_molar": Derived("nmol/L", "total IGF-1 in nmol/L", "7.649 ug per nmol; ng/mL is the same number as ug/L",
        lambda e: e.y.igf1 / IGF1_MOLAR_MASS),
    "igf1_ratio": Derived("1", "IGF-1, ratio to baseline", "igf1 / igf1_ref, the own untreated mean",
        lambda e: e.y.igf1 / e.p.igf1_ref),
    "igf1_change": Derived("%", "IGF-1, change from baseline", "100 (igf1 / igf1_ref - 1)",
        lambda e: _change(e.y.igf1, e.p.igf1_ref)),
    "vat_change": Derived("%", "visceral fat, change from baseline", "100 (vat / vat0 - 1)",
        lambda e: _change(e.y.vat, e.p.vat0)),
    "sat_change": Derived("%", "subcutaneous fat, change from baseline", "100 (sat / sat0 - 1)",
        lambda e: _change(e.y.sat, e.p.sat0)),
    "lean_change": Derived("kg", "lean mass, change from baseline", "lean - lean0",
        lambda e: e.y.lean - e.p.lean0),
    "fat": Derived("kg", "total fat mass", "sat + vat_mass x vat, metabolism 7.4",
        lambda e: _fat(e.y, e.p)),
    "fat_change": Derived("%", "total fat mass, change from baseline", "100 (fat / fat0 - 1)",
        lambda e: _change(_fat(e.y, e.p), _fat0(e.p))),
    "fat_share": Derived("%", "body fat, share of fat and lean mass", "100 fat / (fat + lean)",
        lambda e: 100 * _fat(e.y, e.p) / (_fat(e.y, e.p) + e.y.lean)),
    "gh_leakage": Derived("ug/h", "GHRH-independent GH leak", "gh_leak x c_secretion, axis section 2",
        lambda e: e.p.gh_leak * e.p.c_secretion + 0 * e.y.gh),  # a failed patient is NaN
    "gh_refill": Derived("ug/h", "refill of the pituitary GH store", "k_store (store_max - gh_store), axis section 2",
        lambda e: e.p.k_store * (e.p.store_max - e.y.gh_store)),
    "gh_secretion_rate": Derived("ug/L/min", "own GH secretion per distribution volume",
        "(gh_secretion + gh_leakage) / v_gh: the unit of deconvolution",
        lambda e: (e.fluxes.gh_secretion + e.p.gh_leak * e.p.c_secretion) / e.p.v_gh / MINUTES),
}
"""Outputs computed from states, fluxes and parameters."""
# fmt: on
HBA1C = Output(
    "hba1c",
    "%",
    "HbA1c of the mean glucose",
    "what HbA1c comes to where this mean glucose lasts for two to three months: regression of the ADAG study, (mean "
    "glucose in mg/dL + 46.7) / 28.7, 507 people with type 1, type 2 or no diabetes (Nathan2008)",
)  # fmt: skip


def _state_words(row: states.StateVariable) -> str:
    return "state of engine/model.py" + (f", symbol {row.symbol} in the model documents" if row.symbol else "")


def _catalogue() -> dict[str, Output]:
    rows = [Output(row.name, row.unit, row.meaning, _state_words(row)) for row in states.TABLE]
    rows += [Output(n, model.FLUX_UNITS[n], w, "flux of engine/model.py") for n, w in _FLUX_WORDS.items()]
    rows += [Output(n, row.unit, row.long_name, row.description) for n, row in DERIVED.items()]
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
            value = DERIVED[name].value(self)
        return np.array(np.broadcast_to(value, self.y.gh.shape), float, order="C")


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
