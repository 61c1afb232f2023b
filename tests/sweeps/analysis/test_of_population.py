"""Sensitivity of a population run: known influences are found, weights count, scenarios name the right people."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import pulsatile as pu
from pulsatile.engine.dataset import template
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.simulate import covariates_of
from pulsatile.sweeps.analysis.analyse import analyse, extrapolations
from pulsatile.sweeps.analysis.inputs import independent, inputs_of
from pulsatile.sweeps.analysis.of_population import of_population
from pulsatile.sweeps.analysis.result import Analysis
from pulsatile.sweeps.analysis.selection import Selection
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources

N = 400
SELECTION = Selection(("vat", "fasting_glucose", "clamp_m"), (1.0,), "control")
PAIR = "tesamorelin minus control"


def resolved_study(**change: Any) -> ResolvedStudy:
    data: dict[str, Any] = {
        "weeks": 1, "seed": 4, "population": {"named": "trial", "n": N},
        "arms": [{"name": "control", "preset": "control"}, {"name": "tesamorelin", "preset": "tesamorelin_label"}],
        "outputs": {"names": ["vat"], "every": "1 week"},
        "tests": [{"test": "fasting", "weeks": [1]}, {"test": "clamp", "weeks": [1]}],
    }  # fmt: skip
    return resolve(study_from(data | change, "study"))


def results(resolved: ResolvedStudy, cohort: Cohort) -> xr.Dataset:
    """Return results in which each output follows inputs in a known way.

    VAT: own VAT at the start, treated 10 % less where waist is above its median.  Fasting glucose: ln k_insulin, and
    noise of the same variance.  Clamp: its paired difference is 0.1 (BMI - 33).
    """
    p, c = cohort.parameters, cohort.covariates
    plan, arms = resolved.plan(), resolved.arms
    empty = template(cohort.patient, arms, plan, covariates_of(cohort))
    found = empty.copy(data={name: np.array(v.values, v.dtype) for name, v in empty.data_vars.items()})
    found = found.assign_coords({name: ("patient", np.asarray(c[name], float)) for name in covariates_of(cohort)})
    found["status"][:] = 0
    start = c["own_vat"]
    large = c["waist"] > np.median(c["waist"])
    for a, factor in enumerate((np.ones(len(cohort)), np.where(large, 0.9, 1.0))):
        found["vat"][a, :, 0], found["vat"][a, :, 1] = start, start * factor
        found["fasting_glucose"][a, :, 0] = standard(np.log(p["k_insulin"])) + noise(len(cohort))
        found["clamp_m"][a, :, 0] = 5 + a * 0.1 * (c["bmi"] - 33)
    return found


def standard(x: Any) -> Any:
    return (x - x.mean()) / x.std()


def noise(n: int) -> Any:
    return np.random.default_rng(7).standard_normal(n)


@pytest.fixture(scope="module")
def case() -> tuple[ResolvedStudy, xr.Dataset]:
    resolved = resolved_study()
    return resolved, results(resolved, resolved.cohort(0, N))


@pytest.fixture(scope="module")
def found(case: tuple[ResolvedStudy, xr.Dataset]) -> Analysis:
    return of_population(case[1], case[0], engine_hash(), SELECTION, resamples=10)


def s1(found: Analysis, output: str, arm: str, factor: str, name: str = "S1") -> float:
    return float(found.indices[name].sel(output=output, arm=arm, factor=factor, week=1))


def test_known_influences_are_found(found: Analysis) -> None:
    assert s1(found, "vat", "control", "own_vat") > 0.98
    assert s1(found, "fasting_glucose", "control", "k_insulin") == pytest.approx(0.5, abs=0.1)
    low, high = (s1(found, "fasting_glucose", "control", "k_insulin", end) for end in ("S1_low", "S1_high"))
    assert low < 0.5 < high
    assert s1(found, "fasting_glucose", "control", "k_remote", "S1_low") < 0.05
    assert s1(found, "clamp_m", PAIR, "bmi") > 0.98
    assert np.isnan(s1(found, "clamp_m", "control", "bmi"))  # it does not vary there
    assert found.indices["unit"].values.tolist() == ["cm^2", "mmol/L", "mg/kg/min"]


def test_rank_correlations_tell_the_sign_with_all_others_held(found: Analysis) -> None:
    # the partial correlation of x in x + noise of equal variance is sqrt(1/2); in ranks a little less
    assert s1(found, "fasting_glucose", "control", "k_insulin", "prcc") == pytest.approx(0.7, abs=0.08)
    assert s1(found, "fasting_glucose", "control", "k_insulin", "p_value") < 1e-6
    # waist goes with BMI, and by itself does nothing to the clamp: an index alone does not say so
    assert s1(found, "clamp_m", PAIR, "waist") > 0.5
    assert s1(found, "clamp_m", PAIR, "bmi", "prcc") > 0.9


def test_shapley_effects_are_shares_of_the_whole_variance_of_all_inputs(found: Analysis) -> None:
    assert found.shapley is not None
    vat = found.shapley.sel(output="vat", arm="control")
    assert float(vat["shapley"].sum()) == pytest.approx(1)
    assert float(vat["explained"]) > 0.99
    assert float(vat["shapley"].sel(member="unexplained")) == pytest.approx(1 - float(vat["explained"]))
    clamp = found.shapley.sel(output="clamp_m", arm=PAIR)["shapley"]
    assert float(clamp.sel(member="bmi")) > float(clamp.sel(member="waist")) > 0  # what goes with BMI shares in it
    # a drawn parameter leads here; half of the variance is noise, and is not given to anybody
    glucose = found.shapley["shapley"].sel(output="fasting_glucose", arm="control")
    assert float(glucose.sel(member="k_insulin")) == pytest.approx(0.5, abs=0.1)
    assert float(glucose.sel(member="unexplained")) == pytest.approx(0.5, abs=0.1)
    rows = found.tables["shapley_effects"].groupby(["output", "arm"])
    assert rows["shapley"].sum().to_numpy() == pytest.approx(1)
    assert (rows.tail(1)["member"] == "unexplained").all()


def test_inputs_that_explain_next_to_nothing_get_no_shares(case: tuple[ResolvedStudy, xr.Dataset]) -> None:
    # covariates do not tell k_insulin
    told = of_population(case[1], case[0], engine_hash(), SELECTION, handful=("age", "bmi"), resamples=0)
    assert told.shapley is not None
    assert np.isnan(told.shapley["explained"].sel(output="fasting_glucose", arm="control"))
    assert np.isfinite(told.shapley["explained"].sel(output="clamp_m", arm=PAIR))
    sentence = r"no Shapley effects of fasting_glucose, control: its inputs explain \d% of the variance, and shares of"
    assert any(re.match(sentence, note) for note in told.notes)
    assert "fasting_glucose" not in set(told.tables["shapley_effects"]["output"])


def test_scenarios_name_who_gains_and_who_responds(found: Analysis) -> None:
    told = {(story.arm, story.event): story for story in found.stories}
    gain, lose = (told[PAIR, f"{verb} insulin sensitivity"] for verb in ("gain", "lose"))
    assert gain.box is not None
    assert [(limit.name, limit.side) for limit in gain.box.limits] == [("bmi", "above")]
    # the largest box of which 80 % are cases begins somewhat below 33, and holds them all
    assert 32 < gain.box.limits[0].value < 33
    assert gain.box.coverage == 1
    assert 0.8 <= gain.box.density < 0.9
    assert int(gain.cases.sum() + lose.cases.sum()) == N
    respond = told["tesamorelin", "respond in visceral fat"]
    assert respond.box is not None
    assert (respond.box.limits[0].name, respond.box.limits[0].side) == ("waist", "above")
    control = told["control", "respond in visceral fat"]
    assert control.box is None
    assert f"0 of {N} patients respond in visceral fat" in control.sentence
    assert "Too few of a kind" in control.sentence
    assert "Patients with bmi above 32." in gain.sentence


def test_kinetics_of_the_drugs_are_inputs(case: tuple[ResolvedStudy, xr.Dataset]) -> None:
    inputs = inputs_of(case[1], case[0], engine_hash())
    assert {"cl of tesamorelin", "ka of tesamorelin", "ec50 of tesamorelin"} <= set(inputs.names)
    assert "vat0" not in inputs.names  # the covariate own_vat again
    assert any("vat0" in note for note in inputs.notes)
    assert inputs.names[inputs.covariates - 1] in case[1].coords
    # what the run-in sets is no input
    assert not {"igf1_emax", "lipolytic0", "egp_max"} & set(inputs.names)


def test_another_engine_leaves_the_covariates(case: tuple[ResolvedStudy, xr.Dataset]) -> None:
    inputs = inputs_of(case[1], case[0], "another")
    assert len(inputs.names) == inputs.covariates > 5
    assert "another version" in inputs.notes[0]


def test_failed_runs_and_strange_inputs_are_left_out(case: tuple[ResolvedStudy, xr.Dataset]) -> None:
    resolved, dataset = case
    worse = dataset.copy(deep=True)
    worse["status"][1, :100] = 1
    worse = worse.assign_coords(waist=("patient", np.where(np.arange(N) < 5, np.nan, worse["waist"])))
    found = of_population(worse, resolved, engine_hash(), SELECTION, resamples=0)
    assert found.indices["n_effective"].sel(output="vat", week=1).values.tolist() == [N - 5, N - 100, N - 100]
    assert any(note.startswith(f"5 of {N} patients") for note in found.notes)
    assert f"of {N - 100} patients" in next(s.sentence for s in found.stories if s.arm == PAIR)


def test_weights_count(case: tuple[ResolvedStudy, xr.Dataset]) -> None:
    resolved, dataset = case
    noisy = dataset.copy(deep=True)
    heavy = noisy["sex"].values == 0
    # of men glucose follows k_insulin alone, of women nothing
    noisy["fasting_glucose"][:, ~heavy, 0] = noise(int((~heavy).sum()))
    noisy["fasting_glucose"][:, heavy, 0] = np.log(resolved.cohort(0, N).parameters["k_insulin"][heavy])
    weights = np.where(heavy, 1.96, 0.04)
    weighted = noisy.assign_coords(prevalence=("patient", weights))
    plain, found = (of_population(ds, resolved, engine_hash(), SELECTION, resamples=0) for ds in (noisy, weighted))
    assert s1(found, "fasting_glucose", "control", "k_insulin") > s1(plain, "fasting_glucose", "control", "k_insulin")
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert float(found.indices["n_effective"][0, 0, 0]) == pytest.approx(effective)
    # the sample of the methods without weights is of men, nearly
    included = found.inputs.included(0)
    assert heavy[included].mean() > 0.9
    assert any("proportional to the prevalence weight" in note for note in found.notes)


def test_columns_that_others_tell_are_dropped() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 200))
    kept, told = independent({"a": a, "cube": a**3, "b": b, "near": a + 0.1 * b})
    assert kept == ["a", "b", "near"]
    assert told == ["cube"]
    many = {f"x{k}": x[:12] for k, x in enumerate(rng.standard_normal((20, 200)))}
    assert independent(many)[1] == []  # of 12 patients 20 columns are dependent by chance


def test_tables_and_sentences(found: Analysis, tmp_path: Path) -> None:
    paths = found.save(tmp_path)
    assert [path.name for path in paths] == ["indices.csv", "shapley_effects.csv", "sensitivity.txt"]
    assert found.inputs is not None
    lines = paths[0].read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("output,arm,week,factor,kind,unit,S1,S1_low,S1_high,prcc,p_value")
    assert len(lines) == 1 + 3 * 3 * len(found.inputs.names)
    assert repr(found).startswith("<Analysis of a population: given data: first-order indices")
    assert f"S1, prcc of 3 outputs, {len(found.inputs.names)} factors, 3 arms, 1 week" in repr(found)
    told = "\n".join(found.sentences)
    assert (tmp_path / "sensitivity.txt").read_text(encoding="utf-8").startswith(told)
    assert "Visceral fat, control, week 1: S1 of own_vat " in told
    assert "without assay noise" in told


def test_bad_input_is_told_in_one_sentence(case: tuple[ResolvedStudy, xr.Dataset], tmp_path: Path) -> None:
    resolved, dataset = case

    def refused(match: str, selection: Selection = SELECTION, part: xr.Dataset = dataset, **arguments: Any) -> None:
        with pytest.raises(InputError, match=match) as caught:
            of_population(part, resolved, engine_hash(), selection, resamples=0, **arguments)
        assert "\n" not in str(caught.value)

    refused("contrast = 'placebo' is not an arm", Selection(("vat",), (1.0,), "placebo"))
    refused("'hba2' is not in the results", Selection(("hba2",), (1.0,)))
    refused("not measured in week 3", Selection(("vat",), (3.0,)))
    refused("'shoes' is not an input", handful=("shoes",))
    refused("40 runs are too few", part=dataset.isel(patient=slice(0, 40)))
    with pytest.raises(FolderRefuses):
        analyse(tmp_path, SELECTION)


def test_a_real_run(tmp_path: Path) -> None:
    study = study_from(
        {
            "weeks": 1, "seed": 4, "population": {"n": 56, "phenotype": "obese"},
            "arms": [{"name": "control", "preset": "control"}, {"name": "rhGH", "preset": "rhgh_mid"}],
            "outputs": {"names": ["vat"], "every": "1 week"}, "tests": [{"test": "fasting", "weeks": [1]}],
        }, "study",
    )  # fmt: skip
    run(study, tmp_path / "run", Resources(workers=0))
    found = analyse(tmp_path / "run", Selection(("vat", "fasting_homa_ir"), (1.0,), "control"), resamples=10)
    assert s1(found, "fasting_homa_ir", "control", "insulin_basal") > 0.8
    assert any("no PRCC" in note for note in found.notes)
    assert {story.event for story in found.stories} >= {"gain insulin sensitivity", "respond in visceral fat"}


def test_arms_that_extrapolate_are_noted_in_every_analysis() -> None:
    arms = [pu.preset("control"), pu.preset("ipamorelin_200_hs"), pu.preset("rhgh_low")]
    dataset = pu.template([1, 2], arms, pu.Plan(1.0, outputs=("igf1",)))
    (note,) = extrapolations(dataset)
    assert note.startswith("extrapolation (ipamorelin_200_hs): no trial gave people")
    assert extrapolations(dataset.isel(arm=[0, 2])) == ()
