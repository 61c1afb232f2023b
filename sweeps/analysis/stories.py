"""Scenario discovery on patients: in whom each event of `sweeps.summary.events` happens, as one sentence each.

Without the residual layer the values have no assay noise, so thresholds are crossed by fewer than in a trial.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags
from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.contrast import ARM, CONTRAST, Kind, rows
from pulsatile.sweeps.sensitivity.scenarios import LEAST_CASES, Box, scenario
from pulsatile.sweeps.summary.events import events

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Story:
    """One event: in whom it happens.

    ``kind`` says whether ``arm`` is an arm or the paired difference of two; ``event`` is what patients do.
    ``cases`` (n,) of `Inputs`, ``counted`` (n,) who was looked at; ``box`` None where there are too few of a kind.
    """

    arm: str
    kind: Kind
    week: float
    event: str
    measure: str
    cases: Flags
    counted: Flags
    box: Box | None

    @property
    def sentence(self) -> str:
        """For the reader."""
        n, all_ = int((self.cases & self.counted).sum()), int(self.counted.sum())
        head = f"{self.arm}, week {self.week:g}: {n} of {all_} patients {self.event} ({self.measure})."
        if self.box is None:
            return f"{head} Too few of a kind to say who."
        return f"{head} {self.box.sentence('such patients')}"


def stories(
    inputs: Inputs, outputs: "xr.Dataset", start: "xr.Dataset", differences: "xr.Dataset | None", seed: int
) -> list[Story]:
    """Return the events of the last week, of every arm and contrast.

    Parameters
    ----------
    inputs
        Of the patients.
    outputs, differences
        Values, NaN where a run failed, dims (design, arm, week) with the patients of ``inputs`` along design; the
        second of paired contrasts.
    start
        The same outputs in week 0, for those that were measured there.
    """
    included = inputs.included(seed)
    found, week = list[Story](), float(outputs["week"].values[-1])
    kinds: tuple[tuple[Kind, xr.Dataset | None], ...] = ((CONTRAST, differences), (ARM, outputs))
    for kind, results in kinds:
        if results is None:
            continue
        there = [str(name) for name in results.data_vars]
        for arm, last in rows(results.isel(week=-1)):
            for event in events(kind):
                source = event.source(there)
                if source is None or (event.change and source not in start):
                    continue
                began = start[source].sel(arm=arm).values if event.change else None
                flag = event.values(last[source].values, began, source)
                counted = np.asarray(np.isfinite(flag) & included, np.bool_)
                cases = np.asarray((flag == 1) & counted, np.bool_)
                few = min(int(cases.sum()), int((counted & ~cases).sum())) < LEAST_CASES
                box = None if few else scenario(inputs.values[counted], cases[counted], inputs.names, inputs.units)
                found.append(Story(arm, kind, week, event.verb, event.measure(source), cases, counted, box))
    return found
