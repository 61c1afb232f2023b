"""A patient with a closed-form solution: the typical patient of the table with some couplings cut.

* GH, metabolism, body composition and receptors are at steady state, all fluxes in balance.
* The somatostatin tone follows the clock: a Gaussian dip every night, through a first-order delay.
* Pulse drive, stomach, gut and the drugs' depots, plasma and effect sites are first-order chains without effect on
  other states; the tone's target may be scaled (``sst_factor``).

Rates are those of the table but for two, which keep the steps of the chains below the stability limit of the states at
rest, where rounding would grow to a few tolerances.
"""

from collections.abc import Sequence
from math import erfc, pi, prod, sqrt

import numpy as np

from pulsatile.engine.arrays import Floats, Record
from pulsatile.engine.parameters import GHRH_SLOTS, SLOTS, typical
from pulsatile.engine.patients.basal import constant_gh_means, fasting_state, set_basal
from pulsatile.engine.states import STATE_INDEX, STATES

GH, PUMP = 2.0, 5.0  # ug/L; ug/h through the depots of somatropin where those are integrated

CUT = {
    "meal_fraction": 0.0,  # no meal reaches the blood
    "ghrh_tone": 1e4,  # release is all but saturated: neither pulses nor drugs add to it,
    "ghs_anti_sst": 1e14,  # nor does somatostatin brake it;
    "k_release": 0.02,  # so let it be slow
    "k_ffa": 0.05,  # of 0.2, and
    "k_insulin": 0.05,  # of 0.13: see above
    "sst_night_width": 2.5,  # of 3: less of a kink where one night's dip gives way to the next's, at 15:00
    **{f"potency_{slot}": 0.01 for slot in GHRH_SLOTS},
}
"""Parameters that differ from the typical patient's; `patient` derives the others."""

Event = tuple[float, str, float]
"""Hour; state or input; size of the jump, or the input's excess over its usual value from then on."""


def patient(groups: Sequence[str]) -> tuple[Record, Floats]:
    """Return the parameters (1,) and the state at rest (1, states) for a kernel of these drug ``groups``."""
    r = typical()
    for name, value in CUT.items():
        r[name] = value
    constant_gh_means(r, GH)
    set_basal(r)
    # receptors and store: what is lost equals what comes back
    occupied = r["ghrelin_tone"] / (1 + r["ghrelin_tone"])  # by ghrelin, per available receptor
    loss = 4 * r["k_ghsr_loss"] / r["k_ghsr_recovery"] * occupied
    ghs_receptor = 2 / loss * (np.sqrt(1 + loss) - 1)
    ghrh = r["ghrh_tone"] + r["ghs_on_ghrh"] * occupied * ghs_receptor
    drive = ghrh**2 / (1 + ghrh**2)
    ghrh_receptor = 1 / (1 + r["k_ghrhr_loss"] / r["k_ghrhr_recovery"] * drive)
    release = r["k_release"] * ghrh_receptor * drive
    gh_store = r["store_max"] / (1 + release / r["k_store"])
    # GH and IGF-1: what comes in equals what is cleared
    r["gh_pump"] = PUMP if "gh_depot" in groups else 0.0
    cleared = (r["k_gh"] + r["k_gh_saturable"] / (1 + GH / r["gh_saturation"])) * GH * r["v_gh"]
    r["gh_infusion"] = cleared - release * gh_store - r["gh_leak"] - r["gh_pump"]
    gh_signal = GH / (r["igf1_gh_half"] + GH)
    r["igf1_emax"] = (r["k_igf1"] * r["igf1_target"] - r["igf1_base"]) / gh_signal
    y = fasting_state(r)
    for name, value in {
        "ghs_receptor": ghs_receptor, "ghrh_receptor": ghrh_receptor, "gh_store": gh_store, "gh": GH,
        "gh_signal": gh_signal, "gh_depot_1": r["gh_pump"] / r["ka_gh"], "gh_depot_2": r["gh_pump"] / r["ka_gh"],
    }.items():  # fmt: skip
        y[:, STATE_INDEX[name]] = value
    return r, y


