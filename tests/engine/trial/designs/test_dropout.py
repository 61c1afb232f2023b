"""Dropout and drift: the shares and factors that were asked for, and every missing value explained."""

from math import log, sqrt

import numpy as np
import pytest

from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.engine.trial.designs.drift import Drift
from pulsatile.engine.trial.designs.dropout import Dropout

MANY = np.arange(20_000)
ARMS = ["control", "drug"]


def test_the_share_that_leaves_is_that_of_the_rate() -> None:
    """1 - (1 - 0.1)^(26 / 52) of the patients by week 26, and an exponential time."""
    weeks = Dropout(0.1, 52.0).weeks(3, MANY, ARMS, (), 26.0)
    np.testing.assert_array_equal(weeks[0], weeks[1])
    left = np.isfinite(weeks[0])
    expected = 1 - 0.9**0.5
    assert abs(left.mean() - expected) < 4 * sqrt(expected / len(MANY))
    assert weeks[0][left].max() < 26
    half = np.isfinite(Dropout(0.5, 10.0).weeks(3, MANY, ARMS, (), 10.0)[0]).mean()
    assert abs(half - 0.5) < 4 * sqrt(0.25 / len(MANY))


def test_per_visit_the_share_leaves_between_visits() -> None:
    weeks = Dropout(0.2, None).weeks(3, MANY, ARMS, (0.0, 6.0, 26.0), 30.0)[0]
    for low, high, expected in ((0, 6, 0.2), (6, 26, 0.8 * 0.2), (26, 30, 0.0)):
        share = ((weeks >= low) & (weeks < high)).mean()
        assert abs(share - expected) < 4 * sqrt(0.2 / len(MANY)), (low, high)


def test_arms_with_a_higher_rate_lose_the_same_patients_earlier() -> None:
    weeks = Dropout(0.1, 52.0, {"drug": 0.3}).weeks(3, MANY, ARMS, (), 520.0)  # type: ignore[arg-type]
    both = np.isfinite(weeks).all(axis=0)
    assert both.sum() > 10_000
    np.testing.assert_allclose(weeks[0, both] / weeks[1, both], log(0.7) / log(0.9), rtol=1e-12)


def test_a_longer_study_and_other_patients_change_nobody() -> None:
    short, long = (Dropout(0.3, 20.0).weeks(3, MANY[:500], ARMS, (), end) for end in (10.0, 40.0))
    np.testing.assert_array_equal(np.where(long < 10, long, np.nan), short)
    np.testing.assert_array_equal(Dropout(0.3, 20.0).weeks(3, MANY[100:200], ARMS, (), 10.0), short[:, 100:200])


def test_every_missing_value_is_explained() -> None:
    cohort = virtual_cohort(12, seed=5)
    plan = Plan(
        weeks=2, every=24.0, outputs=("vat",), reductions=("gh_mean",), reduce_every=84.0,
        tests=(TestAt("fasting", (0, 1, 2)),),
    )  # fmt: skip
    arms = [preset("control"), preset("rhgh_mid")]
    true = simulate(cohort, arms, plan)
    rule = Dropout(0.5, 1.0)
    found = simulate(cohort, arms, Plan(**{**plan.__dict__, "dropout": rule}))
    left = found["dropped_week"].values
    assert 4 < np.isfinite(left[0]).sum() < 12
    assert (found["status"] == Status.OK).all()
    hours = {"time": found["time"].values, "window": found["window"].values + 84, "fasting_week": [7.0, 175.0, 343.0]}
    for name in found.data_vars:
        if name == "status":
            continue
        gone = np.asarray(hours[str(found[name].dims[2])]) > 168 * np.where(np.isnan(left), np.inf, left)[:, :, None]
        np.testing.assert_array_equal(np.isnan(found[name].values), gone, err_msg=str(name))
        np.testing.assert_array_equal(found[name].values[~gone], true[name].values[~gone])
    assert found["vat"].attrs["ancillary_variables"] == "status dropped_week"


def test_drift_is_a_factor_in_every_arm() -> None:
    cohort = virtual_cohort(2, seed=5)
    names = ("vat", "vat_change", "lean", "lean_change", "sat")
    arms = [preset("control"), preset("rhgh_mid")]
    true = simulate(cohort, arms, Plan(weeks=1, every=84.0, outputs=names))
    drift = (Drift("vat", 0.05, 26, "a trial"), Drift("lean", -0.01, 52, "a trial"))
    found = simulate(cohort, arms, Plan(weeks=1, every=84.0, outputs=names, drift=drift))
    week = np.array([0.0, 0.5, 1.0])
    up, down = 1 + 0.05 * week / 26, 1 - 0.01 * week / 52
    np.testing.assert_allclose(found["vat"] / true["vat"], np.broadcast_to(up, (2, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(found["lean"] / true["lean"], np.broadcast_to(down, (2, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(found["vat_change"], (100 + true["vat_change"]) * up - 100, atol=1e-10)
    np.testing.assert_allclose(found["lean_change"], found["lean"].values - true["lean"].values[:, :, :1], atol=1e-10)
    np.testing.assert_array_equal(found["sat"], true["sat"])
    assert "+5 % per 26 weeks in all arms" in found["vat"].attrs["drift"]
    assert "drift" not in found["sat"].attrs


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dropout(1.0, 52.0), "from 0 to below 1"),
        (lambda: Dropout(-0.1, 52.0), "from 0 to below 1"),
        (lambda: Dropout(0.1, 0.0), "above 0"),
        (lambda: Dropout(0.1, 52.0, {"drug": 2}), "of arm drug"),
        (lambda: Drift("igf1", 0.1, 26, "x"), "cannot drift"),
        (lambda: Drift("vat", 5, 26, "x"), "0.05 is 5 %"),
        (lambda: Drift("vat", 0.05, 0, "x"), "above 0"),
        (lambda: Drift("vat", 0.05, 26, " "), "no source"),
        (lambda: Plan(weeks=60, drift=(Drift("vat", -0.9, 26, "x"),)), "leaves nothing"),
        (lambda: Plan(weeks=6, drift=(Drift("vat", 0.1, 26, "x"),) * 2), "an output twice"),
        (lambda: Plan(weeks=6, drift=("vat",)), "give Drift objects"),
        (lambda: Plan(weeks=6, dropout=0.1), "not a Dropout"),
        (lambda: Plan(weeks=6, noise="assay"), "not a Noise"),
        (lambda: simulate(virtual_cohort(1), [preset("control")], Plan(1, dropout=Dropout(0.1, None))), "no visit"),
        (
            lambda: simulate(virtual_cohort(1), [preset("control")], Plan(1, dropout=Dropout(0.1, 1, {"x": 0.2}))),
            "'x' is not an arm",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be(make: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
