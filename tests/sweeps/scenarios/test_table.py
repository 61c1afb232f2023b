"""The scenarios of a sweep: rows of its axes, each a study; the runs that they share; one sentence for bad axes."""

from copy import deepcopy
from typing import Any

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.scenarios.grouping import grouped
from pulsatile.sweeps.scenarios.table import scenarios
from pulsatile.sweeps.study.override import set_entry
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import Study, study_from

BASE: dict[str, Any] = {
    "weeks": 1, "population": {"n": 2},
    "arms": [
        {"name": "no treatment", "preset": "control"},
        {"name": "rhGH", "regimen": [{"drug": "somatropin", "dose": "0.1 mg", "at": ["21:00"]}]},
    ],
    "outputs": {"names": ["igf1"]}, "tests": [{"test": "fasting", "weeks": [0, 1]}],
}  # fmt: skip
DOSE = "arms.rhGH.dose"


def study(axes: dict[str, Any], base: dict[str, Any] = BASE, **sweep: Any) -> Study:
    return study_from(deepcopy(base) | {"sweep": {"axes": axes, **sweep}}, "study.yaml")


def test_a_grid_has_every_combination_and_the_last_axis_changes_fastest() -> None:
    rows = scenarios(study({DOSE: ["0.1 mg", "0.3 mg"], "population.named": ["adults", "t2d"], "seed": [1, 2]}))
    assert [tuple(row.values.values()) for row in rows[:3]] == [
        ("0.1 mg", "adults", 1), ("0.1 mg", "adults", 2), ("0.1 mg", "t2d", 1),
    ]  # fmt: skip
    assert len(rows) == 8
    last = rows[-1].study
    assert (last.seed, last.population.named, last.sweep) == (2, "t2d", None)
    assert last.arms[1].regimen is not None
    assert last.arms[1].regimen[0].dose == "0.3 mg"


def test_a_scenario_is_the_study_with_these_values() -> None:
    by_hand = deepcopy(BASE) | {"seed": 2, "parameters": {"k_gh": {"factor": 1.2}}}
    by_hand["arms"][1]["regimen"][0]["dose"] = "0.3 mg"
    axes = {DOSE: ["0.3 mg"], "seed": [2], "parameters.k_gh": [{"factor": 1.2}]}
    (row,) = scenarios(study(axes))
    assert resolve(row.study).identity == resolve(study_from(by_hand, "study")).identity


def test_a_list_is_read_row_by_row() -> None:
    rows = scenarios(study({DOSE: ["0.1 mg", "0.3 mg"], "seed": [5, 6]}, kind="list"))
    assert [list(row.values.values()) for row in rows] == [["0.1 mg", 5], ["0.3 mg", 6]]


def test_a_hypercube_has_one_value_in_each_stratum() -> None:
    axes = {DOSE: {"low": "0.1 mg", "high": "0.5 mg"}, "parameters.k_gh.factor": {"low": 0.5, "high": 2.5}}
    rows = scenarios(study(axes, kind="lhs", points=8))
    doses = sorted(float(row.values[DOSE].removesuffix(" mg")) for row in rows)
    factors = sorted(row.values["parameters.k_gh.factor"] for row in rows)
    assert [int((dose - 0.1) / 0.05) for dose in doses] == list(range(8))
    assert [int((factor - 0.5) / 0.25) for factor in factors] == list(range(8))
    assert rows == scenarios(study(axes, kind="lhs", points=8))
    assert rows != scenarios(study(axes, kind="lhs", points=8, seed=2))


def test_scenarios_that_differ_in_their_arms_share_a_run() -> None:
    rows = scenarios(study({DOSE: ["0.1 mg", "0.3 mg", "0.5 mg"], "seed": [1, 2]}))
    first, second = grouped(rows)
    assert first.names == ["no treatment", "rhGH (dose 0.1 mg)", "rhGH (dose 0.3 mg)", "rhGH (dose 0.5 mg)"]
    assert list(first.arms) == [0, 2, 4]
    assert first.arms[2] == {"no treatment": "no treatment", "rhGH": "rhGH (dose 0.3 mg)"}
    assert (first.study.seed, second.study.seed) == (1, 2)
    more = scenarios(study({DOSE: ["0.2 mg", "0.1 mg", "0.3 mg", "0.5 mg"], "seed": [1, 2, 3]}))
    grown = grouped(more, [first, second])
    assert grown[0].names == [*first.names, "rhGH (dose 0.2 mg)"]
    assert [run.study.seed for run in grown] == [1, 2, 3]


def test_a_matched_arm_follows_the_arm_that_it_is_matched_to() -> None:
    base = deepcopy(BASE)
    rule = {"drug": "somatropin", "dose": {"match": "igf1", "to": "rhGH"}, "at": ["08:00"]}
    base["arms"].append({"name": "morning", "regimen": [rule]})
    (run,) = grouped(scenarios(study({DOSE: ["0.1 mg", "0.3 mg"]}, base)))
    matched = [arm.match.to for arm in run.study.arms if arm.match is not None]
    assert matched == ["rhGH (dose 0.1 mg)", "rhGH (dose 0.3 mg)"]
    assert run.arms[1]["morning"] == "morning (2)"


