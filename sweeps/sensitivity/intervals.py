"""Uncertainty of an index: the t interval across replicates, the usual bootstrap of rows, and stopping rules.

Rows of a scrambled Sobol' sequence are not independent: resampling them gives the error of plain random sampling, and
the interval stays wide while the error falls (Ishigami, 4,096 rows: 20 times too wide).  Replicates with their own
scrambles are independent: their scatter is the error.  With R replicates and the influence e_r of each on a ratio,

    half-width = t(R - 1) sqrt( sum e_r^2 / (R (R - 1)) )

A total index cannot be negative and its estimate is skewed: its interval is that of its logarithm, [ST / f, ST f] with
f = exp(half-width / ST), as far as the upper end is not above 1.  Where missing runs were filled, the half-width is the
root of the sum of its square and that of the error of the fill, t(4) times its SD: few, smooth errors make up a hole.

The bootstrap is reported for comparison with other tools and for designs of one replicate.  Coverage and width are
measured in `benchmarks/indices.py`.  Source of the method: Owen 1997 (replicated nets), RECALLED.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design, check_count, generator
from pulsatile.sweeps.sensitivity.missing import Bounds, bounds, observed_limits
from pulsatile.sweeps.sensitivity.outputs import flat
from pulsatile.sweeps.sensitivity.sobol import FINE, Index, Sobol, across, means, pairs_of, split
from pulsatile.sweeps.sensitivity.surrogate import estimate

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.95
LIMIT = 0.05
"""Of Sarrazin 2016 (RECALLED): width of an interval, and total index of a factor that does not matter."""
STAYS = 16
"""Times as many replicates as there are, at a fourth of the error: what needs more is called undecidable [assumed]."""
_FILL_FREEDOM = 4
_BOOTSTRAP = 0xB007
"""Key that separates the bootstrap's random draws from those of the design."""


