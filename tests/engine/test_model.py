"""The right-hand side against a second transcription of the model documents, in their own symbols and units."""

import ast
import inspect
from math import exp, sqrt
from types import FunctionType
from typing import Any

import numpy as np
import pytest

from pulsatile.engine import model, parameters, states
from pulsatile.engine.patients.cohort import PHENOTYPES, virtual_cohort
from pulsatile.engine.states import State

AXIS = {  # symbol of axis.md section 2: parameter
    "kD": "k_drive", "H0": "ghrh_tone", "w": "sst_relief", "Sb": "sst_basal", "cn": "sst_night", "kS": "k_sst",
    "aG": "gh_on_sst", "KG": "gh_on_sst_half", "hS": "ghs_on_ghrh", "kapS": "ghs_anti_sst", "s0": "ghrelin_tone",
    "kJ": "k_release", "Rmax": "store_max", "kR": "k_store", "kdH": "k_ghrhr_loss", "krH": "k_ghrhr_recovery",
    "kdS": "k_ghsr_loss", "krS": "k_ghsr_recovery", "phi": "igf1_feedback", "Iref": "igf1_ref", "Jb": "gh_leak",
    "V": "v_gh", "k1": "k_gh", "k2": "k_gh_saturable", "Gs": "gh_saturation", "ka": "ka_gh", "EC": "igf1_gh_half",
    "Emax": "igf1_emax", "kin0": "igf1_base", "kout": "k_igf1", "kM": "k_signal", "KI": "insulin_on_gh_half",
    "KF": "ffa_on_gh_half", "Insr": "insulin_ref", "Fr": "ffa_ref", "uh": "hypo_drive", "Kh": "hypo_half",
    "c_S": "c_sst", "c_sec": "c_secretion", "c_E": "c_igf1",
}  # fmt: skip
METABOLISM = {  # symbol of metabolism.md 7.2-7.4: parameter
    "VG": "v_glucose", "f": "meal_fraction", "kge": "k_gastric", "kab": "k_absorption", "ub": "brain_uptake",
    "Kb": "brain_half", "gE": "glucose_on_egp", "eIL": "igf1_on_egp", "vM": "uptake_gain", "KX": "uptake_half",
    "KG": "glucose_half", "wA": "adipose_share", "kr": "renal_slope", "pX": "k_remote", "VI": "v_insulin",
    "n": "k_insulin", "h0": "hepatic_extraction", "rh": "extraction_half", "al": "k_secretion", "KB": "beta_half",
    "Ds": "derivative_saturation", "eps": "derivative_smoothing", "kinc": "incretin_gain", "Rinc": "incretin_half",
    "kF": "k_ffa", "lmin": "lipolysis_min", "kZ": "k_antagonist", "Fr": "ffa_standard", "hM": "antagonist_muscle",
    "hL": "antagonist_liver", "cS": "socs_antagonist", "hI": "igf1_sensitising", "eI": "igf1_insulin",
    "EJ": "lipolysis_gh_half", "KS": "lipolysis_desensitising", "kK": "k_lipolysis_1", "kL": "k_lipolysis_2",
    "aL": "lipolysis_gain", "kS": "k_socs", "ES": "socs_gh_half", "dS": "socs_liver", "kP": "k_p85", "Sp": "p85_half",
    "DM": "p85_muscle", "DL": "p85_liver", "DA": "p85_adipose", "kV": "k_vat", "aV": "vat_lipolysis", "aVS": "vat_socs",
    "eV": "vat_sensitivity", "vs": "vat_saturation", "kA": "k_sat", "aA": "sat_lipolysis", "aAS": "sat_socs",
    "kM": "k_lean", "aM": "lean_gain", "fV": "vat_mass", "BW": "weight", "Gb": "glucose_basal", "W0": "igf1_target",
    "sM": "sens_muscle0", "sL": "sens_liver0", "sA": "sens_adipose0", "KL": "egp_half", "KA": "lipolysis_half",
    "om": "beta_capacity", "rd": "beta_dynamic", "bB": "beta_compensation", "V0": "vat0", "A0": "sat0", "M0": "lean0",
    "L0": "lipolytic0", "S0": "socs0", "P0": "p85_0", "m_ref": "sens_muscle_ref", "l_ref": "sens_liver_ref",
    "EGPm": "egp_max", "kg": "k_mass_action", "ISRb": "isr_basal", "Rm": "isr_max", "Ra0": "lipolysis_basal",
    "u_acip": "acipimox", "uF": "lipid_infusion", "Uin": "glucose_infusion", "uI": "insulin_infusion",
}  # fmt: skip
AXIS_STATES = {
    "D": "drive", "S": "sst", "R": "gh_store", "rH": "ghrh_receptor", "rS": "ghs_receptor", "G": "gh",
    "A1": "gh_depot_1", "A2": "gh_depot_2", "M": "gh_signal", "I": "igf1", "F_A": "ffa", "Ins": "insulin",
    "Glc": "glucose",
}  # fmt: skip
METABOLISM_STATES = {
    "q1": "stomach", "q2": "gut", "G": "glucose", "X": "insulin_action", "I": "insulin", "Y": "secretion", "F": "ffa",
    "Z": "antagonist", "K": "lipolysis_delay", "L": "lipolysis_drive", "S": "socs", "P": "p85", "V": "vat", "A": "sat",
    "M": "lean", "g": "gh", "W": "igf1",
}  # fmt: skip

