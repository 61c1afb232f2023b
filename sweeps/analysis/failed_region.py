"""Where in a design runs fail: the factors that separate failed points from good ones, with evidence against chance.

Points of one row of a design share values of factors: counted as cases, they make chance look like evidence (rows that
fail by chance were "a region" in 50 of 50 Saltelli designs).  So the separation is judged from the independent points
(`sweeps.sensitivity.method.Method.independent`); what a split catches is counted over all points.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.methods import method_of

if TYPE_CHECKING:
    import xarray as xr

CHANCE = 0.05
"""Largest p-value of a factor that is named in words."""
COLUMNS = ("distance", "p_value", "side", "threshold", "caught", "failing")


def failed_region(design: Design, failed: npt.ArrayLike) -> "xr.Dataset":
    """Return how well each factor separates failed runs from good ones.

    Parameters
    ----------
    failed
        True for each failed point (n_points,).

    Returns
    -------
    Dataset along ``factor``, the smallest p-value first, then the largest distance:

    - ``distance``: Kolmogorov-Smirnov distance of the factor's values in failed and good independent points, 0 ... 1;
    - ``p_value``: p-value of that distance, adjusted for the number of factors (Benjamini and Hochberg): where runs
      fail by chance, no factor is below 0.05 in 95 % of all designs; NaN where the independent points are all good or
      all bad: distance and split are then of all points;
    - ``side``, ``threshold``: the split that separates failed runs best, ``"above"`` or ``"below"`` the threshold
      (unit of the factor);
    - ``caught``: share of all failed points on that side; ``failing``: share of all points on that side that failed.

    Raises
    ------
    InputError
        When no run failed, or all did.
    """
    import xarray as xr
    from scipy.stats import false_discovery_control, ks_2samp

    bad = np.asarray(failed, np.bool_)
    if bad.shape != (design.n_points,):
        raise InputError(f"the failed flags have the shape {bad.shape}, but the design has {design.n_points} points.")
    if bad.all() or not bad.any():
        raise InputError(f"{int(bad.sum())} of {bad.size} runs failed: there are no two kinds of runs to compare.")
    judged = method_of(design).independent(design)
    both = 0 < (judged & bad).sum() < judged.sum()
    if not both:
        judged = np.ones_like(bad)
    rows = []
    for x in design.values.T:
        test = ks_2samp(x[judged & bad], x[judged & ~bad], method="asymp")
        above = bool(test.statistic_sign < 0)  # failed values lie higher where their distribution function lies lower
        threshold = float(test.statistic_location)
        side = x > threshold if above else x <= threshold
        caught, inside = int((side & bad).sum()), int(side.sum())
        rows.append((float(test.statistic), float(test.pvalue), "above" if above else "below", threshold,
                     caught / int(bad.sum()), caught / max(inside, 1)))  # fmt: skip
    p_value = false_discovery_control([row[1] for row in rows]) if both else np.full(len(rows), np.nan)
    table = xr.Dataset(
        {name: ("factor", [row[c] for row in rows]) for c, name in enumerate(COLUMNS)}
        | {"p_value": ("factor", p_value), "unit": ("factor", [factor.unit for factor in design.factors])},
        coords={"factor": [factor.name for factor in design.factors]},
        attrs={"n_failed": int(bad.sum()), "n_points": design.n_points, "n_independent": int(judged.sum()) * both},
    )
    return table.isel(factor=np.lexsort((-table["distance"].values, table["p_value"].values)))


def region_sentence(region: "xr.Dataset") -> str:
    """Return the result of `failed_region` in words, without a full stop."""
    head = f"{region.attrs['n_failed']} of {region.attrs['n_points']} points failed"
    clear = region.isel(factor=region["p_value"].values < CHANCE)
    if not clear.sizes["factor"]:
        return f"{head}; no factor separates them from the others beyond chance"
    first = clear.isel(factor=0)
    unit = str(first["unit"].values).replace("**", "")
    place = f"{first['factor'].values} {first['side'].values} {float(first['threshold']):.3g} {unit}".rstrip()
    others = f"; also by {', '.join(map(str, clear['factor'].values[1:]))}" if clear.sizes["factor"] > 1 else ""
    return (
        f"{head}: {float(first['caught']):.0%} of them have {place}, where {float(first['failing']):.0%} of all points "
        f"fail (p = {float(first['p_value']):.1g}, from {region.attrs['n_independent']} independent points){others}"
    )
