"""From a study to a resolved study: every default filled, every dose a number, an identity; and back to the engine."""

from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from pulsatile.engine.drugs.regimens import Arm as EngineArm
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.sweeps.study import identity
from pulsatile.sweeps.study.fields import Resolved
from pulsatile.sweeps.study.matching import MatchedDose, match_dose
from pulsatile.sweeps.study.patients import ResolvedPopulation, resolved_population
from pulsatile.sweeps.study.quantities import hours
from pulsatile.sweeps.study.schema import Arm, Study

if TYPE_CHECKING:
    from pulsatile.engine.drugs.regimens import Arm as EngineArm
    from pulsatile.engine.patients.cohort import Cohort
    from pulsatile.engine.simulate import Plan


class ResolvedDose(Resolved):
    """One dose rule in numbers; the fields of `engine.drugs.regimens.Dose`."""

    drug: str
    amount: float
    unit: str
    route: str
    times: tuple[float, ...]
    days: tuple[int, ...]
    every_weeks: int
    start_week: float
    stop_week: float | None
    duration: float


class ResolvedArm(Resolved):
    """An arm whose doses are all numbers."""

    name: str
    doses: tuple[ResolvedDose, ...]
    description: str = ""
    standing: str = ""
    extrapolation: bool = False

    @property
    def science(self) -> str:
        """The doses as text: arms of equal science have equal results, whatever their names."""
        return identity.canonical([dose.model_dump() for dose in self.doses])

    def engine_arm(self) -> "EngineArm":
        """Return the engine's arm."""
        return EngineArm(self.name, tuple(Dose(**d.model_dump()) for d in self.doses), self.description, self.standing)


class Grid(Resolved):
    """Names of variables and the spacing (h) at which they are kept."""

    names: tuple[str, ...]
    every: float


class ResolvedTest(Resolved):
    """A virtual test and its weeks."""

    test: str
    weeks: tuple[float, ...]


class ResolvedStudy(Resolved):
    """All that decides the numbers of a run (and the titles that do not)."""

    title: str
    seed: int
    weeks: float
    population: ResolvedPopulation
    arms: tuple[ResolvedArm, ...]
    control: str
    outputs: Grid
    reductions: Grid
    tests: tuple[ResolvedTest, ...]
    dtype: Literal["float32", "float64"]
    solver: dict[str, Any]
    long_horizon: dict[str, int] | None = None
    matched: tuple[MatchedDose, ...] = ()

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the science; chunks, workers, threads, scheduler, paths and titles are not in it."""
        science = self.model_dump(mode="json", exclude={"title": True, "control": True, "matched": True})
        if self.population.table is not None:
            science["population"]["table"] = self.population.table.content
        for arm in science["arms"]:
            for words in ("description", "standing", "extrapolation"):
                del arm[words]
        return identity.identity(science)

    @property
    def platform(self) -> str:
        """Platform class of this machine under this study's solver: bits are equal within one."""
        return identity.platform_class(self.solver.get("device", "cpu"))

    def engine_arms(self) -> "tuple[EngineArm, ...]":
        """Return the engine's arms."""
        return tuple(arm.engine_arm() for arm in self.arms)

    def cohort(self, start: int, stop: int) -> "Cohort":
        """Return the virtual patients at positions ``start`` to before ``stop``."""
        return self.population.cohort(self.seed, start, stop)

    def plan(self) -> "Plan":
        """Return what the engine is to run and keep."""
        from pulsatile.engine.kernel.solver import Solver
        from pulsatile.engine.simulate import LongHorizon, Plan, TestAt

        return Plan(
            weeks=self.weeks,
            every=self.outputs.every,
            outputs=self.outputs.names,
            reductions=self.reductions.names,
            reduce_every=self.reductions.every,
            tests=tuple(TestAt(test.test, test.weeks) for test in self.tests),
            solver=Solver(**self.solver),
            long_horizon=None if self.long_horizon is None else LongHorizon(**self.long_horizon),
        )

    @property
    def approximation(self) -> str:
        """What a reader must know of a run that does not integrate every day; empty for one that does."""
        if self.long_horizon is None:
            return ""

        return f"Approximation: {LongHorizon(**self.long_horizon).sentence}."

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the resolved study written by ``model_dump_json``."""
        return cls.model_validate_json(text)


def resolved_arm(arm: Arm, matched: float = 1.0) -> ResolvedArm:
    """Return an arm in numbers; ``matched`` is the amount in mg where a dose is to be matched."""
    engine_arm = arm.engine_arm(matched)
    return ResolvedArm(
        name=arm.name,
        doses=tuple(ResolvedDose(**asdict(dose)) for dose in engine_arm.doses),
        description=engine_arm.description,
        standing=engine_arm.standing,
        extrapolation=engine_arm.extrapolation,
    )


def resolve(study: Study, threads: int = 1) -> ResolvedStudy:
    """Fill every default, expand presets and find matched doses.

    Matching simulates a pilot (see `sweeps.study.matching`); without a matched dose nothing is simulated.
    """
    if not isinstance(study, Study):
        raise InputError(f"study = {study!r} is none; give load_study('study.yaml').")
    population = resolved_population(study.population, study.design)
    solver = study.solver.engine_solver()
    found: dict[str, MatchedDose] = {}
    for arm in study.arms:
        if arm.match is not None:
            reference = next(other for other in study.arms if other.name == arm.match.to)
            found[arm.name] = match_dose(arm, reference, population, solver, threads)
    return ResolvedStudy(
        title=study.title,
        seed=study.seed,
        weeks=study.weeks,
        population=population,
        arms=tuple(resolved_arm(arm, found[arm.name].dose_mg if arm.name in found else 1.0) for arm in study.arms),
        control=study.control or study.arms[0].name,
        outputs=Grid(names=study.outputs.names, every=hours(study.outputs.every)),
        reductions=Grid(names=study.reductions.names, every=hours(study.reductions.every)),
        tests=tuple(ResolvedTest(test=t.test, weeks=t.weeks) for t in study.tests),
        dtype=study.outputs.dtype,
        solver=asdict(solver),
        long_horizon=None if study.long_horizon is None else study.long_horizon.model_dump(),
        matched=tuple(found.values()),
    )
