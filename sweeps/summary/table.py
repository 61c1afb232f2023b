"""The summary as a table on screen and as CSV, from its rows (`sweeps.summary.summarise`)."""

from math import isnan
from typing import TYPE_CHECKING, Any

from pulsatile.engine.drugs.presets import EXTRAPOLATION, EXTRAPOLATION_WORDS, NO_DRUG, OWN, OWN_DRUG_WORDS, standing
from pulsatile.engine.parameters import shown_unit
from pulsatile.sweeps.errors import NOT_CLINICAL
from pulsatile.sweeps.study.tables.csv_text import csv_text as csv_of_rows
from pulsatile.sweeps.summary.endpoints import lines

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from pulsatile.sweeps.study.resolve import ResolvedStudy

_HEAD = {
    "endpoint": "endpoint", "variable": "variable", "unit": "unit", "week": "week", "arm": "arm", "n": "n",
    "mean": "mean", "sd": "sd", "pairs": "pairs", "difference": "difference_to_control", "low": "ci95_low",
    "high": "ci95_high", "mean_low": "mean_ci95_low", "mean_high": "mean_ci95_high",
    "projection_error": "largest_projection_error", "integration": "approximation", "effective_n": "effective_pairs",
    "note": "note", "standing": "standing",
}  # fmt: skip
"""Columns of the file, each with its heading."""


def projection_note(frame: "pd.DataFrame") -> str:
    """Return the line on the error of projected values; empty where nothing was projected."""
    known = frame.dropna(subset=["projection_error"]).groupby("variable", sort=False)
    worst = known.agg({"label": "first", "projection_error": "max", "unit": "first"})
    if worst.empty:
        return ""
    errors = (
        f"{label} {error:.2g} {shown_unit(unit)}".rstrip() for label, error, unit in worst.itertuples(index=False)
    )
    return f"Largest estimated error of the projection: {', '.join(errors)}; the 95 % intervals leave it out."


def weights_note(frame: "pd.DataFrame") -> str:
    """Return the line on prevalence weights; empty without weights."""
    known = frame.dropna(subset=["effective_n"])
    if known.empty:
        return ""
    least = known.loc[known["effective_n"].idxmin()]
    return (
        f"Weighted by prevalence: {least['pairs']} patients count as {least['effective_n']:.0f} (Kish's effective "
        "number, the least of all rows); intervals are of the weighted means, linearised."
    )


def missing_note(frame: "pd.DataFrame") -> str:
    """Return the line on intervals that are missing; empty where none is."""
    notes = frame.loc[frame["note"] != "", "note"].unique()
    more = f"; {len(notes) - 1} further reasons: see summary.csv" if len(notes) > 1 else ""
    return f"{notes[0][0].upper()}{notes[0][1:]}{more}." if len(notes) else ""


def csv_text(frame: "pd.DataFrame") -> str:
    """Return CSV with one line per endpoint, week and arm.

    The last columns are the approximation, if any, the effective number of pairs, if weighted, why an interval is
    missing, if one is, and the arm's standing.
    """
    left_out = [] if (frame["integration"] != "").any() else ["projection_error", "integration"]
    left_out += [] if frame["effective_n"].notna().any() else ["effective_n"]
    left_out += [] if (frame["note"] != "").any() else ["note"]
    left_out += [] if (frame["standing"] != "").any() else ["standing"]
    kept = [name for name in _HEAD if name not in left_out]
    rows = (
        [_csv_cell(name, value) for name, value in zip(kept, values, strict=True)]
        for values in frame[kept].itertuples(index=False)
    )
    return csv_of_rows([[_HEAD[name] for name in kept], *rows], "\r\n")


def _csv_cell(name: str, value: Any) -> str:
    if name == "week":
        return f"{value:g}"
    if name == "integration":
        return f"{value}; ci95 leaves out the projection's error"
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.8g}"
    return str(value)


