"""Virtual adults: a patient is who he is whatever is drawn beside him; every named population draws and runs."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from pulsatile.engine.draws import normals
from pulsatile.engine.drugs.dosing import arm_parameters
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import beyond
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.adults import MOST_DRAWS, OMEGA, SET_BY_COVARIATES, adult_cohort, people_cohort
from pulsatile.engine.patients.cohort import PHENOTYPES, Cohort, check_people
from pulsatile.engine.patients.layers import Layers, Omega
from pulsatile.engine.patients.pulses import meal_train, pulse_train
from pulsatile.engine.people import populations
from pulsatile.engine.people.draw import draw_adults
from pulsatile.engine.people.margins import BOUNDS, MAN, SEXES
from pulsatile.engine.people.populations import POPULATIONS, population, restricted
from pulsatile.engine.people.spec import PeopleSpec
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.sweeps.population.plausible import BOUNDS as PLAUSIBLE
from pulsatile.sweeps.population.plausible import KEPT, reasons

EXTREME = 2**40
TESAMORELIN = preset("tesamorelin_label")


def same(one: Cohort, other: Cohort) -> None:
    np.testing.assert_array_equal(one.patient, other.patient)
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert one.covariates.keys() == other.covariates.keys()
    for name, values in one.covariates.items():
        assert values.tobytes() == other.covariates[name].tobytes(), name


def test_twice_as_many_adults_begin_with_the_same() -> None:
    same(adult_cohort(2000, seed=8).subset(slice(1000)), adult_cohort(1000, seed=8))


@pytest.mark.parametrize("name", ["trial", "hiv_lipodystrophy"])
@pytest.mark.parametrize("size", [1, 7, 64])
def test_chunks_are_parts_of_the_whole(name: str, size: int) -> None:
    n = 20 if size == 1 else 64
    whole = adult_cohort(n, POPULATIONS[name], seed=2, first=EXTREME)
    for start in range(0, n, size):
        stop = min(n, start + size)
        part = adult_cohort(stop - start, POPULATIONS[name], seed=2, first=EXTREME + start)
        same(part, whole.subset(slice(start, stop)))


def test_seed_and_id_decide() -> None:
    one, other = adult_cohort(50, seed=1), adult_cohort(50, seed=2)
    assert not np.any(one.covariates["bmi"] == other.covariates["bmi"])
    assert not np.any(one.covariates["bmi"] == adult_cohort(50, seed=1, first=50).covariates["bmi"])


def test_people_cohort_is_what_draws_and_parameters_make() -> None:
    ids = np.arange(20)
    trial = POPULATIONS["trial"]
    same(people_cohort(4, ids, draw_adults(4, ids, trial.people), trial), adult_cohort(20, trial, seed=4))


def limits(name: str, covariate: str, sex: int) -> tuple[float, float]:
    asked = POPULATIONS[name].people.ranges.get(covariate, (-inf, inf))
    low, high = asked[SEXES[sex]] if isinstance(asked, dict) else asked
    return max(low, BOUNDS[covariate][0]), min(high, BOUNDS[covariate][1])


@pytest.mark.parametrize("name", POPULATIONS)
def test_a_named_population_meets_its_ranges(name: str) -> None:
    n, who = 1000, POPULATIONS[name]
    cohort = adult_cohort(n, who, seed=5)
    check_people(cohort)
    there, c = cohort.covariates, cohort.covariates
    for covariate in BOUNDS:
        values = there.get(covariate, there.get(f"own_{covariate}"))
        if values is None:
            continue
        for sex in (0, 1):
            low, high = limits(name, covariate, sex)
            some = values[c["sex"] == sex]
            assert np.all((some >= low) & (some <= high)), covariate
    share = np.mean(c["sex"] != MAN)
    assert abs(share - who.people.women) <= 4 * np.sqrt(who.people.women * (1 - who.people.women) / n)
    for covariate in who.people.shifts:  # in its direction, against the same people without the shift
        plain = replace(who, people=replace(who.people, shifts={}))
        before = adult_cohort(n, plain, seed=5).covariates
        key = covariate if covariate in before else f"own_{covariate}"
        assert np.sign(np.median(c[key]) - np.median(before[key])) == np.sign(who.people.shifts[covariate]), covariate
    assert np.all(basal.feasible(cohort.parameters))
    assert not beyond(cohort.parameters).any()
    assert 1 <= c["parameter_draws"].min() <= c["parameter_draws"].max() <= MOST_DRAWS
    assert np.mean(c["parameter_draws"] > 1) < 0.2


@pytest.mark.parametrize("name", POPULATIONS)
def test_untreated_adults_end_well_and_plausible(name: str) -> None:
    cohort = adult_cohort(16, POPULATIONS[name], seed=3)
    plan = Plan(1, outputs=("vat",), reductions=("gh_mean",), tests=(TestAt("fasting", (0,)),))
    found = simulate(cohort, [preset("control")], plan, threads=1).isel(arm=0)
    outputs = {n: found[n].values[:, 0] for n in PLAUSIBLE}
    why = reasons(found["status"].values, outputs)
    deficient = {"IGF-1 below 20 ug/L", "24-h mean GH below 0.01 ug/L"} if name == "ghd_adults" else set()
    assert set(why) <= {KEPT} | deficient
    assert np.mean(why == KEPT) > 0.8
    # the untreated state is the person's own
    np.testing.assert_allclose(outputs["fasting_glucose"], cohort.covariates["own_glucose"], rtol=0.2)
    np.testing.assert_allclose(outputs["vat"], cohort.covariates["own_vat"], rtol=0.05)


def test_twins_share_days_and_drug_kinetics() -> None:
    people = draw_adults(1, np.arange(5))
    trial, labels = POPULATIONS["adults"], np.arange(100, 105)
    own = people_cohort(1, np.arange(5), people, trial)
    renamed = Cohort(1, labels, own.covariates, own.parameters, own.layers, twin_of=np.arange(5))
    alone = Cohort(1, labels, own.covariates, own.parameters, own.layers)
    for train in (pulse_train, meal_train):
        for a, b, c in zip(train(own), train(renamed), train(alone), strict=True):
            np.testing.assert_array_equal(a, b)
            assert not np.array_equal(a, c)
    assert arm_parameters(TESAMORELIN, own).tobytes() == arm_parameters(TESAMORELIN, renamed).tobytes()
    assert arm_parameters(TESAMORELIN, own).tobytes() != arm_parameters(TESAMORELIN, alone).tobytes()
    np.testing.assert_array_equal(renamed.subset([3, 1]).keys, [3, 1])
    # many of one person: the same pulses for all
    crowd = Cohort(1, labels, own.covariates, own.parameters, own.layers, twin_of=np.full(5, 7))
    first = normals(1, crowd.keys, 99)
    assert np.ptp(first) == 0


def test_twins_have_equal_results() -> None:
    own = adult_cohort(3, POPULATIONS["trial"], seed=6)
    renamed = Cohort(6, own.patient + 50, own.covariates, own.parameters, own.layers, twin_of=own.patient)
    plan = Plan(1, outputs=("igf1", "vat"), tests=(TestAt("fasting", (0, 1)),))
    a, b = (simulate(c, [TESAMORELIN], plan, threads=1) for c in (own, renamed))
    assert b.patient.values.tolist() == (own.patient + 50).tolist()
    for name in a.data_vars:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))


def test_covariates_do_not_vary_once_more() -> None:
    cohort = adult_cohort(200, seed=3)
    p, c = cohort.parameters, cohort.covariates
    for name in ("glucose", "insulin", "ffa"):
        np.testing.assert_array_equal(p[f"{name}_basal"], c[f"own_{name}"])
    np.testing.assert_array_equal(p["vat0"], c["own_vat"])
    np.testing.assert_array_equal(p["weight"], c["weight"])
    assert not set(SET_BY_COVARIATES) & set(OMEGA.cvs)


def test_phenotype_by_pituitary_glucose_and_bmi() -> None:
    def kinds(name: str) -> set[str]:
        return {PHENOTYPES[k] for k in adult_cohort(300, POPULATIONS[name], seed=1).covariates["phenotype"]}

    assert kinds("adults") == {"lean", "overweight", "obese"}
    assert kinds("t2d") == {"t2d"}
    assert kinds("ghd_adults") == {"ghd"}
    c = adult_cohort(300, seed=1).covariates
    np.testing.assert_array_equal(c["phenotype"] == PHENOTYPES.index("obese"), c["bmi"] >= 30)
    np.testing.assert_array_equal(c["phenotype"] == PHENOTYPES.index("lean"), c["bmi"] < 25)


def test_who_never_has_a_fasting_state_is_kept_for_the_run_to_reject() -> None:
    """Very sensitive adults: some have none; nobody is dropped, nobody is repaired."""
    narrow = Omega(cv=dict.fromkeys(OMEGA.cvs, 0.0), held=OMEGA.held)
    ids = np.arange(40)
    people = draw_adults(1, ids)
    people["glucose"][7], people["insulin"][7], people["bmi"][7] = 5.0, 500.0, 90.0
    cohort = people_cohort(1, ids, people, POPULATIONS["adults"], omega=narrow)
    well = basal.feasible(cohort.parameters)
    assert not well[7]
    assert well.sum() > 30
    assert cohort.patient.tolist() == ids.tolist()
    np.testing.assert_array_equal(cohort.covariates["parameter_draws"], np.where(well, 1, MOST_DRAWS))


def test_restricted_keeps_what_is_not_changed() -> None:
    hiv = population("hiv_lipodystrophy")
    narrower = restricted(hiv, PeopleSpec(ranges={"age": (40, 50)}, shifts={"hdl": 0.0}))
    assert narrower.people.ranges == {**hiv.people.ranges, "age": (40, 50)}
    assert narrower.people.shifts == {**hiv.people.shifts, "hdl": 0.0}
    assert narrower.people.women == 0.15
    assert (narrower.secretion, narrower.name) == (hiv.secretion, hiv.name)
    with pytest.raises(InputError, match="hiv_lipodystrophy"):
        population("hiv")


@pytest.mark.parametrize("women", [0.0, 0.517, 1.0])
def test_a_share_of_women_that_is_given_is_taken(women: float) -> None:
    assert restricted(population("hiv_lipodystrophy"), PeopleSpec(), women=women).people.women == women


def test_every_population_says_where_it_is_from() -> None:
    for name, who in populations.POPULATIONS.items():
        assert who.name == name
        assert who.description
        assert who.source
        assert 0 < who.secretion <= 1
        assert who.beta_deficit >= 0
    assert [name for name, who in POPULATIONS.items() if who.survey] == ["adults"]


@pytest.mark.parametrize(
    "arguments",
    [{"n": 0}, {"n": 2.5}, {"n": True}, {"n": 10**7}, {"n": 3, "seed": -1}, {"n": 3, "seed": 2**64},
     {"n": 3, "first": -1}, {"n": 3, "first": 2**63}],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        adult_cohort(**arguments)  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_ranges_that_nobody_meets_are_told() -> None:
    who = replace(POPULATIONS["adults"], people=PeopleSpec(ranges={"bmi": (18, 19), "waist": (130, 140)}))
    with pytest.raises(InputError, match=r"range of \w+ = .*widen it"):
        adult_cohort(3, who)


def test_typical_patients_differ_by_covariates_alone() -> None:
    flat = adult_cohort(100, layers=Layers(between=False))
    assert np.ptp(flat.parameters["k_insulin"]) == 0
    assert np.ptp(flat.parameters["sens_muscle0"]) > 0  # follows HOMA-IR
    assert np.all(flat.covariates["parameter_draws"] == 1)
