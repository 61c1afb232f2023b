"""The studies that are shipped: listed, printed, or written into a folder."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from pulsatile.cli.guard import guarded
from pulsatile.engine.checks import choices
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import CannotWrite, Exit

STUDY, TABLE = ".yaml", ".csv"


def shipped() -> dict[str, dict[str, str]]:
    """Return the files of each shipped study by its name: the study, and a table of the same name if it has one.

    A study in a folder has the folder in its name: ``trials/Kotler2004``.
    """
    texts = dict(_texts(files("pulsatile") / "examples"))
    studies = sorted(name.removesuffix(STUDY) for name in texts if name.endswith(STUDY))
    return {
        name: {file: texts[file] for file in (name + STUDY, name + TABLE) if file in texts}
        for name in sorted(studies, key=lambda name: ("/" in name, name))
    }


def _texts(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        name = f"{above}{entry.name}"
        if entry.name.endswith((STUDY, TABLE)):
            yield name, entry.read_text(encoding="utf-8")
        elif entry.is_dir() and not above:
            yield from _texts(entry, f"{name}/")


def _title(text: str) -> str:
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("title:"))


@click.command(
    epilog="\b\nExamples:\n"
    "  pulsatile examples                           which there are\n"
    "  pulsatile examples quick > study.yaml        one, to start from\n"
    "  pulsatile examples trials/Kotler2004         a published trial\n"
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
        chosen = studies.values() if name is None else [studies[name]]
        for path in _written(out, {file: text for one in chosen for file, text in one.items()}):
            click.echo(str(path))
    elif name is not None:
        text, *tables = studies[name].items()
        click.echo(text[1], nl=False)
        for file, _ in tables:
            click.echo(f"{file} belongs to it: `pulsatile examples {name} --out DIR` writes both.", err=True)
    else:
        width = max(map(len, studies))
        for key, one in studies.items():
            click.echo(f"{key:{width}}  {_title(one[key + STUDY])}")
    return Exit.DONE


def _written(out: Path, texts: dict[str, str]) -> list[Path]:
    """Write the files into a folder, none over an existing file; return their paths."""
    paths = {out / name: text for name, text in texts.items()}
    if there := [path for path in paths if path.exists() or path.is_symlink()]:
        raise CannotWrite(f"{there[0]} exists already; give another folder, or move it away.")
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise CannotWrite(f"{out} cannot be written ({error.strerror}); give another folder.") from None
    return list(paths)
