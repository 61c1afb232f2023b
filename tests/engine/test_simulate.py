import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine import simulate as front
from pulsatile.engine.dataset import template
from pulsatile.engine.drugs.dosing import Arm, Dose, preset
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.run_in import run_in
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.engine.trial.arms import check_arms
from pulsatile.engine.trial.plan import REDUCTIONS
from pulsatile.engine.trial.protocols import TESTS

ARMS = (preset("control"), preset("tesamorelin_label"), preset("rhgh_mid"))
COHORT = virtual_cohort(6, "obese", seed=4)
FULL = Plan(
    weeks=2,
    every=24.0,
    outputs=tuple(OUTPUTS),
    reductions=tuple(f"{name}_{how}" for name in WATCH for how in REDUCTIONS),
    tests=tuple(TestAt(name, (0, 2)) for name in TESTS if not TESTS[name].spare),
)


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return simulate(COHORT, ARMS, FULL)


# --- the dataset ---


def test_structure(dataset: xr.Dataset) -> None:
    assert dict(dataset.sizes) == {
        "arm": 3, "patient": 6, "time": 15, "window": 2,
        **{f"{name}_week": 2 for name, test in TESTS.items() if not test.spare},
        **{f"{name}_time": len(test.times) for name, test in TESTS.items() if test.curves and not test.spare},
    }  # fmt: skip
    assert dataset.arm.values.tolist() == [arm.name for arm in ARMS]
    assert dataset.patient.values.tolist() == list(range(6))
    assert dataset.time.values.tolist() == [24.0 * k for k in range(15)]
    assert dataset.window.values.tolist() == [0.0, 168.0]
    assert dataset.clamp_week.values.tolist() == [0, 2]
    assert dataset.ivgtt_time.values[1] == pytest.approx(1 / 30)
    for name in ("age", "sex", "weight", "height", "bmi", "phenotype"):
        np.testing.assert_array_equal(dataset.coords[name], COHORT.covariates[name])
    assert dataset.igf1.dims == ("arm", "patient", "time")
    assert dataset.gh_mean.dims == ("arm", "patient", "window")
    assert dataset.clamp_m.dims == ("arm", "patient", "clamp_week")
    assert dataset.profile_gh.dims == ("arm", "patient", "profile_week", "profile_time")


def test_every_variable_says_what_it_is(dataset: xr.Dataset) -> None:
    for name, variable in dataset.data_vars.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
        assert variable.dtype == (np.int8 if name == "status" else np.float64)
    for name in OUTPUTS:
        assert dataset[name].attrs["description"]
    for name, coordinate in dataset.coords.items():
        assert coordinate.attrs["long_name"], name
    assert dataset.gh_auc.attrs["units"] == "ug/L*h"
    assert dataset.socs_auc.attrs["units"] == "h"
    assert dataset.clamp_m.attrs["units"] == "mg/kg/min"


def test_status_is_typed(dataset: xr.Dataset) -> None:
    assert dataset.status.dtype == np.int8
    assert dataset.status.values.tolist() == [[0] * 6] * 3
    assert dataset.status.attrs["flag_values"].tolist() == [int(s) for s in Status]
    assert dataset.status.attrs["flag_meanings"].split() == [s.name.lower() for s in Status]
    assert all(np.isfinite(dataset[name]).all() for name in dataset.data_vars)


def test_template_is_the_dataset_without_numbers(dataset: xr.Dataset) -> None:
    empty = template(COHORT.patient, ARMS, FULL)
    assert list(empty.variables) == list(dataset.variables)
    assert set(empty.coords) == set(dataset.coords)
    assert empty.attrs == dataset.attrs
    for name in map(str, dataset.variables):
        one, other = empty[name], dataset[name]
        assert (one.dims, one.shape, one.dtype) == (other.dims, other.shape, other.dtype), name
        assert one.attrs.keys() == other.attrs.keys()
        for key, value in one.attrs.items():
            assert np.array_equal(value, other.attrs[key])
        if name in dataset.coords and name not in front.COVARIATES:
            assert np.array_equal(one.values, other.values)
    assert np.all(empty.status == Status.NEVER_RUN)
    assert np.isnan(empty.gh_mean).all()


def test_template_of_a_large_run_takes_no_memory() -> None:
    big = template(np.arange(100_000), ARMS, Plan(52, every=1 / 6))
    assert big.vat.shape == (3, 100_000, 52 * 168 * 6 + 1)
    assert big.vat.variable._data.strides == (0, 0, 0)


