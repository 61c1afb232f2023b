"""The summary: a line per endpoint, week and arm; the same bytes on screen and in the file as ever."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import pulsatile as pu
from pulsatile.engine.errors import InputError

EXPECTED = Path(__file__).with_name("expected")


def dataset(projected: bool = False) -> xr.Dataset:
    """Return two arms, the control last; patient 5 failed under the drug; where projected, patients have weights."""
    waves = np.sin(np.arange(24.0)).reshape(2, 6, 2)
    weeks = np.array([0.0, 1.0])
    vat = np.stack([150 - 24 * weeks * (1 + np.arange(6)[:, None] / 10), np.full((6, 2), 150.0)])
    status = np.zeros((2, 6), np.int8)
    status[0, 5] = 1
    dims = ("arm", "patient")
    found = xr.Dataset(
        {
            "vat": ((*dims, "time"), vat + 9 * np.sin(np.arange(6.0))[:, None]),
            "fasting_igf1_sds": ((*dims, "fasting_week"), 1.5 + waves),
            "clamp_m": ((*dims, "clamp_week"), 5 + waves[::-1]),
            "status": (dims, status),
        },
        {
            "arm": ["drug [x]", "no treatment"], "patient": np.arange(6), "time": [0.0, 672.0],
            "fasting_week": [0.0, 4.0], "clamp_week": [0.0, 2.0],
        },
    )  # fmt: skip
    if not projected:
        return found
    found = found.assign(vat_projection_error=0 * found["vat"] + 0.375).assign_attrs(integration="days were skipped")
    return found.assign_coords(prevalence=("patient", [0.5, 1.0, 2.0, 1.0, 0.25, 1.25]))


@pytest.mark.parametrize("name", ["plain", "projected"])
def test_file_and_table_are_the_same_bytes_as_ever(name: str) -> None:
    summary = pu.summarise(dataset(name == "projected"), "no treatment")
    wanted = (EXPECTED / f"{name}.csv").read_text(encoding="utf-8")
    assert summary.csv_text() == wanted.replace("\n", "\r\n")
    console = Console(width=100, color_system=None)
    with console.capture() as shown:
        console.print(summary.table({"drug [x]": "licensed"}))
    lines = [line.rstrip() for line in shown.get().splitlines()]
    assert lines == (EXPECTED / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def test_one_row_per_endpoint_week_and_arm() -> None:
    frame = pu.summarise(dataset(), "no treatment").frame
    assert frame.columns.tolist() == [
        "endpoint", "label", "unit", "week", "arm", "kind", "n", "mean", "sd", "difference", "low", "high", "pairs",
        "effective_n", "mean_low", "mean_high", "note", "variable", "integration", "projection_error", "standing",
    ]  # fmt: skip
    assert not frame.duplicated(["endpoint", "week", "arm"]).any()
    assert frame["arm"].tolist() == ["no treatment", "drug [x]"] * 6
    assert set(frame["kind"]) == {"arm"}
    last = frame.query("endpoint == 'vat' and week == 4").set_index("arm")
    assert last["n"].tolist() == [6, 5]
    assert last.loc["drug [x]", "difference"] == pytest.approx(-24 * 1.2)  # of five patients
    assert last.loc["no treatment", "difference"] == 0


def test_the_standing_of_an_arm_is_in_the_file_and_on_the_screen() -> None:
    marked = dataset().assign_coords(standing=("arm", ["extrapolation", "no drug"]))
    summary = pu.summarise(marked, "no treatment")
    head, *rows = summary.csv_text().splitlines()
    assert head.endswith(",standing")
    assert {tuple(row.split(",")[i] for i in (4, -1)) for row in rows} == {
        ("drug [x]", "extrapolation"), ("no treatment", "no drug")
    }  # fmt: skip
    head_of_table = "".join("".join(repr(summary).split("─")).split())  # long words are folded in a narrow column
    assert "extrapolation" in head_of_table
    assert "no drug" not in repr(summary)


def test_a_share_has_its_own_interval_within_0_and_100() -> None:
    data = dataset()
    data["fasting_igf1_sds"][:] = 0.0  # nobody
    data["fasting_igf1_sds"][0, :, 1] = 3.0  # everybody under the drug in week 4
    frame = pu.summarise(data, "no treatment").frame.query("endpoint == 'igf1_high' and week == 4").set_index("arm")
    none, drug = frame.loc["no treatment"], frame.loc["drug [x]"]
    assert (none["mean"], drug["mean"]) == (0, 100)
    assert (none["mean_low"], none["mean_high"]) == pytest.approx((0, 100 * 3.8415 / (6 + 3.8415)), abs=0.01)  # Wilson
    assert (drug["mean_low"], drug["mean_high"]) == pytest.approx((100 * 5 / (5 + 3.8415), 100), abs=0.01)
    assert 0 < drug["low"] < drug["high"] <= 100


def test_an_interval_that_one_patient_would_decide_is_none_and_told() -> None:
    data = dataset().assign_coords(prevalence=("patient", [1e-3, 1e-3, 5.0, 1e-3, 1e-3, 1e-3]))
    summary = pu.summarise(data, "no treatment")
    rows = summary.frame.query("arm != 'no treatment'")
    assert rows[["low", "high", "mean_low", "mean_high"]].isna().all(axis=None)
    assert (
        rows["note"].str.fullmatch("no interval: one of 5 patients has 100% of the weight and decides the mean").all()
    )
    assert "No interval: one of 5 patients" in " ".join(repr(summary).split())
    assert "none" in repr(summary).splitlines()[8]
    assert summary.csv_text().splitlines()[0].endswith("effective_pairs,note")


def test_printed_it_is_the_table() -> None:
    text = repr(pu.summarise(dataset(), "no treatment"))
    assert re.search(r"Visceral fat +150\.3 +123\.2 \(-28\.8\)", text)
    nothing = pu.summarise(dataset()[["status"]].assign_coords(time=[0.0, 672.0]), "no treatment")
    assert repr(nothing) == "Summary without endpoints"
    assert nothing.csv_text().startswith("endpoint,variable,unit,week,arm,n,mean,sd,pairs,difference_to_control")


def test_the_control_must_be_an_arm() -> None:
    with pytest.raises(InputError, match="control = 'placebo' is not an arm; choose from drug"):
        pu.summarise(dataset(), "placebo")
