"""Drugs of the user's own and the newer kinds: closed forms, draws, what they are called, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import expm

import pulsatile as pu
from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.dosing import arm_parameters, dose_events, individual_figures
from pulsatile.engine.drugs.drug import Drug, last_stage, peak
from pulsatile.engine.drugs.presets import EXTRAPOLATION, OWN, TRIAL, standing
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import target_of
from pulsatile.engine.trial.arms import check_arms

FIGURES: dict[str, Any] = {
    "molar_mass": 3358.0, "f": 0.06, "ka": 4.0, "cl": 156.0, "v": 24.75, "ec50": 0.15, "ke": 5.0, "largest": 50e3,
    "source": "made up for this test",
}  # fmt: skip


def ghrh(name: str = "my_ghrh", **changes: Any) -> Drug:
    given = {key: value for key, value in (FIGURES | changes).items() if value is not None}
    return pu.own_drug(name, "ghrh", **given)


def ghs(name: str = "my_ghs", **changes: Any) -> Drug:
    given = {key: value for key, value in (FIGURES | {"ke": None} | changes).items() if value is not None}
    return pu.own_drug(name, "ghs", **given)


def gh(name: str = "my_gh", kind: str = "gh", **changes: Any) -> Drug:
    figures = {"f": 0.5, "ka": 0.2, "largest": 100e3, "source": "made up for this test"} | changes
    return pu.own_drug(name, kind, **{key: value for key, value in figures.items() if value is not None})


def given(drug: Drug, amount: float, route: str, *times: float, **more: Any) -> pu.Dose:
    own = drug if drug.own else None
    return pu.Dose(drug.name, amount, more.pop("unit", "ug"), route, times or (8.0,), own=own, **more)


EVERY = 0.25


def simulated(arms: list[pu.Arm], *outputs: str, n: int = 1, variability: bool = False) -> xr.Dataset:
    cohort = pu.virtual_cohort(n, variability=variability)
    plan = pu.Plan(weeks=2 / 7, every=EVERY, outputs=outputs, solver=pu.Solver(rtol=1e-8))
    return pu.simulate(cohort, arms, plan)


def bateman(t: Floats, ka: float, k: float) -> Floats:
    """The amount in plasma, t h after 1 unit was put under the skin."""
    return np.where(t > 0, ka / (ka - k) * (np.exp(-k * t) - np.exp(-ka * t)), 0.0)


def infused(t: Floats, length: float, k: float) -> Floats:
    """The amount in plasma, t h after the start of an infusion of 1 unit an hour."""
    inside = np.clip(t, 0, length)
    return (1 - np.exp(-k * inside)) / k * np.exp(-k * np.clip(t - length, 0, None))


def size(drug: Drug) -> tuple[float, float]:
    """Elimination rate (1/h) and volume (L) in the typical man, from his weight."""
    weight = float(pu.virtual_cohort(1, variability=False).parameters["weight"][0]) / 70
    v = drug.value("v") * weight ** drug.value("weight_on_v")
    return drug.value("cl") * weight ** drug.value("weight_on_cl") / v, v


CASES: dict[str, tuple[Drug, list[pu.Dose], Callable[[Drug, Floats], Floats]]] = {}


def _case(name: str, drug: Drug, doses: list[pu.Dose], exact: Callable[[Drug, Floats], Floats]) -> None:
    CASES[name] = (drug, doses, exact)


def _skin(amount: float, *hours: float) -> Callable[[Drug, Floats], Floats]:
    def exact(drug: Drug, t: Floats) -> Floats:
        k, v = size(drug)
        return drug.value("f") * amount / v * sum(bateman(t - hour, drug.value("ka"), k) for hour in hours)

    return exact


def _vein(amount: float, hour: float, length: float = 0.0) -> Callable[[Drug, Floats], Floats]:
    def exact(drug: Drug, t: Floats) -> Floats:
        k, v = size(drug)
        if length:
            return amount / length / v * infused(t - hour, length, k)
        return np.where(t > hour, amount / v * np.exp(-k * (t - hour).clip(0)), 0.0)

    return exact


for _drug in (ghrh(), ghs(), ghrh("heavy", weight_on_cl=0.0, weight_on_v=0.3), ghs("slow", ka=0.3, cl=5.0)):
    _case(f"{_drug.name} SC", _drug, [given(_drug, 500, "SC", 8.0, 20.0)], _skin(500, 8, 20, 32, 44))
    _case(f"{_drug.name} oral", _drug, [given(_drug, 500, "oral", 8.1)], _skin(500, 8.1, 32.1))
    _case(f"{_drug.name} IV", _drug, [given(_drug, 50, "IV", 8.0, count=1)], _vein(50, 8.0))
    _case(
        f"{_drug.name} infusion", _drug, [given(_drug, 90, "infusion", 8.0, count=1, duration=3.0)], _vein(90, 8.0, 3.0)
    )
for _name, _route in (("mk677", "oral"), ("macimorelin", "oral"), ("ghrp2", "SC"), ("ghrh_1_44", "SC"),
                      ("ghrh_1_40", "SC")):  # fmt: skip
    _case(f"{_name} {_route}", DRUGS[_name], [given(DRUGS[_name], 300, _route, 8.0)], _skin(300, 8, 32))
_case("ghrelin IV", DRUGS["ghrelin"], [given(DRUGS["ghrelin"], 70, "IV", 9.0, count=1)], _vein(70, 9.0))
_case("ghrelin infusion", DRUGS["ghrelin"], [given(DRUGS["ghrelin"], 70, "infusion", 9.0, count=1, duration=2.5)],
      _vein(70, 9.0, 2.5))  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_concentration_is_the_closed_form(name: str) -> None:
    drug, doses, exact = CASES[name]
    data = simulated([pu.Arm("a", tuple(doses)), pu.Arm("none")], f"concentration_{drug.name}")
    found = data[f"concentration_{drug.name}"]
    truth = exact(drug, found["time"].values)
    assert truth.max() > 0
    worst = np.abs(found.values[0, 0] - truth).max() / truth.max()
    assert worst < 1e-6, worst
    assert (found.values[1] == 0).all()
    assert found.attrs["units"] == "ug/L"
    assert f"{1e6 / drug.value('molar_mass'):.4g} pmol/L" in found.attrs["description"]


def test_release_of_gh_is_the_closed_form() -> None:
    """GH that is released slowly leaves one stage; that of an own absorption two equal ones."""
    slow, lonapeg, fast = gh("slow_gh", "long_gh", ka=0.03), DRUGS["lonapegsomatropin"], gh()
    arms = [pu.Arm("slow", (given(slow, 2000, "SC", count=1),)),
            pu.Arm("lonapeg", (given(lonapeg, 2000, "SC", count=1),)),
            pu.Arm("fast", (given(fast, 2000, "SC", count=1),)),
            pu.Arm("pump", (given(fast, 24.0, "pump", 0.0, duration=24.0),))]  # fmt: skip
    data = simulated(arms, "gh_depot_1", "gh_depot_2", "gh")
    t = (data["time"].values - 8.0).clip(0)
    after = data["time"].values > 8.0
    for k, drug in enumerate((slow, lonapeg)):
        truth = np.where(after, drug.value("f") * 2000 * np.exp(-drug.value("ka") * t), 0.0)
        assert np.abs(data["gh_depot_2"].values[k, 0] - truth).max() < 1e-6 * truth.max()
        assert (data["gh_depot_1"].values[k] == 0).all()
    truth = np.where(after, 0.5 * 2000 * 0.2 * t * np.exp(-0.2 * t), 0.0)
    assert np.abs(data["gh_depot_2"].values[2, 0] - truth).max() < 1e-6 * truth.max()
    t = data["time"].values
    truth = 0.5 * (1 - (1 + 0.2 * t) * np.exp(-0.2 * t)) / 0.2  # 1 ug/h
    assert np.abs(data["gh_depot_2"].values[3, 0] - truth).max() < 1e-6 * truth.max()


def test_effect_of_an_own_ghrh() -> None:
    """The effect site is the last stage of the chain, scaled so that its peak is that of concentration over EC50."""
    drug = ghrh(ke=0.7)
    arm = pu.Arm("a", (given(drug, 800, "SC", count=1),))
    data = simulated([arm], "effect_ghrh_a", "concentration_my_ghrh")
    cohort = pu.virtual_cohort(1, variability=False)
    k, v = size(drug)
    chain = np.array([[-4.0, 0, 0], [4.0, -k, 0], [0, 0.7, -0.7]])
    t = (data["time"].values - 8.0).clip(0)
    share = np.array([(expm(chain * x) @ [0.06 * 800, 0, 0])[2] for x in t]) * (data["time"].values > 8.0)
    plasma = 1000 / (v * 3358 * 0.15)
    truth = drug.effect_factor * plasma * share
    assert np.abs(data["effect_ghrh_a"].values[0, 0] - truth).max() < 1e-6 * truth.max()
    assert arm_parameters(arm, cohort)["potency_ghrh_a"][0] == pytest.approx(drug.effect_factor * plasma, rel=1e-12)


@pytest.mark.parametrize(
    "rates", [(4.0, 4.0), (4.0, 4.0, 4.0), (4.0, 4.0 * (1 + 1e-6), 4.0 * (1 - 1e-6)), (5.0, 4.0, 5.0)]
)
def test_equal_rates(rates: tuple[float, ...]) -> None:
    """Own drugs may have equal rates, for which the sum of exponentials loses all digits."""
    time = np.linspace(0.01, 3, 50)
    apart = np.array(rates) * (1 + 1e-13)
    chain = np.diag(-apart) + np.diag(apart[:-1], -1)
    truth = [expm(chain * t)[-1, 0] for t in time]
    np.testing.assert_allclose(last_stage(rates, time), truth, rtol=1e-10)
    assert np.isfinite(peak(rates))


def test_potency_in_place_of_the_ec50() -> None:
    by_potency = ghrh(ec50=None, potency=1000 / (24.75 * 3358 * 0.15))
    assert by_potency.value("ec50") == pytest.approx(0.15, rel=1e-12)


def test_inputs_add_to_their_own_value_and_end_at_it() -> None:
    cohort = pu.virtual_cohort(2, variability=False)
    doses = (pu.Dose("rhigf1", 3.5, "-", "infusion", (8.0,), duration=4.0, count=1),
             pu.Dose("rhigf1", 0.5, "-", "infusion", (10.0,), duration=4.0, count=1),
             pu.Dose("octreotide", 50, "-", "infusion", (9.0,), duration=1.0, count=1))  # fmt: skip
    events = dose_events(pu.Arm("a", doses), cohort, 0.0, 48.0)
    first = slice(events.ptr[0], events.ptr[1])
    time, target, amount = events.time[first], events.target[first], events.amount[first]
    igf1, sst = target == target_of("igf1_factor"), target == target_of("sst_added")
    assert time[igf1].tolist() == [8.0, 10.0, 12.0, 14.0]
    assert amount[igf1].tolist() == [4.5, 5.0, 1.5, 1.0]
    assert amount[sst].tolist() == [50.0, 0.0]
    table = pu.Dose("rhigf1", 1, "-", "infusion", (0.0,), table=_table((8.0,), (7.0,), (2.0,)))
    events = dose_events(pu.Arm("t", (table,)), cohort, 0.0, 48.0)
    assert events.amount[: events.ptr[1]].tolist() == [4.5, 1.0]


def _table(time: tuple[float, ...], amount: tuple[float, ...], duration: tuple[float, ...]) -> Any:
    from pulsatile.engine.drugs.dose_table import DoseTable

    return DoseTable(time=time, amount=amount, duration=duration)


def test_octreotide_and_igf1_lower_gh_and_a_ghrelin_agonist_raises_it() -> None:
    day = {"duration": 24.0}
    arms = [pu.Arm("none"), pu.Arm("o", (pu.Dose("octreotide", 200, "-", "infusion", (0.0,), **day),)),
            pu.Arm("i", (pu.Dose("rhigf1", 3.5, "-", "infusion", (0.0,), **day),)),
            pu.Arm("m", (pu.Dose("mk677", 25, "mg", "oral", (0.0,)),))]  # fmt: skip
    gh_mean = simulated(arms, "gh").gh.mean("time").values[:, 0]
    assert gh_mean[1] < 0.5 * gh_mean[0]
    assert gh_mean[2] < 0.6 * gh_mean[0]
    assert gh_mean[3] > 1.5 * gh_mean[0]


def test_an_own_drug_with_the_figures_of_the_table_is_that_drug() -> None:
    """With its figures and without variability, sermorelin's effect is the same numbers, bit for bit."""
    own = ghrh(women=0.5)
    arms = [pu.Arm("own", (given(own, 300, "SC"),)), pu.Arm("table", (pu.Dose("sermorelin", 300, "ug", "SC", (8.0,)),))]
    data = simulated(arms, "gh", "igf1")
    for name in ("gh", "igf1"):
        np.testing.assert_array_equal(data[name].values[0], data[name].values[1])


