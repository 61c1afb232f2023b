"""THE DRUG TABLE: every pharmacokinetic number of therapies section 2, with unit, variability and source.

A drug that lacks a number is listed but cannot be dosed; `Drug.missing` names what is missing.

``largest`` is the largest daily dose for a person of 70 kg (of an input, the highest level): 10 to 100 times the largest
dose of presets and trials, and below a thousand times the smallest, so that mg written for ug is refused.
"""

# ruff: noqa: E501 - the table: one row per line

from pulsatile.engine.drugs.drug import ROUTES, Drug, Figure

KINDS = {
    "sermorelin": "ghrh",
    "cjc1295_no_dac": "ghrh",
    "tesamorelin": "ghrh",
    "cjc1295_dac": "ghrh",
    "ghrh_1_44": "ghrh",
    "ghrh_1_40": "ghrh",
    "ipamorelin": "ghs",
    "hexarelin": "ghs",
    "ghrp6": "ghs",
    "ghrp6_oral": "ghs",
    "ghrp2": "ghs",
    "ghrelin": "ghs",
    "mk677": "ghs",
    "macimorelin": "ghs",
    "capromorelin": "ghs",
    "somatropin": "gh",
    "lonapegsomatropin": "long_gh",
    "somapacitan": "gh_analogue",
    "somatrogon": "gh_analogue",
    "acipimox": "input",
    "lipid": "input",
    "glucose": "input",
    "insulin": "input",
    "octreotide": "input",
    "rhigf1": "input",
}
"""Drug: its kind, one of `drug.ROUTES`."""
ORAL, VEIN = ("oral",), ("IV", "infusion")
OTHER_ROUTES = {"mk677": ORAL, "macimorelin": ORAL, "capromorelin": ORAL, "ghrp6_oral": ORAL, "ghrelin": VEIN}
"""Routes of the drugs that are not given by the usual routes of their kind."""

INPUTS = {  # drug: (input of the model, unit of Dose.amount, which is held for Dose.duration)
    "acipimox": ("acipimox", "-"),
    "lipid": ("lipid_infusion", "mmol/L/min"),
    "glucose": ("glucose_infusion", "mmol/kg/min"),
    "insulin": ("insulin_infusion", "pmol/kg/min"),
    "octreotide": ("sst_added", "-"),
    "rhigf1": ("igf1_factor", "-"),
}
"""A held level is added to the input's own value: octreotide 50 adds 50 to the somatostatin tone (20 at rest in a young
man), rhigf1 3.5 adds 3.5 times the own IGF-1 to the 1 that acts on the pituitary, and to nothing else."""

EXTRAPOLATED = ("cjc1295_no_dac", "ipamorelin")
"""Drugs without any chronic human trial, whose outputs are labelled as extrapolations (therapies section 1)."""

