"""The uncoupled metabolism against metabolism.md section 8.

``python -m tests.whole.published.metabolism`` prints the table.

Plasma GH is scripted through the same right-hand side: no own secretion, first-order loss with a half-life of 17 min,
pulses as jumps of ``gh``.  IGF-1 is held.  Compensation 0.4 in all phenotypes.  The prototype's document does not print
its pulse times: twelve a day, the largest after midnight, with the printed mean and maximum.
"""

import numpy as np

from pulsatile.engine.arrays import Floats, Record
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import BLOCK_HOURS, EventTable, event_table
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.outputs import GLUCOSE_MG
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.meals import MMOL_PER_GRAM
from pulsatile.engine.states import STATE_INDEX
from pulsatile.engine.trial.virtual_test import INSULIN_PER_MU
from tests.whole.published.rows import load, markdown
from tests.whole.published.trial import GROUPS, MINUTE, Course, Rows

PHENOTYPES = ("lean", "overweight", "obese", "igt", "t2d")
LOSS = np.log(2) / (17 / 60)  # 1/h
VOLUME = 7.0  # L
TRAINS = {"young": (14.0, 1.88), "mid": (7.1, 0.96), "obese": (4.3, 0.59)}  # largest peak, 24-h mean, ug/L
LOWEST = 2.5 / 14.0  # smallest over largest peak of every train
TRAIN_OF = ("young", "mid", "obese", "obese", "obese")
MEALS = ((7.0, 60.0), (13.0, 75.0), (19.0, 75.0))  # clock h, g
MORNING = 31.0  # h: 07:00 of the second day


def train(kind: str) -> tuple[Floats, Floats]:
    """Return clock times (h) and jumps (ug/L) of 12 pulses, the largest after midnight."""
    top, mean = TRAINS[kind]
    times = 2.0 * np.arange(12) + 0.5
    from_night = (times - 0.5 + 12) % 24 - 12
    night = np.exp(-0.5 * (from_night / 5) ** 2)
    low, high = 0.0, 20.0
    for _ in range(60):  # bisection of the exponent that gives the mean
        power = (low + high) / 2
        size = top * (LOWEST + (1 - LOWEST) * night**power)
        low, high = (power, high) if size.sum() > 24 * LOSS * mean else (low, power)
    return times, size


def block(kinds: tuple[str, ...], meals: bool = True) -> EventTable:
    rows: list[Rows] = []
    for kind in kinds:
        times, size = train(kind)
        starts = 24.0 * np.arange(28)
        events: Rows = [(day + t, "gh", a) for day in starts for t, a in zip(times, size, strict=True)]
        if meals:
            events += [(day + t, "stomach", MMOL_PER_GRAM * grams) for day in starts for t, grams in MEALS]
        rows.append(events)
    return event_table(rows)


def records(*phenotypes: str) -> Record:
    record = np.concatenate([virtual_cohort(1, name, variability=False).parameters for name in phenotypes])
    for name, value in {
        "c_secretion": 0.0, "k_gh": LOSS, "k_gh_saturable": 0.0, "v_gh": VOLUME, "ka_gh": 0.24, "body_changes": 0.0,
        "beta_compensation": 0.4,
    }.items():  # fmt: skip
        record[name] = value
    return record


def at_constant_gh(record: Record, gh: float) -> tuple[Record, Floats]:
    """Return patients at rest under a constant GH."""
    record = record.copy()
    record["gh_infusion"] = gh * VOLUME * record["k_gh"]
    basal.constant_gh_means(record, gh)
    basal.set_basal(record)
    start = basal.fasting_state(record)
    start[:, STATE_INDEX["gh"]] = gh
    return record, start


