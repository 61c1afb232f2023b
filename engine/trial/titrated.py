"""A titrated arm: the run from visit to visit, each part continuing the one before it bit for bit.

The tests of a visit are made with the doses so far; the new dose holds from midnight of the visit's day on.
"""

from collections.abc import Sequence

import numpy as np

from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.as_given import Levels
from pulsatile.engine.drugs.dose_rule import WEEK
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.outputs import is_output
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.noise import assayed
from pulsatile.engine.trial.plan import Plan
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.treatment import Canaries, People, Since, TestValues, Treated, only, run_arm

AMOUNT = "titrated_dose"
"""Variable of the dataset: the amount from each visit on."""


def titrated_dose(arm: Arm) -> tuple[Dose, Titration] | None:
    """Return the titrated rule of an arm, or None."""
    return next(((dose, dose.titration) for dose in arm.doses if dose.titration is not None), None)


def visits(arms: Sequence[Arm], weeks: float) -> tuple[float, ...]:
    """Return the weeks at which some arm's dose may change, from 0 on; empty where no arm is titrated."""
    rules = [found[1] for arm in arms if (found := titrated_dose(arm)) is not None]
    return tuple(sorted({0.0, *(week for rule in rules for week in rule.visits(weeks))})) if rules else ()


def check_titration(arm: Arm, plan: Plan) -> None:
    """Refuse a titration whose quantity the study does not measure at its visits, and one with `long_horizon`."""
    found = titrated_dose(arm)
    if found is None:
        return
    _, rule = found
    if plan.long_horizon is not None:
        raise InputError(f"arm {arm.name} is titrated, which long_horizon does not allow; leave one of the two out.")
    due = rule.visits(plan.weeks)
    if not due:
        raise InputError(f"arm {arm.name}: its titration has no visit before the study's end; shorten its every.")
    if is_output(rule.on):
        return
    measured = {f"{t.name}_{name}": t for t in plan.tests for name in t.virtual_test.endpoints}
    if rule.on not in measured:
        raise InputError(
            f"arm {arm.name}: its titration is on {rule.on}, which is neither an output nor an endpoint of the study's "
            f"tests; choose an output such as igf1_sds, or add the test."
        )
    test = measured[rule.on]
    missing = [week for week in due if week not in test.weeks]
    if missing:
        raise InputError(
            f"arm {arm.name}: its titration needs test {test.name} at week {missing[0]:g}; add the weeks "
            f"{', '.join(f'{week:g}' for week in due)} to the test."
        )


def run_titrated(
    arm: Arm, people: People, plan: Plan, untreated: TestValues | None, threads: int, weeks: tuple[float, ...]
) -> Treated:
    """Run ``people`` through a titrated arm; the amount (n, weeks) given from each of ``weeks`` on is among the values.

    A patient that fails, in a test too, ends there.
    """
    found = titrated_dose(arm)
    assert found is not None
    dose, rule = found
    n = len(people.parameters)
    due = rule.visits(plan.weeks)
    amount = np.full((len(due) + 1, n), dose.amount)
    values: dict[str, Floats] = {}
    status, ends, canaries = np.zeros(n, np.int8), np.empty((n, 0)), list[Canaries]()
    running, since = np.arange(n), None
    for k, week in enumerate((*due, plan.weeks)):
        part = plan.until(week, (rule.on,) if is_output(rule.on) else ())
        levels = Levels(WEEK * np.array(due[:k]), amount[: k + 1, running])
        treated = run_arm(arm, only(people, running), part, untreated if k == 0 else None, threads, since, levels)
        canaries.append(treated.canaries)
        status[running] = treated.status
        if k < len(due):
            if is_output(rule.on):
                measured = _at_the_end(treated.values[rule.on], rule.on, only(people, running).cohort, part)
            else:
                measured = treated.values[rule.on][:, _place(part, rule.on, week)]
            amount[k + 1 :, running] = rule.next_amount(amount[k, running], measured)
        _put(values, treated.values, running, n, plan, part)
        ok = treated.status == Status.OK
        if not ends.size:
            ends = np.full((n, treated.ends.shape[1]), np.nan)
        ends[running] = treated.ends
        running, since = running[ok], Since(part, treated.ends[ok], treated.status[ok])
        if not len(running):
            break
    values[AMOUNT] = amount[np.searchsorted(due, weeks, side="right")].T.copy()
    return Treated(values, status, ends, Canaries(sum(c.patients for c in canaries), max(c.worst for c in canaries)))


def _at_the_end(values: Floats, name: str, cohort: Cohort, part: Plan) -> Floats:
    """Return an output (n,) at the end of a part, with the noise that the study has."""
    noise = part.noise_of(cohort)
    return (values if noise is None else assayed(name, values, cohort, part.times, noise))[:, -1]


def _place(plan: Plan, name: str, week: float) -> int:
    """Return the position of a week among the weeks of the test with the endpoint ``name``."""
    (test,) = (t for t in plan.tests if name in {f"{t.name}_{end}" for end in t.virtual_test.endpoints})
    return test.weeks.index(week)


def _put(
    values: dict[str, Floats], part_values: dict[str, Floats], running: Ids, n: int, plan: Plan, part: Plan
) -> None:
    """Put the values of a part, those that are not NaN, at their places in the values of the whole, in place."""
    weeks = {f"{t.name}_{end}": t.weeks for t in plan.tests for end in _variables(t)}
    for name, value in part_values.items():
        if name in weeks:
            places = np.arange(len([week for week in weeks[name] if week <= part.weeks]))
            count = len(weeks[name])
        elif name in plan.reductions:
            places, count = np.arange(value.shape[1]), len(plan.windows)
        elif name in plan.outputs:
            places, count = np.searchsorted(plan.times, part.times), len(plan.times)
            inside = plan.times[np.minimum(places, count - 1)] == part.times
            places, value = places[inside], value[:, inside]
        else:  # measured for the titration alone
            continue
        whole = values.setdefault(name, np.full((n, count, *value.shape[2:]), np.nan))
        old = whole[running[:, None], places]
        whole[running[:, None], places] = np.where(np.isnan(value), old, value)


def _variables(test: TestAt) -> tuple[str, ...]:
    return (*test.virtual_test.endpoints, *test.virtual_test.curves)
