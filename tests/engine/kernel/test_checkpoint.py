"""The kernel goes on from a mark with, bit for bit, what one run gives: solvers, pulses, failures, the step limit."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from benchmarks.problem import mixed_cohort
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel.batch import Result, integrate
from pulsatile.engine.kernel.checkpoint import columns
from pulsatile.engine.kernel.events import EventTable, event_table, select, shared_events
from pulsatile.engine.kernel.layout import Build
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.pulses import block_events

# --- marks anywhere ---

N = 11
GROUPS = ("gh_depot",)
PEOPLE = mixed_cohort(N, seed=5)
RECORD, Y0, BLOCK = PEOPLE.parameters, fasting_state(PEOPLE.parameters), block_events(PEOPLE)
SOLVERS = {
    "cfmr7": Solver(), "one lane": Solver(lanes=1), "four lanes": Solver(lanes=4), "bs5": Solver(method="bs5"),
    "mixed": Solver(precision="mixed", rtol=1e-5), "mixed bs5": Solver(precision="mixed", rtol=1e-5, method="bs5"),
    "mixed, one lane": Solver(precision="mixed", rtol=1e-5, lanes=1), "loose": Solver(rtol=1e-3),
}  # fmt: skip


def run(doses: EventTable, groups: tuple[str, ...] = GROUPS, **settings: Any) -> Result:
    """Run everybody with one choice of drug groups, whichever events this run knows."""
    return integrate(RECORD, Y0, BLOCK, doses, groups=groups, **settings)


def events_around(start: float, mark: float, later: float, rng: np.random.Generator) -> list[tuple[float, str, float]]:
    """Return some of: doses before, at and after the mark, infusions over it, begun before the start, ended later."""
    rows = [
        (start - 1, "glucose_infusion", 0.01), (start + 5, "gh_infusion", 3.0), (mark - 0.01, "depot_ghrh_a", 500.0),
        (mark, "gh_depot_1", 700.0), (mark, "gh_infusion", 1.0), (mark + 0.5, "glucose_infusion", 0.02),
        (later, "gh", 5.0), (later + 1, "gh_infusion", 0.0), (mark + 1e-9, "gh", 1.0), (mark - 1e-9, "gh", 1.0),
    ]  # fmt: skip
    return sorted(row for row in rows if rng.random() < 0.7)


def assert_continued(whole: Result, part: Result, end: Result, after: int) -> None:
    """``part`` holds the outputs of ``whole`` from number ``after`` on, and the mark of ``end``."""
    assert np.array_equal(part.y, whole.y[:, after:], equal_nan=True)
    assert np.array_equal(part.status, whole.status)
    assert np.array_equal(part.steps, whole.steps)
    assert np.array_equal(part.mark, end.mark, equal_nan=True)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_random_marks(name: str) -> None:
    rng = np.random.default_rng(len(name))
    solver = SOLVERS[name]
    groups = GROUPS if solver.build(()) == Build() else ()  # other layouts are compiled without drugs already
    for start in (0.0, -3.5, 671.9, 87360.0):
        times = np.unique(np.round(start + rng.uniform(0.001, 30, 10), 3))
        first, second = sorted(rng.choice(len(times) - 1, 2, replace=False))
        mark, later = times[first], times[second]
        rows = events_around(start, mark, later, rng)
        # the last: windows end a rounding error beside the mark
        window = float(rng.choice([0.0, 0.7, 2.3, (mark - start) / 3]))
        shared = {"start": start, "window": window, "solver": solver, "groups": groups}
        long = {"stop": float(times[-1] + rng.choice([0, 3])), **shared}
        doses = shared_events(N, rows)
        whole, end = (run(doses, times=times, mark=at, **long) for at in (mark, later))
        # the shorter run knows fewer events and stops at the mark, or a little later
        known = select(doses, doses.time < mark + rng.choice([0.2, 48]))
        short = run(known, times=times[: first + 1], mark=mark, stop=float(mark + rng.choice([0, 0.1])), **shared)
        assert not short.status.any()
        if bool(short.mean.shape[1]) != bool(whole.mean.shape[1]):
            continue  # a study without one whole window keeps none
        assert np.array_equal(short.mark, whole.mark)
        part = run(doses, times=times[first + 1 :], mark=later, begin=short.mark, **long)
        assert_continued(whole, part, end, first + 1)
        for kind in ("mean", "low", "high"):
            old, new, one = (getattr(result, kind) for result in (short, part, whole))
            closed = old.shape[1]
            assert np.array_equal(old, one[:, :closed])
            assert np.array_equal(new[:, closed:], one[:, closed:])
            again = np.isfinite(new[:, :closed])  # a window that closed in the very step that was taken again
            assert np.array_equal(new[:, :closed][again], old[again])


def test_a_mark_changes_no_number() -> None:
    doses = shared_events(N, [(3.0, "gh_depot_1", 700.0)])
    settings = {"start": 0.0, "times": np.arange(1.0, 25.0), "window": 7.0}
    plain, marked = run(doses, **settings), run(doses, mark=10.0, **settings)
    assert plain.mark.shape == (N, 0)
    assert marked.mark.shape == (N, len(columns(True)))
    assert all(np.array_equal(a, b) for a, b in zip(plain[:-1], marked[:-1], strict=True))


def test_what_a_mark_holds() -> None:
    doses = shared_events(N, [(3.0, "gh_depot_1", 700.0), (9.0, "gh", 5.0), (11.0, "gh", 5.0)])
    found = run(doses, start=0.0, times=np.array([10.0, 24.0]), mark=10.0, window=4.0)
    row = dict(zip(columns(True), found.mark.T, strict=True))
    assert np.all((row["t"] >= 9.0) & (row["t"] < 10.0))
    assert np.all(row["t"] + row["h"] > 9.9)
    assert np.all((row["due"] > row["t"]) & (row["due"] <= 10.0))
    assert np.all(row["window"] == 2)
    assert np.all((row["steps"] > 0) & (row["steps"] < found.steps))
    assert np.all(row["gh_depot_1"] > 0)
    assert np.all(row["depot_ghs_b"] == 0)  # at rest: not integrated here
    assert np.all(row["least_gh"] <= row["greatest_gh"])
    assert np.isfinite(found.mark).all()


def test_chain_of_marks_a_step_apart() -> None:
    """Marks so close that several fall into one step; one exactly where a dose ends a step."""
    doses = shared_events(N, [(5.0, "gh", 5.0), (5.002, "gh", 5.0)])
    times = 5.0 + np.array([-0.002, -0.001, 0.0, 0.001, 0.002, 0.003, 4.0])
    whole = run(doses, start=0.0, times=times, window=1.7)
    begin = None
    for k, at in enumerate(times[:-1]):
        begin = run(doses, start=0.0, times=times[k:], window=1.7, mark=at, begin=begin).mark
    last = run(doses, start=0.0, times=times[-1:], window=1.7, begin=begin)
    assert np.array_equal(last.y, whole.y[:, -1:])
    assert np.array_equal(last.steps, whole.steps)
    assert np.array_equal(last.mean[:, 3:], whole.mean[:, 3:])


@pytest.mark.parametrize("at", [10.0, 0.0])
def test_a_mark_in_the_step_after_a_pulse(at: float) -> None:
    """The step begins at the pulse, which is in the mark and does not come again; also where the block begins anew."""
    block = shared_events(N, [(at, "drive", 1.0), (at + 3.0, "drive", 0.5)])
    start = 672.0 - 5.0
    when = start + 5.0 + at
    shared = {"start": start, "groups": (), "window": 2.0}
    times = np.array([when + 0.003, when + 9.0])
    whole = integrate(RECORD, Y0, block, None, times=times, mark=times[0], **shared)
    assert np.all(whole.mark[:, columns(True).index("t")] == when)
    part = integrate(RECORD, Y0, block, None, times=times[1:], begin=whole.mark, **shared)
    assert np.array_equal(part.y, whole.y[:, 1:])
    assert np.array_equal(part.steps, whole.steps)


# --- failures before and after a mark, and the step limit ---

BEFORE, AFTER = 2, 7  # patients whose dose is not a number


def test_failures_before_and_after_the_mark() -> None:
    at = {BEFORE: 4.0, AFTER: 12.0}
    doses = event_table([[(at.get(k, 8.0), "gh", np.nan if k in at else 1.0)] for k in range(N)])
    times, settings = np.array([6.0, 10.0, 20.0]), {"start": 0.0, "window": 3.0}
    whole, end = (run(doses, times=times, mark=mark, **settings) for mark in (6.0, 20.0))
    short = run(doses, times=times[:1], mark=6.0, **settings)
    assert np.flatnonzero(short.status).tolist() == [BEFORE]
    assert np.flatnonzero(whole.status).tolist() == [BEFORE, AFTER]
    assert np.isnan(short.mark[BEFORE]).all()
    assert np.isfinite(short.mark[AFTER]).all()
    assert np.isnan(whole.mark[AFTER]).all()
    alive = np.flatnonzero(short.status == Status.OK)
    part = integrate(
        RECORD[alive], Y0[alive], BLOCK.subset(alive), doses.subset(alive), times=times[1:], mark=20.0,
        begin=short.mark[alive], groups=GROUPS, **settings,
    )  # fmt: skip
    assert_continued(Result(*(field[alive] for field in whole)), part, Result(*(field[alive] for field in end)), 1)


@pytest.mark.parametrize("lanes", [1, 8])
def test_the_step_limit_falls_at_the_same_moment_however_long_the_run(lanes: int) -> None:
    """Whoever fails in a short run fails in a longer one after as many steps, and so does one that goes on."""
    # every other patient has a laborious third day
    doses = event_table([[(50 + t / 4, "gh", 1.0) for t in range(80 * (k % 2))] for k in range(N)])
    times = 24.0 * np.arange(1, 5)
    seen = set()
    for limit in range(250, 600, 25):
        solver = Solver(max_steps_per_day=limit, lanes=lanes)
        runs = [
            run(doses, start=0.0, times=times[: k + 1], mark=at, solver=solver, groups=()) for k, at in enumerate(times)
        ]
        for short, long in pairwise(runs):
            assert set(np.unique(long.status)) <= {Status.OK, Status.STEP_LIMIT}
            failed = short.status == Status.STEP_LIMIT
            assert np.all(long.status[failed] == Status.STEP_LIMIT)
            assert np.array_equal(long.steps[failed], short.steps[failed])
        alive = np.flatnonzero(runs[1].status == Status.OK)
        if not len(alive):
            continue
        part = integrate(
            RECORD[alive], Y0[alive], BLOCK.subset(alive), doses.subset(alive), start=0.0, times=times[2:],
            mark=times[3], begin=runs[1].mark[alive], solver=solver, groups=(),
        )  # fmt: skip
        whole = Result(*(field[alive] for field in runs[-1]))
        assert_continued(whole._replace(y=whole.y[:, 2:]), part, whole, 0)
        seen |= {(int(runs[1].status[k] != 0), int(runs[-1].status[k] != 0)) for k in range(N)}
    assert seen == {(0, 0), (0, 1), (1, 1)}  # some fail before the mark, some after it, some never


def test_the_step_limit_counts_days_from_the_start() -> None:
    """The limit of a day holds for all of the first; then it grows with time, up to the step's end."""
    steps = run(EventTable.empty(N), start=0.0, times=np.array([24.0])).steps
    solver = Solver(max_steps_per_day=int(steps.max()))
    assert not run(EventTable.empty(N), start=0.0, times=np.array([24.0]), solver=solver).status.any()
    solver = Solver(max_steps_per_day=int(steps.min()) - 3)
    assert np.all(
        run(EventTable.empty(N), start=0.0, times=np.array([24.0]), solver=solver).status == Status.STEP_LIMIT
    )


