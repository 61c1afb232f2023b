"""Canaries: right where the machine is right, and loud where it is not; the real patients never notice."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from pulsatile.engine import model, states
from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.dosing import Arm, Dose, arm_parameters, dose_events
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel.batch import Result, integrate
from pulsatile.engine.kernel.events import EventTable, event_table, select
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.parameters import NAMES, SLOTS, Parameters
from pulsatile.engine.patients.basal import constant_gh_means, fasting_state, set_basal
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.patients.pulses import block_events
from pulsatile.engine.states import GROUPS, STATE_INDEX
from pulsatile.engine.trial import canary, known_answer
from pulsatile.engine.trial.horizon import LongHorizon, calendar
from pulsatile.engine.trial.plan import Plan
from pulsatile.engine.trial.projective import project

NONE: tuple[str, ...] = ()
ALL = tuple(GROUPS)
MARGIN = 1 / 3
DAYS = np.arange(29) * 24.0
CHAINS = ("drive", "stomach", "gut", "sst", *(name for slot in SLOTS for name in GROUPS[slot]))


class People(NamedTuple):
    """What `integrate` takes of real patients."""

    parameters: npt.NDArray[Any]
    y0: Floats
    block: EventTable
    doses: EventTable
    groups: tuple[str, ...]


@cache
def people(n: int = 10, treated: bool = True) -> People:
    """Return different patients with pulses and meals and, where ``treated``, two drugs every day."""
    cohort = virtual_cohort(n, "obese", seed=3)
    rules = (
        Dose("tesamorelin", 2.0, "mg", "SC", (8.0,)),
        Dose("ipamorelin", 500.0, "ug", "infusion", (21.5,), duration=2.0),
    )
    arm = Arm("two drugs", rules if treated else ())
    parameters = arm_parameters(arm, cohort)
    constant_gh_means(parameters, np.full(n, 0.8))
    set_basal(parameters)
    doses = dose_events(arm, cohort, 0.0, 700.0)
    return People(parameters, fasting_state(parameters), block_events(cohort), doses, ALL if treated else NONE)


@cache
def alone(groups: tuple[str, ...]) -> People:
    """Return one real patient, who does not matter."""
    record, y0 = known_answer.patient(groups)
    return People(record, y0, EventTable.empty(1), EventTable.empty(1), groups)


def joined(
    real: People, times: Floats, solver: Solver = Solver(), start: float = 0.0, every: int = canary.EVERY
) -> canary.Joined:
    parameters, y0, block, doses, groups = real
    return canary.join(parameters, y0, block, doses, groups, start=start, times=times, solver=solver, every=every)


def run(
    inputs: Any, groups: tuple[str, ...], times: Floats, solver: Solver = Solver(), start: float = 0.0,
    window: float = 0.0,
) -> Result:  # fmt: skip
    return integrate(*inputs, start=start, times=times, window=window, solver=solver, groups=groups)


# --- what is known of a canary ---


def slopes(hour: float, changes: dict[str, float], groups: tuple[str, ...] = ALL) -> tuple[Any, Any, Any]:
    """Return state, dy/dt and fluxes of the model's own text."""
    record, rest = known_answer.patient(groups)
    y = states.State(*rest[0].tolist())._replace(**changes)
    p = Parameters(*record[0].item())
    return y, model.rhs(hour, y, p), model.fluxes(hour, y, p)


@pytest.mark.parametrize("hour", [0.0, 5.5, 14.9, 1000.1])
@pytest.mark.parametrize("groups", [NONE, ALL])
def test_what_rests_rests_whatever_the_chains_do(hour: float, groups: tuple[str, ...]) -> None:
    busy = {"drive": 2.0, "stomach": 300.0, "gut": 100.0, "sst": 40.0, "effect_ghrh_a": 9.0, "central_ghs_b": 500.0}
    for changes in ({}, busy):
        y, slope, fluxes = slopes(hour, changes, groups)
        depots = () if "gh_depot" in groups else states.GROUPS["gh_depot"]  # pumped full, but not integrated
        for name in set(states.STATES) - set(CHAINS) - set(depots):
            assert abs(getattr(slope, name)) <= 3e-11 * max(abs(getattr(y, name)), 0.01), name
        assert fluxes.sens_muscle == pytest.approx(1.0, abs=1e-14)
        assert fluxes.gh_secretion > 10.0  # not at rest because nothing happens


