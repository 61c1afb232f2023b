"""The rows of the summary of a trial as run: contrasts of parallel groups, of pairs, and within patients."""

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Codes, Flags, Floats
from pulsatile.engine.trial.designs.dropout import DROPPED
from pulsatile.sweeps.summary.allocation import ALLOCATED, END, START, TREATMENT
from pulsatile.sweeps.summary.endpoints import Endpoint
from pulsatile.sweeps.summary.paired_statistics import LEVEL, statistics
from pulsatile.sweeps.summary.two_samples import Contrast, independent_shares, welch
from pulsatile.sweeps.summary.within_patient import crossover_effects

if TYPE_CHECKING:
    import xarray as xr

PAIRED, PARALLEL, CROSSOVER = "counterfactual pairs", "parallel groups", "crossover"
ALL, COMPLETERS = "all", "completers"
SAME_WEEK = 1e-6


class Row(NamedTuple):
    """One row of the summary of a trial; see `sweeps.summary.as_run.TrialSummary`."""

    endpoint: str
    variable: str
    unit: str
    week: float
    design: str
    patients: str
    effect: str
    arm: str
    control: str
    n: int
    n_control: int
    mean: float
    mean_control: float
    difference: float
    low: float
    high: float
    freedom: float
    note: str
    label: str
    decimals: int


def _head(line: Endpoint, variable: str, week: float) -> dict[str, Any]:
    more = {"label": line.variables[variable], "decimals": line.decimals}
    return {"endpoint": line.name, "variable": variable, "unit": line.unit, "week": week, **more}


def _sets(stays: Flags | None) -> list[tuple[str, Flags | None]]:
    """Return the sets of patients: all, and those who stay to the end where some leave."""
    return [(ALL, None)] if stays is None else [(ALL, None), (COMPLETERS, stays)]


def _stays(dataset: "xr.Dataset") -> Flags | None:
    """Return who stays to the end (arm, patient); None without dropout."""
    return np.asarray(np.isnan(dataset[DROPPED].values)) if DROPPED in dataset.coords else None


Series = list[tuple[float, Floats]]


def of_groups(dataset: "xr.Dataset", line: Endpoint, variable: str, series: Series, control: str) -> Iterator[Row]:
    """Yield the contrasts of each arm with control: of the allocated patients, and of all in both arms."""
    arms = [str(name) for name in dataset["arm"].values]
    reference, stays, shares = arms.index(control), _stays(dataset), line.event is not None
    given = None if ALLOCATED not in dataset.coords else np.array([str(name) for name in dataset[ALLOCATED].values])
    for week, values in series:
        for a, arm in enumerate(arms):
            if a == reference:
                continue
            for patients, kept in _sets(stays):
                own = [values[k] if kept is None else np.where(kept[k], values[k], np.nan) for k in (a, reference)]
                head = {**_head(line, variable, week), "patients": patients, "effect": "treatment", "arm": arm,
                        "control": control}  # fmt: skip
                if given is not None and np.isin([arm, control], given).all():
                    pairs = zip(own, (arm, control), strict=True)
                    yield _parallel(head, [x[(given == name) & np.isfinite(x)] for x, name in pairs], shares)
                yield _paired(head, own[0], own[1], shares)


def _parallel(head: dict[str, Any], samples: list[Floats], shares: bool) -> Row:
    first, second = samples
    if shares:
        found = independent_shares(first / 100, second / 100, LEVEL).scaled(100.0)
    else:
        found = welch(first, second, LEVEL)
    note = "" if np.isfinite(found.low) else "no interval: a group has fewer than 2 patients with a value"
    means = (_mean(first), _mean(second))
    return Row(**head, design=PARALLEL, n=len(first), n_control=len(second), mean=means[0], mean_control=means[1],
               **found._asdict(), note=note)  # fmt: skip


def _paired(head: dict[str, Any], own: Floats, control: Floats, shares: bool) -> Row:
    found = statistics(own, control, of_events=shares)
    known = np.isfinite(own - control)
    return Row(
        **head, design=PAIRED, n=found.pairs, n_control=found.pairs, mean=_mean(own[known]),
        mean_control=_mean(control[known]), difference=found.difference, low=found.low, high=found.high,
        freedom=nan if shares else float(found.pairs - 1), note=found.note,
    )  # fmt: skip


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else nan


