"""Sobol' indices against closed forms and SALib; groups, many outputs, constants, trajectories, and the front."""

import numpy as np
import pytest
import xarray as xr
from SALib.analyze import sobol as salib  # type: ignore[import-untyped]

from benchmarks.analytic import Known, all_known, g_function, ishigami
from benchmarks.indices import errors
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.sensitivity.factors import Group
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.morris import morris_design
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.samples import latin
from pulsatile.sweeps.sensitivity.sobol import CONSTANT, FINE, TOO_FEW, sobol
from pulsatile.sweeps.sensitivity.trajectories import of_trajectory, time_weights

ISHIGAMI = ishigami()


@pytest.mark.parametrize("known", all_known()[:2], ids=lambda k: k.name)
def test_error_of_one_design(known: Known) -> None:
    # R24; the median of ten seeds, for single ones are larger: benchmarks/indices.py prints the worst
    assert np.all(np.median(errors(known, 1024, range(10)), axis=0) < 0.02)
    assert np.all(np.median(errors(known, 4096, range(10)), axis=0) < 0.005)
    assert np.all(errors(known, 1024, range(10)).max(axis=0) < 0.04)


@pytest.mark.parametrize("known", all_known()[:2], ids=lambda k: k.name)
def test_pairs_and_groups(known: Known) -> None:
    design = saltelli(known.factors, 1024, 16, seed=1, second_order=True)
    found = sobol(design, known.function(design.unit))
    assert found.s2 is not None
    np.testing.assert_allclose(found.s2.value[:, 0], known.s2, atol=0.02)
    np.testing.assert_allclose(found.s1.value[:, 0], known.s1, atol=0.01)
    np.testing.assert_allclose(found.st.value[:, 0], known.st, atol=0.01)
    grouped = saltelli(known.factors, 1024, 16, seed=1, groups=[Group("two", ("x1", "x3"))])
    of_groups = sobol(grouped, known.function(grouped.unit))
    assert of_groups.s1.value[0, 0] == pytest.approx(known.closed(0, 2), abs=0.01)
    if known is ISHIGAMI or len(known.s1) == 3:  # the only other factor acts alone
        assert of_groups.st.value[0, 0] == pytest.approx(known.closed(0, 2), abs=0.01)


def test_against_salib() -> None:
    known = ISHIGAMI
    problem = {"num_vars": 3, "names": ["a", "b", "c"], "bounds": [[0, 1]] * 3}
    design = saltelli(known.factors, 8192, 1, seed=3, second_order=True)
    y = known.function(design.unit)
    other = salib.analyze(problem, y, calc_second_order=True, num_resamples=2, seed=1)
    found = sobol(design, y)
    assert found.s2 is not None
    # not the same: with second-order blocks ours also use BA
    np.testing.assert_allclose(found.s1.value[:, 0], other["S1"], atol=0.01)
    np.testing.assert_allclose(found.st.value[:, 0], other["ST"], atol=0.01)
    np.testing.assert_allclose(found.s2.value[:, 0], other["S2"][np.triu_indices(3, 1)], atol=0.02)
    first = saltelli(known.factors, 256, 1, seed=3)
    y = known.function(first.unit)
    other = salib.analyze(problem, y, calc_second_order=False, num_resamples=2, seed=1)
    found = sobol(first, y)
    # the same estimators; SALib divides by the SD of all blocks first
    ratio = found.s1.value[:, 0] / other["S1"]
    np.testing.assert_allclose(found.st.value[:, 0] / other["ST"], ratio[0], rtol=0.02)
    np.testing.assert_allclose(found.s1.value[:2, 0], other["S1"][:2], atol=0.01)
    np.testing.assert_allclose(found.st.value[:, 0], other["ST"], atol=0.01)


def test_one_factor() -> None:
    known = ISHIGAMI
    design = saltelli(known.factors[:1], 64, 4)
    found = sobol(design, np.sin(6 * design.values[:, 0]))
    assert found.s1.value[0, 0] == pytest.approx(1, abs=0.02)
    assert found.st.value[0, 0] == pytest.approx(1, abs=0.02)