def test_somatostatin_tone_solves_its_equation() -> None:
    record, _ = known_answer.patient(NONE)
    hours = np.linspace(0.0, 72.0, 1441)
    tone, step = known_answer.tone(record, hours), 1e-4
    slope = (known_answer.tone(record, hours + step) - known_answer.tone(record, hours - step)) / (2 * step)
    target = np.array([slopes(hour, {})[2].sst_target for hour in hours.tolist()])
    away_from_kink = np.abs((hours - 15.0) % 24.0) > 0.01
    assert np.abs(slope - record["k_sst"] * (target - tone))[away_from_kink].max() < 1e-6 * tone.max()
    assert np.abs(tone[:481] - tone[960:]).max() < 1e-11
    assert tone.min() < 0.75 * tone.max()


def test_an_unknown_event_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        known_answer.moved(known_answer.patient(NONE)[0], [(1.0, "vat", 1.0)], np.array([2.0]), np.array([[1.0]]))


# --- right where the machine is right ---

SOLVERS = {
    "default": Solver(), "rough": Solver(rtol=1e-3), "fine": Solver(rtol=1e-9), "finest": Solver(rtol=1e-12),
    "loose": Solver(rtol=1e-2, atol_factor=1.0), "bold": Solver(rtol=1e-3, event_step=24.0, first_step=24.0),
    "mixed": Solver(rtol=5e-6, precision="mixed"), "rough mixed": Solver(rtol=1e-3, precision="mixed"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "groups"),
    [(name, groups) for name in SOLVERS for groups in (NONE, ALL) if groups or "mixed" not in name],  # fewer kernels
)
def test_canaries_keep_within_a_third_of_the_bound(name: str, groups: tuple[str, ...]) -> None:
    solver = SOLVERS[name]
    for weeks, every in ((1, 1.0), (4, 24.0), (26, 1.0), (26, 168.0)):
        times = np.arange(round(168 * weeks / every) + 1) * every
        j = joined(alone(groups), times, solver)
        real, error = j.part(run(j.run, groups, times, solver, window=100.0))
        assert error < MARGIN
        assert real.y.shape == (1, len(times), len(states.STATES))
        assert not np.isnan(real.mean).any()


def test_lanes_do_not_matter() -> None:
    j = joined(alone(NONE), DAYS)
    wide, narrow = (j.part(run(j.run, NONE, DAYS, Solver(lanes=n), window=24.0)) for n in (8, 1))
    assert wide[1] == narrow[1] < MARGIN


@pytest.mark.parametrize("start", [168.0, 671.9, 5000.25])
@pytest.mark.parametrize("hours", [0.5, 3.0, 30.0, 700.0])
def test_any_start_and_length(start: float, hours: float) -> None:
    times = start + np.array([0.0, 0.3 * hours, hours])
    j = joined(alone(ALL), times, start=start)
    assert j.part(run(j.run, ALL, times, start=start))[1] < MARGIN


def test_both_tables_reach_every_chain_just_before_the_end() -> None:
    j = joined(alone(ALL), DAYS)
    for table in (2, 3):
        one = list(j.run)
        events = one[table]
        one[table] = select(events, events.owner < 1)  # none of the canary's
        without = run(one, ALL, DAYS).y[1, -1]
        differs = np.abs(j.exact[0, -1] - without) > 1e-2 * np.abs(j.exact[0, -1])
        moved = {name for name in CHAINS if differs[STATE_INDEX[name]]}
        assert moved == ({"drive", "stomach", "gut"} if table == 2 else set(CHAINS))


# --- loud where it is not ---


def error_after(
    j: canary.Joined, groups: tuple[str, ...], solver: Solver = Solver(), *, window: float = 0.0, late: float = 0.0,
    **changed: Any,
) -> float:  # fmt: skip
    """Return the canary's error when the kernel is handed ``changed`` inputs, or a clock that is ``late`` h late."""
    names = ("parameters", "y0", "block", "doses")
    inputs = [changed.get(name, given) for name, given in zip(names, j.run, strict=True)]
    result = integrate(*inputs, start=late, times=DAYS + late, window=window, solver=solver, groups=groups)
    return j.part(result)[1]


@cache
def among_ten(solver: Solver = Solver()) -> canary.Joined:
    return joined(people(), DAYS, solver)


ROUGH = Solver(rtol=1e-3)


