"""Weighted statistics of a summary: closed forms, whole-number weights as copies, a bootstrap, and none at all."""

from math import isnan, sqrt

import numpy as np
import pytest
import xarray as xr
from scipy.stats import t

from pulsatile.engine.errors import Status
from pulsatile.sweeps.summary.endpoints import prevalence
from pulsatile.sweeps.summary.paired_statistics import Statistics, moments, statistics
from pulsatile.sweeps.summary.summarise import summarise
from pulsatile.sweeps.summary.table import weights_note
from pulsatile.sweeps.summary.weights import effective_number

N = 40
RNG = np.random.default_rng(3)
CONTROL = RNG.normal(100.0, 20.0, N)
TREATED = CONTROL + RNG.normal(5.0, 8.0, N)
WEIGHTS = RNG.uniform(0.2, 3.0, N)


def unweighted(values: np.ndarray, control: np.ndarray) -> Statistics:
    """The statistics as they were before there were weights, written out."""
    own, pairs = values[np.isfinite(values)], (values - control)[np.isfinite(values - control)]
    half = float(t.ppf(0.975, len(pairs) - 1) * np.std(pairs, ddof=1) / sqrt(len(pairs)))
    difference = float(np.mean(pairs))
    return Statistics(len(own), float(np.mean(own)), float(np.std(own, ddof=1)), difference, difference - half,
                      difference + half, len(pairs))  # fmt: skip


def test_without_weights_every_bit_is_as_it_was() -> None:
    values = TREATED.copy()
    values[5] = np.nan
    found, wanted = statistics(values, CONTROL), unweighted(values, CONTROL)
    assert (found.n, found.mean, found.sd, found.pairs, found.difference) == (
        wanted.n, wanted.mean, wanted.sd, wanted.pairs, wanted.difference,
    )  # fmt: skip
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-13)
    assert isnan(found.effective_n)


@pytest.mark.parametrize("weight", [1.0, 0.25, 7.0])
def test_equal_weights_change_nothing(weight: float) -> None:
    found, plain = statistics(TREATED, CONTROL, np.full(N, weight)), statistics(TREATED, CONTROL)
    assert found.effective_n == pytest.approx(N)
    for name in ("n", "mean", "sd", "pairs", "difference", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-12), name


def test_closed_form_of_three_patients() -> None:
    x, w = np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 2.0])
    mean, sd, effective = moments(x, w)
    # (1 + 2 + 12) / 4; n_eff 16 / 6; sum w (x - m)^2 = 7.5625 + 3.0625 + 10.125 = 20.75, over 4 - 6 / 4
    assert (mean, effective) == (3.75, 16 / 6)
    assert sd == pytest.approx(sqrt(20.75 / 2.5))
    found = statistics(x, np.zeros(3), w)
    # shares a = 1/4, 1/4, 1/2, residuals -2.75, -1.75, 2.25; 1 - 2 a + sum a^2 = 7/8, 7/8, 3/8: their variance
    # f = a^2 / that = 1/14, 1/14, 2/3; Satterthwaite: (sum a^2)^2 over sum f_i f_j m_ij^2, m_12 = -1/8, m_i3 = -3/8
    error = sqrt((2.75**2 + 1.75**2) / 14 + 2.25**2 * 2 / 3)
    freedom = (3 / 8) ** 2 / (2 / 16**2 + 1 / 16 + 2 * (1 / 14**2 / 64 + 2 / 14 * 2 / 3 * 9 / 64))
    half = t.ppf(0.975, freedom) * error
    assert (found.low, found.high) == pytest.approx((3.75 - half, 3.75 + half))


def test_whole_numbers_count_as_copies_in_means() -> None:
    copies = RNG.integers(1, 5, N)
    found = statistics(TREATED, CONTROL, copies.astype(float))
    often, control = np.repeat(TREATED, copies), np.repeat(CONTROL, copies)
    assert found.mean == pytest.approx(often.mean())
    assert found.difference == pytest.approx((often - control).mean())
    assert found.pairs == N  # copies are no new patients: the interval is no narrower for them
    plain = statistics(often, control)
    assert found.high - found.low > plain.high - plain.low


