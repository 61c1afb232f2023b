"""A design: the points to run, and the position of each in the plan that made them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Flags, Floats, Integers
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.factors import Factor, Group, membership, scale

if TYPE_CHECKING:
    import xarray as xr


LARGEST_SEED = 2**64 - 1
MOST_POINTS = 2**28
"""Largest number of points x factors held in memory, 2 GB."""


@dataclass(frozen=True, eq=False)
class Design:
    """Points of a plan, in the order in which outputs are expected.

    Replicates come one after another, rows within a replicate, blocks within a row.

    Attributes
    ----------
    kind : kind of the method (`sweeps.sensitivity.methods`)
    factors, groups : every factor is in exactly one group
    unit : points of the unit cube (n_points, k)
    values : the same points in the units of the factors (n_points, k)
    replicate, row, block : position of each point in the plan (n_points,)
    seed : seed of every random draw
    setting : a number that the method's indices need from its design, set by the function that makes it; else 0
    """

    kind: str
    factors: tuple[Factor, ...]
    groups: tuple[Group, ...]
    unit: Floats
    values: Floats
    replicate: Integers
    row: Integers
    block: Integers
    seed: int
    setting: int = 0

    @property
    def n_points(self) -> int:
        """Number of points, that is of runs per arm."""
        return len(self.unit)

    @property
    def n_replicates(self) -> int:
        """Number of replicates."""
        return int(self.replicate[-1]) + 1

    @property
    def n_rows(self) -> int:
        """Number of rows of each replicate."""
        return int(self.row[-1]) + 1

    @property
    def n_blocks(self) -> int:
        """Number of points of each row."""
        return int(self.block[-1]) + 1

    @property
    def names(self) -> list[str]:
        """Names of the groups, each of which gets an index."""
        return [group.name for group in self.groups]

    @property
    def members(self) -> Flags:
        """Which factor (columns) belongs to which group (rows)."""
        return membership(self.factors, self.groups)

    def table(self) -> "xr.Dataset":
        """Return the points as a dataset along ``design``, one variable per factor, with units."""
        import xarray as xr

        columns = {
            factor.name: ("design", self.values[:, i], {"units": factor.unit, "distribution": factor.distribution})
            for i, factor in enumerate(self.factors)
        }
        places = {"replicate": ("design", self.replicate), "row": ("design", self.row), "block": ("design", self.block)}
        attrs = {"kind": self.kind, "seed": str(self.seed), "groups": "; ".join(map(_line, self.groups))}
        return xr.Dataset(columns, coords={"design": np.arange(self.n_points), **places}, attrs=attrs)

    def check(self, y: npt.ArrayLike, *kinds: str) -> Floats:
        """Return the outputs as float64 (n_points, ...) after a check that they belong to this design.

        Raises
        ------
        InputError
            When the design is of another kind, the first dimension is not that of the points, or an output is infinite.
        """
        if self.kind not in kinds:
            raise InputError(f"this analysis needs a design of kind {' or '.join(kinds)}, got {self.kind}.")
        outputs = np.asarray(y, np.float64)
        if outputs.ndim == 0 or len(outputs) != self.n_points:
            raise InputError(
                f"the outputs have the shape {outputs.shape}, but the design has {self.n_points} points; "
                "give the outputs of all points, in their order along the first dimension."
            )
        if np.isinf(outputs).any():
            raise InputError(
                f"{np.isinf(outputs).sum()} outputs are infinite; "
                "give NaN for a failed run and finite numbers otherwise."
            )
        return outputs


def _line(group: Group) -> str:
    return f"{group.name}: {', '.join(group.factors)}"


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of one part of a design: a function of the seed and the key only."""
    return np.random.default_rng(np.random.SeedSequence([seed, *key]))


def check_count(name: str, count: int, least: int) -> None:
    """Raise `InputError` where a count is not a whole number of at least ``least``."""
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < least:
        raise InputError(f"{name} = {count!r} must be a whole number, at least {least}.")


def build(
    kind: str,
    factors: tuple[Factor, ...],
    groups: tuple[Group, ...],
    cube: Floats,
    seed: int = 0,
    setting: int = 0,
    values: Floats | None = None,
) -> Design:
    """Return the points of ``cube`` (replicate, row, block, factor) as a design."""
    _, n_rows, n_blocks, k = cube.shape
    unit = cube.reshape(-1, k)
    index = np.arange(len(unit), dtype=np.int64)
    return Design(
        kind=kind, factors=factors, groups=groups, unit=unit,
        values=scale(factors, unit) if values is None else values,
        replicate=index // (n_rows * n_blocks), row=index // n_blocks % n_rows, block=index % n_blocks,
        seed=seed, setting=setting,
    )  # fmt: skip


def check_size(points: int, k: int, seed: int) -> None:
    """Raise `InputError` for a design that does not fit in memory, or a seed that is not unsigned 64-bit."""
    if points * k > MOST_POINTS:
        raise InputError(
            f"the design would have {points:,} points of {k} factors, at most {MOST_POINTS // k:,} points are allowed; "
            "take fewer."
        )
    check_count("seed", seed, 0)
    if seed > LARGEST_SEED:
        raise InputError(f"seed = {seed} is too large: 0 ... 2**64 - 1 is allowed.")
