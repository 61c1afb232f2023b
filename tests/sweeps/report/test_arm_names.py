"""Names of arms are free: those of other rows, of formulas and of mathematics come out as they were written."""

import csv
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.markup import escape
from rich.table import Table

from pulsatile.cli.guard import print_rich
from pulsatile.cli.main import main
from pulsatile.engine.dataset import template
from pulsatile.engine.simulate import covariates_of
from pulsatile.sweeps.analysis.of_population import of_population
from pulsatile.sweeps.analysis.selection import Selection
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.sensitivity import page_of
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import Write

pytest.importorskip("matplotlib")

NAMES = ["all arms", "a minus b", "kind", "=cmd|x", "$\\frac{$", "a", "b"]
"""The last two: their paired difference is called as another arm is."""


def study(**change: Any) -> dict[str, Any]:
    """Return a study of the arms, with other doses each."""
    doses = [{"name": name, "regimen": [{"drug": "tesamorelin", "dose": f"{k + 1} mg", "at": ["08:00"]}]}
             for k, name in enumerate(NAMES[:-1])]  # fmt: skip
    return {
        "weeks": 1, "population": {"n": 3, "phenotype": "obese"}, "outputs": {"names": ["igf1"], "every": "1 week"},
        "arms": [*doses, {"name": "b", "preset": "control"}],
    } | change  # fmt: skip


def called(*words: object) -> Result:
    result = CliRunner().invoke(main, [*map(str, words), "--contrast", "b"])
    assert result.exit_code == 0, result.output
    return result


def test_a_budget_of_any_arms(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "budget"
    result = called("budget", write(study()), "--out", out, "--draws", "2", "--patients", "3", "--week", "1")
    html = unescape((out / "variance_budget.html").read_text(encoding="utf-8"))
    with (out / "variance_budget.csv").open(encoding="utf-8", newline="") as file:
        found = {(line["arm"], line["kind"]): float(line["total"]) for line in csv.DictReader(file)}
    wanted = [(name, "arm") for name in NAMES] + [(f"{name} minus b", "contrast") for name in NAMES[:-1]]
    # in a file for spreadsheets a formula is a text
    safe = [(f"'{name}" if name.startswith("=") else name, kind) for name, kind in wanted]
    assert list(found) == [*safe, ("all arms", "all arms")]
    assert found["a minus b", "arm"] > found["a minus b", "contrast"] > 0  # two rows of one name
    for name in [*(name for name, _ in wanted), "all arms"]:
        assert f"igf1, {name}, week 1: SD" in result.output
        assert f"<td>{name}</td>" in html
    assert f"Variance budget of igf1 in week 1: {', '.join([*(name for name, _ in wanted), 'all arms'])}" in html


def test_indices_of_any_arms(tmp_path: Path) -> None:
    design = {"points": 4, "replicates": 2, "factors": ["v_gh", "igf1_feedback"]}
    run(study_from(study(population={"phenotype": "obese"}, design=design), "study"), tmp_path / "run",
        Resources(64, workers=1, threads=1))  # fmt: skip
    called("sensitivity", tmp_path / "run", "--week", "1")
    html = unescape((tmp_path / "run" / "sensitivity.html").read_text(encoding="utf-8"))
    assert f"of igf1 in week 1: {', '.join([*NAMES, *(f'{name} minus b' for name in NAMES[:-1])])}" in html


def test_a_population_of_any_arms() -> None:
    n, names = 60, [name for name in NAMES if name != "a minus b"]
    chosen = [arm for arm in study()["arms"] if arm["name"] in names]
    resolved = resolve(study_from(study(arms=chosen, population={"named": "trial", "n": n}), "study"))
    cohort = resolved.cohort(0, n)
    empty = template(cohort.patient, resolved.arms, resolved.plan(), covariates_of(cohort))
    dataset = empty.copy(data={name: np.zeros(v.shape, v.dtype) for name, v in empty.data_vars.items()})
    own = {name: ("patient", np.asarray(cohort.covariates[name], float)) for name in covariates_of(cohort)}
    dataset = dataset.assign_coords(own)
    dataset["igf1"][:] = (np.arange(len(names))[:, None] + 1.0)[:, :, None] * cohort.covariates["age"][:, None]
    found = of_population(dataset, resolved, engine_hash(), Selection(("igf1",), (1.0,), "b"), resamples=4)
    html = unescape(page_of("people", found))
    for name in names[:-1]:
        assert name in html
        assert f"{name} minus b" in html


def test_names_are_printed_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    grid = Table()
    for name in (":smile:", "[bold]", "\\[x]"):
        grid.add_column(escape(name))
    print_rich(grid)
    printed = capsys.readouterr().out
    for name in (":smile:", "[bold]", "\\[x]"):
        assert name in printed


def test_a_budget_refuses_before_it_runs(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "variance_budget.html").write_text("mine", encoding="utf-8")
    for out, words in (("file", "is a file"), ("out", "is no variance budget page")):
        result = CliRunner().invoke(main, ["budget", str(write(study())), "--out", str(tmp_path / out)])
        assert result.exit_code == Exit.FOLDER_REFUSES
        assert words in result.output
    assert (tmp_path / "out" / "variance_budget.html").read_text(encoding="utf-8") == "mine"


def test_dollar_signs_are_drawn() -> None:
    with drawing.style():
        figure, axes = drawing.board(1, 1, 2)
        title = axes[0, 0].set_title("$\\frac{$")
        assert drawing.png(figure)
    assert not title.get_parse_math()
