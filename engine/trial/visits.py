"""Virtual tests at any day of a treatment: side branches from snapshots, which change no step of the main run."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Codes, Floats
from pulsatile.engine.drugs.dosing import Arm, drug_parameters, given_rows, slots_used
from pulsatile.engine.drugs.plasma import plasma_of
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable, merge, on_clock, select, shared_events, target_of
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.outputs import evaluate, inputs_at
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.noise import Noise, as_measured
from pulsatile.engine.states import GROUPS, STATE_INDEX
from pulsatile.engine.trial.stimulation import SPARE_SLOTS
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.virtual_test import Person, Rows


class Branch(NamedTuple):
    """The n patients of one arm, as needed by a test.

    ``arm`` is the treatment so far (an arm without doses before all treatment); ``y`` (n, states) at ``snapshot`` (h);
    ``full`` the block with meals, ``pulses`` without; ``doses`` of the arm; ``groups`` of drug states that it moves;
    ``noise`` of what is measured, None without.
    """

    arm: Arm
    cohort: Cohort
    snapshot: float
    y: Floats
    parameters: npt.NDArray[Any]
    person: Person
    age: Floats
    full: EventTable
    pulses: EventTable
    doses: EventTable
    groups: tuple[str, ...]
    solver: Solver
    threads: int
    noise: Noise | None = None


def run_tests(
    entries: Sequence[TestAt], week: float, branch: Branch, snapshots: Mapping[float, Floats]
) -> tuple[dict[str, Floats], Codes]:
    """Run the tests of one week, each from the state (n, states) at its snapshot; ``branch`` holds the rest.

    Returns
    -------
    values : ``<test>_<endpoint>`` (n,) and ``<test>_<curve>`` (n, samples)
    status : (n,) the first status of each patient that is not OK, else OK
    """
    values: dict[str, Floats] = {}
    status = np.zeros(len(branch.parameters), np.int8)
    mornings: dict[object, tuple[Branch, Codes]] = {}
    for entry in entries:
        start = entry.start(week)
        key = (start, entry.lead, entry.virtual_test.fasting, entry.settings.give)
        if key not in mornings:
            snapshot = entry.snapshot(week)
            mornings[key] = _at_start(entry, start, branch._replace(snapshot=snapshot, y=snapshots[snapshot]))
        ready, before = mornings[key]
        result, ended = _run_test(entry, ready, start)
        values |= {f"{entry.name}_{name}": value for name, value in result.items()}
        for code in (before, ended):
            status = np.where(status == Status.OK, code, status)
    return values, status


def _at_start(entry: TestAt, start: float, branch: Branch) -> tuple[Branch, Codes]:
    """Return the patients at the start of a test, with the drugs that it gives, and the status (n,)."""
    if entry.virtual_test.fasting:
        branch = branch._replace(full=branch.pulses, doses=_held(branch))
    if entry.settings.give:
        branch = _with_given(entry, start, branch)
    if not start > branch.snapshot:
        return branch, np.zeros(len(branch.parameters), np.int8)
    result = integrate(
        branch.parameters, branch.y, branch.full, branch.doses, start=branch.snapshot, times=np.array([start]),
        solver=branch.solver, threads=branch.threads, groups=branch.groups,
    )  # fmt: skip
    return branch._replace(y=result.y[:, 0]), result.status


def _with_given(entry: TestAt, start: float, branch: Branch) -> Branch:
    """Return ``branch`` with the drugs that a test gives, in slots that the arm leaves free."""
    both = Arm(branch.arm.name, (*branch.arm.doses, *(given.dose for given in entry.settings.give)))
    rows = given_rows(both, [(g.dose, g.after) for g in entry.settings.give], branch.cohort)
    used = slots_used(both)
    return branch._replace(
        arm=both,
        parameters=drug_parameters(both, branch.cohort, branch.parameters),
        doses=_with_rows(branch, start, rows),
        groups=tuple(group for group in GROUPS if group in branch.groups or group in used),
    )


def _with_rows(branch: Branch, start: float, rows: Rows) -> EventTable:
    """Return the doses with ``rows`` (h after ``start``).

    An input that a test sets is set by the test alone: the arm's infusion of it pauses.
    """
    inputs = [target_of(name) for _, name, _ in rows if name not in STATE_INDEX]
    events = shared_events(len(branch.parameters), [(float(on_clock(start + t)), name, size) for t, name, size in rows])
    return merge(select(branch.doses, ~np.isin(branch.doses.target, inputs)), events)


def _held(branch: Branch) -> EventTable:
    """Withhold doses: from the snapshot on no bolus, and no infusion above its rate at the snapshot."""
    start = branch.snapshot
    doses = select(branch.doses, (branch.doses.time < start) | (branch.doses.target < 0))
    amount, owner = doses.amount.copy(), doses.owner
    for name, running in inputs_at(np.array([start]), doses, branch.parameters).items():
        later = (doses.time >= start) & (doses.target == target_of(name))
        amount[later] = np.minimum(amount[later], running[owner[later], 0])
    return doses._replace(amount=amount)


def _run_test(entry: TestAt, branch: Branch, start: float) -> tuple[dict[str, Floats], Codes]:
    """Run one test from the state and events of ``branch``: endpoints (n,) and curves (n, samples), and status (n,)."""
    test = entry.virtual_test
    y = branch.y.copy()
    for name, value in test.start.items():
        y[:, STATE_INDEX[name]] = value
    doses = _with_rows(branch, start, test.give(branch.person))
    parameters = _with_spare(branch.parameters, test.spare)
    groups = tuple(group for group in GROUPS if group in branch.groups or group in test.spare)
    times = on_clock(start + test.times)
    if len(times) > 1:
        result = integrate(
            parameters, y, branch.full, doses, start=start, times=times,
            solver=branch.solver, threads=branch.threads, groups=groups,
        )  # fmt: skip
        states, status = result.y, result.status
    else:
        states = y[:, None, :]
        status = np.where(np.isfinite(y).all(axis=1), Status.OK, Status.NOT_FINITE).astype(np.int8)
    e = evaluate(
        times, states, parameters, branch.age, inputs_at(times, doses, parameters),
        plasma_of(branch.arm, branch.cohort, entry.settings.outputs),
    )  # fmt: skip
    e = as_measured(e, branch.cohort, branch.noise)
    with np.errstate(invalid="ignore", divide="ignore"):  # a failed patient is NaN throughout
        values = test.read(test.times, e, branch.person)
    return values | {name: e.output(name) for name in test.curves}, status


def _with_spare(parameters: npt.NDArray[Any], spare: tuple[str, ...]) -> npt.NDArray[Any]:
    """Return ``parameters`` with a stimulation test's drug in its slots."""
    if not spare:
        return parameters
    parameters = parameters.copy()
    drugs: list[Mapping[str, float]] = [SPARE_SLOTS[slot][1] for slot in spare]
    for drug in drugs:
        for name, value in drug.items():
            parameters[name] = value
    return parameters
