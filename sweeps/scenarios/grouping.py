"""The runs of a sweep: scenarios that differ in their arms only are one run, with the union of their arms.

They have the same patients, plan and parameters, so they share the run-in, and an arm that several have, such as the
control, is computed once.  A run is an ordinary study: everything that a run promises holds as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pulsatile.sweeps.scenarios.table import Scenario
from pulsatile.sweeps.study.arms import ArmEntry
from pulsatile.sweeps.study.identity import canonical
from pulsatile.sweeps.study.schema import Study, study_from

MOST_ARMS = 100
"""Arms of one study, at most (`sweeps.study.schema`)."""
LONGEST_NAME = 60
OF_ARMS = {"arms", "control", "title", "sensitivity", "sweep"}
"""Entries in which scenarios of one run may differ."""


@dataclass(frozen=True)
class SharedRun:
    """An ordinary study, and the scenarios that it holds: for each, its arms and their names in the run."""

    study: Study
    arms: dict[int, dict[str, str]]

    @property
    def names(self) -> list[str]:
        """Names of all arms of the run."""
        return [arm.name for arm in self.study.arms]


def rest_of(study: Study) -> str:
    """Return all of a study but its arms, as canonical text."""
    return canonical(study.model_dump(mode="json", exclude=OF_ARMS))


def grouped(rows: Iterable[Scenario], earlier: Iterable[SharedRun] = ()) -> list[SharedRun]:
    """Return the runs of scenarios, in the order in which they come up.

    ``earlier`` runs keep their arms, in their order and by their names, and scenarios join them where they can.
    """
    unions = [_Union(run.study, run.study.arms) for run in earlier]
    for row in rows:
        fitting = (union for union in unions if union.rest == rest_of(row.study) and union.room(row))
        union = next(fitting, None)
        if union is None:
            union = _Union(row.study, ())
            unions.append(union)
        union.add(row)
    return [union.run() for union in unions]


class _Union:
    """The arms of several scenarios, each once."""

    def __init__(self, study: Study, arms: Iterable[ArmEntry]) -> None:
        self.rest = rest_of(study)
        self._study = study
        self._arms: dict[str, dict[str, Any]] = {}  # by treatment
        self._of: dict[int, dict[str, str]] = {}
        named = {arm.name: arm for arm in study.arms}
        for arm in arms:
            self._arms[treatment(arm, named)] = arm.model_dump(mode="json", exclude_unset=True)

    def room(self, row: Scenario) -> bool:
        """Return whether the run can have the arms of one more scenario."""
        named = {arm.name: arm for arm in row.study.arms}
        return len(self._arms.keys() | {treatment(arm, named) for arm in row.study.arms}) <= MOST_ARMS

    def add(self, row: Scenario) -> None:
        """Add a scenario, with those of its arms that are new."""
        named = {arm.name: arm for arm in row.study.arms}
        of = self._of[row.number] = {}
        for arm in sorted(row.study.arms, key=lambda arm: arm.match is not None):  # after the arm that it is matched to
            key = treatment(arm, named)
            if key not in self._arms:
                data = arm.model_dump(mode="json", exclude_unset=True) | {"name": self._free(arm.name, row.values)}
                for rule in data.get("regimen") or ():
                    if arm.match is not None and isinstance(rule.get("dose"), dict):
                        rule["dose"] = rule["dose"] | {"to": of[arm.match.to]}
                self._arms[key] = data
            of[arm.name] = self._arms[key]["name"]
        self._of[row.number] = {arm.name: of[arm.name] for arm in row.study.arms}

    def _free(self, name: str, values: dict[str, Any]) -> str:
        """Return a name for an arm that no other has: with the values of the axes over it."""
        taken = {data["name"] for data in self._arms.values()}
        of = f"arms.{name}."
        marks = ", ".join(f"{key.removeprefix(of)} {value}" for key, value in values.items() if key.startswith(of))
        wanted = f"{name} ({marks})" if marks else name
        wanted = " ".join("".join(c if c.isprintable() else " " for c in wanted).split())[:LONGEST_NAME].strip()
        count = 2
        free = wanted
        while free in taken:
            free, count = f"{wanted[: LONGEST_NAME - 6].strip()} ({count})", count + 1
        return free

    def run(self) -> SharedRun:
        """Return the run."""
        data = self._study.model_dump(mode="json", exclude_unset=True, exclude={"sweep", "control", "sensitivity"})
        data["arms"] = list(self._arms.values())
        return SharedRun(study_from(data, "the sweep"), self._of)


def treatment(arm: ArmEntry, named: dict[str, ArmEntry]) -> str:
    """Return what decides the numbers of an arm among those of its study, as text."""
    entry = arm.resolved()
    reference = "" if arm.match is None else treatment(named[arm.match.to], named)
    return f"{entry.treatment!r} {reference}"