# As printed; `'` of the document is written `d`.  The release and loss of GH, and the flows of drug, per hour.
AXIS_TEXT = """
xS  = rS * (s0+s) / (1+s0+s)
h4 = Kh**4/(Kh**4+Glc**4) ; uhyp = uh*h4**2
U   = H0 + D + hS*xS + u + uhyp
xH  = U**2 / (1+U**2)
Se  = S / ( (1 + w*D) * (1 + kapS*xS) )
PI  = (1+phi) / (1 + phi*(I/Iref)**2)
PM  = (1+(Insr/KI)**2)/(1+(Ins/KI)**2) * (1+(Fr/KF)**2)/(1+(F_A/KF)**2)
J   = kJ * R * rH * xH / (1+Se) * PI * PM * c_sec
cS = 1 - (1-cn)*exp(-0.5*((h-3)/3)**2)
dD = -kD*D
dS = kS*( Sb*c_S*cS*(1 + aG*G/(KG+G)) - S )
dR = kR*(Rmax - R) - J
drH = krH*(1-rH) - kdH*xH*rH
drS = krS*(1-rS) - kdS*xS*rS
dG = (J + Jb*c_sec + ka*A2)/V - (k1 + k2/(1+G/Gs))*G
dA1 = -ka*A1
dA2 =  ka*(A1 - A2)
dM = kM*( G/(EC+G) - M )
dI = kin0 + Emax*c_E*M - kout*I
"""
METABOLISM_TEXT = """
v   = (V0 - V)/V0
s_V = 1 + eV*v/sqrt(1 + (v/vs)**2)
s_I = 1 + hI*2*(W - W0)/(W + W0)
m   = s_V*s_I*(1+hM)/((1 + hM*Z/Fr)*(1 + DM*P))
l   = s_V    *(1+hL)/((1 + hL*Z/Fr)*(1 + DL*P)*(1 + dS*S))
a   = (1 + DA*P0)/(1 + DA*P)
sm = m/m_ref ; sl = l/l_ref ; sa = a
SM = sM*sm ; SL = sL*sl ; SA = sA*sa
Ra   = f*kab*q2/BW
XP   = X + eI*(W - W0) ;  XH = X + eIL*eI*(W - W0)
EGP  = EGPm/(1 + (SL*XH/KL)**2) * (1+gE)/(1 + gE*(G/Gb)**2)
GM   = G/(KG+G)*(KG+5)/5
UM   = (1-wA)*vM*SM*XP/(1 + SM*XP/KX)*GM*(M/M0)
UA   = wA*vM*sM*sa*XP/(1 + sM*sa*XP/KX)*GM
U0   = ub*G/(Kb+G) + kg*G + kr*0.5*((G-10)+sqrt((G-10)**2+0.25))
dG   = (EGP + Ra + Uin - U0 - UM - UA)/VG
sp   = 0.5*(dG + sqrt(dG**2 + eps**2)) - 0.5*eps
f4   = G**4/(G**4 + KB**4)
B    = 1 + bB*(1/sm - 1)
inc  = 1 + kinc*Ra/(Ra + Rinc)
ISR  = Y + rd*ISRb*sp/(1 + sp/Ds)
HE   = h0/(1 + ISR/(rh*ISRb))
a2   = (SA*XH/KA)**2
J    = g**2/(EJ**2 + g**2)/(1 + S/KS)
fat  = (A + fV*V)/(A0 + fV*V0)
RaF  = Ra0*(lmin + (1-lmin)/(1+a2))*(1 + aL*L)*fat*(1 - u_acip)
dq1 = -kge*q1
dI = (ISR*(1-HE) + uI)/VI - n*I
dq2 = kge*q1 - kab*q2
dY = al*( ((1-om)*ISRb + om*Rm*f4)*inc*B - Y )
dF = RaF + uF - kF*F
dX = pX*(I - X)
dZ = kZ*(F + cS*S - Z)
dK = kK*(J - K) ;  dL = kL*(K - L)
dS = kS*(g/(ES+g) - S)
dP = kP*(S/(Sp+S) - P)
dV = kV*( V0 - (1 + aV*(L-L0) + aVS*(S-S0))*V )
dA = kA*( A0 - (1 + aA*(L-L0) + aAS*(S-S0))*A )
dM = kM*( M0*(1 + aM*2*(W-W0)/(W+W0)) - M )
"""


