"""Observed orders of the compiled kernel on the real model, at steps shown to be asymptotic; the tolerance ladder."""

import shutil

import numpy as np
import pytest

from benchmarks.accuracy import ladder
from benchmarks.order import observe
from benchmarks.problem import mixed_cohort
from engine.baseline import run_in
from engine.steppers import PAIRS

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the reference is compiled by gcc")


@needs_gcc
@pytest.mark.parametrize("method", ["bs5", "pr7"])
def test_order_at_steps_and_of_dense_output(method: str) -> None:
    found = observe(method)
    order = PAIRS[method].order
    # the mean over the range, and each neighbouring pair: a drift would show that the steps are not asymptotic
    assert abs(found.order(found.at_steps) - order) < 0.1
    assert np.all(np.abs(found.slopes(found.at_steps) - order) < 0.25)
    assert abs(found.order(found.between) - order) < 0.25
    assert np.all(found.at_steps > 1e-14)  # not yet rounding


@needs_gcc
def test_error_falls_with_the_tolerance() -> None:
    rungs = ladder(run_in(mixed_cohort(6, seed=11)), 1.0)
    worst, rms = np.array([row[1:] for row in rungs]).T
    assert np.all(np.diff(rms) < 0)
    assert np.all(np.diff(worst) < 0)
    assert worst[-1] < 1e-8
    assert rms[3] < 1e-5  # default tolerance, 1e-6
