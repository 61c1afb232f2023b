"""Missing runs: the index of the full design stays within the printed bounds (R26)."""

import numpy as np
import pytest
import xarray as xr

from benchmarks.analytic import Known, g_function, ishigami
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.efast import efast_design
from pulsatile.sweeps.sensitivity.factors import Factor
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.missing import CHOICES, bounds, leave_out, observed_limits
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.samples import latin
from pulsatile.sweeps.sensitivity.sobol import sobol

FACTORS = (Factor("a", low=0, high=1), Factor("b", low=0, high=1))
CASES = [(known, share, corner) for known in (ishigami(), g_function())
         for share in (0.001, 0.01, 0.05) for corner in (False, True)]  # fmt: skip


def _lost(unit: np.ndarray, share: float, corner: bool) -> np.ndarray:
    if corner:
        edge = 1 - share**0.5
        return np.asarray((unit[:, 0] > edge) & (unit[:, 2] > edge))
    return np.random.default_rng(6).random(len(unit)) < share


@pytest.mark.parametrize(("known", "share", "corner"), CASES)
@pytest.mark.parametrize("second", [False, True])
def test_the_full_index_lies_within_the_bounds(known: Known, share: float, corner: bool, second: bool) -> None:
    design = saltelli(known.factors, 128, 8, second_order=second)
    y = known.function(design.unit)[:, None]
    lost = _lost(design.unit, share, corner)
    assert lost.any()
    full = sobol(design, y)
    seen = np.where(lost[:, None], np.nan, y)
    found = bounds(design, seen, known.low, known.high)
    assert np.all((found.s1_low <= full.s1.value) & (full.s1.value <= found.s1_high))
    assert np.all((found.st_low <= full.st.value) & (full.st.value <= found.st_high))
    outputs = xr.Dataset({"y": ("design", seen[:, 0])})
    for method in CHOICES:  # what is printed holds the shift between the printed index and the full one
        told = indices(design, outputs, missing=method, limits={"y": (known.low, known.high)})
        for name, truth in (("S1", full.s1.value[:, 0]), ("ST", full.st.value[:, 0])):
            least, most, index = (told[name + end].values[0] for end in ("_least", "_most", ""))
            assert np.all((least <= np.minimum(truth, index)) & (np.maximum(truth, index) <= most))
            assert abs(index - truth).max() < 2 * share + 0.03
        assert f"at most {lost.sum()} of {design.n_points} runs are missing" in told.attrs["missing"]
        assert told.n_missing.item() == lost.sum()


def test_bounds_are_reached() -> None:
    # a single missing AB: the largest ST is reached at one end of the limits, so the bound is no wider than needed
    known = ishigami()
    design = saltelli(known.factors, 32, 2)
    y = known.function(design.unit)[:, None]
    y[1 + 5 * 7] = np.nan
    found = bounds(design, y, -3.0, 5.0)
    ends = []
    for value in np.linspace(-3, 5, 201):
        filled = np.where(np.isnan(y), value, y)
        ends.append(sobol(design, filled).st.value[0, 0])
    assert found.st_high[0, 0] == pytest.approx(max(ends), rel=1e-10)
    assert found.st_low[0, 0] == pytest.approx(min(ends), rel=1e-2)
    assert found.st_low[1, 0] == pytest.approx(found.st_high[1, 0], rel=1e-12)


def test_random_fillings_stay_inside() -> None:
    known = ishigami()
    design = saltelli(known.factors, 16, 2, second_order=True)
    rng = np.random.default_rng(3)
    y = known.function(design.unit)[:, None] + 50
    lost = rng.random(len(y)) < 0.1
    y[lost] = np.nan
    low, high = observed_limits(y)
    found = bounds(design, y, low, high)
    for _ in range(300):
        filled = y.copy()
        some = rng.random(lost.sum())
        filled[lost, 0] = low + (high - low) * (np.round(some) if rng.random() < 0.5 else some)
        full = sobol(design, filled)
        assert np.all((found.s1_low <= full.s1.value) & (full.s1.value <= found.s1_high))
        assert np.all((found.st_low <= full.st.value) & (full.st.value <= found.st_high))


def test_without_missing_runs_bounds_are_the_index() -> None:
    known = ishigami()
    design = saltelli(known.factors, 32, 2)
    y = known.function(design.unit)[:, None]
    full, found = sobol(design, y), bounds(design, y, np.nan, np.nan)
    for ends, index in (((found.s1_low, found.s1_high), full.s1), ((found.st_low, found.st_high), full.st)):
        for end in ends:
            np.testing.assert_allclose(end, index.value, atol=1e-12)


def test_rows_and_pairs() -> None:
    known = ishigami()
    design = saltelli(known.factors, 8, 2)
    y = known.function(design.unit)[:, None]
    y[7] = np.nan
    assert np.isnan(leave_out(design, y, "pairs")).sum() == 1
    rows = leave_out(design, y, "rows")
    assert np.isnan(rows).sum() == 5
    assert np.isnan(rows[5:10]).all()
    with pytest.raises(InputError, match="pairs, rows"):
        leave_out(design, y, "fill")
    with pytest.raises(InputError, match="limits"):
        bounds(design, y, 2, 1)
    with pytest.raises(InputError, match="limits"):
        bounds(design, y, np.nan, 1)
    with pytest.raises(InputError, match="infinite"):
        bounds(design, np.where(np.isnan(y), np.inf, y), 0, 1)


def test_an_arm_without_any_run_takes_nothing_from_the_others() -> None:
    for design in (saltelli(FACTORS, 8, 2), latin(FACTORS, 20), efast_design(FACTORS, 65, 2)):
        y = design.unit.sum(axis=1)
        alone = indices(design, xr.Dataset({"y": (("design", "arm"), y[:, None])}, {"arm": ["good"]}))
        two = np.stack([np.full_like(y, np.nan), y], axis=1)
        found = indices(design, xr.Dataset({"y": (("design", "arm"), two)}, {"arm": ["lost", "good"]}))
        name = "ST" if "ST" in found else "prcc"
        np.testing.assert_array_equal(found[name].sel(arm="good"), alone[name].sel(arm="good"))
        assert np.isnan(found[name].sel(arm="lost")).all()
        assert found["n_missing"].values.tolist() == [[len(y), 0]]


def test_rounding_of_what_is_stored_is_no_variation() -> None:
    """Two arms of which one varies by rounding alone, and their difference, which is as coarse as the coarser arm."""
    design = saltelli(FACTORS, 8, 2)
    y = 1000 + np.stack([1e-4 * design.unit[:, 0], design.unit[:, 0]], axis=1)
    stored = xr.Dataset({"y": (("design", "arm"), y.astype(np.float32))}, {"arm": ["flat", "steep"]})
    found = indices(design, stored, precision={"y": 2.0**-23})
    assert found["reason"].values.tolist() == [[1, 0]]
    assert indices(design, stored)["reason"].values.tolist() == [[0, 0]]
    shifted = xr.Dataset({"y": (("design", "arm"), (y[:, [1, 1]] + [0, 1e-4]).astype(np.float32))}, {"arm": ["a", "b"]})
    assert indices(design, shifted, precision={"y": 2.0**-23}, contrast="a")["reason"].values.tolist() == [[1]]
    assert indices(design, stored, precision={"y": 2.0**-23}, contrast="flat")["reason"].values.tolist() == [[0]]
