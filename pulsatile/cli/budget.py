"""The command for the variance budget: where the variance of each output comes from."""

from pathlib import Path

import click

from pulsatile.cli.guard import as_json, guarded, print_json
from pulsatile.sweeps.errors import NOT_CLINICAL, Exit, FolderRefuses

CHECKED = 8
"""Patients run again under a tighter tolerance, at most."""


@click.command(
    epilog="\b\nExample:\n  pulsatile budget examples/peptides_vs_rhgh.yaml --out runs/budget\n\n" + NOT_CLINICAL
)
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for tables and pictures.")
@click.option("--output", "outputs", multiple=True, metavar="NAME", help="An output to look at; repeatable.")
@click.option("--week", "weeks", multiple=True, type=float, metavar="W", help="A treatment week; repeatable.")
@click.option("--contrast", metavar="ARM", help="Arm that the others are compared with, patient by patient.")
@click.option("--draws", type=int, default=8, show_default=True, help="Draws of typical values.")
@click.option("--patients", type=int, default=32, show_default=True, help="Patients of each draw.")
@click.option("--occasions", type=int, default=2, show_default=True, help="Occasions of each patient.")
@click.option("--threads", type=int, default=None, metavar="N", help="Threads; default all cores.")
@as_json
@guarded
def budget(
    study: Path, out: Path | None, outputs: tuple[str, ...], weeks: tuple[float, ...], contrast: str | None, draws: int,
    patients: int, occasions: int, threads: int | None, as_json: bool,
) -> Exit:  # fmt: skip
    """Split the variance of STUDY's outputs by source.

    The sources are uncertain typical values, patients, occasions, assay noise, arms and numerical error.
    """
    from pulsatile.cli.sensitivity import page, selection_of
    from pulsatile.sweeps.analysis.budget import variance_budget
    from pulsatile.sweeps.analysis.budget_result import PAGE
    from pulsatile.sweeps.analysis.budget_runs import BudgetSize
    from pulsatile.sweeps.disk.files import writing
    from pulsatile.sweeps.report.page import refuse_other_file
    from pulsatile.sweeps.report.sensitivity import BUDGET
    from pulsatile.sweeps.study.schema import load_study
    from pulsatile.sweeps.workers.resources import cores

    if out is not None:  # before minutes of work
        if out.exists() and not out.is_dir():
            raise FolderRefuses(f"{out} is a file; give a folder for the tables and the page.")
        refuse_other_file(out / PAGE, BUDGET)
    loaded = load_study(study)
    selection = selection_of(loaded, outputs, weeks, contrast)
    budget = variance_budget(
        loaded, selection.outputs, selection.weeks, contrast=selection.contrast,
        size=BudgetSize(draws, patients, occasions, max(1, min(CHECKED, patients))),
        threads=cores() if threads is None else threads,
    )  # fmt: skip
    paths: list[Path] = []
    if out is not None:
        with writing(out):
            paths += budget.save(out)
        paths += page(out / PAGE, BUDGET, f"Variance budget of {study.stem}", budget=budget)
    if as_json:
        print_json({"files": [str(path) for path in paths], "sentences": budget.sentences})
        return Exit.DONE
    for sentence in budget.sentences:
        click.echo(sentence)
    if out is not None:
        click.echo(f"{', '.join(path.name for path in paths)} in {out}")
    click.echo(NOT_CLINICAL)
    return Exit.DONE
