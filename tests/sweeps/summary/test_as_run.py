"""The trial as run: Welch, Newcombe, and period-adjusted contrasts within patients against hand computations."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.designs.allocation import Groups
from pulsatile.engine.trial.designs.crossover import Crossover
from pulsatile.sweeps.summary.allocation import allocate
from pulsatile.sweeps.summary.as_run import trial_summary
from pulsatile.sweeps.summary.two_samples import independent_shares, welch
from pulsatile.sweeps.summary.within_patient import crossover_effects

RNG = np.random.default_rng(3)
AB_BA = Crossover((("placebo", "drug"), ("drug", "placebo")), period=8, washout=4)


def dataset(arms: list[str], weeks: list[float], vat: Any, **coords: Any) -> xr.Dataset:
    """Return a dataset with one output, (arm, patient, time)."""
    n = vat.shape[1]
    return xr.Dataset(
        {"vat": (("arm", "patient", "time"), vat), "status": (("arm", "patient"), np.zeros((len(arms), n), np.int8))},
        {"arm": arms, "patient": np.arange(n), "time": 168.0 * np.array(weeks), **coords},
    )


def test_welch_is_that_of_scipy() -> None:
    a, b = RNG.normal(2, 1, 9), RNG.normal(1, 3, 14)
    found, wanted = welch(a, b, 0.9), stats.ttest_ind(a, b, equal_var=False)
    np.testing.assert_allclose((found.low, found.high), wanted.confidence_interval(0.9), rtol=1e-12)
    np.testing.assert_allclose(found.freedom, wanted.df, rtol=1e-12)
    assert np.isnan(welch(a[:1], b, 0.9).low)
    assert np.isnan(welch(a[:0], b, 0.9).difference)


def test_a_share_of_nobody_has_an_interval() -> None:
    found = independent_shares(np.zeros(20), np.zeros(20), 0.95)
    assert found.low < -0.1
    assert found.high > 0.1


def by_hand(y: Any, first: Any, level: float = 0.95) -> tuple[float, float, float, float]:
    """Return treatment and its half width, period and its half width (Hills and Armitage)."""
    d = y[:, 1] - y[:, 0]
    placebo_first, drug_first = d[first == 0], d[first == 1]
    n, m = len(placebo_first), len(drug_first)
    pooled = ((n - 1) * placebo_first.var(ddof=1) + (m - 1) * drug_first.var(ddof=1)) / (n + m - 2)
    half = stats.t.ppf(0.5 + level / 2, n + m - 2) * np.sqrt(pooled * (1 / n + 1 / m)) / 2
    sums = placebo_first.mean() + drug_first.mean()
    return (placebo_first.mean() - drug_first.mean()) / 2, half, sums / 2, half


def test_the_crossover_is_the_closed_form() -> None:
    n = 31
    first = np.arange(n) % 2
    treatment = np.stack([first, 1 - first], axis=1)
    y = RNG.normal(0, 5, (n, 1)) + 3.0 * treatment + [0.0, 1.5] + RNG.normal(0, 1, (n, 2))
    found = crossover_effects(y, treatment, 2, 0.95)
    effect, half, period, half_period = by_hand(y, first)
    np.testing.assert_allclose(found.treatments[0][:3], [effect, effect - half, effect + half], rtol=1e-10)
    np.testing.assert_allclose(found.periods[0][:3], [period, period - half_period, period + half_period], rtol=1e-10)
    assert (found.treatments[0].freedom, found.patients) == (n - 2, n)


def test_a_patient_with_one_period_does_not_count() -> None:
    first = np.arange(20) % 2
    treatment = np.stack([first, 1 - first], axis=1)
    y = RNG.normal(0, 1, (20, 2))
    y[3, 1] = y[8, 0] = np.nan
    kept = np.isfinite(y).all(axis=1)
    found = crossover_effects(y, treatment, 2, 0.95)
    assert found.treatments == crossover_effects(y[kept], treatment[kept], 2, 0.95).treatments
    assert found.patients == 18


def test_three_treatments_in_three_periods_are_found() -> None:
    """Without error in the values, in a Latin square with a patient who misses a period."""
    square = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])[np.arange(12) % 3]
    y = RNG.normal(0, 9, (12, 1)) + np.array([0.0, 2.0, -1.0])[square] + [0.0, 0.5, 0.7]
    y[4, 1] = np.nan
    found = crossover_effects(y, square, 3, 0.95)
    np.testing.assert_allclose([e.difference for e in found.treatments], [2.0, -1.0], atol=1e-12)
    np.testing.assert_allclose([e.difference for e in found.periods], [0.5, 0.7], atol=1e-12)
    assert found.treatments[0].freedom == 35 - 12 - 4


def test_one_sequence_tells_no_effect() -> None:
    found = crossover_effects(RNG.normal(0, 1, (9, 2)), np.tile([0, 1], (9, 1)), 2, 0.95)
    assert np.isnan(found.treatments[0].difference)


def test_the_interval_of_a_crossover_covers() -> None:
    """Effect 1, period -2, in 400 trials of 24 patients: 95 % of the intervals hold the effect."""
    inside = 0
    first = np.arange(24) % 2
    treatment = np.stack([first, 1 - first], axis=1)
    for _ in range(400):
        y = RNG.normal(0, 5, (24, 1)) + treatment + [0.0, -2.0] + RNG.normal(0, 1, (24, 2))
        found = crossover_effects(y, treatment, 2, 0.95).treatments[0]
        inside += found.low <= 1 <= found.high
    assert 363 <= inside <= 394  # 380, 4 SD


def test_shares_of_a_crossover() -> None:
    """Nobody has the event: an interval all the same; else the mean of the two groups' changes."""
    first = np.arange(40) % 2
    treatment = np.stack([first, 1 - first], axis=1)
    nobody = crossover_effects(np.zeros((40, 2)), treatment, 2, 0.95, shares=True).treatments[0]
    assert nobody.low < -0.03
    assert nobody.high > 0.03
    y = (RNG.uniform(size=(40, 2)) < 0.2 + 0.5 * treatment).astype(float)
    found = crossover_effects(y, treatment, 2, 0.95, shares=True)
    effect, _, period, _ = by_hand(y, first)
    np.testing.assert_allclose(found.treatments[0].difference, effect, rtol=1e-12)
    np.testing.assert_allclose(found.periods[0].difference, period, rtol=1e-12, atol=1e-15)
    assert found.treatments[0].low < effect < found.treatments[0].high


