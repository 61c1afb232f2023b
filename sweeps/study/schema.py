"""The study file: population, arms, outputs and virtual tests as a typed model, and how it is read."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator

from pulsatile.engine.drugs import regimens
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.drugs.regimens import LEAST_WEEKS, MOST_TIMES, Dose
from pulsatile.engine.drugs.regimens import MOST_WEEKS as MOST_WEEKS
from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.horizon import LongHorizon as EngineHorizon
from pulsatile.sweeps.study import quantities, vocabulary
from pulsatile.sweeps.study.design import DesignEntry, resolved_design
from pulsatile.sweeps.study.fields import Amount, Clock, Day, Length, Model, Name, Spacing, Text, ascending, known, once
from pulsatile.sweeps.study.population import Population
from pulsatile.sweeps.study.read import apply_override, as_json, read_mapping, sentences

MOST_RULES = 100  # of an arm


class Match(Model):
    """A dose found at planning: the pilot's mean gain of ``match`` equals that of the arm ``to``."""

    match: Literal["igf1"] = Field(description="quantity whose mean gain over 8 weeks is matched")
    to: Name = Field(description="name of the arm to match")


class Regimen(Model):
    """One drug of an arm: how much, by which route, and when."""

    drug: Annotated[str, known(vocabulary.drugs, "drug")]
    dose: Annotated[
        Annotated[Amount, Tag("<text>")] | Annotated[Match, Tag("<match>")],
        Discriminator(lambda value: "<match>" if isinstance(value, dict | Match) else "<text>"),
    ] = Field(description='a quantity such as "2 mg" or "10 ug/kg", or {match: igf1, to: ARM}')
    route: Literal["SC", "IV", "infusion", "pump", "oral"] = "SC"
    at: tuple[Clock, ...] = Field(
        min_length=1, max_length=MOST_TIMES, description='clock times, for example ["08:00", "22:00"]'
    )
    days: Annotated[tuple[Day, ...], Field(min_length=1), AfterValidator(once)] = quantities.DAYS
    every_weeks: int = Field(1, ge=1, le=MOST_WEEKS, description="1: every week, 2: every second week, ...")
    start: Length = Field("0 weeks", description="first dose not before this time of treatment")
    stop: Length | None = Field(None, description="no dose from this time on; default the end of the study")
    duration: Length = Field("0 h", description="length of an infusion or pump delivery")

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        self.engine_dose(1.0)
        if isinstance(self.dose, Match) and self.drug != "somatropin":
            raise ValueError(f"asks for a matched dose of {self.drug}: only somatropin can be matched")
        return self

    def engine_dose(self, matched: float) -> Any:
        """Return the engine's `Dose`; ``matched`` is the amount in mg where the dose is to be matched."""
        number, unit = (matched, "mg") if isinstance(self.dose, Match) else quantities.amount(self.dose)
        return Dose(
            self.drug,
            number,
            unit,
            self.route,
            tuple(quantities.clock(text) for text in self.at),
            tuple(sorted(quantities.day(text) for text in self.days)),
            self.every_weeks,
            quantities.hours(self.start) / quantities.HOURS["week"],
            None if self.stop is None else quantities.hours(self.stop) / quantities.HOURS["week"],
            quantities.hours(self.duration),
        )


class Arm(Model):
    """A treatment arm: a preset, or a regimen of its own (an empty one is no treatment)."""

    name: Name
    preset: str | None = Field(None, description="a name of `pulsatile presets`")
    regimen: Annotated[tuple[Regimen, ...], Field(max_length=MOST_RULES)] | None = None
    description: Text = ""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.preset is None) == (self.regimen is None):
            raise ValueError("must have either a preset or a regimen: give one of the two")
        if self.preset is not None:
            preset(self.preset)
        return self

    @model_validator(mode="after")
    def _one_match(self) -> Self:
        targets = {r.dose.to for r in self.regimen or () if isinstance(r.dose, Match)}
        if len(targets) > 1:
            raise ValueError(f"matches doses to {' and '.join(sorted(targets))}: an arm can be matched to one other")
        return self

    @property
    def match(self) -> Match | None:
        """The dose to be matched, if the arm has one; where several rules say so, each gives that dose."""
        return next((r.dose for r in self.regimen or () if isinstance(r.dose, Match)), None)

    def engine_arm(self, matched: float = 1.0) -> Any:
        """Return the engine's `Arm`; ``matched`` is the amount in mg where a dose is to be matched."""
        if self.preset is not None:
            found = preset(self.preset)
            return regimens.Arm(self.name, found.doses, self.description or found.description, found.standing)
        return regimens.Arm(self.name, tuple(r.engine_dose(matched) for r in self.regimen or ()), self.description)


