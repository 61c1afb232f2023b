"""Doses on the clock, drugs in slots, individual pharmacokinetics, and the presets."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

from pulsatile.engine import model, states
from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.dosing import PRESETS, Arm, Dose, arm_parameters, dose_events, preset, slots_used
from pulsatile.engine.drugs.drug import KE_INTRAVENOUS, NANOMOLAR, last_stage
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import EventTable, target_of
from pulsatile.engine.parameters import Parameters
from pulsatile.engine.parameters import typical as typical_record
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.cohort import Cohort, virtual_cohort


@pytest.fixture(scope="module")
def typical() -> Cohort:
    return virtual_cohort(2, "obese", variability=False)


@pytest.fixture(scope="module")
def varied() -> Cohort:
    return virtual_cohort(3000, "obese", seed=5)


def of_first(table: EventTable) -> list[tuple[Any, ...]]:
    rows = slice(0, int(table.ptr[1]))
    return list(zip(table.time[rows].tolist(), table.target[rows].tolist(), table.amount[rows].tolist(), strict=True))


# --- times ---


def test_days_weeks_and_clock() -> None:
    work = Dose("ipamorelin", 200, "ug", "SC", (22.0, 8.0), days=(0, 1, 2, 3, 4))
    hours = work.starts(0.0, 336.0)
    assert hours.tolist() == [24.0 * d + c for w in (0, 7) for d in range(w, w + 5) for c in (8.0, 22.0)]
    second = Dose("cjc1295_dac", 60, "ug/kg", "SC", (8.0,), days=(0,), every_weeks=2)
    assert second.starts(0.0, 5 * 168.0).tolist() == [8.0, 344.0, 680.0]
    late = Dose("somatropin", 1, "mg", "SC", (21.0,), start_week=1, stop_week=1.5)
    assert late.starts(0.0, 1e4).tolist() == [168.0 + 21.0 + 24.0 * d for d in range(3)]
    assert work.starts(-500.0, 8.0).size == 0
    assert work.starts(8.0, 8.1).tolist() == [8.0]
    assert late.starts(0.0, 168.0).size == 0


@pytest.mark.parametrize("day", [9, 17, 29])
def test_a_week_that_starts_in_its_middle_starts_on_the_day(day: int) -> None:
    assert day / 7 * 168 != day * 24  # a rounding error off
    begins = Dose("sermorelin", 1, "mg", "SC", (0.0,), start_week=day / 7)
    assert begins.starts(0.0, 24.0 * day + 25).tolist() == [24.0 * day, 24.0 * day + 24]
    ends = Dose("sermorelin", 1, "mg", "SC", (0.0,), stop_week=day / 7)
    assert ends.starts(24.0 * day - 25, 24.0 * day + 25).tolist() == [24.0 * day - 24]


def test_windows_join_without_gap_or_overlap() -> None:
    rule = Dose("sermorelin", 1, "mg", "SC", (8.0, 22.0), days=(1, 3), every_weeks=3)
    whole = rule.starts(0.0, 2000.0)
    cuts = [0.0, 32.0, 100.0, 536.0, 1999.0, 2000.0]
    parts = np.concatenate([rule.starts(a, b) for a, b in pairwise(cuts)])
    np.testing.assert_array_equal(whole, parts)


# --- amounts ---


def test_boluses(typical: Cohort) -> None:
    weight = typical.parameters["weight"][0]
    cases = [
        (Dose("tesamorelin", 2, "mg", "SC", (8.0,)), "depot_ghrh_a", 2000.0),
        (Dose("sermorelin", 10, "ug/kg", "SC", (8.0,)), "depot_ghrh_a", 0.06 * 10 * weight),
        (Dose("hexarelin", 1, "ug/kg", "IV", (8.0,)), "central_ghs_a", weight),
        (Dose("somatropin", 2, "IU", "SC", (8.0,)), "gh_depot_1", 0.63 * 2000 / 3),
        (Dose("somatropin", 0.1, "mg", "IV", (8.0,)), "gh", 100 / 5.0),
    ]
    for dose, state, amount in cases:
        events = of_first(dose_events(Arm("a", (dose,)), typical, 0.0, 24.0))
        assert events == [(8.0, target_of(state), pytest.approx(amount))]


def test_infusions_overlap_and_end_at_zero(typical: Cohort) -> None:
    arm = Arm("a", (
        Dose("insulin", 0.1, "pmol/kg/min", "infusion", (1.0,), days=(0,), duration=3.0),
        Dose("insulin", 0.2, "pmol/kg/min", "infusion", (2.0,), days=(0,), duration=1.0),
        Dose("insulin", 0.7, "pmol/kg/min", "infusion", (2.5,), days=(0,), duration=4.0),
    ))  # fmt: skip
    events = of_first(dose_events(arm, typical, 0.0, 24.0))
    target = target_of("insulin_infusion")
    assert events == [(1.0, target, 0.1), (2.0, target, 0.1 + 0.2), (2.5, target, 0.1 + 0.2 + 0.7),
                      (3.0, target, 0.1 + 0.7), (4.0, target, 0.7), (6.5, target, 0.0)]  # fmt: skip
    # a run that starts in the middle of it
    assert of_first(dose_events(arm, typical, 2.2, 3.5))[0] == (2.2, target, 0.1 + 0.2)


def test_a_refilled_pump_is_one_infusion(typical: Cohort) -> None:
    events = of_first(dose_events(preset("rhgh_pump"), typical, 0.0, 26 * 168.0))
    assert events == [(0.0, target_of("gh_pump"), pytest.approx(0.63 * 700 / 24))]
    stopped = Arm("a", (Dose("somatropin", 0.7, "mg", "pump", (22.1,), duration=24.0, stop_week=1.0),))
    events = of_first(dose_events(stopped, typical, 0.0, 1000.0))
    assert [e[0] for e in events] == [22.1, pytest.approx(168 + 22.1)]
    assert events[-1][2] == 0.0


def test_two_acipimox_infusions_block_at_most_everything(typical: Cohort) -> None:
    arm = Arm("a", tuple(Dose("acipimox", 0.8, "-", "infusion", (t,), days=(0,), duration=2.0) for t in (1.0, 2.0)))
    assert [e[2] for e in of_first(dose_events(arm, typical, 0.0, 24.0))] == [0.8, 1.0, 0.8, 0.0]


def test_no_treatment(typical: Cohort) -> None:
    arm = preset("control")
    assert dose_events(arm, typical, 0.0, 1000.0).time.size == 0
    assert slots_used(arm) == ()
    np.testing.assert_array_equal(arm_parameters(arm, typical), typical.parameters)


# --- slots ---


def test_slots_in_order_of_appearance(typical: Cohort) -> None:
    arm = Arm("a", (
        Dose("ipamorelin", 200, "ug", "SC", (22.0,)),
        Dose("cjc1295_dac", 30, "ug/kg", "SC", (8.0,), days=(0,)),
        Dose("sermorelin", 1, "mg", "SC", (8.0,)),
        Dose("hexarelin", 100, "ug", "SC", (8.0,)),
        Dose("cjc1295_dac", 30, "ug/kg", "SC", (9.0,), days=(3,)),
        Dose("somatropin", 1, "mg", "SC", (21.0,)),
    ))  # fmt: skip
    assert slots_used(arm) == ("gh_depot", "ghs_tolerance", "ghrh_a", "ghrh_b", "ghs_a", "ghs_b")
    p = arm_parameters(arm, typical)[0]
    assert p["k_el_ghrh_b"] / p["k_el_ghrh_a"] > 1000  # sermorelin after the long-acting one
    assert p["k_tolerance_ghs_a"] == 0
    assert p["k_tolerance_ghs_b"] > 0
    assert slots_used(preset("modgrf_ipam_hs")) == ("ghrh_a", "ghs_a")


def test_three_of_a_kind_are_refused(typical: Cohort) -> None:
    arm = Arm("a", tuple(Dose(d, 1, "mg", "SC", (8.0,)) for d in ("sermorelin", "tesamorelin", "cjc1295_dac")))
    with pytest.raises(InputError, match="at most 2"):
        arm_parameters(arm, typical)


# --- pharmacokinetics ---


def test_chain_against_numerical_integration() -> None:
    rates = (4.0, 6.3, 5.0)
    time = np.array([0.05, 0.2, 1.0, 3.0])
    found = solve_ivp(lambda t, a: [-4 * a[0], 4 * a[0] - 6.3 * a[1], 6.3 * a[1] - 5 * a[2]], (0, 3), [1, 0, 0],
                      t_eval=time, rtol=1e-10, atol=1e-14)  # fmt: skip
    np.testing.assert_allclose(last_stage(rates, time), found.y[2], rtol=2e-5)  # its rates are set apart by 1e-6


def effect(name: str, dose: float, hours: float) -> tuple[Floats, Floats]:
    """Integrate the model's own equations for the typical 70-kg patient: u and C/EC50 in plasma over ``hours``."""
    drug = DRUGS[name]
    in_plasma = NANOMOLAR / (drug.value("v") * drug.value("molar_mass") * drug.value("ec50"))
    record = typical_record()
    for field, value in (("ka", drug.value("ka")), ("k_el", drug.k_el), ("ke", drug.value("ke")),
                         ("potency", in_plasma * drug.effect_factor)):  # fmt: skip
        record[f"{field}_ghrh_a"] = value
    p = Parameters(*record[0].item())
    state = basal.fasting_state(virtual_cohort(1, variability=False).parameters)[0]
    moving = [states.STATE_INDEX[f"{stage}_ghrh_a"] for stage in ("depot", "central", "effect")]

    def slope(t: float, y: Floats) -> list[float]:
        state[moving] = y
        d = model.rhs(t, states.State(*state.tolist()), p)
        return [d[i] for i in moving]

    found = solve_ivp(slope, (0, hours), [drug.value("f") * dose, 0, 0], t_eval=np.linspace(0, hours, 2001),
                      rtol=1e-8, atol=1e-10)  # fmt: skip
    return found.y[2], in_plasma * found.y[1]