def run_in(record: Record, events: EventTable) -> Floats:
    """Set the GH-chain means of ``record`` to those of its own 28 days; return the state at t = 0."""
    basal.constant_gh_means(record, 0.8)
    basal.set_basal(record)
    state = basal.fasting_state(record)
    for _ in range(4):
        result = integrate(
            record, state, events, None, start=-BLOCK_HOURS, times=np.zeros(1), window=BLOCK_HOURS, groups=GROUPS
        )
        for field, name in (("lipolytic0", "lipolysis_drive"), ("socs0", "socs"), ("p85_0", "p85_target")):
            record[field] = result.mean[:, 0, WATCH.index(name)]
        basal.set_basal(record)
        state = result.y[:, 0]
    return state


def insulin_rate(record: Record, milliunits: float) -> Floats:
    """Return pmol/kg/min for mU/m2/min; Mosteller surface at 1.75 m."""
    weight = record["weight"]
    return np.asarray(milliunits * INSULIN_PER_MU * np.sqrt(weight * 1.75 / 36) / weight)


def clamp(
    record: Record, state: Floats, milliunits: float, hours: float, rows: Rows | None = None,
    events: EventTable | None = None, start: float = 0.0,
) -> Course:  # fmt: skip
    state = state.copy()
    state[:, STATE_INDEX["glucose"]] = 5.0
    state[:, [STATE_INDEX["stomach"], STATE_INDEX["gut"]]] = 0.0
    given: Rows = [(start, "glucose_clamp", 1.0), (start, "insulin_infusion", insulin_rate(record, milliunits))]
    times = start + np.arange(round(60 * hours) + 1) * MINUTE
    return Course(record, state, times, given + (rows or []), events)


def last(values: Floats, minutes: int = 30) -> Floats:
    return np.asarray(values[:, -minutes:].mean(axis=1))


def suppression(course: Course, name: str, basal_value: Floats | None = None) -> Floats:
    start = course[name][:, 0] if basal_value is None else basal_value
    return 100 * (1 - last(course[name]) / start)


