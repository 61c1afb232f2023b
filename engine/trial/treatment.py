"""One group of patients through one arm: the run, its outputs, and the virtual tests at the visits."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Codes, Floats
from pulsatile.engine.drugs.as_given import Levels
from pulsatile.engine.drugs.dose_rule import DAY
from pulsatile.engine.drugs.dosing import Arm, dose_events, drug_parameters, slots_used
from pulsatile.engine.drugs.plasma import plasma_of
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel import checkpoint
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable, select, target_of
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.outputs import evaluate, hba1c, inputs_at
from pulsatile.engine.patients.changes import apply
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.run_in import Baseline
from pulsatile.engine.states import STATE_INDEX, STATES
from pulsatile.engine.trial import canary
from pulsatile.engine.trial.horizon import SLOW, calendar
from pulsatile.engine.trial.plan import HBA1C_MEAN, WEEK, Plan
from pulsatile.engine.trial.projective import project
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.virtual_test import Person
from pulsatile.engine.trial.visits import Branch, run_tests

UNTREATED = Arm("untreated")
GLUCOSE_MEAN = "glucose_mean"


class People(NamedTuple):
    """n patients at rest at t = 0, as needed by every arm."""

    cohort: Cohort
    parameters: npt.NDArray[Any]
    y0: Floats
    block: EventTable
    pulses: EventTable
    age: Floats
    person: Person


def only(people: People, index: npt.NDArray[np.int64]) -> People:
    """Return the people at positions ``index``."""
    person = Person(*(field[index] for field in (people.person.weight, people.person.height, people.person.parameters)))
    return People(
        people.cohort.subset(index), people.parameters[index], people.y0[index], people.block.subset(index),
        people.pulses.subset(index), people.age[index], person,
    )  # fmt: skip


def gather(cohort: Cohort, baseline: Baseline, index: npt.NDArray[np.int64]) -> People:
    """Return the patients at positions ``index`` of the cohort."""
    people = cohort.subset(index)
    parameters = baseline.parameters[index]
    block = baseline.block.subset(index)
    age, weight, height = (np.asarray(people.covariates[name], float) for name in ("age", "weight", "height"))
    pulses = select(block, block.target != target_of("stomach"))
    return People(people, parameters, baseline.y0[index], block, pulses, age, Person(weight, height, parameters))


TestValues = tuple[dict[str, Floats], Codes]
"""Values of tests by variable, each (n, ...), and the status (n,) of each patient."""


def week_0(people: People, plan: Plan, threads: int) -> TestValues:
    """Run the tests of week 0, which precede all treatment and are therefore equal in every arm."""
    due = _due(plan, 0.0)
    n = len(people.parameters)
    if not due:
        return {}, np.zeros(n, np.int8)
    times = np.unique([entry.snapshot(0.0) for entry in due])
    morning = integrate(
        people.parameters, people.y0, people.block, None, start=0.0, times=times,
        solver=plan.solver, threads=threads, groups=(),
    )  # fmt: skip
    branch = _branch(UNTREATED, people, people.parameters, plan, EventTable.empty(n), (), threads)
    values, ended = run_tests(due, 0.0, branch, {float(t): morning.y[:, k] for k, t in enumerate(times)})
    return values, np.where(morning.status == Status.OK, ended, morning.status)


def _due(plan: Plan, week: float) -> list[TestAt]:
    return [entry for entry in plan.tests if week in entry.weeks]


def _branch(
    arm: Arm, people: People, parameters: npt.NDArray[Any], plan: Plan, doses: EventTable, groups: tuple[str, ...],
    threads: int,
) -> Branch:  # fmt: skip
    return Branch(
        arm, people.cohort, 0.0, people.y0, parameters, people.person, people.age, people.block, people.pulses, doses,
        groups, plan.solver, threads, plan.noise_of(people.cohort),
    )  # fmt: skip


class Since(NamedTuple):
    """An earlier run of the same patients and arm: its plan, its ends (n, columns), and the status (n,)."""

    plan: Plan
    ends: Floats
    status: Codes


class Canaries(NamedTuple):
    """The number of canaries in a run, and their largest error in units of the bound (above 1 is too large)."""

    patients: int
    worst: float


class _Course(NamedTuple):
    """The main run: variables of the dataset, the states at the snapshots of tests (h), the status (n,), the end.

    ``ends`` (n, columns of `engine.kernel.checkpoint`) are the states from which a longer run continues.
    """

    values: dict[str, Floats]
    snapshots: dict[float, Floats]
    status: Codes
    ends: Floats
    canaries: Canaries


class Treated(NamedTuple):
    """One arm: values by variable, each (n, ...); status (n,); ends (n, columns); see `_Course`."""

    values: dict[str, Floats]
    status: Codes
    ends: Floats
    canaries: Canaries


def run_arm(
    arm: Arm, people: People, plan: Plan, untreated: TestValues | None, threads: int, since: Since | None = None,
    levels: Levels | None = None,
) -> Treated:  # fmt: skip
    """Run ``people`` through one arm.

    ``untreated`` are the tests of `week_0`.  With ``since`` (and without ``untreated``) the run continues an earlier
    one; values that the earlier run holds (outputs up to its end, closed windows, tests of its weeks) are NaN here.
    ``levels`` are the amounts of a titrated dose so far (see `engine.trial.titrated`).
    """
    n = len(people.parameters)
    people = _changed(arm, people)
    parameters = drug_parameters(arm, people.cohort, people.parameters)
    # doses that continue to the end of the study are also given on the day of the last visit
    doses = dose_events(arm, people.cohort, 0.0, plan.end + plan.visit_hours, levels)
    groups = slots_used(arm)
    if plan.long_horizon is None:
        course = _integrated(arm, people, parameters, doses, groups, plan, threads, since)
    else:
        course = _projected(arm, people, parameters, doses, groups, plan, threads)
    status = course.status
    if since is not None:  # a patient that failed only a test has reached the end
        status = np.where(status == Status.OK, since.status, status)
    for week in plan.visits:
        if since is not None and week <= since.plan.weeks:
            test_values, test_status = _without_values(plan, week, n), np.zeros(n, np.int8)
        elif week > 0:
            # past boluses are part of the state; past settings of an input are the rates still running
            due = _due(plan, week)
            begin = min([WEEK * week, *(entry.snapshot(week) for entry in due)])
            near = (doses.time >= begin) | (doses.target < 0)
            near &= doses.time < WEEK * week + plan.visit_hours
            branch = _branch(arm, people, parameters, plan, select(doses, near), groups, threads)
            test_values, test_status = run_tests(due, week, branch, course.snapshots)
        else:
            assert untreated is not None
            test_values, test_status = untreated
        status = np.where(status == Status.OK, test_status, status)
        _store_tests(course.values, test_values, plan, week, n)
    return Treated(course.values, np.asarray(status, np.int8), course.ends, course.canaries)


def _changed(arm: Arm, people: People) -> People:
    """Return the people with the arm's changes of parameters."""
    if not arm.changes:
        return people
    drawn, parameters = people.cohort.parameters.copy(), people.parameters.copy()
    for record in (drawn, parameters):
        apply(record, arm.changes)
    return people._replace(cohort=replace(people.cohort, parameters=drawn), parameters=parameters)


