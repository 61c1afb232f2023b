"""The comparison with published margins: weighted quantiles, errors and distances in closed form."""

from collections.abc import Callable

import numpy as np
import pytest

from pulsatile.engine.arrays import Floats
from pulsatile.engine.draws import normal_quantile
from pulsatile.engine.people.margins import SHARE_OF_WOMEN, table
from pulsatile.sweeps.population.agreement import agreement, distances, markdown
from pulsatile.sweeps.population.compare import ks_between
from pulsatile.sweeps.population.published import (
    PublishedGroup,
    Target,
    distribution,
    ks_to,
    targets,
    weighted_quantile,
)

ANYBODY = PublishedGroup("all")
X = np.array([4.0, 1.0, 3.0, 2.0])


def people(**columns: list[float]) -> dict[str, Floats]:
    n = len(next(iter(columns.values())))
    plain = {"age": np.full(n, 40.0), "bmi": np.full(n, 25.0), "sex": np.zeros(n)}
    return plain | {name: np.array(values, float) for name, values in columns.items()}


def target(kind: str, value: float, at: float = 0.0, to: float = np.inf, group: PublishedGroup = ANYBODY) -> Target:
    return Target("x", "-", group, kind, value, at, "test", True, to)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "at", "wanted"),
    [
        # of equal weights the k-th of n lies at (k - 1/2) / n, straight between
        ([1.0, 1.0, 1.0, 1.0], 0.5, 2.5),
        ([1.0, 1.0, 1.0, 1.0], 0.125, 1.0),
        ([1.0, 1.0, 1.0, 1.0], 0.25, 1.5),
        ([1.0, 1.0, 1.0, 1.0], 0.01, 1.0),
        # 1, 2, 3, 4 weigh 3, 1, 0, 0: their middles are at 3/8 and 7/8
        ([0.0, 3.0, 0.0, 1.0], 0.375, 1.0),
        ([0.0, 3.0, 0.0, 1.0], 0.625, 1.5),
        ([0.0, 3.0, 0.0, 1.0], 0.875, 2.0),
    ],
)
def test_weighted_quantile(weights: list[float], at: float, wanted: float) -> None:
    assert weighted_quantile(X, np.array(weights), at) == pytest.approx(wanted)
    assert weighted_quantile(X, 7 * np.array(weights), at) == pytest.approx(wanted)


def test_errors_are_in_probability_relative_and_absolute() -> None:
    columns = people(x=X.tolist())
    equal, heavy = np.ones(4), np.array([3.0, 1.0, 1.0, 1.0])  # who has 4 counts three times
    assert target("quantile", 2.0, 0.5).error(columns, equal) == 0.0
    assert target("quantile", 2.0, 0.5).error(columns, heavy) == pytest.approx(2 / 6 - 0.5)
    assert target("mean", 2.0).error(columns, equal) == pytest.approx(2.5 / 2.0 - 1)
    assert target("mean", 2.0).error(columns, heavy) == pytest.approx(3.0 / 2.0 - 1)
    assert target("share", 0.5, 2.0, 4.0).error(columns, equal) == 0.0
    assert target("share", 0.5, 2.0, 4.0).error(columns, heavy) == pytest.approx(2 / 6 - 0.5)
    assert np.isnan(target("mean", 2.0, group=PublishedGroup("women", 1)).got(columns, equal))


@pytest.mark.parametrize("found", [target("quantile", 2.5, 0.5), target("mean", 2.5), target("share", 0.5, 2.0, 4.0)])
def test_feature_is_zero_where_the_error_is(found: Target) -> None:
    columns = people(x=X.tolist())
    assert found.error(columns, np.ones(4)) == pytest.approx(0.0)
    assert found.feature(columns).mean() == pytest.approx(0.0)


def test_groups_take_their_ages_from_low_to_below_high() -> None:
    columns = people(x=X.tolist()) | {"age": np.array([25.0, 39.9, 40.0, 24.9])}
    assert PublishedGroup("25-39 y", age=(25, 40)).mask(columns).tolist() == [True, True, False, False]


def uniform(x: Floats) -> Floats:
    return np.clip(x, 0.0, 1.0)


@pytest.mark.parametrize(
    ("x", "weights", "wanted"),
    [
        ([0.5], [1.0], 0.5),
        ([0.25, 0.75], [1.0, 1.0], 0.25),
        ([0.25, 0.75], [3.0, 1.0], 0.5),  # at 0.25 the share rises from 0 to 0.75
        ([0.0, 1.0], [1.0, 1.0], 0.5),
        ([2.0], [1.0], 1.0),
    ],
)
def test_ks_to_a_distribution(x: list[float], weights: list[float], wanted: float) -> None:
    assert ks_to(uniform, np.array(x), np.array(weights)) == pytest.approx(wanted)


def test_ks_between_two_weighted_samples() -> None:
    one, w = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])
    assert ks_between(one, one, w, 5 * w) == 0.0
    assert ks_between(one, one, w, np.ones(3)) == pytest.approx(2 / 3 - 1 / 2)
    assert ks_between(one, one + 10, w, w) == 1.0
    copies = np.repeat(one, [1, 1, 2])
    assert ks_between(one, copies, w, np.ones(4)) == 0.0


@pytest.mark.parametrize("sex", [0, 1])
@pytest.mark.parametrize("output", ["fasting_glucose", "fasting_insulin", "fasting_ffa"])
def test_the_published_margin_is_at_no_distance_from_itself(output: str, sex: int) -> None:
    share: Callable[[Floats], Floats] | None = distribution(output, sex)
    assert share is not None
    n = 200
    x = table(sex)[output.removeprefix("fasting_")].value(normal_quantile((np.arange(n) + 0.5) / n))
    assert ks_to(share, x, np.ones(n)) == pytest.approx(0.5 / n, abs=1e-6)
    assert ks_to(share, 1.3 * x, np.ones(n)) > 0.1


def test_every_output_of_a_population_is_compared_and_what_it_has_not_is_left_out() -> None:
    n = 10
    rng = np.random.default_rng(1)
    columns = people(age=[30.0] * n, sex=[0.0, 1.0] * 5) | {"fasting_glucose": rng.normal(5.3, 0.5, n)}
    weights = np.ones(n)
    lines = agreement(columns, weights)
    assert {line.target.output for line in lines} == {"sex", "age", "bmi", "fasting_glucose"}
    women = next(line for line in lines if line.target.output == "sex")
    assert women.after == 0.5
    assert women.error_after == pytest.approx(0.5 - SHARE_OF_WOMEN)
    assert [d.sex for d in distances(columns, weights)] == ["men", "women"]
    text = markdown(lines, distances(columns, weights), weights)
    assert text.startswith("10 plausible patients, effective number 10 (1.00 n).")
    assert text.count("\n| ") == len(lines) + 2 + 2  # rows and two heads


def test_every_published_number_has_unit_group_and_marked_source() -> None:
    for row in targets():
        assert row.unit
        assert row.group.words
        assert any(mark in row.source for mark in ("READ", "COMPUTED", "DERIVED", "RECALLED")), row
