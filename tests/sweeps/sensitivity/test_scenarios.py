"""Scenario discovery finds planted boxes, says so in a sentence, and finds nothing where there is nothing."""

import numpy as np
import pytest
from scipy.stats import binom

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.factors import Factor
from pulsatile.sweeps.sensitivity.methods import method_of
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.scenarios import Box, Limit, peeling, scenario

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


def plain_peeling(x: Floats, cases: Flags) -> list[tuple[dict[tuple[int, str], tuple[float, float]], Flags]]:
    """Return limits (with p-value) and runs of all boxes, each formed anew from all runs: slow, and plain."""
    low, high = np.full(x.shape[1], -np.inf), np.full(x.shape[1], np.inf)

    def inside(low: Floats, high: Floats) -> Flags:
        return np.asarray(((x >= low) & (x <= high)).all(axis=1))

    def p_value(low: Floats, high: Floats, i: int, side: str) -> float:
        lower, upper = low.copy(), high.copy()
        (lower if side == "above" else upper)[i] = -np.inf if side == "above" else np.inf
        within, without = inside(low, high), inside(lower, upper)
        return float(binom.sf(int(cases[within].sum()) - 1, int(within.sum()), float(cases[without].mean())))

    def pruned(low: Floats, high: Floats) -> tuple[dict[tuple[int, str], tuple[float, float]], Flags]:
        low, high = low.copy(), high.copy()
        while True:
            limits = {(i, "above"): low[i] for i in range(len(low)) if np.isfinite(low[i])}
            limits |= {(i, "below"): high[i] for i in range(len(high)) if np.isfinite(high[i])}
            chances = {key: p_value(low, high, *key) for key in limits}
            worst = max(chances, key=lambda key: (chances[key], key[0], key[1] == "above"), default=None)
            if worst is None or chances[worst] < 0.05:
                return {key: (float(limits[key]), chances[key]) for key in limits}, inside(low, high)
            (low if worst[1] == "above" else high)[worst[0]] = -np.inf if worst[1] == "above" else np.inf

    boxes = [pruned(low, high)]
    while True:
        rows = inside(low, high)
        within, flags = x[rows], cases[rows]
        best: tuple[float, int, bool, float] | None = None
        for i in range(0 if flags.all() else x.shape[1]):
            values = np.unique(within[:, i])
            for bottom in (True, False) if len(values) > 1 else ():
                at = np.quantile(within[:, i], 0.05 if bottom else 0.95)
                if bottom:
                    edge = values[min(max(int(np.searchsorted(values, at)), 1), len(values) - 1)]
                    kept = within[:, i] >= edge
                else:
                    edge = values[max(min(int(np.searchsorted(values, at, "right")) - 1, len(values) - 2), 0)]
                    kept = within[:, i] <= edge
                if kept.sum() >= max(20, int(np.ceil(0.05 * len(x)))):
                    gain = float(flags[kept].mean() - flags.mean()) / float((~kept).mean())
                    if best is None or gain > best[0]:
                        best = gain, i, bottom, float(edge)
        if best is None:
            return boxes
        (low if best[2] else high)[best[1]] = best[3]
        boxes.append(pruned(low, high))


@pytest.mark.parametrize("seed", range(12))
def test_the_boxes_are_those_of_the_plain_implementation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(20, 400)), int(rng.integers(2, 8))
    x = rng.standard_normal((n, k))
    x[:, -1] = rng.integers(0, 2, n) if seed % 3 else x[:, 0]  # two values, or a copy of another factor
    if k > 3:
        x[:, 1], x[:, 2] = rng.integers(0, 5, n), np.round(x[:, 2], 1)
    cases = x[:, 0] + (x[:, 1] > 0) + rng.standard_normal(n) > 0.5 if seed % 4 else rng.random(n) < 0.3
    cases[:2] = True, False
    boxes = peeling(x, cases, [str(i) for i in range(k)])
    expected = plain_peeling(x, cases)
    assert len(boxes) == len(expected) > 1
    for box, (limits, rows) in zip(boxes, expected, strict=True):
        assert {(int(limit.name), limit.side): (limit.value, limit.p_value) for limit in box.limits} == limits
        np.testing.assert_array_equal(box.inside, rows)
        assert (box.coverage, box.density) == (cases[rows].sum() / cases.sum(), cases[rows].mean())


@pytest.mark.parametrize(
    ("side", "value", "unit", "words"),
    [
        ("above", 190.04, "cm^2", "VAT above 190 cm2"),
        ("above", 189.99, "cm2", "VAT above 189.9 cm2"),
        ("below", 189.99, "cm2", "VAT below 190 cm2"),
        ("below", 0.60001, "mmol/L", "VAT below 0.6001 mmol/L"),
        ("above", -0.51234, "1", "VAT above -0.5124"),
        ("below", -0.51234, "1", "VAT below -0.5123"),
        ("above", 3.0, "", "VAT at least 3"),
        ("below", 0.0, "1", "VAT at most 0"),
    ],
)
def test_the_words_of_a_limit_hold_for_who_is_inside(side: str, value: float, unit: str, words: str) -> None:
    limit = Limit("VAT", side, value, unit, 0.0)
    assert limit.words() == words
    assert limit.holds(value)
    if "at " not in words:  # the number shown lies outside, so "above" and "below" are true of every patient inside
        assert not limit.holds(float(words.split()[2]))


def test_people_of_a_group_are_called_by_it() -> None:
    inside = np.ones(10, bool)
    men, tall = Limit("sex", "below", 0.0, "-", 0.0), Limit("vat", "above", 190.04, "cm2", 0.0)
    words = {"labels": {"vat": "visceral fat"}, "groups": {"sex": ("men", "women")}}
    assert (
        Box((men, tall), 0.5, 0.8, inside)
        .sentence("responders", **words)
        .startswith("Men with visceral fat above 190 cm2: 80% of them are responders")
    )
    women = Limit("sex", "above", 1.0, "-", 0.0)
    assert Box((women,), 0.5, 0.8, inside).sentence("responders", **words).startswith("Women: 80% of them")
