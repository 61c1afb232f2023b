"""Hyperinsulinaemic clamps: insulin at constant rates, in one step or several, while glucose is held."""

from collections.abc import Callable

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.outputs import Evaluated
from pulsatile.engine.trial.virtual_test import (
    INSULIN_PER_MU,
    Person,
    Rows,
    TestSettings,
    VirtualTest,
    between,
    milligrams,
)

CLAMP_GLUCOSE = 5.0  # mmol/L for all; metabolism 7.7, clamp recipe
CLAMP_HOURS = 3.0
STEADY_HOURS = 0.5  # at the end of each step, over which its endpoints are means
MOST_STEPS = 10
ENDPOINTS = {
    "m": ("mg/kg/min", "glucose infusion that holds {glucose}, last 30 min"),
    "rd": ("mg/kg/min", "glucose disposal, last 30 min"),
    "egp": ("mg/kg/min", "endogenous glucose production, last 30 min"),
    "egp_suppression": ("%", "fall of EGP from the own untreated basal"),
    "ffa_suppression": ("%", "fall of FFA from the start"),
    "insulin": ("pmol/L", "insulin, last 30 min"),
    "sens_muscle": ("1", "muscle sensitivity, last 30 min, 1 = own reference"),
}


def _give(rates: tuple[float, ...], step: float) -> Callable[[Person], Rows]:
    def give(person: Person) -> Rows:
        def rate(milliunits: float) -> Floats:
            return milliunits * INSULIN_PER_MU * person.surface / person.weight

        return [(0.0, "glucose_clamp", 1.0), *((k * step, "insulin_infusion", rate(mu)) for k, mu in enumerate(rates))]

    return give


def _read_step(times: Floats, e: Evaluated, person: Person, end: float) -> dict[str, Floats]:
    last = between(times, end - STEADY_HOURS, end)
    uptake, egp, ffa = e.output("uptake"), e.output("egp"), e.output("ffa")
    steady = {name: values[:, last].mean(axis=1) for name, values in (("uptake", uptake), ("egp", egp), ("ffa", ffa))}
    return {
        "m": milligrams(e.output("glucose_requirement")[:, last].mean(axis=1)),
        "rd": milligrams(steady["uptake"]),
        "egp": milligrams(steady["egp"]),
        "egp_suppression": 100 * (1 - steady["egp"] / person.parameters["egp_basal"]),
        "ffa_suppression": 100 * (1 - steady["ffa"] / ffa[:, 0]),
        "insulin": e.output("insulin")[:, last].mean(axis=1),
        "sens_muscle": e.output("sens_muscle")[:, last].mean(axis=1),
    }


def clamp(name: str, milliunits: float, s: TestSettings) -> VirtualTest:
    """Return a clamp at ``milliunits`` mU/m2/min, or at the settings' rates (endpoints of step k end in ``_k``)."""
    rates, hours = s.insulin or (milliunits,), s.hours or CLAMP_HOURS * max(1, len(s.insulin))
    if len(rates) > MOST_STEPS:
        raise InputError(
            f"insulin of test {name} has {len(rates)} steps; at most {MOST_STEPS} are allowed.", ("insulin",)
        )
    step = hours / len(rates)
    if step < STEADY_HOURS:
        raise InputError(f"steps of test {name} last {60 * step:.3g} min; allowed is at least 30 min: give more hours.")
    suffixes = ("",) if len(rates) == 1 else tuple(f"_{k + 1}" for k in range(len(rates)))
    held = CLAMP_GLUCOSE if s.glucose is None else s.glucose
    words = f"{held:.1f} mmol/L" if held else "the own glucose of the start"

    def read(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
        ends = [(k + 1) * step for k in range(len(rates))]
        steps = [_read_step(times, e, person, end) for end in ends]
        return {f"{n}{suffix}": values[n] for n in ENDPOINTS for suffix, values in zip(suffixes, steps, strict=True)}

    def meaning(text: str, suffix: str, mu: float) -> str:
        return text.format(glucose=words) + (f", step of {mu:g} mU/m2/min" if suffix else "")

    endpoints = {
        f"{n}{suffix}": (unit, meaning(text, suffix, mu))
        for n, (unit, text) in ENDPOINTS.items() for suffix, mu in zip(suffixes, rates, strict=True)
    }  # fmt: skip
    rates_in_words = ", ".join(f"{mu:g}" for mu in rates)
    return VirtualTest(
        name, f"hyperinsulinaemic{'-euglycaemic' if held == CLAMP_GLUCOSE else ''} clamp, {rates_in_words} mU/m2/min, "
        f"{60 * hours:g} min", hours, _give(rates, step), read, endpoints,
        start={"glucose": held} if held else {},
    )  # fmt: skip
