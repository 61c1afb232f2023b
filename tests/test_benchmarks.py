"""The benchmarks run once, tiny: only to see that they work."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, compare
from benchmarks.contenders import numba_peer, reference
from benchmarks.peak import flops, rhs_operations
from benchmarks.peers.c_integrator import CIntegrator
from benchmarks.peers.tableaus import DOPRI5
from benchmarks.problem import errors, small_task
from benchmarks.work_precision import Point, bracket, rate_at
from engine import model
from engine.parameters import Parameters
from engine.steppers import PAIRS

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="peers are compiled by gcc")


@needs_gcc
def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    result = compare.main(["--quick", "--json", str(path)])
    printed = capsys.readouterr().out
    assert "pulsatile: SIMD" in printed
    assert "C: DOPRI5" in printed
    assert json.loads(path.read_text())["cpu"] == result["cpu"]
    assert result["rows"][0]["0.0001"]["best"] > 0


@needs_gcc
def test_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    found = accuracy.main(["--quick"])
    assert "observed order" in capsys.readouterr().out
    assert [row["arm"] for row in found["arms"]] == ["none", "tesamorelin", "rhgh"]


@needs_gcc
@pytest.mark.parametrize("straight", [False, True])
def test_c_has_the_same_right_hand_side(straight: bool) -> None:
    work = small_task("none", 3, 0.1)
    in_c = CIntegrator(work.active, DOPRI5, straight=straight)
    for k in range(3):
        full = np.array([model.REST.get(name, 0.0) for name in model.STATES])
        full[work.indices()] = work.y0_active[k] * 1.1
        p = Parameters(*work.parameters[k])
        by_python = np.array(model.rhs(5.5, model.State(*full.tolist()), p))[work.indices()]
        in_c_too = in_c.derivative(5.5, work.y0_active[k] * 1.1, work.parameters[k])
        assert np.allclose(in_c_too, by_python, rtol=1e-10, atol=1e-12)


@needs_gcc
@pytest.mark.skipif(find_spec("numbalsoda") is None, reason="numbalsoda is not installed")
@pytest.mark.slow
def test_numbalsoda() -> None:
    work = small_task("none", 2, 0.5)
    peer = numba_peer("DOP853", "numbalsoda", "dop853", (1e-8,), 2)
    assert errors(peer.ready(work, 1e-8)(), *reference(work))[0] < 1e-4


def test_interpolation_takes_the_last_crossing() -> None:
    points = [Point(10.0**-k, e, e, [r]) for k, (e, r) in enumerate([(1e-2, 1000.0), (1e-4, 100.0), (1e-6, 10.0)])]
    assert rate_at(points, 1e-5, "best") == pytest.approx(10**1.5)
    assert rate_at(points, 1e-1, "median") == pytest.approx(1000.0)
    assert np.isnan(rate_at(points, 1e-8, "best"))
    noisy = [
        Point(0.1, 1e-3, 0, [4.0]),
        Point(0.01, 1e-5, 0, [3.0]),
        Point(1e-3, 2e-4, 0, [2.0]),
        Point(1e-4, 1e-6, 0, [1.0]),
    ]
    found = bracket(noisy, 1e-4)
    assert found is not None
    assert found[0].rtol == 1e-3


def test_operations_are_counted() -> None:
    active = tuple(model.BASE_UNITS)
    assert rhs_operations(active)["exp"] == 1
    cost = flops(active, PAIRS["bs5"])
    assert cost["step"] > 7 * cost["rhs"]
