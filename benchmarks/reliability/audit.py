"""What lies in the folder of a run, read from outside: lost and repeated chunks, computed-again chunks, leftovers."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.bench import Failed


@dataclass(frozen=True)
class Audit:
    """Chunks (first patients) that are lost or told more than once, and half-written files that were left behind."""

    chunks: int
    lost: list[int]
    repeated: list[int]
    left: list[str]

    def check(self) -> None:
        """Refuse a run that lost or repeated a chunk."""
        if self.lost or self.repeated:
            raise Failed(f"chunks lost {self.lost[:5]}, repeated {self.repeated[:5]} of {self.chunks}")


def journal(folder: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a run's journal; a last line without its end is left out."""
    try:
        text = (folder / "journal.jsonl").read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def found_chunks(out: Path) -> int:
    """Return the number of chunks of a run."""
    return sum(line["kind"] == "chunk" for line in journal(out))


def commits(folder: Path) -> dict[int, bytes]:
    """Return the content of every commit record by first patient."""
    return {int(path.stem): path.read_bytes() for path in (folder / "commits").glob("*.json")}


def state(folder: Path) -> str:
    """Return the last state that the journal tells."""
    states = [line["state"] for line in journal(folder) if line["kind"] in ("state", "end")]
    return states[-1] if states else "planned"


def audit(folder: Path) -> Audit:
    """Compare journal, commit records and the plan of a finished run."""
    lines, records = journal(folder), commits(folder)
    facts = lines[0]["facts"]
    told = Counter(line["first"] for line in lines if line["kind"] == "chunk")
    wanted = range(0, facts["patients"], facts["chunk"])
    lost = [first for first in wanted if first not in told or first not in records]
    repeated = [first for first, times in told.items() if times > 1]
    strangers = sorted(set(records) - set(wanted))
    left = [path.name for path in folder.rglob("*") if path.is_file() and ".aside" in str(path.relative_to(folder))]
    return Audit(len(wanted), lost, repeated + strangers, left)


@dataclass(frozen=True)
class Counted:
    """What `faults.count` wrote: begun chunks (first patient, time), CPU s and steps of all, most bytes of one."""

    begun: list[tuple[int, float]]
    cpu: float
    most: int
    steps: int

    @property
    def again(self) -> int:
        """Begins beyond the first of a chunk."""
        return len(self.begun) - len({first for first, _ in self.begun})


def counted(log: Path) -> Counted:
    """Read what `faults.count` wrote; nothing where no chunk was begun."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    begun = [(int(line[1]), float(line[3])) for line in lines if line[0] == "begun"]
    computed = [(float(cpu), int(most), int(steps)) for _, _, cpu, most, steps in (w for w in lines if len(w) == 5)]
    cpu, steps = sum(c for c, _, _ in computed), sum(s for _, _, s in computed)
    return Counted(begun, cpu, max((most for _, most, _ in computed), default=0), steps)
