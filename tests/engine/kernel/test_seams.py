"""Where two things meet: events at the start, the block's seam, one instant, the end; bad calls of `integrate`."""

from typing import Any

import numpy as np
import pytest

from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import BLOCK_HOURS, event_table
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.states import STATE_INDEX

RECORD = virtual_cohort(9, variability=False).parameters
Y0 = fasting_state(RECORD)
DRIVE, DECAY = STATE_INDEX["drive"], float(RECORD["k_drive"][0])  # the drive decays by itself: its sum is known
Jumps = list[tuple[float, str, float]]


def drive(block: Jumps, doses: Jumps, start: float, times: Any) -> Any:
    """Return the exact drive before the events of each instant."""
    cycles = range(int(start // BLOCK_HOURS), int(times[-1] // BLOCK_HOURS) + 1)
    jumps = [(BLOCK_HOURS * k + t, size) for k in cycles for t, _, size in block] + [(t, size) for t, _, size in doses]
    return np.array([sum(a * np.exp(-DECAY * (t - at)) for at, a in jumps if start <= at < t) for t in times])


@pytest.mark.parametrize("start", [0.0, 1e-9, 50.25, -3.5, 671.9999, -672.0, -1344.0, 2014.0, 87360.0])
def test_events_at_seams_and_ties(start: float) -> None:
    rng = np.random.default_rng(7)
    blocks: list[Jumps] = []
    doses: list[Jumps] = []
    for k in range(len(RECORD)):
        inside = [(float(t), "drive", 1.0) for t in rng.choice(np.round(rng.uniform(0, BLOCK_HOURS, 3), 1), 3)]
        ends = [(0.0, "drive", 1.0), (BLOCK_HOURS - 1e-9, "drive", 0.5)]
        blocks.append([[], inside, inside + ends][k % 3])
        # before the start, twice at it, twice at once, at an output and at the end
        doses.append([(start + t, "drive", 2.0) for t in (-1.0, 0.0, 0.0, 10.0, 10.0, 30.0, 700.0)] if k % 2 else [])
    times = np.unique([start, *(start + np.array([1e-3, 10.0, 10.001, 30.0, 40.0, 700.0])),
                       *np.round(rng.uniform(start, start + 700, 20), 3)])  # fmt: skip
    found = integrate(RECORD, Y0, event_table(blocks), event_table(doses), start=start, times=times)
    assert np.all(found.status == 0)
    for k in range(len(RECORD)):
        exact = drive(blocks[k], doses[k], start, times)
        np.testing.assert_allclose(found.y[k, :, DRIVE], exact, atol=1e-8)


def test_the_last_window_closes_where_it_ends_a_rounding_error_late() -> None:
    assert 3 * 0.1 > 0.3
    doses = event_table([[(0.3, "drive", 1.0)]] * len(RECORD))  # a step ends exactly at the end
    found = integrate(RECORD, Y0, None, doses, start=0.0, times=np.array([0.3]), window=0.1)
    assert found.mean.shape[1] == 3
    assert np.isfinite(found.mean).all()
    assert np.array_equal(found.y, integrate(RECORD, Y0, None, doses, start=0.0, times=np.array([0.3])).y)


def test_a_night_too_narrow_for_the_exponential_is_no_night() -> None:
    record = RECORD.copy()
    record["sst_night_width"] = 0.05  # h; its exponent reaches -28800
    record["sst_night"][1::2] = 1.0  # no night at all
    found = integrate(record, Y0, None, None, start=8.0, times=np.array([14.0]))
    assert np.all(found.status == 0)
    np.testing.assert_allclose(found.y[0], found.y[1], rtol=1e-12)


def test_no_output_at_all() -> None:
    assert integrate(RECORD, Y0, None, None, start=0.0, times=np.array([]), stop=1.0).y.shape[1] == 0
    assert integrate(RECORD, Y0, None, None, start=0.0, times=np.array([])).y.shape[1] == 0


def test_read_only_input_is_as_good() -> None:
    record, y0, times = RECORD.copy(), Y0.copy(), np.array([1.0])
    before = integrate(record, y0, None, None, start=0.0, times=times)
    for array in (record, y0, times):
        array.flags.writeable = False
    assert np.array_equal(integrate(record, y0, None, None, start=0.0, times=times).y, before.y)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"times": np.array([1.0, 1.0])}, "ascend"),
        ({"times": np.array([-1.0])}, "not before start"),
        ({"times": np.array([np.nan])}, "numbers"),
        ({"times": np.array([1.0, np.nan]), "stop": 2.0}, "ascend"),
        ({"times": np.array([1.0]), "stop": 0.5}, "ascend"),
        ({"times": np.array([]), "stop": -1.0}, "not before start"),
        ({"stop": np.inf}, "numbers"),
        ({"start": np.nan}, "numbers"),
        ({"window": np.nan}, "numbers"),
        ({"block": event_table([[]])}, "tables of 1 and 9 patients"),
        ({"doses": event_table([[]])}, "tables of 9 and 1 patients"),
        ({"y0": Y0[:2]}, "need a start of shape"),
    ],
)
def test_a_bad_call_is_told_in_a_sentence(change: dict[str, Any], words: str) -> None:
    call = {"parameters": RECORD, "y0": Y0, "block": None, "doses": None, "start": 0.0, "times": np.array([1.0])}
    with pytest.raises(InputError, match=r"^[^\n]*[.]$") as told:
        integrate(**(call | change))
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("rtol", 0.0), ("rtol", float("nan")), ("atol_factor", 0.0), ("method", "rk4"),
     ("lanes", 3), ("max_steps_per_day", 99), ("max_steps_per_day", float("nan")), ("max_steps_per_day", float("inf")),
     ("first_step", 0.0), ("first_step", -1.0), ("event_step", 0.0), ("event_step", float("nan"))],
)  # fmt: skip
def test_a_bad_setting_is_told_in_a_sentence(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^solver {field} = [^\n]*[.]$"):
        Solver(**{field: value})
