"""The page of a sensitivity analysis: tornados, weeks, rank correlations, convergence, variance budget, scenarios."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pulsatile.sweeps.analysis.labels import output_label
from pulsatile.sweeps.analysis.provenance import PROVENANCE
from pulsatile.sweeps.analysis.result import Analysis
from pulsatile.sweeps.report.budget import budget_bars, budget_table
from pulsatile.sweeps.report.indices import convergence_curves, heat_map, rank_correlations, tornado
from pulsatile.sweeps.report.page import Part, Picture, page
from pulsatile.sweeps.report.scenario import scatter

if TYPE_CHECKING:
    import xarray as xr

    from pulsatile.sweeps.analysis.budget_result import VarianceBudget

SENSITIVITY, BUDGET = "sensitivity", "variance budget"
"""Kinds of pages."""
MOST_SCENARIOS = 6
"""Largest number of drawn scenarios."""


def page_of(
    title: str,
    analysis: Analysis | None = None,
    *,
    budget: "VarianceBudget | None" = None,
    week: float | None = None,
) -> str:
    """Return the page as HTML, with the sections that have content.

    Parameters
    ----------
    title
        Title of the page.
    analysis
        Result of `sweeps.analysis.analyse.analyse`.
    budget
        Result of `sweeps.analysis.budget.variance_budget`.
    week
        Week of the pictures of one week; default the last.

    Raises
    ------
    InputError
        Where matplotlib is not installed.
    """
    sections: list[tuple[str, Sequence[Part]]] = []
    head: list[str] = []
    if analysis is not None:
        head = [*analysis.verdicts, *(() if analysis.stories else analysis.scenarios)]
        head += [f"Note: {note}." for note in analysis.notes]
        sections += _of_indices(analysis.indices, week)
    if analysis is not None and (steps := analysis.steps) is not None:
        at = float(steps["week"].values[-1]) if week is None else week
        arm = str(steps["arm"].values[-1])
        pictures = [convergence_curves(steps, str(output), arm, at) for output in steps["output"].values]
        sections.append(("Does the design suffice?", _drawn(pictures)))
    if budget is not None:
        sections += _of_budget(budget.dataset, week)
    if analysis is not None and analysis.inputs is not None:
        drawn = _drawn([scatter(analysis.inputs, story) for story in analysis.stories])[:MOST_SCENARIOS]
        others = [story.sentence for story in analysis.stories if story.box is None or not story.box.limits]
        sections.append(("In whom it happens", [*drawn, *others]))
    facts = {} if analysis is None else analysis.facts
    how = [f"{name}: {value}" for name, value in facts.items() if value != "none" and name not in PROVENANCE]
    sections.append(("How the numbers came about", [*how, *([] if budget is None else _attrs(budget.dataset))]))
    origin = ({} if budget is None else budget.dataset.attrs) | ({} if analysis is None else analysis.indices.attrs)
    return page(
        SENSITIVITY if analysis is not None else BUDGET, title, head,
        [(heading, parts) for heading, parts in sections if parts], {str(k): str(v) for k, v in origin.items()},
    )  # fmt: skip


def _of_indices(indices: "xr.Dataset", week: float | None) -> list[tuple[str, Sequence[Part]]]:
    at = float(indices["week"].values[-1]) if week is None else week
    outputs = [str(output) for output in indices["output"].values]
    return [
        (f"What matters in week {at:g}", _drawn([tornado(indices, output, at) for output in outputs])),
        ("Over the weeks", _drawn([heat_map(indices, output) for output in outputs])),
        ("In which direction", _drawn([rank_correlations(indices, output) for output in outputs])),
    ]


def _of_budget(budget: "xr.Dataset", week: float | None) -> list[tuple[str, Sequence[Part]]]:
    at = float(budget["week"].values[-1]) if week is None else week
    parts: list[Part] = []
    for output in map(str, budget["output"].values):
        picture = budget_bars(budget, output, at)
        parts += (
            [f"{output_label(output)} does not vary."]
            if picture is None
            else [picture, budget_table(budget, output, at)]
        )
    return [("Where the variance comes from", parts)]


def _attrs(budget: "xr.Dataset") -> list[str]:
    return [f"variance budget, {name}: {value}" for name, value in budget.attrs.items() if name not in PROVENANCE]


def _drawn(pictures: Sequence[Picture | None]) -> list[Part]:
    return [picture for picture in pictures if picture is not None]
