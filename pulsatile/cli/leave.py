"""Ctrl-C twice ends a command, whatever it does: also while it compiles, or waits for a library.

Python tells its handlers of a signal between two steps of the main thread only, which a compiler can keep for long; the
operating system writes it into a socket at once, where a thread reads it.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from pulsatile.sweeps.errors import Exit

GRACE = 1.5
"""s that the main thread has, after the second, to end workers and to give the folder back."""


class Signals:
    """Which of Ctrl-C and SIGTERM came while a command went on: ``count`` of them."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self, told: socket.socket) -> None:
        """Count signals; end the process some time after the second."""
        with told:
            while numbers := told.recv(16):
                self.count += sum(number in (signal.SIGINT, signal.SIGTERM) for number in numbers)
                if self.count > 1:
                    time.sleep(GRACE)
                    os._exit(Exit.INTERRUPTED)  # what is committed is on disk; the lock of a dead process is free


@contextmanager
def leaving() -> Iterator[Signals]:
    """End the process after a second signal while the block runs (in the main thread only)."""
    seen, (told, teller) = Signals(), socket.socketpair()
    teller.setblocking(False)
    with teller:
        try:
            before = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
        except ValueError:  # not the main thread: the caller's business
            told.close()
            yield seen
            return
        Thread(target=seen.listen, args=(told,), daemon=True).start()
        try:
            yield seen
        finally:
            signal.set_wakeup_fd(before)


def leave(code: Exit, seen: Signals) -> None:
    """End the process with a code; where a signal asked for it at once, as a thread may still compile."""
    if code is Exit.INTERRUPTED and seen.count:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(int(code))
