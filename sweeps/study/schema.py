"""The study file as a typed model (population, arms, duration, outputs), and how the file is read.

An entry with the fields of a dataclass of the engine (`Solver`, `LongHorizon`, `Layers`) is that class.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pulsatile.engine.drugs.regimens import LEAST_WEEKS, MOST_WEEKS
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.trial.arms import check_arms, check_doses
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import WATCHED, Plan
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.arms import ArmEntry
from pulsatile.sweeps.study.design import DesignEntry, resolved_design
from pulsatile.sweeps.study.fields import Model, Spacing, Text, ascending, known, once
from pulsatile.sweeps.study.population import OF_FILES, PopulationEntry
from pulsatile.sweeps.study.read import apply_override, as_json, read_mapping, sentences
from pulsatile.sweeps.study.test_entry import TestEntry


class OutputsEntry(Model):
    """Variables kept on a time grid."""

    names: Annotated[tuple[Annotated[str, known(OUTPUTS, "output")], ...], Field(min_length=1), once] = Field(
        ("igf1", "igf1_sds", "vat", "sat", "lean"), description="outputs of the model; docs/model/README.md"
    )
    every: Spacing = Field("1 week", description='spacing of the time grid, at least "1 min"; 0 and the end are on it')
    dtype: Literal["float32", "float64"] = Field("float32", description="precision of what is stored")


class ReductionsEntry(Model):
    """Variables reduced over windows while a patient runs, such as ``gh_mean``."""

    names: Annotated[tuple[Annotated[str, known(WATCHED, "reduction")], ...], once] = Field(
        (), description="what is reduced, and how: mean, min, max or auc, for example [gh_mean]"
    )
    every: Spacing = Field("1 week", description='length of a window, at least "1 min"; whole windows only are kept')


class SensitivityEntry(Model):
    """The results that `pulsatile sensitivity` analyses; not part of the identity of a run."""

    outputs: Annotated[tuple[str, ...], once] = Field(
        (), description="outputs and endpoints of tests, for example [clamp_m, vat]; default all"
    )
    weeks: Annotated[tuple[Annotated[float, Field(ge=0)], ...], ascending] = Field(
        (), description="treatment weeks; default those of the tests, and the end"
    )
    contrast: str | None = Field(None, description="arm that the others are compared with, point by point")


class Study(Model):
    """A study: patients, treatment arms, duration, and the outputs that are kept."""

    title: Text = Field("", description="title of tables, pages and the dataset")
    seed: int = Field(1, ge=0, lt=2**64, description="seed of every random draw")
    weeks: float = Field(ge=LEAST_WEEKS, le=MOST_WEEKS, description="length of treatment; overrides a preset's")
    population: PopulationEntry = Field(description="the patients: how many, and who")
    design: DesignEntry | None = Field(None, description="points of a plan over parameters, about one patient")
    sensitivity: SensitivityEntry = Field(SensitivityEntry(), description="what `pulsatile sensitivity` analyses")
    arms: tuple[ArmEntry, ...] = Field(min_length=1, max_length=100, description="treatments that all patients get")
    control: str | None = Field(None, description="arm that the summary compares with; default the first")
    outputs: OutputsEntry = Field(OutputsEntry(), description="variables kept on a grid of times")
    reductions: ReductionsEntry = Field(ReductionsEntry(), description="variables kept as means or extremes of windows")
    tests: tuple[TestEntry, ...] = Field((), description="virtual tests, each with its weeks or days")
    solver: Solver = Field(Solver(), description="settings of the integrator")
    long_horizon: LongHorizon | None = Field(None, description="project body composition; default: integrate every day")

    @property
    def size_in_words(self) -> str:
        """Number of patients or points, in words; the rows of a table are counted only when the study is resolved."""
        if self.design is not None:
            return f"{resolved_design(self.design).design().n_points} points"
        table = self.population.file
        return f"{self.population.n or 'all'} patients" + (f" of {table}" if table is not None else "")

    @model_validator(mode="after")
    def _arms_agree(self) -> Self:
        names = [arm.name for arm in self.arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"arms name {', '.join(twice)} twice; give every arm its own name.")
        if self.control is not None and self.control not in names:
            raise InputError(f"control = {self.control!r} is not an arm; choose from {', '.join(names)}.")
        for i, arm in enumerate(self.arms):
            if arm.match is not None:
                references = [a.name for a in self.arms if a.match is None]
                if arm.match.to not in references:
                    raise InputError(
                        f"arms[{i}].regimen.dose.to = {arm.match.to!r} is not an arm with a dose of its own; "
                        f"choose from {', '.join(references) or 'none: add one'}."
                    )
        return self

    @model_validator(mode="after")
    def _design_agrees(self) -> Self:
        if self.design is None and self.population.n is None and self.population.drawn:
            raise InputError(
                "population.n is missing or nothing, so the population has no n; add it, a whole number such as 1000."
            )
        if self.design is not None and self.population.n is not None:
            raise InputError(f"population.n = {self.population.n} and a design: the design says how many; leave n out.")
        contrast = self.sensitivity.contrast
        if contrast is not None and contrast not in [arm.name for arm in self.arms]:
            raise InputError(
                f"sensitivity.contrast = {contrast!r} is not an arm; choose from "
                f"{', '.join(arm.name for arm in self.arms)}."
            )
        return self

    @model_validator(mode="after")
    def _times_agree(self) -> Self:
        for i, arm in enumerate(self.arms):
            for j, rule in enumerate(arm.regimen or ()):
                if quantities.weeks(rule.start) >= self.weeks:
                    raise InputError(
                        f"arms[{i}].regimen[{j}].start = {rule.start!r} is not before the study's end; "
                        f"allowed is below {self.weeks:g} weeks."
                    )
        if self.reductions.names and quantities.weeks(self.reductions.every) > self.weeks:
            raise InputError(
                f"reductions.every = {self.reductions.every!r} is longer than the study; "
                f"allowed is up to {self.weeks:g} weeks."
            )
        return self

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        arms = [arm.resolved() for arm in self.arms]
        check_arms(arms, self.plan())
        check_doses(arms, self.weeks)
        return self

    def plan(self) -> Plan:
        """Return what the engine is to run and keep."""
        return Plan(
            weeks=self.weeks,
            every=quantities.hours(self.outputs.every),
            outputs=self.outputs.names,
            reductions=self.reductions.names,
            reduce_every=quantities.hours(self.reductions.every),
            tests=tuple(test.resolved() for test in self.tests),
            solver=self.solver,
            long_horizon=self.long_horizon,
        )


def study_from(data: dict[str, Any], where: str) -> Study:
    """Return the study of plain data; `InputError` with one sentence per problem, each naming ``where``."""
    try:
        return Study.model_validate_json(as_json(data, where))
    except ValidationError as error:
        raise sentences(error, Study, where) from None


def load_study(path: str | Path, overrides: Sequence[str] = (), shorten: bool = False) -> Study:
    """Read a study file, apply ``KEY=VALUE`` overrides, and check it.

    ``shorten`` moves tests beyond the (overridden) weeks to the last whole week.

    Raises
    ------
    InputError
        With one plain sentence (line) for each problem: file, field, value, what is allowed.
    """
    data = read_mapping(Path(path))
    _resolve_paths(data, Path(path).parent)
    for setting in overrides:
        apply_override(data, setting)
    if shorten:
        _shorten_tests(data)
    return study_from(data, str(path))


def _resolve_paths(data: dict[str, Any], folder: Path) -> None:
    """Resolve file names next to the study file, in place; others stay relative to the working folder."""
    for rule in _rules(data):
        if isinstance(table := rule.get("table"), str) and os.path.exists(folder / table):
            rule["table"] = str(folder / table)
    population = data.get("population")
    for name in OF_FILES:
        given = population.get(name) if isinstance(population, dict) else None
        if isinstance(population, dict) and isinstance(given, str) and os.path.exists(folder / given):
            population[name] = str(folder / given)


def _rules(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the dose rules of all arms; invalid entries are left to the checks."""
    arms = data.get("arms")
    regimens = [arm.get("regimen") for arm in arms if isinstance(arm, dict)] if isinstance(arms, list) else []
    return [rule for rules in regimens if isinstance(rules, list) for rule in rules if isinstance(rule, dict)]


def _shorten_tests(data: dict[str, Any]) -> None:
    """Move test weeks beyond the end to the last whole week, in place; leave invalid entries to the checks."""
    end, tests = data.get("weeks"), data.get("tests")
    if not isinstance(end, int | float) or not isinstance(tests, list):
        return
    for test in tests:
        weeks = test.get("weeks") if isinstance(test, dict) else None
        if isinstance(weeks, list) and all(isinstance(week, int | float) for week in weeks):
            test["weeks"] = sorted({int(max(end, 0)) if week > end else week for week in weeks})


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of study files, for editors.

    It refuses what `study_from` refuses of single values: unknown keys and names, types, bounds, units; not what
    depends on other entries, such as tests beyond the study's end.
    """
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:pulsatile:study"}
    return head | Study.model_json_schema()
