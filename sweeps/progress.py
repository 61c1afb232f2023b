"""Progress of a run on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Protocol, Self, TextIO

PLAIN_EVERY = 10.0  # s between plain lines


class Progress(Protocol):
    """What a run tells while it goes on."""

    def note(self, text: str) -> None:
        """Say one sentence."""

    def start(self, patients: int) -> None:
        """Begin to count patients (each in all arms)."""

    def advance(self, patients: int, failed: int) -> None:
        """Count patients done; ``failed`` of their runs failed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PlainProgress:
    """One line at most every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total = self._done = self._failed = 0
        self._begin = self._last = time.monotonic()

    def note(self, text: str) -> None:
        """Say one sentence."""
        print(text, file=self._stream, flush=True)

    def start(self, patients: int) -> None:
        """Begin to count patients."""
        self._total = patients
        self._begin = self._last = time.monotonic()

    def advance(self, patients: int, failed: int) -> None:
        """Count patients done."""
        self._done += patients
        self._failed += failed
        now = time.monotonic()
        if now - self._last >= PLAIN_EVERY or self._done >= self._total:
            self._last = now
            spent = now - self._begin
            left = spent / self._done * (self._total - self._done)
            self.note(
                f"{self._done}/{self._total} patients, {100 * self._done // self._total} %, "
                f"{spent:.0f} s gone, about {left:.0f} s left, {self._failed} failed runs"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class SilentProgress(PlainProgress):
    """Says nothing (for programs)."""

    def note(self, text: str) -> None:
        """Say nothing."""


class BarProgress:
    """A bar by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichBar

        self._console = Console(stderr=True)
        self._bar = RichBar(
            TextColumn("patients"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("gone,"),
            TimeRemainingColumn(), TextColumn("left, {task.fields[failed]} failed runs"), console=self._console,
        )  # fmt: skip
        self._task = self._bar.add_task("patients", total=None, failed=0, visible=False)
        self._failed = 0

    def note(self, text: str) -> None:
        """Say one sentence above the bar."""
        self._bar.console.print(text, highlight=False, markup=False)

    def start(self, patients: int) -> None:
        """Begin to count patients."""
        self._bar.reset(self._task, total=patients, failed=0, visible=True)

    def advance(self, patients: int, failed: int) -> None:
        """Count patients done."""
        self._failed += failed
        self._bar.update(self._task, advance=patients, failed=self._failed)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def progress_for(stream: TextIO | None = None) -> Progress:
    """Return a bar when stderr is a terminal, else plain lines."""
    stream = stream or sys.stderr
    return BarProgress() if stream.isatty() else PlainProgress(stream)
