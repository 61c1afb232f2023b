"""The studies that are shipped: listed, printed, or written into a folder."""

from importlib.resources import files
from pathlib import Path

import click

from pulsatile.cli.guard import guarded
from pulsatile.engine.checks import choices
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import CannotWrite, Exit


def shipped() -> dict[str, str]:
    """Return the text of each shipped study by its name."""
    folder = files("pulsatile") / "examples"
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {name.removesuffix(".yaml"): (folder / name).read_text(encoding="utf-8") for name in found}


def _title(text: str) -> str:
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("title:"))


@click.command(
    epilog="\b\nExamples:\n"
    "  pulsatile examples                           which there are\n"
    "  pulsatile examples quick > study.yaml        one, to start from\n"
    "  pulsatile examples --out examples            all, as files; then: pulsatile run examples/quick.yaml"
)
@click.argument("name", required=False)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write all of them into this folder.")
@guarded
def examples(name: str | None, out: Path | None) -> Exit:
    """List the shipped studies, print the one called NAME, or write all into a folder."""
    studies = shipped()
    if name is not None and name not in studies:
        raise InputError(f"{name!r} is not a shipped study: {choices(name, studies)}.")
    if out is not None:
        chosen = studies if name is None else {name: studies[name]}
        for path in _written(out, chosen):
            click.echo(str(path))
    elif name is not None:
        click.echo(studies[name], nl=False)
    else:
        width = max(map(len, studies))
        for key, text in studies.items():
            click.echo(f"{key:{width}}  {_title(text)}")
    return Exit.DONE


def _written(out: Path, studies: dict[str, str]) -> list[Path]:
    """Write the studies into a folder, none over an existing file; return their paths."""
    paths = {out / f"{name}.yaml": text for name, text in studies.items()}
    if there := [path for path in paths if path.exists() or path.is_symlink()]:
        raise CannotWrite(f"{there[0]} exists already; give another folder, or move it away.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise CannotWrite(f"{out} cannot be written ({error.strerror}); give another folder.") from None
    return list(paths)
