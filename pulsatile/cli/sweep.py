"""What commands print of a sweep: its scenarios and runs, and how it ended."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pulsatile.cli.guard import print_json, say
from pulsatile.sweeps.errors import NOT_CLINICAL, Exit

if TYPE_CHECKING:
    from pulsatile.sweeps.scenarios.carry_out import SweepOutcome
    from pulsatile.sweeps.study.schema import Study


def report_sweep(outcome: "SweepOutcome", as_json: bool) -> Exit:
    """Print how a sweep ended: its folder and digest, or one JSON object."""
    folder, code, record = outcome.folder, outcome.code, outcome.record
    if as_json:
        print_json(
            {
                "code": int(code), "folder": str(folder), "digest": record.digest, "patient_arms": outcome.patient_arms,
                "failed": outcome.failed, "seconds": round(outcome.seconds, 3), "runs": list(record.runs),
                "scenarios": [{"values": row.values, "run": row.run, "digest": row.digest} for row in record.rows],
            }
        )  # fmt: skip
        return code
    if code is Exit.INTERRUPTED:
        click.echo(f"Interrupted; committed chunks are kept. Go on with: pulsatile resume {folder}", err=True)
        return code
    click.echo(
        f"{len(record.rows)} scenarios in {len(record.runs)} runs, {outcome.patient_arms} patient-arms, "
        f"{outcome.failed} failed, in all {outcome.seconds:.1f} s"
    )
    if record.digest:
        click.echo(f"scenarios.csv, summary.csv and the runs in {folder}\n{NOT_CLINICAL}\ndigest: {record.digest}")
    else:
        say(f"the sweep is not finished; `pulsatile status {folder}` tells which runs, `resume` goes on.")
    click.echo(f"results: {folder}")
    return code


def validate_sweep(path: Path, study: "Study", as_json: bool, note: Callable[[str], None]) -> None:
    """Check every scenario of a study with a sweep, prepare every run, and say what the sweep asks for."""
    from pulsatile.sweeps.run.estimate import prepare
    from pulsatile.sweeps.scenarios.grouping import grouped
    from pulsatile.sweeps.scenarios.table import scenarios

    rows = scenarios(study)
    runs = grouped(rows)
    ready = [prepare(run.study, note=note) for run in runs]
    sentences = list(dict.fromkeys(sentence for run in ready for sentence in run.sentences))
    if as_json:
        print_json(
            {
                "study": str(path), "valid": True, "scenarios": [row.values for row in rows], "sentences": sentences,
                "runs": [
                    {"identity": r.resolved.identity, "patients": r.resolved.population.n, "arms": run.names,
                     "scenarios": list(run.arms)}
                    for run, r in zip(runs, ready, strict=True)
                ],
            }
        )  # fmt: skip
        return
    arms = sum(len(run.names) for run in runs)
    click.echo(
        f"{path}: right; {len(rows)} scenarios in {len(runs)} runs with {arms} arms in all, of "
        f"{ready[0].resolved.population.n} patients for {study.weeks:g} weeks."
    )
    for row in rows:
        click.echo(f"{row.words}")
    for sentence in sentences:
        click.echo(sentence)
