"""R34: a plan of 10^5 chunks, simulated: the folder is made, its journal written, and nothing of it computed."""

import shutil
import time
from pathlib import Path

import psutil

from benchmarks.reliability.audit import counted, journal
from benchmarks.reliability.bench import Bench, Command, Failed
from benchmarks.reliability.rows import Row

PER_CHUNK = 100
LEFT = 8
"""Chunks left to be computed by a resumed driver."""


def r34(bench: Bench) -> Row:
    """Plan, begin, look at and resume a run of 10^5 chunks."""
    chunks = bench.pick(100_000, 2000)
    study, out = bench.study(chunks * PER_CHUNK, weeks=1, tests=[]), bench.folder()
    words = ["run", study, "--chunk", PER_CHUNK, "--workers", 1, "--threads", 2]
    planned, plan_bytes = _peak(bench.start(*words, "--dry-run"), 600)
    bench.say(f"R34 --dry-run: {planned:.1f} s, {plan_bytes / 1e9:.2f} GB")
    log = bench.folder("count")
    begun, begin_bytes = _until_work(bench.start(*words, "--out", out, faults=f"count={log}"), log, 0)
    bench.say(f"R34 run, until the first chunk: {begun:.1f} s, {begin_bytes / 1e9:.2f} GB")
    _simulate(out, chunks)
    looks = [bench.pulsatile("status", out) for _ in range(5)]
    seconds, cpu = min(look.seconds for look in looks), min(look.cpu for look in looks)
    told = bench.pulsatile("status", out, "--json").json
    if told["chunks_done"] != chunks - LEFT:
        raise Failed(f"status tells of {told['chunks_done']} chunks, {chunks - LEFT} were written")
    bench.say(f"R34 status: {seconds:.2f} s, {cpu:.2f} s of them CPU")
    before = len(counted(log).begun)
    resumed, resume_bytes = _until_work(bench.start("resume", out, "--workers", 1, faults=f"count={log}"), log, before)
    bench.say(f"R34 resume, until the first chunk: {resumed:.1f} s, {resume_bytes / 1e9:.2f} GB")
    shutil.rmtree(out)
    most = max(plan_bytes, begin_bytes, resume_bytes)
    done = f"a simulated plan: {chunks:,} chunks of {PER_CHUNK} patients; journal and commit records of all but {LEFT}"
    reached = (
        f"status {seconds:.2f} s; --dry-run {planned:.1f} s, from `run` to its first chunk {begun:.1f} s; `resume` to "
        f"its first chunk {resumed:.1f} s; driver at most {most / 1e9:.2f} GB"
    )
    passed = seconds < 2 and max(planned, begun) < 30 and most < 2e9
    return Row("R34", done, "status < 2 s, plan < 30 s, driver < 2 GB", reached, passed)


def _simulate(out: Path, chunks: int) -> None:
    """Write commit records and journal lines as the run would have, of all chunks but the last."""
    from pulsatile.sweeps.disk import commits  # the formats are those of the code under test
    from pulsatile.sweeps.disk.journal import seal, unseal

    lines = journal(out)
    model = next((line for line in lines if line["kind"] == "chunk"), None)
    if model is None:
        raise Failed("the driver was killed before its first chunk was committed")
    record = commits.load(out, model["first"])
    told = {line["first"] for line in lines if line["kind"] == "chunk"}
    data = unseal(record)
    with (out / "journal.jsonl").open("a") as file:
        for k in range(chunks - LEFT):
            first = k * PER_CHUNK
            if first in told:
                continue
            text = seal(data | {"first": first, "stop": first + PER_CHUNK})
            (out / commits.place(first)).write_text(text)
            file.write(seal(commits.entry(text)))


def _peak(command: Command, limit: float) -> tuple[float, int]:
    """Return the seconds until a command ends, and the most memory of its process."""
    most = 0
    while command.alive:
        most = max(most, _memory(command))
        time.sleep(0.02)
    ended = command.wait(limit)
    if ended.code:
        raise Failed(f"ended with {ended.code}: {ended.err[-300:]}")
    return ended.seconds, most


def _until_work(command: Command, log: Path, before: int) -> tuple[float, int]:
    """Return the seconds until a first chunk is begun and the most memory until one is computed; then kill."""
    most, begun = 0, 0.0
    while command.alive and len(counted(log).begun) < before + LEFT // 2:
        most = max(most, _memory(command))
        if not begun and len(counted(log).begun) > before:
            begun = time.monotonic() - command.begin
        time.sleep(0.02)
    command.kill()
    ended = command.wait(60)
    if not begun:
        raise Failed(f"no chunk was begun: {ended.err[-400:]}")
    return begun, most


def _memory(command: Command) -> int:
    try:
        return int(psutil.Process(command.process.pid).memory_info().rss)
    except psutil.Error:
        return 0