def check_level(level: float) -> None:
    """Raise `InputError` where a confidence level is not between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"level = {level:g} must lie between 0 and 1, as 0.95.")


def half_width(index: Index, level: float = LEVEL) -> Floats:
    """Return the half-width of the interval across replicates, of the shape of ``value``; NaN for one replicate."""
    from scipy.stats import t

    check_level(level)
    n = len(index.influence)
    if n < 2:
        return np.full(index.value.shape, np.nan)
    half = t.ppf((1 + level) / 2, n - 1) * np.sqrt(across(index.influence**2) / (n * (n - 1)))
    if index.fill is not None:
        half = np.hypot(half, t.ppf((1 + level) / 2, _FILL_FREEDOM) * index.fill)
    return np.asarray(half, np.float64)


def interval(index: Index, level: float = LEVEL, *, ratio: bool = False) -> tuple[Floats, Floats]:
    """Return the ends of the interval across replicates, of the shape of ``value``; with ``ratio`` that of a logarithm.

    The upper end of a ratio goes beyond 1, the largest index, only where the interval without logarithm does so.
    """
    half = half_width(index, level)
    low, high = index.value - half, index.value + half
    if not ratio:
        return low, high
    positive = index.value > 0
    with np.errstate(over="ignore"):
        factor = np.exp(half / np.where(positive, index.value, 1.0))
    high = np.where(positive, np.maximum(high, np.minimum(index.value * factor, 1.0)), high)
    return np.where(positive, index.value / factor, low), high


def bootstrap(
    design: Design, y: Floats, resamples: int = 200, seed: int = 0, level: float = LEVEL
) -> dict[str, tuple[Floats, Floats]]:
    """Return (low, high) of S1, ST and S2 by resampling rows, as other tools do: percentiles of the resamples.

    Parameters
    ----------
    y
        Outputs (n_points, m), of a Saltelli design; NaN where missing.
    resamples, seed
        Number of resamples, and seed of their draws.
    """
    check_level(level)
    check_count("resamples", resamples, 2)
    n = design.n_replicates * design.n_rows
    rng = generator(seed, _BOOTSTRAP)
    weights = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(resamples)]).astype(np.float64)

    def weighted(rows: Floats) -> tuple[Floats, Floats]:
        flat = rows.transpose(0, 2, 1).reshape(n, -1)
        finite = np.isfinite(flat)
        # einsum, not a matrix product: its sums have one order, whatever the threads
        total = np.einsum("rn,nm->rm", weights, np.where(finite, flat, 0.0))
        if finite.all():
            return total, np.full(total.shape, float(n))
        return total, np.einsum("rn,nm->rm", weights, finite.astype(np.float64))

    blocks = split(design, y)
    estimates = {key: mean.total / np.maximum(mean.count, 1) for key, mean in means(blocks, weighted).items()}
    variance = np.where(blocks.constant | (estimates["V", 0] <= 0), np.nan, estimates["V", 0])
    pairs = pairs_of(blocks.n_groups) if blocks.ba is not None else []
    samples = {name: np.stack([estimates[name, i] / variance for i in range(blocks.n_groups)]) for name in ("S1", "ST")}
    if pairs:
        samples["S2"] = np.stack(
            [
                estimates["SC", position] / variance - samples["S1"][i] - samples["S1"][j]
                for position, (i, j) in enumerate(pairs)
            ]
        )
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: tuple(np.quantile(sample, ends, axis=1)) for name, sample in samples.items()}


@dataclass(frozen=True)
class Verdict:
    """The result of one stopping rule, from the replicates so far.

    Attributes
    ----------
    rule : ``"values"``, ``"ranking"`` or ``"screening"``
    met : the rule is met so far
    figure, limit : the computed and the allowed number
    replicates : estimated number of replicates of this size that would suffice; 0 when no number can be given
    sentence : the result in words
    stays : the rule is not met, and will not be: `STAYS` times as many replicates, or any number, would not suffice
    """

    rule: str
    met: bool
    figure: float
    limit: float
    replicates: int
    sentence: str
    stays: bool = False


def stopping(found: Sobol, level: float = LEVEL, limit: float = LIMIT, within: Bounds | None = None) -> list[Verdict]:
    """Judge whether the replicates suffice, by three separate rules, over all outputs whose indices are defined.

    - values: the widest interval of S1 and ST is narrower than ``limit``;
    - ranking: the order of the total indices of the factors that matter is certain: any two neighbours differ by more
      than the half-width of their difference, or by less than ``limit``;
    - screening: no factor is undecided: no interval of a total index contains ``limit``.

    A verdict holds for the replicates so far.  With more, an error falls as 1 / sqrt(n): a rule that would need more
    than `STAYS` times as many stays undecided; so does an index that the missing runs, within their bounds ``within``,
    could put on either side of ``limit``.

    Raises
    ------
    InputError
        When there are fewer than two replicates, or no output has indices.
    """
    n = len(found.st.influence)
    if n < 2:
        raise InputError("one replicate gives no estimate of its error; give the design at least 2, better 8.")
    defined = np.flatnonzero(found.reason == FINE)
    if not len(defined):
        raise InputError("no output has indices: all are constant or missing; give outputs that vary.")
    first, total = (_part(index, defined) for index in (found.s1, found.st))
    either = np.zeros(total.value.shape, np.bool_)
    if within is not None:
        either = (within.st_low[:, defined] < limit) & (within.st_high[:, defined] >= limit)
    return [_values(first, total, level, limit), _ranking(total, level, limit), _screening(total, level, limit, either)]


def _part(index: Index, columns: npt.NDArray[np.int64]) -> Index:
    fill = None if index.fill is None else index.fill[:, columns]
    return Index(index.value[:, columns], index.influence[:, :, columns], fill)


def verdicts(design: Design, outputs: "xr.Dataset", level: float) -> tuple[str, ...]:
    """Return the sentences of `stopping` for each output; () for one replicate, or where nothing varies.

    Parameters
    ----------
    design
        Saltelli blocks.
    outputs
        Dims (design, arm, week), NaN where a run is missing.
    level
        Level of the intervals.
    """
    sentences: list[str] = []
    for name, variable in outputs.data_vars.items() if design.n_replicates > 1 else ():
        y = flat(variable.transpose("design", "arm", "week"))
        found = estimate(design, y)
        if (found.reason == FINE).any():
            within = bounds(design, y, *observed_limits(y)) if np.isnan(y).any() else None
            sentences += [f"{name}: {verdict.sentence}" for verdict in stopping(found, level, within=within)]
    return tuple(sentences)


def _width(index: Index, level: float, ratio: bool) -> float:
    low, high = interval(index, level, ratio=ratio)
    return float((high - low).max())


def _values(first: Index, total: Index, level: float, limit: float) -> Verdict:
    width = max(_width(first, level, False), _width(total, level, True))
    n = len(total.influence)
    needed = int(np.ceil(n * (width / limit) ** 2)) if width > limit else n
    finding = f"the widest interval of S1 and ST is {width:.3f}, {limit:g} is allowed"
    return _verdict("values", width < limit, width, limit, finding, n, needed)


def _ranking(total: Index, level: float, limit: float) -> Verdict:
    order = np.argsort(-total.value, axis=0, kind="stable")
    value = np.take_along_axis(total.value, order, axis=0)
    influence = np.take_along_axis(total.influence, order[None], axis=1)
    fill = None if total.fill is None else np.take_along_axis(total.fill, order, axis=0)
    apart = None if fill is None else fill[:-1] + fill[1:]
    gap = Index(value[:-1] - value[1:], influence[:, :-1] - influence[:, 1:], apart)
    half = half_width(gap, level)
    matter = value[:-1] >= limit
    unsure = matter & (gap.value <= half) & (gap.value + half > limit)
    finding = f"{int(unsure.sum())} of {int(matter.sum())} neighbouring ranks of ST could change places"
    # settled once the half-width is below the gap, or both together below the limit
    enough = np.maximum(gap.value, limit - gap.value)
    return _counted("ranking", unsure, half, enough, np.zeros_like(unsure), finding, len(total.influence))


def _screening(total: Index, level: float, limit: float, either: Flags) -> Verdict:
    low, high = interval(total, level, ratio=True)
    undecided = (low < limit) & (high >= limit)
    finding = f"{int(undecided.sum())} of {undecided.size} total indices have an interval across {limit:g}"
    half, apart = half_width(total, level), abs(total.value - limit)
    return _counted("screening", undecided, half, apart, either & undecided, finding, len(total.influence))


def _counted(
    rule: str, unsure: Flags, half: Floats, enough: Floats, never: Flags, finding: str, n: int
) -> Verdict:  # fmt: skip
    """Return the verdict of a rule that counts cases: ``unsure`` until their half-width is below ``enough``."""
    times = np.where(unsure, (half / np.maximum(enough, 1e-12)) ** 2, 0.0)
    lasting = unsure & ((times > STAYS) | never)
    count, stay = int(unsure.sum()), int(lasting.sum())
    if not stay:
        needed = int(np.ceil(n * max(float(times.max(initial=0.0)), 1.0)))
        return _verdict(rule, not count, float(count), 0.0, finding, n, needed)
    why = (
        "the failed runs allow either" if (never & unsure).any() else f"{STAYS} times as many replicates do not suffice"
    )
    rest = f"; add replicates for the other {count - stay}" if stay < count else ""
    sentence = f"{finding}: {stay} undecided, and will stay so, as {why}{rest}."
    return Verdict(rule, False, float(count), 0.0, 0, sentence, True)


def _verdict(rule: str, met: bool, figure: float, limit: float, finding: str, n: int, needed: int) -> Verdict:
    if met:
        return Verdict(rule, True, figure, limit, needed, f"{finding}: enough so far.")
    needed = max(needed, n + 1)
    if needed <= STAYS * n:
        sentence = f"{finding}: not enough so far, add replicates, about {needed} in all."
        return Verdict(rule, False, figure, limit, needed, sentence)
    times = f"about {needed} in all, {needed / n:.0f} times as many"
    sentence = f"{finding}: undecided, and will stay so unless you add replicates to {times}."
    return Verdict(rule, False, figure, limit, needed, sentence, True)
