"""Where runs fail: a true region is found, and chance is not taken for one (R26)."""

import numpy as np
import pytest

from benchmarks.analytic import g_function
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.failed_region import failed_region, region_sentence
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.factors import Factor
from pulsatile.sweeps.sensitivity.morris import morris_design
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.samples import latin

FACTORS = [Factor(f"x{i}", low=0, high=1, unit="ug/L") for i in range(5)]
DESIGNS = 200


def test_the_failed_region_is_named() -> None:
    known = g_function()
    design = latin(known.factors, 4000, seed=2)
    failed = (design.values[:, 4] > 0.8) & (design.values[:, 1] < 0.4)
    table = failed_region(design, failed)
    assert list(table.factor.values[:2]) == ["x5", "x2"]
    assert list(table.side.values[:2]) == ["above", "below"]
    np.testing.assert_allclose(table.threshold.values[:2], [0.8, 0.4], atol=0.01)
    np.testing.assert_allclose(table.caught.values[:2], 1, atol=0.02)
    np.testing.assert_allclose(table.failing.values[:2], [0.4, 0.2], atol=0.05)
    assert table.p_value.values[2:].min() > 1e-3
    assert table.attrs["n_failed"] == failed.sum()
    for none in (np.zeros(4000, bool), np.ones(4000, bool)):
        with pytest.raises(InputError, match="two kinds"):
            failed_region(design, none)
    with pytest.raises(InputError, match="4000 points"):
        failed_region(design, failed[:5])


def by_chance(design: Design, rows: bool, seed: int) -> np.ndarray:
    """Return failures of 5 % of whole rows, or of single points."""
    row = design.replicate * design.n_rows + design.row if rows else np.arange(design.n_points)
    return np.asarray(np.random.default_rng(seed).random(row.max() + 1) < 0.05)[row]


@pytest.mark.parametrize("rows", [True, False])
def test_chance_is_a_region_no_more_often_than_stated(rows: bool) -> None:
    designs = [saltelli(FACTORS, 32, 4, seed) for seed in range(10)] + [morris_design(FACTORS, 200, seed=1)]
    alarms = 0
    for seed in range(DESIGNS):
        design = designs[seed % len(designs)]
        found = failed_region(design, by_chance(design, rows, seed))
        alarms += bool((found["p_value"] < 0.05).any())
    # 5 %, and three standard errors of 200 designs
    assert alarms / DESIGNS < 0.05 + 3 * (0.05 * 0.95 / DESIGNS) ** 0.5
    assert alarms > 0  # the p-values are not just large


def test_a_corner_is_found_and_told() -> None:
    design = saltelli(FACTORS, 64, 8, seed=3)
    corner = (design.unit[:, 1] > 0.75) & (design.unit[:, 3] < 0.2)  # 5 % of the points
    found = failed_region(design, corner)
    assert set(found.factor.values[:2]) == {"x1", "x3"}
    assert found["p_value"].values[:2].max() < 1e-6
    assert found["p_value"].values[2:].min() > 0.05
    sides = found.sel(factor=["x1", "x3"])
    assert sides["side"].values.tolist() == ["above", "below"]
    np.testing.assert_allclose(sides["threshold"], [0.75, 0.2], atol=0.02)
    np.testing.assert_allclose(sides["caught"], 1, atol=0.05)
    np.testing.assert_allclose(sides["failing"], [corner.mean() / 0.25, corner.mean() / 0.2], atol=0.03)
    told = region_sentence(found)
    assert told.startswith(f"{corner.sum()} of {design.n_points} points failed: ")
    assert "from 1024 independent points); also by x" in told
    rows = failed_region(design, by_chance(design, True, 1))
    assert region_sentence(rows).endswith("; no factor separates them from the others beyond chance")


def test_without_two_kinds_of_independent_points_there_is_no_p_value() -> None:
    design = saltelli(FACTORS, 16, 2)
    found = failed_region(design, (design.block == 2) & (design.unit[:, 1] > 0.5))
    assert found["p_value"].isnull().all()
    assert found["factor"].values[0] == "x1"
    assert "beyond chance" in region_sentence(found)