def documents(t: float, y: Any, p: Any) -> dict[str, float]:
    """Return dy/dt per hour, by state, from the two texts."""
    axis: dict[str, Any] = {"exp": exp, "h": (t - 3 + 12) % 24 - 12 + 3}
    axis |= {symbol: getattr(p, name) for symbol, name in AXIS.items()}
    axis |= {symbol: getattr(y, name) for symbol, name in AXIS_STATES.items()}
    axis["u"] = y.effect_ghrh_a + y.effect_ghrh_b
    axis["s"] = y.ghs_tolerance * (p.potency_ghs_a * y.central_ghs_a + p.potency_ghs_b * y.central_ghs_b)
    exec(AXIS_TEXT, axis)
    metabolism: dict[str, Any] = {"sqrt": sqrt}
    metabolism |= {symbol: getattr(p, name) for symbol, name in METABOLISM.items()}
    metabolism |= {symbol: getattr(y, name) for symbol, name in METABOLISM_STATES.items()}
    exec(METABOLISM_TEXT, metabolism)
    inputs = ("F_A", "Ins", "Glc", "g", "W")
    return {name: axis["d" + s] for s, name in AXIS_STATES.items() if s not in inputs} | {
        name: 60 * metabolism["d" + s] for s, name in METABOLISM_STATES.items() if s not in inputs
    }


def random_state(rng: np.random.Generator, p: Any) -> Any:
    scale = {
        "drive": 0.5, "sst": 40.0, "gh_store": 1500.0, "ghrh_receptor": 1.0, "ghs_receptor": 1.0, "gh": 30.0,
        "gh_signal": 1.0, "igf1": 2 * p.igf1_target, "stomach": 300.0, "gut": 100.0, "glucose": 15.0,
        "insulin_action": 500.0, "insulin": 500.0, "secretion": 20.0, "ffa": 1.5, "antagonist": 2.0,
        "lipolysis_delay": 0.5, "lipolysis_drive": 0.3, "socs": 0.8, "p85": 0.8,
        "vat": 2 * p.vat0, "sat": 2 * p.sat0, "lean": 2 * p.lean0,
        "ghs_tolerance": 1.0,
    }  # fmt: skip
    return states.State(*(scale.get(name, 100.0) * rng.uniform() for name in states.STATES))


def random_patient(rng: np.random.Generator) -> Any:
    record = virtual_cohort(1, PHENOTYPES[rng.integers(len(PHENOTYPES))], seed=int(rng.integers(10**6))).parameters
    p = parameters.Parameters(*record[0].item())
    inputs = {"acipimox": rng.uniform(), "lipid_infusion": 0.3 * rng.uniform(), "insulin_infusion": 10 * rng.uniform(),
              "glucose_infusion": 0.1 * rng.uniform(), "hypo_drive": 3 * rng.uniform()}  # fmt: skip
    slots = {name: rng.uniform() for name in parameters.NAMES if name.startswith(("potency_", "k_el_", "ktr_"))}
    return p._replace(**inputs, **slots)


