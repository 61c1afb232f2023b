"""Titration: the rule in closed form, and a titrated run against the same doses written out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.run_in import run_in
from pulsatile.engine.simulate import simulate
from pulsatile.engine.trial.arms import check_arms
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import Plan, TestAt

COHORT = virtual_cohort(5, "ghd", seed=2)
BASELINE = run_in(COHORT)
RULE = Titration("igf1_sds", 0.0, 1.0, step=0.1, least=0.1, most=0.6, every=2.0)
FIXED = Dose("somatropin", 0.2, "mg", "SC", (21.0,))
TITRATED = replace(FIXED, titration=RULE)
PLAN = Plan(
    7, every=31.0, outputs=("igf1", "gh", "igf1_sds"), reductions=("gh_mean",), reduce_every=60.0,
    tests=(TestAt("fasting", (0, 2, 4, 6, 7)), TestAt("profile", (5,))),
)  # fmt: skip


def run(*arms: Arm, plan: Plan = PLAN) -> Any:
    return simulate(COHORT, arms, plan, baseline=BASELINE)


def test_a_titration_that_never_acts_is_the_fixed_dose_bit_for_bit() -> None:
    never = replace(TITRATED, titration=replace(RULE, low=-99.0, high=99.0))
    ds = run(Arm("fixed", (FIXED,)), Arm("titrated", (never,)))
    for name in ds.data_vars:
        if name != "titrated_dose":
            assert np.array_equal(ds[name][0], ds[name][1], equal_nan=True), name
    assert (ds.titrated_dose.values[1] == 0.2).all()
    assert np.isnan(ds.titrated_dose.values[0]).all()


def test_doses_follow_the_rule_and_equal_the_same_doses_written_out() -> None:
    plan = replace(PLAN, every=336.0)
    ds = run(Arm("titrated", (TITRATED,)), plan=plan)
    doses = ds.titrated_dose.values[0]
    assert ds.titrated_dose_week.values.tolist() == [0.0, 2.0, 4.0, 6.0]
    sds = ds.igf1_sds.values[0]
    wanted = np.full(5, 0.2)
    for k, week in enumerate((2, 4, 6)):
        value = sds[:, week // 2]
        wanted = np.clip(wanted + 0.1 * ((value < 0).astype(float) - (value > 1)), 0.1, 0.6)
        assert doses[:, k + 1] == pytest.approx(wanted)
    assert len(np.unique(doses)) > 2  # something was titrated
    for patient in range(2):
        steps = doses[patient]
        written = tuple(
            replace(FIXED, amount=float(steps[k]), start_week=2.0 * k, stop_week=None if k == 3 else 2.0 * (k + 1))
            for k in range(4)
        )
        alone = simulate(COHORT, (Arm("written", written),), plan, baseline=BASELINE)
        for name in ("igf1", "gh", "gh_mean", "profile_gh"):
            mine = ds[name].values[0, patient]
            assert mine == pytest.approx(alone[name].values[0, patient], rel=1e-9, abs=1e-9), name


def test_a_titration_may_follow_a_test() -> None:
    rule = replace(RULE, on="fasting_igf1", low=1e4, high=2e4)
    ds = run(Arm("titrated", (replace(FIXED, titration=rule),)))
    assert ds.titrated_dose.values[0, 0] == pytest.approx([0.2, 0.3, 0.4, 0.5])


def test_arms_with_other_visits_share_the_dataset() -> None:
    slow = replace(FIXED, titration=replace(RULE, every=3.0, low=99.0, high=100.0))
    ds = run(
        Arm("a", (replace(FIXED, titration=replace(RULE, low=99.0, high=100.0)),)), Arm("b", (slow,)), preset("control")
    )
    assert ds.titrated_dose_week.values.tolist() == [0, 2, 3, 4, 6]
    assert ds.titrated_dose.values[0, 0] == pytest.approx([0.2, 0.3, 0.3, 0.4, 0.5])
    assert ds.titrated_dose.values[1, 0] == pytest.approx([0.2, 0.2, 0.3, 0.3, 0.4])
    assert (ds.status.values == Status.OK).all()


def test_titrations_that_cannot_be_made_are_refused() -> None:
    def refused(rule: Titration, plan: Plan = PLAN, **dose: object) -> str:
        with pytest.raises(InputError) as raised:
            check_arms([Arm("a", (replace(FIXED, titration=rule, **dose),))], plan)  # type: ignore[arg-type]
        return str(raised.value)

    assert "neither an output nor an endpoint" in refused(replace(RULE, on="igf"))
    assert "needs test profile at week 2" in refused(replace(RULE, on="profile_gh_mean"))
    assert "no visit before the study's end" in refused(replace(RULE, every=7.0))
    assert "long_horizon does not allow" in refused(RULE, Plan(40, outputs=("vat",), long_horizon=LongHorizon()))
    assert "is too large" in refused(replace(RULE, most=1000.0))
    with pytest.raises(InputError, match="titrates two doses"):
        Arm("a", (TITRATED, TITRATED))
    with pytest.raises(InputError, match="one unit"):
        check_arms([Arm("a", (TITRATED,)), Arm("b", (replace(TITRATED, amount=2.0, unit="ug/kg"),))], PLAN)
    for change, words in (
        ({"low": 2.0}, "must ascend"), ({"step": 0.0}, "above 0"), ({"least": 0.7}, "must ascend from 0"),
        ({"every": 0.5}, "whole"), ({"until": 1.0}, "first visit"), ({"on": ""}, "name of an output"),
        ({"low": float("nan")}, "must be a number"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            replace(RULE, **change)  # type: ignore[arg-type]
