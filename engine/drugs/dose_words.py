"""A dose rule in words."""

from pulsatile.engine.drugs.dose_rule import EVERY_DAY, DoseRule
from pulsatile.engine.parameters import shown_unit
from pulsatile.engine.patients.meals import DAY_NAMES

SHOWN_TIMES = 6
"""Clock times of a rule that its words name; there may be one a minute."""


def dose_words(dose: DoseRule) -> str:
    """Return the rule for a reader, as ``tesamorelin 2 mg SC at 08:00 daily``."""
    drug = dose.drug if dose.own is None else f"{dose.drug} (own drug)"
    if dose.table is not None:
        return f"{drug} {dose.route}, {len(dose.table.time)} doses of a table, in {shown_unit(dose.unit)}"
    over = f" over {dose.duration:g} h" if dose.duration else ""
    clock = ", ".join(map(clock_words, dose.times[:SHOWN_TIMES]))
    clock += f" and {len(dose.times) - SHOWN_TIMES} more times" if len(dose.times) > SHOWN_TIMES else ""
    amount = f"{drug} {dose.amount:g} {shown_unit(dose.unit)}".rstrip()
    return f"{amount} {dose.route} at {clock}{over} {', '.join(_days_in_words(dose))}"


def _days_in_words(dose: DoseRule) -> list[str]:
    if dose.interval is not None:
        words = [f"then every {dose.interval:g} h"]
    elif len(dose.days) == len(EVERY_DAY):
        words = ["daily"]
    else:
        words = ["on " + ", ".join(DAY_NAMES[int(d)] for d in dose.days)]
    words += [] if dose.every_weeks == 1 else [f"every {dose.every_weeks} weeks"]
    if dose.count is not None:
        words = ["once"] if dose.count == 1 else [*words, f"{dose.count} doses"]
    words += [f"from week {dose.start_week:g}"] if dose.start_week else []
    words += [] if dose.stop_week is None else [f"until week {dose.stop_week:g}"]
    words += [f"{100 * dose.adherence:g} % taken"] if dose.adherence < 1 else []
    low, high = dose.content
    words += [f"content {100 * low:g} to {100 * high:g} %"] if dose.content != (1.0, 1.0) else []
    words += [f"within {dose.jitter:g} h"] if dose.jitter else []
    if dose.titration is not None:
        t = dose.titration
        words.append(f"titrated to {t.on} {t.low:g} to {t.high:g} by {t.step:g} every {t.every:g} weeks")
    return words


def clock_words(hour: float) -> str:
    """Return a clock hour as text.

    >>> clock_words(22.5)
    '22:30'
    """
    minutes = round(60 * hour)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
