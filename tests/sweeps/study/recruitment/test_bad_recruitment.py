"""Wrong selections and strata of a study file: one sentence each, before anything runs."""

from typing import Any

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import study_from

GHD: dict[str, Any] = {"named": "ghd_adults", "n": 4}
PEAK = {"ghrh_gh_peak": {"at_most": 9}}
LOW = {"test": "ghrh", "name": "low", "weeks": [0]}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown endpoint": ({"select": {"ghrh_gh_peek": {"at_most": 9}}}, "did you mean ghrh_gh_peak"),
    "a covariate of people": (
        {"named": None, "phenotype": "obese", "select": {"waist": {"below": 90}}}, "'waist' is neither",
    ),
    "no limit": ({"select": {"bmi": {}}}, "has no limit: give at_least"),
    "an unknown limit": ({"select": {"bmi": {"max": 30}}}, "unknown key"),
    "a limit with a unit": ({"select": {"bmi": {"below": "30 kg/m2"}}}, "write a number"),
    "a limit without an end": ({"select": {"bmi": {"below": float("inf")}}}, "population.select.bmi.below"),
    "nobody": ({"select": {"bmi": {"above": 30, "below": 30}}}, "lets nobody in"),
    "nobody either": ({"select": {"bmi": {"at_least": 31, "at_most": 30}}}, "lets nobody in"),
    "a number": ({"select": {"bmi": 30}}, "a mapping of keys"),
    "a list": ({"select": ["bmi"]}, "a mapping of names"),
    "a test without select": ({"screening": [LOW]}, "has screening tests and no select"),
    "a test that decides nothing": ({"select": PEAK, "screening": [LOW]}, "the test low decides nothing"),
    "a test under treatment": (
        {"select": {"low_gh_peak": {"below": 9}}, "screening": [LOW | {"weeks": [0, 4]}]}, "screening is before all",
    ),
    "a wrong test": ({"select": PEAK, "screening": [LOW | {"test": "gnrh"}]}, "is not a known test"),
    "the limit alone": ({"most_screened": 100}, "has most_screened without select or strata"),
    "a limit below n": ({"select": PEAK, "most_screened": 3}, "below n = 4"),
    "a limit of 0": ({"select": PEAK, "most_screened": 0}, "at least 1"),
    "too many": ({"select": PEAK, "n": 300_000}, "at most 200000"),
    "strata of nothing": ({"strata": {"sex": {}}}, "no stratum is given"),
    "strata of a word": ({"strata": {"sex": "half"}}, "population.strata.sex"),
    "a share of 0": ({"strata": {"sex": {"man": 0, "woman": 1}}}, "above 0"),
    "an unknown sex": ({"strata": {"sex": {"male": 1}}}, "'male' is not a sex"),
    "a range with three ends": ({"strata": {"age": [[20, 40, 60]]}}, "population.strata.age"),
    "ranges without shares": ({"strata": {"age": {"ranges": [[20, 40]]}}}, "shares is missing"),
    "two shares for one range": (
        {"strata": {"age": {"ranges": [[20, 40]], "shares": [1, 2]}}}, "has 1 ranges and 2 shares",
    ),
    "ranges that overlap": ({"strata": {"age": [[20, 41], [40, 60]]}}, "overlap"),
    "an unknown covariate": ({"strata": {"hip": [[80, 90]]}}, "'hip' is not a covariate"),
    "too few": ({"select": {"age": {"above": 64}}, "most_screened": 20, "n": 15}, "raise most_screened"),
    "a stratum that nobody is in": (
        {"strata": {"age": [[70, 80]]}, "most_screened": 50}, "age 70 to 80 year has 0 of 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_wrong_selections_are_one_sentence(case: str) -> None:
    change, words = BAD[case]
    population = {key: value for key, value in (GHD | change).items() if value is not None}
    data = {"weeks": 1, "population": population, "arms": [{"name": "none", "preset": "control"}]}
    with pytest.raises(InputError) as error:
        resolve(study_from(data, "study.yaml"))
    assert words in str(error.value), str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
