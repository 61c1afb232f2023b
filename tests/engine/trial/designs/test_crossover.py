"""Crossover sequences: doses at the hours of their periods, and the same numbers as the treatment alone."""

import numpy as np
import pytest

from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.presets import preset
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.titration import Titration
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.changes import Change
from pulsatile.engine.patients.cohort import virtual_cohort
from pulsatile.engine.simulate import Plan, simulate
from pulsatile.engine.trial.designs.crossover import Crossover

PLACEBO = Arm("placebo")
DRUG = Arm("drug", (Dose("tesamorelin", 2.0, "mg", "SC", (8.0,)),))
TITRATED = Dose("somatropin", 0.2, "mg", "SC", (21.0,), titration=Titration("igf1_sds", 0, 1, 0.1, 0, 1))
TWO = Crossover((("placebo", "drug"), ("drug", "placebo")), period=2, washout=1)


def test_periods_and_names() -> None:
    assert TWO.starts == (0.0, 3.0)
    assert TWO.weeks == 5
    assert TWO.names == ("placebo then drug", "drug then placebo")
    assert TWO.treatments == ("placebo", "drug")
    assert TWO.control == "placebo"


def test_doses_fall_into_their_periods() -> None:
    """Daily from the Monday of the period to the day of the visit at its end."""
    late, early = TWO.arms([PLACEBO, DRUG])
    (dose,) = early.doses
    assert dose.starts(0.0, 1e9).tolist() == [24.0 * day + 8 for day in range(15)]
    (dose,) = late.doses
    assert dose.starts(0.0, 1e9).tolist() == [24.0 * day + 8 for day in range(21, 36)]


def test_a_rule_keeps_its_own_weeks_days_and_end() -> None:
    """Of every second week, a Thursday, from week 1 of the period to its week 4: weeks 7 and 9 of the trial."""
    arm = Arm("drug", (Dose("tesamorelin", 2.0, "mg", "SC", (8.0,), (3,), 2, start_week=1.0, stop_week=4.0),))
    crossover = Crossover((("placebo", "drug"), ("drug", "placebo")), period=5, washout=1)
    (dose,) = crossover.arms([PLACEBO, arm])[0].doses
    assert dose.starts(0.0, 1e9).tolist() == [168.0 * week + 24 * 3 + 8 for week in (7, 9)]


def test_the_first_period_is_the_treatment_alone_and_the_washout_is_none() -> None:
    cohort = virtual_cohort(2, seed=5)
    plan = Plan(weeks=5, every=24.0, outputs=("gh", "vat", "igf1"))
    both = simulate(cohort, TWO.arms([PLACEBO, DRUG]), plan)
    alone = simulate(cohort, [PLACEBO, DRUG], plan)
    first = both["time"].values <= 168 * 2
    for name in plan.outputs:
        early = both[name].sel(arm="drug then placebo").values[:, first]
        np.testing.assert_array_equal(early, alone[name].sel(arm="drug").values[:, first])
        late = both[name].sel(arm="placebo then drug").values
        before = both["time"].values <= 168 * 3
        np.testing.assert_allclose(late[:, before], alone[name].sel(arm="placebo").values[:, before], rtol=1e-5)
    assert (np.abs(late[:, -1] / alone["igf1"].sel(arm="placebo").values[:, -1] - 1) > 0.05).all()


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (Arm("drug", changes=(Change("k_igf1", 2.0, factor=True),)), "changes of parameters"),
        (preset("control"), "which is not an arm"),
        (Arm("drug", (TITRATED,)), "a titration"),
    ],
)  # fmt: skip
def test_treatments_that_no_period_can_have(arm: Arm, words: str) -> None:
    with pytest.raises(InputError, match=words):
        TWO.arms([PLACEBO, arm])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sequences": (("a", "b"),)}, "at least two sequences"),
        ({"sequences": (("a", "b"), ("b",))}, "all the same number"),
        ({"sequences": (("a", "b"), ("a", "b"))}, "given twice"),
        ({"sequences": (("a", "a"), ("a", "a", "a"))}, "all the same number"),
        ({"sequences": "ab"}, "must be a list"),
        ({"washout": 0}, "from one day"),
        ({"washout": 0.5}, "whole days"),
        ({"washout": 1 / 7}, "whole weeks together"),
        ({"period": float("nan")}, "from one day"),
        ({"control": "c"}, "in no sequence"),
    ],
)
def test_designs_that_are_none(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"sequences": (("a", "b"), ("b", "a")), "period": 2, "washout": 1}
    with pytest.raises(InputError, match=words):
        Crossover(**(good | change))  # type: ignore[arg-type]
