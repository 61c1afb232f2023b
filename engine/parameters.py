"""THE TABLE: every number of the model with unit, range, between-subject variability, meaning and source.

Kinds of rows
-------------
``constant``  the same for everybody unless a sweep changes it, or varied between patients by its ``cv``
``patient``   an individual's own basal state, body and covariate factors (sampled in `engine.patients.cohort`)
``derived``   computed per patient: closed-form basal (`engine.patients.basal`) and run-in (`engine.patients.run_in`); never sampled
``drug``      the pharmacokinetics of whatever drug an arm puts into a slot (`engine.drugs.dosing`)

Units: axis rows in hours, metabolism rows in minutes as published (the right-hand side converts once, by
``minutes_per_hour``); amounts of drug in ug.  "1" is dimensionless; the units of the pituitary drive D, of the
somatostatin tone S and of receptor availability are arbitrary by construction of the source model.

Sources: a row begins with a key of ``references.bib``, or with how its number came about and a colon: "published" (in
a study that only the document names), "fitted", "assumed", "computed" or "definition".  The place in the model
documents (``docs/model/``) follows in one form: "axis, section 2", "metabolism, section 7.7", "axis, constraint C1"
or, by a heading, "overview, Re-tune".
"""

from collections import namedtuple
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Parameter(NamedTuple):
    """One row of the table."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    cv: float
    meaning: str
    source: str
    kind: str = "constant"


GHRH_SLOTS = ("ghrh_a", "ghrh_b")
GHS_SLOTS = ("ghs_a", "ghs_b")
SLOTS = GHRH_SLOTS + GHS_SLOTS

# fmt: off
_CLOCK = (
#             name               value   unit      low     high    cv    meaning                                              source
    Parameter("minutes_per_hour", 60.0,  "min/h",  60.0,   60.0,   0.0,  "minutes in an hour",                                "definition: SI"),
    Parameter("day",             24.0,   "h",      24.0,   24.0,   0.0,  "period of the clock",                               "definition: SI"),
    Parameter("sst_night_time",   3.0,   "h",       0.0,    6.0,   0.0,  "clock time of the nightly somatostatin minimum",    "assumed: axis, section 2"),
    Parameter("sst_night_width",  3.0,   "h",       2.0,    4.0,   0.0,  "width (SD) of the nightly somatostatin minimum",    "assumed: axis, section 2"),
)

_PULSES = (
    Parameter("pulse_rate",      13.0,   "1/day",   8.0,   18.0,   0.12, "mean rate of GH pulses",                            "Hartman1992, axis, constraint C1"),
    Parameter("pulse_shape",      2.5,   "1",       1.5,    4.0,   0.0,  "Weibull shape of the pulse intervals",              "assumed: interval CV 0.43, axis, section 2"),
    Parameter("pulse_size",       0.21,  "1",       0.1,    0.4,   0.30, "median pulse amplitude (units of drive)",           "fitted: mean GH and 35 % day-to-day CV, axis, section 2"),
    Parameter("pulse_size_cv",    0.65,  "1",       0.4,    0.9,   0.0,  "CV of pulse amplitudes within a patient",           "fitted: 35 % day-to-day CV, axis, section 2"),
    Parameter("sleep_gain",       2.2,   "1",       1.0,    4.0,   0.25, "pulse amplitude early in sleep over daytime",       "fitted: night share, overview, Re-tune (2.7 uncoupled)"),
)

_AXIS = (
    Parameter("k_drive",          3.5,   "1/h",     2.0,    6.0,   0.10, "decay of the pulse drive",                          "assumed: bursts of about 20 min, axis, section 2"),
    Parameter("ghrh_tone",        0.016, "1",       0.008,  0.03,  0.30, "tonic endogenous GHRH",                             "fitted: GH trough, axis, section 2"),
    Parameter("sst_relief",       2.3,   "1",       1.0,    5.0,   0.0,  "somatostatin relief per unit pulse drive",          "fitted: pulses under constant GHRH (Ionescu2006), axis, section 2"),
    Parameter("sst_basal",       20.0,   "1",      10.0,   40.0,   0.30, "basal somatostatin tone",                           "fitted: synergy and arginine, axis, section 2"),
    Parameter("sst_night",        0.60,  "1",       0.3,    0.9,   0.0,  "somatostatin factor at its nightly minimum",        "fitted: night share, overview, Re-tune (0.49 uncoupled)"),
    Parameter("k_sst",            1.5,   "1/h",     0.5,    3.0,   0.0,  "somatostatin turnover",                             "fitted: axis, section 2"),
    Parameter("gh_on_sst",        8.5,   "1",       4.0,   16.0,   0.25, "GH short loop on somatostatin",                     "fitted: repeat GHRH, axis, section 2"),
    Parameter("gh_on_sst_half",   3.4,   "ug/L",    1.5,    7.0,   0.0,  "GH for half of the short loop",                     "fitted: repeat GHRH, axis, section 2"),
    Parameter("ghs_on_ghrh",      1.5,   "1",       0.7,    3.0,   0.25, "GHRH release by ghrelin receptor agonism",          "fitted: ghrelin dose-response, axis, section 2"),
    Parameter("ghs_anti_sst",    34.0,   "1",      15.0,   70.0,   0.0,  "somatostatin antagonism by ghrelin agonism",        "fitted: GHRH-GHRP synergy, axis, section 2"),
    Parameter("ghrelin_tone",     0.02,  "1",       0.0,    0.05,  0.0,  "endogenous ghrelin over its EC50",                  "assumed: axis, section 2"),
    Parameter("k_release",       14.0,   "1/h",     7.0,   28.0,   0.0,  "maximal fractional release of the GH store",        "fitted: axis, section 2 (its 40 % CV sits on c_secretion)"),
    Parameter("store_max",     1500.0,   "ug",    700.0, 3000.0,   0.30, "releasable GH store",                               "assumed: largest AUC x clearance, axis, section 2"),
    Parameter("k_store",          0.32,  "1/h",     0.15,   0.7,   0.0,  "refill of the store",                               "assumed: half-life 2.2 h, axis, section 2 (weakly identified, axis, section 5)"),
    Parameter("k_ghrhr_loss",     0.2,   "1/h",     0.1,    0.6,   0.0,  "GHRH receptor loss under full drive",               "fitted: weakly identified, axis, section 2"),
    Parameter("k_ghrhr_recovery", 0.24,  "1/h",     0.1,    0.5,   0.0,  "GHRH receptor recovery",                            "fitted: axis, section 2"),
    Parameter("k_ghsr_loss",      2.7,   "1/h",     1.0,    5.0,   0.0,  "ghrelin receptor loss under full drive",            "fitted: hexarelin twice, axis, section 2"),
    Parameter("k_ghsr_recovery",  0.23,  "1/h",     0.1,    0.5,   0.0,  "ghrelin receptor recovery",                         "fitted: hexarelin twice, axis, section 2"),
    Parameter("k_tolerance_recovery", 0.0052381, "1/h", 0.002, 0.01, 0.0, "recovery from chronic ghrelin tolerance (0.88 per week)", "computed: Rahim1998, therapies, section 2"),
    Parameter("igf1_feedback",    0.39,  "1",       0.2,    0.8,   0.30, "IGF-1 feedback on release",                         "fitted: free IGF-1 x4.5 gives GH x0.16-0.2, axis, section 2"),
    Parameter("gh_leak",          0.34,  "ug/h",    0.15,   0.7,   0.40, "GHRH-independent GH leak",                          "fitted: trough, axis, section 2"),
    Parameter("v_gh",             5.0,   "L",       3.5,    7.0,   0.20, "GH distribution volume (0.071 L/kg x 70 kg)",       "published: 60-78 mL/kg, axis, section 2"),
    Parameter("k_gh",             1.6,   "1/h",     0.8,    3.2,   0.25, "linear GH elimination",                             "computed: half-lives 9/12/15 min of Shah1999 and sc PK, axis, section 2"),
    Parameter("k_gh_saturable",   2.8,   "1/h",     1.4,    5.6,   0.25, "saturable GH elimination",                          "computed: Shah1999, axis, section 2"),
    Parameter("gh_saturation",    2.0,   "ug/L",    1.0,    4.0,   0.0,  "GH at half saturation of elimination",              "computed: Shah1999, axis, section 2"),
    Parameter("ka_gh",            0.33,  "1/h",     0.15,   0.7,   0.35, "each of the two sc GH absorption steps",            "computed: Tmax 4 h, half-life 2.2 h (Liedert2010), axis, section 2"),
    Parameter("f_gh",             0.63,  "1",       0.45,   0.85,  0.15, "sc GH bioavailability",                             "published: 63 +/- 4 %, axis, constraint C11"),
    Parameter("igf1_gh_half",     2.13,  "ug/L",    1.39,   2.88,  0.20, "GH for half of the IGF-1 drive",                    "Papathanasiou2021, axis, constraint C12"),
    Parameter("k_signal",         0.35,  "1/h",     0.15,   0.7,   0.0,  "lag of the hepatic GH signal",                      "assumed: 3 h, axis, section 2"),
    Parameter("k_igf1",           0.0262, "1/h",    0.0218, 0.0306, 0.17, "IGF-1 loss",                                       "Papathanasiou2021, axis, constraint C12"),
    Parameter("insulin_on_gh_half", 103.0, "pmol/L", 50.0, 200.0,  0.25, "insulin for half inhibition of GH release",         "computed: Lanzi1999, axis, section 1"),
    Parameter("ffa_on_gh_half",   0.42,  "mmol/L",  0.2,    0.9,   0.25, "FFA for half inhibition of GH release",             "computed: Lanzi1999, axis, section 1"),
    Parameter("hypo_drive",       0.0,   "1",       0.0,    3.0,   0.0,  "GHRH drive by hypoglycaemia (off by default)",      "assumed: off by default, axis, section 2"),
    Parameter("hypo_half",        2.2,   "mmol/L",  1.5,    3.0,   0.0,  "glucose for half of the hypoglycaemia drive",       "assumed: axis, section 2"),
)

_METABOLISM = (
    Parameter("v_glucose",        0.20,  "L/kg",    0.14,   0.28,  0.10, "glucose distribution volume",                       "DallaMan2007, metabolism, section 7.7"),
    Parameter("meal_fraction",    0.90,  "1",       0.8,    1.0,   0.0,  "bioavailability of meal glucose",                   "DallaMan2007, metabolism, section 7.7"),
    Parameter("k_gastric",        0.010, "1/min",   0.004,  0.025, 0.30, "gastric emptying",                                  "fitted: Ra peak 4-6 mg/kg/min, metabolism, section 7.7"),
    Parameter("k_absorption",     0.040, "1/min",   0.02,   0.08,  0.25, "gut absorption",                                    "DallaMan2007, metabolism, section 7.7"),
    Parameter("brain_uptake",     5.5e-3, "mmol/kg/min", 4e-3, 7e-3, 0.10, "maximal brain and red cell glucose uptake",        "DallaMan2007 (Fcns 1 mg/kg/min), metabolism, section 7.7"),
    Parameter("brain_half",       1.0,   "mmol/L",  0.5,    2.0,   0.0,  "glucose for half of brain uptake",                  "DallaMan2007, metabolism, section 7.7"),
    Parameter("glucose_on_egp",   1.0,   "1",       0.5,    2.0,   0.20, "glucose effect on EGP",                             "fitted: SG 0.02, metabolism, section 7.7"),
    Parameter("igf1_on_egp",      0.3,   "1",       0.1,    0.6,   0.0,  "liver share of the IGF-1 insulin-equivalent",       "Laager1993, metabolism, section 7.7"),
    Parameter("uptake_gain",      7.2e-5, "mmol/kg/min/(pmol/L)", 4e-5, 1.2e-4, 0.0, "insulin-dependent uptake at 5 mmol/L and sensitivity 1", "fitted: clamp M, metabolism, section 7.7 (its variability sits in sens_muscle0)"),
    Parameter("uptake_half",   1500.0,   "pmol/L", 700.0, 3000.0,  0.0,  "insulin for half of maximal uptake",                "fitted: Rizza1981 maximum 10-11 mg/kg/min, metabolism, section 7.7"),
    Parameter("glucose_half",    10.0,   "mmol/L",  5.0,   20.0,   0.0,  "glucose for half of maximal uptake",                "DallaMan2007, metabolism, section 7.7"),
    Parameter("glucose_standard", 5.0,   "mmol/L",  5.0,    5.0,   0.0,  "glucose at which uptake_gain is quoted",            "definition: metabolism, section 7.3"),
    Parameter("adipose_share",    0.08,  "1",       0.03,   0.15,  0.0,  "share of adipose tissue in insulin-dependent uptake", "assumed: metabolism, section 7.7, to be verified"),
    Parameter("renal_slope",      1.5e-4, "mmol/kg/min/(mmol/L)", 5e-5, 3e-4, 0.0, "renal glucose loss per mmol/L above threshold", "DallaMan2007, metabolism, section 7.7"),
    Parameter("renal_threshold", 10.0,   "mmol/L",  9.0,   11.0,   0.0,  "renal glucose threshold",                           "assumed: metabolism, section 7.3"),
    Parameter("renal_smoothing",  0.5,   "mmol/L",  0.1,    1.0,   0.0,  "width of the smooth threshold",                     "assumed: metabolism, section 7.3, numerical"),
    Parameter("k_remote",         0.035, "1/min",   0.015,  0.08,  0.25, "remote insulin action",                             "DallaMan2007 (p2U 0.0331), metabolism, section 7.7"),
    Parameter("v_insulin",        0.10,  "L/kg",    0.06,   0.15,  0.15, "insulin distribution volume",                       "assumed: MCR 0.97 L/min, metabolism, section 7.7, to be verified"),
    Parameter("k_insulin",        0.13,  "1/min",   0.07,   0.25,  0.20, "peripheral insulin clearance",                      "assumed: MCR 0.97 L/min, metabolism, section 7.7, to be verified"),
    Parameter("hepatic_extraction", 0.64, "1",      0.45,   0.75,  0.08, "hepatic insulin extraction at no secretion",        "Campioni2009, metabolism, section 7.7"),
    Parameter("extraction_half", 15.0,   "1",       8.0,   30.0,   0.0,  "secretion (per basal) that halves the extraction",  "Campioni2009, metabolism, section 7.7"),
    Parameter("k_secretion",      0.055, "1/min",   0.03,   0.1,   0.20, "secretion delay",                                   "DallaMan2007 (0.050), metabolism, section 7.7"),
    Parameter("beta_half",        7.0,   "mmol/L",  5.5,    9.0,   0.10, "glucose for half of static secretion (Hill 4)",     "fitted: OGTT and Polonsky1988 6-fold, metabolism, section 7.7"),
    Parameter("derivative_saturation", 1.5, "mmol/L/min", 0.5, 3.0, 0.0,  "saturation of the derivative secretion",            "fitted: metabolism, section 7.7"),
    Parameter("derivative_smoothing", 0.004, "mmol/L/min", 0.001, 0.01, 0.0, "smoothing of the positive part of dG",           "assumed: metabolism, section 7.7, numerical"),
    Parameter("incretin_gain",    1.6,   "1",       0.8,    3.0,   0.25, "incretin potentiation",                             "fitted: oral over iv, metabolism, section 7.7"),
    Parameter("incretin_half",    0.02,  "mmol/kg/min", 0.01, 0.04, 0.0, "rate of appearance for half of the potentiation",   "fitted: oral over iv, metabolism, section 7.7"),
    Parameter("k_ffa",            0.20,  "1/min",   0.1,    0.35,  0.20, "FFA clearance (half-life 2-4 min)",                 "published: half-life 2-4 min, metabolism, section 7.7"),
    Parameter("lipolysis_min",    0.10,  "1",       0.03,   0.25,  0.30, "insulin-independent share of lipolysis",            "Conte2012 (residual 21 %), metabolism, section 7.7"),
    Parameter("k_antagonist",     1 / 150, "1/min", 1 / 300, 1 / 75, 0.20, "delay of the insulin antagonist signal",          "published: onset 3-4 h, metabolism, section 7.7"),
    Parameter("ffa_standard",     0.45,  "mmol/L",  0.45,   0.45,  0.0,  "reference FFA of the antagonist signal",            "definition: metabolism, section 7.7"),
    Parameter("antagonist_muscle", 0.70, "1",       0.3,    1.4,   0.35, "antagonist signal on muscle",                       "fitted: acipimox and intralipid, metabolism, section 7.7"),
    Parameter("antagonist_liver", 0.15,  "1",       0.05,   0.4,   0.35, "antagonist signal on liver",                        "fitted: acipimox and intralipid, metabolism, section 7.7"),
    Parameter("socs_antagonist",  1.0,   "mmol/L",  0.4,    2.0,   0.35, "direct GH part of the antagonist signal (FFA-equivalent)", "fitted: Bak1991, Moller1989, metabolism, section 7.7"),
    Parameter("igf1_sensitising", 0.15,  "1",       0.05,   0.4,   0.40, "IGF-1 effect on muscle sensitivity",                "fitted: Yuen2004, metabolism, section 7.7"),
    Parameter("igf1_insulin",     0.078, "pmol/L/(ug/L)", 0.04, 0.15, 0.30, "insulin-equivalent of IGF-1",                    "computed: 1 % free x 6 % potency (Laager1993), metabolism, section 7.7"),
    Parameter("lipolysis_gh_half", 7.0,  "ug/L",    3.5,   14.0,   0.25, "GH for half of the lipolytic signal (Hill 2)",      "fitted: bolus dose response (Moller1992, Jorgensen2006), metabolism, section 7.7"),
    Parameter("lipolysis_desensitising", 0.10, "1", 0.03,   0.3,   0.30, "SOCS signal that halves the lipolytic signal",      "fitted: pulsatile against continuous (Surya2009), metabolism, section 7.7"),
    Parameter("k_lipolysis_1",    1 / 100, "1/min", 1 / 200, 1 / 50, 0.15, "first delay of lipolysis",                        "fitted: peak 2-2.6 h, metabolism, section 7.7"),
    Parameter("k_lipolysis_2",    1 / 100, "1/min", 1 / 200, 1 / 50, 0.15, "second delay of lipolysis",                       "fitted: peak 2-2.6 h, metabolism, section 7.7"),
    Parameter("lipolysis_gain",  19.0,   "1",       8.0,   40.0,   0.35, "gain of the lipolytic drive",                       "fitted: +50-70 % at 140-500 ug, metabolism, section 7.7"),
    Parameter("k_socs",           1 / 180, "1/min", 1 / 360, 1 / 90, 0.20, "SOCS-like signal turnover",                       "fitted: onset 2 h, 6-7 h, metabolism, section 7.7"),
    Parameter("socs_gh_half",     6.0,   "ug/L",    3.0,   12.0,   0.25, "GH for half of the SOCS-like signal (Hill 1)",      "fitted: metabolism, section 7.7"),
    Parameter("socs_liver",       1.3,   "1",       0.6,    2.6,   0.35, "SOCS-like signal on liver",                         "fitted: Piatti1999, metabolism, section 7.7"),
    Parameter("k_p85",            1 / 4320, "1/min", 1 / 10080, 1 / 1440, 0.0, "p85alpha-like signal turnover (3 d)",         "assumed: days, metabolism, section 7.7, to be verified"),
    Parameter("p85_half",         0.20,  "1",       0.08,   0.5,   0.30, "SOCS signal for half of the p85alpha-like signal",  "fitted: Bramnert2003, ONeal1994, metabolism, section 7.7"),
    Parameter("p85_muscle",       3.5,   "1",       1.5,    7.0,   0.35, "p85alpha-like signal on muscle",                    "fitted: Bramnert2003, ONeal1994, metabolism, section 7.7"),
    Parameter("p85_liver",        3.0,   "1",       1.5,    6.0,   0.35, "p85alpha-like signal on liver",                     "fitted: Bramnert2003, ONeal1994, metabolism, section 7.7"),
    Parameter("p85_adipose",      4.0,   "1",       2.0,    8.0,   0.35, "p85alpha-like signal on adipose tissue",            "fitted: Bramnert2003, ONeal1994, metabolism, section 7.7"),
    Parameter("k_vat",            1 / 86400, "1/min", 1 / 172800, 1 / 43200, 0.0, "visceral fat turnover (60 d)",            "fitted: -15 % at 26 wk (Falutz2010), metabolism, section 7.7"),
    Parameter("vat_lipolysis",   12.0,   "1",       5.0,   25.0,   0.40, "lipolytic gain on visceral fat",                    "fitted: Falutz2010, metabolism, section 7.7"),
    Parameter("vat_socs",         1.3,   "1",       0.5,    3.0,   0.40, "tonic gain on visceral fat",                        "fitted: Johannsson1997, metabolism, section 7.7"),
    Parameter("vat_sensitivity",  1.4,   "1",       0.7,    2.5,   0.30, "sensitivity per relative loss of visceral fat",     "fitted: Goodpaster1999 and CALERIE, metabolism, section 7.7"),
    Parameter("vat_saturation",   0.27,  "1",       0.15,   0.5,   0.0,  "relative loss at which the effect saturates",       "fitted: metabolism, section 7.7"),
    Parameter("k_sat",            1 / 144000, "1/min", 1 / 288000, 1 / 72000, 0.0, "subcutaneous fat turnover (100 d)",      "fitted: SAT -6 % (Johannsson1997), metabolism, section 7.7"),
    Parameter("sat_lipolysis",    2.5,   "1",       1.0,    5.0,   0.40, "lipolytic gain on subcutaneous fat",                "fitted: Johannsson1997, metabolism, section 7.7"),
    Parameter("sat_socs",         0.20,  "1",       0.05,   0.5,   0.40, "tonic gain on subcutaneous fat",                    "fitted: Johannsson1997, metabolism, section 7.7"),
    Parameter("k_lean",           1 / 64800, "1/min", 1 / 129600, 1 / 32400, 0.0, "lean mass turnover (45 d)",               "fitted: +1.4 to 2.6 kg, metabolism, section 7.7"),
    Parameter("lean_gain",        0.05,  "1",       0.02,   0.1,   0.40, "IGF-1 gain on lean mass (men x1.2, women x0.6)",    "fitted: +1.4 to 2.6 kg, metabolism, section 7.7"),
    Parameter("vat_mass",         0.02,  "kg/cm^2",  0.01,  0.03,  0.0,  "visceral fat mass per area",                        "assumed: metabolism, section 7.7, to be verified"),
)

_PATIENT = (
    Parameter("weight",         100.0,   "kg",     40.0,  220.0,   0.0,  "body weight",                                       "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("c_amplitude",      1.0,   "1",       0.2,    2.0,   0.0,  "covariate factor on pulse amplitude",               "assumed: axis, Covariates", "patient"),
    Parameter("c_sst",            1.0,   "1",       0.5,    3.0,   0.0,  "covariate factor on somatostatin tone",             "assumed: axis, Covariates", "patient"),
    Parameter("c_secretion",      1.0,   "1",       0.0,    3.0,   0.40, "covariate factor on GH secretion and leak",         "assumed: axis, Covariates (carries the 40 % CV of kJ)", "patient"),
    Parameter("c_igf1",           1.0,   "1",       0.5,    1.2,   0.0,  "covariate factor on IGF-1 production (oral oestrogen 0.6-0.7)", "assumed: axis, Covariates (oral oestrogen 0.6-0.7)", "patient"),
    Parameter("igf1_target",    165.0,   "ug/L",   20.0,  500.0,   0.30, "own untreated IGF-1",                               "published: medians 206/147/103 ug/L at 32/50/67 y, axis, constraint C15", "patient"),
    Parameter("glucose_basal",    5.2,   "mmol/L",  3.9,   15.0,   0.0,  "own fasting glucose",                               "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("insulin_basal",   90.0,   "pmol/L", 10.0,  400.0,   0.25, "own fasting insulin",                               "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("ffa_basal",        0.55,  "mmol/L",  0.2,    1.2,   0.0,  "own fasting FFA",                                   "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("egp_basal",       10.5e-3, "mmol/kg/min", 6e-3, 0.02, 0.12, "own basal endogenous glucose production",          "assumed: typical man of the phenotype (2.0-2.3 mg/kg/min), metabolism, section 7.7, to be verified", "patient"),
    Parameter("sens_muscle0",     0.60,  "1",       0.1,    3.0,   0.45, "own insulin sensitivity of muscle",                 "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("sens_liver0",      1.0,   "1",       0.3,    3.0,   0.0,  "own insulin sensitivity of liver",                  "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("sens_adipose0",    1.0,   "1",       0.3,    3.0,   0.0,  "own insulin sensitivity of adipose tissue",         "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("egp_half",       120.0,   "pmol/L", 40.0,  300.0,   0.25, "insulin for the fall of EGP (EC50)",                "fitted: Rizza1981, Conte2012, metabolism, section 7.7", "patient"),
    Parameter("lipolysis_half",  95.0,   "pmol/L", 30.0,  250.0,   0.25, "insulin for the fall of lipolysis (EC50)",          "fitted: Conte2012, metabolism, section 7.7", "patient"),
    Parameter("beta_capacity",    1.0,   "1",       0.1,    1.0,   0.0,  "static beta-cell capacity (deficit CV 80 %)",       "fitted: metabolism, section 7.7", "patient"),
    Parameter("beta_dynamic",    35.0,   "min/(mmol/L)", 0.0, 80.0, 0.50, "dynamic (first phase) gain",                       "fitted: AIR, metabolism, section 7.7", "patient"),
    Parameter("beta_compensation", 0.4,  "1",       0.0,    1.0,   0.40, "beta-cell compensation to resistance",              "fitted: fasting insulin under GH, metabolism, section 7.7", "patient"),
    Parameter("vat0",           180.0,   "cm^2",   20.0,  500.0,   0.0,  "own untreated visceral fat area",                   "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("sat0",            36.0,   "kg",      5.0,   90.0,   0.0,  "own untreated subcutaneous fat",                    "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
    Parameter("lean0",           62.0,   "kg",     25.0,  110.0,   0.0,  "own untreated lean mass",                           "assumed: typical man of the phenotype, metabolism, section 7.7", "patient"),
)

_DERIVED = (
    Parameter("igf1_emax",       15.1,   "ug/L/h",  0.0,   24.0,   0.33, "maximal GH-driven IGF-1 production",                "Papathanasiou2021, axis, constraint C12; individual value from the run-in", "derived"),
    Parameter("igf1_base",        0.949, "ug/L/h",  0.0,   10.0,   0.0,  "GH-independent IGF-1 production",                   "Papathanasiou2021, axis, constraint C12; individual value from the run-in", "derived"),
    Parameter("igf1_ref",       165.0,   "ug/L",   20.0,  500.0,   0.0,  "own baseline IGF-1 of the feedback",                "computed: run-in", "derived"),
    Parameter("insulin_ref",     90.0,   "pmol/L", 10.0,  400.0,   0.0,  "own fasting insulin of the metabolic feedback",     "assumed: axis, section 2 (PM = 1 at the own fasting state)", "derived"),
    Parameter("ffa_ref",          0.55,  "mmol/L",  0.2,    1.2,   0.0,  "own fasting FFA of the metabolic feedback",         "assumed: axis, section 2 (PM = 1 at the own fasting state)", "derived"),
    Parameter("lipolytic0",       0.01,  "1",       0.0,    1.0,   0.0,  "run-in mean of the lipolytic drive L0",             "computed: run-in", "derived"),
    Parameter("socs0",            0.1,   "1",       0.0,    1.0,   0.0,  "run-in mean of the SOCS-like signal S0",            "computed: run-in", "derived"),
    Parameter("p85_0",            0.3,   "1",       0.0,    1.0,   0.0,  "run-in mean of the p85alpha-like signal P0",        "computed: run-in", "derived"),
    Parameter("sens_muscle_ref",  1.0,   "1",       0.0,   10.0,   0.0,  "muscle formula at the own reference state",         "computed: metabolism, section 7.5", "derived"),
    Parameter("sens_liver_ref",   1.0,   "1",       0.0,   10.0,   0.0,  "liver formula at the own reference state",          "computed: metabolism, section 7.5", "derived"),
    Parameter("egp_max",          0.02,  "mmol/kg/min", 0.0, 0.2,  0.0,  "EGP at no insulin",                                 "computed: metabolism, section 7.5", "derived"),
    Parameter("k_mass_action",    1e-3,  "mmol/kg/min/(mmol/L)", 0.0, 0.01, 0.0, "insulin-independent uptake per glucose",    "computed: metabolism, section 7.5", "derived"),
    Parameter("isr_basal",        2.0,   "pmol/kg/min", 0.0, 30.0, 0.0,  "basal insulin secretion",                           "computed: metabolism, section 7.5", "derived"),
    Parameter("isr_max",         10.0,   "pmol/kg/min", 0.0, 200.0, 0.0, "maximal static insulin secretion",                  "computed: metabolism, section 7.5", "derived"),
    Parameter("lipolysis_basal",  0.5,   "mmol/L/min", 0.0, 2.0,   0.0,  "FFA appearance at no insulin",                      "computed: metabolism, section 7.5", "derived"),
    Parameter("body_changes",     1.0,   "1",       0.0,    1.0,   0.0,  "1 = visceral fat, subcutaneous fat, lean mass and IGF-1 move; 0 = frozen (run-in)", "definition: overview, Run-in", "derived"),
)


def _slot(slot: str) -> tuple[Parameter, ...]:
    s = "drug in slot " + slot
    rows: tuple[Parameter, ...] = (
        Parameter(f"ka_{slot}",       4.0,  "1/h",   0.0, 50.0,  0.5, f"absorption of the {s}",                          "computed: from the drug table, therapies, section 2", "drug"),
        Parameter(f"k_el_{slot}",     6.3,  "1/h",   0.0, 50.0,  0.0, f"elimination CL/V of the {s}",                    "computed: from the drug table, therapies, section 2", "drug"),
        Parameter(f"potency_{slot}",  0.0,  "1/ug",  0.0, 1e6,   0.0, f"effect per ug in plasma, 1000/(V*MW*EC50), of the {s}", "computed: from the drug table, therapies, section 2", "drug"),
    )
    if slot in GHRH_SLOTS:
        rows += (
        Parameter(f"ke_{slot}",       5.0,  "1/h",   0.0, 50.0,  0.0, f"pituitary effect site of the {s}",               "computed: from the drug table, therapies, section 2", "drug"),
        )
    else:
        rows += (
        Parameter(f"k_tolerance_{slot}", 0.0, "1/h", 0.0,  1.0,  0.0, f"chronic tolerance to the {s} (0 but for hexarelin)", "computed: from the drug table (Rahim1998), therapies, section 2", "drug"),
        )
    return rows


# Inputs: set by events (infusions, tests); constant between events.
_INPUTS = (
    Parameter("rate_ghrh_a",      0.0,   "ug/h",    0.0,   1e6,    0.0,  "infusion into plasma, slot ghrh_a",                 "definition: input", "input"),
    Parameter("rate_ghrh_b",      0.0,   "ug/h",    0.0,   1e6,    0.0,  "infusion into plasma, slot ghrh_b",                 "definition: input", "input"),
    Parameter("rate_ghs_a",       0.0,   "ug/h",    0.0,   1e6,    0.0,  "infusion into plasma, slot ghs_a",                  "definition: input", "input"),
    Parameter("rate_ghs_b",       0.0,   "ug/h",    0.0,   1e6,    0.0,  "infusion into plasma, slot ghs_b",                  "definition: input", "input"),
    Parameter("gh_infusion",      0.0,   "ug/h",    0.0,   1e5,    0.0,  "intravenous GH infusion",                           "definition: input", "input"),
    Parameter("gh_pump",          0.0,   "ug/h",    0.0,   1e5,    0.0,  "available GH from a subcutaneous pump (F x rate)",  "definition: input", "input"),
    Parameter("ghrh_drive",       0.0,   "1",       0.0,   100.0,  0.0,  "GHRH drive imposed by a test",                      "definition: input", "input"),
    Parameter("ghs_drive",        0.0,   "1",       0.0,   100.0,  0.0,  "ghrelin drive imposed by a test",                   "definition: input", "input"),
    Parameter("sst_factor",       1.0,   "1",       0.0,   10.0,   0.0,  "factor on the somatostatin target (arginine)",      "definition: axis, section 2", "input"),
    Parameter("sst_added",        0.0,   "1",       0.0,   1000.0, 0.0,  "somatostatin added (octreotide)",                   "definition: axis, section 2", "input"),
    Parameter("igf1_factor",      1.0,   "1",       0.0,   10.0,   0.0,  "factor on IGF-1 in the feedback (rhIGF-1)",         "definition: axis, section 2", "input"),
    Parameter("acipimox",         0.0,   "1",       0.0,   1.0,    0.0,  "share of lipolysis blocked",                        "definition: metabolism, section 7.3", "input"),
    Parameter("lipid_infusion",   0.0,   "mmol/L/min", 0.0, 10.0,  0.0,  "FFA appearance from a lipid infusion",              "definition: metabolism, section 7.3", "input"),
    Parameter("glucose_infusion", 0.0,   "mmol/kg/min", 0.0, 1.0,  0.0,  "intravenous glucose",                               "definition: metabolism, section 7.3", "input"),
    Parameter("insulin_infusion", 0.0,   "pmol/kg/min", 0.0, 1e4,  0.0,  "intravenous insulin",                               "definition: metabolism, section 7.3", "input"),
    Parameter("glucose_clamp",    0.0,   "1",       0.0,   1.0,    0.0,  "1 = glucose is held by the clamp, 0 = free",        "definition: metabolism, section 7.5", "input"),
)
# fmt: on

TABLE: tuple[Parameter, ...] = (
    _CLOCK + _PULSES + _AXIS + _METABOLISM + _PATIENT + _DERIVED + sum((_slot(s) for s in SLOTS), ()) + _INPUTS
)
ROW: dict[str, Parameter] = {row.name: row for row in TABLE}
NAMES: tuple[str, ...] = tuple(row.name for row in TABLE)
INPUTS: tuple[str, ...] = tuple(row.name for row in TABLE if row.kind == "input")
UNITS: dict[str, str] = {row.name: row.unit for row in TABLE}


DIMENSIONLESS = "1"
"""Unit of a plain number.  Units are spelled so that pint, cf-xarray and UDUNITS read them alike: cm^2, year, ug/L, 1."""


def shown_unit(unit: str) -> str:
    """Return a unit as readers see it behind a number: without ``^``, and empty where the value is dimensionless.

    >>> shown_unit("cm^2"), shown_unit("1")
    ('cm2', '')
    """
    return "" if unit == DIMENSIONLESS else unit.replace("^", "")


WIDE = 10.0
"""Factor beyond its range in the table at which a parameter is taken for an error of unit or sign [assumed]."""


def record_type(name: str, fields: tuple[str, ...]) -> Any:
    """Return a named tuple class with fields known only at run time, so that type checkers do not infer them."""
    return namedtuple(name, fields)


Parameters = record_type("Parameters", NAMES)
DTYPE = np.dtype([(name, np.float64) for name in NAMES])


def beyond(record: npt.NDArray[Any], zero: Collection[str] = ()) -> npt.NDArray[np.bool_]:
    """Return which patients of ``record`` (n,) have a parameter of wrong sign or beyond its range by a factor `WIDE`.

    Constants and patient parameters only: the others are computed.  A NaN counts as beyond, a 0 of those in ``zero``
    does not.
    """
    outside = np.zeros(len(record), bool)
    for row in TABLE:
        if row.kind in ("constant", "patient"):
            inside = (record[row.name] >= row.low / WIDE) & (record[row.name] <= row.high * WIDE)
            outside |= ~(inside | (record[row.name] == 0)) if row.name in zero else ~inside
    return outside


def typical(n: int = 1) -> npt.NDArray[Any]:
    """Return ``n`` copies of the table's typical values as a record array of `DTYPE`."""
    record = np.empty(n, DTYPE)
    for row in TABLE:
        record[row.name] = row.value
    return record
