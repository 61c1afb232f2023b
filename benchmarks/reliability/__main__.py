"""The reliability campaign, one command.

    python -m benchmarks.reliability [--quick] [--only R2,R3] [--write docs/reliability.md] [--minutes M]
        [--scratch FOLDER]

Prints each row as it is done; with ``--write`` they are put into the table (and the ``.json`` beside it) one by one,
the other rows stay as they were.  Exit code 1 when a row failed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.reliability import (
    bits,
    builds,
    changes,
    damage,
    driver_deaths,
    failures,
    full_disk,
    growth,
    holders,
    inputs,
    memory,
    overhead,
    rows,
    scale,
    soak,
    worker_deaths,
)  # fmt: skip
from benchmarks.reliability.bench import Bench, Failed, machine
from benchmarks.reliability.rows import Row

TESTS: dict[str, Callable[[Bench], Row]] = {
    "R1": bits.r1, "R2": worker_deaths.r2, "R3": driver_deaths.r3, "R5": worker_deaths.r5, "R6": memory.r6,
    "R7": full_disk.r7, "R8": damage.r8, "R9": driver_deaths.r9, "R10": failures.r10, "R11": failures.r11,
    "R12": changes.r12, "R13": changes.r13, "R14": holders.r14, "R15": growth.r15, "R16": bits.r16, "R17": bits.r17,
    "R33": soak.r33, "R34": scale.r34, "R35": builds.r35, "R36": failures.r36,
    "overhead": overhead.overhead, **{name: inputs.promise(name) for name in inputs.PROMISES},
}  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign, or some rows of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts")
    parser.add_argument("--only", default=",".join(TESTS), metavar="R2,R3", help="these rows only")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="put the rows into this table")
    parser.add_argument("--minutes", type=float, default=600.0, help="most minutes of a row of repeated kills")
    parser.add_argument("--scratch", type=Path, metavar="FOLDER", help="where the runs lie")
    given = parser.parse_args(words)
    chosen = given.only.split(",")
    if unknown := [name for name in chosen if name not in TESTS]:
        parser.error(f"{', '.join(unknown)} is no row; choose from {', '.join(TESTS)}")
    failed = 0
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="reliability-", dir=given.scratch) as scratch:
            row = _carried_out(name, Bench(Path(scratch), given.quick, minutes=given.minutes))
        failed += row.passed is False
        print(f"{row.id}: {row.verdict}; asked: {row.asked}; reached: {row.reached} ({row.seconds:.0f} s)", flush=True)
        if given.write is not None:
            kept = given.write.with_suffix(".json")
            table = rows.merged(rows.load(kept), [row])
            rows.save(kept, table)
            given.write.write_text(rows.page(table), encoding="utf-8")
    return 1 if failed else 0


def _carried_out(name: str, bench: Bench) -> Row:
    """Carry out one row; what stops it is its result."""
    begin = time.monotonic()
    try:
        row = TESTS[name](bench)
    except Failed as failure:
        reached = str(failure).replace(str(bench.scratch), "...")
        row = Row(name, (TESTS[name].__doc__ or "").strip(), "see benchmarks/reliability", reached, False)
    return replace(row, seconds=round(time.monotonic() - begin, 1), quick=bench.quick, machine=machine())


if __name__ == "__main__":
    sys.exit(main())
