"""Commands on the folder of a run or a sweep: resume, expand, status, verify, heal, digest, cancel, unlock."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pulsatile.cli.guard import as_json, guarded, print_json, print_rich, say
from pulsatile.cli.sweep import report_sweep
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import NOT_CLINICAL, Exit

if TYPE_CHECKING:
    from pulsatile.sweeps.run.driver import Outcome
    from pulsatile.sweeps.scenarios.carry_out import SweepOutcome

_FOLDER = click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
_RESOURCES = {
    "chunk": click.option("--chunk", type=int, metavar="N", help="Patients per task; changes no number."),
    "workers": click.option(
        "--workers", type=int, metavar="N", help="Processes; default one per 8 cores; 0 or 1: this process."
    ),
    "threads": click.option(
        "--threads", type=int, metavar="N",
        help="Threads per process, in one process without --workers; default all cores, 1 with --workers. "
        "With --scheduler: per task, default 1.",
    ),
    "scheduler": click.option(
        "--scheduler", metavar="ADDRESS", help="Use a running Dask cluster, for example tcp://host:8786."
    ),
    "slurm": click.option(
        "--slurm", type=click.Path(path_type=Path), metavar="FILE", help="Use SLURM as FILE says; see docs/clusters.md."
    ),
    "memory": click.option(
        "--memory", metavar="SIZE", help='Memory of one process, for example "2 GB"; default its share.'
    ),
    "gate": click.option(
        "--gate", type=float, metavar="SHARE",
        help="Share of failed patient-arms above which a run counts as failed; default 0.05.",
    ),
}  # fmt: skip


def resource_options(*without: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the options of `Resources` to a command, without those named."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, option in reversed(_RESOURCES.items()):
            if name not in without:
                command = option(command)
        return command

    return add


def resources_from(options: dict[str, Any]) -> Any:
    """Return the `Resources` of the command line's options."""
    from pulsatile.sweeps.workers.resources import Resources

    return Resources.from_options(**options)


def report(outcome: "Outcome | SweepOutcome", json_wanted: bool = False) -> Exit:
    """Print how a run or sweep ended: its table and its folder, or one JSON object."""
    from pulsatile.sweeps.run.driver import Outcome
    from pulsatile.sweeps.summary.table import study_notes

    if not isinstance(outcome, Outcome):
        return report_sweep(outcome, json_wanted)

    folder, code = outcome.folder, outcome.code
    if json_wanted:
        print_json(
            {
                "code": int(code), "folder": str(folder), "identity": outcome.identity, "digest": outcome.digest,
                "patient_arms": outcome.patient_arms, "failed": outcome.failed, "seconds": outcome.seconds,
                "poison": outcome.poison,
            }
        )  # fmt: skip
        return code
    if code is Exit.INTERRUPTED:
        say_on(f"Interrupted; committed chunks are kept. Go on with: pulsatile resume {folder}")
        return code
    if outcome.summary is not None and not outcome.summary.frame.empty:
        print_rich(outcome.summary.table())
        if outcome.trial is not None:
            print_rich(outcome.trial.table())
        click.echo("\n".join(study_notes(outcome.resolved, outcome.failed)))
    seconds = outcome.seconds
    click.echo(
        f"planning {seconds['planning']:.1f} s, kernels {seconds['compile']:.1f} s, "
        f"integration {seconds['integration']:.1f} s, in all {seconds['total']:.1f} s"
    )
    if outcome.digest:
        click.echo(f"digest: {outcome.digest}")
    click.echo(f"results: {folder}")
    if code is Exit.FAILED_PATIENTS:
        say(
            f"{outcome.failed} of {outcome.patient_arms} patient-arms failed, more than the gate allows"
            f"{'' if outcome.digest else ', and the run stopped'}; see status in the dataset."
        )
    for position, why in outcome.poison.items():
        say(f"patient at position {position} was left out ({why}); `pulsatile resume {folder}` tries again.")
    return code


def say_on(sentence: str) -> None:
    """Print a sentence that is not an error to stderr."""
    click.echo(sentence, err=True)


@click.command(epilog="\b\nExample:\n  pulsatile resume runs/a\n\n" + NOT_CLINICAL)
@_FOLDER
@resource_options("chunk")
@as_json
@guarded
def resume(folder: Path, as_json: bool, **resources: Any) -> Exit:
    """Go on with an interrupted run.

    Committed chunks in DIR are kept, the others are carried out; the digest is that of an uninterrupted run.
    """
    from pulsatile.sweeps.run.progress import progress_for
    from pulsatile.sweeps.scenarios.front import resume as go_on

    with progress_for() as progress:
        outcome = go_on(folder, resources_from(resources), progress)
    return report(outcome, as_json)


