"""Drug chains of the kernel against their exact solution: matrix exponentials between events.

Every case is one patient of one batch: slots x ways to give a drug, each with its own rate constants.
The chain's matrix is written here from therapies section 2, not from the model's text.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from scipy.linalg import expm

from pulsatile.engine.arrays import Floats
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import event_table
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.parameters import GHRH_SLOTS, SLOTS
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.states import GROUPS, STATE_INDEX

Row = tuple[float, str, float]  # hour, state or input, amount
TIMES = np.arange(1.0, 49.0) * 0.5

# Each way returns events for the states "depot", "central" and the input "rate"; 3.0, 6.0 and 8.0 h are output times.
WAYS: dict[str, Callable[[float], list[Row]]] = {
    "bolus under the skin": lambda a: [(2.2, "depot", a)],
    "bolus into a vein": lambda a: [(2.2, "central", a)],
    "dose at an output time": lambda a: [(3.0, "depot", a)],
    "dose at the start": lambda a: [(0.0, "depot", a)],
    "two doses at the same instant": lambda a: [(3.1, "depot", a), (3.1, "depot", 0.5 * a)],
    "vein and skin at the same instant": lambda a: [(3.0, "depot", a), (3.0, "central", 0.3 * a)],
    "infusion": lambda a: [(1.3, "rate", a), (5.7, "rate", 0.0)],
    "infusion from and to output times": lambda a: [(3.0, "rate", a), (6.0, "rate", 0.0)],
    "overlapping infusions": lambda a: [
        (1.3, "rate", a), (3.2, "rate", 1.5 * a), (5.7, "rate", 0.5 * a), (8.0, "rate", 0.0),
    ],
    "infusion with a bolus": lambda a: [(1.3, "rate", a), (1.3, "central", a), (5.7, "rate", 0.0)],
    "three times a day": lambda a: [(h, "depot", a) for h in (0.5, 8.0, 15.5, 23.0)],
    "every hour": lambda a: [(h, "depot", a) for h in range(1, 24)],
}  # fmt: skip


class Case(NamedTuple):
    slot: str
    way: str
    matrix: Floats
    names: tuple[str, ...]  # states of the chain, as the model names them
    values: dict[str, float]  # parameters
    events: list[Row]


def _case(slot: str, way: str) -> Case:
    rng = np.random.default_rng(zlib.crc32(f"{slot} 0 {way}".encode()))
    ka, k_el, ke = rng.uniform(0.3, 6.0, 3)
    potency = rng.uniform(1e-3, 1e-2)
    stages = ["depot", "central"]
    matrix = np.array([[-ka, 0.0], [ka, -k_el]])
    if slot in GHRH_SLOTS:
        stages.append("effect")
        matrix = np.pad(matrix, ((0, 1), (0, 1)))
        matrix[-1, -2:] = ke * potency, -ke
    values = {"ka": ka, "k_el": k_el, "potency": potency} | ({"ke": ke} if slot in GHRH_SLOTS else {})
    amount = rng.uniform(100.0, 2000.0)
    return Case(
        slot, way, matrix, tuple(f"{stage}_{slot}" for stage in stages),
        {f"{name}_{slot}": value for name, value in values.items()},
        [(t, f"{name}_{slot}", size) for t, name, size in WAYS[way](amount)],
    )  # fmt: skip


def _gh_case(way: str) -> Case:
    rng = np.random.default_rng(zlib.crc32(way.encode()))
    ka = rng.uniform(0.2, 2.0)
    matrix = np.array([[-ka, 0.0], [ka, -ka]])
    own = {"depot": "gh_depot_1", "central": "gh_depot_2", "rate": "gh_pump"}
    events = [(t, own[name], size) for t, name, size in WAYS[way](rng.uniform(50.0, 900.0))]
    return Case("gh_depot", way, matrix, ("gh_depot_1", "gh_depot_2"), {"ka_gh": ka}, events)


CASES = [_case(slot, way) for slot in SLOTS for way in WAYS] + [_gh_case(way) for way in WAYS]


def exact(case: Case) -> Floats:
    """Return the chain's amounts (m, stages) at `TIMES`; at the instant of a dose the value before it."""
    n = len(case.names)
    big = np.zeros((n + 1, n + 1))  # the last component is constant 1
    big[:n, :n] = case.matrix
    y, t, out = np.append(np.zeros(n), 1.0), 0.0, []
    todo = sorted(case.events, key=lambda row: row[0])
    for stop in sorted({*TIMES, *(row[0] for row in todo)}):
        # an entry is exactly 0 where no path leads from one component to the other; expm may leave dust of 1e-47 there
        path = np.linalg.matrix_power((big != 0) + np.eye(n + 1), n + 1) > 0
        y = (expm(big * (stop - t)) * path) @ y
        t = stop
        if stop in TIMES:
            out.append(y[:n].copy())
        while todo and todo[0][0] <= t:
            _, name, amount = todo.pop(0)
            if name in case.names:
                y[case.names.index(name)] += amount
            else:
                into = 0 if name == "gh_pump" else case.names.index("central" + name.removeprefix("rate"))
                big[into, n] = amount
    return np.array(out)


EXACT = [exact(case) for case in CASES]


def solve(rtol: float) -> list[Floats]:
    """Return what the kernel gives for each case."""
    cohort = virtual_cohort(len(CASES), variability=False)
    record = cohort.parameters
    for k, case in enumerate(CASES):
        for name, value in case.values.items():
            record[name][k] = value
    doses = event_table([case.events for case in CASES])
    result = integrate(
        record,
        fasting_state(record),
        None,
        doses,
        start=0.0,
        times=TIMES,
        solver=Solver(rtol=rtol),
        groups=tuple(GROUPS),
    )
    assert not result.status.any()
    return [result.y[k][:, [STATE_INDEX[name] for name in case.names]] for k, case in enumerate(CASES)]


def worst(found: Floats, truth: Floats) -> float:
    """Return the largest error by the project's definition."""
    return float((np.abs(found - truth) / (np.abs(truth) + 1e-3 * np.abs(truth).max(axis=0) + 1e-300)).max())


@pytest.fixture(scope="module")
def tight() -> list[Floats]:
    return solve(1e-8)


@pytest.mark.parametrize("k", range(len(CASES)), ids=[f"{c.slot}, {c.way}" for c in CASES])
def test_case(tight: list[Floats], k: int) -> None:
    assert np.abs(EXACT[k]).max(axis=0).min() > 0 or "vein" in CASES[k].way or "infusion" in CASES[k].way
    assert worst(tight[k], EXACT[k]) < 1e-6


@pytest.mark.parametrize("rtol", [1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9])
def test_error_follows_the_tolerance(rtol: float) -> None:
    assert max(map(worst, solve(rtol), EXACT)) < 10 * rtol


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60
