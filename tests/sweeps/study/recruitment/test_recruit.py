"""Who enters: the first candidates who fit, in any division of the work; more patients are recruited after them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.cohort import COVARIATES, Cohort, virtual_cohort
from pulsatile.sweeps.disk.store import open_dataset
from pulsatile.sweeps.population.build import build_population
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.pilot import pilot_of
from pulsatile.sweeps.study.recruitment.criteria import Criterion, LimitsEntry, Screening, screening
from pulsatile.sweeps.study.recruitment.recruit import Recruited, Recruitment, recruit
from pulsatile.sweeps.study.recruitment.strata import Stratum, strata_of
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study, study_from
from pulsatile.sweeps.summary.table import study_notes
from pulsatile.sweeps.workers.resources import Resources

SEXES = strata_of({"sex": {"man": 0.25, "woman": 0.75}}, tuple(COVARIATES))
TALL = Screening(criteria=(Criterion(name="height", unit="m", at_least=1.7),))
ALONE = Resources(5, workers=1, threads=1)
ARMS = [{"name": "none", "preset": "control"}, {"name": "rhgh", "preset": "rhgh_low"}]


def draw(start: int, stop: int) -> Cohort:
    return virtual_cohort(stop - start, seed=5, first=start)


def by_hand(n: int, strata: tuple[Stratum, ...]) -> tuple[list[int], int]:
    """Return who is taken and how many are screened, one candidate at a time."""
    quota = {0: round(0.25 * n), 1: n - round(0.25 * n)} if strata else {0: n}
    taken: dict[int, list[int]] = {s: [] for s in quota}
    screened = 0
    everyone = draw(0, 400)
    for place in range(400):
        s = int(everyone.covariates["sex"][place]) if strata else 0
        if len(taken[s]) < quota[s]:
            screened += 1
            if everyone.covariates["height"][place] >= 1.7:
                taken[s].append(place)
    return sorted(place for places in taken.values() for place in places), screened


@pytest.mark.parametrize("strata", [(), SEXES], ids=["all", "sexes"])
@pytest.mark.parametrize("at_once", [1, 7, 2048])
def test_the_first_who_fit_are_taken(strata: tuple[Stratum, ...], at_once: int) -> None:
    found = recruit(Recruitment(screening=TALL, strata=strata), 16, None, draw, Solver(), at_once=at_once)
    taken, screened = by_hand(16, strata)
    assert sorted(found.positions.tolist()) == taken
    assert (found.screened, found.failed) == (screened, 0)


@pytest.mark.parametrize("strata", [(), SEXES], ids=["all", "sexes"])
def test_more_patients_are_recruited_after_the_first(strata: tuple[Stratum, ...]) -> None:
    how = Recruitment(screening=TALL, strata=strata)
    begun: Recruited | None = None
    for n in (3, 10, 11, 30):
        grown = recruit(how, n, None, draw, Solver(), begun=begun)
        assert grown == recruit(how, n, None, draw, Solver(), at_once=13)
        if begun is not None:
            np.testing.assert_array_equal(grown.positions[: begun.places.rows], begun.positions)
        begun = grown


def test_too_few_is_a_sentence_with_the_rate() -> None:
    giants = Screening(criteria=(Criterion(name="height", unit="m", above=1.95),))
    everyone = draw(0, 300).covariates["height"]
    fit = int((everyone > 1.95).sum())
    words = rf"of 300 candidates 300 were screened and {fit} fit height above 1.95 m \({100 * fit / 300:.3g} %\)"
    with pytest.raises(InputError, match=words + ".*raise most_screened"):
        recruit(Recruitment(screening=giants, most=300), 200, None, draw, Solver())
    with pytest.raises(InputError, match=r"of all 40 candidates .* lower n\.$"):
        recruit(Recruitment(screening=giants), 30, 40, draw, Solver())
    with pytest.raises(InputError, match=r"the stratum sex man has [0-9]+ of 25"):
        recruit(Recruitment(screening=giants, strata=SEXES, most=120), 100, None, draw, Solver())
    nobody = Screening(criteria=(Criterion(name="height", unit="m", above=2.7),))
    with pytest.raises(InputError, match="nobody is left to treat"):
        recruit(Recruitment(screening=nobody), None, 40, draw, Solver())


def test_all_who_fit_of_a_table() -> None:
    found = recruit(Recruitment(screening=TALL), None, 50, draw, Solver())
    np.testing.assert_array_equal(found.positions, np.flatnonzero(draw(0, 50).covariates["height"] >= 1.7))
    assert found.screened == 50


def study(population: dict[str, Any], **more: Any) -> Study:
    data = {"weeks": 1, "seed": 3, "population": population, "arms": ARMS, "outputs": {"names": ["igf1_sds"]}} | more
    return study_from(data, "study")


GHD: dict[str, Any] = {
    "named": "ghd_adults", "n": 6, "select": {"ghrh_gh_peak": {"at_most": 2}, "igf1_sds": {"below": -2.5}},
    "strata": {"sex": {"man": 0.5, "woman": 0.5}},
}  # fmt: skip
AT_START = {"tests": [{"test": "ghrh", "weeks": [0]}], "outputs": {"names": ["igf1_sds"], "dtype": "float64"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(study(GHD, **AT_START), tmp_path_factory.mktemp("ghd") / "run", ALONE).folder


def test_those_taken_fit_in_the_run_and_those_left_out_do_not(whole: Path, tmp_path: Path) -> None:
    kept = open_dataset(whole)
    peak, sds = kept["ghrh_gh_peak"].values[0, :, 0], kept["igf1_sds"].values[0, :, 0]
    assert (peak <= 2).all()
    assert (sds < -2.5).all()
    last = int(kept["patient"].values.max())
    everyone = {key: value for key, value in GHD.items() if key not in ("select", "strata")} | {"n": last + 1}
    outcome = run(study(everyone, **AT_START, control="none"), tmp_path / "all", ALONE)
    all_of_them = open_dataset(outcome.folder)
    fits = (all_of_them["ghrh_gh_peak"].values[0, :, 0] <= 2) & (all_of_them["igf1_sds"].values[0, :, 0] < -2.5)
    sex = all_of_them["sex"].values
    expected = [np.flatnonzero(fits & (sex == code))[:3] for code in (0, 1)]
    assert sorted(kept["patient"].values.tolist()) == sorted(np.concatenate(expected).tolist())
    rows = np.searchsorted(all_of_them["patient"].values, kept["patient"].values)
    np.testing.assert_array_equal(kept["igf1_sds"].values, all_of_them["igf1_sds"].values[:, rows])


def test_the_numbers_screened_and_kept_are_with_the_run(whole: Path) -> None:
    resolved = ResolvedStudy.from_json((whole / "resolved.json").read_text(encoding="utf-8"))
    sentence = resolved.population.screening_sentence
    assert sentence.startswith("Screening: 6 of ")
    assert "by ghrh_gh_peak at most 2 ug/L, igf1_sds below -2.5" in sentence
    assert sentence in (whole / "README.md").read_text(encoding="utf-8")
    assert sentence in study_notes(resolved, 0)


def test_an_expansion_screens_further_and_equals_a_fresh_run(whole: Path, tmp_path: Path) -> None:
    fresh = run(study(GHD | {"n": 9}, **AT_START), tmp_path / "fresh", ALONE)
    grown = expand(whole, Growth(patients=9), ALONE)
    assert grown.identity == fresh.identity
    assert grown.digest == fresh.digest
    assert grown.resolved.population == fresh.resolved.population


def test_screening_tests_of_their_own() -> None:
    low = {"test": "ghrh", "name": "low_ghrh", "weeks": [0], "dose": "0.1 ug/kg"}
    entry = study(
        {"named": "ghd_adults", "n": 3, "select": {"low_ghrh_gh_peak": {"at_most": 2}}, "screening": [low]}
    ).population  # fmt: skip
    assert entry.recruitment is not None
    (test,) = entry.recruitment.screening.tests
    assert (test.name, test.settings.dose) == ("low_ghrh", 0.1)


def test_ogtt_and_covariates_decide_in_names() -> None:
    limits = {"ogtt_glucose_120": LimitsEntry(at_least=7.8, below=11.1), "own_glucose": LimitsEntry(below=7.0)}
    asked = screening(limits, (), ("own_glucose",))
    assert asked.words == "ogtt_glucose_120 at least 7.8 and below 11.1 mmol/L, own_glucose below 7 mmol/L"
    assert [test.test for test in asked.tests] == ["ogtt"]


def test_own_patients_and_the_pilot_are_recruited_too(tmp_path: Path) -> None:
    rows = [f"{10 + k},{'man' if k % 2 else 'woman'},{30 + k},{70 + k},1.75" for k in range(30)]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["patient,sex,age [y],weight [kg],height [m]", *rows]) + "\n", encoding="utf-8")
    older = resolve(study({"patients": str(path), "select": {"age": {"at_least": 50}}})).population
    np.testing.assert_array_equal(older.ids(0, older.n), np.arange(30, 40))
    np.testing.assert_array_equal(older.cohort(3, 2, 5).covariates["age"], [52, 53, 54])
    np.testing.assert_array_equal(pilot_of(older, 3).cohort.covariates["age"], np.arange(50, 60))
    drawn = resolve(study({"named": "adults", "n": 4, "select": {"bmi": {"at_least": 35}}})).population
    assert (pilot_of(drawn, 3).cohort.covariates["bmi"] >= 35).all()


def test_a_design_is_about_the_first_patient_who_fits() -> None:
    population = {"phenotype": "obese", "select": {"height": {"at_least": 1.8}}}
    design = {"kind": "latin", "points": 3, "factors": ["v_gh"]}
    resolved = resolve(study(population, design=design))
    cohort = resolved.cohort(0, 3)
    assert len(cohort) == resolved.population.n == 3
    first = int(np.flatnonzero(virtual_cohort(200, seed=3).covariates["height"] >= 1.8)[0])
    np.testing.assert_array_equal(cohort.keys, [first] * 3)


def test_a_built_population_keeps_the_rows_of_those_who_were_recruited(tmp_path: Path) -> None:
    entry = tmp_path / "tall.yaml"
    entry.write_text("{named: adults, n: 8, select: {height: {at_least: 1.75}}}\n", encoding="utf-8")
    _, record = build_population(str(entry), tmp_path / "pop", seed=4, resources=ALONE)
    assert record is not None
    assert record["screening"].startswith("Screening: 8 of ")
    frozen = resolve(study({"frozen": str(tmp_path / "pop")}))
    assert (frozen.cohort(0, frozen.population.n).covariates["height"] >= 1.75).all()
    assert frozen.population.n == record["patients"]["kept"] >= 7
