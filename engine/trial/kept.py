"""From what was simulated to what a trial would have: drift, noise, and what is missing of those who left.

Values are by variable, each (arm, patient, times, ...); ``along`` names the axis of times of each.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import WEEK
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.noise import assayed, scaled
from pulsatile.engine.trial.designs.dropout import DROPPED
from pulsatile.engine.trial.plan import Plan
from pulsatile.engine.trial.titrated import AMOUNT, visits

PROJECTION_ERROR = "_projection_error"


def add_drift(values: dict[str, Floats], along: Mapping[str, str], cohort: Cohort, plan: Plan) -> None:
    """Multiply outputs that drift, in place, and the errors of their projections."""
    for name in values:
        drift = plan.drift_of(name.removesuffix(PROJECTION_ERROR)) if along[name] == "time" else None
        if drift is not None:
            factor = np.broadcast_to(drift.factor(plan.times), values[name].shape[1:])
            values[name] = scaled(name, values[name], factor, cohort)


def add_noise(values: dict[str, Floats], along: Mapping[str, str], cohort: Cohort, plan: Plan) -> None:
    """Add noise, in place, to outputs on the grid; the same in all arms.  Samples of tests have theirs already.

    The noise is keyed by the minute of the sample and, like pulses and meals, shared by the points of a design.
    """
    noise = plan.noise_of(cohort)
    for name in values if noise is not None else ():
        if along[name] == "time":
            assert noise is not None
            values[name] = assayed(name, values[name], cohort, plan.times, noise)


def drop_out(
    values: dict[str, Floats], along: Mapping[str, str], cohort: Cohort, plan: Plan, arms: Sequence[Arm]
) -> dict[str, Floats]:
    """Remove, in place, what patients have after they left; return the week (arm, patient) in which each leaves."""
    if plan.dropout is None:
        return {}
    weeks = plan.dropout.weeks(cohort.seed, cohort.patient, [arm.name for arm in arms], plan.visits, plan.weeks)
    hours = {
        "time": plan.times,
        "window": plan.windows + plan.reduce_every,  # a window counts at its end
        f"{AMOUNT}_week": WEEK * np.array(visits(arms, plan.weeks)),
        **{f"{test.name}_week": np.array([test.start(week) for week in test.weeks]) for test in plan.tests},
    }
    for name, value in values.items():
        value[hours[along[name]] > WEEK * weeks[:, :, None]] = np.nan
    return {DROPPED: weeks}