def test_effect_peaks_with_plasma() -> None:
    for name, dose in (("sermorelin", 1000.0), ("cjc1295_no_dac", 100.0)):
        u, plasma = effect(name, dose, 3.0)
        assert u.max() == pytest.approx(plasma.max(), rel=1e-4)


def test_targets_of_the_axis() -> None:
    assert effect("tesamorelin", 2000.0, 4.0)[0].max() == pytest.approx(4.6, rel=1e-4)
    for per_kg, u in ((60.0, 0.10), (90.0, 0.15)):
        assert effect("cjc1295_dac", 70 * per_kg, 168.0)[0][-1] == pytest.approx(u, rel=1e-4)
    # occupancy at the peak in percent, therapies section 2
    for name, cases in (
        ("sermorelin", ((100, 12), (300, 29), (500, 41), (1000, 58), (2000, 73))),
        ("cjc1295_no_dac", ((100, 21), (300, 45))),
    ):
        per_ug = effect(name, 1.0, 3.0)[0].max()
        for dose, percent in cases:
            assert 100 * dose * per_ug / (1 + dose * per_ug) == pytest.approx(percent, abs=1.0)
    for name, s in (("hexarelin", 1.0), ("ghrp6", 0.72)):
        drug = DRUGS[name]
        in_plasma = NANOMOLAR / (drug.value("v") * drug.value("molar_mass") * drug.value("ec50"))
        assert 70.0 * in_plasma == pytest.approx(s, rel=1e-3)  # 1 ug/kg iv


