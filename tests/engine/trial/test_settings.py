"""Tests with settings of their own: hour, fast, samples, doses and steps, against closed forms and the main run."""

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dosing import individual_figures
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.simulate import simulate
from pulsatile.engine.trial.arms import check_arms
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import Plan
from pulsatile.engine.trial.stimulation import GHRH_DECAY, GHRH_JUMP
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.virtual_test import INSULIN_PER_MU, TestDose, TestSettings

COHORT = virtual_cohort(5, "obese", seed=4)
CONTROL = Arm("control")
ARMS = (CONTROL, preset("tesamorelin_label"))


def bolus(drug: str, amount: float, after: float = 0.0, route: str = "IV", duration: float = 0.0) -> TestDose:
    unit = "-" if drug == "acipimox" else "ug/kg"
    return TestDose(Dose(drug, amount, unit, route, (0.0,), duration=duration), after)


def run(*tests: TestAt, arms: tuple[Arm, ...] = (CONTROL,), weeks: float = 1, **plan: object) -> xr.Dataset:
    return simulate(COHORT, arms, Plan(weeks, outputs=plan.pop("outputs", ()), tests=tests, **plan))  # type: ignore[arg-type]


def sample(*outputs: str, name: str = "sampled", day: int = 0, **settings: object) -> TestAt:
    return TestAt("sampling", (day / 7,), name, TestSettings(outputs=outputs, **settings))  # type: ignore[arg-type]


def test_samples_are_the_main_run() -> None:
    """A sampling that fasts nobody and gives nothing is the patient of the main run, to the last bit of its output."""
    test = sample("gh", "glucose", day=3, at=20.0, hours=12.0, every=1 / 3)
    ds = run(test, arms=ARMS, outputs=("gh", "glucose"), every=1 / 3)
    hours = 24 * 3 + 20 + ds.sampled_time.values
    assert ds.sampled_time.values[-1] == 12
    for name in ("gh", "glucose"):
        whole = ds[name].sel(time=hours, method="nearest").values
        branch = ds[f"sampled_{name}"].values[:, :, 0]
        # the branch begins its own steps; both are within the tolerance of the solver
        assert branch == pytest.approx(whole, rel=1e-4, abs=1e-4)
        assert ds[f"sampled_{name}_max"].values[..., 0] == pytest.approx(branch.max(axis=-1))
        assert ds[f"sampled_{name}_mean"].values[..., 0] == pytest.approx(
            np.trapezoid(branch, ds.sampled_time.values, axis=-1) / 12
        )


def test_the_last_samples_see_the_doses_of_their_days() -> None:
    test = sample("ghrh_analogue", day=5, at=6.0, hours=72.0, every=1.0)
    drive = run(test, arms=ARMS)["sampled_ghrh_analogue"].values[1, :, 0]
    after = [drive[:, 24 * day + 3] - drive[:, 24 * day + 2] for day in range(3)]  # 08:00 to 09:00
    assert all((rise > 0.5).all() for rise in after)


def test_a_fast_of_a_night_empties_the_stomach() -> None:
    noon = {"at": 14.0, "hours": 1.0}
    fed = run(sample("stomach", "gut", **noon), TestAt("fasting", (0,), "after_lunch", TestSettings(at=14.0)))
    fasted = run(
        sample("stomach", "gut", fast=16.0, **noon),
        TestAt("fasting", (0,), "after_lunch", TestSettings(at=14.0, fast=16.0)),
    )
    assert (fed["sampled_stomach"].values[0, :, 0, 0] > 1).all()
    assert (fasted["sampled_stomach"].values[0, :, 0, 0] < 1).all()
    assert (fasted.after_lunch_insulin.values < fed.after_lunch_insulin.values).all()


def test_the_dose_of_a_stimulation_is_linear_at_the_effect_site() -> None:
    unit = TestAt("ghrh", (0,))
    low = TestAt("ghrh", (0,), "low", TestSettings(dose=0.3, at=5.5))
    ds = run(unit, low, sample("ghrh_analogue", give=(), at=6.5))
    assert (ds.low_gh_peak.values < ds.ghrh_gh_peak.values).all()
    person = low.virtual_test.give
    rows = person(type("P", (), {"weight": np.array([80.0])})())  # type: ignore[arg-type]
    assert rows[0][2] == pytest.approx(0.3 * GHRH_JUMP)
    absolute = TestAt("ghrh", (0,), "absolute", TestSettings(dose=24.0, dose_unit="ug")).virtual_test.give
    assert absolute(type("P", (), {"weight": np.array([80.0])})())[0][2] == pytest.approx(0.3 * GHRH_JUMP)  # type: ignore[arg-type]
    assert GHRH_DECAY > 0


