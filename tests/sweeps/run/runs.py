"""How tests of runs carry a study out and read what its journal tells."""

import json
from pathlib import Path
from typing import Any

from pulsatile.sweeps.run.run import Outcome, run
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import SMALL

SIX: dict[str, Any] = SMALL | {"population": {"n": 6, "phenotype": "obese"}}


def carried_out(data: dict[str, Any], out: Path, resources: Resources = Resources(workers=1, threads=1)) -> Outcome:
    return run(study_from(data, "study"), out, resources)


def chunk_entries(out: Path) -> list[dict[str, Any]]:
    """Return what the journal tells of chunks."""
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "chunk"]
