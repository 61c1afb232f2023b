"""The values of a chunk: simulated, or taken from the run that an expansion goes on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Ids
from pulsatile.engine.dataset import template
from pulsatile.engine.errors import Status
from pulsatile.engine.patients.run_in import PACKED, unpacked
from pulsatile.engine.simulate import Earlier, carry_out, end_columns
from pulsatile.engine.trial.designs.dropout import DROPPED
from pulsatile.sweeps.disk import check, store
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.study.resolve import ResolvedStudy

if TYPE_CHECKING:
    from pulsatile.engine.simulate import Plan, Simulation
    from pulsatile.sweeps.chunk.job import Job

Arrays = dict[str, npt.NDArray[Any]]


@dataclass
class Values:
    """What a chunk writes, for its own patients only.

    ``variables`` of the results and ``states`` (run-in and end states, from which an expansion goes on) by name, axes
    as stored; ``labels`` of the other axes; ``kept`` number of patient-arms not simulated in full; ``worst_canary``
    largest error of a canary, in units of its tolerance.
    """

    variables: Arrays
    states: Arrays
    labels: Arrays
    canaries: int = 0
    worst_canary: float = 0.0
    kept: int = 0

    def put(self, course: "Simulation", arms: Sequence[int], patients: Ids) -> None:
        """Store the simulation of ``arms`` and ``patients`` (positions in the chunk)."""
        for name, variable in (*course.dataset.data_vars.items(), *course.dataset.coords.items()):
            if "patient" in variable.dims and name != "patient":
                at = np.ix_(np.array(arms), patients) if "arm" in variable.dims else (patients,)
                self.variables[str(name)][at] = variable.values
        self.states["baseline"][patients] = course.run_in
        self.states["ends"][np.ix_(np.array(arms), patients)] = course.ends
        self.canaries += course.canaries.patients
        self.worst_canary = max(self.worst_canary, course.canaries.worst)


def chunk_values(job: "Job", resolved: ResolvedStudy) -> Values:
    """Simulate the patients of a job, or take them from the earlier run; those to be skipped stay "never run"."""
    chunk = _empty(job, resolved)
    fresh = np.setdiff1d(np.arange(job.first, job.stop), job.skip)
    if job.base:
        base = _base(job.base, (Path(job.base) / "resolved.json").read_text(encoding="utf-8"))
        known = np.zeros(len(fresh), bool)  # the others are new, or their states were not stored: computed anew
        for first, stop in check.with_states(base.folder, job.first, job.stop):
            known |= (first <= fresh) & (fresh < stop)
        for part in _parts(fresh[known], job.pieces):
            _keep(chunk, part, base, resolved, job)
        fresh = fresh[~known]
    everyone = list(range(len(resolved.arms)))
    for part in _parts(fresh, job.pieces):
        chunk.put(_course(resolved, part, everyone, job.threads), everyone, part - job.first)
    return chunk


def _parts(patients: Ids, pieces: int) -> list[Ids]:
    return [part for part in np.array_split(patients, pieces) if len(part)]


def _course(resolved: ResolvedStudy, patients: Ids, arms: Sequence[int], threads: int, **begun: Any) -> "Simulation":
    """Simulate ``patients``, given by position in the run, in ``arms``."""
    first = int(patients[0])
    cohort = resolved.cohort(first, int(patients[-1]) + 1).subset(patients - first)
    chosen = [resolved.arms[a] for a in arms]
    return carry_out(cohort, chosen, resolved.plan(), threads=threads, **begun)


def _empty(job: "Job", resolved: ResolvedStudy) -> Values:
    """Return a chunk in which nothing has run."""
    population, n = resolved.population, job.stop - job.first
    whole = template(population.labels(job.first, job.stop), resolved.arms, resolved.plan(), population.covariates)
    variables = {
        str(name): np.array(variable.values)  # a copy: the arrays of a template are broadcast
        for name, variable in (*whole.data_vars.items(), *whole.coords.items())
        if "patient" in variable.dims and name != "patient"
    }
    width = state_columns(resolved)
    states = {
        "baseline": np.full((n, width.baseline), np.nan), "ends": np.full((len(resolved.arms), n, width.ends), np.nan)
    }  # fmt: skip
    labels = {str(dim): whole[dim].values for dim in whole.dims if dim in whole.coords}
    return Values(variables, states, labels)


@dataclass(frozen=True)
class Columns:
    """Counts of the numbers kept of each patient next to the results."""

    baseline: int
    ends: int


def state_columns(resolved: ResolvedStudy) -> Columns:
    """Return how many numbers an expansion needs per patient, and per patient and arm."""
    return Columns(len(PACKED), end_columns(resolved.plan()))


# --- expansion ---


@dataclass(frozen=True)
class _Base:
    """The finished run that an expansion goes on from."""

    folder: RunFolder
    resolved: ResolvedStudy
    coordinates: Arrays
    dims: dict[str, tuple[str, ...]]


@lru_cache(2)
def _base(folder: str, study: str) -> _Base:
    """Return the run in ``folder``; the resolved ``study`` is part of the key, as a folder may be expanded twice."""
    run = RunFolder.open(Path(folder))
    return _Base(run, run.resolved, store.coordinates(run.store), store.dims(run.store))


def _keep(chunk: Values, patients: Ids, base: _Base, resolved: ResolvedStudy, job: "Job") -> None:
    """Fill in patients of the earlier run: its arms as stored or continued, new arms from the stored run-in."""
    first, stop, at = int(patients[0]), int(patients[-1]) + 1, patients - job.first
    inside = patients - first
    states = store.patients_stored(base.folder.states, first, stop)
    baseline = unpacked(resolved.cohort(first, stop).subset(inside), states["baseline"][inside])
    known = {b.treatment: k for k, b in enumerate(base.resolved.arms)}
    old = [a for a, arm in enumerate(resolved.arms) if arm.treatment in known]
    new = [a for a in range(len(resolved.arms)) if a not in old]
    plan, earlier = resolved.plan(), base.resolved.plan()
    if plan != earlier and plan.goes_on_from(earlier):  # other outputs: all is computed anew but the run-in
        old, new = [], list(range(len(resolved.arms)))
    if old:
        source, target = (np.array([known[resolved.arms[a].treatment] for a in old]), inside), (np.array(old), at)
        ends = states["ends"][np.ix_(*source)]
        stored = store.patients_stored(base.folder.store, first, stop)
        chunk.kept += len(old) * len(patients)
        if plan == earlier:
            chunk.states["ends"][np.ix_(*target)] = ends
            chunk.states["baseline"][at] = states["baseline"][inside]
        else:
            begun = Earlier(earlier.weeks, ends, stored["status"][np.ix_(*source)])
            chunk.put(_course(resolved, patients, old, job.threads, baseline=baseline, earlier=begun), old, at)
        _merge(chunk, stored, base, source, target)
    if new:
        chunk.put(_course(resolved, patients, new, job.threads, baseline=baseline), new, at)


Place = tuple[Any, ...]
"""Arms and patients, for `numpy.ix_`."""


def _merge(chunk: Values, stored: Arrays, base: _Base, source: Place, target: Place) -> None:
    """Copy stored values to the same time labels; values of a patient that failed since are masked."""
    labels = chunk.labels
    status = chunk.variables["status"][np.ix_(*target)]
    for name, values in stored.items():
        if "arm" not in base.dims[name]:
            if name in chunk.variables:  # else it is the patients' ids
                chunk.variables[name][target[1]] = values[source[1]]
            continue
        if name == "status":
            never = status == Status.NEVER_RUN
            chunk.variables[name][np.ix_(*target)] = np.where(never, values[np.ix_(*source)], status)
            continue
        if name == DROPPED:  # a longer run knows it of those who leave later, too
            later = chunk.variables[name][np.ix_(*target)]
            chunk.variables[name][np.ix_(*target)] = np.where(np.isnan(later), values[np.ix_(*source)], later)
            continue
        take, give = list(source), list(target)
        for dim in base.dims[name][2:]:
            same = np.isin(base.coordinates[dim], labels[dim])
            take.append(np.flatnonzero(same))
            give.append(np.searchsorted(labels[dim], base.coordinates[dim][same]))
        chunk.variables[name][np.ix_(*give)] = values[np.ix_(*take)]
    failed = chunk.variables["status"] != Status.OK
    for name, dims in base.dims.items():
        if dims[:2] == ("arm", "patient") and name != "status" and name in chunk.variables:
            chunk.variables[name][failed] = np.nan


def bytes_per_patient(resolved: ResolvedStudy, plan: "Plan") -> int:
    """Return the bytes of one patient's results in float64, all arms."""
    return template(np.zeros(1, np.int64), resolved.arms, plan, resolved.population.covariates).nbytes
