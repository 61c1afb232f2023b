"""Wrong calls from Python: one plain sentence each, an `InputError`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pulsatile as pu
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel.batch import integrate
from pulsatile.engine.kernel.events import EventTable, event_table
from pulsatile.engine.parameters import TABLE
from pulsatile.engine.patients.basal import fasting_state
from pulsatile.engine.patients.changes import knock_outs

NAN, INF = float("nan"), float("inf")
CONTROL = [pu.preset("control")]
Call = Callable[[], object]


def dose(**changes: Any) -> pu.Dose:
    usual: dict[str, Any] = {"drug": "tesamorelin", "amount": 2, "unit": "mg", "route": "SC", "times": (8.0,)}
    return pu.Dose(**usual | changes)


def drip(**changes: Any) -> pu.Dose:
    return dose(**{"route": "infusion", "duration": 2.0} | changes)


def cohort(n: int = 2, **changes: Any) -> pu.Cohort:
    """Return a cohort whose first patient has other covariates."""
    made = pu.virtual_cohort(n, variability=False)
    for name, value in changes.items():
        made.covariates[name][0] = value
    return made


def simulated(people: Any = None, arms: Any = CONTROL, plan: Any = None, **more: Any) -> Any:
    return pu.simulate(people or cohort(), arms, plan or pu.Plan(weeks=1), **more)


def integrated(**changes: Any) -> Any:
    made = pu.virtual_cohort(2, variability=False)
    usual = {"parameters": made.parameters, "y0": fasting_state(made.parameters), "block": None, "doses": None}
    return integrate(**usual | {"start": 0.0, "times": np.array([1.0])} | changes)  # type: ignore[arg-type]


def unsorted(*times: float) -> EventTable:
    table = event_table([[(1.0, "glucose", 1.0), (2.0, "glucose", 1.0)], []])
    return table._replace(time=np.array(times))


def plan(**changes: Any) -> pu.Plan:
    return pu.Plan(**{"weeks": 1} | changes)


# what is called; words of the sentence
# fmt: off
CALLS: dict[str, tuple[Call, str]] = {
    "no patient": (lambda: pu.virtual_cohort(0), "n = 0 must be a whole number from 1 to 1000000"),
    "n negative": (lambda: pu.virtual_cohort(-1), "n = -1"),
    "n half": (lambda: pu.virtual_cohort(1.5), "n = 1.5"),  # type: ignore[arg-type]
    "n True": (lambda: pu.virtual_cohort(True), "n = True"),
    "n text": (lambda: pu.virtual_cohort("3"), "n = '3'"),  # type: ignore[arg-type]
    "n too large": (lambda: pu.virtual_cohort(10**7), "from 1 to 1000000"),
    "seed negative": (lambda: pu.virtual_cohort(2, seed=-1), "seed = -1"),
    "seed beyond": (lambda: pu.virtual_cohort(2, seed=2**64), "seed = 18446744073709551616"),
    "seed none": (lambda: pu.virtual_cohort(2, seed=None), "seed = None"),  # type: ignore[arg-type]
    "first beyond": (lambda: pu.virtual_cohort(2, first=2**63 - 1), "first = 9223372036854775807"),
    "phenotype unknown": (lambda: pu.virtual_cohort(2, "fat"), "'fat' is not known"),
    "phenotype none": (lambda: pu.virtual_cohort(2, None), "phenotype = None must be a name"),  # type: ignore[arg-type]
    "phenotype list": (lambda: pu.virtual_cohort(2, ["lean"]), "must be a name or shares"),  # type: ignore[arg-type]
    "no shares": (lambda: pu.virtual_cohort(2, {}), "gives no shares"),
    "share nan": (lambda: pu.virtual_cohort(2, {"lean": NAN}), "share of phenotype lean = nan"),
    "share beyond": (lambda: pu.virtual_cohort(2, {"lean": 1e308, "obese": 1e308}), "from 0 to 1e+09"),
    "share True": (lambda: pu.virtual_cohort(2, {"lean": True}), "share of phenotype lean = True"),
    "variability": (lambda: pu.virtual_cohort(2, variability="no"), "'no'"),  # type: ignore[arg-type]
    # people that no one is
    "age in months": (lambda: simulated(cohort(age=540.0)), "age = 540 of patient 0 is outside 10 ... 120 y"),
    "age negative": (lambda: simulated(cohort(age=-5.0)), "age = -5"),
    "height in cm": (lambda: simulated(cohort(height=175.0)), "height = 175 of patient 0 is outside 0.5 ... 2.8 m"),
    "weight in pounds": (lambda: simulated(cohort(weight=220.5)), "weight = 220.5 kg, height = 1.75 m and bmi = 32.6"),
    "weight negative": (lambda: simulated(cohort(weight=-100.0)), "weight = -100"),
    "sex": (lambda: simulated(cohort(sex=7)), "sex = 7"),
    "ids twice": (lambda: simulated(replace(cohort(), patient=np.array([3, 3]))), "ids of the cohort repeat"),
    "ids too many": (lambda: simulated(replace(cohort(), patient=np.arange(3))), "2 parameter records for 3 patients"),
    "ages too few": (lambda: simulated(replace(cohort(), covariates=cohort(1).covariates)), "1 values for 2 patients"),
    # doses
    "drug": (lambda: dose(drug="Tesamorelin"), "did you mean tesamorelin?"),
    "drug none": (lambda: dose(drug=None), "drug = None"),
    "a thousand times": (lambda: dose(amount=2000), "at most 200 mg a day are allowed"),
    "absurd": (lambda: dose(amount=1e9), "at most 200 mg a day are allowed"),
    "absurd per kg": (lambda: dose(amount=30, unit="mg/kg", drug="cjc1295_dac"), "at most 100 mg a day"),
    "absurd in IU": (lambda: dose(amount=900, unit="IU", drug="somatropin"), "at most 100 mg a day"),
    "absurd by the day": (lambda: dose(amount=10, times=tuple(range(24))), "at most 200 mg a day"),
    "absurd drip": (lambda: drip(amount=3000, duration=168.0, days=(0,)), "at most 200 mg a day"),
    "amount text": (lambda: dose(amount="2"), "amount = '2'"),
    "amount none": (lambda: dose(amount=None), "amount = None"),
    "amount infinite": (lambda: dose(amount=INF), "amount = inf"),
    "unit none": (lambda: dose(unit=None), "unit = None"),
    "unit list": (lambda: dose(unit=["mg"]), "unit = ['mg']"),
    "route list": (lambda: dose(route=["SC"]), "route = ['SC']"),
    "times none": (lambda: dose(times=None), "times of tesamorelin = None must be a list"),
    "times before midnight": (lambda: dose(times=(-1.0,)), "from 0 to below 24"),
    "times nan": (lambda: dose(times=(NAN,)), "from 0 to below 24"),
    "times all but equal": (lambda: dose(times=(8.0, 8.0 + 1e-12)), "hold an hour twice"),
    "times too many": (lambda: dose(times=tuple(np.linspace(0, 23.9, 10_000))), "at most 1440"),
    "days of text": (lambda: dose(days=("Mon",)), "0 (Monday) to 6 (Sunday)"),
    "days True": (lambda: dose(days=(True,)), "0 (Monday) to 6 (Sunday)"),
    "interval half": (lambda: dose(every_weeks=1.5), "from 1 to 520"),
    "interval beyond": (lambda: dose(every_weeks=10**9), "from 1 to 520"),
    "start infinite": (lambda: dose(start_week=INF), "from 0 to 520"),
    "start beyond": (lambda: dose(start_week=1e9), "from 0 to 520"),
    "stop nan": (lambda: dose(stop_week=NAN), "stop_week = nan"),
    "duration text": (lambda: drip(duration="2 h"), "duration = '2 h'"),
    "interval below the drip": (lambda: drip(duration=30.0), "longer than the 24 h to the rule's next dose"),
    "drip over the week": (lambda: drip(days=(0,), duration=169.0), "longer than the 168 h"),
    "arm without name": (lambda: pu.Arm(None), "name of an arm = None"),  # type: ignore[arg-type]
    "arm of lines": (lambda: pu.Arm("a\nb"), "in one line"),
    "arm of one dose": (lambda: pu.Arm("a", dose()), "doses of arm a"),  # type: ignore[arg-type]
    "arm of text": (lambda: pu.Arm("a", ("2 mg",)), "hold '2 mg'"),  # type: ignore[arg-type]
    "preset list": (lambda: pu.preset(["control"]), "is not known"),  # type: ignore[arg-type]
    "too many doses": (lambda: simulated(arms=[pu.Arm("a", (dose(amount=.01, times=tuple(np.arange(1440) / 60)),))],
                                         plan=plan(weeks=26)), "262080 doses in 26 weeks, at most 50000"),
    # plans
    "no week": (lambda: plan(weeks=0), "weeks = 0 is outside 0.01 ... 520"),
    "weeks beyond": (lambda: plan(weeks=521), "weeks = 521"),
    "weeks next to nothing": (lambda: plan(weeks=1e-9), "weeks = 1e-09"),
    "weeks nan": (lambda: plan(weeks=NAN), "weeks = nan"),
    "weeks text": (lambda: plan(weeks="4"), "weeks = '4'"),
    "every none": (lambda: plan(every=None), "every = None"),
    "every second": (lambda: plan(every=1 / 3600), "outside one minute"),
    "outputs text": (lambda: plan(outputs="igf1"), "outputs = 'igf1' must be a list"),
    "outputs in a list": (lambda: plan(outputs=(["igf1"],)), "output = ['igf1'] is unknown"),
    "an output named time": (lambda: plan(outputs=("time",)), "output = 'time' is unknown"),
    "reduction": (lambda: plan(reductions=("gh_median",)), "'gh_median' is unknown"),
    "window beyond": (lambda: plan(reductions=("gh_mean",), reduce_every=1000.0), "is longer than the study"),
    "test as text": (lambda: plan(tests=("clamp",)), "give TestAt objects"),
    "test late": (lambda: plan(tests=(pu.TestAt("clamp", (2,)),)), "the study's end; allowed is up to week 1"),
    "test unknown": (lambda: pu.TestAt("scan", (0,)), "'scan' is unknown"),
    "test in a list": (lambda: pu.TestAt(["clamp"], (0,)), "is unknown"),  # type: ignore[arg-type]
    "test half a week": (lambda: pu.TestAt("clamp", (0.5,)), "must be whole weeks"),
    "test week alone": (lambda: pu.TestAt("clamp", 3), "must be a list"),  # type: ignore[arg-type]
    "solver by name": (lambda: plan(solver="bs5"), "solver = 'bs5' is not a Solver"),
    "solver none": (lambda: plan(solver=None), "solver = None is not a Solver"),
    "horizon True": (lambda: plan(weeks=26, long_horizon=True), "long_horizon = True is not a LongHorizon"),
    "horizon": (lambda: pu.LongHorizon(macro_days="13"), "whole number from 3 to 364"),  # type: ignore[arg-type]
    # solver
    **{f"{name} {value!r}": (lambda name=name, value=value: pu.Solver(**{name: value}), f"solver {name} = {value!r}")
       for name, values in {
           "rtol": (0, -1, 1, 1e-15, NAN, INF, True, None, "1e-6"), "atol_factor": (0, -1, NAN, "1"),
           "method": ("rk4", None, ["bs5"]), "lanes": (0, 5, 8.0, True, "8"),
           "precision": ("half",), "max_steps_per_day": (0, 200.5, NAN, 1e300, None), "first_step": (0, "1", 100),
           "event_step": (-1,), "device": ("tpu",)}.items() for value in values},
    # simulate
    "no cohort": (lambda: pu.simulate(None, CONTROL, plan()), "needs a Cohort"),  # type: ignore[arg-type]
    "no plan": (lambda: simulated(plan=4), "and a Plan"),
    "an arm alone": (lambda: simulated(arms=CONTROL[0]), "a list of at least one arm"),
    "no arms": (lambda: simulated(arms=[]), "a list of at least one arm"),
    "arms text": (lambda: simulated(arms="control"), "give Arm objects"),
    "arms twice": (lambda: simulated(arms=CONTROL * 2), "its own name"),
    "no thread": (lambda: simulated(threads=0), "threads = 0"),
    "threads text": (lambda: simulated(threads="2"), "threads = '2'"),
    "baseline": (lambda: simulated(baseline="x"), "belongs to other patients"),
    "beyond memory": (lambda: simulated(cohort(10_000), plan=plan(weeks=520, every=1 / 60)), "GB of memory"),
    # integrate
    "start of another shape": (lambda: integrated(y0=np.zeros((2, 3))), "need a start of shape (2, "),
    "records of another type": (lambda: integrated(parameters=np.zeros(2)), "2 parameter records"),
    "end before start": (lambda: integrated(stop=-1.0), "stop not before start, at most 100000 h"),
    "without end": (lambda: integrated(times=np.array([1e308])), "stop not before start, at most 100000 h"),
    "start nan": (lambda: integrated(start=NAN), "start = nan"),
    "start text": (lambda: integrated(start="0"), "start = 0, stop"),
    "times down": (lambda: integrated(times=np.array([2.0, 1.0]), stop=3.0), "must ascend"),
    "times before start": (lambda: integrated(start=5.0, stop=9.0), "must ascend within 5.0 ... 9.0 h"),
    "times in two rows": (lambda: integrated(times=np.ones((1, 1))), "of one dimension"),
    "window too small": (lambda: integrated(window=1e-9), "from one minute on"),
    "window negative": (lambda: integrated(window=-1.0), "from one minute on"),
    "no thread there": (lambda: integrated(threads=0), "threads = 0"),
    "solver there": (lambda: integrated(solver="bs5"), "must be a Solver"),
    "group": (lambda: integrated(groups=("nose",)), "drug group = 'nose'"),
    "records unsorted": (lambda: integrated(doses=unsorted(2.0, 1.0)), "not sorted by time"),
    "record at no time": (lambda: integrated(block=unsorted(1.0, NAN)), "not sorted by time"),
    "record for nobody": (lambda: integrated(doses=event_table([[]])), "of 2 and 1 patients do not fit 2"),
    "record into nothing": (lambda: event_table([[(1.0, "nose", 1.0)]]), "neither a state nor an input"),
    # runs
    "no study": (lambda: pu.load_study("nothing.yaml"), "there is no such file"),
    "study of NUL": (lambda: pu.load_study("a\0b"), "cannot be read"),
    "overrides text": (lambda: pu.load_study("examples/quick.yaml", "weeks=3"), "this is not KEY=VALUE"),
    "run a path": (lambda: pu.run("study.yaml", "runs/a"), "give for example load_study"),  # type: ignore[arg-type]
    "open nothing": (lambda: pu.open_dataset("nothing.zarr"), "give the folder of a run"),
    "open no store": (lambda: pu.open_dataset("examples"), "give the folder of a run"),
    "resolve a path": (lambda: pu.resolve("study.yaml"), "give load_study"),  # type: ignore[arg-type]
    "workers text": (lambda: pu.Resources(workers="2"), "--workers = '2'"),  # type: ignore[arg-type]
    "threads half": (lambda: pu.Resources(threads=1.5), "--threads = 1.5"),  # type: ignore[arg-type]
    "chunk 0": (lambda: pu.Resources(chunk=0), "--chunk = 0 is too small"),
    "control": (lambda: pu.summarise(pu.template([1], CONTROL, plan()), "placebo"), "'placebo' is not an arm"),
}
# fmt: on


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_gets_one_sentence(name: str) -> None:
    call, words = CALLS[name]
    with pytest.raises(InputError) as caught:
        call()
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


WRONG_VALUES = [
    (row.name, value)
    for row in TABLE
    if row.name in ("weight", "k_gh", "igf1_target", "v_glucose", "lean0", "vat0", "beta_half", "ghrh_tone", "day")
    for value in (-abs(row.value), 0.0, 1e20, NAN, INF)
]


def test_an_absurd_parameter_is_a_status_never_a_number() -> None:
    """A parameter of 1e20 once gave finite, wrong values elsewhere (rxode2)."""
    people = pu.virtual_cohort(len(WRONG_VALUES) + 1, variability=False)
    for k, (name, value) in enumerate(WRONG_VALUES):
        people.parameters[name][k] = value
    result = simulated(people, plan=plan(outputs=("igf1", "vat")))
    for k, (name, value) in enumerate(WRONG_VALUES):
        wanted = Status.IMPLAUSIBLE if np.isfinite(value) else Status.NOT_FINITE
        if value == 0 and name in knock_outs():  # a mechanism that is switched off
            assert result["status"].values[0, k] in (Status.OK, Status.IMPLAUSIBLE), name
            continue
        assert result["status"].values[0, k] == wanted, (name, value)
    assert np.array_equal(np.isnan(result["vat"].values[0, :, -1]), result["status"].values[0] != Status.OK)
    assert result["status"].values[0, -1] == Status.OK


@pytest.mark.parametrize("name", ["age", "sex", "weight", "height", "bmi"])
def test_a_covariate_that_is_no_number_is_a_status(name: str) -> None:
    people = pu.virtual_cohort(2, variability=False)
    people.covariates[name] = np.array([NAN, people.covariates[name][1]])
    assert simulated(people)["status"].values.tolist() == [[Status.NOT_FINITE, Status.OK]]


def test_drawn_patients_lie_far_within() -> None:
    people = pu.virtual_cohort(3000, {"obese": 1, "ghd": 1, "t2d": 1, "lean": 1}, seed=3)
    for row in TABLE:
        if row.kind in ("constant", "patient"):
            drawn = people.parameters[row.name]
            assert row.low / 5 <= drawn.min(), row.name
            assert drawn.max() <= 5 * row.high, row.name


@pytest.mark.parametrize("index", [[0, 3], [-4], [True, False], 1, "a", [0.5], None, np.ones((2, 2), int)])
def test_a_subset_that_is_none(index: Any) -> None:
    with pytest.raises(InputError, match=r"subset of .* chooses no patients .* positions from 0 to 2, a slice, or a"):
        pu.virtual_cohort(3).subset(index)


def test_a_caller_who_lets_numpy_raise_gets_the_same_numbers() -> None:
    def numbers() -> Any:
        people = pu.virtual_cohort(3, "obese")
        people.parameters["k_gh"][1] = NAN  # a failed patient is NaN throughout
        adults = pu.adult_cohort(3)
        tests = (pu.TestAt("fasting", (0.0, 1.0)),)
        arms = [pu.preset("control"), pu.preset("tesamorelin_label")]
        data = pu.simulate(people, arms, pu.Plan(weeks=1, tests=tests))
        return adults.parameters, data, pu.summarise(data, "control").frame

    usual = numbers()
    with np.errstate(all="raise"):
        raising = numbers()
        assert np.geterr()["invalid"] == "raise"  # the caller's own setting stays
    assert np.array_equal(usual[0], raising[0])
    assert usual[1].identical(raising[1])
    assert usual[2].equals(raising[2])
