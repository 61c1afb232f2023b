"""Coverage of the 95 % intervals of shares, weighted means and the variance budget, where the truth is known.

    python -m benchmarks.coverage [--repeats 400] [--quick]

Width is the mean width over that of an interval of plus and minus 1.96 true standard errors.
"""

import argparse
from collections.abc import Iterable, Iterator
from statistics import NormalDist

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.analysis.budget_estimate import COMPONENTS, BudgetEstimate
from pulsatile.sweeps.summary.paired_statistics import statistics
from pulsatile.sweeps.summary.weights import balance

LEVEL = 0.95
SHIFT = 0.7
"""Wanted mean of the balanced covariate, in SDs of the patients drawn."""
DESIGNS = ("nothing", "spread", "effect", "both")
"""What grows with the balanced covariate x: nothing; the spread, as exp(x / 2); the paired difference, by 2 x; both."""
SHARES = (0.0, 0.02, 0.1, 0.5)
CHANGES = ((0.0, 0.0), (0.02, 0.0), (0.05, 0.05), (0.3, 0.02))
"""Shares of patients who gain the event, and who lose it."""
EFFECTS = ("normal", "log-normal", "Student's t, 5 df")
SIZES = ((4, 32, 2), (8, 32, 2), (16, 64, 2))
"""Draws, patients, occasions."""
GAIN, GAIN_SD, PATIENTS = 1.0, (0.3, 1.5, 0.2), 4.0
"""What the second arm adds; how it differs between draws, patients, both; the variance of patients."""
LOG_SD = 0.6


def shares(share: float, n: int, repeats: int, weighted: bool = False) -> float:
    """Return the coverage of the interval of a share of n patients; weighted: it rises with the balanced covariate."""
    covered = 0
    for repeat in range(repeats):
        rng = np.random.default_rng((1, n, repeat))
        x, w = _patients(rng, n) if weighted else (None, None)
        slope = 0.0 if x is None else 0.8
        limit = NormalDist().inv_cdf(1 - share) * (1 + slope**2) ** 0.5 if share > 0 else np.inf
        latent = rng.normal(size=n) if x is None else slope * (x[:, 0] - SHIFT) + rng.normal(size=n)
        events = 100.0 * (latent > limit)
        found = statistics(events, events, w, x, of_events=True)
        covered += found.mean_low <= 100 * share <= found.mean_high
    return covered / repeats


def changes(gain: float, loss: float, n: int, repeats: int) -> float:
    """Return the coverage of the interval of a paired difference of shares."""
    covered = 0
    for repeat in range(repeats):
        change = np.random.default_rng((2, n, repeat)).choice([1, -1, 0], n, p=[gain, loss, 1 - gain - loss])
        found = statistics(100.0 * (change > 0), 100.0 * (change < 0), of_events=True)
        covered += found.low <= 100 * (gain - loss) <= found.high
    return covered / repeats


def weighted(design: str, n: int, repeats: int) -> tuple[float, float]:
    """Return coverage and relative width of the interval of a weighted mean difference under weights of `balance`."""
    slope, power = 2.0 * (design in ("effect", "both")), 0.5 * (design in ("spread", "both"))
    ends, means = [], []
    for repeat in range(repeats):
        rng = np.random.default_rng((3, n, repeat))
        x, w = _patients(rng, n)
        control = rng.normal(size=n)
        treated = control + slope * x[:, 0] + np.exp(power * x[:, 0]) * rng.normal(size=n)
        found = statistics(treated, control, w, x)
        ends.append((found.low, found.high))
        means.append(found.difference)
    low, high = np.transpose(ends)
    covered = (low <= slope * SHIFT) & (slope * SHIFT <= high)
    return float(covered.mean()), float((high - low).mean() / (2 * 1.96 * np.std(means)))


