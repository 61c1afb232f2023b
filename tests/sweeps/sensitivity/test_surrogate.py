"""Missing runs filled by a surrogate: holes in a region are filled, and the intervals include the error of the fill."""

import numpy as np
import pytest
import xarray as xr

from benchmarks.analytic import G_CLASSIC, g_function, ishigami
from benchmarks.indices import fails, failures
from pulsatile.sweeps.sensitivity import surrogate
from pulsatile.sweeps.sensitivity.factors import Factor
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.intervals import half_width
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.sobol import sobol
from pulsatile.sweeps.sensitivity.surrogate import DRAWS, FEWEST, draws, estimate
from pulsatile.sweeps.sensitivity.trajectories import curves

KNOWN = ishigami()


def test_intervals_cover_the_whole_cube_where_a_corner_fails() -> None:
    # the campaign (benchmarks.indices, 200 repeats) has 95 % of ST filled, 88 % left out
    coverage, width = failures(g_function(G_CLASSIC[:4], "G, 4-D"), 512, 8, 20, "corner")
    left_out, filled, whole = coverage[:, 1]
    assert filled > left_out
    assert filled > 0.87  # 95 % less three standard errors of 20 repeats of 4 factors that are not independent
    assert width[1, 1] < 1.3 * width[2, 1]
    assert whole > 0.87


def test_a_smooth_hole_is_filled_and_its_error_is_told() -> None:
    design = saltelli([Factor(name, low=0, high=1) for name in "abc"], 64, 4, seed=3)
    u = design.unit
    y = np.exp(u[:, 0]) + u[:, 0] * u[:, 1] + 0.2 * u[:, 2]
    hole = fails(u, "corner")
    seen = np.where(hole, np.nan, y)[:, None] * np.array([1.0, -50.0])
    drawn = draws(design, seen, np.array([0.8, 0.3, 0.1]))
    assert drawn.shape == (hole.sum(), 2, DRAWS)
    np.testing.assert_allclose(drawn[:, 1].mean(axis=1), -50 * drawn[:, 0].mean(axis=1), atol=50 * 0.01 * y.std())
    error, spread = drawn[:, 0].mean(axis=1) - y[hole], drawn[:, 0].std(axis=1, ddof=1)
    assert np.sqrt((error**2).mean()) < 0.02 * y.std()
    assert np.sqrt((error**2).mean()) < 4 * np.sqrt((spread**2).mean())


def test_only_outputs_with_missing_runs_change(monkeypatch: pytest.MonkeyPatch) -> None:
    design = saltelli(KNOWN.factors, 32, 4, second_order=True)
    y = np.repeat(KNOWN.function(design.unit)[:, None], 3, axis=1)
    y[fails(design.unit, "corner"), 1] = np.nan
    y[FEWEST - 1 :, 2] = np.nan
    plain, found = sobol(design, y), estimate(design, y)
    for name in ("S1", "ST", "S2"):
        index, before = found.index(name), plain.index(name)
        assert index.fill is not None
        for column in (0, 2):
            np.testing.assert_array_equal(index.value[:, column], before.value[:, column])
            np.testing.assert_array_equal(half_width(index)[:, column], half_width(before)[:, column])
        assert (index.fill[:, 1] > 0).all()
        assert (abs(index.value[:, 1] - before.value[:, 1]) > 0).all()
    np.testing.assert_array_equal(estimate(design, y).st.value, found.st.value)  # the draws are keyed
    assert estimate(design, y[:, :1]).st.fill is None
    # more missing runs than are drawn jointly
    monkeypatch.setattr(surrogate, "JOINT", 20)
    few = estimate(design, y[:, 1])
    np.testing.assert_allclose(few.st.value[:, 0], found.st.value[:, 1], atol=0.1)


def test_filling_is_the_default_and_curves_use_it() -> None:
    design = saltelli(KNOWN.factors, 64, 4)
    y = KNOWN.function(design.unit)
    seen = np.where(fails(design.unit, "beyond"), np.nan, y)
    outputs = xr.Dataset({"y": (("design", "arm", "week"), seen[:, None, None])}, {"arm": ["a"], "week": [1.0]})
    told = indices(design, outputs)
    assert "a surrogate fills them" in told.attrs["missing"]
    expected = estimate(design, seen)
    np.testing.assert_array_equal(told["ST"].values.ravel(), expected.st.value.ravel())
    assert {"ST_least", "ST_most"} <= set(told.data_vars)  # the worst case stays
    whole = curves(design, outputs, 0.95)
    for name in ("S1", "S1_low", "ST", "ST_low", "ST_high"):
        np.testing.assert_allclose(whole[name].values.ravel(), told[name].values.ravel(), rtol=1e-9)
    left_out = indices(design, outputs, missing="pairs")
    assert abs(left_out["ST"] - told["ST"]).max() > 0.001
