"""The run-in: each patient's untreated 28 days set the reference state (overview, Coupling).

The patient's block of pulses and meals is run untreated with body composition and IGF-1 frozen.  The block means of
the lipolytic drive, of the SOCS-like and of the p85alpha-like signal become L0, S0 and P0, the closed-form basal state
is computed again from them, and the block is repeated until they no longer change.  Then the GH-driven IGF-1 production
is set so that untreated IGF-1 equals the patient's target, and one block with all states free leads to t = 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import BLOCK_HOURS, EventTable
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.parameters import NAMES, beyond
from pulsatile.engine.patients.basal import constant_gh_means, fasting_state, feasible, set_basal
from pulsatile.engine.patients.changes import knock_outs
from pulsatile.engine.patients.cohort import PEOPLE, Cohort
from pulsatile.engine.patients.pulses import block_events
from pulsatile.engine.states import STATE_INDEX, STATES

TOLERANCE = 1e-3  # relative change of L0, S0, P0 at which the run-in ends; overview, Run-in
MOST_PASSES = 8
PULSE_RATE, PULSE_SHAPE = (0.1, 100.0), (0.2, 100.0)
"""Pulses per day and Weibull shapes for which pulses can be drawn [assumed, far beyond the table's ranges]."""
GH_GUESS = 0.8  # ug/L, start of the iteration
EMAX_LIMIT = 24.0  # ug/L/h; axis, IGF-1
BASE_SHARE = 0.3  # largest GH-independent share of IGF-1 production; axis, IGF-1

PLAUSIBLE: dict[str, tuple[float, float]] = {
    # 24-h means of the untreated state, wide enough to hold severe GH deficiency and diabetes [assumed]
    "gh": (0.001, 20.0),
    "glucose": (3.0, 20.0),
    "insulin": (5.0, 2000.0),
    "ffa": (0.02, 2.0),
}


RUN_IN_FIELDS = (
    "lipolytic0", "socs0", "p85_0", "body_changes", "igf1_emax", "igf1_base", "sens_muscle_ref", "sens_liver_ref",
    "egp_max", "k_mass_action", "isr_basal", "isr_max", "lipolysis_basal", "insulin_ref", "ffa_ref", "igf1_ref",
)  # fmt: skip
"""Parameters that the run-in sets; all others are drawn with the cohort."""
PACKED = (*RUN_IN_FIELDS, *STATES, "status", "passes")
"""Columns of `Baseline.packed`."""


@dataclass(frozen=True)
class Baseline:
    """Patients at rest at t = 0, Monday 00:00 of treatment day 1.

    ``parameters`` record (n,), complete; ``y0`` (n, states); ``block`` pulses and meals; ``status`` (n,) of
    `errors.Status`; ``passes`` (n,) run-in passes used.
    """

    cohort: Cohort
    parameters: npt.NDArray[Any]
    y0: Floats
    block: EventTable
    status: npt.NDArray[np.int8]
    passes: npt.NDArray[np.int64]

    def packed(self) -> Floats:
        """Return the results of the run-in (n, len(`PACKED`)), which `unpacked` restores without integration."""
        fields = [self.parameters[name] for name in RUN_IN_FIELDS]
        return np.column_stack([*fields, self.y0, self.status, self.passes])

    def subset(self, index: npt.NDArray[np.int64]) -> "Baseline":
        """Return the patients at positions ``index``, unchanged."""
        return Baseline(
            self.cohort.subset(index), self.parameters[index], self.y0[index], self.block.subset(index),
            self.status[index], self.passes[index],
        )  # fmt: skip


def run_in(cohort: Cohort, *, solver: Solver = Solver(), threads: int = 1, block: EventTable | None = None) -> Baseline:
    """Run every patient of ``cohort`` to the untreated reference state.

    A patient takes as many passes as its own means need, independent of the rest of the cohort.  Patients with a
    parameter that is not finite, or without plausible pulses, are not run; their status says so.
    """
    with np.errstate(all="ignore"):  # absurd parameters end as a status, not as a warning
        return _run_in(cohort, solver, threads, block)


def _unfit(cohort: Cohort, record: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    """Return the status (n,) known before any integration."""
    status = np.where(beyond(record, knock_outs()), Status.IMPLAUSIBLE, Status.OK).astype(np.int8)
    for name, (low, high) in (("pulse_rate", PULSE_RATE), ("pulse_shape", PULSE_SHAPE)):
        status[~((record[name] >= low) & (record[name] <= high))] = Status.IMPLAUSIBLE
    status[~feasible(cohort.parameters)] = Status.IMPLAUSIBLE
    numbers = np.ascontiguousarray(record).view(np.float64).reshape(len(record), len(NAMES))
    known = np.isfinite(numbers).all(axis=1)
    for name in PEOPLE:
        known &= np.isfinite(cohort.covariates[name])
    status[~known] = Status.NOT_FINITE
    return status


def _prepared(cohort: Cohort) -> npt.NDArray[Any]:
    """Return the parameters (n,) at the start of the run-in."""
    record = cohort.parameters.copy()
    record["body_changes"] = 0.0
    record["igf1_ref"] = record["igf1_target"]
    constant_gh_means(record, np.full(len(cohort), GH_GUESS))
    set_basal(record)
    return record


def _run_in(cohort: Cohort, solver: Solver, threads: int, block: EventTable | None) -> Baseline:
    n, record = len(cohort), _prepared(cohort)
    y = fasting_state(record)
    status = _unfit(cohort, record)
    todo = np.flatnonzero(status == Status.OK)
    if block is None:
        block = block_events(cohort.subset(todo)).spread(todo, n)
    passes = np.zeros(n, np.int64)
    gh_drive = np.full(n, np.nan)
    column = {name: WATCH.index(name) for name in WATCH}
    for _ in range(MOST_PASSES):
        if not len(todo):
            break
        result = integrate(
            record[todo], y[todo], block.subset(todo), None,
            start=-BLOCK_HOURS, times=np.array([0.0]), window=BLOCK_HOURS, solver=solver, threads=threads, groups=(),
        )  # fmt: skip
        passes[todo] += 1
        status[todo] = result.status
        ended = result.status == Status.OK
        mean = result.mean[:, 0]
        for name, (low, high) in PLAUSIBLE.items():
            value = mean[:, column[name]]
            status[todo[ended & ~((value > low) & (value < high))]] = Status.IMPLAUSIBLE
        keep = status[todo] == Status.OK
        todo, mean, y_end = todo[keep], mean[keep], result.y[keep, 0]
        change = np.zeros(len(todo))
        for field, name in (("lipolytic0", "lipolysis_drive"), ("socs0", "socs"), ("p85_0", "p85_target")):
            new = mean[:, column[name]]
            change = np.maximum(change, np.abs(new - record[field][todo]) / np.abs(new))
            record[field][todo] = new
        gh_drive[todo] = mean[:, column["gh_saturation_signal"]]
        y[todo] = y_end
        part = record[todo]
        set_basal(part)
        record[todo] = part
        todo = todo[change > TOLERANCE]
    _set_igf1(record, gh_drive)
    record["body_changes"] = 1.0
    ok = np.flatnonzero(status == Status.OK)
    y[ok], status[ok] = _settle(record[ok], y[ok], block.subset(ok), solver, threads)
    y[status != Status.OK] = np.nan
    return Baseline(cohort, record, y, block, status, passes)


def unpacked(cohort: Cohort, rows: Floats) -> Baseline:
    """Return the baseline of ``cohort`` from the rows (n, len(`PACKED`)) of `Baseline.packed` of the same patients.

    The result is bit-equal to that of the run-in; pulses and meals are drawn again.
    """
    n, record = len(cohort), cohort.parameters.copy()
    with np.errstate(all="ignore"):
        fit = np.flatnonzero(_unfit(cohort, _prepared(cohort)) == Status.OK)
    column = {name: rows[:, k] for k, name in enumerate(PACKED)}
    for name in RUN_IN_FIELDS:
        record[name] = column[name]
    y0 = np.column_stack([column[name] for name in STATES])
    block = block_events(cohort.subset(fit)).spread(fit, n)
    return Baseline(cohort, record, y0, block, column["status"].astype(np.int8), column["passes"].astype(np.int64))


def _settle(
    record: npt.NDArray[Any], y: Floats, block: EventTable, solver: Solver, threads: int
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Run one more block with all states free, after which IGF-1 is periodic over the block.

    Body composition, which changes little in a block, is reset to the patient's own.
    """
    result = integrate(
        record, y, block, None, start=-BLOCK_HOURS, times=np.array([0.0]), solver=solver, threads=threads, groups=()
    )
    settled = result.y[:, 0]
    for name in ("vat", "sat", "lean"):
        settled[:, STATE_INDEX[name]] = record[f"{name}0"]
    return settled, result.status


def _set_igf1(record: npt.NDArray[Any], gh_drive: Floats) -> None:
    """Set each patient's IGF-1 production: Emax E + kin0 = kout I_target, within the limits of axis section 2."""
    needed = record["k_igf1"] * record["igf1_target"]
    base = np.minimum(record["igf1_base"], BASE_SHARE * needed)
    drive = record["c_igf1"] * gh_drive
    emax = np.minimum((needed - base) / drive, EMAX_LIMIT)
    record["igf1_emax"] = emax
    record["igf1_base"] = needed - emax * drive
