"""The coupled system: the re-tune of overview.md, meal day and tests per phenotype, the figures of first contact.

``python -m tests.whole.published.coupled`` prints the table (half a minute once the kernels are compiled).
Typical patients (men of 45 y, no between-subject variability, each with an own pulse train) unless a row says
otherwise; "young": 25 y.
"""

from functools import cache

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.dosing import Arm
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.igf1 import igf1_median
from pulsatile.engine.kernel.events import BLOCK_HOURS
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.cohort import Cohort, virtual_cohort
from pulsatile.engine.patients.pulses import block_events
from pulsatile.engine.patients.run_in import Baseline, run_in
from pulsatile.engine.people import covariates
from pulsatile.engine.simulate import Plan, TestAt, simulate
from pulsatile.engine.trial.protocols import TESTS
from tests.whole.published.metabolism import PHENOTYPES, clamp, last
from tests.whole.published.rows import load, markdown
from tests.whole.published.trial import Course

N = 16
YOUNG = 25.0
WEEKS = 39
VISITS = (1, 6, 26, 39)


@cache
def typical(phenotype: str, age: float = covariates.AGE_MEAN) -> Baseline:
    return run_in(aged(virtual_cohort(N, phenotype, variability=False), age), threads=2)


def aged(cohort: Cohort, age: float) -> Cohort:
    """Give typical men another age."""
    since = age - covariates.YOUNG
    cohort.parameters["c_amplitude"] = covariates.AMPLITUDE_RETUNE * np.exp(covariates.AMPLITUDE_BY_AGE * since)
    cohort.parameters["c_sst"] = np.exp(covariates.SST_BY_AGE * since)
    cohort.parameters["igf1_target"] = igf1_median(age)
    cohort.covariates["age"] = np.full(len(cohort), age)
    return cohort


def untreated_days(who: Baseline) -> dict[str, float]:
    """24-h profiles of GH on the 28 days of the block."""
    times = np.arange(0.0, BLOCK_HOURS, 1 / 6)
    course = Course(who.parameters, who.y0, times, None, who.block, 0.0)
    test = TESTS["profile"]
    found: dict[str, list[float]] = {}
    for day in range(27):
        piece = slice(144 * day + 36, 144 * (day + 1) + 37)  # from 06:00, as the virtual test
        part = Course(who.parameters, course.y[:, piece.start], times[piece], None, who.block)
        for name, value in test.read(test.times, part.evaluated, None).items():  # type: ignore[arg-type]
            found.setdefault(name, []).append(float(value.mean()))
    return {name: float(np.mean(value)) for name, value in found.items()} | {
        "igf1_mean": float(course["igf1"].mean()), "gh_level": float(course["gh"].mean()),
    }  # fmt: skip


def retune() -> dict[str, float]:
    young = untreated_days(typical("lean", YOUNG))
    found = {f"young_{name}": young[f"gh_{name}"] for name in ("mean", "peaks", "night_share", "highest")}
    for phenotype in PHENOTYPES[1:]:
        found[f"gh_{phenotype}"] = untreated_days(typical(phenotype))["gh_level"]
    for age in (32.0, 50.0, 67.0):
        found[f"igf1_{age:g}"] = untreated_days(typical("lean", age))["igf1_mean"]
    return found


def meals_and_tests() -> dict[str, float]:
    found: dict[str, float] = {}
    for phenotype in PHENOTYPES:
        who = typical(phenotype)
        plan = Plan(weeks=1, outputs=(), tests=tuple(TestAt(name, (0,)) for name in ("meal_day", "ogtt", "clamp")))
        data = simulate(who.cohort, [Arm("control")], plan, baseline=who, threads=2)
        for name in (
            "meal_day_glucose_mean",
            "meal_day_insulin_mean",
            "meal_day_ffa_mean",
            "ogtt_glucose_120",
            "clamp_m",
        ):
            found[f"{name}_{phenotype}"] = float(data[name].mean())
    return found


def arms() -> list[Arm]:
    def rhgh(name: str, milligrams: float) -> Arm:
        return Arm(name, (Dose("somatropin", milligrams, "mg", "SC", (21.0,)),))

    daily = Arm(
        "combination",
        (Dose("cjc1295_no_dac", 100, "ug", "SC", (22.0,)), Dose("ipamorelin", 200, "ug", "SC", (22.0,))),
    )
    sermorelin = preset("sermorelin_1mg_bid")
    return [Arm("control"), preset("tesamorelin_label"), rhgh("rhgh", 0.7), rhgh("rhgh_high", 0.95), sermorelin, daily]


