"""The design of a trial as coordinates of its dataset: who would be given what, and what each period of a sequence is.

Every patient runs through every arm; the coordinate ``allocated`` names the arm that the trial would give it, so that
``dataset.sel(arm=dataset["allocated"])`` is the trial as it would be run.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.designs.allocation import Groups
from pulsatile.engine.trial.designs.crossover import Crossover
from pulsatile.sweeps.contrast import check_arm

if TYPE_CHECKING:
    import xarray as xr

ALLOCATED, TREATMENT = "allocated", "treatment"
START, END = "period_start", "period_end"


def design_coordinates(groups: Groups | None, crossover: Crossover | None, dataset: "xr.Dataset") -> dict[str, Any]:
    """Return the coordinates that a design adds to a dataset, with nobody allocated."""
    if groups is None:
        return {}
    ratio = " : ".join(str(weight) for _, weight in groups.allocation)
    words = "arm that the trial as it would be run gives the patient"
    comment = f"permuted blocks of {groups.block}, {' : '.join(groups.names)} = {ratio}"
    comment += f", within strata of {', '.join(groups.covariates)}" if groups.covariates else ""
    nobody = np.full(dataset.sizes["patient"], "", object)
    found: dict[str, Any] = {ALLOCATED: ("patient", nobody, {"long_name": words, "comment": comment})}
    return found | ({} if crossover is None else _periods(crossover, [str(name) for name in dataset["arm"].values]))


def _periods(crossover: Crossover, arms: list[str]) -> dict[str, Any]:
    known = dict(zip(crossover.names, crossover.sequences, strict=True))
    nothing = ("",) * crossover.periods
    treatments = np.array([known.get(arm, nothing) for arm in arms], object)
    starts = np.array(crossover.starts)
    week = {"units": "week"}
    return {
        "period": ("period", np.arange(1, crossover.periods + 1), {"long_name": "period of the crossover"}),
        START: ("period", starts, week | {"long_name": "treatment week at which the period begins"}),
        END: ("period", starts + crossover.period, week | {"long_name": "treatment week of the visit that ends it"}),
        TREATMENT: (
            ("arm", "period"), treatments,
            {"long_name": "treatment of the sequence in the period", "control": crossover.control},
        ),
    }  # fmt: skip


def allocate(dataset: "xr.Dataset", design: Groups | Crossover, seed: int) -> "xr.Dataset":
    """Return the dataset of `simulate` with the coordinates of a design, every patient allocated.

    Parameters
    ----------
    dataset
        Dims (arm, patient, ...); its arms are those of the groups, or the sequences of the crossover
        (`Crossover.arms`).
    design
        Parallel groups, or a crossover, whose sequences are allocated in equal parts without strata.
    seed
        Of the allocation.

    Raises
    ------
    InputError
        When the design names an arm or a covariate that the dataset does not have.
    """
    crossover = design if isinstance(design, Crossover) else None
    groups = Groups(tuple((name, 1) for name in crossover.names)) if crossover is not None else design
    if not isinstance(groups, Groups):
        raise InputError(f"design = {design!r} is no design; give Groups or a Crossover.")
    arms = [str(name) for name in dataset["arm"].values]
    for name in groups.names:
        check_arm("allocation", name, arms)
    groups.check_covariates(tuple(str(n) for n in dataset.coords if dataset[n].dims == ("patient",) and n != "patient"))
    found = dataset.assign_coords(design_coordinates(groups, crossover, dataset))
    given = groups.allocated(seed, dataset.sizes["patient"], {n: dataset[n].values for n in groups.covariates})
    return found.assign_coords({ALLOCATED: ("patient", given.astype(object), found[ALLOCATED].attrs)})
