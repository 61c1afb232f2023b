"""Factors and designs: distributions, replicates that keep their rows, blocks that swap what they should, bad input."""

from math import comb
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, lognorm, qmc, truncnorm  # type: ignore[import-untyped]

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.efast import efast_design
from pulsatile.sweeps.sensitivity.factors import DISTRIBUTIONS, RESERVED, Factor, Group, partition
from pulsatile.sweeps.sensitivity.methods import method_of
from pulsatile.sweeps.sensitivity.morris import morris_design
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.samples import grid, latin, listed

THREE = [Factor("a", low=0, high=1), Factor("b", low=-5, high=5), Factor("c", "log-uniform", 0.1, 10)]
PAIR = [Group("ab", ("a", "b"))]
EACH = [
    Factor("a", "uniform", -2, 3),
    Factor("a", "log-uniform", 0.01, 100),
    Factor("a", "normal", -1, 4, 1, 2),
    Factor("a", "log-normal", 0.5, 4, 1, 0.4),
    Factor("a", "levels", levels=(1, 5, 2)),
]


@pytest.mark.parametrize("factor", EACH, ids=DISTRIBUTIONS)
def test_values_follow_the_distribution(factor: Factor) -> None:
    u = (np.arange(20_000) + 0.5) / 20_000
    x = factor.values(u)
    assert x.shape == u.shape
    if factor.levels:
        values, counts = np.unique(x, return_counts=True)
        assert set(values) == set(factor.levels)
        assert np.ptp(counts) <= 1
        return
    assert factor.low <= x.min() < x.max() <= factor.high
    assert np.all(np.diff(x) > 0)
    cuts = (np.array([-1, 4]) - 1) / 2
    known = {
        "uniform": lambda v: (v + 2) / 5,
        "log-uniform": lambda v: np.log(v / 0.01) / np.log(1e4),
        "normal": truncnorm(*cuts, loc=1, scale=2).cdf,
        "log-normal": lambda v: (
            (lognorm(0.4).cdf(v) - lognorm(0.4).cdf(0.5)) / (lognorm(0.4).cdf(4) - lognorm(0.4).cdf(0.5))
        ),
    }[factor.distribution]
    np.testing.assert_allclose(known(x), u, atol=1e-9)


def test_a_normal_cut_in_its_upper_tail_keeps_its_digits() -> None:
    factor = Factor("a", "normal", 7, 7.5, 0, 1)
    u = np.array([0.001, 0.5, 0.999])
    np.testing.assert_allclose(factor.values(u), -truncnorm(-7.5, -7).ppf(1 - u), rtol=1e-10)


