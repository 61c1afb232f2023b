"""A power cut at any moment: what was not synced is gone, and no committed chunk with it.

The disk of the model forgets everything but what was synced: the content of a file up to its last sync, the names in a
folder up to the folder's last sync.  Images of it are made at random moments of a run; each is opened, gone on with and
compared with a run that nothing disturbed.
"""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from pulsatile.sweeps.disk import files, folder
from pulsatile.sweeps.run.run import resume, run
from pulsatile.sweeps.run.verify import digest_of, verify
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources

IMAGES = 12
STUDY = {
    "weeks": 1, "population": {"n": 5, "phenotype": "obese"},
    "arms": [{"name": "no treatment", "preset": "control"}, {"name": "tesamorelin", "preset": "tesamorelin_label"}],
}  # fmt: skip


class Forgetful:
    """Watches the file layer of a run below ``root``, and keeps what a power cut would leave at every moment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content: dict[int, bytes] = {}  # synced, by file number
        self.names: dict[Path, dict[str, tuple[str, int]]] = {}  # synced, by folder: (kind, number)
        self.images: list[tuple[dict[int, bytes], dict[Path, dict[str, tuple[str, int]]]]] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.fsync

        def fsync(handle: int) -> None:
            real(handle)
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            if path.is_dir():
                self.names[path] = {
                    item.name: ("folder" if item.is_dir() else "file", item.inode()) for item in os.scandir(path)
                }
            else:
                self.content[os.fstat(handle).st_ino] = path.read_bytes()
            self.images.append((dict(self.content), dict(self.names)))

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(files, "SYNCERS", 1)

    def restore(self, image: int, to: Path) -> None:
        content, names = self.images[image]

        def fill(source: Path, target: Path) -> None:
            target.mkdir()
            for name, (kind, number) in names.get(source, {}).items():
                if kind == "folder":
                    fill(source / name, target / name)
                else:
                    (target / name).write_bytes(content.get(number, b""))

        if self.root.name in names.get(self.root.parent, {}):
            fill(self.root, to)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the model watches through /proc")
def test_no_committed_chunk_is_lost_in_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Resources(2, workers=1, threads=1)
    truth = run(study_from(STUDY, "study"), tmp_path / "truth", alone).digest
    out = tmp_path / "watched"
    disk = Forgetful(out)
    with monkeypatch.context() as watched:
        disk.install(watched)
        run(study_from(STUDY, "study"), out, alone)
    chance, seen = random.Random(1), set[int]()
    for k in sorted(chance.sample(range(len(disk.images)), IMAGES)):
        image = tmp_path / f"image {k}"
        disk.restore(k, image)
        if not (image / folder.JOURNAL).exists():  # not begun: a new run takes the place of what is left
            run(study_from(STUDY, "study"), image, alone)
        else:
            committed = told(image)
            seen.add(committed)
            assert [f for f in verify(image) if f.path != folder.MANIFEST] == []
            resume(image, alone)
        assert digest_of(image) == truth
        assert verify(image) == []
    assert len(seen) > 1


def told(image: Path) -> int:
    run_folder: Any = folder.RunFolder.open(image)
    return int(run_folder.done)
