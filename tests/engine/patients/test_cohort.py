"""Virtual patients: the promised distributions, and keys that keep every patient what he is."""

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.igf1 import igf1_median, igf1_sds
from pulsatile.engine.parameters import NAMES, ROW
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.cohort import AXIS_HELD, OMEGA, PHENOTYPES, Cohort, virtual_cohort


def same(a: Cohort, b: Cohort) -> None:
    np.testing.assert_array_equal(a.patient, b.patient)
    np.testing.assert_array_equal(a.parameters, b.parameters)
    for name in a.covariates:
        np.testing.assert_array_equal(a.covariates[name], b.covariates[name])


def test_a_patient_does_not_depend_on_the_others() -> None:
    cohort = virtual_cohort(200, "igt", seed=4)
    for k in (0, 17, 199):
        same(virtual_cohort(1, "igt", seed=4, first=k), cohort.subset(slice(k, k + 1)))
    same(virtual_cohort(50, "igt", seed=4, first=150), cohort.subset(slice(150, 200)))
    assert not np.array_equal(virtual_cohort(1, "igt", seed=5).parameters, cohort.parameters[:1])


def test_largest_patient_id() -> None:
    assert virtual_cohort(2, seed=2**64 - 1, first=2**63 - 3).patient[-1] == 2**63 - 2


@pytest.mark.parametrize("phenotype", PHENOTYPES)
def test_everybody_is_feasible(phenotype: str) -> None:
    cohort = virtual_cohort(1000, phenotype, seed=2)
    assert np.all(basal.feasible(cohort.parameters))
    assert np.mean(cohort.covariates["attempts"] > 1) < 0.3  # insulin and sensitivity are independent in the rule
    p = cohort.parameters
    assert np.all((p["beta_capacity"] > 0) & (p["beta_capacity"] <= 1))
    assert np.all(p["f_gh"] <= 1)
    assert all(np.all(np.isfinite(p[name])) for name in NAMES)
    age = cohort.covariates["age"]
    assert age.min() >= 25
    assert age.max() <= 65
    assert np.mean(age) == pytest.approx(45, abs=1.0)
    assert np.mean(cohort.covariates["sex"]) == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(cohort.covariates["weight"], cohort.covariates["bmi"] * cohort.covariates["height"] ** 2)


def test_variability_of_the_table() -> None:
    p = virtual_cohort(4000, "obese", seed=1).parameters
    for name in ("pulse_size", "ka_gh", "f_gh", "k_insulin", "vat_lipolysis", "beta_dynamic"):
        log = np.log(p[name])
        assert np.median(p[name]) == pytest.approx(ROW[name].value, rel=0.05), name
        assert np.sqrt(np.expm1(np.var(log))) == pytest.approx(ROW[name].cv, rel=0.06), name
    # of the axis only amplitude and secretion vary; the rest is held
    for name in (*AXIS_HELD, "igf1_emax"):
        assert np.ptp(p[name]) == 0, name
    assert p["k_gh"][0] == pytest.approx(1.4 * ROW["k_gh"].value)
    # different parameters are independent
    assert abs(np.corrcoef(np.log(p["pulse_size"]), np.log(p["k_insulin"]))[0, 1]) < 0.06


def test_phenotypes() -> None:
    expected = {"lean": (1.30, 38, 4.9, 70), "obese": (0.60, 90, 5.2, 100), "t2d": (0.38, 95, 8.5, 95)}
    for name, values in expected.items():
        p = virtual_cohort(1, name, variability=False).parameters[0]
        assert (p["sens_muscle0"], p["insulin_basal"], p["glucose_basal"], p["weight"]) == values
    t2d = virtual_cohort(2000, "t2d", seed=3).parameters
    assert np.median(t2d["beta_capacity"]) == pytest.approx(0.35, rel=0.05)
    ghd = virtual_cohort(500, "ghd", seed=3)
    assert np.median(ghd.parameters["c_secretion"]) == pytest.approx(0.08, rel=0.1)
    assert np.median(igf1_sds(ghd.parameters["igf1_target"], ghd.covariates["age"])) == pytest.approx(-3, abs=0.15)


def test_covariates_of_the_axis() -> None:
    lean = virtual_cohort(3000, "lean", seed=8)
    man = lean.covariates["sex"] == 0
    age = lean.covariates["age"]
    p = lean.parameters
    np.testing.assert_allclose(p["c_amplitude"][man], 1.2 * np.exp(-0.012 * (age[man] - 25)))
    np.testing.assert_allclose(p["c_sst"][man], np.exp(0.0125 * (age[man] - 25)))
    old = ~man & (age >= 50)
    np.testing.assert_allclose(p["c_sst"][old], np.exp(0.0125 * (age[old] - 25)))
    young = ~man & (age < 40)
    np.testing.assert_allclose(p["c_amplitude"][young], 1.25 * 1.2 * np.exp(-0.012 * (age[young] - 25)))
    ratio = p["igf1_target"] / igf1_median(age)
    assert np.std(np.log(ratio)) == pytest.approx(np.sqrt(np.log(1.09)), rel=0.05)
    assert np.median(p["lean_gain"][man]) / np.median(p["lean_gain"][~man]) == pytest.approx(2.0, rel=0.1)


def test_shares_of_phenotypes() -> None:
    mixed = virtual_cohort(4000, {"igt": 1, "obese": 3}, seed=6)
    kinds = mixed.covariates["phenotype"]
    assert set(kinds) == {2, 3}
    assert np.mean(kinds == 2) == pytest.approx(0.75, abs=0.03)
    same(virtual_cohort(4000, {"obese": 0.75, "igt": 0.25}, seed=6), mixed)
    # a patient is the same person in a mixed and in a pure cohort
    pure = virtual_cohort(4000, "igt", seed=6)
    same(pure.subset(kinds == 3), mixed.subset(kinds == 3))


def test_igf1_sds() -> None:
    assert igf1_sds(np.array([206.0, 147.0, 103.0]), np.array([32.0, 50.0, 67.0])) == pytest.approx([0, 0, 0])
    assert igf1_sds(147 * np.exp(0.68), 50.0) == pytest.approx(2.0)
    assert igf1_median(95.0) == 80.0


@pytest.mark.parametrize(
    "arguments",
    [{"n": 0}, {"n": 2.5}, {"n": 3, "phenotype": "tall"}, {"n": 3, "phenotype": {}},
     {"n": 3, "phenotype": {"lean": -1}},
     {"n": 3, "seed": -1}, {"n": 3, "first": 2**63}, {"n": True}],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        virtual_cohort(**arguments)  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_layers_cover_every_varied_parameter() -> None:
    assert "sens_muscle0" in OMEGA.cvs
    assert "igf1_emax" not in OMEGA.cvs
