"""Which patients are at fault is found with few trials, whatever a chunk fails by."""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.disk.commits import Record
from pulsatile.sweeps.errors import CanaryFailed, ClusterFailed
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.isolation import Isolation, Trial
from pulsatile.sweeps.workers.own_process import ProcessDied

Work = Callable[[Trial], None]


def chunks(n: int, size: int, study: str = "") -> list[Job]:
    return [Job(study, "", first, min(first + size, n), 1, "", "") for first in range(0, n, size)]


def carried_out(jobs: list[Job], work: Work, isolation: Isolation | None = None) -> tuple[list[Record], list[Trial]]:
    """Carry trials out one after another, those of a suspect first; return the records and all trials."""
    isolation = isolation or Isolation(lambda text: None)
    fresh, waiting, records, tried = iter(jobs), deque[Trial](), list[Record](), list[Trial]()
    while True:
        if not waiting and (job := next(fresh, None)) is not None:
            waiting.append(Trial(job))
        if not waiting:
            return records, tried
        trial = waiting.popleft()
        tried.append(trial)
        try:
            work(trial)
        except Exception as error:
            waiting.extend(isolation.failed(trial, error))
            continue
        job = trial.job
        told = {"first": job.first, "stop": job.stop, "skip": job.skip, "pieces": job.pieces}
        record, following = isolation.passed(trial, {} if job.dry else told)
        waiting.extend(following)
        records += [record] if record is not None else []


def patients(job: Job) -> set[int]:
    return set(range(job.first, job.stop)) - set(job.skip)


def guilty(culprits: set[int], error: type[Exception]) -> Work:
    def work(trial: Trial) -> None:
        if patients(trial.job) & culprits:
            raise error("seen")

    return work


def above(most: int, error: type[Exception]) -> Work:
    def work(trial: Trial) -> None:
        if -(-len(patients(trial.job)) // trial.job.pieces) > most:
            raise error("seen")

    return work


@pytest.mark.parametrize("error", [ProcessDied, ZeroDivisionError])
@pytest.mark.parametrize("culprits", [{0}, {999}, {500}, {1, 2}, {17, 300, 640}])
def test_poison_is_found_and_the_rest_is_carried_out(culprits: set[int], error: type[Exception]) -> None:
    records, tried = carried_out(chunks(2000, 1000), guilty(culprits, error))
    assert [(r["first"], r["stop"]) for r in records] == [(0, 1000), (1000, 2000)]
    assert records[0]["skip"] == tuple(sorted(culprits))
    assert list(records[0]["poison"]) == [str(p) for p in sorted(culprits)]
    assert all("seen" in why for why in records[0]["poison"].values())
    assert "poison" not in records[1]
    assert sum(trial.job.dry for trial in tried) <= 1 + 20 * len(culprits)
    assert all(trial.alone for trial in tried if trial.job.dry) == (error is ProcessDied)


def test_what_begins_alone_is_probed_alone_whatever_it_raises() -> None:
    isolation = Isolation(lambda text: None)
    (probe,) = isolation.failed(Trial(chunks(100, 100)[0], alone=True), ZeroDivisionError("seen"))
    assert probe.job.dry
    assert probe.alone


def test_who_sat_beside_a_dying_worker_is_cleared_at_once() -> None:
    def work(trial: Trial) -> None:
        if not trial.alone:
            raise ProcessDied("seen")

    records, tried = carried_out(chunks(100, 100), work)
    assert len(records) == 1
    assert "poison" not in records[0]
    assert [trial.job.dry for trial in tried] == [False, False]


def test_a_probe_beside_a_dying_worker_is_tried_alone() -> None:
    def work(trial: Trial) -> None:
        if not trial.job.dry and trial.job.pieces == 1:
            raise RuntimeError("once")
        if trial.job.dry and not trial.alone:
            raise ProcessDied("seen")

    records, tried = carried_out(chunks(100, 100), work)
    assert records == [{"first": 0, "stop": 100, "skip": (), "pieces": 2}]
    assert [(trial.job.stop, trial.alone) for trial in tried] == [
        (100, False), (1, False), (1, True), (50, True), (100, True), (100, True),
    ]  # fmt: skip


@pytest.mark.parametrize("error", [MemoryError, SystemError, ProcessDied])
@pytest.mark.parametrize("most", [999, 600, 130, 40, 1])
def test_too_large_a_chunk_is_computed_in_pieces(most: int, error: type[Exception]) -> None:
    records, tried = carried_out(chunks(1000, 1000), above(most, error))
    (record,) = records
    assert record["skip"] == ()
    assert "poison" not in record
    assert 1000 / record["pieces"] <= most
    assert record["pieces"] <= max(2, 4 * 1000 / most)
    assert len(tried) < 40


@pytest.fixture
def study(small: dict[str, Any]) -> str:
    return resolve(study_from(small, "study")).model_dump_json()


def test_one_patient_that_does_not_fit_ends_the_run_in_a_sentence(study: str) -> None:
    with pytest.raises(ClusterFailed, match=r"to 639 need more memory .* \(MemoryError: seen\), for 0.\d MB of"):
        carried_out(chunks(640, 640, study), above(0, MemoryError))


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("size", [1, 2, 5, 64, 1000])
def test_a_bug_that_hits_everybody_stops_after_a_handful(size: int, empty: bool) -> None:
    tried = list[Trial]()

    def work(trial: Trial) -> None:
        tried.append(trial)
        if empty or patients(trial.job):
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        carried_out(chunks(100_000, size), work)
    assert len(tried) <= 16


def test_a_crash_that_hits_everybody_is_told_in_a_sentence(study: str) -> None:
    with pytest.raises(ClusterFailed, match=r"ended every process that .* \(seen\): .* their 0.\d MB of results"):
        carried_out(chunks(1000, 1000, study), guilty(set(range(1000)), ProcessDied))


def test_a_passing_fault_costs_a_second_trial_only() -> None:
    seen = list[Job]()

    def work(trial: Trial) -> None:
        seen.append(trial.job)
        if len(seen) == 1:
            raise ZeroDivisionError("once")

    records, _ = carried_out(chunks(8, 8), work)
    assert records == [{"first": 0, "stop": 8, "skip": (), "pieces": 2}]


def test_an_error_that_stays_though_all_parts_pass_is_raised() -> None:
    def work(trial: Trial) -> None:
        if not trial.job.dry:
            raise ZeroDivisionError("when it is written")

    with pytest.raises(ZeroDivisionError, match="when it is written"):
        carried_out(chunks(8, 8), work)


@pytest.mark.parametrize(
    "error", [InputError("no"), ClusterFailed("no"), CanaryFailed("no"), OSError(28, "No space left on device")]
)
def test_what_no_chunk_can_escape_is_not_looked_into(error: Exception) -> None:
    def work(trial: Trial) -> None:
        raise error

    with pytest.raises(type(error), match=r"no|No space"):
        carried_out(chunks(8, 8), work)


def test_the_user_is_told() -> None:
    told = list[str]()
    carried_out(chunks(8, 8), guilty({3}, ProcessDied), Isolation(told.append))
    assert told == [
        "The patients at positions 0 to 7 failed (seen); looking for the cause while the others go on.",
        "The patient at position 3 is left out (seen).",
    ]
