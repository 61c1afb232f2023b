"""Shapley effects of a population's outputs: shares of the variance for the inputs that matter, and what they leave."""

from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.sensitivity.design import generator
from pulsatile.sweeps.sensitivity.shapley import fewest, shapley
from pulsatile.sweeps.sensitivity.sobol import ROUNDING

if TYPE_CHECKING:
    import xarray as xr

HANDFUL = 6
"""Largest number of default inputs: those with the largest S1 of the output and arm."""
LEAST_EXPLAINED = 0.1
"""Share of the variance that the inputs must explain together; with less, shares of it say nothing [assumed]."""
MOST_PATIENTS = 2000
"""Largest number of patients, a random sample where there are more: an error of 0.02 needs no more."""
UNEXPLAINED = "unexplained"
"""Name of the row with the share of the variance that the inputs do not explain."""
_SAMPLE = 0x54A9
"""Key of the random sample of patients."""


def shapley_of(
    inputs: Inputs, outputs: "xr.Dataset", indices: "xr.Dataset", handful: tuple[str, ...], seed: int,
    notes: list[str],
) -> "xr.Dataset | None":  # fmt: skip
    """Return Shapley effects in the last week, as shares of the whole variance; None where there are none.

    The inputs are ``handful``; by default those with the largest S1 of each output and arm.  The shares of an output
    and arm, with that of `UNEXPLAINED`, add up to 1; a member that is not among its inputs has NaN.
    """
    import xarray as xr

    unknown = [name for name in handful if name not in inputs.names]
    if unknown:
        raise InputError(f"{unknown[0]!r} is not an input of these patients; choose from {', '.join(inputs.names)}.")
    arms, names = [str(arm) for arm in outputs["arm"].values], [str(name) for name in outputs.data_vars]
    last, at_end = outputs.isel(week=-1), indices.isel(week=-1)
    y = np.stack([last[name].transpose("design", "arm").values for name in names], axis=1)
    rows_of = np.isfinite(y) & _sample(inputs, seed)[:, None, None]
    share = np.full((len(names), len(inputs.names) + 1, len(arms)), np.nan)
    # outputs and arms with the same inputs and patients are computed together
    groups: dict[tuple[tuple[int, ...], bytes], list[tuple[int, int]]] = {}
    for o, name in enumerate(names):
        for a, arm in enumerate(arms):
            rows = rows_of[:, o, a]
            columns = _columns(inputs, at_end.isel(output=o, arm=a), handful)
            if not rows.any() or np.ptp(y[rows, o, a]) <= ROUNDING * abs(y[rows, o, a]).max():
                continue
            if not columns:
                notes.append(f"no Shapley effects of {name}, {arm}: no input has an S1 above 0")
            elif rows.sum() < fewest(len(columns)):
                notes.append(f"no Shapley effects of {name}, {arm}: {int(rows.sum())} patients are too few")
            else:
                groups.setdefault((columns, rows.tobytes()), []).append((o, a))
    for (columns, _), places in groups.items():
        rows = rows_of[:, places[0][0], places[0][1]]
        x, outputs_of = inputs.values[np.ix_(rows, columns)], np.stack([y[rows, o, a] for o, a in places], axis=1)
        for (o, a), effect in zip(places, shapley(x, outputs_of).T, strict=True):
            if (together := float(effect.sum())) < LEAST_EXPLAINED:
                notes.append(
                    f"no Shapley effects of {names[o]}, {arms[a]}: its inputs explain {max(together, 0):.0%} of the "
                    f"variance, and shares of less than {LEAST_EXPLAINED:.0%} say nothing"
                )
                continue
            share[o, columns, a], share[o, -1, a] = effect, 1 - together
    kept = np.isfinite(share).any(axis=(0, 2))
    if not kept.any():
        return None
    return xr.Dataset(
        {
            "shapley": (("output", "member", "arm"), share[:, kept], {"units": "1"}),
            "explained": (("output", "arm"), 1 - share[:, -1], {"units": "1"}),
        },
        {"output": names, "member": np.array([*inputs.names, UNEXPLAINED])[kept], "arm": arms},
        {"method": "Shapley effects by neighbours, shares of the variance",
         "week": f"{float(outputs['week'][-1]):g}"},
    )  # fmt: skip


def _sample(inputs: Inputs, seed: int) -> Flags:
    """Return a mask (n,) of at most `MOST_PATIENTS` equally weighted patients."""
    included = np.flatnonzero(inputs.included(seed))
    if len(included) > MOST_PATIENTS:
        included = generator(seed, _SAMPLE).permutation(included)[:MOST_PATIENTS]
    mask = np.zeros(len(inputs.values), np.bool_)
    mask[included] = True
    return mask


def _columns(inputs: Inputs, indices: "xr.Dataset", handful: tuple[str, ...]) -> tuple[int, ...]:
    """Return the positions of ``handful``, else of the inputs with the largest S1 whose interval is above 0."""
    if handful:
        return tuple(sorted(inputs.names.index(name) for name in set(handful)))
    s1, low = indices["S1"].values, indices["S1_low"].values
    above = np.where(np.isfinite(low), low, s1) > 0
    order = np.argsort(-np.where(above, s1, -np.inf), kind="stable")
    return tuple(sorted(int(i) for i in order[: min(HANDFUL, int(above.sum()))]))