def test_more_arms_than_a_study_may_have_are_several_runs() -> None:
    rows = scenarios(study({DOSE: [f"{k / 1000} mg" for k in range(1, 151)]}))
    assert [len(run.names) for run in grouped(rows)] == [100, 52]


def test_a_name_with_dots_is_found() -> None:
    data: dict[str, Any] = {"arms": [{"name": "rhGH 0.3", "regimen": [{"dose": "1 mg"}]}]}
    set_entry(data, "arms.rhGH 0.3.dose", "2 mg", "x")
    set_entry(data, "arms.0.regimen.0.at", ["08:00"], "x")
    assert data["arms"][0]["regimen"] == [{"dose": "2 mg", "at": ["08:00"]}]


# fmt: off
BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "sweep.axes = {} is empty"),
    ({DOSE: []}, {}, "axes.arms.rhGH.dose = [] is empty"),
    ({DOSE: "0.1 mg"}, {}, "write a list"),
    ({DOSE: ["0.1"]}, {}, "scenario 0 (arms.rhGH.dose = 0.1): arms[1].regimen[0].dose = '0.1' has no unit"),
    ({DOSE: ["0.1 mg", "900 mg"]}, {}, "scenario 1 (arms.rhGH.dose = 900 mg): arms[1].regimen[0]"),
    ({DOSE: ["0.1 mg", "0.1 mg"]}, {}, "is given twice"),
    ({"arms.rhgh.dose": ["0.1 mg"]}, {}, "arms has the entries 0 to 1, named no treatment, rhGH; 'rhgh' is not one"),
    ({"arms.no treatment.dose": ["0.1 mg"]}, {}, "arms.no treatment is a preset and has no dose of its own"),
    ({"sed": [1]}, {}, "sed = 1 is an unknown key; did you mean seed?"),
    ({"seed": [1, -1]}, {}, "scenario 1 (seed = -1): seed = -1 is too small"),
    ({"population.named": ["adult"]}, {}, "did you mean adults?"),
    ({"sweep.seed": [1]}, {}, "cannot be an axis of the sweep"),
    ({"weeks": [1, 2]}, {}, "weeks changes the axis time"),
    ({"population.n": [2, 3]}, {}, "population.n changes the number of patients (2 and 3)"),
    ({"outputs.names": [["igf1"], ["vat"]]}, {}, "outputs.names changes the variables"),
    ({"outputs.every": ["1 day", "1 week"]}, {}, "outputs.every changes the axis time"),
    ({"arms.rhGH.name": ["a", "b"]}, {}, "arms.rhGH.name changes the arms (no treatment, a and no treatment, b)"),
    ({"outputs.dtype": ["float32", "float64"]}, {}, "outputs.dtype changes the precision"),
    ({"tests.0.weeks": [[0, 1], [0]]}, {}, "tests.0.weeks changes the axis fasting_week"),
    ({DOSE: ["0.1 mg", "0.2 mg"], "seed": [1]}, {"kind": "list"}, "axes of a list have one length"),
    ({DOSE: ["0.1 mg"]}, {"kind": "lhs", "points": 3}, "must be a range, {low, high}"),
    ({DOSE: {"low": "0.1 mg", "high": "1 mg"}}, {}, "must be a list of values"),
    ({DOSE: {"low": "0.1 mg", "high": "1 mg"}}, {"kind": "lhs"}, "points is missing"),
    ({DOSE: {"low": "0.1 mg", "high": "1 ug"}}, {"kind": "lhs", "points": 3}, "limits in two units"),
    ({DOSE: {"low": "1 mg", "high": "0.1 mg"}}, {"kind": "lhs", "points": 3}, "low must be below high"),
    ({DOSE: ["0.1 mg"]}, {"points": 3}, "points is for kind: lhs"),
    ({DOSE: ["0.1 mg"]}, {"kind": "sobol"}, "choose from grid, list or lhs"),
    ({"seed": list(range(200)), "population.first": list(range(100))}, {}, "the grid has 20000 scenarios"),
]
# fmt: on


@pytest.mark.parametrize(("axes", "sweep", "words"), BAD)
def test_axes_that_cannot_be_get_one_sentence(axes: dict[str, Any], sweep: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        scenarios(study(axes, **sweep))
    sentences = str(raised.value).splitlines()
    assert any(words in sentence for sentence in sentences), sentences
    assert len(sentences) <= 2


def test_the_problems_of_many_scenarios_are_counted() -> None:
    with pytest.raises(InputError) as raised:
        scenarios(study({DOSE: [f"{k} kg" for k in range(30)]}))
    assert len(str(raised.value).splitlines()) == 11
    assert str(raised.value).endswith("and 20 scenarios more.")


def test_a_study_with_a_sweep_is_refused_where_one_study_is_needed() -> None:
    with pytest.raises(InputError, match="the study has a sweep, so it is many studies"):
        resolve(study({"seed": [1, 2]}))
    with pytest.raises(InputError, match="has no sweep"):
        scenarios(study_from(BASE, "study"))
