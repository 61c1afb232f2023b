"""Study files: what they may say, what they become, and what their identity depends on."""

import json
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pulsatile.engine.drugs.presets import PRESETS
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.kernel.tableaus import PAIRS
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.changes import CHANGEABLE
from pulsatile.engine.patients.cohort import PHENOTYPES
from pulsatile.engine.patients.layers import Layers
from pulsatile.engine.people.margins import BOUNDS
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import WATCHED
from pulsatile.engine.trial.protocols import PROTOCOLS
from pulsatile.sweeps.sensitivity.methods import METHODS
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.design import VARIED
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.matching import TOLERANCE
from pulsatile.sweeps.study.read import parse_yaml
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study, json_schema, load_study, study_from
from tests.conftest import SMALL, Write
from tests.sweeps.study.json_schema import errors


def resolved(data: dict[str, Any]) -> ResolvedStudy:
    return resolve(study_from(data, "study"))


def matched_to(arm: str) -> dict[str, Any]:
    return {"name": "rhGH", "regimen": [{"drug": "somatropin", "dose": {"match": "igf1", "to": arm}, "at": ["21:00"]}]}


@pytest.mark.parametrize(
    ("text", "hours"), [("15 min", 0.25), ("1 h", 1), ("2 days", 48), ("1week", 168), ("0.5 weeks", 84), ("1e1 h", 10)]
)
def test_lengths_of_time(text: str, hours: float) -> None:
    assert quantities.hours(text) == hours


@given(st.floats(1e-6, 1e6), st.sampled_from(quantities.MASSES))
def test_amounts_round_trip(number: float, unit: str) -> None:
    assert quantities.amount(f"{number!r} {unit}") == (number, unit)


def test_microgram_signs() -> None:
    assert quantities.amount("30 µg/kg") == quantities.amount("30 μg/kg") == (30.0, "ug/kg")


def test_yaml_reads_times_and_numbers_as_people_mean_them() -> None:
    data = parse_yaml("at: [08:00, 22:00]\nrtol: 1e-7\nname: on\nn: 010\nflag: true\nnothing:\n", "text")
    assert data == {"at": ["08:00", "22:00"], "rtol": 1e-7, "name": "on", "n": 10, "flag": True, "nothing": None}


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"line 2, column 1 .* the key 'weeks' is given twice"):
        parse_yaml("weeks: 1\nweeks: 2\n", "s.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [("seed: !!bool maybe\n", "explicit tag"), ("seed: !!float ''\n", "YAML"),
     ("seed: !!timestamp abc\n", "explicit tag"), ("seed: !!int [1]\n", "YAML"), ("seed: !!set 5\n", "YAML"),
     ("? [a, b]\n: 1\n", "a key is not plain text"), ("a: &x {b: 1}\n? *x\n: 2\n", "a key is not plain text")],
)  # fmt: skip
def test_odd_yaml_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_yaml(text, "s.yaml")
    assert "\n" not in str(caught.value)


def test_aliases_in_a_key_do_not_unfold() -> None:
    levels = "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 12))
    with pytest.raises(InputError, match="a key is not plain text"):
        parse_yaml(f"a0: &a0 [1]\n{levels}? *a11\n: 1\n", "s.yaml")


def test_defaults_and_doses(small: dict[str, Any]) -> None:
    found = resolved(small)
    assert found.arms[0].doses == ()
    dose = found.arms[1].doses[0]
    assert (dose.drug, dose.amount, dose.unit, dose.route, dose.times) == ("tesamorelin", 2.0, "mg", "SC", (8.0,))
    assert dose.days == (0, 1, 2, 3, 4, 5, 6)
    assert found.control == "no treatment"
    assert found.dtype == "float32"


