"""THE EQUATIONS of the GH - FFA - IGF-1 - insulin system.  The only physiology in the project.

Time in hours.  Metabolism is written as published, per minute and per kg body weight, and converted once, in the
balances (``minutes_per_hour``).  Papers: see ``references.bib``; the text follows the axis and metabolism documents.

::

    pulses -> drive -+                            +-> socs -> p85 ----------+
                     v                            |                         v
    GHRH analogues-> release of GH store -> gh ---+-> lipolysis -> ffa -> antagonist -> insulin sensitivity
    ghrelin agonists-^  ^      ^    somatropin ^  |        |                         (muscle, liver, fat)
                     sst+      |                  |        +-> vat, sat                     |
    igf1 feedback -------------+                  +-> gh_signal -> igf1 -> lean             v
                                                                      glucose <-> insulin <-> ffa

States with unit, size and meaning: the table of `engine.states`; parameters: that of `engine.parameters`.

Both functions are plain scalar text without branches: ``y`` and ``p`` hold floats, SIMD lanes, arrays, pint
quantities or sympy symbols alike.  ``exp``, ``floor`` and ``sqrt`` are looked up in this module's globals.
"""

from math import exp, floor, sqrt
from typing import Any

from pulsatile.engine.parameters import record_type
from pulsatile.engine.states import State

FLUX_UNITS = {
    # axis
    "ghrh_analogue": "1",
    "ghs_analogue": "1",
    "ghs_loss": "1/h",
    "ghs_occupancy": "1",
    "ghrh_occupancy": "1",
    "gh_secretion": "ug/h",
    "gh_clearance": "1/h",
    "sst_target": "1",
    "gh_saturation_signal": "1",
    # tissue sensitivities, 1 at the own reference state
    "sens_muscle": "1",
    "sens_liver": "1",
    "sens_adipose": "1",
    # fluxes of metabolism, per minute and kg
    "meal_appearance": "mmol/kg/min",
    "egp": "mmol/kg/min",
    "uptake_muscle": "mmol/kg/min",
    "uptake_adipose": "mmol/kg/min",
    "uptake_independent": "mmol/kg/min",
    "glucose_requirement": "mmol/kg/min",
    "glucose_rate": "mmol/L/min",
    "secretion_target": "pmol/kg/min",
    "isr": "pmol/kg/min",
    "extraction": "1",
    "lipolysis_signal": "1",
    "lipolysis": "mmol/L/min",
    "p85_target": "1",
}
Fluxes = record_type("Fluxes", tuple(FLUX_UNITS))


