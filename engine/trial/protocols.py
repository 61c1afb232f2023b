"""Virtual tests: administrations, measurements and endpoints.

A test is a side branch from a snapshot of a patient and never changes the main run.  Fasting tests start at 07:00
before breakfast, with that morning's doses withheld and running infusions continued; 24-h tests start at 06:00 with
meals and doses as scheduled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.outputs import GLUCOSE_MG, Evaluated

Rows = list[tuple[float, str, npt.ArrayLike]]

SNAPSHOT_CLOCK = 6.0  # h, start of the 24-h tests, before the earliest breakfast (pulses.LARGEST_JITTER)
INSULIN_PER_MU = 6.0  # pmol per mU; metabolism 7.7, clamp recipe
CLAMP_GLUCOSE = 5.0  # mmol/L for all; metabolism 7.7, clamp recipe
MEAL_MMOL = 5.55  # mmol per g glucose; metabolism 7.3
ARGININE_FACTOR = 0.05  # on the somatostatin target; fitted: 75-y arginine + GHRH peak of 41.5, docs/validation.md
ARGININE_LEAD, ARGININE_HOURS = 0.5, 1.5  # h from its start to the GHRH bolus [assumed], and of its effect (axis)
BOLUS_HOURS = 1 / 60  # an intravenous glucose bolus is given over one minute


@dataclass(frozen=True)
class Person:
    """The properties of n patients that a test depends on; every field (n,)."""

    weight: Floats
    height: Floats
    parameters: npt.NDArray[Any]

    @property
    def surface(self) -> Floats:
        """Body surface (m2) by Mosteller."""
        return np.sqrt(self.weight * self.height / 36.0)


@dataclass(frozen=True)
class VirtualTest:
    """One virtual test.

    ``hours`` length; ``give`` events (h after the start) for a `Person`; ``read`` endpoints (n,) from the sample times
    (h after the start), the evaluated samples (n, m) and the `Person`; ``endpoints`` name -> (unit, meaning);
    ``curves`` outputs kept as curves; ``fasting`` as above; ``start`` states set at the start; ``per_hour`` samples per
    hour; ``spare`` drug slots that the test uses.
    """

    name: str
    meaning: str
    hours: float
    give: Callable[[Person], Rows]
    read: Callable[[Floats, Evaluated, Person], dict[str, Floats]]
    endpoints: Mapping[str, tuple[str, str]]
    curves: tuple[str, ...] = ()
    fasting: bool = True
    start: Mapping[str, float] = field(default_factory=dict)
    per_hour: int = 6
    spare: tuple[str, ...] = ()

    @property
    def times(self) -> Floats:
        """Sample times, h after the start, both ends included."""
        return np.arange(round(self.hours * self.per_hour) + 1) / self.per_hour


def _area(times: Floats, values: Floats) -> Floats:
    return np.asarray(np.trapezoid(values, times, axis=1))


def _between(times: Floats, first: float, last: float) -> slice:
    """Return the samples from ``first`` to ``last`` (h), both included."""
    return slice(*np.searchsorted(times, (first - 1e-9, last + 1e-9)))


def _at(times: Floats, *hours: float) -> list[int]:
    return [int(i) for i in np.searchsorted(times, np.array(hours) - 1e-9)]


def _milligrams(mmol: Floats) -> Floats:
    return mmol * GLUCOSE_MG


# --- fasting sample ---


def _read_fasting(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    names = ("glucose", "insulin", "ffa", "homa_ir", "adipo_ir", "egp", "igf1", "igf1_sds", "gh")
    return {name: e.output(name)[:, 0] for name in names}


# --- hyperinsulinaemic-euglycaemic clamp ---


def _give_clamp(milliunits: float) -> Callable[[Person], Rows]:
    def give(person: Person) -> Rows:
        rate = milliunits * INSULIN_PER_MU * person.surface / person.weight
        return [(0.0, "glucose_clamp", 1.0), (0.0, "insulin_infusion", rate)]

    return give


def _read_clamp(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    last = _between(times, times[-1] - 0.5, times[-1])  # the last 30 min
    uptake, egp, ffa = e.output("uptake"), e.output("egp"), e.output("ffa")
    steady = {name: values[:, last].mean(axis=1) for name, values in (("uptake", uptake), ("egp", egp), ("ffa", ffa))}
    return {
        "m": _milligrams(e.output("glucose_requirement")[:, last].mean(axis=1)),
        "rd": _milligrams(steady["uptake"]),
        "egp": _milligrams(steady["egp"]),
        "egp_suppression": 100 * (1 - steady["egp"] / person.parameters["egp_basal"]),
        "ffa_suppression": 100 * (1 - steady["ffa"] / ffa[:, 0]),
        "insulin": e.output("insulin")[:, last].mean(axis=1),
        "sens_muscle": e.output("sens_muscle")[:, last].mean(axis=1),
    }


_CLAMP_ENDPOINTS = {
    "m": ("mg/kg/min", "glucose infusion that holds 5.0 mmol/L, last 30 min"),
    "rd": ("mg/kg/min", "glucose disposal, last 30 min"),
    "egp": ("mg/kg/min", "endogenous glucose production, last 30 min"),
    "egp_suppression": ("%", "fall of EGP from the own untreated basal"),
    "ffa_suppression": ("%", "fall of FFA from the start"),
    "insulin": ("pmol/L", "insulin, last 30 min"),
    "sens_muscle": ("1", "muscle sensitivity, last 30 min, 1 = own reference"),
}


def _clamp(name: str, milliunits: float) -> VirtualTest:
    return VirtualTest(
        name, f"hyperinsulinaemic-euglycaemic clamp, {milliunits:g} mU/m2/min, 180 min", 3.0, _give_clamp(milliunits),
        _read_clamp, _CLAMP_ENDPOINTS, start={"glucose": CLAMP_GLUCOSE},
    )  # fmt: skip


# --- oral and intravenous glucose ---


def matsuda(glucose: Floats, insulin: Floats) -> Floats:
    """Return the Matsuda index (n,) from 0, 30, 60, 90, 120 min: glucose mmol/L, insulin pmol/L, both (n, 5)."""
    g, i = glucose * GLUCOSE_MG / 10, insulin / INSULIN_PER_MU  # mg/dL, uU/mL
    return np.asarray(10_000 / np.sqrt(g[:, 0] * i[:, 0] * g.mean(axis=1) * i.mean(axis=1)))


def _read_ogtt(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    glucose, insulin = e.output("glucose"), e.output("insulin")
    at = _at(times, 0.0, 0.5, 1.0, 1.5, 2.0)
    return {
        "glucose_120": glucose[:, at[-1]],
        "glucose_peak": glucose.max(axis=1),
        "insulin_peak": insulin.max(axis=1),
        "insulin_120": insulin[:, at[-1]],
        "matsuda": matsuda(glucose[:, at], insulin[:, at]),
        "glucose_auc": _area(times, glucose),
        "insulin_auc": _area(times, insulin),
    }


def _give_ivgtt(person: Person) -> Rows:
    rate = 300 / GLUCOSE_MG / (60 * BOLUS_HOURS)  # 0.3 g/kg as mmol/kg/min
    return [(0.0, "glucose_infusion", rate), (BOLUS_HOURS, "glucose_infusion", 0.0)]


def _read_ivgtt(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    glucose, insulin = e.output("glucose"), e.output("insulin")
    early, fall = _between(times, 2 / 60, 10 / 60), _between(times, 10 / 60, 40 / 60)
    t = times[fall] * 60
    t = t - t.mean()
    return {
        "kg": -100 * (t * np.log(glucose[:, fall])).sum(axis=1) / (t * t).sum(),
        "air": insulin[:, early].mean(axis=1) - insulin[:, 0],
        "insulin_10": insulin[:, _at(times, 10 / 60)[0]] - insulin[:, 0],
        "glucose_nadir": glucose.min(axis=1),
    }


# --- day profiles ---

PEAK_RISE, PEAK_SHARE = 0.3, 0.5  # ug/L and share above both neighbouring minima; axis, definitions for tests


def count_peaks(gh: Floats) -> Floats:
    """Return the number of detected GH peaks (n,) in 10-min samples (n, m).

    A peak is a local maximum that rises above both neighbouring minima by more than max(0.3 ug/L, 50 % of the minimum).
    Smaller fluctuations do not count as minima: one pass from clear rise to clear fall counts each peak once, and a
    peak cut off by either end of the record does not count.
    """

    def clear(top: Floats, floor: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray(top - floor > np.maximum(PEAK_RISE, PEAK_SHARE * floor))

    n, m = gh.shape
    low, high = gh[:, 0].copy(), gh[:, 0].copy()
    rising = np.zeros(n, bool)
    count = np.zeros(n)
    for j in range(1, m):
        x = gh[:, j]
        high = np.where(rising, np.maximum(high, x), x)
        fallen = rising & clear(high, x)
        count += fallen
        low = np.where(fallen, x, np.where(rising, low, np.minimum(low, x)))
        rising = (rising & ~fallen) | (~rising & clear(x, low))
        high = np.where(rising, np.maximum(high, x), x)
    return np.where(np.isfinite(gh).all(axis=1), count, np.nan)


def _read_profile(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    gh = e.output("gh")
    clock = (SNAPSHOT_CLOCK + times) % 24
    night = (clock >= 23) | (clock < 7)
    total = _area(times, gh)
    # the night 23:00-07:00 is in two parts of the sampled day: sum the samples as 10-min rectangles
    return {
        "gh_mean": total / times[-1],
        "gh_peaks": count_peaks(gh),
        "gh_highest": gh.max(axis=1),
        "gh_trough": np.percentile(gh, 5, axis=1),
        "gh_night_share": (gh[:, :-1] * night[:-1]).sum(axis=1) / gh[:, :-1].sum(axis=1),
        "igf1": e.output("igf1").mean(axis=1),
    }


def _read_day(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    glucose, insulin, ffa = e.output("glucose"), e.output("insulin"), e.output("ffa")
    return {
        "glucose_mean": _area(times, glucose) / times[-1],
        "glucose_peak": glucose.max(axis=1),
        "insulin_mean": _area(times, insulin) / times[-1],
        "insulin_peak": insulin.max(axis=1),
        "ffa_mean": _area(times, ffa) / times[-1],
        "ffa_nadir": ffa.min(axis=1),
        "sens_muscle_mean": _area(times, e.output("sens_muscle")) / times[-1],
        "sens_liver_mean": _area(times, e.output("sens_liver")) / times[-1],
    }


# --- GH stimulation; a bolus enters the effect site (GHRH) or plasma (ghrelin agonists) of the spare slot b ---


def _read_stimulation(lead: float) -> Callable[[Floats, Evaluated, Person], dict[str, Floats]]:
    def read(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
        first = int(np.searchsorted(times, lead - 1e-9))
        gh = e.output("gh")[:, first:]
        return {"gh_peak": gh.max(axis=1), "gh_auc": _area(times[first:], gh) * 60}

    return read


_STIMULATION_ENDPOINTS = {
    "gh_peak": ("ug/L", "highest GH within 2 h of the bolus"),
    "gh_auc": ("ug/L*min", "area under GH, 0-120 min from the bolus"),
}
_GHRH_JUMP, GHRH_DECAY = 5.0, 5.0  # EC50 units and 1/h for 1 ug/kg iv; axis, drug interface
_GHRP6_JUMP, GHRP6_DECAY = 0.72, 2.0  # EC50 units and 1/h for GHRP-6 1 ug/kg iv; axis, drug interface
SPARE_SLOTS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "ghrh_b": ("effect_ghrh_b", {"ke_ghrh_b": GHRH_DECAY, "potency_ghrh_b": 0.0}),
    "ghs_b": ("central_ghs_b", {"k_el_ghs_b": GHRP6_DECAY, "potency_ghs_b": 1.0, "k_tolerance_ghs_b": 0.0}),
}
"""Slot of a stimulation test -> the state that jumps and the slot's drug parameters during the test."""