@pytest.mark.parametrize("name", [name for name, row in PRESETS.items() if row.available])
def test_a_regimen_in_words_equals_the_preset(small: dict[str, Any], name: str) -> None:
    regimen = [
        {
            "drug": d.drug, "dose": f"{d.amount!r} {d.unit}", "route": d.route, "every_weeks": d.every_weeks,
            "days": [quantities.DAYS[k] for k in d.days],
            "at": [f"{int(t):02d}:{round(t % 1 * 60):02d}" for t in d.times],
            "stop": None if d.stop_week is None else f"{d.stop_week} weeks", "duration": f"{d.duration} h",
            "count": d.count, "titrate": None if d.titration is None else {
                "on": d.titration.on, "target": [d.titration.low, d.titration.high],
                "step": f"{d.titration.step!r} {d.unit}", "min": f"{d.titration.least!r} {d.unit}",
                "max": f"{d.titration.most!r} {d.unit}", "every": f"{d.titration.every} weeks",
            },
        }
        for d in PRESETS[name].doses
    ]  # fmt: skip
    small["arms"] = [{"name": "a", "preset": name}, {"name": "b", "regimen": regimen}]
    small["weeks"] = max(small["weeks"], *(1 + int(d.titration.every) for d in PRESETS[name].doses if d.titration), 0)
    preset, words = resolved(small).arms
    assert preset.doses == words.doses


def test_resolved_study_survives_json(small: dict[str, Any]) -> None:
    found = resolved(small)
    again = ResolvedStudy.from_json(found.model_dump_json())
    assert again == found
    assert again.identity == found.identity
    assert again.plan() == found.plan()
    assert hash(again.arms) == hash(found.arms)
    assert (again.solver, again.tests) == (found.solver, found.tests)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"weeks": 2},
        {"population": {"n": 4, "phenotype": "obese"}},
        {"population": {"n": 3, "phenotype": "igt"}},
        {"population": {"n": 3, "phenotype": "obese", "first": 1}},
        {"outputs": {"every": "1 day"}},
        {"outputs": {"dtype": "float64"}},
        {"solver": {"rtol": 1e-7}},
        {"reductions": {"names": ["gh_mean"]}},
        {"tests": []},
        {"arms": [{"name": "no treatment", "preset": "control"}]},
    ],
)
def test_identity_changes_with_every_number(small: dict[str, Any], change: dict[str, Any]) -> None:
    assert resolved(small | change).identity != resolved(small).identity


def test_identity_ignores_words_and_spelling(small: dict[str, Any]) -> None:
    plain = resolved(small)
    small["title"] = "another title"
    small["arms"][1]["description"] = "words"
    small["arms"][1]["regimen"][0]["dose"] = "2000e-3 mg"
    small["population"] = {"n": 3, "shares": {"obese": 1.0, "igt": 0.0}}
    assert resolved(small).identity == plain.identity


def test_engine_hash_is_stable() -> None:
    assert engine_hash() == engine_hash()
    assert len(engine_hash()) == 64


def test_weeks_override_a_preset(small: dict[str, Any]) -> None:
    small["arms"] = [{"name": "a", "preset": "sermorelin_2mg_hs"}]  # usual length 6 weeks
    small["weeks"] = 30
    small["tests"] = []
    found = resolved(small)
    assert found.arms[0].doses[0].starts(0.0, 30 * 168.0).size == 210


def test_overrides(small: dict[str, Any], write: Write) -> None:
    path = write(small)
    study = load_study(path, ["population.n=7", "arms.1.regimen.0.dose=1 mg", "solver.rtol=1e-7", "title='a=b'"])
    assert study.population.n == 7
    assert study.arms[1].regimen is not None
    assert study.arms[1].regimen[0].dose == "1 mg"
    assert study.solver.rtol == 1e-7
    assert study.title == "a=b"


def test_shortened_study_moves_its_tests(small: dict[str, Any], write: Write) -> None:
    small["weeks"], small["tests"] = 26, [{"test": "fasting", "weeks": [0, 6, 26]}]
    assert load_study(write(small), ["weeks=8"], shorten=True).tests[0].weeks == (0, 6, 8)
    with pytest.raises(InputError, match="beyond the study's end"):
        load_study(write(small), ["weeks=8"])


