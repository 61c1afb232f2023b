"""The virtual adults' joint facts with age, BMI and each other against those of the survey (population 1.8)."""

import numpy as np
import pytest

from benchmarks import joint_facts
from benchmarks.joint_facts import ROOT_MEAN_SQUARE, Fact, compare, root_mean_square
from pulsatile.engine.people.draw import People, draw_adults

N = 200_000


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return compare(draw_adults(1, np.arange(N)))


def test_no_fact_is_far_off_and_all_are_near(facts: list[Fact]) -> None:
    assert len(facts) == 126
    assert [f for f in facts if not f.met] == []
    assert root_mean_square(facts) < ROOT_MEAN_SQUARE


def test_the_very_obese_have_no_more_triglyceride(facts: list[Fact]) -> None:
    # a Gaussian copula has 0.13 and 0.19
    tails = {f.name: f for f in facts if "tail of bmi" in f.name}
    for sex in ("men", "women"):
        triglyceride = tails[f"{sex}: joint 5 % tail of bmi and tg, given one"]
        assert 0.04 < triglyceride.got < 0.09
        assert abs(triglyceride.z) < 1
        assert tails[f"{sex}: joint 5 % tail of bmi and low hdl, given one"].got < 0.16


def test_the_comparison_can_fail() -> None:
    people: People = draw_adults(1, np.arange(20_000))
    order = np.random.default_rng(1).permutation(len(people["age"]))
    for name in ("age", "bmi"):  # margins by age, and the copula
        changed = people | {name: people[name][order]}
        assert root_mean_square(compare(changed)) > ROOT_MEAN_SQUARE
        assert any(not f.met for f in compare(changed))


def test_the_script_prints_every_fact(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["joint_facts", "--patients", "5000"])
    joint_facts.main()
    printed = capsys.readouterr().out
    assert "of 126 met, root mean square z" in printed
    assert len(printed.splitlines()) == 126 + 3