def test_hexarelin_tolerance_over_sixteen_weeks() -> None:
    drug = DRUGS["hexarelin"]
    ka, k = drug.value("ka"), drug.k_el
    time = np.arange(0, 12, 1 / 30)
    # 1.5 ug/kg twice a day, periodic from the second dose on
    amount = drug.value("f") * 105.0 * (last_stage((ka, k), time) + last_stage((ka, k), time + 12))
    s = amount * NANOMOLAR / (drug.value("v") * drug.value("molar_mass") * drug.value("ec50"))
    r, recovery, seen = 1.0, 0.88 / 168, {}
    for half_day in range(16 * 14):
        occupied = float(np.mean(r * s / (1 + r * s)))
        r += 12 * (recovery * (1 - r) - drug.value("k_tolerance") * occupied * r)
        seen[(half_day + 1) / 14] = r
    assert [seen[w] for w in (1.0, 4.0, 16.0)] == pytest.approx([0.69, 0.60, 0.60], abs=0.06)
    assert 168 * drug.value("k_tolerance") * occupied == pytest.approx(0.59, rel=0.03)


def test_typical_patients_have_typical_drugs(typical: Cohort) -> None:
    p = arm_parameters(preset("tesamorelin_label"), typical)[0]
    assert p["k_el_ghrh_a"] == pytest.approx(5.3)
    assert p["ke_ghrh_a"] == 0.45
    p = arm_parameters(preset("ipamorelin_200_hs"), typical)[0]
    assert p["k_el_ghs_a"] == pytest.approx(5.46 / 15.4 * (100 / 70) ** -0.25)
    assert p["potency_ghs_a"] == pytest.approx(1000 / (15.4 * 100 / 70 * 711.9 * 214))


def test_intravenous_effect_follows_plasma(typical: Cohort) -> None:
    arm = Arm("a", (Dose("sermorelin", 1, "ug/kg", "IV", (9.0,)), Dose("sermorelin", 1, "mg", "SC", (22.0,))))
    p = arm_parameters(arm, typical)[0]
    assert p["ke_ghrh_a"] == KE_INTRAVENOUS
    assert p["ke_ghrh_b"] == 5.0
    assert p["potency_ghrh_b"] / p["potency_ghrh_a"] == pytest.approx(DRUGS["sermorelin"].effect_factor)


