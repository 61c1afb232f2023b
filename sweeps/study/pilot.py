"""The pilot on which a dose is matched: people of the study itself, or others of the specification they are drawn from.

- Patients drawn from phenotypes or a named population are a sample of their specification; the pilot is another sample
  of it under a fixed seed, so that the dose depends neither on the study's seed nor on its size.
- Own patients and frozen populations are these people and no others: all of them, or `PATIENTS` places taken
  systematically by weight in an order keyed by patient id; a patient with a large weight may take several.
- All points of a design are about one patient, so the pilot is that patient on `PATIENTS` occasions.
"""

from typing import NamedTuple

import numpy as np

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.sweeps.study.patients import ResolvedPopulation, recruited
from pulsatile.sweeps.study.tables.table import PatientTable

PATIENTS = 64
SEED = 8_064_001
"""Seed of patients that are drawn for the pilot alone."""
LOT = draws.layer("pilot lot")


class Pilot(NamedTuple):
    """Patients (n,) of a pilot, how much each counts (n,) with a sum of 1, and who they are, in words."""

    cohort: Cohort
    weights: Floats
    whose: str


def pilot_of(population: ResolvedPopulation, seed: int, solver: Solver = Solver(), threads: int = 1) -> Pilot:
    """Return the pilot of the patients that a study of ``seed`` treats; people drawn are recruited as in the study."""
    base = population.model_copy(update={"design": None})
    if population.design is not None and (base.people is not None or base.variability):
        return _one_patient(base, seed)
    if base.table is not None:
        return _rows(base, base.table, seed)
    drawn = base.model_copy(update={"first": 0, "recruited": None})
    drawn = recruited(drawn, PATIENTS, SEED, solver, threads)
    return _equal(drawn.cohort(SEED, 0, PATIENTS), f"{PATIENTS} people drawn like the study's ({base.words})")


def _equal(cohort: Cohort, whose: str) -> Pilot:
    return Pilot(cohort, np.full(len(cohort), 1 / len(cohort)), whose)


def _one_patient(base: ResolvedPopulation, seed: int) -> Pilot:
    """Return the first patient on different occasions: other pulses and meals, the same drug kinetics."""
    one = base.cohort(seed, 0, 1)
    copies = one.subset(np.zeros(PATIENTS, np.int64))
    numbers = np.arange(PATIENTS, dtype=np.int64)
    cohort = Cohort(one.seed, numbers, copies.covariates, copies.parameters, one.layers, copies.patient, numbers)
    return _equal(cohort, f"{PATIENTS} occasions of the patient that the design is about ({base.words})")


def _rows(base: ResolvedPopulation, table: PatientTable, seed: int) -> Pilot:
    """Return patients of a table, with the covariates, parameters and days that they have in the study."""
    columns = {name: column[base.rows(0, base.n)] for name, column in table.columns.items()}
    rows, weights = places(base.ids(0, base.n), columns.get("prevalence", np.ones(base.n)))
    part = PatientTable.of({name: column[rows] for name, column in columns.items()})
    chosen = base.candidates.model_copy(update={"table": part, "first": 0, "n": len(rows)})
    count = f"all {base.n}" if len(rows) == base.n else f"{len(rows)} of the {base.n}"
    weighted = ", weighted as in the study" if base.weighted else ""
    return Pilot(chosen.cohort(seed, 0, len(rows)), weights, f"{count} patients of the study ({base.words}{weighted})")


def places(ids: Ids, weights: Floats) -> tuple[Ids, Floats]:
    """Return the rows of a pilot, ascending, and how much each counts.

    >>> places(np.arange(3), np.array([1.0, 0.0, 3.0]))
    (array([0, 2]), array([0.25, 0.75]))
    """
    held = np.flatnonzero(weights > 0)
    if len(held) <= PATIENTS:
        return held, weights[held] / weights[held].sum()
    order = held[np.argsort(draws.uniforms(SEED, ids[held], LOT), kind="stable")]
    ends = np.cumsum(weights[order])
    middles = (np.arange(PATIENTS) + 0.5) / PATIENTS * ends[-1]
    rows, counts = np.unique(order[np.searchsorted(ends, middles)], return_counts=True)
    return rows, counts / PATIENTS