def _patients(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Return a covariate (n, 1) and the weights with which its mean is `SHIFT`."""
    x = rng.normal(size=(n, 1))
    return x, balance(x, [SHIFT]).weights


def budget(size: tuple[int, int, int], effects: str, gain: float, repeats: int, arms: int = 2) -> Floats:
    """Return the coverages of the components arm and patients; each further arm adds ``gain``."""
    truth = {"arm": float(np.var(gain * np.arange(arms))), "patients": PATIENTS}
    covered = np.zeros(2)
    for repeat in range(repeats):
        values = _runs(np.random.default_rng((4, *size, repeat)), size, effects, gain, arms)
        low, high = BudgetEstimate(values, np.zeros((1, arms, 1, 1)), np.zeros(1)).ends(2, 0, LEVEL)
        for k, (name, row) in enumerate((("arm", -1), ("patients", 0))):
            at = (COMPONENTS.index(name), row, 0, 0)
            covered[k] += low[at] <= truth[name] <= high[at]
    return covered / repeats


def _runs(rng: np.random.Generator, size: tuple[int, int, int], effects: str, gain: float, arms: int) -> Floats:
    u, p, o = size

    def effect(*shape: int) -> Floats:
        if effects == "normal":
            return rng.standard_normal(shape)
        if effects != "log-normal":
            return np.asarray(rng.standard_t(5, shape) / np.sqrt(5 / 3), np.float64)
        spread = np.sqrt(np.expm1(LOG_SD**2) * np.exp(LOG_SD**2))
        return np.asarray((np.exp(LOG_SD * rng.standard_normal(shape)) - np.exp(LOG_SD**2 / 2)) / spread, np.float64)

    def layout(draws: float, patients: float, both: float, occasions: float) -> Floats:
        found = draws * rng.standard_normal((u, 1, 1)) + patients * effect(1, p, 1) + both * effect(u, p, 1)
        return np.asarray(found + occasions * effect(u, p, o), np.float64)

    control = layout(1.0, PATIENTS**0.5, 0.7, 1.4)
    treated = [control + gain * arm + layout(*GAIN_SD, 0.0) for arm in range(1, arms)]
    return np.stack([control, *treated], axis=3)[..., None, None]


def _lines(repeats: int, sizes: tuple[int, ...], layouts: tuple[tuple[int, int, int], ...]) -> Iterator[str]:
    """Yield the tables, in Markdown."""

    def table(what: str, columns: list[str], rows: Iterable[tuple[str, list[str]]]) -> Iterator[str]:
        yield from ("", f"| {what} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|")
        for name, cells in rows:
            yield f"| {name} | {' | '.join(cells)} |"

    def percent(share: float) -> str:
        return f"{100 * share:.1f} %"

    heads = [f"n = {n}" for n in sizes]
    yield from table("share of n patients", heads, (
        (f"{100 * share:g} %{', weighted' * more}", [percent(shares(share, n, repeats, more)) for n in sizes])
        for more in (False, True) for share in SHARES[more:]
    ))  # fmt: skip
    yield from table("paired difference of shares: gain, lose", heads, (
        (f"{100 * gain:g} %, {100 * loss:g} %", [percent(changes(gain, loss, n, repeats)) for n in sizes])
        for gain, loss in CHANGES
    ))  # fmt: skip
    yield from table("weighted mean, and its width: what grows with the weights", heads, (
        (design, [f"{percent(of[0])}, {of[1]:.2f}" for of in (weighted(design, n, repeats) for n in sizes)])
        for design in DESIGNS
    ))  # fmt: skip
    for gain, arms in ((GAIN, 2), (0.0, 2), (GAIN, 4)):
        what = f"{arms} arms, {gain:g} apart: draws x patients x occasions"
        yield from table(what, [f"{name}: arm, patients" for name in EFFECTS], (
            (
                " x ".join(map(str, size)),
                [", ".join(map(percent, budget(size, effects, gain, repeats, arms))) for effects in EFFECTS],
            )
            for size in layouts
        ))  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="few repeats, to see that it works")
    options = parser.parse_args(arguments)
    repeats = 2 if options.quick else options.repeats
    print(f"coverage of 95 % intervals, {repeats} repeats")
    for line in _lines(repeats, (200,) if options.quick else (50, 200, 1000), SIZES[: 1 if options.quick else None]):
        print(line, flush=True)


if __name__ == "__main__":
    main()
