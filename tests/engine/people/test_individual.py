"""From covariates to typical parameters: coefficients are those of the phenotype rows; bounds hold for anybody."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine.igf1 import igf1_median, igf1_sds
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.cohort import _BMI, _ROWS, _WEIGHT, PHENOTYPES
from pulsatile.engine.people import individual
from pulsatile.engine.people.individual import homa_ir, lean_mass, typical_parameters

WITHIN = len(PHENOTYPES) - 1  # all rows but that of GH deficiency, which is the lean row
ROWS = {name: np.array(row[:WITHIN]) for name, row in _ROWS.items()}
IGT, T2D = PHENOTYPES.index("igt"), PHENOTYPES.index("t2d")
DISTANCE = {  # largest relative distance to a row
    "sens_muscle0": 0.05, "egp_half": 0.07, "lipolysis_half": 0.06, "egp_basal": 0.015,
    "beta_dynamic": 0.01, "beta_compensation": 0.075,
}  # fmt: skip
OWN = {"glucose_basal": "glucose", "insulin_basal": "insulin", "ffa_basal": "ffa", "vat0": "vat", "weight": "weight"}


def people(n: int = 1, **change: Any) -> dict[str, Any]:
    """Men of 45 y, lean and healthy."""
    one = {
        "age": 45.0, "sex": 0, "weight": 70.0, "bmi": 23.0, "glucose": 4.9, "insulin": 38.0, "ffa": 0.45, "vat": 70.0,
        "igf1_sds": 0.0, "secretion": 1.0, "beta_deficit": 0.0,
    } | change  # fmt: skip
    return {name: np.broadcast_to(np.asarray(value), (n,)).copy() for name, value in one.items()}


def of_rows() -> dict[str, Any]:
    """The covariates of the phenotype rows; IGT's beta-cell deficit is not told by its fasting glucose."""
    deficit = np.zeros(WITHIN)
    deficit[IGT] = 1 / ROWS["beta_capacity"][IGT] - 1
    return people(
        WITHIN, weight=_WEIGHT[:WITHIN], bmi=_BMI[:WITHIN], beta_deficit=deficit, vat=ROWS["vat0"],
        **{name: ROWS[f"{name}_basal"] for name in ("glucose", "insulin", "ffa")},
    )  # fmt: skip


def digits(value: float, printed: float, places: int) -> bool:
    return round(value, places) == pytest.approx(printed, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "constant", "slope"), [("sens_muscle0", 3, 3), ("egp_half", 1, 3), ("lipolysis_half", 1, 3)]
)
def test_insulin_action_is_the_power_law_through_the_rows(name: str, constant: int, slope: int) -> None:
    resistance = np.log(homa_ir(ROWS["glucose_basal"], ROWS["insulin_basal"]) / individual.LEAN_HOMA)
    by_homa, log_lean = np.polyfit(resistance, np.log(ROWS[name]), 1)
    upper = {"sens_muscle0": "SENSITIVITY"}.get(name, name.upper())
    assert digits(np.exp(log_lean), getattr(individual, upper), constant)
    assert digits(by_homa, getattr(individual, f"{upper}_BY_HOMA"), slope)


def test_glucose_production_is_the_plane_through_the_rows() -> None:
    plane = np.column_stack(
        [np.ones(WITHIN), np.array(_BMI[:WITHIN]) - individual.SLIM, ROWS["glucose_basal"] - individual.LEAN_GLUCOSE]
    )
    log_lean, by_bmi, by_glucose = np.linalg.lstsq(plane, np.log(ROWS["egp_basal"]))[0]
    assert digits(1000 * np.exp(log_lean), 1000 * individual.EGP, 2)
    assert digits(by_bmi, individual.EGP_BY_BMI, 5)
    assert digits(by_glucose, individual.EGP_BY_GLUCOSE, 4)


@pytest.mark.parametrize(("name", "places"), [("beta_dynamic", 2), ("beta_compensation", 3)])
def test_beta_cell_falls_with_its_deficit_as_in_the_rows(name: str, places: int) -> None:
    upper = name.removeprefix("beta_").upper()
    whole = getattr(individual, upper)
    assert set(ROWS[name][:IGT]) == {whole}
    deficit = 1 / ROWS["beta_capacity"][[IGT, T2D]] - 1
    fall = -np.log(ROWS[name][[IGT, T2D]] / whole)
    assert digits(deficit @ fall / (deficit @ deficit), getattr(individual, f"{upper}_BY_DEFICIT"), places)


