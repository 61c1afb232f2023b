"""How long it takes to begin: imports, the command line, a compiled kernel, a fleet of processes.

    python -m benchmarks.startup [--rounds 5] [--json FILE] [--quick]

Each figure is the least of several new processes, wall time, in s.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLEET = 4

IMPORT = "import time; begin = time.perf_counter()\n{}\nprint(time.perf_counter() - begin)"
EVERYTHING = "import pulsatile as pu\nfor name in pu.__all__: getattr(pu, name)"
KERNEL = """
import numpy as np
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.cohort import virtual_cohort
c = virtual_cohort(8)
integrate(c.parameters, fasting_state(c.parameters), None, None, start=0.0, times=np.array([1.0]))
"""
COUNTED = """
from pulsatile.engine.kernel.codegen import kernel
from pulsatile.engine.kernel.batch import Solver
misses = sum(kernel(Solver().build(())).run.stats.cache_misses.values())
print("compiled", misses)
"""
COMMANDS = {
    "pulsatile --help": ["--help"],
    "pulsatile presets": ["presets"],
    "pulsatile validate examples/quick.yaml": ["validate", "examples/quick.yaml"],
    "pulsatile simulate (32 patients x 2 arms x 4 weeks)": ["simulate"],
}


def _environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)} | more


def _inside(code: str, rounds: int, **more: str) -> float:
    """Return the least seconds that ``code`` takes in a new process, Python's own start apart."""
    command = [sys.executable, "-c", IMPORT.format(code)]
    runs = [
        subprocess.run(command, cwd=ROOT, env=_environment(**more), capture_output=True, text=True, check=True)
        for _ in range(rounds)
    ]
    return min(float(run.stdout.splitlines()[-1]) for run in runs)


def _whole(words: list[str], rounds: int) -> float:
    """Return the least seconds of a whole command."""
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        command = [sys.executable, "-m", "pulsatile", *words]
        subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, check=True)
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def imports(rounds: int) -> dict[str, float]:
    """Return seconds of imports."""
    numba = _inside("import numba, llvmlite", rounds)
    return {
        "import pulsatile": _inside("import pulsatile", rounds),
        "import numba": numba,
        "import pulsatile and touch pu.simulate": _inside("import pulsatile as pu\npu.simulate", rounds),
        "the same without numba": _inside("import numba, llvmlite, time\nbegin = time.perf_counter()\n"
                                          "import pulsatile as pu\npu.simulate", rounds),
        "every public name (xarray, zarr, pydantic too), without numba": _inside(
            f"import numba, llvmlite, time\nbegin = time.perf_counter()\n{EVERYTHING}", rounds),
    }  # fmt: skip


def kernels(rounds: int) -> dict[str, float]:
    """Return seconds of a first run that must compile one kernel, of the next ones, and of processes together."""
    with tempfile.TemporaryDirectory() as folder:
        cold = _inside(KERNEL, 1, PULSATILE_CACHE_DIR=folder)
        warm = _inside(KERNEL, rounds, PULSATILE_CACHE_DIR=folder)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        command, own = [sys.executable, "-c", KERNEL + COUNTED], _environment(PULSATILE_CACHE_DIR=folder)
        fleet = [subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True) for _ in range(FLEET)]
        compiled = sum(int(process.communicate()[0].split()[-1]) for process in fleet)
        together = time.perf_counter() - begin
    return {
        "a first integration, one kernel compiled": cold,
        "the same, kernel from the cache": warm,
        f"{FLEET} processes at once, empty cache, whole": together,
        f"kernels compiled by those {FLEET} processes": float(compiled),
    }


def start_times(rounds: int = 3) -> dict[str, float]:
    """Return all figures, in s (the number of kernels compiled by the fleet apart)."""
    found = imports(rounds) | kernels(rounds)
    _whole(["simulate"], 1)  # fills the cache
    return found | {f"`{name}`, whole process": _whole(words, rounds) for name, words in COMMANDS.items()}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--quick", action="store_true", help="imports only, once: only to see that it works")
    given = parser.parse_args(arguments)
    found = imports(1) if given.quick else start_times(given.rounds)
    print("| what | s |\n|---|--:|")
    print("\n".join(f"| {name} | {value:.3g} |" for name, value in found.items()))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    main()
