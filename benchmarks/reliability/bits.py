"""R1, R16, R17: one digest whatever the cutting, and arms that do not touch one another."""

from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.reliability.bench import ARMS, Bench, Failed
from benchmarks.reliability.rows import Row


def r1(bench: Bench) -> Row:
    """Cut a study in every way."""
    n = bench.pick(130, 20)
    study = bench.study(n)
    forms = bench.pick(((1, 7, 64, 1000, n), (1, 2, 4), (1, 2)), ((7, 1000), (1, 2), (2,)))
    cuts = list(product(*forms))
    bench.chance.shuffle(cuts)
    digests = {}
    for k, (chunk, workers, threads) in enumerate(cuts):
        out = bench.folder()
        ended = bench.pulsatile(
            "run", study, "--out", out, "--chunk", chunk, "--workers", workers, "--threads", threads, "--json"
        )
        digests[chunk, workers, threads] = ended.json["digest"]
        bench.say(f"R1 {k + 1}/{len(cuts)}: chunk {chunk}, {workers} x {threads}: {ended.json['digest'][:12]}")
    different = sorted(cut for cut, digest in digests.items() if digest != bench.truth(study))
    done = f"{len(cuts)} runs of {n} patients, shuffled: chunks {forms[0]} x workers {forms[1]} x threads {forms[2]}"
    reached = f"{len(set(digests.values()))} digest" + (f", different at {different}" if different else "")
    return Row("R1", done, "one digest", reached, not different)


def opened(folder: Path) -> xr.Dataset:
    """Return the results of a run as an analyst opens them, loaded."""
    results: xr.Dataset = xr.open_zarr(folder / "results.zarr", chunks=None)
    return results.load()


def unequal(a: xr.Dataset, b: xr.Dataset) -> list[str]:
    """Return the variables that differ in any bit (a missing value equals another)."""
    names = sorted(map(str, {*a.variables, *b.variables}))
    return [n for n in names if n not in a or n not in b or not same(a[n].values, b[n].values)]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether arrays agree in every bit."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool((a == b).all()) if a.dtype.kind == "O" else a.tobytes() == b.tobytes()


def _results(bench: Bench, arms: list[dict[str, str]]) -> xr.Dataset:
    out = bench.folder()
    bench.pulsatile("run", bench.study(bench.pick(200, 16), arms=arms), "--out", out, "--workers", 1, "--threads", 1)
    return opened(out)


def r16(bench: Bench) -> Row:
    """Give two arms the same doses."""
    results = _results(bench, [*ARMS, {"name": "twin", "preset": ARMS[1]["preset"]}])
    names = [name for name, v in results.data_vars.items() if v.dims[:2] == ("arm", "patient")]
    unlike = [name for name in names if not same(results[name].values[1], results[name].values[2])]
    done = f"two arms of the same doses, {results.sizes['patient']} patients, {len(names)} outputs"
    reached = f"difference exactly 0 in {len(names) - len(unlike)} of {len(names)} outputs"
    return Row("R16", done, "paired difference exactly 0 in every output", reached, not unlike)


def r17(bench: Bench) -> Row:
    """Reorder, rename and add arms."""
    true = _results(bench, ARMS)
    other = {"name": "rhGH", "preset": "rhgh_low"}
    renamed = [{"name": f"other {arm['name']}", "preset": arm["preset"]} for arm in ARMS]
    forms = {"order": ARMS[::-1], "names": renamed, "added": [ARMS[0], other, ARMS[1]]}
    wrong = []
    for form, arms in forms.items():
        found = _results(bench, arms)
        where = [[arm["preset"] for arm in arms].index(arm["preset"]) for arm in ARMS]
        picked = found.isel(arm=where).assign_coords(arm=true["arm"])
        wrong += [f"{form}: {name}" for name in unequal(true, picked)]
        bench.say(f"R17 {form}: {'bit-equal' if not wrong else wrong[-1]}")
    done = f"arms in another order, with other names, one added; {true.sizes['patient']} patients"
    if wrong:
        raise Failed(f"not bit-equal: {', '.join(wrong[:5])}")
    return Row("R17", done, "other arms bit-equal", f"bit-equal in {len(forms)} of {len(forms)} forms", True)
