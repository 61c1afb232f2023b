"""R35: the same study under two versions of numba on one machine."""

import csv
import json
import math
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.reliability.bench import ROOT, Bench, Failed
from benchmarks.reliability.changes import interrupted
from benchmarks.reliability.rows import Row

VERSIONS = ("0.68.0", "0.68.1")
"""Of the range that pyproject.toml allows."""
CLOSE = 1e-9


def r35(bench: Bench) -> Row:
    """Put another numba before the installed one, run, and resume what the installed one began."""
    here = version("numba")
    other = next(v for v in VERSIONS if v != here)
    done = f"numba {here} and {other} on one machine: a run each, and a run of {here} resumed by {other}"
    asked = "summary statistics within 1e-9 relative; platform class told, resume refused with the difference named"
    place = bench.folder("numba")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(place), f"numba=={other}"]
    if subprocess.run(install, check=False, capture_output=True).returncode:
        return Row("R35", done, asked, f"numba {other} could not be had: no package index", None)
    path = {"PYTHONPATH": os.pathsep.join((str(place), str(ROOT))), "PULSATILE_CACHE_DIR": str(bench.folder("kernels"))}
    study = bench.study(bench.pick(300, 24))
    outs = [bench.folder(), bench.folder()]
    digests, platforms = [], []
    for out, more in zip(outs, ({}, path), strict=True):
        digests.append(bench.pulsatile("run", study, "--out", out, "--json", **more).json["digest"])
        platforms.append(_platform(out))
        bench.say(f"R35 {platforms[-1]}: {digests[-1][:12]}")
    worst = max(_distances(*(out / "summary.csv" for out in outs)))
    began = interrupted(bench, study)
    refused = bench.pulsatile("resume", began, expect=None, **path)
    named = refused.code == 4 and here in refused.err and other in refused.err
    bench.say(f"R35 resume: {refused.code} {refused.err.strip()[-250:]}")
    bits = "equal" if digests[0] == digests[1] else "different"
    if platforms[0] == platforms[1]:
        raise Failed("the manifests do not tell the platforms apart")
    refusal = "refused, both versions named" if named else "NOT refused by name"
    reached = f"digests {bits}, summary within {worst:.1g} relative; resume {refusal}"
    return Row("R35", done, asked, reached, worst <= CLOSE and named)


def _platform(out: Path) -> str:
    return str(json.loads((out / "manifest.json").read_text())["platform"])


def _distances(one: Path, two: Path) -> list[float]:
    """Return the relative differences of all numbers of two tables; infinite where their words differ."""
    found = [0.0]
    with one.open() as a, two.open() as b:
        for left, right in zip(csv.reader(a), csv.reader(b), strict=True):
            for x, y in zip(left, right, strict=True):
                try:
                    found.append(abs(float(x) - float(y)) / max(abs(float(x)), abs(float(y)), 1e-300))
                except ValueError:
                    found.append(0.0 if x == y else math.inf)
    return [d for d in found if not math.isnan(d)]
