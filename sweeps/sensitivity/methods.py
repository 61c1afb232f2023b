"""The methods of sensitivity analysis, one row each: the only place where the rest of the project knows them.

A new method is a file of its own (its design, its indices) and a row.
"""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity import efast, morris, saltelli, samples
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.intervals import verdicts
from pulsatile.sweeps.sensitivity.method import DesignSpec, Measure, Method
from pulsatile.sweeps.sensitivity.missing import CHOICES
from pulsatile.sweeps.sensitivity.sobol import SALTELLI
from pulsatile.sweeps.sensitivity.trajectories import curves

if TYPE_CHECKING:
    import xarray as xr

FIRST, TOTAL = Measure("S1", "first-order index S1"), Measure("ST", "total index ST")
PAIRS = Measure("S2", "second-order index S2")
RANK = Measure("prcc", "partial rank correlation", signed=True, label="PRCC")
_OUTPUT = "of the output"


def _ranked(
    kind: str, make: Callable[[DesignSpec], Design], count: Callable[[DesignSpec], int], points: int = 1,
    point_is: str = "", replicate_is: str = "", values: bool = False,
) -> Method:  # fmt: skip
    """Return the row of a method whose indices are partial rank correlations of a sample."""
    return Method(
        kind, "partial rank correlation (Marino 2008)", make, count, samples.columns, (RANK,), points, point_is,
        replicate_is=replicate_is, values=values, check=samples.check,
    )  # fmt: skip


_ROWS = (
    Method(
        SALTELLI, "Sobol' indices: S1 by Saltelli 2010, ST by Jansen 1999, pooled over replicates",
        make=lambda d: saltelli.saltelli(d.factors, d.points, d.replicates, d.seed, d.groups, d.second_order),
        count=lambda d: d.points * d.replicates * ((2 if d.second_order else 1) * d.moved + 2),
        columns=saltelli.columns, measures=(TOTAL, FIRST, PAIRS),
        points=128, point_is="rows of each replicate, a power of two", replicates=8, replicate_is="scrambles",
        missing=CHOICES, groups=True, second_order=True, has_convergence=True, bounds=True,
        blocks=(0, -1), curves=curves, verdicts=verdicts,
    ),
    _ranked(
        samples.LATIN, lambda d: samples.latin(d.factors, d.points, d.seed, d.replicates),
        lambda d: d.points * d.replicates, 512, "samples of each replicate", "hypercubes",
    ),
    Method(
        morris.MORRIS, "elementary effects (Morris 1991), per full range of the factor",
        make=lambda d: morris.morris_design(d.factors, d.replicates, d.points, d.seed, d.groups),
        count=lambda d: d.replicates * (d.moved + 1), columns=morris.columns,
        measures=(Measure("mu_star", "mean size of effects, mu*", _OUTPUT),
                  Measure("mu", "mean effect, mu", _OUTPUT, signed=True),
                  Measure("sigma", "scatter of effects, sigma", _OUTPUT)),
        points=4, point_is="levels, an even number", replicates=20, replicate_is="trajectories",
        missing="a step with a missing run is left out", groups=True, has_convergence=True, blocks=(0,),
    ),
    Method(
        efast.EFAST, "extended FAST (Saltelli 1999)",
        make=lambda d: efast.efast_design(d.factors, d.points, d.replicates, d.seed),
        count=lambda d: d.points * d.replicates * len(d.factors), columns=efast.columns, measures=(TOTAL, FIRST),
        points=129, point_is="points of a curve", replicates=4, replicate_is="curves of each factor",
        missing="a curve with a missing run is left out",
        no_interval="curves share the bias of the method, so that an interval from their scatter would not hold",
    ),
    _ranked(
        samples.GRID, lambda d: samples.grid(d.factors, d.points),
        lambda d: prod(len(factor.levels) or d.points for factor in d.factors), 5, "points of an axis",
    ),
    _ranked(
        samples.LIST, lambda d: samples.listed(d.factors, d.values), lambda d: len(d.values), values=True,
    ),
)  # fmt: skip

METHODS: dict[str, Method] = {row.kind: row for row in _ROWS}
"""Kind of design -> its row."""
DEFAULT_KIND = SALTELLI


def method_of(design: Design) -> Method:
    """Return the method of a design.

    Raises
    ------
    InputError
        When there is no method of that kind.
    """
    if design.kind not in METHODS:
        raise InputError(f"design.kind = {design.kind!r} is not a method; choose from {', '.join(METHODS)}.")
    return METHODS[design.kind]


def measures_of(indices: "xr.Dataset") -> tuple[Measure, ...]:
    """Return the measures in a dataset of indices, the main one first.

    A dataset whose ``kind`` is not a method is of given data: it has first-order indices and rank correlations.
    """
    method = METHODS.get(indices.attrs.get("kind", ""))
    measures = (FIRST, RANK) if method is None else method.measures
    return tuple(measure for measure in measures if measure.name in indices)


def kinds(allows: Callable[[Method], bool]) -> str:
    """Return the kinds of the methods for which ``allows`` is True, as words: "a, b or c"."""
    *others, last = (kind for kind, row in METHODS.items() if allows(row))
    return f"{', '.join(others)} or {last}" if others else last