def test_start_is_the_own_reference(dataset: xr.Dataset) -> None:
    start = dataset.isel(time=0)
    for name in ("vat_change", "sat_change", "lean_change"):
        assert np.all(start[name] == 0)
    np.testing.assert_allclose(start.igf1, np.tile(COHORT.parameters["igf1_target"], (3, 1)), rtol=0.15)


def test_drugs_act(dataset: xr.Dataset) -> None:
    end = dataset.isel(time=-1).mean("patient")
    control, tesamorelin, rhgh = (float(v) for v in end.igf1)
    assert tesamorelin > 1.2 * control
    assert rhgh > 1.2 * control
    assert end.vat_change.values[0] == pytest.approx(0, abs=0.3)
    assert np.all(end.vat_change.values[1:] < -0.3)


def test_progress_and_threads() -> None:
    seen: list[tuple[int, int]] = []
    simulate(COHORT, ARMS[:2], Plan(1), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(6, 12), (12, 12)]
    with pytest.raises(InputError, match="threads"):
        simulate(COHORT, ARMS, Plan(1), threads=0)


def test_nobody_at_all() -> None:
    nobody = simulate(COHORT.subset(np.arange(0)), ARMS[:1], Plan(1, tests=(TestAt("fasting", (0, 1)),)))
    assert nobody.sizes["patient"] == 0


# --- the grid and the windows ---


def test_grid_holds_start_and_end() -> None:
    assert Plan(1, every=100).times.tolist() == [0, 100, 168]
    assert Plan(0.5, every=24).times.tolist() == [0, 24, 48, 72, 84]
    assert Plan(1, every=1000).times.tolist() == [0, 168]
    assert Plan(1, reduce_every=100, reductions=("gh_mean",)).windows.tolist() == [0]


@pytest.mark.parametrize("every", [1 / 60, 0.1, 1 / 6, 0.3, 0.7, 1.1, 2 / 3])
def test_grid_of_a_longer_study_holds_the_shorter_bit_for_bit(every: float) -> None:
    short, long = Plan(1, every=every).times, Plan(3, every=every).times
    assert np.all(np.diff(short) > 1e-3)
    assert short[-1] == pytest.approx(168, abs=1e-9)
    inside = short[:-1]
    assert np.array_equal(long[: len(inside)], inside)


def test_a_fine_grid_takes_fewer_patients_at_once() -> None:
    assert front._patients_at_once(Plan(26)) >= 1000
    assert 1 <= front._patients_at_once(Plan(26, every=1 / 6)) < 32
    assert front._patients_at_once(Plan(520, every=1 / 60)) == 1


# --- reductions ---


def test_reductions_agree_with_a_fine_grid() -> None:
    names = ("gh", "glucose", "insulin", "ffa", "sens_muscle", "isr")
    length, step = 7.3, 1 / 60  # windows that no step, dose or grid point meets
    plan = Plan(
        weeks=1, every=step, outputs=names, reduce_every=length,
        reductions=tuple(f"{name}_{how}" for name in names for how in REDUCTIONS),
    )  # fmt: skip
    ds = simulate(COHORT.subset(np.arange(3)), ARMS[1:2], plan)
    assert ds.sizes["window"] == 23
    t = ds.time.values
    for name in names:
        fine = ds[name].values[0]
        found = {how: ds[f"{name}_{how}"].values[0] for how in REDUCTIONS}

        def within(k: int, margin: float, fine: Any = fine) -> Any:
            return fine[:, (t >= k * length - margin) & (t <= (k + 1) * length + margin)]

        for k in range(23):
            # edges fall between two samples: up to a minute is missed
            mean = np.trapezoid(within(k, 1e-9), axis=1) / (within(k, 1e-9).shape[1] - 1)
            np.testing.assert_allclose(found["mean"][:, k], mean, rtol=1e-2)
            # edges fall between two samples: up to a minute is missed on either side
            inside, around = within(k, 1e-9), within(k, 1 / 60)
            slack = 0.01 * around.max(axis=1)
            assert np.all(found["max"][:, k] >= inside.max(axis=1) - slack), (name, k)
            assert np.all(found["max"][:, k] <= around.max(axis=1) + slack), (name, k)
            assert np.all(found["min"][:, k] <= inside.min(axis=1) + slack), (name, k)
            assert np.all(found["min"][:, k] >= around.min(axis=1) - slack), (name, k)
        np.testing.assert_array_equal(found["auc"], found["mean"] * length)
        assert np.all(found["min"] <= found["mean"])
        assert np.all(found["mean"] <= found["max"])


