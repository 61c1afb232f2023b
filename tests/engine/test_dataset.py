"""The metadata of a dataset: CF conventions, units that others read, flags, and what the arms are."""

import re
from typing import Any

import numpy as np
import pint
import pytest
import xarray as xr

import pulsatile as pu
from pulsatile.engine import model, outputs, parameters, states
from pulsatile.engine.dataset import CONVENTIONS, durations, template
from pulsatile.engine.drugs.presets import PRESETS, STANDINGS, standing
from pulsatile.engine.drugs.table import FIGURES
from pulsatile.engine.errors import Status
from pulsatile.engine.patients.cohort import COVARIATES, FLAGS, MORE_COVARIATES, PHENOTYPES
from pulsatile.engine.trial.plan import WATCHED
from pulsatile.engine.trial.protocols import TESTS

PLAN = pu.Plan(4.0, outputs=tuple(pu.OUTPUTS), reductions=WATCHED, tests=tuple(pu.TestAt(n, (0.0, 4.0)) for n in TESTS))
ALL = (*COVARIATES, *MORE_COVARIATES)
FLAG_WORD = re.compile(r"[A-Za-z0-9_.+@-]+")  # CF 3.5


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return template(np.arange(3), [pu.preset("control"), pu.preset("rhgh_low")], PLAN, ALL)


def every_unit() -> set[str]:
    found = {*parameters.UNITS.values(), *states.STATE_UNITS.values(), *model.FLUX_UNITS.values()}
    found |= {row.unit for row in outputs.OUTPUTS.values()} | {
        unit for unit, _ in {**COVARIATES, **MORE_COVARIATES}.values()
    }
    found |= {unit for test in TESTS.values() for unit, _ in test.endpoints.values()}
    whole = template(np.arange(1), [pu.preset("control")], PLAN, ALL)
    return found | {str(v.attrs["units"]) for v in whole.variables.values() if "units" in v.attrs}


def test_pint_reads_every_unit() -> None:
    registry = pint.UnitRegistry()
    for unit in every_unit():
        assert registry.Quantity(1.0, unit).magnitude == 1.0, unit
    assert registry.Unit(outputs.OUTPUTS["vat"].unit) == registry.Unit("centimeter ** 2")
    assert registry.Unit(COVARIATES["age"][0]) == registry.Unit("year")
    assert registry.Quantity(1.0, parameters.DIMENSIONLESS).dimensionless


def test_cf_xarray_reads_every_unit_alike() -> None:
    registry = pytest.importorskip("cf_xarray.units", reason="cf_xarray is not installed").units
    plain = pint.UnitRegistry()
    for unit in every_unit():
        found = registry.Quantity(1.0, registry.parse_units(unit)).to_base_units()
        expected = plain.Quantity(1.0, unit).to_base_units()
        assert (found.magnitude, str(found.units)) == (pytest.approx(expected.magnitude), str(expected.units)), unit


def test_a_unit_has_one_spelling() -> None:
    """As UDUNITS, pint and cf-xarray read it: an exponent behind ^, no blank, 1 for a plain number."""
    atom = r"(1|[A-Za-z]+(\^\d)?|%)"
    spelling = re.compile(rf"{atom}([*/]({atom}|\({atom}([*/]{atom})*\)))*")
    for unit in every_unit() | {figure.unit for figure in FIGURES}:
        assert spelling.fullmatch(unit), unit
        assert not {"y", "yr", "hours", "hr", "l", "mcg"} & set(re.findall("[A-Za-z]+", unit)), unit


def test_every_variable_and_coordinate_says_what_it_is(dataset: xr.Dataset) -> None:
    assert dataset.attrs["Conventions"] == CONVENTIONS
    for name, variable in dataset.variables.items():
        words = variable.attrs["long_name"]
        assert words, name
        assert not re.search(r"\(\w+\)$| - |\*\*", words), name  # no symbol of an equation
        assert "standard_name" not in variable.attrs  # CF has none for physiology
        if variable.dtype.kind not in "Om":
            assert name == "patient" or variable.attrs["units"], name
    for name, variable in dataset.data_vars.items():
        assert variable.attrs.get("ancillary_variables", "status") == "status"
        assert ("ancillary_variables" in variable.attrs) == (name != "status")


def test_codes_are_flags(dataset: xr.Dataset) -> None:
    codes = {"sex": ["man", "woman"], "phenotype": list(PHENOTYPES), "status": [s.name.lower() for s in Status]}
    for name, meanings in codes.items():
        attrs = dataset[name].attrs
        assert attrs["flag_meanings"].split() == meanings
        assert all(FLAG_WORD.fullmatch(word) for word in meanings)
        assert list(attrs["flag_values"]) == (list(range(len(meanings))) if name in FLAGS else [int(s) for s in Status])
        assert np.asarray(attrs["flag_values"]).dtype == dataset[name].dtype


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("igf1", "time: point"), ("gh_mean", "time: mean"), ("gh_max", "time: maximum"), ("gh_min", "time: minimum"),
        ("gh_auc", None), ("profile_gh_mean", "time: mean"), ("profile_igf1", "time: mean"),
        ("meal_day_glucose_peak", "time: maximum"), ("meal_day_ffa_nadir", "time: minimum"), ("fasting_glucose", None),
        ("profile_gh", "time: point"), ("status", None),
    ],
)  # fmt: skip
def test_a_reduction_has_its_cell_method(dataset: xr.Dataset, name: str, method: str | None) -> None:
    assert dataset[name].attrs.get("cell_methods") == method