def first_contact() -> dict[str, float]:
    who = typical("obese")
    plan = Plan(weeks=WEEKS, outputs=("vat", "lean"), reductions=("igf1_mean",), tests=(TestAt("clamp", (0, *VISITS)),))
    data = simulate(who.cohort, arms(), plan, baseline=who, threads=2)
    at26 = data.sel(time=26 * 168.0)
    start = data.sel(time=0.0)
    igf1 = data["igf1_mean"].isel(window=25)
    found: dict[str, float] = {}
    for arm in data["arm"].values:
        found[f"vat_{arm}"] = 100 * float((at26["vat"] / start["vat"] - 1).sel(arm=arm).mean())
        found[f"igf1_{arm}"] = float((igf1.sel(arm=arm) / igf1.sel(arm="control")).mean())
        found[f"lean_{arm}"] = float((at26["lean"] - start["lean"]).sel(arm=arm).mean())
        m = data["clamp_m"].sel(arm=arm)
        for week in VISITS:
            own = data["clamp_m"].sel(arm="control", clamp_week=week)  # the same pulses
            found[f"m_{arm}_{week}"] = 100 * float((m.sel(clamp_week=week) / own - 1).mean())
    lean = typical("lean")
    plan = Plan(weeks=26, outputs=("vat",))
    vat = simulate(lean.cohort, [preset("tesamorelin_label")], plan, baseline=lean, threads=2)["vat"][0]
    return found | {"vat_lean": 100 * float((vat[:, -1] / vat[:, 0] - 1).mean())}


def clamp_at(clock: float) -> dict[str, float]:
    """M of obese men on rhGH 0.7 mg at 21:00, over the untreated M, when the clamp starts at ``clock`` h."""
    who = typical("obese")
    pulses = block_events(who.cohort, meals=False)

    def m(week: int, dose: float) -> Floats:
        doses = [(24.0 * day + 21, "gh_depot_1", dose * ROW["f_gh"].value) for day in range(7 * week)]
        dawn, start = 168.0 * week + 6, 168.0 * week + clock
        y = Course(who.parameters, who.y0, np.array([dawn]), doses, who.block, 0.0).y[:, 0]
        y = Course(who.parameters, y, np.array([start]), None, pulses, dawn).y[:, 0]
        return last(clamp(who.parameters, y, 40, 3.0, events=pulses, start=start)["glucose_requirement"])

    return {f"m_rhgh_{week}_at_{clock:g}": 100 * float((m(week, 700.0) / m(week, 0.0) - 1).mean()) for week in VISITS}


def untreated_year(n: int = 64) -> dict[str, float]:
    """Drift of a varied obese cohort over 52 weeks: 13 blocks, so first and last block see the same pulses."""
    cohort = virtual_cohort(n, "obese", seed=2)
    plan = Plan(
        weeks=52, outputs=("vat",), reductions=("igf1_mean", "glucose_mean"), reduce_every=BLOCK_HOURS,
        tests=(TestAt("fasting", (4, 52)),),
    )  # fmt: skip
    data = simulate(cohort, [Arm("control")], plan, threads=2)
    vat = 100 * (data["vat"][0, :, -1] / data["vat"][0, :, 0] - 1)
    fasting = data["fasting_glucose"][0]
    return {
        "year_vat_mean": float(vat.mean()), "year_vat_sd": float(vat.std()), "year_vat_max": float(abs(vat).max()),
        "year_igf1": 100 * float((data["igf1_mean"][0, :, -1] / data["igf1_mean"][0, :, 0] - 1).mean()),
        "year_fasting_glucose": 100 * float((fasting[:, 1] / fasting[:, 0] - 1).mean()),
    }  # fmt: skip


def values() -> dict[str, float]:
    return retune() | meals_and_tests() | first_contact() | clamp_at(9.0) | untreated_year()


if __name__ == "__main__":
    found = values()
    print(markdown(load("coupled"), found))
    print("\nUntreated year, 64 varied obese patients: " + ", ".join(
        f"{name.removeprefix('year_')} {found[name]:+.3f} %" for name in found if name.startswith("year_")
    ))  # fmt: skip
