"""Who is treated, as a study file says it: what is understood, what is refused and how, what makes an identity."""

from itertools import pairwise
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.adults import COVARIATES
from pulsatile.engine.patients.layers import CORRELATIONS
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.study.tables.table import PatientTable

REST: dict[str, Any] = {"weeks": 1, "arms": [{"name": "untreated", "preset": "control"}]}
ADULTS: dict[str, Any] = {"n": 4, "named": "adults"}
TABLE = "patient,sex,age [y],weight [kg],height [m],glucose [mmol/L]\n3,man,50,90,1.8,5.1\n8,woman,61.5,70.3,1.6,\n"


def resolved(**population: Any) -> ResolvedStudy:
    return resolve(study_from(REST | {"population": population}, "study"))


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "own.csv"
    path.write_text(TABLE, encoding="utf-8")
    return str(path)


def of_adults(**change: Any) -> dict[str, Any]:
    return ADULTS | change


REFUSED: list[tuple[dict[str, Any], str]] = [
    (of_adults(phenotype="obese"), "phenotype and named"),
    (of_adults(shares={"obese": 1.0}), "shares and named"),
    (of_adults(patients="own.csv"), "named and patients"),
    (of_adults(frozen="pop"), "named and frozen"),
    ({"n": 4, "ranges": {"age": [30, 64]}}, "give named"),
    ({"n": 4, "phenotype": "obese", "women": 0.5}, "give named"),
    ({"n": 4, "margins": {"vat": 100}}, "give named"),
    ({"n": 4, "shifts": {"vat": 1}}, "give named"),
    ({"n": 4, "patients": "own.csv", "ranges": {"age": [30, 64]}}, "give named"),
    ({"n": 4, "frozen": "pop", "shifts": {"vat": 1}}, "give named"),
    ({"n": 4, "layers": {"residual": True}}, "named or patients"),
    ({"n": 4, "cv": {"k_ffa": 0.3}}, "named or patients"),
    ({"n": 4, "frozen": "pop", "cv": {"k_ffa": 0.3}}, "named or patients"),
    ({"n": 4, "correlations": [["k_ffa", "k_insulin", 0.3]]}, "named or patients"),
    (of_adults(variability=False), "between: false"),
    ({"named": "adults"}, "population.n is missing"),
    ({"phenotype": "obese"}, "population.n is missing"),
    ({"n": 0, "named": "adults"}, "at least 1"),
    ({"n": 2.5, "named": "adults"}, "whole number"),
    ({"n": 10**9, "named": "adults"}, "at most 10000000"),
    ({"n": 4, "named": "adult"}, "did you mean adults"),
    ({"n": 4, "named": 3}, "write text"),
    ({"n": 4, "frozen": "/nowhere/pop"}, "no frozen population"),
    ({"patients": "/nowhere/own.csv"}, "no such file"),
    ({"patients": "/nowhere/own.csv", "first": -1}, "at least 0"),
    (of_adults(women=1.5), "at most 1"),
    (of_adults(women=-0.1), "at least 0"),
    (of_adults(women="half"), "number"),
    # ranges
    (of_adults(ranges={"age": [64, 30]}), "reversed"),
    (of_adults(ranges={"age": [90, 95]}), "outside 20 ... 79 y"),
    (of_adults(ranges={"age": 30}), "two numbers"),
    (of_adults(ranges={"age": "30-64"}), "two numbers"),
    (of_adults(ranges={"age": [30]}), "two numbers"),
    (of_adults(ranges={"age": [30, 40, 50]}), "two numbers"),
    (of_adults(ranges={"age": [30, "x"]}), "two numbers"),
    (of_adults(ranges={"age": [True, 64]}), "two numbers"),
    (of_adults(ranges={"age": [nan, 64]}), "two numbers"),
    (of_adults(ranges={"age": [30, 10**400]}), "two numbers"),
    (of_adults(ranges={"age": [[30], [64]]}), "two numbers"),
    (of_adults(ranges={"age": None}), "two numbers"),
    (of_adults(ranges={"waist": [inf, inf]}), "reversed"),
    (of_adults(ranges={"waist": [inf, 95]}), "reversed"),
    (of_adults(ranges={"ethnicity": [0, 1]}), "ethnicity"),
    (of_adults(ranges={"sex": [0, 0]}), "'sex'"),
    (of_adults(ranges={"age": {"men": [30, 40]}}), "men and women"),
    (of_adults(ranges={"age": {"man": [30, 40], "woman": [30, 40]}}), "men and women"),
    (of_adults(ranges={"age": {}}), "men and women"),
    (of_adults(ranges=[30, 64]), "mapping"),
    (of_adults(ranges={"bmi": [18, 19], "waist": [130, 140]}), "widen it"),
    (of_adults(ranges={"age": [20, 20.001]}), "widen it"),
    ({"n": 4, "named": "t2d", "ranges": {"glucose": [3.5, 4.0]}}, "widen it"),
    # margins
    (of_adults(margins={"vat": "big"}), "not understood"),
    (of_adults(margins={"vat": {"median": 180}}), "not understood"),
    (of_adults(margins={"vat": {"median": "180", "cv": 0.4}}), "not understood"),
    (of_adults(margins={"vat": {"median": 180, "cv": 0.4, "sd": 3}}), "not understood"),
    (of_adults(margins={"vat": {"quantiles": [1, 2]}}), "not understood"),
    (of_adults(margins={"vat": [100, 200, 300]}), "not understood"),
    (of_adults(margins={"vat": None}), "not understood"),
    (of_adults(margins={"vat": True}), "not understood"),
    (of_adults(margins={"vat": {"median": True, "cv": 0.4}}), "finite number"),
    (of_adults(margins={"vat": {"median": 0, "cv": 0.4}}), "above 0"),
    (of_adults(margins={"vat": {"median": 180, "cv": -0.4}}), "from 0"),
    (of_adults(margins={"vat": {"median": 180, "cv": 1e200}}), "at most 100"),
    (of_adults(margins={"vat": {"mean": 0, "sd": 1}}), "above 0"),
    (of_adults(margins={"vat": {"mean": -5, "sd": 1}}), "above 0"),
    (of_adults(margins={"vat": {"mean": 180, "sd": -1}}), "from 0"),
    (of_adults(margins={"vat": {"mean": 180, "sd": 1e200}}), "at most 100"),
    (of_adults(margins={"vat": {"quantiles": [300, 200, 100]}}), "must rise"),
    (of_adults(margins={"vat": {"quantiles": [100, "x", 300]}}), "three numbers"),
    (of_adults(margins={"vat": nan}), "finite number"),
    (of_adults(margins={"glucose": {"median": 97, "cv": 0.1}}), "its unit"),
    (of_adults(margins={"weight": 80}), "weight"),
    (of_adults(margins={"vat": {"men": 180}}), "men and women"),
    (of_adults(margins={"vat": {}}), "men and women"),
    # shifts
    (of_adults(shifts={"vat": "one"}), "SDs"),
    (of_adults(shifts={"vat": 7}), "-6 to 6"),
    (of_adults(shifts={"vat": inf}), "-6 to 6"),
    (of_adults(shifts={"age": 1}), "'age'"),
    (of_adults(shifts={"vat": {"man": 1, "women": 1}}), "men and women"),
    # layers
    (of_adults(layers={"uncertainty": -1}), "at least 0"),
    (of_adults(layers={"uncertainty": 2**32}), "at most 4294967295"),
    (of_adults(layers={"uncertainty": 1.5}), "whole number"),
    (of_adults(layers={"between": "no"}), "true or false"),
    (of_adults(layers={"noise": True}), "unknown key"),
    # covariance
    (of_adults(cv={"k_ffa": -0.1}), "0 to 3"),
    (of_adults(cv={"k_ffa": 30}), "0.3 is 30 %"),
    (of_adults(cv={"k_ffa": nan}), "finite number"),
    (of_adults(cv={"k_ffa": "30 %"}), "number"),
    (of_adults(cv={"k_fat": 0.1}), "k_fat"),
    (of_adults(cv={"igf1_emax": 0.1}), "igf1_emax"),
    *((of_adults(cv={name: 0.1}), "which varies already") for name in COVARIATES),
    (of_adults(correlations=[["k_ffa", "k_ffa", 1.0]]), "two different"),
    (of_adults(correlations=[["k_ffa", "k_insulin"]]), "missing"),
    (of_adults(correlations=[["k_ffa", "k_insulin", 1.1]]), "-1 to 1"),
    (of_adults(correlations=[["k_ffa", "v_gh", 0.5]]), "does not vary"),
    (of_adults(correlations=[["k_gh", "k_gh_saturable", 0.5]]), "does not vary"),
    (of_adults(correlations=[["k_ffa", "k_insulin", 0.5], ["k_ffa", "k_insulin", 0.4]]), "twice"),
    (of_adults(correlations=[["k_ffa", "k_insulin", 0.5], ["k_insulin", "k_ffa", 0.5]]), "twice"),
    (of_adults(correlations=[["k_ffa", "k_insulin", 0.9], ["k_insulin", "v_insulin", 0.9],
                             ["k_ffa", "v_insulin", -0.9]]), "contradicts"),
    (of_adults(correlations={"k_ffa": 0.5}), "list"),
]  # fmt: skip


