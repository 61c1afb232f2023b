"""Check of a name in a study file against the allowed names."""

from collections.abc import Iterable

from pulsatile.engine.checks import choices


def choose(name: str, allowed: Iterable[str], what: str) -> str:
    """Return ``name`` when it is allowed; otherwise raise a `ValueError` with the nearest and all allowed names."""
    names = tuple(allowed)
    if name not in names:
        raise ValueError(f"is not a known {what}: {choices(name, names)}")
    return name
