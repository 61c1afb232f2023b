"""Correlation matrices: completed, projected aloud, singular ones right, earlier covariates never touched."""

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.people import copula
from pulsatile.engine.people.copula import assemble, correlate, from_covariance

ABC = {("a", "b"): 0.5, ("b", "c"): 0.4}


def normals(k: int, n: int = 200_000) -> list[np.ndarray]:
    return list(np.random.default_rng(3).standard_normal((k, n)))


def test_an_open_pair_has_no_partial_correlation() -> None:
    found = assemble("abc", ABC)
    assert found.of("a", "c") == pytest.approx(0.2)
    assert np.linalg.inv(found.matrix)[0, 2] == pytest.approx(0, abs=1e-12)
    assert found.changes == ()
    assert found.largest_change == 0


def test_completion_has_the_largest_determinant_of_its_row() -> None:
    known = {("a", "b"): 0.5, ("a", "c"): 0.2, ("b", "c"): -0.3, ("a", "d"): 0.6, ("b", "d"): 0.4}
    best = assemble("abcd", known)
    for more in (-0.05, 0.05):
        other = assemble("abcd", {**known, ("c", "d"): best.of("c", "d") + more})
        assert other.changes == ()
        assert np.linalg.det(other.matrix) < np.linalg.det(best.matrix)


def test_a_covariate_at_the_end_moves_no_other() -> None:
    few = assemble("abc", ABC)
    # d ties a and c, whose pair is open, and is impossible besides
    many = assemble("abcd", {**ABC, ("a", "d"): 0.9, ("b", "d"): -0.9, ("c", "d"): 0.9})
    assert many.changes
    np.testing.assert_array_equal(many.matrix[:3, :3], few.matrix)
    np.testing.assert_array_equal(many.factor[:3, :3], few.factor)
    draws = normals(4, 50)
    for a, b in zip(correlate(few.factor, draws[:3]), correlate(many.factor, draws)[:3], strict=True):
        np.testing.assert_array_equal(a, b)


def test_factor_gives_the_matrix_and_draws_its_correlations() -> None:
    found = assemble("abc", {("a", "b"): 0.8, ("a", "c"): -0.6, ("b", "c"): -0.2})
    np.testing.assert_allclose(found.factor @ found.factor.T, found.matrix, atol=1e-12)
    np.testing.assert_allclose(found.factor, np.linalg.cholesky(found.matrix), atol=1e-12)
    np.testing.assert_allclose(np.corrcoef(correlate(found.factor, normals(3))), found.matrix, atol=0.01)


def test_an_impossible_row_is_projected_to_the_nearest_and_told() -> None:
    asked = {("a", "b"): 0.9, ("a", "c"): 0.9, ("b", "c"): -0.9}
    found = assemble("abc", asked)
    assert np.linalg.eigvalsh(found.matrix)[0] > 0
    assert found.of("a", "b") == 0.9  # earlier rows stay
    assert {(c.first, c.second, c.given) for c in found.changes} == {("a", "c", 0.9), ("b", "c", -0.9)}
    assert found.largest_change == max(abs(c.used - c.given) for c in found.changes) > 0.1
    # no possible row is nearer: search a fine grid
    used = np.array([found.of("a", "c"), found.of("b", "c")])
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 401)] * 2), axis=-1).reshape(-1, 2)
    inverse = np.linalg.inv(found.matrix[:2, :2])
    possible = grid[np.einsum("ni,ij,nj->n", grid, inverse, grid) <= 1 - copula.RESIDUAL_SHARE]
    distance = np.linalg.norm(possible - [0.9, -0.9], axis=1).min()
    assert np.linalg.norm(used - [0.9, -0.9]) <= distance + 1e-6


def test_projection_moves_nothing_that_is_possible() -> None:
    found = assemble("abc", {("a", "b"): 0.9, ("a", "c"): 0.9, ("b", "c"): 0.62 + 1e-6})
    assert found.changes == ()
    assert found.of("b", "c") == 0.62 + 1e-6