def period_weeks(dataset: "xr.Dataset") -> Iterator[float]:
    """Yield the weeks at which periods begin and end."""
    yield from (float(week) for name in (START, END) for week in dataset[name].values)


def of_crossover(dataset: "xr.Dataset", line: Endpoint, variable: str, series: Series) -> Iterator[Row]:
    """Yield the effects of treatments and periods at each week of a period, and the carry-over at its beginning."""
    starts, last = dataset[START].values, float(dataset[END].values[0] - dataset[START].values[0])
    names, codes, sequence = _sequences(dataset)
    stays = _stays(dataset)
    at = dict(series)
    for week in sorted(w for w in at if w <= last + SAME_WEEK):
        places = [next((w for w in at if abs(w - start - week) < SAME_WEEK), None) for start in starts]
        if any(place is None for place in places):
            continue
        own = np.array([at[place][sequence, np.arange(len(sequence))] for place in places if place is not None]).T
        own[sequence < 0] = np.nan
        for patients, kept in _sets(stays):
            y = own
            if kept is not None:
                y = np.where(kept[sequence, np.arange(len(sequence))][:, None], own, np.nan)
            head = {**_head(line, variable, week), "patients": patients, "design": CROSSOVER}
            if week > 0:
                yield from _effects(head, y, codes, names, shares=line.event is not None)
            else:
                before = np.concatenate([np.zeros_like(codes[:, :1]), codes[:, :-1]], axis=1)
                yield from _effects(head, y, before, names, shares=line.event is not None, carried=True)


def _sequences(dataset: "xr.Dataset") -> tuple[list[str], Codes, npt.NDArray[np.int64]]:
    """Return the treatments, control first; each patient's treatment (n, periods), and its arm (n,), -1 for none."""
    table = [[str(name) for name in row] for row in dataset[TREATMENT].values]
    control = str(dataset[TREATMENT].attrs["control"])
    names = [control, *dict.fromkeys(name for row in table for name in row if name not in ("", control))]
    arms = {str(name): a for a, name in enumerate(dataset["arm"].values)}
    sequence = np.array([arms.get(str(name), -1) for name in dataset[ALLOCATED].values], np.int64)
    position = {name: k for k, name in enumerate(names)}
    codes = np.array([[position.get(name, 0) for name in row] for row in table], np.int8)
    return names, codes[sequence], sequence


def _effects(
    head: dict[str, Any], y: Floats, codes: Codes, names: list[str], *, shares: bool, carried: bool = False
) -> Iterator[Row]:
    """Yield the effects of one week; of the treatment before a period where ``carried``."""
    scale = 100.0 if shares else 1.0
    found = crossover_effects(y / scale, codes, len(names), LEVEL, shares=shares)
    counted = np.where((np.isfinite(y).sum(axis=1) >= 2)[:, None], y, np.nan)
    if carried:
        counted = np.where(np.arange(y.shape[1]) > 0, counted, np.nan)
    none = "no interval: too few patients have values in two periods"
    if shares and (y.shape[1] > 2 or len(names) > 2):
        none = "no interval: shares have one where two treatments are given in two periods"

    def row(effect: str, arm: str, control: str, own: Floats, other: Floats, contrast: Contrast) -> Row:
        a, b = own[np.isfinite(own)], other[np.isfinite(other)]
        note = "" if np.isfinite(contrast.low) else none
        contrast = contrast.scaled(scale)
        return Row(**head, effect=effect, arm=arm, control=control, n=len(a), n_control=len(b), mean=_mean(a),
                   mean_control=_mean(b), **contrast._asdict(), note=note)  # fmt: skip

    for k, contrast in enumerate(found.treatments, start=1):
        effect = "carry-over" if carried else "treatment"
        yield row(effect, names[k], names[0], counted[codes == k], counted[codes == 0], contrast)
    if not carried:
        for p, contrast in enumerate(found.periods, start=1):
            yield row("period", f"period {p + 1}", "period 1", counted[:, p], counted[:, 0], contrast)
