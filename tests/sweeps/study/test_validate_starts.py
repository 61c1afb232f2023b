"""A study that validates starts, one that does not is refused by `run` in the same words: every key at its borders."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from pulsatile.cli.main import main
from pulsatile.engine import simulate as engine
from pulsatile.engine.drugs.presets import PRESETS
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.changes import CHANGEABLE
from pulsatile.engine.patients.cohort import PHENOTYPES
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.engine.trial.plan import WATCHED
from pulsatile.engine.trial.protocols import TESTS
from pulsatile.sweeps.chunk.compute import chunk_values
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.run import driver
from pulsatile.sweeps.sensitivity.methods import METHODS
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.study.schema import Study, json_schema
from tests.conftest import SMALL, Write
from tests.sweeps.study.json_schema import errors

BASE: dict[str, Any] = SMALL | {
    "weeks": 2, "arms": [*SMALL["arms"], {"name": "rhGH", "preset": "rhgh_low"}],
    "tests": [{"test": "fasting", "weeks": [0, 2]}], "reductions": {"names": ["gh_mean"], "every": "1 week"},
}  # fmt: skip
NAMED = {"population": {"n": 2, "named": "adults"}}
OWN = {"population": {"patients": "own.csv"}}
ALL_COLUMNS = {"sex": "sex", "age": "age [y]", "weight": "weight [kg]", "height": "height [m]"}
RANGES = {"population": {"n": 3, "strata": {"age": {"ranges": [[20, 70]]}}}}
SHARES = {"population": {"n": 3, "strata": {"age": {"shares": [1]}}}}
MAPPED = ("bmi", "age", "mine")
"""Names chosen by the user, which are no keys of the file."""
PEPTIDE = {
    "kind": "ghrh", "source": "a leaflet", "largest": "50 mg", "molar_mass": "3358 g/mol", "f": 0.06, "ka": "4 1/h",
    "cl": "156 L/h", "v": "24.75 L", "ec50": "0.15 nmol/L", "ke": "5 1/h",
}  # fmt: skip
OWN_DRUG = {
    "drugs": {"mine": PEPTIDE},
    "arms": [
        BASE["arms"][0],
        {"name": "mine", "regimen": [{"drug": "mine", "dose": "1 mg", "at": ["22:00"]}]},
    ],
}  # fmt: skip
CROSSOVER = {
    "tests": [], "arms": BASE["arms"][:2], "weeks": 2,
    "crossover": {
        "sequences": [["no treatment", "tesamorelin"], ["tesamorelin", "no treatment"]], "period": "6 days",
        "washout": "1 day",
    },
}  # fmt: skip
GROUPED = {"groups": {"allocation": {"no treatment": 1, "tesamorelin": 1}}}
DESIGN = {
    "population": {"phenotype": "obese"},
    "design": {"kind": "latin", "points": 4, "factors": ["v_gh", {"name": "k_gh", "distribution": "uniform"}]},
}
WEIGHTED_FACTOR = {"name": "v_gh", "distribution": "log-normal", "centre": 3.0, "spread": 0.3}
LEVELS = {"name": "v_gh", "distribution": "levels", "levels": [2.0, 4.0]}
LONG = {
    "weeks": 12, "outputs": {"names": ["vat"]}, "reductions": {}, "tests": [], "long_horizon": {"macro_days": 13}
}  # fmt: skip
RULE = BASE["arms"][1]["regimen"][0]
TITRATE = {
    "on": "igf1_sds", "target": [0, 1], "step": "0.1 mg", "min": "0.1 mg", "max": "4 mg", "every": "1 week"
}  # fmt: skip
TITRATED = {"arms": [BASE["arms"][0], {"name": "t", "regimen": [RULE | {"titrate": TITRATE}]}, BASE["arms"][2]]}
GIVE = {"drug": "sermorelin", "dose": "1 ug/kg"}


def of_test(test: str, **settings: Any) -> dict[str, Any]:
    return {"tests": [{"test": test, "weeks": [0, 2]} | settings]}


EVERY_MINUTE = [f"{k // 60:02}:{k % 60:02}" for k in range(1440)]

# key -> entries of the study beside it, and values at and beyond the borders of what is allowed
BORDERS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "title": ({}, ["", "x" * 200, "x" * 201, "a\nb"]),
    "seed": ({}, [0, 2**64 - 1, 2**64, -1, 1.5]),
    "weeks": ({"tests": [], "reductions": {}}, [0.01, 0.009, 0.5, 1 / 3, 520, 521, "2"]),
    "length": ({"weeks": 2}, ["2 weeks", "14 days", "336 h", "15 days", "1 min", "fortnight", 336]),
    "parameters.v_gh": ({}, [4.0, 0.35, 0.34, 0, -1, "4", None]),
    "parameters.lipolysis_gain.factor": ({}, [0, 1, 100, 100.1, -0.1, "2"]),
    "arms.1.parameters.k_gh.factor": ({}, [0, 1, 100, 100.1, -0.1]),
    "meals.at": ({}, [1]),
    "meals.grams": ({}, [1]),
    "meals": ({}, [[], [{"at": "07:00", "grams": 300}], [{"at": "00:45", "grams": 0}], [{"at": "00:44", "grams": 60}],
                   [{"at": "07:00", "grams": 301}], [{"at": "07:00", "grams": 60}] * 2, None]),
    "fasting.days": ({}, [[], ["Mon"], ["Monday", "Thu"], ["Mon", "Monday"], ["Mo"], "Mon"]),
    "fasting.mornings": ({}, [["Sun"], ["Sun", "Sun"], [0]]),
    "sweep.kind": ({"sweep": {"axes": {"seed": [1, 2]}}}, ["grid", "list", "lhs", "sobol"]),
    "sweep.axes": ({}, [{"seed": [1, 2]}, {"seed": [1, 1]}, {"seed": []}, {}, {"weeks": [1, 2]}, {"sed": [1]}]),
    "sweep.axes.seed.low": ({"sweep": {"kind": "lhs", "points": 2, "axes": {"seed": {"high": 3}}}}, [1, 3, "1 mg"]),
    "sweep.axes.seed.high": ({"sweep": {"kind": "lhs", "points": 2, "axes": {"seed": {"low": 1}}}}, [0, 3, "1 mg"]),
    "sweep.points": ({"sweep": {"axes": {"seed": [1, 2]}}}, [2, 0, None]),
    "sweep.seed": ({"sweep": {"axes": {"seed": [1, 2]}}}, [1, -1, None]),
    "population.n": ({}, [1, 0, 100_000, 10_000_001, None]),
    "population.phenotype": ({}, [*PHENOTYPES, "giant", None]),
    "population.shares": ({"population": {"n": 2}}, [{"obese": 1e9}, {"obese": 0}, {"igt": 1e-9, "t2d": 1}, {}]),
    "population.first": ({}, [2**53, 2**53 + 1, -1]),
    "population.variability": ({}, [False, "no"]),
    "population.named": ({"population": {"n": 2}}, [*POPULATIONS, "martians"]),
    "population.patients": ({"population": {}}, ["OWN", "ONE", "nothing.csv", "study.yaml"]),
    "population.frozen": ({"population": {}}, ["nothing", "study.yaml"]),
    "population.women": (NAMED, [0, 1, 1.01]),
    "population.ranges": (
        NAMED, [{"age": [20, 79]}, {"age": [30, 30]}, {"age": [95, 99]}, {"vat": [100, 100.001]}, {"x": [1, 2]}]
    ),
    "population.margins": (NAMED, [{"vat": {"median": 180, "cv": 0.4}}, {"vat": 1e9}, {"age": {"mean": 1}}]),
    "population.shifts": (NAMED, [{"igf1_sds": -3}, {"igf1_sds": 100}, {"age": "1"}]),
    "population.layers.between": (NAMED, [False, 1]),
    "population.layers.occasions": (NAMED, [False, 1]),
    "population.layers.residual": (NAMED, [True, 1]),
    "population.layers.uncertainty": (NAMED, [0, 1, 2**31, 2**63, -1]),
    "population.cv": (NAMED, [{"v_gh": 0}, {"v_gh": 0.3}, {"v_gh": 100}, {"weight": 0.1}]),
    "population.correlations": (NAMED, [[["k_gh", "v_gh", 0.5]], [["k_gh", "v_gh", 1.0]], [["k_gh", "k_gh", 0.5]]]),
    "population.parameters": ({"population": {}}, ["params.csv", "own.csv", "nothing.csv"]),
    "population.columns": (OWN, [{"age": "age [y]"}, ALL_COLUMNS, ALL_COLUMNS | {"hdl": "HDL"}, {"bmi": "BMI"}]),
    "population.codes": (OWN, [{}, {"sex": {"man": "man", "woman": "woman"}}, {"sex": {"1": "man"}}, {"age": {}}]),
    "population.units": (OWN, [{"weight": "kg"}, {"weight": "lb"}, {"weight": "stone"}, {"soul": "g"}]),
    "population.select": ({}, [{}, {"bmi": {"above": 1}}, {"bmi": {"above": 149}}, {"waist": {"above": 1}}]),
    "population.select.bmi.at_least": ({}, [1, 149.0, "1"]),
    "population.select.bmi.above": ({}, [1, 149.0]),
    "population.select.bmi.at_most": ({}, [149, 1]),
    "population.select.bmi.below": ({}, [149, 1]),
    "population.screening": ({}, [[], [{"test": "ghrh", "weeks": [0]}]]),
    "population.strata": ({}, [{}, {"sex": {"man": 1}}, {"sex": {"man": 0}}, {"age": [[20, 70]]}, {"age": [[70, 20]]}]),
    "population.strata.age.ranges": (SHARES, [[[20, 70]], [], [[20, 40], [40, 70]]]),
    "population.strata.age.shares": (RANGES, [[1], [], [0]]),
    "population.most_screened": (
        {"population": {"n": 3, "select": {"bmi": {"above": 1}}}}, [3, 2, 1_000_000, 1_000_001, 0]
    ),
    "design.kind": (DESIGN, [*METHODS, "guess"]),
    "design.factors": (DESIGN, [["v_gh"], ["v_gh", "v_gh"], [], ["weight_of_moon"], [WEIGHTED_FACTOR], [LEVELS]]),
    "design.factors.1.name": (DESIGN, ["k_gh", "v_gh", "", "?"]),
    "design.factors.1.distribution": (DESIGN, ["range", "between", "uniform", "log-uniform", "normal", "levels"]),
    "design.factors.1.low": (DESIGN, [1e-9, 0, -1, 1e9]),
    "design.factors.1.high": (DESIGN, [1e9, 0, 1e-9]),
    "design.factors.1.centre": (DESIGN, [1.0, 0]),
    "design.factors.1.spread": (DESIGN, [1.0, 0]),
    "design.factors.1.levels": (DESIGN, [[1.0], []]),
    "design.points": (DESIGN, [1, 2, 0]),
    "design.replicates": (DESIGN, [1, 0, 2]),
    "design.seed": (DESIGN, [0, 2**64 - 1, 2**64]),
    "design.groups": (DESIGN, [{"axis": ["v_gh", "k_gh"]}, {"axis": []}, {"axis": ["?"]}]),
    "design.second_order": (DESIGN, [True, False]),
    "design.values": (DESIGN, [[[3.0, 2.0]], [[3.0]], []]),
    "sensitivity.outputs": ({}, [["igf1"], ["clamp_m"], ["vat", "vat"], ["nothing"]]),
    "sensitivity.weeks": ({}, [[2], [3], [0.5], [-1]]),
    "sensitivity.contrast": ({}, ["tesamorelin", "nobody"]),
    "arms": ({}, [[], BASE["arms"][:1], [{"name": "a"}], [BASE["arms"][0]] * 2]),
    "arms.1.name": ({}, ["x" * 60, "x" * 61, "", "no treatment", " a"]),
    "arms.2.preset": ({}, [*PRESETS, "wonder"]),
    "arms.1.regimen": ({}, [[], None, BASE["arms"][1]["regimen"] * 100, BASE["arms"][1]["regimen"] * 101]),
    "arms.1.description": ({}, ["x" * 200, "x" * 201]),
    "arms.1.regimen.0.drug": ({}, [*DRUGS, "aspirin"]),
    "arms.1.regimen.0.dose": ({}, ["0 mg", "0.001 ug", "8 mg", "9 g", "2", {"match": "igf1", "to": "rhGH"}]),
    "arms.1.regimen.0.dose.match": ({}, ["gh"]),
    "arms.1.regimen.0.dose.to": ({}, ["rhGH"]),
    "arms.1.regimen.0.route": ({}, ["SC", "IV", "infusion", "pump", "oral", "nose"]),
    "arms.1.regimen.0.at": (
        {}, [["00:00"], ["23:59"], ["24:00"], [], ["08:00", "08:00"], EVERY_MINUTE]
    ),
    "arms.1.regimen.0.days": ({}, [["Mon"], ["Mon", "Mon"], [], ["Xday"]]),
    "arms.1.regimen.0.every_weeks": ({}, [1, 2, 520, 521, 0]),
    "arms.1.regimen.0.start": ({}, ["0 h", "1 week", "13.6 day", "13.9 day", "2 weeks", "-1 h"]),
    "arms.1.regimen.0.stop": ({}, ["2 weeks", "520 weeks", "1 h", "9 h", "0 h"]),
    "arms.1.regimen.0.duration": ({}, ["0 h", "1 h", "24 h", "1 year"]),
    "arms.1.regimen.0.every": ({}, ["36 h", "1 min", "59 s", "520 weeks", "0 h", "30"]),
    "arms.1.regimen.0.count": ({}, [1, 0, 5, 1.5]),
    "arms.1.regimen.0.adherence": ({}, [0, 1, 0.9, 1.01, -0.1]),
    "arms.1.regimen.0.content": ({}, [[0.85, 1.15], [1, 1], [0, 1], [1.2, 0.8], [1]]),
    "arms.1.regimen.0.jitter": ({}, ["0 h", "12 h", "13 h", "30 min"]),
    "arms.1.regimen.0.table": ({}, ["doses.csv", "nothing.csv"]),
    "arms.1.regimen.0.unit": ({}, ["mg", "stone"]),
    "arms.1.regimen.0.titrate.on": (TITRATED, ["vat", "fasting_glucose", "nothing", ""]),
    "arms.1.regimen.0.titrate.target": (TITRATED, [[0, 0], [1, 0], [0]]),
    "arms.1.regimen.0.titrate.step": (TITRATED, ["0.1 mg", "0 mg", "1 ug", "1"]),
    "arms.1.regimen.0.titrate.min": (TITRATED, ["0 mg", "5 mg"]),
    "arms.1.regimen.0.titrate.max": (TITRATED, ["0.1 mg", "0.01 mg", "201 mg"]),
    "arms.1.regimen.0.titrate.every": (TITRATED, ["1 week", "2 weeks", "1 day"]),
    "arms.1.regimen.0.titrate.until": (TITRATED, ["1 week", "1 day", "9 weeks"]),
    "drugs.mine.kind": (OWN_DRUG, ["ghrh", "ghs", "gh", "long_gh", "input"]),
    "drugs.mine.source": (OWN_DRUG, ["x", ""]),
    "drugs.mine.largest": (OWN_DRUG, ["1 mg", "0.5 mg", "0 mg", "50"]),
    "drugs.mine.molar_mass": (OWN_DRUG, ["1 g/mol", "0 g/mol", "3358"]),
    "drugs.mine.f": (OWN_DRUG, [1, 1.01, 0, -0.1]),
    "drugs.mine.ka": (OWN_DRUG, ["5 1/h", "0 1/h", "4 h"]),
    "drugs.mine.cl": (OWN_DRUG, ["0.01 L/h", "0 L/h", "2600 mL/min"]),
    "drugs.mine.v": (OWN_DRUG, ["0.1 L", "0 L", "1"]),
    "drugs.mine.ec50": (OWN_DRUG, ["0.01 nmol/L", "0 nmol/L", "1 mg/L"]),
    "drugs.mine.potency": (OWN_DRUG, ["0.08 1/ug", "0 1/ug"]),
    "drugs.mine.ke": (OWN_DRUG, ["50 1/h", "0 1/h"]),
    "drugs.mine.k_tolerance": (OWN_DRUG, ["0.08 1/h", "-1 1/h"]),
    "drugs.mine.cv": (OWN_DRUG, [{"cl": 0.3}, {"cl": 100}, {"f": 0.1}]),
    "drugs.mine.weight_on_cl": (OWN_DRUG, [0, 1, 100]),
    "drugs.mine.weight_on_v": (OWN_DRUG, [0, 1, 100]),
    "drugs.mine.women": (OWN_DRUG, [0.5, 0, -1]),
    "groups.allocation": (GROUPED, [{"no treatment": 1, "tesamorelin": 2}, {"nobody": 1}, {}, {"no treatment": 0}]),
    "groups.strata": (GROUPED, [["sex"], ["age"], ["?"], ["sex", "sex"]]),
    "groups.cuts": (GROUPED, [{"age": [40]}, {"age": []}, {"?": [1]}]),
    "crossover.sequences": (CROSSOVER, [[["no treatment", "nobody"]], [["tesamorelin"]], []]),
    "crossover.period": (CROSSOVER, ["6 days", "13 days", "1 h", "x"]),
    "crossover.washout": (CROSSOVER, ["1 day", "8 days", "0 days"]),
    "crossover.strata": (CROSSOVER, [["sex"], ["?"]]),
    "crossover.cuts": (CROSSOVER, [{"age": [40]}, {"?": [1]}]),
    "drift.vat": ({"drift": {"source": "x"}}, ["5 % per 26 weeks", "-5 % per year", "5 %", "500 % per week"]),
    "drift.sat": ({"drift": {"source": "x"}}, ["5 % per 26 weeks", "5"]),
    "drift.lean": ({"drift": {"source": "x"}}, ["1 % per year", "1 kg"]),
    "drift.source": ({"drift": {"vat": "5 % per 26 weeks"}}, ["x", ""]),
    "dropout.rate": ({}, ["10 % per year", "3 % per visit", "100 % per week", "0 % per year", "10 %"]),
    "dropout.arms": (
        {"dropout": {"rate": "10 % per year"}}, [{"tesamorelin": "20 % per year"}, {"nobody": "1 % per year"}]
    ),
    "noise.within_person": ({}, [{"glucose": "5.5 %"}, {"glucose": "0 %"}, {"gut": "5 %"}, {"glucose": 5}]),
    "control": ({}, ["rhGH", "nobody"]),
    "outputs.names": ({}, [[next(iter(OUTPUTS))], list(OUTPUTS), ["?"], [], ["igf1", "igf1"]]),
    "outputs.every": ({}, ["1 min", "59 s", "520 weeks", "521 weeks", "2 weeks", "3 weeks"]),
    "outputs.dtype": ({}, ["float64", "float16"]),
    "reductions.names": ({}, [list(WATCHED), [], ["gh_sum"], ["gh_mean", "gh_mean"]]),
    "reductions.every": ({}, ["1 min", "1 week", "8 day", "2 weeks", "15 day", "3 weeks"]),
    "tests": ({}, [[], *([{"test": name, "weeks": [0, 2]}] for name in TESTS), [{"test": "clamp", "weeks": [3]}]]),
    "tests.0.test": ({}, [*TESTS, "smell"]),
    "tests.0.weeks": ({}, [[0], [2], [1.5], [], [2, 1], [-1]]),
    "tests.0.days": ({"tests": [{"test": "clamp"}]}, [[0], [14], [15], [3, 1], [-1], [1.5]]),
    "tests.0.name": ({}, ["sample", "own", "Sample", "x" * 41]),
    "tests.0.at": ({}, ["00:00", "23:59", "24:00"]),
    "tests.0.fast": ({}, ["0 h", "72 h", "73 h"]),
    "tests.0.length": (of_test("ogtt"), ["2 h", "1 h", "168 h", "169 h"]),
    "tests.0.every": (of_test("profile"), ["1 min", "59 s", "24 h"]),
    "tests.0.dose": (of_test("ghrh"), ["0 ug/kg", "1 ug", "1 IU", "2"]),
    "tests.0.grams": (of_test("ogtt"), [0, 300, 301, -1]),
    "tests.0.insulin": (of_test("clamp"), [[0], [1000], [1001], [40] * 10, [40] * 11, []]),
    "tests.0.glucose": (of_test("clamp"), [30.0, 31.0, 0, "own", "mine"]),
    "tests.0.outputs": (of_test("sampling"), [["gh"], ["gh", "gh"], [], ["?"]]),
    "tests.0.give": (of_test("stimulation"), [[GIVE], [], [{}]]),
    "tests.0.give.0.drug": (of_test("stimulation", give=[GIVE]), ["hexarelin", "aspirin"]),
    "tests.0.give.0.dose": (of_test("stimulation", give=[GIVE]), ["0 ug/kg", "1 g", "1"]),
    "tests.0.give.0.route": (of_test("stimulation", give=[GIVE]), ["SC", "nose", "pump"]),
    "tests.0.give.0.after": (of_test("stimulation", give=[GIVE]), ["0 h", "119 min", "2 h", "-1 h", "x"]),
    "tests.0.give.0.duration": (of_test("stimulation", give=[GIVE | {"route": "infusion"}]), ["1 h", "0 h", "1 s"]),
    "solver.rtol": ({}, [1e-12, 1e-13, 1e-2, 1.1e-2]),
    "solver.atol_factor": ({}, [1e-12, 1.0, 1.1]),
    "solver.method": ({}, [*PAIRS, "euler"]),
    "solver.lanes": ({}, [1, 4, 8, 2]),
    "solver.precision": ({}, ["mixed", "float64"]),
    "solver.max_steps_per_day": ({}, [100, 99, 10**9]),
    "solver.first_step": ({}, [1e-6, 24, 25]),
    "solver.event_step": ({}, [1e-6, 24, 25]),
    "solver.device": ({}, ["cpu", "cuda"]),
    "long_horizon.macro_days": (LONG, [3, 13, 14, 364, 365]),
    "long_horizon.burn_in_days": (LONG, [1, 28, 0]),
    "long_horizon.measured_days": (LONG, [1, 28, 0]),
    "long_horizon.settle_days": (LONG, [11, 14, 364, 10]),
}  # fmt: skip
SCHEMA = json_schema()
COLUMNS = "patient,sex,age [y],weight [kg],height [m]"


class Reached(Exception):
    """The integration would begin."""


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let a run go on to the integration of its first chunk, and no further."""

    def reached(*_: Any, **__: Any) -> None:
        raise Reached

    def warm_up(resolved: ResolvedStudy) -> float:
        with pytest.raises(Reached):
            original(resolved)
        return 0.0

    def records(work: list[Any], *_: Any) -> Iterator[Any]:
        job = work[0]
        chunk_values(job, ResolvedStudy.from_json(job.study))
        yield from ()

    original = driver.warm_up
    monkeypatch.setattr(engine, "run_in", reached)
    monkeypatch.setattr(driver, "warm_up", warm_up)
    monkeypatch.setattr(driver, "records", records)
    monkeypatch.chdir(tmp_path)
    Path("OWN").mkdir()
    Path("params.csv").write_text("patient,v_gh\n1,4\n2,5\n", encoding="utf-8")
    Path("own.csv").write_text(f"{COLUMNS}\n1,man,50,90,1.8\n2,woman,40,70,1.6\n", encoding="utf-8")


