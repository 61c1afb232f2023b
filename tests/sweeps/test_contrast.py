"""Arms compared in pairs: differences within the patient, labels, kinds, and one sentence for what does not fit."""

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.contrast import check_contrast, labels, paired_difference, rows, with_differences

VALUES = np.array([[1.0, 5.0, 7.0], [2.0, 8.0, np.nan]])  # patient x arm


def outputs() -> xr.Dataset:
    return xr.Dataset({"vat": (("patient", "arm"), VALUES, {"units": "cm2"})}, {"arm": ["a", "b", "c"]})


def test_differences_are_those_within_the_patient() -> None:
    found = paired_difference(outputs(), "b")
    assert found["arm"].values.tolist() == ["a minus b", "c minus b"]
    assert found["kind"].values.tolist() == ["contrast", "contrast"]
    np.testing.assert_array_equal(found["vat"], [[-4.0, 2.0], [-6.0, np.nan]])
    assert found["vat"].attrs == {"units": "cm2"}
    xr.testing.assert_identical(paired_difference(outputs()["vat"], "b"), found["vat"])


def test_arrays_have_the_same_rows_as_datasets() -> None:
    names, kinds = labels(["a", "b", "c"], "b")
    whole = with_differences(VALUES, 1, axis=1)
    found = paired_difference(outputs(), "b")
    np.testing.assert_array_equal(whole, np.concatenate([VALUES, found["vat"].values], axis=1))
    assert names == ["a", "b", "c", *found["arm"].values]
    assert kinds == ["arm", "arm", "arm", *found["kind"].values]
    assert with_differences(VALUES, None, axis=1) is VALUES
    assert labels(["a", "b"], None) == (["a", "b"], ["arm", "arm"])


def test_rows_of_one_name_are_apart() -> None:
    twice = xr.concat([outputs(), outputs()], dim="arm")
    assert [(name, float(row["vat"][0])) for name, row in rows(twice)] == [
        ("a", 1.0), ("b", 5.0), ("c", 7.0), ("a", 1.0), ("b", 5.0), ("c", 7.0),
    ]  # fmt: skip


def test_what_cannot_be_compared_is_one_sentence() -> None:
    with pytest.raises(InputError, match="contrast = 'd' is not an arm; choose from a, b, c"):
        paired_difference(outputs(), "d")
    with pytest.raises(InputError, match="contrast = 'a' is the only arm"):
        check_contrast("a", ["a"])
    with pytest.raises(InputError, match="needs outputs with named arms; the dimensions are arm, patient"):
        paired_difference(outputs().drop_vars("arm"), "a")
    with pytest.raises(InputError, match="the dimensions are patient"):
        paired_difference(outputs().isel(arm=0), "a")
