"""Rows of a validation table: what was published, what the prototype gave, what we get, and whether that agrees."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Row(NamedTuple):
    """One row; ``allowed`` is the largest relative difference to ``prototype``, in per cent."""

    key: str
    observable: str
    unit: str
    data: str
    prototype: float
    allowed: float
    note: str

    def difference(self, value: float) -> float:
        """Return the relative difference of ``value`` to the prototype, in per cent."""
        return 100 * (value / self.prototype - 1)

    def verdict(self, value: float) -> str:
        """Return "met", "explained" (outside, and the note says why) or "missed"."""
        if abs(self.difference(value)) <= self.allowed:
            return "met"
        return "explained" if self.note else "missed"


def load(name: str) -> tuple[Row, ...]:
    """Return the rows of ``<name>.csv`` beside this file."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Row(r["key"], r["observable"], r["unit"], r["data"], float(r["prototype"]), float(r["allowed"]), r["note"])
            for r in csv.DictReader(file)
        )


def markdown(rows: tuple[Row, ...], values: Mapping[str, float]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| row | unit | published | prototype | ours | difference | verdict | explanation |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        value = values[row.key]
        verdict = f"{row.verdict(value)} ({row.allowed:g} %)"
        lines.append(
            f"| {row.observable} | {row.unit} | {row.data} | {row.prototype:.4g} | {value:.3g} "
            f"| {row.difference(value):+.0f} % | {verdict} | {row.note} |"
        )
    met = sum(row.verdict(values[row.key]) == "met" for row in rows)
    missed = [row.key for row in rows if row.verdict(values[row.key]) == "missed"]
    lines += ["", f"{met} of {len(rows)} rows met; missed without explanation: {', '.join(missed) or 'none'}."]
    return "\n".join(lines)
