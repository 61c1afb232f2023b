"""The command line: parse, call, print; heavy modules are imported inside the commands."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pulsatile import __version__
from pulsatile.cli import budget, examples, population, power, runs, sensitivity
from pulsatile.cli.guard import as_json, guarded, print_json, print_rich
from pulsatile.cli.runs import dry_run_of
from pulsatile.cli.sweep import validate_sweep
from pulsatile.sweeps.errors import NOT_CLINICAL, Exit

EXAMPLES = """
\b
Examples:
  pulsatile examples --out examples                         write the shipped studies, which are named below
  pulsatile run examples/quick.yaml --out runs/quick        a small study, under a minute
  pulsatile run STUDY.yaml --out runs/a --patients 100 --weeks 4 --dry-run
  pulsatile resume runs/a                                   go on with a run that was interrupted
  pulsatile status runs/a                                   its progress
  pulsatile expand runs/a --patients 2000                   more patients, arms or weeks; only the new work is done
  pulsatile verify runs/a                                   check that every byte is what was committed
  pulsatile simulate --preset tesamorelin_label --weeks 8   a quick look at one regimen
  pulsatile presets                                         regimens that a study may name
  pulsatile population build adults --n 1000 --out pop      people with weights, for `population: {frozen: pop}`
  pulsatile sensitivity examples/sensitivity.yaml           which parameters decide the outcome
  pulsatile power runs/a --endpoint vat --arm tesamorelin   power of a trial of 20 to 500 per arm
  pulsatile validate STUDY.yaml                             check the file
  pulsatile run examples/sweep.yaml --dry-run               a sweep of whole studies: scenarios, runs, time

\b
A study file, the smallest:
  weeks: 26
  population: {n: 1000, phenotype: obese}
  arms:
    - {name: no treatment, preset: control}
    - {name: tesamorelin, preset: tesamorelin_label}
  tests:
    - {test: fasting, weeks: [0, 26]}

\b
Exit codes: 0 done, 1 too many failed patients, 2 bad input, 3 cannot write, 4 folder refuses,
  5 cluster, 6 damage found, 70 internal error, 130 interrupted (resume goes on).
