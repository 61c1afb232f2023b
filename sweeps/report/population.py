"""The page of a built population: kept people, margins and correlations against published values, the atlas."""

from collections.abc import Sequence

from pulsatile.sweeps.analysis.provenance import of_run
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.population.agreement import NOT_COMPARED
from pulsatile.sweeps.population.opened import Built
from pulsatile.sweeps.report.axis import gh_axis
from pulsatile.sweeps.report.maps import atlas, correlation_maps
from pulsatile.sweeps.report.margins import covariates, outputs, tolerance
from pulsatile.sweeps.report.page import Part, Table, page

POPULATION = "population"
"""Kind of the page."""


def page_of(built: Built) -> str:
    """Return the page as HTML.

    Raises
    ------
    InputError
        Where matplotlib is not installed.
    """
    sections: list[tuple[str, Sequence[Part]]] = [
        ("Who is kept", [_kept(built)]),
        ("Covariates", [covariates(built)]),
        ("Untreated outputs", [outputs(built)]),
        ("GH and IGF-1 by age", [gh_axis(built)]),
        ("Glucose tolerance", [tolerance(built)]),
        ("Correlations", [correlation_maps(built) or "Too few people of either sex for correlations."]),
        ("Rejection atlas", _atlas(built)),
        ("Against published margins", _agreement(built)),
    ]
    return page(POPULATION, f"Virtual population: {built.name}", _lead(built), sections,
                of_run(RunFolder.open(built.folder)))  # fmt: skip


def _lead(built: Built) -> list[str]:
    record = built.record
    run, kept = record["patients"]["run"], record["patients"]["kept"]
    lines = [f"{run} people were drawn (seed {record['seed']}) and run untreated for a week; {kept} are kept."]
    if weights := record.get("weights"):
        gates = "within its gates" if weights["within_gates"] else "OUTSIDE its gates"
        lines.append(
            f"Selection by {record['selection']}: effective number {weights['effective_number']:g} "
            f"({weights['share']:.2f} of the kept), largest weight {weights['largest']:.2f} of a mean of 1, {gates} "
            f"({weights['gates']['least_share']:g} and {weights['gates']['largest']:g})."
        )
        lines += [f"Published margins: {weights['missed']}"] if weights.get("missed") else []
    else:
        lines.append("The kept people have equal weights.")
    return [*lines, f"Population {built.id}, run {record['run']}."]


def _kept(built: Built) -> Table:
    record = built.record
    rows = [["kept", str(record["patients"]["kept"])]] + [[why, str(count)] for why, count in built.unused.items()]
    rows.append(["of all: deviations redrawn because the first had no fasting state", str(int(built.redrawn.sum()))])
    return Table(["", "people"], rows, frozenset({1}))


def _atlas(built: Built) -> list[Part]:
    parts: list[Part] = []
    for flags, what in ((built.rejected, "rejected"), (built.redrawn, "redrawn")):
        if flags.any() and not flags.all():
            parts.append(atlas(built, flags, what))
        else:
            parts.append(f"{'Nobody' if not flags.any() else 'Everybody'} was {what}.")
    return [*parts, "All axes stand in atlas.csv, every patient with covariates, outputs and reason in patients.csv."]


def _agreement(built: Built) -> list[Part]:
    if not built.comparable:
        return [NOT_COMPARED.strip()]
    rows = [
        [
            t.quantity, t.group.words, str(line.patients), t.words, f"{t.value:.3g}", f"{line.before:.3g}",
            f"{line.after:.3g}", f"{100 * line.error_before:+.1f} %", f"{100 * line.error_after:+.1f} %",
            "weighted to" if t.used else "held out", t.source,
        ]
        for line in built.lines for t in (line.target,)
    ]  # fmt: skip
    head = ["output", "group", "n", "what", "published", "equal weights", "weighted", "error before", "after", "role",
            "source"]  # fmt: skip
    far = [[d.output, d.sex, f"{d.before:.3f}", f"{d.after:.3f}"] for d in built.far]
    return [
        "Errors: of a quantile in probability, of a mean relative, of a share absolute.",
        Table(head, rows, frozenset({2, 4, 5, 6, 7, 8})),
        "Kolmogorov-Smirnov distance to whole published margins:",
        Table(["output", "sex", "before", "after"], far, frozenset({2, 3})),
    ]
