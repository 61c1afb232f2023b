"""Doses as a study file writes them: forms, tables and titrations, and one sentence for each wrong entry."""

from pathlib import Path
from typing import Any

import pytest

from pulsatile.engine.drugs.dose_table import DoseTable
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.schema import load_study, study_from
from pulsatile.sweeps.study.tables.dose_file import read_doses

TITRATE = {"on": "igf1_sds", "target": [0, 1], "step": "0.1 mg", "min": "0.1 mg", "max": "1 mg", "every": "2 weeks"}
RHGH = {"drug": "somatropin", "dose": "0.2 mg", "at": ["21:00"]}


def study(rule: dict[str, Any], **more: Any) -> Any:
    data = {
        "weeks": 8, "population": {"n": 1, "phenotype": "obese"}, "arms": [{"name": "arm", "regimen": [rule]}],
    } | more  # fmt: skip
    return study_from(data, "study")


def dose(rule: dict[str, Any]) -> Any:
    return study(rule).arms[0].resolved().doses[0]


def test_forms_become_numbers() -> None:
    every = dose(RHGH | {"every": "36 h", "count": 5})
    assert (every.interval, every.count, every.times) == (36.0, 5, (21.0,))
    assert dose(RHGH | {"count": 1}).count == 1
    assert dose(RHGH | {"dose": "1 IU/m2"}).micrograms == pytest.approx(1000 / 3)
    real = dose(RHGH | {"adherence": 0.9, "content": [0.85, 1.15], "jitter": "30 min"})
    assert (real.adherence, real.content, real.jitter) == (0.9, (0.85, 1.15), 0.5)
    titrated = dose(RHGH | {"titrate": TITRATE | {"until": "6 weeks"}})
    assert titrated.titration == Titration("igf1_sds", 0, 1, 0.1, 0.1, 1.0, 2.0, 6.0)


def test_a_nonmem_table_is_expanded(tmp_path: Path) -> None:
    file = tmp_path / "doses.csv"
    file.write_text("#ID,TIME,AMT,II,ADDL,RATE,EVID,DV\n1,21,0.5,24,2,.,1,.\n1,30,.,.,.,.,0,5.2\n2,9,2,,,0.5,1,.\n")
    assert read_doses(file) == DoseTable(
        time=(21.0, 45.0, 69.0, 9.0), amount=(0.5, 0.5, 0.5, 2.0), patient=(1, 1, 1, 2), duration=(0.0, 0.0, 0.0, 4.0)
    )
    file.write_text("TIME,AMT\n21,0.5\n")
    (tmp_path / "study.yaml").write_text(
        "weeks: 1\npopulation: {n: 1, phenotype: obese}\n"
        "arms: [{name: a, regimen: [{drug: somatropin, table: doses.csv, unit: mg}]}]\n"
    )
    found = load_study(tmp_path / "study.yaml").arms[0].resolved().doses[0]
    assert (found.table, found.unit, found.route) == (DoseTable((21.0,), (0.5,)), "mg", "SC")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ID,AMT\n1,1\n", "column TIME is missing"),
        ("TIME\n1\n", "column AMT is missing"),
        ("TIME,AMT,amt\n1,1,1\n", "AMT stands in two columns"),
        ("TIME,AMT\n1,one\n", "line 2, AMT: 'one' is no number"),
        ("TIME,AMT\n1,inf\n", "'inf' is no number"),
        ("TIME,AMT\n.,1\n", "line 2: TIME is missing"),
        ("TIME,AMT\n-1,1\n", "TIME = -1 is negative"),
        ("TIME,AMT\n1,-1\n", "AMT = -1 is negative"),
        ("TIME,AMT,ADDL\n1,1,3\n", "ADDL = 3"),
        ("TIME,AMT,ADDL,II\n1,1,1.5,24\n", "ADDL = 1.5"),
        ("TIME,AMT,ADDL,II\n1,1,600000,24\n", "more than 500000 doses"),
        ("ID,TIME,AMT\n1.5,1,1\n", "ID is not a whole number"),
        ("ID,TIME,AMT\n.,1,1\n", "ID is not a whole number"),
        ("TIME,AMT,EVID\n1,1,4\n", "EVID = 4 is not known"),
        ("TIME,AMT\n1,.\n", "has no dose"),
        ("TIME,AMT\n1,1,1\n", "3 cells"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "doses.csv"
    file.write_text(text)
    with pytest.raises(InputError) as raised:
        study({"drug": "somatropin", "table": str(file), "unit": "mg"})
    (sentence,) = str(raised.value).splitlines()
    assert sentence.startswith("study: arms[0].regimen[0]")
    assert words in sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dose": None}, "give either a dose"),
        ({"table": "doses.csv"}, "give either a dose"),
        ({"unit": "mg"}, "a table needs one, a dose has its own"),
        ({"at": []}, "at is empty"),
        ({"every": "36 h", "at": ["08:00", "20:00"]}, "also several times"),
        ({"every": "36 h", "days": ["Mon"]}, "also several times, days"),
        ({"every": "10"}, "has no unit"),
        ({"every": "1 s"}, "unknown unit 's'"),
        ({"count": 0}, "at least 1"),
        ({"count": 1.5}, "a whole number"),
        ({"adherence": 90}, "at most 1"),
        ({"adherence": "0.9"}, "a number such as"),
        ({"content": [1.1, 0.9]}, "two shares"),
        ({"content": [0.9]}, "content"),
        ({"jitter": "13 h"}, "from 0 to 12 h"),
        ({"jitter": 30}, "has no unit"),
        ({"dose": "2 mg/m3"}, "unknown unit 'mg/m3'"),
        ({"dose": "60 mg/m2"}, "is too large"),
        ({"titrate": TITRATE | {"step": "1 ug/kg"}}, "step is in ug/kg and the dose in mg"),
        ({"titrate": TITRATE | {"target": [1, 0]}}, "must ascend"),
        ({"titrate": TITRATE | {"target": 1}}, "a list such as"),
        ({"titrate": TITRATE | {"max": "1 g"}}, "unknown unit 'g'"),
        ({"titrate": TITRATE | {"every": "3 days"}}, "must be whole"),
        ({"titrate": TITRATE | {"every": "8 weeks"}}, "no visit before the study's end"),
        ({"titrate": TITRATE | {"on": "igf1sds"}}, "neither an output nor an endpoint"),
        ({"titrate": TITRATE | {"on": "fasting_glucose"}}, "neither an output nor an endpoint"),
        ({"titrate": {"on": "igf1_sds"}}, "target is missing"),
        ({"titrate": TITRATE | {"to": 1}}, "unknown key"),
        ({"route": "pump", "duration": "24 h", "adherence": 0.9}, "do not apply"),
    ],
)
def test_a_wrong_rule_is_named(change: dict[str, Any], words: str) -> None:
    rule = {name: value for name, value in (RHGH | change).items() if value is not None}
    with pytest.raises(InputError) as raised:
        study(rule)
    assert all(line.startswith("study: ") for line in str(raised.value).splitlines())
    assert words in str(raised.value)
