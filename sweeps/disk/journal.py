"""Sealed JSON: text with its own hash, so that a changed byte is detected; and the journal of a run in sealed lines.

The seal is the last key of an object and covers every byte before it.  A journal has one sealed line per entry:
``begin`` (what the run is), ``state``, ``chunk`` (one committed chunk), ``dropped`` (chunks withdrawn), ``note`` (a
sentence on workers, for `pulsatile status`), ``closing`` (files about to be written anew), ``end`` (digest); the first
key is ``kind``.  `JournalState` folds them.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulsatile.sweeps.disk.files import append, sha256

JOURNAL, MANIFEST = "journal.jsonl", "manifest.json"
SWEEP = "sweep.json"
"""The record in the folder of a sweep, whose runs are in folders of their own below it."""
GATE = 0.05
"""Share of failed patient-arms above which a run counts as failed, where its first entry has none."""
NO_FAILURE = ("ok", "never_run")
"""Statuses that do not count as failures: patients left out are counted as ``poison``."""
_SEAL = ',"seal":"'
_LENGTH = len(_SEAL) + 64 + len('"}\n')

Entry = dict[str, Any]
Counts = tuple[int, int, tuple[tuple[str, int], ...]]
"""Patients, bytes and patient-arms by status of a committed chunk; tuples, which garbage collection skips."""


class Damaged(ValueError):
    """A sealed text differs from what was written."""


def seal(data: Entry, indent: int | None = None) -> str:
    """Return data as sealed JSON, ending with a newline.

    >>> seal({"a": 1})[:16]
    '{"a":1,"seal":"8'
    >>> unseal(seal({"a": 1}))
    {'a': 1}
    """
    text = json.dumps(data, indent=indent, separators=(",", ": " if indent else ":"), allow_nan=False)
    head = text[:-1].rstrip()
    return f'{head}{_SEAL}{sha256(head.encode())}"}}\n'


def unseal(text: str) -> Entry:
    """Return the data of a sealed text; `Damaged` when a byte was changed, lost or added."""
    head, tail = text[:-_LENGTH], text[-_LENGTH:]
    if tail != f'{_SEAL}{sha256(head.encode())}"}}\n':
        raise Damaged("is damaged")
    data: Entry = json.loads(head + "}")
    return data


@dataclass
class Lines:
    """Part of a journal: sound entries in order, numbers (from 1) of damaged lines, and where the text ends."""

    entries: list[Entry] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    torn: bool = False
    size: int = 0


def read(path: Path, start: int = 0, most: int = -1) -> Lines:
    """Read at most ``most`` bytes of a journal from byte ``start``; an incomplete last line is ``torn``.

    A line is torn because its writer was killed, or because the rest was not read.  ``size`` is the end of the last
    whole line, where the next read starts.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(most)
    whole, newline, rest = data.rpartition(b"\n")
    lines = Lines(torn=bool(rest), size=start + len(whole) + len(newline))
    for number, line in enumerate(whole.split(b"\n") if newline else [], 1):
        try:
            lines.entries.append(unseal(line.decode() + "\n"))
        except (Damaged, UnicodeDecodeError):
            lines.damaged.append(number)
    return lines


def write_entry(path: Path, entry: Entry) -> None:
    """Append an entry and sync it."""
    append(path, seal(entry))


def text_of(entries: Iterable[Entry]) -> str:
    """Return the text of a whole journal."""
    return "".join(map(seal, entries))


class JournalState:
    """The state of a run after the entries of its journal so far; `fold` adds one more.

    facts, begin : what the run is, and the whole first entry
    state : the last state entered; empty before the first entry
    end, digest : the last end entry, and its digest where the run is finished
    closing : SHA-256 of the files about to be written anew
    gate : share of failed patient-arms above which the run counts as failed
    lines : entries folded
    chunks : entries of the committed chunks by first patient, kept where ``whole``
    chunks_done, done, bytes : committed chunks, their patients, and the bytes they wrote
    statuses, failures, failed : patient-arms by status, by type of failure, and failed in all
    poison : patients that end their worker, by position, with the reason
    suspects : first patients of chunks with poison: their records stay until they are replaced
    """

    def __init__(self, entries: Iterable[Entry] = (), whole: bool = True) -> None:
        self._whole = whole
        self.clear()
        for entry in entries:
            self.fold(entry)

    def clear(self) -> None:
        """Return to the state before the first entry."""
        self.facts: Entry = {}
        self.begin: Entry = {}
        self.end: Entry = {}
        self.state = ""
        self.closing: dict[str, str] = {}
        self.gate = GATE
        self.lines = self.done = self.bytes = 0
        self.chunks: dict[int, Entry] = {}
        self.statuses = Counter[str]()
        self.poison: dict[int, str] = {}
        self.suspects: set[int] = set()
        self._counts: dict[int, Counts] = {}

    def fold(self, entry: Entry) -> None:
        """Update the state by the next entry."""
        self.lines += 1
        match entry["kind"]:
            case "begin":
                self.begin, self.facts, self.state = entry, entry["facts"], "planned"
                self.gate = float(self.facts.get("gate", GATE))
            case "state":
                self.state, self.gate = entry["state"], float(entry.get("gate", self.gate))
            case "chunk":
                self._withdraw(entry["first"])
                self._commit(entry)
            case "dropped":
                for first in entry["firsts"]:
                    self._withdraw(first)
            case "closing":
                self.closing = entry["files"]
            case "end":
                self.end, self.state = entry, entry["state"]

    def _commit(self, entry: Entry) -> None:
        first, stop = entry["first"], entry["stop"]
        self._counts[first] = counts = (stop - first, entry["bytes"], (*entry["status"].items(),))
        self._add(counts, 1)
        if self._whole:
            self.chunks[first] = entry
        if entry["poison"]:
            self.suspects.add(first)
            self.poison |= {int(position): reason for position, reason in entry["poison"].items()}

    def _withdraw(self, first: int) -> None:
        """Return to the state before a chunk was committed, if it was."""
        if first in self._counts:
            counts = self._counts.pop(first)
            self._add(counts, -1)
            self.chunks.pop(first, None)
            if first in self.suspects:
                self.suspects.remove(first)
                for position in range(first, first + counts[0]):
                    self.poison.pop(position, None)

    def _add(self, counts: Counts, sign: int) -> None:
        patients, written, statuses = counts
        self.done += sign * patients
        self.bytes += sign * written
        for name, count in statuses:
            self.statuses[name] += sign * count

    @property
    def digest(self) -> str:
        """Digest of a finished run; empty before."""
        return str(self.end.get("digest", ""))

    @property
    def chunks_done(self) -> int:
        """Number of committed chunks."""
        return len(self._counts)

    @property
    def failures(self) -> dict[str, int]:
        """Failed patient-arms by type."""
        return {name: count for name, count in self.statuses.items() if count and name not in NO_FAILURE}

    @property
    def failed(self) -> int:
        """Failed patient-arms."""
        return sum(self.failures.values())
