"""Intervals across replicates: honest where the bootstrap of rows is too wide; rules of stopping."""

import numpy as np
import pytest

from benchmarks.analytic import ishigami
from benchmarks.indices import bootstrap_ratio, honesty, main
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.intervals import bootstrap, half_width, stopping
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.sobol import Index, sobol

KNOWN = ishigami()


def test_coverage_and_width() -> None:
    # R25, on a quarter of the campaign's repeats: 92-98 % widened by three standard errors of 50 repeats (0.03 each,
    # some less for three factors); the campaign itself is benchmarks/indices.py
    found = honesty(KNOWN, 1024, 8, 50)
    assert np.all(found.coverage > 0.87)
    assert np.all(found.ratio < 3.5)
    assert np.all(found.ratio > 2)
    assert np.all(bootstrap_ratio(KNOWN, 4096, 8, 5) > found.ratio)


def test_half_width_is_students() -> None:
    # deviations +1 and -1 of two replicates: t(1) at 97.5 % is 12.706, the standard error 1
    index = Index(np.zeros((1, 1)), np.array([[[1.0]], [[-1.0]]]))
    assert half_width(index)[0, 0] == pytest.approx(12.7062, abs=1e-4)
    assert half_width(index, 0.5)[0, 0] == pytest.approx(1.0)
    assert np.isnan(half_width(Index(np.zeros((1, 1)), np.zeros((1, 1, 1))))).all()


def test_replicates_add_up() -> None:
    design = saltelli(KNOWN.factors, 64, 8, second_order=True)
    found = sobol(design, KNOWN.function(design.unit))
    for name in ("S1", "ST", "S2"):
        np.testing.assert_allclose(found.index(name).influence.sum(axis=0), 0, atol=1e-12)
    # leave one replicate out: the change of the estimate is what its influence says, to first order
    y = KNOWN.function(design.unit)
    without = sobol(design, np.where(design.replicate == 3, np.nan, y))
    change = found.st.value[:, 0] - without.st.value[:, 0]
    np.testing.assert_allclose(found.st.influence[3, :, 0] / 7, change, atol=0.1 * abs(change).max())


def test_bootstrap_is_keyed() -> None:
    design = saltelli(KNOWN.factors, 64, 4, second_order=True)
    y = KNOWN.function(design.unit)[:, None]
    y[5] = np.nan
    one, same, other = (bootstrap(design, y, 50, seed) for seed in (1, 1, 2))
    for name in ("S1", "ST", "S2"):
        np.testing.assert_array_equal(one[name], same[name])
        assert not np.array_equal(one[name][0], other[name][0])
        value = sobol(design, y).index(name).value
        assert np.all(one[name][0] <= value)
        assert np.all(value <= one[name][1])


def test_stopping_rules() -> None:
    few, many = (saltelli(KNOWN.factors, n, 8) for n in (32, 1024))
    loose, tight = (stopping(sobol(d, KNOWN.function(d.unit))) for d in (few, many))
    assert [v.rule for v in loose] == ["values", "ranking", "screening"]
    assert not loose[0].met
    assert loose[0].replicates > 8
    assert "add replicates" in loose[0].sentence
    assert [v.met for v in tight] == [True, True, True]
    assert tight[0].figure < 0.05
    # two factors that act alike have no order, however many runs; nor does an index on the limit
    y = few.unit[:, 0] + few.unit[:, 1] + 0.33 * few.unit[:, 2]
    equal = stopping(sobol(few, y))
    assert equal[1].met or equal[1].figure > 0
    across = stopping(sobol(few, y), limit=float(sobol(few, y).st.value[2, 0]) + 1e-6)
    assert not across[2].met


def test_stopping_refuses_what_it_cannot_judge() -> None:
    one = saltelli(KNOWN.factors, 32, 1)
    with pytest.raises(InputError, match="one replicate"):
        stopping(sobol(one, KNOWN.function(one.unit)))
    two = saltelli(KNOWN.factors, 32, 2)
    with pytest.raises(InputError, match="no output has indices"):
        stopping(sobol(two, np.ones(two.n_points)))
    with pytest.raises(InputError, match="level"):
        half_width(sobol(two, KNOWN.function(two.unit)).st, 0.0)


def test_the_campaign_runs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick"])
    assert "Ishigami" in capsys.readouterr().out
