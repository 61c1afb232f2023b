"""R29, R30, R40 to R46: files of tests, each a promise, run and counted."""

import re
import subprocess
import sys
from collections.abc import Callable

from benchmarks.reliability.bench import ROOT, Bench
from benchmarks.reliability.rows import Row

PROMISES = {
    "R29": ("tests/sweeps/study/test_wrong_units.py", 40, "40 refused or converted aloud"),
    "R30": (
        "tests/sweeps/study/test_bad_input.py", 120,
        ">= 120 cases: one plain sentence each, no traceback, nothing accepted that makes no sense, no hang",
    ),
    "R40": (
        "tests/engine/kernel/test_seal.py", 10,
        "damaged compiled kernels (300 random bits, cut, empty, foreign): no silent change, no later command fails",
    ),
    "R41": (
        "tests/sweeps/run/test_door.py", 8,
        "values, records or states changed after their commit: no command prints or uses them, each names the chunks",
    ),
    "R42": (
        "tests/sweeps/run/test_belongs.py", 100,
        "links in a run, names of ours taken by the owner: nothing outside is touched, reading commands change nothing",
    ),
    "R43": (
        "tests/engine/kernel/test_events.py", 10,
        "1,440 minutes x grids of 1, 5, 7, 10, 20 min: every output at the instant of a dose holds the value before it",
    ),
    "R44": (
        "tests/sweeps/study/test_matching.py", 5,
        "a dose matched on three tables of very different people: within 2 standard errors of running them",
    ),
    "R45": (
        "tests/sweeps/study/test_validate_starts.py", 50,
        "every key of a study at its borders: what `validate` accepts starts, what it refuses does not",
    ),
    "R46": (
        "tests/sweeps/disk/test_analyst.py", 10,
        "the seven commonest calls of an analyst work on a finished run, failed and weighted patients included",
    ),
}  # fmt: skip
"""Row -> file of tests, least number of cases, figure asked."""


def promise(name: str) -> Callable[[Bench], Row]:
    """Return the row that runs one of `PROMISES`."""

    def run(bench: Bench) -> Row:
        path, least, asked = PROMISES[name]
        done, passed, cases = _table(path)
        return Row(name, done, asked, f"{passed} of {cases}", passed == cases >= least)

    run.__doc__ = f"Run {PROMISES[name][0]}."
    return run


def _table(path: str) -> tuple[str, int, int]:
    """Run a file of tests; return what was done, how many passed and how many there are."""
    if not (ROOT / path).exists():
        return f"{path} is not there", 0, 0
    command = [sys.executable, "-m", "pytest", path, "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = ended.stdout.strip().splitlines()[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", told)}
    return f"the cases of {path}", counts.get("passed", 0), sum(counts.values())
