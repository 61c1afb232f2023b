"""Long horizons, the calendar: which days are integrated when body composition is projected over the others.

Pulses, meals and doses repeat every 28 days (`events.BLOCK_HOURS`).  After ``settle_days`` under a new regimen one such
block is integrated in full: the reference block.  From then on only short windows are integrated, one per macro step,
and the days between follow the reference block plus the change measured in the windows; see `projective`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil, gcd, log
from typing import NamedTuple

from pulsatile.engine.checks import check_fields, setting
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import DAY
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import BLOCK_HOURS, on_clock
from pulsatile.engine.parameters import TABLE

BLOCK_DAYS = int(BLOCK_HOURS / DAY)
SLOW = ("vat", "sat", "lean")
"""States that change little in a macro step (turnover 45 to 100 days) and hardly vary within a day."""
PROJECTED = (*SLOW, *(f"{name}_change" for name in SLOW))
"""Outputs that a projected study may keep on its grid."""
HALF_LIVES = 5
"""Half-lives to steady state (97 %)."""
LEAST_STRIDE = 3
"""Least distance of successive windows in days of the block; at 1 their likeness makes the error estimate too small."""
SLOW_PATIENT = 2.0
"""Half-life of a slow patient over the typical: the 95th percentile at the drug table's usual CV of 0.3 of CL and V."""


@dataclass(frozen=True)
class LongHorizon:
    """Projective integration of body composition: an approximation, never the default.

    Raises
    ------
    InputError
        For lengths out of bounds or without a day to skip, and for macro steps whose windows would fall on the same or
        neighbouring days of the block, so that the error estimate could not see what is peculiar to those days.
    """

    macro_days: int = setting(13, 3, 364)
    """length of a macro step, for example 13, 15 or 25; not 14 or 28"""
    burn_in_days: int = setting(1, 1, 28)
    """days integrated at its end before anything is measured"""
    measured_days: int = setting(1, 1, 28)
    """days integrated after them, whose losses of fat and lean mass are compared with the reference block"""
    settle_days: int = setting(14, 11, 364)
    """days integrated in full after the start and after each change of regimen, before the reference block of 28; at
    least five half-lives of the p85-like signal (2 days), which insulin sensitivity follows"""

    def __post_init__(self) -> None:
        check_fields(self, "long_horizon")
        if self.window_days >= self.macro_days:
            raise InputError(
                f"long_horizon macro_days = {self.macro_days} leaves no day to skip after {self.burn_in_days} + "
                f"{self.measured_days} integrated ones; choose a longer macro step, for example 13."
            )
        if not _sweeps(self.macro_days, self.measured_days):
            nearest = _nearest(self.macro_days, self.measured_days)
            raise InputError(
                f"long_horizon macro_days = {self.macro_days} would measure the same or neighbouring days of the "
                f"{BLOCK_DAYS}-day block of pulses and meals in turn; choose {nearest}."
            )

    @property
    def window_days(self) -> int:
        """Days integrated per macro step."""
        return self.burn_in_days + self.measured_days

    @property
    def sentence(self) -> str:
        """The method in words, for the attributes of results."""
        return (
            f"projective integration, macro step {self.macro_days} d (burn-in {self.burn_in_days} d, measured "
            f"{self.measured_days} d), after {self.settle_days} d and a reference block of {BLOCK_DAYS} d in full; "
            "other days are projected, not simulated"
        )

    def check_plan(self, weeks: float, every: float, outputs: Collection[str], reductions: Collection[str]) -> None:
        """Refuse outputs, reductions and spacings that a projected study cannot have, and a study that is too short."""
        exact = self.settle_days + BLOCK_DAYS
        if weeks != int(weeks) or 7 * weeks <= exact + self.window_days:
            raise InputError(
                f"weeks = {weeks:g} with long_horizon must be whole and beyond day {exact + self.window_days}, up to "
                "which every day is integrated; choose a longer study, or leave long_horizon out."
            )
        wrong = [name for name in outputs if name not in PROJECTED]
        if wrong:
            raise InputError(
                f"output = {wrong[0]!r} cannot be kept with long_horizon, which skips days; keep only "
                f"{', '.join(PROJECTED)}, and read all else from tests, which are run in full."
            )
        if every % DAY:
            raise InputError(f"every = {every:g} h with long_horizon must be whole days, for example 168 h.")
        if reductions:
            raise InputError(
                f"reduction = {next(iter(reductions))!r} cannot be made with long_horizon, which skips days; leave it "
                "out, and ask for the tests profile and meal_day."
            )

    def check_arm(self, arm: Arm) -> None:
        """Refuse a regimen that does not repeat within the block, or whose effect outlasts the days to settle."""
        for dose in arm.doses:
            where = f"arm {arm.name}: {dose.drug}"
            if dose.interval is not None or dose.count is not None or not dose.alike:
                raise InputError(
                    f"{where} does not repeat every {BLOCK_DAYS} days (interval, count, adherence, content, jitter or "
                    "table), as long_horizon needs; write it as days of the week, or leave long_horizon out."
                )
            if 4 % dose.every_weeks:
                raise InputError(
                    f"{where} every {dose.every_weeks} weeks does not repeat in {BLOCK_DAYS} days, as long_horizon "
                    "needs; give it every 1, 2 or 4 weeks, or leave long_horizon out."
                )
            days = ceil(_memory(dose) / DAY)
            if days > BLOCK_DAYS:
                raise InputError(
                    f"{where} is felt for {days} days, longer than the {BLOCK_DAYS} that long_horizon can wait for; "
                    "leave long_horizon out, or give the arm a study of its own."
                )
            if days > self.settle_days:
                raise InputError(
                    f"{where} settles in {days} days, later than the settle_days = {self.settle_days} of "
                    f"long_horizon; set settle_days to {days}, or leave long_horizon out."
                )


