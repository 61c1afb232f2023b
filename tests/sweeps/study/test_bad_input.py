"""Wrong study files: one plain sentence each, naming file, field, value and what is allowed; exit code 2."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pulsatile.cli.main import main
from tests.conftest import Write

Change = dict[str, Any]
Row = tuple[Change, str, str, str]


def changed(data: dict[str, Any], change: Change) -> dict[str, Any]:
    """Set dotted keys; a value of ``...`` removes the key."""
    data = deepcopy(data)
    for key, value in change.items():
        place: Any = data
        *parents, last = [int(part) if part.isdecimal() else part for part in key.split(".")]
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return data


RULE = "arms.1.regimen.0"
EVERY_MINUTE = [f"{m // 60:02}:{m % 60:02}" for m in range(1440)]
MANY = [{"drug": "tesamorelin", "dose": "1 ug", "at": ["08:00"]}] * 101
THREE = [{"drug": drug, "dose": "1 mg", "at": ["08:00"]} for drug in ("tesamorelin", "sermorelin", "cjc1295_dac")]


def rule(**changes: Any) -> Change:
    """Change the one dose rule of the study."""
    return {f"{RULE}.{key}": value for key, value in changes.items()}


def infusion(drug: str, dose: str, duration: str = "2 h", **more: Any) -> Change:
    return rule(drug=drug, dose=dose, route="infusion", duration=duration, **more)


def shares(value: Any) -> Change:
    return {"population.phenotype": ..., "population.shares": value}


def weeks_of(test: str, *weeks: Any) -> Change:
    return {"tests": [{"test": test, "weeks": list(weeks)}]}


def solver(**settings: Any) -> Change:
    return {"solver": settings}


# what is changed; the field as the sentence names it; the value got; a word of what is allowed
# fmt: off
DOSING: list[Row] = [
    (rule(drug="tesamorelim"), "arms[1].regimen[0].drug", "tesamorelim", "did you mean tesamorelin?"),
    (rule(drug="Tesamorelin"), "arms[1].regimen[0].drug", "Tesamorelin", "did you mean tesamorelin?"),
    (rule(drug="aspirin"), "arms[1].regimen[0].drug", "aspirin", "somatropin"),
    (rule(drug=""), "arms[1].regimen[0].drug", "''", "somatropin"),
    (rule(drug=5), "arms[1].regimen[0].drug", "5", "text"),
    (rule(drug=["tesamorelin"]), "arms[1].regimen[0].drug", "['tesamorelin']", "text"),
    (rule(drug="capromorelin"), "arms[1].regimen[0]", "capromorelin", "not known"),
    (rule(drug="somapacitan"), "arms[1].regimen[0]", "somapacitan", "potency relative to GH"),
    (rule(dose="-2 mg"), "arms[1].regimen[0]", "-2", "at least 0"),
    (rule(dose="much"), "arms[1].regimen[0].dose", "much", "write a number"),
    (rule(dose="nan mg"), "arms[1].regimen[0].dose", "nan mg", "write a number"),
    (rule(dose="inf mg"), "arms[1].regimen[0].dose", "inf mg", "write a number"),
    (rule(dose="1e999 mg"), "arms[1].regimen[0].dose", "1e999 mg", "too large"),
    (rule(dose="1e9 mg"), "arms[1].regimen[0]", "1000000000.0 mg", "at most 200 mg a day"),
    (rule(dose="100 mg", at=["08:00", "16:00", "20:00"]), "arms[1].regimen[0]", "100.0 mg", "at most 200 mg a day"),
    (rule(dose="2 - 3 mg"), "arms[1].regimen[0].dose", "2 - 3 mg", "the units ug, mg"),
    (rule(dose="2.5.1 mg"), "arms[1].regimen[0].dose", "2.5.1 mg", "the units ug, mg"),
    (rule(dose="2,5 mg"), "arms[1].regimen[0].dose", "2,5 mg", "the units ug, mg"),
    (rule(dose="٢ mg"), "arms[1].regimen[0].dose", "٢ mg", "write a number"),
    (rule(dose=True), "arms[1].regimen[0].dose", "True", "text"),
    (rule(dose=None), "arms[1].regimen[0].dose", "is missing", "2 mg"),
    (rule(dose=[2]), "arms[1].regimen[0].dose", "[2]", "text"),
    (rule(dose=...), "arms[1].regimen[0].dose", "missing", "or a table of doses"),
    (rule(dose={"match": "igf1"}), "arms[1].regimen[0].dose.to", "missing", "match, to"),
    (rule(dose={"match": "gh", "to": "tesamorelin"}), "arms[1].regimen[0].dose.match", "gh", "igf1"),
    (rule(dose={"match": "igf1", "to": "no treatment"}), "arms[1].regimen[0]", "tesamorelin", "only somatropin"),
    (rule(drug="somatropin", dose={"match": "igf1", "to": "x"}), "dose.to", "'x'", "no treatment"),
    (rule(route="nasal"), "arms[1].regimen[0].route", "nasal", "SC"),
    (rule(route="sc"), "arms[1].regimen[0].route", "'sc'", "SC"),
    (rule(route=None), "arms[1].regimen[0].route", "nothing", "SC"),
    (rule(route="oral"), "arms[1].regimen[0]", "oral", "use SC or IV"),
    (rule(route="pump", duration="24 h"), "arms[1].regimen[0]", "pump", "use SC or IV"),
    (rule(drug="insulin", dose="6 pmol/kg/min"), "arms[1].regimen[0]", "SC", "use infusion"),
    (rule(at=["25:00"]), "arms[1].regimen[0].at[0]", "25:00", "00:00 to 23:59"),
    (rule(at=["24:00"]), "arms[1].regimen[0].at[0]", "24:00", "00:00 to 23:59"),
    (rule(at=["-1:00"]), "arms[1].regimen[0].at[0]", "-1:00", "00:00 to 23:59"),
    (rule(at=["08:60"]), "arms[1].regimen[0].at[0]", "08:60", "00:00 to 23:59"),
    (rule(at=["08:00:30"]), "arms[1].regimen[0].at[0]", "08:00:30", "00:00 to 23:59"),
    (rule(at=["8 am"]), "arms[1].regimen[0].at[0]", "8 am", "00:00 to 23:59"),
    (rule(at=["٠٨:٠٠"]), "arms[1].regimen[0].at[0]", "٠٨:٠٠", "00:00 to 23:59"),
    (rule(at=[8]), "arms[1].regimen[0].at[0]", "8", "00:00 to 23:59"),
    (rule(at="08:00"), "arms[1].regimen[0].at", "08:00", "a list"),
    (rule(at=None), "arms[1].regimen[0].at", "nothing", "a list"),
    (rule(at=[]), "arms[1].regimen[0].at", "empty", "at least one"),
    (rule(at=["08:00", "8:00"]), "arms[1].regimen[0]", "8.0, 8.0", "raise the amount"),
    (rule(at=[*EVERY_MINUTE, "00:00"]), "arms[1].regimen[0].at", "00:00", "at most 1440"),
    (rule(dose="1 ug", at=EVERY_MINUTE) | {"weeks": 26}, "arm tesamorelin", "262080 doses", "at most 50000"),
    (rule(days=["Mon", "Noday"]), "arms[1].regimen[0].days[1]", "Noday", "Mon, Tue"),
    (rule(days=["Monkey"]), "arms[1].regimen[0].days[0]", "Monkey", "Mon, Tue"),
    (rule(days=["Mon", "Mon"]), "arms[1].regimen[0].days", "Mon", "each once"),
    (rule(days=["Mon", "Monday"]), "arms[1].regimen[0]", "[0, 0]", "different days"),
    (rule(days=[1]), "arms[1].regimen[0].days[0]", "1", "text"),
    (rule(days=[]), "arms[1].regimen[0].days", "[]", "at least 1"),
    (rule(days="Mon"), "arms[1].regimen[0].days", "Mon", "a list"),
    (rule(every_weeks=0), "arms[1].regimen[0].every_weeks", "0", "at least 1"),
    (rule(every_weeks=-2), "arms[1].regimen[0].every_weeks", "-2", "at least 1"),
    (rule(every_weeks=1.5), "arms[1].regimen[0].every_weeks", "1.5", "whole number"),
    (rule(every_weeks=True), "arms[1].regimen[0].every_weeks", "True", "whole number"),
    (rule(every_weeks=521), "arms[1].regimen[0].every_weeks", "521", "at most 520"),
    (rule(start="-1 week"), "arms[1].regimen[0].start", "-1 week", "from 0 to 520 weeks"),
    (rule(start="30 weeks"), "arms[1].regimen[0].start", "30 weeks", "below 1 weeks"),
    (rule(start="1e300 weeks"), "arms[1].regimen[0].start", "1e300 weeks", "from 0 to 520 weeks"),
    (rule(start="3 weeks", stop="2 weeks"), "arms[1].regimen[0]", "2.0", "after its start_week"),
    (rule(stop="0 weeks"), "arms[1].regimen[0]", "0.0", "after its start_week"),
    (rule(stop="1e9 weeks"), "arms[1].regimen[0].stop", "1e9 weeks", "from 0 to 520 weeks"),
    (rule(duration="2 h"), "arms[1].regimen[0]", "2.0", "0 for the route SC"),
    (rule(route="infusion"), "arms[1].regimen[0]", "0.0", "at least 1/3600 h"),
    (rule(route="infusion", duration="-2 h"), "arms[1].regimen[0].duration", "-2 h", "from 0 to 520 weeks"),
    (rule(route="infusion", duration="0.001 min"), "arms[1].regimen[0]", "1.66", "at least 1/3600 h"),
    (rule(route="infusion", duration="1e6 weeks"), "arms[1].regimen[0].duration", "1e6 weeks", "from 0 to 520 weeks"),
    (rule(route="infusion", duration="30 h"), "arms[1].regimen[0]", "30 h", "longer than the 24 h to the rule's next"),
    (infusion("glucose", "0.1 mmol/kg/min", "3 h", at=["08:00", "10:00"]), "arms[1].regimen[0]", "3 h", "than the 2 h"),
    (infusion("tesamorelin", "1 mg", "8 days", days=["Mon"]), "arms[1].regimen[0]", "192 h", "longer than the 168 h"),
    (infusion("acipimox", "2 -"), "arms[1].regimen[0]", "2.0", "at most 1 -"),
    (infusion("glucose", "10 mmol/kg/min"), "arms[1].regimen[0]", "10.0", "at most 5 mmol/kg/min"),
    (infusion("insulin", "1e9 pmol/kg/min"), "arms[1].regimen[0]", "1000000000.0", "at most 6000 pmol/kg/min"),
    (infusion("lipid", "100 mmol/L/min"), "arms[1].regimen[0]", "100.0", "at most 3 mmol/L/min"),
    (infusion("somatropin", "1 g"), "arms[1].regimen[0].dose", "1 g", "the units ug, mg"),
    (rule(amount="2 mg"), "arms[1].regimen[0].amount", "2 mg", "Allowed are drug, dose"),
    (rule(addl=5), "arms[1].regimen[0].addl", "5", "allowed are drug, dose"),
    (rule(rout="SC"), "arms[1].regimen[0].rout", "SC", "did you mean route?"),
    (rule(ss=1), "arms[1].regimen[0].ss", "1", "allowed are drug, dose"),
    (rule(evid=3), "arms[1].regimen[0].evid", "3", "allowed are drug, dose"),
]
ARMS: list[Row] = [
    ({"arms.1.preset": "control"}, "arms[1]", "tesamorelin", "either a preset or a regimen"),
    ({"arms.1.regimen": None}, "arms[1]", "None", "either a preset or a regimen"),
    ({"arms.1.regimen": {}}, "arms[1].regimen", "{}", "a list"),
    ({"arms.1.regimen": "control"}, "arms[1].regimen", "control", "a list"),
    ({"arms.1.regimen": ["control"]}, "arms[1].regimen[0]", "control", "the keys drug, dose"),
    ({"arms.1.regimen": MANY}, "arms[1].regimen", "tesamorelin", "at most 100"),
    ({"arms.1": None}, "arms[1]", "nothing", "the keys name, preset"),
    ({"arms.1": "control"}, "arms[1]", "control", "the keys name, preset"),
    ({"arms.0.preset": "tesamorelin"}, "arms[0]", "tesamorelin", "tesamorelin_label"),
    ({"arms.0.preset": "somapacitan_weekly"}, "arms[0]", "somapacitan_weekly", "potency of somapacitan"),
    ({"arms.0.preset": ""}, "arms[0]", "''", "choose from"),
    ({"arms.0.preset": 5}, "arms[0].preset", "5", "text"),
    ({"arms.1.name": "no treatment"}, "arms", "no treatment", "its own name"),
    ({"arms.1.name": "no treatment "}, "arms[1].name", "'no treatment '", "letters, digits"),
    ({"arms.1.name": ""}, "arms[1].name", "''", "write a name"),
    ({"arms.1.name": " "}, "arms[1].name", "' '", "letters, digits"),
    ({"arms.1.name": "two\nlines"}, "arms[1].name", "two", "in one line"),
    ({"arms.1.name": "a\u202eb"}, "arms[1].name", "u202e", "in one line"),
    ({"arms.1.name": "a\0b"}, "arms[1].name", "x00", "in one line"),
    ({"arms.1.name": "a" * 61}, "arms[1].name", "aaa", "at most 60"),
    ({"arms.1.name": 5}, "arms[1].name", "5", "text"),
    ({"arms.1.name": None}, "arms[1].name", "nothing", "text"),
    ({"arms.1.description": "x" * 201}, "arms[1].description", "xxx", "at most 200"),
    ({"arms.1.regimen": THREE}, "tesamorelin", "3 GHRH analogues", "at most 2"),
    ({"arms": [{"name": f"a{i}", "preset": "control"} for i in range(101)]}, "arms", "a0", "at most 100"),
    ({"arms": []}, "arms", "[]", "at least 1"),
    ({"arms": "control"}, "arms", "control", "a list"),
    ({"arms": None}, "arms", "nothing", "a list"),
    ({"arms": ...}, "arms", "missing", "add it"),
    ({"control": "placebo"}, "control", "placebo", "no treatment, tesamorelin"),
    ({"control": ""}, "control", "''", "no treatment, tesamorelin"),
]
POPULATION: list[Row] = [
    ({"population.n": 0}, "population.n", "0", "at least 1"),
    ({"population.n": -5}, "population.n", "-5", "at least 1"),
    ({"population.n": 2.5}, "population.n", "2.5", "whole number"),
    ({"population.n": True}, "population.n", "True", "whole number"),
    ({"population.n": None}, "population.n", "nothing", "whole number"),
    ({"population.n": "many"}, "population.n", "many", "whole number"),
    ({"population.n": float("nan")}, "population.n", "nan", "number"),
    ({"population.n": 10_000_001}, "population.n", "10000001", "at most 10000000"),
    ({"population.n": 10**30}, "population.n", "1000000000", "at most 10000000"),
    ({"population.n": ...}, "population.n", "missing", "add it"),
    ({"population.first": -1}, "population.first", "-1", "at least 0"),
    ({"population.first": 2**60}, "population.first", "1152921504606846976", "at most 9007199254740992"),
    ({"population.variability": "no"}, "population.variability", "no", "true or false"),
    ({"population.phenotype": "fat"}, "population.phenotype", "fat", "lean, overweight, obese"),
    ({"population.phenotype": "obèse"}, "population.phenotype", "obèse", "did you mean obese?"),
    ({"population.phenotype": ["lean"]}, "population.phenotype", "['lean']", "text"),
    ({"population.shares": {"lean": 1.0}}, "population", "shares", "one of the two"),
    (shares({}), "population.shares", "{}", "at least 1"),
    (shares({"lean": -1.0}), "population.shares.lean", "-1", "at least 0"),
    (shares({"lean": 0.0}), "population", "lean", "above 0"),
    (shares({"lean": float("nan")}), "population.shares.lean", "nan", "finite number"),
    (shares({"lean": 1e300}), "population.shares.lean", "1e+300", "at most 1e+09"),
    (shares({"lean": "70 %"}), "population.shares.lean", "70 %", "a number"),
    (shares({"fat": 1.0}), "population.shares.fat", "fat", "lean, overweight, obese"),
    (shares(["lean"]), "population.shares", "['lean']", "a mapping"),
    ({"population": 5}, "population", "5", "the keys n, phenotype"),
    # own populations do not exist yet: their keys are refused, not passed over
    ({"population.age": 540}, "population.age", "540", "Allowed are n, phenotype"),
    ({"population.weight": "154 lb"}, "population.weight", "154 lb", "allowed are n, phenotype"),
    ({"population.ids": [1, 1]}, "population.ids", "[1, 1]", "allowed are n, phenotype"),
    ({"population.omega": [[1e-30]]}, "population.omega", "[[1e-30]]", "Allowed are n, phenotype"),
    ({"population.sd": 0}, "population.sd", "0", "allowed are n, phenotype"),
]
TIMES: list[Row] = [
    ({"weeks": 0}, "weeks", "0", "at least 0.01"),
    ({"weeks": -26}, "weeks", "-26", "at least 0.01"),
    ({"weeks": 1e-300}, "weeks", "1e-300", "at least 0.01"),
    ({"weeks": float("nan")}, "weeks", "nan", "finite number"),
    ({"weeks": float("inf")}, "weeks", "inf", "finite number"),
    ({"weeks": "26 weeks"}, "weeks", "26 weeks", "a number such as"),
    ({"weeks": True}, "weeks", "True", "a number such as"),
    ({"weeks": 1000}, "weeks", "1000", "at most 520"),
    ({"weeks": ...}, "weeks", "missing", "add it"),
    ({"outputs": {"every": "0 h"}}, "outputs.every", "0 h", 'at least "1 min"'),
    ({"outputs": {"every": "-1 h"}}, "outputs.every", "-1 h", "from 0 to 520 weeks"),
    ({"outputs": {"every": "30 s"}}, "outputs.every", "30 s", "min, h, day, week"),
    ({"outputs": {"every": "1e9 weeks"}}, "outputs.every", "1e9 weeks", "from 0 to 520 weeks"),
    ({"outputs": {"every": 24}}, "outputs.every", "24", "min, h, day, week"),
    ({"outputs": {"every": ""}}, "outputs.every", "''", "min, h, day, week"),
    ({"reductions": {"names": ["gh_mean"], "every": "2 weeks"}}, "reductions.every", "2 weeks", "up to 1 weeks"),
    ({"outputs": {"every": "1 min"}, "reductions": {"every": "0.5 min"}}, "reductions.every", "0.5 min", "1 min"),
    (weeks_of("clamp", 0, 26), "tests[0].weeks", "[0, 26]", "up to week 1"),
    (weeks_of("clamp", 1, 0), "tests[0].weeks", "[1, 0]", "ascending"),
    (weeks_of("clamp", 0, 0), "tests[0].weeks", "[0, 0]", "ascending"),
    (weeks_of("clamp", 0.5), "tests[0].weeks", "[0.5]", "whole weeks"),
    (weeks_of("clamp", -1), "tests[0].weeks[0]", "-1", "at least 0"),
    (weeks_of("clamp", "1 month"), "tests[0].weeks[0]", "1 month", "a number"),
    (weeks_of("clamp"), "tests[0].weeks", "[]", "at least 1"),
    (weeks_of("scan", 0), "tests[0].test", "scan", "clamp"),
    ({"tests": ["clamp"]}, "tests[0]", "clamp", "the keys test, weeks"),
    ({"tests": [{"test": "clamp", "weeks": [0]}] * 2}, "tests", "clamp", "in one entry"),
]
KEPT_AND_SOLVED: list[Row] = [
    ({"outputs": {"names": ["igf2"]}}, "outputs.names[0]", "igf2", "did you mean igf1?"),
    ({"outputs": {"names": ["time"]}}, "outputs.names[0]", "time", "choose from"),
    ({"outputs": {"names": ["igf1", "igf1"]}}, "outputs.names", "igf1", "each once"),
    ({"outputs": {"names": []}}, "outputs.names", "[]", "at least 1"),
    ({"outputs": {"names": "igf1"}}, "outputs.names", "igf1", "a list"),
    ({"outputs": {"dtype": "float16"}}, "outputs.dtype", "float16", "float32"),
    ({"outputs": {"format": "csv"}}, "outputs.format", "csv", "names, every, dtype"),
    ({"outputs": None}, "outputs", "nothing", "the keys names, every"),
    ({"reductions": {"names": ["gh_median"]}}, "reductions.names[0]", "gh_median", "gh_mean"),
    (solver(rtol=0), "solver.rtol", "0", "at least 1e-12"),
    (solver(rtol=1e-15), "solver.rtol", "1e-15", "at least 1e-12"),
    (solver(rtol=1), "solver.rtol", "1", "at most 0.01"),
    (solver(rtol=-1e-6), "solver.rtol", "-1e-06", "at least 1e-12"),
    (solver(rtol=float("nan")), "solver.rtol", "nan", "finite number"),
    (solver(rtol="tight"), "solver.rtol", "tight", "a number"),
    (solver(atol=0), "solver.atol", "0", "did you mean rtol?"),
    (solver(method="rk4"), "solver.method", "rk4", "bs5"),
    (solver(lanes=5), "solver.lanes", "5", "8"),
    (solver(precision="half"), "solver.precision", "half", "mixed"),
    (solver(precision="mixed"), "solver", "1e-06", "5e-06"),
    (solver(division="fast"), "solver", "division", "allowed are rtol"),
    (solver(max_steps_per_day=0), "solver.max_steps_per_day", "0", "at least 100"),
    (solver(max_steps_per_day=10**12), "solver.max_steps_per_day", "1000000000000", "at most 1000000000"),
    (solver(device="tpu"), "solver.device", "tpu", "cpu or cuda"),
    ({"long_horizon": {}}, "weeks", "1", "beyond day 44"),
    ({"long_horizon": True}, "long_horizon", "True", "the keys macro_days"),
    ({"long_horizon": {"macro_days": 14}, "weeks": 26}, "long_horizon", "14", "choose 13 or 15"),
    ({"long_horizon": {"macro_days": "13 days"}, "weeks": 26}, "long_horizon.macro_days", "13 days", "whole number"),
    ({"seed": -1}, "seed", "-1", "at least 0"),
    ({"seed": 2**64}, "seed", "18446744073709551616", "below 18446744073709551616"),
    ({"seed": 1.5}, "seed", "1.5", "whole number"),
    ({"seed": None}, "seed", "nothing", "whole number"),
    ({"title": 5}, "title", "5", "text"),
    ({"title": "a\0b"}, "title", "x00", "one line"),
    ({"title": "x" * 201}, "title", "xxx", "at most 200"),
    ({"sead": 3}, "sead", "3", "did you mean seed?"),
    ({"n": 3}, "n = 3", "3", "population"),
    ({"scan": {"grid": {}}}, "scan", "{'grid': {}}", "llowed are title, seed"),
    ({"sweep": {"axes": {}}}, "sweep.axes", "{}", "at least 1"),
]
# fmt: on


def refused(path: Path, *more: str) -> str:
    """Run ``pulsatile run`` on a wrong study and return its one sentence."""
    out = path.parent / "run"
    result = CliRunner().invoke(main, ["run", str(path), "--out", str(out), *more])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("pulsatile: error: ")
    assert lines[0].endswith(".")
    assert "Traceback" not in result.stderr
    assert not out.exists()
    return lines[0]


@pytest.mark.parametrize(
    "row",
    [*DOSING, *ARMS, *POPULATION, *TIMES, *KEPT_AND_SOLVED],
    ids=lambda row: ascii(row[0]).replace("arms.1.regimen.0.", "")[1:60],
)
def test_a_wrong_study_gets_one_sentence(row: Row, small: dict[str, Any], write: Write) -> None:
    change, field, got, allowed = row
    path = write(changed(small, change))
    sentence = refused(path)
    for part in (str(path), field, got, allowed):
        assert part in sentence, f"{part!r} is not in: {sentence}"
