"""R7: a disk that is full before, in and at the end of a run: a small tmpfs in a mount namespace of its own.

The inner program (``python -m benchmarks.reliability.full_disk``) runs in that namespace and prints what it saw.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability.audit import audit
from benchmarks.reliability.bench import ROOT, Bench, Failed
from benchmarks.reliability.rows import Row

SHARES = (0.01, 0.5, 0.99)
"""Of the space that the run needs, what is free."""
MOUNT = 'mount -t tmpfs -o size=512m tmpfs "$1" && shift && exec "$@"'


@dataclass(frozen=True)
class Seen:
    """How a run on a full disk went: exit code, seconds from the first refusal, its sentence, and what came after."""

    share: float
    code: int
    seconds: float
    sentence: str
    committed: int
    verified: int
    digest_equal: bool


def r7(bench: Bench) -> Row:
    """Fill a small disk."""
    asked = "exit 3 in < 10 s, sentence tells free bytes, committed data readable, resume after freeing: digest equal"
    done = f"a tmpfs full at {', '.join(f'{share:.0%}' for share in SHARES)} of what the run needs"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        return Row("R7", done, asked, "no mount namespaces on this machine", None)
    mount = str(bench.folder("mount"))
    os.mkdir(mount)
    program = [sys.executable, "-m", "benchmarks.reliability.full_disk", mount, str(bench.pick(bench.patients, 32))]
    own = os.environ | {"PYTHONPATH": str(ROOT)}
    inner = subprocess.run(
        ["unshare", "-rm", "sh", "-c", MOUNT, "sh", mount, *program], cwd=ROOT, env=own,
        stdout=subprocess.PIPE, text=True, check=False, timeout=900,
    )  # fmt: skip
    if inner.returncode:
        raise Failed(f"the run on the small disk ended with {inner.returncode}")
    seen = [Seen(**data) for data in json.loads(inner.stdout)]
    for one in seen:
        bench.say(f"R7 {one}")
    told = sum("bytes" in one.sentence or "MB" in one.sentence or "kB" in one.sentence for one in seen)
    well = all(one.code == 3 and one.verified == 0 and one.digest_equal for one in seen)
    slowest = max(one.seconds for one in seen)
    reached = (
        f"exit {', '.join(str(one.code) for one in seen)}, at most {slowest:.1f} s after the first refusal; "
        f"{', '.join(str(one.committed) for one in seen)} chunks committed, verify sound in "
        f"{sum(one.verified == 0 for one in seen)}, digest equal after resume in "
        f"{sum(one.digest_equal for one in seen)} of {len(seen)}; free bytes told in {told}"
    )
    return Row("R7", done, asked, reached, well and slowest < 10 and told == len(seen))


def inside(bench: Bench, disk: Path) -> list[Seen]:
    """Run on the small disk, which is this process's own."""
    study = bench.study()
    truth = bench.truth(study)
    options = ["--workers", 1, "--threads", 1]
    before = _free(disk)
    bench.pulsatile("run", study, "--out", disk / "run", "--chunk", 4, *options)
    need = before - _free(disk)
    shutil.rmtree(disk / "run")
    seen = []
    for share in SHARES:
        filler, out, log = disk / "filler", disk / f"run{share}", bench.folder("refused")
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _free(disk) - int(share * need))
        ended = bench.pulsatile(
            "run", study, "--out", out, "--chunk", 4, *options, expect=None, faults=f"errors={log}", limit=120
        )
        seconds = time.time() - float(log.read_text()) if log.exists() else ended.seconds
        begun = (out / "journal.jsonl").exists()
        committed = len(list((out / "commits").glob("*.json"))) if begun else 0
        verified = bench.pulsatile("verify", out, expect=None).code if begun else 0
        filler.unlink()
        words = ["resume", out] if begun else ["run", study, "--out", out, "--chunk", 4]
        again = bench.pulsatile(*words, *options, "--json", expect=None)
        equal = again.code == 0 and again.json["digest"] == truth
        if equal:
            audit(out).check()
        sentence = ended.err.strip().splitlines()[-1] if ended.err.strip() else again.err.strip()[-300:]
        seen.append(Seen(share, ended.code, round(seconds, 2), sentence, committed, verified, equal))
        shutil.rmtree(out, ignore_errors=True)
    return seen


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


if __name__ == "__main__":
    place = Path(sys.argv[1])
    scratch = place.with_name(place.name + "-scratch")  # not on the small disk
    scratch.mkdir()
    print(json.dumps([vars(one) for one in inside(Bench(scratch, patients=int(sys.argv[2])), place)]))
