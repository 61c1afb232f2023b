"""Ctrl-C twice ends a command, also while it compiles or waits for a library.

Python calls signal handlers only between two steps of the main thread, which a compiler can block for long; the wakeup
socket receives a signal at once, and a thread reads it there.
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
"""s that the main thread has after the second signal to end workers and to release the folder."""


class Signals:
    """The ``count`` of Ctrl-C and SIGTERM received while a command runs."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self, receiver: socket.socket) -> None:
        """Count signals; end the process `GRACE` seconds after the second."""
        with receiver:
            while numbers := receiver.recv(16):
                self.count += sum(number in (signal.SIGINT, signal.SIGTERM) for number in numbers)
                if self.count > 1:
                    time.sleep(GRACE)
                    os._exit(Exit.INTERRUPTED)  # what is committed is on disk; the lock of a dead process is free


@contextmanager
def leaving() -> Iterator[Signals]:
    """End the process after a second signal while the block runs (in the main thread only)."""
    seen, (receiver, sender) = Signals(), socket.socketpair()
    sender.setblocking(False)
    with sender:
        try:
            before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        except ValueError:  # not the main thread: the caller handles signals
            receiver.close()
            yield seen
            return
        Thread(target=seen.listen, args=(receiver,), daemon=True).start()
        try:
            yield seen
        finally:
            signal.set_wakeup_fd(before)


def leave(code: Exit, seen: Signals) -> None:
    """End the process with a code; at once after a signal, as a thread may still compile."""
    if code is Exit.INTERRUPTED and seen.count:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(int(code))