def changed(key: str, beside: dict[str, Any], value: Any) -> dict[str, Any]:
    data = deepcopy(BASE | beside)
    place: Any = data
    *parents, last = key.split(".")
    for part in parents:
        if isinstance(place, list):
            place = place[int(part)]
        elif isinstance(place.get(part), str):
            place[part] = {"match": "igf1", "to": "rhGH"}
            place = place[part]
        else:
            place = place.setdefault(part, {})
    place[last] = value
    if key == "population.patients" and value == "OWN":
        place[last] = "own.csv"
    return data


def ended(*words: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(main, list(words))
    return result.exit_code, [line for line in result.stderr.splitlines() if line.startswith("pulsatile: error")]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("key", "places"),
    [(key, slice(0, 2)) for key in BORDERS]
    + [pytest.param(key, slice(2, None), marks=pytest.mark.slow) for key in BORDERS if len(BORDERS[key][1]) > 2],
)
def test_what_validates_starts_and_what_does_not_is_refused_alike(key: str, places: slice, write: Write) -> None:
    beside, values = BORDERS[key][0], BORDERS[key][1][places]
    for k, value in enumerate(values):
        path = str(write(changed(key, beside, value)))
        code, sentences = ended("validate", path)
        started, words = ended("run", path, "--out", f"run{k}", "--workers", "0", "--threads", "1")
        if code == Exit.DONE:  # and an editor's schema does not refuse it
            data = changed(key, beside, value)
            assert list(errors(data, SCHEMA, SCHEMA)) == [], (key, value)
            assert started == Exit.INTERNAL, (key, value, words)
            assert "Reached" in words[0], (key, value, words)
        else:
            assert (started, words) == (code, sentences), (key, value)
            assert code in (Exit.BAD_INPUT, Exit.CANNOT_WRITE), (key, value)


def keys_of(kind: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every key of a study file; entries of a list have the path of the list."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inner = {name: field.annotation for name, field in kind.model_fields.items()}
    elif isinstance(kind, type) and is_dataclass(kind):
        inner = {field.name: field.type for field in fields(kind)}
    else:
        for part in get_args(kind):
            yield from keys_of(part, path)
        return
    for name, annotation in inner.items():
        here = f"{path}.{name}" if path else name
        below = list(keys_of(annotation, here))
        yield from below or [here]


def test_every_key_of_a_study_has_its_borders() -> None:
    named = {*CHANGEABLE, *MAPPED}
    tested = {".".join(part for part in key.split(".") if not part.isdigit() and part not in named) for key in BORDERS}
    tested |= {key.replace("axes.seed", "axes") for key in tested}
    own = {key.removeprefix("drugs.") for key in tested if key.startswith("drugs.")}  # entries of the same kind
    tested |= {f"{place}.own.{key}" for place in ("arms.regimen", "tests.give") for key in own}
    tested |= {key.replace("tests.", "population.screening.", 1) for key in tested}
    assert set(keys_of(Study)) <= tested
