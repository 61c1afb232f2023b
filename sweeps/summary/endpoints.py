"""Endpoints per patient from a stored dataset: the lines of the summary, and their values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import Status
from pulsatile.sweeps.contrast import ARM
from pulsatile.sweeps.study.tables.table import PatientTable
from pulsatile.sweeps.summary.events import COUNTED, Event, events

if TYPE_CHECKING:
    import xarray as xr

WEEK = 168.0  # h
SAME_TIME = 1e-6  # h; weeks to hours and back may differ in the last bit


@dataclass(frozen=True)
class Endpoint:
    """One line of the summary.

    ``variables`` maps variables to labels; the first that the dataset has is used.  With an ``event`` the line is the
    percentage of patients who have it; ``every_week`` shows all weeks on screen, else only the last one.
    """

    name: str
    unit: str
    variables: Mapping[str, str]
    decimals: int
    event: Event | None = None
    every_week: bool = False


ENDPOINTS = (
    Endpoint("gh_mean", "ug/L", {"profile_gh_mean": "GH, 24-h mean", "gh_mean": "GH, window mean"}, 2),
    Endpoint("gh_pulses", "per day", {"profile_gh_peaks": "GH pulses"}, 1),
    Endpoint(
        "igf1",
        "ug/L",
        {"profile_igf1": "IGF-1, 24-h mean", "fasting_igf1": "IGF-1, 07:00", "igf1": "IGF-1"},
        0,
    ),
    Endpoint("glucose", "mmol/L", {"fasting_glucose": "Fasting glucose"}, 2),
    Endpoint("insulin", "pmol/L", {"fasting_insulin": "Fasting insulin"}, 1),
    Endpoint("homa_ir", "1", {"fasting_homa_ir": "HOMA-IR"}, 2),
    Endpoint("clamp_m", "mg/kg/min", {"clamp_m": "Clamp M"}, 2, every_week=True),
    Endpoint("vat", "cm2", {"vat": "Visceral fat"}, 1),
    Endpoint("sat", "kg", {"sat": "Subcut. fat"}, 2),
    Endpoint("lean", "kg", {"lean": "Lean mass"}, 2),
)


def lines() -> list[Endpoint]:
    """Return the lines of the summary: `ENDPOINTS`, and the percentages of events, each below its endpoint."""
    return _with_shares([event for event in events(ARM) if event.share])


def lines_of_a_trial() -> list[Endpoint]:
    """Return the lines of the summary of a trial as run: those of the summary, and what a trial counts."""
    return _with_shares(COUNTED)


def visit_weeks(dataset: "xr.Dataset") -> tuple[float, ...]:
    """Return the weeks at which outputs are summarised: those of tests, 0 and the end."""
    end = float(dataset["time"].values[-1]) / WEEK
    visits = {float(w) for name in dataset.dims if str(name).endswith("_week") for w in dataset[name].values}
    return tuple(sorted(visits | {0.0, end}))


def _with_shares(counted: Sequence[Event]) -> list[Endpoint]:
    entries = list(ENDPOINTS)
    for event in counted:
        if event.share:
            line = Endpoint(event.name, "%", dict.fromkeys(event.sources, event.label), 1, event)
            entries.insert(next((k + 1 for k, e in enumerate(entries) if e.name == event.below), len(entries)), line)
    return entries


def prevalence(dataset: "xr.Dataset") -> Floats | None:
    """Return the prevalence weights (patient,) of a dataset; None where its patients have equal weights."""
    return np.asarray(dataset["prevalence"].values, float) if "prevalence" in dataset.coords else None


def balanced(dataset: "xr.Dataset") -> Floats | None:
    """Return the covariates (patient, k) for whose means the prevalence weights of a dataset were chosen.

    They stand in the resolved study, an attribute of the dataset.  None where weights were given from outside, where
    the attribute was dropped, or where patients of the frozen population are missing: their weights then leave the
    means of the others unknown.
    """
    study = json.loads(dataset.attrs.get("resolved_study", "{}"))
    record = study.get("population", {}).get("balanced")
    if record is None or "prevalence" not in dataset.coords:
        return None
    columns = PatientTable.model_validate(record).columns
    ids = columns["patient"]
    order = np.argsort(ids)
    found = np.asarray(dataset["patient"].values, np.float64)
    if not np.array_equal(np.sort(found), ids[order]):
        return None
    rows = order[np.searchsorted(ids[order], found)]
    return np.column_stack([column[rows] for name, column in columns.items() if name != "patient"])


def measured(
    dataset: "xr.Dataset", name: str, weeks: tuple[float, ...], event: Event | None = None
) -> list[tuple[float, Floats]]:
    """Return (week, values (arm, patient)) of the variable ``name``; NaN where a patient was not ok.

    ``weeks`` selects weeks of variables on a time grid; tests have their own weeks.  A window counts at its end, a
    single window at the end of the study.  With an ``event``, values are 100 with it and 0 without it; for an event of
    a change the list is empty without week 0.
    """
    variable = dataset[name]
    along = str(variable.dims[2])
    ok = dataset["status"].values == int(Status.OK)
    at = np.asarray(dataset[along].values, float)
    if along == "time":
        places = [(w, i) for w in weeks for i in range(len(at)) if abs(at[i] - WEEK * w) < SAME_TIME]
    elif along == "window":
        width = at[1] - at[0] if len(at) > 1 else float(dataset["time"].values[-1])
        places = [(float(at[i] + width) / WEEK, i) for i in sorted({0, len(at) - 1})]
    else:
        places = list(zip(at.tolist(), range(len(at)), strict=True))
    series = [(week, np.where(ok, np.asarray(variable[:, :, i].values, float), np.nan)) for week, i in places]
    if event is None:
        return series
    start = next((values for week, values in series if week == 0), None) if event.change else None
    if event.change and start is None:
        return []
    found = [(week, 100.0 * event.values(values, start, name)) for week, values in series]
    if event.visits == 1:
        return found
    return [
        (week, np.minimum(values, before))
        for (earlier, before), (week, values) in pairwise(found)
        if week - earlier >= 1
    ]
