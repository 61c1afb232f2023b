"""Exit codes and error sentences of all commands, and the helpers that commands share."""

import json
import os
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import click

from pulsatile.cli import stop
from pulsatile.cli.leave import leave, leaving
from pulsatile.cli.streams import NotWritten
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.errors import SCREEN, Exit, Refusal

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")


def say(sentence: str) -> None:
    """Print a sentence (or several lines of them) to stderr."""
    for line in sentence.splitlines():
        click.echo(f"pulsatile: error: {line}", err=True)


def print_json(data: Any) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(data, indent=1))


def print_rich(renderable: Any) -> None:
    """Print a table, also where the output is not a terminal."""
    from rich.console import Console

    console = Console(emoji=False)  # a name such as :smile: stays as it was written
    if not console.is_terminal:
        console = Console(width=SCREEN, emoji=False)
    console.print(renderable)


def _log(folder: Path | None) -> Path:
    """Write the current traceback to a file, in the folder of a run where one is given, and return its path."""
    text = traceback.format_exc()
    if folder is not None and (folder / "journal.jsonl").is_file():
        path = folder / "error.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)  # never through a link
        with suppress(OSError), os.fdopen(os.open(path, flags, 0o644), "w", encoding="utf-8") as log:
            log.write(text)
            return path
    with tempfile.NamedTemporaryFile("w", prefix="pulsatile-", suffix=".log", delete=False) as file:
        file.write(text)
    return Path(file.name)


def guarded(command: Callable[..., Exit | None]) -> Callable[..., None]:
    """Turn every end of a command into an exit code, and every error into one sentence."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        with leaving() as seen:
            try:
                stop.in_commands()
                code = command(*args, **kwargs) or Exit.DONE
            except InputError as error:
                say(str(error))
                code = Exit.BAD_INPUT
            except Refusal as error:
                say(str(error))
                code = error.code
            except KeyboardInterrupt:
                say("interrupted.")
                code = Exit.INTERRUPTED
            except (click.ClickException, click.exceptions.Exit, NotWritten):
                raise
            except BrokenPipeError:
                code = Exit.CANNOT_WRITE
            except Exception as error:
                computes = "threads" in kwargs  # a command that only reads a run changes nothing in its folder
                path = _log((kwargs.get("out") or kwargs.get("folder")) if computes else None)
                reason = " ".join(str(error).split())[:200] or "no reason given"
                say(f"internal error: {type(error).__name__}: {reason}; the traceback is in {path}.")
                code = Exit.INTERNAL
            leave(code, seen)

    return wrapped
