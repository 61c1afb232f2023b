"""The unit of every term: the right-hand side runs on pint quantities, and planted errors are caught.

The registry is strict on purpose: ``min`` and ``h``, ``ug`` and ``kg``, ``mmol`` and ``pmol`` know nothing of one
another, so that a forgotten conversion is an error and not something that pint mends.
"""

import ast
import inspect
from functools import cache
from typing import Any

import pint
import pytest

from pulsatile.engine import model, parameters, states

BASE = ("h", "min", "day", "L", "kg", "ug", "mmol", "pmol", "cm")
REGISTRY = pint.UnitRegistry(None)
for _name in BASE:
    REGISTRY.define(f"{_name} = [{_name}]")


@cache
def unit(text: str) -> Any:
    return REGISTRY.parse_units(text)


def quantity(value: float, text: str) -> Any:
    return REGISTRY.Quantity(value, unit(text))


def _exp(x: Any) -> float:
    return float(model.exp(REGISTRY.Quantity(x).m_as("")))


def _floor(x: Any) -> int:
    return int(model.floor(REGISTRY.Quantity(x).m_as("")))


def _sqrt(x: Any) -> Any:
    return x**0.5


SOURCE = {name: inspect.getsource(getattr(model, name)) for name in ("fluxes", "balances")}


def problems(source: dict[str, str] = SOURCE, units: dict[str, str] = parameters.UNITS) -> list[str]:
    """Evaluate the model's text on quantities; say which term, flux or derivative has a wrong unit."""
    scope: dict[str, Any] = {**vars(model), "exp": _exp, "floor": _floor, "sqrt": _sqrt}
    for text in source.values():
        exec(text, scope)
    p = parameters.Parameters(*(quantity(row.value + 0.5, units[row.name]) for row in parameters.TABLE))
    y = states.State(*(quantity(0.5 + 0.01 * i, u) for i, u in enumerate(states.STATE_UNITS.values())))
    try:
        f = scope["fluxes"](quantity(40.0, "h"), y, p)  # the second day: pint lets any unit be added to a plain 0
        found = [f"flux {n}: {_of(v)}, not {model.FLUX_UNITS[n]}" for n, v in f._asdict().items()
                 if _of(v) != unit(model.FLUX_UNITS[n])]  # fmt: skip
        slope = scope["balances"](y, p, f)
    except pint.DimensionalityError as error:
        return [str(error)]
    wanted = {name: unit(text) / unit("h") for name, text in states.STATE_UNITS.items()}
    return found + [f"d{n}/dt: {_of(v)}, not {wanted[n]}" for n, v in slope._asdict().items() if _of(v) != wanted[n]]


def _of(value: Any) -> Any:
    return getattr(value, "units", unit("1"))


def test_every_flux_and_derivative_has_its_unit() -> None:
    assert problems() == []


def test_table_units_are_real_units() -> None:
    """The strict registry takes any spelling; the units must also exist outside it, and 60 min/h must be 1."""
    real = pint.UnitRegistry()
    for text in {*parameters.UNITS.values(), *states.STATE_UNITS.values(), *model.FLUX_UNITS.values()}:
        assert real.Quantity(1.0, text).magnitude == 1.0, text
    row = parameters.ROW["minutes_per_hour"]
    assert real.Quantity(row.value, row.unit).m_as("") == pytest.approx(1.0, rel=1e-15)