def _without_values(plan: Plan, week: float, n: int) -> dict[str, Floats]:
    """Return NaN for the tests of a week that an earlier run holds."""
    due = [entry.virtual_test for entry in _due(plan, week)]
    values = {f"{test.name}_{name}": np.full(n, np.nan) for test in due for name in test.endpoints}
    return values | {
        f"{test.name}_{name}": np.full((n, len(test.times)), np.nan) for test in due for name in test.curves
    }


def _integrated(
    arm: Arm, people: People, parameters: npt.NDArray[Any], doses: EventTable, groups: tuple[str, ...], plan: Plan,
    threads: int, since: Since | None,
) -> _Course:  # fmt: skip
    """Integrate every day, or every day since the end of an earlier run."""
    after, stored, closed = 0.0, 0, 0  # weeks, output times and windows of the earlier run
    if since is not None:
        after, closed = since.plan.weeks, len(since.plan.windows)
        stored = int(np.searchsorted(plan.times, since.plan.times[-1], side="right"))
    snapshots = plan.snapshots(after)
    windows, grid = plan.windows, plan.times[stored:]
    times = np.union1d(grid, snapshots)
    window = plan.reduce_every if plan.reductions else 0.0
    joined = canary.join(parameters, people.y0, people.block, doses, groups, start=0.0, times=times, solver=plan.solver)
    begin = None
    if since is not None:
        begin = checkpoint.at_rest(
            joined.run[1], 0.0, plan.solver.first_step, window > 0
        )  # canaries run from the start
        begin[~joined.canary] = since.ends
    result, worst = joined.part(
        integrate(
            *joined.run, start=0.0, times=times, stop=max(plan.end, float(times[-1])), window=window,
            solver=plan.solver, threads=threads, groups=groups, begin=begin,
            mark=float(grid[-1]) if plan.solver.device == "cpu" else None,  # the end, up to rounding
        )
    )  # fmt: skip
    e = evaluate(
        grid, result.y[:, np.searchsorted(times, grid)], parameters, people.age, inputs_at(grid, doses, parameters),
        plasma_of(arm, people.cohort, plan.outputs),
    )  # fmt: skip
    before = np.full((len(parameters), stored), np.nan)
    values = {name: np.concatenate([before, e.output(name)], axis=1) for name in plan.outputs}
    reduced = {"mean": result.mean, "auc": result.mean * plan.reduce_every, "min": result.low, "max": result.high}
    for name in plan.reductions:
        watched, _, how = (GLUCOSE_MEAN if name == HBA1C_MEAN else name).rpartition("_")
        values[name] = reduced[how][:, : len(windows), WATCH.index(watched)].copy()
        values[name] = hba1c(values[name]) if name == HBA1C_MEAN else values[name]
        values[name][:, :closed] = np.nan  # the last may have closed again
    at = {float(t): result.y[:, np.searchsorted(times, t)] for t in snapshots}
    return _Course(values, at, result.status, result.mark, Canaries(int(joined.canary.sum()), worst))