_T = "therapies, section 2"
# fmt: off
FIGURES: tuple[Figure, ...] = (
#           drug              name           value    unit     cv     source
    Figure("sermorelin",     "molar_mass",  3358.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("sermorelin",     "f",              0.06, "1",      0.0,   f"published: label, {_T}"),
    Figure("sermorelin",     "ka",             4.0,  "1/h",    0.50,  f"fitted: to the label, {_T}; CV assumed"),
    Figure("sermorelin",     "cl",           156.0,  "L/h",    0.30,  f"published: label, {_T}; CV assumed"),
    Figure("sermorelin",     "v",             24.75, "L",      0.30,  f"fitted: to the label, {_T}; CV assumed"),
    Figure("sermorelin",     "ec50",           0.15, "nmol/L", 0.60,  f"computed: from the iv ED50 of 28 ug in men, {_T}"),
    Figure("sermorelin",     "women",          0.5,  "1",      0.0,   f"published: ED50 of women over men, {_T}"),
    Figure("sermorelin",     "ke",             5.0,  "1/h",    0.0,   f"assumed: u after GHRH 1 ug/kg iv decays with 5 1/h, {_T}"),
    Figure("sermorelin",     "largest",      50e3,   "ug",     0.0,   "assumed: 25 x the largest of trials, 2 mg"),

    Figure("cjc1295_no_dac", "molar_mass",  3368.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("cjc1295_no_dac", "f",              0.06, "1",      0.0,   f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "ka",             4.0,  "1/h",    0.50,  f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "cl",            34.0,  "L/h",    0.50,  f"assumed: half-life 30 min, a claim of secondary pages, {_T}"),
    Figure("cjc1295_no_dac", "v",             24.75, "L",      0.30,  f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "ec50",           0.15, "nmol/L", 0.60,  f"assumed: as sermorelin, {_T}"),
    Figure("cjc1295_no_dac", "women",          0.5,  "1",      0.0,   "assumed: as sermorelin"),
    Figure("cjc1295_no_dac", "ke",             1.2,  "1/h",    0.0,   f"assumed: {_T}"),
    Figure("cjc1295_no_dac", "largest",      30e3,   "ug",     0.0,   "assumed: 100 x the largest of practice, 0.3 mg"),

    Figure("tesamorelin",    "molar_mass",  5136.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("tesamorelin",    "f",              1.0,  "1",      0.0,   f"definition: CL and V are apparent, {_T}"),
    Figure("tesamorelin",    "ka",             8.0,  "1/h",    0.50,  f"fitted: Tmax 0.15 h, {_T}; CV assumed"),
    Figure("tesamorelin",    "cl",          1060.0,  "L/h",    0.336, f"published: population PK, {_T}"),
    Figure("tesamorelin",    "v",            200.0,  "L",      0.177, f"published: population PK, {_T}"),
    Figure("tesamorelin",    "weight_on_cl",   0.0,  "1",      0.0,   f"published: no size effect found, {_T}"),
    Figure("tesamorelin",    "weight_on_v",    0.0,  "1",      0.0,   f"published: no size effect found, {_T}"),
    Figure("tesamorelin",    "ec50",           0.15, "nmol/L", 0.60,  f"computed: as sermorelin; absorbs the scale of its exposure, {_T}"),
    Figure("tesamorelin",    "women",          0.5,  "1",      0.0,   f"published: ED50 of women over men, {_T}"),
    Figure("tesamorelin",    "ke",             0.45, "1/h",    0.0,   "fitted: IGF-1, for which the plasma half-life is too short, axis, Drug interface"),
    Figure("tesamorelin",    "target_dose", 2000.0,  "ug",     0.0,   "definition: dose of the target, axis, Drug interface"),
    Figure("tesamorelin",    "target_u",       4.6,  "1",      0.0,   "fitted: peak u, axis, Drug interface"),
    Figure("tesamorelin",    "largest",     200e3,   "ug",     0.0,   "assumed: 100 x the largest of trials, 2 mg"),

    Figure("cjc1295_dac",    "molar_mass",  3647.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("cjc1295_dac",    "f",              0.5,  "1",      0.0,   f"assumed: {_T}"),
    Figure("cjc1295_dac",    "ka",             0.04, "1/h",    0.50,  f"assumed: {_T}"),
    Figure("cjc1295_dac",    "cl",             0.0145, "L/h",  0.30,  f"published: half-life 7.0 d with V assumed, {_T}"),
    Figure("cjc1295_dac",    "v",              3.5,  "L",      0.30,  f"assumed: {_T}"),
    Figure("cjc1295_dac",    "ec50",         100.0,  "nmol/L", 1.00,  f"computed: apparent only, {_T}"),
    Figure("cjc1295_dac",    "ke",             5.0,  "1/h",    0.0,   f"assumed: irrelevant beside its half-life, {_T}"),
    Figure("cjc1295_dac",    "target_dose", 5250.0,  "ug",     0.0,   "definition: dose of the target, 60-90 ug/kg at 70 kg, axis, Drug interface"),
    Figure("cjc1295_dac",    "target_time",  168.0,  "h",      0.0,   "definition: time of the target, day 7, axis, Drug interface"),
    Figure("cjc1295_dac",    "target_u",       0.125, "1",     0.0,   "fitted: u 0.10-0.15 on day 7 (Ionescu2006), axis, Drug interface"),
    Figure("cjc1295_dac",    "largest",     100e3,   "ug",     0.0,   "assumed: 11 x the largest of trials, 0.125 mg/kg"),

    Figure("ghrh_1_44",      "molar_mass",  5040.0,  "g/mol",  0.0,   "definition: molar mass of the substance"),
    Figure("ghrh_1_44",      "f",              0.06, "1",      0.0,   "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_44",      "ka",             4.0,  "1/h",    0.50,  "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_44",      "cl",           156.0,  "L/h",    0.30,  "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_44",      "v",             24.75, "L",      0.30,  "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_44",      "ec50",           0.15, "nmol/L", 0.60,  f"computed: prior of GHRH-44/40, {_T}"),
    Figure("ghrh_1_44",      "women",          0.5,  "1",      0.0,   f"published: ED50 of women over men, {_T}"),
    Figure("ghrh_1_44",      "ke",             5.0,  "1/h",    0.0,   f"assumed: u after GHRH 1 ug/kg iv decays with 5 1/h, {_T}"),
    Figure("ghrh_1_44",      "largest",      50e3,   "ug",     0.0,   "assumed: as sermorelin"),

    Figure("ghrh_1_40",      "molar_mass",  4545.0,  "g/mol",  0.0,   "definition: molar mass of the substance"),
    Figure("ghrh_1_40",      "f",              0.06, "1",      0.0,   "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_40",      "ka",             4.0,  "1/h",    0.50,  "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_40",      "cl",           156.0,  "L/h",    0.30,  "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_40",      "v",             24.75, "L",      0.30,  "assumed: as sermorelin, its active part"),
    Figure("ghrh_1_40",      "ec50",           0.15, "nmol/L", 0.60,  f"computed: prior of GHRH-44/40, {_T}"),
    Figure("ghrh_1_40",      "women",          0.5,  "1",      0.0,   f"published: ED50 of women over men, {_T}"),
    Figure("ghrh_1_40",      "ke",             5.0,  "1/h",    0.0,   f"assumed: u after GHRH 1 ug/kg iv decays with 5 1/h, {_T}"),
    Figure("ghrh_1_40",      "largest",      50e3,   "ug",     0.0,   "assumed: as sermorelin"),

    Figure("ipamorelin",     "molar_mass",   711.9,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("ipamorelin",     "f",              0.8,  "1",      0.0,   f"assumed: {_T}"),
    Figure("ipamorelin",     "ka",             3.0,  "1/h",    0.50,  f"assumed: {_T}"),
    Figure("ipamorelin",     "cl",             5.46, "L/h",    0.25,  "Gobburu1999 (0.078 L/h/kg), therapies, section 1"),
    Figure("ipamorelin",     "v",             15.4,  "L",      0.25,  "Gobburu1999 (0.22 L/kg), therapies, section 1"),
    Figure("ipamorelin",     "ec50",         214.0,  "nmol/L", 0.60,  "Gobburu1999, therapies, section 1; CV assumed"),
    Figure("ipamorelin",     "largest",      70e3,   "ug",     0.0,   "assumed: 10 x the largest of trials, 0.1 mg/kg into a vein"),

    Figure("hexarelin",      "molar_mass",   887.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("hexarelin",      "f",              0.7,  "1",      0.0,   f"assumed: {_T}"),
    Figure("hexarelin",      "ka",             3.0,  "1/h",    0.40,  f"assumed: {_T}"),
    Figure("hexarelin",      "cl",            20.0,  "L/h",    0.40,  f"assumed: {_T}"),
    Figure("hexarelin",      "v",             20.0,  "L",      0.40,  f"assumed: {_T}"),
    Figure("hexarelin",      "ec50",           3.946, "nmol/L", 0.60, "computed: s +1.0 at 1 ug/kg iv, axis, Drug interface; CV assumed"),
    Figure("hexarelin",      "k_tolerance",    0.083, "1/h" ,  0.0,   f"computed: Rahim1998, 0.59 per week at 1.5 ug/kg bid, {_T}"),
    Figure("hexarelin",      "largest",      14e3,   "ug",     0.0,   "assumed: 100 x the largest of trials, 0.002 mg/kg"),

    Figure("ghrp6",          "molar_mass",   873.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("ghrp6",          "f",              0.7,  "1",      0.0,   f"assumed: {_T}"),
    Figure("ghrp6",          "ka",             3.0,  "1/h",    0.40,  f"assumed: {_T}"),
    Figure("ghrp6",          "cl",            40.0,  "L/h",    0.40,  "computed: s decays with 2 1/h, axis, Drug interface (therapies, section 2 has 20)"),
    Figure("ghrp6",          "v",             20.0,  "L",      0.40,  f"assumed: {_T}"),
    Figure("ghrp6",          "ec50",           5.568, "nmol/L", 0.60, "computed: s +0.72 at 1 ug/kg iv, axis, Drug interface; CV assumed"),
    Figure("ghrp6",          "largest",      14e3,   "ug",     0.0,   "assumed: 100 x the largest of trials, 0.002 mg/kg"),

    Figure("ghrp6_oral",     "molar_mass",   873.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("ghrp6_oral",     "ka",             3.0,  "1/h",    0.40,  "assumed: as under the skin"),
    Figure("ghrp6_oral",     "cl",            40.0,  "L/h",    0.40,  "computed: as ghrp6"),
    Figure("ghrp6_oral",     "v",             20.0,  "L",      0.40,  f"assumed: {_T}"),
    Figure("ghrp6_oral",     "ec50",           5.568, "nmol/L", 0.60, "computed: as ghrp6; CV assumed"),
    Figure("ghrp6_oral",     "largest",    2100e3,   "ug",     0.0,   "assumed: 100 x 0.3 mg/kg"),

    Figure("ghrp2",          "molar_mass",   818.0,  "g/mol",  0.0,   "definition: molar mass of the substance"),
    Figure("ghrp2",          "f",              0.7,  "1",      0.0,   "assumed: as GHRP-6, of the same size and class"),
    Figure("ghrp2",          "ka",             3.0,  "1/h",    0.40,  "assumed: as GHRP-6, of the same size and class"),
    Figure("ghrp2",          "cl",            40.0,  "L/h",    0.40,  "assumed: as GHRP-6, of the same size and class"),
    Figure("ghrp2",          "v",             20.0,  "L",      0.40,  "assumed: as GHRP-6, of the same size and class"),
    Figure("ghrp2",          "ec50",           5.568, "nmol/L", 0.60, "assumed: as GHRP-6, of the same size and class"),
    Figure("ghrp2",          "largest",      14e3,   "ug",     0.0,   "assumed: as GHRP-6; 8 x a day of 1 ug/kg/h"),

    Figure("ghrelin",        "molar_mass",  3371.0,  "g/mol",  0.0,   "definition: molar mass of acyl ghrelin"),
    Figure("ghrelin",        "cl",            60.0,  "L/h",    0.40,  "computed: s decays with 3 1/h, axis, Drug interface; CV assumed"),
    Figure("ghrelin",        "v",             20.0,  "L",      0.40,  "assumed: as GHRP-6; only V x EC50 decides the effect"),
    Figure("ghrelin",        "ec50",           0.173, "nmol/L", 0.60, "computed: s +6 at 1 ug/kg iv, axis, Drug interface; CV assumed"),
    Figure("ghrelin",        "largest",       7e3,   "ug",     0.0,   "assumed: 100 x a bolus of 1 ug/kg"),

    Figure("mk677",          "molar_mass",   528.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("mk677",          "f",              0.6,  "1",      0.0,   f"assumed: {_T}"),
    Figure("mk677",          "ka",             1.0,  "1/h",    0.40,  f"assumed: {_T}"),
    Figure("mk677",          "cl",            35.0,  "L/h",    0.40,  f"assumed: {_T}"),
    Figure("mk677",          "v",            300.0,  "L",      0.40,  f"assumed: {_T}"),
    Figure("mk677",          "ec50",         350.0,  "nmol/L", 0.60,  "fitted: IGF-1 x 1.55 and 24-h GH +97 % after 2 weeks (Chapman1996), with the assumed PK; CV assumed"),
    Figure("mk677",          "largest",    2500e3,   "ug",     0.0,   "assumed: 100 x the dose of trials, 25 mg"),

    Figure("macimorelin",    "molar_mass",   475.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("macimorelin",    "f",              1.0,  "1",      0.0,   f"definition: CL and V are apparent, {_T}"),
    Figure("macimorelin",    "ka",             4.0,  "1/h",    0.40,  f"published: {_T}; CV assumed"),
    Figure("macimorelin",    "cl",            59.2,  "L/h",    0.40,  f"computed: half-life 3.51 h (Macimorelin2020) with V assumed, {_T}; CV assumed"),
    Figure("macimorelin",    "v",            300.0,  "L",      0.40,  "assumed: as MK-677; only V x EC50 decides the effect, so concentrations are on an assumed scale"),
    Figure("macimorelin",    "ec50",         263.0,  "nmol/L", 0.60,  "fitted: GH Cmax 31.9 ug/L at 0.5 mg/kg (Macimorelin2020), with V assumed; CV assumed"),
    Figure("macimorelin",    "largest",    1400e3,   "ug",     0.0,   "assumed: 10 x the largest of trials, 2 mg/kg"),

    Figure("capromorelin",   "molar_mass",   505.0,  "g/mol",  0.0,   f"definition: molar mass of the substance, {_T}"),
    Figure("capromorelin",   "f",              1.0,  "1",      0.0,   f"definition: CL and V are apparent, {_T}"),
    Figure("capromorelin",   "ka",             2.0,  "1/h",    0.40,  f"assumed: {_T}"),

    Figure("somatropin",     "units_per_mg",   3.0,  "IU/mg",  0.0,   f"definition: GH 1 mg = 3 IU, {_T}"),
    Figure("somatropin",     "largest",     100e3,   "ug",     0.0,   "assumed: 25 x the toxic end of trials, 4 mg"),

    Figure("lonapegsomatropin", "f",           0.72, "1",      0.0,   f"assumed: {_T}"),
    Figure("lonapegsomatropin", "ka",          0.025, "1/h",   0.35,  f"assumed: release-limited, half-life 28 h, {_T}, to be verified"),
    Figure("lonapegsomatropin", "largest",  100e3,   "ug",     0.0,   "assumed: 20 x the weekly amount of rhGH 0.7 mg a day"),

    Figure("acipimox",       "largest",        1.0,  "1",      0.0,   "definition: share of lipolysis blocked"),
    Figure("lipid",          "largest",        3.0,  "mmol/L/min", 0.0, "assumed: 10 x what holds FFA at 1.5 mmol/L with k_ffa"),
    Figure("glucose",        "largest",        5.0,  "mmol/kg/min", 0.0, "assumed: 3 x a test bolus of 0.3 g/kg in one minute"),
    Figure("insulin",        "largest",     6000.0,  "pmol/kg/min", 0.0, "assumed: 10 x a tolerance test of 0.1 U/kg in one minute"),
    Figure("octreotide",     "largest",     1000.0,  "1",      0.0,   "assumed: 50 x the basal somatostatin tone, at which no GH is released"),
    Figure("rhigf1",         "largest",        9.0,  "1",      0.0,   "definition: the input igf1_factor ends at 10"),
)
# fmt: on

DRUGS: dict[str, Drug] = {
    name: Drug(name, kind, tuple(row for row in FIGURES if row.drug == name), OTHER_ROUTES.get(name, ROUTES[kind]))
    for name, kind in KINDS.items()
}
