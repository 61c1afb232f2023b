"""R29, R30: the tables of wrong units and bad inputs, counted."""

import re
import subprocess
import sys

from benchmarks.reliability.bench import ROOT, Bench
from benchmarks.reliability.rows import Row


def r29(bench: Bench) -> Row:
    """Run the table of wrong units."""
    done, passed, cases = _table("tests/sweeps/study/test_wrong_units.py")
    return Row("R29", done, "40 refused or converted aloud", f"{passed} of {cases}", passed == cases >= 40)


def r30(bench: Bench) -> Row:
    """Run the table of bad inputs."""
    done, passed, cases = _table("tests/sweeps/study/test_bad_input.py")
    asked = ">= 120 cases: one plain sentence each, no traceback, nothing accepted that makes no sense, no hang"
    return Row("R30", done, asked, f"{passed} of {cases}", passed == cases >= 120)


def _table(path: str) -> tuple[str, int, int]:
    """Run a file of tests; return what was done, how many passed and how many there are."""
    if not (ROOT / path).exists():
        return f"{path} is not there", 0, 0
    command = [sys.executable, "-m", "pytest", path, "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = ended.stdout.strip().splitlines()[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", told)}
    return f"the cases of {path}", counts.get("passed", 0), sum(counts.values())
