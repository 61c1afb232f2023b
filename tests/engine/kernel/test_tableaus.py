"""The tableaus: order conditions over rooted trees, dense output, first-same-as-last."""

from collections.abc import Iterator
from functools import cache
from math import prod

import numpy as np
import pytest

from pulsatile.engine.kernel.tableaus import PAIRS, EmbeddedPair

Tree = tuple["Tree", ...]  # a root's subtrees
THETAS = (0.1, 0.37, 0.5, 0.83)


@cache
def trees(order: int) -> tuple[Tree, ...]:
    """Return all rooted trees with ``order`` vertices."""
    return tuple(_forests(order - 1, order - 1))


def _forests(vertices: int, largest: int) -> Iterator[Tree]:
    if vertices == 0:
        yield ()
    for size in range(min(vertices, largest), 0, -1):
        for index, tree in enumerate(trees(size)):
            for rest in _forests(vertices - size, size):
                if not rest or (_order(rest[0]), trees(_order(rest[0])).index(rest[0])) <= (size, index):
                    yield (tree, *rest)


def _order(tree: Tree) -> int:
    return 1 + sum(map(_order, tree))


def _density(tree: Tree) -> int:
    return _order(tree) * prod(map(_density, tree))


def _stages(tree: Tree, a: np.ndarray) -> np.ndarray:
    """Return the elementary weight of each stage."""
    return np.prod([a @ _stages(child, a) for child in tree], axis=0) if tree else np.ones(len(a))


def _matrix(pair: EmbeddedPair) -> np.ndarray:
    rows = [(), *pair.a] + ([pair.extra_a] if pair.extra_a else [])
    a = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        a[i, : len(row)] = row
    return a


def _defect(weights: np.ndarray, a: np.ndarray, order: int, theta: float = 1.0) -> float:
    defects = (
        abs(weights @ _stages(tree, a) - theta**q / _density(tree)) for q in range(1, order + 1) for tree in trees(q)
    )
    return float(max(defects))


def test_number_of_trees() -> None:
    assert [len(trees(q)) for q in range(1, 8)] == [1, 1, 2, 4, 9, 20, 48]


@pytest.mark.parametrize("pair", PAIRS.values(), ids=list(PAIRS))
def test_order_conditions(pair: EmbeddedPair) -> None:
    a = _matrix(pair)
    stages = len(pair.c)
    b = np.zeros(len(a))
    b[: len(pair.a[-1])] = pair.a[-1]
    hat = b.copy()
    hat[:stages] += pair.e
    assert _defect(b, a, pair.order) < 1e-13
    assert max(abs(b @ _stages(tree, a) - 1 / _density(tree)) for tree in trees(pair.order + 1)) > 1e-7  # and no more
    assert _defect(hat, a, pair.error_order) < 1e-13
    assert np.allclose(a.sum(axis=1)[:stages], pair.c, rtol=0, atol=1e-14)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=list(PAIRS))
def test_last_stage_is_the_first_of_the_next_step(pair: EmbeddedPair) -> None:
    assert pair.c[-1] == 1.0
    assert len(pair.a) == len(pair.c) - 1
    assert sum(pair.e) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("name", ["free", "dense"])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=list(PAIRS))
def test_dense_output(pair: EmbeddedPair, name: str) -> None:
    a = _matrix(pair)
    rows = getattr(pair, name)
    weights = np.zeros((len(a), len(rows[0])))
    weights[: len(rows)] = rows
    order = {("bs5", "free"): 4}.get((pair.name, name), 5)
    for theta in THETAS:
        powers = theta ** np.arange(1, weights.shape[1] + 1)
        assert _defect(weights @ powers, a, order, theta) < 1e-12
    # meets the step at both ends, with the right slope at the start
    b = np.zeros(len(a))
    b[: len(pair.a[-1])] = pair.a[-1]
    assert np.allclose(weights.sum(axis=1), b, rtol=0, atol=1e-12)
    assert np.allclose(weights[:, 0], [1.0] + [0.0] * (len(a) - 1), rtol=0, atol=1e-12)
