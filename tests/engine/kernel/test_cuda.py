"""The GPU kernel against the CPU's: on a GPU where there is one, in numba's CUDA simulator, and as compiled text.

The tests that ask for ``device`` run wherever numba finds a GPU, and are skipped with the reason elsewhere;
`test_conformance_in_the_simulator` runs the same tests in a process of its own in which numba simulates one.
"""

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.problem import mixed_cohort
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel import cuda
from pulsatile.engine.kernel.batch import Result, integrate
from pulsatile.engine.kernel.codegen import source
from pulsatile.engine.kernel.cuda_template import translate
from pulsatile.engine.kernel.events import event_table
from pulsatile.engine.kernel.layout import Build
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.pulses import block_events
from pulsatile.engine.states import GROUPS

ROOT = Path(__file__).resolve().parents[3]
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
needs_package = pytest.mark.skipif(find_spec("numba_cuda") is None, reason=f"numba-cuda: {cuda.INSTALL}")

START = 670.0  # two hours before the block of pulses begins anew
NOT_FINITE, STIFF = 2, 3  # patients made to fail
TOLERANCE = 1e-9 if SIMULATED else 1e-4  # on a GPU a step more or less may be taken: then within the error of both


@pytest.fixture
def device() -> None:
    """Skip where nothing can run the kernel."""
    if lacking := cuda.missing():
        pytest.skip(f"needs {lacking}")


def task() -> dict[str, Any]:
    """Return four patients for some hours: pulses, meals, a dose, infusions, two failures."""
    cohort = mixed_cohort(4, seed=5)
    record = cohort.parameters.copy()
    y0 = fasting_state(record)
    record["k_igf1"][NOT_FINITE] = np.nan
    record["k_antagonist"][STIFF] = 1e6
    doses = [
        [
            (START - 1, "gh_infusion", 3.0 + k), (START + 1, "gh_infusion", 0.0),  # began before the start
            (START + 2, "depot_ghrh_a", 2000.0), (START + 2, "glucose_infusion", 0.02),
            (START + 2.5 + k / 8, "gh_depot_1", 700.0),
        ]
        for k in range(4)
    ]  # fmt: skip
    return {
        "parameters": record, "y0": y0, "block": block_events(cohort), "doses": event_table(doses),
        "start": START, "times": START + np.array([0.0, 0.7, 2.0, 2.001, 2.002, 3.5]), "window": 0.75,
    }  # fmt: skip


def on(device: str, method: str = Solver().method, **change: Any) -> Result:
    return integrate(**(task() | change), solver=Solver(method=method, device=device, max_steps_per_day=100))


# --- conformance: on a GPU, or in the simulator ---


@pytest.mark.parametrize("method", list(PAIRS))
def test_gpu_agrees_with_the_cpu(device: None, method: str) -> None:
    cpu, gpu = on("cpu", method), on("cuda", method)
    assert cpu.status.tolist()[:2] == [Status.OK, Status.OK]
    assert cpu.status[NOT_FINITE] != Status.OK
    assert cpu.status[STIFF] == Status.STEP_LIMIT
    assert np.array_equal(gpu.status, cpu.status)
    fine = cpu.status == Status.OK
    if SIMULATED:
        assert np.array_equal(gpu.steps, cpu.steps)
    # a GPU fuses other sums: a step on the edge of acceptance may fall on the other side
    assert np.all(np.abs(gpu.steps - cpu.steps)[fine] <= 2)
    for name in ("y", "mean", "low", "high"):
        one, other = getattr(cpu, name), getattr(gpu, name)
        assert one.shape == other.shape
        assert np.isfinite(one[fine]).all()
        # an extreme between stages moves with the steps, whose lengths hang on the last bits of an error estimate
        rtol = TOLERANCE if name in ("y", "mean") else max(TOLERANCE, 1e-6)
        assert np.allclose(other[fine], one[fine], rtol=rtol, atol=1e-12), name
        assert np.isnan(other[~fine]).all()


def test_gpu_patient_does_not_notice_the_others(device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    together = on("cuda")
    monkeypatch.setattr(cuda, "THREADS", 1)
    monkeypatch.setattr(cuda, "MEMORY", 1)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(on("cuda"), together, strict=True))