def test_draws_are_keyed_by_the_name() -> None:
    cohort = pu.virtual_cohort(300)
    drug = ghrh(cv={"cl": 0.3, "ka": 0.5})
    figures = individual_figures(drug, cohort)
    np.testing.assert_array_equal(individual_figures(drug, cohort.subset(slice(40, 60)))["cl"], figures["cl"][40:60])
    assert np.std(np.log(figures["ka"])) == pytest.approx(np.sqrt(np.log1p(0.25)), rel=0.15)
    assert np.ptp(figures["ec50"]) == 0
    other = individual_figures(ghrh("other", cv={"cl": 0.3, "ka": 0.5}), cohort)
    assert abs(np.corrcoef(other["ka"], figures["ka"])[0, 1]) < 0.2
    # release of GH differs between patients too
    assert np.ptp(arm_parameters(pu.preset("lonapeg_weekly"), cohort)["ka_gh"]) > 0


def test_one_drug_in_two_slots_is_one_concentration() -> None:
    drug = DRUGS["sermorelin"]
    both = pu.Arm("both", (given(drug, 500, "SC", count=1), given(drug, 50, "IV", count=1)))
    data = simulated([both], "concentration_sermorelin")
    t = data["time"].values
    truth = _skin(500, 8.0)(drug, t) + _vein(50, 8.0)(drug, t)
    assert np.abs(data["concentration_sermorelin"].values[0, 0] - truth).max() < 1e-6 * truth.max()


