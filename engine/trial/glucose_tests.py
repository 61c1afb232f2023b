"""Oral and intravenous glucose tolerance tests."""

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.outputs import GLUCOSE_MG, Evaluated
from pulsatile.engine.patients.meals import MMOL_PER_GRAM
from pulsatile.engine.trial.virtual_test import (
    INSULIN_PER_MU,
    Person,
    Rows,
    TestSettings,
    VirtualTest,
    area,
    at,
    between,
)

BOLUS_HOURS = 1 / 60  # an intravenous glucose bolus is given over one minute
OGTT_GRAMS, IVGTT_GRAMS = 75.0, 0.3  # g, and g/kg
LEAST_OGTT = 2.0  # h: the endpoints need the sample at 120 min


def matsuda(glucose: Floats, insulin: Floats) -> Floats:
    """Return the Matsuda index (n,) from 0, 30, 60, 90, 120 min: glucose mmol/L, insulin pmol/L, both (n, 5)."""
    g, i = glucose * GLUCOSE_MG / 10, insulin / INSULIN_PER_MU  # mg/dL, uU/mL
    return np.asarray(10_000 / np.sqrt(g[:, 0] * i[:, 0] * g.mean(axis=1) * i.mean(axis=1)))


def _read_ogtt(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    glucose, insulin = e.output("glucose"), e.output("insulin")
    where = at(times, 0.0, 0.5, 1.0, 1.5, 2.0)
    return {
        "glucose_120": glucose[:, where[-1]],
        "glucose_peak": glucose.max(axis=1),
        "insulin_peak": insulin.max(axis=1),
        "insulin_120": insulin[:, where[-1]],
        "matsuda": matsuda(glucose[:, where], insulin[:, where]),
        "glucose_auc": area(times, glucose),
        "insulin_auc": area(times, insulin),
    }


def _read_ivgtt(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    glucose, insulin = e.output("glucose"), e.output("insulin")
    early, fall = between(times, 2 / 60, 10 / 60), between(times, 10 / 60, 40 / 60)
    t = times[fall] * 60
    t = t - t.mean()
    return {
        "kg": -100 * (t * np.log(glucose[:, fall])).sum(axis=1) / (t * t).sum(),
        "air": insulin[:, early].mean(axis=1) - insulin[:, 0],
        "insulin_10": insulin[:, at(times, 10 / 60)[0]] - insulin[:, 0],
        "glucose_nadir": glucose.min(axis=1),
    }


def ogtt(name: str, s: TestSettings) -> VirtualTest:
    """Return an oral glucose tolerance test with the grams of the settings."""
    grams, hours = OGTT_GRAMS if s.grams is None else s.grams, 3.0 if s.hours is None else s.hours
    if hours < LEAST_OGTT:
        raise InputError(f"hours = {hours:g} of test {name}: an OGTT needs at least {LEAST_OGTT:g} h.", ("hours",))
    span = f"area under {{}}, 0-{hours:g} h"
    return VirtualTest(
        name, f"oral glucose tolerance test, {grams:g} g", hours,
        lambda person: [(0.0, "stomach", grams * MMOL_PER_GRAM)],
        _read_ogtt,
        {
            "glucose_120": ("mmol/L", "2-h glucose"), "glucose_peak": ("mmol/L", "peak glucose"),
            "insulin_peak": ("pmol/L", "peak insulin"), "insulin_120": ("pmol/L", "2-h insulin"),
            "matsuda": ("1", "Matsuda index"), "glucose_auc": ("mmol/L*h", span.format("glucose")),
            "insulin_auc": ("pmol/L*h", span.format("insulin")),
        },
        ("glucose", "insulin", "ffa"),
    )  # fmt: skip


def ivgtt(name: str, s: TestSettings) -> VirtualTest:
    """Return an intravenous glucose tolerance test with the grams per kg of the settings."""
    grams = IVGTT_GRAMS if s.grams is None else s.grams

    def give(person: Person) -> Rows:
        rate = 1000 * grams / GLUCOSE_MG / (60 * BOLUS_HOURS)  # as mmol/kg/min
        return [(0.0, "glucose_infusion", rate), (BOLUS_HOURS, "glucose_infusion", 0.0)]

    return VirtualTest(
        name, f"intravenous glucose tolerance test, {grams:g} g/kg", 3.0, give, _read_ivgtt,
        {
            "kg": ("%/min", "glucose disappearance, 10-40 min"),
            "air": ("pmol/L", "acute insulin response: mean of 2-10 min above basal"),
            "insulin_10": ("pmol/L", "insulin above basal at 10 min"),
            "glucose_nadir": ("mmol/L", "lowest glucose"),
        },
        ("glucose", "insulin"), per_hour=30,
    )  # fmt: skip