def test_daily_extremes_are_those_of_the_day() -> None:
    """Not of the step that crosses midnight, and with the instant after a bolus."""
    bolus = Arm("bolus", (Dose("somatropin", 0.1, "mg", "IV", (9.0,)),))
    plan = Plan(1, every=1 / 60, outputs=("gh",), reduce_every=24.0, reductions=("gh_max", "gh_min"))
    cohort = virtual_cohort(60, {"obese": 2, "lean": 1, "t2d": 1}, seed=11)
    ds = simulate(cohort, (Arm("control"), bolus), plan)
    gh = ds.gh.values
    jump = np.array([0.0, 1.0])[:, None] * 100.0 / cohort.parameters["v_gh"]  # ug/L
    for k in range(7):
        day = gh[:, :, 1440 * k : 1440 * (k + 1) + 1]
        greatest = np.maximum(day.max(axis=2), day[:, :, 540] + jump)
        np.testing.assert_allclose(ds.gh_max.values[:, :, k], greatest, rtol=5e-3)
        np.testing.assert_allclose(ds.gh_min.values[:, :, k], day.min(axis=2), rtol=5e-2)


def test_window_means_are_exact() -> None:
    """Against a grid fine enough for the trapezoid rule: 24-h windows shifted off the steps by the pulses' times."""
    plan = Plan(weeks=1, every=1 / 60, outputs=("glucose", "igf1"), reduce_every=24.0,
                reductions=("glucose_mean", "igf1_mean"))  # fmt: skip
    ds = simulate(COHORT.subset(np.arange(3)), ARMS[:1], plan)
    for name in ("glucose", "igf1"):
        days = ds[name].values[0]
        for k in range(7):
            part = days[:, 1440 * k : 1440 * (k + 1) + 1]
            np.testing.assert_allclose(
                ds[f"{name}_mean"].values[0, :, k], np.trapezoid(part, dx=1 / 1440, axis=1), rtol=2e-5
            )


def test_the_last_window_closes_whatever_its_rounding() -> None:
    # a dose falls on Monday 00:00, the very end, and 168 h is 240 windows of 0.7 h only up to rounding
    arm = Arm("midnight", (Dose("somatropin", 0.1, "mg", "SC", (0.0,)),))
    ds = simulate(COHORT.subset(np.arange(2)), (arm,), Plan(1, reduce_every=0.7, reductions=("gh_mean",)))
    assert ds.sizes["window"] == 240
    assert np.isfinite(ds.gh_mean).all()


# --- failures ---


