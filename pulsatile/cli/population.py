"""Commands on virtual populations: list them, build one, show it, compare two."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pulsatile.cli.guard import as_json, guarded, print_json, print_rich, say
from pulsatile.cli.runs import resource_options, resources_from, say_on
from pulsatile.sweeps.errors import NOT_CLINICAL, Exit

if TYPE_CHECKING:
    from pulsatile.sweeps.population.opened import Built

SELECTIONS = ("weights", "inclusion", "plausible")
MOST_PAIRS = 10


@click.group(
    epilog="\b\nExamples:\n"
    "  pulsatile population list\n"
    "  pulsatile population build adults --n 1000 --out populations/adults\n"
    "  pulsatile population build hiv_lipodystrophy --n 500 --out populations/hiv\n"
    "  pulsatile population show populations/adults\n"
    "  pulsatile population compare populations/adults populations/hiv\n\n"
    "\b\nA study then takes it:\n  population: {frozen: populations/adults}\n\n" + NOT_CLINICAL
)
def population() -> None:
    """Virtual populations: people drawn, run untreated, checked for plausibility, and weighted.

    A built population is frozen: every study that names the folder has the same patients.
    """


@population.command("list", epilog="\b\nExample:\n  pulsatile population list\n\n" + NOT_CLINICAL)
@as_json
@guarded
def list_(as_json: bool) -> None:
    """List the named populations, with their sources."""
    from pulsatile.engine.people.populations import POPULATIONS

    if as_json:
        print_json([{"name": p.name, "description": p.description, "source": p.source} for p in POPULATIONS.values()])
        return
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), caption=NOT_CLINICAL, caption_justify="left")
    for head in ("population", "who", "source"):
        grid.add_column(head, overflow="fold")
    for row in POPULATIONS.values():
        grid.add_row(row.name, row.description, escape(row.source))
    print_rich(grid)


@population.command(
    epilog="\b\nExamples:\n"
    "  pulsatile population build adults --n 1000 --out populations/adults\n"
    "  pulsatile population build stratum.yaml --out populations/stratum     a population entry, as in a study\n"
    "  pulsatile population build own.csv --out populations/own              own patients\n\n" + NOT_CLINICAL
)
@click.argument("source", metavar="NAME_OR_FILE")
@click.option("--n", "n", type=int, metavar="N", help="Patients drawn; default what the file says, all of a table.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder to make, new or empty."
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Seed of every random draw.")
@click.option(
    "--select", "how", type=click.Choice(SELECTIONS),
    help="All plausible patients with prevalence weights; a subset that needs none; or all, without weights. "
    "Default: weights, or plausible for people that the published margins do not describe.",
)  # fmt: skip
@resource_options("scheduler", "slurm", "memory", "gate")
@as_json
@guarded
def build(
    source: str, n: int | None, out: Path, seed: int, how: str | None, as_json: bool, **resources: Any
) -> Exit:  # fmt: skip
    """Build and freeze a population.

    Draw people, run them untreated for a week, reject implausible patients with the reason, weight the others to the
    published margins, and write everything into DIR.  An interrupted build goes on by the same command.
    """
    from pulsatile.sweeps.population.build import build_population
    from pulsatile.sweeps.population.opened import open_population
    from pulsatile.sweeps.report.population_files import write_files
    from pulsatile.sweeps.run.progress import progress_for

    with progress_for() as progress:
        outcome, record = build_population(
            source, out, n=n, seed=seed, how=how, resources=resources_from(resources), progress=progress
        )
        if record is None:
            return _unfinished(outcome.code, out)
        progress.note("Drawing the page of pictures ...")
        built = open_population(out)
        for sentence in write_files(built):
            progress.note(sentence)
    if outcome.code is Exit.FAILED_PATIENTS:
        say(f"{outcome.failed} of {outcome.patient_arms} patients failed, more than the gate allows; see atlas.csv.")
    _print_population(built, as_json)
    return outcome.code


def _unfinished(code: Exit, out: Path) -> Exit:
    if code is Exit.INTERRUPTED:
        say_on(
            f"Interrupted; committed chunks are kept. Go on by the same command; `pulsatile status {out}` shows the "
            "progress."
        )
    else:
        say(f"{out}: not every patient was run; the same command goes on, `pulsatile status {out}` tells more.")
    return code


@population.command(
    epilog="\b\nExample:\n  pulsatile population show populations/adults --html page.html\n\n" + NOT_CLINICAL
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the page of pictures to FILE.")
@as_json
@guarded
def show(folder: Path, html: Path | None, as_json: bool) -> None:
    """Show a built population, from its folder alone.

    The id is checked against the content of the folder, and the run's digest is computed again from the stored values.
    """
    from pulsatile.sweeps.population.opened import open_population

    if html is not None:
        from pulsatile.sweeps.report.page import refuse_other_file, write_page
        from pulsatile.sweeps.report.population import POPULATION, page_of

        refuse_other_file(html, POPULATION)
    built = open_population(folder)
    if html is not None:
        write_page(html, page_of(built), POPULATION)
        if not as_json:
            say_on(f"page: {html}")
    _print_population(built, as_json)


@population.command(
    epilog="\b\nExample:\n  pulsatile population compare populations/adults populations/trial\n\n" + NOT_CLINICAL
)
@click.argument("first", type=click.Path(path_type=Path), metavar="DIR_A")
@click.argument("second", type=click.Path(path_type=Path), metavar="DIR_B")
@as_json
@guarded
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Compare two built populations: weighted medians, KS distances, and the correlations that differ most."""
    from dataclasses import asdict

    from rich import box
    from rich.table import Table

    from pulsatile.engine.parameters import shown_unit
    from pulsatile.sweeps.population.compare import differences, pairs
    from pulsatile.sweeps.population.opened import open_population

    a, b = open_population(first), open_population(second)
    rows, correlations = differences(a, b), pairs(a, b, MOST_PAIRS)
    if as_json:
        print_json(
            {
                "populations": [{"folder": str(x.folder), "id": x.id, "name": x.name} for x in (a, b)],
                "differences": [asdict(row) for row in rows],
                "correlations": [asdict(pair) for pair in correlations],
            }
        )
        return
    for letter, x in (("A", a), ("B", b)):
        click.echo(f"{letter}: {x.folder}, {x.name}, {x.kept.sum()} patients, id {x.id[:12]}")
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for head in ("covariate or output", "unit", "median A", "median B", "KS distance"):
        grid.add_column(head, justify="left" if head[0] in "cu" else "right")
    for row in rows:
        grid.add_row(row.name, shown_unit(row.unit), f"{row.first:.4g}", f"{row.second:.4g}", f"{row.distance:.3f}")
    print_rich(grid)
    if correlations:
        grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title="Correlations that differ most", title_justify="left")
        for head in ("sex", "of", "and", "A", "B"):
            grid.add_column(head, justify="right" if head in "AB" else "left")
        for pair in correlations:
            grid.add_row(pair.sex, pair.one, pair.other, f"{pair.first:+.2f}", f"{pair.second:+.2f}")
        print_rich(grid)
    click.echo(NOT_CLINICAL)


