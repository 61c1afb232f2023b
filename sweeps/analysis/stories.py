"""Scenario discovery on patients: who has each event of `sweeps.summary.events`, in one sentence each.

Without the residual layer the values have no assay noise, so fewer patients cross thresholds than in a trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags
from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.analysis.labels import GROUPS, output_label
from pulsatile.sweeps.contrast import ARM, CONTRAST, Kind, rows
from pulsatile.sweeps.sensitivity.scenarios import LEAST_CASES, Box, scenario
from pulsatile.sweeps.summary.events import events

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Story:
    """One event and the patients who have it.

    ``kind`` says whether ``arm`` is an arm or the paired difference of two; ``event`` is the verb of the event.
    ``cases`` (n,) and ``counted`` (n,) are masks over the patients of `Inputs`: with the event, and evaluated.
    ``box`` is None with too few cases or too few others; ``labels`` are the inputs in words.
    """

    arm: str
    kind: Kind
    week: float
    event: str
    measure: str
    cases: Flags
    counted: Flags
    box: Box | None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The story in words."""
        n, all_ = int((self.cases & self.counted).sum()), int(self.counted.sum())
        head = f"{self.arm}, week {self.week:g}: {n} of {all_} patients {self.event} ({self.measure})."
        if self.box is None:
            return f"{head} Too few of a kind to say who."
        return f"{head} {self.box.sentence('such patients', 'patients', self.labels, GROUPS)}"


def stories(
    inputs: Inputs, outputs: "xr.Dataset", start: "xr.Dataset", differences: "xr.Dataset | None", seed: int
) -> list[Story]:
    """Return the stories of the last week, for every arm and contrast.

    Parameters
    ----------
    inputs
        Inputs of the patients.
    outputs, differences
        Values of arms and of paired contrasts, NaN where a run failed, dims (design, arm, week) with the patients of
        ``inputs`` along design.
    start
        Values in week 0 of the outputs that were measured then.
    """
    included = inputs.included(seed)
    records, week = list[Story](), float(outputs["week"].values[-1])
    kinds: tuple[tuple[Kind, xr.Dataset | None], ...] = ((CONTRAST, differences), (ARM, outputs))
    for kind, results in kinds:
        if results is None:
            continue
        available = [str(name) for name in results.data_vars]
        for arm, last in rows(results.isel(week=-1)):
            for event in events(kind):
                source = event.source(available)
                if source is None or (event.change and source not in start):
                    continue
                baseline = start[source].sel(arm=arm).values if event.change else None
                flag = event.values(last[source].values, baseline, source)
                counted = np.asarray(np.isfinite(flag) & included, np.bool_)
                cases = np.asarray((flag == 1) & counted, np.bool_)
                few = min(int(cases.sum()), int((counted & ~cases).sum())) < LEAST_CASES
                box = None if few else scenario(inputs.values[counted], cases[counted], inputs.names, inputs.units)
                measure = event.measure(output_label(source, str(last[source].attrs.get("long_name", ""))))
                records.append(Story(arm, kind, week, event.verb, measure, cases, counted, box, inputs.labels))
    return records
