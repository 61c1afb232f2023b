"""Functions whose sensitivity indices are known in closed form, on the unit cube.

Sources: Ishigami and Homma 1990 (a = 7, b = 0.1); Sobol' 2003 (G-function); both RECALLED, variances DERIVED.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.sensitivity.factors import Factor

A, B = 7.0, 0.1
G_CLASSIC = (0.0, 1.0, 4.5, 9.0, *(99.0,) * 8)
"""Saltelli's coefficients, and four more factors that hardly matter: 12-D, effective dimension low."""
G_HARD = (0.0, 0.5, 1.0, 2.0, 4.5, 9.0, 20.0, 50.0, *(99.0,) * 4)
"""12-D with more factors that act together."""
G_STAR = (0.0, 0.0, 0.0, 0.0, 0.4, 0.3, 0.8, 1.0, 4.5, 9.0)
SPREAD = (0.9, 0.7, 0.5, 0.3, 0.1)


@dataclass(frozen=True)
class Known:
    """A function of points (n, k) with its indices; ``s2`` by pair i < j."""

    name: str
    function: Callable[[Floats], Floats]
    s1: Floats
    st: Floats
    s2: Floats
    low: float
    high: float

    @property
    def factors(self) -> list[Factor]:
        return [Factor(f"x{i + 1}", low=0.0, high=1.0) for i in range(len(self.s1))]

    def closed(self, *members: int) -> float:
        """Return the closed index of a pair."""
        i, j = sorted(members)
        place = list(combinations(range(len(self.s1)), 2)).index((i, j))
        return float(self.s1[i] + self.s1[j] + self.s2[place])


def _ishigami(u: Floats) -> Floats:
    x = np.pi * (2 * u - 1)
    return np.asarray(np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0]))


def ishigami() -> Known:
    first = 0.5 * (1 + B * np.pi**4 / 5) ** 2
    second = A**2 / 8
    both = B**2 * np.pi**8 * (1 / 18 - 1 / 50)
    v = first + second + both
    return Known(
        "Ishigami", _ishigami, np.array([first, second, 0]) / v, np.array([first + both, second, both]) / v,
        np.array([0, both, 0]) / v, -1 - B * np.pi**4, 1 + A + B * np.pi**4,
    )  # fmt: skip


def _product(name: str, function: Callable[[Floats], Floats], own: Floats, low: float, high: float) -> Known:
    """Return a product of independent terms of mean 1 and variances ``own``."""
    v = np.prod(1 + own) - 1
    rest = np.array([np.prod(1 + np.delete(own, i)) for i in range(len(own))])
    pairs = np.array([own[i] * own[j] for i, j in combinations(range(len(own)), 2)])
    return Known(name, function, own / v, own * rest / v, pairs / v, low, high)


def g_function(a: tuple[float, ...] = G_CLASSIC, name: str = "G, 12-D") -> Known:
    c = np.array(a)
    return _product(
        name, lambda u: np.asarray(np.prod((abs(4 * u - 2) + c) / (1 + c), axis=1)), 1 / (3 * (1 + c) ** 2),
        float(np.prod(c / (1 + c))), float(np.prod((2 + c) / (1 + c))),
    )  # fmt: skip


def g_star(alpha: float = 2.0, a: tuple[float, ...] = G_STAR) -> Known:
    """Return the G* function of Saltelli 2010 without shifts (RECALLED): heavy-tailed for a large exponent."""
    c = np.array(a)
    return _product(
        f"G*, alpha {alpha:g}",
        lambda u: np.asarray(np.prod(((1 + alpha) * abs(2 * u - 1) ** alpha + c) / (1 + c), axis=1)),
        alpha**2 / ((1 + 2 * alpha) * (1 + c) ** 2), float(np.prod(c / (1 + c))),
        float(np.prod((1 + alpha + c) / (1 + c))),
    )  # fmt: skip


def log_normal(spread: tuple[float, ...] = SPREAD) -> Known:
    """Return exp(sum s_i z_i - s_i^2 / 2), z standard normal: variances exp(s_i^2) - 1 of the terms (DERIVED)."""
    from scipy.special import ndtri

    s = np.array(spread)
    return _product(
        "log-normal", lambda u: np.asarray(np.exp(ndtri(u) @ s - (s**2).sum() / 2)), np.expm1(s**2), 0.0, np.inf
    )


def all_known() -> list[Known]:
    return [ishigami(), g_function(), g_function(G_HARD, "G, 12-D, hard")]