def broken(field: str, value: float, who: int = 2) -> Any:
    cohort = COHORT.subset(np.arange(len(COHORT)))
    parameters = cohort.parameters.copy()
    parameters[field][who] = value
    return type(cohort)(cohort.seed, cohort.patient, cohort.covariates, parameters, cohort.layers)


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("k_ffa", np.nan, Status.NOT_FINITE),
        ("weight", np.inf, Status.NOT_FINITE),
        ("pulse_rate", np.nan, Status.NOT_FINITE),
        ("pulse_rate", -1.0, Status.IMPLAUSIBLE),
        ("pulse_rate", 1e12, Status.IMPLAUSIBLE),
        ("pulse_shape", 0.0, Status.IMPLAUSIBLE),
        ("glucose_basal", 60.0, None),
        ("k_release", 1e9, None),
        ("v_glucose", 0.0, None),
        ("k_gh", -5.0, None),
        ("igf1_target", 0.0, None),
        ("k_insulin", 1e300, None),
    ],
)
def test_an_absurd_patient_fails_alone(field: str, value: float, status: Status | None, dataset: xr.Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds = simulate(broken(field, value), ARMS, FULL)
    code = ds.status.values
    others = [0, 1, 3, 4, 5]
    assert np.all(code[:, 2] != Status.OK)
    assert np.all(code[:, 2] != Status.NEVER_RUN)
    if status is not None:
        assert np.all(code[:, 2] == status)
    for name in dataset.data_vars:
        assert np.array_equal(ds[name].values[:, others], dataset[name].values[:, others]), name
        if name != "status":
            assert np.isnan(ds[name].values[:, 2]).all()


def test_a_failed_test_fails_the_patient() -> None:
    cohort = COHORT.subset(np.arange(3))
    covariates = cohort.covariates | {"height": np.array([1.7, np.nan, 1.8])}
    cohort = type(cohort)(cohort.seed, cohort.patient, covariates, cohort.parameters)
    ds = simulate(cohort, ARMS[:1], Plan(1, tests=(TestAt("clamp", (1,)),)))
    assert ds.status.values.tolist() == [[0, Status.NOT_FINITE, 0]]
    assert np.isnan(ds.vat.values[0, 1]).all()
    assert np.isfinite(ds.clamp_m.values[0, [0, 2]]).all()


# --- bad calls ---

GOOD: dict[str, Any] = {"weeks": 4}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weeks": 0}, "weeks = 0 is outside"),
        ({"weeks": float("nan")}, "weeks = nan is outside"),
        ({"weeks": "26"}, "weeks = '26' is outside"),
        ({"weeks": True}, "weeks = True is outside"),
        ({"weeks": 1000}, "weeks = 1000 is outside"),
        ({"every": 0.0}, "every = 0.0 h is outside"),
        ({"every": float("inf")}, "every = inf h is outside"),
        ({"reduce_every": -1.0}, "reduce_every = -1.0 h is outside"),
        ({"reduce_every": 1000.0, "reductions": ("gh_mean",)}, "reduce_every = 1000.0 h is longer"),
        ({"outputs": ("gluc",)}, "output = 'gluc' is unknown"),
        ({"outputs": "glucose"}, "outputs = 'glucose' must be a list"),
        ({"outputs": ("gh", "gh")}, "twice"),
        ({"reductions": ("gh_sum",)}, "reduction = 'gh_sum' is unknown"),
        ({"reductions": ("vat_mean",)}, "reduction = 'vat_mean' is unknown"),
        ({"reductions": ("gh_mean", "gh_mean")}, "twice"),
        ({"tests": ("clamp",)}, "tests hold 'clamp'"),
        ({"tests": (TestAt("clamp", (5,)),)}, "beyond the study's end; allowed is up to week 4"),
        ({"tests": (TestAt("clamp", (1,)), TestAt("clamp", (2,)))}, "tests name 'clamp' twice"),
    ],
)
def test_a_bad_plan_is_told_in_a_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*[.]$") as told:
        Plan(**(GOOD | change))
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("test", "weeks"),
    [("clam", (0,)), ("clamp", ()), ("clamp", (-1,)), ("clamp", (0.5,)), ("clamp", (float("inf"),)),
     ("clamp", (float("nan"),)), ("clamp", (2, 1)), ("clamp", (1, 1)), ("clamp", 3), ("clamp", ("1",))],
)  # fmt: skip
def test_a_bad_test_is_told_in_a_sentence(test: str, weeks: Any) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*clam[^\n]*[.]$"):
        TestAt(test, weeks)


def test_lists_are_as_good_as_tuples() -> None:
    plan = Plan(4, outputs=["gh"], tests=[TestAt("clamp", [0, 4])])  # type: ignore[arg-type]
    assert plan == Plan(4, outputs=("gh",), tests=(TestAt("clamp", (0, 4)),))
    assert isinstance(hash(plan), int)


def test_bad_arms() -> None:
    with pytest.raises(InputError, match="at least one arm"):
        simulate(COHORT, (), Plan(1))
    with pytest.raises(InputError, match="name a twice"):
        simulate(COHORT, (Arm("a"), Arm("b"), Arm("a")), Plan(1))
    with pytest.raises(InputError, match="arms hold 'control'"):
        simulate(COHORT, ("control",), Plan(1))  # type: ignore[arg-type]


def test_a_stimulation_test_needs_a_free_slot() -> None:
    two = Arm("two", tuple(Dose(drug, 100, "ug", "SC", (8.0,)) for drug in ("sermorelin", "tesamorelin")))
    with pytest.raises(InputError, match="test ghrh needs the spare drug slot ghrh_b, which arm two uses"):
        simulate(COHORT, (Arm("control"), two), Plan(1, tests=(TestAt("ghrh", (1,)),)))
    check_arms((two,), Plan(1, tests=(TestAt("ghrh", (0,)), TestAt("ghrp", (1,)))))


def test_a_baseline_of_others_is_refused() -> None:
    for kind, seed in (("obese", 5), ("lean", 4)):  # other patients; the same ids as somebody else
        other = run_in(virtual_cohort(6, kind, seed=seed))
        with pytest.raises(InputError, match="other patients"):
            simulate(COHORT, ARMS[:1], Plan(1), baseline=other)
    own = run_in(COHORT)
    xr.testing.assert_identical(simulate(COHORT, ARMS[:1], Plan(1), baseline=own), simulate(COHORT, ARMS[:1], Plan(1)))
