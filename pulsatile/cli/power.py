"""The command for power and assurance: how likely a trial of n patients is to succeed, from one finished run."""

from pathlib import Path

import click

from pulsatile.cli.guard import as_json, guarded, print_json, print_rich
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import NOT_CLINICAL, Exit


@click.command(
    epilog="\b\nExample:\n"
    "  pulsatile power runs/a --endpoint vat --arm tesamorelin --week 26 --n 20,50,100\n"
    '  pulsatile power runs/a --endpoint vat --arm tesamorelin --measure percent --responder "<= -8"\n\n' + NOT_CLINICAL
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--endpoint", required=True, metavar="NAME", help="A variable of the run, or an event: vat_responder.")
@click.option("--arm", required=True, metavar="ARM", help="The arm under test.")
@click.option("--against", metavar="ARM", help="The arm that it is compared with; default the run's control.")
@click.option("--week", type=float, metavar="W", help="Treatment week; default the last with a value.")
@click.option("--n", "sizes", metavar="N,N,...", help="Patients per arm; default 20,30,50,75,100,150,200,300,400,500.")
@click.option("--measure", default="change", show_default=True, help="change from week 0, percent of it, or value.")
@click.option("--design", default="parallel", show_default=True, help="parallel groups, or paired: all in both arms.")
@click.option("--success", metavar="RULE", help='When a trial succeeds, for example "difference < 0 at p < 0.05".')
@click.option("--responder", metavar="RULE", help='Compare shares of responders, for example "<= -8".')
@click.option("--trials", type=int, default=1000, show_default=True, help="Trials drawn from the run's patients.")
@click.option("--draws", type=int, default=1000, show_default=True, help="Draws of the uncertainty of the run.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of all draws.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for power.csv.")
@as_json
@guarded
def power(
    folder: Path, endpoint: str, arm: str, against: str | None, week: float | None, sizes: str | None, measure: str,
    design: str, success: str | None, responder: str | None, trials: int, draws: int, seed: int, out: Path | None,
    as_json: bool,
) -> Exit:  # fmt: skip
    """Power and assurance of trials of n patients per arm, from the finished run in DIR.

    The patients of the run differ as those of a trial would; the interval and the assurance have the uncertainty of the
    run's own number of patients.
    """
    from pulsatile.sweeps.analysis.trials.power import SIZES
    from pulsatile.sweeps.analysis.trials.power import power as power_of

    n = SIZES if sizes is None else _numbers(sizes)
    found = power_of(
        folder, endpoint, arm=arm, against=against, week=week, n=n, measure=measure, design=design, success=success,
        responder=responder, trials=trials, draws=draws, seed=seed,
    )  # fmt: skip
    path = None if out is None else found.save(out)
    if as_json:
        rows = found.frame.to_dict(orient="records")
        print_json(
            {"label": found.label, "success": found.success, "rows": rows, "sentences": list(found.sentences)}
            | ({} if path is None else {"files": [str(path)]})
        )
        return Exit.DONE
    print_rich(found.table())
    for sentence in found.sentences:
        click.echo(sentence)
    if path is not None:
        click.echo(f"{path.name} in {out}")
    click.echo(NOT_CLINICAL)
    return Exit.DONE


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a list with commas."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--n {text} is not a list of whole numbers; write for example --n 20,50,100.") from None