def test_nobody_counts_who_failed_or_has_no_weight() -> None:
    values, weights = TREATED.copy(), WEIGHTS.copy()
    values[0], weights[1] = np.nan, 0.0
    found = statistics(values, CONTROL, weights)
    kept = statistics(TREATED[2:], CONTROL[2:], WEIGHTS[2:])
    for name in ("n", "mean", "sd", "pairs", "difference", "low", "high", "effective_n"):
        assert getattr(found, name) == pytest.approx(getattr(kept, name)), name
    alone = statistics(TREATED, CONTROL, np.eye(N)[3])
    assert (alone.n, alone.pairs, alone.mean, alone.effective_n) == (1, 1, TREATED[3], 1.0)
    assert isnan(alone.sd)
    assert isnan(alone.low)


def test_interval_agrees_with_a_bootstrap() -> None:
    """Patients are drawn again with their weights; at 400 of them the width is told to a few per cent."""
    rng = np.random.default_rng(11)
    n = 400
    control = rng.normal(0.0, 1.0, n)
    values, weights = control + rng.normal(0.3, 1.0, n), rng.exponential(1.0, n)
    found = statistics(values, control, weights)
    rows = rng.integers(0, n, (4000, n))
    means = np.sum(weights[rows] * (values - control)[rows], axis=1) / np.sum(weights[rows], axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low, rel=0.1)
    assert found.difference == pytest.approx(float(means.mean()), abs=0.02)
    plain = statistics(values, control)
    assert found.high - found.low > 1.2 * (plain.high - plain.low)  # half of the patients are lost to the weights


def dataset(weights: np.ndarray | None = None) -> xr.Dataset:
    """Return two arms, with IGF-1 and SD scores at week 0 and 1."""
    shape = (2, N, 2)
    values = np.stack([CONTROL, TREATED])[:, :, None] * np.ones(shape)
    found = xr.Dataset(
        {
            "igf1": (("arm", "patient", "time"), values),
            "igf1_sds": (("arm", "patient", "time"), (values - 100.0) / 5.0),
            "status": (("arm", "patient"), np.full((2, N), int(Status.OK), np.int8)),
        },
        {"arm": ["none", "drug"], "patient": np.arange(N), "time": [0.0, 168.0]},
    )
    return found if weights is None else found.assign_coords(prevalence=("patient", weights))


def test_weights_go_through_every_row() -> None:
    frame = summarise(dataset(WEIGHTS), "none").frame
    assert set(frame["endpoint"]) == {"igf1", "igf1_high"}
    np.testing.assert_allclose(frame["effective_n"], effective_number(WEIGHTS))
    high = frame.query("endpoint == 'igf1_high' and arm == 'drug'")["mean"].to_numpy()
    np.testing.assert_allclose(high, 100 * WEIGHTS[TREATED > 110.0].sum() / WEIGHTS.sum())


def test_the_summary_tells_of_weights_only_where_there_are_some() -> None:
    from rich.console import Console

    texts = {}
    for name, weights in (("with", WEIGHTS), ("without", None)):
        data = dataset(weights)
        assert (prevalence(data) is None) == (weights is None)
        summary = summarise(data, "none")
        console = Console(width=100, record=True, file=None, quiet=True)
        with console.capture() as shown:
            console.print(summary.table())
        texts[name] = (summary.csv_text(), weights_note(summary.frame), shown.get())
    note = f"{N} patients count as {effective_number(WEIGHTS):.0f}"
    assert note in texts["with"][1]
    assert texts["without"][1] == ""
    heads = [texts[name][0].splitlines()[0].split(",") for name in ("with", "without")]
    assert heads[0] == [*heads[1], "effective_pairs"]
    assert all(len(line.split(",")) == len(heads[0]) for line in texts["with"][0].splitlines())
