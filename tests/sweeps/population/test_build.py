"""What a study takes from `population.json`: sealed by content, of this engine, and with a seed of its own."""

import base64
import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.population.build import Untreated, select, untreated_study
from pulsatile.sweeps.study.conversions import conversions
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.patients import frozen_population
from pulsatile.sweeps.study.population import PopulationEntry
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.study.tables.population_file import FILE, FORMAT, read_frozen, seal
from pulsatile.sweeps.study.tables.table import MOST_IN_TABLE, PatientTable

TABLE = PatientTable.of({"patient": [3, 9, 5], "prevalence": [0.5, 1.0, 1.5]})
ARMS = [{"name": "none", "preset": "control"}]


def packed_otherwise(table: PatientTable) -> PatientTable:
    """Return the same numbers as another library compresses them."""
    block = zlib.decompress(base64.b85decode(table.packed))
    return table.model_copy(update={"packed": base64.b85encode(zlib.compress(block, 0)).decode()})


def population(folder: Path, table: PatientTable = TABLE, **change: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "format": FORMAT, "people": PopulationEntry(named="adults", n=1).people.model_dump(mode="json"), "seed": 7,
        "engine": engine_hash(), "run": "0" * 64, "table": table.model_dump(mode="json"),
    } | change  # fmt: skip
    told = {"id": seal(told), **told}
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(json.dumps(told), encoding="utf-8")
    return told


def study(**change: Any) -> Any:
    return study_from({"weeks": 1, "arms": ARMS} | change, "study")


def test_ids_are_of_content_not_of_compression(tmp_path: Path) -> None:
    other = packed_otherwise(TABLE)
    assert other.packed != TABLE.packed
    assert population(tmp_path / "a")["id"] == population(tmp_path / "b", other)["id"]
    one, two = (resolve(study(population={"frozen": str(tmp_path / name)})) for name in "ab")
    assert one.identity == two.identity
    heavier = PatientTable.of({"patient": [3, 9, 5], "prevalence": [0.5, 1.5, 1.0]})
    assert population(tmp_path / "c", heavier)["id"] != population(tmp_path / "a")["id"]


def test_columns_of_own_patients_may_stand_in_any_order(tmp_path: Path) -> None:
    rows = [("patient,sex,age [y],weight [kg],height [cm]", "3,man,40,90,180"),
            ("height [cm],patient,sex,weight [kg],age [y]", "180,3,man,90,40"),
            ("height [cm],patient,sex,weight [kg],age [y]", "180,3,man,90,41")]  # fmt: skip
    found = []
    for k, row in enumerate(rows):
        path = tmp_path / f"own{k}.csv"
        path.write_text("\n".join(row) + "\n", encoding="utf-8")
        found.append(resolve(study(population={"patients": str(path)})).identity)
    assert found[0] == found[1] != found[2]


def test_a_population_of_another_engine_is_refused(tmp_path: Path) -> None:
    """Its people may be others there than those that were judged and weighted."""
    population(tmp_path / "pop", engine="f" * 64)
    read_frozen(tmp_path / "pop")  # it can still be shown
    with pytest.raises(InputError, match="another version of the engine"):
        frozen_population(str(tmp_path / "pop"), None, 0)


@pytest.mark.parametrize("change", [{"table": 3}, {"table": {"names": ["patient"], "rows": 1, "packed": "no"}}])
def test_a_table_that_is_none_was_changed(change: dict[str, Any], tmp_path: Path) -> None:
    told = population(tmp_path / "pop") | change
    (tmp_path / "pop" / FILE).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match="it was changed"):
        read_frozen(tmp_path / "pop")


