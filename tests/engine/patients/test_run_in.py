from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.drugs.dosing import preset
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.batch import Result, integrate
from pulsatile.engine.kernel.events import BLOCK_HOURS
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.patients import run_in as under_test
from pulsatile.engine.patients.cohort import PHENOTYPES, Cohort, virtual_cohort
from pulsatile.engine.patients.run_in import EMAX_LIMIT, MOST_PASSES, PACKED, TOLERANCE, Baseline, run_in, unpacked
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.engine.states import REST, STATE_INDEX

COHORT = virtual_cohort(24, dict.fromkeys(PHENOTYPES, 1.0), seed=2)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return run_in(COHORT)


def changed(cohort: Cohort, field: str, values: object) -> Cohort:
    parameters = cohort.parameters.copy()
    parameters[field] = values
    return Cohort(cohort.seed, cohort.patient, cohort.covariates, parameters, cohort.layers)


def test_everybody_comes_to_rest(baseline: Baseline) -> None:
    assert np.all(baseline.status == Status.OK)
    assert np.all(baseline.passes >= 2)
    assert np.all(baseline.passes < MOST_PASSES)
    assert np.isfinite(baseline.y0).all()
    assert np.all(baseline.parameters["body_changes"] == 1)
    # body composition starts at its own reference, and no drug is in the body
    for state, field in (("vat", "vat0"), ("sat", "sat0"), ("lean", "lean0")):
        assert np.array_equal(baseline.y0[:, STATE_INDEX[state]], baseline.parameters[field])
    for state, rest in REST.items():
        assert np.all(baseline.y0[:, STATE_INDEX[state]] == rest)


def test_the_cohort_is_left_alone(baseline: Baseline) -> None:
    assert np.all(COHORT.parameters["body_changes"] == 1)
    assert (
        COHORT.parameters.tobytes() == virtual_cohort(24, dict.fromkeys(PHENOTYPES, 1.0), seed=2).parameters.tobytes()
    )


def test_a_packed_run_in_is_made_whole_bit_for_bit(baseline: Baseline) -> None:
    """Also of patients that are not run, or that fail; and the run-in changes nothing that is not packed."""
    parameters = COHORT.parameters.copy()
    for patient, field, value in ((1, "k_ffa", np.nan), (2, "pulse_rate", -1.0), (3, "glucose_basal", 60.0)):
        parameters[field][patient] = value
    parameters["sens_muscle_ref"][4] = np.nan  # the run-in computes it itself
    absurd = replace(COHORT, parameters=parameters)
    for cohort, found in ((COHORT, baseline), (absurd, run_in(absurd))):
        rows = found.packed()
        assert (rows.shape, rows.dtype) == ((len(cohort), len(PACKED)), np.float64)
        again = unpacked(cohort, rows.copy())
        for name in ("parameters", "y0", "status", "passes"):
            one, other = getattr(found, name), getattr(again, name)
            assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes()), name
        for mine, theirs in zip(found.block, again.block, strict=True):
            assert (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes())
    assert np.flatnonzero(found.status).tolist() == [1, 2, 3]


def test_reference_means_are_those_of_the_own_block(baseline: Baseline) -> None:
    """One block more with the final constants, IGF-1 frozen at the target as in the run-in, has the stored means."""
    frozen, y = baseline.parameters.copy(), baseline.y0.copy()
    frozen["body_changes"] = 0
    y[:, STATE_INDEX["igf1"]] = frozen["igf1_target"]
    again = _block(frozen, y, baseline)
    for field, name in (("lipolytic0", "lipolysis_drive"), ("socs0", "socs"), ("p85_0", "p85_target")):
        np.testing.assert_allclose(again.mean[:, 0, WATCH.index(name)], frozen[field], rtol=2 * TOLERANCE)


def test_the_start_is_where_the_block_ends(baseline: Baseline) -> None:
    """The untreated state is periodic: IGF-1, p85 and the fast states are back after 28 days."""
    again = _block(baseline.parameters, baseline.y0, baseline)
    for name in ("igf1", "p85", "gh_store", "glucose", "insulin", "ffa"):
        end = again.y[:, 0, STATE_INDEX[name]]
        np.testing.assert_allclose(end, baseline.y0[:, STATE_INDEX[name]], rtol=2e-3, err_msg=name)


def _block(parameters: Any, y: Any, baseline: Baseline) -> Result:
    return integrate(
        parameters, y, baseline.block, None,
        start=0.0, times=np.array([BLOCK_HOURS]), window=BLOCK_HOURS, groups=(),
    )  # fmt: skip


def test_untreated_igf1_is_the_target(baseline: Baseline) -> None:
    """Over whole blocks of 28 days, from the first on."""
    plan = Plan(weeks=12, reductions=("igf1_mean",), reduce_every=BLOCK_HOURS)
    ds = simulate(COHORT, (preset("control"),), plan, baseline=baseline)
    ratio = ds.igf1_mean.values[0] / COHORT.parameters["igf1_target"][:, None]
    assert np.all(np.abs(ratio - 1) < 0.01)
    assert abs(ratio.mean() - 1) < 0.002


def test_fasting_state_is_near_the_own_basal(baseline: Baseline) -> None:
    ds = simulate(COHORT, (preset("control"),), Plan(1, tests=(TestAt("fasting", (0,)),)), baseline=baseline)
    for name in ("glucose", "insulin", "ffa"):
        ratio = ds[f"fasting_{name}"].values[0, :, 0] / COHORT.parameters[f"{name}_basal"]
        assert np.all(np.abs(np.log(ratio)) < 0.35), name
        assert abs(np.median(ratio) - 1) < 0.1, name


