"""Follow a run's journal from outside: read what is new, keep of every chunk only what is counted."""

from collections import Counter
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pulsatile.sweeps.disk import journal
from pulsatile.sweeps.disk.journal import JOURNAL, MANIFEST, Damaged, Entry

PIECE = 2**16
"""Bytes read at once: of a long journal little is in memory, and the garbage collector has nothing to look through."""

Chunk = tuple[int, int, tuple[tuple[str, int], ...]]
"""What is kept of a committed chunk: patients, bytes, and its failures as (type, patient-arms)."""


class Follower:
    """What a run's journal tells, and of a damaged journal's beginning the manifest; `read` takes in what is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._forget()

    def _forget(self) -> None:
        self._inode = self._size = self._line = 0
        self.facts: Entry = {}
        self.state = self.digest = ""  # no state: there is no journal
        self.chunks: dict[int, Chunk] = {}
        self.done = self.bytes = 0
        self.failures = Counter[str]()
        self.poison: dict[int, str] = {}
        self.damaged: list[int] = []
        self._session: dict[str, list[float]] = {}  # by host: patients, begin and end in s of its own clock

    @property
    def rate(self) -> float | None:
        """Patients per second of this session, the sum over its hosts; None before its first chunk.

        Times of one host alone are compared, so that no difference between clocks matters.
        """
        rates = [patients / (end - begin) for patients, begin, end in self._session.values() if end > begin]
        return sum(rates) or None

    def read(self) -> None:
        """Take in what is new; all of it again where the journal is another one than before."""
        path = self._folder / JOURNAL
        try:
            found = path.stat()
            if found.st_ino != self._inode or found.st_size < self._size:
                self._forget()
                self._inode = found.st_ino
            while (lines := self._lines(path)).size > self._size:
                self.damaged += [self._line + number for number in lines.damaged]
                self._line += len(lines.entries) + len(lines.damaged)
                self._size = lines.size
                for entry in lines.entries:
                    self._take_in(entry)
        except FileNotFoundError:
            self._forget()
        if not self.facts:
            with suppress(FileNotFoundError, Damaged, UnicodeDecodeError):
                self.facts = journal.unseal((self._folder / MANIFEST).read_bytes().decode())

    def _lines(self, path: Path) -> journal.Lines:
        """Return the next lines."""
        lines = journal.read(path, self._size, PIECE)
        if lines.torn and lines.size == self._size:  # a line longer than that, or one that is just being written
            lines = journal.read(path, self._size)
        return lines

    def _take_in(self, entry: Entry) -> None:
        match entry["kind"]:
            case "chunk":
                self._count(entry)
            case "dropped":
                for first in entry["firsts"]:
                    self._take_back(first)
            case "begin":
                self.facts, self.state = entry["facts"], "planned"
            case "state":
                self.state = entry["state"]
                if self.state == "running":
                    self._session = {}
            case "end":
                self.state, self.digest = entry["state"], entry.get("digest", "")

    def _count(self, entry: Entry) -> None:
        """Count a chunk, in place of an earlier entry of it."""
        first, stop = entry["first"], entry["stop"]
        self._take_back(first)
        failures = tuple([item for item in entry["status"].items() if item[0] != "ok"])
        self.chunks[first] = now = (stop - first, entry["bytes"], failures)
        self._add(now, 1)
        for position, why in entry["poison"].items():
            self.poison[int(position)] = why
        end = datetime.fromisoformat(entry["at"]).timestamp()
        begin = end - entry["seconds"]
        work = self._session.setdefault(entry["host"], [0, begin, end])
        work[0] += stop - first
        if begin < work[1]:
            work[1] = begin
        if end > work[2]:
            work[2] = end

    def _take_back(self, first: int) -> None:
        """Let a chunk be as if it had never been carried out."""
        if first in self.chunks:
            chunk = self.chunks.pop(first)
            self._add(chunk, -1)
            for position in range(first, first + chunk[0]):
                self.poison.pop(position, None)

    def _add(self, chunk: Chunk, sign: int) -> None:
        patients, written, failures = chunk
        self.done += sign * patients
        self.bytes += sign * written
        for name, count in failures:
            self.failures[name] += sign * count
