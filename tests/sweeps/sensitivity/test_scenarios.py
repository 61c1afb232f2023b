"""Scenario discovery finds planted boxes, says so in a sentence, and finds nothing where there is nothing."""

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.factors import Factor
from pulsatile.sweeps.sensitivity.methods import method_of
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.scenarios import peeling, scenario

NAMES, UNITS = ["VAT", "age", "FFA", "BMI"], ["cm2", "y", "mmol/l", "kg/m2"]
RNG = np.random.default_rng(1)
X = np.column_stack(
    [RNG.uniform(50, 250, 3000), RNG.uniform(20, 80, 3000), RNG.uniform(0.2, 1, 3000), RNG.uniform(20, 40, 3000)]
)
PLANTED = (X[:, 0] > 160) & (X[:, 2] < 0.6)


def test_a_planted_box_is_found() -> None:
    box = scenario(X, PLANTED, NAMES, UNITS, threshold=0.95)
    assert {(limit.name, limit.side) for limit in box.limits} == {("VAT", "above"), ("FFA", "below")}
    limits = {limit.name: limit.value for limit in box.limits}
    assert limits["VAT"] == pytest.approx(160, abs=8)
    assert limits["FFA"] == pytest.approx(0.6, abs=0.04)
    assert box.density > 0.95
    assert box.coverage > 0.85
    assert box.coverage == (box.inside & PLANTED).sum() / PLANTED.sum()
    sentence = box.sentence("non-responders")
    assert sentence.startswith("Patients with ")
    assert "VAT above 1" in sentence
    assert "cm2" in sentence
    assert "non-responders" in sentence


def test_noise_does_not_add_limits() -> None:
    noisy = PLANTED & (RNG.random(3000) < 0.8)
    box = scenario(X, noisy, NAMES, UNITS, threshold=0.7)
    assert {limit.name for limit in box.limits} == {"VAT", "FFA"}


def test_the_trade_off_is_monotone_at_first_and_last() -> None:
    boxes = peeling(X, PLANTED, NAMES, UNITS)
    assert boxes[0].limits == ()
    assert boxes[0].coverage == 1
    assert boxes[0].density == PLANTED.mean()
    assert "No limit" in boxes[0].sentence()
    assert max(box.density for box in boxes) == 1
    assert min(box.inside.sum() for box in boxes) >= 150


def test_discrete_factors() -> None:
    x = np.column_stack([RNG.integers(0, 2, 1000), RNG.integers(0, 5, 1000)]).astype(float)
    cases = (x[:, 0] == 1) & (x[:, 1] >= 3)
    box = scenario(x, cases, ["sex", "grade"])
    assert box.density == 1
    assert box.coverage == 1
    assert {(limit.name, limit.value) for limit in box.limits} == {("sex", 1.0), ("grade", 3.0)}


def test_bad_input_gets_one_sentence() -> None:
    for x, cases, names, words in (
        (X, PLANTED[:5], NAMES, "do not fit"),
        (X, PLANTED, NAMES[:2], "do not fit"),
        (X, np.zeros(3000, bool), NAMES, "0 cases"),
        (X, np.ones(3000, bool), NAMES, "3000 cases"),
        (X[:10], PLANTED[:10], NAMES, "at least 20"),
        (np.where(X > 200, np.nan, X), PLANTED, NAMES, "finite"),
    ):
        with pytest.raises(InputError, match=words) as told:
            scenario(x, cases, names)
        assert "\n" not in str(told.value)


def test_repeated_points_are_no_evidence() -> None:
    """In a design a value stands many times; boxes from all of its points claim what fresh points do not have."""
    factors = [Factor(f"x{i}", low=0, high=1) for i in range(20)]
    weight = np.array([3, 2, 1.5, *[0.6] * 17])
    fresh = np.random.default_rng(1).random((20_000, 20)) @ weight
    told, true = {}, {}
    for which in ("all", "independent"):
        densities = []
        for seed in range(2):
            design = saltelli(factors, 16, 4, seed)
            rows = method_of(design).independent(design) if which == "independent" else np.ones(design.n_points, bool)
            edge = np.quantile(fresh, 0.7)
            box = scenario(design.unit[rows], design.unit[rows] @ weight > edge, [f.name for f in factors])
            again = np.random.default_rng(seed).random((20_000, 20))
            inside = np.ones(len(again), bool)
            for limit in box.limits:
                x = again[:, int(limit.name[1:])]
                inside &= x >= limit.value if limit.side == "above" else x <= limit.value
            densities.append((box.density, float((again @ weight > edge)[inside].mean())))
        told[which], true[which] = np.mean(densities, axis=0)
    assert told["all"] - true["all"] > 0.15
    assert abs(told["independent"] - true["independent"]) < 0.1
