"""The runs behind a variance budget: every draw of typical values x patient x occasion through all arms, and the check.

An *occasion* has other pulses and meals of the same patient, run-in included; parameters, covariates and drug kinetics
are unchanged.  No two runs share days, so occasions are nested in the cells of draws x patients.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import set_start_basal
from pulsatile.engine.patients.layers import uncertain
from pulsatile.engine.simulate import simulate as simulate_patients
from pulsatile.sweeps.analysis.selection import Selection, at_weeks
from pulsatile.sweeps.sensitivity.design import check_count
from pulsatile.sweeps.study.resolve import ResolvedStudy

if TYPE_CHECKING:
    import xarray as xr

    from pulsatile.engine.patients.cohort import Cohort

Simulate = Callable[..., "xr.Dataset"]
"""Signature of `engine.simulate.simulate`: (cohort, arms, plan, threads=...) to a dataset."""
APART = 2**54
"""Offset between the ids that key the days of successive occasions: above every patient's id."""
MOST_OCCASIONS = 500
"""Largest number of occasions of a patient over all draws: their ids then fit in 63 bits."""
TIGHTER = 100.0
"""Factor by which the tolerance of the check is smaller."""
LEAST_RTOL = 1e-12


@dataclass(frozen=True)
class BudgetSize:
    """Size of the layout: draws of typical values, patients, occasions of each, and patients in the numerical check."""

    draws: int = 8
    patients: int = 32
    occasions: int = 2
    checked: int = 8

    def __post_init__(self) -> None:
        for name, least in (("draws", 2), ("patients", 2), ("occasions", 2), ("checked", 1)):
            check_count(name, getattr(self, name), least)
        if self.draws * self.occasions > MOST_OCCASIONS:
            raise InputError(
                f"{self.draws} draws x {self.occasions} occasions: at most {MOST_OCCASIONS} are allowed; take fewer."
            )
        if self.checked > self.patients:
            raise InputError(f"checked = {self.checked} is more than the {self.patients} patients; take fewer.")


USUAL = BudgetSize()


@dataclass(frozen=True)
class Runs:
    """Results of the runs.

    ``values`` (draws, patients, occasions, arms, outputs, weeks) and ``tight`` (checked, arms, outputs, weeks), the
    first draw and occasion again at the tighter tolerance, both NaN where a run failed; ``like`` is a dataset with
    the names, units, arms and weeks.
    """

    values: Floats
    tight: Floats
    like: "xr.Dataset"
    rtol: float


def run_layout(
    resolved: ResolvedStudy,
    outputs: tuple[str, ...],
    weeks: tuple[float, ...],
    size: BudgetSize,
    simulate: Simulate | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Runs:
    """Run the layout of a variance budget.

    Raises
    ------
    InputError
        When the study does not allow this layout, or does not store the outputs and weeks.
    """
    check_study(resolved, size)
    run = simulate_patients if simulate is None else simulate
    arms, plan, wanted = resolved.arms, resolved.plan(), Selection(outputs, weeks)
    total = size.draws * size.occasions + 1
    rows: list[list[Floats]] = []
    like: xr.Dataset | None = None
    first: Cohort | None = None
    for u in range(size.draws):
        rows.append([])
        patients = under_draw(resolved, u + 1, size.patients)
        first = patients.subset(slice(0, size.checked)) if first is None else first
        for o in range(size.occasions):
            cohort = on_occasion(patients, u * size.occasions + o)
            results = at_weeks(run(cohort, arms, plan, threads=threads).rename(patient="design"), wanted)
            like = results.isel(design=0) if like is None else like
            rows[-1].append(_block(results))
            if progress is not None:
                progress(u * size.occasions + o + 1, total)
    assert like is not None
    assert first is not None
    # skipping days of a long horizon is a numerical error too: the check integrates every day
    tighter = replace(plan, long_horizon=None, solver=_tighter(plan.solver))
    tight = _block(at_weeks(run(first, arms, tighter, threads=threads).rename(patient="design"), wanted))
    if progress is not None:
        progress(total, total)
    values = np.stack([np.stack(row, axis=1) for row in rows])
    return Runs(values, tight, like, tighter.solver.rtol)


def check_study(resolved: ResolvedStudy, size: BudgetSize) -> None:
    """Raise `InputError` for a design, weighted patients, identical days, or fewer patients than ``size`` has."""
    population = resolved.population
    if population.design is not None:
        raise InputError("a variance budget needs patients, and the study has a design; leave the design out.")
    if population.weighted:
        raise InputError(
            "the population has prevalence weights, which a variance budget cannot take; build one by "
            "`pulsatile population build --select inclusion`, whose patients have equal weights."
        )
    if population.table is not None and population.n < size.patients:
        raise InputError(f"patients = {size.patients} is more than the {population.n} of the population; take fewer.")
    if population.people is not None and not population.people.layers.occasions:
        raise InputError("population.layers.occasions is false: days do not differ; set it to true for a budget.")
    for name in ("noise", "dropout"):
        if getattr(resolved, name) is not None:
            raise InputError(
                f"the study has {name}, which a variance budget cannot take: its residual is computed and not drawn; "
                "leave it out, for example in a copy of the study."
            )
    if resolved.solver.rtol < TIGHTER * LEAST_RTOL:
        raise InputError(
            f"solver.rtol = {resolved.solver.rtol:g} leaves no room for a check at a {TIGHTER:g} times tighter "
            f"tolerance; take {TIGHTER * LEAST_RTOL:g} or more."
        )


def under_draw(resolved: ResolvedStudy, draw: int, patients: int) -> "Cohort":
    """Return the first patients of a study under a draw of typical values, 0 for those of the table.

    Assay noise is off: its variance is known and added afterwards.
    """
    population = resolved.population
    if population.people is not None:
        layers = replace(population.people.layers, uncertainty=draw, residual=False)
        people = population.people.model_copy(update={"layers": layers})
        return population.model_copy(update={"people": people}).cohort(resolved.seed, 0, patients)
    cohort = population.cohort(resolved.seed, 0, patients)
    record: npt.NDArray[Any] = cohort.parameters.copy()
    uncertain(record, resolved.seed, draw)
    set_start_basal(record)
    return replace(cohort, parameters=record, layers=replace(cohort.layers, uncertainty=draw))


def on_occasion(cohort: "Cohort", occasion: int) -> "Cohort":
    """Return the same patients on another occasion; occasion 0 has their original days."""
    return cohort if occasion == 0 else replace(cohort, days_of=cohort.patient + occasion * APART)


def _block(results: "xr.Dataset") -> Floats:
    """Return values (patients, arms, outputs, weeks)."""
    columns = [variable.transpose("design", "arm", "week").values for variable in results.data_vars.values()]
    return np.stack(columns, axis=2)


def _tighter(solver: Any) -> Any:
    """Return the solver of the check, in float64 because mixed precision would not become more accurate."""
    return replace(solver, rtol=solver.rtol / TIGHTER, precision="float64")