class Outputs(Model):
    """Variables kept on a time grid."""

    names: Annotated[
        tuple[Annotated[str, known(vocabulary.outputs, "output")], ...], Field(min_length=1), AfterValidator(once)
    ] = ("igf1", "igf1_sds", "vat", "sat", "lean")
    every: Spacing = "1 week"
    dtype: Literal["float32", "float64"] = Field("float32", description="precision of what is stored")


class Reductions(Model):
    """Variables reduced over windows while a patient runs, such as ``gh_mean``."""

    names: Annotated[tuple[Annotated[str, known(vocabulary.reductions, "reduction")], ...], AfterValidator(once)] = ()
    every: Spacing = "1 week"


class Test(Model):
    """A virtual test and the treatment weeks at which every patient has it."""

    __test__ = False  # not a pytest class
    test: Annotated[str, known(vocabulary.tests, "test")]
    weeks: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1), AfterValidator(ascending)]


class SolverSettings(Model):
    """Settings of the integrator; part of a run's identity."""

    rtol: float = Field(1e-6, ge=1e-12, le=1e-2, description="relative tolerance per step")
    method: str = "cfmr7"
    lanes: Literal[1, 4, 8] = 8
    precision: Literal["float64", "mixed"] = "float64"
    max_steps_per_day: int = Field(20_000, ge=100)
    device: Literal["cpu", "cuda"] = "cpu"

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        self.engine_solver()
        return self

    def engine_solver(self) -> Any:
        """Return the engine's `Solver`."""
        from pulsatile.engine.kernel.solver import Solver

        return Solver(**self.model_dump())


class LongHorizon(Model):
    """Skip days and project body composition over them: an approximation that every result is marked with."""

    macro_days: int = Field(13, description="length of a macro step, for example 13, 15 or 25; not 14 or 28")
    burn_in_days: int = Field(1, description="days integrated at its end before anything is measured")
    measured_days: int = Field(1, description="days integrated after them and measured")
    settle_days: int = Field(14, description="days integrated in full after each change of regimen, before 28 more")

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        self.engine_horizon()
        return self

    def engine_horizon(self) -> Any:
        """Return the engine's `LongHorizon`."""
        return EngineHorizon(**self.model_dump())


class SensitivityEntry(Model):
    """What `pulsatile sensitivity` looks at in the results; part of no run's identity."""

    outputs: Annotated[tuple[str, ...], AfterValidator(once)] = Field(
        (), description="outputs and endpoints of tests, for example [clamp_m, vat]; default all"
    )
    weeks: Annotated[tuple[Annotated[float, Field(ge=0)], ...], AfterValidator(ascending)] = Field(
        (), description="treatment weeks; default those of the tests, and the end"
    )
    contrast: str | None = Field(None, description="arm that the others are compared with, point by point")


