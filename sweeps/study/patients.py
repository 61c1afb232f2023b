"""The patients of a resolved study: each chunk of them can be drawn again, anywhere, from the study alone."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Ids
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.adults import people_cohort
from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES, cohort_of_ids, points_of, with_parameters
from pulsatile.engine.people.completion import check_known, complete
from pulsatile.engine.people.draw import draw_adults
from pulsatile.sweeps.study.design import DesignEntry, ResolvedDesign, resolved_design
from pulsatile.sweeps.study.fields import Resolved
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.own_patients import own_patients
from pulsatile.sweeps.study.parameter_file import own_parameters
from pulsatile.sweeps.study.people import ResolvedPeople
from pulsatile.sweeps.study.population import PopulationEntry
from pulsatile.sweeps.study.population_file import read_frozen
from pulsatile.sweeps.study.recruitment.recruit import Recruited, Recruitment, recruit
from pulsatile.sweeps.study.table import PatientTable, patient_count

if TYPE_CHECKING:
    from pulsatile.engine.patients.cohort import Cohort


class ResolvedPopulation(Resolved):
    """Everything that determines the patients at positions 0 ... n - 1.

    Either ``shares`` of phenotypes, to whom a ``table`` may give ids ("patient") and own parameters, or ``people``; for
    these a table may give ids, prevalence weights ("prevalence") and covariates, which are then not drawn.  ``seed`` is
    set where the patients have another seed than the study; ``id`` is that of a frozen population.  ``balanced``
    has the numbers for whose means its weights were chosen, by id ("patient"); they affect intervals only.  With a
    ``design`` the patients are its points: the first of these patients with the factors' values.

    With a ``recruitment`` these are candidates, of whom those in ``recruited`` are the patients, ``n`` of them.
    """

    n: int
    first: int
    shares: dict[str, float] = {}
    variability: bool = True
    people: ResolvedPeople | None = None
    table: PatientTable | None = None
    balanced: PatientTable | None = None
    seed: int | None = None
    id: str = ""
    design: ResolvedDesign | None = None
    recruitment: Recruitment | None = None
    recruited: Recruited | None = None

    @property
    def words(self) -> str:
        """Description of the patients, for a reader."""
        if self.design is not None:
            base = self.model_copy(update={"design": None}).words
            return f"{self.design.kind} design of {len(self.design.factors)} factors about one of {base}"
        if self.recruitment is not None:
            return f"{self.candidates.words}, recruited"
        if self.people is None:
            own = "" if self.table is None else "own parameters, "
            return own + ", ".join(self.shares)
        frozen = f"frozen population {self.id[:12]}" if self.id else ""
        known = set(self.table.names) - {"patient", "prevalence"} if self.table is not None else ()
        own = "own patients" if known else self.people.named
        return f"{own}, {frozen}" if frozen else own

    @property
    def kinds(self) -> tuple[str, ...]:
        """Phenotypes or named population of the patients, on which the standing of an arm depends."""
        return tuple(self.shares) if self.people is None else (self.people.named,)

    @property
    def weighted(self) -> bool:
        """Whether patients carry prevalence weights."""
        weights = self.people is not None and self.table is not None and "prevalence" in self.table.names
        return weights and self.design is None

    def ids(self, start: int, stop: int) -> Ids:
        """Return the ids of the patients at positions ``start`` to before ``stop``."""
        if self.design is not None:
            return np.arange(start, stop, dtype=np.int64)
        rows = self.rows(start, stop)
        if self.table is None:
            return rows
        ids: Ids = self.table.columns["patient"][rows].astype(np.int64)
        return ids

    def rows(self, start: int, stop: int) -> Ids:
        """Return the rows of the table, or the ids where there is none, of the patients at these positions."""
        if self.recruited is None:
            return np.arange(self.first + start, self.first + stop, dtype=np.int64)
        return self.first + self.recruited.positions[start:stop]

    def labels(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return the ids as the user knows them, text where a table has such, else those of `ids`."""
        if self.table is None or self.design is not None or not self.table.packed_ids:
            return self.ids(start, stop)
        return self.table.ids[self.rows(start, stop)]

    @property
    def candidates(self) -> Self:
        """The candidates from whom the patients are recruited, as a population; the patients where all enter."""
        return self.model_copy(update={"recruitment": None, "recruited": None, "design": None})

    @property
    def screening_sentence(self) -> str:
        """How many candidates were screened and kept; empty where all enter."""
        if self.recruitment is None or self.recruited is None:
            return ""
        return self.recruited.sentence(self.recruitment)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates of a dataset of these patients, in the order of the dataset."""
        more = () if self.people is None else tuple(n for n in MORE_COVARIATES if n != "prevalence" or self.weighted)
        return (*COVARIATES, *more)

    def cohort(self, seed: int, start: int, stop: int) -> "Cohort":
        """Return the virtual patients at positions ``start`` to before ``stop``."""
        if self.design is not None:
            base = self.model_copy(update={"design": None}).cohort(seed, 0, 1)
            base.covariates.pop("prevalence", None)  # all points have the same weight
            design = self.design.design()
            columns = {f.name: design.values[start:stop, k] for k, f in enumerate(design.factors)}
            return points_of(base, self.ids(start, stop), columns)
        if self.people is None:
            kind: str | dict[str, float] = next(iter(self.shares)) if len(self.shares) == 1 else self.shares
            cohort = cohort_of_ids(self.ids(start, stop), kind, seed, self.variability)
            return self._own(cohort, start, stop)

        seed = seed if self.seed is None else self.seed
        ids, population = self.ids(start, stop), self.people.population()
        columns = {} if self.table is None else self.table.columns
        rows = self.rows(start, stop)
        known = {name: column[rows] for name, column in columns.items() if name not in ("patient", "prevalence")}
        spec = population.people
        people = complete(seed, ids, known, spec) if known else draw_adults(seed, ids, spec)
        cohort = people_cohort(seed, ids, people, population, self.people.layers, self.people.omega())
        if self.weighted:
            cohort.covariates["prevalence"] = columns["prevalence"][rows]
        return self._named(cohort, start, stop)

    def _own(self, cohort: "Cohort", start: int, stop: int) -> "Cohort":
        """Return patients of a phenotype with the parameters of the table."""
        if self.table is None:
            return cohort
        rows = self.rows(start, stop)
        columns = {name: column[rows] for name, column in self.table.columns.items() if name != "patient"}
        return self._named(with_parameters(cohort, columns), start, stop)

    def _named(self, cohort: "Cohort", start: int, stop: int) -> "Cohort":
        """Return the patients with the text ids of the table, where it has such."""
        if self.table is None or not self.table.packed_ids:
            return cohort
        return replace(cohort, names=self.table.ids[self.rows(start, stop)])


def resolved_population(entry: PopulationEntry, design: DesignEntry | None = None) -> ResolvedPopulation:
    """Return the patients of a study, or the points of its design about the first patient.

    Where they are to be recruited they are candidates yet; see `recruited`.
    """
    base = _resolved(entry).model_copy(update={"recruitment": entry.recruitment})
    return base if design is None else with_design(base, resolved_design(design))


def recruited(
    population: ResolvedPopulation, n: int | None, seed: int, solver: Solver, threads: int = 1
) -> ResolvedPopulation:
    """Return the population with ``n`` patients who were recruited from its candidates, all who fit where None.

    A design has one patient.  Screening goes on after the patients that the population has already.

    Raises
    ------
    InputError
        Where too few candidates fit, and for strata of a population with weights.
    """
    if population.recruitment is None:
        return population
    candidates = population.candidates
    if candidates.weighted and population.recruitment.strata:
        raise InputError(
            "population.strata: the patients have prevalence weights, which say how common each is; leave strata out, "
            "or the weights."
        )
    available = None if population.table is None else population.table.rows - population.first
    n = n if population.design is None else 1
    found = recruit(
        population.recruitment, n, available, lambda start, stop: candidates.cohort(seed, start, stop), solver, threads,
        population.recruited,
    )  # fmt: skip
    n = found.places.rows if population.design is None else population.n
    return population.model_copy(update={"recruited": found, "n": n})


def with_design(base: ResolvedPopulation, design: ResolvedDesign) -> ResolvedPopulation:
    """Return the points of ``design`` about the first patient of ``base``."""
    return base.model_copy(update={"design": design, "n": design.design().n_points})


def _resolved(entry: PopulationEntry) -> ResolvedPopulation:
    """Return the patients of a study's population; reads tables and frozen populations."""
    if entry.frozen is not None:
        return frozen_population(entry.frozen, None if entry.recruits else entry.n, entry.first)
    if entry.patients is not None:
        table = own_patients(entry.patients, entry.headings)
        n = patient_count(None if entry.recruits else entry.n, entry.first, table.rows, entry.patients)
        return ResolvedPopulation(n=n, first=entry.first, people=entry.people, table=table)
    if entry.parameters is not None:
        table = own_parameters(entry.parameters)
        n = patient_count(None if entry.recruits else entry.n, entry.first, table.rows, entry.parameters)
        return ResolvedPopulation(n=n, first=entry.first, shares=entry.mix, variability=False, table=table)
    if entry.named is not None:
        return ResolvedPopulation(n=entry.n or 1, first=entry.first, people=entry.people)
    shares = {name: share for name, share in entry.mix.items() if share > 0}
    return ResolvedPopulation(n=entry.n or 1, first=entry.first, shares=shares, variability=entry.variability)