def test_right_hand_side_is_what_the_documents_print() -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        p = random_patient(rng)
        y = random_state(rng, p)
        t = float(rng.uniform(-700, 5000))
        slope = model.rhs(t, y, p)
        for name, value in documents(t, y, p).items():
            assert getattr(slope, name) == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_the_documents_name_every_state_but_drugs() -> None:
    named = set(AXIS_STATES.values()) | set(METABOLISM_STATES.values())
    assert named == set(states.ALWAYS) | set(states.GROUPS["gh_depot"])


def test_gh_half_life_lengthens_with_gh() -> None:
    """Shah 1999: 9, 12 and 15 min at 0.5, 2.1 and 7.5 ug/L; with sc rhGH met too, a quarter slower."""
    p = parameters.Parameters(*(row.value for row in parameters.TABLE))
    y = states.State(*(1.0 for _ in states.STATES))
    for gh, minutes in ((0.5, 9.0), (2.1, 12.0), (7.5, 15.0)):
        rate = model.fluxes(0.0, y._replace(gh=gh), p).gh_clearance
        assert 1.1 < 60 * np.log(2) / rate / minutes < 1.3


def test_clock_repeats_every_day_and_is_lowest_at_night() -> None:
    rng = np.random.default_rng(1)
    p = random_patient(rng)
    y = random_state(rng, p)
    assert p.day == 24.0  # as `codegen.hour_of_day` has it
    target = {t: model.fluxes(t, y, p).sst_target for t in np.arange(0.0, 24.0, 0.5)}
    assert min(target, key=lambda t: target[t]) == 3.0
    for t, value in target.items():
        for days in (-28, -1, 1, 364):
            assert model.fluxes(t + 24.0 * days, y, p).sst_target == pytest.approx(value, rel=1e-13)
            assert model.rhs(t + 24.0 * days, y, p) == pytest.approx(model.rhs(t, y, p), rel=1e-12, abs=1e-12)


def test_arrays_give_what_scalars_give() -> None:
    rng = np.random.default_rng(3)
    patients = [random_patient(rng) for _ in range(5)]
    states = [random_state(rng, p) for p in patients]
    arrays = {"exp": np.exp, "sqrt": np.sqrt, "floor": np.floor}
    scope = {**vars(model), **arrays}
    flux = FunctionType(model.fluxes.__code__, scope)
    p, y = parameters.Parameters(*np.array(patients).T), State(*np.array(states).T)
    slopes = np.array(model.balances(y, p, flux(12.5, y, p)))
    for k in range(5):
        np.testing.assert_allclose(slopes[:, k], model.rhs(12.5, states[k], patients[k]), rtol=1e-12, atol=1e-12)


def test_text_has_no_numbers_and_no_branches() -> None:
    """Numbers are parameters with unit and source; a branch would not run on lanes."""
    for function in (model.fluxes, model.balances):
        for node in ast.walk(ast.parse(inspect.getsource(function))):
            assert not isinstance(node, ast.If | ast.IfExp | ast.While | ast.For | ast.Compare | ast.BoolOp)
            if isinstance(node, ast.Constant) and not isinstance(node.value, str):
                assert node.value in (0, 1, 2)


def test_states_at_rest_do_not_move_without_drug() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        p = random_patient(rng)
        y = random_state(rng, p)._replace(**states.REST)
        slope = model.rhs(float(rng.uniform(0, 100)), y, p)
        assert all(getattr(slope, name) == 0.0 for name in states.REST)


def test_ghrelin_tolerance_is_that_of_therapies() -> None:
    """dR_S/dt = k_rec (1 - R_S) - k_des E_S R_S with E_S = R_S s / (1 + s) (therapies, section 2)."""
    table = {row.name: row.value for row in parameters.TABLE}
    p = parameters.Parameters(**(table | {"k_tolerance_ghs_a": 0.02, "potency_ghs_a": 0.5}))
    y = states.State(
        **(dict.fromkeys(states.STATES, 1.0) | {"ghs_tolerance": 0.7, "central_ghs_a": 4.0, "central_ghs_b": 0.0})
    )
    loss = 0.02 * 0.7 * 2.0 / (1 + 2.0) * 0.7
    assert model.rhs(0.0, y, p).ghs_tolerance == pytest.approx(p.k_tolerance_recovery * 0.3 - loss, rel=1e-12)
