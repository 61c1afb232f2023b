"""The checks of a dose rule: drug, route, unit and amount; clock and days; what patients really receive."""

from itertools import pairwise

from pulsatile.engine.checks import choices, is_number, is_whole, listed
from pulsatile.engine.drugs.dose_rule import (
    DAY,
    DOSE_UNITS,
    EVERY_DAY,
    IU_UNITS,
    LONGEST_JITTER,
    MASS_UNITS,
    MOST_TIMES,
    MOST_WEEKS,
    SECOND,
    SHORTEST_INTERVAL,
    WEEK,
    DoseRule,
)
from pulsatile.engine.drugs.dose_table import DoseTable
from pulsatile.engine.drugs.drug import REFERENCE_WEIGHT, Drug
from pulsatile.engine.drugs.own import check_own
from pulsatile.engine.drugs.table import DRUGS, INPUTS
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import TICK


def check_dose(dose: DoseRule) -> None:
    """Refuse a rule whose settings are impossible or contradict each other, with one sentence."""
    _check_drug(dose)
    _check_given(dose)
    _check_clock(dose)
    _check_amount(dose)


def _check_drug(dose: DoseRule) -> None:
    where = f"dose of {dose.drug}"
    if dose.own is not None:
        _check_own(dose)
    elif not isinstance(dose.drug, str) or dose.drug not in DRUGS:
        raise InputError(f"drug = {dose.drug!r} is not known: {choices(dose.drug, DRUGS)}.")
    drug = dose.substance
    if drug.missing:
        verb = "is" if len(drug.missing) == 1 else "are"
        raise InputError(f"drug = {drug.name!r} cannot be dosed: its {' and '.join(drug.missing)} {verb} not known.")
    if dose.route not in drug.routes:
        raise InputError(f"route = {dose.route!r} in the {where} is not allowed: use {' or '.join(drug.routes)}.")
    units = (INPUTS[drug.name][1],) if drug.kind == "input" else DOSE_UNITS
    if drug.kind == "gh":
        units += IU_UNITS
    if dose.unit not in units:
        raise InputError(f"unit = {dose.unit!r} in the {where} is not allowed: use {' or '.join(units)}.")


def _check_own(dose: DoseRule) -> None:
    if not isinstance(dose.own, Drug) or not dose.own.own:
        raise InputError(f"own of the dose of {dose.drug} = {dose.own!r} is not a drug of yours; give own_drug(...).")
    if dose.own.name != dose.drug:
        raise InputError(f"drug = {dose.drug!r} has the definition of {dose.own.name!r}; give both the same name.")
    check_own(dose.own)


def _check_amount(dose: DoseRule) -> None:
    """Refuse an amount above the drug's largest, as mg written for ug is for every drug."""
    where = f"amount = {dose.amount!r} {dose.unit} in the dose of {dose.drug}"
    if not is_number(dose.amount) or dose.amount < 0:
        raise InputError(f"{where} must be a number of at least 0.")
    largest = dose.substance.figures["largest"]
    if dose.substance.kind == "input":
        if dose.amount > largest.value:
            raise InputError(f"{where} is too large: at most {largest.value:g} {dose.unit} is allowed; check the unit.")
        return
    if dose.most_a_day > largest.value:
        raise InputError(
            f"{where} is too large: at most {largest.value / MASS_UNITS['mg']:g} mg a day are allowed, in a person of "
            f"{REFERENCE_WEIGHT:g} kg ({largest.source}); check the unit."
        )


def _check_interval(dose: DoseRule) -> None:
    """Refuse an interval or count that no schedule has, or that the days contradict."""
    where = f"dose of {dose.drug}"
    if dose.count is not None and not (is_whole(dose.count) and dose.count >= 1):
        raise InputError(f"count = {dose.count!r} in the {where} must be a whole number of at least 1.")
    if dose.interval is None:
        return
    if not is_number(dose.interval) or not SHORTEST_INTERVAL <= dose.interval <= MOST_WEEKS * WEEK:
        raise InputError(
            f"interval = {dose.interval!r} h in the {where} must be from one minute to {MOST_WEEKS} weeks."
        )
    if len(dose.times) > 1 or dose.days != EVERY_DAY or dose.every_weeks != 1:
        raise InputError(
            f"the {where} has an interval of {dose.interval:g} h and also several times, days or every_weeks; give the "
            "one clock time of its first dose, or leave the interval out."
        )


