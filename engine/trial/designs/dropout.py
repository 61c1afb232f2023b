"""Dropout: patients who leave the study, whatever their values are (missing completely at random).

Every patient has one keyed exponential draw E, and leaves when the cumulative hazard of the arm reaches it.  Arms with
the same rate therefore lose the same patients at the same time, and arms with a higher one lose them earlier.  The
patient goes on in the simulation; what would have been measured afterwards is missing in the dataset.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.checks import is_number, paired
from pulsatile.engine.errors import InputError

LAYER = draws.layer("dropout")
DROPPED = "dropped_week"
"""Coordinate (arm, patient) of the dataset: the week in which the patient leaves, NaN where it stays."""


@dataclass(frozen=True)
class Dropout:
    """The share of patients lost.

    ``share`` : share (0 to below 1) of the patients still there who leave within ``every``
    ``every`` : length in weeks over which the share is lost; None from one visit to the next
    ``arms`` : (arm, share) pairs of arms with another share

    Raises
    ------
    InputError
        For a share outside 0 to 1, or a length that is not above 0.
    """

    share: float
    every: float | None
    arms: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "arms", paired("arms of dropout", self.arms))
        for arm, share in (("", self.share), *self.arms):
            if not is_number(share) or not 0 <= share < 1:
                where = f" of arm {arm}" if arm else ""
                raise InputError(
                    f"dropout: share{where} = {share!r} must be from 0 to below 1; 0.1 is 10 %.", ("rate",)
                )
        if self.every is not None and not (is_number(self.every) and self.every > 0):
            raise InputError(f"dropout: every = {self.every!r} weeks must be above 0.", ("rate",))

    @property
    def sentence(self) -> str:
        """The rule in words."""
        over = "from one visit to the next" if self.every is None else f"in {self.every:.4g} weeks"
        others = "".join(f", {100 * share:g} % in {arm}" for arm, share in self.arms)
        return (
            f"{100 * self.share:g} % of the patients leave {over}{others}, whatever their values; values after "
            f"{DROPPED} are missing"
        )

    def check(self, names: Sequence[str], visits: Sequence[float]) -> None:
        """Refuse shares of arms that are not there, and a share per visit without visits."""
        for arm, _ in self.arms:
            if arm not in names:
                raise InputError(f"dropout: {arm!r} is not an arm; choose from {', '.join(names)}.", ("arms",))
        if self.every is None and not any(week > 0 for week in visits):
            raise InputError("dropout is per visit, and the study has no visit after week 0; give a rate per time.",
                             ("rate",))  # fmt: skip

    def weeks(self, seed: int, patient: Ids, names: Sequence[str], visits: Sequence[float], end: float) -> Floats:
        """Return the week (arm, n) in which each patient leaves; NaN where it stays to the ``end`` (week)."""
        drawn = -np.log(draws.uniforms(seed, patient, LAYER))
        shares = dict(self.arms)
        weeks = np.full((len(names), len(patient)), np.nan)
        for a, name in enumerate(names):
            hazard = -log1p(-shares.get(name, self.share))
            if not hazard > 0:
                continue
            if self.every is None:
                marks = np.array([0.0, *sorted(week for week in visits if week > 0)])
                passed = drawn / hazard
                left = np.interp(passed, np.arange(len(marks)), marks)
                left[passed >= len(marks) - 1] = np.inf
            else:
                left = drawn / hazard * self.every
            weeks[a] = np.where(left < end, left, np.nan)
        return weeks
