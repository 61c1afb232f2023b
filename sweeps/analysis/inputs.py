"""What differed between the patients of a finished run: covariates, own parameters, and their drugs' kinetics.

Parameters are drawn again from the study, which needs the version of the engine that ran; with another, covariates are
all there is, and the result says so.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.drugs.dosing import individual_figures
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.parameters import TABLE
from pulsatile.sweeps.sensitivity.design import generator
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import ResolvedStudy

if TYPE_CHECKING:
    import xarray as xr

    from pulsatile.engine.patients.cohort import Cohort

NO_INPUT = ("phenotype", "parameter_draws", "attempts", "prevalence")
"""Covariates that are no property of a person, or no number on a scale."""
TOLD = 1 - 1e-4
"""Share of the variance of a column's ranks that those before it may explain; above, it is told by them."""
PER_FACTOR = 4 / 3
"""Patients that partial correlations need for each input: the textbooks' floor (population, Sensitivity; RECALLED)."""
_FIGURES = {"cl": "L/h", "v": "L", "ka": "1/h", "ec50": "nmol/L"}
_LOT = 0x1077
"""Sets the lots of inclusion apart."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of n patients.

    Attributes
    ----------
    names, units : (k)
    values : (n, k), all finite
    covariates : how many of the first are covariates
    weights : prevalence (n,), None where patients count alike
    known : positions (n,) in the run of the patients; who has an input that is no number is not among them
    notes : what was left out and why
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Floats
    covariates: int
    weights: Floats | None
    known: Flags
    notes: tuple[str, ...]

    def included(self, seed: int) -> Flags:
        """Return who (n,) is in a sample that stands for the weighted patients, each counting alike.

        Everybody without weights; else each with a probability proportional to the weight.
        """
        if self.weights is None:
            return np.ones(len(self.values), np.bool_)
        lots = generator(seed, _LOT).random(len(self.values))
        return np.asarray(lots < self.weights / self.weights.max(), np.bool_)


def inputs_of(dataset: "xr.Dataset", resolved: ResolvedStudy, engine: str) -> Inputs:
    """Return what differed between the patients of a run.

    Parameters
    ----------
    dataset
        Of the run, with covariates along ``patient``.
    resolved
        Its study.
    engine
        Hash of the engine that ran it.
    """
    n, notes = dataset.sizes["patient"], list[str]()
    columns: dict[str, tuple[str, Floats]] = {}
    for key, coordinate in dataset.coords.items():
        name = str(key)
        if coordinate.dims == ("patient",) and name not in (*NO_INPUT, "patient"):
            columns[name] = str(coordinate.attrs.get("units", "")), np.asarray(coordinate.values, np.float64)
    covariates = list(columns)
    if engine == engine_hash():
        cohort = resolved.cohort(0, n)
        columns |= parameters_of(cohort) | drugs_of(cohort, resolved)
    else:
        notes.append("parameters are not among the inputs: another version of the engine ran, and drew them")
    finite: Flags = np.asarray(np.isfinite(np.stack([values for _, values in columns.values()])).all(axis=0))
    if not finite.all():
        notes.append(f"{int((~finite).sum())} of {n} patients have an input that is no number and are left out")
    varied = {name: (unit, x[finite]) for name, (unit, x) in columns.items() if finite.any() and np.ptp(x[finite]) > 0}
    kept, told = independent({name: x for name, (_, x) in varied.items()})
    if told:
        notes.append(f"told by other inputs, and left out: {', '.join(told)}")
    weights = np.asarray(dataset["prevalence"].values, np.float64)[finite] if "prevalence" in dataset.coords else None
    return Inputs(
        names=tuple(kept), units=tuple(varied[name][0] for name in kept),
        values=np.stack([varied[name][1] for name in kept], axis=1) if kept else np.empty((int(finite.sum()), 0)),
        covariates=sum(name in covariates for name in kept), weights=weights, known=finite, notes=tuple(notes),
    )  # fmt: skip


def parameters_of(cohort: "Cohort") -> dict[str, tuple[str, Floats]]:
    """Return unit and values (n,) of the parameters that are drawn, by name; those of the run-in follow from them."""
    from pulsatile.engine.patients.run_in import RUN_IN_FIELDS

    drawn = [row for row in TABLE if row.kind in ("constant", "patient") and row.name not in RUN_IN_FIELDS]
    return {row.name: (row.unit, np.asarray(cohort.parameters[row.name], np.float64)) for row in drawn}


def drugs_of(cohort: "Cohort", resolved: ResolvedStudy) -> dict[str, tuple[str, Floats]]:
    """Return unit and values (n,) of the patients' kinetics of the arms' drugs, where they differ."""
    found: dict[str, tuple[str, Floats]] = {}
    for name in dict.fromkeys(dose.drug for arm in resolved.arms for dose in arm.doses):
        drug = DRUGS[name]
        if drug.kind in ("ghrh", "ghs"):
            for figure, values in individual_figures(drug, cohort).items():
                found[f"{figure} of {name}"] = _FIGURES[figure], values
    return found


def independent(columns: dict[str, Floats]) -> tuple[list[str], list[str]]:
    """Return the names of columns (n,) that those before them do not tell, and of the others, judged by ranks.

    With few patients anything is told by enough columns: then only what one other column tells is left out.
    """
    from scipy.stats import rankdata

    kept, told, basis, ranks = list[str](), list[str](), list[Floats](), list[Floats]()
    for name, x in columns.items():
        own = rankdata(x) - (len(x) + 1) / 2
        size = float(own @ own)
        rest = own.copy()
        if len(x) >= PER_FACTOR * len(columns):
            for direction in basis * 2:  # twice: one pass of Gram and Schmidt loses digits
                rest -= direction * float(direction @ rest)
        left = float(rest @ rest)
        doubled = any(float(own @ other) ** 2 > TOLD * size * float(other @ other) for other in ranks)
        if doubled or left <= (1 - TOLD) * size:
            told.append(name)
            continue
        kept.append(name)
        ranks.append(own)
        basis.append(rest / np.sqrt(left))
    return kept, told