"""


@click.group(
    epilog=EXAMPLES + "\n" + NOT_CLINICAL,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="pulsatile")
def main() -> None:
    """Virtual patients on growth-hormone secretagogues: GH pulses, IGF-1, insulin sensitivity, fat and lean mass.

    A study file names a population, arms (drugs and doses) and virtual tests; `pulsatile run` simulates every patient
    in every arm and ends with a table and a dataset that `xarray.open_zarr` opens.
    """


def _overrides(patients: int | None, weeks: float | None, seed: int | None, settings: Sequence[str]) -> list[str]:
    named = {"population.n": patients, "weeks": weeks, "seed": seed}
    return [f"{key}={value}" for key, value in named.items() if value is not None] + list(settings)


_STUDY = click.argument("study", type=click.Path(path_type=Path))
_SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one entry of the study, for example population.phenotype=lean or arms.1.preset=rhgh_low; repeatable.",
)
_PATIENTS = click.option("--patients", type=int, metavar="N", help="Number of patients, in place of the study's.")
_WEEKS = click.option(
    "--weeks", type=float, metavar="W", help="Weeks of treatment; tests after them move to the last week."
)
_SEED = click.option("--seed", type=int, metavar="N", help="Seed of every random draw.")


@main.command(
    epilog="\b\nExample:\n  pulsatile run examples/peptides_vs_rhgh.yaml --out runs/a --patients 200\n\n" + NOT_CLINICAL
)
@_STUDY
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the run, new or empty; default runs/ and the study's name.",
)
@_PATIENTS
@_WEEKS
@_SEED
@runs.resource_options()
@_SET
@click.option("--dry-run", is_flag=True, help="Only say what the run would need.")
@as_json
@guarded
def run(
    study: Path, out: Path | None, patients: int | None, weeks: float | None, seed: int | None,
    settings: tuple[str, ...], dry_run: bool, as_json: bool, **resources: Any,
) -> Exit:  # fmt: skip
    """Run STUDY: every patient in every arm, into a folder with dataset, summary and manifest.

    A study with a sweep is run in every scenario, into one folder.
    """
    from pulsatile.sweeps.scenarios.front import run as carry_out
    from pulsatile.sweeps.study.schema import load_study

    changes = _overrides(patients, weeks, seed, settings)
    loaded = load_study(study, changes, shorten=weeks is not None)
    wanted = runs.resources_from(resources)
    if dry_run:
        return dry_run_of(loaded, wanted, as_json)
    from pulsatile.sweeps.run.progress import progress_for

    folder = out if out is not None else Path("runs") / study.stem
    command, text = shlex.join(["pulsatile", *sys.argv[1:]]), study.read_text(encoding="utf-8")
    with progress_for() as progress:
        outcome = carry_out(loaded, folder, wanted, progress, text, command, tuple(changes), weeks is not None)
    return runs.report(outcome, as_json)


@main.command(
    epilog="\b\nExample:\n  pulsatile simulate --phenotype ghd --preset rhgh_low --weeks 12\n\n" + NOT_CLINICAL
)
@click.option(
    "--preset",
    "presets",
    multiple=True,
    default=("tesamorelin_label",),
    show_default=True,
    metavar="NAME",
    help="Regimen to compare with no treatment; repeatable; see `pulsatile presets`.",
)
@click.option("--phenotype", default="obese", show_default=True, help="lean, overweight, obese, igt, t2d or ghd.")
@click.option("--weeks", type=float, default=4, show_default=True)
@click.option("--patients", type=int, default=32, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@as_json
@guarded
def simulate(presets: tuple[str, ...], phenotype: str, weeks: float, patients: int, seed: int, as_json: bool) -> None:
    """Take a quick look: some patients on a preset against no treatment; nothing is written."""
    from pulsatile.engine.drugs.dose_rule import MOST_WEEKS
    from pulsatile.engine.simulate import simulate as run_patients
    from pulsatile.sweeps.study.resolve import resolve
    from pulsatile.sweeps.study.schema import study_from
    from pulsatile.sweeps.summary.summarise import summarise
    from pulsatile.sweeps.summary.table import study_notes
    from pulsatile.sweeps.workers.resources import cores

    visits = sorted({0, int(weeks) if 1 <= weeks <= MOST_WEEKS else 0})  # an invalid length is refused below
    arms = [
        {"name": "control", "preset": "control"},
        *({"name": name, "preset": name} for name in presets if name != "control"),
    ]
    data = {
        "weeks": weeks, "seed": seed, "population": {"n": patients, "phenotype": phenotype}, "arms": arms,
        "tests": [{"test": test, "weeks": visits} for test in ("fasting", "profile")],
    }  # fmt: skip
    resolved = resolve(study_from(data, "pulsatile simulate"))
    cohort = resolved.cohort(0, resolved.population.n)
    dataset = run_patients(cohort, resolved.arms, resolved.plan(), threads=cores())
    failed = int((dataset["status"].values != 0).sum())
    summary = summarise(dataset, "control")
    if as_json:
        rows = json.loads(summary.frame.to_json(orient="records"))
        sizes = {"patients": patients, "weeks": resolved.weeks, "seed": seed, "phenotype": phenotype}
        print_json({**sizes, "patient_arms": dataset["status"].size, "failed": failed, "summary": rows})
        return
    print_rich(summary.table())
    click.echo("\n".join(study_notes(resolved, failed)))


@main.command(epilog=NOT_CLINICAL)
@as_json
@guarded
def presets(as_json: bool) -> None:
    """List the regimens a study may name, and those whose numbers are not known."""
    from pulsatile.engine.drugs.presets import PRESETS

    if as_json:
        print_json({"presets": [asdict(row) for row in PRESETS.values()]})
        return
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), caption=NOT_CLINICAL, caption_justify="left")
    for head in ("preset", "weeks", "standing", "what"):
        grid.add_column(head, overflow="fold")
    for row in PRESETS.values():
        what = (
            row.description if row.available else f"{row.description}\n[red]unavailable; missing: {row.missing}[/red]"
        )
        grid.add_row(row.name, f"{row.weeks:g}", row.standing, what)
    print_rich(grid)


@main.command(
    epilog="\b\nExample, while an image is built:\n"
    "  PULSATILE_CACHE_DIR=/opt/kernels pulsatile warm examples/quick.yaml"
)
@_STUDY
@_SET
@guarded
def warm(study: Path, settings: tuple[str, ...]) -> None:
    """Compile and keep the kernels that STUDY needs, so that later runs start at once.

    They are kept in PULSATILE_CACHE_DIR, else in the user's cache, for processors like this one.  A filled folder may
    be made read-only.
    """
    from pulsatile.engine.kernel._jit import cache_folder, wanted_folder
    from pulsatile.sweeps.chunk.run_chunk import warm_up
    from pulsatile.sweeps.errors import CannotWrite
    from pulsatile.sweeps.run.estimate import prepare
    from pulsatile.sweeps.study.schema import load_study

    loaded, folder = load_study(study, settings), wanted_folder()
    if cache_folder() != folder:
        raise CannotWrite(f"{folder} cannot be written; set PULSATILE_CACHE_DIR to a folder that can.")
    seconds = warm_up(prepare(loaded).resolved)
    click.echo(f"kernels of {study} are ready after {seconds:.1f} s, in {folder}")


@main.command(epilog="\b\nExample:\n  pulsatile schema > study.schema.json")
@guarded
def schema() -> None:
    """Print the JSON schema of study files, for editors that complete and check as you type."""
    from pulsatile.sweeps.study.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=1))


@main.command(epilog="\b\nExample:\n  pulsatile validate study.yaml")
@_STUDY
@_SET
@as_json
@guarded
def validate(study: Path, settings: tuple[str, ...], as_json: bool) -> None:
    """Check STUDY and say what it asks for; a study that is valid starts.

    All is done that `run` does before it makes its folder: tables are read, a matched dose is found on its pilot, the
    first patients are drawn, this machine's memory is compared.
    """
    from pulsatile.sweeps.run.estimate import prepare
    from pulsatile.sweeps.study.doses import dose_sentences, rules
    from pulsatile.sweeps.study.schema import load_study

    loaded = load_study(study, settings)
    if loaded.sweep is not None:
        validate_sweep(study, loaded, as_json, runs.say_on)
        return
    ready = prepare(loaded, note=runs.say_on)
    resolved = ready.resolved
    if as_json:
        print_json(
            {
                "study": str(study), "valid": True, "identity": resolved.identity, "title": resolved.title,
                "seed": resolved.seed, "weeks": resolved.weeks, "patients": resolved.population.n,
                "population": resolved.population.words, "arms": [rules(arm, resolved.weeks) for arm in resolved.arms],
                "control": resolved.control, "sentences": list(ready.sentences),
            }
        )  # fmt: skip
        return
    click.echo(
        f"{study}: right; {loaded.size_in_words} in {len(loaded.arms)} arms for {loaded.weeks:g} weeks: "
        f"{', '.join(arm.name for arm in loaded.arms)}."
    )
    for sentence in (*dose_sentences(resolved.arms, resolved.weeks), *resolved.of_the_trial, *ready.sentences):
        click.echo(sentence)


for command in (
    *runs.COMMANDS,
    population.population,
    sensitivity.sensitivity,
    budget.budget,
    power.power,
    examples.examples,
):
    main.add_command(command)
