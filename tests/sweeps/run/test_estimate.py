"""How large chunks are, and what a run costs, before it begins."""

from typing import Any

import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.simulate import memory_held
from pulsatile.sweeps.run.estimate import chunk_size, estimate
from pulsatile.sweeps.study.resolve import resolve
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Spread


def test_chunk_sizes(small: dict[str, Any]) -> None:
    def size(n: int, wanted: int | None, workers: int, **change: Any) -> int:
        resolved = resolve(study_from(small | {"population": {"n": n, "phenotype": "obese"}} | change, "study"))
        return chunk_size(resolved, resolved.plan(), wanted, workers)

    assert size(3, None, 2) == 3
    assert size(1000, None, 2) == 125
    assert size(100_000, None, 2) == 1000
    assert size(100, 7, 2) == 7
    assert size(100, 1000, 2) == 100
    with pytest.raises(InputError, match="at least 1 patient"):
        size(100, 0, 2)
    with pytest.raises(InputError, match=r"make --chunk smaller or outputs.every longer"):
        size(10_000_000, 1_000_000, 2, outputs={"every": "1 min"})


def test_estimate_counts_the_work(small: dict[str, Any]) -> None:
    found = estimate(resolve(study_from(small, "study")), 2, Spread(2, 1))
    assert (found.patients, found.arms, found.tasks) == (3, 2, 2)
    assert found.minutes > 0
    assert "42 patient-days" in found.lines()[0]


def test_estimate_counts_the_states_held_at_once(small: dict[str, Any]) -> None:
    small |= {"weeks": 26, "outputs": {"names": ["vat"], "every": "1 day"}, "tests": []}
    resolved = resolve(study_from(small, "study"))
    one, two = (estimate(resolved, 3, Spread(1, threads)).memory for threads in (1, 2))
    each = memory_held(resolved.plan(), 1)
    assert each > 8 * 50 * 182  # all states on each day, of which the results keep one
    assert two == 2 * one > 2 * 3 * each
    assert memory_held(resolved.plan(), 1_000_000) <= 200e6
