"""What a finished sweep gives: a digest, a table of scenarios, a summary, and one lazy dataset."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.check import open_results
from pulsatile.sweeps.disk.files import sha256
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.scenarios.record import RUNS, Row, SweepRecord
from pulsatile.sweeps.study.identity import canonical
from pulsatile.sweeps.summary.summarise import summarise
from pulsatile.sweeps.summary.table import csv_text

if TYPE_CHECKING:
    import xarray as xr

TABLE, SUMMARY = "scenarios.csv", "summary.csv"


def scenario_digests(folder: Path, record: SweepRecord) -> list[str]:
    """Return the digest of every scenario: that of a run of it alone, from the stored values."""
    return [store.digest(RunFolder.open(folder / RUNS / row.run).store, row.arms) for row in record.rows]


def sweep_digest(record: SweepRecord, digests: list[str]) -> str:
    """Return the digest of a sweep: of the values of the axes and the digest of each scenario, in no order."""
    rows = sorted(canonical([row.values, own]) for row, own in zip(record.rows, digests, strict=True))
    return sha256("\n".join(rows).encode())


def scenario_dataset(results: "xr.Dataset", row: Row) -> "xr.Dataset":
    """Return the part of a run that is a scenario, with its own names of arms."""
    names = [str(name) for name in results["arm"].values]
    return results.isel(arm=[names.index(name) for name in row.arms.values()]).assign_coords(arm=list(row.arms))


def opened(folder: Path, record: SweepRecord) -> "dict[str, xr.Dataset]":
    """Return the results of every run, each checked against what was committed."""
    return {name: open_results(RunFolder.open(folder / RUNS / name)) for name in record.runs}


def table_text(record: SweepRecord, digests: list[str]) -> str:
    """Return the table of scenarios as CSV."""
    lines = [["scenario", *record.axes, "run", "digest"]]
    for row, own in zip(record.rows, digests, strict=True):
        lines.append([str(row.number), *map(str, row.values.values()), f"{RUNS}/{row.run}", own])
    return _csv(lines)


def summary_text(folder: Path, record: SweepRecord) -> str:
    """Return the summaries of all scenarios as CSV, the axes in front."""
    import pandas as pd

    runs = opened(folder, record)
    frames = [summarise(scenario_dataset(runs[row.run], row), row.control).frame for row in record.rows]
    head, *lines = csv.reader(StringIO(csv_text(pd.concat(frames, ignore_index=True))))
    rows = (row for row, frame in zip(record.rows, frames, strict=True) for _ in range(len(frame)))
    cells = ([str(row.number), *map(str, row.values.values()), *line] for row, line in zip(rows, lines, strict=True))
    return _csv([["scenario", *record.axes, *head], *cells])


def _csv(lines: list[list[str]]) -> str:
    file = StringIO()
    csv.writer(file).writerows(lines)
    return file.getvalue()


def files_of(folder: Path, record: SweepRecord, digests: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the small files of a finished sweep, by name."""
    yield TABLE, table_text(record, digests).encode()
    yield SUMMARY, summary_text(folder, record).encode()
    yield "README.md", _readme(record, digests).encode()


def _readme(record: SweepRecord, digests: list[str]) -> str:
    title = record.study.get("title") or "A sweep"
    values: dict[str, list[Any]] = {axis: [] for axis in record.axes}
    for row in record.rows:
        for axis, value in row.values.items():
            values[axis] += [] if value in values[axis] else [value]
    axes = "\n".join(f"- `{axis}`: {', '.join(map(str, found))}" for axis, found in values.items())
    return f"""# {title}

A sweep of {len(record.rows)} scenarios in {len(record.runs)} runs of virtual patients by pulsatile.
**Research model, not for clinical use.**

{axes}

| file | what it holds |
|---|---|
| sweep.json | the study, the axes, every scenario with its run, its arms and its digest; sealed; second copy in runs/ |
| scenarios.csv | the table of scenarios |
| summary.csv | means and paired differences of every scenario, the axes in front |
| runs/000 ... | ordinary runs: scenarios that differ in their arms only share one |

```python
import pulsatile as pu
ds = pu.open_dataset(".")  # dims scenario, arm, patient, ...; a coordinate of scenario for each axis
```

Digest of the sweep: {sweep_digest(record, digests)}
"""
