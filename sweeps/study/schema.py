"""The study file as a typed model (population, arms, duration, outputs), and how the file is read.

An entry with the fields of a dataclass of the engine (`Solver`, `LongHorizon`, `Layers`) is that class.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import LEAST_WEEKS, MOST_WEEKS
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.trial.arms import check_arms, check_doses
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import WATCHED, Plan
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.arms import ArmEntry
from pulsatile.sweeps.study.changes import FastingEntry, Meals, Parameters, changes_of, meal_plan
from pulsatile.sweeps.study.design import DesignEntry, resolved_design
from pulsatile.sweeps.study.drug_entry import OwnDrugs, with_definitions
from pulsatile.sweeps.study.fields import Length, Model, OutputName, Spacing, Text, ascending, known, once
from pulsatile.sweeps.study.override import apply_override
from pulsatile.sweeps.study.population import OF_FILES, PopulationEntry
from pulsatile.sweeps.study.read import as_json, read_mapping, sentences
from pulsatile.sweeps.study.sweep_entry import SweepEntry
from pulsatile.sweeps.study.test_entry import TestEntry
from pulsatile.sweeps.study.trial.allocation import CrossoverEntry, GroupsEntry, check_designs
from pulsatile.sweeps.study.trial.changes import DriftEntry, DropoutEntry, NoiseEntry


class OutputsEntry(Model):
    """Variables kept on a time grid."""

    names: Annotated[tuple[OutputName, ...], Field(min_length=1), once] = Field(
        ("igf1", "igf1_sds", "vat", "sat", "lean"), description="outputs of the model; docs/reference.md"
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


EITHER = {"weeks": "length", "length": "weeks"}
"""Keys of which a study has one."""


def _weeks_of(given: dict[str, Any]) -> float:
    """Return the weeks of a length; a stand-in where there is none, or one that has its own refusal."""
    return LEAST_WEEKS if given.get("length") is None else max(LEAST_WEEKS, quantities.weeks(given["length"]))


def _either_length(schema: dict[str, Any]) -> None:
    """Say in the JSON schema that ``length`` may stand in place of ``weeks``."""
    schema["anyOf"] = [{"required": ["weeks"]}, {"required": ["length"]}]


class Study(Model):
    """A study: patients, treatment arms, duration, and the outputs that are kept."""

    model_config = ConfigDict(json_schema_extra=_either_length)

    title: Text = Field("", description="title of tables, pages and the dataset")
    seed: int = Field(1, ge=0, lt=2**64, description="seed of every random draw")
    length: Length | None = Field(None, description='length of treatment in place of weeks, for example "36 h"')
    weeks: float = Field(
        default_factory=_weeks_of, validate_default=True, ge=LEAST_WEEKS, le=MOST_WEEKS,
        description="length of treatment; overrides a preset's",
    )  # fmt: skip
    population: PopulationEntry = Field(description="the patients: how many, and who")
    parameters: Parameters = Field(
        {}, description="parameters changed in all patients, for example {v_gh: 4.0, k_gh: {factor: 1.2}}"
    )
    meals: Meals | None = Field(
        None, description='own meals, for example [{at: "07:00", grams: 60}]; default three of 60, 75 and 75 g'
    )
    fasting: FastingEntry = Field(FastingEntry(), description="days and mornings without meals")
    design: DesignEntry | None = Field(None, description="points of a plan over parameters, about one patient")
    sensitivity: SensitivityEntry = Field(SensitivityEntry(), description="what `pulsatile sensitivity` analyses")
    drugs: OwnDrugs = Field({}, description="drugs of the study's own, by name, for the doses of arms and tests")
    arms: tuple[ArmEntry, ...] = Field(min_length=1, max_length=100, description="treatments that all patients get")
    control: str | None = Field(None, description="arm that the summary compares with; default the first")
    groups: GroupsEntry | None = Field(None, description="parallel groups: the arm that each patient would be given")
    crossover: CrossoverEntry | None = Field(None, description="sequences of arms; each patient receives one of them")
    drift: DriftEntry | None = Field(None, description="drift of body composition in all arms, with its source")
    dropout: DropoutEntry | None = Field(None, description="patients who leave before the end")
    noise: NoiseEntry | None = Field(None, description="noise of what is measured; default that of population.layers")
    outputs: OutputsEntry = Field(OutputsEntry(), description="variables kept on a grid of times")
    reductions: ReductionsEntry = Field(ReductionsEntry(), description="variables kept as means or extremes of windows")
    tests: tuple[TestEntry, ...] = Field((), description="virtual tests, each with its weeks or days")
    solver: Solver = Field(Solver(), description="settings of the integrator")
    sweep: SweepEntry | None = Field(None, description="axes over entries of the study: many scenarios in one folder")
    long_horizon: LongHorizon | None = Field(None, description="project body composition; default: integrate every day")

    @property
    def size_in_words(self) -> str:
        """Number of patients or points, in words; the rows of a table are counted only when the study is resolved."""
        if self.design is not None:
            return f"{resolved_design(self.design).design().n_points} points"
        table = self.population.file
        return f"{self.population.n or 'all'} patients" + (f" of {table}" if table is not None else "")

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.length is None and "weeks" not in self.model_fields_set:
            raise InputError('weeks is missing; add it, for example weeks: 26, or length: "36 h" in its place.')
        weeks = self.weeks if self.length is None else quantities.weeks(self.length)
        if weeks < LEAST_WEEKS:
            raise InputError(
                f"length = {self.length!r} is too short; give at least {LEAST_WEEKS} weeks, some two hours."
            )
        if weeks != self.weeks:
            raise InputError(f"weeks = {self.weeks:g} and length = {self.length!r} differ; give one of the two.")
        return self

    @model_validator(mode="after")
    def _changes_agree(self) -> Self:
        changes_of(self.parameters)
        meal_plan(self.meals, self.fasting)
        varied = [] if self.design is None else [f if isinstance(f, str) else f.name for f in self.design.factors]
        if both := sorted(set(varied) & set(self.parameters)):
            raise InputError(f"parameters.{both[0]} is a factor of the design, which sets it; leave one of them out.")
        return self

    @model_validator(mode="after")
    def _arms_agree(self) -> Self:
        names = [arm.name for arm in self.arms]
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
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
        for name in ("groups", "crossover", "dropout"):
            if self.design is not None and getattr(self, name) is not None:
                raise InputError(f"{name} is for patients, and the study has the points of a design; leave one out.")
        contrast = self.sensitivity.contrast
        if contrast is not None and contrast not in self.arm_names:
            raise InputError(
                f"sensitivity.contrast = {contrast!r} is not an arm; choose from {', '.join(self.arm_names)}."
            )
        return self

    @model_validator(mode="after")
    def _trial_agrees(self) -> Self:
        check_designs([arm.name for arm in self.arms], self.weeks, self.groups, self.crossover)
        return self

    @model_validator(mode="after")
    def _times_agree(self) -> Self:
        end, words = self.weeks, "the study's end"
        if self.crossover is not None:
            end, words = self.crossover.resolved().period, "the end of its period"
        for i, arm in enumerate(self.arms):
            for j, rule in enumerate(arm.regimen or ()):
                if quantities.weeks(rule.start) >= end:
                    raise InputError(
                        f"arms[{i}].regimen[{j}].start = {rule.start!r} is not before {words}; "
                        f"allowed is below {end:g} weeks."
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
        check_arms(self.arms_run(arms), self.plan())
        check_doses(arms, self.weeks if self.crossover is None else self.crossover.resolved().period)
        return self

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Names of the arms that are run: those of the file, or the sequences of a crossover."""
        return tuple(arm.name for arm in self.arms) if self.crossover is None else self.crossover.resolved().names

    def arms_run(self, arms: Sequence[Arm]) -> tuple[Arm, ...]:
        """Return the arms that are run, given those of the file in numbers."""
        return tuple(arms) if self.crossover is None else self.crossover.resolved().arms(arms)

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
            drift=() if self.drift is None else self.drift.resolved(),
            dropout=None if self.dropout is None else self.dropout.resolved(),
            noise=None if self.noise is None else self.noise.resolved(),
        )


def study_from(data: dict[str, Any], where: str) -> Study:
    """Return the study of plain data; `InputError` with one sentence per problem, each naming ``where``."""
    try:
        return Study.model_validate_json(as_json(with_definitions(data, where), where))
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
        if setting.partition("=")[0].strip() in EITHER:  # the other spelling of what is set
            data.pop(EITHER[setting.partition("=")[0].strip()], None)
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
