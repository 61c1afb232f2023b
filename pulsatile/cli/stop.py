"""Ctrl-C before a command has begun, while Python still imports: a plain end in place of a traceback."""

import os
import signal
from contextlib import suppress
from types import FrameType

INTERRUPTED = 130
"""`sweeps.errors.Exit.INTERRUPTED`, known before anything else is imported."""


def _stop(number: int, frame: FrameType | None) -> None:
    """End at once: nothing has begun that could be lost."""
    os._exit(said())


def said() -> int:
    """Tell that the command was interrupted; return the exit code."""
    with suppress(OSError):
        os.write(2, b"pulsatile: error: interrupted.\n")
    return INTERRUPTED


def before_commands() -> None:
    """Let Ctrl-C end the process at once, unless its parent or caller decides about Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def in_commands() -> None:
    """Let Ctrl-C be an exception again, which a command handles in its own way."""
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
