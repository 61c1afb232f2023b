"""A built population, read from its folder: the patients run, the reasons of rejection, the weights of the others."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import DIMENSIONLESS, ROW
from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.population.agreement import Distance, Line, agreement, distances
from pulsatile.sweeps.population.build import LEFT_OUT, Untreated, of_survey
from pulsatile.sweeps.population.plausible import KEPT, Place, atlas, counts, reasons
from pulsatile.sweeps.run.verify import digest_of
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.study.tables.population_file import FILE, read_frozen
from pulsatile.sweeps.study.tables.table import PatientTable
from pulsatile.sweeps.summary.weights import effective_number

NO_AXIS = ("phenotype", "parameter_draws", "prevalence")
"""Covariates that are not axes of the atlas of rejected patients."""
VARIED = ("constant", "patient")
"""Kinds of independent parameters, as opposed to those that follow from others."""


@dataclass(frozen=True)
class Built:
    """A frozen population with the run that it was made from.

    ``record`` is the content of `population.json`; ``untreated`` the results of all patients run (n,); ``why`` (n,) the
    reasons of rejection, `KEPT` for the others; ``weights`` (n,), 0 for rejected patients, 1 where there are no
    prevalence weights; ``units`` by column.
    """

    folder: Path
    record: dict[str, Any]
    untreated: Untreated
    why: npt.NDArray[np.object_]
    weights: Floats
    units: dict[str, str]
    resolved: ResolvedStudy

    @property
    def id(self) -> str:
        """The id that seals the population."""
        return str(self.record["id"])

    @property
    def kept(self) -> Flags:
        """Flags (n,) of the patients kept."""
        return np.asarray(self.why == KEPT)

    @property
    def plausible(self) -> Flags:
        """Flags (n,) of the plausible patients, also of those left out by inclusion."""
        return np.asarray(self.kept | (self.why == LEFT_OUT))

    @property
    def effective(self) -> float:
        """Kish's effective number of the patients kept."""
        return effective_number(self.weights)

    @property
    def name(self) -> str:
        """Name of the people, for a reader."""
        people = self.resolved.population.people
        assert people is not None
        return "own patients" if self.resolved.population.table is not None else people.named

    @cached_property
    def comparable(self) -> bool:
        """Whether the published margins describe these people."""
        return of_survey(self.resolved.population)

    @cached_property
    def unused(self) -> dict[str, int]:
        """Number of patients not kept, by reason."""
        return counts(self.why)

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """Covariates and untreated outputs of the plausible patients, by name."""
        return {name: values[self.plausible] for name, values in self.untreated.columns.items()}

    @cached_property
    def lines(self) -> list[Line]:
        """The comparison with the published margins; empty where these describe other people."""
        return agreement(self.columns, self.weights[self.plausible]) if self.comparable else []

    @cached_property
    def far(self) -> list[Distance]:
        """Distances to published distribution functions; empty where these describe other people."""
        return distances(self.columns, self.weights[self.plausible]) if self.comparable else []

    def worst(self, most: int) -> list[Line]:
        """Return the published numbers with the largest errors after weighting."""
        lines = [line for line in self.lines if np.isfinite(line.error_after)]
        return sorted(lines, key=lambda line: -abs(line.error_after))[:most]

    @cached_property
    def rejected(self) -> Flags:
        """Flags (n,) of the patients that are not plausible."""
        return ~self.plausible

    @cached_property
    def redrawn(self) -> Flags:
        """Flags (n,) of the patients whose deviations were drawn again, because the first had no fasting state."""
        return np.asarray(self.untreated.columns["parameter_draws"] > 1)

    @cached_property
    def same_engine(self) -> bool:
        """Whether this engine is the one that ran the patients, so that it draws the same parameters."""
        return bool(self.record["engine"] == engine_hash())

    @cached_property
    def axes(self) -> dict[str, tuple[str, Floats]]:
        """Unit and values (n,) of every covariate and, drawn again from the study, every independent parameter."""
        axes = {
            name: (self.units.get(name, DIMENSIONLESS), values)
            for name, values in self.untreated.columns.items()
            if name in COVARIATES | MORE_COVARIATES and name not in NO_AXIS
        }
        if not self.same_engine:
            return axes
        parameters = self.resolved.cohort(0, len(self.untreated.ids)).parameters
        for name, row in ROW.items():
            if row.kind in VARIED and name in (parameters.dtype.names or ()):
                values = np.asarray(parameters[name], np.float64)
                if not any(np.array_equal(values, axis) for _, axis in axes.values()):  # as fasting insulin is
                    axes[f"parameter {name}"] = (row.unit, values)
        return axes

    def atlas(self, of: Flags, most: int | None = None) -> list[Place]:
        """Return where the flagged patients ``of`` (n,) are most frequent, along the clearest axes first."""
        return atlas(of, {name: values for name, (_, values) in self.axes.items()}, most)


def open_population(path: str | Path) -> Built:
    """Return the population in the folder ``path``; its id and the digest of its run are checked.

    Raises
    ------
    InputError
        Where there is no population, or `population.json` was changed or does not belong to the run in the folder.
    Damage
        Where the stored values differ from those of the run.
    """
    folder = Path(path)
    record = read_frozen(folder)
    if not folder.is_dir():
        folder = folder.parent
    try:
        digest = digest_of(folder)
    except FolderRefuses:
        raise InputError(
            f"{path}: the run that the population was made from is not next to {FILE}; give the folder that "
            "`pulsatile population build` made."
        ) from None
    if digest != record["run"]:
        raise InputError(f"{folder / FILE}: it was made from another run than the one in this folder; build it again.")
    for name, kind in (("selection", str), ("rejected", dict), ("patients", dict)):
        if not isinstance(record.get(name), kind):
            raise InputError(f"{folder / FILE}: {name} is missing or is not what it must be; build it again.")
    untreated = Untreated.of(folder)
    table = PatientTable.model_validate(record["table"])
    if not set(table.ids.tolist()) <= set(untreated.ids.tolist()):
        raise InputError(f"{folder / FILE}: it names patients that were not run; build it again.")
    weights, why = _judged(untreated, table, record["selection"])
    if counts(why) != record["rejected"]:
        raise InputError(
            f"{folder / FILE}: this version rejects other patients than the one that made it "
            f"({record['engine'][:12]}); build it again."
        )
    dataset = store.open_dataset(folder / store.RESULTS)  # checked above
    units = {
        str(name): str(dataset[name].attrs.get("units", DIMENSIONLESS))
        for name in (*dataset.coords, *dataset.data_vars)
    }
    return Built(folder, record, untreated, why, weights, units, RunFolder.open(folder).resolved)


def _judged(untreated: Untreated, table: PatientTable, how: str) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Return the weights (n,) and the reasons (n,) of all patients run."""
    at = {i: k for k, i in enumerate(untreated.ids.tolist())}
    rows = np.array([at[i] for i in table.ids.tolist()], int)
    weights = np.zeros(len(untreated.ids))
    weights[rows] = table.columns.get("prevalence", np.ones(len(rows)))
    why = reasons(untreated.status, untreated.columns)
    if how == "inclusion":
        why[(why == KEPT) & (weights == 0)] = LEFT_OUT
    return weights, why
