"""Every damaged byte of a run is found, and mended by computing the hit chunks alone; the digest stays."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulsatile.sweeps.disk import journal
from pulsatile.sweeps.errors import Damage, FolderRefuses
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.heal import heal
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources

ALONE = Resources(3, workers=1, threads=1)
STUDY = {
    "weeks": 1, "population": {"n": 7, "phenotype": "obese"}, "tests": [{"test": "fasting", "weeks": [0, 1]}],
    "arms": [{"name": "no treatment", "preset": "control"}, {"name": "tesamorelin", "preset": "tesamorelin_label"}],
    "outputs": {"names": ["igf1", "vat"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("verify") / "run"
    run(study_from(STUDY, "study"), out, ALONE, source=json.dumps(STUDY))
    return out


@pytest.fixture(scope="module")
def digest(finished: Path) -> str:
    return digest_of(finished)


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def flip(path: Path, at: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 4
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def times(folder: Path) -> dict[int, str]:
    """When each chunk was computed."""
    return {int(p.stem): journal.unseal(p.read_text())["at"] for p in (folder / "commits").iterdir()}


PLACES = {  # file: chunks that must be computed again
    "journal.jsonl": [], "manifest.json": [], "resolved.json": [], "study.yaml": [], "README.md": [], "summary.csv": [],
    "results.zarr/zarr.json": [], "results.zarr/igf1/zarr.json": [], "results.zarr/time/c/0": [],
    "states.zarr/zarr.json": [], "commits/000000003.json": [3], "results.zarr/igf1/c/1/1/0": [3],
    "results.zarr/status/c/0/0": [], "results.zarr/age/c/0": [], "patients.zarr/zarr.json": [],
    "patients.zarr/rows/c/0/0": [0], "patients.zarr/rows/c/2/0": [6], "states.zarr/ends/c/0/2/0": [6],
}  # fmt: skip


@pytest.mark.parametrize("harm", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("place", PLACES)
def test_damage_is_found_and_mended(folder: Path, digest: str, place: str, harm: Callable[[Path], None]) -> None:
    before = times(folder)
    harm(folder / place)
    found = verify(folder)
    assert [finding.path for finding in found] == [place]
    healed = heal(folder, ALONE)
    assert healed.chunks == PLACES[place]
    assert healed.digest == digest == digest_of(folder)
    assert verify(folder) == []
    after = times(folder)
    assert {first for first in after if after[first] != before[first]} == set(PLACES[place])


@pytest.mark.parametrize("line", [0, 1, 2, 3, -1])
def test_every_line_of_the_journal_can_be_made_again(folder: Path, line: int) -> None:
    path, manifest = folder / "journal.jsonl", (folder / "manifest.json").read_bytes()
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (lines[line][:-9] + b"x" + lines[line][-8:], b"", lines[line][:-1]):
        path.write_bytes(b"".join(changed if k == line % len(lines) else text for k, text in enumerate(lines)))
        (folder / "manifest.json").write_bytes(manifest)
        assert [f.path for f in verify(folder)] == ["journal.jsonl"]
        assert heal(folder, ALONE).chunks == []
        assert verify(folder) == []


def test_any_flipped_or_lost_byte_anywhere_is_found(folder: Path) -> None:
    chance, files = random.Random(4), sorted(p for p in folder.rglob("*") if p.is_file())
    for k in range(60):
        path = chance.choice(files)
        kept = path.read_bytes()
        if k % 2:
            flip(path, chance.randrange(len(kept)))
        else:
            path.write_bytes(kept[: chance.randrange(len(kept))])
        assert str(path.relative_to(folder)) in [f.path for f in verify(folder)], path
        path.write_bytes(kept)
    assert verify(folder) == []


def test_what_nothing_stands_in_for_is_said(folder: Path) -> None:
    flip(folder / "journal.jsonl", 20)
    flip(folder / "manifest.json", 20)
    with pytest.raises(Damage, match="so the run is unknown"):
        verify(folder)


COPIES = ("resolved.json", "results.zarr/zarr.json")


@pytest.mark.parametrize("harm", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("more", [(), ("study.yaml",), ("study.yaml", "README.md", "results.zarr/igf1/zarr.json")])
def test_the_study_is_made_again_from_what_the_journal_tells(
    folder: Path, more: tuple[str, ...], harm: Callable[[Path], None]
) -> None:
    kept = {name: (folder / name).read_bytes() for name in (*COPIES, *more)}
    for name in kept:
        harm(folder / name)
    assert {f.path for f in verify(folder)} == set(kept)
    assert heal(folder, ALONE).chunks == []
    assert {name: (folder / name).read_bytes() for name in kept} == kept


def test_the_study_is_not_made_again_where_it_would_be_another(folder: Path) -> None:
    expand(folder, Growth(patients=8), ALONE)
    for name in COPIES:
        flip(folder / name)
    with pytest.raises(Damage, match=r"study\.yaml is not the expanded study; take one of them from a copy"):
        heal(folder, ALONE)


def test_no_run_is_said(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "holds no run"), (tmp_path / "nothing", "does not exist")):
        for look in (verify, heal, digest_of):
            with pytest.raises(FolderRefuses, match=words):
                look(path)


def test_values_that_fit_their_checksum_but_not_the_digest_are_found(folder: Path) -> None:
    a, b = folder / "results.zarr/igf1/c/0/0/0", folder / "results.zarr/igf1/c/0/1/0"
    a.write_bytes(b.read_bytes())
    with pytest.raises(Damage, match="have the digest"):
        digest_of(folder)
    truncate(a)
    with pytest.raises(Damage, match=r"heal|verify"):
        digest_of(folder)


def test_states_may_be_deleted(folder: Path, digest: str) -> None:
    shutil.rmtree(folder / "states.zarr")
    assert verify(folder) == []
    flip(folder / "results.zarr/igf1/c/0/0/0")
    assert heal(folder, ALONE).digest == digest
    assert expand(folder, Growth(patients=8), ALONE).digest != digest
    assert verify(folder) == []


def test_an_expanded_run_is_healed_like_any_other(folder: Path) -> None:
    digest = expand(folder, Growth(patients=8), ALONE).digest
    flip(folder / "results.zarr/igf1/c/0/0/0")
    flip(folder / "README.md")
    flip(folder / "summary.csv")
    truncate(folder / "results.zarr/fasting_glucose/c/0/1/0")
    healed = heal(folder, ALONE)
    assert (healed.chunks, healed.digest) == ([0, 3], digest)


def test_a_chunk_that_nothing_tells_of_is_missed(folder: Path) -> None:
    path = folder / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"first":3' not in line))
    (folder / "commits/000000003.json").unlink()
    assert {f.path for f in verify(folder)} == {"journal.jsonl", "commits/000000003.json"}
    assert heal(folder, ALONE).chunks == [3]
    assert verify(folder) == []


def test_other_ends_of_lines_are_seen(folder: Path) -> None:
    for name in ("manifest.json", "commits/000000003.json"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-1] + b"\r")
    assert {f.path for f in verify(folder)} == {"manifest.json", "commits/000000003.json"}


def test_heal_refuses_another_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pulsatile.sweeps.run import compare

    other: dict[str, Any] = compare.engine_files() | {"engine/model.py": "0" * 64}
    monkeypatch.setattr(compare, "engine_files", lambda: other)
    flip(folder / "results.zarr/igf1/c/0/0/0")
    with pytest.raises(FolderRefuses, match=r"another version of the engine \(engine/model.py was changed\)"):
        heal(folder, ALONE)


@pytest.mark.parametrize("other", ["study.yaml", "resolved.json", "README.md", "summary.csv", "results.zarr/zarr.json"])
@pytest.mark.parametrize("one", ["journal.jsonl", "manifest.json"])
def test_two_damaged_files_at_once_are_mended(folder: Path, digest: str, one: str, other: str) -> None:
    before = (folder / other).read_bytes()
    flip(folder / one, 40)
    flip(folder / other)
    assert {finding.path for finding in verify(folder)} == {one, other}
    assert heal(folder, ALONE).digest == digest
    assert verify(folder) == []
    assert (folder / other).read_bytes() == before
