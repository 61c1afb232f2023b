"""Follow the journal of a run from another process: read new lines, and keep only the counts of each chunk."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pulsatile.sweeps.disk import journal
from pulsatile.sweeps.disk.journal import JOURNAL, MANIFEST, Damaged, Entry, JournalState
from pulsatile.sweeps.disk.places import is_file

PIECE = 2**16
"""Bytes read at once, so that little of a long journal is in memory, and garbage collection stays fast."""


class Follower(JournalState):
    """The state of a run from the journal in its folder, or from its manifest where the journal's beginning is lost.

    ``damaged`` are the numbers of damaged lines; ``state`` is empty where there is no journal.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(whole=False)

    def clear(self) -> None:
        """Return to the state before the first line."""
        super().clear()
        self._inode = self._size = self._line = 0
        self.damaged: list[int] = []
        self.note = ""  # the last sentence on workers in this session
        self._session: dict[str, list[float]] = {}  # by host: patients, begin and end in s of its own clock

    @property
    def rate(self) -> float | None:
        """Patients per second of this session, summed over its hosts; None before its first chunk.

        Only times of the same host are compared, so that differences between clocks do not matter.
        """
        rates = [patients / (end - begin) for patients, begin, end in self._session.values() if end > begin]
        return sum(rates) or None

    def read(self) -> None:
        """Read new lines; all lines again where another journal has replaced the one read before."""
        path = self._folder / JOURNAL
        try:
            if not is_file(path):
                raise FileNotFoundError
            stat = path.stat()
            if stat.st_ino != self._inode or stat.st_size < self._size:
                self.clear()
                self._inode = stat.st_ino
            while (lines := self._lines(path)).size > self._size:
                self.damaged += [self._line + number for number in lines.damaged]
                self._line += len(lines.entries) + len(lines.damaged)
                self._size = lines.size
                for entry in lines.entries:
                    self.fold(entry)
        except FileNotFoundError:
            self.clear()
        if not self.facts:
            path = self._folder / MANIFEST
            with suppress(FileNotFoundError, Damaged, UnicodeDecodeError):
                self.facts = journal.unseal(path.read_bytes().decode()) if is_file(path) else {}

    def _lines(self, path: Path) -> journal.Lines:
        """Return the next lines."""
        lines = journal.read(path, self._size, PIECE)
        if lines.torn and lines.size == self._size:  # a line longer than a piece, or one being written
            lines = journal.read(path, self._size)
        return lines

    def fold(self, entry: Entry) -> None:
        """Update the state by the next entry, and the work of this session by its chunk."""
        super().fold(entry)
        if entry["kind"] == "state" and self.state == "running":
            self._session, self.note = {}, ""
        elif entry["kind"] == "note":
            self.note = f"{entry['text']} ({entry['at']})"
        elif entry["kind"] == "chunk":
            end = datetime.fromisoformat(entry["at"]).timestamp()
            begin = end - entry["seconds"]
            work = self._session.setdefault(entry["host"], [0, begin, end])
            work[0] += entry["stop"] - entry["first"]
            work[1], work[2] = min(begin, work[1]), max(end, work[2])
