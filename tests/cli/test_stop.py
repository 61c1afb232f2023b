"""Ctrl-C in the first moments of a command: exit code 130 and one line, whatever is being imported."""

import signal
import subprocess
import sys
import time
from subprocess import PIPE

import pytest

from pulsatile.cli import stop
from pulsatile.sweeps.errors import Exit

COMMANDS = (("--help",), ("presets",), ("validate", "nothing.yaml"), ("simulate", "--weeks", "1"))


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_at_any_early_moment_is_plain(command: tuple[str, ...]) -> None:
    code = (
        "import os, signal, sys, threading\n"
        "from pulsatile.cli import stop\n"
        "stop.before_commands()\n"
        "timer = threading.Timer(float(sys.argv.pop(1)), os.kill, (os.getpid(), signal.SIGINT))\n"
        "timer.daemon = True\n"
        "timer.start()\n"
        "from pulsatile.__main__ import main\n"
        "main()\n"
    )
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2):
        run = subprocess.run(
            [sys.executable, "-c", code, str(delay), *command], capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback" not in run.stderr
        assert run.returncode in (0, Exit.BAD_INPUT, Exit.INTERRUPTED)  # done before, or interrupted
        if run.returncode == Exit.INTERRUPTED:
            assert run.stderr.strip().endswith("interrupted.")


def test_it_ends_before_anything_else_is_imported() -> None:
    code = "from pulsatile.cli import stop; stop.before_commands(); print(flush=True); import time; time.sleep(30)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert time.monotonic() - begin < 10
    assert (process.returncode, err) == (Exit.INTERRUPTED, "pulsatile: error: interrupted.\n")
    assert Exit.INTERRUPTED == stop.INTERRUPTED
