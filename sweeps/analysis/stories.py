"""Scenario discovery on patients: who gains, who loses, who responds, as one sentence each.

    gain, lose insulin sensitivity    paired difference of two arms above, below 0: clamp M, or HOMA-IR with its sign
                                      turned where no clamp was made
    respond in visceral fat           VAT at least 8 % below the own week 0, pre-specified in the tesamorelin programme
                                      (therapies, Thresholds; READ)
    have high IGF-1                   SD score above +2 (therapies, Thresholds; READ)
    reach a diabetic glucose          fasting glucose of 7.0 mmol/L or more at one visit (ADA; therapies; READ)

Without the residual layer the values have no assay noise, so thresholds are crossed by fewer than in a trial.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.sensitivity.scenarios import LEAST_CASES, Box, scenario
from pulsatile.sweeps.summary.events import DIABETIC, HIGH, RESPONSE

if TYPE_CHECKING:
    import xarray as xr

SENSITIVITY = (("clamp_m", 1.0), ("fasting_homa_ir", -1.0))
"""Outputs that tell insulin sensitivity, the first that is there; -1 where less of it is more sensitivity."""


@dataclass(frozen=True)
class Story:
    """One event: in whom it happens.

    ``cases`` (n,) of `Inputs`, ``counted`` (n,) who was looked at; ``box`` None where there are too few of a kind.
    """

    arm: str
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
    for arm, event, measure, values, rule in _events(outputs, start, differences):
        counted = np.asarray(np.isfinite(values) & included, np.bool_)
        cases = np.asarray(rule(values) & counted, np.bool_)
        few = min(int(cases.sum()), int((counted & ~cases).sum())) < LEAST_CASES
        box = None
        if not few:
            box = scenario(inputs.values[counted], cases[counted], inputs.names, inputs.units)
        found.append(Story(arm, week, event, measure, cases, counted, box))
    return found


_Rule = Callable[[Floats], Flags]
_Event = tuple[str, str, str, Floats, _Rule]


def _events(outputs: "xr.Dataset", start: "xr.Dataset", differences: "xr.Dataset | None") -> Iterator[_Event]:
    """Yield arm, what happens, how it is measured, values (n,), and the rule."""
    if differences is not None:
        measured = next(((name, sign) for name, sign in SENSITIVITY if name in differences), None)
        if measured is not None:
            name, sign = measured
            for arm in map(str, differences["arm"].values):
                gain = sign * differences[name].sel(arm=arm).isel(week=-1).values
                yield arm, "gain insulin sensitivity", f"paired difference of {name}", gain, _above(0)
                yield arm, "lose insulin sensitivity", f"paired difference of {name}", gain, _below(0)
    for arm in map(str, outputs["arm"].values):
        last = outputs.sel(arm=arm).isel(week=-1)
        if "vat" in outputs and "vat" in start:
            change = 100 * (last["vat"].values / start["vat"].sel(arm=arm).values - 1)
            words = f"VAT at least {-RESPONSE:g} % below the own week 0"
            yield arm, "respond in visceral fat", words, change, _at_most(RESPONSE)
        for name in ("igf1_sds", "fasting_igf1_sds"):
            if name in outputs:
                yield arm, "have high IGF-1", f"{name} above {HIGH:g}", last[name].values, _above(HIGH)
                break
        if "fasting_glucose" in outputs:
            glucose, words = last["fasting_glucose"].values, f"fasting glucose of {DIABETIC:g} mmol/L or more"
            yield arm, "reach a diabetic glucose", words, glucose, _at_least(DIABETIC)


def _above(limit: float) -> _Rule:
    return lambda values: np.asarray(values > limit)


def _below(limit: float) -> _Rule:
    return lambda values: np.asarray(values < limit)


def _at_most(limit: float) -> _Rule:
    return lambda values: np.asarray(values <= limit)


def _at_least(limit: float) -> _Rule:
    return lambda values: np.asarray(values >= limit)
