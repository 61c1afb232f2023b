"""The benchmarks run once, tiny: only to see that they work."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features

from benchmarks import accuracy, compare, contenders, given_data, installed, limits, picture
from benchmarks.contenders import reference
from benchmarks.peak import flops, rhs_operations
from benchmarks.peers.c_integrator import FAST, CIntegrator
from benchmarks.peers.tableaus import DOPRI5
from benchmarks.problem import errors, make, small_task
from benchmarks.work_precision import Point, bracket, rate_at
from pulsatile.engine import model, states
from pulsatile.engine.kernel.events import merge, shared_events
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.parameters import Parameters

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="peers are compiled by gcc")


@needs_gcc
def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    rows = compare.main(["--quick", "--json", str(path)])
    printed = capsys.readouterr().out
    for name in ("pulsatile: ", "C: DOPRI5, scalar", "C: DOPRI5, SIMD lanes sharing a step"):
        assert name in printed
    saved = json.loads(path.read_text())
    assert saved == compare.plain(rows)
    first = saved[0]
    assert (first["peer"], first["error_target"], first["arm"]) == ("pulsatile", 1e-4, "none")
    assert first["achieved_error"] <= 1e-4
    assert min(first[key] for key in ("patient_days_per_second", "steps_per_patient_day", "rtol")) > 0
    assert all(row["setup_seconds"] is not None for row in saved)


@needs_gcc
def test_compare_is_a_file_to_run_too() -> None:
    command = [sys.executable, str(Path(compare.__file__)), "--only", "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "no contender is called so; there are pulsatile: " in done.stderr


def test_a_peer_that_is_not_installed_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    assert set(installed.missing()) >= {"heyoka", "diffrax", "sksundae", "roadrunner", "numbalsoda", "scipy"}


def test_a_build_that_reaches_the_error_beats_one_that_does_not() -> None:
    def row(build: str, rate: float) -> dict[str, object]:
        return {"row": "C", "build": build, "error_target": 1e-4, "patient_days_per_second": rate}

    rows = [row("a", float("nan")), row("b", 10.0), row("c", 20.0), row("d", float("nan"))]
    assert compare.best_builds(rows, 1e-4)["C"]["build"] == "c"


@needs_gcc
def test_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    found = accuracy.main(["--quick"])
    assert "observed order" in capsys.readouterr().out
    assert [row["arm"] for row in found["arms"]] == ["none", "tesamorelin", "rhgh"]


def test_instructions_are_counted() -> None:
    text = """
        vmovupd 64(%rax), %zmm1
        vfmadd213pd 128(%rax), %zmm1, %zmm2
        vdivpd %zmm1, %zmm2, %zmm3
        vmovupd %zmm3, (%rax)
        vaddsd %xmm1, %xmm2, %xmm3
    """
    assert limits.count(text) == {"load": 2, "fma": 1, "div": 1, "store": 1, "other": 1}


@needs_gcc
@pytest.mark.skipif(not get_host_cpu_features().get("avx", False), reason="the stream is of AVX instructions")
def test_limits() -> None:
    found = limits.measure("none", 1e-4, patients=8, days=0.5)
    assert min(found["step_ns"], found["arithmetic_ns"], found["ports_ns"]) > 0
    assert found["step_instructions"]["fma"] > 1000
    assert "Port limit" in limits.text(found)


@needs_gcc
@pytest.mark.parametrize("straight", [False, True])
def test_c_has_the_same_right_hand_side(straight: bool) -> None:
    work = small_task("none", 3, 0.1)
    in_c = CIntegrator(work.active, DOPRI5, straight=straight)
    for k in range(3):
        full = np.array([states.REST.get(name, 0.0) for name in states.STATES])
        full[work.indices()] = work.y0_active[k] * 1.1
        p = Parameters(*work.parameters[k])
        by_python = np.array(model.rhs(5.5, states.State(*full.tolist()), p))[work.indices()]
        in_c_too = in_c.derivative(5.5, work.y0_active[k] * 1.1, work.parameters[k])
        assert np.allclose(in_c_too, by_python, rtol=1e-10, atol=1e-12)


@needs_gcc
@pytest.mark.parametrize(("width", "straight"), [(4, False), (8, True)])
def test_c_lanes(width: int, straight: bool) -> None:
    converges(contenders.c_dopri5("lanes", FAST, straight, width), 5)  # not a multiple of the width


@needs_gcc
@pytest.mark.skipif(find_spec("heyoka") is None, reason="heyoka is not installed")
@pytest.mark.parametrize(("width", "straight"), [(4, False), pytest.param(2, True, marks=pytest.mark.slow)])
def test_heyoka(width: int, straight: bool) -> None:
    converges(contenders.heyoka(width, straight), 5, (1e-4, 1e-7))


@needs_gcc
@pytest.mark.skipif(find_spec("numbalsoda") is None, reason="numbalsoda is not installed")
@pytest.mark.slow
def test_numbalsoda() -> None:
    converges(contenders.numba_peer("DOP853", "numbalsoda", "dop853", (1e-8,)), 2)


def converges(peer: contenders.Contender, n: int, rtols: tuple[float, float] = (1e-5, 1e-8)) -> None:
    """Over more than a day, so past the clock's wrap, with doses and an input that is set during the run."""
    work = small_task("rhgh", n, 1.6)
    names = ("gh_infusion", "gh_infusion")
    infusion = shared_events(n, [(3.0 + 4 * i, name, 400.0 * (1 - i)) for i, name in enumerate(names)])
    work = make(work.record, work.y0, work.block, merge(work.doses, infusion), work.groups, work.times)
    truth, largest = reference(work)
    loose, tight = (errors(peer.ready(work, rtol)(), truth, largest)[0] for rtol in rtols)
    assert tight < 3e-6
    assert loose > 10 * tight


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
    active = tuple(states.ALWAYS)
    assert rhs_operations(active)["exp"] == 1
    cost = flops(active, PAIRS["bs5"])
    assert cost["step"] > 7 * cost["rhs"]


def test_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    common = {"row": "C: one", "method": "m", "precision": "float64", "cpu": "cpu", "arm": "none", "patients": 8}
    common |= {"days": 1.0, "states": 23, "peer": "C lanes"}
    rows = [
        common | {"build": build, "error_target": target, "achieved_error": error, "patient_days_per_second": rate}
        for build, rate in (("slow", 10.0), ("fast", 20.0))
        for target, error in ((1e-4, 5e-5), (None, 1e-3), (None, 1e-5))
    ]
    assert picture.lines(rows)["C: one"][1].tolist() == [[1e-3, 20.0], [1e-5, 20.0]]
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps(rows))
    picture.main([str(figures), "--out", str(tmp_path / "picture.png")])
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_labels_keep_their_distance() -> None:
    placed = picture.spread([1.0, 1.1, 5.0, 1.05], 0.5)
    assert placed[2] == 5.0
    assert np.diff(np.sort(placed)).min() >= 0.5 - 1e-12
    assert np.argsort(placed).tolist() == [0, 3, 1, 2]


def test_given_data(capsys: pytest.CaptureFixture[str]) -> None:
    given_data.main(["--quick"])
    printed = capsys.readouterr().out
    assert "CPU seconds for 300 patients x 73 inputs x 18 columns" in printed
    assert "linear, weighted" in printed
