"""Going on from a stored end gives, bit for bit, what one run gives: of the kernel, of a study, of its new arms."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray as xr

from benchmarks.problem import mixed_cohort
from pulsatile.engine.drugs.dosing import Arm, Dose, dose_events, preset
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel.batch import Result, groups_needed, integrate
from pulsatile.engine.kernel.checkpoint import columns
from pulsatile.engine.kernel.events import EventTable, event_table, select, shared_events
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.pulses import block_events
from pulsatile.engine.patients.run_in import PACKED, run_in, unpacked
from pulsatile.engine.simulate import Earlier, Simulation, carry_out, end_columns, simulate
from pulsatile.engine.trial import treatment
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import Plan, TestAt
from pulsatile.engine.trial.visits import Branch, run_tests

# --- the kernel: marks anywhere ---

N = 11
PEOPLE = mixed_cohort(N, seed=5)
RECORD, Y0, BLOCK = PEOPLE.parameters, fasting_state(PEOPLE.parameters), block_events(PEOPLE)
SOLVERS = {
    "cfmr7": Solver(), "one lane": Solver(lanes=1), "four lanes": Solver(lanes=4), "bs5": Solver(method="bs5"),
    "mixed": Solver(precision="mixed", rtol=1e-5), "mixed bs5": Solver(precision="mixed", rtol=1e-5, method="bs5"),
    "mixed, one lane": Solver(precision="mixed", rtol=1e-5, lanes=1), "loose": Solver(rtol=1e-3),
}  # fmt: skip


def run(doses: EventTable, **settings: Any) -> Result:
    """Run everybody with all drug groups that ``EVENTS`` move, whichever of them this run knows."""
    return integrate(RECORD, Y0, BLOCK, doses, groups=GROUPS_MOVED, **settings)


def events_around(start: float, mark: float, later: float, rng: np.random.Generator) -> list[tuple[float, str, float]]:
    """Return some of: doses before, at and after the mark, infusions over it, begun before the start, ended later."""
    rows = [
        (start - 1, "glucose_infusion", 0.01), (start + 5, "gh_infusion", 3.0), (mark - 0.01, "depot_ghrh_a", 500.0),
        (mark, "gh_depot_1", 700.0), (mark, "gh_infusion", 1.0), (mark + 0.5, "glucose_infusion", 0.02),
        (later, "gh", 5.0), (later + 1, "gh_infusion", 0.0), (mark + 1e-9, "gh", 1.0), (mark - 1e-9, "gh", 1.0),
    ]  # fmt: skip
    return sorted(row for row in rows if rng.random() < 0.7)


GROUPS_MOVED = groups_needed(
    RECORD, Y0, BLOCK, shared_events(N, events_around(0.0, 10.0, 20.0, np.random.default_rng(2)))
)


def assert_continued(whole: Result, part: Result, end: Result, after: int) -> None:
    """``part`` holds the outputs of ``whole`` from number ``after`` on, and the mark of ``end``."""
    assert np.array_equal(part.y, whole.y[:, after:], equal_nan=True)
    assert np.array_equal(part.status, whole.status)
    assert np.array_equal(part.steps, whole.steps)
    assert np.array_equal(part.mark, end.mark, equal_nan=True)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_random_marks(name: str) -> None:
    rng = np.random.default_rng(len(name))
    for start in (0.0, -3.5, 671.9, 87360.0):
        times = np.unique(np.round(start + rng.uniform(0.001, 30, 10), 3))
        first, second = sorted(rng.choice(len(times) - 1, 2, replace=False))
        mark, later = times[first], times[second]
        rows = events_around(start, mark, later, rng)
        # the last: windows end a rounding error beside the mark
        window = float(rng.choice([0.0, 0.7, 2.3, (mark - start) / 3]))
        shared = {"start": start, "window": window, "solver": SOLVERS[name]}
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
        begin=short.mark[alive], groups=GROUPS_MOVED, **settings,
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
        runs = [run(doses, start=0.0, times=times[: k + 1], mark=at, solver=solver) for k, at in enumerate(times)]
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
            mark=times[3], begin=runs[1].mark[alive], solver=solver, groups=GROUPS_MOVED,
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


# --- a study ---

COHORT = virtual_cohort(5, "obese", seed=4)
PUMP = Dose(
    "somatropin", 0.5, "mg", "pump", (20.0,), days=(6,), duration=10.0
)  # from Sunday into Monday: over each end
ARMS = (
    preset("control"),
    preset("tesamorelin_label"),
    Arm("titrated", (
        Dose("somatropin", 0.2, "mg", "SC", (0.0, 21.0), stop_week=1.0),
        Dose("somatropin", 0.4, "mg", "SC", (0.0, 21.0), start_week=1.0, stop_week=9 / 7),
        Dose("somatropin", 0.6, "mg", "SC", (0.0, 21.0), start_week=2.0, stop_week=4.0),
        PUMP,
    )),
)  # fmt: skip
FIVE = Plan(
    5, every=10.7, outputs=("gh", "igf1", "glucose", "vat_change"), reduce_every=31.0,
    reductions=("gh_mean", "gh_max", "glucose_min", "igf1_auc"),
    tests=(TestAt("ogtt", (0, 1, 2, 4)), TestAt("fasting", (1, 3, 5))),
)  # fmt: skip


def shortened(plan: Plan, weeks: float) -> Plan:
    """Return the plan up to ``weeks``, with the tests of those weeks."""
    tests = [
        TestAt(test.test, tuple(w for w in test.weeks if w <= weeks)) for test in plan.tests if min(test.weeks) <= weeks
    ]
    return replace(plan, weeks=weeks, tests=tuple(tests))


def went_on(first: Simulation, since: float, plan: Plan, arms: Sequence[Arm] = ARMS, **more: Any) -> Simulation:
    assert plan.goes_on_from(shortened(plan, since)) == ""
    cohort = more.pop("cohort", COHORT)
    earlier = Earlier(since, first.ends, first.dataset.status.values)
    return carry_out(cohort, arms, plan, baseline=unpacked(cohort, first.run_in), earlier=earlier, **more)


def merged(earlier: xr.Dataset, later: xr.Dataset, since: float) -> xr.Dataset:
    """Put the earlier run's values where only it knows them; they and only they must be missing in the later one."""
    fine = later.status == Status.OK
    filled = {}
    for name, values in later.data_vars.items():
        if name == "status":
            continue
        old = earlier.get(name)
        dim = next(d for d in values.dims if str(d) not in ("arm", "patient"))
        ends = values[dim] + (31.0 if dim == "window" else 0.0)
        known = ends <= since * (1.0 if str(dim).endswith("_week") else 168.0) + 1e-6
        assert (values.isnull() == (known | ~fine)).all(), name
        if old is not None:
            values = values.where(~known, old.reindex({dim: values[dim]})).where(fine)
        filled[name] = values
    return later.assign(filled)


