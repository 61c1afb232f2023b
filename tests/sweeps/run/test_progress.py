"""What a run says of itself: plain lines, the bar, words for times and sizes."""

import io
from collections.abc import Iterator

import pytest

from pulsatile.sweeps.run import progress
from pulsatile.sweeps.run.progress import BarProgress, Count, PlainProgress, SilentProgress, progress_for, span


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_plain_lines_come_at_most_every_ten_seconds_and_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as told:
        told.note("Preparing.")
        told.start(100)
        for step in range(10):
            clock.now += 3
            told.advance(10, int(step == 2), 1_000_000)
    assert stream.getvalue().splitlines() == [
        "Preparing.",
        "40/100 patients, 1 failed, 3.33 patients/s, 18 s left, 4.0 MB",
        "80/100 patients, 1 failed, 3.33 patients/s, 6 s left, 8.0 MB",
        "100/100 patients, 1 failed, 3.33 patients/s, 0 s left, 10.0 MB",
    ]


def test_a_resumed_run_counts_the_rate_of_this_session(clock: Clock) -> None:
    stream = io.StringIO()
    told = PlainProgress(stream)
    told.start(1000, 900)
    clock.now += 10
    told.advance(20, 0)
    assert stream.getvalue() == "920/1000 patients, 0 failed, 2 patients/s, 40 s left\n"


def test_silent() -> None:
    told = SilentProgress()
    told.start(1)
    told.advance(1, 0)
    told.note("nothing")


def test_nothing_done_has_no_rate(clock: Clock) -> None:
    assert str(Count(10, 5)) == "5/10 patients, 0 failed"


def test_the_bar_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with BarProgress() as told:
        told.note("a [note] as it is")
        told.start(10, 5)
        told.advance(5, 2, 12_000)
    found = capsys.readouterr().err
    assert "a [note] as it is" in found
    assert "10/10 patients, 2 failed" in found
    assert "12.0 kB" in found


def test_the_bar_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with BarProgress() as told:
        told.start(10_000, 1000)
        told.advance(123, 12, 123_400_000)
    assert "123.4 MB" in capsys.readouterr().err.splitlines()[-1]


def test_no_terminal_means_plain_lines() -> None:
    assert isinstance(progress_for(io.StringIO()), PlainProgress)


def test_times_are_rounded_first() -> None:
    assert (span(59.7), span(3599.6), span(86399.9)) == ("1 min 0 s", "1 h 0 min", "1 d 0 h")
