"""The compiled loop: bit equality, failures that touch nobody else, steps that depend on events alone, packed code."""

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features
from numba import njit  # noqa: TID251 - must fail to compile
from numba.core import types
from numba.core.errors import TypingError

import pulsatile
from benchmarks.problem import Task, grid, mixed_cohort, task
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel import batch, vec
from pulsatile.engine.kernel.batch import Result, integrate
from pulsatile.engine.kernel.codegen import kernel
from pulsatile.engine.kernel.events import shared_events
from pulsatile.engine.kernel.layout import WATCH, Build
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.run_in import run_in
from pulsatile.engine.states import STATE_INDEX

N = 21  # two full vectors of 8 lanes and a rest
TIMES = grid(2.0, 1.0)


class Chosen:
    """The solver of the tests at hand: all hold in both precisions."""

    solver = Solver()


@pytest.fixture(scope="module", params=[Solver(), Solver(precision="mixed", rtol=1e-5)], ids=["float64", "mixed"])
def work(request: pytest.FixtureRequest) -> Task:
    Chosen.solver = request.param
    return task("none", run_in(mixed_cohort(N, seed=5)), TIMES)


@pytest.fixture(scope="module")
def base(work: Task) -> Result:
    return solve(work)


def solve(work: Task, index: Any = None, **settings: Any) -> Result:
    """Run the patients at ``index`` in that order; ``settings`` go to `integrate`."""
    index = np.arange(len(work.record)) if index is None else np.asarray(index)
    settings = {"start": 0.0, "times": TIMES, "window": 24.0, "solver": Chosen.solver, **settings}
    return integrate(work.record[index], work.y0[index], work.block.subset(index), work.doses.subset(index), **settings)