@pytest.mark.parametrize("r", [1.0, -1.0])
def test_correlation_one(r: float) -> None:
    found = assemble("abcd", {("a", "b"): r, ("b", "c"): 0.5, ("c", "d"): 0.3, ("a", "d"): 0.2})
    assert found.changes == ()
    a, b, c, _ = correlate(found.factor, normals(4))
    np.testing.assert_array_equal(b, r * a)
    assert np.corrcoef(b, c)[0, 1] == pytest.approx(0.5, abs=0.01)
    assert found.of("a", "c") == pytest.approx(r * 0.5)
    np.testing.assert_allclose(found.factor @ found.factor.T, found.matrix, atol=1e-9)


def test_twins_with_different_correlations_are_impossible() -> None:
    found = assemble("abc", {("a", "b"): 1.0, ("a", "c"): 0.6, ("b", "c"): 0.2})
    assert found.of("a", "c") == pytest.approx(0.4)  # the nearest row that twins can have
    assert found.of("b", "c") == pytest.approx(0.4)
    assert len(found.changes) == 2


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ({("a", "b"): float("nan")}, "from -1 to 1"),
        ({("a", "b"): 1.0000001}, "from -1 to 1"),
        ({("a", "b"): "0.5"}, "from -1 to 1"),
        ({("a", "é"): 0.5}, "'é' is not a covariate; choose from a, b, c"),
        ({("a", "a"): 1.0}, "with itself"),
        ({("a", "b"): 0.5, ("b", "a"): 0.4}, "give one"),
    ],
)
def test_bad_pairs(pairs: dict[tuple[str, str], float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        assemble("abc", pairs)


def test_a_pair_twice_alike_is_no_contradiction() -> None:
    assert assemble("ab", {("a", "b"): 0.5, ("b", "a"): 0.5}).of("a", "b") == 0.5
    with pytest.raises(InputError, match="name repeats"):
        assemble("aab", {})


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_covariance_of_any_size(scale: float) -> None:
    correlation = np.array([[1, 0.5, -0.2], [0.5, 1, 0.3], [-0.2, 0.3, 1]])
    spread = np.array([1.0, 1e-9, 50.0])
    omega = scale * correlation * np.outer(spread, spread)
    sd, found = from_covariance("abc", omega)
    np.testing.assert_allclose(sd, np.sqrt(scale) * spread)
    np.testing.assert_allclose(found.matrix, correlation, rtol=1e-12)
    assert found.changes == ()


def test_covariance_with_a_constant() -> None:
    sd, found = from_covariance("abc", [[4, 0, 1], [0, 0, 0], [1, 0, 1]])
    np.testing.assert_array_equal(sd, [2, 0, 1])
    assert found.of("a", "c") == 0.5
    assert found.of("a", "b") == 0


def test_covariance_that_is_not_positive_definite_is_projected_aloud() -> None:
    omega = np.array([[1, 0.9, 0.9], [0.9, 1, -0.9], [0.9, -0.9, 1]])
    _, found = from_covariance("abc", omega)
    assert np.linalg.eigvalsh(found.matrix)[0] > 0
    assert found.largest_change > 0.1


@pytest.mark.parametrize(
    ("omega", "words"),
    [
        ([[1, 0.5], [0.4, 1]], "give the same"),
        ([[1, float("nan")], [float("nan"), 1]], "no number"),
        ([[1, 0.5, 0], [0.5, 1, 0]], "shape"),
        ([[1, 0], [0]], "square of numbers"),
        ([[-1, 0], [0, 1]], "must not be negative"),
        ([[1, 2], [2, 1]], "product of their SDs"),
        ([[0, 0.5], [0.5, 1]], "product of their SDs"),
    ],
)
def test_bad_covariances(omega: list[list[float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_covariance("ab", omega)