def test_bad_marks_are_told_in_a_sentence() -> None:
    call = {"start": 0.0, "times": np.array([1.0, 5.0]), "mark": 1.0}
    good = run(EventTable.empty(N), **call).mark
    hole = good.copy()
    hole[3] = np.nan
    for change, words in (
        ({"mark": 2.0}, "mark = 2.0 h must be one of the output times"),
        ({"mark": np.nan}, "mark = nan h"),
        ({"times": np.array([0.0, 1.0]), "mark": 0.0}, "after the start"),
        ({"begin": good[:, 1:]}, "begin has the shape"),
        ({"begin": good[1:]}, "begin has the shape"),
        ({"begin": good, "window": 2.0}, "begin has the shape"),
        ({"begin": hole}, "begin holds a patient that failed"),
        ({"begin": good, "times": np.array([0.1, 5.0]), "mark": 5.0}, "before a mark"),
    ):
        with pytest.raises(InputError, match=r"^[^\n]*[.]$") as told:
            run(EventTable.empty(N), **(call | change))
        assert words in str(told.value)
    inputs = shared_events(N, [(2.0, "gh_infusion", 1.0)])
    with pytest.raises(InputError, match="block sets an input"):
        integrate(RECORD, Y0, inputs, None, start=0.0, times=np.array([5.0]), begin=good)