def meal_day_and_tests() -> dict[str, float]:
    """Rows of section 8 from the state at 07:00 of each phenotype with its pulse train."""
    record = records(*PHENOTYPES)
    full, pulses = block(TRAIN_OF), block(TRAIN_OF, meals=False)
    state = run_in(record, full)
    found: dict[str, float] = {}
    day = Course(record, state, 24 + np.arange(1441) * MINUTE, None, full, 0.0)
    for k, who in ((0, "lean"), (2, "obese"), (4, "t2d")):
        for name in ("glucose", "insulin", "ffa"):
            found[f"morning_{name}_{who}"] = float(day[name][k, 7 * 60 - 1])
    glucose, insulin, ffa = day["glucose"][0], day["insulin"][0], day["ffa"]
    for name, hour in (("breakfast", 7), ("lunch", 13), ("dinner", 19)):
        meal = glucose[60 * hour : 60 * (hour + 4)]
        found[f"peak_{name}"], found[f"peak_time_{name}"] = float(meal.max()), float(meal.argmax())
    found |= {
        "mean_glucose": float(glucose.mean()), "mean_insulin": float(insulin.mean()),
        "max_insulin": float(insulin.max()),
        "extraction_basal": float(day["extraction"][0, 6 * 60]), "extraction_meal": float(day["extraction"][0].min()),
        "mean_ffa_lean": float(ffa[0].mean()), "mean_ffa_obese": float(ffa[2].mean()),
        "nadir_ffa_lean": float(ffa[0].min()), "nadir_ffa_obese": float(ffa[2].min()),
        "night_ffa_obese": float(ffa[2, : 6 * 60].max()),
    }  # fmt: skip
    # tests of a fasting morning: no breakfast, pulses go on
    before = Course(record, state, np.array([MORNING - 0.01]), None, full, 0.0).y[:, 0]
    fasted = Course(record, before, np.array([MORNING]), None, pulses, MORNING - 0.01).y[:, 0]
    times = MORNING + np.arange(181) * MINUTE
    ogtt = Course(record, fasted, times, [(MORNING, "stomach", 75 * MMOL_PER_GRAM)], pulses)
    for name in ("glucose", "insulin", "ffa"):
        for minute in (0, 30, 60, 90, 120):
            found[f"ogtt_{name}_{minute}"] = float(ogtt[name][0, minute])
    found["ogtt_180"] = float(ogtt["glucose"][0, 180])
    for k, who in ((2, "obese"), (3, "igt"), (4, "t2d")):
        found[f"ogtt_glucose_120_{who}"] = float(ogtt["glucose"][k, 120])
    for milliunits in (40, 20, 50):
        steady = clamp(record, fasted, milliunits, 3.0, events=pulses, start=MORNING)
        m = GLUCOSE_MG * last(steady["glucose_requirement"])
        rise = 100 * (last(steady["uptake"]) / steady["uptake"][:, 0] - 1)
        egp = suppression(steady, "egp", record["egp_basal"])
        lipolysis = suppression(steady, "ffa")
        for k, who in enumerate(PHENOTYPES):
            found |= {
                f"m_{milliunits}_{who}": float(m[k]), f"egp_{milliunits}_{who}": float(egp[k]),
                f"ffa_{milliunits}_{who}": float(lipolysis[k]), f"rd_{milliunits}_{who}": float(rise[k]),
            }  # fmt: skip
    rate = 300 / GLUCOSE_MG / 1.0  # 0.3 g/kg within one minute
    bolus: Rows = [(MORNING, "glucose_infusion", rate), (MORNING + MINUTE, "glucose_infusion", 0.0)]
    ivgtt = Course(record, fasted, times, bolus, pulses)
    acute = ivgtt["insulin"][:, 2:11].mean(axis=1) - ivgtt["insulin"][:, 0]
    fall = -100 * np.polyfit(np.arange(10, 41), np.log(ivgtt["glucose"][0, 10:41]), 1)[0]
    return found | {
        "air_lean": float(acute[0]), "air_igt": float(acute[3]), "air_t2d": float(acute[4]), "kg": float(fall),
        "air_ratio_igt": float(acute[3] / acute[0]), "air_ratio_t2d": float(acute[4] / acute[0]),
        "ivgtt_nadir": float(ivgtt["glucose"][0].min()), "ivgtt_nadir_time": float(ivgtt["glucose"][0].argmin()),
    }  # fmt: skip


def lipid_and_igf1() -> dict[str, float]:
    record, state = at_constant_gh(records("lean"), 1.0)
    saline = clamp(record, state, 40, 6.0)
    low, high = 0.0, 1.0
    for _ in range(40):  # infusion that holds FFA at 1.47 mmol/L
        rate = (low + high) / 2
        lipid = clamp(record, state, 40, 6.0, [(0.0, "lipid_infusion", rate)])
        low, high = (low, rate) if last(lipid["ffa"], 60)[0] > 1.47 else (rate, high)
    change = last(lipid["glucose_requirement"], 60) / last(saline["glucose_requirement"], 60) - 1
    record["igf1_target"] = 150.0
    basal.set_basal(record)
    doubled = record.copy()
    times = np.array([0.0, 96.0])
    index = STATE_INDEX["igf1"]
    levels = []
    for igf1 in (150.0, 300.0):
        state[:, index] = igf1
        rest = Course(doubled, state, times)
        m = clamp(doubled, rest.y[:, 1], 40, 3.0)
        levels.append((rest["glucose"][0, 1], rest["insulin"][0, 1], last(m["glucose_requirement"])[0]))
    (g0, i0, m0), (g1, i1, m1) = levels
    return {
        "lipid_m": 100 * float(change[0]),
        "igf1_glucose": float(g1 - g0), "igf1_insulin": 100 * float(i1 / i0 - 1), "igf1_m": 100 * float(m1 / m0 - 1),
    }  # fmt: skip


def values() -> dict[str, float]:
    return meal_day_and_tests() | lipid_and_igf1()


if __name__ == "__main__":
    print(markdown(load("metabolism"), values()))