@pytest.mark.parametrize("name", DISTANCE)
def test_each_row_is_met(name: str) -> None:
    np.testing.assert_allclose(typical_parameters(of_rows())[name], ROWS[name], rtol=DISTANCE[name])


def test_a_persons_own_values_are_parameters() -> None:
    given = of_rows() | {"igf1_sds": np.linspace(-2, 2, WITHIN)}
    record = typical_parameters(given)
    for name, own in OWN.items():
        np.testing.assert_array_equal(record[name], given[own])
    np.testing.assert_allclose(igf1_sds(record["igf1_target"], given["age"]), given["igf1_sds"], atol=1e-12)
    assert typical_parameters(people(igf1_sds=0.0))["igf1_target"] == igf1_median(45.0)


def test_capacity_of_type_2_diabetes() -> None:
    record = typical_parameters(people(2, glucose=[8.5, 5.2], insulin=95.0))
    assert record["beta_capacity"] == pytest.approx([0.35, 1.0], rel=1e-12)


def test_deficits_rise_with_glucose() -> None:
    record = typical_parameters(people(200, glucose=np.linspace(3.5, 15, 200)))
    for name in ("beta_capacity", "beta_dynamic", "beta_compensation"):
        assert np.all(np.diff(record[name]) <= 0), name
        assert record[name][-1] < record[name][0], name
        assert np.all(record[name] > 0), name
    assert np.all(np.diff(record["beta_half"]) >= 0)
    assert record["beta_half"][0] < record["beta_half"][-1]
    # a deficit that glucose does not tell is added to what it tells
    more = typical_parameters(people(200, glucose=np.linspace(3.5, 15, 200), beta_deficit=0.8))
    np.testing.assert_allclose(1 / more["beta_capacity"] - 1 / record["beta_capacity"], 0.8, rtol=1e-9)


def test_secretion_acts_on_release_alone() -> None:
    healthy, deficient = typical_parameters(people()), typical_parameters(people(secretion=0.08))
    assert deficient["c_secretion"] == pytest.approx(0.08 * healthy["c_secretion"])
    assert [n for n in healthy.dtype.names if healthy[n] != deficient[n]] == ["c_secretion"]


def test_lean_mass_is_that_of_the_source() -> None:
    # Janmahasatian2005: 9270 W / (6680 + 216 BMI) of men, (8780 + 244 BMI) of women
    found = lean_mass(np.array([0, 1]), np.array([80.0, 65.0]), np.array([25.0, 24.0]))
    np.testing.assert_allclose(found, [9270 * 80 / (6680 + 216 * 25), 9270 * 65 / (8780 + 244 * 24)], rtol=1e-12)
    # population 1.4, DXA of NHANES: 62.3 and 44.0 kg of fat-free mass at 28.1 and 28.3 kg/m2
    np.testing.assert_allclose(lean_mass(np.array([0, 1]), np.array([87.9, 74.9]), np.array([28.1, 28.3])),
                               [62.3, 44.0], rtol=0.03)  # fmt: skip


def test_masses_add_up_to_weight() -> None:
    record = typical_parameters(of_rows())
    whole = record["lean0"] + record["sat0"] + ROW["vat_mass"].value * record["vat0"]
    np.testing.assert_allclose(whole, record["weight"], rtol=1e-12)


@given(
    st.floats(20, 79), st.integers(0, 1), st.floats(1.3, 2.1), st.floats(12, 70), st.floats(3.5, 15),
    st.floats(8, 500), st.floats(0.1, 1.6), st.floats(5, 500), st.floats(-6, 6),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_anybody_has_parameters(
    age: float, sex: int, height: float, bmi: float, glucose: float, insulin: float, ffa: float, vat: float, sds: float
) -> None:
    weight = bmi * height**2
    record = typical_parameters(
        people(age=age, sex=sex, weight=weight, bmi=bmi, glucose=glucose, insulin=insulin, ffa=ffa, vat=vat,
               igf1_sds=sds)
    )  # fmt: skip
    for name in record.dtype.names:
        assert np.isfinite(record[name]).all(), name
    assert record["sat0"] >= individual.LEAST_SUBCUTANEOUS * weight
    assert 0 < record["beta_capacity"] <= 1
    for name in ("lean0", "egp_basal", "sens_muscle0", "beta_half", "igf1_target"):
        assert record[name] > 0, name
