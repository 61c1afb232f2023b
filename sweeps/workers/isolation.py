"""Isolation of a chunk that fails: which trials come next, until the patients at fault are known.

A chunk may end its worker, run out of memory, or raise.  Dask blames every chunk on a worker that died, so a chunk is
first tried in a separate process.  If it fails there, its halves are probed (computed, but not written), and their
halves, down to single patients: those that fail are poison and left out.  Where both halves pass, the size is at fault:
the chunk is computed in pieces.  How a trial is carried out is not known here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.chunk.compute import bytes_per_patient
from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.disk.files import DISK_ERRORS
from pulsatile.sweeps.errors import ClusterFailed, Refusal
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.workers.own_process import ProcessDied

MOST = 4
"""Separate failing groups of patients in a chunk beyond which the fault counts as one of all patients."""
SHARE = 100
"""In a whole run one more group is allowed per this many patients that passed."""


@dataclass
class Suspect:
    """A chunk that failed, and what is known of it.

    job, error : the chunk and its first error
    alone : try it in separate processes, because it may end them
    first_passes : whether the first patient alone passes; None when not yet tried
    probing : number of probes in progress
    failing : groups of patients (first, stop) that fail, none within another
    poison : reasons of patients that fail alone, by position
    pieces : parts that the chunk is computed in
    """

    job: Job
    error: Exception
    alone: bool = False
    first_passes: bool | None = None
    probing: int = 0
    failing: set[tuple[int, int]] = field(default_factory=set)
    poison: dict[int, str] = field(default_factory=dict)
    pieces: int = 1

    @property
    def patients(self) -> int:
        """Patients of the chunk."""
        return self.job.stop - self.job.first

    def probe(self, first: int, stop: int) -> "Trial":
        """Return the probe of the patients ``first`` to before ``stop``, which writes nothing."""
        self.probing += 1
        return Trial(replace(self.job, first=first, stop=stop, dry=True), self, self.alone)

    def halves(self, first: int, stop: int) -> "list[Trial]":
        """Return the trials of both halves."""
        middle = (first + stop) // 2
        return [self.probe(first, middle), self.probe(middle, stop)]

    def blame(self, first: int, stop: int) -> None:
        """Note that a group fails, in place of any group that contains it."""
        self.failing = {group for group in self.failing if not (group[0] <= first and stop <= group[1])}
        self.failing.add((first, stop))

    def again(self) -> "Trial":
        """Return the trial of the chunk without its poison, in sufficiently small pieces."""
        return Trial(
            replace(
                self.job,
                skip=tuple(sorted(self.poison)),
                reasons=tuple(self.poison[k] for k in sorted(self.poison)),
                pieces=self.pieces,
            ),
            self,
            self.alone,
        )


@dataclass(frozen=True)
class Trial:
    """A job to be carried out: a chunk, or a probe of patients of a ``suspect``.

    alone : in a separate process
    deaths : workers that ended while they carried it out in a separate process, so through no fault of it
    """

    job: Job
    suspect: Suspect | None = None
    alone: bool = False
    deaths: int = 0


class Isolation:
    """Judges how trials ended; calls ``note`` with a sentence for each suspected chunk and each patient left out."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._passed = 0
        self._suspects: list[Suspect] = []

    def passed(self, trial: Trial, record: Record) -> tuple[Record | None, list[Trial]]:
        """Return the record of a chunk (None for a probe) and the trials that come next."""
        suspect, job = trial.suspect, trial.job
        if not job.dry:
            self._passed += job.stop - job.first - len(job.skip)
            reasons = {str(k): why for k, why in sorted(suspect.poison.items())} if suspect is not None else {}
            return (record | {"poison": reasons} if reasons else record), []
        assert suspect is not None
        suspect.probing -= 1
        if suspect.first_passes is None:
            suspect.first_passes = True
            if suspect.patients > 1:
                return None, suspect.halves(suspect.job.first, suspect.job.stop)
        return None, self._concluded(suspect)

    def failed(self, trial: Trial, error: Exception) -> list[Trial]:
        """Return the trials that come next.

        Raises
        ------
        Exception
            Where further trials are of no use: the error itself, or one sentence.
        """
        if is_final(error):
            raise error
        suspect, job = trial.suspect, trial.job
        if suspect is None:
            suspect = Suspect(job, error, trial.alone)
            self._suspects.append(suspect)
            self._note(f"T{_name(job)[1:]} failed ({reason(error)}); looking for the cause while the others go on.")
        suspect.alone = suspect.alone or isinstance(error, ProcessDied) or is_memory(error)
        if isinstance(error, ProcessDied) and not trial.alone:  # another chunk may have ended the worker
            return [replace(trial, suspect=suspect, alone=True)]
        if job.dry:
            return self._probe_failed(suspect, job, error)
        if is_memory(error) or suspect.first_passes is not None:
            return [self._in_more_pieces(suspect, error)]
        return [suspect.probe(job.first, job.first + 1)]

    def _probe_failed(self, suspect: Suspect, job: Job, error: Exception) -> list[Trial]:
        suspect.probing -= 1
        is_first, single = suspect.first_passes is None, job.stop - job.first == 1
        if is_first:
            suspect.first_passes = False
        if is_memory(error):
            if single:
                raise no_memory(suspect.job, error)
            suspect.pieces = max(suspect.pieces, ceil(2 * suspect.patients / (job.stop - job.first)))
            return self._concluded(suspect)
        suspect.blame(job.first, job.stop)
        if single:
            suspect.poison[job.first] = reason(error)
            self._note(f"The patient at position {job.first} is left out ({reason(error)}).")
        if is_first and suspect.patients > 1:
            return suspect.halves(suspect.job.first, suspect.job.stop)
        if self._too_many(suspect):
            if not suspect.first_passes or not isinstance(error, ProcessDied):
                raise self._given_up(suspect, error)
            return self._concluded(suspect)  # many together fail, one alone does not: the size is at fault
        return self._concluded(suspect) if single else suspect.halves(job.first, job.stop)

    def _concluded(self, suspect: Suspect) -> list[Trial]:
        """Return the chunk's next trial once no probe is in progress."""
        if suspect.probing:
            return []
        sizes = [stop - first for first, stop in suspect.failing if stop - first > 1]
        needed = [ceil(2 * suspect.patients / size) for size in sizes] + [1 if suspect.poison else 2]
        suspect.pieces = max(suspect.pieces, *needed)
        return [suspect.again()]

    def _in_more_pieces(self, suspect: Suspect, error: Exception) -> Trial:
        """Return the chunk in twice the pieces; an error that does not depend on size gets only one more trial."""
        size_matters = is_memory(error) or isinstance(error, ProcessDied)
        if suspect.pieces >= (suspect.patients if size_matters else min(2, suspect.patients)):
            raise self._given_up(suspect, error)
        suspect.pieces = min(2 * suspect.pieces, suspect.patients)
        return suspect.again()

    def _too_many(self, suspect: Suspect) -> bool:
        in_all = sum(len(each.failing) for each in self._suspects)
        return len(suspect.failing) > MOST or in_all > MOST + self._passed // SHARE

    def _given_up(self, suspect: Suspect, error: Exception) -> Exception:
        if is_memory(error):
            return no_memory(suspect.job, error)
        if isinstance(error, ProcessDied):
            return ClusterFailed(
                f"{_name(suspect.job)} ended every process that tried them, in parts too ({error}): a crash, or too "
                f"little memory for their {_size(suspect.job)}; see the workers' log, go on with `pulsatile resume`."
            )
        return suspect.error


