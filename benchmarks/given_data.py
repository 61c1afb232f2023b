"""Analysis of a population run: its CPU time at 10,000 patients, and the coverage of the intervals of S1.

    OMP_NUM_THREADS=1 python -m benchmarks.given_data [--patients 10000] [--repeats 400] [--quick]

The synthetic patients have 73 inputs: 24 in correlated blocks of 6 (r = 0.6), half of them log-normal, one of two
values and one of five.  Three outputs of two arms and their paired difference, in two weeks, are 18 columns: smooth
functions of several inputs, some with interactions, with noise.

Coverage is of closed-form indices: linear normal factors, the same with correlation, Ishigami, and a factor without
effect, each with three numbers of patients, with equal weights and with weights that change the distribution.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from benchmarks.analytic import ishigami
from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.analysis.indices import indices_of
from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.analysis.of_population import with_contrast
from pulsatile.sweeps.analysis.shapley_effects import shapley_of
from pulsatile.sweeps.analysis.stories import stories
from pulsatile.sweeps.sensitivity.given_data import HALVES, given_data
from pulsatile.sweeps.sensitivity.intervals import LEVEL

INPUTS, BLOCK, CORRELATED, R = 73, 6, 24, 0.6
ARMS, WEEKS = ("none", "drug"), (6.0, 26.0)


def people(n: int, seed: int = 1) -> Inputs:
    """Return n synthetic patients with equal weights."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, INPUTS))
    common = np.repeat(rng.standard_normal((n, CORRELATED // BLOCK)), BLOCK, axis=1)
    z[:, :CORRELATED] = R**0.5 * common + (1 - R) ** 0.5 * z[:, :CORRELATED]
    values = np.where(np.arange(INPUTS) % 2 == 0, z, np.exp(0.3 * z))
    values[:, -1], values[:, -2] = rng.integers(0, 2, n), rng.integers(0, 5, n)
    names = tuple(f"x{k}" for k in range(INPUTS))
    return Inputs(names, ("1",) * INPUTS, values, CORRELATED, None, np.ones(n, np.bool_), ())


def measured(inputs: Inputs, seed: int = 2) -> tuple[xr.Dataset, xr.Dataset]:
    """Return three outputs of each patient, arm and week, and those of week 0."""
    rng = np.random.default_rng(seed)
    x = (inputs.values - inputs.values.mean(axis=0)) / inputs.values.std(axis=0)
    n = len(x)

    def output(start: Floats, effect: Floats, noise: float) -> Floats:
        rise = np.array([0.6, 1.0])
        y = start[:, None, None] + np.stack([np.zeros((n, 2)), effect[:, None] * rise], axis=1)
        return np.asarray(y + noise * rng.standard_normal(y.shape), np.float64)

    vat0 = np.exp(5 + 0.3 * x[:, 0] + 0.1 * x[:, 30])
    outputs = {
        "vat": output(vat0, -vat0 * 0.1 * np.tanh(1 + x[:, 1] + 0.5 * x[:, 31] * (x[:, 72] > 0)), 2.0),
        "igf1_sds": output(x[:, 6] - 0.5, 1 + 0.4 * x[:, 40] + 0.3 * x[:, 7] ** 2, 0.1),
        "clamp_m": output(6 - x[:, 0] + 0.5 * np.sin(2 * x[:, 35]), 0.5 * x[:, 12] - 0.3 * x[:, 13] * x[:, 36], 0.1),
    }
    coords = {"arm": list(ARMS), "week": list(WEEKS)}
    start = {name: (("design", "arm"), np.stack([y[:, 0, 0]] * 2, axis=1)) for name, y in outputs.items()}
    return (
        xr.Dataset({name: (("design", "arm", "week"), y) for name, y in outputs.items()}, coords),
        xr.Dataset(start, {"arm": list(ARMS)}),
    )


def timed(patients: int) -> list[tuple[str, float]]:
    """Return the CPU seconds of each part of an analysis (all threads together)."""
    inputs = people(patients)
    outputs, start = measured(inputs)
    both, differences = with_contrast(outputs, ARMS[0])
    notes: list[str] = []
    marks = [("", time.process_time())]
    indices = indices_of(inputs, both, HALVES, 0, LEVEL, notes)
    marks.append(("S1 with intervals, and PRCC", time.process_time()))
    shapley_of(inputs, both, indices, (), 0, notes)
    marks.append(("Shapley effects", time.process_time()))
    found = stories(inputs, outputs, start, differences, 0)
    drawn = sum(story.box is not None for story in found)
    marks.append((f"scenarios, {drawn} of {len(found)} with a box", time.process_time()))
    return [(name, end - begin) for (_, begin), (name, end) in pairwise(marks)]


@dataclass(frozen=True)
class Known:
    """A sample of known indices ``s1`` (k,); ``draw`` gives factors (n, k), output (n,), weights (n,) or None."""

    name: str
    draw: Callable[[int, np.random.Generator], tuple[Floats, Floats, Floats | None]]
    s1: Floats


def known() -> tuple[Known, ...]:
    """Return the samples."""
    smooth = ishigami()

    def linear(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
        x = rng.standard_normal((n, 3))
        return x, 2 * x[:, 0] + x[:, 1] + rng.standard_normal(n), None

    def correlated(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
        x = rng.standard_normal((n, 3))
        x[:, 1] = R * x[:, 0] + (1 - R**2) ** 0.5 * x[:, 1]
        return x, x[:, 0] + x[:, 1] + rng.standard_normal(n), None

    def waves(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
        x = rng.random((n, 3))
        return x, smooth.function(x), None

    def weighted(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        x = rng.random((n, 3))
        return x, x[:, 0] + 0.5 * x[:, 1] + 0.2 * rng.standard_normal(n), 2 * x[:, 0]

    both = (1 + R) ** 2 / (2 + 2 * R + 1)
    parts = np.array([1 / 18, 1 / 48, 0.0])  # the first factor has density 2 x under the weights
    return (
        Known("linear, normal", linear, np.array([4, 1, 0]) / 6),
        Known(f"correlated, r = {R:g}", correlated, np.array([both, both, 0.0])),
        Known("Ishigami", waves, smooth.s1),
        Known("linear, weighted", weighted, parts / (parts.sum() + 0.04)),
    )


def coverage(case: Known, n: int, repeats: int, halves: int = HALVES) -> tuple[Floats, Floats]:
    """Return the coverage of the intervals and their mean width, by factor."""
    inside, width = [], []
    for repeat in range(repeats):
        x, y, weights = case.draw(n, np.random.default_rng([repeat, n]))
        found = given_data(x, y, weights=weights, resamples=halves, seed=repeat, level=LEVEL)
        low, high = found.low[:, 0], found.high[:, 0]
        inside.append((low <= case.s1) & (case.s1 <= high))
        width.append(high - low)
    return np.mean(inside, axis=0), np.mean(width, axis=0)


def main(arguments: list[str] | None = None) -> None:
    """Print the times and the coverages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="few patients and repeats, to see that it works")
    options = parser.parse_args(arguments)
    patients, repeats, sizes = options.patients, options.repeats, (200, 1000, 4000)
    if options.quick:
        patients, repeats, sizes = 300, 3, (200,)
    parts = timed(patients)
    print(f"CPU seconds for {patients} patients x {INPUTS} inputs x 18 columns")
    for name, seconds in [*parts, ("together", sum(seconds for _, seconds in parts))]:
        print(f"{name:44s}{seconds:8.2f}")
    print(f"\ncoverage of 95 % intervals of S1 in %, and mean width, by factor, over {repeats} repeats")
    for case in known():
        for n in sizes:
            inside, width = coverage(case, n, repeats)
            cells = "".join(f"{100 * c:8.1f} ({w:.3f})" for c, w in zip(inside, width, strict=True))
            print(f"{case.name:22s}{n:6d}{cells}", flush=True)


if __name__ == "__main__":
    main()
