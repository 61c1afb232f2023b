"""The residual layer: noise of mean 1 and the assay's CV, keyed so that nothing else moves it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine.igf1 import igf1_sds
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.layers import Layers
from pulsatile.engine.patients.noise import ASSAY_CV, COMPUTED, assayed, measured, relative_noise

PATIENTS, OCCASIONS = np.arange(2000), np.arange(25) * 15
N = len(PATIENTS) * len(OCCASIONS)
ONES = np.ones((len(PATIENTS), len(OCCASIONS)))


@pytest.mark.parametrize("name", ASSAY_CV)
def test_mean_and_cv(name: str) -> None:
    found, cv = measured(name, 5.0 * ONES, 1, PATIENTS, OCCASIONS) / 5.0, ASSAY_CV[name]
    assert abs(found.mean() - 1) < 4 * cv / np.sqrt(N)
    assert abs(found.std() / cv - 1) < 4 * np.sqrt(0.5 + cv**2) / np.sqrt(N)
    assert found.min() > 0
    # samples of one patient, and patients, are independent
    for a, b in ((found[:, :-1], found[:, 1:]), (found[:-1], found[1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


def test_assays_are_of_outputs() -> None:
    assert set(ASSAY_CV) <= set(OUTPUTS)
    assert all(0 < cv < 0.2 for cv in ASSAY_CV.values())


def test_outputs_of_two_assays_have_noise_of_their_own() -> None:
    gh, igf1 = (np.log(measured(name, ONES, 1, PATIENTS, OCCASIONS)).ravel() for name in ("gh", "igf1"))
    assert abs(np.corrcoef(gh, igf1)[0, 1]) < 4 / np.sqrt(N)
    assert not np.array_equal(
        measured("gh", ONES, 1, PATIENTS, OCCASIONS), measured("gh", ONES, 2, PATIENTS, OCCASIONS)
    )


@given(st.permutations(range(6)), st.permutations(range(4)))
@settings(deadline=None, max_examples=30)
def test_a_sample_does_not_depend_on_the_others(people: list[int], times: list[int]) -> None:
    true = np.exp(np.arange(24.0).reshape(6, 4) / 10)
    whole = measured("glucose", true, 9, np.arange(6) + 40, np.arange(4) * 1440)
    part = measured("glucose", true[np.ix_(people, times)], 9, np.array(people) + 40, np.array(times) * 1440)
    np.testing.assert_array_equal(part, whole[np.ix_(people, times)])
    one = measured("glucose", true[people[0] :][:1, times[0] :][:, :1], 9, np.array(people[:1]) + 40, [times[0] * 1440])
    assert one[0, 0] == whole[people[0], times[0]]


def test_arms_share_it() -> None:
    """The noise is a factor: the paired ratio of two arms is what it was, and identical arms stay identical."""
    true = np.stack([2.0 * ONES, 3.0 * ONES, 3.0 * ONES])
    found = measured("ffa", true, 1, PATIENTS, OCCASIONS)
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_allclose(found[1] / found[0], 1.5, rtol=1e-14)


def test_what_no_assay_measures_stays_as_it_is() -> None:
    true = np.random.default_rng(1).normal(size=(3, 2))
    for name in ("igf1_sds", "nothing"):
        np.testing.assert_array_equal(measured(name, true, 1, PATIENTS[:3], OCCASIONS[:2]), true)


def test_missing_stays_missing_and_zero_stays_zero() -> None:
    true = np.array([[np.nan, 0.0, 4.0]])
    found = measured("gh", true, 1, PATIENTS[:1], OCCASIONS[:3])
    assert np.isnan(found[0, 0])
    assert found[0, 1] == 0
    assert found[0, 2] not in (0, 4)
    np.testing.assert_array_equal(true, [[np.nan, 0.0, 4.0]])  # the caller's values are his


def _simulated(
    residual: bool, outputs: tuple[str, ...] = ("igf1", "igf1_sds", "vat", "vat_change", "lean_change")
) -> Any:
    from pulsatile.engine.drugs.dosing import preset
    from pulsatile.engine.patients.adults import adult_cohort
    from pulsatile.engine.simulate import Plan, TestAt, simulate

    cohort = adult_cohort(3, seed=5, layers=Layers(residual=residual))
    plan = Plan(weeks=1, every=7.0, outputs=outputs, reductions=("gh_mean",), tests=(TestAt("fasting", (0, 1)),))
    return cohort, simulate(cohort, [preset("control"), preset("rhgh_mid")], plan)


def test_a_run_has_the_noise() -> None:
    """Of every assay, of what is computed from one, and of nothing else; the same in both arms."""
    cohort, true = _simulated(False)
    _, found = _simulated(True)
    for name, of in (("igf1", "igf1"), ("vat", "vat"), ("fasting_glucose", "glucose"), ("fasting_gh", "gh")):
        ratio = (found[name] / true[name]).values
        assert 0 < np.abs(np.log(ratio)).max() < 5 * ASSAY_CV[of]
        np.testing.assert_allclose(ratio[0], ratio[1], rtol=1e-12)
    for name in ("gh_mean", "fasting_egp"):
        np.testing.assert_array_equal(found[name], true[name])
    homa = (found["fasting_glucose"] * found["fasting_insulin"] / 135).values
    np.testing.assert_allclose(found["fasting_homa_ir"].values, homa, rtol=1e-12)
    age, record = cohort.covariates["age"], cohort.parameters
    np.testing.assert_allclose(
        found["igf1_sds"].values, igf1_sds(found["igf1"].values, age[:, None]), rtol=0, atol=1e-12
    )
    change = 100 * (found["vat"].values / record["vat0"][:, None] - 1)
    np.testing.assert_allclose(found["vat_change"].values, change, rtol=0, atol=1e-10)
    lean = (found["lean_change"] - true["lean_change"]).values
    assert 0 < np.abs(lean).max() < 5 * 0.01 * record["lean0"].max()


def test_one_sample_is_measured_once_and_another_anew() -> None:
    """Of one moment the grid and the visit have the same noise; midnight's is not that of 07:00."""
    _, true = _simulated(False)
    _, found = _simulated(True)
    on_grid, at_visit = ((found[name] / true[name]).values for name in ("igf1", "fasting_igf1"))
    np.testing.assert_allclose(on_grid[0, :, 1], at_visit[0, :, 0], rtol=1e-12)  # 07:00 of the first day
    assert (np.abs(on_grid[0, :, 0] - at_visit[0, :, 0]) > 1e-6).all()


