"""The fasting basal state in closed form (metabolism, section 7.5), vectorised over patients.

The patient's own fasting glucose, insulin, FFA and glucose production are inputs; the constants that hold them there
are computed.  `engine.patients.run_in` then replaces the means of the GH chain by those of the patient's own pulse
train.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats, Record
from pulsatile.engine.states import REST, STATES

START_GH = 0.1
"""Plasma GH at the start, ug/L: a trough (axis, section 3)."""


def constant_gh_means(record: Record, gh: npt.ArrayLike) -> None:
    """Fill ``lipolytic0``, ``socs0`` and ``p85_0`` for a constant plasma GH (ug/L); step 1 of metabolism 7.5."""
    g = np.asarray(gh, np.float64)
    socs = g / (record["socs_gh_half"] + g)
    g2 = (g / record["lipolysis_gh_half"]) ** 2
    record["socs0"] = socs
    record["p85_0"] = socs / (record["p85_half"] + socs)
    record["lipolytic0"] = g2 / (1 + g2) / (1 + socs / record["lipolysis_desensitising"])


def set_basal(record: Record) -> None:
    """Fill the derived fields of ``record`` (n,) in place from its patient fields and GH-chain means.

    Fills ``sens_*_ref``, ``egp_max``, ``k_mass_action``, ``isr_basal``, ``isr_max``, ``lipolysis_basal``,
    ``insulin_ref``, ``ffa_ref`` and ``igf1_ref``.  `feasible` says for which patients the state exists.
    """
    r = record
    glucose, insulin, ffa = r["glucose_basal"], r["insulin_basal"], r["ffa_basal"]
    z = (ffa + r["socs_antagonist"] * r["socs0"]) / r["ffa_standard"]
    # step 2: body composition and IGF-1 at their own reference drop out
    r["sens_muscle_ref"] = (
        (1 + r["antagonist_muscle"]) / ((1 + r["antagonist_muscle"] * z) * (1 + r["p85_muscle"] * r["p85_0"]))
    )  # fmt: skip
    r["sens_liver_ref"] = (1 + r["antagonist_liver"]) / (
        (1 + r["antagonist_liver"] * z) * (1 + r["p85_liver"] * r["p85_0"]) * (1 + r["socs_liver"] * r["socs0"])
    )
    r["egp_max"] = r["egp_basal"] * (1 + (r["sens_liver0"] * insulin / r["egp_half"]) ** 2)
    r["k_mass_action"] = (r["egp_basal"] - _uptake_without_mass_action(r)) / glucose
    extraction = r["hepatic_extraction"] / (1 + 1 / r["extraction_half"])
    r["isr_basal"] = r["k_insulin"] * insulin * r["v_insulin"] / (1 - extraction)
    r["isr_max"] = r["isr_basal"] * (glucose**4 + r["beta_half"] ** 4) / glucose**4
    suppressed = (r["sens_adipose0"] * insulin / r["lipolysis_half"]) ** 2
    share = r["lipolysis_min"] + (1 - r["lipolysis_min"]) / (1 + suppressed)
    r["lipolysis_basal"] = r["k_ffa"] * ffa / (share * (1 + r["lipolysis_gain"] * r["lipolytic0"]))
    r["insulin_ref"] = insulin
    r["ffa_ref"] = ffa
    r["igf1_ref"] = r["igf1_target"]


def _uptake_without_mass_action(r: Record) -> Floats:
    """Return the fasting glucose uptake (mmol/kg/min) of brain, kidney, muscle and fat."""
    glucose = r["glucose_basal"]
    by_glucose = (
        glucose / (r["glucose_half"] + glucose) * (r["glucose_half"] + r["glucose_standard"]) / r["glucose_standard"]
    )
    x = r["sens_muscle0"] * r["insulin_basal"]
    insulin_dependent = r["uptake_gain"] * x / (1 + x / r["uptake_half"]) * by_glucose
    above = glucose - r["renal_threshold"]
    renal = r["renal_slope"] * (above + np.sqrt(above * above + r["renal_smoothing"] ** 2)) / 2
    uptake: Floats = r["brain_uptake"] * glucose / (r["brain_half"] + glucose) + insulin_dependent + renal
    return uptake


def feasible(record: Record) -> npt.NDArray[np.bool_]:
    """Return which patients have a fasting state after `set_basal`: mass-action uptake is positive (7.5, step 4)."""
    mask: npt.NDArray[np.bool_] = record["k_mass_action"] > 0
    return mask


def fasting_state(record: Record) -> Floats:
    """Return the fasting state (n, len(STATES)) in the order of `states.STATES`; needs `set_basal`.

    Metabolism is at exact equilibrium for the GH-chain means of ``record``; the axis starts at rest, at a GH trough.
    """
    r = record
    start: dict[str, Any] = dict(REST)
    start.update(
        drive=0.0,
        sst=r["sst_basal"] * r["c_sst"] * (1 + r["gh_on_sst"] * START_GH / (r["gh_on_sst_half"] + START_GH)),
        gh_store=r["store_max"],
        ghrh_receptor=1.0,
        ghs_receptor=1.0,
        gh=START_GH,
        gh_signal=START_GH / (r["igf1_gh_half"] + START_GH),
        igf1=r["igf1_target"],
        stomach=0.0,
        gut=0.0,
        glucose=r["glucose_basal"],
        insulin_action=r["insulin_basal"],
        insulin=r["insulin_basal"],
        secretion=r["isr_basal"],
        ffa=r["ffa_basal"],
        antagonist=r["ffa_basal"] + r["socs_antagonist"] * r["socs0"],
        lipolysis_delay=r["lipolytic0"],
        lipolysis_drive=r["lipolytic0"],
        socs=r["socs0"],
        p85=r["p85_0"],
        vat=r["vat0"],
        sat=r["sat0"],
        lean=r["lean0"],
    )
    state = np.full((len(record), len(STATES)), np.nan)
    for i, name in enumerate(STATES):
        state[:, i] = start[name]  # KeyError for a state of the table without a start
    return state