def _projected(
    arm: Arm, people: People, parameters: npt.NDArray[Any], doses: EventTable, groups: tuple[str, ...], plan: Plan,
    threads: int,
) -> _Course:  # fmt: skip
    """Integrate some days and project body composition over the others."""
    assert plan.long_horizon is not None
    spans = calendar(plan.long_horizon, arm, plan.weeks, plan.visits)
    joined = canary.join(
        parameters, people.y0, people.block, doses, groups, start=0.0, times=plan.times, solver=plan.solver
    )
    course, worst = joined.part_course(project(*joined.run, spans, plan, groups, threads))
    days = np.round(plan.times / DAY).astype(int)
    states = np.full((len(parameters), len(days), len(STATES)), np.nan)
    states[:, :, [STATE_INDEX[name] for name in SLOW]] = course.level[:, days]
    e = evaluate(plan.times, states, parameters, people.age)
    values = {name: e.output(name) for name in plan.outputs}
    values |= {
        f"{name}_projection_error": course.error[:, days, k] for k, name in enumerate(SLOW) if name in plan.projected
    }
    canaries = Canaries(int(joined.canary.sum()), worst)
    return _Course(values, course.snapshots, course.status, np.empty((len(parameters), 0)), canaries)


def _store_tests(values: dict[str, Floats], test_values: dict[str, Floats], plan: Plan, week: float, n: int) -> None:
    """Put ``test_values`` of one week into ``values``, at the position of that week."""
    for entry in plan.tests:
        if week in entry.weeks:
            test = entry.virtual_test
            for name in (*test.endpoints, *test.curves):
                value = test_values[f"{test.name}_{name}"]
                weeks = values.setdefault(
                    f"{test.name}_{name}", np.full((n, len(entry.weeks), *value.shape[1:]), np.nan)
                )
                weeks[:, entry.weeks.index(week)] = value
