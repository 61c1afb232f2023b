"""A built population as its folder tells it: who was run, why some are not kept, how much the others count."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.population.agreement import Distance, Line, agreement, distances
from pulsatile.sweeps.population.build import LEFT_OUT, Untreated, of_survey
from pulsatile.sweeps.population.plausible import KEPT, Place, atlas, counts, reasons
from pulsatile.sweeps.run.verify import digest_of
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.population_file import FILE, read_frozen
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.study.table import PatientTable
from pulsatile.sweeps.summary.weights import effective_number

NO_AXIS = ("phenotype", "parameter_draws", "prevalence")
"""Covariates that are no place to look for the rejected."""
VARIED = ("constant", "patient")
"""Kinds of parameters that someone has, not those that follow from others."""


@dataclass(frozen=True)
class Built:
    """A frozen population with the run that it was made from.

    ``told`` is `population.json`; ``untreated`` everybody who was run (n,); ``why`` (n,) not kept; ``weights`` (n,), 0
    for who is not, 1 where there are no prevalence weights; ``units`` by column.
    """

    folder: Path
    told: dict[str, Any]
    untreated: Untreated
    why: npt.NDArray[np.object_]
    weights: Floats
    units: dict[str, str]
    resolved: ResolvedStudy

    @property
    def id(self) -> str:
        """The id that seals it."""
        return str(self.told["id"])

    @property
    def kept(self) -> Flags:
        """Flags (n,) of who is kept."""
        return np.asarray(self.why == KEPT)

    @property
    def plausible(self) -> Flags:
        """Flags (n,) of who is plausible, also where inclusion left them out."""
        return np.asarray(self.kept | (self.why == LEFT_OUT))

    @property
    def effective(self) -> float:
        """Kish's effective number of the kept."""
        return effective_number(self.weights)

    @property
    def name(self) -> str:
        """Who they are, in words."""
        people = self.resolved.population.people
        assert people is not None
        return "own patients" if self.resolved.population.table is not None else people.named

    @cached_property
    def comparable(self) -> bool:
        """Whether the published margins are of these people."""
        return of_survey(self.resolved.population)

    @cached_property
    def unused(self) -> dict[str, int]:
        """How many are not kept, by the reason."""
        return counts(self.why)

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """Covariates and untreated outputs of the plausible, by name."""
        return {name: values[self.plausible] for name, values in self.untreated.columns.items()}

    @cached_property
    def lines(self) -> list[Line]:
        """The comparison with the published margins; empty where these are of other people."""
        return agreement(self.columns, self.weights[self.plausible]) if self.comparable else []

    @cached_property
    def far(self) -> list[Distance]:
        """Distances to whole published margins; empty where these are of other people."""
        return distances(self.columns, self.weights[self.plausible]) if self.comparable else []

    def worst(self, most: int) -> list[Line]:
        """Return the published numbers that are missed by most, after weighting."""
        found = [line for line in self.lines if np.isfinite(line.error_after)]
        return sorted(found, key=lambda line: -abs(line.error_after))[:most]

    @cached_property
    def rejected(self) -> Flags:
        """Flags (n,) of who is not plausible."""
        return ~self.plausible

    @cached_property
    def redrawn(self) -> Flags:
        """Flags (n,) of whose deviations were drawn again, for the first had no fasting state."""
        return np.asarray(self.untreated.columns["parameter_draws"] > 1)

    @cached_property
    def same_engine(self) -> bool:
        """Whether the engine here is the one that ran them, so that their parameters can be made again."""
        return bool(self.told["engine"] == engine_hash())

    @cached_property
    def axes(self) -> dict[str, tuple[str, Floats]]:
        """Unit and values (n,) of every covariate and, made again from the study, every parameter of everybody."""
        found = {
            name: (self.units.get(name, "-"), values)
            for name, values in self.untreated.columns.items()
            if name in COVARIATES | MORE_COVARIATES and name not in NO_AXIS
        }
        if not self.same_engine:
            return found
        record = self.resolved.cohort(0, len(self.untreated.ids)).parameters
        for name, row in ROW.items():
            if row.kind in VARIED and name in (record.dtype.names or ()):
                values = np.asarray(record[name], np.float64)
                if not any(np.array_equal(values, own) for _, own in found.values()):  # as fasting insulin is
                    found[f"parameter {name}"] = (row.unit, values)
        return found

    def atlas(self, of: Flags, most: int | None = None) -> list[Place]:
        """Return where ``of`` (n,) are more frequent, in covariates and parameters, the clearest axis first."""
        return atlas(of, {name: values for name, (_, values) in self.axes.items()}, most)


def open_population(path: str | Path) -> Built:
    """Return the population in the folder ``path``, after its id and that of its run were checked.

    Raises
    ------
    InputError
        Where there is none, or `population.json` was changed or does not belong to the run beside it.
    Damage
        Where the stored values are not those of the run.
    """
    folder = Path(path)
    told = read_frozen(folder)
    if not folder.is_dir():
        folder = folder.parent
    try:
        digest = digest_of(folder)
    except FolderRefuses:
        raise InputError(
            f"{path}: the run that the population was made from is not beside {FILE}; give the folder that "
            "`pulsatile population build` made."
        ) from None
    if digest != told["run"]:
        raise InputError(f"{folder / FILE}: it was made from another run than the one beside it; build it again.")
    untreated = Untreated.of(folder)
    table = PatientTable.model_validate(told["table"]).columns
    if not np.isin(table["patient"], untreated.ids).all():
        raise InputError(f"{folder / FILE}: it names patients that were not run; build it again.")
    weights, why = _judged(untreated, table, told["selection"])
    if counts(why) != told["rejected"]:
        raise InputError(
            f"{folder / FILE}: this version rejects other patients than the one that made it "
            f"({told['engine'][:12]}); build it again."
        )
    dataset = store.open_dataset(folder / "results.zarr")
    units = {str(name): str(dataset[name].attrs.get("units", "-")) for name in (*dataset.coords, *dataset.data_vars)}
    return Built(folder, told, untreated, why, weights, units, RunFolder.open(folder).resolved)


def _judged(untreated: Untreated, table: dict[str, Floats], how: str) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Return weights (n,) and reasons (n,) of everybody who was run."""
    at = {int(i): k for k, i in enumerate(untreated.ids)}
    rows = np.array([at[int(i)] for i in table["patient"]], int)
    weights = np.zeros(len(untreated.ids))
    weights[rows] = table.get("prevalence", np.ones(len(rows)))
    why = reasons(untreated.status, untreated.columns)
    if how == "inclusion":
        why[(why == KEPT) & (weights == 0)] = LEFT_OUT
    return weights, why
