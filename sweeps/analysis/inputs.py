"""Inputs in which the patients of a finished run differ: covariates, individual parameters, and drug kinetics.

Parameters are drawn again from the study, which needs the version of the engine that ran it; with another version the
inputs are the covariates alone, and a note of the result says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.drugs.dosing import individual_figures
from pulsatile.engine.parameters import TABLE
from pulsatile.sweeps.analysis.labels import factor_label
from pulsatile.sweeps.sensitivity.design import generator
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.summary.allocation import ALLOCATED

if TYPE_CHECKING:
    import xarray as xr

    from pulsatile.engine.patients.cohort import Cohort

NO_INPUT = ("phenotype", "parameter_draws", "attempts", "prevalence", ALLOCATED)
"""Covariates that are not a property of a person, or not numeric."""
MOST_EXPLAINED = 1 - 1e-4
"""Share of the variance of a column's ranks that earlier columns may explain; above it the column is redundant."""
PER_FACTOR = 4 / 3
"""Patients that partial correlations need for each input: the textbook minimum (population, Sensitivity; RECALLED)."""
_FIGURES = {
    "cl": ("L/h", "clearance"), "v": ("L", "volume of distribution"), "ka": ("1/h", "absorption rate"),
    "ec50": ("nmol/L", "concentration of half the effect (EC50)"),
}  # fmt: skip
"""Unit and words of the individual kinetics of a drug."""
_LOT = 0x1077
"""Key of the random draws of inclusion."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of n patients.

    Attributes
    ----------
    names, units : (k)
    values : (n, k), all finite
    covariates : number of covariates, which come first
    weights : prevalence weights (n,), None where patients have equal weights
    known : mask over the patients of the run, True for the n patients whose inputs are all finite
    notes : what is left out and why
    labels : the names in words, by name
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Floats
    covariates: int
    weights: Floats | None
    known: Flags
    notes: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Return the words of an input; its name where there are none."""
        return self.labels.get(name, name)

    def included(self, seed: int) -> Flags:
        """Return a mask (n,) of an equally weighted sample that represents the weighted patients.

        Without weights it holds all patients; else each with a probability proportional to the weight.
        """
        if self.weights is None:
            return np.ones(len(self.values), np.bool_)
        lots = generator(seed, _LOT).random(len(self.values))
        return np.asarray(lots < self.weights / self.weights.max(), np.bool_)


def inputs_of(dataset: "xr.Dataset", resolved: ResolvedStudy, engine: str) -> Inputs:
    """Return the inputs in which the patients of a run differ.

    Parameters
    ----------
    dataset
        Dataset of the run, with covariates along ``patient``.
    resolved
        Study of the run.
    engine
        Hash of the engine that ran it.
    """
    n, notes = dataset.sizes["patient"], list[str]()
    columns: dict[str, tuple[str, Floats]] = {}
    labels: dict[str, str] = {}
    for key, coordinate in dataset.coords.items():
        name = str(key)
        if coordinate.dims == ("patient",) and name not in (*NO_INPUT, "patient"):
            columns[name] = str(coordinate.attrs.get("units", "")), np.asarray(coordinate.values, np.float64)
            labels[name] = str(coordinate.attrs.get("long_name", name)).split(",")[0]
    covariates = list(columns)
    if engine == engine_hash():
        cohort = resolved.cohort(0, n)
        drugs = drugs_of(cohort, resolved)
        columns |= parameters_of(cohort) | drugs
        labels |= {name: _FIGURES[name.split(" of ")[0]][1] + name[name.index(" of ") :] for name in drugs}
    else:
        notes.append("parameters are not among the inputs: another version of the engine drew them for this run")
    finite: Flags = np.asarray(np.isfinite(np.stack([values for _, values in columns.values()])).all(axis=0))
    if not finite.all():
        notes.append(f"{int((~finite).sum())} of {n} patients have an input that is not finite and are left out")
    varied = {name: (unit, x[finite]) for name, (unit, x) in columns.items() if finite.any() and np.ptp(x[finite]) > 0}
    names, redundant = independent({name: x for name, (_, x) in varied.items()})
    if redundant:
        notes.append(f"determined by other inputs and left out: {', '.join(redundant)}")
    weights = np.asarray(dataset["prevalence"].values, np.float64)[finite] if "prevalence" in dataset.coords else None
    return Inputs(
        names=tuple(names), units=tuple(varied[name][0] for name in names),
        values=np.stack([varied[name][1] for name in names], axis=1) if names else np.empty((int(finite.sum()), 0)),
        covariates=sum(name in covariates for name in names), weights=weights, known=finite, notes=tuple(notes),
        labels={name: labels.get(name) or factor_label(name) for name in names},
    )  # fmt: skip


def parameters_of(cohort: "Cohort") -> dict[str, tuple[str, Floats]]:
    """Return unit and values (n,) of the drawn parameters, by name; those of the run-in follow from them."""
    from pulsatile.engine.patients.run_in import RUN_IN_FIELDS

    drawn = [row for row in TABLE if row.kind in ("constant", "patient") and row.name not in RUN_IN_FIELDS]
    return {row.name: (row.unit, np.asarray(cohort.parameters[row.name], np.float64)) for row in drawn}


def drugs_of(cohort: "Cohort", resolved: ResolvedStudy) -> dict[str, tuple[str, Floats]]:
    """Return unit and values (n,) of the individual kinetics of the arms' drugs, where patients differ."""
    figures: dict[str, tuple[str, Floats]] = {}
    for drug in dict.fromkeys(dose.substance for arm in resolved.arms for dose in arm.doses):
        for figure, values in individual_figures(drug, cohort).items():
            figures[f"{figure} of {drug.name}"] = _FIGURES[figure][0], values
    return figures


def independent(columns: dict[str, Floats]) -> tuple[list[str], list[str]]:
    """Return the names of columns (n,) that earlier ones do not determine, and of the redundant ones, judged by ranks.

    With few patients enough columns explain anything: then only a column determined by a single other one is redundant.
    """
    from scipy.stats import rankdata

    kept, redundant, basis, ranks = list[str](), list[str](), list[Floats](), list[Floats]()
    for name, x in columns.items():
        centred = rankdata(x) - (len(x) + 1) / 2
        size = float(centred @ centred)
        rest = centred.copy()
        if len(x) >= PER_FACTOR * len(columns):
            for direction in basis * 2:  # twice: one pass of Gram-Schmidt loses digits
                rest -= direction * float(direction @ rest)
        remaining = float(rest @ rest)
        doubled = any(float(centred @ x) ** 2 > MOST_EXPLAINED * size * float(x @ x) for x in ranks)
        if doubled or remaining <= (1 - MOST_EXPLAINED) * size:
            redundant.append(name)
            continue
        kept.append(name)
        ranks.append(centred)
        basis.append(rest / np.sqrt(remaining))
    return kept, redundant
