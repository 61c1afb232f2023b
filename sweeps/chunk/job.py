"""A chunk to be carried out, as it is handed to a worker: plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A chunk to be carried out, as it is handed to a worker.

    study : the resolved study, as JSON
    folder : folder of the run, seen by driver and workers alike
    first, stop : positions of its patients, whole chunks of the store
    threads : threads it may use
    engine, platform : hash of the engine and platform class of the driver; another worker refuses
    base : folder of the run that an expansion goes on from
    skip, reasons : positions left "never run", because they end their worker, and what was seen of each
    pieces : parts that are computed one after another, to need less memory
    dry : compute and write nothing
    again : patients of it are left out so far; it is computed in a process of its own, and its record is replaced
    """

    study: str
    folder: str
    first: int
    stop: int
    threads: int
    engine: str
    platform: str
    base: str = ""
    skip: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    pieces: int = 1
    dry: bool = False
    again: bool = False