@click.command(
    epilog="\b\nExamples:\n"
    "  pulsatile expand runs/a --patients 2000\n"
    "  pulsatile expand runs/a --weeks 52\n"
    "  pulsatile expand runs/a --arm sermorelin=sermorelin_2mg_hs\n"
    "  pulsatile expand runs/a --study larger.yaml           any of these, and other outputs (computed anew)\n\n"
    + NOT_CLINICAL
)
@_FOLDER
@click.option("--patients", type=int, metavar="N", help="Patients in all.")
@click.option("--replicates", type=click.IntRange(1), metavar="R", help="Replicates of the design in all.")
@click.option(
    "--weeks", type=float, metavar="W", help="Weeks in all; tests made at the old end are made at the new too."
)
@click.option("--arm", "arms", multiple=True, metavar="NAME=PRESET", help="A further arm; repeatable.")
@click.option(
    "--study", type=click.Path(path_type=Path), metavar="FILE", help="The larger study as a file, in place of these."
)
@resource_options("gate")
@as_json
@guarded
def expand(
    folder: Path, patients: int | None, replicates: int | None, weeks: float | None, arms: tuple[str, ...],
    study: Path | None, as_json: bool,
    **resources: Any,
) -> Exit:  # fmt: skip
    """Add patients, arms or weeks.

    The finished run in DIR becomes larger: the old part stays bit for bit, only the new work is done.  The result is
    what one fresh run of the full size gives, with its identity and digest.  Until all is done, DIR holds the finished
    run as it was.
    """
    from pulsatile.sweeps.run.expand import Growth
    from pulsatile.sweeps.run.progress import progress_for
    from pulsatile.sweeps.scenarios.front import expand as grow
    from pulsatile.sweeps.study.schema import load_study

    pairs = []
    for text in arms:
        name, equals, preset = text.partition("=")
        if not (name and equals and preset):
            raise InputError(f"--arm {text!r} is not NAME=PRESET; write for example --arm rhgh=rhgh_low.")
        pairs.append((name, preset))
    if study is not None and (patients is not None or replicates is not None or weeks is not None or arms):
        raise InputError("--study says all of the larger study; leave the other options out.")
    loaded = None if study is None else load_study(study, [])
    source = "" if study is None else study.read_text(encoding="utf-8")
    with progress_for() as progress:
        growth = Growth(patients, weeks, tuple(pairs), loaded, replicates)
        outcome = grow(folder, growth, resources_from(resources), progress, source)
    return report(outcome, as_json)


@click.command(epilog="\b\nExample:\n  pulsatile verify runs/a\n\n" + NOT_CLINICAL)
@_FOLDER
@as_json
@guarded
def verify(folder: Path, as_json: bool) -> Exit:
    """Check every file of a run.

    Every file of DIR is compared with the SHA-256 that was committed; exit code 6 for damage.
    """
    from pulsatile.sweeps.population.seal import population_findings
    from pulsatile.sweeps.run.verify import stateless
    from pulsatile.sweeps.scenarios.front import verify as check
    from pulsatile.sweeps.scenarios.record import is_sweep

    of_run = check(folder)
    findings = of_run + population_findings(folder)
    without = [] if findings or is_sweep(folder) else stateless(folder)
    if as_json:
        print_json({"sound": not findings, "findings": [asdict(finding) for finding in findings],
                    "without_states": without})  # fmt: skip
    elif without:
        click.echo(
            f"{folder}: the results are sound, but {len(without)} chunk(s) have no run-in and end states, because "
            "states.zarr was not there when they were committed; `pulsatile expand` computes their patients anew."
        )
    elif not findings:
        click.echo(f"{folder}: sound; every file is what was committed.")
    else:
        for finding in findings[:20]:
            say(f"{folder / finding.path}: {finding.what}.")
        if len(findings) > 20:
            say(f"and {len(findings) - 20} files more.")
        chunks = {finding.chunk for finding in findings} - {None}
        if of_run:
            say_on(f"`pulsatile heal {folder}` mends it; {len(chunks)} chunk(s) will be computed again.")
        if len(findings) > len(of_run):
            say_on("`pulsatile population build` as it was given writes the population again.")
    return Exit.DAMAGE if findings else Exit.DONE