def _sweeps(macro_days: int, measured_days: int) -> bool:
    """Return whether windows ``macro_days`` apart cover the block and never measure neighbouring days in succession."""
    stride = min(macro_days % BLOCK_DAYS, -macro_days % BLOCK_DAYS)
    return gcd(macro_days, BLOCK_DAYS) <= measured_days and stride >= LEAST_STRIDE


def _nearest(macro_days: int, measured_days: int) -> str:
    allowed = [m for m in range(measured_days + 2, 400) if _sweeps(m, measured_days)]
    return " or ".join(str(m) for m in sorted(sorted(allowed, key=lambda m: abs(m - macro_days))[:2]))


def _memory(dose: Dose) -> float:
    """Return the duration (h) of a dose's effect in a slow patient."""
    drug = dose.substance
    rates = [drug.figures[name].value for name in ("ka", "ke") if name in drug.figures]
    rates += [drug.k_el] if drug.in_plasma else []
    if not rates:
        return dose.duration
    memory = SLOW_PATIENT / min(rates)
    if drug.value("k_tolerance") > 0:
        memory = max(memory, 1 / next(row.value for row in TABLE if row.name == "k_tolerance_recovery"))
    return dose.duration + HALF_LIVES * log(2) * memory


class Span(NamedTuple):
    """Integrated days, from ``start`` to before ``stop``; losses are measured from day ``measured`` on.

    ``reference``: the last `BLOCK_DAYS` of the span are the reference block until the next such span.
    """

    start: int
    stop: int
    measured: int
    reference: bool = False


def calendar(horizon: LongHorizon, arm: Arm, weeks: float, visits: Collection[float]) -> list[Span]:
    """Return the integrated spans in order; every visit (week), every change of regimen and the end closes a span."""
    end = 7 * int(weeks)
    # rounded as dose times are: 9/7 of a week is day 9
    edges = {int(on_clock(7 * week)) for dose in arm.doses for week in (dose.start_week, dose.stop_week or 0.0)}
    phases = sorted({0, *(day for day in edges if 0 < day < end)})
    spans = []
    for begin, close in zip(phases, [*phases[1:], end], strict=True):
        done = min(begin + horizon.settle_days + BLOCK_DAYS, close)
        spans.append(Span(begin, done, done, reference=done < close))
        for mark in sorted({round(7 * week) for week in visits if done < round(7 * week) < close} | {close}):
            while done < mark:
                stop = min(done + horizon.macro_days, mark)
                start = max(stop - horizon.window_days, done)
                spans.append(Span(start, stop, max(stop - horizon.measured_days, start)))
                done = stop
    return spans
