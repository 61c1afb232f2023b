"""Treatment arms."""

from dataclasses import dataclass

from pulsatile.engine.checks import listed
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.table import EXTRAPOLATED
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.changes import Change


@dataclass(frozen=True)
class Arm:
    """A treatment: a name and its dose rules; without rules the arm is untreated, and rules of dose 0 are dropped.

    ``changes`` of parameters hold from the start of treatment on: the patient has been at rest without them.
    """

    name: str
    doses: tuple[Dose, ...] = ()
    description: str = ""
    standing: str = ""
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InputError(f"name of an arm = {self.name!r} is not a name: give every arm a name in one line.")
        object.__setattr__(self, "doses", listed(f"doses of arm {self.name}", self.doses))
        object.__setattr__(self, "changes", listed(f"changes of arm {self.name}", self.changes))
        if not all(isinstance(change, Change) for change in self.changes):
            raise InputError(f"changes of arm {self.name} hold something else; give Change objects.")
        for dose in self.doses:
            if not isinstance(dose, Dose):
                raise InputError(f"doses of arm {self.name} hold {dose!r}: give Dose objects.")
        # events of a dose of 0 would shorten steps, and the arm would differ from no treatment in the last digits
        object.__setattr__(self, "doses", tuple(dose for dose in self.doses if dose.most > 0))
        if sum(dose.titration is not None for dose in self.doses) > 1:
            raise InputError(f"arm {self.name} titrates two doses; one rule of an arm can be titrated.")

    @property
    def treatment(self) -> tuple[tuple[Dose, ...], tuple[Change, ...]]:
        """What decides the numbers of the arm: its doses and changes, not its name or words."""
        return self.doses, self.changes

    @property
    def dose_words(self) -> str:
        """The dose rules and changed parameters for a reader; "none" for an untreated arm."""
        doses = "; ".join(dose.words for dose in self.doses) or "none"
        return f"{doses}; with {', '.join(change.words for change in self.changes)}" if self.changes else doses

    @property
    def route_words(self) -> str:
        """The routes of administration for a reader, each once; "none" for an untreated arm."""
        return ", ".join(dict.fromkeys(dose.route for dose in self.doses)) or "none"

    @property
    def extrapolation(self) -> bool:
        """Whether the arm holds a drug without any chronic human trial (therapies section 1)."""
        return any(dose.drug in EXTRAPOLATED for dose in self.doses)
