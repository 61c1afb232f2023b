"""Plausibility: who is kept, why not, and where the rejected lie."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from pulsatile.engine.errors import Status
from pulsatile.sweeps.population.plausible import BOUNDS, KEPT, PARTS, atlas, counts, ks_distance, reasons

FINE = {"fasting_glucose": 5.0, "fasting_insulin": 60.0, "fasting_ffa": 0.5, "fasting_igf1": 150.0, "vat": 120.0,
        "gh_mean": 0.6}  # fmt: skip


def outputs(n: int, **change: tuple[int, float]) -> dict[str, np.ndarray]:
    values = {name: np.full(n, value) for name, value in FINE.items()}
    for name, (k, value) in change.items():
        values[name][k] = value
    return values


def test_bounds_are_those_of_the_recipe() -> None:
    # population, recipe item 4
    assert {name: (b.low, b.high, b.unit) for name, b in BOUNDS.items()} == {
        "fasting_glucose": (3.5, 15, "mmol/L"), "fasting_insulin": (8, 500, "pmol/L"),
        "fasting_ffa": (0.1, 1.6, "mmol/L"),
        "fasting_igf1": (20, 600, "ug/L"), "vat": (5, 500, "cm2"), "gh_mean": (0.01, 8, "ug/L"),
    }  # fmt: skip


@pytest.mark.parametrize("name", BOUNDS)
def test_each_bound_alone_rejects_with_its_reason(name: str) -> None:
    bound = BOUNDS[name]
    values = outputs(5)
    values[name] = np.array(
        [bound.low, np.nextafter(bound.low, 0), bound.high, np.nextafter(bound.high, np.inf), np.nan]
    )
    why = reasons(np.zeros(5), values)
    assert why.tolist() == [
        KEPT, f"{bound.meaning} below {bound.low:g} {bound.unit}", KEPT,
        f"{bound.meaning} above {bound.high:g} {bound.unit}", f"{bound.meaning} is no number",
    ]  # fmt: skip


def test_a_failed_run_is_the_reason_whatever_the_values() -> None:
    status = np.array([Status.OK, Status.NOT_FINITE, Status.STEP_LIMIT, Status.IMPLAUSIBLE])
    values = outputs(4, fasting_glucose=(1, 99.0))
    values["vat"][2] = np.nan
    assert reasons(status, values).tolist() == [KEPT, "run: not finite", "run: step limit", "run: implausible"]


def test_the_first_reason_counts_and_what_is_missing_is_not_judged() -> None:
    assert reasons([0], outputs(1, fasting_glucose=(0, 2.0), vat=(0, 900.0))).tolist() == [
        "fasting glucose below 3.5 mmol/L"
    ]
    assert reasons([0, 0], {"other": [np.nan, 1e9]}).tolist() == [KEPT, KEPT]


def test_counts_begin_with_the_most_frequent() -> None:
    why = np.array(["b", KEPT, "a", "b", "c", KEPT], object)
    assert list(counts(why).items()) == [("b", 2), ("a", 1), ("c", 1)]
    assert counts([KEPT, KEPT]) == {}


def test_the_atlas_finds_the_axis_that_rejects() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 4000))
    rejected = x > 1.5
    places = atlas(rejected, {"y": y, "constant": np.ones(4000), "x": x})
    assert [place.name for place in places] == ["x", "y"]
    assert places[0].distance == 1.0
    assert places[1].distance < 4 * np.sqrt(1 / rejected.sum())
    share = places[0].share
    assert len(share) == PARTS
    assert len(places[0].edges) == PARTS + 1
    assert np.all(share[:-1] == 0)
    np.testing.assert_allclose(share[-1], rejected.sum() / 400)
    assert f"{share[-1]:.0%} rejected" in places[0].sentence
    assert atlas(rejected, {"y": y, "x": x}, most=1)[0].name == "x"


def test_parts_count_every_patient_once() -> None:
    generator = np.random.default_rng(2)
    for x in (generator.integers(0, 3, 300).astype(float), generator.exponential(size=300)):
        rejected = generator.random(300) < 0.3
        (place,) = atlas(rejected, {"x": x})
        inside = np.clip(np.searchsorted(place.edges, x, side="right") - 1, 0, len(place.share) - 1)
        np.testing.assert_allclose(
            (place.share * np.bincount(inside, minlength=len(place.share))).sum(), rejected.sum()
        )


def test_there_is_no_atlas_without_rejected_or_without_kept() -> None:
    x = np.arange(10.0)
    assert atlas(np.zeros(10, bool), {"x": x}) == []
    assert atlas(np.ones(10, bool), {"x": x}) == []
    holes = np.where(x < 5, np.nan, x)
    (place,) = atlas(x == 9, {"x": holes})
    assert place.edges[0] == 5  # who has no value is left out


@pytest.mark.parametrize("sizes", [(50, 80), (1, 30), (200, 200)])
def test_distance_is_the_statistic(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(3)
    one, other = generator.normal(size=sizes[0]), np.round(generator.normal(0.3, 1, size=sizes[1]), 1)
    assert ks_distance(one, other) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
    assert ks_distance(one, one) == 0


def test_a_weight_is_as_many_patients() -> None:
    one, other = np.array([1.0, 2.0, 4.0]), np.array([1.5, 3.0])
    weights = np.array([1, 3, 2])
    assert ks_distance(one, other, weights) == pytest.approx(ks_distance(np.repeat(one, weights), other))
