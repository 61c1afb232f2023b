"""The scenarios of a study with a sweep: each is an ordinary study, and all give datasets of one shape."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pulsatile.engine.dataset import template
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.override import set_entry
from pulsatile.sweeps.study.patients import resolved_population
from pulsatile.sweeps.study.schema import Study, study_from

SHOWN = 10
"""Scenarios whose problems are named; the others are counted."""


@dataclass(frozen=True)
class Scenario:
    """One row of a sweep: the values of its axes, and the study that they make."""

    number: int
    values: dict[str, Any]
    study: Study

    @property
    def words(self) -> str:
        """The scenario for a reader, as ``scenario 3 (arms.rhGH.dose = 0.3 mg, seed = 1)``."""
        return words(self.number, self.values)

    @property
    def control(self) -> str:
        """The arm that the others are compared with."""
        return self.study.control or self.study.arms[0].name


def words(number: int, values: dict[str, Any]) -> str:
    """Return a row of a sweep for a reader."""
    return f"scenario {number} ({', '.join(f'{axis} = {value}' for axis, value in values.items())})"


def scenarios(study: Study) -> list[Scenario]:
    """Return the scenarios of a study with a sweep, in the order of its axes.

    Raises
    ------
    InputError
        With one sentence for each scenario that is no study, and for one whose dataset has another shape.
    """
    if not isinstance(study, Study):
        raise InputError(f"study = {study!r} is not a Study; give load_study('study.yaml').")
    if study.sweep is None:
        raise InputError("the study has no sweep; add one, for example sweep: {axes: {seed: [1, 2]}}.")
    rows, problems = list[Scenario](), list[str]()
    for number, values in enumerate(study.sweep.rows()):
        where = words(number, values)
        data = study.model_dump(mode="json", exclude_unset=True, exclude={"sweep"})
        try:
            for axis, value in values.items():
                if axis.split(".")[0] == "sweep":
                    raise InputError(f"{where}: {axis} cannot be an axis of the sweep that holds it; take another key.")
                set_entry(data, axis, value, where)
            rows.append(Scenario(number, values, study_from(data, where)))
        except InputError as error:
            problems += str(error).splitlines()[:1]
    if problems:
        more = [f"and {len(problems) - SHOWN} scenarios more."] if len(problems) > SHOWN else []
        raise InputError("\n".join(problems[:SHOWN] + more))
    _refuse_other_shapes(rows)
    return rows


def _refuse_other_shapes(rows: list[Scenario]) -> None:
    """Refuse axes that change the shape of the dataset: all scenarios are in one."""
    first, *others = rows
    known: dict[str, dict[str, str]] = {}  # one table of patients is read once
    shape = _shape(first.study, known)
    wrong = list[tuple[int, Scenario, str]]()
    for row in others:
        for what, change in _differences(shape, _shape(row.study, known)):
            axes = [axis for axis in row.values if row.values[axis] != first.values[axis]]
            wrong.append((len(axes), row, f"changes {what} ({change})"))
            break
    if wrong:
        _, row, change = min(wrong, key=lambda entry: entry[:1])
        axes = [axis for axis in row.values if row.values[axis] != first.values[axis]]
        raise InputError(
            f"{row.words}: {' with '.join(axes)} {change} against scenario 0, and all scenarios of a sweep are in one "
            "dataset; keep it equal, or write two studies."
        )


def _shape(study: Study, known: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return what all scenarios must have in common, by what it is."""
    key = study.population.model_dump_json() + ("" if study.design is None else study.design.model_dump_json())
    if key not in known:
        population = resolved_population(study.population, study.design)
        known[key] = {"n": str(population.n), "weighted": str(population.weighted)}
    arms, plan = [arm.resolved() for arm in study.arms], study.plan()
    empty = template(np.zeros(1, np.int64), arms, plan)
    shape = {"the number of patients": known[key]["n"], "whether patients have weights": known[key]["weighted"]}
    shape["the arms"] = ", ".join(arm.name for arm in arms)
    shape["the precision"] = study.outputs.dtype
    shape["the variables"] = ", ".join(
        f"{name} {variable.dims} {variable.attrs.get('units')}" for name, variable in empty.data_vars.items()
    )
    for name in empty.dims:
        if name not in ("arm", "patient"):
            labels = empty[name].values if name in empty.coords else np.arange(empty.sizes[name])
            shape[f"the axis {name}"] = f"{len(labels)} labels, {labels[0]:g} to {labels[-1]:g}"
    return shape


def _differences(first: dict[str, str], other: dict[str, str]) -> Iterator[tuple[str, str]]:
    for what in dict.fromkeys((*first, *other)):
        was, now = first.get(what, "nothing"), other.get(what, "nothing")
        if was != now:
            yield what, f"{was} and {now}" if len(was + now) < 120 else "others"
