"""One compilation per node: processes that start together wait for the first, then load its cached result."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulsatile.engine.kernel import seal

LONGEST_WAIT = 300.0
"""s after which a process continues without the lock: longer than any compilation, so that a hung one blocks nobody."""
POLL = 0.05  # s


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; continue without a lock where files cannot be locked.

    The operating system releases the lock of a process that dies; the empty file remains.  An error of the file system
    in the block that names no path, such as that of a full disk, gets the name of the folder.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        with names_folder(path.parent):
            yield
        return
    try:
        end = time.monotonic() + LONGEST_WAIT
        while not _taken(handle) and time.monotonic() < end:
            time.sleep(POLL)
        with names_folder(path.parent):
            yield
    finally:
        _release(handle)
        os.close(handle)


@contextmanager
def names_folder(folder: Path) -> Iterator[None]:
    """Name ``folder`` in an error of the file system that names no path."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _taken(handle: int) -> bool:
    """Try to take the lock; true also where files cannot be locked."""
    try:
        import fcntl
    except ImportError:  # Windows: each process compiles for itself; numba's cache never holds partial files
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _release(handle: int) -> None:
    """Release the lock explicitly: after a mere close, a child forked meanwhile would still hold it."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)
    except (ImportError, OSError):
        pass


class Once:
    """A compiled function whose first call compiles or loads it under a lock; later calls go straight to it."""

    def __init__(self, function: Any, lock: Path) -> None:
        self._function, self._lock = function, lock

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        if not self._function.signatures:
            self.prepare(*arguments)
        return self._function(*arguments)

    def prepare(self, *arguments: Any) -> None:
        """Compile for arguments of these types, or load what another process has compiled and sealed."""
        from numba import typeof

        folder, stem = Path(self._function.stats.cache_path), self._lock.stem
        with locked(self._lock):
            if not seal.holds(folder, stem):
                seal.discard(folder, stem)
            before = seal.compiled_files(folder, stem)
            compiled: Callable[..., Any] = self._function.compile
            with names_folder(folder):
                compiled(tuple(map(typeof, arguments)))
            if seal.compiled_files(folder, stem) != before:
                seal.make(folder, stem)

    def __getattr__(self, name: str) -> Any:
        """Return attributes of the function: signatures, statistics, assembly."""
        return getattr(self._function, name)
