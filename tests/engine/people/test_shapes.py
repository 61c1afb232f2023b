"""Margins' shapes: the quantiles asked for, scores that undo values, edges and bad input."""

from math import inf

import numpy as np
import pytest
from scipy.stats import norm

from pulsatile.engine.errors import InputError
from pulsatile.engine.people import shapes
from pulsatile.engine.people.shapes import Capped, Knots, Margin, ShiftedLogNormal

SHAPES: dict[str, Margin] = {
    "right": shapes.through((0.44, 1.24, 4.61)),
    "left": shapes.through((1.0, 3.0, 4.0)),
    "quartiles": shapes.through((5.01, 7.86, 13.74), 0.75),
    "normal": shapes.normal(10.0, 2.0),
    "log-normal": shapes.log_normal(3.0, 0.8),
    "capped": Capped(shapes.log_normal(5.6, 0.1), 7.0),
    "knots": Knots((0.0, 0.2, 1.0), (20.0, 30.0, 79.0)),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_scores_undo_values_which_rise(shape: Margin) -> None:
    z = np.linspace(-3, 3, 61)
    x = shape.value(z)
    assert np.all(np.diff(x) > 0)
    np.testing.assert_allclose([shape.score(v) for v in x], z, atol=1e-7)


@pytest.mark.parametrize(
    "quantiles", [(0.44, 1.24, 4.61), (1.0, 3.0, 4.0), (1.493, 1.627, 1.761), (4.0, 5.0, 6.0 + 1e-9)]
)
@pytest.mark.parametrize("level", [0.975, 0.75])
def test_through_three_quantiles(quantiles: tuple[float, float, float], level: float) -> None:
    z = norm.ppf([1 - level, 0.5, level])
    np.testing.assert_allclose(shapes.through(quantiles, level).value(z), quantiles, rtol=1e-9)


def test_shapes_near_the_normal_join_it() -> None:
    z = np.linspace(-4, 4, 9)
    near, at = (shapes.through((4.0, 5.0, 6.0 + more)).value(z) for more in (1e-7, 0.0))
    np.testing.assert_allclose(near, at, atol=1e-6)


def test_log_normal_has_its_median_and_cv() -> None:
    x = shapes.log_normal(3.0, 0.8).value(np.random.default_rng(1).standard_normal(400_000))
    assert np.median(x) == pytest.approx(3.0, rel=0.01)
    assert np.std(x) / np.mean(x) == pytest.approx(0.8, rel=0.02)
    y = shapes.from_mean(150.0, 75.0).value(np.random.default_rng(1).standard_normal(400_000))
    assert (np.mean(y), np.std(y)) == (pytest.approx(150.0, rel=0.01), pytest.approx(75.0, rel=0.02))


def test_the_capped_part_is_distributed_as_what_is_left_after_rejection() -> None:
    whole = shapes.log_normal(5.6, 0.1)
    z = np.random.default_rng(2).standard_normal(200_000)
    kept = whole.value(z)
    kept = kept[kept < 6.0]
    capped = Capped(whole, 6.0)
    p = np.linspace(0.01, 0.99, 25)
    np.testing.assert_allclose(capped.value(norm.ppf(p)), np.quantile(kept, p), rtol=3e-3)
    assert capped.value(np.array([40.0]))[0] == 6.0
    assert capped.score(6.5) == inf


def test_probabilities_are_the_normals() -> None:
    z = np.linspace(-9, 9, 181)
    np.testing.assert_allclose(shapes.normal_probability(z), norm.cdf(z), rtol=1e-13)
    assert shapes.score_of(0.0) == -inf
    assert shapes.score_of(1.0) == inf


def test_beyond_all_values() -> None:
    right, left, same = shapes.through((0.44, 1.24, 4.61)), shapes.through((1.0, 3.0, 4.0)), shapes.constant(5.0)
    assert right.score(-1.0) == -inf
    assert left.score(100.0) == inf
    assert right.score(inf) == inf
    assert (same.score(4.0), same.score(5.0), same.score(6.0)) == (-inf, 0.0, inf)
    np.testing.assert_array_equal(same.value(np.array([-8.0, 0.0, 8.0])), 5.0)
    np.testing.assert_array_equal(shapes.normal(5.0, 0.0).value(np.array([-8.0, 8.0])), 5.0)
    # SD 1e-15: no loss but rounding
    assert np.ptp(shapes.normal(5.0, 1e-15).value(np.array([-8.0, 8.0]))) < 2e-14


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: shapes.through((3.0, 2.0, 4.0)), "must rise"),
        (lambda: shapes.through((2.0, 2.0, 2.0)), "must rise"),
        (lambda: shapes.through((1.0, float("nan"), 4.0)), "three numbers"),
        (lambda: shapes.through((1.0, 2.0)), "three numbers"),
        (lambda: shapes.through("123"), "must be a list"),
        (lambda: shapes.through(((1.0, 2.0), 3.0, 4.0)), "three numbers"),
        (lambda: shapes.through((1.0, 2.0, 3.0), 0.5), "between 0.5 and 1"),
        (lambda: shapes.normal(1.0, -1.0), "SD = -1.0"),
        (lambda: shapes.normal(inf, 1.0), "median = inf"),
        (lambda: shapes.log_normal(0.0, 1.0), "above 0"),
        (lambda: shapes.log_normal(1.0, float("nan")), "CV = nan"),
        (lambda: shapes.constant(True), "constant = True"),
    ],
)
def test_bad_shapes_are_told_in_a_sentence(call: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        call()  # type: ignore[operator]
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)


def test_constants_are_shifted_log_normals_of_no_width() -> None:
    assert shapes.constant(5) == ShiftedLogNormal(5.0, 0.0)
