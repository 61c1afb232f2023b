"""Linearised intervals of weighted means: dense matrices, coverage, known covariates, their way to a summary."""

import json

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from benchmarks.coverage import DESIGNS, main, weighted
from pulsatile.engine.errors import Status
from pulsatile.sweeps.study.tables.table import PatientTable
from pulsatile.sweeps.summary.endpoints import balanced
from pulsatile.sweeps.summary.paired_statistics import statistics
from pulsatile.sweeps.summary.summarise import summarise
from pulsatile.sweeps.summary.weighted import linearised
from pulsatile.sweeps.summary.weights import balance


@pytest.mark.parametrize("k", [0, 1, 3])
def test_it_is_the_formula_with_whole_matrices(k: int) -> None:
    rng = np.random.default_rng(k)
    n = 40
    y, w, x = rng.normal(size=n), rng.exponential(size=n), rng.normal(size=(n, k))
    found = linearised(y, w, x)
    share, design = w / w.sum(), np.column_stack([np.ones(n), x])
    hat = design @ np.linalg.solve(design.T @ (share[:, None] * design), (design * share[:, None]).T)
    rest = np.eye(n) - hat
    covariance = rest @ rest.T
    factor = share**2 / np.diag(covariance)
    matrix = np.sqrt(np.outer(factor, factor)) * covariance
    assert found.mean == pytest.approx(share @ y)
    assert found.error == pytest.approx(np.sqrt(factor @ (rest @ y) ** 2))
    assert found.freedom == pytest.approx(np.trace(matrix) ** 2 / np.trace(matrix @ matrix))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("n", [200, 1000])
def test_intervals_of_weighted_means_cover(design: str, n: int) -> None:
    """92-96 %, widened by three standard errors of 300 repeats; the width is that of the true error to a tenth."""
    covered, width = weighted(design, n, repeats=300)
    assert 0.92 - 0.035 <= covered <= 0.96 + 0.035
    assert 0.88 <= width <= 1.12


def test_the_effect_that_the_weights_explain_has_no_error() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 2))
    w = balance(x, [0.5, -0.3]).weights
    exact = linearised(3 + x @ [2.0, 1.0], w, x)
    assert exact.mean == pytest.approx(3 + 2 * 0.5 - 0.3, abs=1e-3)
    assert exact.error == pytest.approx(0, abs=1e-9)
    assert linearised(3 + x @ [2.0, 1.0], w).error > 0.1
    twice = linearised(x[:, 0] ** 2, w, np.column_stack([x, x, np.ones(300)]))  # the same again, and a constant
    assert_allclose(twice, linearised(x[:, 0] ** 2, w, x), rtol=1e-9)


def test_one_patient_with_nearly_all_the_weight_has_no_interval() -> None:
    w = np.full(50, 1e-3)
    w[7] = 10.0
    found = statistics(np.arange(50.0), np.zeros(50), w)
    assert np.isnan([found.low, found.high, found.mean_low, found.mean_high]).all()
    assert found.note == "no interval: one of 50 patients has 100% of the weight and decides the mean"
    shares = statistics(100.0 * (np.arange(50) % 2), np.zeros(50), w, of_events=True)
    assert np.isnan([shares.low, shares.high, shares.mean_low, shares.mean_high]).all()


def test_covariates_of_a_frozen_population_reach_the_summary() -> None:
    rng = np.random.default_rng(3)
    n = 200
    x, ids = rng.normal(size=n), np.arange(n) + 10
    w = balance(x[:, None], [0.7]).weights
    values = np.stack([np.zeros(n), 100 + 10 * x + rng.normal(size=n)])[:, :, None]
    table = PatientTable.of({"patient": ids[::-1], "age": x[::-1]})
    data = xr.Dataset(
        {"igf1": (("arm", "patient", "time"), values),
         "status": (("arm", "patient"), np.full((2, n), int(Status.OK), np.int8))},
        {"arm": ["none", "drug"], "patient": ids, "time": [0.0], "prevalence": ("patient", w)},
        {"resolved_study": json.dumps({"population": {"balanced": table.model_dump(mode="json")}})},
    )  # fmt: skip

    def width(data: xr.Dataset) -> float:
        row = summarise(data, "none").frame.query("arm == 'drug'").iloc[0]
        return float(row["high"] - row["low"])

    found = balanced(data)
    assert found is not None
    np.testing.assert_array_equal(found[:, 0], x)
    plain = width(data.assign_attrs(resolved_study="{}"))
    assert width(data) < 0.2 * plain
    some = data.isel(patient=slice(0, 150))  # whose weighted mean is not the one asked for
    assert balanced(some) is None
    data["status"][1, :40] = int(Status.OK) + 1
    assert width(data) > 0.8 * plain


def test_the_campaign_runs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick"])
    told = capsys.readouterr().out
    for words in ("share of n patients", "paired difference", "weighted mean", "arm", "patients"):
        assert words in told