def test_many_outputs_are_as_one_by_one() -> None:
    known = g_function()
    design = saltelli(known.factors, 32, 4, seed=5)
    y = known.function(design.unit)
    many = np.stack([y, 3 * y - 7, design.unit[:, 0], 1e8 + y], axis=1).reshape(-1, 2, 2)
    found = sobol(design, many)
    for column in range(4):
        alone = sobol(design, many.reshape(-1, 4)[:, column])
        np.testing.assert_array_equal(found.s1.value[:, column], alone.s1.value[:, 0])
        np.testing.assert_array_equal(found.st.influence[:, :, column], alone.st.influence[:, :, 0])
    np.testing.assert_allclose(found.s1.value[:, 1], found.s1.value[:, 0], atol=1e-12)
    np.testing.assert_allclose(found.s1.value[:, 3], found.s1.value[:, 0], atol=1e-6)


def test_same_bits_every_time() -> None:
    design = saltelli(ISHIGAMI.factors, 64, 4)
    y = ISHIGAMI.function(design.unit)
    np.testing.assert_array_equal(sobol(design, y).st.value, sobol(design, y.copy()).st.value)


def test_constant_and_missing_outputs_have_a_reason() -> None:
    design = saltelli(ISHIGAMI.factors, 64, 4, second_order=True)
    y = ISHIGAMI.function(design.unit)
    rounding = 0.1 + 2.0**-56 * (np.arange(len(y)) % 2)
    found = sobol(design, np.stack([y, np.full_like(y, 0.1), rounding, np.full_like(y, np.nan)], axis=1))
    assert list(found.reason) == [FINE, CONSTANT, CONSTANT, TOO_FEW]
    assert np.isfinite(found.s1.value[:, 0]).all()
    assert np.isnan(found.s1.value[:, 1:]).all()
    # without AB of x1 its index comes from BA; without blocks BA there is none, the others keep theirs
    assert sobol(design, np.where(design.block == 1, np.nan, y)).reason[0] == FINE
    design = saltelli(ISHIGAMI.factors, 64, 4)
    found = sobol(design, np.where(design.block == 1, np.nan, ISHIGAMI.function(design.unit)))
    assert found.reason[0] == TOO_FEW
    assert list(np.isfinite(found.st.value[:, 0])) == [False, True, True]


def test_a_trajectory_is_weighed_by_its_variance() -> None:
    # x1 alone with variance 1, then x2 alone with variance 4: shares 1/5 and 4/5 (trapezoid: equal weights)
    design = saltelli(ISHIGAMI.factors, 256, 8)
    u = design.unit
    y = np.stack([u[:, 0], 2 * u[:, 1], 10 - u[:, 0], 2 * (u[:, 0] + u[:, 2])], axis=1)
    found = sobol(design, y)
    first, total = of_trajectory(found, time_weights([0, 1]))
    np.testing.assert_allclose(first.value[:, 0], [0.2, 0.8, 0], atol=0.01)
    np.testing.assert_allclose(total.value[:, 1], [5 / 9, 0, 4 / 9], atol=0.01)
    np.testing.assert_allclose(first.influence.sum(axis=0), 0, atol=1e-12)
    same, _ = of_trajectory(sobol(design, np.repeat(y[:, :1], 3, axis=1)), time_weights([0, 1, 5]))
    np.testing.assert_allclose(same.value, found.s1.value[:, :1], atol=1e-14)
    np.testing.assert_allclose(same.influence, found.s1.influence[:, :, :1], atol=1e-14)
    np.testing.assert_allclose(time_weights([0, 1, 3]), [1 / 6, 1 / 2, 1 / 3])
    flat = sobol(design, np.stack([np.ones(len(y)), y[:, 0]], axis=1))  # no variance at first
    np.testing.assert_allclose(of_trajectory(flat, [0.5, 0.5])[0].value[:, 0], flat.s1.value[:, 1])
    for weights in ([1, -1], [0, 0], [1, 1, 1]):
        with pytest.raises(InputError, match="weights do not fit"):
            of_trajectory(found, weights)
    with pytest.raises(InputError, match="does not vary at any time"):
        of_trajectory(sobol(design, np.ones((len(y), 2))), [0.5, 0.5])


def _outputs(u: np.ndarray) -> xr.Dataset:
    shared = 5 * u[:, 2]
    arms = np.stack([u[:, 0] + shared, u[:, 1] + shared, shared], axis=1)
    curve = arms[:, :, None] * np.array([1.0, 2.0])
    dims = ("design", "arm", "time")
    return xr.Dataset(
        {"glucose": (dims, curve, {"units": "mmol/l"}), "responder": (dims, curve > 3)},
        coords={"arm": ["peptide", "exercise", "rhGH"], "time": [0.0, 4.0]},
    )


