"""Variance budget: bias of the components and coverage of their intervals on layouts of known variance.

    python -m benchmarks.budget [--repeats 300] [--quick]

One arm, one output.  Effects are normal, or skewed: log-normal of CV 66 %, centred and scaled, for patients, their
interaction and occasions (typical values stay normal, as the engine draws them on the log scale).
"""

import argparse
from dataclasses import dataclass

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.analysis.budget_estimate import COMPONENTS, BudgetEstimate

TRUTH = np.array([1.0, 4.0, 0.5, 2.0])
"""Of uncertainty, patients, both, occasions."""
LOG_SD = 0.6
LEVEL = 0.95


@dataclass(frozen=True)
class Layout:
    """Draws, patients, occasions."""

    draws: int
    patients: int
    occasions: int


LAYOUTS = (Layout(4, 32, 2), Layout(8, 32, 2), Layout(16, 64, 2), Layout(8, 64, 4))


def values(layout: Layout, skewed: bool, rng: np.random.Generator) -> Floats:
    """Return runs (draws, patients, occasions, 1, 1, 1) of the components `TRUTH`."""
    u, p, o = layout.draws, layout.patients, layout.occasions

    def effect(*shape: int) -> Floats:
        z = rng.standard_normal(shape)
        if not skewed:
            return z
        spread = np.sqrt(np.expm1(LOG_SD**2) * np.exp(LOG_SD**2))
        return np.asarray((np.exp(LOG_SD * z) - np.exp(LOG_SD**2 / 2)) / spread, np.float64)

    sd = np.sqrt(TRUTH)
    found = sd[0] * rng.standard_normal((u, 1, 1)) + sd[1] * effect(1, p, 1) + sd[2] * effect(u, p, 1)
    return np.asarray(found + sd[3] * effect(u, p, o), np.float64)[..., None, None, None]


def measure(layout: Layout, skewed: bool, repeats: int, resamples: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Return the mean estimates over truth and the coverages of the intervals, of the four components."""
    rng = np.random.default_rng(seed)
    estimates, inside = [], []
    for repeat in range(repeats):
        estimate = BudgetEstimate(values(layout, skewed, rng), np.zeros((1, 1, 1, 1)), np.zeros(1))
        low, high = (end[1:5, 0, 0, 0] for end in estimate.ends(resamples, repeat, LEVEL))
        estimates.append(estimate.variance()[1:5, 0, 0, 0] / TRUTH)
        inside.append((low <= TRUTH) & (high >= TRUTH))
    return np.mean(estimates, axis=0), np.mean(inside, axis=0)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="few repeats, to see that it works")
    options = parser.parse_args(arguments)
    repeats, resamples = options.repeats, 200
    layouts: tuple[Layout, ...] = LAYOUTS
    if options.quick:
        repeats, resamples, layouts = 3, 10, LAYOUTS[:1]
    print(f"mean estimate over truth, and coverage of 95 % intervals, over {repeats} repeats, {resamples} resamples")
    print("draws x patients x occasions  effects  " + "".join(f"{name:>26s}" for name in COMPONENTS[1:5]))
    for layout in layouts:
        for skewed in (False, True):
            mean, coverage = measure(layout, skewed, repeats, resamples)
            cells = "".join(f"{m:17.2f}, {100 * c:5.1f} %" for m, c in zip(mean, coverage, strict=True))
            size = f"{layout.draws} x {layout.patients} x {layout.occasions}"
            print(f"{size:30s}{'skewed' if skewed else 'normal':9s}{cells}", flush=True)


if __name__ == "__main__":
    main()
