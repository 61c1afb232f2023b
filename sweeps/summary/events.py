"""Table of the events that an analyst counts, responders and harms.

A row gives an output of 0 and 1 for sensitivity analysis (`flag_outputs`, selected by name), a story of scenario
discovery (`sweeps.analysis.stories`), and, where it has a ``share``, a line of the summary
(`sweeps.summary.endpoints.lines`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.contrast import ARM, CONTRAST, Kind

RULES = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of a patient, with its threshold.

    Attributes
    ----------
    name : name of the output of 0 and 1
    verb : predicate of the patients: "12 of 40 patients VERB"
    words : how it is measured; {limit} stands for the size of the threshold, {source} for the output it is read from
    sources : outputs from which it can be read, in order of preference
    turned : the sources in which less is more: their sign is reversed
    change : whether the event is of the change from the patient's week 0, in %; for events of arms only
    direction, threshold, unit : the event occurs where the value (or its change) is DIRECTION THRESHOLD
    role : whether the event is desired or not
    reference : source of the threshold
    kind : whether it is read from the values of an arm, or from the paired difference of two
    visits : number of successive visits, at least a week apart, at which it must occur
    share : label of the summary's line with the percentage of patients, {limit} as in words; empty: no line
    below : endpoint below which that line stands; empty: the end of the summary
    """

    name: str
    verb: str
    words: str
    sources: tuple[str, ...]
    turned: tuple[str, ...] = ()
    change: bool = False
    direction: Literal[">", ">=", "<", "<="]
    threshold: float
    unit: str
    role: Literal["responder", "harm"]
    reference: str
    kind: Kind = ARM
    visits: int = 1
    share: str = ""
    below: str = ""

    def source(self, available: Collection[str]) -> str | None:
        """Return the output from which the event is read; None without one."""
        return next((name for name in self.sources if name in available), None)

    def measure(self, source: str = "") -> str:
        """Return how the event is measured, in words."""
        return self.words.format(limit=f"{abs(self.threshold):g}", source=source)

    @property
    def label(self) -> str:
        """Label of its line in the summary."""
        return self.share.format(limit=f"{abs(self.threshold):g}")

    def values(self, values: Floats, start: Floats | None = None, source: str = "") -> Floats:
        """Return 1 where the event occurs, 0 where not, NaN where its source is missing.

        Parameters
        ----------
        values
            Values of its source, any shape.
        start
            Values of week 0 (broadcast), for an event of the change.
        source
            Name of the source, for an event with sources of reversed sign.
        """
        read = values if start is None else 100 * (values / start - 1)
        read = -read if source in self.turned else read
        return np.where(np.isfinite(read), RULES[self.direction](read, self.threshold), np.nan)


_THERAPIES = 'therapies, "Thresholds an analyst counts" (READ)'
_GAIN = Event(
    name="sensitivity_gain", verb="gain insulin sensitivity", words="paired difference of {source}",
    sources=("clamp_m", "fasting_homa_ir"), turned=("fasting_homa_ir",), direction=">", threshold=0.0,
    unit="that of the output", role="responder", reference="sign of the difference", kind=CONTRAST,
)  # fmt: skip
EVENTS: tuple[Event, ...] = (
    _GAIN,
    replace(_GAIN, name="sensitivity_loss", verb="lose insulin sensitivity", direction="<", role="harm"),
    Event(  # pre-specified in the tesamorelin programme
        name="vat_responder", verb="respond in visceral fat", words="VAT at least {limit} % below the own week 0",
        sources=("vat",), change=True, direction="<=", threshold=-8.0, unit="%", role="responder",
        reference=_THERAPIES,
    ),
    Event(
        name="igf1_high", verb="have high IGF-1", words="IGF-1 SD score above {limit}",
        sources=("fasting_igf1_sds", "igf1_sds"), direction=">", threshold=2.0, unit="1", role="harm",
        reference=_THERAPIES, share="IGF-1 SDS > {limit}", below="igf1",
    ),
    Event(  # ADA
        name="glucose_diabetic", verb="reach a diabetic glucose", words="fasting glucose of {limit} mmol/L or more",
        sources=("fasting_glucose",), direction=">=", threshold=7.0, unit="mmol/L", role="harm", reference=_THERAPIES,
    ),
)  # fmt: skip


_GLUCOSE = next(event for event in EVENTS if event.name == "glucose_diabetic")
_RESPONDER = next(event for event in EVENTS if event.name == "vat_responder")
COUNTED: tuple[Event, ...] = (
    replace(_RESPONDER, share="VAT fall >= {limit} %", below="vat"),
    *(event for event in EVENTS if event.share),
    replace(
        _GLUCOSE, name="glucose_impaired", verb="reach an impaired fasting glucose", threshold=5.6,
        share="Glucose >= {limit}", below="glucose",
    ),
    replace(_GLUCOSE, share="Glucose >= {limit}", below="glucose_impaired"),
    replace(
        _GLUCOSE, name="glucose_diabetic_twice", verb="reach a diabetic glucose at two visits", visits=2,
        words="fasting glucose of {limit} mmol/L or more at a visit and at the one before",
        share="the same at two visits", below="glucose_diabetic",
    ),
)  # fmt: skip
"""Events whose percentages the summary of a trial as run has, on the values of the visit."""


def events(kind: Kind) -> list[Event]:
    """Return the events that are read from arms, or from contrasts."""
    return [event for event in EVENTS if event.kind == kind]


def flag_outputs() -> dict[str, Event]:
    """Return the events of arms, which can be selected as outputs of 0 and 1, by name."""
    return {event.name: event for event in events(ARM)}