def _people_of(path: str, record: dict[str, Any]) -> ResolvedPeople:
    """Return the people of a frozen population; `InputError` where they, or the covariates given, cannot be."""
    columns = PatientTable.model_validate(record["table"]).columns
    known = {name: values for name, values in columns.items() if name not in ("patient", "prevalence")}
    try:
        people = ResolvedPeople.model_validate(record["people"])
        spec, ids = people.population().people, columns["patient"].astype(np.int64)
        people.omega()
        if known:
            check_known(ids, known)
        draw_adults(int(record["seed"]), ids[:1], spec)  # the first person shows whether the distributions can be drawn
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # InputError and pydantic's are ValueErrors
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"{path}: its people cannot be ({reason}), so it is not what `pulsatile population build` writes; build it "
            "again."
        ) from None
    return people


def frozen_population(path: str, n: int | None, first: int) -> ResolvedPopulation:
    """Return ``n`` patients (default all) of a frozen population from place ``first`` on."""
    record = read_frozen(path)
    if record.get("engine") != engine_hash():
        raise InputError(
            f"{path}: the population was built by another version of the engine, in which its people may be others; "
            "build it again."
        )
    table, people = PatientTable.model_validate(record["table"]), _people_of(path, record)
    balanced = PatientTable.model_validate(record["balanced"]) if "balanced" in record else None
    return ResolvedPopulation(
        n=patient_count(n, first, table.rows, path),
        first=first,
        people=people,
        table=table,
        balanced=balanced,
        seed=record["seed"],
        id=record["id"],
    )
