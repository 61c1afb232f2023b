"""A dose is matched on the people whom the study treats, whatever population they come from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.simulate import simulate
from pulsatile.engine.trial.plan import Plan
from pulsatile.sweeps.study.patients import resolved_population
from pulsatile.sweeps.study.pilot import PATIENTS, SEED, pilot_of, places
from pulsatile.sweeps.study.population import PopulationEntry
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from

HEAD = "patient,sex,age [y],weight [kg],height [m]"


def study(population: dict[str, Any], **more: Any) -> ResolvedStudy:
    rule = {"drug": "somatropin", "dose": {"match": "igf1", "to": "tesamorelin"}, "at": ["21:00"]}
    arms = [
        {"name": "control", "preset": "control"},
        {"name": "tesamorelin", "preset": "tesamorelin_label"},
        {"name": "rhGH", "regimen": [rule]},
    ]
    return resolve(study_from({"weeks": 8, "population": population, "arms": arms} | more, "study"))


def table(path: Path, rows: list[Any], more: str = "") -> str:
    path.write_text("\n".join([HEAD + more, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return str(path)


def people(
    n: int, sex: str, age: tuple[float, float], bmi: tuple[float, float], height: float
) -> list[tuple[Any, ...]]:
    ages, sizes = np.linspace(*age, n), np.random.default_rng(1).permutation(np.linspace(*bmi, n))
    return [(k + 1, sex, f"{ages[k]:.1f}", f"{sizes[k] * height**2:.1f}", height) for k in range(n)]


OLD_WOMEN = people(24, "woman", (66, 79), (36, 45), 1.6)
YOUNG_MEN = people(24, "man", (20, 29), (20, 24), 1.78)
MIXED = [
    (*row, 8.5 if k % 2 else "", "" if k % 2 else -3.0)
    for k, row in enumerate(people(12, "man", (40, 65), (26, 40), 1.75) + people(12, "woman", (40, 65), (26, 40), 1.65))
]
MIXED = [(k + 1, *row[1:]) for k, row in enumerate(MIXED)]


def gains(resolved: ResolvedStudy) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Run the study's patients; return the gain of IGF-1 of each in the eighth week, (arms, patients)."""
    plan = Plan(weeks=8, every=8 * 168.0, outputs=(), reductions=("igf1_mean",))
    last = simulate(resolved.cohort(0, resolved.population.n), resolved.arms, plan)["igf1_mean"].values[..., -1]
    return np.asarray(last[1:] - last[0])


def test_the_dose_of_own_patients_is_that_of_running_them(tmp_path: Path) -> None:
    doses = []
    for name, rows, more in (
        ("women", OLD_WOMEN, ""), ("men", YOUNG_MEN, ""), ("mixed", MIXED, ",glucose [mmol/L],igf1_sds [SD]"),
    ):  # fmt: skip
        resolved = study({"patients": table(tmp_path / f"{name}.csv", rows, more)})
        tesamorelin, somatropin = gains(resolved)
        error = (somatropin - tesamorelin).std(ddof=1) / np.sqrt(len(rows))
        assert abs(somatropin.mean() - tesamorelin.mean()) < min(2 * error, 0.006 * tesamorelin.mean()), name
        (dose,) = resolved.matched
        assert "all 24 patients of the study (own patients)" in dose.sentence
        assert dose.found_gain == pytest.approx(somatropin.mean(), rel=1e-9)
        doses.append(dose.dose_mg)
    assert max(doses) > 1.5 * min(doses)


def test_weights_and_choice_of_rows_are_those_of_the_study(tmp_path: Path) -> None:
    """A patient of weight 0 does not count, and n and first choose the patients of the pilot too."""
    ten = study({"patients": table(tmp_path / "ten.csv", OLD_WOMEN[:10])}).matched[0]
    rows = [(*row, int(k < 10)) for k, row in enumerate(OLD_WOMEN)]
    weighted = study({"patients": table(tmp_path / "weighted.csv", rows, ",prevalence")}).matched[0]
    part = study({"patients": table(tmp_path / "all.csv", YOUNG_MEN[:3] + OLD_WOMEN[3:]), "first": 3, "n": 7}).matched[
        0
    ]
    seven = study({"patients": table(tmp_path / "seven.csv", OLD_WOMEN[3:10])}).matched[0]
    assert weighted.dose_mg == ten.dose_mg
    assert weighted.found_gain == pytest.approx(ten.found_gain, rel=1e-12)
    assert "weighted as in the study" in weighted.sentence
    assert (part.dose_mg, part.found_gain) == (seven.dose_mg, seven.found_gain)


def test_many_patients_are_represented_by_weight() -> None:
    ids = np.arange(10_000, dtype=np.int64)
    rows, counts = places(ids, np.ones(len(ids)))
    assert len(rows) == PATIENTS
    assert np.all(counts == 1 / PATIENTS)
    weights = np.where(ids == 4321, 1e4, 1.0)
    rows, counts = places(ids, weights)
    assert counts[rows == 4321].item() == pytest.approx(0.5, abs=1 / PATIENTS)
    assert counts.sum() == pytest.approx(1.0)
    again, _ = places(ids[::-1], weights[::-1])
    assert sorted(ids[::-1][again]) == sorted(rows)  # by id, not by place


def population(**entry: Any) -> Any:
    return resolved_population(PopulationEntry(**entry))


def test_drawn_people_are_a_sample_of_their_specification() -> None:
    for entry in ({"phenotype": "ghd"}, {"named": "adults", "ranges": {"age": [66, 79]}}):
        cohort, weights, whose = pilot_of(population(n=3, **entry), seed=5)
        assert (cohort.seed, len(cohort), weights.sum()) == (SEED, PATIENTS, 1.0)
        assert next(iter(entry.values())) in whose
    assert cohort.covariates["age"].min() >= 66


def test_a_design_is_matched_on_its_patient() -> None:
    """The 18th adult, not 64 others, with the drug kinetics of that patient and other days."""
    data = {
        "weeks": 8, "seed": 5, "population": {"named": "adults", "first": 17},
        "design": {"kind": "latin", "points": 8, "factors": ["v_gh"]}, "arms": [{"name": "a", "preset": "control"}],
    }  # fmt: skip
    resolved = resolve(study_from(data, "study"))
    cohort, _, whose = pilot_of(resolved.population, resolved.seed)
    points = resolved.cohort(0, 8)
    assert set(cohort.covariates["age"]) == set(points.covariates["age"])
    assert set(cohort.keys) == set(points.keys) == {17}
    assert len(set(cohort.day_keys)) == PATIENTS
    assert "occasions of the patient that the design is about" in whose


def test_a_frozen_population_is_matched_on_its_own_people(tmp_path: Path) -> None:
    own = population(patients=table(tmp_path / "own.csv", OLD_WOMEN))
    frozen = own.model_copy(update={"seed": 99, "id": "0123456789abcdef"})
    cohort, _, whose = pilot_of(frozen, seed=5)
    assert cohort.parameters.tobytes() == frozen.cohort(5, 0, 24).parameters.tobytes()
    assert cohort.seed == 99
    assert whose == "all 24 patients of the study (own patients, frozen population 0123456789ab)"