def _number(value: float, decimals: int, sign: bool = False) -> str:
    if isnan(value):
        return "-"
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def _cell(row: Any, decimals: int, is_control: bool, is_share: bool) -> str:
    mean = _number(row.mean, decimals)
    own = f"\n{_ends(row.mean_low, row.mean_high, decimals, '{} to {}')}" if is_share else ""
    if is_control:
        return f"{mean}{own}"
    return f"{mean} ({_number(row.difference, decimals, sign=True)})\n{_ends(row.low, row.high, decimals)}{own}"


def _ends(low: float, high: float, decimals: int, form: str = "[{}, {}]") -> str:
    return "none" if isnan(low) else form.format(_number(low, decimals), _number(high, decimals))


def table(frame: "pd.DataFrame", marks: dict[str, str]) -> "Table":
    """Return the table for a screen of 100 columns: a line per endpoint, a column per arm, the control arm first.

    ``marks`` are words under the names of arms, such as their standing.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    arms = list(frame["arm"].unique())
    grid = Table(box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False)
    grid.title = rf"Mean (paired difference to {escape(arms[0])}) \[95 % interval of the difference]"
    if frame["endpoint"].isin([line.name for line in lines() if line.event is not None]).any():
        grid.title += "\nbelow a percentage, low to high: its own 95 % interval"
    if (frame["integration"] != "").any():
        grid.title += "\nprojective integration: an approximation"
    notes = (weights_note(frame), missing_note(frame), projection_note(frame))
    grid.caption = "\n".join(filter(None, notes)) or None
    grid.caption_justify = "left"
    grid.add_column("endpoint, week", no_wrap=True)
    for arm in arms:
        head = escape(arm)
        mark = marks.get(arm, "")
        grid.add_column(f"{head}\n[dim]{mark}[/dim]" if mark else head, justify="right", overflow="fold")
    shown = {line.name: line for line in lines()}
    last = frame.groupby("endpoint")["week"].last()
    for (endpoint, week), part in frame.groupby(["endpoint", "week"], sort=False):
        line = shown[endpoint]
        if not (line.every_week or week == last[endpoint]):
            continue
        unit = f"{line.unit}, " if shown_unit(line.unit) else ""
        label = f"{part['label'].iloc[0]}\n[dim]{unit}wk {week:g}[/dim]"
        share = line.event is not None
        cells = [_cell(row, line.decimals, k == 0, share) for k, row in enumerate(part.itertuples())]
        grid.add_row(label, *map(escape, cells))
    return grid


def standing_marks(frame: "pd.DataFrame") -> dict[str, str]:
    """Return the standing of every arm that has a drug, by its name."""
    known = dict(zip(frame["arm"], frame["standing"], strict=True))
    return {arm: mark for arm, mark in known.items() if mark not in ("", NO_DRUG)}


def study_notes(resolved: "ResolvedStudy", failed: int) -> list[str]:
    """Return the lines below the table."""
    runs = resolved.population.n * len(resolved.arms)
    population = resolved.population
    kind = "virtual patients" if population.design is None else "points"
    head = f"{population.n} {kind} ({population.words})"
    lines = [
        f"{head}, {resolved.weeks:g} weeks, seed {resolved.seed}; {failed} of {runs} runs failed and are left out."
    ]
    lines += [population.screening_sentence] if population.recruited is not None else []
    lines += [resolved.approximation] if resolved.approximation else []
    lines += [match.sentence for match in resolved.matched]
    lines += resolved.of_the_trial
    marked = [arm.name for arm in resolved.arms if standing(arm, population.kinds) == EXTRAPOLATION]
    if marked:
        lines.append(f"{EXTRAPOLATION} ({', '.join(marked)}): {EXTRAPOLATION_WORDS}.")
    own = [arm.name for arm in resolved.arms if standing(arm, population.kinds) == OWN]
    if own:
        lines.append(f"{OWN} ({', '.join(own)}): {OWN_DRUG_WORDS}.")
    return [*lines, NOT_CLINICAL]