def test_a_given_drug_follows_its_own_pharmacokinetics() -> None:
    """C(t) of a bolus into a vein: sum over boluses of dose/V/EC50 exp(-k t), and the tolerance at 1 (no loss)."""
    give = (bolus("ghrp6", 1.0), bolus("ghrp6", 0.5, 1.0))
    two = TestAt("stimulation", (0,), "two", TestSettings(hours=3.0, give=give))
    ds = run(two, sample("ghs_analogue", at=7.0, fast=1.0, hours=3.0, give=give))
    drug = DRUGS["ghrp6"]
    figures = individual_figures(drug, COHORT)
    k = (figures["cl"] / figures["v"])[:, None]
    t = ds.sampled_time.values
    weight = COHORT.parameters["weight"][:, None]
    per_ug = 1000 / (figures["v"] * drug.value("molar_mass") * figures["ec50"])[:, None]
    wanted = weight * per_ug * (1.0 * np.exp(-k * t) + 0.5 * np.where(t > 1 + 1e-9, np.exp(-k * (t - 1)), 0.0))
    wanted[:, 0] = 0.0  # at the instant of a dose, the value before it
    assert ds["sampled_ghs_analogue"].values[0, :, 0] == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert {"two_gh_peak_1", "two_gh_peak_2", "two_gh_net_auc_2"} <= set(ds)
    assert (ds.two_gh_peak_1.values > 1).all()


def test_a_drug_before_the_test_is_there_at_its_start() -> None:
    plain = TestAt("clamp", (0,))
    blocked = TestAt("clamp", (0,), "blocked", TestSettings(give=(bolus("acipimox", 0.9, -2.0, "infusion", 6.0),)))
    ds = run(plain, blocked, sample("ffa", name="before", at=7.0, fast=2.0, hours=0.5, give=blocked.settings.give))
    assert (ds.before_ffa.values[0, :, 0, 0] < 0.25).all()
    assert (ds.blocked_m.values > ds.clamp_m.values).all()


def test_steps_of_a_clamp_are_its_single_clamps() -> None:
    """The first step of a clamp is the clamp at that rate; insulin rises with the rates; the own glucose is held."""
    single = TestAt("clamp", (0,), "single", TestSettings(insulin=(10.0,), hours=2.0))
    steps = TestAt("clamp", (0,), "steps", TestSettings(insulin=(10.0, 40.0, 120.0), hours=6.0))
    own = TestAt("clamp", (0,), "at_own", TestSettings(glucose=0.0))
    ds = run(single, steps, own, TestAt("fasting", (0,)))
    assert ds.steps_m_1.values == pytest.approx(ds.single_m.values, rel=1e-6)
    assert (np.diff([ds[f"steps_insulin_{k}"].values for k in (1, 2, 3)], axis=0) > 0).all()
    assert (np.diff([ds[f"steps_m_{k}"].values for k in (1, 2, 3)], axis=0) > 0).all()
    assert "own glucose" in ds.at_own_m.attrs["long_name"]
    rate = steps.virtual_test.give(type("P", (), {"surface": np.array([2.0]), "weight": np.array([100.0])})())  # type: ignore[arg-type]
    assert [row[0] for row in rate] == [0.0, 0.0, 2.0, 4.0]
    assert rate[2][2] == pytest.approx(40 * INSULIN_PER_MU * 2 / 100)


def test_a_larger_oral_load_raises_glucose() -> None:
    ds = run(TestAt("ogtt", (0,)), TestAt("ogtt", (0,), "small", TestSettings(grams=25.0)))
    assert (ds.small_glucose_auc.values < ds.ogtt_glucose_auc.values).all()
    assert "25 g" in ds.small_glucose_auc.attrs["long_name"]


def test_usual_settings_are_the_protocol() -> None:
    ds = run(
        TestAt("clamp", (0,)),
        TestAt("clamp", (0,), "same", TestSettings(at=7.0, fast=1.0, hours=3.0, insulin=(40.0,), glucose=5.0)),
        TestAt("profile", (0,)),
        TestAt("profile", (0,), "day", TestSettings(at=6.0, hours=24.0, every=1 / 6)),
    )
    assert np.array_equal(ds.clamp_m.values, ds.same_m.values)
    assert np.array_equal(ds.profile_gh.values, ds.day_gh.values)


def refused(test: str, name: str = "", weeks: tuple[float, ...] = (0,), **settings: object) -> str:
    with pytest.raises(InputError) as raised:
        TestAt(test, weeks, name, TestSettings(**settings))  # type: ignore[arg-type]
    return str(raised.value)


