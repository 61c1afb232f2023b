"""What a sensitivity method is: how its points are made and counted, what it allows, what it gives, and its words.

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
    """What a design is made from; a method takes of it what it needs.

    ``points`` and ``replicates`` mean what the method says; ``values`` are the points themselves, in units.
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
        """Groups, a factor in no group being one of its own."""
        return len(self.factors) - sum(len(group.factors) for group in self.groups) + len(self.groups)


@dataclass(frozen=True)
class Measure:
    """An index: name in datasets, words, unit, whether its sign is a direction, and a label where words are long."""

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
    level : of the intervals
    missing : how missing runs are left out, where the method has a choice
    resamples : of the bootstrap of rows, 0 for none
    limits : between which a missing run would have lain; None for the range of the good runs
    incomplete : a run is missing for this output or another
    """

    level: float
    missing: str
    resamples: int = 0
    limits: tuple[float, float] | None = None
    incomplete: bool = False


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes
    ----------
    kind : name of its designs in studies and in `Design.kind`
    words : for the reader of indices
    make, count : the design, and the number of its points from the numbers alone
    columns : the indices of outputs (n_points, m), a missing run being NaN
    measures : the indices, the one to look at first at the front
    points, point_is : usual number of points, and what they are; 1 and "" where ``values`` are the points
    replicates, replicate_is : usual number of replicates, and what they are; 1 and "" where nothing is drawn
    missing : words for how missing runs are left out; by name where there is a choice
    groups, second_order, values : what a design of this kind may ask for; ``values`` it must give
    settles : replicates give an interval, and the first of them are a design of their own
    bounds : where runs are missing there are ``_least`` and ``_most`` of the indices
    blocks : positions in a row of the points that repeat no others (`independent`); () for all
    check : refuses a design of which there can be no indices, before anything runs
    curves : indices of whole trajectories, from outputs of dims (design, arm, week)
    verdicts : sentences on whether the replicates suffice, from the same
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
    settles: bool = False
    bounds: bool = False
    blocks: tuple[int, ...] = ()
    check: Callable[[Design], None] = field(default=lambda design: None)
    curves: "Callable[[Design, xr.Dataset, float], xr.Dataset] | None" = None
    verdicts: "Callable[[Design, xr.Dataset, float], tuple[str, ...]] | None" = None

    def independent(self, design: Design) -> Flags:
        """Return the points (n_points,) that repeat no others: not those where some factors alone were moved.

        What counts points as cases must look at these only: of all points a factor's value stands there many times, and
        chance looks like evidence.  The points of a curve (eFAST) are all taken, for there are no others.
        """
        if not self.blocks:
            return np.ones(design.n_points, np.bool_)
        return np.isin(design.block, [block % design.n_blocks for block in self.blocks])

    def missing_words(self, choice: str) -> str:
        """Return how missing runs are left out."""
        return self.missing if isinstance(self.missing, str) else self.missing[choice]


def where_enough(enough: Flags, y: Floats, columns_of: Callable[[Floats], Columns]) -> Columns:
    """Return the columns of outputs (n_points, m), NaN for those without ``enough`` runs (m,), unless that is all."""
    if enough.all() or not enough.any():
        return columns_of(y)
    found: Columns = {}
    for name, (first, part) in columns_of(y[:, enough]).items():
        whole = np.full((*part.shape[:-1], y.shape[1]), np.nan)
        whole[..., enough] = part
        found[name] = first, whole
    return found
