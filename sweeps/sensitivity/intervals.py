"""Uncertainty of an index: the t interval across replicates, the usual bootstrap of rows, and stopping rules.

Rows of a scrambled Sobol' sequence are not independent: resampling them gives the error of plain random sampling, and
the interval stays wide while the error falls (Ishigami, 4,096 rows: 20 times too wide).  Replicates with their own
scrambles are independent: their scatter is the error.  With R replicates and the influence e_r of each on a ratio,

    half-width = t(R - 1) sqrt( sum e_r^2 / (R (R - 1)) )

The bootstrap is reported for comparison with other tools and for designs of one replicate.  Coverage and width are
measured in `benchmarks/indices.py`.  Source of the method: Owen 1997 (replicated nets), RECALLED.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design, check_count, generator
from pulsatile.sweeps.sensitivity.outputs import flat
from pulsatile.sweeps.sensitivity.sobol import FINE, Index, Sobol, across, means, pairs_of, sobol, split

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.95
LIMIT = 0.05
"""Of Sarrazin 2016 (RECALLED): width of an interval, and total index of a factor that does not matter."""
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
    scatter = np.sqrt(across(index.influence**2) / (n * (n - 1)))
    return np.asarray(t.ppf((1 + level) / 2, n - 1) * scatter, np.float64)


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
    """The result of one stopping rule.

    Attributes
    ----------
    rule : ``"values"``, ``"ranking"`` or ``"screening"``
    met : the rule is met
    figure, limit : the computed and the allowed number
    replicates : estimated number of replicates of this size that would suffice; 0 when no number can be given
    sentence : the result in words
    """

    rule: str
    met: bool
    figure: float
    limit: float
    replicates: int
    sentence: str


def stopping(estimate: Sobol, level: float = LEVEL, limit: float = LIMIT) -> list[Verdict]:
    """Judge whether the replicates suffice, by three separate rules, over all outputs whose indices are defined.

    - values: the widest interval of S1 and ST is narrower than ``limit``;
    - ranking: the order of the total indices of the factors that matter is certain: any two neighbours differ by more
      than the half-width of their difference, or by less than ``limit``;
    - screening: no factor is undecided: no interval of a total index contains ``limit``.

    Raises
    ------
    InputError
        When there are fewer than two replicates, or no output has indices.
    """
    n = len(estimate.st.influence)
    if n < 2:
        raise InputError("one replicate gives no estimate of its error; give the design at least 2, better 8.")
    defined = np.flatnonzero(estimate.reason == FINE)
    if not len(defined):
        raise InputError("no output has indices: all are constant or missing; give outputs that vary.")
    first = Index(estimate.s1.value[:, defined], estimate.s1.influence[:, :, defined])
    total = Index(estimate.st.value[:, defined], estimate.st.influence[:, :, defined])
    return [_values(first, total, level, limit), _ranking(total, level, limit), _screening(total, level, limit)]


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
        estimate = sobol(design, flat(variable.transpose("design", "arm", "week")))
        if (estimate.reason == FINE).any():
            sentences += [f"{name}: {verdict.sentence}" for verdict in stopping(estimate, level)]
    return tuple(sentences)


def _values(first: Index, total: Index, level: float, limit: float) -> Verdict:
    width = 2 * max(float(half_width(first, level).max()), float(half_width(total, level).max()))
    n = len(total.influence)
    needed = int(np.ceil(n * (width / limit) ** 2)) if width > limit else n
    finding = f"the widest interval of S1 and ST is {width:.3f}, {limit:g} is allowed"
    return Verdict("values", width < limit, width, limit, needed, _sentence(finding, width < limit, needed))


def _ranking(total: Index, level: float, limit: float) -> Verdict:
    order = np.argsort(-total.value, axis=0, kind="stable")
    value = np.take_along_axis(total.value, order, axis=0)
    influence = np.take_along_axis(total.influence, order[None], axis=1)
    gap = Index(value[:-1] - value[1:], influence[:, :-1] - influence[:, 1:])
    half = half_width(gap, level)
    matter = value[:-1] >= limit
    unsure = matter & (gap.value <= half) & (gap.value + half > limit)
    count = int(unsure.sum())
    finding = f"{count} of {int(matter.sum())} neighbouring ranks of ST could change places"
    return Verdict("ranking", count == 0, float(count), 0.0, 0, _sentence(finding, count == 0, 0))


def _screening(total: Index, level: float, limit: float) -> Verdict:
    half = half_width(total, level)
    undecided = (total.value - half < limit) & (total.value + half >= limit)
    count = int(undecided.sum())
    finding = f"{count} of {undecided.size} total indices have an interval across {limit:g}"
    return Verdict("screening", count == 0, float(count), 0.0, 0, _sentence(finding, count == 0, 0))


def _sentence(finding: str, met: bool, needed: int) -> str:
    if met:
        return f"{finding}: enough."
    return f"{finding}: add replicates" + (f", about {needed} in all." if needed else ".")
