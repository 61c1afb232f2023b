"""A chunk to be carried out, as sent to a worker: plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A chunk to be carried out, as sent to a worker.

    study : the resolved study, as JSON
    folder : folder of the run, visible to driver and workers
    first, stop : positions of its patients, whole chunks of the store
    threads : threads it may use
    engine, platform : hash of the engine and platform class of the driver; a worker of another kind refuses
    base : folder of the run that an expansion goes on from
    skip, reasons : positions left "never run" because they end their worker, and how each ended it
    pieces : parts computed one after another, to need less memory
    dry : compute, but write nothing
    again : the committed record leaves patients out; compute in a separate process and replace the record
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

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU carries it out, so that processor time tells nothing of its progress."""
        return self.platform.startswith("cuda")
