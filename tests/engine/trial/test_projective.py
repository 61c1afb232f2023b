"""Long horizons: projected body composition beside the same patients integrated every day, and never silent."""

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from benchmarks import projective as benchmark
from pulsatile.cli.main import main
from pulsatile.engine.dataset import template
from pulsatile.engine.drugs.dosing import Arm, Dose, preset
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.run_in import run_in
from pulsatile.engine.simulate import simulate
from pulsatile.engine.trial import treatment
from pulsatile.engine.trial.arms import check_arms
from pulsatile.engine.trial.horizon import BLOCK_DAYS, PROJECTED, SLOW, LongHorizon, Span, calendar
from pulsatile.engine.trial.plan import Plan, TestAt
from pulsatile.sweeps.run.progress import PlainProgress
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.summary.summarise import summarise
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import Write

HORIZON = LongHorizon()
EXACT = HORIZON.settle_days + BLOCK_DAYS
ARMS = (preset("control"), preset("tesamorelin_label"), preset("rhgh_mid"))
COHORT = virtual_cohort(32, {"lean": 1, "obese": 1, "igt": 1, "ghd": 1}, seed=3)
TESTS = (TestAt("fasting", (0, 12, 26)), TestAt("clamp", (26,)), TestAt("profile", (26,)))
WHOLE = Plan(weeks=26, every=24.0, outputs=PROJECTED, tests=TESTS)
SKIPPING = Plan(weeks=26, every=24.0, outputs=PROJECTED, tests=TESTS, long_horizon=HORIZON)


@pytest.fixture(scope="module")
def pair() -> tuple[xr.Dataset, xr.Dataset]:
    baseline = run_in(COHORT)
    return simulate(COHORT, ARMS, WHOLE, baseline=baseline), simulate(COHORT, ARMS, SKIPPING, baseline=baseline)


# --- the numbers ---


