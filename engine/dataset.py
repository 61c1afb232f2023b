"""The dataset of a simulation: variables with units and descriptions, coordinates, status."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from pulsatile.engine.drugs.dosing import Arm
from pulsatile.engine.errors import Status
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES
from pulsatile.engine.trial.plan import REDUCTIONS, Plan
from pulsatile.engine.trial.protocols import TESTS

PROJECTION_ERROR = (
    "two standard errors, from how far the losses measured in successive windows differ; the states' own errors of "
    "integration are far below it"
)


@dataclass(frozen=True)
class _Variable:
    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    description: str = ""


def _variables(plan: Plan) -> Iterator[_Variable]:
    for name in plan.outputs:
        o = OUTPUTS[name]
        yield _Variable(name, ("arm", "patient", "time"), o.unit, o.long_name, o.description)
    for name in plan.projected:
        o = OUTPUTS[name]
        words = f"{o.long_name}, estimated error of its projection"
        yield _Variable(f"{name}_projection_error", ("arm", "patient", "time"), o.unit, words, PROJECTION_ERROR)
    for name in plan.reductions:
        watched, _, how = name.rpartition("_")
        o = OUTPUTS[watched]
        unit, words = o.unit, f"{o.long_name}, {REDUCTIONS[how]} per window"
        if how == "auc":
            unit = "h" if unit == "-" else f"{unit}*h"
        yield _Variable(name, ("arm", "patient", "window"), unit, words)
    for entry in plan.tests:
        test = TESTS[entry.test]
        week = f"{test.name}_week"
        for name, (unit, words) in test.endpoints.items():
            yield _Variable(f"{test.name}_{name}", ("arm", "patient", week), unit, f"{test.meaning}: {words}")
        for name in test.curves:
            o = OUTPUTS[name]
            dims = ("arm", "patient", week, f"{test.name}_time")
            yield _Variable(f"{test.name}_{name}", dims, o.unit, f"{test.meaning}: {o.long_name}")


def template(
    patients: npt.ArrayLike, arms: Sequence[Arm], plan: Plan, covariates: Sequence[str] = tuple(COVARIATES)
) -> xr.Dataset:
    """Return an empty dataset with the layout of what `simulate` returns for ``patients``; it allocates no values.

    Variables, dims, dtypes, attributes and coordinates are the same; ``status`` is "never run", values and covariates
    are NaN.
    """
    ids = np.asarray(patients)
    ids = ids.astype(object if ids.dtype.kind in "OUT" else np.int64)  # the user's patients may have text as ids
    sizes = {"arm": len(arms), "patient": len(ids), "time": len(plan.times), "window": len(plan.windows)}
    coords: dict[str, Any] = {
        "arm": ("arm", np.array([arm.name for arm in arms], object), {"long_name": "treatment arm"}),
        "patient": ("patient", ids, {"long_name": "virtual patient"}),
        "time": ("time", plan.times, {"units": "h", "long_name": "time since Monday 00:00 of treatment day 1"}),
        "window": ("window", plan.windows, {"units": "h", "long_name": "start of the reduction window"}),
    }
    for entry in plan.tests:
        week, time = f"{entry.test}_week", f"{entry.test}_time"
        sizes |= {week: len(entry.weeks), time: len(TESTS[entry.test].times)}
        coords[week] = (
            week,
            np.array(entry.weeks, float),
            {"units": "week", "long_name": "treatment week of the test"},
        )
        if TESTS[entry.test].curves:
            coords[time] = (time, TESTS[entry.test].times, {"units": "h", "long_name": "time since the test's start"})
    for name in covariates:
        units, words = (COVARIATES | MORE_COVARIATES)[name]
        coords[name] = ("patient", np.full(len(ids), np.nan), {"units": units, "long_name": words})
    data: dict[str, Any] = {}
    method = {} if plan.long_horizon is None else {"integration": plan.long_horizon.sentence}
    for variable in _variables(plan):
        attrs = {"units": variable.units, "long_name": variable.long_name}
        attrs |= ({"description": variable.description} if variable.description else {}) | method
        shape = tuple(sizes[dim] for dim in variable.dims)
        data[variable.name] = (variable.dims, np.broadcast_to(np.nan, shape), attrs)
    codes = np.array([int(s) for s in Status], np.int8)
    status = np.broadcast_to(np.int8(Status.NEVER_RUN), (len(arms), len(ids)))
    data["status"] = (
        ("arm", "patient"), status,
        {
            "units": "-", "long_name": "how the integration ended", "flag_values": codes,
            "flag_meanings": " ".join(s.name.lower() for s in Status),
        },
    )  # fmt: skip
    if not plan.reductions:
        del coords["window"]
    attrs = {
        "title": "Virtual patients of the GH-FFA-IGF-1-insulin system",
        "comment": "A research model, not for clinical use.",
        **method,
    }
    return xr.Dataset(data, coords, attrs)
