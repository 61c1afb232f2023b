"""The dataset of a simulation: variables with units and descriptions, coordinates, status."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.own import own_words
from pulsatile.engine.drugs.plasma import described, drugs_in_plasma
from pulsatile.engine.drugs.presets import standing
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.events import TICKS
from pulsatile.engine.outputs import HBA1C, drug_of, output_of
from pulsatile.engine.parameters import DIMENSIONLESS
from pulsatile.engine.patients.cohort import COVARIATES, FLAGS, MORE_COVARIATES
from pulsatile.engine.trial.arms import doses_of
from pulsatile.engine.trial.designs.dropout import DROPPED
from pulsatile.engine.trial.plan import REDUCTIONS, Plan
from pulsatile.engine.trial.titrated import AMOUNT, titrated_dose, visits

PROJECTION_ERROR = (
    "two standard errors, from how far the losses measured in successive windows differ; the states' own errors of "
    "integration are far below it"
)


CONVENTIONS = "CF-1.11"
"""Conventions of names, units and attributes; they have no standard names for physiology, so there are none here."""
_METHODS = {"mean": "mean", "min": "minimum", "max": "maximum"}
"""CF's name of a reduction; an area under the curve has none."""
_ENDPOINT_METHODS = {"24-h mean": "mean", "peak": "maximum", "highest": "maximum", "lowest": "minimum"}
"""CF's name of the reduction, by how the words of an endpoint begin."""


@dataclass(frozen=True)
class _Variable:
    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    description: str = ""
    cell_methods: str = ""

    @property
    def attrs(self) -> dict[str, str]:
        """The CF attributes of the variable."""
        attrs = {"units": self.units, "long_name": self.long_name, "ancillary_variables": "status"}
        more = {"description": self.description, "cell_methods": self.cell_methods}
        return attrs | {name: text for name, text in more.items() if text}


def _variables(plan: Plan, arms: Sequence[Arm]) -> Iterator[_Variable]:
    drugs = drugs_in_plasma(doses_of(arms, plan))
    for name in plan.outputs:
        o = described(name, drugs)
        yield _Variable(name, ("arm", "patient", "time"), o.unit, o.long_name, o.description, "time: point")
    for name in plan.projected:
        o = output_of(name)
        words = f"{o.long_name}, estimated error of its projection"
        yield _Variable(f"{name}_projection_error", ("arm", "patient", "time"), o.unit, words, PROJECTION_ERROR)
    for name in plan.reductions:
        watched, _, how = name.rpartition("_")
        o = HBA1C if watched == HBA1C.name else output_of(watched)
        unit, words = o.unit, f"{o.long_name}, {REDUCTIONS[how]} per window"
        if how == "auc":
            unit = "h" if unit == DIMENSIONLESS else f"{unit}*h"
        method = f"time: {_METHODS[how]}" if how in _METHODS else ""
        more = o.description if o is HBA1C else ""
        yield _Variable(name, ("arm", "patient", "window"), unit, words, more, method)
    for entry in plan.tests:
        test = entry.virtual_test
        week = f"{test.name}_week"
        for name, (unit, words) in test.endpoints.items():
            method = next((f"time: {m}" for begin, m in _ENDPOINT_METHODS.items() if words.startswith(begin)), "")
            long_name = f"{test.meaning}: {words}"
            yield _Variable(f"{test.name}_{name}", ("arm", "patient", week), unit, long_name, "", method)
        for name in test.curves:
            o = described(name, drugs)
            dims = ("arm", "patient", week, f"{test.name}_time")
            long_name = f"{test.meaning}: {o.long_name}"
            yield _Variable(
                f"{test.name}_{name}", dims, o.unit, long_name, o.description if drug_of(name) else "", "time: point"
            )


def _titrated(arms: Sequence[Arm], plan: Plan) -> Iterator[_Variable]:
    """Yield the amount of the titrated doses, where there are any."""
    units = {found[0].unit for arm in arms if (found := titrated_dose(arm)) is not None}
    if units:
        words = "titrated dose from the week on, from week 0 the first dose; NaN in arms without titration"
        yield _Variable(AMOUNT, ("arm", "patient", f"{AMOUNT}_week"), units.pop(), "titrated dose", words)