def test_parallel_groups_of_a_dataset() -> None:
    """The allocated patients, and beside them all in both arms; completers where some leave."""
    n = 30
    vat = 180 + RNG.normal(0, 20, (1, n, 1)) + np.array([0.0, -15.0])[:, None, None] + RNG.normal(0, 3, (2, n, 2))
    left = np.full((2, n), np.nan)
    left[:, 4] = 3.0
    vat[:, 4, 1] = np.nan
    coords = {"dropped_week": (("arm", "patient"), left)}
    found = allocate(dataset(["placebo", "drug"], [0, 8], vat, **coords), Groups({"placebo": 1, "drug": 2}), 7)  # type: ignore[arg-type]
    given = found["allocated"].values.astype(str)
    assert (given == "drug").sum() == 20
    frame = trial_summary(found, "placebo").frame.query("endpoint == 'vat' and week == 8")
    row = frame.query("design == 'parallel groups' and patients == 'all'").iloc[0]
    ok = np.isfinite(vat[0, :, 1])
    wanted = welch(vat[1, ok & (given == "drug"), 1], vat[0, ok & (given == "placebo"), 1], 0.95)
    np.testing.assert_allclose(row[["difference", "low", "high", "freedom"]].astype(float), wanted, rtol=1e-12)
    assert row["n"] + row["n_control"] == n - 1
    pairs = frame.query("design == 'counterfactual pairs' and patients == 'all'").iloc[0]
    np.testing.assert_allclose(pairs["difference"], np.nanmean(vat[1, :, 1] - vat[0, :, 1]), rtol=1e-12)
    start = trial_summary(found, "placebo").frame.query("endpoint == 'vat' and week == 0")
    counts = start.query("design == 'counterfactual pairs'").set_index("patients")["n"]
    assert counts.to_dict() == {"all": n, "completers": n - 1}
    taken = found.sel(arm=found["allocated"])["vat"].values
    np.testing.assert_array_equal(taken, vat[(given == "drug").astype(int), np.arange(n)])


