"""The plan of a study: its length, outputs, reductions and virtual tests."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from pulsatile.engine.arrays import Floats
from pulsatile.engine.checks import choices, is_number, listed
from pulsatile.engine.drugs.dose_rule import LEAST_WEEKS, MOST_WEEKS
from pulsatile.engine.drugs.dose_rule import WEEK as WEEK
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import on_clock
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.outputs import HBA1C, KNOWN, is_output
from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES, Cohort
from pulsatile.engine.patients.noise import ASSAYS, Noise
from pulsatile.engine.trial.designs.drift import Drift
from pulsatile.engine.trial.designs.dropout import DROPPED, Dropout
from pulsatile.engine.trial.horizon import SLOW, LongHorizon
from pulsatile.engine.trial.test_at import TestAt as TestAt

VISIT_HOURS = 48.0
REDUCTIONS = {"mean": "time mean", "min": "least value", "max": "greatest value", "auc": "area under the curve"}
HBA1C_MEAN = f"{HBA1C.name}_mean"
"""The reduction that is computed from the mean glucose of a window."""
WATCHED = (*(f"{name}_{kind}" for name in WATCH for kind in REDUCTIONS), HBA1C_MEAN)
"""Names of all reductions."""


@dataclass(frozen=True)
class Plan:
    """The length of a study and what it keeps.

    weeks : length of treatment; week k ends at 168 k h
    every : spacing of the output grid, h (0 and the end included)
    outputs : names of `outputs.OUTPUTS` kept on that grid; at the instant of a dose the value before it
    reductions : ``<watched>_<mean|min|max|auc>`` per window, with a name of `layout.WATCH`, or ``hba1c_mean``
    reduce_every : length of a window, h; only whole windows are kept
    tests : virtual tests; those of week 0 come before all treatment
    solver : integrator settings
    long_horizon : skip days and project body composition over them; None (the default) integrates every day
    drift : drifts of body composition in all arms
    dropout : patients who leave; what would have been measured afterwards is missing
    noise : noise of what is measured; None: that of the assays where the cohort has the layer "residual", else none
    """

    weeks: float
    every: float = WEEK
    outputs: tuple[str, ...] = ("igf1", "igf1_sds", "vat", "sat", "lean")
    reductions: tuple[str, ...] = ()
    reduce_every: float = WEEK
    tests: tuple[TestAt, ...] = ()
    solver: Solver = Solver()
    long_horizon: LongHorizon | None = None
    drift: tuple[Drift, ...] = ()
    dropout: Dropout | None = None
    noise: Noise | None = None

    def __post_init__(self) -> None:
        for name in ("outputs", "reductions", "tests", "drift"):
            object.__setattr__(self, name, listed(name, getattr(self, name)))
        if not is_number(self.weeks) or not LEAST_WEEKS <= self.weeks <= MOST_WEEKS:
            raise InputError(
                f"weeks = {self.weeks!r} is outside {LEAST_WEEKS} ... {MOST_WEEKS}; choose for example 26."
            )
        for name in ("every", "reduce_every"):
            value = getattr(self, name)
            if not is_number(value) or not 1 / 60 <= value <= MOST_WEEKS * WEEK:
                raise InputError(
                    f"{name} = {value!r} h is outside one minute ... {MOST_WEEKS} weeks; choose 24 or 168."
                )
        for name in self.outputs:
            if not is_output(name):
                raise InputError(f"output = {name!r} is unknown; {choices(name, KNOWN)}.")
        for name in self.reductions:
            if name not in WATCHED:
                raise InputError(
                    f"reduction = {name!r} is unknown; choose {HBA1C_MEAN}, or <name>_<{'|'.join(REDUCTIONS)}> of "
                    f"{', '.join(WATCH)}."
                )
        if self.reductions and not len(self.windows):
            raise InputError(
                f"reduce_every = {self.reduce_every!r} h is longer than the study's {self.weeks:g} weeks; shorten it."
            )
        self._check_tests()
        self._check_as_run()
        if not isinstance(self.solver, Solver):
            raise InputError(f"solver = {self.solver!r} is not a Solver; give for example Solver(rtol=1e-6).")
        if not isinstance(self.long_horizon, LongHorizon | None):
            raise InputError(
                f"long_horizon = {self.long_horizon!r} is not a LongHorizon; give LongHorizon(), or leave it out."
            )
        if len(set(self.outputs)) < len(self.outputs) or len(set(self.reductions)) < len(self.reductions):
            raise InputError("outputs or reductions name the same variable twice; name each once.")
        if self.long_horizon is not None:
            self.long_horizon.check_plan(self.weeks, self.every, self.outputs, self.reductions)
            for k, test in enumerate(self.tests):
                if any(test.snapshot(week) < WEEK * week for week in test.weeks):
                    raise InputError(
                        f"test {test.name} begins before midnight of its day, which long_horizon does not allow; "
                        "shorten its fast, or leave long_horizon out.", ("tests", k)
                    )  # fmt: skip

    def _check_tests(self) -> None:
        names = set[str]()
        for k, test in enumerate(self.tests):
            if not isinstance(test, TestAt):
                raise InputError(f"tests hold {test!r}; give TestAt objects, for example TestAt('clamp', (0, 26)).")
            if max(test.weeks) > self.weeks:
                raise InputError(
                    f"{test.words} go beyond the study's end; allowed is up to week {self.weeks:g}.",
                    ("tests", k, "weeks"),
                )
            if test.name in names:
                raise InputError(
                    f"tests name {test.name!r} twice; give all its weeks in one entry, or another name.", ("tests", k)
                )
            names.add(test.name)
        variables = {*self.outputs, *self.reductions, *self.projected, *COVARIATES, *MORE_COVARIATES, DROPPED}
        for k, test in enumerate(self.tests):
            found = test.virtual_test
            for name in (f"{test.name}_{part}" for part in ("week", "time", *found.endpoints, *found.curves)):
                if name in variables:
                    raise InputError(
                        f"test {test.name} would write {name} a second time; give it another name.", ("tests", k)
                    )
                variables.add(name)

    def _check_as_run(self) -> None:
        for drift in self.drift:
            if not isinstance(drift, Drift):
                raise InputError(f"drift holds {drift!r}; give Drift objects, for example Drift('vat', 0.05, 26, ...).")
            drift.check(self.weeks)
            for k, test in enumerate(self.tests):
                if set(drift.names) & set(test.settings.outputs):
                    raise InputError(
                        f"test {test.name} samples {drift.output}, which drifts; keep it as an output, or leave the "
                        "drift out.", ("tests", k)
                    )  # fmt: skip
        if len({drift.output for drift in self.drift}) < len(self.drift):
            raise InputError("drift names an output twice; give each once.")
        for name, kind in (("dropout", Dropout), ("noise", Noise)):
            if not isinstance(value := getattr(self, name), kind | None):
                raise InputError(f"{name} = {value!r} is not a {kind.__name__}; give one, or leave it out.")

    def noise_of(self, cohort: Cohort) -> Noise | None:
        """Return the noise of what is measured of ``cohort``; None where values are true."""
        return ASSAYS if self.noise is None and cohort.layers.residual else self.noise

    def drift_of(self, name: str) -> Drift | None:
        """Return the drift of the output ``name``, or None."""
        return next((drift for drift in self.drift if name in drift.names), None)

    @property
    def end(self) -> float:
        """End of the study, h."""
        return WEEK * self.weeks

    def goes_on_from(self, earlier: "Plan") -> str:
        """Return why this plan cannot continue an ``earlier`` one bit for bit; "" when it can."""
        for name, words in (
            ("solver", "the solver differs"), ("outputs", "other outputs are kept"),
            ("every", "outputs are kept at other times"), ("reductions", "other reductions are kept"),
            ("reduce_every", "reductions have other windows"), ("drift", "another drift is asked for"),
            ("dropout", "another dropout is asked for"), ("noise", "another noise is asked for"),
        ):  # fmt: skip
            if getattr(self, name) != getattr(earlier, name) and not (name == "reduce_every" and not self.reductions):
                return words
        if self.long_horizon is not None or earlier.long_horizon is not None:
            return "a run that skips days keeps no end to go on from"
        if self.solver.device != "cpu":
            return "a GPU keeps no end to go on from"
        if self.weeks <= earlier.weeks:
            return "the earlier run is not shorter"
        if [replace(test, weeks=(0,)) for test in self.tests] != [replace(test, weeks=(0,)) for test in earlier.tests]:
            return "other tests are made"
        for test, before in zip(self.tests, earlier.tests, strict=True):
            if tuple(week for week in test.weeks if week <= earlier.weeks) != before.weeks:
                return f"test {test.name} is made at other weeks of the earlier run"
            if any(test.snapshot(week) < earlier.end for week in test.weeks if week > earlier.weeks):
                return f"the fast of test {test.name} begins before the end of the earlier run"
        return ""

    def until(self, weeks: float, further: tuple[str, ...] = ()) -> "Plan":
        """Return the first ``weeks`` of the plan, with ``further`` outputs; it may be shorter than a window."""
        part = copy(self)
        tests = [replace(t, weeks=kept) for t in self.tests if (kept := tuple(w for w in t.weeks if w <= weeks))]
        names = tuple(dict.fromkeys((*self.outputs, *further)))
        for name, value in (("weeks", weeks), ("tests", tuple(tests)), ("outputs", names)):
            object.__setattr__(part, name, value)
        return part

    @property
    def times(self) -> Floats:
        """The output grid, h."""
        grid = on_clock(np.arange(int(np.floor(self.end / self.every + 1e-9)) + 1) * self.every)
        # a grid point within a rounding error of the end is the end, as in a longer study
        return np.asarray(grid if abs(self.end - grid[-1]) < 1e-6 else np.append(grid, on_clock(self.end)), np.float64)

    @property
    def windows(self) -> Floats:
        """Starts of the reduction windows, h."""
        count = int(np.floor(self.end / self.reduce_every + 1e-9))
        return np.asarray(np.arange(count) * self.reduce_every, np.float64)

    @property
    def projected(self) -> tuple[str, ...]:
        """States that are projected and kept (also as their change); empty where every day is integrated."""
        kept = {name.removesuffix("_change") for name in self.outputs}
        return () if self.long_horizon is None else tuple(name for name in SLOW if name in kept)

    @property
    def visits(self) -> tuple[float, ...]:
        """Weeks with a test, ascending."""
        return tuple(sorted({week for test in self.tests for week in test.weeks}))

    @property
    def visit_hours(self) -> float:
        """Hours from midnight of a visit's day that its tests can include, at least two days."""
        return max([VISIT_HOURS, *(test.longest for test in self.tests)])

    def snapshots(self, after: float = 0.0) -> Floats:
        """Return the instants at which the tests of weeks beyond ``after`` branch off the main run, h, ascending."""
        return np.unique([test.snapshot(week) for test in self.tests for week in test.weeks if week > after])
