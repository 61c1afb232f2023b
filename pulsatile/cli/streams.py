"""The standard streams of the command line: closed, full or ASCII ones end in a sentence and an exit code.

A message that stderr does not take is dropped: a run does not end because its progress cannot be shown.
"""

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

CANNOT_WRITE = 3
"""`sweeps.errors.Exit.CANNOT_WRITE`, known before anything else is imported."""


class NotWritten(Exception):
    """Standard output does not take what is printed; raised once, what follows is dropped."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written ({error.strerror or error})")
        self.reader_left = error.errno == errno.EPIPE


class _Output(io.FileIO):
    failed = False

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        if not self.failed:
            try:
                return super().write(data)
            except OSError as error:
                self.failed = True
                raise NotWritten(error) from None
        return len(data)


class _Messages(io.FileIO):
    def write(self, data: Any) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare() -> None:
    """Open the streams that are closed, and let those for output write any character.

    A closed stream would give its number to the next file that is opened, and a library would print into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # so that printing to 1 is an error
    sys.stdout = _text(1, sys.stdout, _Output)
    sys.stderr = _text(2, sys.stderr, _Messages)


def _text(number: int, old: TextIO | None, kind: "Callable[..., io.FileIO]") -> TextIO:
    if os.name == "nt" and isinstance(old, io.TextIOWrapper):  # a console there is no file
        old.reconfigure(errors="backslashreplace")
        return old
    raw = kind(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(old, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=number == 2 or raw.isatty(),
        write_through=getattr(old, "write_through", False),
    )


def flushed(code: object) -> object:
    """Return the exit code once everything is printed: ``code``, or that of an output that cannot be written."""
    try:
        sys.stdout.flush()
    except NotWritten as error:
        return code or refused(error)
    return code


def refused(error: NotWritten) -> int:
    """Tell that standard output cannot be written, unless its reader left; return the exit code."""
    if not error.reader_left:
        print(f"pulsatile: error: {error}.", file=sys.stderr)
    return CANNOT_WRITE
