"""The page of a sensitivity analysis: tornados, weeks, rank correlations, convergence, variance budget, scenarios."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.report.budget import budget_bars, budget_table
from pulsatile.sweeps.report.indices import fan, heat, settling, tornado
from pulsatile.sweeps.report.page import Part, Picture, page
from pulsatile.sweeps.report.scenario import scatter

if TYPE_CHECKING:
    import xarray as xr

    from pulsatile.sweeps.analysis.budget_result import VarianceBudget
    from pulsatile.sweeps.analysis.of_population import Given

PAGE = "sensitivity.html"
MOST_SCENARIOS = 6
"""Scenarios that are drawn; all are told."""


def page_of(
    title: str,
    indices: "xr.Dataset | None" = None,
    *,
    steps: "xr.Dataset | None" = None,
    budget: "VarianceBudget | None" = None,
    given: "Given | None" = None,
    told: Sequence[str] = (),
    week: float | None = None,
) -> str:
    """Return the page as HTML, with the sections that there is something for.

    Parameters
    ----------
    title
        Of the page.
    indices
        Of a design run, dims (output, factor, arm, week), as `sweeps.analysis.of_design.analyse` gives them; those of
        ``given`` where left out.
    steps
        Of `sweeps.analysis.convergence.convergence`.
    budget
        Of `sweeps.analysis.budget.variance_budget`.
    given
        Of `sweeps.analysis.of_population.given`.
    told
        Sentences of the analysis, for the head of the page.
    week
        Of the pictures of one week; default the last.

    Raises
    ------
    InputError
        Where matplotlib is not installed.
    """
    found = given.indices if indices is None and given is not None else indices
    sections: list[tuple[str, Sequence[Part]]] = []
    if found is not None:
        sections += _of_indices(found, week)
    if steps is not None:
        at = float(steps["week"].values[-1]) if week is None else week
        arm = str(steps["arm"].values[-1])
        pictures = [settling(steps, str(output), arm, at) for output in steps["output"].values]
        sections.append(("Does the design suffice?", _there(pictures)))
    if budget is not None:
        sections += _of_budget(budget.dataset, week)
    if given is not None:
        drawn = _there([scatter(given.inputs, story) for story in given.stories])[:MOST_SCENARIOS]
        others = [story.sentence for story in given.stories if story.box is None or not story.box.limits]
        sections.append(("In whom it happens", [*drawn, *others]))
        told = [*told, *(f"Note: {note}." for note in given.notes)]
    how = [] if found is None else [f"{name}: {value}" for name, value in found.attrs.items() if value != "none"]
    sections.append(("How the numbers came about", [*how, *([] if budget is None else _attrs(budget.dataset))]))
    return page(title, told, [(heading, parts) for heading, parts in sections if parts])


def write_page(folder: str | Path, html: str) -> Path:
    """Write the page into a folder; return its path."""
    write_all(Path(folder), {PAGE: html.encode()})
    return Path(folder) / PAGE


def _of_indices(indices: "xr.Dataset", week: float | None) -> list[tuple[str, Sequence[Part]]]:
    at = float(indices["week"].values[-1]) if week is None else week
    outputs = [str(output) for output in indices["output"].values]
    return [
        (f"What matters in week {at:g}", _there([tornado(indices, output, at) for output in outputs])),
        ("Over the weeks", _there([heat(indices, output) for output in outputs])),
        ("In which direction", _there([fan(indices, output) for output in outputs])),
    ]


def _of_budget(budget: "xr.Dataset", week: float | None) -> list[tuple[str, Sequence[Part]]]:
    at = float(budget["week"].values[-1]) if week is None else week
    parts: list[Part] = []
    for output in map(str, budget["output"].values):
        picture = budget_bars(budget, output, at)
        parts += [f"{output} does not vary."] if picture is None else [picture, budget_table(budget, output, at)]
    return [("Where the variance comes from", parts)]


def _attrs(budget: "xr.Dataset") -> list[str]:
    return [f"variance budget, {name}: {value}" for name, value in budget.attrs.items()]


def _there(pictures: Sequence[Picture | None]) -> list[Part]:
    return [picture for picture in pictures if picture is not None]
