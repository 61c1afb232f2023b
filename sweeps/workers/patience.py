"""How long a worker may be silent: when that is told, and when its work is given to another."""

import time
from collections.abc import Callable
from typing import NamedTuple

IDLE_SHARE = 0.01
"""A process is silent that uses less than this share of a core."""
STEP = 5.0
"""s that count at most between two looks: a driver that was stopped itself (Ctrl-Z) blames no one for that time."""


class Patience(NamedTuple):
    """Limits of the silence of workers, in s.

    told : then the user is told
    given_up : then the worker is ended, and its chunks are given to another
    rounds : silent workers in a row, per process of the run, after which the run ends
    """

    told: float = 60.0
    given_up: float = 120.0
    rounds: int = 3


class Silence:
    """Seconds for which a process has used no processor time; ``spent`` returns the time that it has used, in s."""

    def __init__(self, spent: Callable[[], float]) -> None:
        self._spent = spent
        self.restart()

    def restart(self) -> None:
        """Begin anew, as when a job begins."""
        self._used, self._at, self._silent = self._spent(), time.monotonic(), 0.0

    def seconds(self, patience: Patience) -> float:
        """Return how long it has been silent."""
        now, used = time.monotonic(), self._spent()
        self._silent += min(now - self._at, STEP)
        self._at = now
        if used - self._used > IDLE_SHARE * patience.told:
            self._used, self._silent = used, 0.0
        return self._silent