def template(
    patients: npt.ArrayLike, arms: Sequence[Arm], plan: Plan, covariates: Sequence[str] = tuple(COVARIATES),
    populations: Sequence[str] = (),
) -> xr.Dataset:  # fmt: skip
    """Return an empty dataset with the layout of what `simulate` returns for ``patients``; it allocates no values.

    Variables, dims, dtypes, attributes and coordinates are the same; ``status`` is "never run", values and covariates
    are NaN.  ``populations``: phenotypes or named populations of the patients, which the arms' standing depends on.
    """
    ids = np.asarray(patients)
    ids = ids.astype(object if ids.dtype.kind in "OUT" else np.int64)  # the user's patients may have text as ids
    sizes = {"arm": len(arms), "patient": len(ids), "time": len(plan.times), "window": len(plan.windows)}
    coords: dict[str, Any] = {
        **_arm_coordinates(arms, populations),
        "patient": ("patient", ids, {"long_name": "virtual patient"}),
        "time": ("time", plan.times, {"units": "h", "long_name": "time since Monday 00:00 of treatment day 1"}),
        "elapsed": ("time", durations(plan.times), {"long_name": "time since Monday 00:00 of treatment day 1"}),
        "window": (
            "window",
            plan.windows,
            {
                "units": "h",
                "long_name": "start of the reduction window",
                "description": f"each window is {plan.reduce_every:g} h long",
            },
        ),
    }
    for entry in plan.tests:
        test, week, time = entry.virtual_test, f"{entry.name}_week", f"{entry.name}_time"
        sizes |= {week: len(entry.weeks), time: len(test.times)}
        coords[week] = (
            week,
            np.array(entry.weeks, float),
            {"units": "week", "long_name": "treatment week of the test"},
        )
        if test.curves:
            coords[time] = (time, test.times, {"units": "h", "long_name": "time since the test's start"})
    changes = visits(arms, plan.weeks)
    if changes:
        week = f"{AMOUNT}_week"
        sizes[week] = len(changes)
        coords[week] = (
            week,
            np.array(changes),
            {"units": "week", "long_name": "treatment week from which it is given"},
        )
    if plan.dropout is not None:
        words = "treatment week in which the patient leaves; NaN where it stays to the end"
        left = np.broadcast_to(np.nan, (len(arms), len(ids)))
        coords[DROPPED] = (("arm", "patient"), left, {"units": "week", "long_name": words,
                                                      "comment": plan.dropout.sentence})  # fmt: skip
    for name in covariates:
        units, words = (COVARIATES | MORE_COVARIATES)[name]
        flags = flag_attrs([float(code) for code in range(len(FLAGS[name]))], FLAGS[name]) if name in FLAGS else {}
        coords[name] = ("patient", np.full(len(ids), np.nan), {"units": units, "long_name": words, **flags})
    data: dict[str, Any] = {}
    method = {} if plan.long_horizon is None else {"integration": plan.long_horizon.sentence}
    for variable in (*_variables(plan, arms), *_titrated(arms, plan)):
        shape = tuple(sizes[dim] for dim in variable.dims)
        attrs = variable.attrs | method
        if plan.dropout is not None:
            attrs["ancillary_variables"] += f" {DROPPED}"
        if (drift := plan.drift_of(variable.name.removesuffix("_projection_error"))) is not None:
            attrs["drift"] = drift.sentence
        data[variable.name] = (variable.dims, np.broadcast_to(np.nan, shape), attrs)
    status = np.broadcast_to(np.int8(Status.NEVER_RUN), (len(arms), len(ids)))
    data["status"] = (
        ("arm", "patient"), status,
        {
            "units": DIMENSIONLESS, "long_name": "how the integration ended",
            **flag_attrs(np.array(list(Status), np.int8), [s.name.lower() for s in Status]),
        },
    )  # fmt: skip
    if not plan.reductions:
        del coords["window"]
    attrs = {
        "Conventions": CONVENTIONS,
        "title": "Virtual patients of the GH-FFA-IGF-1-insulin system",
        "comment": "A research model, not for clinical use.",
        **_own_drugs(arms, plan),
        **method,
    }
    return xr.Dataset(data, coords, attrs)


def _own_drugs(arms: Sequence[Arm], plan: Plan) -> dict[str, str]:
    """Return the attribute with the user's own drugs, where there are any: their figures and sources."""
    own = dict.fromkeys(dose.own for dose in doses_of(arms, plan) if dose.own is not None)
    return {"own_drugs": "; ".join(own_words(drug) for drug in own)} if own else {}


def _arm_coordinates(arms: Sequence[Arm], populations: Sequence[str]) -> dict[str, Any]:
    """Return the names of the arms, and what each is: description, doses, routes and standing."""
    columns = {
        "arm": ("treatment arm", [arm.name for arm in arms]),
        "arm_description": ("description of the arm", [arm.description for arm in arms]),
        "dose": ("doses of the arm", [arm.dose_words for arm in arms]),
        "route": ("routes of administration", [arm.route_words for arm in arms]),
        "standing": ("standing of the regimen: evidence in people", [standing(arm, populations) for arm in arms]),
    }
    return {name: ("arm", np.array(texts, object), {"long_name": words}) for name, (words, texts) in columns.items()}


def durations(hours: Floats) -> npt.NDArray[np.timedelta64]:
    """Return times in hours as durations, exact to the tick of the clock (1 ms)."""
    return np.rint(np.asarray(hours) * TICKS).astype("timedelta64[ms]").astype("timedelta64[ns]")


def flag_attrs(values: Any, meanings: Sequence[str]) -> dict[str, Any]:
    """Return the CF attributes of a variable whose values are codes."""
    return {"flag_values": values, "flag_meanings": " ".join(meanings)}