def test_elapsed_is_the_time_exactly() -> None:
    assert durations(np.array([0.0, 1 / 6, 1 / 3, 520 * 168])).astype(int).tolist() == [
        0, 600_000_000_000, 1_200_000_000_000, 520 * 168 * 3_600_000_000_000
    ]  # fmt: skip


def regimen(*doses: tuple[Any, ...]) -> pu.Arm:
    return pu.Arm(
        "own", tuple(pu.Dose(d, amount, unit, route, times, **more) for d, amount, unit, route, times, more in doses)
    )


@pytest.mark.parametrize(
    ("arm", "populations", "expected"),
    [
        (pu.preset("control"), ("obese",), "no drug"),
        (regimen(("acipimox", 0.8, "-", "infusion", (8.0,), {"duration": 2.0})), ("obese",), "no drug"),
        (pu.preset("tesamorelin_label"), ("obese",), "trial"),  # licensed in HIV, which no population has
        (pu.preset("rhgh_low"), ("ghd",), "licensed"), (pu.preset("rhgh_low"), ("ghd_adults",), "licensed"),
        (pu.preset("rhgh_low"), ("obese",), "trial"), (pu.preset("rhgh_low"), ("ghd", "obese"), "trial"),
        (pu.preset("rhgh_low"), (), "trial"), (pu.preset("rhgh_mid"), ("ghd",), "trial"),
        (pu.preset("modgrf_ipam_hs"), ("obese",), "extrapolation"),
        (pu.preset("cjcdac_ipam"), ("lean",), "extrapolation"),
        (pu.preset("cjcdac_30_weekly"), ("lean",), "trial"), (pu.preset("sermorelin_low"), ("lean",), "trial"),
        (pu.preset("rhgh_pump"), ("lean",), "extrapolation"), (pu.preset("sermorelin_ghrp_tid"), (), "extrapolation"),
        (regimen(("tesamorelin", 2, "mg", "SC", (20.0,), {})), (), "trial"),
        (regimen(("tesamorelin", 1, "mg", "SC", (8.0, 20.0), {})), (), "trial"),
        (regimen(("tesamorelin", 2, "mg", "SC", (8.0, 20.0), {})), (), "extrapolation"),  # twice the largest day
        (regimen(("tesamorelin", 2, "mg", "IV", (8.0,), {})), (), "extrapolation"),  # another route
        (regimen(("tesamorelin", 2, "mg", "SC", (8.0,), {}), ("somatropin", 0.3, "mg", "SC", (21.0,), {})), (),
         "extrapolation"),  # a combination
        (regimen(("somatropin", 0.059, "mg/kg", "SC", (21.0,), {})), (), "extrapolation"),  # 4.13 mg at 70 kg
        (regimen(("somatropin", 0.057, "mg/kg", "SC", (21.0,), {})), (), "trial"),
        (regimen(("hexarelin", 100, "ug", "SC", (8.0,), {})), (), "extrapolation"),  # no preset of it
    ],
)  # fmt: skip
def test_standing(arm: pu.Arm, populations: tuple[str, ...], expected: str) -> None:
    assert standing(arm, populations) == expected
    assert (
        str(template([1], [arm], pu.Plan(1.0, outputs=("igf1",)), populations=populations)["standing"].item())
        == expected
    )


def test_no_preset_claims_more_than_it_declares() -> None:
    for row in PRESETS.values():
        if row.available:
            found = {standing(pu.preset(row.name), kinds) for kinds in ((), ("ghd",), ("ghd_adults",), ("obese",))}
            assert found <= set(STANDINGS)
            assert "licensed" not in found or row.standing == "licensed"
            assert (row.standing == "extrapolation") <= (found == {"extrapolation"})


def test_doses_in_words() -> None:
    arm = pu.Arm("x", (
        pu.Dose("somatropin", 0.7, "mg", "pump", (0.0,), duration=24.0),
        pu.Dose("cjc1295_dac", 60, "ug/kg", "SC", (8.5,), days=(0,), every_weeks=2, start_week=2.0, stop_week=8.0),
        pu.Dose("sermorelin", 1, "ug", "SC", tuple(k / 2 for k in range(10))),
    ))  # fmt: skip
    assert arm.dose_words == (
        "somatropin 0.7 mg pump at 00:00 over 24 h daily; "
        "cjc1295_dac 60 ug/kg SC at 08:30 on Mon, every 2 weeks, from week 2, until week 8; "
        "sermorelin 1 ug SC at 00:00, 00:30, 01:00, 01:30, 02:00, 02:30 and 4 more times daily"
    )
    assert arm.route_words == "pump, SC"
