"""The benchmarks of scaling, start-up and overhead run once, tiny: only to see that they work."""

from typing import Any

import pytest

from benchmarks import run_share, scaling, startup
from benchmarks.flat import flat

QUICK = str(run_share.STUDY.with_name("quick.yaml"))


def test_shares_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = run_share.main(["--study", QUICK, "--patients", "8", "--weeks", "1", "--workers", "0"])
    assert sum(p["wall"] for p in row["phases"]) == pytest.approx(row["wall"])
    assert sum(p["kernel"] for p in row["phases"]) == pytest.approx(row["kernel_cpu"])
    assert 0 < row["kernel_cpu"] < row["cpu"]
    assert {"planning", "chunks", "digest and summary"} <= {p["name"] for p in row["phases"]}
    assert "not integration" in capsys.readouterr().out


def test_kernels_in_two_threads_are_both_counted() -> None:
    spans = [
        {"name": "chunks", "begin": 1.0, "end": 9.0, "cpu": 0.0},
        *({"name": "kernel", "begin": 2.0, "end": 8.0, "cpu": 6.0} for _ in range(2)),
        {"name": "kernel load", "begin": 1.0, "end": 2.0, "cpu": 1.0},
    ]
    found = run_share.accounts(spans, 0.0, 10.0, 14.0, 2)
    assert found["share_of_cores"] == pytest.approx(1 - 12 / 20)
    assert found["share_of_cpu"] == pytest.approx(1 - 12 / 14)
    assert found["idle"] == pytest.approx(6.0)


def test_scaling(capsys: pytest.CaptureFixture[str]) -> None:
    rows = scaling.main(["patients", "--quick"])
    assert [row["patients"] for row in rows] == [10, 80]
    assert all(row["code"] == 0 and row["memory_mb"] > 10 for row in rows)
    assert "per patient-day" in capsys.readouterr().out


def test_a_line_is_found() -> None:
    x = [1.0, 10.0, 100.0]
    intercept, slope, worst = scaling.linear(x, [5.0 + 2.0 * v for v in x])
    assert (intercept, slope) == (pytest.approx(5.0), pytest.approx(2.0))
    assert worst < 1e-9


def test_flat_compares_the_same_patients() -> None:
    text, row = flat(8, 8, 8, 1)
    assert row["calls"][0] == row["calls"][1] > 0
    assert "uncertain" in text


def test_startup(capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, Any] = startup.main(["--quick"])
    assert found["import pulsatile"] < 0.5
    assert "import numba" in capsys.readouterr().out
