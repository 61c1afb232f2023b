"""The read-outs of the virtual tests on made-up curves with known answers; the tests in a run are in test_visits.py."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.parameters import INPUTS, NAMES, typical
from pulsatile.engine.states import STATE_INDEX
from pulsatile.engine.trial.glucose_tests import matsuda
from pulsatile.engine.trial.profiles import count_peaks
from pulsatile.engine.trial.protocols import TESTS, virtual_test
from pulsatile.engine.trial.stimulation import SPARE_SLOTS
from pulsatile.engine.trial.virtual_test import Person, TestSettings

PERSON = Person(np.array([70.0, 100.0]), np.array([1.75, 1.60]), typical(2))


class Curves:
    """Stands for `outputs.Evaluated`: given curves, and 1 for whatever else is asked."""

    def __init__(self, **curves: Any) -> None:
        self.curves = curves

    def output(self, name: str) -> Any:
        assert name in OUTPUTS
        shape = np.shape(next(iter(self.curves.values())))
        return np.array(self.curves.get(name, np.ones(shape)), float)


def read(name: str, **curves: Any) -> dict[str, Any]:
    return TESTS[name].read(TESTS[name].times, Curves(**curves), PERSON)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TESTS)
def test_a_test_reads_what_it_declares(name: str) -> None:
    test = TESTS[name]
    assert test.name == name
    assert test.times[0] == 0
    assert test.times[-1] == test.hours
    shape = (2, len(test.times))
    found = read(name, gh=np.ones(shape))
    assert list(found) == list(test.endpoints)
    assert all(value.shape == (2,) for value in found.values())
    assert not set(test.endpoints) & set(test.curves)
    assert set(test.curves) <= set(OUTPUTS)
    assert set(test.start) <= set(STATE_INDEX)
    for when, what, size in test.give(PERSON):
        assert 0 <= when < test.hours
        assert what in STATE_INDEX or what in INPUTS
        assert np.shape(size) in ((), (2,))


def test_names_of_all_test_variables_differ() -> None:
    names = [f"{test.name}_{name}" for test in TESTS.values() for name in (*test.endpoints, *test.curves)]
    assert len(set(names)) == len(names)


def test_spare_slots_are_those_that_jump() -> None:
    assert {name: test.spare for name, test in TESTS.items() if test.spare} == {
        "ghrh": ("ghrh_b",),
        "ghrp": ("ghs_b",),
        "ghrh_ghrp": ("ghrh_b", "ghs_b"),
        "arginine_ghrh": ("ghrh_b",),
    }


# --- peaks ---


def peaks(*values: float) -> float:
    return float(count_peaks(np.array([values]))[0])


def test_peaks_of_made_up_profiles() -> None:
    assert peaks(*[0.1] * 20) == 0
    assert peaks(0, 0, 5, 9, 4, 0, 0) == 1
    assert peaks(0, 5, 0, 5, 0, 5, 0) == 3
    assert peaks(0, 5, 5, 5, 0) == 1  # a plateau
    assert peaks(0, 1, 2, 3, 4, 5) == 0  # cut by the end of the record
    assert peaks(5, 4, 3, 2, 1, 0) == 0  # and by its start
    assert peaks(5, 0, 5) == 0
    assert peaks(0, 5, 4.5, 5, 0) == 1  # a notch of less than 50 % is no minimum
    assert peaks(0, 5, 3, 5, 0) == 2  # 5 > 1.5 x 3
    assert peaks(0, 5, 4, 3.5, 4, 4.5, 0) == 1


def test_a_peak_rises_by_more_than_the_threshold() -> None:
    assert peaks(0, 0.3, 0) == 0
    assert peaks(0, 0.31, 0) == 1
    assert peaks(2, 3, 2) == 0
    assert peaks(2, 3.01, 2) == 1
    assert peaks(2, 3.01, 2.5) == 0  # over one neighbouring minimum only
    assert peaks(0, 5, 4, 5.5, 4, 0) == 1


def test_peaks_are_counted_for_each_patient_and_missing_is_missing() -> None:
    gh = np.zeros((3, 40))
    gh[0, [5, 20, 30]] = 4.0
    gh[1, 7] = np.nan
    assert np.array_equal(count_peaks(gh), [3, np.nan, 0], equal_nan=True)


@given(
    st.lists(st.floats(0.5, 20), min_size=1, max_size=8), st.integers(1, 4), st.integers(1, 4), st.floats(0.01, 0.15)
)
def test_separate_triangles_are_all_found(tops: list[float], rise: int, fall: int, floor: float) -> None:
    profile = [floor]
    for top in tops:
        profile += [floor + (top - floor) * (k + 1) / rise for k in range(rise)]
        profile += [top - (top - floor) * (k + 1) / fall for k in range(fall)]
    assert peaks(*profile) == len(tops)
    assert peaks(*reversed(profile)) == len(tops)


# --- glucose and insulin ---


def test_matsuda_by_hand() -> None:
    # 90.08 and 133.3184 mg/dL, 10 and 57 uU/mL: 10000 / sqrt(6845313.2)
    glucose, insulin = np.array([[5.0, 8.0, 9.0, 8.0, 7.0]]), np.array([[60.0, 400.0, 500.0, 450.0, 300.0]])
    assert matsuda(glucose, insulin)[0] == pytest.approx(3.82211, rel=1e-5)


def test_ogtt_reads_the_hours() -> None:
    times = TESTS["ogtt"].times
    glucose = np.stack([5 + times, 5 + 2 * times])
    insulin = np.stack([100 + 60 * times, 100 + 0 * times])
    found = read("ogtt", glucose=glucose, insulin=insulin)
    np.testing.assert_allclose(found["glucose_120"], [7, 9])
    np.testing.assert_allclose(found["glucose_peak"], [8, 11])
    np.testing.assert_allclose(found["insulin_120"], [220, 100])
    np.testing.assert_allclose(found["glucose_auc"], [5 * 3 + 4.5, 5 * 3 + 9])
    at = [0, 3, 6, 9, 12]
    np.testing.assert_array_equal(found["matsuda"], matsuda(glucose[:, at], insulin[:, at]))


def test_ivgtt_finds_the_rate_of_an_exponential() -> None:
    minutes = TESTS["ivgtt"].times * 60
    glucose = np.stack([12 * np.exp(-0.013 * minutes), 9 * np.exp(-0.02 * minutes)])
    insulin = np.tile(np.where(minutes == 0, 40.0, 40 + 30 * minutes), (2, 1))
    found = read("ivgtt", glucose=glucose, insulin=insulin)
    np.testing.assert_allclose(found["kg"], [1.3, 2.0], rtol=1e-12)
    np.testing.assert_allclose(found["air"], 30 * 6.0)  # mean of 2, 4, 6, 8, 10 min
    np.testing.assert_allclose(found["insulin_10"], 300.0)
    np.testing.assert_allclose(found["glucose_nadir"], glucose[:, -1])


def test_ivgtt_gives_300_mg_per_kg_in_one_minute() -> None:
    (start, _, rate), (stop, _, zero) = TESTS["ivgtt"].give(PERSON)
    assert zero == 0
    assert rate * (stop - start) * 60 * 180.16 == pytest.approx(300)


@pytest.mark.parametrize(("name", "milliunits"), [("clamp", 40), ("clamp_low", 20)])
def test_clamp_infuses_by_body_surface(name: str, milliunits: float) -> None:
    given_ = {what: size for _, what, size in TESTS[name].give(PERSON)}
    assert given_["glucose_clamp"] == 1
    surface = np.sqrt(np.array([70 * 175 / 3600, 100 * 160 / 3600]))  # Mosteller, cm
    np.testing.assert_allclose(given_["insulin_infusion"], milliunits * 6 * surface / PERSON.weight)
    assert TESTS[name].start == {"glucose": 5.0}


def test_clamp_reads_the_last_half_hour() -> None:
    last = np.where(TESTS["clamp"].times >= 2.49, 1.0, 100.0)
    curves = {name: np.stack([last, 2 * last]) for name in ("glucose_requirement", "egp", "ffa", "uptake_muscle")}
    found = read("clamp", uptake=np.stack([last, last]), insulin=np.stack([last, last]), **curves)
    np.testing.assert_allclose(found["m"], [180.16, 360.32])
    np.testing.assert_allclose(found["rd"], 180.16)
    np.testing.assert_allclose(found["ffa_suppression"], 99)
    np.testing.assert_allclose(found["egp_suppression"], 100 - 100 / PERSON.parameters["egp_basal"] * [1, 2])


# --- days ---


def test_profile_means_and_night_share() -> None:
    times = TESTS["profile"].times
    night = (times >= 17) & (times < 25)  # 23:00 to 06:00 next day
    early = times < 1  # 06:00 to 07:00
    gh = np.stack([np.ones(145), np.where(night | early, 1.0, 0.0)])
    found = read("profile", gh=gh)
    np.testing.assert_allclose(found["gh_mean"][0], 1)
    np.testing.assert_allclose(found["gh_night_share"], [8 / 24, 1])
    np.testing.assert_allclose(found["gh_trough"], [1, 0])


def test_meal_day_means() -> None:
    times = TESTS["meal_day"].times
    found = read("meal_day", glucose=np.stack([5 + times / 24] * 2), ffa=np.stack([1 - times / 48] * 2))
    np.testing.assert_allclose(found["glucose_mean"], 5.5)
    np.testing.assert_allclose(found["ffa_nadir"], 0.5)
    np.testing.assert_allclose(found["insulin_mean"], 1)


def test_hba1c_of_whole_days_only() -> None:
    times = TESTS["meal_day"].times
    found = read("meal_day", glucose=np.stack([5 + times / 24] * 2))
    np.testing.assert_allclose(found["hba1c"], (5.5 * 18.016 + 46.7) / 28.7)
    part = virtual_test("meal_day", "morning", TestSettings(hours=8.0))
    assert "hba1c" not in part.endpoints
    assert "hba1c" not in part.read(part.times, Curves(glucose=np.ones((2, len(part.times)))), PERSON)  # type: ignore[arg-type]


def test_secretion_by_origin_and_by_deconvolution() -> None:
    """A leak of 0.5 ug/h, and a burst of triangular shape, 1 h wide and 60 ug/h high, on a release of 1 ug/h.

    The store loses 6 ug and is refilled with 2 ug/h: 54 ug were released.
    """
    times = TESTS["secretion"].times
    release = 1 + 60 * np.maximum(0, 1 - np.abs(times - 12) / 0.5)
    store = {"gh_store": 1500 - times / 4, "gh_refill": 2 + 0 * times}
    curves = store | {
        "gh_secretion": release,
        "gh_leakage": 0.5 + 0 * times,
        "gh_secretion_rate": (release + 0.5) / 5 / 60,
    }
    found = read("secretion", **{name: np.stack([curve, curve]) for name, curve in curves.items()})
    for name, expected in {
        "gh_leaked": 12, "gh_released": 24 + 30, "gh_secreted": 66, "gh_basal": 36, "gh_pulsatile": 30,
        "gh_basal_rate": 1.5 / 300,
    }.items():  # fmt: skip
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, err_msg=name)


def test_stimulation_area_is_in_minutes() -> None:
    found = read("ghrh", gh=np.full((2, 13), 3.0))
    np.testing.assert_allclose(found["gh_auc"], 360)
    np.testing.assert_allclose(found["gh_peak"], 3)


def test_the_table_of_parameters_holds_what_spare_slots_set() -> None:
    for state, values in SPARE_SLOTS.values():
        assert state in STATE_INDEX
        assert set(values) <= set(NAMES)