class Study(Model):
    """A study: who gets what for how long, and what is kept."""

    title: Text = ""
    seed: int = Field(1, ge=0, lt=2**64, description="seed of every random draw")
    weeks: float = Field(ge=LEAST_WEEKS, le=MOST_WEEKS, description="length of treatment; overrides a preset's")
    population: Population
    design: DesignEntry | None = Field(None, description="points of a plan over parameters, about one patient")
    sensitivity: SensitivityEntry = SensitivityEntry.model_construct()
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=100)
    control: str | None = Field(None, description="arm that the summary compares with; default the first")
    outputs: Outputs = Outputs.model_construct()
    reductions: Reductions = Reductions.model_construct()
    tests: tuple[Test, ...] = ()
    solver: SolverSettings = SolverSettings.model_construct()
    long_horizon: LongHorizon | None = Field(None, description="project body composition; default: integrate every day")

    @property
    def who(self) -> str:
        """How many patients or points, in words; a table is counted only when the study is resolved."""
        if self.design is not None:
            return f"{resolved_design(self.design).design().n_points} points"
        table = self.population.patients or self.population.frozen
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
                others = [a.name for a in self.arms if a.match is None]
                if arm.match.to not in others:
                    raise InputError(
                        f"arms[{i}].regimen.dose.to = {arm.match.to!r} is not an arm with a dose of its own; "
                        f"choose from {', '.join(others) or 'none: add one'}."
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
        end = self.weeks * quantities.HOURS["week"]
        for i, arm in enumerate(self.arms):
            for j, regimen in enumerate(arm.regimen or ()):
                if quantities.hours(regimen.start) >= end:
                    raise InputError(
                        f"arms[{i}].regimen[{j}].start = {regimen.start!r} is not before the study's end; "
                        f"allowed is below {self.weeks:g} weeks."
                    )
        for i, test in enumerate(self.tests):
            if max(test.weeks) > self.weeks:
                weeks = ", ".join(f"{week:g}" for week in test.weeks)
                raise InputError(
                    f"tests[{i}].weeks = [{weeks}] goes beyond the study's end; allowed is up to week {self.weeks:g}."
                )
        twice = [t.test for k, t in enumerate(self.tests) if t.test in [u.test for u in self.tests[:k]]]
        if twice:
            raise InputError(f"tests name {twice[0]!r} twice; give all its weeks in one entry.")
        if self.reductions.names and quantities.hours(self.reductions.every) > end:
            raise InputError(
                f"reductions.every = {self.reductions.every!r} is longer than the study; "
                f"allowed is up to {self.weeks:g} weeks."
            )
        return self

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        from pulsatile.engine.simulate import Plan, TestAt
        from pulsatile.engine.trial.arms import check_arms

        plan = Plan(self.weeks, tests=tuple(TestAt(test.test, test.weeks) for test in self.tests))
        if self.long_horizon is not None:
            plan = replace(
                plan,
                every=quantities.hours(self.outputs.every),
                outputs=self.outputs.names,
                reductions=self.reductions.names,
                reduce_every=quantities.hours(self.reductions.every),
                long_horizon=self.long_horizon.engine_horizon(),
            )
        check_arms([arm.engine_arm() for arm in self.arms], plan)
        return self


def study_from(data: dict[str, Any], where: str) -> Study:
    """Return the study of plain data; `InputError` with one sentence for each problem, each naming ``where``."""
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
        One plain sentence (line) for each problem: file, field, value, what is allowed.
    """
    data = read_mapping(Path(path))
    _find_files(data, Path(path).parent)
    for setting in overrides:
        apply_override(data, setting)
    if shorten:
        _shorten_tests(data)
    return study_from(data, str(path))


def _find_files(data: dict[str, Any], folder: Path) -> None:
    """Take the files that a study names from beside it, in place; others are from the working folder."""
    population = data.get("population")
    for name in ("patients", "frozen"):
        given = population.get(name) if isinstance(population, dict) else None
        if isinstance(population, dict) and isinstance(given, str) and os.path.exists(folder / given):
            population[name] = str(folder / given)


def _shorten_tests(data: dict[str, Any]) -> None:
    """Move test weeks beyond the end to the last whole week, in place; leave what is wrong to the checks."""
    end, tests = data.get("weeks"), data.get("tests")
    if not isinstance(end, int | float) or not isinstance(tests, list):
        return
    for test in tests:
        weeks = test.get("weeks") if isinstance(test, dict) else None
        if isinstance(weeks, list) and all(isinstance(week, int | float) for week in weeks):
            test["weeks"] = sorted({int(max(end, 0)) if week > end else week for week in weeks})


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of study files, for editors."""
    return Study.model_json_schema()
