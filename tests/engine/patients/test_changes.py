"""Changed parameters: values, factors and knock-outs, of a cohort and of an arm from the start of treatment on."""

from dataclasses import replace

import numpy as np
import pytest

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.changes import CHANGEABLE, Change, apply, knock_outs
from pulsatile.engine.patients.cohort import changed, virtual_cohort
from pulsatile.engine.patients.run_in import run_in
from pulsatile.engine.simulate import simulate
from pulsatile.engine.trial.plan import Plan

COHORT = virtual_cohort(4, "obese", seed=5)
RHGH = (Dose("somatropin", 1.0, "mg", "SC", (8.0,)),)


def test_a_value_is_for_everybody_and_a_factor_for_each() -> None:
    cohort = changed(COHORT, [Change("v_gh", 4.0), Change("k_gh", 1.5, factor=True)])
    assert (cohort.parameters["v_gh"] == 4.0).all()
    assert np.array_equal(cohort.parameters["k_gh"], COHORT.parameters["k_gh"] * 1.5)
    assert changed(COHORT, ()) is COHORT
    shares = COHORT.parameters.copy()
    apply(shares, [Change("f_gh", 50.0, factor=True)])
    assert (shares["f_gh"] == 1.0).all()


def test_an_arm_changes_from_the_start_of_treatment_on() -> None:
    """A factor of 1 changes no bit; k_igf1 doubled lets IGF-1 fall to about a half with its own half-life."""
    same = Arm("same", RHGH, changes=(Change("k_igf1", 1.0, factor=True),))
    fast = Arm("fast", (), changes=(Change("k_igf1", 2.0, factor=True),))
    ds = simulate(COHORT, (Arm("plain", RHGH), same, fast, Arm("none")), Plan(2, every=24.0, outputs=("igf1", "gh")))
    assert np.array_equal(ds.igf1[0], ds.igf1[1])
    assert np.array_equal(ds.gh[0], ds.gh[1])
    assert np.array_equal(ds.igf1[2, :, 0], ds.igf1[3, :, 0])  # the same patient at rest
    ratio = ds.igf1.values[2] / ds.igf1.values[3]
    assert ratio[:, -1] == pytest.approx(0.5, abs=0.12)
    assert (np.diff(ratio[:, :4], axis=1) < 0).all()


def test_a_knock_out_of_the_cohort_removes_the_mechanism() -> None:
    """Without GH's gain on lipolysis, a large dose of GH leaves lipolysis to insulin alone: FFA does not rise."""
    without = changed(COHORT, [Change("lipolysis_gain", 0.0), Change("insulin_on_gh_half", 1.0, factor=True)])
    plan = Plan(0.2, every=1.0, outputs=("ffa", "lipolysis"))
    rise = []
    for cohort in (COHORT, without):
        ds = simulate(cohort, (Arm("rhGH", RHGH), Arm("none")), plan)
        assert (ds.status.values == Status.OK).all()
        rise.append(np.max(ds.ffa.values[0, :, :20] - ds.ffa.values[1, :, :20], axis=1))
    assert (rise[0] > 5 * np.maximum(rise[1], 1e-3)).all()


def test_knock_outs_run() -> None:
    """Each declared knock-out has a run-in, or fails with a status: none raises, most run."""
    assert {"lipolysis_gain", "socs_antagonist", "igf1_feedback", "gh_on_sst", "p85_muscle"} <= knock_outs()
    assert not {"v_gh", "weight", "glucose_basal", "igf1_gh_half"} & knock_outs()
    names = sorted(knock_outs())
    one = virtual_cohort(1, "obese", variability=False)
    record = np.repeat(one.parameters, len(names))
    for k, name in enumerate(names):
        record[name][k] = 0.0
    people = virtual_cohort(len(names), "obese", variability=False)
    baseline = run_in(changed(replace(people, parameters=record), [Change("v_gh", 1.0, factor=True)]))
    ran = np.array(baseline.status) == Status.OK
    assert ran.mean() > 0.7, [name for name, ok in zip(names, ran, strict=True) if not ok]
    for name in ("lipolysis_gain", "socs_antagonist", "igf1_feedback", "gh_on_sst", "p85_muscle"):
        assert ran[names.index(name)], name


@pytest.mark.parametrize(
    ("name", "value", "factor", "words"),
    [
        ("v_ghh", 1.0, False, "cannot be changed: did you mean v_gh?"),
        ("day", 25.0, False, "cannot be changed"),
        ("v_gh", -1.0, False, "at least 0"),
        ("v_gh", 0.0, False, "leaves the model without a value"),
        ("v_gh", 0.0, True, "leaves the model without a value"),
        ("v_gh", 5000.0, False, "check the unit"),
        ("v_gh", 101.0, True, "at most 100"),
        ("v_gh", float("nan"), False, "must be a number"),
        ("f_gh", 1.5, False, "a share and at most 1"),
    ],
)
def test_changes_that_no_parameter_has_are_refused(name: str, value: float, factor: bool, words: str) -> None:
    with pytest.raises(InputError) as raised:
        Change(name, value, factor)
    assert words in str(raised.value)


def test_every_changeable_parameter_takes_its_own_value() -> None:
    for name in CHANGEABLE:
        assert Change(name, ROW[name].value).value == ROW[name].value
