"""Checks of a study's arms against its plan."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

from pulsatile.engine.drugs.dosing import Arm, slots_used
from pulsatile.engine.drugs.regimens import WEEK
from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.plan import Plan
from pulsatile.engine.trial.protocols import TESTS

MOST_DOSES = 50_000
"""Largest number of doses of an arm: 13 per day for 520 weeks; a running patient holds all of them in memory."""


def check_arms(arms: Sequence[Arm], plan: Plan) -> None:
    """Refuse arms with equal names or too many doses, and arms that occupy a drug slot which a test needs."""
    if not isinstance(arms, Sequence) or not arms:
        raise InputError("a study needs a list of at least one arm; give for example [Arm('control')].")
    for arm in arms:
        if not isinstance(arm, Arm):
            raise InputError(f"arms hold {arm!r}; give Arm objects, for example preset('control').")
    repeated = sorted(name for name, times in Counter(arm.name for arm in arms).items() if times > 1)
    if repeated:
        raise InputError(f"arms name {', '.join(repeated)} twice; give every arm its own name.")
    for arm in arms:
        count = sum(ceil(plan.weeks / dose.every_weeks) * len(dose.days) * len(dose.times) for dose in arm.doses)
        if count > MOST_DOSES:
            raise InputError(
                f"arm {arm.name} gives {count} doses in {plan.weeks:g} weeks, at most {MOST_DOSES} are allowed; "
                "give an infusion or a pump, or shorten the study."
            )
        used = slots_used(arm)
        if plan.long_horizon is not None:
            plan.long_horizon.check_arm(arm)
        for entry in plan.tests:
            for slot in TESTS[entry.test].spare:
                if slot in used and max(entry.weeks) > 0:
                    raise InputError(
                        f"test {entry.test} needs the spare drug slot {slot}, which arm {arm.name} uses; leave the "
                        "test out, or split the study."
                    )


def check_doses(arms: Sequence[Arm], weeks: float) -> None:
    """Refuse a rule that gives no dose in a study of ``weeks``: the arm would look like a treatment without one."""
    for i, arm in enumerate(arms):
        for j, dose in enumerate(arm.doses):
            if not len(dose.starts(0.0, WEEK * weeks)):
                raise InputError(
                    f"arm {arm.name}: its rule for {dose.drug} gives no dose in {weeks:g} weeks (start, days, "
                    "every_weeks and stop leave none); correct the rule, or leave it out.",
                    ("arms", i, "regimen", j),
                )
