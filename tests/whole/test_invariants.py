"""What must hold whatever the numbers: positivity, mass balance, rest, linearity of the drug part."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine import model, states
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable, shared_events
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.parameters import GHRH_SLOTS, NAMES, SLOTS, Parameters
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.cohort import PHENOTYPES, Cohort, virtual_cohort
from pulsatile.engine.patients.pulses import block_events
from pulsatile.engine.states import GROUPS, REST, STATE_INDEX, STATES

N = 16
SHARES = dict.fromkeys(PHENOTYPES, 1.0)
ALL_GROUPS = tuple(GROUPS)
LARGEST = {
    "drive": 5.0, "sst": 500.0, "gh_store": 5000.0, "ghrh_receptor": 1.0, "ghs_receptor": 1.0, "gh": 200.0,
    "gh_signal": 1.0, "igf1": 1500.0, "stomach": 1000.0, "gut": 500.0, "glucose": 30.0, "insulin_action": 5000.0,
    "insulin": 5000.0, "secretion": 100.0, "ffa": 5.0, "antagonist": 5.0, "lipolysis_delay": 1.0,
    "lipolysis_drive": 1.0, "socs": 1.0, "p85": 1.0, "vat": 600.0, "sat": 100.0, "lean": 120.0, "ghs_tolerance": 1.0,
}  # fmt: skip
SHARE = st.just(0.0) | st.floats(1e-200, 1.0)  # products of subnormal numbers are not exact
STATE = st.lists(SHARE, min_size=len(STATES), max_size=len(STATES)).map(
    lambda shares: states.State(*(x * LARGEST.get(name, 5000.0) for x, name in zip(shares, STATES, strict=True)))
)


@cache
def cohort() -> Cohort:
    return virtual_cohort(N, SHARES, seed=11)


def with_drugs(record: Any) -> Any:
    record = record.copy()
    for slot in SLOTS:
        record[f"k_el_{slot}"] = 1.7
        record[f"potency_{slot}"] = 0.01
    return record


@cache
def patients() -> tuple[Any, ...]:
    return tuple(Parameters(*row.item()) for row in with_drugs(cohort().parameters))


PATIENT = st.integers(0, N - 1).map(lambda k: patients()[k])
HOUR = st.floats(-700.0, 9000.0)


@given(y=STATE, p=PATIENT, t=HOUR, name=st.sampled_from(STATES))
@settings(max_examples=400, deadline=None)
def test_no_state_leaves_the_positive_side(y: Any, p: Any, t: float, name: str) -> None:
    if name == "insulin":  # the smooth positive part of metabolism 7.3 falls to -eps/2: secretion must make up for it
        least = 0.51 * p.beta_dynamic * p.isr_basal * p.derivative_smoothing
        y = y._replace(secretion=max(y.secretion, least))
    assert getattr(model.rhs(t, y._replace(**{name: 0.0}), p), name) >= 0.0


@given(y=STATE, p=PATIENT, t=HOUR, name=st.sampled_from(["ghrh_receptor", "ghs_receptor", "gh_signal", "socs", "p85",
                                                        "ghs_tolerance"]))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_shares_stay_below_one(y: Any, p: Any, t: float, name: str) -> None:
    assert getattr(model.rhs(t, y._replace(**{name: 1.0}), p), name) <= 0.0


@given(y=STATE, p=PATIENT, t=HOUR)
@settings(max_examples=200, deadline=None)
def test_mass_balance_of_gut_and_drugs(y: Any, p: Any, t: float) -> None:
    p = p._replace(rate_ghrh_a=3.0, rate_ghs_b=2.0, gh_pump=7.0, gh_infusion=5.0)
    flux, slope = model.fluxes(t, y, p), model.rhs(t, y, p)
    appeared = flux.meal_appearance * p.weight * p.minutes_per_hour
    assert slope.stomach + slope.gut == pytest.approx(-appeared / p.meal_fraction, rel=1e-9, abs=1e-9)
    for slot in SLOTS:
        stages = sum(getattr(slope, f"{stage}_{slot}") for stage in ("depot", "central"))
        out = getattr(p, f"k_el_{slot}") * getattr(y, f"central_{slot}")
        assert stages == pytest.approx(getattr(p, f"rate_{slot}") - out, rel=1e-9, abs=1e-8), slot
    gh = slope.gh_depot_1 + slope.gh_depot_2 + p.v_gh * slope.gh + slope.gh_store
    sources = p.gh_pump + p.gh_infusion + p.gh_leak * p.c_secretion + p.k_store * (p.store_max - y.gh_store)
    assert gh == pytest.approx(sources - p.v_gh * flux.gh_clearance * y.gh, rel=1e-9, abs=1e-7)


@given(y=STATE, p=PATIENT, t=HOUR, factor=st.sampled_from([0.25, 2.0, 1024.0]))
@settings(max_examples=100, deadline=None)
def test_drug_part_is_homogeneous(y: Any, p: Any, t: float, factor: float) -> None:
    drug = [name for slot in SLOTS for name in states.GROUPS[slot]] + list(states.GROUPS["gh_depot"])
    more = y._replace(**{name: factor * getattr(y, name) for name in drug})
    once, scaled = model.rhs(t, y, p), model.rhs(t, more, p)
    for name in drug:  # a power of two: exactly
        assert getattr(scaled, name) == factor * getattr(once, name)


@pytest.fixture(scope="module")
def run() -> Any:
    def integrate_cohort(doses: EventTable | None, days: float, **change: float) -> Any:
        record = with_drugs(cohort().parameters)
        for name, value in change.items():
            record[name] = value
        times = np.linspace(0.0, 24 * days, round(24 * 60 * days) + 1)
        solver = Solver(rtol=1e-9)
        start = basal.fasting_state(record)
        result = integrate(
            record, start, block_events(cohort()), doses, start=0.0, times=times, solver=solver, groups=ALL_GROUPS
        )
        assert result.status.max() == 0
        return result.y

    return integrate_cohort


def test_without_drug_the_drug_states_stay_exactly_at_rest(run: Any) -> None:
    y = run(None, 7.0)
    for name, rest in REST.items():
        assert np.all(y[:, :, STATE_INDEX[name]] == rest), name
    assert y[:, :, [STATE_INDEX[name] for name in states.ALWAYS]].min() >= 0.0


def test_twice_the_dose_gives_twice_the_drug(run: Any) -> None:
    doses = [
        run(shared_events(N, [(3.0, f"depot_{slot}", amount) for slot in SLOTS]), 1.0) for amount in (100.0, 200.0)
    ]
    for slot in SLOTS:
        names = [f"{stage}_{slot}" for stage in ("depot", "central")]
        names += [f"effect_{slot}"] if slot in GHRH_SLOTS else []
        for name in names:
            once, twice = (y[:, :, STATE_INDEX[name]] for y in doses)
            assert once.max() > 0
            np.testing.assert_allclose(twice, 2 * once, rtol=1e-5, atol=1e-7 * once.max())


def test_what_is_eaten_is_absorbed(run: Any) -> None:
    y = run(None, 2.0)
    gut, stomach = y[:, :, STATE_INDEX["gut"]], y[:, :, STATE_INDEX["stomach"]]
    block = block_events(cohort(), pulses=False)
    for k in range(0, N, 5):
        rows = slice(block.ptr[k], block.ptr[k + 1])
        eaten = block.amount[rows][block.time[rows] < 48.0].sum() - stomach[k, -1] - gut[k, -1]
        absorbed = cohort().parameters["k_absorption"][k] * np.trapezoid(gut[k])  # samples a minute apart
        assert absorbed == pytest.approx(eaten, rel=1e-4)


@pytest.mark.parametrize("gh", [0.2, 1.5])
def test_fasting_state_is_steady_for_ten_days(gh: float) -> None:
    record = cohort().parameters.copy()
    record["c_secretion"] = 0.0
    loss = record["k_gh"] + record["k_gh_saturable"] / (1 + gh / record["gh_saturation"])
    record["gh_infusion"] = gh * record["v_gh"] * loss
    record["igf1_emax"], record["igf1_base"] = 0.0, record["k_igf1"] * record["igf1_target"]
    basal.constant_gh_means(record, gh)
    basal.set_basal(record)
    start = basal.fasting_state(record)
    start[:, STATE_INDEX["gh"]] = gh
    result = integrate(record, start, None, None, start=0.0, times=np.array([240.0]), solver=Solver(rtol=1e-9))
    pituitary = ("sst", "gh_store", "ghrh_receptor", "ghs_receptor", "gh_signal")
    metabolic = [STATE_INDEX[name] for name in states.ALWAYS if name not in pituitary]
    np.testing.assert_allclose(result.y[:, 0, metabolic], start[:, metabolic], rtol=1e-7, atol=1e-9)


def test_names_are_those_of_the_table() -> None:
    assert Parameters._fields == NAMES
