"""R10, R11, R36: patients that blow up, a chunk that fails wholly, and canaries that must not."""

import numpy as np

from benchmarks.reliability.audit import commits, journal, state
from benchmarks.reliability.bench import Bench, Failed
from benchmarks.reliability.bits import opened, same
from benchmarks.reliability.faults import BAD
from benchmarks.reliability.rows import Row

CODES = {"ok": 0, "step_limit": 1, "not_finite": 3, "implausible": 4}
ALONE = ["--workers", 1, "--threads", 1]
STEPS = 600
"""Trial steps a day: 1.7 times what the usual patients take (341 at most), less than the stiff one needs."""


def r10(bench: Bench) -> Row:
    """Make one patient in a hundred blow up, in three ways."""
    n = bench.pick(600, 32)
    study, step = bench.study(n, solver={"max_steps_per_day": STEPS}), bench.pick(300, 32)
    hit = {kind: range(7 + 11 * k, n, step) for k, kind in enumerate(BAD)}
    true, out = bench.folder(), bench.folder()
    bench.pulsatile("run", study, "--out", true, *ALONE)
    fault = "+".join(f"{places[0]}-{n}-{step}-{kind}" for kind, places in hit.items())
    bench.pulsatile("run", study, "--out", out, *ALONE, faults=f"patients={fault}", expect=(0, 1))
    a, b = opened(true), opened(out)
    expected = np.zeros(n, int)
    for kind, places in hit.items():
        expected[list(places)] = CODES[kind]
    if not (b["status"].values == expected).all():
        counts = [np.bincount(codes, minlength=6).tolist() for codes in (*b["status"].values, expected)]
        raise Failed(f"patients by status, in each arm and as expected: {counts}")
    well, names = np.flatnonzero(expected == 0), 0
    for name, values in a.data_vars.items():
        if values.dims[:2] != ("arm", "patient"):
            continue
        names += 1
        if not same(values.values[:, well], b[name].values[:, well]):
            raise Failed(f"{name} of other patients differs")
        if name != "status" and not np.isnan(b[name].values[:, expected > 0]).all():
            raise Failed(f"{name} of failed patients is not masked")
    counts = ", ".join(f"{len(places)} {kind}" for kind, places in hit.items())
    done = f"{(expected > 0).sum()} of {n} patients made to blow up ({counts}; at most {STEPS} steps a day)"
    reached = f"exactly those flagged, each of its type, masked; all others bit-equal in {names} outputs"
    return Row("R10", done, "exactly those flagged, right type; all others bit-equal", reached, True)


def r11(bench: Bench) -> Row:
    """Let every patient of one chunk fail."""
    n, chunk = bench.pick(80, 40), 8
    study = bench.study(n)
    share, seen = chunk / n, []
    fault = f"patients={chunk}-{2 * chunk - 1}-1-not_finite"
    wide = share + 0.01
    for gate, code, word in ((None, 1, "failed"), (wide, 0, "complete"), (share - 0.01, 1, "failed")):
        out = bench.folder()
        words = ["run", study, "--out", out, "--chunk", chunk, *ALONE, *([] if gate is None else ["--gate", gate])]
        ended = bench.pulsatile(*words, faults=fault, expect=None)
        if ended.code != code or state(out) != word:
            raise Failed(f"gate {gate}: exit {ended.code}, state {state(out)}; expected {code}, {word}: {ended.err}")
        failures = bench.pulsatile("status", out, "--json").json["failures"]
        if failures.get("not_finite", 0) != 2 * chunk:
            raise Failed(f"status tells of failures {failures}, {2 * chunk} patient-arms failed")
        seen.append(f"{'5 % (default)' if gate is None else f'{gate:.0%}'}: exit {code}, {word}")
        bench.say(f"R11 gate {seen[-1]}")
    done = f"all {chunk} patients of one chunk of {n // chunk} fail ({share:.0%}), gate at three rates"
    asked = "state not complete, exit 1; gate trips at the set rate (default 5 %)"
    return Row("R11", done, asked, "; ".join(seen), True)


def r36(bench: Bench) -> Row:
    """Look for canaries in every chunk, and let one fail."""
    chunks = with_canary = 0
    worst = 0.0
    for size in bench.pick((1, 4, 64, 200), (4,)):
        out = bench.folder()
        study = bench.study(bench.pick(40 if size == 1 else 200, 12))
        bench.pulsatile("run", study, "--out", out, "--chunk", size, *ALONE)
        told = [line["canaries"] for line in journal(out) if line["kind"] == "chunk"]
        chunks, with_canary = chunks + len(told), with_canary + sum(c["count"] > 0 for c in told)
        worst = max(worst, *(c["worst"] for c in told))
    blocked, forms = [], bench.pick(("scaled", "late", "dropped"), ("scaled",))
    for form in forms:
        out = bench.folder()
        ended = bench.pulsatile(
            "run", bench.study(32), "--out", out, "--chunk", 4, *ALONE, faults=f"kernel={form}", expect=None
        )
        blocked.append(ended.code == 6 and not commits(out) and "canary" in ended.err)
        bench.say(f"R36 {form}: exit {ended.code}, {len(commits(out))} chunks committed: {ended.err.strip()[-200:]}")
    done = f"{chunks} chunks of 1 to 200 patients; kernel made wrong in {len(forms)} ways ({', '.join(forms)})"
    reached = (
        f"canaries in {with_canary} of {chunks} chunks, worst {worst:.2g} of what is allowed; {sum(blocked)} of "
        f"{len(blocked)} wrong kernels stopped with exit 6 and nothing committed"
    )
    asked = "in 100 % of chunks; a failing one blocks the commit (exit 6)"
    return Row("R36", done, asked, reached, with_canary == chunks > 0 and all(blocked))
