"""The matched dose: computed once, at planning, on a pilot of the study's own people (`sweeps.study.pilot`).

The pilot lasts 8 weeks.  The matched dose is the one at which the pilot's mean IGF-1 gain, weighted as the study
weights its patients, equals that of the reference arm.  IGF-1 is averaged over the whole eighth week, because drugs
given at night and in the morning differ at any fixed hour of the day.  The gain rises smoothly with the dose and levels
off, so false position with halving (Illinois) needs few runs, each of the matched arm only: the pilot's run-in, the
untreated and the reference arm are simulated once.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.trial.arms import given_within
from pulsatile.engine.trial.plan import Plan
from pulsatile.sweeps.study.arms import ArmEntry
from pulsatile.sweeps.study.fields import Resolved
from pulsatile.sweeps.study.patients import ResolvedPopulation
from pulsatile.sweeps.study.pilot import pilot_of

WEEKS = 8.0
LOW, HIGH = 0.05, 10.0
"""Range of the search, mg per administration [assumed: a sixth of the lowest licensed start to 2.5 x the toxic end]."""
GUESS = 0.5  # mg, start of the search
TOLERANCE = 0.005
"""Largest difference of the gains, as a share of the wanted gain."""
DIGITS = 3
MOST_EVALUATIONS = 12


def match_dose(
    arm: ArmEntry, reference: ArmEntry, population: ResolvedPopulation, seed: int, solver: Solver, threads: int = 1
) -> "MatchedDose":
    """Return the dose (mg) of ``arm`` whose pilot gain of IGF-1 equals that of ``reference``; ``seed`` is the study's.

    Raises
    ------
    InputError
        When the reference arm raises IGF-1 by less or by more than any dose in the range of the search, or no dose
        event falls within the pilot.
    """
    from pulsatile.engine.patients.run_in import run_in
    from pulsatile.engine.simulate import simulate

    if not given_within(arm.resolved(), WEEKS).doses:
        raise InputError(
            f"arm {arm.name}: its matched dose starts only after the {WEEKS:g} weeks of the pilot, or is not given in "
            "them; start it earlier, or give the dose itself."
        )
    cohort, weights, whose = pilot_of(population, seed, solver, threads)
    plan = Plan(weeks=WEEKS, every=168.0 * WEEKS, outputs=(), reductions=("igf1_mean",), solver=solver)
    baseline = run_in(cohort, solver=solver, threads=threads)

    def last_week(treatment: Arm) -> npt.NDArray[np.float64]:
        dataset = simulate(cohort, [treatment], plan, threads=threads, baseline=baseline)
        ok = dataset["status"].values[0] == Status.OK
        return np.where(ok, dataset["igf1_mean"].values[0, :, -1], np.nan)

    untreated, treated = last_week(Arm("untreated")), last_week(reference.resolved())
    where = f"arm {arm.name}: a dose matched to {reference.name}"

    def gain(igf1: npt.NDArray[np.float64]) -> float:
        known = np.isfinite(igf1 - untreated) & np.isfinite(treated)
        if not known.any():
            raise InputError(
                f"{where} cannot be found, because no patient of the pilot could be integrated; "
                "mend the solver settings or the regimens."
            )
        return float(np.average((igf1 - untreated)[known], weights=weights[known]))

    wanted = gain(treated)
    if not wanted > 0:
        raise InputError(
            f"{where} does not exist, because that arm changes IGF-1 by {wanted:.3g} ug/L in the pilot; "
            "match to an arm that raises IGF-1."
        )
    dose, excess, evaluations = _search(lambda amount: gain(last_week(arm.resolved(amount))) - wanted, wanted, where)
    return MatchedDose(
        arm=arm.name, to=reference.name, quantity="igf1", dose_mg=dose, wanted_gain=wanted, found_gain=wanted + excess,
        unit="ug/L", patients=len(cohort), whose=whose, weeks=WEEKS, seed=cohort.seed, evaluations=evaluations,
    )  # fmt: skip


def round_digits(value: float) -> float:
    """Return ``value`` to three significant digits.

    >>> round_digits(0.43219)
    0.432
    """
    return float(f"{value:.{DIGITS}g}")


def _search(excess: Callable[[float], float], wanted: float, where: str) -> tuple[float, float, int]:
    """Return (dose, its excess gain, evaluations), the excess within `TOLERANCE`; ``excess`` rises with the dose."""
    known: dict[float, float] = {}

    def at(dose: float) -> float:
        dose = round_digits(dose)
        if dose not in known:
            known[dose] = excess(dose)
        return known[dose]

    low, high = 0.0, GUESS
    below, above = -wanted, at(high)  # no dose, no gain: a first slope without a run
    while above < 0:
        if high >= HIGH:
            raise InputError(f"{where} is above {HIGH:g} mg, the most that is searched; match to a weaker arm.")
        low, below = high, above
        high = min(HIGH, 2.0 * high)
        above = at(high)
    best = min(known, key=lambda dose: abs(known[dose]))
    while abs(known[best]) > TOLERANCE * wanted and len(known) < MOST_EVALUATIONS:
        middle = round_digits(low - below * (high - low) / (above - below))
        if middle in known or not low < middle < high:
            middle = round_digits(0.5 * (low + high))
        if middle in known:
            break  # adjacent at three digits: no better dose exists
        if middle < LOW:
            raise InputError(f"{where} is below {LOW:g} mg, the least that is searched; match to a stronger arm.")
        value = at(middle)
        if value < 0:
            low, below, above = middle, value, above / 2
        else:
            high, above, below = middle, value, below / 2
        best = min(known, key=lambda dose: abs(known[dose]))
    return best, known[best], len(known)


class MatchedDose(Resolved):
    """A matched dose, with the gains and the pilot that it follows from."""

    arm: str
    to: str
    quantity: str
    dose_mg: float
    wanted_gain: float
    found_gain: float
    unit: str
    patients: int
    whose: str
    weeks: float
    seed: int
    evaluations: int

    @property
    def sentence(self) -> str:
        """The dose and its gain, in words."""
        return (
            f"{self.arm}: {self.dose_mg:g} mg, matched to {self.to} by mean IGF-1 gain ({self.found_gain:.1f} for "
            f"{self.wanted_gain:.1f} {self.unit}) in a pilot of {self.weeks:g} weeks in {self.whose}."
        )
