import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsatile.engine import model, states
from pulsatile.engine.igf1 import igf1_sds
from pulsatile.engine.kernel.events import EventTable, event_table
from pulsatile.engine.outputs import OUTPUTS, Evaluated, evaluate, hba1c, inputs_at
from pulsatile.engine.parameters import NAMES, Parameters, typical
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.cohort import virtual_cohort

TIMES = np.array([0.0, 3.3, 11.0, 24.0, 100.25])
COHORT = virtual_cohort(7, {"lean": 1, "t2d": 1}, seed=9)
AGE = COHORT.covariates["age"]


def some_states() -> Any:
    """Some states (7, 5, states) about the fasting ones."""
    spread = np.random.default_rng(3).uniform(0.6, 1.6, (7, len(TIMES), len(states.STATES)))
    return fasting_state(COHORT.parameters)[:, None, :] * spread


def evaluated() -> Evaluated:
    return evaluate(TIMES, some_states(), COHORT.parameters, AGE)


def test_every_output_has_unit_words_and_values() -> None:
    e = evaluated()
    for name, output in OUTPUTS.items():
        assert output.name == name
        assert output.unit
        assert output.long_name
        assert output.description
        value = e.output(name)
        assert value.shape == (7, 5)
        assert value.flags.c_contiguous
        assert np.isfinite(value).all(), name


def test_units_are_those_of_the_model() -> None:
    for name, unit in (states.STATE_UNITS | model.FLUX_UNITS).items():
        assert name not in OUTPUTS or OUTPUTS[name].unit == unit


def test_fluxes_equal_the_scalar_equations() -> None:
    y, e = some_states(), evaluated()
    for k in range(7):
        p = Parameters(*(float(COHORT.parameters[name][k]) for name in NAMES))
        for j, t in enumerate(TIMES):
            expected = model.fluxes(float(t), states.State(*(float(v) for v in y[k, j])), p)
            for name in set(model.FLUX_UNITS) & set(OUTPUTS):
                assert e.output(name)[k, j] == pytest.approx(getattr(expected, name), rel=1e-13, abs=1e-300)


def test_derived_outputs_by_hand() -> None:
    y, e = some_states(), evaluated()
    at = states.STATE_INDEX
    glucose, insulin, ffa = (y[..., at[name]] for name in ("glucose", "insulin", "ffa"))
    np.testing.assert_allclose(e.output("homa_ir"), glucose * insulin / 135.0, rtol=1e-14)
    np.testing.assert_allclose(e.output("adipo_ir"), ffa * insulin)
    np.testing.assert_allclose(e.output("igf1_sds"), igf1_sds(y[..., at["igf1"]], AGE[:, None]))
    np.testing.assert_allclose(
        e.output("vat_change"), 100 * (y[..., at["vat"]] / COHORT.parameters["vat0"][:, None] - 1), atol=1e-12
    )
    np.testing.assert_allclose(e.output("lean_change"), y[..., at["lean"]] - COHORT.parameters["lean0"][:, None])
    assert math.isclose(igf1_sds(206 * math.exp(0.34), 32.0), 1.0)


def test_units_of_laboratories_and_body_fat_by_hand() -> None:
    y, e = some_states(), evaluated()
    at = states.STATE_INDEX
    glucose, insulin, igf1, vat, sat, lean = (
        y[..., at[n]] for n in ("glucose", "insulin", "igf1", "vat", "sat", "lean")
    )
    p = {name: COHORT.parameters[name][:, None] for name in NAMES}
    fat, start = sat + 0.02 * vat, p["sat0"] + 0.02 * p["vat0"]
    for name, expected in {
        "glucose_mass": 18.016 * glucose, "insulin_units": insulin / 6, "igf1_molar": igf1 / 7.649,
        "igf1_ratio": igf1 / p["igf1_ref"], "igf1_change": 100 * (igf1 / p["igf1_ref"] - 1), "fat": fat,
        "fat_change": 100 * (fat / start - 1), "fat_share": 100 * fat / (fat + lean),
        "gh_leakage": np.broadcast_to(p["gh_leak"] * p["c_secretion"], glucose.shape),
        "gh_refill": p["k_store"] * (p["store_max"] - y[..., at["gh_store"]]),
        "gh_secretion_rate": (e.output("gh_secretion") + p["gh_leak"] * p["c_secretion"]) / p["v_gh"] / 60,
    }.items():  # fmt: skip
        np.testing.assert_allclose(e.output(name), expected, rtol=1e-12, atol=1e-10, err_msg=name)


def test_hba1c_is_the_published_regression_turned_round() -> None:
    for percent, milligrams in ((5, 97), (6, 126), (7, 154), (8, 183), (9, 212), (10, 240)):  # Nathan2008, Table 2
        assert float(hba1c(milligrams / 18.016)) == pytest.approx(percent, abs=0.51 / 28.7)  # rounded to 1 mg/dL


def test_a_patient_alone_gives_the_same_bits() -> None:
    y, together = some_states(), evaluated()
    for k in range(7):
        alone = evaluate(TIMES[2:], y[k : k + 1, 2:], COHORT.parameters[k : k + 1], AGE[k : k + 1])
        for name in OUTPUTS:
            assert np.array_equal(alone.output(name)[0], together.output(name)[k, 2:]), name


def test_a_failed_patient_is_nan_without_a_warning() -> None:
    y = some_states()
    y[2] = np.nan
    e = evaluate(TIMES, y, COHORT.parameters, AGE)
    for name in OUTPUTS:
        value = e.output(name)
        assert np.isfinite(value[[0, 1, 3, 4, 5, 6]]).all(), name
        # a flux of time and parameters alone knows no failure
        assert np.isnan(value[2]).all() or not name.startswith(("gh_", "igf1", "glucose")), name


def test_inputs_override_parameters() -> None:
    blocked = {"acipimox": np.full((7, 5), 1.0)}
    e = evaluate(TIMES, some_states(), COHORT.parameters, AGE, blocked)
    assert np.all(e.output("lipolysis") == 0)


ROW = st.tuples(
    st.integers(0, 8).map(float), st.sampled_from(("gh", "acipimox", "sst_factor")), st.floats(0, 1, width=32)
)


@given(st.lists(st.lists(ROW, max_size=6), min_size=1, max_size=4), st.lists(st.integers(-1, 9), unique=True))
def test_inputs_at_are_those_before_the_instant(lists: Any, hours: list[int]) -> None:
    times = np.array(sorted(hours), float)
    table = event_table(lists)
    parameters = typical(len(lists))
    parameters["acipimox"] = 0.125
    found = inputs_at(times, table, parameters)
    assert set(found) == {name for one in lists for _, name, _ in one if name != "gh"}
    for name, values in found.items():
        for k, one in enumerate(lists):
            for t, value in zip(times, values[k], strict=True):
                past = [(when, j, size) for j, (when, n, size) in enumerate(one) if n == name and when < t]
                assert value == (max(past)[2] if past else parameters[name][k])


def test_inputs_at_without_events() -> None:
    assert inputs_at(TIMES, EventTable.empty(7), COHORT.parameters) == {}
