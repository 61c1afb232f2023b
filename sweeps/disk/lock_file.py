"""The file ``lock`` of a run's folder: its holder, and whether the holder lives; no clocks are compared.

On one host the operating system knows whether a holder lives: it keeps the file locked (flock) until the process ends,
however it ends; where files cannot be locked, process id and start time decide.  A holder on another host shows life
only by the beat, a number in the file that it raises every few seconds.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pulsatile.sweeps.disk.files import ASIDE

LOCK, CLAIMS = "lock", f"lock.*.claim{ASIDE}"
SETTLE = 0.02  # s after which a file caught while being written is read again


@dataclass(frozen=True)
class Holder:
    """The holder of a lock, as the lock file describes it.

    start : start of its process in its system's own count; distinguishes it from a later process of the same id
    began : for readers, by the clock of its host
    token : of this lock alone
    locks : whether its host could lock the file
    """

    host: str
    pid: int
    start: str
    command: str
    began: str
    token: str
    locks: bool = False
    beat: int = 0
    dashboard: str = ""

    @property
    def words(self) -> str:
        """The holder in words."""
        return f"process {self.pid} on {self.host} since {self.began} ({self.command})"


class Seen(NamedTuple):
    """A lock: its holder (None where the file cannot be read) and whether the holder lives (None: not known)."""

    holder: Holder | None
    lives: bool | None


def look(folder: Path) -> Seen | None:
    """Return the holder of a folder and whether it lives; None when the folder is not locked."""
    try:
        file = (folder / LOCK).open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with file:
        locked, holder = flock(file, shared=True), _holder(file)
    return Seen(holder, _lives(holder, locked))


def read(path: Path) -> Holder | None:
    """Return the holder that a lock names; None when the file is missing or cannot be read."""
    try:
        with path.open("rb") as file:
            return _holder(file)
    except FileNotFoundError:
        return None


def write(file: BinaryIO, holder: Holder) -> None:
    """Write a lock in place: it keeps its inode, to which the lock belongs, and needs no space on a full disk."""
    file.write(json.dumps(asdict(holder)).encode() + b"\n")
    file.truncate()
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def abandoned(path: Path) -> Iterator[Seen | None]:
    """Yield a lock whose holder is not known to live, with the sole right to replace or remove it; else None."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield None
        return
    with file:
        locked, holder = flock(file), _holder(file)
        seen = Seen(holder, _lives(holder, locked))
        if seen.lives:
            yield None
        elif locked:
            yield seen if _is(path, file) else None
        else:  # files cannot be locked: a claim file, which only one process can make, gives the right
            claim = path.with_name(CLAIMS.replace("*", holder.token if holder else "unread"))
            try:
                claim.touch(exist_ok=False)
            except FileExistsError:
                yield None
                return
            try:
                yield seen if _is(path, file) else None
            finally:
                claim.unlink()


def flock(file: BinaryIO, shared: bool = False) -> bool | None:
    """Try to lock an open file and return whether that succeeded; None where files cannot be locked."""
    try:
        import fcntl

        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows, some network folders
        return None
    return True


def started(pid: int) -> str:
    """Return the start of a process in its system's own count; empty when no such process lives."""
    if sys.platform == "linux":  # ticks since the boot: psutil would add the clock, which may be set anew
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    else:
        import psutil

        try:
            return str(psutil.Process(pid).create_time())
        except psutil.Error:
            return ""


def _lives(holder: Holder | None, locked: bool | None) -> bool | None:
    """Return whether a holder lives, given whether its file could be locked here (None: files cannot be locked)."""
    if locked is False:
        return True
    if holder is None or holder.host != socket.gethostname():
        return None
    if locked and holder.locks:
        return False
    return started(holder.pid) == holder.start != ""


def _holder(file: BinaryIO) -> Holder | None:
    for _ in range(3):
        file.seek(0)
        try:
            return Holder(**json.loads(file.read()))
        except (ValueError, TypeError):  # being written, or not a lock of ours
            time.sleep(SETTLE)
    return None


def _is(path: Path, file: BinaryIO) -> bool:
    """Return whether an open file is still the one at ``path``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