def test_gpu_goes_on_from_a_mark(device: None) -> None:
    """As the CPU does; on a GPU, whose compiler may fuse the first stage otherwise, up to rounding."""
    cpu, gpu = (on(where, mark=START + 2.0) for where in ("cpu", "cuda"))
    assert np.allclose(gpu.mark, cpu.mark, rtol=max(TOLERANCE, 1e-6), atol=1e-12, equal_nan=True)
    alive = np.flatnonzero(cpu.status == Status.OK)
    who = task()
    some = {name: who[name][alive] for name in ("parameters", "y0")}
    some |= {name: who[name].subset(alive) for name in ("block", "doses")}
    part = on("cuda", **some, times=who["times"][3:], begin=gpu.mark[alive])
    assert np.allclose(part.y, gpu.y[alive, 3:], rtol=0 if SIMULATED else TOLERANCE, atol=0 if SIMULATED else 1e-12)
    assert np.all(np.abs(part.steps - gpu.steps[alive]) <= (0 if SIMULATED else 2))


def test_gpu_without_events_outputs_or_windows(device: None) -> None:
    change = {"block": None, "doses": None, "window": 0.0}
    cpu, gpu = on("cpu", **change), on("cuda", **change)
    assert gpu.mean.shape == (4, 0, cpu.mean.shape[2])
    assert np.allclose(gpu.y, cpu.y, rtol=TOLERANCE, atol=1e-12, equal_nan=True)
    change = {"times": np.empty(0), "stop": START + 1.0}
    assert on("cuda", **change).mean.shape == on("cpu", **change).mean.shape == (4, 1, cpu.mean.shape[2])


def test_gpu_tells_bad_input_in_the_same_words(device: None) -> None:
    for change in ({"start": np.nan}, {"times": np.array([START - 1])}, {"y0": task()["y0"][:2]}, {"window": np.nan}):
        told = []
        for where in ("cpu", "cuda"):
            with pytest.raises(InputError) as error:
                on(where, **change)
            told.append(str(error.value))
        assert told[0] == told[1]


def test_gpu_simulate(device: None) -> None:
    if SIMULATED:
        pytest.skip("weeks are too long for the simulator")
    import pulsatile as pu

    arms = [pu.preset("control"), pu.preset("tesamorelin_label")]
    found = [
        pu.simulate(pu.virtual_cohort(70, "obese"), arms, pu.Plan(weeks=1, solver=Solver(device=where)))
        for where in ("cpu", "cuda")
    ]
    assert found[0]["status"].equals(found[1]["status"])
    assert np.allclose(found[0]["igf1"], found[1]["igf1"], rtol=1e-3, equal_nan=True)


@needs_package
def test_conformance_in_the_simulator() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "-k", "test_gpu"]
    run = subprocess.run(
        [*command, __file__],
        cwd=ROOT,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert re.search(rf"\b{len(PAIRS) + 4} passed", run.stdout)


# --- without a device ---


@pytest.mark.parametrize("method", list(PAIRS))
@pytest.mark.parametrize("groups", [(), tuple(GROUPS)], ids=["no drug", "all drugs"])
def test_text_is_plain_scalar_python(method: str, groups: tuple[str, ...]) -> None:
    tree = ast.parse(translate(source(Build(groups, method, 1))))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"evaluate_lines", "settle_lines", "exp", "advance", "apply_events", "run", "start"} <= defined
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"load", "store", "splat", "where", "bits", "from_bits", "straight", "set_float_control"}


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^solver device = 'cuda' needs .* pip install .*pulsatile\[gpu\].*[.]$"):
        Solver(device="cuda")


def test_a_missing_gpu_is_told() -> None:
    if cuda.missing() is None:
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match=r"^solver device = 'cuda' needs [^\n]* choose cpu[.]$"):
        Solver(device="cuda")


def test_bad_settings_are_told() -> None:
    with pytest.raises(InputError, match=r"^solver device = 'tpu' must be cpu or cuda[.]$"):
        Solver(device="tpu")


def test_the_cpu_does_not_load_cuda() -> None:
    code = (
        "import sys, numpy as np, pulsatile, pulsatile.engine.kernel.cuda\n"
        "from pulsatile.engine.kernel.batch import integrate\n"
        "from pulsatile.engine.patients.basal import fasting_state\n"
        "from pulsatile.engine.patients.cohort import virtual_cohort\n"
        "p = virtual_cohort(1).parameters\n"
        "integrate(p, fasting_state(p), None, None, start=0.0, times=np.array([1.0]))\n"
        "print([name for name in sys.modules if name.startswith(('numba.cuda', 'numba_cuda', 'cuda.'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@needs_package
def test_compiles_for_a_gpu() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    row = next(line for line in run.stdout.splitlines() if line.startswith(f"| {Solver().method}"))
    assert int(row.split("|")[3]) > 50_000  # bytes of PTX
