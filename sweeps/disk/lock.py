"""One driver per run folder: take its lock, hold it, notice its loss, remove an abandoned one; cancel."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO
from uuid import uuid4

from pulsatile.sweeps.disk import side
from pulsatile.sweeps.disk.commits import FOLDER as COMMITS
from pulsatile.sweeps.disk.files import ASIDE, make_folder, write_aside, writing
from pulsatile.sweeps.disk.journal import JOURNAL, MANIFEST, SWEEP
from pulsatile.sweeps.disk.lock_file import CLAIMS, LOCK, Holder, Seen, abandoned, flock, look, read, started, write
from pulsatile.sweeps.disk.places import refuse_misplaced, refuse_sweep
from pulsatile.sweeps.errors import FolderRefuses

CANCEL = "cancel"
KINDS = {LOCK: "file", CANCEL: "file", ASIDE: "folder"}
"""What a driver writes in place, and of what kind it must be."""
TICK = 1.0
"""s between two checks by a holder of its lock and of a request to stop."""
BEAT = 5
"""Ticks between two beats."""
WATCHED = 3
"""Beats within which the holder on another host must raise its count."""
PATIENCE, POLL = 0.2, 0.02  # s that a second driver waits for one that is just taking or releasing; between two checks


class Held:
    """The lock of a folder while this process holds it.

    ``lost`` turns true when the lock was removed or replaced: then nothing more may be committed.  ``cancelled`` turns
    true when `cancel_run` requested a stop.
    """

    def __init__(self, folder: Path, note: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.lost = self.cancelled = False
        self._folder, self._path, self._say = folder, folder / LOCK, say
        command, began = note.get("command") or "a Python program", datetime.now(UTC).isoformat(timespec="seconds")
        self._holder = Holder(socket.gethostname(), os.getpid(), started(os.getpid()), command, began, uuid4().hex)
        self._file: BinaryIO | None = None  # open, and so locked, as long as the lock is held
        self._end, self._thread = Event(), Thread(target=self._watch, daemon=True)

    def show_dashboard(self, dashboard: str) -> None:
        """Write the address of the cluster's dashboard into the lock, from the next beat on."""
        self._holder = replace(self._holder, dashboard=dashboard)

    def check(self) -> None:
        """Refuse to go on when the lock was lost."""
        if self.lost:
            raise FolderRefuses(
                f"{self._path} was removed or replaced while this run went on, so it stopped; committed chunks are "
                f"kept, `pulsatile resume {self._folder}` goes on."
            )

    def take(self) -> None:
        """Take the lock atomically; `FolderRefuses` where another process holds it."""
        aside, end = self._folder / f"{LOCK}.{self._holder.token}{ASIDE}", time.monotonic() + PATIENCE
        try:
            file = aside.open("x+b")
            if flock(file):
                self._file, self._holder = file, replace(self._holder, locks=True)
            write(file, self._holder)
            if self._file is None:
                file.close()
            while not self._taken(aside):
                if time.monotonic() > end and (seen := look(self._folder)) is not None:
                    raise _in_use(self._folder, seen)
                time.sleep(POLL)
        finally:
            with suppress(OSError):  # Windows: not while it is open
                aside.unlink()
        (self._folder / CANCEL).unlink(missing_ok=True)  # a request to an earlier holder
        self._thread.start()

    def _taken(self, aside: Path) -> bool:
        """Give the file its name, where there is no lock or only that of a dead process of this host."""
        with suppress(FileExistsError):
            _name(aside, self._path)
            return True
        with abandoned(self._path) as seen:
            if seen is None or seen.holder is None:
                return self._ours()  # a network folder may report failure of a link that it made
            if seen.lives is None:
                raise _in_use(self._folder, seen)
            aside.replace(self._path)
        self._say(f"The lock of {self._folder} was left by a process that is dead; it is taken over.")
        return True

    def release(self) -> None:
        """Release the lock."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(TICK)
        with suppress(OSError):
            if self._ours():
                (self._folder / CANCEL).unlink(missing_ok=True)
                self._path.unlink()  # before its file is closed, so that no process sees it as abandoned
        if self._file is not None:
            self._file.close()

    def _ours(self) -> bool:
        holder = read(self._path)
        return holder is not None and holder.token == self._holder.token

    def _watch(self) -> None:
        tick = 0
        while not self.lost and not self._end.wait(TICK):
            tick += 1
            with suppress(OSError):  # a network folder may be unavailable for a moment
                self._look(tick % BEAT == 0)

    def _look(self, beat: bool) -> None:
        """Check that the lock is still ours, raise the beat, and check for a request to stop."""
        if not self._ours():
            self.lost = True
            return
        if beat:
            self._holder = replace(self._holder, beat=self._holder.beat + 1)
            with self._path.open("r+b") as file:
                write(file, self._holder)
        request = self._folder / CANCEL
        if not self.cancelled and request.exists() and request.read_text(encoding="utf-8") == self._holder.token:
            self.cancelled = True
            self._say("Asked by `pulsatile cancel` to stop; stopping after the chunks in progress.")


@contextmanager
def held(folder: Path, note: Mapping[str, str], say: Callable[[str], None] = lambda _: None) -> Iterator[Held]:
    """Hold a folder while the block runs; a missing folder is made, and removed again if it stays empty.

    Parameters
    ----------
    note : the ``command`` of the holder, shown to a second driver and by `sweeps.run.status`
    say : called with a sentence when the lock of a dead process is taken over, and on a request to stop

    Raises
    ------
    FolderRefuses
        When another driver holds it; the sentence names the holder.
    OSError
        Where the lock cannot be written.
    """
    missing = not folder.exists()
    make_folder(folder)
    refuse_misplaced(folder, KINDS)
    mine = Held(folder, note, say)
    try:
        mine.take()
        yield mine
    finally:
        mine.release()
        if missing:
            with suppress(OSError):
                folder.rmdir()


def refuse_held(folder: Path) -> None:
    """Refuse a folder that another driver holds, before anything in it changes."""
    refuse_misplaced(folder, KINDS)
    seen = look(folder)
    if seen is not None and seen.lives is not False:
        raise _in_use(folder, seen)


def unlock(folder: Path) -> str:
    """Remove the lock of a dead process; return a sentence for the user.

    Raises
    ------
    FolderRefuses
        While the holder lives: according to the operating system, or on another host while its beat rises.
    """
    check_run(folder)
    return remove_lock(folder)


def remove_lock(folder: Path) -> str:
    """Remove the lock of a dead process from any folder; otherwise as `unlock`."""
    seen, path = look(folder), folder / LOCK
    if seen is None:
        return f"{folder} is not locked."
    if seen.lives is None:
        end = time.monotonic() + (WATCHED * BEAT + 1) * TICK
        while time.monotonic() < end and read(path) == seen.holder:
            time.sleep(TICK / 4)
    if seen.lives is not True:
        for claim in folder.glob(CLAIMS):  # of a process that was killed while it had one
            claim.unlink(missing_ok=True)
    with writing(path), abandoned(path) as now:
        if now is None or now.holder != seen.holder:
            raise _in_use(folder, Seen(read(path), True))
        path.unlink()
    return f"The lock of {folder} is removed; `pulsatile resume {folder}` goes on."


def cancel_run(folder: Path) -> str:
    """Ask the driver that holds the folder of a run, on any host, to stop after the chunks in progress."""
    check_run(folder)
    return ask_to_stop(folder)


def ask_to_stop(folder: Path) -> str:
    """Ask the driver that holds any folder to stop; return a sentence."""
    seen = look(folder)
    if seen is None or seen.holder is None or seen.lives is False:
        return f"{folder} is not running; there is nothing to cancel."
    with writing(folder):
        write_aside(folder / CANCEL, seen.holder.token)
    return (
        f"Process {seen.holder.pid} on {seen.holder.host} is asked to stop after the chunks in progress; "
        f"`pulsatile resume {folder}` goes on later."
    )


def drop_claims(folder: Path) -> None:
    """Remove the claims of processes that were killed while they took the lock of a folder."""
    for claim in folder.glob(CLAIMS):
        with suppress(OSError), claim.open("r+b") as file:
            if flock(file):  # else a live process is about to take it
                claim.unlink()


def check_run(folder: Path) -> None:
    """Refuse a path that is not the folder of a run."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise FolderRefuses(f"{folder} {what}; give the folder of a run, for example runs/quick.")
    refuse_misplaced(folder, {LOCK: "file", CANCEL: "file"})
    refuse_sweep(folder, SWEEP)
    if side.is_sealed(folder) and (folder.parent / JOURNAL).exists():
        raise FolderRefuses(f"{folder} is an expansion under way; give the folder of its run, {folder.parent}.")
    ours = read(folder / LOCK) is not None  # of a driver that has not written its journal yet
    if not ours and not any((folder / name).exists() for name in (JOURNAL, MANIFEST, COMMITS)):
        raise FolderRefuses(f"{folder} holds no run (no {JOURNAL}); give the folder of a run, for example runs/quick.")


def _name(aside: Path, path: Path) -> None:
    """Give a file, complete and locked, its name; `FileExistsError` where the name is taken."""
    try:
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        path.touch(exist_ok=False)
        aside.replace(path)


def _in_use(folder: Path, seen: Seen) -> FolderRefuses:
    """Return the refusal of a folder that is held."""
    if seen.holder is None:
        return FolderRefuses(f"{folder} has a lock that cannot be read; `pulsatile unlock {folder}` removes it.")
    todo = f"wait for it, or stop it by `pulsatile cancel {folder}`"
    if not seen.lives:
        todo = f"if that process is dead, `pulsatile unlock {folder}` removes its lock"
    return FolderRefuses(f"{folder} is in use by {seen.holder.words}; {todo}.")
