"""Sealed JSON: text with its own hash, so that a changed byte shows; and the journal of a run, made of sealed lines.

The seal is the last key of an object and covers every byte before it.  A journal has one sealed line per entry:
``begin`` (what the run is), ``state``, ``chunk`` (one committed chunk), ``dropped`` (chunks taken back), ``closing``
(files about to be written anew), ``end`` (digest); the first key is ``kind``.  `JournalState` adds them up.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulsatile.sweeps.disk.files import append, sha256

JOURNAL, MANIFEST = "journal.jsonl", "manifest.json"
GATE = 0.05
"""Share of failed patient-arms above which a run counts as failed, where its beginning does not say."""
NO_FAILURE = ("ok", "never_run")
"""Statuses that are no failure: patients left out are counted as ``poison``."""
_SEAL = ',"seal":"'
_LENGTH = len(_SEAL) + 64 + len('"}\n')

Entry = dict[str, Any]
Counts = tuple[int, int, tuple[tuple[str, int], ...]]
"""Of a committed chunk: patients, bytes, patient-arms by status; tuples, which garbage collection passes over."""


class Damaged(ValueError):
    """A sealed text that is not what was written."""


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
    """Return the data of a sealed text; `Damaged` when a byte of it has changed, is lost or was added."""
    head, tail = text[:-_LENGTH], text[-_LENGTH:]
    if tail != f'{_SEAL}{sha256(head.encode())}"}}\n':
        raise Damaged("the seal does not fit the text")
    data: Entry = json.loads(head + "}")
    return data


@dataclass
class Lines:
    """Part of a journal: good entries in order, numbers (from 1) of damaged lines, and where the text ends."""

    entries: list[Entry] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    torn: bool = False
    size: int = 0


def read(path: Path, start: int = 0, most: int = -1) -> Lines:
    """Read a journal, ``most`` bytes of it from byte ``start``; a last line without its end is ``torn``.

    Either its writer was killed, or the rest was not read; ``size`` is where the next reading goes on: the end of the
    last whole line.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(most)
    whole, newline, rest = data.rpartition(b"\n")
    found = Lines(torn=bool(rest), size=start + len(whole) + len(newline))
    for number, line in enumerate(whole.split(b"\n") if newline else [], 1):
        try:
            found.entries.append(unseal(line.decode() + "\n"))
        except (Damaged, UnicodeDecodeError):
            found.damaged.append(number)
    return found


def write_entry(path: Path, entry: Entry) -> None:
    """Append an entry and have it on disk."""
    append(path, seal(entry))


def text_of(entries: Iterable[Entry]) -> str:
    """Return the text of a whole journal."""
    return "".join(map(seal, entries))


class JournalState:
    """The state of a run by the entries of its journal so far; `fold` takes in one more.

    facts, begin : what the run is, and the whole first entry
    state : the last one entered; empty before the first entry
    end, digest : the last end, and the digest it has where the run is finished
    closing : SHA-256 of the files that are about to be written anew
    gate : share of failed patient-arms above which the run counts as failed
    lines : entries folded
    chunks : entries of the committed chunks by first patient, where the state keeps them (``whole``)
    chunks_done, done, bytes : committed chunks, their patients, and the bytes they wrote
    statuses, failures, failed : patient-arms by status, by type of failure, and failed in all
    poison : patients that end their worker, by position, with the reason
    suspects : first patients of chunks with poison: their records stay until others take their place
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
        """Take in the next entry."""
        self.lines += 1
        match entry["kind"]:
            case "begin":
                self.begin, self.facts, self.state = entry, entry["facts"], "planned"
                self.gate = float(self.facts.get("gate", GATE))
            case "state":
                self.state, self.gate = entry["state"], float(entry.get("gate", self.gate))
            case "chunk":
                self._take_back(entry["first"])
                self._commit(entry)
            case "dropped":
                for first in entry["firsts"]:
                    self._take_back(first)
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

    def _take_back(self, first: int) -> None:
        """Return to the state before a chunk was committed, where it was."""
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
        """How many chunks are committed."""
        return len(self._counts)

    @property
    def failures(self) -> dict[str, int]:
        """Failed patient-arms by type."""
        return {name: count for name, count in self.statuses.items() if count and name not in NO_FAILURE}

    @property
    def failed(self) -> int:
        """Failed patient-arms."""
        return sum(self.failures.values())