def fluxes(t: Any, y: Any, p: Any) -> Any:
    """Evaluate every named flux at time ``t`` (h), state ``y`` (`State`) and parameters ``p`` (`Parameters`).

    Time may enter through the hour of the day alone: mixed precision hands over no more than that.
    """
    # --- pituitary: axis section 2 ---
    u = y.effect_ghrh_a + y.effect_ghrh_b + p.ghrh_drive
    s_a = p.potency_ghs_a * y.central_ghs_a
    s_b = p.potency_ghs_b * y.central_ghs_b
    s_all = s_a + s_b + p.ghs_drive
    s = y.ghs_tolerance * s_all
    # E_S of therapies section 2 times the loss rate of each drug; 0 without ghrelin agonist
    ghs_loss = y.ghs_tolerance * (p.k_tolerance_ghs_a * s_a + p.k_tolerance_ghs_b * s_b) / (1 + s_all)
    x_s = y.ghs_receptor * (p.ghrelin_tone + s) / (1 + p.ghrelin_tone + s)
    h4 = (p.hypo_half * p.hypo_half) * (p.hypo_half * p.hypo_half)
    g4 = (y.glucose * y.glucose) * (y.glucose * y.glucose)
    hypo = h4 / (h4 + g4)
    ghrh = p.ghrh_tone + y.drive + p.ghs_on_ghrh * x_s + u + p.hypo_drive * hypo * hypo
    x_h = ghrh * ghrh / (1 + ghrh * ghrh)
    sst_effective = (y.sst + p.sst_added) / ((1 + p.sst_relief * y.drive) * (1 + p.ghs_anti_sst * x_s))
    igf1_ratio = p.igf1_factor * y.igf1 / p.igf1_ref
    by_igf1 = (1 + p.igf1_feedback) / (1 + p.igf1_feedback * igf1_ratio * igf1_ratio)
    i = y.insulin / p.insulin_on_gh_half
    i_ref = p.insulin_ref / p.insulin_on_gh_half
    f = y.ffa / p.ffa_on_gh_half
    f_ref = p.ffa_ref / p.ffa_on_gh_half
    by_metabolism = (1 + i_ref * i_ref) * (1 + f_ref * f_ref) / ((1 + i * i) * (1 + f * f))
    gh_secretion = (
        p.k_release * y.gh_store * y.ghrh_receptor * x_h / (1 + sst_effective) * by_igf1 * by_metabolism * p.c_secretion
    )
    gh_clearance = p.k_gh + p.k_gh_saturable / (1 + y.gh / p.gh_saturation)
    from_night = t - p.sst_night_time
    from_night = (from_night - p.day * floor(from_night / p.day + 1 / 2)) / p.sst_night_width
    clock = 1 - (1 - p.sst_night) * exp(-from_night * from_night / 2)
    sst_target = p.sst_factor * p.sst_basal * p.c_sst * clock * (1 + p.gh_on_sst * y.gh / (p.gh_on_sst_half + y.gh))
    gh_saturation_signal = y.gh / (p.igf1_gh_half + y.gh)

    # --- tissue sensitivities: metabolism 7.2 ---
    v = (p.vat0 - y.vat) / p.vat0 / p.vat_saturation
    by_vat = 1 + p.vat_sensitivity * p.vat_saturation * v / sqrt(1 + v * v)
    by_igf1_muscle = 1 + p.igf1_sensitising * 2 * (y.igf1 - p.igf1_target) / (y.igf1 + p.igf1_target)
    z = y.antagonist / p.ffa_standard
    muscle = (
        by_vat * by_igf1_muscle * (1 + p.antagonist_muscle)
        / ((1 + p.antagonist_muscle * z) * (1 + p.p85_muscle * y.p85))
    )  # fmt: skip
    liver = (
        by_vat * (1 + p.antagonist_liver)
        / ((1 + p.antagonist_liver * z) * (1 + p.p85_liver * y.p85) * (1 + p.socs_liver * y.socs))
    )  # fmt: skip
    sens_muscle = muscle / p.sens_muscle_ref
    sens_liver = liver / p.sens_liver_ref
    sens_adipose = (1 + p.p85_adipose * p.p85_0) / (1 + p.p85_adipose * y.p85)

    # --- glucose: metabolism 7.3 ---
    meal_appearance = p.meal_fraction * p.k_absorption * y.gut / p.weight
    igf1_excess = p.igf1_insulin * (y.igf1 - p.igf1_target)
    x_periphery = y.insulin_action + igf1_excess
    x_liver = y.insulin_action + p.igf1_on_egp * igf1_excess
    xl = p.sens_liver0 * sens_liver * x_liver / p.egp_half
    gr = y.glucose / p.glucose_basal
    egp = p.egp_max / (1 + xl * xl) * (1 + p.glucose_on_egp) / (1 + p.glucose_on_egp * gr * gr)
    by_glucose = (
        y.glucose / (p.glucose_half + y.glucose) * (p.glucose_half + p.glucose_standard) / p.glucose_standard
    )  # fmt: skip
    xm = p.sens_muscle0 * sens_muscle * x_periphery
    uptake_muscle = (
        (1 - p.adipose_share) * p.uptake_gain * xm / (1 + xm / p.uptake_half) * by_glucose * (y.lean / p.lean0)
    )
    xa = p.sens_muscle0 * sens_adipose * x_periphery
    uptake_adipose = p.adipose_share * p.uptake_gain * xa / (1 + xa / p.uptake_half) * by_glucose
    above = y.glucose - p.renal_threshold
    renal = p.renal_slope * (above + sqrt(above * above + p.renal_smoothing * p.renal_smoothing)) / 2
    uptake_independent = p.brain_uptake * y.glucose / (p.brain_half + y.glucose) + p.k_mass_action * y.glucose + renal
    glucose_requirement = uptake_independent + uptake_muscle + uptake_adipose - egp - meal_appearance
    glucose_rate = (1 - p.glucose_clamp) * (p.glucose_infusion - glucose_requirement) / p.v_glucose

    # --- insulin: metabolism 7.3 ---
    eps = p.derivative_smoothing
    rise = (glucose_rate + sqrt(glucose_rate * glucose_rate + eps * eps) - eps) / 2
    k4 = (p.beta_half * p.beta_half) * (p.beta_half * p.beta_half)
    static = p.beta_capacity * p.isr_max * g4 / (g4 + k4) + (1 - p.beta_capacity) * p.isr_basal
    incretin = 1 + p.incretin_gain * meal_appearance / (meal_appearance + p.incretin_half)
    compensation = 1 + p.beta_compensation * (1 / sens_muscle - 1)
    secretion_target = static * incretin * compensation
    isr = y.secretion + p.beta_dynamic * p.isr_basal * rise / (1 + rise / p.derivative_saturation)
    extraction = p.hepatic_extraction / (1 + isr / (p.extraction_half * p.isr_basal))

    # --- fat: metabolism 7.3, 7.4 ---
    xf = p.sens_adipose0 * sens_adipose * x_liver / p.lipolysis_half
    gl = y.gh / p.lipolysis_gh_half
    lipolysis_signal = gl * gl / (1 + gl * gl) / (1 + y.socs / p.lipolysis_desensitising)
    fat = (y.sat + p.vat_mass * y.vat) / (p.sat0 + p.vat_mass * p.vat0)
    lipolysis = (
        p.lipolysis_basal * (p.lipolysis_min + (1 - p.lipolysis_min) / (1 + xf * xf))
        * (1 + p.lipolysis_gain * y.lipolysis_drive) * fat * (1 - p.acipimox)
    )  # fmt: skip
    p85_target = y.socs / (p.p85_half + y.socs)

    return Fluxes(
        ghrh_analogue=u,
        ghs_analogue=s,
        ghs_loss=ghs_loss,
        ghs_occupancy=x_s,
        ghrh_occupancy=x_h,
        gh_secretion=gh_secretion,
        gh_clearance=gh_clearance,
        sst_target=sst_target,
        gh_saturation_signal=gh_saturation_signal,
        sens_muscle=sens_muscle,
        sens_liver=sens_liver,
        sens_adipose=sens_adipose,
        meal_appearance=meal_appearance,
        egp=egp,
        uptake_muscle=uptake_muscle,
        uptake_adipose=uptake_adipose,
        uptake_independent=uptake_independent,
        glucose_requirement=glucose_requirement,
        glucose_rate=glucose_rate,
        secretion_target=secretion_target,
        isr=isr,
        extraction=extraction,
        lipolysis_signal=lipolysis_signal,
        lipolysis=lipolysis,
        p85_target=p85_target,
    )