@pytest.mark.parametrize(("population", "words"), REFUSED, ids=[str(k) for k in range(len(REFUSED))])
def test_it_is_refused_in_one_sentence(population: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        resolved(**population)
    told = str(caught.value)
    assert words in told, told
    assert told.endswith(".")
    assert "\n" not in told
    assert "Error" not in told
    assert len(told) < 600


ACCEPTED: dict[str, dict[str, Any]] = {
    **{name: {"n": 4, "named": name} for name in POPULATIONS},
    "women": of_adults(women=1.0),
    "ranges": of_adults(ranges={"age": [30, 64], "bmi": [27, 39.9]}),
    "open range": of_adults(ranges={"waist": [95, inf]}),
    "range by sex": of_adults(ranges={"waist": {"men": [102, inf], "women": [88, inf]}}),
    "one age": of_adults(ranges={"age": [45, 45]}),
    "constant": of_adults(margins={"vat": 180}),
    "median": of_adults(margins={"vat": {"median": 180, "cv": 0.4}}),
    "mean": of_adults(margins={"vat": {"mean": 180, "sd": 60}}),
    "quantiles": of_adults(margins={"vat": {"quantiles": [80, 160, 330]}}),
    "margin by sex": of_adults(margins={"vat": {"men": 180, "women": {"median": 120, "cv": 0.4}}}),
    "shift": of_adults(shifts={"igf1_sds": -1}),
    "shift by sex": of_adults(shifts={"vat": {"men": 1, "women": 0.5}}),
    "typical": of_adults(layers={"between": False}),
    "no occasions": of_adults(layers={"occasions": False}),
    "noise": of_adults(layers={"residual": True}),
    "uncertain": of_adults(layers={"uncertainty": 7}),
    "cv": of_adults(cv={"k_ffa": 0.3}),
    "no cv": of_adults(cv={"k_ffa": 0}),
    "cv of what is held": of_adults(cv={"v_gh": 0.1}),
    "correlation": of_adults(correlations=[["k_ffa", "k_insulin", 0.3]]),
    "default correlation": of_adults(correlations=[["sens_muscle0", "egp_half", 0]]),
    "first": of_adults(first=10),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED)
def test_it_is_understood_and_its_text_makes_the_same_patients(case: str) -> None:
    whole = resolved(**ACCEPTED[case])
    again = ResolvedStudy.from_json(whole.model_dump_json())
    assert again == whole
    assert again.identity == whole.identity
    one, other = whole.cohort(0, 4), again.cohort(0, 4)
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert one.layers == other.layers
    assert one.patient.tolist() == list(range(whole.population.first, whole.population.first + 4))
    asked = whole.population.people
    assert asked is not None
    for name, limits in asked.ranges.items():
        for sex, k in (("men", 0), ("women", 1)):
            low, high = limits[sex] if isinstance(limits, dict) else limits
            values = other.covariates.get(name, other.covariates.get(f"own_{name}"))
            assert values is not None
            some = values[other.covariates["sex"] == k]
            assert np.all((some >= low) & (some <= high)), name


def test_every_change_is_another_identity_and_only_that() -> None:
    found = {case: resolved(**population).identity for case, population in ACCEPTED.items()}
    assert len(set(found.values())) == len(found)
    assert resolved(n=5, named="adults").identity != found["adults"]
    same: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (ACCEPTED["ranges"], of_adults(ranges={"bmi": (27.0, 39.9), "age": [30.0, 64.0]})),
        (ACCEPTED["open range"], of_adults(ranges={"waist": [95.0, 250.0]})),
        (ACCEPTED["constant"], of_adults(margins={"vat": 180.0})),
        (ACCEPTED["shift"], of_adults(shifts={"igf1_sds": -1.0})),
        (ACCEPTED["correlation"], of_adults(correlations=[["k_insulin", "k_ffa", 0.3]])),
        (ACCEPTED["adults"], of_adults(layers={}, cv={}, correlations=[], ranges={}, margins={}, shifts={})),
        (ACCEPTED["adults"], of_adults(layers={"between": True, "uncertainty": 0})),
    ]
    for one, other in same:
        assert resolved(**one).identity == resolved(**other).identity, other
    pairs = [["k_ffa", "k_insulin", 0.3], ["v_insulin", "v_glucose", 0.2]]
    assert (
        resolved(**of_adults(correlations=pairs)).identity == resolved(**of_adults(correlations=pairs[::-1])).identity
    )


