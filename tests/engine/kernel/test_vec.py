"""The vector primitives against numpy, and where their range ends."""

from typing import Any

import numpy as np
import pytest
from numba import njit  # noqa: TID251 - the primitives by themselves

from pulsatile.engine.kernel import vec

WIDTHS = (1, 4, 8, 16)


def applied(name: str, width: int, values: Any) -> Any:
    """Return a primitive of one argument at ``values`` (float64 or float32), padded to whole vectors."""
    primitives = vec.lanes(width)
    load, store, function = primitives.load, primitives.store, getattr(primitives, name)

    @njit
    def run(w, rows):  # type: ignore[no-untyped-def]
        for k in range(rows):
            store(w, k, function(load(w, k)))

    rows = -(-len(values) // width)
    w = np.concatenate([values, np.zeros(rows * width - len(values), values.dtype)])
    run(w, rows)
    return w[: len(values)]


@pytest.mark.parametrize("width", WIDTHS)
def test_exp(width: int) -> None:
    x = np.concatenate([np.linspace(-700, 700, 20_001), np.linspace(-1, 1, 2001), [0.0, -0.0, 1e-300, 5e-17]])
    np.testing.assert_allclose(applied("exp", width, x), np.exp(x), rtol=2e-15)
    beyond = applied("exp", width, np.array([-709.0, -1e4, -1e300, -np.inf, 1e4, np.inf, np.nan]))
    np.testing.assert_allclose(beyond[:4], np.exp(-708.0), rtol=1e-14)
    np.testing.assert_allclose(beyond[4:6], np.exp(708.0), rtol=1e-14)
    assert np.isnan(beyond[6])


@pytest.mark.parametrize("width", WIDTHS)
def test_floor_is_exact(width: int) -> None:
    x = np.array([-2.5, -2.0, -1e-300, -0.0, 0.5, 1 - 2**-53, 87360.0 / 24, 1e300, np.inf, np.nan])
    assert np.array_equal(applied("floor", width, x), np.floor(x), equal_nan=True)


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_come_apart_into_mantissa_and_exponent(width: int) -> None:
    x = np.array([1.0, 0.3, 1e-10, 1e10, 2.0**-1000, 1.7e308])
    mantissa, exponent = applied("mantissa_of", width, x), applied("exponent_of", width, x)
    assert np.all((mantissa >= 1) & (mantissa < 2))
    assert np.array_equal(mantissa * 2.0**exponent, x)
    assert np.array_equal(applied("power_of_two", width, exponent), 2.0**exponent)


@pytest.mark.parametrize("width", WIDTHS)
def test_float32_functions(width: int) -> None:
    x = np.linspace(-80, 80, 20_001, dtype=np.float32)
    exact = np.exp(x.astype(float))
    np.testing.assert_allclose(applied("exp", width, x), exact, rtol=4e-7)
    beyond = applied("exp", width, np.array([-88.0, -1e30, -np.inf, 88.0, np.inf, np.nan], np.float32))
    np.testing.assert_allclose(beyond[:3], np.exp(-87.0), rtol=1e-5)
    np.testing.assert_allclose(beyond[3:5], np.exp(87.0), rtol=1e-5)
    assert np.isnan(beyond[5])
    y = np.array([1.0, 0.3, 1e-10, 1e10], np.float32)
    assert np.array_equal(applied("mantissa_of", width, y) * 2.0 ** applied("exponent_of", width, y), y)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_about_inverse(kind: type, width: int) -> None:
    x = np.exp(np.linspace(-60, 60, 50_001)).astype(kind)
    np.testing.assert_allclose(applied("about_inverse", width, x) * x, 1.0, atol=3e-3)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_broken_error_norm_is_never_accepted(kind: type) -> None:
    """A step counts where (error / scale)**2 <= 1: not with a scale or an error that is infinite or not a number."""
    most = np.finfo(kind).max
    scales = np.array([np.inf, np.nan, most, most / 2, 1.0, np.finfo(kind).tiny], kind)
    inverse = applied("about_inverse", 8, scales)
    with np.errstate(all="ignore"):
        for error in np.array([np.inf, -np.inf, np.nan], kind):
            assert not np.any((error * inverse) ** 2 <= 1)
        assert not np.any((kind(1) * inverse[:2]) ** 2 <= 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_conversion_between_precisions(width: int) -> None:
    p = vec.lanes(width)
    load, store, narrow, wide = p.load, p.store, p.narrow, p.wide

    @njit
    def run(w, s):  # type: ignore[no-untyped-def]
        store(s, 0, narrow(load(w, 0)) + 1.0)
        store(w, 1, wide(load(s, 0)))

    w, s = np.linspace(0.1, 3.0, 2 * width), np.zeros(width, np.float32)
    first = w[:width].astype(np.float32) + np.float32(1)
    run(w, s)
    assert np.array_equal(s, first)
    assert np.array_equal(w[width:], first.astype(float))