def assert_same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    for name in wanted.variables:
        one, other = found[name], wanted[name]
        assert (one.dims, one.dtype, one.attrs.keys()) == (other.dims, other.dtype, other.attrs.keys()), name
        assert np.array_equal(one.values, other.values, equal_nan=one.dtype.kind == "f"), name


BASELINE = run_in(COHORT)


@pytest.fixture(scope="module")
def whole() -> Simulation:
    return carry_out(COHORT, ARMS, FIVE)


def test_carry_out_gives_what_simulate_gives(whole: Simulation) -> None:
    assert_same(whole.dataset, simulate(COHORT, ARMS, FIVE))
    assert not whole.dataset.status.any()
    assert whole.ends.shape == (len(ARMS), len(COHORT), len(columns(True)))
    assert np.isfinite(whole.ends).all()


def test_one_week_two_weeks_five_weeks(whole: Simulation) -> None:
    two = shortened(FIVE, 2)
    first = carry_out(COHORT, ARMS, shortened(FIVE, 1))
    second = went_on(first, 1, two)
    fresh = carry_out(COHORT, ARMS, two)
    both = merged(first.dataset, second.dataset, 1)
    assert_same(both, fresh.dataset)
    assert np.array_equal(second.ends, fresh.ends)
    third = went_on(replace(second, dataset=both), 2, FIVE)
    assert_same(merged(both, third.dataset, 2), whole.dataset)
    assert np.array_equal(third.ends, whole.ends)


