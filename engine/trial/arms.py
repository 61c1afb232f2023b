"""Checks of a study's arms against its plan."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pulsatile.engine.drugs.dose_rule import WEEK
from pulsatile.engine.drugs.dosing import Arm, slots_used
from pulsatile.engine.drugs.drug import GROWTH_HORMONES, Drug
from pulsatile.engine.drugs.plasma import drugs_in_plasma
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.errors import InputError
from pulsatile.engine.outputs import CONCENTRATION, drug_of
from pulsatile.engine.trial.plan import Plan
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.titrated import check_titration, titrated_dose

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
    if len(units := {found[0].unit for arm in arms if (found := titrated_dose(arm)) is not None}) > 1:
        raise InputError(f"the titrated doses are in {' and '.join(sorted(units))}; give them in one unit.")
    _check_drugs(arms, plan)
    if plan.dropout is not None:
        plan.dropout.check([arm.name for arm in arms], plan.visits)
    for arm in arms:
        count = sum(len(dose.starts(0.0, WEEK * plan.weeks)) for dose in arm.doses)
        if count > MOST_DOSES:
            raise InputError(
                f"arm {arm.name} gives {count} doses in {plan.weeks:g} weeks, at most {MOST_DOSES} are allowed; "
                "give an infusion or a pump, or shorten the study."
            )
        slots_used(arm)
        if plan.long_horizon is not None:
            plan.long_horizon.check_arm(arm)
        if (found := titrated_dose(arm)) is not None and plan.drift_of(found[1].on) is not None:
            raise InputError(f"arm {arm.name} is titrated on {found[1].on}, which drifts; leave one of the two out.")
        check_titration(arm, plan)
        for entry in plan.tests:
            _check_slots(entry, arm)


def doses_of(arms: Sequence[Arm], plan: Plan) -> list[Dose]:
    """Return the doses of the arms and those that the plan's tests give."""
    given = [given.dose for entry in plan.tests for given in entry.settings.give]
    return [*(dose for arm in arms for dose in arm.doses), *given]


def _check_drugs(arms: Sequence[Arm], plan: Plan) -> None:
    """Refuse two definitions of one drug, and the concentration of a drug that is not given."""
    doses = doses_of(arms, plan)
    own: dict[str, Drug] = {}
    for dose in doses:
        if own.setdefault(dose.drug, dose.substance) != dose.substance:
            raise InputError(f"own drug {dose.drug} has two definitions in one study; give the second another name.")
    drugs = drugs_in_plasma(doses)
    titrated = [found[1].on for arm in arms if (found := titrated_dose(arm)) is not None]
    for name in (*plan.outputs, *titrated, *(name for entry in plan.tests for name in entry.settings.outputs)):
        drug = drug_of(name)
        if drug in ("gh", *(d.drug for d in doses if d.substance.kind in GROWTH_HORMONES)):
            raise InputError(f"output = {name!r} is not needed: the output gh is all GH in plasma; choose gh.")
        if drug and drug not in drugs:
            known = f"choose from {', '.join(f'{CONCENTRATION}{d}' for d in drugs)}" if drugs else "leave it out"
            raise InputError(f"output = {name!r} is of a drug that no arm or test of the study gives; {known}.")


def _check_slots(entry: TestAt, arm: Arm) -> None:
    """Refuse a test that needs drug slots which the arm occupies by then."""
    given = tuple(given.dose for given in entry.settings.give)
    treated = Arm(arm.name, (*(arm.doses if max(entry.weeks) > 0 else ()), *given))
    try:
        used = slots_used(treated)
    except InputError as error:
        raise InputError(f"test {entry.name}: with the drugs that it gives, {error}") from None
    for slot in entry.virtual_test.spare:
        if slot in used:
            raise InputError(
                f"test {entry.name} needs the spare drug slot {slot}, which arm {arm.name} uses; leave the "
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


def given_within(arm: Arm, weeks: float) -> Arm:
    """Return the arm, without its rules where none of them gives a dose in ``weeks``: it is no treatment.

    Its drugs would take slots of the kernel and change the last digits, or be given at the tests of the last visit.  A
    rule that begins at the last visit of an arm that has doses is seen by its tests, as in a longer study.
    """
    return arm if any(len(dose.starts(0.0, WEEK * weeks)) for dose in arm.doses) else replace(arm, doses=())