def same(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def taken(result: Result, index: Any) -> Result:
    return Result(*(field[index] for field in result))


# --- what a patient's numbers may not depend on ---


@pytest.mark.parametrize("patient", [0, 7, N - 1])
def test_alone(work: Task, base: Result, patient: int) -> None:
    assert same(solve(work, [patient]), taken(base, [patient]))


def test_any_order(work: Task, base: Result) -> None:
    order = np.random.default_rng(1).permutation(N)
    assert same(solve(work, order), taken(base, order))


@pytest.mark.parametrize(("chunk", "threads"), [(1, 1), (5, 1), (8, 2), (3, 4)])
def test_chunks_and_threads(
    work: Task, base: Result, monkeypatch: pytest.MonkeyPatch, chunk: int, threads: int
) -> None:
    monkeypatch.setattr(batch, "CHUNK", chunk)
    assert same(solve(work, threads=threads), base)


@pytest.mark.parametrize("start", [0.0, 672.0 * 2600])
def test_mixed_precision_is_near_float64(work: Task, start: float) -> None:
    """Also after 200 years: float32 has no digits for such a clock, so that must stay float64."""
    both = [
        solve(work, start=start, times=start + TIMES, solver=Solver(rtol=1e-5, precision=precision))
        for precision in ("float64", "mixed")
    ]
    exact, mixed = both
    assert not same(mixed, exact)
    np.testing.assert_allclose(mixed.y, exact.y, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(mixed.mean, exact.mean, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(mixed.high, exact.high, rtol=5e-3, atol=1e-5)  # steps fall elsewhere


@pytest.mark.parametrize("lanes", [1, 4])
def test_lanes(work: Task, base: Result, lanes: int) -> None:
    assert same(solve(work, solver=replace(Chosen.solver, lanes=lanes)), base)


def test_neighbours_with_other_events(work: Task, base: Result) -> None:
    # the same patient amid others that have more, or no, pulses
    index = np.array([0, *range(11, N)])
    assert np.array_equal(solve(work, index).y[0], base.y[0])


# --- what a step may not depend on: only events shorten it ---


def test_outputs_do_not_change_steps(work: Task, base: Result) -> None:
    fine = solve(work, times=grid(2.0, 1 / 64), window=0.0)
    assert np.array_equal(fine.y[:, 63::64], base.y)
    assert np.array_equal(fine.steps, base.steps)
    assert np.array_equal(solve(work, times=TIMES[[5, -1]], window=0.0).y, base.y[:, [5, -1]])


def test_windows_do_not_change_steps(work: Task, base: Result) -> None:
    short = solve(work, window=0.7)
    assert np.array_equal(short.y, base.y)
    assert np.array_equal(short.steps, base.steps)
    # 60 windows of 0.4 h make up the first of 24 h
    parts = solve(work, window=0.4)
    assert np.allclose(parts.mean[:, :60].mean(axis=1), base.mean[:, 0], rtol=1e-12)
    assert np.all(parts.low[:, :60].min(axis=1) >= base.low[:, 0] * (1 - 1e-4))


def test_the_end_does_not_change_steps(work: Task, base: Result) -> None:
    longer = solve(work, stop=61.3)
    assert np.array_equal(longer.y, base.y)
    assert np.array_equal(longer.mean[:, :2], base.mean)


def test_windows_agree_with_a_fine_grid(work: Task, base: Result) -> None:
    few, per_hour = np.arange(4), 512
    fine = solve(work, few, times=grid(1.0, 1 / per_hour), window=0.0)
    values = np.concatenate([work.y0[few, None], fine.y], axis=1)
    for name in ("gh", "igf1", "glucose", "insulin", "ffa"):
        y = values[:, :, STATE_INDEX[name]]
        mean = (y[:, 1:] + y[:, :-1]).mean(axis=1) / 2
        column = WATCH.index(name)
        assert np.allclose(base.mean[few, 0, column], mean, rtol=1e-5), name
        # the extremes look at some points of each step only, and not at the first instant
        assert np.allclose(base.high[few, 0, column], y.max(axis=1), rtol=1e-2), name
        assert np.allclose(base.low[few, 0, column], y.min(axis=1), rtol=1e-2, atol=1e-2 * y.mean()), name


def test_an_impulse_at_the_edge_belongs_to_the_next_window(work: Task) -> None:
    """Also where the edge is a rounding error beyond: 3 x 0.2 > 0.6."""
    for window, edge in ((0.2, 3), (0.4, 3), (0.7, 3), (24.0, 1)):
        at = round(window * edge, 1)
        doses = shared_events(N, [(at, "gh", 100.0)])
        found = solve(work._replace(doses=doses), window=window)
        high = found.high[:, :, WATCH.index("gh")]
        assert np.all(high[:, edge - 1] < 90)
        assert np.all(high[:, edge] > 90)


# --- failures ---


BROKEN: dict[str, tuple[str, float, set[Status]]] = {
    "not a number": ("k_igf1", np.nan, {Status.NOT_FINITE, Status.STEP_COLLAPSE}),
    "infinite": ("vat0", np.inf, {Status.NOT_FINITE, Status.STEP_COLLAPSE}),
    "explosion": ("k_remote", -1e3, {Status.NOT_FINITE, Status.STEP_COLLAPSE}),
    "absurd stiffness": ("k_antagonist", 1e6, {Status.STEP_LIMIT}),
}


@pytest.mark.parametrize("how", list(BROKEN))
def test_one_failure_touches_nobody_else(work: Task, base: Result, how: str) -> None:
    name, value, allowed = BROKEN[how]
    record = work.record.copy()
    record[name][4] = value
    found = solve(work._replace(record=record))
    assert Status(found.status[4]) in allowed
    assert np.isnan(found.y[4]).all()
    assert np.isnan(found.mean[4]).all()
    others = np.arange(N) != 4
    assert same(taken(found, others), taken(base, others))


def test_all_failures_at_once_are_told_apart(work: Task, base: Result) -> None:
    record = work.record.copy()
    bad = 3 * np.arange(len(BROKEN))
    for k, (name, value, _) in zip(bad, BROKEN.values(), strict=True):
        record[name][k] = value
    found = solve(work._replace(record=record))
    for k, (_, _, allowed) in zip(bad, BROKEN.values(), strict=True):
        assert Status(found.status[k]) in allowed
    others = np.setdiff1d(np.arange(N), bad)
    assert same(taken(found, others), taken(base, others))


def test_a_broken_start_is_reported(work: Task) -> None:
    y0 = work.y0.copy()
    y0[2] = np.nan
    found = solve(work._replace(y0=y0), groups=())
    assert found.status[2] in (Status.NOT_FINITE, Status.STEP_COLLAPSE)
    assert not np.delete(found.status, 2).any()


def test_step_limit(work: Task) -> None:
    few = solve(work, solver=replace(Chosen.solver, max_steps_per_day=100))
    assert np.all(few.status == Status.STEP_LIMIT)
    assert np.isnan(few.y).all()
    day = {"times": TIMES[:24]}  # later the limit grows with time: test_continue.py
    base = solve(work, **day)
    limit = int(np.median(base.steps))
    some = solve(work, solver=replace(Chosen.solver, max_steps_per_day=limit), **day)
    fine = base.steps <= limit + 1  # the step over the limit may be the last one needed
    over = base.steps > limit + 3  # that step, refused, may reach into the next day
    assert np.all(some.status[fine] == Status.OK)
    assert np.all(some.status[over] == Status.STEP_LIMIT)
    assert min(fine.sum(), over.sum()) > 2
    assert same(taken(some, fine), taken(base, fine))


# --- the compiled code ---


def test_if_on_a_vector_is_refused() -> None:
    primitives = vec.lanes(8)
    load, store = primitives.load, primitives.store

    @njit
    def branch(w):  # type: ignore[no-untyped-def]
        x = load(w, 0)
        if x > 1.0:
            store(w, 0, x)

    with pytest.raises(TypingError):
        branch(np.zeros(8))


def _evaluate_assembly(build: Build) -> str:
    """Compile the right-hand side of a kernel by itself and return its assembly."""
    module = kernel(build)
    mixed = build.precision == "mixed"
    vector = vec.VecType(build.lanes, mixed)
    array = types.Array(types.float32 if mixed else types.float64, 1, "C")
    module.evaluate.compile((array, vector, types.int64, types.int64, types.int64, types.boolean))
    return "\n".join(module.evaluate.inspect_asm().values())


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="looks for x86 instructions")
@pytest.mark.parametrize("solver", [Solver(), Solver(precision="mixed", rtol=1e-5)], ids=["float64", "mixed"])
def test_instructions_are_packed(solver: Solver) -> None:
    text = _evaluate_assembly(solver.build(()))
    of = "s" if solver.precision == "mixed" else "d"
    packed = len(re.findall(rf"\bv(?:mul|add|sub|fn?m(?:add|sub)\d+)p{of}\b", text))
    single = len(re.findall(r"\bv?(?:mul|add|sub|fn?m(?:add|sub)\d+)s[sd]\b", text))
    assert packed > 100
    assert single < packed / 50
    features = get_host_cpu_features()
    register = "zmm" if features.get("avx512f") else "ymm" if features.get("avx") else "xmm"
    assert re.search(rf"mulp{of}\b.*{register}", text)


_ASK = """
import numpy as np
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.kernel.batch import Solver, integrate
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile import engine
record = virtual_cohort(1, variability=False).parameters
y0 = fasting_state(record)
y = integrate(record, y0, None, None, start=0.0, times=np.array([6.0]), solver=Solver(lanes=1)).y
print(engine.__file__, float(y[0, 0, 0]), repr(float(y[0, 0, 7])))
"""


def test_an_edit_of_the_model_gives_a_new_answer(tmp_path: Path) -> None:
    home = Path(pulsatile.__file__).parent  # links of the checkout are followed
    copy = shutil.copytree(home, tmp_path / "pulsatile", ignore=shutil.ignore_patterns("__pycache__")) / "engine"

    def ask() -> float:
        # the user's own cache: the copy has the same text, so the first answer is already compiled
        env = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run(
            [sys.executable, "-c", _ASK], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
        where, _, igf1 = run.stdout.split()
        assert Path(where).is_relative_to(tmp_path)
        return float(igf1)

    before = ask()
    text = (copy / "model.py").read_text()
    old = "igf1=frozen * (p.igf1_base"
    assert text.count(old) == 1
    (copy / "model.py").write_text(text.replace(old, "igf1=frozen * (2 * p.igf1_base"))
    after = ask()
    assert after > before * 1.001