def _print_population(built: "Built", as_json: bool) -> None:
    """Print a population: kept and rejected patients, effective number, the worst lines of the comparison."""
    from pulsatile.sweeps.population.agreement import NOT_COMPARED
    from pulsatile.sweeps.report.population_files import AGREEMENT, ATLAS, PAGE, PATIENTS, WORST, summary

    if as_json:
        print_json(summary(built))
        return
    run, kept = len(built.untreated.ids), int(built.kept.sum())
    click.echo(f"{built.folder}: {built.name}, {run} people run untreated, {kept} kept by {built.record['selection']}.")
    if screening := built.record.get("screening"):
        click.echo(screening)
    for why, count in built.unused.items():
        click.echo(f"  not kept: {count}, {why}")
    if redrawn := int(built.redrawn.sum()):
        click.echo(f"  deviations drawn again, because the first had no fasting state: {redrawn}")
    if weights := built.record.get("weights"):
        gates = "within the gates" if weights["within_gates"] else "OUTSIDE THE GATES"
        click.echo(
            f"prevalence weights: effective number {weights['effective_number']:g} ({weights['share']:.2f} of the "
            f"kept), largest {weights['largest']:.2f} of a mean of 1; {gates}."
        )
        if missed := weights.get("missed"):
            click.echo(f"published margins: {missed}")
    if built.lines:
        _worst(built, WORST)
    else:
        click.echo(NOT_COMPARED.strip())
    click.echo(f"id: {built.id}")
    files = [name for name in (PATIENTS, AGREEMENT, ATLAS, PAGE) if (built.folder / name).is_file()]
    if files:
        click.echo(f"files: {', '.join(shlex.quote(str(built.folder / name)) for name in files)}")
    click.echo(f"in a study: population: {{frozen: {built.folder}}}")
    click.echo(NOT_CLINICAL)


def _worst(built: "Built", most: int) -> None:
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title_justify="left")
    grid.title = f"The {most} of {len(built.lines)} published numbers that are missed by most"
    for head in ("output", "group", "what", "published", "got", "error", "role"):
        grid.add_column(head, justify="right" if head in ("published", "got", "error") else "left")
    for line in built.worst(most):
        t = line.target
        role = "weighted to" if t.used else "held out"
        grid.add_row(
            t.quantity, t.group.words, t.words, f"{t.value:.3g}", f"{line.after:.3g}",
            f"{100 * line.error_after:+.1f} %", role,
        )  # fmt: skip
    print_rich(grid)
    click.echo("error: in probability for a quantile, relative for a mean, absolute for a share.")
