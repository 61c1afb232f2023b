"""What a kernel is built for, and what it holds of a patient: states that move, quantities it watches, clocks."""

from typing import NamedTuple

from pulsatile.engine.states import ALWAYS, GROUPS, STATE_INDEX

WATCH: tuple[str, ...] = (
    "gh", "igf1", "glucose", "insulin", "ffa", "socs", "p85", "lipolysis_drive",
    "gh_secretion", "gh_saturation_signal", "p85_target", "sens_muscle", "sens_liver", "sens_adipose",
    "egp", "uptake_muscle", "uptake_adipose", "lipolysis", "isr",
)  # fmt: skip
"""States and fluxes whose mean, least and greatest value over windows a run can keep."""

CLOCKS: tuple[str, ...] = ("t", "h", "steps", "due", "window")
"""What a patient's run begins from beside its states and the integrals of its open window; see `checkpoint`."""


class Build(NamedTuple):
    """What a kernel is compiled for; ``groups`` are the drug states that may move."""

    groups: tuple[str, ...] = ()
    method: str = "cfmr7"
    lanes: int = 8
    precision: str = "float64"


def active_states(groups: tuple[str, ...]) -> tuple[int, ...]:
    """Return the indices of the states that a kernel for the drug ``groups`` integrates, ascending."""
    names = (*ALWAYS, *(name for group in groups for name in GROUPS[group]))
    return tuple(sorted(STATE_INDEX[name] for name in names))
