"""The uncoupled axis against axis.md section 3: ``python -m tests.whole.published.axis`` prints the table.

Setting, as there: insulin and FFA do not act on the pituitary (PM = 1), no meals, kdH 0.58, sleep factor 2.7, night
factor 0.49, covariate factors 1; iv boluses at 09:00 with pulses on, IGF-1 at its reference; rhGH rows without own
secretion.  Days and groups are read with the IGF-1 feedback closed around the young men's reference, after six weeks;
the population CV at frozen IGF-1.
"""

from functools import cache
from typing import Any

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.kernel.events import BLOCK_HOURS
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.cohort import Cohort, virtual_cohort
from pulsatile.engine.patients.pulses import block_events
from pulsatile.engine.states import STATE_INDEX
from pulsatile.engine.trial.profiles import count_peaks
from tests.whole.published.rows import load, markdown
from tests.whole.published.trial import MINUTE, Course, Rows

N = 64
DAYS = 14
SAMPLE = 1 / 6  # h
NONE = 1e9  # half-inhibition that nothing reaches
BOLUS = 33.0  # h: 09:00 of the second day
ARGININE_LEAD, ARGININE = 0.5, 0.05  # h before the GHRH; factor on the somatostatin target, set to the elderly row
GHRH, GHRP6, GHRELIN, HEXARELIN = (5.0, 5.0), (0.72, 2.0), (6.0, 3.0), (1.0, 1.0)  # jump, decay 1/h; axis section 2
GHRH_BOLUS: Rows = [(BOLUS, "effect_ghrh_b", GHRH[0])]
ELDERLY = {"c_amplitude": 0.55, "c_sst": 2.0, "c_secretion": 0.9}
MIDDLE = {"c_amplitude": 0.72, "c_sst": 1.3}
WOMEN = {"c_amplitude": 1.25, "c_sst": 0.8, "c_secretion": 1.1}
OBESE = {"c_amplitude": 0.75, "c_sst": 1.2, "c_secretion": 0.55}
PUBLISHED_EMAX, PUBLISHED_BASE = ROW["igf1_emax"].value, ROW["igf1_base"].value
PROTOTYPE_RATE = 14.65  # 1/day: 24/13 h taken as Weibull scale, not as mean interval


def young_men(n: int = N, **change: Any) -> Cohort:
    cohort = virtual_cohort(n, "lean", variability=False)
    setting = {
        "c_amplitude": 1.0, "c_sst": 1.0, "c_secretion": 1.0, "c_igf1": 1.0, "insulin_on_gh_half": NONE,
        "ffa_on_gh_half": NONE, "sleep_gain": 2.7, "sst_night": 0.49, "k_ghrhr_loss": 0.58, "body_changes": 0.0,
        "ke_ghrh_b": GHRH[1], "potency_ghrh_b": 0.0, "potency_ghs_b": 1.0, "igf1_emax": PUBLISHED_EMAX,
        "igf1_base": PUBLISHED_BASE, "k_vat": 0.0, "k_sat": 0.0, "k_lean": 0.0,
    }  # fmt: skip
    for name, value in (setting | change).items():
        cohort.parameters[name] = value
    return cohort


def days(cohort: Cohort, length: int = DAYS, rows: Rows | None = None, lead: float = 48.0) -> Course:
    times = np.arange(0.0, 24.0 * length, SAMPLE)
    start = basal.fasting_state(cohort.parameters)
    start[:, STATE_INDEX["igf1"]] = cohort.parameters["igf1_ref"]
    return Course(cohort.parameters, start, times, rows, block_events(cohort, meals=False), -lead)


@cache
def reference_igf1(rate: float = 13.0) -> float:
    """Own IGF-1 of the young men at PM = PI = 1: the point where the feedback is neutral."""
    course = days(young_men(pulse_rate=rate))
    return float((PUBLISHED_BASE + PUBLISHED_EMAX * course["gh_saturation_signal"].mean()) / ROW["k_igf1"].value)