def test_the_share_of_women_is_the_studys_where_it_gives_one() -> None:
    for women in (0.0, 0.517, 1.0):
        asked = resolved(n=4, named="hiv_lipodystrophy", women=women).population.people
        assert asked is not None
        assert asked.population().people.women == women
    kept = resolved(n=4, named="hiv_lipodystrophy").population.people
    assert kept is not None
    assert kept.population().people.women == POPULATIONS["hiv_lipodystrophy"].people.women


def test_own_correlations_replace_the_default_of_the_pair() -> None:
    people = resolved(**of_adults(correlations=[["egp_half", "sens_muscle0", -0.6]])).population.people
    assert people is not None
    found = people.omega().correlation
    assert found.of("sens_muscle0", "egp_half") == pytest.approx(-0.6)
    for pair, r in people.omega().defaults.items():
        if pair != ("sens_muscle0", "egp_half"):
            assert found.of(*pair) == pytest.approx(r), pair
    # a default goes where one of its parameters no longer varies
    still = resolved(**of_adults(cv={"egp_half": 0})).population.people
    assert still is not None
    assert [p for p in still.omega().defaults if "egp_half" in p] == []
    assert ("sens_muscle0", "egp_half") in CORRELATIONS


def test_own_patients_are_part_of_the_study(table: str) -> None:
    whole = resolved(patients=table)
    assert whole.population.n == 2
    again = ResolvedStudy.from_json(whole.model_dump_json())
    assert again.identity == whole.identity
    assert again.population.table is not None
    assert whole.population.table is not None
    for name, values in whole.population.table.columns.items():
        assert again.population.table.columns[name].tobytes() == values.tobytes(), name
    before = whole.cohort(0, 2)
    Path(table).unlink()
    after = again.cohort(0, 2)
    assert after.patient.tolist() == [3, 8]
    assert before.parameters.tobytes() == after.parameters.tobytes()
    np.testing.assert_array_equal(after.covariates["age"], [50.0, 61.5])
    np.testing.assert_array_equal(after.covariates["weight"], [90.0, 70.3])
    assert after.covariates["own_glucose"][0] == 5.1