def test_variability_of_drugs(varied: Cohort) -> None:
    men = varied.covariates["sex"] == 0
    p = arm_parameters(preset("tesamorelin_label"), varied)
    assert np.std(np.log(p["ka_ghrh_a"])) == pytest.approx(np.sqrt(np.log(1.25)), rel=0.05)
    sigma = np.sqrt(sum(np.log1p(cv**2) for cv in (0.336, 0.177)))
    assert np.std(np.log(p["k_el_ghrh_a"])) == pytest.approx(sigma, rel=0.05)
    assert np.median(p["potency_ghrh_a"][~men]) / np.median(p["potency_ghrh_a"][men]) == pytest.approx(2.0, rel=0.1)
    # the same patient has the same pharmacokinetics in another arm and slot, and alone
    other = Arm("b", (Dose("sermorelin", 1, "mg", "SC", (8.0,)), Dose("tesamorelin", 1, "mg", "SC", (8.0,))))
    np.testing.assert_array_equal(arm_parameters(other, varied)["potency_ghrh_b"], p["potency_ghrh_a"])
    alone = varied.subset(slice(17, 18))
    np.testing.assert_array_equal(arm_parameters(preset("tesamorelin_label"), alone), p[17:18])
    table = dose_events(preset("rhgh_10ugkg"), varied, 0.0, 48.0)
    np.testing.assert_array_equal(
        dose_events(preset("rhgh_10ugkg"), alone, 0.0, 48.0).amount, table.amount[table.ptr[17] : table.ptr[18]]
    )


# --- presets ---


@pytest.mark.parametrize("name", list(PRESETS))
def test_preset(name: str, typical: Cohort) -> None:
    row = PRESETS[name]
    assert row.name == name
    assert row.weeks > 0
    assert row.standing
    assert row.description
    if row.available:
        arm = preset(name)
        arm_parameters(arm, typical)
        events = dose_events(arm, typical, 0.0, row.weeks * 168.0)
        assert (events.time.size > 0) == bool(arm.doses)
        assert arm.extrapolation == (row.standing == "extrapolation")
    else:
        with pytest.raises(InputError, match="missing is the"):
            preset(name)


def test_all_rows_of_the_therapies_document() -> None:
    assert len(PRESETS) == 29
    assert {name for name, row in PRESETS.items() if not row.available} == {"somapacitan_weekly"}


BAD: list[Callable[[], object]] = [
    lambda: preset("tesamorelin"),
    lambda: Dose("aspirin", 1, "mg", "SC", (8.0,)),
    lambda: Dose("capromorelin", 25, "mg", "oral", (22.0,)),
    lambda: Dose("sermorelin", -1, "mg", "SC", (8.0,)),
    lambda: Dose("sermorelin", float("nan"), "mg", "SC", (8.0,)),
    lambda: Dose("sermorelin", "1", "mg", "SC", (8.0,)),  # type: ignore[arg-type]
    lambda: Dose("sermorelin", 1, "", "SC", (8.0,)),
    lambda: Dose("sermorelin", 1, "IU", "SC", (8.0,)),
    lambda: Dose("sermorelin", 1, "mg", "oral", (8.0,)),
    lambda: Dose("sermorelin", 1, "mg", "SC", (24.0,)),
    lambda: Dose("sermorelin", 1, "mg", "SC", ()),
    lambda: Dose("sermorelin", 1, "mg", "SC", (8.0, 8.0)),
    lambda: Dose("sermorelin", 1, "mg", "SC", "08:00"),  # type: ignore[arg-type]
    lambda: Dose("sermorelin", 1, "mg", "SC", ("08:00",)),  # type: ignore[arg-type]
    lambda: Dose("sermorelin", 1, "mg", "SC", (None,)),  # type: ignore[arg-type]
    lambda: Dose(["sermorelin"], 1, "mg", "SC", (8.0,)),  # type: ignore[arg-type]
    lambda: Dose("sermorelin", 1, "mg", "SC", (8.0,), days=(7,)),
    lambda: Dose("sermorelin", 1, "mg", "SC", (8.0,), days=([1],)),  # type: ignore[arg-type]
    lambda: Dose("sermorelin", 1, "mg", "SC", (8.0,), every_weeks=0),
    lambda: Dose("sermorelin", 1, "mg", "SC", (8.0,), start_week=4, stop_week=4),
    lambda: Dose("sermorelin", 1, "mg", "SC", (8.0,), start_week=-1),
    lambda: Dose("sermorelin", 1, "mg", "SC", (8.0,), duration=1.0),
    lambda: Dose("sermorelin", 1, "mg", "infusion", (8.0,)),
    lambda: Dose("sermorelin", 1, "mg", "infusion", (8.0,), duration=1e-12),  # would never end: times are rounded
    lambda: Dose("sermorelin", 1, "mg", "infusion", (8.0,), duration=float("nan")),
    lambda: Dose("acipimox", 2, "-", "infusion", (8.0,), duration=1.0),
    lambda: Dose("glucose", 2, "mg", "infusion", (8.0,), duration=1.0),
    lambda: Arm("", ()),
    lambda: Arm("a", ("x",)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("call", BAD)
def test_bad_input_is_told_in_one_sentence(call: Callable[[], object]) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
