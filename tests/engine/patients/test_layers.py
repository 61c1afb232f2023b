"""Layers of variability: each is a switch that moves no other, and the covariance of etas is the one asked for."""

import numpy as np
import pytest

from pulsatile.engine.drugs.dosing import arm_parameters
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import NAMES, ROW, TABLE, typical
from pulsatile.engine.patients.adults import OMEGA, adult_cohort
from pulsatile.engine.patients.cohort import AXIS_HELD, Cohort
from pulsatile.engine.patients.layers import (
    ALL,
    CORRELATIONS,
    DEFICIT,
    DEFICIT_CV,
    FRACTIONS,
    LARGEST_ETA,
    Layers,
    Omega,
    uncertain,
)
from pulsatile.engine.patients.meals import MMOL_PER_GRAM, THREE_MEALS
from pulsatile.engine.patients.pulses import (
    BLOCK_DAYS,
    meal_train,
    pulse_train,
    sleep_factor,
)

N = 200
IDS = np.arange(20_000)
PEOPLE = ("age", "sex", "weight", "height", "bmi", "waist", "own_glucose", "own_insulin", "own_ffa", "own_vat")


def cohort(n: int = N, **layers: bool | int) -> Cohort:
    return adult_cohort(n, seed=3, layers=Layers(**layers))  # type: ignore[arg-type]


def omega(**change: dict[str, float] | dict[tuple[str, str], float]) -> Omega:
    return Omega(held=OMEGA.held, **change)  # type: ignore[arg-type]


def same_people(a: Cohort, b: Cohort) -> None:
    for name in PEOPLE:
        np.testing.assert_array_equal(a.covariates[name], b.covariates[name], err_msg=name)


def test_residual_noise_moves_nothing_that_is_simulated() -> None:
    on, off = cohort(residual=True), cohort(residual=False)
    same_people(on, off)
    assert on.parameters.tobytes() == off.parameters.tobytes()
    for a, b in zip((*pulse_train(on), *meal_train(on)), (*pulse_train(off), *meal_train(off)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_occasions_move_no_patient() -> None:
    on, off = cohort(), cohort(occasions=False)
    same_people(on, off)
    assert on.parameters.tobytes() == off.parameters.tobytes()
    doses = preset("tesamorelin_label")
    assert arm_parameters(doses, on).tobytes() == arm_parameters(doses, off).tobytes()


def test_between_moves_neither_people_nor_days() -> None:
    on, off = cohort(), cohort(between=False)
    same_people(on, off)
    assert set(AXIS_HELD) >= {"pulse_rate", "sleep_gain"}  # so that times are comparable bit for bit
    np.testing.assert_array_equal(pulse_train(on)[0], pulse_train(off)[0])
    for a, b in zip(meal_train(on), meal_train(off), strict=True):
        np.testing.assert_array_equal(a, b)
    sizes = [pulse_train(c)[1] / (c.parameters["pulse_size"] * c.parameters["c_amplitude"])[:, None] for c in (on, off)]
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=1e-12)
    # without the layer drugs have typical kinetics, and nobody is drawn
    doses = preset("tesamorelin_label")
    ka = [arm_parameters(doses, c)["ka_ghrh_a"] for c in (on, off)]
    assert np.ptp(ka[0]) > 0
    assert np.ptp(ka[1]) == 0
    assert np.ptp(off.parameters["k_insulin"]) == 0
    assert np.all(off.covariates["parameter_draws"] == 1)


@pytest.mark.parametrize("draw", [1, 2, 2**32 - 1])
def test_uncertainty_moves_typical_values_alone(draw: int) -> None:
    plain, moved = cohort(), cohort(uncertainty=draw)
    same_people(plain, moved)
    once = (plain.covariates["parameter_draws"] == 1) & (moved.covariates["parameter_draws"] == 1)
    assert once.sum() > 0.8 * N
    for row in TABLE:
        if row.kind == "constant" and row.value and row.name not in FRACTIONS:
            ratio = moved.parameters[row.name][once] / plain.parameters[row.name][once]
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12, err_msg=row.name)  # own deviations stay
        elif row.kind == "patient":
            a, b = moved.parameters[row.name], plain.parameters[row.name]
            np.testing.assert_array_equal(a[once], b[once], err_msg=row.name)


