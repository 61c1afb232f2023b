"""The table of the campaign: rows of many runs in one file beside the page that is made from it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HEAD = """# Reliability: what was asked, what was reached

This page is written by one command, from real runs of the command line under real kills, full disks and flipped bytes:

    python -m benchmarks.reliability --write docs/reliability.md

`--only R2,R3` runs some rows and leaves the others as they were (their figures are kept in the `.json` beside this
page), `--quick` runs each in a small form; `tests/whole/test_reliability_campaign.py` does so with some of them. R4
(power cut: writes that were not synced are lost) is a test of its own, `tests/sweeps/disk/test_power_cut.py`.

"""
FOOT = """
What stops a row is told in its last column; *skipped* rows could not be run on the machine and count for nothing.
Machine of these figures: {machines}.
"""


@dataclass(frozen=True)
class Row:
    """One row: what was done, with counts; the figure asked and reached; None for passed where it could not be run."""

    id: str
    done: str
    asked: str
    reached: str
    passed: bool | None
    seconds: float = 0.0
    quick: bool = False
    machine: str = ""

    @property
    def verdict(self) -> str:
        """The row's verdict in a word."""
        word = {True: "passed", False: "**failed**", None: "skipped"}[self.passed]
        return f"{word} (small form)" if self.quick else word


def merged(rows: Iterable[Row], fresh: Iterable[Row]) -> list[Row]:
    """Return rows with fresh ones in place of those of the same id; a small form does not replace a full one.

    >>> old, new = Row("R2", "", "", "", True, quick=False), Row("R2", "", "", "", True, quick=True)
    >>> merged([old], [new]) == [old]
    True
    """
    kept = {row.id: row for row in rows}
    for row in fresh:
        if row.id not in kept or kept[row.id].quick or not row.quick:
            kept[row.id] = row
    return sorted(kept.values(), key=lambda row: (not row.id.startswith("R"), int("0" + row.id[1:].split(" ")[0])
                                                  if row.id.startswith("R") else 0, row.id))  # fmt: skip


def load(path: Path) -> list[Row]:
    """Return the rows of a file; none where there is no file."""
    return [Row(**data) for data in json.loads(path.read_text())] if path.exists() else []


def save(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def page(rows: Iterable[Row]) -> str:
    """Return the page."""
    rows = list(rows)
    lines = ["| # | what was done | figure asked | figure reached | | time |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells: tuple[Any, ...] = (row.id, row.done, row.asked, row.reached, row.verdict, _duration(row.seconds))
        lines.append("| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in cells) + " |")
    machines = "; ".join(dict.fromkeys(row.machine for row in rows if row.machine)) or "not told"
    return HEAD + "\n".join(lines) + "\n" + FOOT.format(machines=machines)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
