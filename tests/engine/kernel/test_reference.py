"""The compiled kernel against its slow twin, and the C reference against it."""

import shutil

import pytest

from benchmarks.contenders import reference
from benchmarks.problem import ARMS, Task, grid, mixed_cohort, relative_error, task
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.run_in import run_in
from pulsatile.engine.states import SIZES
from tests.reference import events_of, twin

TIMES = grid(1.0, 3.0)


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    baseline = run_in(mixed_cohort(2, seed=3))
    return {arm: task(arm, baseline, TIMES) for arm in ARMS}


@pytest.mark.parametrize("arm", list(ARMS))
def test_kernel_and_c_agree_with_plain_python(tasks: dict[str, Task], arm: str) -> None:
    work = tasks[arm]
    patient = 1
    slow = twin(work.record[patient], work.y0[patient], events_of(work.block, work.doses, patient, TIMES[-1]), TIMES)
    fast = integrate(work.record, work.y0, work.block, work.doses, start=0.0, times=TIMES, solver=Solver(rtol=1e-8)).y[
        patient
    ]
    assert relative_error(fast, slow, SIZES).max() < 1e-6
    if shutil.which("gcc"):
        in_c, largest = reference(work)
        active = work.indices()
        assert relative_error(in_c[patient], slow[:, active], largest).max() < 1e-8


def test_default_tolerance_is_a_hundredth_of_a_percent(tasks: dict[str, Task]) -> None:
    work = tasks["none"]
    slow = twin(work.record[0], work.y0[0], events_of(work.block, work.doses, 0, TIMES[-1]), TIMES)
    fast = integrate(work.record, work.y0, work.block, work.doses, start=0.0, times=TIMES).y[0]
    assert relative_error(fast, slow, SIZES).max() < 1e-4
