"""The identity of a run is its resolved content: a comment changes nothing, a changed table of patients is said."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.expand import Growth, expand
from pulsatile.sweeps.run.inputs import study_of
from pulsatile.sweeps.run.progress import SilentProgress
from pulsatile.sweeps.run.run import resume, run
from pulsatile.sweeps.study.schema import load_study
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import SMALL

ALONE = Resources(4, workers=1, threads=1)
ROWS = "patient,sex,age [y],weight [kg],height [m]\n1,man,40,90,1.8\n2,woman,50,80,1.7\n3,man,60,99,1.75\n"


class Told(SilentProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def own_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of own patients, whose study names the table by a path relative to itself."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.csv").write_text(ROWS, encoding="utf-8")
    data: dict[str, Any] = SMALL | {"population": {"patients": "own.csv"}, "tests": []}
    text = "# mine\n" + yaml.safe_dump(data)
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    run(load_study(folder / "study.yaml"), folder / "run", ALONE, source=text)
    return folder


@pytest.fixture
def own(own_once: Path) -> Path:
    path = own_once / "run"
    kept = {name: (path / name).read_bytes() for name in ("study.yaml",)}
    (own_once / "own.csv").write_text(ROWS, encoding="utf-8")
    yield path  # type: ignore[misc]
    for name, data in kept.items():
        (path / name).write_bytes(data)


@pytest.mark.parametrize("table", ["there", "gone"])
def test_a_comment_or_title_changes_nothing(own: Path, table: str) -> None:
    if table == "gone":
        (own.parent / "own.csv").unlink()
    digest = RunFolder.open(own).digest
    text = (own / "study.yaml").read_text().replace("title: three patients", 'title: "others"  # a comment')
    assert "a comment" in text
    (own / "study.yaml").write_text("# another\n\n" + text)
    assert resume(own, ALONE).digest == digest


def test_another_way_of_writing_is_judged_by_what_it_means(own: Path) -> None:
    digest = RunFolder.open(own).digest
    text = (own / "study.yaml").read_text()
    (own / "study.yaml").write_text(text.replace("dose: 2 mg", "dose: 2.0 mg"))
    assert resume(own, ALONE).digest == digest
    (own / "study.yaml").write_text(text.replace("dose: 2 mg", "dose: 3 mg"))
    with pytest.raises(FolderRefuses, match=r"amount is 2.0 in the run, 3.0 now"):
        resume(own, ALONE)
    (own / "study.yaml").write_text(text.replace("own.csv", "other.csv"))
    with pytest.raises(FolderRefuses, match=r"other.csv: there is no such file"):
        resume(own, ALONE)


def test_the_study_of_a_run_is_read_again(own: Path) -> None:
    assert study_of(RunFolder.open(own)).population.patients == str(own.parent / "own.csv")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("1,man", "1,man", ""), ("3,man,60,99,1.75\n", "", "it had 3 patients and has 2"),
     ("2,woman,50", "2,woman,51", "other values of age"), ("sex", "planet", "it cannot be read now")],
)  # fmt: skip
def test_an_expansion_says_that_the_table_has_changed(
    own: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    path, told = Path(shutil.copytree(own, tmp_path / "run")), Told()
    (own.parent / "own.csv").write_text(ROWS.replace(old, new), encoding="utf-8")
    expand(path, Growth(arms=(("c", "rhgh_low"),)), ALONE, told)
    said = [text for text in told.said if "own.csv has changed since the run began" in text]
    assert len(said) == bool(words)
    assert not words or words in said[0]
    assert RunFolder.open(path).facts["reads"] == {"patients": str(own.parent / "own.csv")}
