"""Resolve a study: every default filled, every dose a number, an identity; and the engine's inputs from the result.

The fields of a resolved study are the engine's own dataclasses, so a setting is declared there and nowhere else.
"""

from functools import cached_property
from typing import Literal, Self

from pulsatile.engine.arrays import usual_float_errors
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.noise import Noise
from pulsatile.engine.trial.designs.allocation import Groups
from pulsatile.engine.trial.designs.crossover import Crossover
from pulsatile.engine.trial.designs.drift import Drift
from pulsatile.engine.trial.designs.dropout import Dropout
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import Plan, TestAt
from pulsatile.sweeps.study import identity
from pulsatile.sweeps.study.changes import changes_of, meal_plan
from pulsatile.sweeps.study.fields import Resolved
from pulsatile.sweeps.study.matching import MatchedDose, match_dose
from pulsatile.sweeps.study.patients import ResolvedPopulation, recruited, resolved_population
from pulsatile.sweeps.study.schema import Study


class Grid(Resolved):
    """Names of variables and the spacing (h) at which they are kept."""

    names: tuple[str, ...]
    every: float


class ResolvedStudy(Resolved):
    """Everything that decides the numbers of a run (and the titles, which do not)."""

    title: str
    seed: int
    weeks: float
    population: ResolvedPopulation
    arms: tuple[Arm, ...]
    control: str
    outputs: Grid
    reductions: Grid
    tests: tuple[TestAt, ...]
    dtype: Literal["float32", "float64"]
    solver: Solver
    long_horizon: LongHorizon | None = None
    matched: tuple[MatchedDose, ...] = ()
    groups: Groups | None = None
    crossover: Crossover | None = None
    drift: tuple[Drift, ...] = ()
    dropout: Dropout | None = None
    noise: Noise | None = None

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the science; it excludes chunks, workers, threads, scheduler, paths and titles."""
        science = self.model_dump(mode="json", exclude={"title", "control", "matched"})
        for arm in science["arms"]:
            del arm["description"], arm["standing"]
        if self.population.table is not None:
            science["population"]["table"] = self.population.table.content
        if self.crossover is not None:
            del science["crossover"]["control"]
        if self.population.recruited is not None:
            science["population"]["recruited"] = self.population.recruited.places.content
            del science["population"]["recruitment"]["most"]
        del science["population"]["balanced"]  # decides intervals, and no number of the run
        return identity.identity(science)

    @property
    def platform(self) -> str:
        """Platform class of this machine under this study's solver: results are bit-equal within a class."""
        return identity.platform_class(self.solver.device)

    def cohort(self, start: int, stop: int) -> Cohort:
        """Return the virtual patients at positions ``start`` to before ``stop``."""
        return self.population.cohort(self.seed, start, stop)

    def plan(self) -> Plan:
        """Return what the engine is to run and keep."""
        outputs, reductions = self.outputs, self.reductions
        return Plan(
            self.weeks, outputs.every, outputs.names, reductions.names, reductions.every, self.tests, self.solver,
            self.long_horizon, self.drift, self.dropout, self.noise,
        )  # fmt: skip

    @property
    def approximation(self) -> str:
        """Sentence for readers of a run that does not integrate every day; empty for one that does."""
        return "" if self.long_horizon is None else f"Approximation: {self.long_horizon.sentence}."

    @property
    def of_the_trial(self) -> list[str]:
        """Sentences on what a trial as run adds to the simulation: design, drift, dropout, noise."""
        found = []
        if self.crossover is not None:
            c = self.crossover
            found.append(
                f"Crossover of {c.periods} periods of {c.period:.4g} weeks, {c.washout:.4g} weeks of wash-out: every "
                "patient runs through every sequence; `allocated` names the one that the trial would give it."
            )
        elif self.groups is not None:
            found.append(
                "Parallel groups: every patient runs through every arm; `allocated` names its arm in the trial."
            )
        found += [f"Drift: {drift.sentence}." for drift in self.drift]
        found += [] if self.dropout is None else [f"Dropout: {self.dropout.sentence}."]
        return found + ([] if self.noise is None else [f"Noise: {self.noise.sentence}."])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the resolved study of a text by ``model_dump_json``."""
        return cls.model_validate_json(text)


@usual_float_errors
def resolve(study: Study, threads: int = 1) -> ResolvedStudy:
    """Fill every default, expand presets, recruit patients and compute matched doses.

    Candidates are simulated at screening (`sweeps.study.recruitment`), and a pilot for a matched dose
    (`sweeps.study.matching`); otherwise nothing is simulated.
    """
    if not isinstance(study, Study):
        raise InputError(f"study = {study!r} is not a Study; give load_study('study.yaml').")
    if study.sweep is not None:
        raise InputError(
            "the study has a sweep, so it is many studies; `pulsatile run` and pu.run carry it out, pu.scenarios lists "
            "them, and anything else needs one of them: leave the sweep out."
        )
    changes, meals = changes_of(study.parameters), meal_plan(study.meals, study.fasting)
    population, plan = resolved_population(study.population, study.design, changes, meals), study.plan()
    population = recruited(population, study.population.n, study.seed, study.solver, threads)
    named = {arm.name: arm for arm in study.arms}
    matched = {
        arm.name: match_dose(arm, named[arm.match.to], population, study.seed, study.solver, threads)
        for arm in study.arms
        if arm.match is not None
    }
    treatments = [arm.resolved(matched[arm.name].dose_mg if arm.match else 1.0) for arm in study.arms]
    arms = study.arms_run(treatments)
    groups = None if study.groups is None else study.groups.resolved()
    crossover = None if study.crossover is None else study.crossover.resolved(study.control or "")
    if study.crossover is not None:
        groups = study.crossover.groups()
    if groups is not None:
        groups.check_covariates(population.covariates)
    return ResolvedStudy(
        title=study.title,
        seed=study.seed,
        weeks=study.weeks,
        population=population,
        arms=arms,
        control=arms[0].name if crossover is not None else study.control or arms[0].name,
        outputs=Grid(names=plan.outputs, every=plan.every),
        reductions=Grid(names=plan.reductions, every=plan.reduce_every),
        tests=plan.tests,
        dtype=study.outputs.dtype,
        solver=study.solver,
        long_horizon=study.long_horizon,
        matched=tuple(matched.values()),
        groups=groups,
        crossover=crossover,
        drift=plan.drift,
        dropout=plan.dropout,
        noise=plan.noise,
    )
