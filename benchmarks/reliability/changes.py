"""R12, R13: what must not matter between run and resume does not, what matters is refused by name."""

import json
import os
import shutil
import signal
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reliability.audit import audit, found_chunks
from benchmarks.reliability.bench import ARMS, ROOT, Bench, Failed, until
from benchmarks.reliability.rows import Row

DAY = 86_400
OTHER = {"drug": "tesamorelin", "dose": "1.9 mg", "at": ["20:00"]}
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 12}, "seed"),
    "patients": ({"population": {"n": 31, "phenotype": "obese"}}, "population.n"),
    "dose": ({"arms": [ARMS[0], {"name": "tesamorelin", "regimen": [OTHER]}]}, "arms[1].doses[0].amount"),
    "arm added": ({"arms": [*ARMS, {"name": "rhGH", "preset": "rhgh_low"}]}, "arms[2]"),
    "weeks": ({"weeks": 3}, "weeks"),
    "outputs": ({"outputs": {"names": ["igf1"]}}, "outputs.names"),
    "stored precision": ({"outputs": {"dtype": "float64"}}, "dtype"),
    "tests": ({"tests": [{"test": "fasting", "weeks": [0]}]}, "tests"),
    "solver": ({"solver": {"rtol": 1e-5}}, "solver.rtol"),
    "step limit": ({"solver": {"max_steps_per_day": 30_000}}, "solver.max_steps_per_day"),
}  # fmt: skip
"""Entries of the study that a user might edit, and what the refusal must name."""
EDITS: dict[str, tuple[tuple[str, ...], Any]] = {
    "seed": (("seed",), 12), "patients": (("population", "n"), 31), "weeks": (("weeks",), 3.0),
    "stored precision": (("dtype",), "float64"), "solver": (("solver", "rtol"), 1e-5),
    "step limit": (("solver", "max_steps_per_day"), 30_000),
}  # fmt: skip
"""The same in resolved.json: where, and the new value."""
EARLIER = "0.67.0"
"""A version of numba that is not the one here."""


def interrupted(bench: Bench, study: Path, **more: Any) -> Path:
    """Return a run that was stopped in its middle."""
    out = bench.folder()
    command = bench.start("run", study, "--out", out, "--chunk", 4, "--workers", 1, "--threads", 1, **more)
    until(lambda: found_chunks(out) > 1 or not command.alive, 120)
    command.interrupt(signal.SIGINT)
    ended = command.wait(60)
    if ended.code != 130:
        raise Failed(f"could not be stopped in its middle: code {ended.code}: {ended.err[-300:]}")
    return out


def r12(bench: Bench) -> Row:
    """Move the clock, the time zone and the times of files between run and resume."""
    study = bench.study(bench.pick(120, 48))
    digest = bench.truth(study)
    forms: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "clock a day back": ({}, {"faults": f"clock={-DAY}"}),
        "clock a day ahead": ({}, {"faults": f"clock={DAY}"}),
        "run began a day ahead": ({"faults": f"clock={DAY}"}, {}),
        "time zone": ({"TZ": "Pacific/Auckland"}, {"TZ": "America/Los_Angeles"}),
        "end of summer time": ({"TZ": "Europe/Berlin"}, {"TZ": "Europe/Berlin", "faults": f"clock={180 * DAY}"}),
        "times of files": ({}, {}),
    }  # fmt: skip
    for form, (first, then) in forms.items():
        out = interrupted(bench, study, **first)
        if form == "times of files":
            _scramble(bench, out)
        if bench.pulsatile("resume", out, "--json", **then).json["digest"] != digest:
            raise Failed(f"{form}: digest differs")
        audit(out).check()
        if form == "times of files":
            _scramble(bench, out)
        if bench.pulsatile("verify", out, **then).code or bench.pulsatile("digest", out).out.strip() != digest:
            raise Failed(f"{form}: not sound")
        bench.say(f"R12 {form}: digest equal")
    done = f"between run and resume: {', '.join(forms)}"
    reached = f"identity and digest equal in {len(forms)} of {len(forms)}"
    return Row("R12", done, "no effect on identity or results", reached, True)


def _scramble(bench: Bench, out: Path) -> None:
    for path in out.rglob("*"):
        when = bench.chance.uniform(0, 4e9)
        os.utime(path, (when, when))


def r13(bench: Bench) -> Row:
    """Change something that matters before resume."""
    study = bench.study(bench.pick(48, 32))
    kept = interrupted(bench, study)
    refused, wrong = 0, list[str]()

    def attempt(form: str, folder: Path, named: str, **more: Any) -> None:
        nonlocal refused
        ended = bench.pulsatile("resume", folder, expect=None, **more)
        one = len(ended.err.strip().splitlines()) == 1
        if ended.code == 4 and named in ended.err and one:
            refused += 1
        else:
            wrong.append(f"{form} ({ended.code}: {ended.err.strip()[-200:]})")
        bench.say(f"R13 {form}: {ended.code} {ended.err.strip()[-220:]}")

    for form, (change, named) in CHANGES.items():
        path = _copy(bench, kept) / "study.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change, sort_keys=False))
        attempt(f"{form} in study.yaml", path.parent, named)
    for form, ((*keys, last), value) in EDITS.items():
        path = _copy(bench, kept) / "resolved.json"
        data = json.loads(path.read_text())
        reduce(lambda part, key: part[key], keys, data)[last] = value
        path.write_text(json.dumps(data, indent=1) + "\n")
        attempt(f"{form} in resolved.json", path.parent, CHANGES[form][1])
    tree = bench.folder("tree")
    for name in ("engine", "sweeps", "pulsatile"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    source = tree / "engine" / "parameters.py"
    source.write_text(source.read_text() + "# edited\n")
    attempt("engine", _copy(bench, kept), "engine/parameters.py", root=tree)
    attempt("numba", _copy(bench, kept), EARLIER, faults=f"numba={EARLIER}")
    if bench.pulsatile("resume", kept, "--json").json["digest"] != bench.truth(study):
        raise Failed("the unchanged run does not end with the true digest")
    kinds, tried = len(CHANGES) + 2, len(CHANGES) + len(EDITS) + 2
    done = (
        f"{kinds} changes before resume ({', '.join(CHANGES)}, engine source, numba version), some by study.yaml and "
        f"resolved.json: {tried} attempts"
    )
    reached = f"{refused} of {tried} refused with exit 4, difference named"
    reached += f"; not: {'; '.join(wrong)}" if wrong else ""
    return Row("R13", done, "12 of 12 refused, difference named", reached, not wrong)


def _copy(bench: Bench, folder: Path) -> Path:
    return Path(shutil.copytree(folder, bench.folder()))
