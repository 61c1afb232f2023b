"""Criteria at screening: limits of covariates, of outputs at rest, and of endpoints of virtual tests."""

from collections.abc import Mapping
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from pulsatile.engine.arrays import Flags, Floats
from pulsatile.engine.checks import choices
from pulsatile.engine.errors import InputError
from pulsatile.engine.outputs import OUTPUTS
from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES
from pulsatile.engine.trial.protocols import TESTS
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.sweeps.study.fields import Model, Resolved, keyed_by
from pulsatile.sweeps.study.test_entry import TestEntry

SCREENED_COVARIATES = {
    name: row for name, row in (COVARIATES | MORE_COVARIATES).items() if name not in ("parameter_draws", "prevalence")
}
"""Unit and long name of the covariates that may decide who enters."""
USUAL = {f"{test}_{name}": (test, unit) for test, row in TESTS.items() for name, (unit, _) in row.endpoints.items()}
"""Endpoints of the tests as their protocols have them: the test, and the unit."""
WORDS = {"at_least": "at least", "above": "above", "at_most": "at most", "below": "below"}


class LimitsEntry(Model):
    """Limits of one value; all that are given must be met."""

    at_least: float | None = Field(None, description="least value that enters")
    above: float | None = Field(None, description="values above this enter")
    at_most: float | None = Field(None, description="greatest value that enters")
    below: float | None = Field(None, description="values below this enter")

    @model_validator(mode="after")
    def _some(self) -> Self:
        given = {name: getattr(self, name) for name in WORDS if getattr(self, name) is not None}
        if not given:
            raise ValueError(f"has no limit: give {', '.join(WORDS)}, for example {{at_most: 9}}")
        low = max([given[name] for name in ("at_least", "above") if name in given], default=None)
        high = min([given[name] for name in ("at_most", "below") if name in given], default=None)
        closed = not {"above", "below"} & set(given)
        if low is not None and high is not None and not (low < high or (closed and low == high)):
            raise ValueError(f"lets nobody in: {low:g} as the lower and {high:g} as the upper limit; correct one")
        return self


class Criterion(Resolved):
    """Limits of the value ``name``, in ``unit``; a limit that is None does not apply."""

    name: str
    unit: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    @property
    def words(self) -> str:
        """The criterion, for a reader.

        >>> Criterion(name="ghrh_gh_peak", unit="ug/L", at_most=9).words
        'ghrh_gh_peak at most 9 ug/L'
        """
        limits = [f"{word} {getattr(self, name):g}" for name, word in WORDS.items() if getattr(self, name) is not None]
        unit = "" if self.unit in ("1", "-") else f" {self.unit}"
        return f"{self.name} {' and '.join(limits)}{unit}"

    def met(self, values: Floats) -> Flags:
        """Return who meets the criterion (n,); a NaN does not."""
        met: Flags = np.isfinite(values)
        for limit, inside in (
            (self.at_least, np.greater_equal), (self.above, np.greater), (self.at_most, np.less_equal),
            (self.below, np.less),
        ):  # fmt: skip
            if limit is not None:
                met = met & inside(values, limit)
        return met


class Screening(Resolved):
    """What is measured of a candidate, and the criteria."""

    criteria: tuple[Criterion, ...] = ()
    outputs: tuple[str, ...] = ()
    tests: tuple[TestAt, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether a candidate must be simulated; covariates are known without."""
        return bool(self.outputs or self.tests)

    @property
    def words(self) -> str:
        """The criteria, for a reader."""
        return ", ".join(criterion.words for criterion in self.criteria)


Select = Annotated[
    dict[str, LimitsEntry], keyed_by(sorted({*SCREENED_COVARIATES, *OUTPUTS, *USUAL})), Field(max_length=20)
]


def screening(
    select: Mapping[str, LimitsEntry], tests: tuple[TestEntry, ...], covariates: tuple[str, ...]
) -> Screening:
    """Return what the entries of a study ask of a candidate with these ``covariates``.

    Raises
    ------
    InputError
        For a name that is neither covariate, output nor endpoint, and for tests that decide nothing.
    """
    own = {
        f"{at.name}_{name}": (at, unit)
        for at in (test.resolved() for test in tests)
        for name, (unit, _) in at.virtual_test.endpoints.items()
    }
    criteria, outputs, used = [], [], dict[str, TestAt]()
    for name, limits in sorted(select.items()):
        if name in covariates:
            unit = SCREENED_COVARIATES[name][0]
        elif name in own:
            test, unit = own[name]
            used[test.name] = test
        elif name in OUTPUTS:
            unit = OUTPUTS[name].unit
            outputs.append(name)
        elif name in USUAL:
            test_name, unit = USUAL[name]
            used.setdefault(test_name, TestAt(test_name, (0.0,)))
        else:
            known = (*covariates, *own, *OUTPUTS, *USUAL)
            raise InputError(
                f"{name!r} is neither a covariate of these patients, an output, nor an endpoint of a test: "
                f"{choices(name, known)}.", ("select", name),
            )  # fmt: skip
        criteria.append(Criterion(name=name, unit=unit, **limits.model_dump()))
    for k, entry in enumerate(tests):
        at = entry.resolved()
        if used.get(at.name) != at:
            raise InputError(
                f"the test {at.name} decides nothing; name an endpoint of it in select, or leave it out.",
                ("screening", k),
            )
        if at.weeks != (0.0,):
            raise InputError(
                f"the test {at.name} is made at weeks {', '.join(f'{week:g}' for week in at.weeks)}; screening is "
                "before all treatment, so write weeks: [0].", ("screening", k, "weeks"),
            )  # fmt: skip
    return Screening(criteria=tuple(criteria), outputs=tuple(outputs), tests=tuple(used[name] for name in sorted(used)))