def test_draws_of_typical_values() -> None:
    tables = {}
    for draw in range(60):
        record = typical(3)
        uncertain(record, 5, draw)
        assert record[0].tobytes() == record[1].tobytes() == record[2].tobytes()
        tables[draw] = record[0]
        for row in TABLE:
            if row.kind == "constant" and row.low > 0:
                assert row.low * (1 - 1e-12) <= record[row.name][0] <= row.high * (1 + 1e-12), row.name
    assert tables[0].tobytes() == typical()[0].tobytes()
    assert len({table.tobytes() for table in tables.values()}) == 60
    again = typical()
    uncertain(again, 5, 7)
    assert again[0].tobytes() == tables[7].tobytes()
    other_seed = typical()
    uncertain(other_seed, 6, 7)
    assert other_seed[0].tobytes() != tables[7].tobytes()
    # independent of each other, and centred on the table: half of them above
    above = np.array([[t[r.name] > r.value for r in TABLE if r.kind == "constant" and 0 < r.low < r.high]
                      for t in (tables[k] for k in range(1, 60))])  # fmt: skip
    assert abs(above.mean() - 0.5) < 4 * 0.5 / np.sqrt(above.size)


@pytest.mark.parametrize("name", ["v_gh", "k_gh", "glucose_half", "sens_liver0"])
def test_a_new_cv_moves_no_other_parameter(name: str) -> None:
    before, after = OMEGA.factors(1, IDS[:N]), omega(cv={name: 0.4}).factors(1, IDS[:N])
    assert set(after) - set(before) == {name}
    for other, factor in before.items():
        np.testing.assert_array_equal(after[other], factor, err_msg=other)


def test_a_new_correlation_moves_one_parameter() -> None:
    before = OMEGA.factors(1, IDS[:N])
    after = omega(correlations=OMEGA.defaults | {("k_insulin", "v_insulin"): 0.6}).factors(1, IDS[:N])
    moved = [name for name in before if not np.array_equal(before[name], after[name])]
    assert moved == ["k_insulin"]  # the later of the two in the table
    # a changed CV changes the size of its own deviations and nothing else
    wider = omega(cv={"k_insulin": 0.5}).factors(1, IDS[:N])
    assert [name for name in before if not np.array_equal(before[name], wider[name])] == ["k_insulin"]
    ratio = np.log(wider["k_insulin"]) / np.log(before["k_insulin"])
    np.testing.assert_allclose(ratio, np.sqrt(np.log(1.25) / np.log(1.04)), rtol=1e-9)


def test_correlations_and_cvs_come_out() -> None:
    asked = OMEGA.defaults | {("k_insulin", "v_insulin"): 0.6, ("pulse_size", "f_gh"): -0.8}
    factors = omega(correlations=asked).factors(2, IDS)
    log = {name: np.log(factor) for name, factor in factors.items()}
    for (one, other), r in asked.items():
        assert abs(np.corrcoef(log[one], log[other])[0, 1] - r) < 4 * (1 - r * r) / np.sqrt(len(IDS)), (one, other)
    for one, other in (("k_insulin", "pulse_size"), ("sens_muscle0", "k_ffa")):
        assert abs(np.corrcoef(log[one], log[other])[0, 1]) < 4 / np.sqrt(len(IDS))
    for name, z in log.items():
        sd = np.sqrt(np.log1p({DEFICIT: DEFICIT_CV}.get(name, ROW[name].cv) ** 2))
        assert abs(z.std() / sd - 1) < 4 / np.sqrt(2 * len(IDS)), name
        assert abs(z.mean()) < 4 * sd / np.sqrt(len(IDS)), name


