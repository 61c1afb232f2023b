"""The platform class names what decides bits: compiler target, optimisation, numpy's functions, other settings."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
CLASS = "from pulsatile.sweeps.study.identity import platform_class; print(platform_class())"


def platform_under(**env: str) -> str:
    """Return the platform class of a process with these settings."""
    run = subprocess.run(
        [sys.executable, "-c", CLASS], cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.fixture(scope="module")
def usual() -> str:
    return platform_under()


@pytest.mark.parametrize(
    "setting",
    [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_OPT": "0"}, {"NUMBA_CPU_FEATURES": "+sse2"}, {"NUMBA_SLP_VECTORIZE": "1"},
     {"NPY_DISABLE_CPU_FEATURES": "X86_V4"}, {"OPENBLAS_CORETYPE": "Haswell"}],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_a_setting_that_decides_bits_is_another_class(usual: str, setting: dict[str, str]) -> None:
    if "NPY_DISABLE_CPU_FEATURES" in setting and "X86_V4" not in str(np.show_config(mode="dicts")):
        pytest.skip("numpy has no such functions here")
    if os.environ.get("OPENBLAS_CORETYPE") == setting.get("OPENBLAS_CORETYPE") is not None:
        setting = {"OPENBLAS_CORETYPE": "Nehalem"}
    assert platform_under(**setting) != usual


@pytest.mark.parametrize("setting", [{"NUMBA_CACHE_DIR": "/nowhere"}, {"NUMBA_NUM_THREADS": "1"}, {"LANG": "C"}])
def test_a_setting_that_decides_no_bit_is_not(usual: str, setting: dict[str, str]) -> None:
    assert platform_under(**setting) == usual