PEOPLE = PopulationEntry(named="adults", n=1).people.model_dump(mode="json")
NONSENSE: dict[str, dict[str, Any]] = {
    "no seed": {"seed": None}, "a seed in words": {"seed": "seven"}, "people": {"people": 3},
    "a name": {"people": PEOPLE | {"named": "nobody"}}, "a key": {"people": PEOPLE | {"planet": "Mars"}},
    "a margin": {"people": PEOPLE | {"margins": {"vat": "large"}}},
    "a range": {"people": PEOPLE | {"ranges": {"age": [1]}}},
    "ids": {"table": PatientTable.of({"patient": [1.5, 2]})},
    "twice": {"table": PatientTable.of({"patient": [1, 1]})},
    "no ids": {"table": PatientTable.of({"age": [1, 1]})},
    "rows": {"table": TABLE.model_copy(update={"rows": 5})},
    "weights": {"table": PatientTable.of({"patient": [1, 2], "prevalence": [-1.0, float("nan")]})},
    "covariates": {"table": PatientTable.of({"patient": [1], "sex": [5.0], "age": [-3.0]})},
    "a column": {"table": PatientTable.of({"patient": [1], "shoe": [43.0]})},
}  # fmt: skip


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_under_a_right_id_is_one_sentence(case: str, tmp_path: Path) -> None:
    population(tmp_path / "pop", **NONSENSE[case])
    with pytest.raises(InputError, match=r"build it again\.$"):
        resolve(study(population={"frozen": str(tmp_path / "pop")}))


def test_a_seed_that_changes_nothing_is_told(tmp_path: Path) -> None:
    population(tmp_path / "pop")
    who = {"frozen": str(tmp_path / "pop")}
    assert conversions(study(population=who)) == []
    assert conversions(study(population=who, seed=7)) == []
    (told,) = conversions(study(population=who, seed=8))
    assert "seed 7" in told
    assert "seed = 8 changes nothing" in told


@pytest.mark.parametrize("source", ["patients", "frozen"])
def test_a_name_that_no_file_can_have_is_one_sentence(source: str, tmp_path: Path) -> None:
    from pulsatile.sweeps.study.schema import load_study

    path = tmp_path / "study.yaml"
    path.write_text(json.dumps({"weeks": 1, "arms": ARMS, "population": {source: "a" * 5000}}), encoding="utf-8")
    with pytest.raises(InputError):
        resolve(load_study(path))


def test_more_people_than_a_study_can_carry_are_refused_before_they_run() -> None:
    untreated_study({"named": "adults", "n": MOST_IN_TABLE}, 1, "adults")
    with pytest.raises(InputError, match="at most 200000"):
        untreated_study({"named": "adults", "n": MOST_IN_TABLE + 1}, 1, "adults")


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes are of POSIX")
def test_a_pipe_or_device_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (Path("/dev/zero"), pipe):
        with pytest.raises(InputError, match="this is not a plain file"):
            read_frozen(path)


def untreated(n: int) -> Untreated:
    """Return people with sex, age and BMI near the published ones."""
    rng = np.random.default_rng(1)
    columns = {
        "sex": rng.integers(0, 2, n) * 1.0,
        "age": rng.uniform(20, 80, n),
        "bmi": 27 * np.exp(0.26 * rng.normal(size=n)),
    }
    return Untreated(np.arange(n), np.zeros(n, np.int8), columns)


def test_what_the_weights_give_is_known_to_a_study_and_is_no_part_of_its_identity(tmp_path: Path) -> None:
    people = untreated(600)
    chosen = select(people, "weights", 1, survey=True)
    assert chosen.missed == ""
    assert len(chosen.features) == 1 + 2 * (3 + 3)  # sex; of men and women three quantiles of age and of BMI
    for name, values in chosen.features.items():
        assert np.average(values, weights=chosen.weights) == pytest.approx(0, abs=1e-4), name
    ids = people.ids.astype(float)
    table = PatientTable.of({"patient": ids, "prevalence": chosen.weights})
    known = PatientTable.of({"patient": ids, **chosen.features})
    told = [
        population(tmp_path / "with", table, balanced=known.model_dump(mode="json")),
        population(tmp_path / "without", table),
    ]
    again = population(tmp_path / "again", table, balanced=packed_otherwise(known).model_dump(mode="json"))
    assert told[0]["id"] == again["id"] != told[1]["id"]
    resolved = [resolve(study(population={"frozen": str(tmp_path / name)})) for name in ("with", "again", "without")]
    assert resolved[0].population.balanced == known
    assert resolved[0].identity == resolved[1].identity
    assert resolved[2].population.balanced is None


def test_margins_that_few_people_cannot_have_are_told_and_not_taken_for_known() -> None:
    chosen = select(untreated(12), "weights", 1, survey=True)
    assert "not reached" in chosen.missed or "no patients on either side" in chosen.missed
    assert chosen.missed.endswith(".")
    assert not chosen.features
