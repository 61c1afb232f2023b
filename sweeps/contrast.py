"""Arms compared in pairs: the check of the arm, the paired difference, and the names of the rows of results.

Results along ``arm`` may hold rows of several kinds, given by the coordinate ``kind``: an arm of the study, the paired
difference of two arms, the mean over all arms.  Arm names are free, so a label identifies neither the kind nor, on its
own, the row: select rows by position (`rows`).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

Kind = Literal["arm", "contrast", "all arms"]
ARM: Kind = "arm"
CONTRAST: Kind = "contrast"
ALL_ARMS: Kind = "all arms"

T = TypeVar("T", "xr.DataArray", "xr.Dataset")


def check_arm(what: str, name: str, arms: Sequence[str]) -> None:
    """Raise `InputError` where ``name``, given as ``what``, is not among the arms."""
    if name not in arms:
        raise InputError(f"{what} = {name!r} is not an arm; choose from {', '.join(arms)}.")


def check_contrast(contrast: str, arms: Sequence[str]) -> None:
    """Raise `InputError` where ``contrast`` is not among the arms, or is the only one."""
    check_arm("contrast", contrast, arms)
    if len(arms) < 2:
        raise InputError(f"contrast = {contrast!r} is the only arm; add an arm to compare with it, or leave it out.")


def label(arm: str, contrast: str) -> str:
    """Return the name of the paired difference of two arms."""
    return f"{arm} minus {contrast}"


def labels(arms: Sequence[str], contrast: str | None) -> tuple[list[str], list[Kind]]:
    """Return names and kinds of the rows that `with_differences` gives: the arms, then their paired differences."""
    differences = [] if contrast is None else [label(arm, contrast) for arm in arms if arm != contrast]
    return [*arms, *differences], [*[ARM] * len(arms), *[CONTRAST] * len(differences)]


def with_differences(values: Floats, contrast: int | None, axis: int) -> Floats:
    """Append the paired difference of each other arm to the arm at position ``contrast``, along ``axis``."""
    if contrast is None:
        return values
    others = [k for k in range(values.shape[axis]) if k != contrast]
    differences = np.take(values, others, axis) - np.take(values, [contrast], axis)
    return np.concatenate([values, differences], axis=axis)


def paired_difference(outputs: T, contrast: str) -> T:
    """Return the paired difference of each other arm to ``contrast``, with labels and the kind `CONTRAST`.

    Parameters
    ----------
    outputs
        Results with named arms along ``arm``; other dimensions and attributes are kept.
    contrast
        Name of an arm.

    Raises
    ------
    InputError
        When the arms have no names, ``contrast`` is not among them, or it is the only arm.
    """
    import xarray as xr

    if "arm" not in outputs.dims or "arm" not in outputs.coords:
        dims = ", ".join(sorted(map(str, outputs.dims))) or "none"
        raise InputError(f"contrast = {contrast!r} needs outputs with named arms; the dimensions are {dims}.")
    arms = [str(arm) for arm in outputs["arm"].values]
    check_contrast(contrast, arms)
    position = arms.index(contrast)
    others = [k for k in range(len(arms)) if k != position]
    with xr.set_options(keep_attrs=True):  # type: ignore[no-untyped-call]
        difference = outputs.isel(arm=others) - outputs.isel(arm=position, drop=True)
    return of_kind(difference.assign_coords(arm=[label(arms[k], contrast) for k in others]), CONTRAST)


def of_kind(results: T, kind: Kind) -> T:
    """Return results with the coordinate ``kind`` along ``arm``."""
    return results.assign_coords(kind=("arm", [kind] * results.sizes["arm"]))


def rows(results: T) -> Iterator[tuple[str, T]]:
    """Yield the name of each row along ``arm``, and the results of that row."""
    for k, arm in enumerate(results["arm"].values):
        yield str(arm), results.isel(arm=k)
