"""Morris, eFAST, PRCC, delta and PAWN against SALib and published values (R27: within 0.02)."""

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from SALib.analyze import delta as salib_delta  # type: ignore[import-untyped]
from SALib.analyze import fast as salib_fast
from SALib.analyze import morris as salib_morris
from SALib.analyze import pawn as salib_pawn
from SALib.sample import fast_sampler  # type: ignore[import-untyped]
from scipy.stats import pearsonr, rankdata  # type: ignore[import-untyped]

from benchmarks.analytic import g_function, ishigami
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity import moments
from pulsatile.sweeps.sensitivity.efast import efast, efast_design, frequencies
from pulsatile.sweeps.sensitivity.factors import Factor, Group
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.moments import delta, pawn
from pulsatile.sweeps.sensitivity.morris import morris, morris_design
from pulsatile.sweeps.sensitivity.samples import latin, prcc

KNOWN = ishigami()


def _problem(k: int) -> dict[str, Any]:
    return {"num_vars": k, "names": [str(i) for i in range(k)], "bounds": [[0, 1]] * k}


def test_morris_is_salibs() -> None:
    for levels in (4, 6):
        design = morris_design(KNOWN.factors, 40, levels, seed=1)
        y = KNOWN.function(design.unit)
        other = salib_morris.analyze(_problem(3), design.unit, y, num_levels=levels, seed=1)
        found = morris(design, y)
        for name in ("mu", "mu_star", "sigma"):
            np.testing.assert_allclose(getattr(found, name)[:, 0], other[name], rtol=1e-12)
        np.testing.assert_array_equal(found.count, 40)


