"""The generator against published answers, and the promises of its keys."""

import numpy as np
import pytest
from scipy.special import ndtri  # type: ignore[import-untyped]
from scipy.stats import kstest  # type: ignore[import-untyped]

from pulsatile.engine import draws
from pulsatile.engine.drugs import table as drugs
from pulsatile.engine.patients import cohort

# Random123 known-answer file (kat_vectors, philox4x32-10): counter, key, words
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]) -> None:
    assert tuple(int(w) for w in draws.philox(counter, key)) == words  # type: ignore[arg-type]


def test_normal_quantile_against_scipy() -> None:
    p = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 20001), 10.0 ** -np.arange(1, 17), [0.075, 0.925, 2.0**-53]])
    np.testing.assert_allclose(draws.normal_quantile(p), ndtri(p), rtol=2e-14, atol=1e-15)


def test_open_interval_at_the_extremes() -> None:
    ones = np.array([0xFFFFFFFF], np.uint64)
    zeros = np.zeros(1, np.uint64)
    assert 0 < draws._open_unit(zeros, zeros)[0] < draws._open_unit(ones, ones)[0] < 1


def test_a_draw_depends_on_its_key_only() -> None:
    ids = np.array([0, 1, 7, 2**32, 2**63 - 1])
    together = draws.normals(5, ids, draws.PULSES, 3)
    alone = np.array([draws.normals(5, int(i), draws.PULSES, 3)[0] for i in ids])
    np.testing.assert_array_equal(together, alone)
    assert len(set(together)) == len(ids)
    many = draws.uniforms(5, ids[:, None], draws.PULSES, np.arange(40_000))
    np.testing.assert_array_equal(many[3, ::-7], draws.uniforms(5, 2**32, draws.PULSES, np.arange(40_000)[::-7]))
    for other in (draws.uniforms(6, ids, draws.PULSES, 3), draws.uniforms(5 + 2**32, ids, draws.PULSES, 3),
                  draws.uniforms(5, ids, draws.MEALS, 3), draws.uniforms(5, ids, draws.PULSES, 4)):  # fmt: skip
        assert not np.any(other == draws.uniforms(5, ids, draws.PULSES, 3))


def test_distribution_and_independence() -> None:
    first, second = draws.uniform_pairs(1, np.arange(200)[:, None], draws.PULSES, np.arange(1000))
    assert kstest(first.ravel(), "uniform").pvalue > 1e-3
    assert kstest(draws.normal_quantile(second).ravel(), "norm").pvalue > 1e-3
    n = first.size
    for a, b in ((first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(n)


def test_layers_are_distinct() -> None:
    names = [f"parameter {name}" for name in cohort.OMEGA.cvs] + [f"drug {name}" for name in drugs.DRUGS]
    numbers = [draws.layer(name) for name in names]
    numbers += [draws.PULSES, draws.MEALS, draws.PHENOTYPE, draws.SEX, draws.AGE, draws.HEIGHT]
    assert len(set(numbers)) == len(numbers)