def test_concentration_in_a_test_that_gives_the_drug() -> None:
    drug = ghrh()
    settings = pu.TestSettings(at=8.0, hours=3.0, every=0.25, outputs=("concentration_my_ghrh", "gh"),
                               give=(pu.TestDose(given(drug, 500, "SC")),))  # fmt: skip
    plan = pu.Plan(weeks=1, outputs=("igf1",), tests=(pu.TestAt("sampling", (0,), "pk", settings),),
                   solver=pu.Solver(rtol=1e-8))  # fmt: skip
    data = pu.simulate(pu.virtual_cohort(1, variability=False), [pu.Arm("none")], plan)
    truth = _skin(500, 0.0)(drug, data["pk_time"].values)
    assert np.abs(data["pk_concentration_my_ghrh"].values[0, 0, 0] - truth).max() < 1e-6 * truth.max()
    assert data["pk_concentration_my_ghrh_tmax"].item() == 0.25


def test_an_own_drug_is_marked() -> None:
    arm = pu.Arm("mine", (given(ghrh(), 500, "SC"),))
    assert arm.dose_words == "my_ghrh (own drug) 500 ug SC at 08:00 daily"
    assert standing(arm) == OWN
    data = pu.template([0], [arm], pu.Plan(weeks=1))
    assert data.attrs["own_drugs"].startswith("my_ghrh: ghrh, molar_mass 3358 g/mol, f 0.06")
    assert data.attrs["own_drugs"].endswith("(made up for this test)")
    assert "own_drugs" not in pu.template([0], [pu.preset("tesamorelin_label")], pu.Plan(weeks=1)).attrs


