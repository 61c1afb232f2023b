"""The table of events: one row is a flag output, a story and, where marked so, a line of the summary."""

import numpy as np
import pytest
import xarray as xr

import pulsatile as pu
from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.analysis.selection import Selection, at_weeks
from pulsatile.sweeps.analysis.stories import stories
from pulsatile.sweeps.contrast import CONTRAST, paired_difference
from pulsatile.sweeps.summary import events
from pulsatile.sweeps.summary.events import EVENTS, Event, flag_outputs

N = 60
LEAN = Event(
    name="lean_responder", verb="gain lean mass", words="lean mass at least {limit} % above the own week 0",
    sources=("lean",), change=True, direction=">=", threshold=2.5, unit="%", role="responder", reference="a test",
    share="Lean mass up {limit} %", below="lean",
)  # fmt: skip


def results() -> xr.Dataset:
    """Return two arms; under the drug patients 0 ... 29 gain 4 % of lean mass, and as many gain clamp M."""
    gain = np.where(np.arange(N) < N // 2, 1.04, 1.0)
    lean = np.full((2, N, 2), 50.0)
    lean[1, :, 1] *= gain
    clamp = np.full((2, N, 1), 5.0)
    clamp[1, :, 0] += gain - 1.02
    return xr.Dataset(
        {
            "lean": (("arm", "patient", "time"), lean), "clamp_m": (("arm", "patient", "clamp_week"), clamp),
            "status": (("arm", "patient"), np.zeros((2, N), np.int8)),
        },
        {"arm": ["none", "drug"], "patient": np.arange(N), "time": [0.0, 168.0], "clamp_week": [1.0]},
    )  # fmt: skip


def test_one_more_row_is_flag_story_and_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS", (*EVENTS, LEAN))
    dataset, treated = results(), np.arange(N) < N // 2
    points = dataset.rename(patient="design")
    flags = at_weeks(points, Selection(("lean_responder",), (1.0,)))["lean_responder"]
    assert flags.sel(arm="drug", week=1).values.tolist() == treated.astype(float).tolist()
    assert flags.attrs["long_name"] == "lean mass at least 2.5 % above the own week 0"

    outputs, start = (at_weeks(points, Selection(("lean",), (week,))) for week in (1.0, 0.0))
    inputs = Inputs(("age",), ("years",), np.arange(float(N))[:, None], 1, None, np.ones(N, bool), ())
    told = {(story.arm, story.event): story for story in stories(inputs, outputs, start.isel(week=0), None, 0)}
    assert told["drug", "gain lean mass"].cases.tolist() == treated.tolist()
    assert told["drug", "gain lean mass"].sentence.startswith(
        "drug, week 1: 30 of 60 patients gain lean mass (lean mass at least 2.5 % above the own week 0)."
    )

    summary = pu.summarise(dataset, "none")
    share = summary.frame.query("endpoint == 'lean_responder' and arm == 'drug'").set_index("week")
    assert share["mean"].to_dict() == {0.0: 0.0, 1.0: 50.0}
    assert summary.frame["endpoint"].unique().tolist() == ["clamp_m", "lean", "lean_responder"]
    assert "Lean mass up 2.5 %" in repr(summary)


def test_without_its_row_there_is_none_of_it() -> None:
    dataset = results()
    assert "lean_responder" not in flag_outputs()
    assert "lean_responder" not in set(pu.summarise(dataset, "none").frame["endpoint"])


def test_a_share_of_changes_needs_week_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS", (*EVENTS, LEAN))
    later = results().isel(time=[1])
    assert set(pu.summarise(later, "none").frame["endpoint"]) == {"clamp_m", "lean"}


def test_gains_and_losses_are_read_from_contrasts_alone() -> None:
    outputs = at_weeks(results().rename(patient="design"), Selection(("clamp_m",), (1.0,)))
    inputs = Inputs(("age",), ("years",), np.arange(float(N))[:, None], 1, None, np.ones(N, bool), ())
    start = xr.Dataset(coords={"arm": ["none", "drug"]})
    told = stories(inputs, outputs, start, paired_difference(outputs, "none"), 0)
    assert [(story.arm, story.kind, story.event, int(story.cases.sum())) for story in told] == [
        ("drug minus none", "contrast", "gain insulin sensitivity", 30),
        ("drug minus none", "contrast", "lose insulin sensitivity", 30),
    ]
    assert "(paired difference of Clamp M)" in told[0].sentence


@pytest.mark.parametrize(
    ("name", "source", "below", "at", "above"),
    [
        ("igf1_high", "igf1_sds", 0.0, 0.0, 1.0), ("glucose_diabetic", "fasting_glucose", 0.0, 1.0, 1.0),
        ("sensitivity_gain", "clamp_m", 0.0, 0.0, 1.0), ("sensitivity_loss", "clamp_m", 1.0, 0.0, 0.0),
        ("sensitivity_gain", "fasting_homa_ir", 1.0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_thresholds_count_on_the_right_side(name: str, source: str, below: float, at: float, above: float) -> None:
    event = next(event for event in EVENTS if event.name == name)
    read = event.threshold + np.array([-0.5, 0.0, 0.5, np.nan])
    np.testing.assert_array_equal(event.values(read, source=source), [below, at, above, np.nan])


def test_changes_are_from_the_own_week_0() -> None:
    responder = flag_outputs()["vat_responder"]
    start = np.array([100.0, 100.0, 200.0, 200.0, np.nan])
    found = responder.values(np.array([91.9, 92.1, 183.9, 184.1, 90.0]), start)
    np.testing.assert_array_equal(found, [1.0, 0.0, 1.0, 0.0, np.nan])


def test_rows_are_whole() -> None:
    assert len({event.name for event in EVENTS}) == len(EVENTS)
    for event in EVENTS:
        assert not (event.change and event.kind == CONTRAST)  # a contrast has no week 0 of its own
        assert "{" not in event.measure("vat") + event.label