def is_final(error: Exception) -> bool:
    """Return whether an error ends the run: a sentence for the user, or a disk that does not take the results."""
    return isinstance(error, InputError | Refusal) or (isinstance(error, OSError) and error.errno in DISK_ERRORS)


def is_memory(error: Exception) -> bool:
    """Return whether memory ran out, which Python and numba report in several ways; the process is unreliable then."""
    return isinstance(error, MemoryError | SystemError) or "can't start new thread" in str(error)


def reason(error: BaseException) -> str:
    """Return an error in few words."""
    text = " ".join(str(error).split())[:160]
    return text if isinstance(error, ProcessDied) else f"{type(error).__name__}: {text}".rstrip(": ")


def no_memory(job: Job, error: Exception) -> ClusterFailed:
    """Return the refusal where patients do not fit into memory even one by one."""
    return ClusterFailed(
        f"{_name(job)} need more memory than there is, even computed one by one ({reason(error)}), for {_size(job)} in "
        "all; choose --chunk smaller, --memory larger or outputs.every longer."
    )


def _size(job: Job) -> str:
    """Return the size of a chunk's results, in words."""
    resolved = ResolvedStudy.from_json(job.study)
    return f"{bytes_per_patient(resolved, resolved.plan()) * (job.stop - job.first) / 1e6:.1f} MB of results"


def _name(job: Job) -> str:
    return f"the patients at positions {job.first} to {job.stop - 1}"