def test_morris_of_a_plane_and_of_groups() -> None:
    factors = [Factor("a", low=0, high=2), Factor("b", low=0, high=1), Factor("c", low=0, high=1)]
    design = morris_design(factors, 10, seed=2)
    plane = design.values @ np.array([3.0, -1.0, 0.0])
    found = morris(design, np.stack([plane, np.ones_like(plane)], axis=1))
    np.testing.assert_allclose(found.mu, [[6, 0], [-1, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(found.sigma, 0, atol=1e-12)
    grouped = morris_design(factors, 200, seed=2, groups=[Group("ab", ("a", "b"))])
    of_group = morris(grouped, grouped.values @ np.array([3.0, -1.0, 5.0]))
    assert np.isnan(of_group.mu[0, 0])
    assert set(np.round(np.unique(abs(np.diff((grouped.values @ [3, -1, 0]).reshape(-1, 3), axis=1))), 9)) == {
        0.0, round(5 * 2 / 3, 9), round(7 * 2 / 3, 9),
    }  # fmt: skip
    assert of_group.mu_star[0, 0] == pytest.approx(6, abs=0.3)  # 5 or 7, as the two move together or apart
    assert of_group.sigma[0, 0] == pytest.approx(1, abs=0.1)
    assert of_group.mu[1, 0] == pytest.approx(5)


def test_morris_leaves_out_steps_of_missing_runs() -> None:
    design = morris_design(KNOWN.factors, 10, seed=2)
    y = design.unit @ np.array([1.0, 2.0, 3.0])
    y[5] = np.nan  # the second point of the second trajectory: two steps
    found = morris(design, y)
    assert found.count.sum() == 30 - 2
    np.testing.assert_allclose(found.mu_star[:, 0], [1, 2, 3])


def test_morris_published() -> None:
    # Morris 1991, section 4 (RECALLED): the first seven of 20 factors act with others (large sigma), 8 ... 10 act
    # linearly with coefficient 20 in w = 2 (x - 1/2), that is an effect of 40; here the others do nothing
    design = morris_design([Factor(f"x{i}", low=0, high=1) for i in range(20)], 50, 4, seed=3)
    w = 2 * (design.unit - 0.5)
    for i in (2, 4, 6):
        w[:, i] = 2 * (1.1 * design.unit[:, i] / (design.unit[:, i] + 0.1) - 0.5)
    y = 20 * w[:, :10].sum(axis=1)
    y += sum(-15 * w[:, i] * w[:, j] for i in range(6) for j in range(i + 1, 6))
    found = morris(design, y)
    np.testing.assert_allclose(found.mu[7:10, 0], 40, atol=1e-9)
    np.testing.assert_allclose(found.sigma[7:, 0], 0, atol=1e-9)
    assert found.sigma[:6].min() > 20
    np.testing.assert_allclose(found.mu_star[10:], 0, atol=1e-9)


def test_efast_is_salibs_and_near_the_truth() -> None:
    for known, points in ((KNOWN, 1025), (g_function((0.0, 1.0, 4.5, 9.0)), 1033)):
        k = len(known.s1)
        design = efast_design(known.factors, points, 3, seed=4)
        y = known.function(design.unit)
        found = efast(design, y)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="FAST confidence")
            per_curve = [
                salib_fast.analyze(_problem(k), curve.T.ravel(), M=4, num_resamples=2, seed=1)
                for curve in y.reshape(3, points, k)
            ]
            sampled = fast_sampler.sample(_problem(k), points, M=4, seed=5)
            other = salib_fast.analyze(_problem(k), known.function(sampled), M=4, num_resamples=2, seed=1)
        np.testing.assert_allclose(found.s1[:, 0], np.mean([one["S1"] for one in per_curve], axis=0), rtol=1e-10)
        np.testing.assert_allclose(found.st[:, 0], np.mean([one["ST"] for one in per_curve], axis=0), rtol=1e-10)
        np.testing.assert_allclose(found.s1[:, 0], other["S1"], atol=0.02)
        np.testing.assert_allclose(found.s1[:, 0], known.s1, atol=0.03)  # its own bias
        np.testing.assert_allclose(found.st[:, 0], known.st, atol=0.06)


def test_efast_frequencies_and_missing_curves() -> None:
    assert frequencies(65, 3)[0] == 8
    assert list(frequencies(65, 3)[1]) == [1, 1]
    fast, slow = frequencies(1025, 3)
    assert fast == 128
    assert list(slow) == [1, 16]
    design = efast_design(KNOWN.factors, 65, 3)
    y = KNOWN.function(design.unit)
    y[4] = np.nan
    found = efast(design, np.stack([y, np.ones_like(y)], axis=1))
    assert list(found.curves[:, 0]) == [3, 2, 3]
    assert np.isnan(found.s1[:, 1]).all()
    with pytest.raises(InputError, match="no whole curve"):
        efast(design, np.where(design.block == 1, np.nan, y))


def test_efast_has_no_interval_and_says_why() -> None:
    design = efast_design(KNOWN.factors, 65, 4)
    found = indices(design, xr.Dataset({"y": ("design", KNOWN.function(design.unit))}))
    assert {"S1", "ST"} <= set(found.data_vars)
    assert not [name for name in found.data_vars if str(name).endswith(("_low", "_high"))]
    assert found.attrs["interval"].startswith("none: curves share the bias")


def test_prcc_is_the_correlation_of_residuals() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((300, 4))
    x[:, 1] += 0.5 * x[:, 0]
    y = np.exp(2 * x[:, 0] - x[:, 1]) + 0.2 * rng.random(300)
    found = prcc(x, np.stack([y, -(y**3), np.ones(300)], axis=1), seed=3)
    dummy = np.random.default_rng(np.random.SeedSequence([3, 0xD0DD])).random(300)
    ranks = rankdata(np.column_stack([x, dummy]), axis=0)
    for i in range(4):
        others = np.column_stack([np.ones(300), np.delete(ranks, i, axis=1)])
        left = [v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (ranks[:, i], rankdata(y))]
        assert found.value[i, 0] == pytest.approx(pearsonr(*left).statistic, abs=1e-10)
    np.testing.assert_allclose(found.value[:, 1], -found.value[:, 0], atol=1e-12)
    assert np.isnan(found.value[:, 2]).all()
    assert np.all(abs(found.value[:2, 0]) > found.threshold[0])
    assert found.p_value[0, 0] < 1e-10 < found.p_value[2, 0]
    # t with N - 2 - p degrees of freedom: the threshold has p = 5 % (p: three other factors and the dummy)
    assert found.threshold[0] == pytest.approx(np.sqrt(1.96795**2 / (294 + 1.96795**2)), abs=2e-4)


def test_prcc_alarms_are_as_rare_as_stated() -> None:
    rng = np.random.default_rng(2)
    found = prcc(rng.random((60, 3)), rng.standard_normal((60, 2000)))
    assert np.mean(found.p_value < 0.05) == pytest.approx(0.05, abs=0.015)


def test_prcc_of_missing_runs_and_bad_input() -> None:
    design = latin(KNOWN.factors, 100)
    y = np.stack([design.unit[:, 0] ** 3] * 2, axis=1)
    y[:10, 1] = np.nan
    found = prcc(design.values, y)
    assert list(found.count) == [100, 90]
    np.testing.assert_allclose(found.value[0], 1, atol=1e-6)
    alone = prcc(design.values, y[:, 1])
    np.testing.assert_array_equal(found.value[:, 1], alone.value[:, 0])
    for x, words in (
        (np.ones((100, 3)), "constant"),
        (design.values[:, [0, 0, 1]], "same ranks"),
        (design.values[:6], "do not fit"),
        (np.where(design.values > 0.5, np.nan, 0.1), "finite"),
    ):
        with pytest.raises(InputError, match=words):
            prcc(x, y[:, 0])
    with pytest.raises(InputError, match="too few"):
        prcc(design.values[:6], y[:6, 0])


def test_delta_and_pawn_are_salibs() -> None:
    design = latin(KNOWN.factors, 700, seed=1)
    x, y = design.values, KNOWN.function(design.unit)
    at = np.linspace(y.min(), y.max(), moments.GRID)
    edges = np.linspace(0, len(y), moments._classes(len(y)) + 1)
    for i in range(3):
        mine = moments._delta(x[:, i], y, at, moments._density(y, at))
        assert mine == pytest.approx(salib_delta.calc_delta(y, at, x[:, i], edges), abs=1e-12)
    middle, largest, warning = pawn(x, y)
    other = salib_pawn.analyze(_problem(3), x, y, S=10, seed=1)
    np.testing.assert_allclose(middle, other["median"], atol=0.02)
    np.testing.assert_allclose(largest, other["maximum"], atol=0.02)
    assert "700 runs and 10 slices" in warning


def test_delta_of_a_known_shift() -> None:
    # y = x: the density within a class is a spike: delta near 1; a factor that does nothing: near 0
    rng = np.random.default_rng(5)
    x = rng.random((2000, 2))
    value = delta(x, x[:, 0], resamples=20)
    assert value[0] > 0.85
    assert value[1] == pytest.approx(0, abs=0.05)
    np.testing.assert_array_equal(value, delta(x, x[:, 0], resamples=20))
    for y, words in ((np.ones(2000), "vary"), (np.full(2000, np.nan), "too few"), (np.ones(3), "do not fit")):
        with pytest.raises(InputError, match=words):
            delta(x, y)
