"""The shipped studies: each says its question, validates, and runs; the trials are read from what their heads name."""

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

import pulsatile as pu
from pulsatile.engine.errors import Status
from pulsatile.sweeps.run.estimate import prepare
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import load_study

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "examples").rglob("*.yaml"))
TRIALS = [path for path in STUDIES if path.parent.name == "trials"]
OWN_TESTS = ("sensitivity", "peptides_vs_rhgh", "sweep")  # a design, a matched dose, many studies: tests of their own
RUN = [path for path in STUDIES if path.stem not in OWN_TESTS]
VARIABLE = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trials", ROOT / "docs" / "trials.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


trials = _script()
FIGURES = trials.figures()


def name(path: Path) -> str:
    return path.relative_to(ROOT / "examples").with_suffix("").as_posix()


@cache
def dataset(path: Path) -> xr.Dataset:
    """Run a study with two patients, in the process."""
    resolved = resolve(load_study(path, ["population.n=2"]))
    return pu.simulate(resolved.cohort(0, 2), resolved.arms, resolved.plan())


@pytest.mark.parametrize("path", STUDIES, ids=name)
def test_it_says_its_question_and_validates(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = next(k for k, line in enumerate(lines) if not line.startswith("#"))
    assert lines[head].startswith("title: ")
    assert head == 3 or path.stem == "quick"
    study = load_study(path, ["population.n=8"] if path.stem == "peptides_vs_rhgh" else [])
    if study.sweep is not None:
        assert len(pu.scenarios(study)) > 1
        return
    assert prepare(study).resolved.arms


@pytest.mark.parametrize("path", TRIALS, ids=name)
def test_a_trial_takes_less_than_forty_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40


@pytest.mark.parametrize("path", RUN, ids=name)
def test_it_runs(path: Path) -> None:
    found = dataset(path)
    assert (found["status"] == Status.OK).all()
    for variable, values in found.data_vars.items():
        if variable != "titrated_dose":  # NaN in arms without titration
            assert np.isfinite(values).all(), variable


@pytest.mark.parametrize("path", TRIALS, ids=name)
def test_what_its_head_reads_is_there(path: Path) -> None:
    """``night_gh_mean`` is a variable; ``gh_peak`` of each test the end of one."""
    line = path.read_text(encoding="utf-8").splitlines()[2]
    assert line.startswith("# Read: ")
    variables = {str(variable) for variable in dataset(path).data_vars}
    named = VARIABLE.findall(line)
    for word in named:
        assert any(variable == word or variable.endswith(f"_{word}") for variable in variables), word
    assert named or path.stem == "Norditropin-label-IV"


# --- which published figures can be said ---


def test_the_count_is_up_to_date() -> None:
    assert trials.page() == trials.PAGE.read_text(encoding="utf-8"), "run python docs/trials.py"
    assert [int(row.row) for row in FIGURES] == list(range(1, 191))


def test_ten_trials_of_different_kinds_are_written_and_every_one_is_counted() -> None:
    files = {row.file for row in FIGURES if row.file}
    assert files == {path.relative_to(ROOT).as_posix() for path in TRIALS}
    assert len(files) >= 10
    assert {row.route for row in FIGURES if row.file} >= {"SC", "IV", "infusion"}
    assert len({row.drug for row in FIGURES if row.file}) >= 6


@pytest.mark.parametrize("path", TRIALS, ids=name)
def test_figures_that_can_be_said_are_in_the_dataset_of_the_study(path: Path) -> None:
    # endpoints of the second bolus end in _2
    variables = {re.sub(r"_\d$", "", str(variable)) for variable in dataset(path).data_vars}
    mine = [row for row in FIGURES if row.file == path.relative_to(ROOT).as_posix() and not row.lacks]
    assert mine
    for row in mine:
        test, _, end = row.read.partition("_")
        own = end if test in trials.PROTOCOLS else row.read  # a test may have a name of its own
        assert any(variable == own or variable.endswith(f"_{own}") for variable in variables), row.read


def test_what_a_figure_lacks_is_looked_up() -> None:
    row = next(row for row in FIGURES if not row.lacks)
    assert row._replace(drug="sermorelin nectar").lacks == "drug nectar: not in the drug table"
    assert row._replace(route="nasal").lacks.startswith("route nasal")
    assert row._replace(read="joy").lacks == "joy: not a variable"
    assert row._replace(read="", note="no state").lacks == "no state"
    assert trials.readable("stimulation_gh_peak")
    assert trials.readable("gh")
    assert not trials.readable("clamp_joy")
