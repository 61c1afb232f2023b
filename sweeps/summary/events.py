"""Events that an analyst counts, responders and harms: the one table of them.

A row gives an output of 0 and 1 for sensitivity analysis (`flag_outputs`, asked for by name), a story of scenario
discovery (`sweeps.analysis.stories`), and, where it has a ``share``, a line of the summary
(`sweeps.summary.endpoints.lines`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.contrast import ARM, CONTRAST, Kind

_RULES = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happens to a patient, and from which value on.

    Attributes
    ----------
    name : of the output of 0 and 1
    verb : what patients do: "12 of 40 patients VERB"
    words : how it is measured; {limit} stands for the size of the threshold, {source} for the output it is read from
    sources : outputs it can be read from, the first that is there
    turned : those of them in which less is more: their sign is turned
    change : whether it looks at the change from the own week 0, in %; of events of arms only
    direction, threshold, unit : the event is there where the value (or its change) is DIRECTION THRESHOLD
    role : whether it is wanted or not
    reference : where the threshold is from
    kind : whether it is read from the values of an arm, or from the paired difference of two
    share : label of the summary's line with the percentage of patients, {limit} as in words; empty: no line
    below : endpoint below which that line stands; empty: the end
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
    share: str = ""
    below: str = ""

    def source(self, there: Collection[str]) -> str | None:
        """Return the output to read it from; None where there is none."""
        return next((name for name in self.sources if name in there), None)

    def measure(self, source: str = "") -> str:
        """Return how it is measured, in words."""
        return self.words.format(limit=f"{abs(self.threshold):g}", source=source)

    @property
    def label(self) -> str:
        """Of its line in the summary."""
        return self.share.format(limit=f"{abs(self.threshold):g}")

    def values(self, values: Floats, start: Floats | None = None, source: str = "") -> Floats:
        """Return 1 where the event is, 0 where not, NaN where what it is read from is missing.

        Parameters
        ----------
        values
            Of the output it is read from, any shape.
        start
            Those of week 0 (broadcast), where it looks at changes.
        source
            Name of that output, where it may be one whose sign is turned.
        """
        read = values if start is None else 100 * (values / start - 1)
        read = -read if source in self.turned else read
        return np.where(np.isfinite(read), _RULES[self.direction](read, self.threshold), np.nan)


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
        sources=("fasting_igf1_sds", "igf1_sds"), direction=">", threshold=2.0, unit="-", role="harm",
        reference=_THERAPIES, share="IGF-1 SDS > {limit}", below="igf1",
    ),
    Event(  # ADA
        name="glucose_diabetic", verb="reach a diabetic glucose", words="fasting glucose of {limit} mmol/L or more",
        sources=("fasting_glucose",), direction=">=", threshold=7.0, unit="mmol/L", role="harm", reference=_THERAPIES,
    ),
)  # fmt: skip


def events(kind: Kind) -> list[Event]:
    """Return the events that are read from arms, or from contrasts."""
    return [event for event in EVENTS if event.kind == kind]


def flag_outputs() -> dict[str, Event]:
    """Return the events that may be asked for as outputs of 0 and 1, by name: those of arms."""
    return {event.name: event for event in events(ARM)}
