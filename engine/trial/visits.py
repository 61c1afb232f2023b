"""Virtual tests at any week of a treatment: side branches from snapshots, which change no step of the main run."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Codes, Floats
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable, merge, on_clock, select, shared_events, target_of
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.outputs import evaluate, inputs_at
from pulsatile.engine.states import GROUPS, STATE_INDEX
from pulsatile.engine.trial.protocols import SNAPSHOT_CLOCK, SPARE_SLOTS, Person, VirtualTest

FASTING_HOURS = 1.0  # from the snapshot to 07:00


class Branch(NamedTuple):
    """The n patients of one arm at one week, as needed by a test.

    ``y`` (n, states) at 06:00; ``full`` the block with meals, ``pulses`` without; ``doses`` of the arm; ``groups`` of
    drug states that the arm moves.
    """

    week: float
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

    @property
    def snapshot(self) -> float:
        """Time of the snapshot, h."""
        return 168.0 * self.week + SNAPSHOT_CLOCK


def run_tests(tests: Iterable[VirtualTest], branch: Branch) -> tuple[dict[str, Floats], Codes]:
    """Run the tests of one week.

    Returns
    -------
    values : ``<test>_<endpoint>`` (n,) and ``<test>_<curve>`` (n, samples)
    status : (n,) the first status of each patient that is not OK, else OK
    """
    tests = list(tests)
    values: dict[str, Floats] = {}
    status = np.zeros(len(branch.parameters), np.int8)
    morning, doses = branch.y, branch.doses
    if any(test.fasting for test in tests):
        doses = _held(branch)
        morning, status = _fasted(branch, doses)
    for test in tests:
        if test.fasting:
            start = branch.snapshot + FASTING_HOURS
            result, ended = _run_test(test, branch._replace(y=morning, full=branch.pulses, doses=doses), start)
        else:
            result, ended = _run_test(test, branch, branch.snapshot)
        values |= {f"{test.name}_{name}": value for name, value in result.items()}
        status = np.where(status == Status.OK, ended, status)
    return values, status


def _fasted(branch: Branch, doses: EventTable) -> tuple[Floats, Codes]:
    """Return the states (n, states) at 07:00 before breakfast, and the status (n,)."""
    start = branch.snapshot
    result = integrate(
        branch.parameters, branch.y, branch.pulses, doses, start=start, times=np.array([start + FASTING_HOURS]),
        solver=branch.solver, threads=branch.threads, groups=branch.groups,
    )  # fmt: skip
    return result.y[:, 0], result.status


def _held(branch: Branch) -> EventTable:
    """Withhold the morning's doses: from the snapshot on no bolus, and no infusion above its rate at the snapshot."""
    start = branch.snapshot
    doses = select(branch.doses, (branch.doses.time < start) | (branch.doses.target < 0))
    amount, owner = doses.amount.copy(), doses.owner
    for name, running in inputs_at(np.array([start]), doses, branch.parameters).items():
        later = (doses.time >= start) & (doses.target == target_of(name))
        amount[later] = np.minimum(amount[later], running[owner[later], 0])
    return doses._replace(amount=amount)


def _run_test(test: VirtualTest, branch: Branch, start: float) -> tuple[dict[str, Floats], Codes]:
    """Run one test from the state and events of ``branch``: endpoints (n,) and curves (n, samples), and status (n,)."""
    n = len(branch.parameters)
    y = branch.y.copy()
    for name, value in test.start.items():
        y[:, STATE_INDEX[name]] = value
    rows = [(float(on_clock(start + when)), name, size) for when, name, size in test.give(branch.person)]
    # an input that the test sets is set by the test alone: the arm's infusion of it pauses
    inputs = [target_of(name) for _, name, _ in rows if name not in STATE_INDEX]
    doses = merge(select(branch.doses, ~np.isin(branch.doses.target, inputs)), shared_events(n, rows))
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
    e = evaluate(times, states, parameters, branch.age, inputs_at(times, doses, parameters))
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
