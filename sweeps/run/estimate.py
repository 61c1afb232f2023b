"""What precedes a run's folder: the study prepared, and what the run will need (chunks, bytes, memory, minutes)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from pulsatile.engine.arrays import usual_float_errors
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import check_people
from pulsatile.engine.simulate import memory_held, simulate
from pulsatile.sweeps.analysis.selection import Selection, refuse_unknown
from pulsatile.sweeps.chunk.compute import bytes_per_patient, state_columns
from pulsatile.sweeps.study.conversions import conversions
from pulsatile.sweeps.study.doses import visit_sentences
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import SensitivityEntry, Study
from pulsatile.sweeps.workers.resources import PROGRAMS, Resources, Spread, cores
from pulsatile.sweeps.workers.workers import capacity

if TYPE_CHECKING:
    import xarray as xr

    from pulsatile.engine.simulate import Plan

LARGEST_CHUNK = 1000
"""Patients per task: a larger chunk gains nothing (it helps far lighter kernels only)."""
SMALLEST_CHUNK = 32
TASKS_PER_WORKER = 4
CHUNK_BYTES = 256e6
"""Results of one default chunk in float64."""
MOST_CHUNK_BYTES = 4e9
RECORD = 30_000
"""Bytes of a chunk's commit record and journal line, at most."""
COPIES = 3
"""Copies of a chunk's results and states in memory, at most: simulated, gathered, as files (1.8 were measured)."""
FIRST = 32
"""Patients that are drawn when a study is prepared, at most."""
PROBE, FEWEST = 64, 8  # patients of the timing probe
PROBE_PATIENT_WEEKS = 8000
"""Size of the probe, which takes some seconds: fewer patients for long studies."""


def kept_per_patient(resolved: ResolvedStudy) -> int:
    """Return the bytes kept of one patient for a later expansion: its run-in, and its end states in every arm."""
    columns = state_columns(resolved)
    return 8 * (columns.baseline + len(resolved.arms) * columns.ends)


def memory_needed(resolved: ResolvedStudy, plan: "Plan", patients: int) -> int:
    """Return the bytes that a chunk of ``patients`` takes at most while it is carried out.

    They include its results, the run-in and end states kept of each patient for an expansion, and the memory of the
    simulation.
    """
    each = bytes_per_patient(resolved, plan) + kept_per_patient(resolved)
    return COPIES * each * patients + memory_held(plan, patients)


def chunk_size(resolved: ResolvedStudy, plan: "Plan", wanted: int | None, workers: int, room: int = 0) -> int:
    """Return the patients per chunk: as wanted, or so that every worker gets several chunks of moderate size.

    Parameters
    ----------
    wanted : patients per chunk that the user asks for; None to choose
    workers : chunks carried out at once
    room : bytes that one chunk may take (`Spread.room`); 0 when not known

    Raises
    ------
    InputError
        When the wanted chunk, or a single patient, does not fit; the sentence names the bytes.
    """
    n = resolved.population.n
    each = bytes_per_patient(resolved, plan)
    if wanted is not None and wanted < 1:
        raise InputError(f"--chunk = {wanted} is too small: it must be at least 1 patient.")
    if wanted is not None:
        size = min(wanted, n)
    else:
        share = ceil(n / (TASKS_PER_WORKER * max(1, workers)))
        size = min(n, max(SMALLEST_CHUNK, min(LARGEST_CHUNK, share, max(1, int(CHUNK_BYTES / each)))))
        while size > 1 and 0 < room < memory_needed(resolved, plan, size):
            size = ceil(size / 2)
    if size * each > MOST_CHUNK_BYTES:
        raise InputError(
            f"a chunk of {size} patients would hold {size * each / 1e9:.1f} GB of results, at most "
            f"{MOST_CHUNK_BYTES / 1e9:.0f} GB are allowed; make --chunk smaller or outputs.every longer."
        )
    needed = memory_needed(resolved, plan, size)
    if 0 < room < needed:
        advice = "make --chunk smaller, " if size > 1 else ""
        raise InputError(
            f"a chunk of {size} patient{'s' * (size > 1)} needs up to {needed / 1e6:.0f} MB of memory, "
            f"{room / 1e6:.0f} MB are available; {advice}--memory larger, --threads fewer or outputs.every longer."
        )
    return size


