"""R33: twenty minutes of runs with a kill every twenty seconds.

In turn: a small run of the command line, whose driver is killed and which is resumed; and a larger one by a long-lived
driver (``python -m benchmarks.reliability.soak``: it calls `sweeps.run.run.run` again and again, as a notebook or a
service does), whose workers are killed, and whose memory and file handles are looked at after each run.  Before the
clock starts it carries out a dozen small runs: the first ones fill caches that stay.
"""

import ctypes
import gc
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import numpy as np
import psutil

from benchmarks.reliability.audit import audit
from benchmarks.reliability.bench import ROOT, Bench, Failed, worker_processes
from benchmarks.reliability.driver_deaths import next_words
from benchmarks.reliability.rows import Row

EVERY = 20.0
"""Seconds between two kills."""
WARM_UP = 12
"""Small runs of the long-lived driver before its memory is looked at."""
FEWEST = 8
"""Samples that a growth is read from."""
MOST_PER_RUN = 3
"""Kills of a small run's driver, so that it ends on a slow machine too."""
CHUNK = 24
"""Patients per chunk of the long-lived driver: half a second of work."""


@dataclass
class Watched:
    """Samples of a process: seconds, resident bytes, open files, bytes that it holds."""

    samples: list[tuple[float, int, int, int]] = field(default_factory=list)

    def look(self, process: psutil.Process, holds: int) -> None:
        """Take a sample."""
        self.samples.append((time.monotonic(), process.memory_info().rss, process.num_fds(), holds))

    def growth(self) -> tuple[float, float, float]:
        """Return the growth per hour of memory (share), open files (count), held bytes (share), without a first third.

        NaN where the samples are too few.
        """
        if len(self.samples) < FEWEST:
            return math.nan, math.nan, math.nan
        kept = np.array(self.samples[len(self.samples) // 3 :], float)
        hours = (kept[:, 0] - kept[0, 0]) / 3600
        memory, files, held = (float(np.polyfit(hours, kept[:, k], 1)[0]) for k in (1, 2, 3))
        return memory / float(kept[:, 1].mean()), files, held / float(kept[:, 3].mean())


class LongLived:
    """The long-lived driver: takes studies and folders on stdin, answers with digests and bytes held."""

    def __init__(self, log: Path) -> None:
        self.told = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.reliability.soak"], cwd=ROOT, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.told.open("w"), start_new_session=True,
        )  # fmt: skip
        self.answers: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line.strip())
        self.answers.put("")

    def ask(self, study: Path, out: Path) -> None:
        """Have it run a study into a folder."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{study}\t{out}\n")

    def answer(self) -> tuple[str, int]:
        """Wait for the digest, and the bytes that the driver holds (see `held`)."""
        if found := self.answers.get():
            digest, holds = found.split()
            return digest, int(holds)
        raise Failed(f"the long-lived driver ended: {self.told.read_text()[-400:]}")


def r33(bench: Bench) -> Row:
    """Soak."""
    study, minutes = bench.study(), bench.pick(20.0, 0.3)
    long = bench.study(bench.pick(5000, 64))
    digest, long_digest = bench.truth(study), bench.truth(long)
    warm = bench.pick(WARM_UP, 1)
    watched, every, most = Watched(), bench.pick(EVERY, 12.0), bench.pick(1000, 1)
    runs = {"workers": 0, "driver": 0}
    kills = {"workers": 0, "driver": 0}
    driver = LongLived(long.with_suffix(".log"))
    process = psutil.Process(driver.process.pid)
    options = ["--workers", 2, "--threads", 1, "--json"]
    try:
        for _ in range(warm):
            out = bench.folder()
            driver.ask(study, out)
            _check(out, driver.answer()[0], digest)
        begin = process.memory_info().rss
        end, due = time.monotonic() + 60 * minutes, time.monotonic() + every
        while time.monotonic() < end:
            out, mine = bench.folder(), 0
            driver.ask(long, out)
            while driver.answers.empty():
                time.sleep(0.1)
                if time.monotonic() > due and mine < most and (workers := worker_processes(process.pid)):
                    bench.chance.choice(workers).kill()
                    mine += 1
                    kills["workers"] += 1
                    due = time.monotonic() + bench.chance.uniform(0.5, 1.5) * every
            answer, holds = driver.answer()
            _check(out, answer, long_digest)
            watched.look(process, holds)
            out, mine = bench.folder(), 0
            command = bench.start("run", study, "--out", out, "--chunk", 4, *options)
            while True:
                while command.alive:
                    time.sleep(0.1)
                    if time.monotonic() > due and mine < MOST_PER_RUN:
                        command.kill()
                        mine += 1
                        kills["driver"] += 1
                        due = time.monotonic() + bench.chance.uniform(0.5, 1.5) * every
                ended = command.wait(60)
                if ended.code == 0:
                    break
                if ended.code != -signal.SIGKILL:
                    raise Failed(f"exit {ended.code}: {ended.err[-300:]}")
                command = bench.start(*next_words(out, study), *options)
            _check(out, ended.json["digest"], digest)
            runs = {kind: count + 1 for kind, count in runs.items()}
            seen = f"memory {watched.samples[-1][1] / 1e6:.1f} MB, {holds / 1e6:.2f} MB allocated"
            bench.say(f"R33 {sum(runs.values())} runs, kills {kills}, {seen}")
    finally:
        driver.process.kill()
        driver.process.wait()
    memory, files, holds_more = watched.growth()
    done = (
        f"{minutes:g} min: {runs['workers']} runs of one long-lived driver with {kills['workers']} workers killed, "
        f"{runs['driver']} runs of the command line with {kills['driver']} drivers killed and resumed"
    )
    last = watched.samples[-1]
    reached = (
        f"0 wrong digests of {sum(runs.values())}; memory of the long-lived driver {memory:+.1%} per hour "
        f"({begin / 1e6:.1f} MB after {warm} small runs, {last[1] / 1e6:.1f} MB at the end), "
        f"what is allocated in it {holds_more:+.1%} per hour ({last[3] / 1e6:.1f} MB), "
        f"open files {files:+.1f} per hour ({last[2]})"
    )
    asked = "0 wrong digests, memory growth < 1 % per hour, no growth of file handles"
    return Row("R33", done, asked, reached, bench.quick or (memory < 0.01 and files < 1))


def _check(out: Path, found: str, digest: str) -> None:
    if found != digest:
        raise Failed(f"digest {found} instead of {digest}")
    audit(out).check()
    shutil.rmtree(out)


class _Malloc(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


def held() -> int:
    """Return the bytes allocated by Python and by malloc: a leak grows here, memory that waits for use does not.

    CPython with glibc 2.33 or newer.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as told:  # it prints to the C stream
        kept = os.dup(2)
        os.dup2(told.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        told.seek(0)
        found = re.search(rb"bytes in allocated blocks\s*=\s*([\d,]+)", told.read())
    assert found is not None
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Malloc
    by_malloc = mallinfo()
    by_python = int(found[1].replace(b",", b""))
    return by_python + by_malloc.uordblks + by_malloc.hblkhd  # from the heap, and large ones of a mapping of their own


def main() -> None:
    """Be the long-lived driver."""
    from pulsatile.sweeps.run.run import run
    from pulsatile.sweeps.study.schema import load_study
    from pulsatile.sweeps.workers.resources import Resources

    for line in sys.stdin:
        study, out = line.rstrip("\n").split("\t")
        digest = run(load_study(study), out, Resources(CHUNK, workers=2, threads=1)).digest
        gc.collect()  # so that its memory is what it holds, not what waits to be collected
        print(digest, held(), flush=True)


if __name__ == "__main__":
    main()
