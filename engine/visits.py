"""Virtual tests at any week of a treatment: side branches from snapshots, which change no step of the run."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.batch import Floats, Solver, integrate
from engine.errors import InputError, Status
from engine.events import EventTable, merge, select, shared_events
from engine.model import STATE_INDEX
from engine.outputs import evaluate, inputs_at
from engine.protocols import SPARE_SLOT, Person, VirtualTest

SNAPSHOT_CLOCK = 6.0  # h; no breakfast is earlier (pulses.LARGEST_JITTER)
FASTING_HOURS = 1.0  # from the snapshot to 07:00


class Branch(NamedTuple):
    """Everything a test needs of one arm's n patients at one week.

    ``y`` (n, states) at 06:00; ``full`` the block with meals, ``pulses`` without; ``doses`` of the arm; ``groups`` of drug
    states that the arm moves.
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


def fasted(branch: Branch) -> Floats:
    """Return the state (n, states) at 07:00 after a night without breakfast."""
    start = branch.snapshot
    result = integrate(
        branch.parameters, branch.y, branch.pulses, _held(branch.doses, start), start=start,
        times=np.array([start + FASTING_HOURS]), solver=branch.solver, threads=branch.threads, groups=branch.groups,
    )  # fmt: skip
    return np.asarray(result.y[:, 0])


def _held(doses: EventTable, start: float) -> EventTable:
    """Hold bolus doses from ``start`` on; infusions go on."""
    return select(doses, (doses.time < start) | (doses.target < 0))


def run_test(
    test: VirtualTest, branch: Branch, morning: Floats
) -> tuple[dict[str, Floats], dict[str, Floats], npt.NDArray[np.int8]]:
    """Run one test: its endpoints, each (n,), its curves, each (n, samples), and how each patient ended (n,).

    ``morning`` is the state at 07:00 from `fasted`, where fasting tests start.
    """
    n = len(branch.parameters)
    start = branch.snapshot + (FASTING_HOURS if test.fasting else 0.0)
    y = (morning if test.fasting else branch.y).copy()
    for name, value in test.start.items():
        y[:, STATE_INDEX[name]] = value
    given = test.give(branch.person)
    doses = _held(branch.doses, start) if test.fasting else branch.doses
    doses = merge(doses, shared_events(n, [(start + when, name, size) for when, name, size in given]))
    parameters = branch.parameters
    groups = branch.groups
    jumps = {name for _, name, _ in given}
    for group, state in (("ghrh_b", "effect_ghrh_b"), ("ghs_b", "central_ghs_b")):
        if state in jumps:
            if group in groups:
                raise InputError(f"test {test.name} needs the spare drug slot {group}, which the arm uses; leave the test out.")
            groups = (*groups, group)
            parameters = parameters.copy()
            for name, value in SPARE_SLOT.items():
                if name.endswith(group):
                    parameters[name] = value
    times = start + test.times
    if len(times) > 1:
        result = integrate(
            parameters, y, branch.pulses if test.fasting else branch.full, doses, start=start, times=times,
            solver=branch.solver, threads=branch.threads, groups=groups,
        )  # fmt: skip
        states, status = result.y, result.status
    else:
        states = y[:, None, :]
        status = np.where(np.isfinite(y).all(axis=1), Status.OK, Status.NOT_FINITE).astype(np.int8)
    inputs = inputs_at(times, doses, n)
    e = evaluate(times, states, parameters, branch.age, inputs)
    with np.errstate(invalid="ignore"):
        endpoints = test.read(test.times, e, branch.person)
    curves = {name: np.array(e.output(name)) for name in test.curves}
    return endpoints, curves, status