@dataclass(frozen=True, repr=False)
class RunEstimate:
    """What a run will need."""

    patients: int
    arms: int
    weeks: float
    chunk: int
    tasks: int
    bytes_on_disk: int
    memory: int
    minutes: float
    spread: Spread
    probe: int

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the estimate in words."""
        days = self.patients * self.arms * self.weeks * 7
        return [
            f"{self.patients} patients x {self.arms} arms x {self.weeks:g} weeks = {days:,.0f} patient-days",
            f"{self.tasks} tasks of up to {self.chunk} patients on {max(1, self.spread.workers)} worker(s) x "
            f"{self.spread.threads} thread(s)",
            f"about {self.minutes:.1f} min of integration, from a probe of {self.probe} patient(s)",
            f"at most {self.bytes_on_disk / 1e6:.1f} MB on disk before compression (it saves about half)",
            f"about {self.memory / 1e6:.0f} MB of memory per worker, besides {PROGRAMS / 1e6:.0f} MB of programs",
        ]


@dataclass(frozen=True)
class Prepared:
    """A study that is ready to start: its numbers, its patients per chunk, and sentences for its user."""

    resolved: ResolvedStudy
    chunk: int
    spread: Spread
    sentences: tuple[str, ...]


def prepare(study: Study, resources: Resources = Resources(), note: Callable[[str], None] | None = None) -> Prepared:
    """Do all that a run does before it makes its folder: a study that `pulsatile validate` accepts, starts.

    Tables are read, candidates are screened, a matched dose is found on its pilot, the first patients are drawn.
    ``note`` is told what takes long.

    Raises
    ------
    InputError, ClusterFailed
        With one plain sentence: what the study asks for, or what these resources cannot do.
    """
    spread = resources.spread(study.solver.device)
    slots, room = spread.slots, spread.room
    if resources.scheduler is not None:  # before any work, so that a wrong address leaves nothing behind
        slots, room = capacity(resources.scheduler, study.solver.device, note or (lambda sentence: None))
    if (wanted := study.sensitivity) != SensitivityEntry():
        refuse_unknown(study, Selection(wanted.outputs, wanted.weeks, wanted.contrast))
    if note is not None and any(arm.match is not None for arm in study.arms):
        note("Planning: finding the matched dose on the pilot ...")
    if note is not None and study.population.recruits:
        note("Planning: screening candidates ...")
    sentences = conversions(study)
    resolved = resolve(study, spread.planning_threads)
    chunk = chunk_size(resolved, resolved.plan(), resources.chunk, slots, room)
    check_people(resolved.cohort(0, min(resolved.population.n, chunk, FIRST)))
    sentences += [resolved.population.screening_sentence] if resolved.population.recruited is not None else []
    sentences += [dose.sentence for dose in resolved.matched]
    sentences += visit_sentences(resolved.arms, resolved.plan().visits)
    sentences += [resolved.approximation] if resolved.approximation else []
    return Prepared(resolved, chunk, spread, tuple(sentences))


@usual_float_errors
def dry_run(study: Study, resources: Resources = Resources()) -> tuple[ResolvedStudy, RunEstimate]:
    """Return the resolved study, and what a run of it would need on these resources; nothing is written."""
    ready = prepare(study, resources)
    return ready.resolved, estimate(ready.resolved, ready.chunk, ready.spread)


def estimate(resolved: ResolvedStudy, chunk: int, spread: Spread) -> RunEstimate:
    """Time a small probe and return what the whole run will need; compiles kernels that are not cached."""
    plan, arms = resolved.plan(), resolved.arms
    n = resolved.population.n
    affordable = int(PROBE_PATIENT_WEEKS / (len(arms) * resolved.weeks)) // FEWEST * FEWEST
    probe = min(n, PROBE, max(FEWEST, affordable))

    def run(count: int) -> "xr.Dataset":
        return simulate(resolved.cohort(0, count), arms, plan, threads=1)

    run(1)  # compiles
    begin = time.perf_counter()
    run(probe)
    seconds = (time.perf_counter() - begin) / probe * n / min(spread.slots, cores())
    each = bytes_per_patient(resolved, plan)
    stored = each // 2 if resolved.dtype == "float32" else each
    return RunEstimate(
        n,
        len(arms),
        resolved.weeks,
        chunk,
        ceil(n / chunk),
        (stored + kept_per_patient(resolved)) * n + RECORD * ceil(n / chunk),
        spread.threads * memory_needed(resolved, plan, chunk),
        seconds / 60,
        spread,
        probe,
    )
