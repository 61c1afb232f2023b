"""Virtual tests in a run: where they start, what is given and held, and that the run does not notice them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.drugs.dosing import Arm, Dose, preset
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.run_in import Baseline, run_in
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.engine.trial.protocols import PROTOCOLS, TESTS, Protocol
from pulsatile.engine.trial.stimulation import ARGININE_FACTOR
from pulsatile.engine.trial.virtual_test import VirtualTest

COHORT = virtual_cohort(5, {"lean": 1, "obese": 1}, seed=3)
CONTROL, TESAMORELIN, RHGH = ARMS = (preset("control"), preset("tesamorelin_label"), preset("rhgh_mid"))
MONDAY = 168.0  # h, the visit after one week
Probe = Callable[..., xr.Dataset]


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return run_in(COHORT)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, baseline: Baseline) -> Probe:
    """A test that keeps curves ``probe_<output>`` and reads nothing; if it is like another test, that one runs too."""

    def run(
        arms: Any, *curves: str, weeks: tuple[float, ...] = (1,), hours: float = 3.0, fasting: bool = True,
        like: VirtualTest | None = None,
    ) -> xr.Dataset:  # fmt: skip
        test = VirtualTest("", "a probe", hours, lambda person: [], lambda t, e, person: {}, {}, fasting=fasting)
        if like is not None:
            test = replace(like, read=test.read, endpoints={})
        probe = replace(test, name="probe", curves=curves)
        monkeypatch.setitem(PROTOCOLS, "probe", Protocol(lambda name, settings: probe, ()))
        names = ("probe",) if like is None else ("probe", like.name)
        plan = Plan(max(*weeks, 1), outputs=(), tests=tuple(TestAt(name, weeks) for name in names))
        return simulate(COHORT, arms, plan, baseline=baseline)

    return run


def curve(ds: xr.Dataset, name: str, arm: int = 0, week: int = 0) -> Any:
    return ds[f"probe_{name}"].values[arm, :, week]


# --- the run does not notice ---


def test_a_24_h_branch_follows_the_run(baseline: Baseline) -> None:
    """The branch and the run are the same patient: same pulses, meals, doses and infusions in progress."""
    infusion = Arm("infusion", (Dose("somatropin", 1.0, "mg", "infusion", (20.0,), (6,), duration=24.0),))
    pump = preset("rhgh_pump")
    names = ("gh", "glucose", "insulin", "ffa")
    plan = Plan(2, every=1 / 6, outputs=names, tests=(TestAt("profile", (1,)), TestAt("meal_day", (1,))))
    ds = simulate(COHORT, (*ARMS, infusion, pump), plan, baseline=baseline)
    assert np.all(ds.status == 0)
    first = int((MONDAY + 6) * 6)
    for name, test in zip(names, ("profile", "meal_day", "meal_day", "meal_day"), strict=True):
        run = ds[name].values[:, :, first : first + 145]
        branch = ds[f"{test}_{name}"].values[:, :, 0]
        largest = run.max(axis=2, keepdims=True)
        assert np.max(np.abs(branch - run) / largest) < 2e-4, name
    # the infusion is on at 06:00 and off after 20:00
    gh = ds.profile_gh.sel(arm="infusion").values[:, 0]
    assert np.all(gh[:, :84] > 1.5)
    assert np.all(gh[:, 96:].min(axis=1) < 0.5)


def test_the_run_does_not_notice_a_test(baseline: Baseline) -> None:
    plan = Plan(2, every=6.0, outputs=("gh", "glucose", "vat"))
    tested = replace(plan, tests=(TestAt("clamp", (1, 2)), TestAt("meal_day", (0, 1)), TestAt("ghrh", (0,))))
    bare, visited = (simulate(COHORT, ARMS, p, baseline=baseline) for p in (plan, tested))
    for name in plan.outputs:
        assert np.array_equal(bare[name], visited[name])


# --- time and state of the visits ---


def test_a_fasting_test_fasts(probe: Probe) -> None:
    ds = probe(ARMS[:1], "stomach", "gut", "glucose", "insulin", weeks=(0, 1))
    for week in (0, 1):
        # dinner was at 19:00: what is left of it after 12 h at 0.01 /min is 1 in 1000
        assert np.all(curve(ds, "stomach", week=week)[:, 0] < 1.0)
        assert np.all(np.diff(curve(ds, "stomach", week=week), axis=1) < 0)
        assert np.all(np.diff(curve(ds, "gut", week=week), axis=1) < 0)
        assert np.all(np.ptp(curve(ds, "glucose", week=week), axis=1) < 0.5)
    fed = probe(ARMS[:1], "stomach", fasting=False, hours=4.0)
    assert np.all(np.count_nonzero(np.diff(curve(fed, "stomach"), axis=1) > 100, axis=1) == 1)


def test_the_morning_dose_waits_for_the_fasting_test(probe: Probe) -> None:
    held = curve(probe((TESAMORELIN,), "central_ghrh_a"), "central_ghrh_a")
    assert np.all(np.diff(held, axis=1) <= 0)
    given = curve(probe((TESAMORELIN,), "central_ghrh_a", fasting=False), "central_ghrh_a")
    at_8 = 12  # 2 h after 06:00
    assert np.all(np.diff(given[:, : at_8 + 1], axis=1) <= 0)
    assert np.all(given[:, at_8 + 1] > 100 * given[:, at_8])
    # the dose of the evening before is still in the body
    evening = curve(probe((RHGH,), "gh_depot_2"), "gh_depot_2")
    assert np.all(evening[:, 0] > 1)


def test_running_infusions_go_on_and_new_ones_wait(probe: Probe) -> None:
    pump = curve(probe((preset("rhgh_pump"),), "gh_depot_1"), "gh_depot_1")
    np.testing.assert_allclose(pump, pump[:, :1] * np.ones(pump.shape[1]), rtol=1e-3)

    def blocked(*spans: tuple[float, float]) -> Any:
        doses = [Dose("acipimox", 0.8, "-", "infusion", (start,), duration=hours) for start, hours in spans]
        lipolysis = curve(probe((CONTROL, Arm("a", tuple(doses))), "lipolysis"), "lipolysis", arm=1)
        return lipolysis / lipolysis[:, :1]

    assert np.all(blocked((5.0, 12.0)) < 2)  # blocked all the while
    ends = blocked((5.0, 3.0))
    assert np.all(ends[:, 5] < 2)
    assert np.all(ends[:, 8] > 3)  # ends at 08:00
    begins = blocked((8.0, 4.0))
    assert np.all(begins > 0.5)  # would fall to a fifth


def test_week_0_comes_before_treatment(probe: Probe) -> None:
    night = Arm("midnight", (Dose("somatropin", 5.0, "mg", "SC", (0.0,)),))
    ds = probe((CONTROL, night), "gh", "gh_depot_1", weeks=(0, 1), fasting=False)
    assert np.array_equal(curve(ds, "gh", arm=0), curve(ds, "gh", arm=1))
    assert np.all(curve(ds, "gh_depot_1", arm=1) == 0)
    assert np.all(curve(ds, "gh", arm=1, week=1)[:, 0] > 2 * curve(ds, "gh", arm=0, week=1)[:, 0])


def test_the_last_day_sees_the_treatment(probe: Probe) -> None:
    ds = probe((CONTROL, RHGH), "gh_depot_1", "gh", weeks=(1,), fasting=False, hours=24.0)
    depot = curve(ds, "gh_depot_1", arm=1)
    at_21 = 15 * 6
    assert np.all(depot[:, at_21 + 1] > depot[:, at_21] + 300)
    assert np.all(curve(ds, "gh", arm=1)[:, at_21 + 24] > curve(ds, "gh", arm=0)[:, at_21 + 24])
    # but a treatment that ended is over
    stopped = Arm("stopped", (replace(RHGH.doses[0], stop_week=1.0),))
    assert np.all(np.diff(curve(probe((stopped,), "gh_depot_1", fasting=False), "gh_depot_1")) <= 0)


# --- clamp ---


@pytest.mark.parametrize("name", ["clamp", "clamp_low"])
def test_clamp(name: str, probe: Probe, baseline: Baseline) -> None:
    outputs = ("glucose", "glucose_requirement", "uptake", "egp", "meal_appearance", "insulin")
    ds = probe(ARMS, *outputs, like=TESTS[name], weeks=(0, 1))
    c = {output: ds[f"probe_{output}"].values for output in outputs}
    assert np.all(c["glucose"] == 5.0)
    np.testing.assert_allclose(
        c["glucose_requirement"], c["uptake"] - c["egp"] - c["meal_appearance"], rtol=1e-12, atol=1e-12
    )
    m = 180.16 * c["glucose_requirement"][..., -4:].mean(axis=-1)
    np.testing.assert_allclose(ds[f"{name}_m"], m)
    np.testing.assert_allclose(ds[f"{name}_rd"] - ds[f"{name}_egp"], m, atol=0.01)  # the last of dinner
    np.testing.assert_allclose(ds[f"{name}_insulin"], c["insulin"][..., -4:].mean(axis=-1))
    basal = baseline.parameters["egp_basal"][:, None]
    np.testing.assert_allclose(
        ds[f"{name}_egp_suppression"], 100 * (1 - c["egp"][..., -4:].mean(axis=-1) / basal), rtol=1e-9
    )
    # steady insulin = infusion over clearance, beside what is still secreted
    p = baseline.parameters
    surface = np.sqrt(COHORT.covariates["weight"] * COHORT.covariates["height"] / 36)
    infused = {"clamp": 40, "clamp_low": 20}[name] * 6 * surface / COHORT.covariates["weight"]
    steady = (infused / p["v_insulin"] / p["k_insulin"])[:, None]
    assert np.all(ds[f"{name}_insulin"] > steady)
    assert np.all(ds[f"{name}_insulin"] < steady + 2 * p["insulin_basal"][:, None])


def test_clamp_takes_over_the_arms_own_insulin(probe: Probe) -> None:
    own = Arm("own", (Dose("insulin", 5.0, "pmol/kg/min", "infusion", (4.0,), duration=4.5),))
    ds = probe((CONTROL, own), "insulin", "glucose", like=TESTS["clamp"])
    assert np.all(ds["probe_glucose"] == 5.0)
    # were the arm's infusion to end at 08:30 it would stop the clamp's
    assert np.all(curve(ds, "insulin", arm=1)[:, -1] > 0.95 * curve(ds, "insulin", arm=0)[:, -1])


def test_more_insulin_more_glucose(baseline: Baseline) -> None:
    ds = simulate(
        COHORT, ARMS[:1], Plan(1, tests=(TestAt("clamp", (0,)), TestAt("clamp_low", (0,)))), baseline=baseline
    )
    assert np.all(ds.clamp_m > ds.clamp_low_m)
    assert np.all(ds.clamp_egp_suppression > ds.clamp_low_egp_suppression)
    assert np.all(ds.clamp_ffa_suppression > ds.clamp_low_ffa_suppression)


# --- glucose by mouth and by vein ---


def test_ogtt_gives_75_g(probe: Probe) -> None:
    ds = probe(ARMS[:1], "stomach", "gut", "glucose", "insulin", like=TESTS["ogtt"])
    drunk, absorbed = curve(ds, "stomach"), curve(ds, "gut")
    np.testing.assert_allclose((drunk + absorbed)[:, 1], 75 * 5.55, rtol=0.1)
    glucose, insulin = curve(ds, "glucose"), curve(ds, "insulin")
    assert np.all(ds["ogtt_glucose_120"].values[0, :, 0] == glucose[:, 12])
    assert np.all(ds["ogtt_glucose_peak"].values[0, :, 0] == glucose.max(axis=1))
    assert np.all(ds["ogtt_insulin_peak"].values[0, :, 0] > 2 * insulin[:, 0])


def test_ivgtt_raises_glucose_by_the_dose(probe: Probe, baseline: Baseline) -> None:
    ds = probe(ARMS[:1], "glucose", "insulin", like=TESTS["ivgtt"])
    glucose = curve(ds, "glucose")
    rise = 300 / 180.16 / baseline.parameters["v_glucose"]  # mmol/L, before any is used
    np.testing.assert_allclose(glucose[:, 1] - glucose[:, 0], rise, rtol=0.06)  # after 2 min
    assert np.all(ds["ivgtt_air"] > 0)
    assert np.all((ds["ivgtt_kg"] > 0.2) & (ds["ivgtt_kg"] < 6))


# --- GH stimulation ---


def test_ghrh_releases_gh_and_arginine_more(baseline: Baseline) -> None:
    tests = tuple(TestAt(name, (0, 1)) for name in ("ghrh", "arginine_ghrh"))
    ds = simulate(COHORT, ARMS[:1], Plan(1, tests=tests), baseline=baseline)
    assert np.all(ds.ghrh_gh_peak > ds.ghrh_gh.values[..., 0] + 0.5)
    ratio = ds.arginine_ghrh_gh_peak.values / ds.ghrh_gh_peak.values
    assert np.all(ratio > 1)
    assert 1.5 < np.median(ratio) < 4  # published 2.5-3.5
    assert np.all(ds.ghrh_gh_auc > 0)


def test_arginine_lowers_the_somatostatin_target_for_90_min(probe: Probe, baseline: Baseline) -> None:
    samples = len(TESTS["ghrh"].times)

    def target(name: str) -> Any:
        ds = probe(ARMS[:1], "sst_target", like=TESTS[name])
        p = {field: baseline.parameters[field][:, None] for field in baseline.parameters.dtype.names}
        # GH raises the target too: take its part off
        gh = ds[f"{name}_gh"].values[0, :, 0, :samples]
        return curve(ds, "sst_target")[:, :samples] / (1 + p["gh_on_sst"] * gh / (p["gh_on_sst_half"] + gh))

    ratio = target("arginine_ghrh") / target("ghrh")
    times = TESTS["ghrh"].times
    on = (times > 0) & (times <= 1.5)  # the value at an event's instant is the one before it
    np.testing.assert_allclose(ratio[:, on], ARGININE_FACTOR)
    np.testing.assert_allclose(ratio[:, ~on], 1)


def test_the_spare_slot_decays_as_the_analogue(probe: Probe) -> None:
    ds = probe(ARMS[:1], "ghrh_analogue", like=TESTS["ghrh"])
    times = TESTS["ghrh"].times
    drive = curve(ds, "ghrh_analogue")
    assert np.all(drive[:, 0] == 0)
    np.testing.assert_allclose(drive[:, 1:], 5 * np.exp(-5 * times[1:]) * np.ones((5, 1)), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_ghrelin_agonists_add_to_ghrh(baseline: Baseline) -> None:
    tests = tuple(TestAt(name, (0,)) for name in ("ghrh", "ghrp", "ghrh_ghrp"))
    ds = simulate(COHORT, ARMS[:1], Plan(1, tests=tests), baseline=baseline)
    assert np.all(ds.ghrh_ghrp_gh_auc > ds.ghrp_gh_auc)
    assert np.all(ds.ghrh_ghrp_gh_auc > ds.ghrh_gh_auc)
