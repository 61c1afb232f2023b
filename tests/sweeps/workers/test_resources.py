"""How much memory there is, and chunks that fit into it."""

from pathlib import Path
from typing import Any

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.simulate import memory_held
from pulsatile.sweeps.chunk.compute import _empty, bytes_per_patient
from pulsatile.sweeps.chunk.job import Job
from pulsatile.sweeps.run.estimate import COPIES, chunk_size, kept_per_patient, memory_needed
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import resources as module
from pulsatile.sweeps.workers.resources import PROGRAMS, Resources, Spread, machine_memory, memory_bytes

GB = 10**9


def test_memory_is_shared_out_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: 64 * GB)
    monkeypatch.setattr(module, "cores", lambda: 16)
    assert Resources().spread() == (2, 8, 32 * GB)
    assert Resources(workers=0, threads=2).spread().memory == 64 * GB
    assert Resources(workers=4).spread().memory == 16 * GB
    assert Resources(workers=4, memory=GB).spread().memory == GB
    assert Resources(scheduler="tcp://a:1").spread().memory == 0  # what its workers have is asked of them
    assert Spread(2, 4, PROGRAMS + 4 * GB).room == GB
    assert Spread(2, 4).room == 0


@pytest.mark.parametrize(
    ("lines", "files", "wanted"),
    [
        ("0::/job/step\n", {"job/step/memory.max": "max\n", "job/memory.max": "3000000000\n"}, 3 * GB),
        ("0::/\n", {"memory.max": "2000000000\n"}, 2 * GB),
        ("4:memory:/job\n1:cpu:/job\n", {"memory/job/memory.limit_in_bytes": "1000000000\n"}, GB),
        ("0::/job\n", {}, None),
    ],
)
def test_the_limit_of_a_container_or_job_is_heeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, files: dict[str, str], wanted: int | None
) -> None:
    groups = tmp_path / "groups"
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    (tmp_path / "own").write_text(lines)
    monkeypatch.setattr(module, "_CGROUPS", groups)
    monkeypatch.setattr(module, "_OWN_GROUPS", tmp_path / "own")
    found = machine_memory()
    assert found == wanted or (wanted is None and found > GB)


def test_memory_is_read_as_a_quantity() -> None:
    assert memory_bytes("2 GB") == 2 * GB
    assert memory_bytes("512 MiB") == 512 * 2**20
    for text, sentence in (
        ("2", r"--memory = '2' has no unit: write a number and one of the units MB, GB, .* for example \"2 GB\"\."),
        ("a lot", r"--memory = 'a lot' is not a number with a unit"),
        ("-1 GB", r"--memory = '-1 GB' must be above 0"),
        ("2 kg", r"--memory = '2 kg' has the unknown unit 'kg'"),
    ):
        with pytest.raises(InputError, match=sentence):
            memory_bytes(text)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"memory": 10**6}, r"--memory = 1 MB is too small: a process needs 300 MB .* give at least 400 MB\."),
        ({"memory": 2.5e9}, r"--memory = 2500000000.0 is not allowed here: write a whole number of bytes\."),
        ({"gate": -0.1}, r"--gate = -0.1 is outside 0 \.\.\. 1; 0.05 allows 5 %"),
        ({"gate": 1.1}, r"--gate = 1.1 is outside 0"),
        ({"gate": float("nan")}, r"--gate = nan is outside 0"),
        ({"gate": "all"}, r"--gate = 'all' is outside 0"),
        ({"workers": -1}, r"--workers = -1 is too small: it must be at least 0\."),
        ({"threads": 0}, r"--threads = 0 is too small: it must be at least 1\."),
    ],
)
def test_numbers_without_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Resources(**options)


def test_a_command_line_asks_in_words() -> None:
    assert Resources.from_options(memory="2 GB", workers=2, gate=None) == Resources(workers=2, memory=2 * GB)


@pytest.fixture
def wide(small: dict[str, Any]) -> ResolvedStudy:
    """Many patients with many results."""
    small |= {"population": {"n": 100_000, "phenotype": "obese"}, "weeks": 4}
    small["outputs"] = {"names": ["gh", "igf1", "glucose"], "every": "10 min"}
    return resolve(study_from(small, "study"))


def test_what_a_chunk_needs_is_its_results_some_times_and_the_simulation(wide: ResolvedStudy) -> None:
    plan = wide.plan()
    each = bytes_per_patient(wide, plan)
    assert each > 2 * 3 * 8 * 4032  # arms, outputs, bytes, times
    assert memory_needed(wide, plan, 100) == 100 * COPIES * (each + kept_per_patient(wide)) + memory_held(plan, 100)


def test_what_a_chunk_needs_covers_every_array_that_it_holds(small: dict[str, Any]) -> None:
    resolved = resolve(study_from(small, "study"))
    values, plan = _empty(Job("", "", 0, 3, 1, "", ""), resolved), resolved.plan()
    held = sum(array.nbytes for array in (*values.variables.values(), *values.states.values()))
    assert memory_needed(resolved, plan, 3) - memory_held(plan, 3) >= COPIES * held


@pytest.mark.parametrize("room", [50 * 10**6, 300 * 10**6, GB])
def test_chunks_are_chosen_to_fit(wide: ResolvedStudy, room: int) -> None:
    plan = wide.plan()
    size = chunk_size(wide, plan, None, 2, room)
    assert memory_needed(wide, plan, size) <= room
    assert memory_needed(wide, plan, 2 * size) > room / 2  # not smaller than need be
    assert chunk_size(wide, plan, None, 2, 10**15) == chunk_size(wide, plan, None, 2)


def test_what_does_not_fit_is_refused_and_the_bytes_are_named(wide: ResolvedStudy) -> None:
    plan = wide.plan()
    with pytest.raises(InputError, match=r"a chunk of 1000 patients needs up to \d+ MB of memory, 300 MB are avail.*"
                                         r"; make --chunk smaller, --memory larger, --threads fewer"):  # fmt: skip
        chunk_size(wide, plan, 1000, 2, 300 * 10**6)
    with pytest.raises(InputError, match=r"a chunk of 1 patient needs up to \d+ MB of memory, 1 MB are available"):
        chunk_size(wide, plan, None, 2, 10**6)
