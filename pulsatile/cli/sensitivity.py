"""The command for sensitivity analysis: design, sweep, indices and pictures in one call."""

import shlex
import sys
import time
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pulsatile.cli.guard import as_json, guarded, print_json, print_rich, say
from pulsatile.cli.runs import report, resource_options, resources_from, say_on
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import NOT_CLINICAL, Exit

if TYPE_CHECKING:
    from pulsatile.sweeps.analysis.result import Analysis
    from pulsatile.sweeps.analysis.selection import Selection
    from pulsatile.sweeps.study.schema import Study

MOST_ROWS = 8
"""Factors of each output on screen; all are in the files."""


@click.command(
    epilog="\b\nExamples:\n"
    "  pulsatile sensitivity examples/sensitivity.yaml --out runs/sensitivity\n"
    "  pulsatile sensitivity examples/sensitivity.yaml --dry-run\n"
    "  pulsatile sensitivity runs/sensitivity --contrast 'no treatment'      a finished run, looked at again\n\n"
    + NOT_CLINICAL
)
@click.argument("study", metavar="STUDY_OR_DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder; default runs/ and the study's name."
)
@click.option("--output", "outputs", multiple=True, metavar="NAME", help="An output to look at; repeatable.")
@click.option("--week", "weeks", multiple=True, type=float, metavar="W", help="A treatment week; repeatable.")
@click.option("--contrast", metavar="ARM", help="Arm that the others are compared with, point by point.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="Change one entry of the study, for example design.replicates=2; repeatable.",
)  # fmt: skip
@resource_options()
@click.option("--dry-run", is_flag=True, help="Only say what the sweep would need.")
@as_json
@guarded
def sensitivity(
    study: Path, out: Path | None, outputs: tuple[str, ...], weeks: tuple[float, ...], contrast: str | None,
    settings: tuple[str, ...], dry_run: bool, as_json: bool, **resources: Any,
) -> Exit:  # fmt: skip
    """Rank parameters: run the design of STUDY, and compute its sensitivity indices.

    The sweep goes into DIR like any run: an interrupted sweep goes on by the same command, and `pulsatile expand DIR
    --replicates R` adds replicates.  The folder of a finished run in place of STUDY is analysed without running
    anything; a population needs no design, because its patients' covariates and parameters are the sample.
    """
    from pulsatile.sweeps.run.progress import progress_for
    from pulsatile.sweeps.study.schema import load_study

    if study.is_dir():
        if out is not None or settings or dry_run:
            raise InputError(f"{study} is a run; --out, --set and --dry-run are for a study.")
        loaded, folder, code = _study_of(study), study, Exit.DONE
    else:
        loaded = load_study(study, settings)
        if loaded.design is None:
            raise InputError(f"{study}: there is no design; add one, for example design: {{factors: [v_gh, k_gh]}}.")
        folder = out if out is not None else Path("runs") / study.stem
        from pulsatile.sweeps.analysis.selection import refuse_unknown

        refuse_unknown(loaded, selection_of(loaded, outputs, weeks, contrast))
        if dry_run:
            from pulsatile.cli.runs import dry_run_of

            return dry_run_of(loaded, resources_from(resources), as_json)
        from pulsatile.sweeps.run.run import run_or_resume

        command, text = shlex.join(["pulsatile", *sys.argv[1:]]), study.read_text(encoding="utf-8")
        with progress_for() as progress:
            outcome = run_or_resume(loaded, folder, resources_from(resources), progress, text, command, settings)
        if not outcome.digest:
            return report(outcome, as_json)
        code = outcome.code
    _analyse(folder, selection_of(loaded, outputs, weeks, contrast), as_json)
    if code is Exit.FAILED_PATIENTS:
        say("more runs failed than the gate allows; see status in the dataset.")
    return code


def page(path: Path, kind: str, title: str, *what: "Analysis", **more: Any) -> list[Path]:
    """Write the page of pictures of an analysis or a budget; without matplotlib, print a sentence and go on."""
    from pulsatile.sweeps.report.page import write_page
    from pulsatile.sweeps.report.sensitivity import page_of

    try:
        return [write_page(path, page_of(title, *what, **more), kind)]
    except InputError as error:
        say_on(str(error))
        return []


