"""R2, R5: workers that are killed, and half of them taken away for good."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.reliability.audit import audit, found_chunks
from benchmarks.reliability.bench import ROOT, Bench, Failed, until
from benchmarks.reliability.rows import Row

MOST_PER_RUN = 4


def r2(bench: Bench) -> Row:
    """SIGKILL random workers at random moments."""
    wanted, study = bench.pick(100, 2), bench.study(bench.pick(200, 64))
    digest, kills, runs, left = bench.truth(study), 0, 0, 0
    while kills < wanted and not bench.late:
        out, mine = bench.folder(), 0
        command = bench.start("run", study, "--out", out, "--workers", 2, "--chunk", 4, "--json")
        most = min(MOST_PER_RUN, wanted - kills)
        until(lambda c=command: not c.alive or len(c.workers()) > 1, 60)
        while command.alive and mine < most:
            time.sleep(bench.chance.uniform(0.05, 2.0))
            if workers := command.workers():
                bench.chance.choice(workers).kill()
                mine += 1
        ended = command.wait(600)
        if ended.code or ended.json["digest"] != digest:
            raise Failed(f"run {runs} after {mine} kills: code {ended.code}, {ended.out[-300:]} {ended.err[-300:]}")
        found = audit(out)
        found.check()
        kills, runs, left = kills + mine, runs + 1, left + len(found.left)
        bench.say(f"R2 {kills}/{wanted} kills in {runs} runs, {ended.seconds:.0f} s, digest equal")
    done = f"{kills} SIGKILLs of random workers (of 2) at random moments of {runs} runs"
    reached = f"0 lost, 0 duplicated, digest equal in {runs} of {runs}; {left} half-written files left behind"
    return Row("R2", done, f"{wanted} kills: 0 lost, 0 duplicated, digest equal every time", reached, kills >= wanted)


def r5(bench: Bench) -> Row:
    """Take two of four workers away in the middle."""
    study = bench.study(bench.pick(600, 64))
    digest, seconds = bench.truth(study), {}
    for kill in (False, True):
        with _cluster(bench, 4) as (address, workers):
            out = bench.folder()
            command = bench.start("run", study, "--out", out, "--scheduler", address, "--chunk", 4, "--json")
            if kill:
                until(lambda o=out: found_chunks(o) >= bench.pick(75, 6), 300)
                for worker in workers[:2]:
                    worker.kill()
            ended = command.wait(600)
        if ended.code or ended.json["digest"] != digest:
            raise Failed(f"code {ended.code}: {ended.err[-400:]}")
        audit(out).check()
        seconds[kill] = ended.json["seconds"]["integration"]
        bench.say(f"R5 {'two of four workers killed' if kill else 'undisturbed'}: {seconds[kill]:.1f} s")
    ratio = seconds[True] / seconds[False]
    done = "2 of 4 workers of a Dask cluster killed for good in the middle of a run"
    reached = f"finished, digest equal, {ratio:.2f} x ({seconds[False]:.1f} s undisturbed)"
    return Row("R5", done, "finishes, digest equal, wall time < 2.2 x", reached, ratio < 2.2)


@contextmanager
def _cluster(bench: Bench, count: int) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """Start a scheduler and workers by hand, as on a cluster; none is started again when it dies."""
    told = bench.folder("scheduler")
    python = [sys.executable, "-m", "dask"]
    own = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    local = bench.folder("dask")
    scheduler = subprocess.Popen(
        [*python, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", told], **own
    )  # type: ignore[call-overload]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        until(told.exists, 60)
        address = _address(told)
        words = ["worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(local)]
        workers += [subprocess.Popen([*python, *words], **own) for _ in range(count)]  # type: ignore[call-overload]
        time.sleep(bench.pick(8, 5))
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def _address(told: Path) -> str:
    until(lambda: bool(told.read_text().strip()), 10)
    return str(json.loads(told.read_text())["address"])
