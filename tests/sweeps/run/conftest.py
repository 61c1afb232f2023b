"""What tests of runs share: six patients, whole and stopped after two of three chunks."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pulsatile.sweeps.chunk.run_chunk import run_chunk
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers import workers
from pulsatile.sweeps.workers.resources import Resources
from tests.sweeps.run.runs import SIX, carried_out


@pytest.fixture(scope="session")
def whole_of_six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of them that nothing disturbs, in two chunks."""
    whole = tmp_path_factory.mktemp("six") / "whole"
    return carried_out(SIX, whole, Resources(4, workers=1, threads=1)).folder


@pytest.fixture(scope="session")
def digest_of_six(whole_of_six: Path) -> str:
    """What a run of them that nothing disturbs comes to."""
    return RunFolder.open(whole_of_six).digest


@pytest.fixture
def six(whole_of_six: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(whole_of_six, tmp_path / "run"))


@pytest.fixture(scope="session")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of them that a Ctrl-C ended after two of three chunks."""
    path = tmp_path_factory.mktemp("stopped") / "run"

    def dies(job: Any) -> Any:
        if job.first == 4:
            raise KeyboardInterrupt
        return run_chunk(job)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workers, "run_chunk", dies)
        with pytest.raises(KeyboardInterrupt):
            run(study_from(SIX, "study"), path, Resources(2, workers=1, threads=1), source=yaml.safe_dump(SIX))
    return path


@pytest.fixture
def stopped(stopped_once: Path, digest_of_six: str, tmp_path: Path) -> tuple[Path, str]:
    """A copy of the stopped run, and the digest it is to reach."""
    return Path(shutil.copytree(stopped_once, tmp_path / "run")), digest_of_six
