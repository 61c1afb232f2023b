"""Virtual tests as a study file writes them: quantities, days, and one sentence for each wrong entry."""

from typing import Any

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.virtual_test import TestSettings
from pulsatile.sweeps.study.schema import study_from


def study(*tests: dict[str, Any]) -> Any:
    arms = [{"name": "control", "preset": "control"}]
    data = {"weeks": 4, "population": {"n": 1, "phenotype": "obese"}, "arms": arms, "tests": list(tests)}
    return study_from(data, "study")


def test_quantities_become_numbers() -> None:
    (plain, low, clamp, night, two) = study(
        {"test": "clamp_low", "weeks": [0, 4]},
        {"test": "ghrh", "name": "low", "dose": "0.3 ug/kg", "at": "05:30", "days": [0, 4]},
        {"test": "clamp", "insulin": [10, 40], "length": "4 h", "glucose": "own", "weeks": [1], "fast": "12 h"},
        {"test": "sampling", "outputs": ["gh"], "at": "20:00", "days": [7], "length": "12 h", "every": "20 min"},
        {"test": "stimulation", "weeks": [0], "length": "4 h", "give": [
            {"drug": "sermorelin", "dose": "1 ug/kg"},
            {"drug": "acipimox", "dose": "0.9 -", "route": "infusion", "after": "-60 min", "duration": "2 h"},
        ]},
    ).plan().tests  # fmt: skip
    assert plain == TestAt("clamp_low", (0, 4))
    assert low == TestAt("ghrh", (0, 4 / 7), "low", TestSettings(dose=0.3, at=5.5))
    assert low.snapshot(4 / 7) == 4 * 24 + 4.5
    assert clamp == TestAt("clamp", (1,), "", TestSettings(insulin=(10, 40), hours=4.0, glucose=0.0, fast=12.0))
    assert (night.settings.at, night.settings.hours, night.start(1.0)) == (20.0, 12.0, 188.0)
    assert night.settings.every == pytest.approx(1 / 3)
    assert [given.after for given in two.settings.give] == [0.0, -1.0]
    assert two.lead == 1.0


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"test": "clamp"}, "either weeks or days"),
        ({"test": "clamp", "weeks": [0], "days": [0]}, "either weeks or days"),
        ({"test": "clamp", "weeks": []}, "is empty: give at least 1"),
        ({"test": "clamp", "days": [3, 1]}, "ascending order"),
        ({"test": "clamp", "weeks": [0.3]}, "must be whole weeks in ascending order"),
        ({"test": "clamp", "weeks": [0], "dose": "1 ug/kg"}, "dose of test clamp is not a setting of clamp"),
        ({"test": "scan", "weeks": [0]}, "not a known test: choose from"),
        ({"test": "clamp", "weeks": [0], "at": "25:00"}, "is not a time of day"),
        ({"test": "clamp", "weeks": [0], "length": 3}, "has no unit"),
        ({"test": "clamp", "weeks": [0], "length": "10 min"}, "at least 30 min"),
        ({"test": "clamp", "weeks": [0], "insulin": "40"}, "a list such as"),
        ({"test": "clamp", "weeks": [0], "insulin": [-1]}, "0 to 1000 mU/m2/min"),
        ({"test": "clamp", "weeks": [0], "glucose": 40.0}, "0 to 30 mmol/L"),
        ({"test": "sampling", "weeks": [0]}, "outputs of test sampling are missing"),
        ({"test": "sampling", "weeks": [0], "outputs": ["ghh"]}, "did you mean gh?"),
        ({"test": "sampling", "weeks": [0], "outputs": ["gh", "gh"]}, "twice"),
        ({"test": "sampling", "weeks": [0], "outputs": ["gh"], "every": "1 s"}, "unknown unit 's'"),
        ({"test": "stimulation", "weeks": [0]}, "give of test stimulation is missing"),
        ({"test": "stimulation", "weeks": [0], "give": [{"drug": "sermorelin"}]}, "dose is missing"),
        ({"test": "stimulation", "weeks": [0], "give": [{"drug": "sermorelin", "dose": "1"}]}, "has no unit"),
        ({"test": "ghrh", "weeks": [0], "dose": "1 IU"}, "dose_unit = 'IU' of a test is unknown"),
        ({"test": "ghrh", "weeks": [0], "name": "GHRH low"}, "small letters, digits and _"),
        ({"test": "ghrh", "weeks": [0], "hours": 3}, "unknown key"),
        ({"test": "clamp", "weeks": [5]}, "beyond the study's end"),
    ],
)
def test_a_wrong_entry_is_one_sentence(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        study(entry)
    (sentence,) = str(raised.value).splitlines()
    assert sentence.startswith("study: tests")
    assert words in sentence


def test_two_tests_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="another name"):
        study({"test": "clamp", "weeks": [0]}, {"test": "clamp", "weeks": [4]})
