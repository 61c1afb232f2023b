"""Noise between visits of one person, and of the samples from which tests compute their endpoints."""

import numpy as np
import pytest

from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.noise import ASSAY_CV, ASSAYS, WITHIN_PERSON, Noise, assayed
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.engine.trial.glucose_tests import matsuda

MANY = virtual_cohort(20_000, seed=5, variability=False)


def test_a_visit_has_the_cv_within_the_person() -> None:
    """Samples of one day share the visit's part: their ratio has the assay's CV alone."""
    hours = np.array([7.0, 7.5, 175.0])
    for name in ("glucose", "igf1", "vat"):
        found = assayed(name, np.ones((1, len(MANY), 3)), MANY, hours, Noise())[0]
        cv = WITHIN_PERSON.get(name, ASSAY_CV[name])
        error = 4 * cv / np.sqrt(2 * len(MANY))
        np.testing.assert_allclose(found.std(axis=0), cv, atol=error)
        np.testing.assert_allclose(found.mean(axis=0), 1.0, atol=4 * cv / np.sqrt(len(MANY)))
        same_day, other_day = (np.std(np.log(found[:, k] / found[:, 0])) for k in (1, 2))
        assay = np.sqrt(2 * np.log1p(ASSAY_CV[name] ** 2))
        np.testing.assert_allclose(same_day, assay, rtol=0.03)
        np.testing.assert_allclose(other_day, np.sqrt(2 * np.log1p(cv**2)), rtol=0.03)


def test_without_a_visit_part_it_is_the_layer() -> None:
    x = np.ones((1, 50, 2))
    cohort = MANY.subset(slice(0, 50))
    one, other = (assayed("igf1", x, cohort, np.array([7.0, 31.0]), n) for n in (ASSAYS, Noise((("igf1", 0.06),))))
    np.testing.assert_array_equal(one, other)


def test_endpoints_of_tests_are_computed_from_what_is_measured() -> None:
    cohort = virtual_cohort(3, seed=5)
    tests = (TestAt("ogtt", (0, 1)), TestAt("profile", (1,)), TestAt("clamp", (1,)))
    arms = [preset("control"), preset("rhgh_mid")]
    true = simulate(cohort, arms, Plan(weeks=1, tests=tests))
    found = simulate(cohort, arms, Plan(weeks=1, tests=tests, noise=Noise()))
    curve = found["ogtt_glucose"].values
    times = found["ogtt_time"].values
    where = [int(np.argmin(np.abs(times - t))) for t in (0, 0.5, 1, 1.5, 2)]
    np.testing.assert_array_equal(found["ogtt_glucose_120"].values, curve[..., where[-1]])
    insulin = found["ogtt_insulin"].values
    index = matsuda(curve[0, :, 1][:, where], insulin[0, :, 1][:, where])
    np.testing.assert_allclose(found["ogtt_matsuda"].values[0, :, 1], index, rtol=1e-12)
    for name, cv in (("ogtt_glucose_120", 0.055), ("profile_igf1", 0.125), ("profile_gh_mean", 0.06)):
        ratio = np.log((found[name] / true[name]).values)
        assert 0 < np.abs(ratio).max() < 4 * cv, name
    ratio = (found["ogtt_glucose"] / true["ogtt_glucose"]).values
    np.testing.assert_allclose(ratio[0], ratio[1], rtol=1e-12)  # arms share it
    np.testing.assert_array_equal(found["clamp_m"], true["clamp_m"])  # a rate of infusion is not an assay


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ({"egp": 0.1}, "is not measured"),
        ({"igf1": 0.01}, "from 0.06, that of its assay"),
        ({"glucose": 5.5}, "to 1"),
        ({"glucose": "5 %"}, "must be from"),
        (["glucose"], "a mapping of names"),
    ],
)
def test_noise_that_cannot_be(pairs: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Noise(pairs)  # type: ignore[arg-type]
