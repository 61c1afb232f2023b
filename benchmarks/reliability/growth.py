"""R15: a run that is expanded, against one fresh run of the full size."""

import shutil
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.reliability.audit import Counted, audit, counted
from benchmarks.reliability.bench import ARMS, Bench, Failed
from benchmarks.reliability.bits import opened, same
from benchmarks.reliability.rows import Row

THIRD = {"name": "rhGH", "preset": "rhgh_low"}
OPTIONS = ["--workers", 1, "--threads", 1, "--json"]
Form = tuple[list[object], dict[str, Any], dict[str, Any]]
"""What `expand` is told, the study of a fresh run of the full size, and that which is expanded."""


def r15(bench: Bench) -> Row:
    """Expand along patients, arms, weeks and all of them, and a design by replicates."""
    forms, steps, cpu = _forms(bench), dict[str, float](), dict[str, float]()
    for form, (words, full, small) in forms.items():
        old, grown, fresh = _grown(bench, form, words, full, small)
        new = fresh.steps - old.steps
        steps[form] = grown.steps / new - 1
        cpu[form] = (grown.cpu - (fresh.cpu - old.cpu)) / fresh.cpu
        bench.say(f"R15 {form}: equal; steps {grown.steps} for {new}; CPU {grown.cpu:.1f} of {fresh.cpu:.1f} s")
    done = f"expand: {', '.join(forms)}"
    told = ", ".join(f"{form} {share:+.2%}" for form, share in steps.items())
    reached = (
        "old part bit-equal, digest and identity of a fresh run in all; trial steps beyond fresh minus old: "
        f"{told}; reading and writing the old part costs at most {max(cpu.values()):.1%} of a fresh run's CPU time"
    )
    asked = "old part bit-equal, digest of a fresh run, only new work done (< 2 % extra)"
    return Row("R15", done, asked, reached, bench.quick or max(steps.values()) < 0.02)


def _forms(bench: Bench) -> dict[str, Form]:
    n = bench.pick(1000, 24)
    longer = [{"test": "fasting", "weeks": [0, 2, 4]}]
    plain = {"n": n}
    forms: dict[str, Form] = {
        f"patients {n} -> {2 * n}": (["--patients", 2 * n], {"n": 2 * n}, plain),
        "arms 2 -> 3": (["--arm", f"{THIRD['name']}={THIRD['preset']}"], {"n": n, "arms": [*ARMS, THIRD]}, plain),
        "weeks 2 -> 4": (["--weeks", 4], {"n": n, "weeks": 4, "tests": longer}, plain),
    }  # fmt: skip
    words = [word for words, *_ in forms.values() for word in words]
    forms["all three"] = (words, {"n": 2 * n, "arms": [*ARMS, THIRD], "weeks": 4, "tests": longer}, plain)
    rows, scrambles = bench.pick((128, 8), (2, 2))
    design = f"design N {rows * scrambles} -> {2 * rows * scrambles}"
    forms[design] = (
        ["--replicates", 2 * scrambles], _designed(rows, 2 * scrambles), _designed(rows, scrambles)
    )  # fmt: skip
    return {form: forms[form] for form in ("all three", design)} if bench.quick else forms


def _designed(rows: int, scrambles: int) -> dict[str, Any]:
    """Return the changes that make a design of two factors of the campaign's study."""
    factors = ["vat_sensitivity", {"name": "v_gh", "distribution": "between"}]
    return {
        "population": {"phenotype": "obese", "variability": False}, "weeks": 1, "tests": [],
        "design": {"points": rows, "replicates": scrambles, "factors": factors},
    }  # fmt: skip


def _grown(
    bench: Bench, form: str, words: list[object], full: dict[str, Any], small: dict[str, Any]
) -> tuple[Counted, Counted, Counted]:
    """Run, expand, and run afresh; refuse any difference; return what each of the three computed."""
    out, fresh = bench.folder(), bench.folder()
    found, digests = [], []
    for command in (
        ["run", bench.study(**small), "--out", out, *OPTIONS],
        ["expand", out, *words, *OPTIONS],
        ["run", bench.study(**full), "--out", fresh, *OPTIONS],
    ):
        log = bench.folder("count")
        digests.append(bench.pulsatile(*command, faults=f"count={log}").json["digest"])
        found.append(counted(log))
        if len(found) == 1:
            before = opened(out)
    if digests[1] != digests[2] or bench.pulsatile("digest", out).out.strip() != digests[2]:
        raise Failed(f"{form}: the digest is not that of a fresh run")
    told = [bench.pulsatile("status", folder, "--json").json["identity"] for folder in (out, fresh)]
    if told[0] != told[1]:
        raise Failed(f"{form}: the identity is not that of a fresh run")
    _old_part(form, before, opened(out))
    audit(out).check()
    bench.pulsatile("verify", out)
    for folder in (out, fresh):
        shutil.rmtree(folder)
    return found[0], found[1], found[2]


def _old_part(form: str, old: xr.Dataset, new: xr.Dataset) -> None:
    """Refuse where a stored value of the old run is another one in the new."""
    for name, values in old.variables.items():
        part = new[name]
        for dim in values.dims:
            if dim in old.coords:
                part = part.isel({dim: np.flatnonzero(np.isin(new[dim].values, old[dim].values))})
        if not same(np.asarray(values), np.asarray(part)):
            raise Failed(f"{form}: {name} of the old part differs")