@click.command(epilog="\b\nExample:\n  pulsatile heal runs/a\n\n" + NOT_CLINICAL)
@_FOLDER
@resource_options("chunk", "gate")
@as_json
@guarded
def heal(folder: Path, as_json: bool, **resources: Any) -> Exit:
    """Repair a damaged run.

    Only the damaged chunks of DIR are computed again; the digest must come out the same.
    """
    from pulsatile.sweeps.run.progress import progress_for
    from pulsatile.sweeps.scenarios.front import heal as mend

    with progress_for() as progress:
        healed = mend(folder, resources_from(resources), progress)
    if as_json:
        print_json(asdict(healed))
    else:
        click.echo(
            f"{folder}: {len(healed.findings)} damaged file(s), {len(healed.chunks)} chunk(s) computed again; sound now"
            f"{', digest unchanged' if healed.digest else ''}."
        )
    return Exit.DONE


@click.command(epilog="\b\nExample:\n  pulsatile digest runs/a")
@_FOLDER
@as_json
@guarded
def digest(folder: Path, as_json: bool) -> Exit:
    """Print the digest of a finished run.

    It is computed again from the values stored in DIR; exit code 6 where it differs from what the run ended with.
    """
    from pulsatile.sweeps.scenarios.front import digest_of

    value = digest_of(folder)
    print_json({"digest": value}) if as_json else click.echo(value)
    return Exit.DONE


@click.command(epilog="\b\nExample, from another shell:\n  pulsatile status runs/a --watch")
@_FOLDER
@click.option("--watch", is_flag=True, help="Print it again every second until the run ends.")
@as_json
@guarded
def status(folder: Path, watch: bool, as_json: bool) -> Exit:
    """Print the progress of a run.

    Patients done and failed, rate, time left, bytes, and the process that holds DIR; from any shell or machine that
    sees the folder.
    """
    from pulsatile.sweeps.scenarios import front

    for report in front.watch(folder) if watch else [front.status(folder)]:
        print_json(report.to_json()) if as_json else click.echo("\n".join(report.lines()))
    return Exit.DONE


@click.command(epilog="\b\nExample:\n  pulsatile cancel runs/a")
@_FOLDER
@as_json
@guarded
def cancel(folder: Path, as_json: bool) -> Exit:
    """Ask a running run to stop.

    The driver that holds DIR, here or on another machine, stops after the chunks in progress; `resume` goes on.
    """
    from pulsatile.sweeps.scenarios.front import cancel_run as ask

    sentence = ask(folder)
    print_json({"told": sentence}) if as_json else click.echo(sentence)
    return Exit.DONE


@click.command(epilog="\b\nExample:\n  pulsatile unlock runs/a")
@_FOLDER
@as_json
@guarded
def unlock(folder: Path, as_json: bool) -> Exit:
    """Remove the lock of a dead process.

    Only one that a process on another machine left in DIR needs this; refuses while the holder lives.
    """
    from pulsatile.sweeps.scenarios.front import unlock as remove

    sentence = remove(folder)
    print_json({"told": sentence}) if as_json else click.echo(sentence)
    return Exit.DONE


COMMANDS = (resume, expand, status, verify, heal, digest, cancel, unlock)


def dry_run_of(study: Any, resources: Any, as_json: bool) -> Exit:
    """Print what a run of a study would need."""
    from pulsatile.sweeps.run.estimate import estimate as estimate_of
    from pulsatile.sweeps.run.estimate import prepare
    from pulsatile.sweeps.scenarios.estimate import dry_run_of_sweep
    from pulsatile.sweeps.study.doses import dose_sentences

    if study.sweep is not None:
        sweep = dry_run_of_sweep(study, resources)
        print_json(sweep.to_json()) if as_json else click.echo("\n".join(sweep.lines()))
        return Exit.DONE
    ready = prepare(study, resources)
    estimate = estimate_of(ready.resolved, ready.chunk, ready.spread)
    identity = ready.resolved.identity
    if as_json:
        print_json({"identity": identity, **asdict(estimate), "spread": estimate.spread._asdict()})
        return Exit.DONE
    doses = dose_sentences(ready.resolved.arms, ready.resolved.weeks)
    for sentence in (*ready.sentences, *doses, *estimate.lines()):
        click.echo(sentence)
    click.echo(f"identity {identity}")
    return Exit.DONE