def balances(y: Any, p: Any, f: Any) -> Any:
    """Return dy/dt (`State`, per hour) from the fluxes ``f`` at state ``y``."""
    m = p.minutes_per_hour
    frozen = p.body_changes
    igf1_shift = 2 * (y.igf1 - p.igf1_target) / (y.igf1 + p.igf1_target)
    d_lipolysis = y.lipolysis_drive - p.lipolytic0
    d_socs = y.socs - p.socs0
    return State(
        # axis section 2
        drive=-p.k_drive * y.drive,
        sst=p.k_sst * (f.sst_target - y.sst),
        gh_store=p.k_store * (p.store_max - y.gh_store) - f.gh_secretion,
        ghrh_receptor=p.k_ghrhr_recovery * (1 - y.ghrh_receptor) - p.k_ghrhr_loss * f.ghrh_occupancy * y.ghrh_receptor,
        ghs_receptor=p.k_ghsr_recovery * (1 - y.ghs_receptor) - p.k_ghsr_loss * f.ghs_occupancy * y.ghs_receptor,
        gh=(f.gh_secretion + p.gh_leak * p.c_secretion + p.gh_infusion + p.ka_gh * y.gh_depot_2) / p.v_gh
        - f.gh_clearance * y.gh,
        gh_signal=p.k_signal * (f.gh_saturation_signal - y.gh_signal),
        igf1=frozen * (p.igf1_base + p.igf1_emax * p.c_igf1 * y.gh_signal - p.k_igf1 * y.igf1),
        # metabolism 7.3
        stomach=-m * p.k_gastric * y.stomach,
        gut=m * (p.k_gastric * y.stomach - p.k_absorption * y.gut),
        glucose=m * f.glucose_rate,
        insulin_action=m * p.k_remote * (y.insulin - y.insulin_action),
        insulin=m * ((f.isr * (1 - f.extraction) + p.insulin_infusion) / p.v_insulin - p.k_insulin * y.insulin),
        secretion=m * p.k_secretion * (f.secretion_target - y.secretion),
        ffa=m * (f.lipolysis + p.lipid_infusion - p.k_ffa * y.ffa),
        antagonist=m * p.k_antagonist * (y.ffa + p.socs_antagonist * y.socs - y.antagonist),
        lipolysis_delay=m * p.k_lipolysis_1 * (f.lipolysis_signal - y.lipolysis_delay),
        lipolysis_drive=m * p.k_lipolysis_2 * (y.lipolysis_delay - y.lipolysis_drive),
        socs=m * p.k_socs * (y.gh / (p.socs_gh_half + y.gh) - y.socs),
        # metabolism 7.4
        p85=m * p.k_p85 * (f.p85_target - y.p85),
        vat=frozen * m * p.k_vat * (p.vat0 - (1 + p.vat_lipolysis * d_lipolysis + p.vat_socs * d_socs) * y.vat),
        sat=frozen * m * p.k_sat * (p.sat0 - (1 + p.sat_lipolysis * d_lipolysis + p.sat_socs * d_socs) * y.sat),
        lean=frozen * m * p.k_lean * (p.lean0 * (1 + p.lean_gain * igf1_shift) - y.lean),
        # drugs, therapies section 2
        ghs_tolerance=p.k_tolerance_recovery * (1 - y.ghs_tolerance) - f.ghs_loss * y.ghs_tolerance,
        gh_depot_1=p.gh_pump - p.ka_gh * y.gh_depot_1,
        gh_depot_2=p.ka_gh * (y.gh_depot_1 - y.gh_depot_2),
        depot_ghrh_a=-p.ka_ghrh_a * y.depot_ghrh_a,
        central_ghrh_a=p.ka_ghrh_a * y.depot_ghrh_a + p.rate_ghrh_a - p.k_el_ghrh_a * y.central_ghrh_a,
        effect_ghrh_a=p.ke_ghrh_a * (p.potency_ghrh_a * y.central_ghrh_a - y.effect_ghrh_a),
        depot_ghrh_b=-p.ka_ghrh_b * y.depot_ghrh_b,
        central_ghrh_b=p.ka_ghrh_b * y.depot_ghrh_b + p.rate_ghrh_b - p.k_el_ghrh_b * y.central_ghrh_b,
        effect_ghrh_b=p.ke_ghrh_b * (p.potency_ghrh_b * y.central_ghrh_b - y.effect_ghrh_b),
        depot_ghs_a=-p.ka_ghs_a * y.depot_ghs_a,
        central_ghs_a=p.ka_ghs_a * y.depot_ghs_a + p.rate_ghs_a - p.k_el_ghs_a * y.central_ghs_a,
        depot_ghs_b=-p.ka_ghs_b * y.depot_ghs_b,
        central_ghs_b=p.ka_ghs_b * y.depot_ghs_b + p.rate_ghs_b - p.k_el_ghs_b * y.central_ghs_b,
    )


def rhs(t: Any, y: Any, p: Any) -> Any:
    """Return dy/dt (`State`, per hour) at time ``t`` (h), state ``y`` (`State`), parameters ``p`` (`Parameters`)."""
    return balances(y, p, fluxes(t, y, p))
