"""R14: two drivers on one folder, and the lock of a dead one."""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.reliability.audit import audit, found_chunks
from benchmarks.reliability.bench import ROOT, Bench, Failed, until
from benchmarks.reliability.rows import Row

IMPORTS = "import pulsatile.cli.main; from pulsatile.sweeps.run import expand, heal, progress, run"


def r14(bench: Bench) -> Row:
    """Launch twice; kill the first; unlock."""
    study, slowest, told = bench.study(bench.pick(1500, 200)), 0.0, 0
    digest = bench.truth(study)
    imports = _seconds_of_imports()
    out = bench.folder()
    first = bench.start("run", study, "--out", out, "--chunk", 4, "--workers", 1, "--threads", 1)
    until(lambda: found_chunks(out) > 1 or not first.alive, 120)
    attempts = (
        ["resume", out], ["run", study, "--out", out], ["expand", out, "--weeks", 3], ["heal", out], ["unlock", out],
    )  # fmt: skip
    for words in attempts:
        tries = [bench.pulsatile(*words, expect=None) for _ in range(bench.pick(3, 1))]
        if not first.alive:
            raise Failed("the first driver ended too early for this test")
        ended = tries[-1]
        slowest = max(slowest, min(one.seconds for one in tries) - imports)
        named = str(first.process.pid) in ended.err
        told += ended.code == 4 and named
        bench.say(f"R14 {words[0]}: {ended.code} in {ended.seconds:.2f} s: {ended.err.strip()[-200:]}")
    first.kill()
    first.wait(30)
    begin = time.monotonic()
    bench.pulsatile("unlock", out)
    cleared = time.monotonic() - begin
    if (out / "lock").exists():
        raise Failed("the stale lock is still there after unlock")
    if bench.pulsatile("resume", out, "--json").json["digest"] != digest:
        raise Failed("digest differs after unlock and resume")
    audit(out).check()
    foreign = _foreign(bench, out)
    names = ", ".join(str(words[0]) for words in attempts)
    done = f"a second driver ({names}) on a folder in use; the lock of a killed driver, and one of another host"
    reached = (
        f"{told} of {len(attempts)} refused with exit 4, holder named, at most {slowest:.1f} s beyond the "
        f"{imports:.1f} s of imports; stale lock cleared by `unlock` in {cleared:.1f} s; another host's refused, "
        f"cleared by `unlock` in {foreign:.0f} s"
    )
    asked = "second told the holder in < 2 s; stale lock cleared by one command"
    return Row("R14", done, asked, reached, told == len(attempts) and (slowest < 2 or bench.quick))


def _foreign(bench: Bench, out: Path) -> float:
    """Leave a lock as another host's dead driver would; return the seconds until `unlock` cleared it."""
    holder = {
        "host": "elsewhere", "pid": 1, "start": "1", "command": "pulsatile run", "began": "2026-01-01T00:00:00+00:00",
        "token": "0" * 32, "locks": True, "beat": 7, "dashboard": "",
    }  # fmt: skip
    (out / "lock").write_text(json.dumps(holder) + "\n")
    refused = bench.pulsatile("resume", out, expect=4)
    if "elsewhere" not in refused.err or "unlock" not in refused.err:
        raise Failed(f"the other host or the way out is not named: {refused.err}")
    seconds = bench.pulsatile("unlock", out).seconds
    bench.pulsatile("resume", out)
    return seconds


def _seconds_of_imports() -> float:
    def once() -> float:
        begin = time.monotonic()
        subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, check=True)
        return time.monotonic() - begin

    return min(once() for _ in range(3))
