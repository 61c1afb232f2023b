"""What a study changes of its patients: parameters of the model (also of an arm), meals, days without them."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.changes import CHANGEABLE, LARGEST_FACTOR, Change
from pulsatile.engine.patients.meals import MOST_GRAMS, SLOTS_PER_DAY, THREE_MEALS, MealPlan
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.fields import Clock, Day, Model, keyed_by, once

_USUAL_SLOTS = {len(THREE_MEALS.slots): THREE_MEALS.slots}
"""Keys of the meals' draws: three meals have those of the usual days, so that only what is changed differs."""


class FactorOf(Model):
    """A parameter changed by a factor on each patient's own value."""

    factor: float = Field(ge=0, le=LARGEST_FACTOR, description="factor on each patient's own value; 0 switches it off")


Value = Annotated[
    Annotated[float, Tag("<number>")] | Annotated[FactorOf, Tag("<factor>")],
    Discriminator(lambda value: "<factor>" if isinstance(value, dict | FactorOf) else "<number>"),
]
Parameters = Annotated[dict[str, Value], keyed_by(CHANGEABLE)]
"""Changed parameters by name: a value for everybody in the unit of the table, or a factor."""


def changes_of(parameters: dict[str, Any]) -> tuple[Change, ...]:
    """Return the changes in one order for every order of writing; `InputError` names the parameter."""
    changes = []
    for name, value in sorted(parameters.items()):
        factor = isinstance(value, FactorOf)
        try:
            changes.append(Change(name, value.factor if factor else value, factor))
        except InputError as error:
            raise InputError(str(error), ("parameters", name)) from None
    return tuple(changes)


class MealEntry(Model):
    """One meal of every day."""

    at: Clock = Field(description='clock time about which the meal varies, for example "07:00"')
    grams: float = Field(ge=0, le=MOST_GRAMS, description="carbohydrate, g")


class FastingEntry(Model):
    """Days of the week without meals."""

    days: Annotated[tuple[Day, ...], once] = Field((), description="days without any meal, for example [Mon]")
    mornings: Annotated[tuple[Day, ...], once] = Field((), description="days without the first meal")


Meals = Annotated[tuple[MealEntry, ...], Field(max_length=SLOTS_PER_DAY)]


def meal_plan(meals: tuple[MealEntry, ...] | None, fasting: FastingEntry) -> MealPlan:
    """Return the meals of a study's days in numbers; without ``meals``, those of all studies.

    Raises
    ------
    InputError
        For meals whose times could leave their day or are not in ascending order.
    """
    days, mornings = (tuple(sorted(map(quantities.day, names))) for names in (fasting.days, fasting.mornings))
    if meals is None:
        slots, times, grams = THREE_MEALS.slots, THREE_MEALS.times, THREE_MEALS.grams
    else:
        slots = _USUAL_SLOTS.get(len(meals), tuple(range(len(meals))))
        times = tuple(quantities.clock(meal.at) for meal in meals)
        grams = tuple(meal.grams for meal in meals)
    try:
        return MealPlan(slots, times, grams, days, mornings)
    except InputError as error:
        raise InputError(str(error), ("meals",)) from None
