#!/usr/bin/env python3
"""Set up and do it, with nothing but Python >= 3.11.

    python3 do.py run      run examples/peptides_vs_rhgh.yaml into runs/peptides_vs_rhgh
    python3 do.py test     pass the tests
    python3 do.py check    lint, format, types, import contracts

More arguments are handed on: ``python3 do.py run --patients 100``, ``python3 do.py test -k dosing``.
The virtual environment is made in .venv (or in the folder of PULSATILE_VENV) when it is missing or out of date.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = Path(os.environ.get("PULSATILE_VENV") or HERE / ".venv")
BIN = FOLDER / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = FOLDER / "pulsatile.stamp"

EXAMPLE = "peptides_vs_rhgh"
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports", "--no-logo"),
)
PYTEST = ("pytest", "-n", "logical", "--maxprocesses", "4", "--dist", "loadfile")
"""A process per core; a file's tests stay together, for they share what they ran.  ``-n 0`` after it: one process."""


def call(*command: str | Path) -> int:
    """Print a command, run it in the checkout, and return its exit code."""
    words = [str(word) for word in command]
    print("+", " ".join(words), flush=True)
    return subprocess.run(words, cwd=HERE, check=False).returncode


def prepare() -> None:
    """Make the virtual environment, or leave it when it is up to date."""
    made_of = [sys.version.encode(), (HERE / "pyproject.toml").read_bytes(), (HERE / "constraints.txt").read_bytes()]
    key = hashlib.sha256(b"\0".join(made_of)).hexdigest()
    if STAMP.exists() and STAMP.read_text() == key and PYTHON.exists():
        return
    if FOLDER.exists() and any(FOLDER.iterdir()) and not (FOLDER / "pyvenv.cfg").exists():
        sys.exit(
            f"do.py: {FOLDER} holds something else than a virtual environment; set PULSATILE_VENV to a new folder."
        )
    print(f"Making the virtual environment {FOLDER} (about a minute, 0.7 GB) ...", flush=True)
    try:
        venv.create(FOLDER, with_pip=True, clear=True, symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"do.py: no virtual environment could be made in {FOLDER}: {error}. Is the venv module installed?")
    install = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--compile")
    if call(*install, "--constraint", HERE / "constraints.txt", "--editable", f"{HERE}[dev]"):
        sys.exit("do.py: the packages could not be installed; is a package index reachable?")
    call(PYTHON, "-m", "compileall", "-q", "engine", "sweeps", "pulsatile")  # imports take a quarter of the time
    STAMP.write_text(key)


def run(arguments: list[str]) -> int:
    """Run the shipped study; a folder from an earlier run is left alone and a numbered one taken."""
    out, number = HERE / "runs" / EXAMPLE, 1
    while out.exists() and any(out.iterdir()):
        number += 1
        out = out.with_name(f"{EXAMPLE}_{number}")
    given = ("--out",) if any(word == "--out" or word.startswith("--out=") for word in arguments) else ()
    where = () if given else ("--out", str(out.relative_to(HERE)))
    return call(PYTHON, "-m", "pulsatile", "run", f"examples/{EXAMPLE}.yaml", *where, *arguments)


def main() -> int:
    """Do what the first argument says."""
    words = sys.argv[1:]
    if sys.version_info < (3, 11):
        sys.exit(f"do.py: Python {sys.version.split()[0]} is too old; 3.11 or newer is needed.")
    if not words or words[0] not in ("run", "test", "check"):
        print(__doc__)
        return 0 if words[:1] in ([], ["-h"], ["--help"]) else 2
    prepare()
    if words[0] == "run":
        return run(words[1:])
    if words[0] == "test":
        return call(PYTHON, "-m", *PYTEST, *words[1:])
    return max(call(BIN / tool, *rest) for tool, *rest in CHECKS)


if __name__ == "__main__":
    sys.exit(main())
