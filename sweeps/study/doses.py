"""Sentences on the doses of a study: how many each rule gives, and what the tests of a visit see of them.

A test at week k begins on the morning of that day and sees the doses that the rule gives then: those of a rule that
starts at week k, and at the study's end those of a rule that would go on; none of a rule that stops at week k.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import WEEK
from pulsatile.engine.drugs.regimens import Dose


def count(dose: Dose, weeks: float) -> int:
    """Return how many doses a rule gives each patient in a study of ``weeks``."""
    return len(dose.starts(0.0, WEEK * weeks))


def rules(arm: Arm, weeks: float) -> dict[str, Any]:
    """Return an arm as plain data, with the number of doses that each rule gives a patient in ``weeks``."""
    return {
        "name": arm.name,
        "description": arm.description,
        "rules": [asdict(dose) | {"doses": count(dose, weeks)} for dose in arm.doses],
    }


def dose_sentences(arms: Iterable[Arm], weeks: float) -> list[str]:
    """Return a sentence for each rule of ``arms``.

    >>> dose_sentences([Arm("rhGH", (Dose("somatropin", 0.3, "mg", "SC", (21.0,)),)), Arm("none")], 4)
    ['rhGH: somatropin 0.3 mg SC at 21:00 daily, 28 doses per patient in 4 weeks.', 'none: no dose.']
    """
    sentences = []
    for arm in arms:
        for dose in arm.doses:
            n = count(dose, weeks)
            sentences.append(f"{arm.name}: {dose.words}, {n} dose{'s' * (n != 1)} per patient in {weeks:g} weeks.")
        if not arm.doses:
            sentences.append(f"{arm.name}: no dose.")
    return sentences


def visit_sentences(arms: Iterable[Arm], visits: Sequence[float]) -> list[str]:
    """Return a sentence for each rule that starts or stops at a week of tests, where their day may surprise."""
    sentences = []
    for arm in arms:
        for dose in arm.doses:
            rule = f"{arm.name}: {dose.words}"
            for week in visits:
                if 0 < week == dose.stop_week:
                    sentences.append(
                        f"{rule} stops at week {week:g}, so no dose is given on the day of the tests of week {week:g}; "
                        "for tests under treatment stop it later, or at the study's end leave stop out."
                    )
                if 0 < week == dose.start_week:
                    sentences.append(
                        f"{rule} starts at week {week:g}, so the tests of week {week:g} see the doses of their day; "
                        "for tests before treatment start it two days later."
                    )
    return sentences
