"""What commits, checksums and digest cost: a run against the same chunks written by plain zarr.

``python -m benchmarks.reliability.overhead STUDY FOLDER THREADS CHUNK`` is the plain run: the same chunks computed by
the same threads and written by zarr, without syncing, records, hashes, journal and digest; with the summary.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from benchmarks.reliability.audit import journal
from benchmarks.reliability.bench import ROOT, Bench, Failed, children_cpu
from benchmarks.reliability.rows import Row
from pulsatile.sweeps.workers.resources import cores


def overhead(bench: Bench) -> Row:
    """Alternate runs with and without."""
    n, weeks = bench.pick((5000, 26), (64, 1))
    study = bench.study(n, weeks=weeks, tests=[{"test": "fasting", "weeks": [0, weeks]}])
    threads = cores()
    ratios, cpu_ratios, plain_s = [], [], []
    for k in range(bench.pick(6, 1)):
        seconds, cpu = {}, {}
        for form in ("with", "without") if k % 2 else ("without", "with"):
            out = bench.folder()
            if form == "with":
                ended = bench.pulsatile("run", study, "--out", out, "--workers", 1, "--threads", threads, limit=3600)
                seconds[form], cpu[form] = ended.seconds, ended.cpu
                chunk = journal(out)[0]["facts"]["chunk"]
            else:
                size = bench.pulsatile("run", study, "--workers", 1, "--threads", threads, "--dry-run", "--json").json
                seconds[form], cpu[form] = _plain(study, out, threads, size["chunk"])
            bench.say(f"overhead pair {k + 1}, {form}: {seconds[form]:.2f} s, {cpu[form]:.2f} s of CPU")
        ratios.append(seconds["with"] / seconds["without"] - 1)
        cpu_ratios.append(cpu["with"] / cpu["without"] - 1)
        plain_s.append(seconds["without"])
    share = statistics.median(ratios)
    done = (
        f"{n} patients x {weeks} weeks x 2 arms on {threads} threads, chunks of {chunk}, {len(ratios)} alternating "
        "pairs of whole processes"
    )
    told, cpu_told = (", ".join(f"{ratio:+.1%}" for ratio in each) for each in (ratios, cpu_ratios))
    reached = (
        f"{share:+.1%} (median; {told}) of {statistics.median(plain_s):.1f} s; "
        f"of CPU time {statistics.median(cpu_ratios):+.1%} ({cpu_told})"
    )
    asked = "< 5 % more wall time with commits, checksums and digest"
    return Row("overhead", done, asked, reached, bench.quick or share < 0.05)


def _plain(study: Path, out: Path, threads: int, chunk: int) -> tuple[float, float]:
    """Return the seconds of the plain run, of wall and of CPU."""
    begin, before = time.monotonic(), children_cpu()
    words = [sys.executable, "-m", "benchmarks.reliability.overhead", study, out, threads, chunk]
    ended = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Failed(f"the plain run ended with {ended.returncode}: {ended.stderr[-400:]}")
    return time.monotonic() - begin, children_cpu() - before


def main(study: str, out: str, threads: int, chunk: int) -> None:
    """Run a study without anything that makes it reliable."""
    import zarr

    from pulsatile.sweeps.chunk.compute import Values, chunk_values
    from pulsatile.sweeps.chunk.job import Job
    from pulsatile.sweeps.chunk.run_chunk import warm_up
    from pulsatile.sweeps.disk import store
    from pulsatile.sweeps.disk.one_piece import PATIENTS, one_piece, rows_of
    from pulsatile.sweeps.disk.store import RESULTS, STATES
    from pulsatile.sweeps.run.begin import empty_stores
    from pulsatile.sweeps.study.identity import engine_hash
    from pulsatile.sweeps.study.resolve import resolve
    from pulsatile.sweeps.study.schema import load_study
    from pulsatile.sweeps.summary.summarise import summarise

    folder, resolved = Path(out), resolve(load_study(study))
    text, n = resolved.model_dump_json(), resolved.population.n
    for name, data in empty_stores(resolved, chunk).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    warm_up(resolved)
    waiting, finished = SimpleQueue[int](), SimpleQueue[Any]()
    for first in range(0, n, chunk):
        waiting.put(first)

    def write(place: str, arrays: dict[str, Any], first: int, stop: int) -> None:
        with zarr.config.set({"array.write_empty_chunks": True}):
            group: Any = zarr.open_group(folder / place, mode="r+")
            for name, values in arrays.items():
                array = group[name]
                axis = store.dimension_names(array).index("patient")
                where = tuple(slice(first, stop) if k == axis else slice(None) for k in range(array.ndim))
                array[where] = values.astype(array.dtype)

    def work() -> None:
        try:
            while True:
                first = waiting.get_nowait()
                stop = min(first + chunk, n)
                job = Job(text, out, first, stop, 1, engine_hash(), resolved.platform)
                values: Values = chunk_values(job, resolved)
                write(RESULTS, {k: v for k, v in values.variables.items() if v.ndim > 2}, first, stop)
                write(PATIENTS, rows_of(values.variables), first, stop)
                write(STATES, values.states, first, stop)
        except Empty:
            finished.put(None)
        except BaseException as error:
            finished.put(error)

    for _ in range(threads):
        Thread(target=work, daemon=True).start()
    for _ in range(threads):
        error = finished.get()
        if error is not None:
            raise error
    for name, data in one_piece(folder / RESULTS, folder / PATIENTS, n).items():
        (folder / RESULTS / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / RESULTS / name).write_bytes(data)
    summary = summarise(store.open_dataset(folder / RESULTS), resolved.control)
    (folder / "summary.csv").write_text(summary.csv_text())
    print(json.dumps({"patients": n}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