BAD: list[tuple[dict[str, Any], str]] = [
    *(({"name": name}, "cannot be named") for name in RESERVED),
    ({"name": ""}, "cannot be named"),
    ({"distribution": "beta"}, "not known"),
    ({"low": 1, "high": 1}, "low below high"),
    ({"low": float("nan")}, "finite"),
    ({"high": float("inf")}, "finite"),
    ({"distribution": "log-uniform", "low": 0}, "above 0"),
    ({"distribution": "normal"}, "spread"),
    ({"distribution": "normal", "centre": 0, "spread": 0}, "spread"),
    ({"distribution": "normal", "centre": 100, "spread": 1}, "8 SD"),
    ({"distribution": "log-normal", "low": 0.1, "centre": -1, "spread": 1}, "median"),
    ({"distribution": "levels"}, "levels"),
    ({"distribution": "levels", "levels": (1, float("nan"))}, "levels"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_factors_get_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        Factor(**{"name": "a", "low": 0.5, "high": 1, **change})
    assert "\n" not in str(told.value)


def test_groups() -> None:
    assert [g.factors for g in partition(THREE, [Group("ac", ("a", "c"))])] == [("a", "c"), ("b",)]
    for groups, words in (
        ([Group("a", ("a",))], "taken"),
        ([Group("g", ("x",))], "x is not a factor"),
        ([Group("g", ())], "no factors"),
        ([Group("g", ("a",)), Group("h", ("a", "b"))], "keep one"),
        ([Group("g", ("a",)), Group("g", ("b",))], "same name"),
    ):
        with pytest.raises(InputError, match=words):
            partition(THREE, groups)
    with pytest.raises(InputError, match="given 2 times"):
        partition([THREE[0], THREE[0]])
    with pytest.raises(InputError, match="no factors"):
        partition([])


def test_more_replicates_keep_earlier_rows() -> None:
    for few, many in (
        (saltelli(THREE, 32, 3, 7), saltelli(THREE, 32, 8, 7)),
        (latin(THREE, 10, 7, 2), latin(THREE, 10, 7, 5)),
        (morris_design(THREE, 5, seed=7), morris_design(THREE, 9, seed=7)),
        (efast_design(THREE, 65, 2, 7), efast_design(THREE, 65, 4, 7)),
    ):
        np.testing.assert_array_equal(few.values, many.values[: few.n_points])
        np.testing.assert_array_equal(few.replicate, many.replicate[: few.n_points])
    assert not np.any(saltelli(THREE, 32, 1, 7).unit[::5] == saltelli(THREE, 32, 1, 8).unit[::5])


@pytest.mark.parametrize("second", [False, True])
def test_saltelli_blocks(second: bool) -> None:
    design = saltelli(THREE, 16, 4, groups=PAIR, second_order=second)
    g = 2
    cube = design.unit.reshape(4, 16, -1, 3)
    assert cube.shape[2] == (2 * g + 2 if second else g + 2) == design.n_blocks
    a, b = cube[:, :, 0], cube[:, :, -1]
    assert not np.any(a == b)
    for i, own in enumerate(([0, 1], [2])):
        rest = np.setdiff1d(range(3), own)
        np.testing.assert_array_equal(cube[:, :, 1 + i][..., own], b[..., own])
        np.testing.assert_array_equal(cube[:, :, 1 + i][..., rest], a[..., rest])
        if second:
            np.testing.assert_array_equal(cube[:, :, 1 + g + i][..., own], a[..., own])
            np.testing.assert_array_equal(cube[:, :, 1 + g + i][..., rest], b[..., rest])
    at = 37
    place = design.replicate[at], design.row[at], design.block[at]
    np.testing.assert_array_equal(design.unit[at], cube[place])


def test_each_replicate_is_a_net_and_they_differ() -> None:
    design = saltelli(THREE, 64, 6, seed=2)
    first = design.unit.reshape(6, 64, 5, 3)[:, :, 0]
    for r in range(6):
        for i in range(3):
            assert len(np.unique((first[r, :, i] * 64).astype(int))) == 64
    assert len(np.unique(first)) == first.size
    assert 0 < design.unit.min() < design.unit.max() < 1
    assert kstest(first[:, :, 1].ravel(), "uniform").pvalue > 0.01
    assert qmc.discrepancy(first[0]) < qmc.discrepancy(np.random.default_rng(0).random((64, 3))) / 2


def test_one_factor_and_one_group() -> None:
    assert saltelli(THREE[:1], 8, 1).n_points == 8 * 3
    one = saltelli(THREE, 8, 2, groups=[Group("all", ("a", "b", "c"))])
    cube = one.unit.reshape(2, 8, 3, 3)
    np.testing.assert_array_equal(cube[:, :, 1], cube[:, :, 2])


def test_grid_list_and_latin() -> None:
    levels = Factor("d", "levels", levels=(1, 2))
    design = grid([*THREE, levels], [3, 1, 2, 9])
    assert design.n_points == 3 * 1 * 2 * 2
    np.testing.assert_allclose(np.unique(design.values[:, 2]), [0.1, 10])
    assert set(design.values[:, 1]) == {0.0}
    np.testing.assert_array_equal(listed(THREE, [[0, 1, 1], [1, 2, 5]]).values, [[0, 1, 1], [1, 2, 5]])
    with pytest.raises(InputError, match="point 1: b = 7"):
        listed(THREE, [[0, 1, 1], [1, 7, 5]])
    with pytest.raises(InputError, match="shape"):
        listed(THREE, [[0, 1]])
    cube = latin(THREE, 20, 1, 2)
    for r in range(2):
        for i in range(3):
            assert sorted((cube.unit[cube.replicate == r][:, i] * 20).astype(int)) == list(range(20))


def test_morris_steps_move_one_group() -> None:
    design = morris_design(THREE, 30, 6, seed=4, groups=PAIR)
    steps = np.diff(design.unit.reshape(30, 3, 3), axis=1)
    moved = abs(steps) > 0
    np.testing.assert_allclose(abs(steps[moved]), 0.6)
    np.testing.assert_array_equal(moved[..., 0], moved[..., 1])
    np.testing.assert_array_equal(moved.sum(axis=1), 1)
    assert (steps > 0).any()
    assert (steps < 0).any()
    np.testing.assert_allclose(design.unit * 5, np.round(design.unit * 5), atol=1e-12)


def test_table_has_units() -> None:
    table = saltelli([Factor("k", low=1, high=2, unit="1/h"), THREE[0]], 4, 1).table()
    assert dict(table.sizes) == {"design": 16}
    assert table.k.attrs["units"] == "1/h"
    assert list(table.block.values[:4]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: saltelli(THREE, 100), "not a power of two.* 64 or 128"),
        (lambda: saltelli(THREE, 0), "at least 1"),
        (lambda: saltelli(THREE, 64, 0), "replicates"),
        (lambda: saltelli(THREE, 64, seed=-1), "seed"),
        (lambda: saltelli(THREE, 64, seed=2**64), "too large"),
        (lambda: saltelli(THREE, 2**26), "at most"),
        (lambda: saltelli(THREE, 64.5), "whole number"),  # type: ignore[arg-type]
        (lambda: grid(THREE, [2, 2]), "one for each"),
        (lambda: grid(THREE, 10**4), "at most"),
        (lambda: latin(THREE, 0), "at least 1"),
        (lambda: morris_design(THREE, levels=5), "even"),
        (lambda: morris_design(THREE, 1), "at least 2"),
        (lambda: efast_design(THREE, 64), "at least 65"),
    ],
)
def test_bad_designs_get_one_sentence(make: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        make()
    assert "\n" not in str(told.value)


def test_number_of_pairs() -> None:
    from pulsatile.sweeps.sensitivity.sobol import pairs_of

    assert len(set(pairs_of(7))) == comb(7, 2)


def test_independent_points_hold_every_value_of_a_factor_once() -> None:
    factors = (Factor("a", low=0, high=1), Factor("b", low=0, high=1), Factor("c", low=0, high=1))
    for second_order in (False, True):
        design = saltelli(factors, 4, 2, second_order=second_order)
        own = design.unit[method_of(design).independent(design)]
        assert len(own) == 16
        assert all(len(np.unique(column)) == 16 for column in own.T)
    for design, count in ((morris_design(factors, 5), 5), (latin(factors, 8), 8), (efast_design(factors, 65), 780)):
        assert method_of(design).independent(design).sum() == count
