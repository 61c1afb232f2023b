"""A run is stopped or killed at any moment: it ends soon, says so, and goes on to the same digest."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pulsatile.sweeps.disk import commits
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.run import driver
from pulsatile.sweeps.run.run import resume, run
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources
from tests.conftest import Write
from tests.sweeps.run.runs import chunk_entries

ALONE = Resources(2, workers=1, threads=1)


def test_a_driver_killed_for_real_is_resumed_from_the_command_line(small: dict[str, Any], write: Write) -> None:
    small["population"]["n"] = 60
    path = write(small)
    out, whole = path.parent / "run", path.parent / "whole"
    command = [sys.executable, "-m", "pulsatile"]
    with subprocess.Popen(
        [*command, "run", str(path), "--out", str(out), "--chunk", "2"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + 200
        while len(commits.committed(out)) < 3 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = commits.committed(out)
    assert 3 <= len(done) < 30
    times = {first: os.stat(out / commits.place(first)).st_mtime_ns for first in done}
    told = subprocess.run([*command, "resume", str(out), "--json"], capture_output=True, text=True, check=True)
    assert {first: os.stat(out / commits.place(first)).st_mtime_ns for first in done} == times
    assert run(study_from(small, "study"), whole).digest == json.loads(told.stdout)["digest"]
    shown = subprocess.run([*command, "digest", str(out)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == json.loads(told.stdout)["digest"]


@pytest.mark.parametrize("threads", [1, 2])
def test_interrupt_finishes_the_chunk_in_hand(small: dict[str, Any], write: Write, threads: int) -> None:
    small["population"]["n"] = 4000
    small["weeks"] = 26
    path = write(small)
    out = path.parent / "run"
    command = [sys.executable, "-m", "pulsatile", "run", str(path), "--out", str(out), "--chunk", "4"]
    command += ["--workers", "1", "--threads", str(threads)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 200
        while not commits.committed(out) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, told
    assert "Stopping after the chunks in progress" in told
    assert "Traceback" not in told
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["state"] == "interrupted"
    assert 0 < manifest["patients_done"] < 4000
    assert manifest["patients_done"] == max(record["stop"] for record in chunk_entries(out))
    status = xr.open_zarr(out / "results.zarr")["status"].values
    assert np.all(status[:, : manifest["patients_done"]] == 0)
    assert np.all(status[:, manifest["patients_done"] :] == 5)


def test_a_second_interrupt_does_not_wait_for_the_kernel(small: dict[str, Any], write: Write) -> None:
    small["population"]["n"] = 128
    small["weeks"] = 520  # one call of the kernel, about half a minute long
    path = write(small)
    out = path.parent / "run"
    command = [sys.executable, "-m", "pulsatile", "run", str(path), "--out", str(out), "--chunk", "128"]
    with subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 200
            while '"running"' not in _text(out / "manifest.json") and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(4)  # beyond the run-in
            process.send_signal(signal.SIGINT)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == Exit.INTERRUPTED
        finally:
            process.kill()
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["state"], manifest["patients_done"]) == ("interrupted", 0)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_ctrl_c_is_heard_while_kernels_compile(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, compiled = threading.Event(), list[float]()

    def compiles(resolved: ResolvedStudy) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        heard.wait(20)
        compiled.append(20.0)
        return 20.0

    with monkeypatch.context() as patched:
        patched.setattr(driver, "warm_up", compiles)
        outcome = run(study_from(small, "study"), tmp_path / "run", ALONE)
    assert (outcome.code, compiled) == (Exit.INTERRUPTED, [])
    heard.set()
    assert RunFolder.open(tmp_path / "run").state == "interrupted"
    assert resume(tmp_path / "run", ALONE).code is Exit.DONE


def test_what_fails_while_kernels_compile_is_told(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(resolved: ResolvedStudy) -> float:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(driver, "warm_up", fails)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(study_from(small, "study"), tmp_path / "run", ALONE)


STUCK = """
import os, signal, time
from pulsatile.cli.guard import guarded
@guarded
def command():
    # no print: the signal may come while "ready" is being flushed, and a buffer cannot be entered twice
    signal.signal(signal.SIGINT, lambda *given: os.write(1, b"heard\\n"))
    print("ready", flush=True)
    while True:
        time.sleep(60)
command()
"""


def test_the_second_ctrl_c_ends_a_command_that_hears_none() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "heard\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == Exit.INTERRUPTED
        finally:
            process.kill()
