"""Power curves against what they foretell: independent trials of the model, and populations whose truth is known.

    python -m benchmarks.power [--patients 1000] [--trials 200] [--repeats 400] [--quick]

The first part takes a run of some patients, whose power curve foretells how many trials of n patients per arm succeed,
and simulates these trials: no patient is in two of them, nor in the run.  The second part draws runs from known
distributions and counts how often the 95 % interval of the power contains the true power.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import ttest_ind

from pulsatile.engine.arrays import Floats
from pulsatile.engine.simulate import simulate
from pulsatile.sweeps.analysis.trials.power import power
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import Study, study_from
from pulsatile.sweeps.summary.shares import wilson
from pulsatile.sweeps.summary.success import Success
from pulsatile.sweeps.summary.trial_power import (
    Means,
    power_of_means,
    power_of_shares,
    uncertain_means,
    uncertain_shares,
)
from pulsatile.sweeps.workers.resources import Resources, cores

SIZES = (20, 50, 100)
AT_ONCE = 2000
SUCCESS = Success(">")


def study(n: int, first: int = 0) -> Study:
    """Return a study of ``n`` adults from id ``first``: two days of a low dose of rhGH, and IGF-1 at their end."""
    data = {
        "seed": 11, "weeks": 0.3, "population": {"named": "adults", "n": n, "first": first},
        "arms": [{"name": "none", "preset": "control"}, {"name": "rhgh", "preset": "rhgh_low"}],
        "outputs": {"names": ["igf1"], "every": "50.4 h"},
    }  # fmt: skip
    return study_from(data, "benchmarks.power")


def people(n: int, first: int, threads: int) -> Floats:
    """Return IGF-1 (arm, n) at the end of ``n`` patients from id ``first`` on."""
    parts = []
    for start in range(first, first + n, AT_ONCE):
        resolved = resolve(study(min(AT_ONCE, first + n - start), start))
        cohort = resolved.cohort(0, resolved.population.n)
        parts.append(simulate(cohort, resolved.arms, resolved.plan(), threads=threads)["igf1"].values[:, :, -1])
    return np.concatenate(parts, axis=1)


def succeeding(values: Floats, n: int, trials: int, alpha: float = SUCCESS.alpha) -> int:
    """Return how many of ``trials`` succeed: patients 0 ... n - 1 of the first are on rhGH, the next n on none."""
    succeed = 0
    for trial in range(trials):
        treated, control = values[1, 2 * n * trial :][:n], values[0, 2 * n * trial + n :][:n]
        found = ttest_ind(treated, control, equal_var=False)
        succeed += bool(found.pvalue < alpha and found.statistic > 0)
    return succeed


def of_the_model(patients: int, trials: int, threads: int) -> None:
    """Print the power curve of a run, and the share of independent trials that succeed."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(study(patients), Path(folder) / "run", Resources(workers=1, threads=threads))
        curve = power(outcome.folder, "igf1", arm="rhgh", n=SIZES, measure="value").frame
    values = people(2 * max(SIZES) * trials, patients, threads)
    print(f"IGF-1 of {patients} adults, rhGH for 2 days against none; {trials} independent trials for each n")
    print("| n per arm | power | its interval | assurance | trials that succeed | their interval |")
    print("|---|---|---|---|---|---|")
    for row in curve.itertuples():
        share = succeeding(values, row.n, trials) / trials
        low, high = wilson(share, trials, 0.95)
        print(
            f"| {row.n} | {row.power:.3f} | {row.low:.3f} to {row.high:.3f} | {row.assurance:.3f} | {share:.3f} | "
            f"{low:.3f} to {high:.3f} |"
        )


def _pairs(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Return correlated normal values of two arms."""
    own = rng.normal(size=n)
    return 0.4 + own + 0.5 * rng.normal(size=n), own


def _skewed(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Return correlated log-normal values of two arms."""
    own = rng.normal(size=n)
    return np.exp(0.25 + 0.5 * own + 0.2 * rng.normal(size=n)), np.exp(0.5 * own)


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], tuple[Floats, Floats]]] = {
    "normal": _pairs, "log-normal": _skewed
}  # fmt: skip


def coverage_of_means(kind: str, patients: int, n: int, paired: bool, repeats: int) -> float:
    """Return how often the interval of the power contains that of the distribution's true means and SDs."""
    many = DISTRIBUTIONS[kind](np.random.default_rng(0), 4_000_000)
    truth = float(power_of_means(Means.of(*many, np.ones(len(many[0]))), n, SUCCESS, paired)[0])
    covered = 0
    for repeat in range(repeats):
        rng = np.random.default_rng((1, patients, repeat))
        means = uncertain_means(*DISTRIBUTIONS[kind](rng, patients), np.ones(patients), 1000, rng)
        low, high = np.quantile(power_of_means(means, n, SUCCESS, paired), (0.025, 0.975))
        covered += bool(low <= truth <= high)
    return covered / repeats


def coverage_of_shares(arm: float, control: float, patients: int, n: int, repeats: int) -> float:
    """Return how often the interval of the power contains that of the true shares."""
    truth = float(power_of_shares(np.array([arm]), np.array([control]), n, SUCCESS)[0])
    covered = 0
    for repeat in range(repeats):
        rng = np.random.default_rng((2, patients, repeat))
        events = [(rng.random(patients) < share).astype(float) for share in (arm, control)]
        draws = uncertain_shares(events[0], events[1], np.ones(patients), 1000, rng)
        low, high = np.quantile(power_of_shares(*draws, n, SUCCESS), (0.025, 0.975))
        covered += bool(low <= truth <= high)
    return covered / repeats


def coverages(repeats: int) -> None:
    """Print the coverage of the interval of the power."""
    print(f"Coverage of the 95 % interval of the power, {repeats} runs for each")
    print("| values | design | patients of the run | n | coverage |")
    print("|---|---|---|---|---|")
    for kind in DISTRIBUTIONS:
        for paired, n in ((False, 100), (True, 30)):
            for patients in (50, 100, 400):
                found = coverage_of_means(kind, patients, n, paired, repeats)
                print(f"| {kind} | {'paired' if paired else 'parallel'} | {patients} | {n} | {found:.3f} |")
    for arm, control in ((0.5, 0.3), (0.1, 0.02)):
        for patients in (50, 100, 400):
            found = coverage_of_shares(arm, control, patients, 100, repeats)
            print(f"| shares {arm:g}, {control:g} | parallel | {patients} | 100 | {found:.3f} |")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=1000, help="patients of the run")
    parser.add_argument("--trials", type=int, default=200, help="independent trials for each n")
    parser.add_argument("--repeats", type=int, default=400, help="runs for each coverage")
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    asked = parser.parse_args()
    part = 10 if asked.quick else 1
    coverages(max(20, asked.repeats // part))
    of_the_model(max(100, asked.patients // part), max(20, asked.trials // part), cores())


if __name__ == "__main__":
    main()
