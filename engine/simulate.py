"""The front: a cohort and its arms in, one labelled dataset out."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import is_whole
from pulsatile.engine.drugs.dosing import Arm, slots_used
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel import checkpoint
from pulsatile.engine.kernel.batch import CHUNK
from pulsatile.engine.kernel.codegen import WATCH
from pulsatile.engine.model import FLUX_UNITS, STATES
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients import noise
from pulsatile.engine.patients.cohort import PHENOTYPES, Cohort, check_people
from pulsatile.engine.patients.run_in import PACKED, Baseline, run_in
from pulsatile.engine.trial.horizon import BLOCK_DAYS, LongHorizon
from pulsatile.engine.trial.plan import REDUCTIONS, WEEK, Plan, TestAt
from pulsatile.engine.trial.protocols import SNAPSHOT_CLOCK, TESTS
from pulsatile.engine.trial.treatment import Canaries, Since, gather, run_arm, week_0
from pulsatile.engine.trial.visits import FASTING_HOURS

__all__ = ["LongHorizon", "Plan", "TestAt", "check_arms", "simulate", "template"]

PROJECTION_ERROR = (
    "two standard errors, from how far the losses measured in successive windows differ; the states' own errors of "
    "integration are far below it"
)
MEMORY = 200e6  # bytes of states, outputs and events held at once, beside the dataset itself
GPU_MEMORY = 16 * MEMORY  # a GPU is busy from some 30,000 patients on
MOST_DOSES = 50_000
"""Doses of an arm: 13 a day for 520 weeks; every patient at work holds them all."""
BLOCK_NUMBERS = 5000  # of one patient while the pulses of its block are drawn (measured: 4500)
COVARIATES = {
    "age": ("y", "age"), "sex": ("-", "sex, 0 man, 1 woman"), "weight": ("kg", "body weight"),
    "height": ("m", "height"), "bmi": ("kg/m2", "body mass index"),
    "phenotype": ("-", "phenotype: " + ", ".join(f"{i} {name}" for i, name in enumerate(PHENOTYPES))),
}  # fmt: skip
"""Every patient has these."""
MORE_COVARIATES = {
    "parameter_draws": ("-", "draws of the parameters until a fasting state existed"),
    "waist": ("cm", "waist"), "own_glucose": ("mmol/L", "own fasting plasma glucose"),
    "own_insulin": ("pmol/L", "own fasting insulin"), "own_ffa": ("mmol/L", "own fasting FFA"),
    "own_vat": ("cm2", "own visceral fat area"), "own_igf1_sds": ("-", "own IGF-1 SD score"),
    "hba1c": ("%", "HbA1c"), "triglyceride": ("mmol/L", "triglyceride"), "hdl": ("mmol/L", "HDL cholesterol"),
    "prevalence": ("-", "prevalence weight: how much the patient counts, mean 1"),
}  # fmt: skip
"""Patients built from people have these too."""


@dataclass(frozen=True)
class _Variable:
    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    description: str = ""


def _variables(plan: Plan) -> Iterator[_Variable]:
    for name in plan.outputs:
        o = OUTPUTS[name]
        yield _Variable(name, ("arm", "patient", "time"), o.unit, o.long_name, o.description)
    for name in plan.projected:
        o = OUTPUTS[name]
        words = f"{o.long_name}, estimated error of its projection"
        yield _Variable(f"{name}_projection_error", ("arm", "patient", "time"), o.unit, words, PROJECTION_ERROR)
    for name in plan.reductions:
        watched, _, how = name.rpartition("_")
        o = OUTPUTS[watched]
        unit, words = o.unit, f"{o.long_name}, {REDUCTIONS[how]} per window"
        if how == "auc":
            unit = "h" if unit == "-" else f"{unit}*h"
        yield _Variable(name, ("arm", "patient", "window"), unit, words)
    for entry in plan.tests:
        test = TESTS[entry.test]
        week = f"{test.name}_week"
        for name, (unit, words) in test.endpoints.items():
            yield _Variable(f"{test.name}_{name}", ("arm", "patient", week), unit, f"{test.meaning}: {words}")
        for name in test.curves:
            o = OUTPUTS[name]
            dims = ("arm", "patient", week, f"{test.name}_time")
            yield _Variable(f"{test.name}_{name}", dims, o.unit, f"{test.meaning}: {o.long_name}")


def template(
    patients: npt.ArrayLike, arms: Sequence[Arm], plan: Plan, covariates: Sequence[str] = tuple(COVARIATES)
) -> xr.Dataset:
    """Return the dataset that `simulate` would give for ``patients``, filled with "never run" and without memory.

    Same variables, dims, dtypes, attributes and coordinates, but for the covariates, which are NaN.
    """
    ids = np.asarray(patients, np.int64)
    sizes = {"arm": len(arms), "patient": len(ids), "time": len(plan.times), "window": len(plan.windows)}
    coords: dict[str, Any] = {
        "arm": ("arm", np.array([arm.name for arm in arms], object), {"long_name": "treatment arm"}),
        "patient": ("patient", ids, {"long_name": "virtual patient"}),
        "time": ("time", plan.times, {"units": "h", "long_name": "time since Monday 00:00 of treatment day 1"}),
        "window": ("window", plan.windows, {"units": "h", "long_name": "start of the reduction window"}),
    }
    for entry in plan.tests:
        week, time = f"{entry.test}_week", f"{entry.test}_time"
        sizes |= {week: len(entry.weeks), time: len(TESTS[entry.test].times)}
        coords[week] = (
            week,
            np.array(entry.weeks, float),
            {"units": "week", "long_name": "treatment week of the test"},
        )
        if TESTS[entry.test].curves:
            coords[time] = (time, TESTS[entry.test].times, {"units": "h", "long_name": "time since the test's start"})
    for name in covariates:
        units, words = (COVARIATES | MORE_COVARIATES)[name]
        coords[name] = ("patient", np.full(len(ids), np.nan), {"units": units, "long_name": words})
    data: dict[str, Any] = {}
    method = {} if plan.long_horizon is None else {"integration": plan.long_horizon.sentence}
    for v in _variables(plan):
        attrs = {"units": v.units, "long_name": v.long_name} | ({"description": v.description} if v.description else {})
        attrs |= method
        data[v.name] = (v.dims, np.broadcast_to(np.nan, tuple(sizes[d] for d in v.dims)), attrs)
    codes = np.array([int(s) for s in Status], np.int8)
    status = np.broadcast_to(np.int8(Status.NEVER_RUN), (len(arms), len(ids)))
    data["status"] = (
        ("arm", "patient"), status,
        {
            "units": "-", "long_name": "how the integration ended", "flag_values": codes,
            "flag_meanings": " ".join(s.name.lower() for s in Status),
        },
    )  # fmt: skip
    if not plan.reductions:
        del coords["window"]
    attrs = {
        "title": "Virtual patients of the GH-FFA-IGF-1-insulin system",
        "comment": "A research model, not for clinical use.",
        **method,
    }
    return xr.Dataset(data, coords, attrs)


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
        dims ``arm``, ``patient``, ``time`` (h), ``window``, and the tests' own; ``status`` says for every patient and
        arm how the integration ended; a patient that failed is NaN and disturbs nobody.
    """
    return carry_out(cohort, arms, plan, threads=threads, progress=progress, baseline=baseline).dataset