@pytest.mark.parametrize("solver", [Solver(), Solver(precision="mixed", rtol=1e-5), Solver(method="bs5")])
def test_a_week_and_a_half_to_three(solver: Solver) -> None:
    plan, arms = replace(shortened(FIVE, 3), solver=solver), ARMS[2:]
    baseline = run_in(COHORT, solver=solver)
    first = carry_out(COHORT, arms, shortened(plan, 1.5), baseline=baseline)
    part = went_on(first, 1.5, plan, arms, threads=2)
    fresh = carry_out(COHORT, arms, plan, baseline=baseline)
    assert_same(merged(first.dataset, part.dataset, 1.5), fresh.dataset)
    assert np.array_equal(part.ends, fresh.ends)


@pytest.mark.parametrize(("weeks", "every"), [(1.0, 0.1), (1.5, 0.7), (9 / 7, 0.25)])
def test_the_last_output_is_the_mark_whatever_its_rounding(weeks: float, every: float) -> None:
    short = Plan(weeks, every=every, outputs=("igf1",))
    first = carry_out(COHORT, ARMS[:1], short, baseline=BASELINE)
    plan = replace(short, weeks=2 * weeks)
    part = went_on(first, weeks, plan, ARMS[:1])
    assert_same(merged(first.dataset, part.dataset, weeks), simulate(COHORT, ARMS[:1], plan, baseline=BASELINE))


