"""GH on metabolism against metabolism.md section 9: boluses, clamps, hypopituitary and obese adults on GH.

GH is scripted as in ``tests.whole.published.metabolism``; subcutaneous GH enters through one absorption
step (ka 0.004 /min, F 0.6, V 7 L; clearance x1.5 in obesity) and IGF-1 goes to a scripted multiple of its reference.
Doses, background GH and clock times that the prototype's document does not print were chosen here, in the range of the
studies, so that the prototype's figures are met; the table names them. Tesamorelin rows:
``tests.whole.published.coupled``.
"""

import numpy as np

from pulsatile.engine.arrays import Floats, Record
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.meals import MMOL_PER_GRAM
from pulsatile.engine.states import STATE_INDEX
from tests.whole.published.metabolism import (
    LOSS,
    MEALS,
    MORNING,
    VOLUME,
    at_constant_gh,
    block,
    clamp,
    last,
    records,
    run_in,
)
from tests.whole.published.rows import load, markdown
from tests.whole.published.trial import MINUTE, Course, Rows

AVAILABLE = 0.6
OBESE_CLEARANCE = 1.5
FASTING_GH = 0.3  # ug/L, background of the clamps with GH [assumed: daytime trough of fasting men]
DEFICIENT_GH = 0.05  # ug/L, of hypopituitary adults [assumed]


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
    return [(24.0 * day + t, "stomach", MMOL_PER_GRAM * grams) for day in range(days) for t, grams in MEALS]


def evenings(dose: float, days: int) -> Rows:
    """Subcutaneous GH at 21:00, ``dose`` in ug."""
    return [(24.0 * day + 21, "gh_depot_2", AVAILABLE * dose) for day in range(days)]


def deficient() -> dict[str, float]:
    record, state = at_constant_gh(records("ghd"), DEFICIENT_GH)

    def morning(who: Record, rows: Rows, at: float) -> tuple[Floats, Course]:
        rest = Course(who, state, np.array([at]), [row for row in rows if row[0] < at], start=0.0)
        return rest.y[0, 0], clamp(who, rest.y[:, 0], 40, 2.0, start=at)

    glucose, insulin, ffa = (STATE_INDEX[name] for name in ("glucose", "insulin", "ffa"))
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
    vat, sat = (STATE_INDEX[name] for name in ("vat", "sat"))
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
    return gh_and_ffa() | clamps_with_gh() | deficient() | obese()


if __name__ == "__main__":
    print(markdown(load("gh_on_metabolism"), values()))
