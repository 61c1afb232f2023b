"""Progress of a run on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TextIO

PLAIN_EVERY = 10.0  # s between plain lines


class Progress(Protocol):
    """Where a run reports its progress."""

    def note(self, text: str) -> None:
        """Print one sentence."""

    def start(self, patients: int, done: int = 0) -> None:
        """Start counting patients (each in all arms); ``done`` of them were finished earlier."""

    def advance(self, patients: int, failed: int, written: int = 0) -> None:
        """Count finished patients; ``failed`` of their runs failed, ``written`` bytes are on disk."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class Count:
    """Finished part of a run; the rate counts this session only, not patients finished earlier."""

    total: int = 0
    done: int = 0
    failed: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        """Start counting."""
        self.begin, self._earlier = time.monotonic(), self.done

    def add(self, patients: int, failed: int, written: int) -> None:
        """Count a chunk."""
        self.done += patients
        self.failed += failed
        self.written += written

    @property
    def rate(self) -> float:
        """Patients per second."""
        return (self.done - self._earlier) / max(time.monotonic() - self.begin, 1e-3)

    def __str__(self) -> str:
        text = f"{self.done}/{self.total} patients, {self.failed} failed"
        if self.rate:
            text += f", {pace(self.rate)}, {span((self.total - self.done) / self.rate)} left"
        return text + (f", {size(self.written)}" if self.written else "")


class PlainProgress:
    """One line at most every ten seconds, and one at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._count = Count()
        self._last = self._count.begin

    def note(self, text: str) -> None:
        """Print one sentence."""
        print(text, file=self._stream, flush=True)

    def start(self, patients: int, done: int = 0) -> None:
        """Start counting patients."""
        self._count = Count(patients, done)
        self._last = self._count.begin

    def advance(self, patients: int, failed: int, written: int = 0) -> None:
        """Count finished patients."""
        self._count.add(patients, failed, written)
        now = time.monotonic()
        if now - self._last >= PLAIN_EVERY or self._count.done >= self._count.total:
            self._last = now
            self.note(str(self._count))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class SilentProgress(PlainProgress):
    """Prints nothing (for programs)."""

    def note(self, text: str) -> None:
        """Print nothing."""


class BarProgress:
    """A bar by rich, narrow enough for 80 columns; the elapsed time shows that the run is alive."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichBar

        self._bar = RichBar(
            BarColumn(12),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True, emoji=False),
        )
        self._task = self._bar.add_task("", total=None, visible=False)
        self._count = Count()

    def note(self, text: str) -> None:
        """Print one sentence above the bar."""
        self._bar.console.print(text, highlight=False, markup=False, emoji=False)

    def start(self, patients: int, done: int = 0) -> None:
        """Start counting patients."""
        self._count = Count(patients, done)
        self._bar.reset(self._task, total=patients, completed=done, visible=True, description=str(self._count))

    def advance(self, patients: int, failed: int, written: int = 0) -> None:
        """Count finished patients."""
        self._count.add(patients, failed, written)
        self._bar.update(self._task, advance=patients, description=str(self._count))

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


def pace(rate: float) -> str:
    """Return patients per second in words.

    >>> pace(0.2512), pace(1234.5)
    ('0.251 patients/s', '1234 patients/s')
    """
    return f"{rate:.0f} patients/s" if rate >= 100 else f"{rate:.3g} patients/s"


def span(seconds: float) -> str:
    """Return a duration in words, in its two largest units.

    >>> span(59), span(90), span(4000), span(200_000)
    ('59 s', '1 min 30 s', '1 h 6 min', '2 d 7 h')
    """
    rest = round(seconds)
    for unit, length, small, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if rest >= length:
            return f"{rest // length} {unit} {rest % length // part} {small}"
    return f"{rest} s"


def size(count: float) -> str:
    """Return bytes in words.

    >>> size(999), size(12_345), size(1.5e12)
    ('999 B', '12.3 kB', '1500.0 GB')
    """
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:.0f} B"
