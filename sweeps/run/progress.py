"""Progress of a run on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TextIO

PLAIN_EVERY = 10.0  # s between plain lines


class Progress(Protocol):
    """What a run tells while it goes on."""

    def note(self, text: str) -> None:
        """Say one sentence."""

    def start(self, patients: int, done: int = 0) -> None:
        """Begin to count patients (each in all arms); ``done`` of them were finished earlier."""

    def advance(self, patients: int, failed: int, written: int = 0) -> None:
        """Count patients done; ``failed`` of their runs failed, ``written`` bytes are on disk."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class Count:
    """What is done of a run; the rate counts this session alone, not what was done earlier."""

    total: int = 0
    done: int = 0
    failed: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        """Begin to count."""
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
        """Say one sentence."""
        print(text, file=self._stream, flush=True)

    def start(self, patients: int, done: int = 0) -> None:
        """Begin to count patients."""
        self._count = Count(patients, done)
        self._last = self._count.begin

    def advance(self, patients: int, failed: int, written: int = 0) -> None:
        """Count patients done."""
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
    """Says nothing (for programs)."""

    def note(self, text: str) -> None:
        """Say nothing."""


class BarProgress:
    """A bar by rich, narrow enough for 80 columns; the time gone shows that the run is alive."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichBar

        self._bar = RichBar(
            BarColumn(12), TimeElapsedColumn(), TextColumn("{task.description}"), console=Console(stderr=True)
        )
        self._task = self._bar.add_task("", total=None, visible=False)
        self._count = Count()

    def note(self, text: str) -> None:
        """Say one sentence above the bar."""
        self._bar.console.print(text, highlight=False, markup=False)

    def start(self, patients: int, done: int = 0) -> None:
        """Begin to count patients."""
        self._count = Count(patients, done)
        self._bar.reset(self._task, total=patients, completed=done, visible=True, description=str(self._count))

    def advance(self, patients: int, failed: int, written: int = 0) -> None:
        """Count patients done."""
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
    """Return a time in words, in its two largest units.

    >>> span(59), span(90), span(4000), span(200_000)
    ('59 s', '1 min 30 s', '1 h 6 min', '2 d 7 h')
    """
    left = round(seconds)
    for unit, length, small, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= length:
            return f"{left // length} {unit} {left % length // part} {small}"
    return f"{left} s"


def size(count: float) -> str:
    """Return bytes in words.

    >>> size(999), size(12_345), size(1.5e12)
    ('999 B', '12.3 kB', '1500.0 GB')
    """
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:.0f} B"
