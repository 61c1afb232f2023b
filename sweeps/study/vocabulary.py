"""The names a study may use, asked from the engine when first needed (so that ``--help`` starts without it)."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.cohort import PHENOTYPES
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.engine.trial.protocols import TESTS


def phenotypes() -> tuple[str, ...]:
    """Return the phenotypes of virtual patients."""
    return PHENOTYPES


def populations() -> tuple[str, ...]:
    """Return the named populations of people."""
    return tuple(POPULATIONS)


def drugs() -> tuple[str, ...]:
    """Return the drugs of the drug table."""
    return tuple(DRUGS)


@cache
def outputs() -> tuple[str, ...]:
    """Return the outputs that may be asked for on a time grid."""
    return tuple(OUTPUTS)


@cache
def reductions() -> tuple[str, ...]:
    """Return the reductions that may be made while a run goes on."""
    from pulsatile.engine.trial.plan import REDUCTIONS

    return tuple(f"{name}_{kind}" for name in WATCH for kind in REDUCTIONS)


@cache
def tests() -> tuple[str, ...]:
    """Return the virtual tests."""
    return tuple(TESTS)


def choose(name: str, allowed: Iterable[str], what: str) -> str:
    """Return ``name`` when it is allowed; else a `ValueError` names the nearest and all allowed names."""
    names = tuple(allowed)
    if name in names:
        return name
    near = get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {near[0]}? Known are" if near else "choose from"
    raise ValueError(f"is not a known {what}: {hint} {', '.join(names)}")