def test_settings_that_do_not_fit_are_refused() -> None:
    assert "fasting, which takes at, fast, give" in refused("fasting", insulin=(40.0,))
    assert "small letters" in refused("clamp", "Clamp 1")
    assert "is unknown" in refused("scan")
    assert "whole weeks or whole days" in refused("clamp", weeks=(0.5,))
    assert "ascending" in refused("clamp", weeks=(2.0, 1.0))
    assert "give of test stimulation is missing" in refused("stimulation")
    assert "outputs of test sampling are missing" in refused("sampling")
    assert "is unknown" in refused("sampling", outputs=("gl",))
    assert "at = 24.5" in refused("clamp", at=24.5)
    assert "at least 30 min" in refused("clamp", insulin=(1.0,) * 9, hours=4.0)
    assert "at most 10" in refused("clamp", insulin=(1.0,) * 11)
    assert "at least 2 h" in refused("ogtt", hours=1.0)
    assert "lengthen it" in refused("clamp", fast=1.0, give=(bolus("acipimox", 0.9, -2.0, "infusion", 6.0),))
    assert "its last drug is given 3 h after the start of 2 h" in refused(
        "stimulation", give=(bolus("ghrp6", 1.0, 3.0),)
    )
    assert "unknown" in refused("ghrh", dose=1.0, dose_unit="g")
    assert "0 to 1000 mU" in refused("clamp", insulin=(-1.0,))


def test_variables_written_twice_are_refused() -> None:
    with pytest.raises(InputError, match="another name"):
        Plan(1, tests=(TestAt("clamp", (0,)), TestAt("clamp_low", (0,), "clamp")))
    with pytest.raises(InputError, match="own_glucose a second time"):
        Plan(1, tests=(TestAt("fasting", (0,), "own"),))  # the covariate own_glucose


def test_slots_and_long_horizons() -> None:
    both = Arm("both", (Dose("ghrp6", 100, "ug", "SC", (8.0,)), Dose("ipamorelin", 100, "ug", "SC", (8.0,))))
    third = TestAt("stimulation", (1,), settings=TestSettings(give=(bolus("hexarelin", 1.0),)))
    with pytest.raises(InputError, match="with the drugs that it gives"):
        check_arms((both,), Plan(1, tests=(third,)))
    check_arms((both,), Plan(1, tests=(TestAt("stimulation", (0,), settings=third.settings),)))
    with pytest.raises(InputError, match="before midnight"):
        Plan(
            20, outputs=("vat",), tests=(TestAt("fasting", (8,), settings=TestSettings(fast=12.0)),),
            long_horizon=LongHorizon(),
        )  # fmt: skip


def test_secretion_of_a_day_is_what_plasma_lost() -> None:
    """Without drug, what was secreted has been cleared from plasma or is still there."""
    ds = run(TestAt("secretion", (0,)), sample("gh", "gh_clearance", at=6.0, hours=24.0, every=1 / 60))
    p = COHORT.parameters
    gh, rate, times = ds.sampled_gh.values[0, :, 0], ds.sampled_gh_clearance.values[0, :, 0], ds.sampled_time.values
    cleared = p["v_gh"] * (np.trapezoid(rate * gh, times, axis=1) + gh[:, -1] - gh[:, 0])
    assert ds.secretion_gh_secreted.values[0, :, 0] == pytest.approx(cleared, rel=1e-3)
    assert ds.secretion_gh_leaked.values[0, :, 0] == pytest.approx(24 * p["gh_leak"] * p["c_secretion"], rel=1e-12)
    whole = ds.secretion_gh_basal + ds.secretion_gh_pulsatile
    assert whole.values == pytest.approx(ds.secretion_gh_secreted.values, rel=1e-12)
    assert ((ds.secretion_gh_basal > ds.secretion_gh_leaked) & (ds.secretion_gh_pulsatile > 0)).values.all()


def test_constant_ghrh_raises_basal_secretion_and_not_the_leak() -> None:
    drip = Arm("drip", (Dose("sermorelin", 14.4, "ug/kg", "infusion", (0.0,), duration=24.0),))
    ds = run(TestAt("secretion", (1,)), arms=(CONTROL, drip)).isel(secretion_week=0)
    assert ds.secretion_gh_leaked.values[1] == pytest.approx(ds.secretion_gh_leaked.values[0], rel=1e-12)
    assert (ds.secretion_gh_basal_rate.values[1] > 3 * ds.secretion_gh_basal_rate.values[0]).all()


def test_hba1c_of_a_window_is_that_of_its_mean_glucose() -> None:
    ds = run(TestAt("meal_day", (1,)), weeks=2, reductions=("hba1c_mean", "glucose_mean"))
    expected = (ds.glucose_mean * 18.016 + 46.7) / 28.7
    assert ds.hba1c_mean.values == pytest.approx(expected.values, rel=1e-12)
    assert (ds.hba1c_mean.attrs["units"], ds.meal_day_hba1c.attrs["units"]) == ("%", "%")
    assert "Nathan2008" in ds.hba1c_mean.attrs["description"]
    assert ds.meal_day_hba1c.values[..., 0] == pytest.approx(ds.hba1c_mean.values[..., 1], abs=0.15)  # one day, 7 days
