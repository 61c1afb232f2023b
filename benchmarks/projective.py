"""Long horizons: error and speed of projective integration beside the same patients integrated every day.

``python -m benchmarks.projective`` prints, for each arm and macro step: days integrated, the ratio of CPU times, errors
at the end of the study, and how they stand to the estimates stored in the dataset.  Below it the plain form of
projective integration (slope and trend of one measured day, no reference block), read off the midnights of the full
run: why the engine does not use it.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.problem import ARMS, mixed_cohort
from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dosing import preset
from pulsatile.engine.patients.run_in import Baseline, run_in
from pulsatile.engine.simulate import simulate
from pulsatile.engine.trial.horizon import SLOW, LongHorizon, calendar
from pulsatile.engine.trial.plan import Plan

HORIZONS = tuple(LongHorizon(macro, 1, measured) for macro, measured in ((9, 1), (13, 1), (13, 2), (21, 7), (25, 1)))
PLAIN = (7, 13, 14, 28)
HEAD = (
    "| arm | macro, burn-in, measured d | days run | speed-up | VAT, error % rms (max) | SAT | lean "
    "| within estimate | estimate / error |"
)


def timed(baseline: Baseline, arm: Arm, plan: Plan) -> tuple[xr.Dataset, float]:
    """Return the dataset and the CPU seconds of this thread."""
    begin = time.thread_time()
    dataset = simulate(baseline.cohort, [arm], plan, baseline=baseline)
    return dataset, time.thread_time() - begin


def compared(full: xr.Dataset, projected: xr.Dataset) -> dict[str, Any]:
    """Return errors (%) at the end per state, the share within the estimate, and estimate over error (rms)."""
    row: dict[str, Any] = {}
    inside, ratio = [], []
    for name in SLOW:
        true = full[name].values[0, :, -1]
        error = np.abs(projected[name].values[0, :, -1] - true)
        estimate = projected[f"{name}_projection_error"].values[0, :, -1]
        row[name] = (100 * float(rms(error / true)), 100 * float((error / true).max()))
        inside.append(float(np.mean(error <= estimate)))
        ratio.append(float(rms(estimate) / rms(error)))
    return row | {"inside": min(inside), "estimate_over_error": min(ratio)}


def rms(values: Floats) -> Floats:
    """Return the root of the mean square over the patients, the last axis."""
    return np.asarray(np.sqrt(np.mean(values**2, axis=-1)))


def plain(level: Floats, macro: int) -> Floats:
    """Return the end (n,) by slope and trend of the second day of each macro step, over midnights (n, days + 1)."""
    end = level.shape[1] - 1
    y, before, slope = level[:, 0].copy(), 0.0, np.zeros(len(level))
    for start in range(0, end, macro):
        stop = min(start + macro, end)
        run = min(2, stop - start)
        y += level[:, start + run] - level[:, start]
        found = level[:, start + run] - level[:, start + run - 1]
        trend = (found - slope) / (start + run - 0.5 - before) if start else np.zeros(len(level))
        y += (stop - start - run) * (found + trend * (stop - start - run + 1) / 2)
        before, slope = start + run - 0.5, found
    return y


def measure(
    baseline: Baseline, name: str, weeks: int, repeats: int, horizons: Sequence[LongHorizon]
) -> list[dict[str, Any]]:
    """Return one row per horizon, and per plain macro step, for one arm."""
    arm = preset(ARMS[name])
    whole = Plan(weeks, every=24.0, outputs=SLOW)
    plans = [Plan(weeks, every=24.0, outputs=SLOW, long_horizon=horizon) for horizon in horizons]
    seconds: list[list[float]] = [[] for _ in (whole, *plans)]
    for _ in range(repeats + 1):  # in turn; the first round compiles
        found = [timed(baseline, arm, plan) for plan in (whole, *plans)]
        for spent, (_, cpu) in zip(seconds, found, strict=True):
            spent.append(cpu)
    rows = []
    for k, horizon in enumerate(horizons, 1):
        days = sum(span.stop - span.start for span in calendar(horizon, arm, weeks, ()))
        ratios = [a / b for a, b in zip(seconds[0][1:], seconds[k][1:], strict=True)]
        rows.append(
            {"arm": name, "macro": horizon.macro_days, "burn_in": horizon.burn_in_days,
             "measured": horizon.measured_days, "days": days, "of": 7 * weeks, "speedup": median(ratios)}
            | compared(found[0][0], found[k][0])
        )  # fmt: skip
    for macro in PLAIN:
        errors = {}
        for state in SLOW:
            level = found[0][0][state].values[0]
            error = np.abs(plain(level, macro) / level[:, -1] - 1)
            errors[state] = (100 * float(rms(error)), 100 * float(error.max()))
        rows.append({"arm": name, "macro": macro, "plain": True} | errors)
    return rows


def line(row: dict[str, Any]) -> str:
    """Return one row as Markdown."""
    errors = " | ".join(f"{row[name][0]:.2g} ({row[name][1]:.2g})" for name in SLOW)
    if "plain" in row:
        return f"| {row['arm']} | plain {row['macro']}, 1, 1 | | | {errors} | | |"
    return (
        f"| {row['arm']} | {row['macro']}, {row['burn_in']}, {row['measured']} | {row['days']} of {row['of']} | "
        f"{row['speedup']:.1f} | {errors} | {100 * row['inside']:.0f} % | {row['estimate_over_error']:.1f} |"
    )


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Print the table and return its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=128)
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    options = parser.parse_args(arguments)
    patients, weeks, repeats, horizons = options.patients, options.weeks, options.repeats, HORIZONS
    if options.quick:
        patients, weeks, repeats, horizons = 3, 8, 1, HORIZONS[1:2]
    baseline = run_in(mixed_cohort(patients))
    print(
        f"{patients} mixed patients, {weeks} weeks; of the last two columns the worst of the three states",
        HEAD,
        sep="\n",
    )
    print("|" + "---|" * HEAD.count(" | ") + "---|")
    rows = []
    for arm in ARMS:
        rows += measure(baseline, arm, weeks, repeats, horizons)
    for row in sorted(rows, key=lambda row: "plain" in row):
        print(line(row))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))
    return rows


if __name__ == "__main__":
    main()
