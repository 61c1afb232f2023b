"""Drift of body composition in all arms alike, as trials report it of their placebo arms.

The drift is documented, not mechanistic: the value that is kept is the simulated one times ``1 + share x week/weeks``.
No equation sees it, so glucose, insulin and FFA are those without it.

Visceral fat rose by about 5 % in 26 weeks in the placebo arms of the HIV trials of tesamorelin (therapies, section 1).
"""

from dataclasses import dataclass

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import choices, is_number
from pulsatile.engine.drugs.dose_rule import WEEK
from pulsatile.engine.errors import InputError

DRIFTING = ("vat", "sat", "lean")
"""Outputs that can drift; their changes from baseline follow."""
LARGEST = 1.0
"""Largest share within the drift's weeks [assumed: a doubling is another study]."""


@dataclass(frozen=True)
class Drift:
    """The drift of one output: the ``share`` by which it changes in ``weeks``, in all arms, with its source.

    Raises
    ------
    InputError
        For another output than `DRIFTING`, a share beyond -1 to 1, weeks that are not above 0, or no source.
    """

    output: str
    share: float
    weeks: float
    source: str

    def __post_init__(self) -> None:
        if self.output not in DRIFTING:
            raise InputError(f"drift: output = {self.output!r} cannot drift; {choices(self.output, DRIFTING)}.")
        if not is_number(self.share) or not abs(self.share) <= LARGEST:
            raise InputError(
                f"drift of {self.output}: share = {self.share!r} must be from -1 to 1; 0.05 is 5 %.", (self.output,)
            )
        if not is_number(self.weeks) or not self.weeks > 0:
            raise InputError(f"drift of {self.output}: weeks = {self.weeks!r} must be above 0.", (self.output,))
        if not isinstance(self.source, str) or not self.source.strip():
            raise InputError(f"drift of {self.output} has no source; name the trial it was read in.", ("source",))

    @property
    def names(self) -> tuple[str, str]:
        """The outputs that drift: the value, and its change from baseline."""
        return self.output, f"{self.output}_change"

    @property
    def sentence(self) -> str:
        """The drift in words."""
        return (
            f"{self.output} drifts by {100 * self.share:+g} % per {self.weeks:.4g} weeks in all arms, by a factor on "
            f"the simulated value and not by a mechanism ({self.source})"
        )

    def factor(self, hours: Floats) -> Floats:
        """Return the factor (k,) at ``hours`` (k,) of treatment.

        >>> Drift("vat", 0.05, 26, "a trial").factor(np.array([0.0, 26 * 168.0, 52 * 168.0])).round(6).tolist()
        [1.0, 1.05, 1.1]
        """
        return np.asarray(1.0 + self.share * hours / (WEEK * self.weeks), np.float64)

    def check(self, weeks: float) -> None:
        """Refuse a drift that takes everything before the study's end."""
        if 1.0 + self.share * weeks / self.weeks <= 0:
            raise InputError(
                f"drift of {self.output}: {100 * self.share:g} % per {self.weeks:g} weeks leaves nothing at week "
                f"{weeks:g}; give a smaller one.",
                (self.output,),
            )