def _check_given(dose: DoseRule) -> None:
    """Refuse shares, shifts, tables and titrations that a dose cannot have."""
    where = f"dose of {dose.drug}"
    object.__setattr__(dose, "content", listed(f"content of the {where}", dose.content))
    if not is_number(dose.adherence) or not 0 <= dose.adherence <= 1:
        raise InputError(f"adherence = {dose.adherence!r} in the {where} must be a share from 0 to 1; 0.9 is 90 %.")
    content = dose.content
    if len(content) != 2 or not all(is_number(x) for x in content) or not 0 < content[0] <= content[1] <= 2:
        raise InputError(f"content = {list(content)} in the {where} must be two shares, for example [0.85, 1.15].")
    if not is_number(dose.jitter) or not 0 <= dose.jitter <= LONGEST_JITTER:
        raise InputError(f"jitter = {dose.jitter!r} in the {where} must be a number from 0 to {LONGEST_JITTER:g} h.")
    for value, kind in ((dose.table, DoseTable), (dose.titration, Titration)):  # type: tuple[object, type]
        if value is not None and not isinstance(value, kind):
            raise InputError(f"{value!r} in the {where} is not a {kind.__name__}.")
    held = dose.route in ("infusion", "pump")
    if held and (dose.adherence < 1 or content != (1.0, 1.0) or dose.jitter or dose.titration is not None):
        raise InputError(
            f"the {where} is given by {dose.route}, to which adherence, content, jitter and titration do not apply; "
            "leave them out."
        )
    if dose.table is not None:
        lengths = dose.table.duration or (0.0,)
        if held and min(lengths) == 0:
            raise InputError(f"the {where} is given by {dose.route}, and a row of its table has no length; give RATE.")
        if not held and max(lengths) > 0:
            raise InputError(
                f"the {where} is given {dose.route}, and a row of its table has a length (RATE); leave RATE "
                "out, or give it by infusion or pump."
            )
    if dose.table is not None and dose.amount != 1:
        raise InputError(
            f"amount = {dose.amount!r} in the {where} with a table must be 1: the table holds the amounts."
        )
    if dose.table is not None and (dose.interval is not None or dose.count is not None or dose.titration is not None):
        raise InputError(f"the {where} has a table and also an interval, count or titration; leave these out.")


def _check_clock(dose: DoseRule) -> None:
    where = f"dose of {dose.drug}"
    if len(dose.times) > MOST_TIMES:
        raise InputError(f"times in the {where} are {len(dose.times)}, at most {MOST_TIMES}: one a minute; use a pump.")
    if not dose.times or not all(is_number(t) and 0 <= t < DAY for t in dose.times):
        raise InputError(f"times = {list(dose.times)} in the {where} must be clock hours from 0 to below 24.")
    valid = dose.days and all(is_whole(d) and d in EVERY_DAY for d in dose.days)
    if not valid or len(set(dose.days)) < len(dose.days):
        raise InputError(f"days = {list(dose.days)} in the {where} must be different days, 0 (Monday) to 6 (Sunday).")
    if not is_whole(dose.every_weeks) or not 1 <= dose.every_weeks <= MOST_WEEKS:
        raise InputError(
            f"every_weeks = {dose.every_weeks!r} in the {where} must be a whole number from 1 to {MOST_WEEKS}."
        )
    if not is_number(dose.start_week) or not 0 <= dose.start_week <= MOST_WEEKS:
        raise InputError(f"start_week = {dose.start_week!r} in the {where} must be a number from 0 to {MOST_WEEKS}.")
    if dose.stop_week is not None and not (is_number(dose.stop_week) and dose.stop_week > dose.start_week):
        raise InputError(
            f"stop_week = {dose.stop_week!r} in the {where} must be after its start_week {dose.start_week}."
        )
    over_time = dose.route in ("infusion", "pump") and dose.table is None
    if not is_number(dose.duration) or (dose.duration < SECOND if over_time else dose.duration != 0):
        allowed = "at least 1/3600 h for an infusion or pump" if over_time else f"0 for the route {dose.route}"
        raise InputError(f"duration = {dose.duration!r} in the {where} must be {allowed}.")
    _check_interval(dose)
    clock = sorted(DAY * day + float(t) for day in dose.days for t in dose.times)
    gap = min(b - a for a, b in pairwise([*clock, clock[0] + WEEK * dose.every_weeks]))
    if gap < 2 * TICK:
        raise InputError(f"times = {list(dose.times)} in the {where} hold an hour twice: raise the amount instead.")
    gap = gap if dose.interval is None else dose.interval
    if dose.duration > gap + TICK and dose.count != 1:
        raise InputError(
            f"duration = {dose.duration:g} h in the {where} is longer than the {gap:g} h to the rule's next dose; "
            "shorten it, name fewer days, or write overlapping infusions as separate rules."
        )
