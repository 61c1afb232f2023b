"""Observed orders of the compiled kernel on the real model, at steps shown to be asymptotic; the tolerance ladder."""

import shutil

import numpy as np
import pytest

from benchmarks.accuracy import ladder
from benchmarks.order import observe
from benchmarks.problem import mixed_cohort
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.patients.run_in import run_in

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the reference is compiled by gcc")


@needs_gcc
@pytest.mark.parametrize("method", ["bs5", "cfmr7"])
def test_order_at_steps_and_of_dense_output(method: str) -> None:
    found = observe(method)
    order = PAIRS[method].order
    assert abs(found.order(found.at_steps) - order) < 0.1
    # each step nearer to the order than the one before: else the steps would not be asymptotic
    away = np.abs(found.slopes(found.at_steps) - order)
    assert np.all(np.diff(away) < 0.02)
    assert away[-1] < 0.4
    # an interpolant of order 5 has an error of order 6 in a step and gathers none from step to step
    assert abs(found.order(found.between) - min(order, 6)) < 0.1
    assert np.all(found.at_steps > 1e-14)  # not yet rounding


@needs_gcc
def test_error_falls_with_the_tolerance() -> None:
    rungs = ladder(run_in(mixed_cohort(6, seed=11)), 1.0)
    worst, rms = np.array([row[1:] for row in rungs]).T
    assert np.all(np.diff(rms) < 0)
    assert np.all(np.diff(worst) < 0)
    assert worst[-1] < 1e-8
    assert rms[3] < 1e-5  # default tolerance, 1e-6