def _study_of(folder: Path) -> "Study | None":
    """Return the study of a run's folder, for its ``sensitivity`` entry; None where it cannot be read again."""
    from pulsatile.sweeps.disk.folder import RunFolder
    from pulsatile.sweeps.run.inputs import study_of

    run = RunFolder.open(folder)
    try:
        return study_of(run)
    except InputError:
        return None


def selection_of(
    study: "Study | None", outputs: tuple[str, ...], weeks: tuple[float, ...], contrast: str | None
) -> "Selection":
    """Return the outputs, weeks and contrast of the command line, else those of the study."""
    from pulsatile.sweeps.analysis.selection import Selection

    default = Selection() if study is None else study.sensitivity
    return Selection(
        outputs or default.outputs, tuple(sorted(set(weeks))) or default.weeks,
        default.contrast if contrast is None else contrast,
    )  # fmt: skip


def _analyse(folder: Path, selection: "Selection", as_json: bool) -> None:
    from pulsatile.sweeps.analysis.analyse import analyse
    from pulsatile.sweeps.analysis.result import PAGE
    from pulsatile.sweeps.report.page import refuse_other_file
    from pulsatile.sweeps.report.sensitivity import SENSITIVITY

    refuse_other_file(folder / PAGE, SENSITIVITY)
    begin = time.perf_counter()
    analysis = analyse(folder, selection)
    paths = analysis.save(folder)
    seconds = time.perf_counter() - begin
    paths += page(folder / PAGE, SENSITIVITY, f"Sensitivity of {folder.name}", analysis)
    if as_json:
        print_json({"seconds": round(seconds, 3), "files": [str(path) for path in paths],
                    "sentences": list(analysis.sentences), **analysis.indices.attrs})  # fmt: skip
        return
    if analysis.inputs is None:  # of a population the sentences name what matters most
        _print_leading(analysis)
    for sentence in analysis.sentences:
        click.echo(sentence)
    click.echo(f"indices in {seconds:.1f} s: {', '.join(path.name for path in paths)} in {folder}")
    click.echo(NOT_CLINICAL)


def _print_leading(analysis: "Analysis") -> None:
    """Print the factors that matter most for each output in the last week, arm by arm."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from pulsatile.engine.parameters import shown_unit
    from pulsatile.sweeps.contrast import rows
    from pulsatile.sweeps.sensitivity.methods import measures_of

    indices = analysis.indices
    value = measures_of(indices)[0].name
    last = indices.isel(week=-1)
    for output in last["output"].values:
        part = last[value].sel(output=output)
        top = abs(part).max("arm").fillna(0)
        order = top["factor"].values[(-top.values).argsort(kind="stable")][:MOST_ROWS]
        grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title=f"{output}, week {float(last['week']):g}: {value}",
                     title_justify="left")  # fmt: skip
        grid.add_column("factor")
        for arm in part["arm"].values:
            grid.add_column(escape(str(arm)), justify="right", overflow="fold")
        for factor in order:
            cells = []
            for _, row in rows(last.sel(output=output, factor=factor)):
                cell = f"{float(row[value]):.2f}"
                if f"{value}_low" in row and not isnan(float(row[f"{value}_low"])):
                    cell += rf" \[{float(row[f'{value}_low']):.2f}, {float(row[f'{value}_high']):.2f}]"
                cells.append(cell)
            grid.add_row(escape(str(factor)), *cells)
        if "variance" in last:  # an index of next to no variance says little
            sds = [float(row) ** 0.5 for _, row in rows(last["variance"].sel(output=output))]
            grid.add_section()
            unit = shown_unit(str(indices["unit"].sel(output=output).item()))
            grid.add_row(f"SD, {unit}" if unit else "SD", *(f"{sd:.3g}" for sd in sds))
        print_rich(grid)
    for name in ("method", "interval", "missing", "contrast"):
        if name in indices.attrs:
            click.echo(f"{name}: {indices.attrs[name]}")