def test_standing_of_the_new_presets() -> None:
    assert {name: standing(pu.preset(name)) for name in ("mk677_25", "macimorelin_test", "lonapeg_weekly")} == {
        "mk677_25": TRIAL, "macimorelin_test": TRIAL, "lonapeg_weekly": TRIAL}  # fmt: skip
    daily = pu.Arm("a", (pu.Dose("macimorelin", 0.5, "mg/kg", "oral", (8.0,)),))
    assert standing(daily) == EXTRAPOLATION  # people received it once


def test_titrated_preset_runs() -> None:
    cohort = pu.virtual_cohort(4, phenotype="ghd")
    plan = pu.Plan(weeks=9, outputs=("igf1_sds",))
    doses = pu.simulate(cohort, [pu.preset("rhgh_titrated")], plan)["titrated_dose"]
    assert doses["titrated_dose_week"].values.tolist() == [0.0, 4.0, 8.0]
    assert (doses.values[0, :, 0] == 2).all()
    assert set(np.unique(doses.values)) <= {2.0, 3.0, 4.0}
    assert (doses.values[0, :, -1] > 2).any()


PLAN = pu.Plan(weeks=1)
SC = pu.Dose("somatropin", 1, "mg", "SC", (21.0,))


def _arms(*doses: pu.Dose, outputs: tuple[str, ...] = ("igf1",)) -> None:
    check_arms([pu.Arm("a", doses)], pu.Plan(weeks=1, outputs=outputs))


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "name of the table": (lambda: ghrh("sermorelin"), "name of a drug of the table"),
    "name in capitals": (lambda: ghrh("MyDrug"), "small letters"),
    "name empty": (lambda: ghrh(""), "small letters"),
    "name no text": (lambda: ghrh(3), "small letters"),  # type: ignore[arg-type]
    "kind unknown": (lambda: gh(kind="sarm"), "kind = 'sarm' is unknown"),
    "kind an input": (lambda: gh(kind="input"), "kind = 'input' is unknown"),
    "kind None": (lambda: gh(kind=None), "kind = None is unknown"),  # type: ignore[arg-type]
    "no molar mass": (lambda: ghrh(molar_mass=None), "molar mass (molar_mass, g/mol) is missing"),
    "no f": (lambda: ghrh(f=None), "bioavailability (f, 1) is missing"),
    "no ka": (lambda: ghrh(ka=None), "absorption rate (ka, 1/h) is missing"),
    "no cl": (lambda: ghrh(cl=None), "clearance (cl, L/h) is missing"),
    "no v": (lambda: ghrh(v=None), "volume (v, L) is missing"),
    "no ec50": (lambda: ghrh(ec50=None), "EC50 (ec50, nmol/L) is missing"),
    "no ke": (lambda: ghrh(ke=None), "effect-site rate (ke, 1/h) is missing"),
    "gh without f": (lambda: gh(f=None), "bioavailability (f, 1) is missing"),
    "long_gh without ka": (lambda: gh(kind="long_gh", ka=None), "absorption rate (ka, 1/h) is missing"),
    "f in percent": (lambda: ghrh(f=6), "f = 6 is outside"),
    "f of 0": (lambda: ghrh(f=0.0), "f = 0 is outside"),
    "negative cl": (lambda: ghrh(cl=-156.0), "cl = -156 L/h is outside"),
    "cl of 0": (lambda: ghrh(cl=0), "cl = 0 L/h is outside"),
    "v NaN": (lambda: ghrh(v=float("nan")), "v = nan must be a number in L"),
    "v infinite": (lambda: ghrh(v=float("inf")), "v = inf must be a number in L"),
    "ka a text": (lambda: ghrh(ka="4 1/h"), "ka = '4 1/h' must be a number in 1/h"),
    "ka True": (lambda: ghrh(ka=True), "ka = True must be a number"),
    "ka per second": (lambda: ghrh(ka=4 * 3600), "ka = 14400 1/h is outside"),
    "cl over v in mL": (lambda: ghrh(v=0.02475), "cl / v"),
    "molar mass in kDa": (lambda: ghrh(molar_mass=3.358), "molar_mass = 3.358 g/mol is outside"),
    "ec50 of 0": (lambda: ghrh(ec50=0.0), "ec50 = 0 nmol/L is outside"),
    "both ec50 and potency": (lambda: ghrh(potency=0.1), "both an ec50 and a potency"),
    "potency without v": (lambda: ghrh(ec50=None, potency=0.1, v=None), "has a potency and no v"),
    "negative potency": (lambda: ghrh(ec50=None, potency=-0.1), "potency = -0.1 1/ug is outside"),
    "ke of a ghrelin agonist": (lambda: ghs(ke=5.0), "has ke, which a drug of kind ghs does not use"),
    "tolerance of a GHRH analogue": (lambda: ghrh(k_tolerance=0.1), "has k_tolerance, which"),
    "clearance of rhGH": (lambda: gh(cl=10.0), "has cl, which a drug of kind gh does not use"),
    "cv of f": (lambda: ghrh(cv={"f": 0.1}), "cv of 'f' is not possible"),
    "cv in percent": (lambda: ghrh(cv={"cl": 30}), "cv of cl = 30 must be a number from 0 to 2"),
    "cv a number": (lambda: ghrh(cv=0.3), "cv = 0.3 must be a mapping"),
    "cv of a missing figure": (lambda: gh(cv={"cl": 0.3}), "has a cv of cl and no cl"),
    "no source": (lambda: ghrh(source=" "), "its source is missing"),
    "source of two lines": (lambda: ghrh(source="a\nb"), "its source is missing"),
    "largest of 0": (lambda: ghrh(largest=0.0), "largest = 0 ug is outside"),
    "a dose above the largest": (lambda: given(ghrh(), 51, "SC", unit="mg"), "at most 50 mg a day are allowed"),
    "a definition of another name": (
        lambda: pu.Dose("other", 1, "mg", "SC", (8.0,), own=ghrh()), "has the definition of 'my_ghrh'"),
    "a name in place of a definition": (
        lambda: pu.Dose("other", 1, "mg", "SC", (8.0,), own="sermorelin"), "is not a drug of yours"),  # type: ignore[arg-type]
    "a drug of the table as own": (
        lambda: pu.Dose("sermorelin", 1, "mg", "SC", (8.0,), own=DRUGS["sermorelin"]), "is not a drug of yours"),
    "no definition": (lambda: pu.Dose("my_ghrh", 1, "mg", "SC", (8.0,)), "'my_ghrh' is not known"),
    "IU of an own peptide": (lambda: given(ghrh(), 1, "SC", unit="IU"), "unit = 'IU'"),
    "a pump of a peptide": (lambda: given(ghrh(), 1, "pump", duration=24.0), "route = 'pump'"),
    "released GH into a vein": (lambda: given(gh(kind="long_gh"), 1, "IV"), "route = 'IV'"),
    "ghrelin under the skin": (lambda: pu.Dose("ghrelin", 1, "ug", "SC", (8.0,)), "route = 'SC'"),
    "mk677 under the skin": (lambda: pu.Dose("mk677", 1, "mg", "SC", (8.0,)), "route = 'SC'"),
    "oral GHRP-6": (lambda: pu.Dose("ghrp6_oral", 1, "mg", "oral", (8.0,)), "its bioavailability is not known"),
    "somapacitan": (lambda: pu.Dose("somapacitan", 1, "mg", "SC", (8.0,)), "potency relative to GH are not known"),
    "octreotide in ug": (lambda: pu.Dose("octreotide", 50, "ug", "infusion", (8.0,), duration=1.0), "unit = 'ug'"),
    "too much octreotide": (
        lambda: pu.Dose("octreotide", 5000, "-", "infusion", (8.0,), duration=1.0), "at most 1000"),
    "two depots": (
        lambda: _arms(SC, given(DRUGS["lonapegsomatropin"], 1, "SC")),
        "somatropin and lonapegsomatropin under the skin"),
    "two own depots": (lambda: _arms(given(gh(), 1, "SC"), given(gh("b"), 1, "SC")), "my_gh and b under the skin"),
    "three GHRH analogues": (
        lambda: _arms(*(given(ghrh(name), 1, "SC") for name in ("a", "b", "c"))), "3 GHRH analogues (a, b, c)"),
    "two definitions": (
        lambda: check_arms([pu.Arm(f"a{cl}", (given(ghrh(cl=cl), 1, "SC"),)) for cl in (100.0, 156.0)], PLAN),
        "my_ghrh has two definitions"),
    "concentration of nothing": (
        lambda: _arms(outputs=("concentration_my_ghrh",)), "no arm or test of the study gives; leave it out"),
    "concentration misspelt": (
        lambda: _arms(given(ghrh(), 1, "SC"), outputs=("concentration_my_ghhr",)), "choose from concentration_my_ghrh"),
    "concentration of rhGH": (lambda: _arms(SC, outputs=("concentration_somatropin",)), "the output gh is all GH"),
    "concentration without a drug": (lambda: pu.Plan(weeks=1, outputs=("concentration_",)), "is unknown"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_one_sentence(name: str) -> None:
    make, words = BAD[name]
    with pytest.raises(InputError) as caught:
        make()
    sentence = str(caught.value)
    assert words in sentence, sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_there_are_enough_bad_ones() -> None:
    assert len(BAD) >= 40
