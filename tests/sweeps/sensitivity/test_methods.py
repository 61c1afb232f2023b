"""One row per method: a new one works everywhere from its row alone, and no other file names a method."""

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.convergence import convergence
from pulsatile.sweeps.analysis.result import Analysis
from pulsatile.sweeps.sensitivity.design import Design, build, generator
from pulsatile.sweeps.sensitivity.factors import Factor, partition
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.method import Columns, DesignSpec, Measure, Method, Settings
from pulsatile.sweeps.sensitivity.methods import METHODS, kinds, measures_of, method_of
from pulsatile.sweeps.study.design import DesignEntry, resolved_design
from pulsatile.sweeps.study.schema import json_schema, study_from

ROOT = Path(__file__).resolve().parents[3]
OTHER_MEANINGS = {
    ("pulsatile/cli/population.py", "list"),
    *((f"sweeps/{path}.py", kind) for path in ("study/sweep_entry", "scenarios/table") for kind in ("grid", "list")),
}
"""Words that are kinds of design too: the command `population list`, kinds of sweeps."""


def toy_design(spec: DesignSpec) -> Design:
    shape = (spec.points, 1, len(spec.factors))
    cube = np.stack([generator(spec.seed, r).random(shape) for r in range(spec.replicates)])
    return build("toy", spec.factors, partition(spec.factors), cube, spec.seed)


def toy_columns(design: Design, y: Floats, settings: Settings) -> Columns:
    """Slopes of least squares, over the range of each factor."""
    a = np.column_stack([np.ones(design.n_points), design.unit])
    slope = np.linalg.lstsq(a, y, rcond=None)[0][1:]
    return {"slope": ("factor", slope), "slope_low": ("factor", slope - 1), "slope_high": ("factor", slope + 1)}


TOY = Method(
    "toy", "slopes of least squares", toy_design, lambda spec: spec.points * spec.replicates, toy_columns,
    (Measure("slope", "slope over the range", "of the output"),), points=6, point_is="points", replicates=3,
    replicate_is="random samples", has_convergence=True,
)  # fmt: skip


def linear(design: Design) -> xr.Dataset:
    y = design.unit @ np.array([3.0, -1.0])
    values = np.stack([np.stack([y, 2 * y], axis=1)] * 2, axis=2)
    return xr.Dataset(
        {"vat": (("design", "arm", "week"), values, {"units": "cm2"})}, {"arm": ["a", "b"], "week": [1.0, 2.0]}
    )


def test_a_new_method_needs_its_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "toy", TOY)
    entry = DesignEntry(kind="toy", factors=("v_gh", "k_gh"))
    resolved = resolved_design(entry)
    assert (resolved.points, resolved.replicates, resolved.n_points) == (6, 3, 18)
    design = resolved.design()
    assert (design.kind, design.n_points, design.n_replicates) == ("toy", 18, 3)
    assert resolved.grown(4).n_points == 24
    with pytest.raises(ValueError, match=r"groups cannot be had by toy; take saltelli or morris"):
        DesignEntry(kind="toy", factors=("v_gh", "k_gh"), groups={"both": ("v_gh",)})

    found = indices(design, linear(design))
    np.testing.assert_allclose(found["slope"].sel(output="vat", arm="b", week=2), [6, -2])
    assert found["slope_low"].attrs["units"] == "of the output"
    assert found.attrs["kind"] == "toy"
    assert found.attrs["method"] == "slopes of least squares"
    assert found.attrs["interval"] == "t, 95%, across 3 replicates"
    steps = convergence(design, linear(design))
    assert steps["points"].values.tolist() == [12, 18]

    told = Analysis(found, steps=steps)
    assert "Analysis of a toy design" in repr(told)
    assert told.tables["indices"]["slope"].tolist() == pytest.approx([3, -1, 3, -1, 6, -2, 6, -2])


def test_pictures_of_a_new_method(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from pulsatile.sweeps.report.indices import convergence_curves, heat_map, tornado

    monkeypatch.setitem(METHODS, "toy", TOY)
    design = TOY.make(DesignSpec((Factor("x", low=0, high=1), Factor("y", low=0, high=1)), 6, 3))
    found = indices(design, linear(design))
    for picture in (
        tornado(found, "vat", 2),
        heat_map(found, "vat"),
        convergence_curves(convergence(design, linear(design)), "vat", "a", 2),
    ):
        assert picture is not None
        assert "slope" in picture.alt


def test_the_schema_and_its_refusals_list_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def allowed() -> list[str]:
        listed: list[str] = json_schema()["$defs"]["DesignEntry"]["properties"]["kind"]["enum"]
        return listed

    assert allowed() == list(METHODS)
    study = {
        "weeks": 1, "population": {"phenotype": "obese"}, "arms": [{"name": "none", "preset": "control"}],
        "design": {"kind": "moris", "factors": ["v_gh"]},
    }  # fmt: skip
    words = f"design.kind = 'moris' is not a known kind of design: did you mean morris.*{', '.join(METHODS)}"
    with pytest.raises(InputError, match=words):
        study_from(study, "study")


def strings(path: Path) -> list[str]:
    """Return the string constants of a file but its docstrings, those of attributes included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_each_kind_is_written_once() -> None:
    """In the file of the method itself: all others ask the table."""
    written: Counter[str] = Counter()
    for folder in ("sweeps", "pulsatile/cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            for text in strings(path):
                if text in METHODS and (where, text) not in OTHER_MEANINGS:
                    written[text] += 1
                    assert where.startswith("sweeps/sensitivity/"), f"{where} names the method {text}"
    assert written == Counter(list(METHODS))


def test_rows_agree_with_what_they_make() -> None:
    factors = (Factor("x", low=0, high=1), Factor("y", low=0, high=1))
    for kind, row in METHODS.items():
        values = ((0.1, 0.2), (0.3, 0.4), (0.5, 0.9), (0.6, 0.1), (0.7, 0.7), (0.8, 0.3)) if row.values else ()
        spec = DesignSpec(factors, row.points, min(row.replicates, 2), 1, values=values)
        design = row.make(spec)
        assert (design.kind, kind) == (row.kind, row.kind)
        assert row.count(spec) == design.n_points
        assert method_of(design) is row
        found = indices(design, linear(design))
        measures = measures_of(found)
        assert {measure.name for measure in row.measures} - {measure.name for measure in measures} <= {"S2"}
        assert measures[0] == row.measures[0]
        assert (f"{measures[0].name}_low" in found) == row.has_convergence
        assert (row.has_convergence and bool(row.replicate_is)) == row.has_convergence  # an interval needs replicates


def test_a_design_of_no_method_is_one_sentence() -> None:
    factors = (Factor("x", low=0, high=1),)
    design = build("mine", factors, partition(factors), np.zeros((1, 2, 1, 1)))
    with pytest.raises(InputError, match=r"design.kind = 'mine' is not a method; choose from saltelli, latin"):
        indices(design, xr.Dataset({"y": ("design", [0.0, 1.0])}))
    assert kinds(lambda row: row.second_order) == "saltelli"