def test_correlation_1_is_one_deviation() -> None:
    pairs = {("sens_muscle0", "egp_half"): 1.0, ("egp_half", "lipolysis_half"): -1.0,
             ("sens_muscle0", "lipolysis_half"): -1.0}  # fmt: skip
    found = omega(correlations=pairs).factors(1, IDS[:N])
    z = {name: np.log(found[name]) / np.sqrt(np.log1p(ROW[name].cv ** 2)) for pair in pairs for name in pair}
    np.testing.assert_allclose(z["egp_half"], z["sens_muscle0"], atol=1e-12)
    np.testing.assert_allclose(z["lipolysis_half"], -z["sens_muscle0"], atol=1e-12)
    assert np.all(np.isfinite(adult_cohort(20, omega=omega(correlations=pairs)).parameters["egp_half"]))


@pytest.mark.parametrize("cv", [1e-15, 1e-170, 5e-324])
def test_a_tiny_cv_is_none(cv: float) -> None:
    factor = omega(cv={"v_gh": cv, "k_gh": 0.2}, correlations={("v_gh", "k_gh"): 0.9}).factors(1, IDS[:N])["v_gh"]
    np.testing.assert_allclose(factor, 1.0, rtol=4e-15)


def test_cv_0_does_not_vary() -> None:
    still = omega(cv={"k_insulin": 0.0, "sens_muscle0": 0})
    assert not {"k_insulin", "sens_muscle0"} & set(still.cvs)
    p = adult_cohort(20, omega=still).parameters
    assert np.ptp(p["k_insulin"]) == 0
    assert np.ptp(p["k_ffa"]) > 0


def test_deviations_are_truncated() -> None:
    factor = omega(cv={"k_insulin": 1.0}).factors(1, np.arange(60_000))["k_insulin"]
    end = np.exp(LARGEST_ETA * np.sqrt(np.log(2)))
    assert factor.max() == pytest.approx(end, rel=1e-12)  # 14 of 60,000 are beyond either end
    assert factor.min() == pytest.approx(1 / end, rel=1e-12)
    assert 2 <= np.sum(factor == factor.max()) <= 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cv": {"nobody": 0.3}}, "nobody"),
        ({"cv": {"igf1_emax": 0.3}}, "igf1_emax"),
        ({"cv": {"v_gh": -0.1}}, "0 to 3"),
        ({"cv": {"v_gh": 3.1}}, "0 to 3"),
        ({"cv": {"v_gh": float("nan")}}, "0 to 3"),
        ({"cv": {"v_gh": float("inf")}}, "0 to 3"),
        ({"cv": {"v_gh": "30 %"}}, "30 %"),
        ({"cv": {"v_gh": True}}, "True"),
        ({"cv": [0.3]}, "mapping"),
        ({"correlations": [("v_gh", "k_gh", 0.3)]}, "mapping"),
        ({"correlations": {"v_gh": 0.3}}, "two different"),
        ({"correlations": {("v_gh",): 0.3}}, "two different"),
        ({"correlations": {("k_ffa", "k_ffa"): 1.0}}, "two different"),
        ({"correlations": {("k_ffa", "k_insulin"): 1.01}}, "-1 to 1"),
        ({"correlations": {("k_ffa", "k_insulin"): float("nan")}}, "-1 to 1"),
        ({"correlations": {("k_ffa", "nobody"): 0.5}}, "nobody"),
        ({"correlations": {("k_ffa", "v_gh"): 0.5}}, "does not vary"),
        ({"correlations": {("k_gh", "k_gh_saturable"): 0.5}}, "does not vary"),  # held, though a default pair
        ({"correlations": {("k_ffa", "k_insulin"): 0.5}, "cv": {"k_ffa": 0}}, "does not vary"),
        ({"correlations": {("k_ffa", "k_insulin"): 0.5, ("k_insulin", "k_ffa"): 0.4}}, "given as"),
        ({"correlations": {("sens_muscle0", "egp_half"): 0.9, ("egp_half", "lipolysis_half"): 0.9,
                           ("sens_muscle0", "lipolysis_half"): -0.9}}, "contradicts"),
        ({"correlations": {("sens_muscle0", "egp_half"): 1, ("egp_half", "lipolysis_half"): 1,
                           ("sens_muscle0", "lipolysis_half"): 0.99}}, "contradicts"),
    ],
)  # fmt: skip
def test_a_wrong_covariance_is_told_in_one_sentence(change: dict[str, dict[str, float]], words: str) -> None:
    with pytest.raises(InputError) as caught:
        omega(**change)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layers", [{"between": 1}, {"occasions": None}, {"residual": "no"}, {"uncertainty": -1}, {"uncertainty": 1.0},
               {"uncertainty": True}, {"uncertainty": 2**32}],
)  # fmt: skip
def test_a_wrong_switch_is_told_in_one_sentence(layers: dict[str, object]) -> None:
    with pytest.raises(InputError, match=rf"^layer {next(iter(layers))} = .*\.$"):
        Layers(**layers)  # type: ignore[arg-type]


