"""Ctrl-C in a long run: finish what is in hand, then stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sweeps.progress import Progress


class Interrupt:
    """Ctrl-C and SIGTERM: the first asks the run to stop after the chunks in hand, the second stops at once."""

    def __init__(self, progress: Progress) -> None:
        self.asked = False
        self._progress = progress

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._progress.note("Stopping after the chunks in hand; once more stops at once.")

    @contextmanager
    def installed(self) -> Iterator["Interrupt"]:
        """Take the signals while the block runs (in the main thread only)."""
        kept: dict[int, Any] = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                kept[number] = signal.signal(number, self._handle)
        except ValueError:  # not the main thread: the caller's business
            pass
        try:
            yield self
        finally:
            for code, handler in kept.items():
                signal.signal(code, handler)