def test_a_crossover_of_a_dataset() -> None:
    """Treatment and period at the end of the periods, carry-over at the beginning of the second."""
    n = 26
    weeks = [0.0, 8.0, 12.0, 20.0]
    vat = RNG.normal(180, 20, (1, n, 1)) + RNG.normal(0, 2, (2, n, 4))
    vat[0, :, 3] -= 15  # placebo then drug
    vat[1, :, 1] -= 15  # drug then placebo
    vat[1, :, 2] -= 6  # what is left after the wash-out
    vat[:, :, 3] += 4
    found = allocate(dataset(list(AB_BA.names), weeks, vat), AB_BA, 7)
    first = (found["allocated"].values == "drug then placebo").astype(int)
    assert first.sum() == 13
    own = vat[first, np.arange(n)]
    frame = trial_summary(found, AB_BA.names[0]).frame.query("endpoint == 'vat'").set_index(["effect", "week"])
    effect, half, period, _ = by_hand(own[:, [1, 3]], first)
    row = frame.loc[("treatment", 8)]
    np.testing.assert_allclose([row["difference"], row["low"], row["high"]], [effect, effect - half, effect + half])
    assert (row["arm"], row["control"], row["n"], row["freedom"]) == ("drug", "placebo", n, n - 2)
    np.testing.assert_allclose(row["mean"], np.where(first == 1, own[:, 1], own[:, 3]).mean())
    np.testing.assert_allclose(frame.loc[("period", 8), "difference"], period)
    change = own[:, 2] - own[:, 0]
    np.testing.assert_allclose(
        frame.loc[("carry-over", 0), "difference"], change[first == 1].mean() - change[first == 0].mean()
    )
    assert list(frame.index) == [("carry-over", 0), ("treatment", 8), ("period", 8)]


def test_diabetes_counts_at_two_visits() -> None:
    glucose = np.array([[[5.0, 7.2, 7.1], [5.0, 7.2, 6.9], [5.0, np.nan, 7.5], [6.0, 6.1, 6.2]]])
    values = np.concatenate([glucose, glucose])
    found = dataset(["a", "b"], [0, 4], np.ones((2, 4, 2)))
    found["fasting_glucose"] = (("arm", "patient", "fasting_week"), values)
    found = found.assign_coords(
        fasting_week=[0.0, 2.0, 4.0], dropped_week=(("arm", "patient"), np.full((2, 4), np.nan))
    )
    frame = trial_summary(found, "a").frame.query("patients == 'all'").set_index(["endpoint", "week"])
    assert frame.loc[("glucose_diabetic", 4), "mean"] == 50.0
    assert frame.loc[("glucose_diabetic_twice", 4), "mean"] == pytest.approx(100 / 3)  # 1 of 3 with both visits
    assert ("glucose_diabetic_twice", 0) not in frame.index
    assert frame.loc[("glucose_impaired", 2), "mean"] == 100.0


def test_what_cannot_be_allocated() -> None:
    found = dataset(["placebo", "drug"], [0], np.ones((2, 4, 1)))
    for design, words in (
        (Groups({"placebo": 1, "other": 1}), "'other' is not an arm"),  # type: ignore[arg-type]
        (Groups({"placebo": 1, "drug": 1}, ("sex",)), "have no sex"),  # type: ignore[arg-type]
        (AB_BA, "is not an arm"),
        ("half", "is no design"),
    ):
        with pytest.raises(InputError, match=words):
            allocate(found, design, 1)  # type: ignore[arg-type]
