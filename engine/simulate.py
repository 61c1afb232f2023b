"""The front: a cohort and its arms in, one labelled dataset out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from engine.baseline import Baseline, run_in
from engine.batch import Floats, Solver, integrate
from engine.codegen import WATCH
from engine.cohort import PHENOTYPES, Cohort
from engine.dosing import Arm, arm_parameters, dose_events, slots_used
from engine.errors import InputError, Status
from engine.events import EventTable
from engine.model import STATE_UNITS, STATES
from engine.outputs import OUTPUTS, evaluate, inputs_at
from engine.parameters import TABLE
from engine.protocols import TESTS, Person
from engine.pulses import block_events
from engine.visits import SNAPSHOT_CLOCK, Branch, fasted, run_test

WEEK = 168.0
VISIT_HOURS = 48.0  # after the end of the study, so that the last 24-h test sees the treatment
MEMORY = 200e6  # bytes of states held at once
REDUCTIONS = {"mean": "time mean", "min": "least value", "max": "greatest value", "auc": "area under the curve"}
DRUG_FIELDS = tuple(row.name for row in TABLE if row.kind == "drug")
COVARIATES = {
    "age": ("y", "age"), "sex": ("1", "sex, 0 man, 1 woman"), "weight": ("kg", "body weight"), "height": ("m", "height"),
    "bmi": ("kg/m2", "body mass index"),
    "phenotype": ("1", "phenotype: " + ", ".join(f"{i} {name}" for i, name in enumerate(PHENOTYPES))),
}  # fmt: skip


@dataclass(frozen=True)
class TestAt:
    """A virtual test (a name of `protocols.TESTS`) and the treatment weeks at which it is made."""

    __test__ = False  # not a pytest class
    test: str
    weeks: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.test not in TESTS:
            raise InputError(f"test = {self.test!r} is unknown; choose one of {', '.join(TESTS)}.")
        if not self.weeks or any(not w >= 0 or w != int(w) for w in self.weeks):
            raise InputError(f"weeks of test {self.test} = {list(self.weeks)} must be whole weeks of at least 0.")
        if list(self.weeks) != sorted(set(self.weeks)):
            raise InputError(f"weeks of test {self.test} = {list(self.weeks)} must ascend without repeats.")


@dataclass(frozen=True)
class Plan:
    """What is run and kept.

    weeks : length of treatment; week k ends at 168 k h
    every : spacing of the output grid, h (0 and the end included)
    outputs : names of `outputs.OUTPUTS` kept on that grid
    reductions : ``<watched>_<mean|min|max|auc>``, watched being a name of `codegen.WATCH`, per window
    reduce_every : length of a window, h
    tests : virtual tests
    solver : integrator settings
    """

    weeks: float
    every: float = WEEK
    outputs: tuple[str, ...] = ("igf1", "igf1_sds", "vat", "sat", "lean")
    reductions: tuple[str, ...] = ()
    reduce_every: float = WEEK
    tests: tuple[TestAt, ...] = ()
    solver: Solver = Solver()

    def __post_init__(self) -> None:
        if not 0 < self.weeks <= 520:
            raise InputError(f"weeks = {self.weeks!r} is outside 0 ... 520.")
        for name, value in (("every", self.every), ("reduce_every", self.reduce_every)):
            if not 1 / 60 <= value:
                raise InputError(f"{name} = {value!r} h is below one minute.")
        for name in self.outputs:
            if name not in OUTPUTS:
                raise InputError(f"output = {name!r} is unknown; choose from {', '.join(OUTPUTS)}.")
        for name in self.reductions:
            watched, _, how = name.rpartition("_")
            if watched not in WATCH or how not in REDUCTIONS:
                raise InputError(
                    f"reduction = {name!r} is unknown; choose <name>_<{'|'.join(REDUCTIONS)}> of {', '.join(WATCH)}."
                )
        for test in self.tests:
            if max(test.weeks) > self.weeks:
                raise InputError(
                    f"weeks of test {test.test} = {list(test.weeks)} go beyond the study's {self.weeks:g} weeks."
                )
        if len({test.test for test in self.tests}) < len(self.tests):
            raise InputError("tests name the same test twice; give all its weeks in one entry.")
        if len(set(self.outputs)) < len(self.outputs) or len(set(self.reductions)) < len(self.reductions):
            raise InputError("outputs or reductions name the same variable twice; name each once.")

    @property
    def times(self) -> Floats:
        """The output grid, h."""
        end = WEEK * self.weeks
        grid = np.arange(int(np.floor(end / self.every + 1e-9)) + 1) * self.every
        return grid if grid[-1] == end else np.append(grid, end)

    @property
    def windows(self) -> Floats:
        """Starts of the reduction windows, h."""
        return np.arange(int(np.floor(WEEK * self.weeks / self.reduce_every + 1e-9))) * self.reduce_every

    @property
    def visits(self) -> tuple[float, ...]:
        """Weeks with a test, ascending."""
        return tuple(sorted({week for test in self.tests for week in test.weeks}))


@dataclass(frozen=True)
class _Variable:
    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    description: str = ""


def _variables(plan: Plan) -> Iterator[_Variable]:
    for name in plan.outputs:
        o = OUTPUTS[name]
        yield _Variable(name, ("arm", "patient", "time"), o.unit, o.long_name, o.description)
    for name in plan.reductions:
        watched, _, how = name.rpartition("_")
        o = OUTPUTS.get(watched)
        unit = o.unit if o else STATE_UNITS.get(watched, "-")
        words = f"{o.long_name if o else watched}, {REDUCTIONS[how]} per window"
        yield _Variable(name, ("arm", "patient", "window"), f"{unit}*h" if how == "auc" else unit, words)
    for entry in plan.tests:
        test = TESTS[entry.test]
        week = f"{test.name}_week"
        for name, (unit, words) in test.endpoints.items():
            yield _Variable(f"{test.name}_{name}", ("arm", "patient", week), unit, f"{test.meaning}: {words}")
        for name in test.curves:
            o = OUTPUTS[name]
            dims = ("arm", "patient", week, f"{test.name}_time")
            yield _Variable(f"{test.name}_{name}", dims, o.unit, f"{test.meaning}: {o.long_name}")


def template(patients: npt.ArrayLike, arms: Sequence[Arm], plan: Plan) -> xr.Dataset:
    """Return the dataset that `simulate` would give for ``patients``, filled with "never run" and without memory.

    Same variables, dims, dtypes, attributes and coordinates, but for the covariates, which are NaN.
    """
    ids = np.asarray(patients, np.int64)
    sizes = {"arm": len(arms), "patient": len(ids), "time": len(plan.times), "window": len(plan.windows)}
    coords: dict[str, Any] = {
        "arm": ("arm", np.array([arm.name for arm in arms], object), {"long_name": "treatment arm"}),
        "patient": ("patient", ids, {"long_name": "virtual patient"}),
        "time": ("time", plan.times, {"units": "h", "long_name": "time since Monday 00:00 of treatment day 1"}),
        "window": ("window", plan.windows, {"units": "h", "long_name": "start of the reduction window"}),
    }
    for entry in plan.tests:
        week, time = f"{entry.test}_week", f"{entry.test}_time"
        sizes |= {week: len(entry.weeks), time: len(TESTS[entry.test].times)}
        coords[week] = (week, np.array(entry.weeks, float), {"units": "week", "long_name": "treatment week of the test"})
        if TESTS[entry.test].curves:
            coords[time] = (time, TESTS[entry.test].times, {"units": "h", "long_name": "time since the test's start"})
    for name, (units, words) in COVARIATES.items():
        coords[name] = ("patient", np.full(len(ids), np.nan), {"units": units, "long_name": words})
    data: dict[str, Any] = {}
    for v in _variables(plan):
        attrs = {"units": v.units, "long_name": v.long_name} | ({"description": v.description} if v.description else {})
        data[v.name] = (v.dims, np.broadcast_to(np.nan, tuple(sizes[d] for d in v.dims)), attrs)
    codes = np.array([int(s) for s in Status], np.int8)
    status = np.broadcast_to(np.int8(Status.NEVER_RUN), (len(arms), len(ids)))
    data["status"] = (
        ("arm", "patient"), status,
        {
            "long_name": "how the integration ended", "flag_values": codes,
            "flag_meanings": " ".join(s.name.lower() for s in Status),
        },
    )  # fmt: skip
    if not plan.reductions:
        del coords["window"]
    attrs = {
        "title": "Virtual patients of the GH-FFA-IGF-1-insulin system",
        "comment": "A research model, not for clinical use.",
    }
    return xr.Dataset(data, coords, attrs)


def simulate(
    cohort: Cohort,
    arms: Sequence[Arm],
    plan: Plan,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    baseline: Baseline | None = None,
) -> xr.Dataset:
    """Run every patient of ``cohort`` through every arm and return the dataset.

    Parameters
    ----------
    cohort : virtual patients; all arms share them, their pulses and their meals
    arms : treatments, with different names
    plan : length, outputs, reductions, tests, solver
    threads : threads over chunks of patients; the numbers do not depend on it
    progress : called with (patient-arms done, patient-arms in all)
    baseline : the cohort's run-in, to share it between calls

    Returns
    -------
    xarray.Dataset
        dims ``arm``, ``patient``, ``time`` (h), ``window``, and the tests' own; ``status`` says for every patient and arm
        how the integration ended; a patient that failed is NaN and disturbs nobody.
    """
    _check_arms(arms)
    if baseline is None:
        baseline = run_in(cohort, solver=plan.solver, threads=threads)
    dataset = template(cohort.patient, arms, plan)
    for name in COVARIATES:
        dataset[name] = ("patient", np.asarray(cohort.covariates[name]), dataset[name].attrs)
    values = {name: np.full(v.shape, np.nan) for name, v in dataset.data_vars.items() if name != "status"}
    status = np.tile(baseline.status, (len(arms), 1))
    well = np.flatnonzero(baseline.status == Status.OK)
    pulses = block_events(cohort, meals=False)
    total = len(arms) * len(cohort)
    row = 8 * len(STATES) * (len(plan.times) + len(plan.visits) + 24)
    size = max(128, int(MEMORY / row) // 128 * 128)
    done = total - len(arms) * len(well)
    for a, arm in enumerate(arms):
        for first in range(0, len(well), size):
            index = well[first : first + size]
            found, codes = _run_arm(arm, cohort, baseline, pulses, index, plan, threads)
            status[a, index] = codes
            for name, value in found.items():
                value[codes != Status.OK] = np.nan
                values[name][a, index] = value
            done += len(index)
            if progress is not None:
                progress(done, total)
    for name, filled in values.items():
        dataset[name] = (dataset[name].dims, filled, dataset[name].attrs)
    dataset["status"] = (("arm", "patient"), status.astype(np.int8), dataset["status"].attrs)
    return dataset


def _check_arms(arms: Sequence[Arm]) -> None:
    if not arms:
        raise InputError("a study needs at least one arm; add for example Arm('control').")
    names = [arm.name for arm in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"arms name {', '.join(twice)} twice; give every arm its own name.")


def _run_arm(
    arm: Arm, cohort: Cohort, baseline: Baseline, pulses: EventTable, index: npt.NDArray[Any], plan: Plan, threads: int
) -> tuple[dict[str, Floats], npt.NDArray[np.int8]]:
    """Run the patients at positions ``index`` through one arm: values by variable, each (n, ...), and status (n,)."""
    people = cohort.subset(index)
    n = len(people)
    parameters = baseline.parameters[index].copy()
    drugs = arm_parameters(arm, people)
    for name in DRUG_FIELDS:
        parameters[name] = drugs[name]
    end = WEEK * plan.weeks
    # doses that go on to the end of the study are also given on the day of the last visit
    doses = dose_events(arm, people, 0.0, end + VISIT_HOURS)
    groups = slots_used(arm)
    block = baseline.block.subset(index)
    snapshots = np.array([WEEK * week + SNAPSHOT_CLOCK for week in plan.visits])
    grid = plan.times
    times = np.union1d(grid, snapshots)
    result = integrate(
        parameters, baseline.y0[index], block, doses, start=0.0, times=times, stop=max(end, float(times[-1])),
        window=plan.reduce_every if plan.reductions else 0.0, solver=plan.solver, threads=threads, groups=groups,
    )  # fmt: skip
    age = np.asarray(people.covariates["age"], float)
    on_grid = np.searchsorted(times, grid)
    e = evaluate(grid, result.y[:, on_grid], parameters, age, inputs_at(grid, doses, n))
    found = {name: np.array(e.output(name)) for name in plan.outputs}
    reduced = {"mean": result.mean, "auc": result.mean * plan.reduce_every, "min": result.low, "max": result.high}
    for name in plan.reductions:
        watched, _, how = name.rpartition("_")
        found[name] = reduced[how][:, : len(plan.windows), WATCH.index(watched)]
    person = Person(
        np.asarray(people.covariates["weight"], float), np.asarray(people.covariates["height"], float), parameters
    )
    status = result.status
    for j, week in enumerate(plan.visits):
        y = result.y[:, np.searchsorted(times, snapshots[j])]
        given = doses if week > 0 else EventTable.empty(n)  # week 0 is the visit before treatment
        branch = Branch(
            week, y, parameters, person, age, block, pulses.subset(index), given, groups, plan.solver, threads
        )
        morning = fasted(branch)
        for entry in plan.tests:
            if week not in entry.weeks:
                continue
            test = TESTS[entry.test]
            endpoints, curves, ended = run_test(test, branch, morning)
            status = np.where(status == Status.OK, ended, status)
            k = entry.weeks.index(week)
            for name, value in (endpoints | curves).items():
                full = f"{test.name}_{name}"
                shape = (n, len(entry.weeks)) + value.shape[1:]
                found.setdefault(full, np.full(shape, np.nan))[:, k] = value
    return found, np.asarray(status, np.int8)