def test_front_contrasts_arms_within_a_point() -> None:
    design = saltelli(ISHIGAMI.factors, 128, 8, second_order=True)
    outputs = _outputs(design.unit)
    plain = indices(design, outputs)
    assert plain.S1.dims == ("output", "factor", "arm", "time")
    assert list(plain.unit.values) == ["mmol/l", ""]
    assert plain.S1.sel(output="glucose", arm="peptide", factor="x3").values == pytest.approx(25 / 26, abs=0.02)
    found = indices(design, outputs, contrast="rhGH")
    assert list(found.arm.values) == ["peptide", "exercise"]
    np.testing.assert_allclose(found.S1.sel(output="glucose", arm="peptide", time=4), [1, 0, 0], atol=0.03)
    np.testing.assert_allclose(found.ST.sel(output="glucose", arm="exercise", time=0), [0, 1, 0], atol=0.03)
    assert (found.S1_low <= found.S1).all()
    assert (found.S1_high >= found.S1).all()
    assert list(found.pair.values) == ["x1 x x2", "x1 x x3", "x2 x x3"]
    assert "minus rhGH" in found.attrs["contrast"]
    assert found.attrs["missing"] == "no run is missing"
    assert "ST_most" not in found


def test_front_masks_by_status_and_says_so() -> None:
    design = saltelli(ISHIGAMI.factors, 64, 4)
    outputs = _outputs(design.unit)
    status = xr.DataArray(np.zeros((design.n_points, 3), int), dims=("design", "arm"), coords={"arm": outputs.arm})
    status[7, 2] = 3
    status[9, 0] = 1
    found = indices(design, outputs, status=status, contrast="rhGH", limits={"glucose": (-2, 2)}, resamples=20)
    assert list(found.n_missing.sel(output="glucose", time=0).values) == [2, 1]
    assert "at most 2 of 1280" in found.attrs["missing"]
    assert "glucose: -2 ... 2; responder: range of the good runs" in found.attrs["bounds"]
    assert (found.ST_least <= found.ST_most).where(found.reason == FINE, other=True).all()
    assert (found.ST_boot_low <= found.ST_boot_high).where(found.reason == FINE, other=True).all()


def test_front_follows_the_design() -> None:
    for design, names in (
        (morris_design(ISHIGAMI.factors, 10), {"mu", "mu_star", "sigma", "mu_star_low", "n_missing"}),
        (latin(ISHIGAMI.factors, 50), {"prcc", "p_value", "dummy", "threshold", "n_missing"}),
    ):
        assert names <= set(map(str, indices(design, _outputs(design.unit)).data_vars))


def test_front_refuses_in_one_sentence() -> None:
    design = saltelli(ISHIGAMI.factors, 8, 2)
    good = _outputs(design.unit)
    status = xr.DataArray(np.zeros(design.n_points), dims="design")
    cases = [
        ((good.isel(design=slice(5)), {}), "80"),
        ((good.rename(design="run"), {}), "no dimension design"),
        ((good.assign(c=good.glucose.isel(time=0, drop=True)), {}), "two calls"),
        ((good.assign(c=good.glucose.astype(str)), {}), "not numeric"),
        ((good.where(good.glucose != good.glucose.max(), np.inf), {}), "infinite"),
        ((good.assign_coords(design=np.arange(80)[::-1]), {}), "sort"),
        ((good, {"contrast": "placebo"}), "peptide, exercise, rhGH"),
        ((good.isel(arm=0), {"contrast": "rhGH"}), "named arms"),
        ((good, {"status": status.rename(design="run")}), "status has the dimensions run"),
        ((good, {"status": status[:3]}), "differ"),
        ((good, {"limits": {"hba1c": (0, 1)}}), "hba1c is not an output"),
        ((good, {"missing": "guess"}), "pairs, rows"),
        ((good, {"level": 95}), "between 0 and 1"),
        ((xr.Dataset(), {}), "no outputs"),
    ]
    for (outputs, options), words in cases:
        with pytest.raises(InputError, match=words) as told:
            indices(design, outputs, **options)
        assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="saltelli"):
        sobol(latin(ISHIGAMI.factors, 10), np.zeros(10))
    with pytest.raises(InputError, match="80 points"):
        sobol(design, np.zeros(10))
