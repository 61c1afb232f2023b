"""R6: less memory than a chunk needs."""

from pathlib import Path

from benchmarks.reliability.audit import audit, counted
from benchmarks.reliability.bench import HANG, Bench, Failed
from benchmarks.reliability.rows import Row

SHARE = 0.6
"""Of what is needed."""
SENTENCES = (" GB", " MB", " bytes")


def r6(bench: Bench) -> Row:
    """Limit the memory by option and by the operating system."""
    from pulsatile.sweeps.workers.resources import PROGRAMS

    n = bench.pick(400, 120)
    study = bench.study(
        n, weeks=1, tests=[], outputs={"names": ["gh", "igf1", "glucose", "insulin", "ffa"], "every": "5 min"}
    )
    chunk, log, out = n // 2, bench.folder("count"), bench.folder()
    digest = bench.pulsatile(
        "run", study, "--out", out, "--chunk", chunk, "--workers", 1, "--threads", 1, "--json", faults=f"count={log}"
    ).json["digest"]
    need = counted(log).most
    plan = bench.pulsatile("run", study, "--chunk", chunk, "--workers", 1, "--threads", 1, "--dry-run", "--json").json
    bench.say(f"R6 a chunk of {chunk} takes {need / 1e6:.0f} MB; foretold {plan['memory'] / 1e6:.0f} MB")
    limit = f"{int((PROGRAMS + SHARE * plan['memory']) / 1e6)} MB"
    told = []
    for words, fault, what in (
        (["--workers", 1, "--threads", 1, "--memory", limit], "", "--memory"),
        (["--workers", 1, "--threads", 1, "--memory", limit, "--chunk", chunk], "", "--memory and --chunk"),
        (["--workers", 1, "--threads", 1, "--chunk", chunk], f"memory={int(SHARE * need)}", "address space, a thread"),
        (["--workers", 2, "--threads", 1, "--chunk", chunk], f"memory={int(SHARE * need)}", "address space, processes"),
    ):
        out = bench.folder()
        words = ["run", study, "--out", out, *words, "--json"]
        ended = bench.pulsatile(*words, faults=fault, expect=None, limit=10 * HANG)
        told.append(f"{what}: {_ending(ended.code, ended.out, ended.err, out, digest)} in {ended.seconds:.0f} s")
        bench.say(f"R6 {told[-1]}")
    done = f"a chunk of {chunk} patients needs {need / 1e6:.0f} MB; {SHARE:.0%} of it, by --memory and by the system"
    asked = "finishes, or stops naming the bytes; never hangs"
    return Row("R6", done, asked, "; ".join(told), True)


def _ending(code: int, out: str, err: str, folder: Path, digest: str) -> str:
    if code == 0:
        if digest not in out:
            raise Failed("finished with another digest")
        audit(folder).check()
        return "finished, digest equal"
    sentence = err.strip().splitlines()[-1] if err.strip() else ""
    if code == 70 or not any(word in sentence for word in SENTENCES):
        raise Failed(f"exit {code} without naming the bytes: {err.strip()[-400:]}")
    return f"stopped (exit {code}) naming the bytes"
