"""The variance budget: known components come back, contrasts have their own, failures and bad input are told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kurtosis, t, ttest_1samp

from benchmarks.budget import LAYOUTS, TRUTH, main, measure
from benchmarks.coverage import GAIN as GAIN_OF_ARM
from benchmarks.coverage import budget as coverage
from pulsatile.engine import draws as random
from pulsatile.engine.drugs.dosing import arm_parameters
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.noise import ASSAY_CV
from pulsatile.sweeps.analysis.budget import COMPONENTS, variance_budget
from pulsatile.sweeps.analysis.budget_estimate import BudgetEstimate, jackknifed
from pulsatile.sweeps.analysis.budget_result import VarianceBudget
from pulsatile.sweeps.analysis.budget_runs import BudgetSize, on_occasion, run_layout, under_draw
from pulsatile.sweeps.contrast import ALL_ARMS
from pulsatile.sweeps.sensitivity.anova import Crossed, normal_interval
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study, study_from

MEAN = 120.0
SD = {"uncertainty": 1.0, "patients": 2.0, "uncertainty x patients": 0.7, "occasions": 1.5}
GAIN, GAIN_SD = 3.0, 0.8  # of the second arm: what it adds in the mean, and how it differs between patients
ERROR = 0.05  # of the integration at rtol 1e-6


def study(**change: Any) -> Study:
    data: dict[str, Any] = {
        "weeks": 1, "seed": 3, "population": {"named": "trial", "n": 4},
        "arms": [{"name": "control", "preset": "control"}, {"name": "tesamorelin", "preset": "tesamorelin_label"}],
        "outputs": {"names": ["vat", "igf1_sds"], "every": "1 week"},
    }  # fmt: skip
    return study_from(data | change, "study")


def draws(name: str, *key: Any) -> Any:
    """Standard normals of a key: a function of the name, a 62-bit id and a counter."""
    return random.normals(9, key[0], random.layer(name), key[1] if len(key) > 1 else 0)


def known(cohort: Cohort, arms: Any, plan: Any, threads: int = 1) -> xr.Dataset:
    """Return a run whose values have the components SD; IGF-1 SDS is exactly constant."""
    draw, who = cohort.layers.uncertainty, cohort.patient
    value = MEAN + SD["uncertainty"] * draws("u", np.array([draw])) + SD["patients"] * draws("p", who)
    value = (
        value + SD["uncertainty x patients"] * draws("up", who, draw) + SD["occasions"] * draws("o", cohort.day_keys)
    )
    value = value + ERROR * plan.solver.rtol / 1e-6
    treated = value + GAIN + GAIN_SD * draws("gain", who)
    vat = np.stack([value if arm.name == "control" else treated for arm in arms])[:, :, None]
    time = ("time", [168.0], {"units": "h"})
    return xr.Dataset(
        {
            "vat": (("arm", "patient", "time"), vat, {"units": "cm2"}),
            "igf1_sds": (("arm", "patient", "time"), np.full_like(vat, 0.5), {"units": "1"}),
            "status": (("arm", "patient"), np.zeros(vat.shape[:2], np.int8)),
        },
        {"arm": [arm.name for arm in arms], "patient": who, "time": time},
    )


@pytest.fixture(scope="module")
def whole() -> VarianceBudget:
    size = BudgetSize(draws=24, patients=100, occasions=2)
    return variance_budget(study(), contrast="control", size=size, simulate=known)


@pytest.fixture(scope="module")
def budget(whole: VarianceBudget) -> xr.Dataset:
    return whole.dataset


def at(budget: xr.Dataset, component: str, arm: str, name: str = "variance", output: str = "vat") -> float:
    return float(budget[name].sel(component=component, arm=arm, output=output, week=1))


def test_known_components_come_back(budget: xr.Dataset) -> None:
    for component, sd in SD.items():
        assert at(budget, component, "control") == pytest.approx(sd**2, rel=0.3), component
        for arm in ("control", ALL_ARMS):
            low, high = (at(budget, component, arm, name) for name in ("low", "high"))
            extra = GAIN_SD**2 / 2 if arm == ALL_ARMS and component == "patients" else 0.0
            assert low < sd**2 + extra < high, (component, arm)
    assert at(budget, "numerical", "control") == pytest.approx((0.99 * ERROR) ** 2)
    assert at(budget, "residual", "control") == pytest.approx((MEAN * ASSAY_CV["vat"]) ** 2, rel=0.05)
    assert at(budget, "arm", ALL_ARMS) == pytest.approx(GAIN**2 / 4, rel=0.15)
    assert np.isnan(at(budget, "arm", "control"))


def test_the_contrast_keeps_only_what_differs_between_arms(budget: xr.Dataset) -> None:
    pair = "tesamorelin minus control"
    assert at(budget, "patients", pair) == pytest.approx(GAIN_SD**2, rel=0.4)
    for component in ("uncertainty", "uncertainty x patients", "occasions", "numerical"):
        assert at(budget, component, pair) == pytest.approx(0, abs=1e-9), component
    assert float(budget["mean"].sel(arm=pair, output="vat", week=1)) == pytest.approx(GAIN, abs=0.3)


def test_shares_add_up_and_are_told(whole: VarianceBudget, budget: xr.Dataset) -> None:
    vat = budget.sel(output="vat")
    np.testing.assert_allclose(vat["share"].sum("component"), 1, rtol=1e-12)
    np.testing.assert_allclose(vat["variance"].sum("component"), vat["total"], rtol=1e-12)
    assert budget["unit"].values.tolist() == ["cm2", "1"]
    assert np.isnan(budget["share"].sel(output="igf1_sds")).all()
    told = whole.sentences
    assert any(line == "igf1_sds, control, week 1: does not vary." for line in told)
    first = next(line for line in told if line.startswith("vat, tesamorelin, week 1"))
    assert first.index("residual") < first.index("patients") < first.index("occasions")  # 23, 4 and 2.25 cm4
    lines = whole.csv_text().splitlines()
    assert len(lines) == 1 + 2 * 4 * len(COMPONENTS)
    assert sum("no relative assay noise" in line for line in lines) == 4


def test_the_kind_of_a_row_is_told_beside_its_name(whole: VarianceBudget) -> None:
    assert whole.dataset["kind"].values.tolist() == ["arm", "arm", "contrast", "all arms"]
    lines = [line.split(",") for line in whole.csv_text().splitlines()]
    assert lines[0][:6] == ["output", "unit", "arm", "kind", "week", "component"]
    assert {(line[2], line[3]) for line in lines[1:]} == {
        ("control", "arm"), ("tesamorelin", "arm"), ("tesamorelin minus control", "contrast"), ("all arms", "all arms"),
    }  # fmt: skip
    assert repr(whole).splitlines() == [
        "VarianceBudget of vat, igf1_sds, week 1: control, tesamorelin, tesamorelin minus control, all arms",
        "24 draws x 100 patients x 2 occasions; sentences, dataset, save(folder)",
    ]


def test_a_negative_estimate_is_shown_with_words() -> None:
    def equal_patients(cohort: Cohort, arms: Any, plan: Any, threads: int = 1) -> xr.Dataset:
        found = known(cohort, arms, plan)
        return found.assign(vat=found["vat"] * 0 + draws("o", cohort.day_keys)[None, :, None])

    found = variance_budget(study(), ("vat",), size=BudgetSize(3, 4, 2, 2), simulate=equal_patients, seed=1)
    below = found.dataset["variance"].values < 0
    assert below.any()  # of three components whose true value is 0
    assert all("estimated below 0" in note for note in found.dataset["note"].values[below])
    assert (found.dataset["low"].values[below] < 0).all()
    assert "estimated below 0" in " ".join(found.sentences)


def test_components_are_unbiased_and_intervals_hold() -> None:
    truth, rng, repeats = np.array([1.0, 4.0, 0.5, 2.0]), np.random.default_rng(5), 1000
    u, p, o = 4, 6, 2
    effects = [rng.normal(size=(*s, repeats)) for s in ((u, 1, 1), (1, p, 1), (u, p, 1), (u, p, o))]
    layout = Crossed.of(sum(v**0.5 * e for v, e in zip(truth, effects, strict=True)))
    squares = layout.mean_squares()
    found = layout.components(squares)
    error = found.std(axis=1) / np.sqrt(repeats)
    assert (abs(found.mean(axis=1) - truth) < 4 * error).all()
    low, high = normal_interval(layout, squares)
    inside = ((low <= truth[:, None]) & (truth[:, None] <= high)).mean(axis=1)
    assert (abs(inside - 0.95) < 0.035).all(), inside  # 4 SE


def test_the_wider_of_two_intervals_covers(capsys: pytest.CaptureFixture[str]) -> None:
    mean, coverage = measure(LAYOUTS[0], skewed=False, repeats=60, resamples=40)
    assert (coverage >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 60)).all(), coverage  # 4 SE
    assert len(mean) == len(TRUTH)
    main(["--quick"])
    assert "4 x 32 x 2" in capsys.readouterr().out


@pytest.mark.parametrize(("effects", "gain", "arms"), [
    ("normal", GAIN_OF_ARM, 2), ("log-normal", GAIN_OF_ARM, 2), ("log-normal", 0.0, 2), ("log-normal", 0.0, 4),
])  # fmt: skip
def test_intervals_of_arm_and_patients_cover(effects: str, gain: float, arms: int) -> None:
    """Less three standard errors of 150 repeats; log-normal patients are covered in 88 % (docs/sensitivity.md)."""
    of_arm, of_patients = coverage((8, 32, 2), effects, gain, 150, arms)
    assert of_arm >= 0.95 - 0.053
    assert of_patients >= (0.95 - 0.053 if effects == "normal" else 0.88 - 0.08)


def test_the_interval_of_two_arms_is_that_of_their_paired_difference_squared() -> None:
    """Without draws and occasions that matter it is Student's t of the patients' differences."""
    rng = np.random.default_rng(1)
    patients, gain = rng.normal(size=30), 2 + rng.normal(size=30)
    values = np.stack([patients, patients + gain], axis=1)[None, :, None, :, None, None] * np.ones((2, 1, 2, 1, 1, 1))
    half = ttest_1samp(gain, 0).confidence_interval(0.95)
    low, high = (
        end[0, -1, 0, 0] for end in BudgetEstimate(values, np.zeros((1, 2, 1, 1)), np.zeros(1)).ends(2, 0, 0.95)
    )
    assert (low, high) == pytest.approx((half.low**2 / 4, half.high**2 / 4))
    none = values.copy()
    none[..., 1, :, :] -= gain.mean()
    low, high = (end[0, -1, 0, 0] for end in BudgetEstimate(none, np.zeros((1, 2, 1, 1)), np.zeros(1)).ends(2, 0, 0.95))
    assert low <= 0 < high == pytest.approx(((half.high - half.low) / 2) ** 2 / 4)


def test_the_jackknife_of_the_log_is_that_of_a_variance() -> None:
    x = np.random.default_rng(2).normal(size=40)
    without = np.array([np.delete(x, i).var(ddof=1) for i in range(40)])
    low, high = jackknifed(np.array(x.var(ddof=1)), without, 0.95)
    pseudo = 40 * np.log(x.var(ddof=1)) - 39 * np.log(without)
    freedom = min(39, 2 * 40 / (kurtosis(pseudo, fisher=False) - 1))
    half = t.ppf(0.975, freedom) * pseudo.std(ddof=1) / np.sqrt(40)
    assert (np.log(low), np.log(high)) == pytest.approx((pseudo.mean() - half, pseudo.mean() + half))
    assert np.isnan(jackknifed(np.array(-1.0), without, 0.95)).all()


def test_failed_patients_are_left_out_everywhere_and_told() -> None:
    def one_fails(cohort: Cohort, arms: Any, plan: Any, threads: int = 1) -> xr.Dataset:
        found = known(cohort, arms, plan)
        bad = (found["patient"] == 2) & (cohort.layers.uncertainty == 2) & (found["arm"] == "control")
        return found.where(~bad)

    size = BudgetSize(3, 6, 2, 3)
    found = variance_budget(study(), ("vat",), size=size, simulate=one_fails)
    assert found.dataset.attrs["patients"] == 5
    assert found.dataset.attrs["checked"] == 2
    assert found.dataset.attrs["left_out"].startswith("1 of 6 patients")

    def all_fail(cohort: Cohort, arms: Any, plan: Any, threads: int = 1) -> xr.Dataset:
        found = known(cohort, arms, plan)
        return found.where(found["patient"] == 0)

    with pytest.raises(InputError, match="1 of 6 patients ran without failure"):
        variance_budget(study(), ("vat",), size=size, simulate=all_fail)


def test_an_occasion_is_the_same_patient_on_other_days() -> None:
    resolved = resolve(study())
    own, drawn = under_draw(resolved, 1, 4), under_draw(resolved, 2, 4)
    other = on_occasion(own, 3)
    assert on_occasion(own, 0) is own
    assert own.parameters.tobytes() == other.parameters.tobytes() != drawn.parameters.tobytes()
    arm = resolved.arms[1]
    assert arm_parameters(arm, own).tobytes() == arm_parameters(arm, other).tobytes()
    assert not set(own.day_keys) & set(other.day_keys)
    assert not other.layers.residual
    assert (drawn.layers.uncertainty, own.layers.uncertainty) == (2, 1)


def test_typical_values_are_drawn_for_phenotypes_too() -> None:
    resolved = resolve(study(population={"phenotype": "obese", "n": 4}))
    one, two = (under_draw(resolved, draw, 4).parameters for draw in (1, 2))
    ratio = two["k_insulin"] / one["k_insulin"]
    assert ratio[0] != 1
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_a_small_real_run(tmp_path: Path) -> None:
    small = study(
        outputs={"names": ["vat", "igf1"], "every": "1 week"}, tests=[{"test": "fasting", "weeks": [1]}],
    )  # fmt: skip
    size = BudgetSize(draws=3, patients=8, occasions=2, checked=2)
    budget = variance_budget(
        small, ("vat", "igf1", "fasting_glucose"), (1,), contrast="control", size=size, resamples=50
    )
    found = budget.dataset
    assert found["unit"].values.tolist() == ["cm^2", "ug/L", "mmol/L"]
    assert found.attrs["patients"] >= 6
    # people differ more in visceral fat than one of them does from day to day, in every arm
    for arm in ("control", "tesamorelin"):
        part = found["variance"].sel(output="vat", arm=arm, week=1)
        assert part.sel(component="patients") > 10 * abs(part.sel(component="occasions"))
        # a tolerance of 1e-6 is far below what patients differ by
        assert 0 < part.sel(component="numerical") < 1e-6 * part.sel(component="patients")
    paths = budget.save(tmp_path)
    assert [path.name for path in paths] == ["variance_budget.csv", "variance_budget.txt"]
    assert "not for clinical use" in paths[1].read_text(encoding="utf-8")


def refused(match: str, given: Study | ResolvedStudy | None = None, **arguments: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        variance_budget(study() if given is None else given, **({"simulate": known} | arguments))
    assert "\n" not in str(caught.value)


def test_bad_input_is_told_in_one_sentence() -> None:
    refused("'glucosse' is not in the results", outputs=("glucosse",))
    refused("not measured in week 7", weeks=(7,))
    refused("contrast = 'placebo'", contrast="placebo")
    refused("level = 2", level=2)
    design = study(population={"phenotype": "obese"}, design={"factors": ["v_gh"]})
    refused("leave the design out", design)
    same_days = study(population={"named": "trial", "n": 4, "layers": {"occasions": False}})
    refused("days do not differ", same_days)
    refused("leaves no room", study(solver={"rtol": 1e-11}))
    for arguments, match in (
        ({"draws": 1}, "draws = 1"), ({"occasions": 1}, "occasions = 1"), ({"patients": 2.5}, "patients = 2.5"),
        ({"checked": 50}, "more than the 32 patients"), ({"draws": 400, "occasions": 2}, "at most 500"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=match):
            BudgetSize(**arguments)  # type: ignore[arg-type]


def test_weighted_patients_are_refused() -> None:
    resolved = resolve(study())
    from pulsatile.sweeps.study.tables.table import PatientTable

    table = PatientTable.of({"patient": np.arange(4.0), "prevalence": np.ones(4)})
    population = resolved.population.model_copy(update={"table": table})
    refused("prevalence weights", resolved.model_copy(update={"population": population}))


def test_runs_are_the_study_s_own() -> None:
    resolved = resolve(study())
    seen: list[Cohort] = []

    def watching(cohort: Cohort, arms: Any, plan: Any, threads: int = 1) -> xr.Dataset:
        seen.append(cohort)
        return known(cohort, arms, plan)

    runs = run_layout(resolved, ("vat",), (1,), BudgetSize(2, 3, 2, 2), watching)
    assert runs.values.shape == (2, 3, 2, 2, 1, 1)
    assert len(seen) == 5
    assert len({int(key) for cohort in seen[:-1] for key in cohort.day_keys}) == 12  # no two runs share days
    first = replace(seen[0].layers, uncertainty=0)
    assert first == resolved.cohort(0, 1).layers
    assert runs.rtol == pytest.approx(1e-8)
