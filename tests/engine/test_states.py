"""The table of states: complete, and the only declaration; a state without its row, balance or start is refused."""

import ast
import inspect
from math import isnan
from typing import Any

import numpy as np
import pytest

from pulsatile.engine import model, states
from pulsatile.engine.kernel.batch import tolerances
from pulsatile.engine.kernel.layout import active_states
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.parameters import SLOTS, Parameters, typical
from pulsatile.engine.patients import basal


def balance_names() -> set[str]:
    """Return the states that have a line in the text of the balances."""
    (call,) = (
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(model.balances)))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call)
    )
    return {keyword.arg or "" for keyword in call.keywords}


def test_rows_are_complete() -> None:
    assert len(set(states.STATES)) == len(states.TABLE)
    for row in states.TABLE:
        assert row.unit
        assert row.meaning
        assert row.size > 0
        assert isnan(row.rest) == (not row.group), row.name  # what may be left out of a kernel has a rest, and a group


def test_every_row_has_its_balance_start_and_output() -> None:
    record = typical(2)
    basal.constant_gh_means(record, 0.5)
    basal.set_basal(record)
    start = basal.fasting_state(record)
    assert balance_names() == set(states.STATES)
    assert start.shape == (2, len(states.STATES))
    assert np.isfinite(start).all()
    for row in states.TABLE:
        assert (OUTPUTS[row.name].unit, OUTPUTS[row.name].long_name) == (row.unit, row.meaning)


def test_a_balance_without_a_row_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = states.record_type("State", tuple(name for name in states.STATES if name != "socs"))
    monkeypatch.setattr(model, "State", fewer)
    with pytest.raises(TypeError, match="socs"):
        slope_at(1.0)


def test_a_row_without_a_balance_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "State", states.record_type("State", (*states.STATES, "liver_fat")))
    with pytest.raises(TypeError, match="liver_fat"):
        slope_at(1.0)


def test_a_row_without_a_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basal, "STATES", (*states.STATES, "liver_fat"))
    with pytest.raises(KeyError, match="liver_fat"):
        basal.fasting_state(typical(1))


def slope_at(value: float) -> Any:
    """Return the right-hand side at one value of all states and the typical parameters."""
    p = Parameters(*typical(1)[0].item())
    return model.rhs(0.0, states.State(*(value for _ in states.STATES)), p)


def test_tolerances_are_a_share_of_the_usual_size() -> None:
    active = active_states(tuple(states.GROUPS))
    solver = Solver(rtol=1e-5, atol_factor=1e-3)
    np.testing.assert_allclose(tolerances(active, solver), 1e-8 * states.SIZES)
    assert tolerances((states.STATE_INDEX["igf1"],), solver) == pytest.approx(2e-6)


def test_groups_share_out_the_states_that_rest() -> None:
    grouped = [name for names in states.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(states.REST)
    assert set(SLOTS) < set(states.GROUPS)
    assert [states.STATES[i] for i in active_states(())] == list(states.ALWAYS)
    assert [states.STATES[i] for i in active_states(tuple(states.GROUPS))] == list(states.STATES)