def test_days_integrated_in_full_are_those_of_the_full_run(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    whole, projected = pair
    for name in PROJECTED:
        np.testing.assert_array_equal(
            projected[name].values[..., : EXACT + 1], whole[name].values[..., : EXACT + 1], err_msg=name
        )
    assert np.any(projected.vat.values[..., EXACT + 8 :] != whole.vat.values[..., EXACT + 8 :])


def test_projected_body_composition_is_right(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    whole, projected = pair
    for name, most in (("vat", 3e-3), ("sat", 1e-3), ("lean", 1e-3)):
        error = np.abs(projected[name] / whole[name] - 1).values
        assert error.max() < most, name
        assert np.sqrt((error[..., -1] ** 2).mean()) < most / 5, name
    moved = np.abs(whole.vat - whole.vat[..., 0]).values[1:, :, -1].mean()
    assert np.abs(projected.vat - whole.vat).values[1:, :, -1].mean() < 0.01 * moved


def test_the_estimate_holds_the_error(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    whole, projected = pair
    for name in SLOW:
        error, estimate = np.abs(projected[name] - whole[name]).values, projected[f"{name}_projection_error"].values
        assert (estimate[..., : EXACT + 1] == 0).all()
        assert (np.diff(estimate / projected[name].values, axis=-1) >= -1e-12).all()
        assert (error <= estimate)[..., -1].mean() > 0.95, name
        assert (error <= estimate)[..., EXACT + 1 :].mean() > 0.9, name
        # and it is no empty bound: patients and arms with larger errors have larger estimates
        assert np.sqrt((estimate[..., -1] ** 2).mean()) < 0.005 * whole[name].values.mean(), name
        by_arm = np.sqrt((error[..., -1] ** 2).mean(1)), np.sqrt((estimate[..., -1] ** 2).mean(1))
        assert by_arm[0].argmin() == by_arm[1].argmin() == 0, name


def test_tests_are_run_in_full_from_a_state_that_has_burnt_in(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    whole, projected = pair
    for name in ("fasting_igf1", "fasting_insulin", "clamp_m", "profile_gh_mean"):
        np.testing.assert_allclose(projected[name].values, whole[name].values, rtol=4e-3, err_msg=name)
    np.testing.assert_array_equal(projected.fasting_gh.values[..., 0], whole.fasting_gh.values[..., 0])  # week 0


def test_the_plain_form_is_far_worse(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    level = pair[0].vat.values[1]
    error = np.abs(benchmark.plain(level, 14) / level[:, -1] - 1)
    assert np.sqrt((error**2).mean()) > 0.03


def test_a_regimen_that_changes_is_followed() -> None:
    cohort = virtual_cohort(4, "obese", seed=8)
    tesamorelin = Dose("tesamorelin", 2, "mg", "SC", (8.0,), start_week=1, stop_week=12)
    workdays = (
        Dose("ipamorelin", 200, "ug", "SC", (22.0,), days=(0, 1, 2, 3, 4)),
        Dose("cjc1295_no_dac", 100, "ug", "SC", (22.0,), days=(0, 1, 2, 3, 4), every_weeks=2),
    )
    arms = (Arm("stops", (tesamorelin,)), Arm("workdays", workdays))
    whole = simulate(cohort, arms, Plan(weeks=24, every=24.0, outputs=SLOW))
    projected = simulate(cohort, arms, Plan(weeks=24, every=24.0, outputs=SLOW, long_horizon=HORIZON))
    assert np.abs(projected.vat / whole.vat - 1).max() < 4e-3
    estimate = projected.vat_projection_error.values[0] / projected.vat.values[0]
    assert np.ptp(estimate[:, 84 : 84 + EXACT + 1], axis=1).max() < 1e-12  # the days after the change add nothing
    assert (np.diff(estimate[:, 7 + EXACT : 85], axis=1) > -1e-12).all()


def test_a_patient_does_not_depend_on_who_else_is_there() -> None:
    plan = Plan(weeks=10, outputs=SLOW, tests=(TestAt("fasting", (8,)),), long_horizon=HORIZON)
    cohort = virtual_cohort(5, "obese", seed=8)
    together = simulate(cohort, ARMS[1:2], plan, threads=2)
    alone = simulate(cohort.subset(np.array([3])), ARMS[1:2], plan)
    xr.testing.assert_identical(together.isel(patient=[3]), alone)


def test_a_patient_that_fails_disturbs_nobody() -> None:
    plan = Plan(weeks=8, outputs=SLOW, long_horizon=HORIZON)
    cohort = virtual_cohort(3, "obese", seed=8)
    baseline = run_in(cohort)
    good = simulate(cohort, ARMS[:1], plan, baseline=baseline)
    baseline.parameters["k_gh"][1] = 1e9  # hopelessly stiff, from the first day on
    bad = simulate(cohort, ARMS[:1], plan, baseline=baseline)
    assert bad.status.values[0, 1] != Status.OK
    assert np.isnan(bad.vat.values[0, 1]).all()
    assert np.isnan(bad.vat_projection_error.values[0, 1]).all()
    xr.testing.assert_identical(good.isel(patient=[0, 2]), bad.isel(patient=[0, 2]))


# --- which days ---


def test_spans_of_a_steady_regimen() -> None:
    spans = calendar(HORIZON, preset("control"), 12, (0, 10))
    assert spans == [
        Span(0, 42, 42, True), Span(53, 55, 54), Span(66, 68, 67), Span(68, 70, 69), Span(81, 83, 82), Span(83, 84, 83),
    ]  # fmt: skip


def test_spans_begin_anew_where_the_regimen_changes() -> None:
    dose = Dose("sermorelin", 300, "ug", "SC", (22.0,), start_week=9 / 7, stop_week=10)
    spans = calendar(HORIZON, Arm("late", (dose,)), 26, ())
    assert [s for s in spans if s.measured == s.stop] == [
        Span(0, 9, 9),
        Span(9, 51, 51, True),
        Span(70, 112, 112, True),
    ]
    assert all(a.stop <= b.start for a, b in pairwise(spans))
    assert spans[-1].stop == 182


def test_every_day_of_the_block_is_measured_sooner_or_later() -> None:
    horizon = LongHorizon(macro_days=21, measured_days=7)
    spans = calendar(horizon, preset("control"), 104, ())
    assert {day % BLOCK_DAYS for s in spans[1:] for day in range(s.measured, s.stop)} == set(range(BLOCK_DAYS))


# --- refusals ---


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"macro_days": 14}, "macro_days = 14 would measure the same or neighbouring days .* choose 13 or 15"),
        ({"macro_days": 28, "measured_days": 7}, "choose 25 or 31"),
        ({"macro_days": 27}, "neighbouring days .* choose 23 or 25"),
        ({"macro_days": 3, "burn_in_days": 2}, "leaves no day to skip"),
        ({"macro_days": 13.0}, "must be a whole number from 3 to 364"),
        ({"settle_days": 7}, "settle_days = 7 must be a whole number from 11 to 364"),
        ({"burn_in_days": True}, "burn_in_days = True must be"),
    ],
)
def test_horizons_without_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        LongHorizon(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"outputs": ("vat", "igf1")}, "output = 'igf1' cannot be kept with long_horizon"),
        ({"reductions": ("gh_mean",)}, "reduction = 'gh_mean' cannot be made"),
        ({"every": 1.0}, "every = 1 h with long_horizon must be whole days"),
        ({"weeks": 6}, "weeks = 6 with long_horizon must be whole and beyond day 44"),
        ({"weeks": 26.5}, "weeks = 26.5 with long_horizon must be whole"),
    ],
)
def test_what_a_projected_study_cannot_give(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Plan(**({"weeks": 26, "outputs": SLOW, "long_horizon": HORIZON} | settings))


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (preset("cjcdac_30_weekly"), "cjc1295_dac is felt for 70 days, longer than the 28"),
        (
            Arm("a", (Dose("hexarelin", 100, "ug", "SC", (8.0,)),)),
            "hexarelin settles in 28 days.*set settle_days to 28",
        ),
        (Arm("a", (Dose("tesamorelin", 2, "mg", "SC", (8.0,), every_weeks=3),)), "every 3 weeks does not repeat"),
        (Arm("a", (Dose("somatropin", 9, "mg", "pump", (0.0,), (0,), 4, duration=480.0),)), "settles in 20 days"),
    ],
)
def test_regimens_that_do_not_fit(arm: Arm, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_arms([arm], Plan(weeks=26, outputs=SLOW, long_horizon=HORIZON))


# --- never silent ---


def test_every_variable_says_so(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    whole, projected = pair
    for dataset in (projected, template(COHORT.patient, ARMS, SKIPPING)):
        assert dataset.attrs["integration"] == HORIZON.sentence
        for name, variable in dataset.data_vars.items():
            assert (variable.attrs.get("integration") == HORIZON.sentence) == (name != "status"), name
        assert dataset.vat_projection_error.attrs["units"] == dataset.vat.attrs["units"] == "cm^2"
    assert "integration" not in whole.attrs
    assert not any("integration" in v.attrs or str(n).endswith("_error") for n, v in whole.data_vars.items())
    assert set(projected.data_vars) - set(whole.data_vars) == {f"{name}_projection_error" for name in SLOW}
    only = template(COHORT.patient, ARMS, Plan(26, outputs=("vat_change",), long_horizon=HORIZON))
    assert set(only.data_vars) == {"vat_change", "vat_projection_error", "status"}


@pytest.fixture
def long(small: dict[str, Any]) -> dict[str, Any]:
    return small | {
        "weeks": 8, "outputs": {"names": ["vat", "lean"], "dtype": "float64"}, "long_horizon": {},
        "tests": [{"test": "fasting", "weeks": [0, 8]}],
    }  # fmt: skip


def test_studies_and_the_engine_have_the_same_defaults(long: dict[str, Any]) -> None:
    assert study_from(long, "study").long_horizon == HORIZON


def test_it_is_part_of_the_identity(long: dict[str, Any]) -> None:
    found = resolve(study_from(long, "study"))
    exact = resolve(study_from({k: v for k, v in long.items() if k != "long_horizon"}, "study"))
    other = resolve(study_from(long | {"long_horizon": {"macro_days": 15}}, "study"))
    assert len({found.identity, exact.identity, other.identity}) == 3
    again = ResolvedStudy.from_json(found.model_dump_json())
    assert again.identity == found.identity
    assert again.plan().long_horizon == HORIZON
    assert exact.plan().long_horizon is None
    assert exact.approximation == ""


def test_a_wrong_horizon_in_a_study_gets_one_sentence(long: dict[str, Any]) -> None:
    for change, words in (
        ({"long_horizon": {"macro_days": 28}}, "study: long_horizon: .* choose 25 or 31"),
        ({"outputs": {"names": ["igf1"]}}, "study: output = 'igf1' cannot be kept"),
        ({"outputs": {"names": ["vat"], "every": "6 h"}}, "study: every = 6 h with long_horizon"),
        ({"reductions": {"names": ["gh_mean"]}}, "study: reduction = 'gh_mean'"),
    ):
        with pytest.raises(InputError, match=words):
            study_from(long | change, "study")


def test_a_run_says_so_everywhere(long: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    with PlainProgress() as progress:
        outcome = run(study_from(long, "study"), out, Resources(chunk=2, threads=2), progress)
    sentence = HORIZON.sentence
    assert sentence in capsys.readouterr().err
    assert sentence in json.loads((out / "manifest.json").read_text())["approximation"]
    assert sentence in (out / "README.md").read_text()
    assert json.loads((out / "resolved.json").read_text())["long_horizon"]["macro_days"] == 13
    with (out / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(sentence in row["approximation"] for row in rows)
    assert all("ci95 leaves out the projection's error" in row["approximation"] for row in rows)
    stored = xr.open_zarr(out / "results.zarr", chunks=None)
    direct = simulate(outcome.resolved.cohort(0, 3), outcome.resolved.arms, outcome.resolved.plan())
    assert stored.attrs["integration"] == stored.vat.attrs["integration"] == sentence
    np.testing.assert_array_equal(stored.lean_projection_error.values, direct.lean_projection_error.values)
    largest = {row["variable"]: row["largest_projection_error"] for row in rows if row["week"] == "8"}
    assert float(largest["vat"]) == pytest.approx(float(direct.vat_projection_error[..., -1].max()), rel=1e-6)
    assert largest["fasting_igf1"] == ""  # a test is run in full


def test_rows_of_a_summary_say_so(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    whole, projected = pair
    stripped = projected.drop_attrs()
    for dataset, words in ((projected, HORIZON.sentence), (stripped, "projective integration"), (whole, "")):
        frame = summarise(dataset, "control").frame
        body = list(frame[frame["variable"].isin(SLOW) & (frame["arm"] == "control")].itertuples())
        assert len(body) == 3 * 3  # at weeks 0, 12 and 26
        for row in body:
            assert row.integration.startswith(words) == bool(words or not row.integration)
            assert np.isnan(row.projection_error) == (dataset is whole)
            if dataset is not whole:
                at = projected[f"{row.variable}_projection_error"].sel(time=168 * row.week)
                assert row.projection_error == float(at.max())


def test_the_example_in_a_run_folder_works(
    long: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(study_from(long, "study"), tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    code = (tmp_path / "run" / "README.md").read_text().split("```")[1].removeprefix("python\n")
    exec(compile(code, "README.md", "exec"), {})
    assert "tesamorelin" in capsys.readouterr().out


def test_the_command_line_says_so(long: dict[str, Any], tmp_path: Path, write: Write) -> None:
    path = write(long)
    for command in (["validate", str(path)], ["run", str(path), "--out", str(tmp_path / "a"), "--workers", "1"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        assert HORIZON.sentence in result.output
    assert "projective integration: an approximation" in result.output  # in the head of the table
    told = " ".join(result.output.split())
    assert "Largest estimated error of the projection: Visceral fat" in told
    assert "cm2, Lean mass" in told
    assert "the 95 % intervals leave it out" in told
    dry = CliRunner().invoke(main, ["run", str(path), "--dry-run"])
    assert HORIZON.sentence in dry.output


def test_an_exact_run_is_not_marked(small: dict[str, Any], tmp_path: Path) -> None:
    run(study_from(small, "study"), tmp_path / "run")
    assert "Every day is integrated" in (tmp_path / "run" / "README.md").read_text()
    assert "approximation" not in (tmp_path / "run" / "summary.csv").read_text()


def test_an_exact_run_does_not_go_through_the_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr(treatment, "project", never)
    simulate(virtual_cohort(1, "obese", seed=1), ARMS[:1], Plan(weeks=1))


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = benchmark.main(["--quick"])
    assert "| tesamorelin | 13, 1, 1 | 45 of 56 |" in capsys.readouterr().out
    assert all(row["vat"][0] < 0.2 for row in rows if "plain" not in row)