PLANTED = [
    # function, text, planted error
    ("balances", "m = p.minutes_per_hour", "m = 1"),
    ("balances", "glucose=m * f.glucose_rate", "glucose=f.glucose_rate"),
    ("balances", "p85=m * p.k_p85", "p85=p.k_p85"),
    ("balances", "k_ffa * y.ffa)", "k_ffa * y.glucose * y.ffa)"),
    ("balances", " + p.lipid_infusion", " + p.glucose_infusion"),
    ("balances", "p.insulin_infusion) / p.v_insulin", "p.insulin_infusion)"),
    ("balances", "/ p.v_gh", ""),
    ("balances", "p.gh_leak * p.c_secretion", "p.gh_leak * p.v_gh"),
    ("balances", "f.gh_clearance * y.gh", "f.gh_clearance * y.gh_store"),
    ("balances", "p.ka_gh * y.gh_depot_2) / p.v_gh", "p.ka_gh * y.gh_depot_2 / p.v_gh)"),
    ("balances", "p.potency_ghrh_a * y.central_ghrh_a", "p.k_el_ghrh_a * y.central_ghrh_a"),
    ("balances", "+ p.rate_ghs_a", "+ p.rate_ghs_a / p.v_gh"),
    ("balances", "gut=m * (p.k_gastric * y.stomach", "gut=m * (p.k_gastric * y.gh_store"),
    ("balances", "p.socs_antagonist * y.socs", "y.socs"),
    ("balances", "p.igf1_emax * p.c_igf1 * y.gh_signal", "p.igf1_emax * p.c_igf1 * y.gh"),
    ("balances", "p.k_igf1 * y.igf1", "p.k_igf1 * y.gh_signal"),
    ("balances", "p.lean0 * (1 +", "p.lean0 + (1 +"),
    ("fluxes", "p.k_absorption * y.gut / p.weight", "p.k_absorption * y.gut"),
    ("fluxes", "/ p.v_glucose", ""),
    ("fluxes", "p.k_mass_action * y.glucose", "p.k_mass_action"),
    ("fluxes", "igf1_excess = p.igf1_insulin * (y.igf1", "igf1_excess = (y.igf1"),
    ("fluxes", "* x_liver / p.egp_half", "/ p.egp_half"),
    ("fluxes", "* x_liver / p.lipolysis_half", "* x_liver / p.lipolysis_gh_half"),
    ("fluxes", "from_night / p.day +", "from_night +"),
    ("fluxes", "h4 / (h4 + g4)", "h4 / (h4 + y.glucose * y.glucose)"),
    ("fluxes", "p.potency_ghs_a * y.central_ghs_a", "y.central_ghs_a"),
    ("fluxes", "isr / (p.extraction_half * p.isr_basal)", "isr / p.extraction_half"),
    ("fluxes", "p.vat_mass * y.vat", "y.vat"),
    ("fluxes", "p.beta_dynamic * p.isr_basal * rise", "p.isr_basal * rise"),
    ("fluxes", "p.k_gh_saturable / (1 + y.gh / p.gh_saturation)", "p.k_gh_saturable / (1 + y.gh / p.k_gh)"),
]


@pytest.mark.parametrize(("function", "text", "planted"), PLANTED)
def test_planted_error_is_caught(function: str, text: str, planted: str) -> None:
    assert text in SOURCE[function], "the planted error no longer fits the model's text"
    assert problems(SOURCE | {function: SOURCE[function].replace(text, planted, 1)})


class _Drop(ast.NodeTransformer):
    """Replace the ``index``-th dimensional parameter or state of a function by the number 1."""

    def __init__(self, index: int) -> None:
        self.index, self.seen, self.dropped = index, -1, ""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        table = {"p": parameters.UNITS, "y": states.STATE_UNITS}.get(getattr(node.value, "id", ""), {})
        if table.get(node.attr, "1") == "1":
            return node
        self.seen += 1
        if self.seen != self.index:
            return node
        self.dropped = f"{node.attr}, line {node.lineno}"
        return ast.copy_location(ast.Constant(1), node)


@pytest.mark.parametrize("function", ["fluxes", "balances"])
def test_any_dimensional_quantity_left_out_is_caught(function: str) -> None:
    missed, index = [], 0
    while True:
        drop = _Drop(index)
        text = ast.unparse(drop.visit(ast.parse(SOURCE[function])))
        if not drop.dropped:
            break
        if not problems(SOURCE | {function: text}):
            missed.append(drop.dropped)
        index += 1
    assert index > 70
    assert missed == []


USED = sorted(
    {node.attr for text in SOURCE.values() for node in ast.walk(ast.parse(text))
     if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "p"}
)  # fmt: skip


def test_changed_unit_in_the_table_is_caught() -> None:
    assert len(USED) > 140
    missed = []
    for name in USED:
        old = parameters.UNITS[name]
        new = "h" if old == "1" else f"({old})/h"
        if not problems(units=parameters.UNITS | {name: new}):
            missed.append(name)
    assert missed == []
