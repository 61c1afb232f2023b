"""The order of the right-hand side's lines: a permutation that keeps inputs before their users."""

import re

from pulsatile.engine import model, states
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.kernel.rewrite import straighten
from pulsatile.engine.kernel.schedule import ordered

LINES = straighten(model.fluxes, model.balances, states.REST, WATCH).always


def test_every_line_once_after_its_inputs() -> None:
    found = ordered(LINES)
    assert sorted(found) == sorted(LINES)
    assert found != LINES
    assert found == ordered(LINES)
    names = {line.split(" = ")[0] for line in LINES}
    known: set[str] = set()
    for line in found:
        name, text = line.split(" = ", 1)
        assert {word for word in re.findall(r"[A-Za-z_]\w*", text) if word in names} <= known
        known.add(name)


def test_the_longest_chain_goes_first() -> None:
    lines = ("short = a * b", "one = 1.0 / a", "two = sqrt(one)", "three = 1.0 / two")
    assert ordered(lines)[0] == "one = 1.0 / a"
    assert ordered(lines)[1] == "short = a * b"  # while the division is under way