def closed_loop(n: int = N, rate: float = 13.0, rows: Rows | None = None, **change: Any) -> Course:
    """Six weeks to the own IGF-1, then `DAYS` days."""
    cohort = young_men(n, body_changes=1.0, igf1_ref=reference_igf1(rate), pulse_rate=rate, **change)
    return days(cohort, rows=rows, lead=1.5 * BLOCK_HOURS)


def daily(course: Course) -> Floats:
    gh = course["gh"]
    return gh.reshape(len(gh), -1, round(24 / SAMPLE))


def describe(course: Course) -> dict[str, float]:
    gh = daily(course)
    clock = np.arange(gh.shape[2]) * SAMPLE
    night = (clock >= 23) | (clock < 7)
    mean = gh.mean(axis=2)
    production = course["gh"] * course["gh_clearance"]
    return {
        "mean": float(mean.mean()),
        "production": float(24 * ROW["v_gh"].value * production.mean()),
        "trough": float(np.percentile(gh, 5, axis=2).mean()),
        "peaks": float(np.mean([count_peaks(gh[:, k]).mean() for k in range(gh.shape[1])])),
        "night": float((gh[:, :, night].sum(axis=2) / gh.sum(axis=2)).mean()),
        "highest": float(np.median(gh.max(axis=2))),
        "day_cv": float((mean.std(axis=1, ddof=1) / mean.mean(axis=1)).mean()),
        "igf1": float(course["igf1"].mean()),
    }


def untreated() -> dict[str, float]:
    own = describe(closed_loop())
    assumed = describe(closed_loop(rate=PROTOTYPE_RATE))
    found = {name: own[name] for name in own} | {
        f"rate_{name}": assumed[name] for name in ("mean", "peaks", "highest", "igf1")
    }
    rng = np.random.default_rng(1)
    n = 400
    varied = young_men(
        n,
        pulse_size=ROW["pulse_size"].value * np.exp(np.sqrt(np.log1p(0.3**2)) * rng.standard_normal(n)),
        c_secretion=np.exp(np.sqrt(np.log1p(0.4**2)) * rng.standard_normal(n)),
    )
    means = daily(days(varied, 7)).mean(axis=(1, 2))
    found["population_cv"] = float(means.std() / means.mean())
    for name, covariates in (("elderly", ELDERLY), ("middle", MIDDLE), ("women", WOMEN), ("obese", OBESE)):
        found[f"mean_{name}"] = describe(closed_loop(**covariates))["mean"]
    free = days(young_men(igf1_factor=4.5))
    found["free_igf1"] = describe(free)["mean"] / describe(days(young_men()))["mean"]
    tonic, size, ghs = (0.05 * ROW[name].value for name in ("ghrh_tone", "pulse_size", "ghs_on_ghrh"))
    null = young_men(ghrh_tone=tonic, pulse_size=size, ghs_on_ghrh=ghs)
    found["receptor_null"] = describe(days(null))["mean"]
    constant = describe(closed_loop(ghrh_drive=0.15))
    for name in ("trough", "mean", "igf1", "highest"):
        found[f"cjc_{name}"] = constant[name] / own[name]
    return found


class Response:
    """GH (n, 121) in the two hours from ``at``, above that of the same patients without a bolus."""

    def __init__(self, cohort: Cohort, rows: Rows, at: float = BOLUS) -> None:
        times = at + np.arange(121) * MINUTE
        block = block_events(cohort, meals=False)
        start = basal.fasting_state(cohort.parameters)
        gh = Course(cohort.parameters, start, times, rows, block, -24.0)["gh"]
        without = Course(cohort.parameters, start, times, None, block, -24.0)["gh"]
        self.peak = float(gh.max(axis=1).mean())
        self.area = float(np.trapezoid(gh, axis=1).mean())
        self.net = float(np.trapezoid(gh - without, axis=1).mean())


