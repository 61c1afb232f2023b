"""The uncoupled metabolism against metabolism.md sections 8 and 9: ``python -m tests.published.metabolism``.

Plasma GH is scripted through the same right-hand side: no own secretion, first-order loss with a half-life of 17 min,
pulses as jumps of ``gh``, subcutaneous GH through one absorption step (ka 0.004 /min, F 0.6, V 7 L; clearance x1.5 in
obesity).  IGF-1 is held, or led to a scripted multiple of its reference.  Compensation 0.4 in all phenotypes.

The prototype's document does not print its pulse times, nor all doses; what was taken instead is named here and in the
table.  Tesamorelin rows are met by the coupled system (``tests.published.coupled``).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from engine import basal
from engine.batch import integrate
from engine.codegen import WATCH
from engine.cohort import virtual_cohort
from engine.events import BLOCK_HOURS, EventTable, event_table
from engine.parameters import ROW
from engine.protocols import GLUCOSE_MG, INSULIN_PER_MU, MEAL_MMOL
from tests.published.rows import load, markdown
from tests.published.trial import GROUPS, MINUTE, Course, Floats, Rows

PHENOTYPES = ("lean", "overweight", "obese", "igt", "t2d")
LOSS = np.log(2) / (17 / 60)  # 1/h
VOLUME = 7.0  # L
AVAILABLE = 0.6
OBESE_CLEARANCE = 1.5
TRAINS = {"young": (14.0, 1.88), "mid": (7.1, 0.96), "obese": (4.3, 0.59)}  # largest peak, 24-h mean, ug/L
LOWEST = 2.5 / 14.0  # smallest over largest peak of every train
TRAIN_OF = ("young", "mid", "obese", "obese", "obese")
MEALS = ((7.0, 60.0), (13.0, 75.0), (19.0, 75.0))  # clock h, g
MORNING = 31.0  # h: 07:00 of the second day
FASTING_GH = 0.3  # ug/L, background of the clamps with GH [assumed: daytime trough of fasting men]
DEFICIENT_GH = 0.05  # ug/L, of hypopituitary adults [assumed]
Record = npt.NDArray[Any]


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
            events += [(day + t, "stomach", MEAL_MMOL * grams) for day in starts for t, grams in MEALS]
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
    start[:, basal.STATE_INDEX["gh"]] = gh
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
    state[:, basal.STATE_INDEX["glucose"]] = 5.0
    state[:, [basal.STATE_INDEX["stomach"], basal.STATE_INDEX["gut"]]] = 0.0
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
    ogtt = Course(record, fasted, times, [(MORNING, "stomach", 75 * MEAL_MMOL)], pulses)
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
    index = basal.STATE_INDEX["igf1"]
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


def gh_and_ffa() -> dict[str, float]:
    """GH iv bolus in fasting men at a background of 1 ug/L: FFA over the saline run."""
    record, state = at_constant_gh(records("lean"), 1.0)
    times = np.arange(361) * MINUTE
    saline = Course(record, state, times)["ffa"][0]
    found = {}
    for dose in (500, 210):
        ratio = Course(record, state, times, [(0.0, "gh", dose / VOLUME)])["ffa"][0] / saline
        found |= {
            f"bolus_{dose}": 100 * float(ratio.max() - 1), f"bolus_{dose}_time": float(ratio.argmax()),
            f"bolus_{dose}_240": 100 * float(ratio[240] - 1), f"bolus_{dose}_360": 100 * float(ratio[360] - 1),
        }  # fmt: skip
    return found


def clamps_with_gh() -> dict[str, float]:
    """Clamps of lean men during a GH infusion; insulin and GH as named in the table."""
    record, state = at_constant_gh(records("lean"), FASTING_GH)

    def infused(level: float) -> Rows:
        return [(0.0, "gh", level - FASTING_GH), (0.0, "gh_infusion", level * VOLUME * LOSS)]

    def ratio(name: str, milliunits: float, hours: float, level: float) -> float:
        with_gh = clamp(record, state, milliunits, hours, infused(level))
        return float(with_gh[name][0, -1] / clamp(record, state, milliunits, hours)[name][0, -1])

    found = {
        "moller_gir": 100 * (ratio("glucose_requirement", 8, 4.0, 8.5) - 1),
        "moller_rd": 100 * (ratio("uptake", 8, 4.0, 8.5) - 1),
        "bak_rd": 100 * (ratio("uptake", 40, 5.0, 15.0) - 1),
    }
    acipimox: Rows = [(0.0, "acipimox", 0.8)]
    for name, rows in {
        "control": None, "gh": infused(25.0), "gh_acipimox": infused(25.0) + acipimox, "acipimox": acipimox
    }.items():  # fmt: skip
        course = clamp(record, state, 18, 6.0, rows)
        found[f"piatti_{name}"] = 100 * float(1 - course["egp"][0, -1] / record["egp_basal"][0])
    return found


def scripted_igf1(record: Record, ratio: float) -> Record:
    """Let IGF-1 go to ``ratio`` times its reference, and the body change."""
    record = record.copy()
    record["igf1_emax"] = 0.0
    record["igf1_base"] = ROW["k_igf1"].value * record["igf1_target"] * ratio
    record["k_igf1"] = ROW["k_igf1"].value
    record["body_changes"] = 1.0
    return record


def meals(days: int) -> Rows:
    return [(24.0 * day + t, "stomach", MEAL_MMOL * grams) for day in range(days) for t, grams in MEALS]


def evenings(dose: float, days: int) -> Rows:
    """Subcutaneous GH at 21:00, ``dose`` in ug."""
    return [(24.0 * day + 21, "gh_depot_2", AVAILABLE * dose) for day in range(days)]


def deficient() -> dict[str, float]:
    record, state = at_constant_gh(records("ghd"), DEFICIENT_GH)

    def morning(who: Record, rows: Rows, at: float) -> tuple[Floats, Course]:
        rest = Course(who, state, np.array([at]), [row for row in rows if row[0] < at], start=0.0)
        return rest.y[0, 0], clamp(who, rest.y[:, 0], 40, 2.0, start=at)

    glucose, insulin, ffa = (basal.STATE_INDEX[name] for name in ("glucose", "insulin", "ffa"))
    control, without = morning(record, [], MORNING)
    treated, with_gh = morning(record, evenings(880, 1), MORNING)
    blocked = record.copy()
    blocked["acipimox"] = 0.8
    relieved = clamp(blocked, Course(blocked, state, np.array([MORNING]), evenings(880, 1), start=0.0).y[:, 0], 40, 2.0,
                     start=MORNING)  # fmt: skip
    uptake = without["uptake"][0, -1]
    found = {
        "segerlantz_insulin": 100 * float(treated[insulin] / control[insulin] - 1),
        "segerlantz_rd": 100 * float(with_gh["uptake"][0, -1] / uptake - 1),
        "segerlantz_rd_acipimox": 100 * float(relieved["uptake"][0, -1] / uptake - 1),
    }
    dose = 9.6 * float(record["weight"][0])
    moving = scripted_igf1(record, 2.5)
    for weeks in (1, 26):
        at = 168.0 * weeks + 7
        rest, own = morning(record, meals(7 * weeks), at)
        changed, during = morning(moving, meals(7 * weeks) + evenings(dose, 7 * weeks), at)
        m = last(during["glucose_requirement"])[0] / last(own["glucose_requirement"])[0]
        found[f"bramnert_{weeks}"] = 100 * float(m - 1)
        if weeks == 1:
            found |= {
                "oneal_glucose": float(changed[glucose] - rest[glucose]),
                "oneal_insulin": 100 * float(changed[insulin] / rest[insulin] - 1),
                "oneal_ffa": 100 * float(changed[ffa] / rest[ffa] - 1),
            }
    return found


def obese() -> dict[str, float]:
    record = records("obese")
    full, pulses = block(("obese",)), block(("obese",), meals=False)
    state = run_in(record, full)
    found: dict[str, float] = {}
    # 0.5 mg/m2/d iv for 3 days on top of the own pulses: constant, or 15/15/15/55 % at 07, 13, 18, 24 h
    dose = 500 * float(np.sqrt(record["weight"][0] * 1.75 / 36)) / OBESE_CLEARANCE
    times = 67.0 + np.arange(721) * MINUTE  # 19:00 to 07:00 of the third night
    own = Course(record, state, times, None, full, 0.0)
    ways: dict[str, Rows] = {
        "continuous": [(0.0, "gh_infusion", dose / 24)],
        "pulsatile": [(24.0 * day + t, "gh", share * dose / VOLUME) for day in range(4)
                      for t, share in ((7, 0.15), (13, 0.15), (18, 0.15), (24, 0.55)) if 24 * day + t < 79],
    }  # fmt: skip
    found["surya_sens_own"] = float(own["sens_muscle"][0, -1])
    for name, rows in ways.items():
        course = Course(record, state, times, rows, full, 0.0)
        found[f"surya_{name}"] = float(course["lipolysis"].mean() / own["lipolysis"].mean())
        found[f"surya_sens_{name}"] = float(course["sens_muscle"][0, -1])
    moving = scripted_igf1(record, 2.1)
    vat, sat = (basal.STATE_INDEX[name] for name in ("vat", "sat"))
    baseline = 0.0
    for weeks in (0, 1, 6, 39):
        at = 168.0 * weeks + 14  # 14:00, 17 h after the last dose
        who = moving if weeks else record
        y = Course(who, state, np.array([at]), evenings(950 / OBESE_CLEARANCE, 7 * weeks), full, 0.0).y[:, 0]
        m = float(last(clamp(who, y, 40, 3.0, events=pulses, start=at)["glucose_requirement"])[0])
        baseline = baseline or m
        found[f"johannsson_m_{weeks}"] = 100 * (m / baseline - 1)
    found["johannsson_vat"] = 100 * float(y[0, vat] / record["vat0"][0] - 1)
    found["johannsson_sat"] = 100 * float(y[0, sat] / record["sat0"][0] - 1)
    return found


def values() -> dict[str, float]:
    return meal_day_and_tests() | lipid_and_igf1() | gh_and_ffa() | clamps_with_gh() | deficient() | obese()


if __name__ == "__main__":
    print(markdown(load("metabolism"), values()))
