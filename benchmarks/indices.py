"""Sobol' indices against closed forms: error of one design, and how honest the intervals are.

    python -m benchmarks.indices [--repeats 200] [--quick] [--only errors|intervals|tails|failures]

Error of one design (one replicate): largest error over the factors, for 10 seeds.
Intervals: coverage (share of true indices inside, over factors and repeats), and half-width over mean true error, for
the t interval across replicates and for the bootstrap of rows (fewer repeats).  An exact 95 % interval has 2.5 for many
replicates, 2.96 for 8 (t(7) = 2.365, over sqrt(2 / pi)) and 2.67 for 16.
Heavy tails: coverage of the interval of ST on the plain and on the log scale.
Failures: 5 % of the points fail in a corner or beyond a limit; coverage of the index of the whole cube with missing
runs left out, with them filled, and with no run missing.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.analytic import G_CLASSIC, Known, all_known, g_function, g_star, ishigami, log_normal
from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.sensitivity import surrogate
from pulsatile.sweeps.sensitivity.intervals import bootstrap, half_width, interval
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.sobol import Sobol, sobol

FIRST_SEED = 1000
"""Repeat i has the seed FIRST_SEED + i: other seeds than those of the error table."""


def estimate(known: Known, rows: int, replicates: int, seed: int) -> Sobol:
    """Return the indices from ``rows`` rows in all."""
    design = saltelli(known.factors, rows // replicates, replicates, seed)
    return sobol(design, known.function(design.unit))


def errors(known: Known, rows: int, seeds: range) -> Floats:
    """Return the largest error over factors of (S1, ST), by seed."""
    found = [estimate(known, rows, 1, seed) for seed in seeds]
    return np.array([[abs(f.s1.value[:, 0] - known.s1).max(), abs(f.st.value[:, 0] - known.st).max()] for f in found])


@dataclass(frozen=True)
class Honesty:
    """Of S1 and ST: coverage, mean true error, half-width over mean true error, largest mean error over factors."""

    coverage: Floats
    error: Floats
    ratio: Floats
    bias: Floats


def honesty(known: Known, rows: int, replicates: int, repeats: int) -> Honesty:
    """Judge the intervals across replicates over so many repeats."""
    off, wide = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + repeats):
        found = estimate(known, rows, replicates, seed)
        off.append([found.s1.value[:, 0] - known.s1, found.st.value[:, 0] - known.st])
        wide.append([half_width(found.s1)[:, 0], half_width(found.st)[:, 0]])
    error, half = np.array(off), np.array(wide)
    size = abs(error).mean(axis=(0, 2))
    return Honesty(
        (abs(error) <= half).mean(axis=(0, 2)), size, half.mean(axis=(0, 2)) / size, abs(error.mean(axis=0)).max(axis=1)
    )


def bootstrap_ratio(known: Known, rows: int, replicates: int, repeats: int) -> Floats:
    """Return the half-width of the bootstrap over the mean true error, of S1 and ST."""
    off, wide = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + repeats):
        design = saltelli(known.factors, rows // replicates, replicates, seed)
        y = known.function(design.unit)
        found, ends = sobol(design, y), bootstrap(design, y[:, None], 200, seed)
        off.append([found.s1.value[:, 0] - known.s1, found.st.value[:, 0] - known.st])
        wide.append([(ends[name][1] - ends[name][0])[:, 0] / 2 for name in ("S1", "ST")])
    return np.array(wide).mean(axis=(0, 2)) / abs(np.array(off)).mean(axis=(0, 2))


def tails(known: Known, rows: int, replicates: int, repeats: int) -> Floats:
    """Return the coverage of ST on the plain and on the log scale, and that of its upper end on the log scale."""
    inside = []
    for seed in range(FIRST_SEED, FIRST_SEED + repeats):
        found = estimate(known, rows, replicates, seed).st
        ends = [interval(found, ratio=ratio) for ratio in (False, True)]
        inside.append([((low[:, 0] <= known.st) & (known.st <= high[:, 0])).mean() for low, high in ends])
        inside[-1].append((known.st <= ends[1][1][:, 0]).mean())
    return np.array(inside).mean(axis=0)


FAILED = 0.05
"""Share of the points that fail."""


def fails(unit: Floats, shape: str) -> npt.NDArray[np.bool_]:
    """Return which points fail: in a ``corner`` of two factors, or ``beyond`` a limit of the first."""
    edge = 1 - FAILED**0.5
    inside = (unit[:, 0] > edge) & (unit[:, 2] > edge) if shape == "corner" else unit[:, 0] > 1 - FAILED
    return np.asarray(inside)


def failures(known: Known, rows: int, replicates: int, repeats: int, shape: str) -> Floats:
    """Return coverage and mean width (2, 3, 2) of S1 and ST: left out, filled, none missing."""
    rates = []
    for seed in range(FIRST_SEED, FIRST_SEED + repeats):
        design = saltelli(known.factors, rows // replicates, replicates, seed)
        whole = known.function(design.unit)
        y = np.where(fails(design.unit, shape), np.nan, whole)
        judged = []
        for found in (sobol(design, y), surrogate.estimate(design, y), sobol(design, whole)):
            for index, truth, ratio in ((found.s1, known.s1, False), (found.st, known.st, True)):
                low, high = (end[:, 0] for end in interval(index, ratio=ratio))
                judged.append((((low <= truth) & (truth <= high)).mean(), (high - low).mean()))
        rates.append(judged)
    return np.array(rates).mean(axis=0).reshape(3, 2, 2).transpose(2, 0, 1)


TABLES = ("errors", "intervals", "tails", "failures")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="few repeats and rows, to see that it works")
    parser.add_argument("--only", choices=TABLES, help="one table")
    options = parser.parse_args(arguments)
    repeats, sizes, seeds = options.repeats, (1024, 4096), range(10)
    if options.quick:
        repeats, sizes, seeds = 4, (256,), range(2)
    wanted = TABLES if options.only is None else (options.only,)
    if "errors" in wanted:
        print_errors(sizes, seeds)
    if "intervals" in wanted:
        print_intervals(sizes, repeats)
    if "tails" in wanted:
        print_tails(sizes, repeats)
    if "failures" in wanted:
        print_failures(sizes[0], repeats)


def print_errors(sizes: tuple[int, ...], seeds: range) -> None:
    """Print the error of one design."""
    print("Largest error over factors of one design (one replicate), median and worst of seeds")
    print(f"{'function':16s}{'rows':>6s}{'S1 median':>11s}{'worst':>8s}{'ST median':>11s}{'worst':>8s}")
    for known in all_known():
        for rows in sizes:
            e = errors(known, rows, seeds)
            middle, worst = np.median(e, axis=0), e.max(axis=0)
            print(
                f"{known.name:16s}{rows:6d}{middle[0]:11.4f}{worst[0]:8.4f}{middle[1]:11.4f}{worst[1]:8.4f}", flush=True
            )


def print_intervals(sizes: tuple[int, ...], repeats: int) -> None:
    """Print how honest the intervals across replicates are."""
    print(f"\n95 % intervals over {repeats} repeats, S1 / ST")
    print(f"{'function':16s}{'rows':>6s}{'repl.':>6s}{'coverage, %':>15s}{'mean error':>18s}{'bias':>18s}"
          f"{'width/error':>13s}{'bootstrap':>13s}")  # fmt: skip
    for known in all_known()[:2]:
        for rows in sizes:
            for replicates in (8, 16):
                h = honesty(known, rows, replicates, repeats)
                b = bootstrap_ratio(known, rows, replicates, max(2, repeats // 40))
                cells = (
                    _both(100 * h.coverage, 1),
                    _both(h.error, 4),
                    _both(h.bias, 4),
                    _both(h.ratio, 2),
                    _both(b, 1),
                )
                row = "".join(f"{cell:>{width}s}" for cell, width in zip(cells, (15, 18, 18, 13, 13), strict=True))
                print(f"{known.name:16s}{rows:6d}{replicates:6d}{row}", flush=True)


def print_tails(sizes: tuple[int, ...], repeats: int) -> None:
    """Print the coverage of total indices of heavy-tailed outputs."""
    print(f"\nHeavy tails: coverage of the 95 % interval of ST over {repeats} repeats, %")
    print(f"{'function':16s}{'rows':>6s}{'repl.':>6s}{'plain':>8s}{'log':>8s}{'upper end':>11s}")
    for known in (g_star(), log_normal(), *all_known()[:2]):
        for rows in sizes:
            for replicates in (8, 16):
                plain, log, upper = 100 * tails(known, rows, replicates, repeats)
                print(f"{known.name:16s}{rows:6d}{replicates:6d}{plain:8.1f}{log:8.1f}{upper:11.1f}", flush=True)


def print_failures(rows: int, repeats: int) -> None:
    """Print the coverage where runs fail in a region."""
    print(
        f"\n{FAILED:.0%} of the points fail: coverage of 95 % intervals over {repeats} repeats, %, and width, S1 / ST"
    )
    print(f"{'function':16s}{'fail':>8s}{'rows':>6s}{'left out':>15s}{'filled':>15s}{'none missing':>15s}"
          f"{'width left out':>18s}{'filled':>18s}{'none missing':>18s}")  # fmt: skip
    for known in (ishigami(), g_function(G_CLASSIC[:4], "G, 4-D")):
        for shape in ("corner", "beyond"):
            coverage, width = failures(known, rows, 8, repeats, shape)
            cells = "".join(f"{_both(100 * row, 1):>15s}" for row in coverage)
            cells += "".join(f"{_both(row, 4):>18s}" for row in width)
            print(f"{known.name:16s}{shape:>8s}{rows:6d}{cells}", flush=True)


def _both(values: Floats, digits: int) -> str:
    return f"{values[0]:.{digits}f} / {values[1]:.{digits}f}"


if __name__ == "__main__":
    main()
