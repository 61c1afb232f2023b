"""The entry point of the engine: a cohort and its arms in, one labelled dataset out."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from pulsatile.engine.arrays import Floats, usual_float_errors
from pulsatile.engine.checks import is_whole
from pulsatile.engine.dataset import template
from pulsatile.engine.drugs.dosing import Arm
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel import checkpoint
from pulsatile.engine.kernel.batch import CHUNK
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.model import FLUX_UNITS
from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES, PHENOTYPES, Cohort, check_people
from pulsatile.engine.patients.run_in import PACKED, Baseline, run_in
from pulsatile.engine.states import STATES
from pulsatile.engine.trial.arms import check_arms, given_within
from pulsatile.engine.trial.horizon import BLOCK_DAYS, LongHorizon
from pulsatile.engine.trial.kept import add_drift, add_noise, drop_out
from pulsatile.engine.trial.plan import Plan, TestAt
from pulsatile.engine.trial.titrated import run_titrated, titrated_dose, visits
from pulsatile.engine.trial.treatment import Canaries, Since, gather, run_arm, week_0

__all__ = ["LongHorizon", "Plan", "TestAt", "check_arms", "simulate", "template"]

MEMORY = 200e6  # bytes of states, outputs and events held at once, besides the dataset itself
GPU_MEMORY = 16 * MEMORY  # a GPU needs some 30,000 patients to be busy
BLOCK_NUMBERS = 5000  # numbers held per patient while the pulses of its block are drawn (measured: 4500)


@usual_float_errors
def simulate(
    cohort: Cohort,
    arms: Sequence[Arm],
    plan: Plan,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    baseline: Baseline | None = None,
) -> xr.Dataset:
    """Run every patient of ``cohort`` through every arm and return the dataset.

    Parameters
    ----------
    cohort : virtual patients; all arms share them, their pulses and their meals
    arms : treatments, with different names
    plan : length, outputs, reductions, tests, solver
    threads : threads over chunks of patients; the numbers do not depend on it
    progress : called with (patient-arms done, patient-arms in all)
    baseline : the cohort's run-in, to share it between calls

    Returns
    -------
    xarray.Dataset
        dims ``arm``, ``patient``, ``time`` (h), ``window``, and those of the tests; ``status`` is the outcome of the
        integration for every patient and arm; a failed patient is NaN and does not affect the others.

    Raises
    ------
    InputError
        For arguments of the wrong type, arms that do not fit the plan, a cohort with impossible people, a baseline of
        other patients, and a dataset larger than this machine's memory.
    """
    return carry_out(cohort, arms, plan, threads=threads, progress=progress, baseline=baseline).dataset


class Earlier(NamedTuple):
    """An earlier, shorter run: its weeks, `Simulation.ends`, and ``status`` (arm, patient)."""

    weeks: float
    ends: Floats
    status: npt.NDArray[np.int8]


@dataclass(frozen=True)
class Simulation:
    """The result of `carry_out`: the dataset, and the states from which more arms or weeks continue.

    ``run_in`` (n, columns) is `Baseline.packed` of the cohort; ``ends`` (arm, patient, `end_columns`) is the state from
    which a longer run continues, NaN for failed patients, without columns where a run cannot be continued.  When a
    canary is out of bounds, no part of the result can be trusted.
    """

    dataset: xr.Dataset
    run_in: Floats
    ends: Floats
    canaries: Canaries


def end_columns(plan: Plan) -> int:
    """Return how many numbers per patient and arm a longer run of ``plan`` continues from."""
    if plan.long_horizon is not None or plan.solver.device != "cpu":
        return 0
    return len(checkpoint.columns(bool(plan.reductions)))


@usual_float_errors
def carry_out(
    cohort: Cohort,
    arms: Sequence[Arm],
    plan: Plan,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    baseline: Baseline | None = None,
    earlier: Earlier | None = None,
) -> Simulation:
    """Run every patient through every arm, from the start or from the end of an earlier, shorter run.

    Parameters
    ----------
    cohort, arms, plan, threads, progress, baseline : as for `simulate`
    earlier : a run of the same patients and arms; `Plan.goes_on_from` says whether it can be continued.  Values that
        the earlier run holds are NaN, all others bit-equal to a run from the start; failed patients stay failed.
    """
    if not isinstance(cohort, Cohort) or not isinstance(plan, Plan):
        raise InputError("simulate needs a Cohort, a list of Arm objects and a Plan, in this order.")
    check_people(cohort)
    check_arms(arms, plan)
    _check_memory(cohort, arms, plan)
    if not is_whole(threads) or threads < 1:
        raise InputError(f"threads = {threads!r} must be a whole number of at least 1.")
    if baseline is not None and not (isinstance(baseline, Baseline) and _same_patients(baseline.cohort, cohort)):
        raise InputError("baseline belongs to other patients than the cohort; leave it out, or run run_in(cohort).")
    kept = covariates_of(cohort)
    kinds = [PHENOTYPES[int(code)] for code in np.unique(cohort.covariates["phenotype"])]
    dataset = template(cohort.labels, arms, plan, kept, kinds)
    values = {str(name): np.full(v.shape, np.nan) for name, v in dataset.data_vars.items() if name != "status"}
    status = np.full(dataset["status"].shape, int(Status.NEVER_RUN), np.int8)
    ends = np.full((*status.shape, end_columns(plan)), np.nan)
    canaries_by_run = list[Canaries]()
    packed = np.empty((len(cohort), len(PACKED)))
    total, done = len(arms) * len(cohort), 0
    size = _patients_at_once(plan)
    for first in range(0, len(cohort), size):  # the run-in too: its pulses take more memory than most results
        rows = np.arange(first, min(first + size, len(cohort)))
        if baseline is None:
            ready = run_in(cohort.subset(rows), solver=plan.solver, threads=threads)
        else:
            ready = baseline.subset(rows)
        packed[rows] = ready.packed()
        gathered = None
        for a, arm in enumerate(given_within(arm, plan.weeks) for arm in arms):
            status[a, rows] = ready.status if earlier is None else earlier.status[a, rows]
            runs = status[a, rows] == Status.OK
            if earlier is not None:  # a patient that failed only a test has reached the end, and may fail later
                runs |= ~np.isnan(earlier.ends[a, rows, 0])
            running = np.flatnonzero(runs)
            index = rows[running]
            if len(index):
                if gathered is None or not np.array_equal(gathered, running):  # once for all arms in a run from 0
                    people, gathered = gather(ready.cohort, ready, running), running
                    untreated = week_0(people, plan, threads) if earlier is None else None
                since = None if earlier is None else Since(
                    replace(plan, weeks=earlier.weeks, tests=()), earlier.ends[a, index], earlier.status[a, index]
                )  # fmt: skip
                if titrated_dose(arm) is not None:
                    treated = run_titrated(arm, people, plan, untreated, threads, visits(arms, plan.weeks))
                else:
                    treated = run_arm(arm, people, plan, untreated, threads, since)
                canaries_by_run.append(treated.canaries)
                status[a, index] = treated.status
                for name, value in treated.values.items():
                    value[treated.status != Status.OK] = np.nan
                    values[name][a, index] = value
                ends[a, index] = treated.ends
            done += len(rows)
            if progress is not None:
                progress(done, total)
    along = {name: str(dataset[name].dims[2]) for name in values}
    add_drift(values, along, cohort, plan)
    add_noise(values, along, cohort, plan)
    left = drop_out(values, along, cohort, plan, arms)
    left = {name: np.where(status == Status.OK, weeks, np.nan) for name, weeks in left.items()}
    filled: dict[str, Any] = {name: (dataset[name].dims, v, dataset[name].attrs) for name, v in values.items()}
    filled["status"] = (("arm", "patient"), status.astype(np.int8), dataset["status"].attrs)
    covariates: dict[str, Any] = {
        name: ("patient", np.asarray(cohort.covariates[name], np.float64), dataset[name].attrs) for name in kept
    }
    covariates |= {name: (("arm", "patient"), weeks, dataset[name].attrs) for name, weeks in left.items()}
    canaries = Canaries(sum(c.patients for c in canaries_by_run), max((c.worst for c in canaries_by_run), default=0.0))
    return Simulation(dataset.assign_coords(covariates).assign(filled), packed, ends, canaries)


def covariates_of(cohort: Cohort) -> tuple[str, ...]:
    """Return the covariates of ``cohort`` that a dataset keeps, in the order of its coordinates."""
    more = tuple(name for name in MORE_COVARIATES if name in cohort.covariates)
    return (*COVARIATES, *more)


def _same_patients(a: Cohort, b: Cohort) -> bool:
    pairs = (
        (a.patient, b.patient), (a.keys, b.keys), (a.day_keys, b.day_keys), (a.parameters, b.parameters),
    )  # fmt: skip
    return (a.seed, a.layers, a.meals) == (b.seed, b.layers, b.meals) and all(
        x.tobytes() == y.tobytes() for x, y in pairs
    )


def _check_memory(cohort: Cohort, arms: Sequence[Arm], plan: Plan) -> None:
    """Refuse a run that exceeds this machine's memory; a system that overcommits would kill the process instead."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else inf
    needed = template(cohort.patient, arms, plan).nbytes + memory_held(plan, len(cohort))
    if needed > installed:
        raise InputError(
            f"{len(cohort)} patients x {len(arms)} arms x {len(plan.times)} output times need {needed / 1e9:.1f} GB, "
            f"this machine has {installed / 1e9:.1f} GB of memory; keep fewer outputs, run fewer patients at once, "
            "or use pulsatile run."
        )


def _bytes_each(plan: Plan) -> int:
    """Return the bytes held per patient during the simulation, besides its results."""
    samples = max([len(entry.virtual_test.times) for entry in plan.tests], default=0)
    days = 0 if plan.long_horizon is None else plan.long_horizon.settle_days + 2 * BLOCK_DAYS
    kept = len(STATES) * (len(plan.times) + len(plan.visits) + days) + 3 * len(WATCH) * len(plan.windows)
    evaluated = (len(STATES) + len(FLUX_UNITS) + len(plan.outputs)) * max(samples, len(plan.times))
    return 8 * (kept + evaluated + BLOCK_NUMBERS)


def _patients_at_once(plan: Plan) -> int:
    """Return how many patients fit into `MEMORY`; results do not depend on this number."""
    memory = MEMORY if plan.solver.device == "cpu" else GPU_MEMORY
    size = int(memory / _bytes_each(plan))
    return size // CHUNK * CHUNK or max(1, size)


def memory_held(plan: Plan, patients: int) -> int:
    """Return the bytes that `simulate` holds at once for ``patients``, besides its dataset."""
    return _bytes_each(plan) * min(patients, _patients_at_once(plan))