def stimulated(agonist: tuple[float, float], rows: Rows, at: float = BOLUS, **change: Any) -> Response:
    return Response(young_men(k_el_ghs_b=agonist[1], **change), rows, at)


def boluses() -> dict[str, float]:
    def ghs(agonist: tuple[float, float], at: float = BOLUS) -> Rows:
        return [(at, "central_ghs_b", agonist[0])]

    def arginine(start: float) -> Rows:
        return [(start, "sst_factor", ARGININE), (start + 1.5, "sst_factor", 1.0), *GHRH_BOLUS]

    again = BOLUS + 2.0
    ghrh = stimulated(GHRH, GHRH_BOLUS)
    ghrp = stimulated(GHRP6, ghs(GHRP6))
    both = stimulated(GHRP6, [*ghs(GHRP6), *GHRH_BOLUS])
    hexarelin = stimulated(HEXARELIN, ghs(HEXARELIN))
    elderly, obese = stimulated(GHRH, GHRH_BOLUS, **ELDERLY), stimulated(GHRH, GHRH_BOLUS, **OBESE)
    start = BOLUS - ARGININE_LEAD
    return {
        "ghrh_peak": ghrh.peak,
        "ghrh_area": ghrh.area,
        "ghrp_over_ghrh": ghrp.net / ghrh.net,
        "both_over_ghrh": both.net / ghrh.net,
        "both_area": both.area,
        "ghrelin_peak": stimulated(GHRELIN, ghs(GHRELIN)).peak,
        "arginine_ratio": stimulated(GHRH, arginine(start)).peak / ghrh.peak,
        "elderly_peak": elderly.peak,
        "elderly_arginine": stimulated(GHRH, arginine(start), **ELDERLY).peak,
        "obese_peak": obese.peak,
        "ghrh_twice": stimulated(GHRH, [*GHRH_BOLUS, (again, "effect_ghrh_b", GHRH[0])], again).net / ghrh.net,
        "ghrh_hexarelin": stimulated(HEXARELIN, [*GHRH_BOLUS, *ghs(HEXARELIN, again)], again).net / hexarelin.net,
        "hexarelin_twice": stimulated(HEXARELIN, [*ghs(HEXARELIN), *ghs(HEXARELIN, again)], again).net / hexarelin.net,
    }


def injected() -> dict[str, float]:
    """RhGH subcutaneously: one dose without own secretion; daily doses at 21:00 with it."""
    found = {}
    cohort = young_men(1, c_secretion=0.0)
    available = 1000 * ROW["f_gh"].value  # ug per mg
    times = np.arange(0.0, 48.0, MINUTE)
    start = basal.fasting_state(cohort.parameters)
    start[:, STATE_INDEX["gh"]] = 0.0
    for dose in (4.0, 2.34, 0.2):
        gh = Course(cohort.parameters, start, times, [(0.0, "gh_depot_1", available * dose)])["gh"][0]
        late = (times > 16) & (times < 24)
        found |= {
            f"sc_{dose:g}_peak": float(gh.max()),
            f"sc_{dose:g}_area": float(np.trapezoid(gh, times)),
            f"sc_{dose:g}_time": float(times[gh.argmax()]),
            f"sc_{dose:g}_half": float(-np.log(2) / np.polyfit(times[late], np.log(gh[late]), 1)[0]),
        }
    own = describe(closed_loop())["igf1"]
    for dose in (0.2, 0.5, 1.0, 2.0, 6.0):
        rows: Rows = [(24.0 * day + 21, "gh_depot_1", available * dose) for day in range(-42, DAYS)]
        found[f"daily_{dose:g}"] = describe(closed_loop(rows=rows))["igf1"] - own
    return found


def values() -> dict[str, float]:
    return untreated() | boluses() | injected()


if __name__ == "__main__":
    print(markdown(load("axis"), values()))
