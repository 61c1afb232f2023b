"""Ctrl-C in a long run, or a request from another shell: finish the chunks in progress, then stop."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread, stack_size
from types import FrameType
from typing import Any

from pulsatile.sweeps.disk.lock import Held
from pulsatile.sweeps.run.progress import Progress

POLL = 0.1
"""s between two checks of whether the run is to stop, while it waits."""
STACK = 64 * 2**20
"""Bytes of the stack of a thread that compiles: some systems give it half a MB."""


class Interrupt:
    """Ctrl-C and SIGTERM: the first signal stops the run after the chunks in progress, the second stops it at once.

    `pulsatile cancel` acts like the first signal, and so does the loss of the lock.  Inside the block of another, such
    as that of a sweep, it stops when the outer one is asked to, and tells it of its own signals.
    """

    def __init__(self, progress: Progress, lock: Held | None = None) -> None:
        self._signalled = False
        self._progress, self._lock = progress, lock
        self._outer: Interrupt | None = None

    @property
    def asked(self) -> bool:
        """Whether the run is to stop; cheap enough to be read at any time."""
        stopped = self._lock is not None and (self._lock.cancelled or self._lock.lost)
        return self._signalled or stopped or (self._outer is not None and self._outer.asked)

    def during(self, work: Callable[[], float]) -> float | None:
        """Return the result of ``work``; None where the run is to stop before it ends.

        The work then goes on in its thread: a compiler cannot be interrupted, and in the main thread it would delay the
        signal as well.
        """
        ended: list[float | BaseException] = []

        def carry_out() -> None:
            try:
                ended.append(work())
            except BaseException as error:
                ended.append(error)

        before = stack_size(STACK)
        try:
            thread = Thread(target=carry_out, daemon=True)
            thread.start()
        finally:
            stack_size(before)
        while thread.is_alive() and not self.asked:
            thread.join(POLL)
        if not ended:
            return None
        if isinstance(ended[0], BaseException):
            raise ended[0]
        return ended[0]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signal()
        self._progress.note("Stopping after the chunks in progress; Ctrl-C once more stops at once.")

    def _signal(self) -> None:
        self._signalled = True
        if self._outer is not None:
            self._outer._signal()

    @contextmanager
    def installed(self) -> Iterator["Interrupt"]:
        """Handle the signals while the block runs (in the main thread only)."""
        kept: dict[int, Any] = {}
        before = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
        self._outer = before if isinstance(before, Interrupt) else None
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                kept[number] = signal.signal(number, self._handle)
        except ValueError:  # not the main thread: the caller handles signals
            pass
        try:
            yield self
        finally:
            for code, handler in kept.items():
                signal.signal(code, handler)