@pytest.mark.parametrize("solver", [Solver(), ROUGH], ids=["default", "rough"])
@pytest.mark.parametrize("table", ["block", "doses"])
def test_dropped_events_are_caught(solver: Solver, table: str) -> None:
    j = among_ten(solver)
    events = dict(zip(("block", "doses"), j.run[2:], strict=True))[table]
    assert error_after(j, ALL, solver) < MARGIN
    for kept in (~j.canary[events.owner], ~j.canary[events.owner] | (events.target >= 0)):
        if not kept.all():
            assert error_after(j, ALL, solver, **{table: select(events, kept)}) > 1


@pytest.mark.parametrize("which", range(len(canary.DOSES) + 4 * len(canary.DRUG)))
def test_each_dropped_dose_of_the_last_hours_is_caught(which: int) -> None:
    j = among_ten()
    doses = j.run[3]
    row = np.flatnonzero(j.canary[doses.owner])[which]
    if doses.time[row] > DAYS[-1] - 2:
        kept = np.arange(len(doses.time)) != row
        assert error_after(j, ALL, doses=select(doses, kept)) > 1


@pytest.mark.parametrize("solver", [Solver(), ROUGH], ids=["default", "rough"])
@pytest.mark.parametrize("table", ["block", "doses"])
def test_events_a_hundredth_of_an_hour_late_are_caught(solver: Solver, table: str) -> None:
    j = among_ten(solver)
    events = dict(zip(("block", "doses"), j.run[2:], strict=True))[table]
    shifted = events._replace(time=events.time + 0.01 * j.canary[events.owner])
    assert error_after(j, ALL, solver, **{table: shifted}) > 1


def test_scaled_states_are_caught() -> None:
    j = among_ten()
    result = run(j.run, ALL, DAYS, window=24.0)
    assert j.part(result)[1] < MARGIN
    assert j.part(result._replace(y=result.y * (1 + 1e-3)))[1] > 30
    assert j.part(result._replace(y=result.y * (1 + 3e-5)))[1] > 1
    for name in ("mean", "low", "high"):
        assert j.part(result._replace(**{name: getattr(result, name) * (1 + 1e-3)}))[1] > 30
    for state in states.STATES:  # each of them matters
        if result.y[j.canary][0, -1, STATE_INDEX[state]] > 0:
            y = result.y.copy()
            y[..., STATE_INDEX[state]] *= 1 + 1e-3
            assert j.part(result._replace(y=y))[1] > 1, state


def test_the_neighbours_parameters_are_caught() -> None:
    j = among_ten()
    at = int(np.flatnonzero(j.canary)[0])
    swapped = j.run[0].copy()
    swapped[at] = swapped[at - 1]
    assert error_after(j, ALL, parameters=swapped) > 1000


@pytest.mark.parametrize(
    "name", ["k_sst", "k_drive", "k_gastric", "ka_ghrh_a", "p85_muscle", "beta_half", "sst_night_time"]
)
def test_one_parameter_of_the_neighbour_is_caught(name: str) -> None:
    j = among_ten()
    mixed = j.run[0].copy()
    at = int(np.flatnonzero(j.canary)[0])
    mixed[name][at] *= 1.01
    assert error_after(j, ALL, parameters=mixed) > 1


def test_another_canarys_rows_are_caught() -> None:
    j = joined(people(), DAYS, every=5)
    result = run(j.run, ALL, DAYS)
    rows = np.arange(len(j.canary))
    rows[j.canary] = rows[j.canary][::-1]
    assert j.part(result)[1] < MARGIN
    assert j.part(Result._make(values[rows] for values in result))[1] > 1


@pytest.mark.parametrize("solver", [Solver(), ROUGH], ids=["default", "rough"])
@pytest.mark.parametrize("late", [0.01, -0.0, 24.0])
def test_a_wrong_clock_is_caught(solver: Solver, late: float) -> None:
    caught = error_after(among_ten(solver), ALL, solver, late=late) > 1
    assert caught == (late != 0)


def test_a_wrong_hour_of_the_day_is_caught() -> None:
    j = among_ten()
    record = j.run[0].copy()
    record["sst_night_time"][j.canary] += 1e-3
    assert error_after(j, ALL, parameters=record) > 1


def test_outputs_of_the_wrong_time_are_caught() -> None:
    j = among_ten()
    late = DAYS + 1e-3
    late[0] = 0.0
    assert j.part(run(j.run, ALL, late))[1] > 1