def tone(record: Record, hours: Floats) -> Floats:
    """Return the somatostatin tone (m,) at ``hours`` for factor 1: the clock of axis section 2 after its delay."""
    k, width, day = (float(record[name][0]) for name in ("k_sst", "sst_night_width", "day"))
    half = day / 2

    def delayed(x: Floats) -> Floats:
        """Integral of k exp(-k (x - u)) exp(-u**2 / (2 width**2)) over u from -half to x."""
        upper, lower = ([erfc((k * width**2 - u) / (width * sqrt(2))) for u in us] for us in (x, [-half]))
        return k * width * sqrt(pi / 2) * np.exp((k * width) ** 2 / 2 - k * x) * (np.array(upper) - lower)

    x = (hours - record["sst_night_time"] + half) % day - half
    carried = delayed(np.array([half])) / (1 - np.exp(-k * day))  # remainder of the earlier nights
    dip = (1 - record["sst_night"]) * (delayed(x) + carried * np.exp(-k * (x + half)))
    usual = record["sst_basal"] * record["c_sst"] * (1 + record["gh_on_sst"] * GH / (record["gh_on_sst_half"] + GH))
    return np.asarray(usual * (1 - dip))


def moved(record: Record, events: Sequence[Event], times: Floats, since: Floats) -> Floats:
    """Return the change (m, states) of the states at ``times`` due to ``events``; those of an input in order of time.

    ``since`` (m, events) is the time after each event, h; an event has no effect where it is 0 or less.
    """
    added = np.zeros((len(times), len(STATES)))
    for name in dict.fromkeys(event[1] for event in events):
        rows = [i for i, event in enumerate(events) if event[1] == name]
        size = np.array([events[i][2] for i in rows])
        if name not in STATE_INDEX:  # an input is set, not raised
            size = np.diff(size, prepend=0.0)
        hours = np.maximum(since[:, rows], 0.0)
        if name == "sst_factor":
            faded = tone(record, np.array([events[i][0] for i in rows])) * np.exp(-record["k_sst"] * hours)
            added[:, STATE_INDEX["sst"]] += np.where(hours > 0, tone(record, times)[:, None] - faded, 0.0) @ size
            continue
        chain = _chain(record, name)
        for j, (stage, _, _) in enumerate(chain):
            if stage in STATE_INDEX:
                amount = _last([loss for _, loss, _ in chain[: j + 1]], hours) * prod(part for *_, part in chain[:j])
                added[:, STATE_INDEX[stage]] += np.where(hours > 0, amount, 0.0) @ size
    return added


def _chain(record: Record, name: str) -> list[tuple[str, float, float]]:
    """Return the stages that an event of ``name`` passes: state, rate of loss, rate of transfer to the next."""

    def of(field: str) -> float:
        return float(record[field][0])

    stage, _, slot = name.partition("_")
    if name == "drive":
        return [(name, of("k_drive"), 0.0)]
    if name == "stomach":
        gastric, absorption = of("minutes_per_hour") * of("k_gastric"), of("minutes_per_hour") * of("k_absorption")
        return [(name, gastric, gastric), ("gut", absorption, 0.0)]
    if slot not in SLOTS:
        raise KeyError(name)
    if slot in GHRH_SLOTS:
        effect = of(f"ke_{slot}")
        plasma = [
            (f"central_{slot}", of(f"k_el_{slot}"), effect * of(f"potency_{slot}")),
            (f"effect_{slot}", effect, 0.0),
        ]
    else:
        plasma = [(f"central_{slot}", of(f"k_el_{slot}"), 0.0)]
    ka = of(f"ka_{slot}")  # an infusion is a depot that loses nothing
    return {"depot": [(name, ka, ka)], "rate": [(name, 0.0, 1.0)], "central": []}[stage] + plasma


def _last(rates: list[float], hours: Floats) -> Floats:
    """Return the last stage of a chain with loss ``rates``, all different, ``hours`` after 1 unit enters the first.

    The result is in units of the product of the transfer rates.
    """
    return np.asarray(sum(np.exp(-k * hours) / prod(rate - k for rate in rates if rate != k) for k in rates))
