"""The peers that are packages of their own solve the same problem: checked against DOP853 in C on a day."""

import shutil
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.contenders import reference
from benchmarks.peers.jax_diffrax import diffrax_run, padded
from benchmarks.peers.sbml import sbml
from benchmarks.peers.segments import segments
from benchmarks.problem import Task, errors, small_task
from pulsatile.engine import model, states
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import Parameters

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the reference is compiled by gcc")


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


CONTENDERS = [
    pytest.param(module, i, marks=needs(package))
    for package, module, n in [
        ("diffrax", "jax_diffrax", 3),
        ("roadrunner", "roadrunner", 2),
        ("sksundae", "sundae", 2),
    ]
    for i in range(n)
]


@pytest.fixture(scope="module")
def day() -> Task:
    return small_task("tesamorelin", 2, 1.0)


@needs_gcc
@pytest.mark.parametrize(("module", "i"), CONTENDERS)
def test_error_falls_with_the_tolerance(module: str, i: int, day: Task) -> None:
    truth, largest = reference(day)
    contender = import_module(f"benchmarks.peers.{module}").contenders()[i]
    found = [errors(contender.ready(day, rtol)(), truth, largest)[0] for rtol in (1e-5, 1e-8)]
    assert found[1] < 2e-5
    assert found[1] < found[0] / 20


@needs("roadrunner")
def test_sbml_has_the_same_right_hand_side(day: Task) -> None:
    import roadrunner

    y = day.y0_active[0] * 1.1
    simulator = roadrunner.RoadRunner(sbml(day.active, day.scale, day.parameters[0], y))
    rates = np.array([simulator.getValue(f"u_{name}'") for name in day.active]) * day.scale
    full = np.array([states.REST.get(name, 0.0) for name in states.STATES])
    full[day.indices()] = y
    by_python = np.array(model.rhs(0.0, states.State(*full.tolist()), Parameters(*day.parameters[0])))[day.indices()]
    assert np.allclose(rates, by_python, rtol=1e-10, atol=1e-12)


def test_segments_cover_events_and_outputs(day: Task) -> None:
    pieces = list(segments(day.events, 0, 0.0, day.times))
    assert pieces[0].begin == 0.0
    assert pieces[-1].end == day.times[-1]
    assert [p.begin for p in pieces[1:]] == [p.end for p in pieces[:-1]]
    assert np.concatenate([np.arange(p.first, p.last) for p in pieces]).tolist() == list(range(len(day.times)))
    mine = slice(day.events[0][0], day.events[0][1])
    assert sum(len(p.targets) for p in pieces) == np.sum(day.events[1][mine] < day.times[-1])


def test_segments_put_an_output_before_the_event_of_its_instant() -> None:
    events = (np.array([0, 3]), np.array([0.0, 1.0, 1.0]), np.array([0, 1, -1]), np.array([5.0, 6.0, 7.0]))
    first, second = segments(events, 0, 0.0, np.array([1.0, 2.0]))
    assert (first.targets.tolist(), first.last) == ([0], 1)
    assert (second.targets.tolist(), second.amounts.tolist(), second.last) == ([1, -1], [6.0, 7.0], 2)


def test_padded_lists_end_at_infinity() -> None:
    events = (np.array([0, 1, 3]), np.array([4.0, 1.0, 2.0]), np.array([0, 1, 2]), np.array([7.0, 8.0, 9.0]))
    time, target, amount = padded(events)
    assert time.tolist() == [[4.0, 1.0], [np.inf, 2.0], [np.inf, np.inf]]
    assert target[1, 1] == 2
    assert amount[:2, 1].tolist() == [8.0, 9.0]


@needs("diffrax")
def test_diffrax_takes_events_at_one_instant_and_refuses_inputs(day: Task) -> None:
    run, times = diffrax_run(day.active, "Tsit5"), np.array([0.5, 1.0])
    where, n = day.active.index("stomach"), len(day.y0_active)
    ptr, target, given = np.arange(n + 1) * 2, np.full(2 * n, where), (day.parameters, day.y0_active)

    def apply(time: list[float], target: npt.NDArray[np.int64], amount: list[float]) -> npt.NDArray[np.float64]:
        events = (ptr, np.tile(time, n), target, np.tile(amount, n))
        return run(*given, events, 0.0, times, 1e-9, 1e-11 * day.scale)

    twice = apply([0.5, 0.5], target, [50.0, 50.0])
    once = apply([0.5, 0.7], target, [100.0, 0.0])
    assert once[0, 1, where] > 10
    assert np.allclose(twice, once, rtol=1e-7)
    with pytest.raises(InputError, match="set inputs"):
        apply([0.5, 0.7], np.full(2 * n, -1), [1.0, 1.0])