def test_a_canary_that_fails_is_caught() -> None:
    j = among_ten()
    y0 = j.run[1].copy()
    y0[j.canary] = np.nan
    assert error_after(j, ALL, y0=y0) == np.inf
    result = run(j.run, ALL, DAYS, window=24.0)
    for name in ("y", "mean", "low", "high"):
        for wrong in (np.nan, np.inf):
            values = getattr(result, name).copy()
            values[j.canary, -1] = wrong
            assert j.part(result._replace(**{name: values}))[1] == np.inf
    limited = np.where(j.canary, Status.STEP_LIMIT, result.status).astype(np.int8)
    assert j.part(result._replace(status=limited))[1] == np.inf


# --- the real patients ---


@pytest.mark.parametrize("treated", [False, True])
@pytest.mark.parametrize("every", [1, 3, 7, 10, 64])
def test_real_patients_do_not_notice(every: int, treated: bool) -> None:
    real = people(treated=treated)
    times = DAYS[:8]
    without = run(real[:4], real.groups, times, window=24.0)
    j = joined(real, times, every=every)
    assert j.canary.sum() == max(1, 10 // every)
    within, error = j.part(run(j.run, real.groups, times, window=24.0))
    assert error < MARGIN
    for before, after in zip(without, within, strict=True):
        assert before.tobytes() == after.tobytes()


def test_a_real_patient_that_fails_does_not_fail_the_canary() -> None:
    real = people()
    y0 = real.y0.copy()
    y0[4] = np.nan
    j = joined(real._replace(y0=y0), DAYS[:3])
    within, error = j.part(run(j.run, real.groups, DAYS[:3]))
    assert error < MARGIN
    assert np.flatnonzero(within.status).tolist() == [4]


@pytest.mark.parametrize(("n", "k"), [(1, 1), (63, 1), (64, 1), (127, 1), (128, 2), (640, 10)])
def test_one_canary_per_64_patients_spread_evenly(n: int, k: int) -> None:
    real = people(10, False)
    many = People(
        np.resize(real.parameters, n), np.resize(real.y0, (n, real.y0.shape[1])), EventTable.empty(n),
        event_table([[(float(i), "drive", 1.0)] for i in range(n)]), NONE,
    )  # fmt: skip
    j = joined(many, DAYS)
    assert len(j.canary) == n + k
    places = np.flatnonzero(j.canary) - 65 * np.arange(k)
    assert (places == places[0]).all()
    assert places[0] <= min(n, canary.LANES - 1)
    assert j.run[0][~j.canary].tobytes() == many.parameters.tobytes()
    parameters = j.run[0][j.canary].view(np.float64).reshape(k, len(NAMES))
    assert (parameters == parameters[0]).all()
    assert j.run[3].time[~j.canary[j.run[3].owner]].tolist() == list(range(n))


def test_places_differ_from_group_to_group() -> None:
    real = people()
    firsts = (People(real.parameters[i:], real.y0[i:], EventTable.empty(10 - i), EventTable.empty(10 - i), ALL)
              for i in range(9))  # fmt: skip
    assert len({int(np.flatnonzero(joined(some, DAYS).canary)[0]) for some in firsts}) > 3


def test_a_canary_takes_far_fewer_steps_than_a_patient() -> None:
    j = among_ten()
    steps = run(j.run, ALL, DAYS).steps
    assert steps[j.canary].max() < 0.4 * np.median(steps[~j.canary])


# --- long horizons ---


def test_body_composition_of_a_projected_canary_stands_still() -> None:
    horizon = LongHorizon()
    plan = Plan(weeks=12, outputs=("vat",), long_horizon=horizon)
    real = people()
    spans = calendar(horizon, Arm("none"), plan.weeks, [4.0])

    def course(inputs: Any) -> Any:
        return project(*inputs, spans, plan, real.groups, 1)

    j = joined(real, plan.times)
    found = course(j.run)
    without, (within, error) = course(real[:4]), j.part_course(found)
    assert error < MARGIN
    assert within.level.tobytes() == without.level.tobytes()
    assert within.error.tobytes() == without.error.tobytes()
    assert within.status.tobytes() == without.status.tobytes()
    assert within.snapshots.keys() == without.snapshots.keys()
    scaled = found._replace(level=found.level * (1 + 1e-3))
    assert j.part_course(scaled)[1] > 1
    assert j.part_course(found._replace(status=np.ones_like(found.status)))[1] == np.inf