def _stimulation(name: str, meaning: str, rows: Rows, lead: float = 0.0) -> VirtualTest:
    """Return a test whose boluses fall ``lead`` h after its start."""
    jumps = {row[1] for row in rows}
    spare = tuple(slot for slot, (state, _) in SPARE_SLOTS.items() if state in jumps)
    return VirtualTest(
        name, meaning, lead + 2.0, lambda person: rows, _read_stimulation(lead), _STIMULATION_ENDPOINTS, ("gh",),
        spare=spare,
    )  # fmt: skip


_ARGININE: Rows = [(0.0, "sst_factor", ARGININE_FACTOR), (ARGININE_HOURS, "sst_factor", 1.0)]

TESTS: dict[str, VirtualTest] = {
    test.name: test
    for test in (
        VirtualTest(
            "fasting", "fasting blood sample at 07:00", 0.0, lambda person: [], _read_fasting,
            {
                "glucose": ("mmol/L", "fasting glucose"), "insulin": ("pmol/L", "fasting insulin"),
                "ffa": ("mmol/L", "fasting FFA"), "homa_ir": ("1", "HOMA-IR"),
                "adipo_ir": ("mmol/L*pmol/L", "adipose insulin resistance"),
                "egp": ("mmol/kg/min", "fasting endogenous glucose production"),
                "igf1": ("ug/L", "IGF-1 at the visit"), "igf1_sds": ("1", "IGF-1 SD score at the visit"),
                "gh": ("ug/L", "GH at the visit"),
            },
        ),
        _clamp("clamp", 40.0),
        _clamp("clamp_low", 20.0),
        VirtualTest(
            "ogtt", "oral glucose tolerance test, 75 g", 3.0, lambda person: [(0.0, "stomach", 75 * MEAL_MMOL)],
            _read_ogtt,
            {
                "glucose_120": ("mmol/L", "2-h glucose"), "glucose_peak": ("mmol/L", "peak glucose"),
                "insulin_peak": ("pmol/L", "peak insulin"), "insulin_120": ("pmol/L", "2-h insulin"),
                "matsuda": ("1", "Matsuda index"), "glucose_auc": ("mmol/L*h", "area under glucose, 0-3 h"),
                "insulin_auc": ("pmol/L*h", "area under insulin, 0-3 h"),
            },
            ("glucose", "insulin", "ffa"),
        ),
        VirtualTest(
            "ivgtt", "intravenous glucose tolerance test, 0.3 g/kg", 3.0, _give_ivgtt, _read_ivgtt,
            {
                "kg": ("%/min", "glucose disappearance, 10-40 min"),
                "air": ("pmol/L", "acute insulin response: mean of 2-10 min above basal"),
                "insulin_10": ("pmol/L", "insulin above basal at 10 min"),
                "glucose_nadir": ("mmol/L", "lowest glucose"),
            },
            ("glucose", "insulin"), per_hour=30,
        ),
        VirtualTest(
            "meal_day", "24 h with meals", 24.0, lambda person: [], _read_day,
            {
                "glucose_mean": ("mmol/L", "24-h mean glucose"), "glucose_peak": ("mmol/L", "highest glucose"),
                "insulin_mean": ("pmol/L", "24-h mean insulin"), "insulin_peak": ("pmol/L", "highest insulin"),
                "ffa_mean": ("mmol/L", "24-h mean FFA"), "ffa_nadir": ("mmol/L", "lowest FFA"),
                "sens_muscle_mean": ("1", "24-h mean muscle sensitivity"),
                "sens_liver_mean": ("1", "24-h mean liver sensitivity"),
            },
            ("glucose", "insulin", "ffa"), fasting=False,
        ),
        VirtualTest(
            "profile", "24 h of GH, sampled every 10 min", 24.0, lambda person: [], _read_profile,
            {
                "gh_mean": ("ug/L", "24-h mean GH"), "gh_peaks": ("1/day", "detected GH peaks"),
                "gh_highest": ("ug/L", "highest GH"), "gh_trough": ("ug/L", "5th percentile of GH"),
                "gh_night_share": ("1", "share of GH between 23:00 and 07:00"), "igf1": ("ug/L", "24-h mean IGF-1"),
            },
            ("gh",), fasting=False,
        ),
        _stimulation("ghrh", "GHRH 1 ug/kg iv", [(0.0, "effect_ghrh_b", _GHRH_JUMP)]),
        _stimulation("ghrp", "GHRP-6 1 ug/kg iv", [(0.0, "central_ghs_b", _GHRP6_JUMP)]),
        _stimulation(
            "ghrh_ghrp", "GHRH and GHRP-6, 1 ug/kg iv each",
            [(0.0, "effect_ghrh_b", _GHRH_JUMP), (0.0, "central_ghs_b", _GHRP6_JUMP)],
        ),
        _stimulation(
            "arginine_ghrh", "arginine infusion and, 30 min later, GHRH 1 ug/kg iv",
            [*_ARGININE, (ARGININE_LEAD, "effect_ghrh_b", _GHRH_JUMP)], ARGININE_LEAD,
        ),
    )
}  # fmt: skip