def test_a_changed_cell_is_another_study(table: str) -> None:
    whole = resolved(patients=table).identity
    Path(table).write_text(TABLE.replace("5.1", "5.1000000001"), encoding="utf-8")
    assert resolved(patients=table).identity != whole
    Path(table).write_text(TABLE.replace("70.3", "70.30"), encoding="utf-8")
    assert resolved(patients=table).identity == whole


def test_part_of_a_table(table: str) -> None:
    assert resolved(patients=table, n=1, first=1).cohort(0, 1).patient.tolist() == [8]
    one, both = resolved(patients=table, n=1, first=1).cohort(0, 1), resolved(patients=table).cohort(0, 2)
    assert one.parameters.tobytes() == both.parameters[1:].tobytes()
    for n, first in ((3, 0), (2, 1), (None, 2)):
        with pytest.raises(InputError, match=r"has 2 patients; n = .*\.$"):
            resolved(patients=table, n=n, first=first)


@given(
    st.lists(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=3, max_size=3),
             min_size=1, max_size=20)
)  # fmt: skip
@settings(deadline=None, max_examples=50)
def test_a_table_keeps_every_bit(rows: list[list[float]]) -> None:
    columns = {name: np.array([row[k] for row in rows]) for k, name in enumerate(("patient", "age", "vat"))}
    packed = PatientTable.of(columns)
    again = PatientTable.model_validate_json(packed.model_dump_json())
    assert again.rows == len(rows)
    for name, values in columns.items():
        assert again.columns[name].tobytes() == values.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        again.columns["age"][0] = 0.0  # shared by all chunks


@given(st.integers(1, 39))
@settings(deadline=None, max_examples=10)
def test_chunks_of_a_study_are_parts_of_it(cut: int) -> None:
    study = resolved(n=40, named="trial")
    whole = study.cohort(0, 40)
    parts = [study.cohort(a, b).parameters.tobytes() for a, b in pairwise((0, cut, 40))]
    assert b"".join(parts) == whole.parameters.tobytes()