def test_without_occasions_days_are_alike() -> None:
    still = cohort(occasions=False)
    p = still.parameters
    time, amount = pulse_train(still)
    inside = np.isfinite(time)
    spread2 = np.log1p(p["pulse_size_cv"] ** 2)
    expected = p["pulse_size"] * p["c_amplitude"] * np.exp(spread2 / 2)
    for k in range(N):
        own = time[k][inside[k]]
        np.testing.assert_allclose(np.diff(own), 24 / p["pulse_rate"][k], rtol=1e-9)
        awake = amount[k][inside[k]] / sleep_factor(own, p["sleep_gain"][k])
        np.testing.assert_allclose(awake, expected[k], rtol=1e-12)
    assert np.ptp(np.min(time, axis=1)) > 0.5  # phases are the patients' own
    meals, sizes = meal_train(still)
    day = 24.0 * np.repeat(np.arange(BLOCK_DAYS), len(THREE_MEALS.times))
    np.testing.assert_array_equal(meals, np.tile(day + np.tile(THREE_MEALS.times, BLOCK_DAYS), (N, 1)))
    np.testing.assert_array_equal(sizes, np.tile(MMOL_PER_GRAM * np.tile(THREE_MEALS.grams, BLOCK_DAYS), (N, 1)))


def test_occasions_do_not_decide_how_much_is_released() -> None:
    """Expected number and size of pulses are the same with and without, within 4 standard errors."""
    numbers, sizes = {}, {}
    for on in (True, False):
        c = cohort(occasions=on)
        time, amount = pulse_train(c)
        inside = np.isfinite(time)
        scale = (c.parameters["pulse_size"] * c.parameters["c_amplitude"])[:, None]
        numbers[on] = inside.sum(axis=1)
        at = np.where(inside, time, 0.0)
        sizes[on] = (amount / scale / sleep_factor(at, c.parameters["sleep_gain"][:, None]))[inside]
    error = numbers[True].std() / np.sqrt(N)
    assert abs(numbers[True].mean() - numbers[False].mean()) < 4 * error
    assert numbers[False].std() < 0.1 * numbers[True].std()
    assert abs(sizes[True].mean() - sizes[False].mean()) < 4 * sizes[True].std() / np.sqrt(len(sizes[True]))


def test_defaults() -> None:
    assert Layers() == ALL == adult_cohort(1).layers
    assert set(OMEGA.defaults) == set(CORRELATIONS) - {("k_gh", "k_gh_saturable")}  # these two are held
    found = omega(cv={"k_gh": 0.2, "k_gh_saturable": 0.2}).correlation
    assert all(found.of(*pair) == pytest.approx(r) for pair, r in CORRELATIONS.items())
    assert set(OMEGA.cvs) <= set(NAMES)
    assert not set(OMEGA.held) & set(OMEGA.cvs)
