"""R3, R9: a driver that is killed, or asked to stop, at any moment."""

import signal
import time
from pathlib import Path

from benchmarks.reliability.audit import audit, commits, counted, found_chunks, journal
from benchmarks.reliability.bench import Bench, Command, Ended, Failed, until
from benchmarks.reliability.rows import Row

SPREADS = ((1, 2), (2, 1))
"""Processes and threads of each."""


def r3(bench: Bench) -> Row:
    """SIGKILL the driver at random moments, then resume."""
    wanted, study = bench.pick(100, 1), bench.study(bench.pick(120, 64))
    digest, kills, lives, most, orphans = bench.truth(study), 0, 0, 0, 0
    missed, moments = 0, {"before the folder": 0, "while it runs": 0, "while it leaves": 0}
    waits: list[float] = []
    length = dict.fromkeys(SPREADS, 0.0)
    while kills < wanted and not bench.late:
        spread = SPREADS[lives % 2]
        options = ["--workers", spread[0], "--threads", spread[1], "--json"]
        out, lives = bench.folder(), lives + 1
        log = out.with_suffix(".log")
        if not length[spread]:
            begin = time.monotonic()
            bench.pulsatile("run", study, "--out", bench.folder(), "--chunk", 4, *options)
            length[spread] = time.monotonic() - begin
        mine, aimed = 0, bench.chance.choice((1, 1, 2)) if wanted - kills > 1 else 1
        before: dict[int, bytes] = {}
        for _ in range(aimed):
            command = bench.start(*next_words(out, study), *options, faults=f"count={log}")
            time.sleep(bench.chance.uniform(0, length[spread]))
            command.kill(tree=bench.chance.random() < 0.6)
            command.wait(60)
            if not until(lambda c=command: not c.orphans(), 20):
                orphans += len(command.orphans())
                command.kill()
            killed = command.process.returncode == -signal.SIGKILL  # else it had ended before
            mine += killed
            moments[_moment(out)] += killed
            _kept(before, out)
            before = commits(out)
        kills += mine
        missed += aimed - mine
        done = len(counted(log).begun)
        start = time.time()
        ended = bench.pulsatile(*next_words(out, study), *options, faults=f"count={log}")
        _kept(before, out)
        audit(out).check()
        found = counted(log)
        waits += [found.begun[done][1] - start] if len(found.begun) > done else []
        if ended.json["digest"] != digest or bench.pulsatile("digest", out).out.strip() != digest:
            raise Failed(f"digest differs after {mine} kills")
        if found.again > mine * 2:
            raise Failed(f"{found.again} chunks computed again after {mine} kills with 2 slots")
        most = max(most, -(-found.again // max(mine, 1)))
        bench.say(f"R3 {kills}/{wanted} kills, {found.again} of {found_chunks(out)} chunks begun again, digest equal")
    when = ", ".join(f"{count} {moment}" for moment, count in moments.items())
    text = (
        f"{kills} SIGKILLs of the driver, with or without its workers ({when}; {missed} more came after its end and do "
        f"not count); {lives} runs resumed"
    )
    reached = (
        f"digest equal in {lives} of {lives}, no committed chunk computed again, nothing duplicated; at most {most} "
        f"chunks begun again per kill (2 slots); first chunk at most {max(waits, default=0):.1f} s after `resume` was "
        f"typed; {orphans} workers outlived their driver"
    )
    asked = f"{wanted} kills: digest equal; at most one chunk per worker computed again; nothing duplicated"
    return Row("R3", text, asked, reached, orphans == 0 and kills >= wanted)


def next_words(out: Path, study: Path) -> list[object]:
    """Return the words of the command that a user types next."""
    return ["resume", out] if (out / "journal.jsonl").exists() else ["run", study, "--out", out, "--chunk", 4]


def _moment(out: Path) -> str:
    lines = journal(out)
    return "before the folder" if not lines else "while it leaves" if lines[-1]["kind"] == "end" else "while it runs"


def _kept(before: dict[int, bytes], out: Path) -> None:
    now = commits(out)
    changed = [first for first, text in before.items() if now.get(first) != text]
    if changed:
        raise Failed(f"committed chunks were computed again: {changed[:5]}")


def r9(bench: Bench) -> Row:
    """Interrupt once and twice, and terminate."""
    study, rounds = bench.study(), bench.pick(10, 1)
    digest = bench.truth(study)
    worst = {"SIGINT once": 0.0, "SIGINT twice": 0.0, "SIGTERM once": 0.0}
    for k in range(rounds):
        for form in worst:
            options = ["--workers", SPREADS[k % 2][0], "--threads", SPREADS[k % 2][1]]
            out = bench.folder()
            command = bench.start("run", study, "--out", out, "--chunk", 4, *options)
            until(lambda o=out, c=command: found_chunks(o) > 3 or not c.alive, 120)
            time.sleep(bench.chance.uniform(0, 0.5))
            ended, seconds = _stopped(command, form)
            worst[form] = max(worst[form], seconds)
            if ended.code != 130:
                raise Failed(f"{form}: exit code {ended.code} after {seconds:.1f} s: {ended.err[-300:]}")
            if form != "SIGINT twice" and bench.pulsatile("status", out, "--json").json["state"] != "interrupted":
                raise Failed(f"{form}: the state is not interrupted")
            if bench.pulsatile("resume", out, *options, "--json").json["digest"] != digest:
                raise Failed(f"{form}: digest differs after resume")
            audit(out).check()
        bench.say(f"R9 {k + 1}/{rounds}: {', '.join(f'{form} {s:.2f} s' for form, s in worst.items())}")
    slowest = ", ".join(f"{form} {seconds:.1f} s" for form, seconds in worst.items())
    reached = f"exit 130 and digest equal after resume in all; at most {slowest}"
    done = f"{rounds} each of SIGINT once and twice and SIGTERM, in threads and in processes"
    asked = "once: committed, exit 130 in < 10 s; twice: < 2 s; resume equal"
    passed = worst["SIGINT once"] < 10 and worst["SIGTERM once"] < 10 and worst["SIGINT twice"] < 2
    return Row("R9", done, asked, reached, passed)


def _stopped(command: Command, form: str) -> tuple[Ended, float]:
    """Send the signals and return how it ended, and how long after the last of them."""
    if "TERM" in form:
        command.process.terminate()
    else:
        command.interrupt(signal.SIGINT)  # the whole group, as a terminal does
    if "twice" in form:
        time.sleep(0.05)
        command.interrupt()
    begin = time.monotonic()
    ended = command.wait(60)
    return ended, time.monotonic() - begin
