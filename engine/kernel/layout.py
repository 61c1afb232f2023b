"""The layout of a kernel: its build settings, active states, watched quantities and clocks."""

from typing import NamedTuple

from pulsatile.engine.states import ALWAYS, GROUPS, STATE_INDEX

WATCH: tuple[str, ...] = (
    "gh", "igf1", "glucose", "insulin", "ffa", "socs", "p85", "lipolysis_drive",
    "gh_secretion", "gh_saturation_signal", "p85_target", "sens_muscle", "sens_liver", "sens_adipose",
    "egp", "uptake_muscle", "uptake_adipose", "lipolysis", "isr",
)  # fmt: skip
"""Watched quantities: states and fluxes whose mean, least and greatest value over windows a run can keep."""

CLOCKS: tuple[str, ...] = ("t", "h", "steps", "due", "window")
"""Columns of a mark besides the states and the integrals of the open window; see `checkpoint`."""


class Build(NamedTuple):
    """The build settings of a kernel; ``groups`` are the drug groups that it integrates."""

    groups: tuple[str, ...] = ()
    method: str = "cfmr7"
    lanes: int = 8
    precision: str = "float64"


def active_states(groups: tuple[str, ...]) -> tuple[int, ...]:
    """Return the indices of the states that a kernel for the drug ``groups`` integrates, ascending."""
    names = (*ALWAYS, *(name for group in groups for name in GROUPS[group]))
    return tuple(sorted(STATE_INDEX[name] for name in names))
