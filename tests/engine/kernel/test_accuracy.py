"""The accuracy campaign in small: endpoints of three arms against another integrator (`benchmarks/accuracy.py`)."""

import shutil

import pytest

from benchmarks.accuracy import endpoints, main
from benchmarks.problem import ARMS, mixed_cohort
from pulsatile.engine.patients.run_in import Baseline, run_in

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="the reference is compiled by gcc")


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return run_in(mixed_cohort(6, seed=11))


@pytest.mark.parametrize("arm", list(ARMS))
def test_endpoints(baseline: Baseline, arm: str) -> None:
    found = endpoints(arm, baseline, 2.0)
    assert found["largest"] < 1e-3
    assert found["median"] < 1e-4


@pytest.mark.campaign
def test_whole_campaign() -> None:
    for row in main([])["arms"]:
        assert row["largest"] < 1e-3
        assert row["median"] < 1e-4
