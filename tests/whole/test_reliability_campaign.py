"""The reliability campaign works, in its smallest form; its figures are in docs/reliability.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reliability import __main__ as campaign
from benchmarks.reliability import audit, failures, faults, rows
from benchmarks.reliability.bench import ROOT, Bench, Failed
from benchmarks.reliability.rows import Row
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.parameters import beyond
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.run_in import run_in

ROW = Row("R2", "kills", "none lost", "none lost", True, 3.0, machine="Linux")


def test_a_small_form_replaces_no_full_one() -> None:
    small = Row("R2", "kills", "none lost", "two lost", False, quick=True)
    assert rows.merged([ROW], [small]) == [ROW]
    assert rows.merged([small], [ROW]) == [ROW]
    assert rows.merged([ROW], [Row("R2", "", "", "", False)])[0].passed is False


def test_rows_stand_in_order_on_the_page(tmp_path: Path) -> None:
    others = [Row(name, "a | b", "", "", None) for name in ("overhead", "R10", "R1")]
    table = rows.merged(others, [ROW])
    assert [row.id for row in table] == ["R1", "R2", "R10", "overhead"]
    rows.save(tmp_path / "table.json", table)
    assert rows.load(tmp_path / "table.json") == table
    page = rows.page(table)
    assert "| R2 | kills | none lost | none lost | passed | 3 s |" in page
    assert "a / b" in page
    assert "skipped" in page


def test_every_row_that_was_asked_for_is_there() -> None:
    # R4 is tests/sweeps/disk/test_power_cut.py
    wanted = (1, 2, 3, *range(5, 18), 29, 30, 33, 34, 35, 36, *range(40, 47))
    assert set(campaign.TESTS) == {*(f"R{number}" for number in wanted), "overhead"}


def test_what_is_lost_or_repeated_is_seen(tmp_path: Path) -> None:
    begin = {"kind": "begin", "facts": {"patients": 10, "chunk": 4}}
    chunks = [{"kind": "chunk", "first": first} for first in (0, 4, 4)]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (begin, *chunks)) + '{"torn')
    (tmp_path / "commits").mkdir()
    for first in (0, 4, 6):
        (tmp_path / "commits" / f"{first:09d}.json").write_text("{}")
    found = audit.audit(tmp_path)
    assert (found.chunks, found.lost, found.repeated) == (3, [8], [4, 6])
    with pytest.raises(Failed, match="lost"):
        found.check()


def test_a_command_that_ends_otherwise_than_expected_fails_its_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quick=True)
    with pytest.raises(Failed, match="ended with 4, expected"):
        bench.pulsatile("verify", tmp_path / "nothing")
    assert bench.pulsatile("verify", tmp_path / "nothing", expect=4).code == 4


@pytest.mark.parametrize("kind", faults.BAD)
def test_any_patient_blows_up_by_numbers_that_are_allowed(kind: str) -> None:
    cohort = virtual_cohort(40, seed=11)
    for name, value in faults.BAD[kind].items():
        cohort.parameters[name][4:] = value
    assert beyond(cohort.parameters).any() == (kind == "not_finite")  # nothing else can be found out before the run
    status = run_in(cohort, solver=Solver(max_steps_per_day=failures.STEPS)).status
    assert status.tolist() == [0] * 4 + [failures.CODES[kind]] * 36


def test_rows_by_the_command(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    words = ["--quick", "--only", "R3,R16", "--write", str(page), "--scratch", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.reliability", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [row.passed for row in rows.load(page.with_suffix(".json"))] == [True, True]
    text = page.read_text(encoding="utf-8") + page.with_suffix(".json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert text.count("passed (small form)") == 2
