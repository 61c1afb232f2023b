"""Description of a sensitivity method: its design and number of points, options, measures, and wording.

The methods themselves are the rows of `sweeps.sensitivity.methods`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.factors import Factor, Group

if TYPE_CHECKING:
    import xarray as xr

Columns = dict[str, tuple[str, Floats]]
"""Name -> (first dimension: ``"factor"``, ``"pair"`` or none, values (..., m))."""


@dataclass(frozen=True)
class DesignSpec:
    """Specification of a design; each method uses the fields that it needs.

    The method defines ``points`` and ``replicates``; ``values`` are the points themselves, in units of the factors.
    """

    factors: tuple[Factor, ...]
    points: int
    replicates: int = 1
    seed: int = 0
    groups: tuple[Group, ...] = ()
    second_order: bool = False
    values: tuple[tuple[float, ...], ...] = ()

    @property
    def moved(self) -> int:
        """Number of groups; a factor in no group forms its own."""
        return len(self.factors) - sum(len(group.factors) for group in self.groups) + len(self.groups)


@dataclass(frozen=True)
class Measure:
    """An index: name in datasets, words, unit, whether its sign is a direction, and a short label for long words."""

    name: str
    words: str
    unit: str = "1"
    signed: bool = False
    label: str = ""


@dataclass(frozen=True)
class Settings:
    """How the indices of one output are computed.

    Attributes
    ----------
    level : level of the intervals
    missing : how missing runs are left out, where the method has a choice
    resamples : number of resamples of the bootstrap of rows, 0 for none
    limits : range in which a missing run would lie; None for the range of the good runs
    incomplete : a run is missing for any output
    """

    level: float
    missing: str
    resamples: int = 0
    limits: tuple[float, float] | None = None
    incomplete: bool = False


@dataclass(frozen=True)
class Method:
    """One sensitivity method.

    Attributes
    ----------
    kind : name of its designs in studies and in `Design.kind`
    words : description of the method in results
    make, count : functions that return the design, and its number of points without making it
    columns : the indices of outputs (n_points, m), NaN marking a missing run
    measures : the indices, the main one first
    points, point_is : usual number of points, and what they are; 1 and "" where ``values`` are the points
    replicates, replicate_is : usual number of replicates, and what they are; 1 and "" where nothing is drawn
    missing : words for how missing runs are left out; by name where there is a choice
    groups, second_order, values : whether a design of this kind may set these fields; ``values`` are then required
    has_convergence : replicates give an interval, and the first of them form a complete design
    no_interval : why a method with replicates has no interval; "" where replicates have no such use
    bounds : the indices have ``_least`` and ``_most`` where runs are missing
    blocks : positions in a row of the points that repeat no others (`independent`); () for all
    check : raises `InputError` for a design without defined indices, before anything runs
    curves : indices of whole trajectories, from outputs of dims (design, arm, week)
    verdicts : sentences on whether the replicates suffice, from the same outputs
    """

    kind: str
    words: str
    make: Callable[[DesignSpec], Design]
    count: Callable[[DesignSpec], int]
    columns: Callable[[Design, Floats, Settings], Columns]
    measures: tuple[Measure, ...]
    points: int = 1
    point_is: str = ""
    replicates: int = 1
    replicate_is: str = ""
    missing: str | Mapping[str, str] = "a missing run is left out"
    groups: bool = False
    second_order: bool = False
    values: bool = False
    has_convergence: bool = False
    no_interval: str = ""
    bounds: bool = False
    blocks: tuple[int, ...] = ()
    check: Callable[[Design], None] = field(default=lambda design: None)
    curves: "Callable[[Design, xr.Dataset, float], xr.Dataset] | None" = None
    verdicts: "Callable[[Design, xr.Dataset, float], tuple[str, ...]] | None" = None

    def independent(self, design: Design) -> Flags:
        """Return a mask (n_points,) of the points that repeat no others, which leaves out those with moved factors.

        An analysis that counts points as cases must use only these: among all points a factor's value occurs many
        times, and chance looks like evidence.  For curves (eFAST) all points are taken, since there are no others.
        """
        if not self.blocks:
            return np.ones(design.n_points, np.bool_)
        return np.isin(design.block, [block % design.n_blocks for block in self.blocks])

    def missing_words(self, choice: str) -> str:
        """Return words for how missing runs are left out."""
        return self.missing if isinstance(self.missing, str) else self.missing[choice]


def with_enough_runs(enough: Flags, y: Floats, columns_of: Callable[[Floats], Columns]) -> Columns:
    """Return the columns of outputs (n_points, m), NaN where ``enough`` (m,) is False unless it is False for all."""
    if enough.all() or not enough.any():
        return columns_of(y)
    columns: Columns = {}
    for name, (first, part) in columns_of(y[:, enough]).items():
        whole = np.full((*part.shape[:-1], y.shape[1]), np.nan)
        whole[..., enough] = part
        columns[name] = first, whole
    return columns