def test_points_of_a_design_share_it() -> None:
    """Nothing but the factors differs between points."""
    from pulsatile.engine.patients.adults import adult_cohort
    from pulsatile.engine.patients.cohort import points_of

    base = adult_cohort(1, seed=5, layers=Layers(residual=True))
    points = points_of(base, np.arange(3), {"k_igf1": np.full(3, base.parameters["k_igf1"][0])})
    found = assayed("igf1", np.ones((1, 3, 2)), points, np.array([0.0, 24.0]))
    np.testing.assert_array_equal(found[0, 1:], found[0, :1].repeat(2, axis=0))
    assert found[0, 0, 0] != found[0, 0, 1]


def test_the_noise_of_a_product_is_that_of_its_factors() -> None:
    n = 40_000
    ids = np.arange(n)
    product = np.ones((n, 1))
    for name in COMPUTED["homa_ir"]:
        product = measured(name, product, 3, ids, [0])
    assert relative_noise("homa_ir") == pytest.approx(product.std(), rel=4 / np.sqrt(2 * n))
    assert relative_noise("igf1") == pytest.approx(ASSAY_CV["igf1"])
    assert relative_noise("igf1_sds") == relative_noise("clamp_m") == 0


def test_other_units_and_body_fat_inherit_the_noise() -> None:
    """Each is computed from the noisy measured value, as if by hand."""
    names = ("igf1", "igf1_molar", "igf1_ratio", "igf1_change", "glucose", "glucose_mass", "insulin", "insulin_units")
    names += ("sat", "vat", "lean", "fat", "fat_change", "fat_share")
    _, true = _simulated(False, names)
    _, found = _simulated(True, names)
    for name, of, factor in (("igf1_molar", "igf1", 7.649), ("insulin_units", "insulin", 6.0)):
        np.testing.assert_allclose(found[name], found[of] / factor, rtol=1e-12)
    np.testing.assert_allclose(found["glucose_mass"], 18.016 * found["glucose"], rtol=1e-12)
    np.testing.assert_allclose(found["igf1_change"], 100 * (found["igf1_ratio"] - 1), atol=1e-9)
    np.testing.assert_allclose(found["igf1_ratio"] / true["igf1_ratio"], found["igf1"] / true["igf1"], rtol=1e-12)
    np.testing.assert_allclose(found["fat"] / true["fat"], found["sat"] / true["sat"], rtol=1e-12)
    start = (true["fat"] / (1 + true["fat_change"] / 100)).values
    np.testing.assert_allclose(found["fat_change"], 100 * (found["fat"] / start - 1), atol=1e-9)
    whole = found["fat"] + found["lean"]
    np.testing.assert_allclose(found["fat_share"], 100 * found["fat"] / whole, rtol=1e-12)
