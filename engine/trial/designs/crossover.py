"""Crossover trials: sequences of treatments, each one continuous course with wash-outs between its periods."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pulsatile.engine.checks import is_number, listed
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import DAY, MOST_WEEKS, WEEK
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.errors import InputError

VISIT_DAY = DAY / WEEK
"""Length of the day of a visit, weeks; the doses of a period are also given on the day of the visit that ends it."""
MOST_PERIODS = 12


@dataclass(frozen=True)
class Crossover:
    """A crossover design: which treatments follow each other.

    ``sequences`` : names of arms in the order in which a patient receives them, the same number in each
    ``period`` : weeks of treatment from a period's start to the visit at its end, whole days
    ``washout`` : weeks without treatment from that visit to the next period, whole days and at least one; with the
        period whole weeks, so that every period begins on a Monday and dosing days stay what they are
    ``control`` : the treatment with which the others are compared; default that of the first sequence's first period

    Raises
    ------
    InputError
        For sequences of different lengths, one given twice, fewer than two sequences or treatments, and lengths that
        are not whole days.
    """

    sequences: tuple[tuple[str, ...], ...]
    period: float
    washout: float
    control: str = ""

    def __post_init__(self) -> None:
        sequences = tuple(listed("a sequence", names) for names in listed("sequences", self.sequences))
        object.__setattr__(self, "sequences", sequences)
        _check_sequences(sequences)
        for name in ("period", "washout"):
            value = getattr(self, name)
            if not is_number(value) or not VISIT_DAY - 1e-9 <= value <= MOST_WEEKS:
                raise InputError(
                    f"crossover: {name} = {value!r} weeks must be from one day to {MOST_WEEKS} weeks; the day of the "
                    "visit that ends a period is the first of the wash-out.",
                    (name,),
                )
            if abs(7 * value - round(7 * value)) > 1e-6:
                raise InputError(f"crossover: {name} = {value:g} weeks must be whole days, for example 8.", (name,))
        pace = self.period + self.washout
        if abs(pace - round(pace)) > 1e-6:
            raise InputError(
                f"crossover: period and washout are {pace:g} weeks together; they must be whole weeks together, so "
                "that every period begins on a Monday.",
                ("washout",),
            )
        if not self.control:
            object.__setattr__(self, "control", sequences[0][0])
        if self.control not in self.treatments:
            raise InputError(
                f"crossover: control = {self.control!r} is in no sequence; choose from {', '.join(self.treatments)}.",
                ("control",),
            )

    @property
    def treatments(self) -> tuple[str, ...]:
        """Names of the treatments, in the order of their first use."""
        return tuple(dict.fromkeys(name for sequence in self.sequences for name in sequence))

    @property
    def periods(self) -> int:
        """Number of periods."""
        return len(self.sequences[0])

    @property
    def starts(self) -> tuple[float, ...]:
        """Weeks at which the periods begin."""
        return tuple(float(round(k * (self.period + self.washout))) for k in range(self.periods))

    @property
    def weeks(self) -> float:
        """Week of the visit that ends the last period."""
        return self.starts[-1] + self.period

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sequences, as arms of a dataset."""
        return tuple(" then ".join(sequence) for sequence in self.sequences)

    def arms(self, treatments: Sequence[Arm]) -> tuple[Arm, ...]:
        """Return an arm for each sequence, made of the doses of ``treatments`` shifted to their periods.

        Raises
        ------
        InputError
            For a name that is not one of the ``treatments``, and for a treatment that cannot be shifted: one with a
            table of doses, a titration, or changes of parameters.
        """
        known = {arm.name: arm for arm in treatments}
        for name in self.treatments:
            if name not in known:
                raise InputError(
                    f"crossover: a sequence names {name!r}, which is not an arm; choose from {', '.join(known)}.",
                    ("sequences",),
                )
            _check_movable(known[name])
        return tuple(
            Arm(
                name,
                tuple(
                    shifted
                    for start, treatment in zip(self.starts, sequence, strict=True)
                    for dose in known[treatment].doses
                    if (shifted := self._shifted(dose, start)) is not None
                ),
                f"{name}, {self.period:g} weeks each, {self.washout:g} weeks of wash-out",
                next((known[t].standing for t in sequence if known[t].standing), ""),
            )
            for name, sequence in zip(self.names, self.sequences, strict=True)
        )

    def _shifted(self, dose: Dose, start: float) -> Dose | None:
        """Return the rule in the period that begins at week ``start``; None where the period ends before it."""
        if dose.start_week >= self.period:
            return None
        end = start + self.period + VISIT_DAY
        stop = end if dose.stop_week is None else min(start + dose.stop_week, end)
        return replace(dose, start_week=start + dose.start_week, stop_week=stop)


def _check_sequences(sequences: tuple[tuple[str, ...], ...]) -> None:
    where: tuple[str | int, ...] = ("sequences",)
    for sequence in sequences:
        if not all(isinstance(name, str) and name for name in sequence):
            raise InputError(f"crossover: sequence {list(sequence)!r} must hold names of arms.", where)
    if len(sequences) < 2:
        raise InputError("crossover: at least two sequences are needed to tell treatment from period.", where)
    lengths = sorted({len(sequence) for sequence in sequences})
    if len(lengths) > 1 or not 2 <= lengths[0] <= MOST_PERIODS:
        raise InputError(
            f"crossover: the sequences have {' and '.join(map(str, lengths))} periods; give all the same number, "
            f"from 2 to {MOST_PERIODS}.",
            where,
        )
    if len(set(sequences)) < len(sequences):
        raise InputError("crossover: a sequence is given twice; give each once.", where)
    if len({name for sequence in sequences for name in sequence}) < 2:
        raise InputError("crossover: the sequences hold one treatment; at least two are compared.", where)


def _check_movable(arm: Arm) -> None:
    """Refuse a treatment that cannot be given in a later period."""
    what = "changes of parameters" if arm.changes else ""
    for dose in arm.doses:
        what = "a table of doses" if dose.table is not None else "a titration" if dose.titration is not None else what
    if what:
        raise InputError(
            f"arm {arm.name} has {what}, which cannot be given in one period of a crossover; write its doses as rules, "
            "or use parallel groups."
        )
