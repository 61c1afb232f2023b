"""Whoever reads stored values reads what was committed, or is told which chunks changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zarr

import pulsatile as pu
from pulsatile.sweeps.analysis.analyse import analyse
from pulsatile.sweeps.disk import check, commits, journal
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import Damage, Exit, FolderRefuses
from pulsatile.sweeps.population.build import Untreated
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.heal import heal
from pulsatile.sweeps.run.run import resume
from pulsatile.sweeps.run.verify import digest_of, stateless, verify
from pulsatile.sweeps.workers.resources import Resources
from tests.sweeps.run.runs import SIX, carried_out

ALONE = Resources(4, workers=1, threads=1)
READERS: dict[str, Callable[[Path], object]] = {
    "resume": lambda path: resume(path, ALONE),
    "sensitivity": analyse,
    "population": Untreated.of,
    "digest": digest_of,
    "expand": lambda path: expand(path, Growth(patients=7), ALONE),
    "dataset": pu.open_dataset,
    "dataset of the store": lambda path: pu.open_dataset(path / "results.zarr"),
}


@pytest.mark.parametrize("reader", READERS)
def test_values_changed_after_the_end_are_not_read(six: Path, reader: str) -> None:
    zarr.open_group(six / "results.zarr", mode="r+")["vat"][...] = 1.0  # type: ignore[index]
    with pytest.raises(Damage, match=r"`pulsatile heal"):
        READERS[reader](six)


def test_the_sentence_names_the_changed_chunks(six: Path, digest_of_six: str) -> None:
    zarr.open_group(six / "results.zarr", mode="r+")["vat"][:, 4:] = 1.0  # type: ignore[index]
    with pytest.raises(Damage, match=r"2 file\(s\) of the patients at positions 4 to 5 changed .*results.zarr/vat/c/"):
        resume(six, ALONE)
    assert heal(six, ALONE).chunks == [4]
    assert resume(six, ALONE).digest == digest_of_six


@pytest.mark.parametrize("name", ["results.zarr/age/c/0", "results.zarr/time/c/0", "results.zarr/zarr.json",
                                  "resolved.json", "commits/000000004.json"])  # fmt: skip
def test_so_are_coordinates_the_study_and_the_records(six: Path, name: str) -> None:
    data = bytearray((six / name).read_bytes())
    data[len(data) // 2] ^= 1
    (six / name).write_bytes(data)
    for reader in (analyse, pu.open_dataset):
        with pytest.raises(Damage):
            reader(six)
    with pytest.raises((Damage, FolderRefuses), match="heal"):
        resume(six, ALONE)


def test_a_record_that_is_that_of_another_chunk_is_none(six: Path, digest_of_six: str) -> None:
    shutil.copy(six / commits.place(0), six / commits.place(4))
    assert [f.path for f in verify(six)] == [commits.place(4)]
    assert heal(six, ALONE).digest == digest_of_six


def test_a_sound_run_is_read(six: Path) -> None:
    dataset = pu.open_dataset(six)
    assert dataset.identical(pu.open_dataset(six / "results.zarr"))
    assert check.open_results(RunFolder.open(six)).identical(dataset)
    moved = Path(shutil.move(six / "results.zarr", six.parent / "alone.zarr"))
    assert pu.open_dataset(moved).sizes == dataset.sizes  # a store without its run cannot be checked


def test_states_that_were_away_are_computed_again(
    stopped: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Moved away while the run went on and back later: the record tells that its chunk has none."""
    path, digest = stopped
    away = Path(shutil.move(path / "states.zarr", tmp_path / "away"))
    assert resume(path, Resources(2, workers=1, threads=1)).digest == digest
    shutil.move(away, path / "states.zarr")
    assert verify(path) == []
    assert stateless(path) == [4]
    record = journal.unseal(commits.load(path, 4))
    assert not check.has_states(record)
    assert check.has_states(journal.unseal(commits.load(path, 0)))
    grown = SIX | {"arms": [*SIX["arms"], {"name": "c", "preset": "rhgh_low"}]}
    outcome = expand(path, Growth(arms=(("c", "rhgh_low"),)), ALONE)
    assert outcome.digest == carried_out(grown, tmp_path / "fresh", ALONE).digest
    assert outcome.failed == 0
    assert stateless(path) == []


def test_states_that_changed_since_the_check_are_not_gone_on_from(six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pulsatile.sweeps.run import expand as module

    monkeypatch.setattr(module, "refuse_damaged", lambda path: None)
    (six / "states.zarr/baseline/c/0/0").write_bytes((six / "states.zarr/baseline/c/1/0").read_bytes())
    with pytest.raises(Damage, match=r"states.zarr/baseline/c/0/0 is not what was written"):
        expand(six, Growth(patients=7), ALONE)


def test_no_chunk_is_committed_without_its_results(stopped: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from pulsatile.sweeps.run import driver

    path, digest = stopped
    away = path.parent / "away"
    real = driver.warm_up

    def moves(resolved: object) -> float:
        shutil.move(path / "results.zarr", away)
        return real(resolved)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(driver, "warm_up", moves)
        with pytest.raises(Damage, match=r"results.zarr is gone; move it back"):
            resume(path, ALONE)
    shutil.move(away, path / "results.zarr")
    assert commits.committed(path) == [0, 2]
    outcome = resume(path, ALONE)
    assert (outcome.code, outcome.digest) == (Exit.DONE, digest)
