"""A design in a study: its points are parameter sets about one patient, and run, resume and expand like patients."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsatile.engine.drugs.dosing import arm_parameters
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.cohort import points_of, virtual_cohort
from pulsatile.engine.patients.layers import LARGEST_ETA
from pulsatile.engine.patients.pulses import block_events
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.design import DesignEntry, FactorEntry, resolved_design
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources

ALONE = Resources(3, workers=1, threads=1)


def between(name: str) -> dict[str, Any]:
    return {"name": name, "distribution": "between"}


@pytest.fixture
def designed() -> dict[str, Any]:
    """Two factors, two scrambles of two rows: 16 points, in two arms, a week."""
    return {
        "weeks": 1,
        "population": {"phenotype": "obese", "variability": False},
        "design": {"points": 2, "replicates": 2, "factors": ["vat_sensitivity", between("v_gh")]},
        "arms": [{"name": "none", "preset": "control"}, {"name": "tesamorelin", "preset": "tesamorelin_label"}],
        "tests": [{"test": "fasting", "weeks": [1]}],
    }  # fmt: skip


def test_points_differ_in_the_factors_alone() -> None:
    base = virtual_cohort(1, "obese", seed=3, first=11)
    values = {"v_gh": np.array([4.0, 5.0, 6.0]), "sens_muscle0": np.array([0.4, 0.5, 0.6])}
    points = points_of(base, np.arange(3), values)
    for name, column in values.items():
        assert points.parameters[name].tolist() == column.tolist()
    same = [n for n in points.parameters.dtype.names if ROW[n].kind in ("constant", "patient") and n not in values]
    for name in same:
        assert set(points.parameters[name]) == {base.parameters[name][0]}, name
    assert len(set(points.parameters["k_mass_action"])) == 3  # the fasting state is closed anew
    trains = block_events(points)
    own = block_events(base)
    for k in range(3):
        of_point = trains.subset(np.array([k]))
        assert of_point.time.tobytes() == own.time.tobytes()
        assert of_point.amount.tobytes() == own.amount.tobytes()
    drugs = arm_parameters(preset("tesamorelin_label"), points)
    assert len(set(drugs["k_el_ghrh_a"])) == 1
    assert drugs["k_el_ghrh_a"][0] == arm_parameters(preset("tesamorelin_label"), base)["k_el_ghrh_a"][0]


def test_the_cohort_of_a_chunk_is_that_part_of_the_design(designed: dict[str, Any]) -> None:
    resolved = resolve(study_from(designed, "study"))
    again = ResolvedStudy.from_json(resolved.model_dump_json())
    assert resolved.population.n == 16
    whole, part = resolved.cohort(0, 16), again.cohort(5, 9)
    assert part.parameters.tobytes() == whole.parameters[5:9].tobytes()
    assert part.patient.tolist() == [5, 6, 7, 8]
    assert again.identity == resolved.identity


def test_one_digest_whole_in_chunks_and_expanded_by_replicates(designed: dict[str, Any], tmp_path: Path) -> None:
    larger = designed | {"design": designed["design"] | {"replicates": 3}}
    fresh = run(study_from(larger, "study"), tmp_path / "fresh", Resources(24, workers=1, threads=1))
    assert fresh.code is Exit.DONE
    run(study_from(designed, "study"), tmp_path / "run", ALONE)
    for name in ("indices.csv", "my_notes.txt"):
        (tmp_path / "run" / name).write_text("of the smaller run")
    grown = expand(tmp_path / "run", Growth(replicates=3), ALONE)
    assert not (tmp_path / "run" / "indices.csv").exists()  # it would be read as of the larger run
    assert (tmp_path / "run" / "my_notes.txt").exists()
    assert (grown.digest, grown.resolved.identity) == (fresh.digest, fresh.resolved.identity)


def test_an_expansion_asks_for_what_the_run_has(
    designed: dict[str, Any], small: dict[str, Any], tmp_path: Path
) -> None:
    run(study_from(designed, "study"), tmp_path / "design", ALONE)
    with pytest.raises(InputError, match="give --replicates"):
        expand(tmp_path / "design", Growth(patients=30), ALONE)
    other = designed | {"design": designed["design"] | {"seed": 2}}
    with pytest.raises(InputError, match="cannot change"):
        expand(tmp_path / "design", Growth(study=study_from(other, "study")), ALONE)
    run(study_from(small, "study"), tmp_path / "people", ALONE)
    with pytest.raises(InputError, match="give --patients"):
        expand(tmp_path / "people", Growth(replicates=3), ALONE)


def test_a_point_without_a_fasting_state_fails_and_says_so(designed: dict[str, Any], tmp_path: Path) -> None:
    designed["design"] = {"kind": "list", "factors": ["sens_muscle0"], "values": [[0.6], [3.0]]}
    outcome = run(study_from(designed, "study"), tmp_path / "run", Resources(2, workers=1, threads=1, gate=1.0))
    assert outcome.failed == 2
    from pulsatile.sweeps.disk import store

    status = store.open_dataset(tmp_path / "run" / "results.zarr")["status"].values
    assert status.tolist() == [[0, 4], [0, 4]]


def test_limits_are_the_tables_unless_given() -> None:
    row = ROW["vat_sensitivity"]
    factor = FactorEntry(name="vat_sensitivity").factor()
    assert (factor.distribution, factor.low, factor.high, factor.unit) == ("log-uniform", row.low, row.high, row.unit)
    between = FactorEntry(name="beta_compensation", distribution="between").factor()
    assert between.centre == ROW["beta_compensation"].value
    assert between.low == pytest.approx(between.centre * np.exp(-LARGEST_ETA * between.spread))
    own = FactorEntry(name="v_gh", distribution="normal", low=4, high=6, centre=5, spread=0.5).factor()
    assert (own.low, own.high, own.centre, own.spread) == (4, 6, 5, 0.5)
    assert FactorEntry(name="beta_dynamic").factor().distribution == "uniform"  # its range begins at 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"factors": ["v_ghh"]}, "did you mean v_gh"),
        ({"factors": ["igf1_emax"]}, "is not a known parameter"),
        ({"factors": ["v_gh", "v_gh"]}, "given 2 times"),
        ({"factors": []}, "factors"),
        ({"points": 3}, "not a power of two"),
        ({"points": 0}, "points"),
        ({"replicates": 0}, "replicates"),
        ({"factors": [{"name": "v_gh", "low": 6, "high": 4}]}, "low below high"),
        ({"factors": [{"name": "v_gh", "centre": 5}]}, "name its distribution"),
        ({"factors": [{"name": "k_store", "distribution": "between"}]}, "has no CV"),
        ({"factors": [{"name": "v_gh", "distribution": "levels"}]}, "levels"),
        ({"groups": {"both": ["v_gh", "k_ghh"]}}, "is not a factor"),
        ({"groups": {"v_gh": ["v_gh"]}}, "name is taken"),
        ({"kind": "efast", "points": 129, "groups": {"both": ["v_gh"]}}, "cannot be had by efast"),
        ({"kind": "latin", "second_order": True}, "for saltelli designs"),
        ({"kind": "morris", "points": 5}, "must be even"),
        ({"kind": "list"}, "values"),
        ({"values": [[1.0]]}, "of kind: list"),
        ({"seed": -1}, "seed"),
        ({"kind": "latin", "points": 8, "groups": {"both": ["v_gh"]}}, "cannot be had by latin"),
        ({"kind": "grid", "replicates": None, "groups": {"both": ["v_gh"]}}, "cannot be had by grid"),
        ({"kind": "grid"}, "replicates: a design of kind grid has none"),
        ({"kind": "list", "replicates": None, "values": [[1.0, 5.0]]}, "points: a list has as many"),
        ({"kind": "list", "replicates": None, "points": None, "values": [[1.0, 5.0], [1.0]]}, r"values\[1\] has 1"),
        ({"points": 2**23}, "design has 67108864 points, at most 10000000"),
        ({"kind": "grid", "replicates": None, "points": 4000}, "design has 16000000 points"),
        ({"factors": [{"name": "v_gh", "distribution": "uniform", "low": -1}]}, "v_gh = -1 must be above 0"),
        ({"factors": [{"name": "v_gh", "distribution": "levels", "levels": [5, 0]}]}, "v_gh = 0 must be above 0"),
        ({"factors": [{"name": "f_gh", "high": 1.5}]}, "at most 1"),
        ({"factors": [{"name": "v_gh", "distribution": "uniform", "spread": 1}]}, "spread, which uniform does not use"),
        ({"factors": [{"name": "v_gh", "distribution": "levels", "levels": [5], "low": 4}]}, "has low, which levels"),
        ({"colour": 1}, "colour"),
    ],
)  # fmt: skip
def test_a_design_that_makes_no_sense_is_one_sentence(
    designed: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    designed["design"] |= change
    with pytest.raises(InputError, match=words) as caught:
        study_from(designed, "study")
    assert str(caught.value).startswith("study")
    assert "Traceback" not in str(caught.value)


def test_a_design_says_how_many_and_a_population_needs_a_number(designed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"population\.n = 5 and a design"):
        study_from(designed | {"population": {"n": 5, "phenotype": "obese"}}, "study")
    with pytest.raises(InputError, match="population has no n"):
        study_from({k: v for k, v in designed.items() if k != "design"}, "study")
    with pytest.raises(InputError, match="is not an arm"):
        study_from(designed | {"sensitivity": {"contrast": "placebo"}}, "study")


@pytest.mark.parametrize("kind", ["saltelli", "latin", "morris", "efast", "grid"])
def test_every_kind_of_design_has_points_within_its_limits(kind: Any) -> None:
    factors = ("v_gh", FactorEntry(name="k_gh", low=1.0, high=2.0))
    found = resolved_design(DesignEntry(kind=kind, factors=factors, replicates=None if kind == "grid" else 2))
    design = found.design()
    assert found.n_points == design.n_points
    assert design.kind == kind
    assert ((design.values >= [ROW["v_gh"].low, 1.0]) & (design.values <= [ROW["v_gh"].high, 2.0])).all()


@pytest.mark.parametrize("second_order", [False, True])
def test_points_are_counted_before_they_are_made(second_order: bool) -> None:
    factors = ("v_gh", "k_gh", "k_igf1", FactorEntry(name="vat0", distribution="levels", levels=(90.0, 120.0, 150.0)))
    groups = {"loss": ("k_gh", "k_igf1")}
    entries = [
        DesignEntry(factors=factors, points=2, replicates=3, groups=groups, second_order=second_order),
        DesignEntry(kind="morris", factors=factors, groups=groups),
        DesignEntry(kind="grid", factors=factors, points=2),
        DesignEntry(kind="list", factors=("v_gh",), values=((5.0,), (6.0,))),
    ]
    for found in map(resolved_design, entries):
        assert found.n_points == found.design().n_points


def test_points_about_a_weighted_patient_count_alike(designed: dict[str, Any], tmp_path: Path) -> None:
    """The weight is of the patient among patients; the dataset of the points has none."""
    table = tmp_path / "own.csv"
    table.write_text("patient,sex,age [y],weight [kg],height [cm],prevalence\n3,man,40,90,180,2\n9,woman,50,70,165,1\n")
    study = study_from(designed | {"population": {"patients": str(table)}}, "study")
    outcome = run(study, tmp_path / "run", ALONE)
    assert outcome.code is Exit.DONE
    from pulsatile.sweeps.disk import store

    assert "prevalence" not in store.open_dataset(tmp_path / "run" / "results.zarr").coords