class Earlier(NamedTuple):
    """An earlier, shorter run: its weeks, `Course.ends`, and ``status`` (arm, patient)."""

    weeks: float
    ends: Floats
    status: npt.NDArray[np.int8]


@dataclass(frozen=True)
class Course:
    """What `carry_out` gives: the dataset, and what more arms or weeks go on from.

    ``run_in`` (n, columns) is `Baseline.packed` of the cohort; ``ends`` (arm, patient, `end_columns`) is where a longer
    run goes on, NaN for whose run failed, without columns where that cannot be.  Where a canary is off too far, nothing
    of it is to be trusted.
    """

    dataset: xr.Dataset
    run_in: Floats
    ends: Floats
    canaries: Canaries


def end_columns(plan: Plan) -> int:
    """Return how many numbers of each patient and arm a longer run of ``plan`` goes on from."""
    if plan.long_horizon is not None or plan.solver.device != "cpu":
        return 0
    return len(checkpoint.columns(bool(plan.reductions)))


def carry_out(
    cohort: Cohort,
    arms: Sequence[Arm],
    plan: Plan,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    baseline: Baseline | None = None,
    earlier: Earlier | None = None,
) -> Course:
    """Run every patient through every arm, from the start or from the end of an earlier, shorter run.

    Parameters
    ----------
    cohort, arms, plan, threads, progress, baseline : as for `simulate`
    earlier : of the same patients and arms; `Plan.goes_on_from` says where that can be.  The values that the earlier
        run knows are NaN, all others bit-equal to a run from the start; who failed before stays failed.
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
    dataset = template(cohort.patient, arms, plan, kept)
    values = {str(name): np.full(v.shape, np.nan) for name, v in dataset.data_vars.items() if name != "status"}
    status = np.full(dataset["status"].shape, int(Status.NEVER_RUN), np.int8)
    ends = np.full((*status.shape, end_columns(plan)), np.nan)
    rode = list[Canaries]()
    packed = np.empty((len(cohort), len(PACKED)))
    total, done = len(arms) * len(cohort), 0
    size = _patients_at_once(plan)
    for first in range(0, len(cohort), size):  # the run-in too: its pulses take more memory than most results
        some = np.arange(first, min(first + size, len(cohort)))
        if baseline is None:
            ready = run_in(cohort.subset(some), solver=plan.solver, threads=threads)
        else:
            ready = baseline.subset(some)
        packed[some] = ready.packed()
        gathered = None
        for a, arm in enumerate(arms):
            status[a, some] = ready.status if earlier is None else earlier.status[a, some]
            runs = status[a, some] == Status.OK
            if earlier is not None:  # who failed a test only ran to the end, and may fail there in turn
                runs |= ~np.isnan(earlier.ends[a, some, 0])
            well = np.flatnonzero(runs)
            index = some[well]
            if len(index):
                if gathered is None or not np.array_equal(gathered, well):  # in a run from the start, once for all arms
                    people, gathered = gather(ready.cohort, ready, well), well
                    untreated = week_0(people, plan, threads) if earlier is None else None
                since = None if earlier is None else Since(
                    replace(plan, weeks=earlier.weeks, tests=()), earlier.ends[a, index], earlier.status[a, index]
                )  # fmt: skip
                found, codes, left, canaries = run_arm(arm, people, plan, untreated, threads, since)
                rode.append(canaries)
                status[a, index] = codes
                for name, value in found.items():
                    value[codes != Status.OK] = np.nan
                    values[name][a, index] = value
                ends[a, index] = left
            done += len(some)
            if progress is not None:
                progress(done, total)
    if cohort.layers.residual:
        _add_noise(values, dataset, cohort)
    filled: dict[str, Any] = {name: (dataset[name].dims, v, dataset[name].attrs) for name, v in values.items()}
    filled["status"] = (("arm", "patient"), status.astype(np.int8), dataset["status"].attrs)
    covariates = {
        name: ("patient", np.asarray(cohort.covariates[name], np.float64), dataset[name].attrs) for name in kept
    }
    canaries = Canaries(sum(c.patients for c in rode), max((c.worst for c in rode), default=0.0))
    return Course(dataset.assign_coords(covariates).assign(filled), packed, ends, canaries)


def covariates_of(cohort: Cohort) -> tuple[str, ...]:
    """Return the covariates of ``cohort`` that a dataset keeps, in their order there."""
    more = tuple(name for name in MORE_COVARIATES if name in cohort.covariates)
    return (*COVARIATES, *more)


def _add_noise(values: dict[str, Floats], dataset: xr.Dataset, cohort: Cohort) -> None:
    """Turn outputs on the grid and of the fasting sample into what assays give, in place; the same noise in all arms.

    It is keyed by the minute of the sample, and, like pulses and meals, shared by the points of a design.
    """
    for name, variable in dataset.data_vars.items():
        along = str(variable.dims[-1])
        if along in ("time", "fasting_week"):
            hours = (
                dataset[along].values
                if along == "time"
                else dataset[along].values * WEEK + SNAPSHOT_CLOCK + FASTING_HOURS
            )
            values[str(name)] = noise.assayed(str(name).removeprefix("fasting_"), values[str(name)], cohort, hours)


def _same_patients(one: Cohort, other: Cohort) -> bool:
    pairs = (
        (one.patient, other.patient), (one.keys, other.keys), (one.day_keys, other.day_keys),
        (one.parameters, other.parameters),
    )  # fmt: skip
    return (one.seed, one.layers) == (other.seed, other.layers) and all(a.tobytes() == b.tobytes() for a, b in pairs)


def check_arms(arms: Sequence[Arm], plan: Plan) -> None:
    """Refuse arms that cannot be told apart, of too many doses, or that leave a test of ``plan`` no drug slot."""
    if not isinstance(arms, Sequence) or not arms:
        raise InputError("a study needs a list of at least one arm; give for example [Arm('control')].")
    for arm in arms:
        if not isinstance(arm, Arm):
            raise InputError(f"arms hold {arm!r}; give Arm objects, for example preset('control').")
    names = [arm.name for arm in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"arms name {', '.join(twice)} twice; give every arm its own name.")
    for arm in arms:
        count = sum(ceil(plan.weeks / dose.every_weeks) * len(dose.days) * len(dose.times) for dose in arm.doses)
        if count > MOST_DOSES:
            raise InputError(
                f"arm {arm.name} gives {count} doses in {plan.weeks:g} weeks, at most {MOST_DOSES} are allowed; "
                "give an infusion or a pump, or shorten the study."
            )
        used = slots_used(arm)
        if plan.long_horizon is not None:
            plan.long_horizon.check_arm(arm)
        for entry in plan.tests:
            for slot in TESTS[entry.test].spare:
                if slot in used and max(entry.weeks) > 0:
                    raise InputError(
                        f"test {entry.test} needs the spare drug slot {slot}, which arm {arm.name} uses; leave the "
                        "test out, or split the study."
                    )


def _check_memory(cohort: Cohort, arms: Sequence[Arm], plan: Plan) -> None:
    """Refuse what this machine cannot hold; a system that lends more than it has would end the process instead."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else inf
    needed = template(cohort.patient, arms, plan).nbytes + memory_held(plan, len(cohort))
    if needed > there:
        raise InputError(
            f"{len(cohort)} patients x {len(arms)} arms x {len(plan.times)} output times need {needed / 1e9:.1f} GB, "
            f"this machine has {there / 1e9:.1f} GB of memory; keep less or fewer at once, or use pulsatile run."
        )


def _bytes_each(plan: Plan) -> int:
    """Return the bytes held of one patient while it is simulated, beside its results."""
    samples = max([len(TESTS[entry.test].times) for entry in plan.tests], default=0)
    days = 0 if plan.long_horizon is None else plan.long_horizon.settle_days + 2 * BLOCK_DAYS
    kept = len(STATES) * (len(plan.times) + len(plan.visits) + days) + 3 * len(WATCH) * len(plan.windows)
    evaluated = (len(STATES) + len(FLUX_UNITS) + len(plan.outputs)) * max(samples, len(plan.times))
    return 8 * (kept + evaluated + BLOCK_NUMBERS)


def _patients_at_once(plan: Plan) -> int:
    """Return how many patients fit into `MEMORY`; results do not depend on it."""
    memory = MEMORY if plan.solver.device == "cpu" else GPU_MEMORY
    size = int(memory / _bytes_each(plan))
    return size // CHUNK * CHUNK or max(1, size)


def memory_held(plan: Plan, patients: int) -> int:
    """Return the bytes that `simulate` holds at once for ``patients``, beside its dataset."""
    return _bytes_each(plan) * min(patients, _patients_at_once(plan))
