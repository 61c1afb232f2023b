"""Bit equality: what a patient's numbers may not depend on (contracts section 1).  Every comparison is exact."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulsatile.engine import simulate as front
from pulsatile.engine.drugs.dosing import Arm, drug_parameters, preset
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel import batch
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.cohort import Cohort, virtual_cohort
from pulsatile.engine.patients.run_in import Baseline, run_in
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.engine.trial import treatment
from pulsatile.engine.trial.protocols import TESTS

N = 21  # two full vectors of 8 lanes and a rest
COHORT = virtual_cohort(N, {"obese": 2, "lean": 1, "t2d": 1, "ghd": 1}, seed=11)
CONTROL, TESAMORELIN, RHGH = ARMS = (preset("control"), preset("tesamorelin_label"), preset("rhgh_mid"))
TESTS_OF_ALL_ARMS = tuple(name for name, test in TESTS.items() if not test.spare)
PLAN = Plan(
    weeks=2,
    every=24.0,
    outputs=tuple(OUTPUTS),
    reductions=("gh_mean", "glucose_max", "ffa_min", "gh_secretion_auc"),
    reduce_every=31.0,
    tests=tuple(TestAt(name, (0, 1, 2)) for name in TESTS_OF_ALL_ARMS),
)


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return simulate(COHORT, ARMS, PLAN)


def assert_same(one: xr.Dataset, other: xr.Dataset) -> None:
    """All variables that both hold are equal to the last bit."""
    common = set(one.data_vars) & set(other.data_vars)
    assert "status" in common
    for name in common:
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


# --- arms ---


def test_two_identical_arms_differ_by_exactly_nothing() -> None:
    twins = [replace(TESAMORELIN, name="one"), replace(TESAMORELIN, name="two")]
    ds = simulate(COHORT, twins, PLAN)
    for name, variable in ds.data_vars.items():
        assert np.all(variable.values[0] - variable.values[1] == 0), name


def test_arms_do_not_know_of_each_other(dataset: xr.Dataset) -> None:
    renamed = simulate(COHORT, [replace(RHGH, name="x", description="y"), CONTROL], PLAN)
    assert_same(renamed, dataset.sel(arm=["rhgh_mid", "control"]))
    assert_same(simulate(COHORT, [TESAMORELIN], PLAN), dataset.sel(arm=["tesamorelin_label"]))


def test_tests_of_week_0_are_the_same_in_every_arm(dataset: xr.Dataset) -> None:
    for name in TESTS_OF_ALL_ARMS:
        for end in (*TESTS[name].endpoints, *TESTS[name].curves):
            before = dataset[f"{name}_{end}"].sel({f"{name}_week": 0.0}).values
            assert np.all(before == before[:1]), (name, end)


# --- patients ---


@pytest.mark.parametrize("who", [0, 7, N - 1])
def test_a_patient_alone(who: int, dataset: xr.Dataset) -> None:
    assert_same(simulate(COHORT.subset(np.array([who])), ARMS, PLAN), dataset.isel(patient=[who]))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, N - 1), min_size=1, max_size=N, unique=True))
def test_any_patients_in_any_order(order: list[int], dataset: xr.Dataset) -> None:
    index = np.array(order)
    assert_same(simulate(COHORT.subset(index), ARMS[1:], PLAN), dataset.isel(patient=index).sel(arm=dataset.arm[1:]))


def test_later_patients_drawn_alone(dataset: xr.Dataset) -> None:
    later = virtual_cohort(5, {"obese": 2, "lean": 1, "t2d": 1, "ghd": 1}, seed=11, first=10)
    assert_same(simulate(later, ARMS, PLAN), dataset.isel(patient=slice(10, 15)))


@pytest.mark.parametrize(("chunk", "threads"), [(8, 1), (8, 2), (5, 2), (128, 2)])
def test_chunks_and_threads(chunk: int, threads: int, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CHUNK", chunk)
    assert_same(simulate(COHORT, ARMS[1:2], PLAN, threads=threads), dataset.isel(arm=[1]))


@pytest.mark.parametrize("memory", [3e5, 2e6])
def test_patients_at_once(memory: float, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "MEMORY", memory)
    assert front._patients_at_once(PLAN) < N
    assert_same(simulate(COHORT, ARMS[1:], PLAN), dataset.isel(arm=[1, 2]))


def test_a_patient_who_fails_under_treatment(dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    who = 9

    def poisoned(arm: Arm, people: Cohort, parameters: Any) -> Any:
        record = drug_parameters(arm, people, parameters)
        record["potency_ghrh_a"][people.patient == who] = np.nan
        return record

    monkeypatch.setattr(treatment, "drug_parameters", poisoned)
    ds = simulate(COHORT, (TESAMORELIN,), PLAN)
    others = np.delete(np.arange(N), who)
    assert ds.status.values[0, who] == Status.NOT_FINITE
    assert all(np.isnan(ds[name].values[0, who]).all() for name in ds.data_vars if name != "status")
    assert_same(ds.isel(patient=others), dataset.isel(arm=[1], patient=others))


# --- what is watched, and for how long ---


def test_a_longer_study(dataset: xr.Dataset) -> None:
    longer = simulate(COHORT, ARMS, replace(PLAN, weeks=3))
    shorter = longer.sel(time=dataset.time, window=dataset.window)
    assert shorter.sizes == dataset.sizes
    assert_same(shorter, dataset)


def test_a_finer_grid(dataset: xr.Dataset) -> None:
    finer = simulate(COHORT, ARMS, replace(PLAN, every=0.5))
    assert_same(finer.sel(time=dataset.time), dataset)


def test_fewer_outputs_reductions_and_tests(dataset: xr.Dataset) -> None:
    assert_same(simulate(COHORT, ARMS, Plan(2, every=24.0, outputs=("vat", "homa_ir"))), dataset.drop_dims("window"))
    one = Plan(
        2, every=168.0, outputs=("gh",), reductions=("ffa_min",), reduce_every=31.0, tests=(TestAt("ogtt", (2,)),)
    )
    least = simulate(COHORT, ARMS, one)
    assert_same(least, dataset.sel(time=least.time, ogtt_week=[2.0]))


def test_other_windows_leave_the_run_as_it_is(dataset: xr.Dataset) -> None:
    other = simulate(COHORT, ARMS, replace(PLAN, reduce_every=24.0, reductions=("gh_mean", "isr_max")))
    assert_same(other.drop_dims("window"), dataset.drop_dims("window"))


SOLVERS = [Solver(lanes=1), Solver(rtol=1e-4), Solver(method="bs5"), Solver(precision="mixed", rtol=1e-5)]


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_equality_holds_for_other_solvers(solver: Solver) -> None:
    plan = replace(PLAN, solver=solver, outputs=("gh", "igf1"))
    together = simulate(COHORT, ARMS[:1], plan)
    assert_same(simulate(COHORT.subset(np.array([5, 2])), ARMS[:1], plan), together.isel(patient=[5, 2]))


# --- the run-in ---


def same_baseline(one: Baseline, other: Baseline, index: Any) -> None:
    assert np.array_equal(one.passes, other.passes[index])
    assert one.parameters.tobytes() == other.parameters[index].tobytes()
    assert one.y0.tobytes() == other.y0[index].tobytes()
    assert one.status.tobytes() == other.status[index].tobytes()
    for mine, theirs in zip(one.block, other.block.subset(index), strict=True):
        assert np.array_equal(mine, theirs)


def test_the_run_in_does_not_depend_on_the_cohort() -> None:
    whole = run_in(COHORT)
    assert len(set(whole.passes)) > 1  # so that lanes are left early
    for index in (np.array([3]), np.array([20, 4, 9]), np.arange(N)[::-1]):
        same_baseline(run_in(COHORT.subset(index)), whole, index)
    same_baseline(run_in(COHORT, threads=2), whole, np.arange(N))
