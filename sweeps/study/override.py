"""Set one entry of a study's plain data by its key: ``--set KEY=VALUE``, and the axes of a sweep."""

from typing import Any

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.read import parse_yaml, shorten, show

OF_AN_ARM = ("name", "preset", "regimen", "parameters", "description")
"""Keys of an arm; others are those of its only dose rule."""


def apply_override(data: dict[str, Any], setting: str) -> None:
    """Set ``a.b.2.c=VALUE`` in the data, in place; the value is read as YAML.

    >>> study = {"population": {"n": 10}}
    >>> apply_override(study, "population.n=5")
    >>> study
    {'population': {'n': 5}}
    """
    key, equals, text = setting.partition("=")
    where = f"--set {shorten(setting)}"
    if not equals or not key.strip() or "" in key.split("."):
        raise InputError(f"{where}: this is not KEY=VALUE; write for example --set population.n=500.")
    set_entry(data, key.strip(), parse_yaml(text, where), where)


def set_entry(data: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set the entry at a dotted ``key``, in place; entries of a list are given by position, or by their ``name``.

    A key of a dose rule may follow an arm that has one rule.

    >>> study = {"arms": [{"name": "rhGH", "regimen": [{"dose": "1 mg"}]}]}
    >>> set_entry(study, "arms.rhGH.dose", "2 mg", "sweep")
    >>> study
    {'arms': [{'name': 'rhGH', 'regimen': [{'dose': '2 mg'}]}]}
    """
    place: Any = data
    rest, done = key.split("."), list[str]()
    while True:
        position: Any
        if isinstance(place, dict):
            rule = done[:1] == ["arms"] and len(done) == 2 and rest[0] not in OF_AN_ARM
            if rule:
                place = _only_rule(place, rest[0], where, ".".join(done))
            position, taken = rest[0], 1
        else:
            position, taken = _position(place, rest, where, done)
        done, rest = [*done, ".".join(rest[:taken])], rest[taken:]
        if not rest:
            place[position] = value
            return
        place = place.setdefault(position, {}) if isinstance(place, dict) else place[position]


def _only_rule(arm: dict[str, Any], part: str, where: str, path: str) -> dict[str, Any]:
    """Return the one dose rule of an arm."""
    rules = arm.get("regimen")
    if isinstance(rules, list) and len(rules) == 1 and isinstance(rules[0], dict):
        return rules[0]
    if isinstance(rules, list):
        raise InputError(
            f"{where}: {path} has {len(rules)} dose rules; say which, for example {path}.regimen.0.{part}."
        )
    raise InputError(f"{where}: {path} is a preset and has no {part} of its own; write its regimen out.")


def _position(place: Any, rest: list[str], where: str, done: list[str]) -> tuple[int, int]:
    """Return the position in a list, and how many parts of the key name it: a name may hold dots."""
    path = ".".join(done)
    if not isinstance(place, list):
        raise InputError(f"{where}: {path} = {place!r} has no parts to set; set {path} itself.")
    names = [str(entry["name"]) if isinstance(entry, dict) and "name" in entry else "" for entry in place]
    for taken in range(len(rest), 0, -1):
        if (name := ".".join(rest[:taken])) in names and name:
            return names.index(name), taken
    if rest[0] not in map(str, range(len(place))):
        named = f", named {', '.join(filter(None, names))}" if any(names) else ""
        raise InputError(
            f"{where}: {path} has the entries 0 to {len(place) - 1}{named}; {show(rest[0])} is not one of them."
        )
    return int(rest[0]), 1