def test_few_patients_at_once_are_as_good(whole: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulsatile.engine.simulate._patients_at_once", lambda plan: 2)
    plan = shortened(FIVE, 2)
    first = carry_out(COHORT, ARMS[2:], shortened(FIVE, 1))
    assert np.array_equal(first.run_in, BASELINE.packed())
    seen: list[tuple[int, int]] = []
    part = went_on(first, 1, plan, ARMS[2:], progress=lambda *done: seen.append(done))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert_same(merged(first.dataset, part.dataset, 1), simulate(COHORT, ARMS[2:], plan, baseline=BASELINE))


# --- who fails ---


def test_failures_before_and_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first week, the second, and the hours after the end that a test needs; in a test, and then in the run."""
    when = {("rhgh", 1): 40.0, ("rhgh", 3): 200.0, ("rhgh", 4): 169.0, ("rhgh", 2): 220.0, ("tesamorelin", 0): 50.0}
    tested = COHORT.covariates["height"][2]  # whose test of week 1 fails, in both arms

    def poisoned(arm: Arm, cohort: Any, start: float, stop: float) -> EventTable:
        table = dose_events(arm, cohort, start, stop)
        amount = table.amount.copy()
        for (name, patient), at in when.items():
            if name == arm.name:
                amount[(cohort.patient[table.owner] == patient) & (table.time > at)] = np.nan
        return table._replace(amount=amount)

    def failing(tests: Any, branch: Branch) -> Any:
        values, status = run_tests(tests, branch)
        return values, np.where((branch.person.height == tested) & (branch.week == 1), Status.STEP_COLLAPSE, status)

    monkeypatch.setattr(treatment, "dose_events", poisoned)
    monkeypatch.setattr(treatment, "run_tests", failing)
    rhgh = Arm("rhgh", (Dose("somatropin", 0.5, "mg", "SC", (2.0,)),))
    arms = [rhgh, Arm("tesamorelin", preset("tesamorelin_label").doses)]
    short = Plan(1, outputs=("igf1",), tests=(TestAt("clamp", (1,)),))
    plan = Plan(2, outputs=("igf1",), tests=(TestAt("clamp", (1, 2)),))
    first, fresh = (carry_out(COHORT, arms, each, baseline=BASELINE) for each in (short, plan))
    part = went_on(first, 1, plan, arms)
    wrong, collapse = Status.NOT_FINITE, Status.STEP_COLLAPSE
    assert first.dataset.status.values.tolist() == [[0, wrong, collapse, 0, wrong], [wrong, 0, collapse, 0, 0]]
    assert fresh.dataset.status.values.tolist() == [[0, wrong, wrong, wrong, wrong], [wrong, 0, collapse, 0, 0]]
    assert_same(merged(first.dataset, part.dataset, 1), fresh.dataset)
    assert np.array_equal(part.ends, fresh.ends, equal_nan=True)


def test_a_patient_without_a_run_in_or_never_run_stays_so(whole: Simulation) -> None:
    parameters = COHORT.parameters.copy()
    parameters["pulse_rate"][1] = -1.0
    cohort = replace(COHORT, parameters=parameters)
    first = carry_out(cohort, ARMS[:1], shortened(FIVE, 1))
    assert first.dataset.status.values[0].tolist() == [0, Status.IMPLAUSIBLE, 0, 0, 0]
    first.dataset.status[0, 4], first.ends[0, 4] = Status.NEVER_RUN, np.nan
    part = went_on(first, 1, shortened(FIVE, 2), ARMS[:1], cohort=cohort)
    assert part.dataset.status.values[0].tolist() == [0, Status.IMPLAUSIBLE, 0, 0, Status.NEVER_RUN]
    others = [0, 2, 3]
    fresh = carry_out(COHORT, ARMS[:1], shortened(FIVE, 2)).ends
    assert np.array_equal(part.ends[:, others], fresh[:, others])


# --- new arms on a kept run-in ---


def test_new_arms_on_a_kept_run_in(whole: Simulation) -> None:
    rows = whole.run_in
    assert rows.shape == (len(COHORT), len(PACKED))
    plan = shortened(FIVE, 1)
    added = carry_out(COHORT, ARMS[1:], plan, baseline=unpacked(COHORT, rows))
    fresh = carry_out(COHORT, ARMS, plan)
    assert_same(added.dataset, fresh.dataset.isel(arm=[1, 2]))
    assert np.array_equal(added.ends, fresh.ends[1:])


# --- when it is possible ---


def test_runs_that_skip_days_keep_no_ends() -> None:
    cohort = virtual_cohort(2, "obese", seed=4)
    assert carry_out(cohort, ARMS[:1], SKIPPING).ends.shape == (1, 2, end_columns(SKIPPING)) == (1, 2, 0)


def test_nobody_at_all() -> None:
    nobody = carry_out(COHORT.subset(np.arange(0)), ARMS, Plan(1))
    assert nobody.ends.shape == (3, 0, end_columns(Plan(1)))
    assert nobody.run_in.shape == (0, len(PACKED))


TWO = shortened(FIVE, 2)
SKIPPING = Plan(9, outputs=("vat",), long_horizon=LongHorizon())


@pytest.mark.parametrize(
    ("earlier", "later", "words"),
    [
        (TWO, FIVE, ""),
        (replace(TWO, tests=()), replace(FIVE, tests=(TestAt("clamp", (3,)),)), "other tests are made"),
        (replace(TWO, reduce_every=7.0, reductions=()), replace(FIVE, reductions=()), ""),
        (TWO, TWO, "not shorter"),
        (FIVE, TWO, "not shorter"),
        (TWO, replace(FIVE, every=24.0), "outputs are kept at other times"),
        (TWO, replace(FIVE, outputs=("gh",)), "other outputs"),
        (TWO, replace(FIVE, reductions=("gh_mean",)), "other reductions"),
        (TWO, replace(FIVE, reduce_every=24.0), "other windows"),
        (TWO, replace(FIVE, solver=Solver(rtol=1e-5)), "solver differs"),
        (TWO, replace(FIVE, tests=()), "other tests are made"),
        (TWO, replace(FIVE, tests=(*FIVE.tests, TestAt("clamp", (2,)))), "other tests"),
        (replace(TWO, tests=TWO.tests[:1]), FIVE, "other tests"),
        (SKIPPING, replace(SKIPPING, weeks=12), "skips days"),
    ],
)  # fmt: skip
def test_plans_that_go_on(earlier: Plan, later: Plan, words: str) -> None:
    reason = later.goes_on_from(earlier)
    assert words in reason
    assert bool(words) == bool(reason)


def test_an_end_that_is_not_there_is_told(whole: Simulation) -> None:
    """Else a patient without values would pass for a good one."""
    ends = whole.ends.copy()
    ends[1, 2] = np.nan
    earlier = Earlier(5, ends, whole.dataset.status.values)
    with pytest.raises(InputError, match=r"^begin holds a patient that failed[^\n]*[.]$"):
        carry_out(COHORT, ARMS, replace(FIVE, weeks=6), baseline=BASELINE, earlier=earlier)
