"""Going on from kept ends gives, bit for bit, what one run gives: later weeks of a study, new arms, who failed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.drugs.dosing import Arm, Dose, dose_events, preset
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel.checkpoint import columns
from pulsatile.engine.kernel.events import EventTable
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.run_in import PACKED, run_in, unpacked
from pulsatile.engine.simulate import Earlier, Simulation, carry_out, end_columns, simulate
from pulsatile.engine.trial import treatment
from pulsatile.engine.trial.horizon import LongHorizon
from pulsatile.engine.trial.plan import Plan, TestAt
from pulsatile.engine.trial.visits import Branch, run_tests

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


INTO_A_VEIN = Arm("into a vein", tuple(replace(dose, route="IV") for dose in ARMS[2].doses if dose is not PUMP))


@pytest.mark.parametrize(
    ("solver", "arm"),
    [(Solver(), ARMS[2]), (Solver(precision="mixed", rtol=1e-5), INTO_A_VEIN), (Solver(method="bs5"), INTO_A_VEIN)],
)
def test_a_week_and_a_half_to_three(solver: Solver, arm: Arm) -> None:
    """Not every solver with a depot: kernels without drugs are compiled for other tests too."""
    plan, arms = replace(shortened(FIVE, 3), solver=solver), (arm,)
    first = carry_out(COHORT, arms, shortened(plan, 1.5), baseline=BASELINE)
    part = went_on(first, 1.5, plan, arms, threads=2)
    fresh = carry_out(COHORT, arms, plan, baseline=BASELINE)
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

    def poisoned(arm: Arm, cohort: Any, start: float, stop: float, *levels: Any) -> EventTable:
        table = dose_events(arm, cohort, start, stop, *levels)
        amount = table.amount.copy()
        for (name, patient), at in when.items():
            if name == arm.name:
                amount[(cohort.patient[table.owner] == patient) & (table.time > at)] = np.nan
        return table._replace(amount=amount)

    def failing(entries: Any, week: float, branch: Branch, snapshots: Any) -> Any:
        values, status = run_tests(entries, week, branch, snapshots)
        return values, np.where((branch.person.height == tested) & (week == 1), Status.STEP_COLLAPSE, status)

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
