"""The summary of a run: rows of contrasts, as a table on screen and as CSV."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.summary.endpoints import ENDPOINTS, Contrast, Endpoint, contrast, measured, prevalence

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from pulsatile.sweeps.study.resolve import ResolvedStudy

NOT_CLINICAL = "Research model, not for clinical use."


@dataclass(frozen=True)
class Row:
    """One endpoint at one week, all arms in order; ``variable`` of the dataset is what it was read from.

    ``integration`` says what was approximated, and is empty where every day was integrated; ``projection_error`` is the
    largest estimate of any patient and arm, in the endpoint's unit, NaN where nothing was projected.
    """

    endpoint: Endpoint
    variable: str
    week: float
    arms: tuple[Contrast, ...]
    last: bool
    integration: str = ""
    projection_error: float = nan


def summarise(dataset: "xr.Dataset", control: str) -> tuple[list[str], list[Row]]:
    """Return the names of the arms, control first, and one row per endpoint and week.

    Rows of a dataset that skips days say so (`Row.integration`, `Row.projection_error`); so do `table` and `csv_text`.
    Where the patients have prevalence weights (coordinate ``prevalence``), all statistics are weighted.
    """
    weights = prevalence(dataset)
    stored = [str(name) for name in dataset["arm"].values]
    if control not in stored:
        raise InputError(f"control = {control!r} is not an arm; choose from {', '.join(stored)}.")
    names = [control] + [name for name in stored if name != control]
    order = [stored.index(name) for name in names]
    end = float(dataset["time"].values[-1]) / 168.0
    visits = {float(w) for name in dataset.coords if str(name).endswith("_week") for w in dataset[name].values}
    weeks = tuple(sorted(visits | {0.0, end}))
    rows = []
    for endpoint in ENDPOINTS:
        variable = next((name for name in endpoint.variables if name in dataset), None)
        if variable is None:
            continue
        found = list(measured(dataset, endpoint, variable, weeks))
        marks = (attrs.get("integration") for attrs in (dataset[variable].attrs, dataset.attrs))
        mark = next(filter(None, marks), "")
        errors = [nan] * len(found)
        if (estimate := f"{variable}_projection_error") in dataset:
            mark = mark or "projective integration: days were skipped"  # where its words were dropped on the way
            errors = [float(np.fmax.reduce(e, axis=None)) for _, e in measured(dataset, endpoint, estimate, weeks)]
        for k, (week, values) in enumerate(found):
            arms = tuple(contrast(values[a], values[order[0]], weights) for a in order)
            rows.append(Row(endpoint, variable, week, arms, k == len(found) - 1, mark, errors[k]))
    return names, rows


def projection_note(rows: Sequence[Row]) -> str:
    """Return the line that tells how far projected values may be off; empty where nothing was projected."""
    worst: dict[str, Row] = {}
    for row in rows:
        if row.projection_error >= worst.get(row.variable, row).projection_error:  # not where it is NaN
            worst[row.variable] = row
    if not worst:
        return ""
    errors = (f"{r.endpoint.variables[name]} {r.projection_error:.2g} {r.endpoint.unit}" for name, r in worst.items())
    return f"Largest estimated error of the projection: {', '.join(errors)}; the 95 % intervals leave it out."


def weights_note(rows: Sequence[Row]) -> str:
    """Return the line that tells of prevalence weights; empty where there are none."""
    least = min((c for row in rows for c in row.arms if not isnan(c.effective)), key=_effective, default=None)
    if least is None:
        return ""
    return (
        f"Weighted by prevalence: {least.pairs} patients count as {least.effective:.0f} (Kish's effective number, the "
        "least of all rows); intervals hang on it."
    )


def _effective(c: Contrast) -> float:
    return c.effective


def csv_text(names: Sequence[str], rows: Sequence[Row]) -> str:
    """Return CSV of a line per endpoint, week and arm.

    The last columns say what was approximated, if anything was, and the effective number of pairs, if weighted.
    """
    approximated = any(row.integration for row in rows)
    weighted = bool(weights_note(rows))
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow(
        [
            "endpoint",
            "variable",
            "unit",
            "week",
            "arm",
            "n",
            "mean",
            "sd",
            "pairs",
            "difference_to_control",
            "ci95_low",
            "ci95_high",
            *(["largest_projection_error", "approximation"] if approximated else []),
            *(["effective_pairs"] if weighted else []),
        ]
    )
    for row in rows:
        for name, c in zip(names, row.arms, strict=True):
            numbers = [c.mean, c.sd, c.pairs, c.difference, c.low, c.high]
            numbers += [row.projection_error] if approximated else []
            cells = ["" if isinstance(x, float) and isnan(x) else f"{x:.8g}" for x in numbers]
            cells += [f"{row.integration}; ci95 leaves out the projection's error"] if approximated else []
            cells += ["" if isnan(c.effective) else f"{c.effective:.8g}"] if weighted else []
            writer.writerow([row.endpoint.name, row.variable, row.endpoint.unit, f"{row.week:g}", name, c.n, *cells])
    return file.getvalue()


def _number(value: float, decimals: int, sign: bool = False) -> str:
    if isnan(value):
        return "-"
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def _cell(c: Contrast, decimals: int, is_control: bool) -> str:
    mean = _number(c.mean, decimals)
    if is_control:
        return mean
    low, high = _number(c.low, decimals), _number(c.high, decimals)
    return f"{mean} ({_number(c.difference, decimals, sign=True)})\n[{low}, {high}]"


def table(names: Sequence[str], rows: Sequence[Row], marks: dict[str, str]) -> "Table":
    """Return the table for a screen of 100 columns: a line per endpoint, a column per arm.

    ``marks`` are words under an arm's name, such as its standing.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    grid = Table(box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False)
    grid.title = rf"Mean (paired difference to {escape(names[0])}) \[95 % interval of the difference]"
    if any(row.integration for row in rows):
        grid.title += "\nprojective integration: an approximation"
    grid.caption = "\n".join(filter(None, (weights_note(rows), projection_note(rows)))) or None
    grid.caption_justify = "left"
    grid.add_column("endpoint, week", no_wrap=True)
    for name in names:
        head = escape(name)
        mark = marks.get(name, "")
        grid.add_column(f"{head}\n[dim]{mark}[/dim]" if mark else head, justify="right")
    for row in rows:
        if not (row.last or row.endpoint.every_week):
            continue
        unit = "" if row.endpoint.unit == "-" else f"{row.endpoint.unit}, "
        label = f"{row.endpoint.variables[row.variable]}\n[dim]{unit}wk {row.week:g}[/dim]"
        cells = [_cell(c, row.endpoint.decimals, k == 0) for k, c in enumerate(row.arms)]
        grid.add_row(label, *(cell.replace("[", r"\[") for cell in cells))
    return grid


def standing_marks(resolved: "ResolvedStudy") -> dict[str, str]:
    """Return the words under each arm's name: arms with a drug never tried for long are extrapolations."""
    return {arm.name: "extrapolation" if arm.extrapolation else arm.standing for arm in resolved.arms}


def study_notes(resolved: "ResolvedStudy", failed: int) -> list[str]:
    """Return the lines below the table."""
    runs = resolved.population.n * len(resolved.arms)
    population = resolved.population
    kind = "virtual patients" if population.design is None else "points"
    who = f"{population.n} {kind} ({population.words})"
    lines = [f"{who}, {resolved.weeks:g} weeks, seed {resolved.seed}; {failed} of {runs} runs failed and are left out."]
    lines += [resolved.approximation] if resolved.approximation else []
    lines += [found.sentence for found in resolved.matched]
    if any(arm.extrapolation for arm in resolved.arms):
        lines.append("extrapolation: no chronic human trial of a drug of this arm exists.")
    return [*lines, NOT_CLINICAL]
