"""IGF-1 by assay: the printed people at SD score 0, and scores that come back."""

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.igf1 import ASSAYS, igf1, igf1_sds


def test_italian_is_the_score_of_the_outputs() -> None:
    age, sds = np.array([25.0, 40.0, 70.0]), np.array([-2.0, 0.5, 3.0])
    np.testing.assert_allclose(igf1_sds(igf1(age, np.array([0, 1, 0]), sds), age), sds)


@pytest.mark.parametrize("sex", [0, 1])
def test_framingham_has_its_mean_and_sd_at_40(sex: int) -> None:
    z = np.random.default_rng(1).standard_normal(400_000)
    x = igf1(40.0, sex, z, "framingham")
    assert np.mean(x) == pytest.approx((128.0, 129.0)[sex], rel=0.01)
    assert np.std(x) == pytest.approx((39.0, 45.0)[sex], rel=0.01)
    # older people have less, by the Italian ratio
    ratio = igf1(65.0, sex, 0.0) / igf1(40.0, sex, 0.0)
    assert igf1(65.0, sex, 0.0, "framingham") / igf1(40.0, sex, 0.0, "framingham") == pytest.approx(ratio)


def test_assays_rise_with_the_score_and_disagree() -> None:
    sds = np.linspace(-3, 3, 7)
    for assay in ASSAYS:
        assert np.all(np.diff(igf1(45.0, 1, sds, assay)) > 0)
    assert igf1(40.0, 0, 0.0) / igf1(40.0, 0, 0.0, "framingham") > 1.4


def test_unknown_assay() -> None:
    with pytest.raises(InputError, match="choose one of italian, framingham"):
        igf1(40.0, 0, 0.0, "roche")