def test_schema_describes_study_files() -> None:
    schema = json_schema()
    assert {"population", "arms"} <= set(schema["required"])
    assert schema["anyOf"] == [{"required": ["weeks"]}, {"required": ["length"]}]
    assert list(errors({key: value for key, value in SMALL.items() if key != "weeks"}, schema, schema)) != []
    assert set(schema["properties"]) == set(Study.model_fields)
    json.dumps(schema)


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every key of a study file that a schema describes."""
    for name, entry in {"Study": schema, **schema["$defs"]}.items():
        for key, told in entry["properties"].items():
            yield f"{name}.{key}", told


def test_every_key_has_words() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"]
    keys = dict(properties(schema))
    assert len(keys) > 70
    assert [key for key, told in keys.items() if len(told.get("description", "").split()) < 2] == []


def test_a_name_has_the_list_it_is_chosen_from() -> None:
    keys = {key: json.dumps(told) for key, told in properties(json_schema())}
    for key, names in (
        ("ArmEntry.preset", [name for name, row in PRESETS.items() if row.available]), ("DoseEntry.drug", DRUGS),
        ("TestEntry.test", PROTOCOLS), ("OutputsEntry.names", OUTPUTS), ("ReductionsEntry.names", WATCHED),
        ("PopulationEntry.phenotype", PHENOTYPES), ("PopulationEntry.shares", PHENOTYPES),
        ("PopulationEntry.named", POPULATIONS), ("PopulationEntry.cv", VARIED), ("DesignEntry.factors", VARIED),
        ("FactorEntry.name", VARIED), ("DesignEntry.kind", METHODS), ("Solver.method", PAIRS),
        ("PopulationEntry.ranges", BOUNDS), ("Study.parameters", CHANGEABLE), ("ArmEntry.parameters", CHANGEABLE),
    ):  # fmt: skip
        assert json.dumps(list(names)) in keys[key], key


WRONG_NAMES: dict[str, dict[str, Any]] = {
    "five": {
        "population": {"n": 2, "named": "martians"}, "arms": [{"name": "a", "preset": "wonder"}],
        "outputs": {"names": ["igf9"]}, "reductions": {"names": ["gh_sum"]}, "tests": [{"test": "smell", "weeks": [0]}],
    },
    "a route, a day, an hour, units": {
        "arms": [
            {"name": "a", "regimen": [{"drug": "somatropin", "route": "nose", "dose": "1 mg", "at": ["08:00"]}]},
            {"name": "b", "regimen": [{"drug": "somatropin", "dose": "1 stone", "at": ["08:00"]}]},
            {"name": "c", "regimen": [{"drug": "somatropin", "dose": "1 mg", "at": ["25:00"]}]},
            {"name": "d", "regimen": [{"drug": "somatropin", "dose": "1 mg", "at": ["08:00"], "days": ["Xday"]}]},
        ],
        "outputs": {"every": "1 fortnight"},
    },
    "sources, keys, twice": {
        "population": {"n": 2, "named": "adults", "phenotype": "obese"}, "arms": [{"name": "a"}],
        "outputs": {"names": ["igf1", "igf1"]}, "wekks": 3, "tests": [{"test": "clamp", "weeks": [0.5]}],
    },
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_NAMES)
def test_a_file_with_five_wrong_entries_fails_on_five(small: dict[str, Any], case: str) -> None:
    schema = json_schema()
    assert list(errors(small, schema, schema)) == []
    assert len(list(errors(small | WRONG_NAMES[case], schema, schema))) == 5
    with pytest.raises(InputError):
        study_from(small | WRONG_NAMES[case], "study")


@pytest.mark.parametrize("kind", [Solver, LongHorizon, Layers])
def test_settings_of_the_engine_are_described_in_the_schema(kind: Any) -> None:
    entry = json_schema()["$defs"][kind.__name__]
    assert not entry["additionalProperties"]
    assert list(entry["properties"]) == [field.name for field in fields(kind)]
    for field in fields(kind):
        told = entry["properties"][field.name]
        assert told["description"]
        bounds = {"minimum": field.metadata.get("ge"), "maximum": field.metadata.get("le")}
        assert {name: told.get(name) for name in bounds} == bounds


def test_entries_of_the_engine_convert_nothing(small: dict[str, Any]) -> None:
    for change in (
        {"solver": {"rtol": "1e-6"}}, {"solver": {"max_steps_per_day": 200.0}}, {"solver": {"rtol": True}},
        {"tests": [{"test": "clamp", "weeks": ["0"]}]}, {"tests": [{"test": "clamp", "weeks": [True]}]},
        {"population": {"n": 1, "named": "adults", "layers": {"between": 1}}},
        {"population": {"n": 1, "named": "adults", "layers": {"noise": True}}},
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"^study: "):
            study_from(small | change, "study")


def test_shipped_examples_are_right() -> None:
    for name in ("quick", "peptides_vs_rhgh"):
        study = load_study(f"examples/{name}.yaml")
        assert len(study.arms) >= 3
        assert study_from(json.loads(study.model_dump_json()), name) == study
        assert yaml.safe_load(yaml.safe_dump(json.loads(study.model_dump_json())))["weeks"] == study.weeks


def test_matched_dose_meets_the_pilot_and_ignores_the_study(small: dict[str, Any]) -> None:
    small["arms"].append(matched_to("tesamorelin"))
    first = resolved(small)
    (found,) = first.matched
    assert abs(found.found_gain - found.wanted_gain) <= TOLERANCE * found.wanted_gain
    assert found.dose_mg == float(f"{found.dose_mg:.3g}")
    assert first.arms[2].doses[0].amount == found.dose_mg
    assert first.arms[2].doses[0].unit == "mg"
    assert found.evaluations <= 8
    small |= {"seed": 77, "weeks": 3, "population": {"n": 1000, "phenotype": "obese", "first": 40}}
    assert resolved(small).matched == first.matched
    assert np.isfinite(found.wanted_gain)


def test_no_dose_matches_no_gain(small: dict[str, Any]) -> None:
    small["arms"].append(matched_to("no treatment"))
    with pytest.raises(InputError, match="does not exist, because that arm changes IGF-1 by 0 ug/L"):
        resolved(small)


def test_a_match_the_pilot_cannot_see_is_refused(small: dict[str, Any]) -> None:
    late = matched_to("tesamorelin")
    late["regimen"][0]["start"] = "8 weeks"
    small["weeks"], small["arms"] = 20, [*small["arms"], late]
    with pytest.raises(InputError, match="starts only after the 8 weeks of the pilot"):
        resolved(small)


def test_a_pilot_of_failures_is_refused(small: dict[str, Any]) -> None:
    small["arms"].append(matched_to("tesamorelin"))
    with pytest.raises(InputError, match="no patient of the pilot could be integrated"):
        resolved(small | {"solver": {"max_steps_per_day": 100}})


def test_checks_of_long_lists_are_linear(small: dict[str, Any]) -> None:
    """50,000 names take a fraction of a second; comparing each with all others took half a minute."""
    small["sensitivity"] = {"outputs": [f"x{k}" for k in range(50_000)]}
    begin = time.process_time()
    study_from(small, "study")
    assert time.process_time() - begin < 3


def test_an_arm_is_matched_to_one_other(small: dict[str, Any]) -> None:
    both = matched_to("tesamorelin")
    both["regimen"] += matched_to("no treatment")["regimen"]
    with pytest.raises(InputError, match="no treatment and tesamorelin: an arm can be matched to one other"):
        study_from(small | {"arms": [*small["arms"], both]}, "study")