def test_igf1_production_of_the_patients(baseline: Baseline) -> None:
    p = baseline.parameters
    needed = p["k_igf1"] * p["igf1_target"]
    assert np.all(p["igf1_emax"] > 0)
    assert np.all(p["igf1_emax"] <= EMAX_LIMIT)
    free = p["igf1_emax"] < EMAX_LIMIT
    assert np.all(p["igf1_base"][free] <= 0.3 * needed[free] * (1 + 1e-12))
    np.testing.assert_allclose(
        p["igf1_base"][free], np.minimum(COHORT.parameters["igf1_base"], 0.3 * needed)[free], rtol=1e-9
    )


def test_what_the_largest_production_cannot_give_is_independent_of_gh() -> None:
    cohort = changed(virtual_cohort(2, "obese", seed=2), "igf1_target", np.array([2000.0, 80.0]))
    p = run_in(cohort).parameters
    assert p["igf1_emax"][0] == EMAX_LIMIT
    assert p["igf1_base"][0] > 0.3 * p["k_igf1"][0] * 2000
    assert p["igf1_emax"][1] < EMAX_LIMIT
    ds = simulate(cohort, (preset("control"),), Plan(4))
    assert ds.igf1.values[0, 0, -1] == pytest.approx(2000, rel=0.02)


def test_little_gh_dependence_for_a_low_target() -> None:
    p = run_in(changed(virtual_cohort(1, "obese", seed=2), "igf1_target", 20.0)).parameters
    np.testing.assert_allclose(p["igf1_base"], 0.3 * p["k_igf1"] * 20)


def test_untreated_states_beyond_belief_are_refused() -> None:
    # GH leaks without end: mean GH far above 20 ug/L
    found = run_in(changed(virtual_cohort(2, "lean", seed=2), "gh_leak", np.array([1e4, 5.0])))
    assert found.status.tolist() == [Status.IMPLAUSIBLE, Status.OK]
    assert np.isnan(found.y0[0]).all()


def test_who_cannot_be_run_has_no_events() -> None:
    found = run_in(changed(virtual_cohort(3, "lean", seed=2), "pulse_rate", np.array([12.0, np.nan, 12.0])))
    assert found.status.tolist() == [Status.OK, Status.NOT_FINITE, Status.OK]
    assert np.diff(found.block.ptr)[1] == 0
    assert found.passes[1] == 0
    assert run_in(changed(virtual_cohort(2, "lean", seed=2), "k_gh", np.nan)).status.tolist() == [3, 3]


def test_the_first_guess_does_not_matter(baseline: Baseline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "GH_GUESS", 3.0)
    other = run_in(COHORT)
    for field in ("lipolytic0", "socs0", "p85_0", "igf1_emax"):
        np.testing.assert_allclose(other.parameters[field], baseline.parameters[field], rtol=5e-3)


@pytest.mark.slow
def test_untreated_patients_stay_as_they_are_for_a_year(capsys: pytest.CaptureFixture[str]) -> None:
    weeks = (0, 4, 12, 26, 39, 52)
    plan = Plan(
        weeks=52, every=168.0, outputs=("vat_change", "sat_change", "lean_change"),
        reductions=("igf1_mean", "glucose_mean"), reduce_every=BLOCK_HOURS, tests=(TestAt("fasting", weeks),),
    )  # fmt: skip
    lines = ["untreated for 52 weeks, 64 patients each", "phenotype   VAT % mean   SD  max|.|   SAT %  lean kg"]
    lines[1] += "   IGF-1 %/y   fasting glucose mmol/L/y   mean glucose %/y"
    for phenotype in PHENOTYPES:
        ds = simulate(virtual_cohort(64, phenotype, seed=1), (preset("control"),), plan, threads=2)
        assert np.all(ds.status == Status.OK), phenotype
        vat, sat, lean = (ds[f"{name}_change"].values[0, :, -1] for name in ("vat", "sat", "lean"))
        years = np.arange(ds.sizes["window"]) / 13
        igf1 = ds.igf1_mean.values[0] / ds.igf1_mean.values[0, :, :1]
        slopes = 100 * np.polyfit(years[1:], igf1[:, 1:].T, 1)[0]
        mean_glucose = 100 * np.polyfit(years, (ds.glucose_mean.values[0] / ds.glucose_mean.values[0, :, :1]).T, 1)[0]
        glucose = np.polyfit(np.array(weeks) / 52, ds.fasting_glucose.values[0].T, 1)[0]
        lines.append(
            f"{phenotype:10s}   {vat.mean():+.3f}   {vat.std(ddof=1):.3f}   {np.abs(vat).max():.3f}   "
            f"{sat.mean():+.3f}   {lean.mean():+.4f}   {slopes.mean():+.3f} (SD {slopes.std(ddof=1):.3f})   "
            f"{glucose.mean():+.4f} (SD {glucose.std(ddof=1):.4f})   {mean_glucose.mean():+.4f}"
        )
        assert abs(vat.mean()) < 0.5, lines[-1]
        assert abs(slopes.mean()) < 0.5, lines[-1]
        # no trend: none beyond twice its standard error and 0.02 mmol/L a year
        assert abs(glucose.mean()) < 0.02 + 2 * glucose.std(ddof=1) / 8, lines[-1]
        assert abs(mean_glucose.mean()) < 0.2, lines[-1]
    with capsys.disabled():
        print("\n" + "\n".join(lines))
