"""Sealed JSON: text that carries its own hash, so that a changed byte shows; and the journal of a run made of it.

The seal is the last key of an object and covers every byte before it.  A journal has one sealed line per entry:
``begin`` (what the run is), ``state``, ``chunk`` (one committed chunk), ``closing`` (files about to be written anew),
``end`` (digest); the first key is ``kind``.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulsatile.sweeps.disk.files import append, sha256

JOURNAL, MANIFEST = "journal.jsonl", "manifest.json"
_SEAL = ',"seal":"'
_LENGTH = len(_SEAL) + 64 + len('"}\n')

Entry = dict[str, Any]


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
    """Return the data of a sealed text; `Damaged` when a byte of it was changed, lost or added."""
    head, tail = text[:-_LENGTH], text[-_LENGTH:]
    if tail != f'{_SEAL}{sha256(head.encode())}"}}\n':
        raise Damaged("the seal does not fit the text")
    data: Entry = json.loads(head + "}")
    return data


@dataclass
class Lines:
    """What was read of a journal: good entries in order, numbers (from 1) of damaged lines, and where the text ends."""

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
